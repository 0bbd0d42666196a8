// SPDX-License-Identifier: Apache-2.0
/* Loading the BPF object: which programs this kernel takes, attaching, pinning. */
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "engine/engine.h"
#include "lib/util.h"
#include "obmon.skel.h"

#define PINS_NEW OBMON_PINS "-new" /* bpffs takes no dots in names */

/* Programs for one hook whose arguments changed: each is for kernels where the argument has that type. */
static const struct variant {
	const char *program;
	int argument;
	const char *type;
} variants[] = {
	{ "obmon_inode_setattr_v1", 0, "dentry" },
	{ "obmon_inode_setattr_v2", 1, "dentry" },
};

/* Hooks of which some variant must fit, though each variant alone is optional. */
static const char *const must_have_variant[] = { "inode_setattr" };

static const struct btf_type *skip_modifiers(const struct btf *btf, __u32 id)
{
	const struct btf_type *type = btf__type_by_id(btf, id);

	while (type && btf_is_mod(type))
		type = btf__type_by_id(btf, type->type);
	return type;
}

static bool is_pointer_to(const struct btf *btf, __u32 id, const char *name)
{
	const struct btf_type *type = skip_modifiers(btf, id);

	if (!type || !btf_is_ptr(type))
		return false;
	type = skip_modifiers(btf, type->type);
	return type && btf_is_struct(type) && !strcmp(btf__name_by_offset(btf, type->name_off), name);
}

bool hook_exists(const struct btf *btf, const char *hook, int argument, const char *name)
{
	_cleanup_free_ char *function = format("bpf_lsm_%s", hook);
	const struct btf_type *type;
	int id;

	if (!function)
		return false;
	id = btf__find_by_name_kind(btf, function, BTF_KIND_FUNC);
	if (id < 0)
		return false;
	if (argument < 0)
		return true;
	type = btf__type_by_id(btf, btf__type_by_id(btf, (__u32)id)->type);
	return argument < btf_vlen(type) && is_pointer_to(btf, btf_params(type)[argument].type, name);
}

/* "lsm_cgroup/file_open" -> "file_open" */
static const char *hook_of(const struct bpf_program *program)
{
	const char *slash = strchr(bpf_program__section_name(program), '/');

	return slash ? slash + 1 : "";
}

/* A '?' in front of its section's name (libbpf 1.0): not loaded unless we say so. Ask before we do. */
static bool is_optional(const struct bpf_program *program)
{
	return !bpf_program__autoload(program);
}

static bool is_lsm(const struct bpf_program *program)
{
	return bpf_program__type(program) == BPF_PROG_TYPE_LSM;
}

static bool program_fits(const struct btf *btf, const struct bpf_program *program)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(variants); i++)
		if (!strcmp(variants[i].program, bpf_program__name(program)))
			return hook_exists(btf, hook_of(program), variants[i].argument, variants[i].type);
	return hook_exists(btf, hook_of(program), -1, NULL);
}

static bool some_variant_fits(struct bpf_object *object, const struct btf *btf, const char *hook)
{
	struct bpf_program *program;

	bpf_object__for_each_program(program, object) if (!strcmp(hook_of(program), hook) &&
							  program_fits(btf, program)) return true;
	return false;
}

/* Load what fits; refuse to start when something that every kernel must have isn't there. */
static int choose_programs(struct bpf_object *object, const struct btf *btf, struct obmon_error *err)
{
	struct bpf_program *program;
	size_t i;

	bpf_object__for_each_program(program, object)
	{
		bool fits = !is_lsm(program) || program_fits(btf, program);

		if (!fits && !is_optional(program))
			return obmon_fail(err, OBMON_ERR_HOST,
					  "this kernel has no LSM hook %s, without which files are not safe; "
					  "it needs CONFIG_BPF_LSM and CONFIG_SECURITY_PATH (see obmon doctor)",
					  hook_of(program));
		bpf_program__set_autoload(program, fits);
	}
	for (i = 0; i < ARRAY_SIZE(must_have_variant); i++)
		if (!some_variant_fits(object, btf, must_have_variant[i]))
			return obmon_fail(err, OBMON_ERR_HOST,
					  "this kernel's LSM hook %s has arguments that this obmon doesn't know; "
					  "use a newer obmon",
					  must_have_variant[i]);
	return 0;
}

int engine_probe_hooks(void (*report)(const char *hook, bool present, bool required, void *data), void *data,
		       struct obmon_error *err)
{
	struct obmon_bpf *skeleton = obmon_bpf__open();
	struct btf *btf = btf__load_vmlinux_btf();
	struct bpf_program *program;
	int missing = 0;

	if (!skeleton || !btf) {
		missing = obmon_fail_errno(err, OBMON_ERR_HOST, errno, "cannot read the kernel's BTF");
		goto out;
	}
	bpf_object__for_each_program(program, skeleton->obj)
	{
		bool fits, required = !is_optional(program);

		if (!is_lsm(program))
			continue;
		fits = program_fits(btf, program);
		if (!fits && !required && some_variant_fits(skeleton->obj, btf, hook_of(program)))
			continue; /* another variant serves this kernel */
		report(hook_of(program), fits, required, data);
		missing += required && !fits;
	}
out:
	btf__free(btf);
	obmon_bpf__destroy(skeleton);
	return missing;
}

int engine_own_abi(struct obmon_abi_info *abi, struct obmon_error *err)
{
	size_t size;
	const void *elf = obmon_bpf__elf_bytes(&size);
	unsigned length;

	memset(abi, 0, sizeof(*abi));
	abi->version = OBMON_ABI_VERSION;
	abi->run_size = sizeof(struct obmon_run);
	abi->event_size = sizeof(struct obmon_event);
	if (!EVP_Digest(elf, size, abi->digest, &length, EVP_sha256(), NULL))
		return obmon_fail(err, OBMON_ERR_INTERNAL, "cannot compute SHA-256");
	return 0;
}

static int pin_link(struct bpf_program *program, const char *path)
{
	struct bpf_link *link = bpf_program__attach_lsm(program);
	int result;

	if (!link)
		return -1;
	result = bpf_link__pin(link, path);
	bpf_link__destroy(link); /* the pin holds the attachment */
	return result;
}

static bool is_host_wide(const struct bpf_program *program)
{
	return is_lsm(program) && bpf_program__expected_attach_type(program) != BPF_LSM_CGROUP;
}

/* Where the program, or its attachment, is pinned: see engine.h. Caller frees. */
static char *pin_path(const struct bpf_program *program)
{
	const char *name = bpf_program__name(program);

	if (is_host_wide(program))
		return format(PINS_NEW "/links/%s", name);
	switch (bpf_program__type(program)) {
	case BPF_PROG_TYPE_TRACING:
		return format(PINS_NEW "/iters/%s", name);
	case BPF_PROG_TYPE_SYSCALL:
		return format(PINS_NEW "/calls/%s", name);
	default:
		return format(PINS_NEW "/progs/%d-%s", (int)bpf_program__expected_attach_type(program), name);
	}
}

static int pin_program(struct bpf_program *program, struct obmon_error *err)
{
	_cleanup_free_ char *path = pin_path(program);
	int result;

	if (!path)
		return obmon_fail(err, OBMON_ERR_INTERNAL, "out of memory");
	if (is_host_wide(program))
		result = pin_link(program, path);
	else
		result = bpf_program__pin(program, path);
	if (result)
		return obmon_fail_errno(err, OBMON_ERR_HOST, errno, "cannot attach and pin %s for the hook %s",
					bpf_program__name(program), hook_of(program));
	return 0;
}

static int make_folders(struct obmon_error *err)
{
	static const char *const folders[] = { "", "/maps", "/links", "/progs", "/iters", "/calls", "/runs", "/anchor" };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(folders); i++) {
		_cleanup_free_ char *path = format(PINS_NEW "%s", folders[i]);

		if (!path || make_dir(path, 0700))
			return obmon_fail_errno(err, OBMON_ERR_HOST, errno, "cannot make the folder " PINS_NEW "%s",
						folders[i]);
	}
	return 0;
}

static int write_abi(struct obmon_bpf *skeleton, struct obmon_error *err)
{
	struct obmon_abi_info abi;
	__u32 zero = 0;

	if (engine_own_abi(&abi, err))
		return -1;
	if (bpf_map_update_elem(bpf_map__fd(skeleton->maps.obmon_abi), &zero, &abi, BPF_ANY))
		return obmon_fail_errno(err, OBMON_ERR_HOST, errno, "cannot write to the map obmon_abi");
	return 0;
}

static int load_and_pin(struct obmon_bpf *skeleton, struct btf *btf, struct obmon_error *err)
{
	struct bpf_program *program;

	if (choose_programs(skeleton->obj, btf, err))
		return -1;
	if (obmon_bpf__load(skeleton))
		return obmon_fail_errno(err, OBMON_ERR_HOST, errno,
					"the kernel refuses obmon's programs (OBMON_DEBUG=1 shows its reasons; "
					"see also obmon doctor)");
	if (make_folders(err) || write_abi(skeleton, err))
		return -1;
	if (bpf_object__pin_maps(skeleton->obj, PINS_NEW "/maps"))
		return obmon_fail_errno(err, OBMON_ERR_HOST, errno, "cannot pin maps under " PINS_NEW "/maps");
	bpf_object__for_each_program(program, skeleton->obj) if (bpf_program__autoload(program) &&
								 pin_program(program, err)) return -1;
	if (rename(PINS_NEW, OBMON_PINS))
		return obmon_fail_errno(err, OBMON_ERR_HOST, errno, "cannot rename " PINS_NEW " to " OBMON_PINS);
	return 0;
}

static int load_here(struct obmon_error *err)
{
	struct obmon_bpf *skeleton = obmon_bpf__open();
	struct btf *btf = btf__load_vmlinux_btf();
	int result = -1;

	remove_tree(PINS_NEW); /* what a loader that was killed left behind; it serves nobody */
	if (!btf)
		obmon_fail_errno(err, OBMON_ERR_HOST, errno,
				 "the kernel has no BTF (/sys/kernel/btf/vmlinux); it needs CONFIG_DEBUG_INFO_BTF");
	else if (!skeleton)
		obmon_fail_errno(err, OBMON_ERR_INTERNAL, errno, "cannot open the BPF object in this binary");
	else
		result = load_and_pin(skeleton, btf, err);
	if (result)
		remove_tree(PINS_NEW);
	btf__free(btf);
	obmon_bpf__destroy(skeleton);
	return result;
}

/*
 * In a process of its own: reading the kernel's BTF takes tens of megabytes, which a supervisor that may run
 * for hours should not keep.
 */
int engine_load(struct obmon_error *err)
{
	int report[2], status;
	ssize_t n;
	pid_t pid;

	if (pipe2(report, O_CLOEXEC))
		return obmon_fail_errno(err, OBMON_ERR_INTERNAL, errno, "cannot make a pipe");
	pid = fork();
	if (pid == 0) {
		int failed = load_here(err);

		if (failed && write_all(report[1], err, sizeof(*err)))
			_exit(2);
		_exit(failed ? 1 : 0);
	}
	close(report[1]);
	n = pid < 0 ? 0 : read(report[0], err, sizeof(*err));
	close(report[0]);
	if (pid < 0)
		return obmon_fail_errno(err, OBMON_ERR_INTERNAL, errno, "cannot fork the loader");
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return obmon_fail_errno(err, OBMON_ERR_INTERNAL, errno, "cannot wait for the loader");
	if (WIFEXITED(status) && !WEXITSTATUS(status))
		return 0;
	if (n == (ssize_t)sizeof(*err))
		return -1;
	return obmon_fail(err, OBMON_ERR_INTERNAL, "the loader of the BPF object died (wait status 0x%x)", status);
}
