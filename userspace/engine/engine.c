// SPDX-License-Identifier: Apache-2.0
/* The pinned object: opening, sharing, and a run's place in it. */
#include "engine/engine.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdarg.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "lib/mounts.h"
#include "lib/util.h"

#define LOCK_FILE OBMON_STATE_DIR "/lock"

/* Which pinned map each descriptor of struct engine is. */
static const struct {
	const char *name;
	size_t offset;
} engine_maps[] = {
	{ "obmon_runs", offsetof(struct engine, runs) },
	{ "obmon_policies", offsetof(struct engine, policies) },
	{ "obmon_rings", offsetof(struct engine, rings) },
	{ "obmon_addresses", offsetof(struct engine, addresses) },
	{ "obmon_askers", offsetof(struct engine, askers) },
	{ "obmon_cgroup_slots", offsetof(struct engine, cgroup_slots) },
	{ "obmon_run_of_cgroup", offsetof(struct engine, run_of_cgroup) },
	{ "obmon_levels", offsetof(struct engine, levels) },
	{ "obmon_lost", offsetof(struct engine, lost) },
	{ "obmon_abi", offsetof(struct engine, abi) },
};

static int *engine_map(struct engine *engine, size_t i)
{
	return (int *)((char *)engine + engine_maps[i].offset);
}

size_t engine_descriptors(struct engine *engine, int **descriptors)
{
	size_t i;

	_Static_assert(ARRAY_SIZE(engine_maps) == ENGINE_MAPS, "every map has its place");
	for (i = 0; i < ENGINE_MAPS; i++)
		descriptors[i] = engine_map(engine, i);
	return ENGINE_MAPS;
}

static int print_libbpf(enum libbpf_print_level level, const char *fmt, va_list args)
{
	if (level == LIBBPF_DEBUG || !getenv("OBMON_DEBUG"))
		return 0;
	return vfprintf(stderr, fmt, args);
}

int engine_lock(struct engine *engine, struct obmon_error *err)
{
	if (engine->lock >= 0)
		return 0;
	if (make_dir(OBMON_STATE_DIR, 0700))
		return obmon_fail_errno(err, OBMON_ERR_HOST, errno, "cannot make " OBMON_STATE_DIR);
	engine->lock = open(LOCK_FILE, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (engine->lock < 0)
		return obmon_fail_errno(err, OBMON_ERR_HOST, errno, "cannot open " LOCK_FILE);
	while (flock(engine->lock, LOCK_EX))
		if (errno != EINTR) {
			obmon_fail_errno(err, OBMON_ERR_HOST, errno, "cannot lock " LOCK_FILE);
			fd_close(&engine->lock);
			return -1;
		}
	return 0;
}

void engine_unlock(struct engine *engine)
{
	fd_close(&engine->lock);
}

static void close_maps(struct engine *engine)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(engine_maps); i++)
		fd_close(engine_map(engine, i));
}

void engine_close(struct engine *engine)
{
	close_maps(engine);
	engine_unlock(engine);
}

static int open_maps(struct engine *engine, struct obmon_error *err)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(engine_maps); i++) {
		_cleanup_free_ char *path = format(OBMON_PINS "/maps/%s", engine_maps[i].name);
		int fd = path ? bpf_obj_get(path) : -1;

		if (fd < 0)
			return obmon_fail_errno(err, OBMON_ERR_HOST, errno,
						"cannot open the pinned map " OBMON_PINS "/maps/%s",
						engine_maps[i].name);
		*engine_map(engine, i) = fd;
	}
	return 0;
}

/* Make the cgroup obmon/@name. @return its directory, which the caller frees, or NULL. */
static char *cgroup_folder(const char *name, struct obmon_error *err)
{
	_cleanup_free_ char *parent = NULL;
	const struct mount *mount;
	struct mounts mounts;
	char *dir = NULL;

	if (mounts_load(&mounts, "/proc/self/mountinfo", err))
		return NULL;
	mount = mounts_find_type(&mounts, "cgroup2");
	if (mount) {
		parent = format("%s/" OBMON_CGROUP, mount->point);
		dir = format("%s/" OBMON_CGROUP "/%s", mount->point, name);
	}
	mounts_clear(&mounts);
	if (parent && dir && !make_dir(parent, 0755) && !make_dir(dir, 0755))
		return dir;
	obmon_fail_errno(err, OBMON_ERR_HOST, errno, "cannot make the cgroup " OBMON_CGROUP "/%s", name);
	free(dir);
	return NULL;
}

static int check_bpffs(struct obmon_error *err)
{
	struct statfs fs;

	if (statfs(OBMON_BPFFS, &fs) || fs.f_type != BPF_FS_MAGIC)
		return obmon_fail(err, OBMON_ERR_HOST,
				  OBMON_BPFFS " is not a BPF filesystem; "
					      "mount it with: mount -t bpf bpf " OBMON_BPFFS);
	return 0;
}

/* Of any ABI: each run has its attachments under a folder of its own. */
static int count_live_runs(void)
{
	DIR *dir = opendir(OBMON_PINS "/runs");
	struct dirent *entry;
	int live = 0;

	if (!dir)
		return 0;
	while ((entry = readdir(dir)))
		live += entry->d_name[0] != '.';
	closedir(dir);
	return live;
}

/*
 * Programs that another obmon has pinned are shared if they speak the same ABI, and replaced by this one's
 * if they are of another build and serve nobody.
 */
static int settle_abi(struct engine *engine, bool *replace, struct obmon_error *err)
{
	struct obmon_abi_info own, pinned = {};
	__u32 zero = 0;

	*replace = false;
	if (engine_own_abi(&own, err))
		return -1;
	if (bpf_map_lookup_elem(engine->abi, &zero, &pinned) == 0 && !memcmp(&own, &pinned, sizeof(own)))
		return 0;
	if (!count_live_runs()) {
		*replace = true;
		return 0;
	}
	if (pinned.version == own.version && pinned.run_size == own.run_size && pinned.event_size == own.event_size)
		return 0;
	return obmon_fail(err, OBMON_ERR_HOST,
			  "the kernel programs pinned under " OBMON_PINS " are of an obmon with another ABI "
			  "(version %u, this one has %u) and still serve runs; wait for these to end, "
			  "then remove " OBMON_PINS,
			  pinned.version, own.version);
}

/* The pins of programs begin with the attach type: see engine.h. */
static enum bpf_attach_type attach_type(const char *name)
{
	return (enum bpf_attach_type)strtoul(name, NULL, 10);
}

static int attach_one(const char *name, int cgroup_fd, const char *folder, struct obmon_error *err)
{
	_cleanup_free_ char *program_path = format(OBMON_PINS "/progs/%s", name);
	_cleanup_free_ char *link_path = format("%s/%s", folder, name);
	enum bpf_attach_type type = attach_type(name);
	_cleanup_fd_ int program = -1, link = -1;

	if (!program_path || !link_path)
		return obmon_fail(err, OBMON_ERR_INTERNAL, "out of memory");
	program = bpf_obj_get(program_path);
	if (program < 0)
		return obmon_fail_errno(err, OBMON_ERR_HOST, errno, "cannot open %s", program_path);
	link = bpf_link_create(program, cgroup_fd, type, NULL);
	if (link < 0)
		return obmon_fail_errno(err, OBMON_ERR_HOST, errno, "cannot attach %s to a cgroup: %s", name,
					type == BPF_LSM_CGROUP ?
						"the kernel has ten slots for cgroup LSM hooks; other software may "
						"hold some" :
						"a program on a cgroup above may forbid it");
	if (bpf_obj_pin(link, link_path))
		return obmon_fail_errno(err, OBMON_ERR_HOST, errno, "cannot pin %s", link_path);
	return 0;
}

/* The programs that only some runs need. */
static const struct {
	const char *program;
	enum engine_extra extra;
} extra_programs[] = {
	{ "obmon_egress", ENGINE_EGRESS },
	{ "obmon_socket_connect", ENGINE_SOCKET_CONNECT },
};

static bool is_wanted(const char *name, unsigned extras)
{
	const char *program = strchr(name, '-');
	size_t i;

	for (i = 0; program && i < ARRAY_SIZE(extra_programs); i++)
		if (!strcmp(program + 1, extra_programs[i].program))
			return extras & extra_programs[i].extra;
	return true;
}

/* Attach the per-cgroup programs, and pin the attachments in @folder. */
static int attach_all(int cgroup_fd, const char *folder, unsigned extras, struct obmon_error *err)
{
	DIR *programs = opendir(OBMON_PINS "/progs");
	struct dirent *entry;
	int attached = 0, result = 0;

	if (!programs || make_dir(folder, 0700))
		result = obmon_fail_errno(err, OBMON_ERR_HOST, errno, "cannot list " OBMON_PINS "/progs or make %s",
					  folder);
	while (!result && (entry = readdir(programs))) {
		if (entry->d_name[0] == '.' || !is_wanted(entry->d_name, extras))
			continue;
		result = attach_one(entry->d_name, cgroup_fd, folder, err);
		attached++;
	}
	if (programs)
		closedir(programs);
	if (!result && !attached)
		result = obmon_fail(err, OBMON_ERR_HOST,
				    OBMON_PINS "/progs is empty: remove " OBMON_PINS " and try again");
	return result;
}

/*
 * Keep the programs attached to a cgroup that stays empty. Without it the kernel would patch its hooks whenever
 * the host's first run starts or its last one ends, which takes longer than all the rest of a start.
 */
static int anchor(struct obmon_error *err)
{
	_cleanup_free_ char *dir = NULL;
	_cleanup_fd_ int fd = -1;

	dir = cgroup_folder("anchor", err);
	if (!dir)
		return -1;
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return obmon_fail_errno(err, OBMON_ERR_HOST, errno, "cannot open the cgroup %s", dir);
	return attach_all(fd, OBMON_PINS "/anchor", ENGINE_EGRESS, err);
}

static int open_or_load(struct engine *engine, struct obmon_error *err)
{
	bool replace;

	if (!access(OBMON_PINS, F_OK)) {
		if (open_maps(engine, err) || settle_abi(engine, &replace, err))
			return -1;
		if (!replace)
			return 0;
		close_maps(engine);
		if (remove_tree(OBMON_PINS))
			return obmon_fail_errno(err, OBMON_ERR_HOST, errno, "cannot remove " OBMON_PINS);
	}
	if (engine_load(err) || anchor(err))
		return -1;
	return open_maps(engine, err);
}

int engine_open(struct engine *engine, struct obmon_error *err)
{
	*engine = ENGINE_CLOSED;
	libbpf_set_print(print_libbpf);
	if (check_bpffs(err) || engine_lock(engine, err) || open_or_load(engine, err)) {
		engine_close(engine);
		return -1;
	}
	return 0;
}

int engine_find_slot(struct engine *engine, struct obmon_error *err)
{
	struct obmon_run run;
	__u32 slot;

	for (slot = 0; slot < OBMON_RUNS_MAX; slot++) {
		if (bpf_map_lookup_elem(engine->runs, &slot, &run))
			break;
		if (run.phase == OBMON_PHASE_FREE)
			return (int)slot;
	}
	return obmon_fail(err, OBMON_ERR_HOST, "all %u places for runs on this host are taken", OBMON_RUNS_MAX);
}

int engine_put_run(struct engine *engine, uint32_t slot, const struct obmon_run *run, struct obmon_error *err)
{
	if (bpf_map_update_elem(engine->runs, &slot, run, BPF_EXIST))
		return obmon_fail_errno(err, OBMON_ERR_INTERNAL, errno, "cannot write run slot %u", slot);
	return 0;
}

int engine_get_run(struct engine *engine, uint32_t slot, struct obmon_run *run, struct obmon_error *err)
{
	if (bpf_map_lookup_elem(engine->runs, &slot, run))
		return obmon_fail_errno(err, OBMON_ERR_INTERNAL, errno, "cannot read run slot %u", slot);
	return 0;
}

static int create_pages(const struct dfa *dfa, struct obmon_error *err)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_INNER_MAP);
	_cleanup_fd_ int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "obmon_pages", sizeof(__u32),
					     sizeof(struct obmon_dfa_page), dfa->n_pages, &opts);
	__u32 i;

	if (fd < 0)
		return obmon_fail_errno(err, OBMON_ERR_HOST, errno,
					"cannot make a map of %u pages for the capability set", dfa->n_pages);
	for (i = 0; i < dfa->n_pages; i++)
		if (bpf_map_update_elem(fd, &i, &dfa->pages[i], BPF_ANY))
			return obmon_fail_errno(err, OBMON_ERR_HOST, errno, "cannot fill page %u of the automaton", i);
	return fd_take(&fd);
}

static int put_inner(int outer, uint32_t slot, int inner, const char *what, struct obmon_error *err)
{
	if (bpf_map_update_elem(outer, &slot, &inner, BPF_ANY))
		return obmon_fail_errno(err, OBMON_ERR_HOST, errno, "cannot install the %s of run slot %u", what, slot);
	return 0;
}

int engine_install(struct engine *engine, uint32_t slot, const struct dfa *dfa, uint32_t ring_bytes, int *pages,
		   int *ring, struct obmon_error *err)
{
	*ring = -1;
	*pages = create_pages(dfa, err);
	if (*pages < 0 || put_inner(engine->policies, slot, *pages, "automaton", err))
		goto fail;
	*ring = bpf_map_create(BPF_MAP_TYPE_RINGBUF, "obmon_ring", 0, 0, ring_bytes, NULL);
	if (*ring < 0) {
		obmon_fail_errno(err, OBMON_ERR_HOST, errno, "cannot make a ring buffer of %u bytes", ring_bytes);
		goto fail;
	}
	if (put_inner(engine->rings, slot, *ring, "ring buffer", err))
		goto fail;
	return 0;
fail:
	fd_close(pages);
	fd_close(ring);
	return -1;
}

int engine_install_addresses(struct engine *engine, uint32_t slot, struct obmon_error *err)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_NO_PREALLOC);
	_cleanup_fd_ int fd = bpf_map_create(BPF_MAP_TYPE_HASH, "obmon_addresses", sizeof(struct obmon_address),
					     sizeof(struct obmon_address_entry), OBMON_ADDRESSES_MAX, &opts);

	if (fd < 0)
		return obmon_fail_errno(err, OBMON_ERR_HOST, errno, "cannot make a map for the resolver's addresses");
	if (put_inner(engine->addresses, slot, fd, "map of addresses", err))
		return -1;
	return fd_take(&fd);
}

int engine_open_lookup(struct obmon_error *err)
{
	int fd = bpf_obj_get(OBMON_PINS "/calls/obmon_lookup_refused");

	if (fd < 0)
		return obmon_fail_errno(err, OBMON_ERR_HOST, errno,
					"cannot open " OBMON_PINS "/calls/obmon_lookup_refused");
	return fd;
}

static int add_level(struct engine *engine, uint32_t level, struct obmon_error *err)
{
	__u32 i, known;

	for (i = 0; i < OBMON_LEVELS_MAX; i++) {
		if (bpf_map_lookup_elem(engine->levels, &i, &known))
			break;
		if (known == level)
			return 0;
		if (!known && !bpf_map_update_elem(engine->levels, &i, &level, BPF_ANY))
			return 0;
	}
	return obmon_fail(err, OBMON_ERR_HOST, "runs live at more than %u depths of the cgroup tree", OBMON_LEVELS_MAX);
}

int engine_attach(struct engine *engine, uint32_t slot, int cgroup_fd, uint64_t cgroup_id, const char *run_id,
		  unsigned extras, struct obmon_error *err)
{
	struct obmon_cgroup_slot storage = { .slot_plus_1 = slot + 1 };
	_cleanup_free_ char *folder = format(OBMON_PINS "/runs/%s", run_id);
	struct obmon_identity identity;

	if (!folder)
		return obmon_fail(err, OBMON_ERR_INTERNAL, "out of memory");
	/* In a cgroup namespace the depth that we see is not the kernel's, which the host-wide programs go by. */
	if (engine_identify(&cgroup_fd, &identity, 1, err) || add_level(engine, identity.cgroup_level, err) ||
	    attach_all(cgroup_fd, folder, extras, err))
		return -1;
	/* The storage exists from the first attachment on. */
	if (bpf_map_update_elem(engine->cgroup_slots, &cgroup_id, &storage, BPF_EXIST) ||
	    bpf_map_update_elem(engine->run_of_cgroup, &cgroup_id, &slot, BPF_ANY))
		return obmon_fail_errno(err, OBMON_ERR_HOST, errno, "cannot tie the run's cgroup to its slot");
	return 0;
}

int engine_read_accepts(int pages, uint32_t page, struct obmon_dfa_accept *accepts, struct obmon_error *err)
{
	if (bpf_map_lookup_elem(pages, &page, accepts))
		return obmon_fail_errno(err, OBMON_ERR_INTERNAL, errno, "cannot read the use counts of the grants");
	return 0;
}

static int free_slot(struct engine *engine, uint32_t slot, uint64_t owner, struct obmon_error *err)
{
	struct obmon_run run, free_run = {};

	if (engine_get_run(engine, slot, &run, err))
		return -1;
	if (run.owner != owner)
		return 0;
	bpf_map_delete_elem(engine->policies, &slot);
	bpf_map_delete_elem(engine->rings, &slot);
	bpf_map_delete_elem(engine->addresses, &slot); /* fails where there was none */
	return engine_put_run(engine, slot, &free_run, err);
}

int engine_read_lost(struct engine *engine, uint64_t *lost, struct obmon_error *err)
{
	__u32 zero = 0;

	if (bpf_map_lookup_elem(engine->lost, &zero, lost))
		return obmon_fail_errno(err, OBMON_ERR_INTERNAL, errno, "cannot read the map obmon_lost");
	return 0;
}

int engine_release(struct engine *engine, uint32_t slot, uint64_t owner, uint64_t cgroup_id, const char *run_id,
		   struct obmon_error *err)
{
	_cleanup_free_ char *folder = format(OBMON_PINS "/runs/%s", run_id);
	bool locked = engine->lock >= 0;
	int result = 0;

	if (!locked && engine_lock(engine, err))
		return -1;
	if (folder && remove_tree(folder) && errno != ENOENT)
		result = obmon_fail_errno(err, OBMON_ERR_INTERNAL, errno, "cannot remove %s", folder);
	bpf_map_delete_elem(engine->run_of_cgroup, &cgroup_id);
	if (free_slot(engine, slot, owner, err))
		result = -1;
	if (!locked)
		engine_unlock(engine);
	return result;
}
