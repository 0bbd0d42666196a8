// SPDX-License-Identifier: Apache-2.0
/* The mount table, and places: on tables written by hand, and on this machine's own. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "lib/mounts.h"
#include "lib/util.h"

/* A directory of its own for each test, by its real path. */
static char scratch[PATH_MAX];

static int make_scratch(void **state)
{
	char made[] = "/tmp/obmon-test-mounts-XXXXXX";

	(void)state;
	return mkdtemp(made) && realpath(made, scratch) ? 0 : -1;
}

static int remove_scratch(void **state)
{
	(void)state;
	return remove_tree(scratch);
}

/* The path of @name in the scratch directory; good until the fourth call after. */
static const char *in_scratch(const char *name)
{
	static char paths[4][2 * PATH_MAX];
	static unsigned next;
	char *path = paths[next++ % ARRAY_SIZE(paths)];

	snprintf(path, sizeof(paths[0]), "%s/%s", scratch, name);
	return path;
}

static void make_file(const char *path, const char *text)
{
	_cleanup_fd_ int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write_all(fd, text, strlen(text)), 0);
}

/* The table of @text. @return what mounts_load() said. */
static int load(struct mounts *mounts, const char *text, struct obmon_error *err)
{
	make_file(in_scratch("mountinfo"), text);
	return mounts_load(mounts, in_scratch("mountinfo"), err);
}

static void load_own(struct mounts *mounts)
{
	struct obmon_error err;

	if (mounts_load(mounts, "/proc/self/mountinfo", &err))
		fail_msg("%s", err.message);
	assert_true(mounts->n > 0);
}

#define DEV(major, minor) ((uint32_t)(major) << 20 | (minor))

static void test_lines(void **state)
{
	static const struct {
		const char *line;
		struct mount mount;
	} cases[] = {
		{ "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue",
		  { 36, DEV(98, 0), "/mnt1", "/mnt2", "ext3" } },
		{ "22 1 0:21 / / rw - tmpfs none rw", { 22, DEV(0, 21), "/", "/", "tmpfs" } },
		{ "22 1 0:21 / / rw shared:1 master:2 propagate_from:3 unbindable - tmpfs none rw",
		  { 22, DEV(0, 21), "/", "/", "tmpfs" } },
		{ "1 0 259:1048575 / /a rw - xfs /dev/x rw", { 1, DEV(259, 0xfffff), "/", "/a", "xfs" } },
		{ "1 0 4095:0 / /a rw - xfs /dev/x rw", { 1, 0xfff00000u, "/", "/a", "xfs" } },
		/* A source without a name, and a type with a subtype. */
		{ "1 0 0:50 / /a rw - fuse.sshfs  rw", { 1, DEV(0, 50), "/", "/a", "fuse.sshfs" } },
		/* Space, tab, line feed, backslash; '#' is escaped by some kernels; and what only looks like one. */
		{ "1 0 0:1 /a\\040b /c\\011d\\012e\\134f rw - tmpfs x rw",
		  { 1, DEV(0, 1), "/a b", "/c\td\ne\\f", "tmpfs" } },
		{ "1 0 0:1 /\\040 /\\040-\\040 rw - tmpfs x rw", { 1, DEV(0, 1), "/ ", "/ - ", "tmpfs" } },
		{ "1 0 0:1 / /\\134040 rw - tmpfs x rw", { 1, DEV(0, 1), "/", "/\\040", "tmpfs" } },
		{ "1 0 0:1 / /\\303\\251\\377 rw - tmpfs x rw", { 1, DEV(0, 1), "/", "/\xc3\xa9\xff", "tmpfs" } },
		{ "1 0 0:1 / /\\043 rw - tmpfs x rw", { 1, DEV(0, 1), "/", "/#", "tmpfs" } },
		{ "1 0 0:1 / /\\04 rw - tmpfs x rw", { 1, DEV(0, 1), "/", "/\\04", "tmpfs" } },
		{ "1 0 0:1 / /\\089\\400\\x rw - tmpfs x rw", { 1, DEV(0, 1), "/", "/\\089\\400\\x", "tmpfs" } },
		{ "1 0 0:1 / /a\\ rw - tmpfs x rw", { 1, DEV(0, 1), "/", "/a\\", "tmpfs" } },
		/* Roots that are no paths of that filesystem, or not any more. */
		{ "1 0 0:4 net:[4026531992] /run/netns/x rw - nsfs nsfs rw",
		  { 1, DEV(0, 4), "net:[4026531992]", "/run/netns/x", "nsfs" } },
		{ "1 0 8:1 /gone//deleted /a rw - ext4 /dev/sda1 rw",
		  { 1, DEV(8, 1), "/gone//deleted", "/a", "ext4" } },
	};
	struct obmon_error err;
	struct mounts mounts;
	char text[512];
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		snprintf(text, sizeof(text), "%s\n", cases[i].line);
		if (load(&mounts, text, &err))
			fail_msg("'%s': %s", cases[i].line, err.message);
		assert_int_equal(mounts.n, 1);
		assert_int_equal(mounts.items[0].id, cases[i].mount.id);
		assert_int_equal(mounts.items[0].dev, cases[i].mount.dev);
		assert_string_equal(mounts.items[0].root, cases[i].mount.root);
		assert_string_equal(mounts.items[0].point, cases[i].mount.point);
		assert_string_equal(mounts.items[0].type, cases[i].mount.type);
		mounts_clear(&mounts);
		assert_null(mounts.items);
	}
}

/* A table that is only half understood would let rules miss a filesystem. */
static void test_malformed_lines(void **state)
{
	static const char *const lines[] = {
		"x",
		"36",
		"36 35 98:0 / /mnt rw,noatime",
		"36 35 98:0 / /mnt rw,noatime - ",
		"36 35 98:0 / /mnt rw,noatime -",
		"36 35 98:0 / - ext3 /dev/root rw",
		"36 35 98:0 / /mnt - ext3 /dev/root rw",
		"36 35 98 / /mnt rw - ext3 /dev/root rw",
		"36 35 98: / /mnt rw - ext3 /dev/root rw",
		"36 35 :0 / /mnt rw - ext3 /dev/root rw",
		"36 35 a:b / /mnt rw - ext3 /dev/root rw",
		"36 35 98:0:1 / /mnt rw - ext3 /dev/root rw",
		"36 35 98:0x / /mnt rw - ext3 /dev/root rw",
		"36 35 4096:0 / /mnt rw - ext3 /dev/root rw",
		"36 35 8:1048576 / /mnt rw - ext3 /dev/root rw",
		"x 35 98:0 / /mnt rw - ext3 /dev/root rw",
		"-36 35 98:0 / /mnt rw - ext3 /dev/root rw",
		" - ",
	};
	static const char good[] = "1 0 0:1 / / rw - tmpfs x rw";
	struct obmon_error err;
	struct mounts mounts;
	char text[512];
	size_t i, taken = 0;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(lines); i++) {
		snprintf(text, sizeof(text), "%s\n%s\n%s\n", good, lines[i], good);
		memset(&mounts, 0xff, sizeof(mounts));
		if (!load(&mounts, text, &err)) {
			print_error("'%s' is taken\n", lines[i]);
			mounts_clear(&mounts);
			taken++;
			continue;
		}
		assert_int_equal(err.code, OBMON_ERR_HOST);
		assert_null(mounts.items);
		assert_int_equal(mounts.n, 0);
	}
	assert_int_equal(taken, 0);
	/* The message shows the whole line: it is all that anybody will have to go by. */
	snprintf(text, sizeof(text), "%s\n36 35 a:b / /mnt rw - ext3 /dev/root rw\n", good);
	assert_int_equal(load(&mounts, text, &err), -1);
	if (!strstr(err.message, "\"36 35 a:b / /mnt rw - ext3 /dev/root rw\""))
		fail_msg("not the line: %s", err.message);
}

static void test_tables(void **state)
{
	_cleanup_free_ char *many = malloc(200 * 64);
	struct obmon_error err;
	struct mounts mounts;
	char *out = many;
	int i;

	(void)state;
	for (i = 0; i < 200; i++)
		out += sprintf(out, "%d 0 0:%d / /m/%d rw - tmpfs x rw\n", i + 1, i, i);
	assert_int_equal(load(&mounts, many, &err), 0);
	assert_int_equal(mounts.n, 200);
	for (i = 0; i < 200; i++) {
		assert_int_equal(mounts.items[i].id, i + 1);
		assert_int_equal(mounts.items[i].dev, i);
	}
	mounts_clear(&mounts);
	/* The last line may lack its end. */
	assert_int_equal(load(&mounts, "1 0 0:1 / / rw - tmpfs x rw\n2 1 0:2 / /a rw - tmpfs x rw", &err), 0);
	assert_int_equal(mounts.n, 2);
	mounts_clear(&mounts);

	assert_int_equal(mounts_load(&mounts, in_scratch("none"), &err), -1);
	assert_int_equal(err.code, OBMON_ERR_HOST);
	assert_int_equal(err.errnum, ENOENT);
	assert_int_equal(mounts.n, 0);
}

static void test_path_below(void **state)
{
	static const struct {
		const char *path, *base, *rest;
	} cases[] = {
		{ "/a/b", "/a", "/b" }, { "/a", "/a", "" },   { "/ab", "/a", NULL },
		{ "/", "/", "" },       { "/a", "/", "/a" },  { "/a/b", "/", "/a/b" },
		{ "/a", "/a/b", NULL }, { "/b", "/a", NULL }, { "/a/b/c", "/a/b", "/c" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		const char *rest = path_below(cases[i].path, cases[i].base);

		if (!rest != !cases[i].rest || (rest && strcmp(rest, cases[i].rest) != 0))
			fail_msg("%s below %s: %s", cases[i].path, cases[i].base, rest);
	}
}

static void test_display(void **state)
{
	static const char table[] = "20 1 8:1 / / rw - ext4 /dev/sda1 rw\n"
				    "21 20 8:2 /home /home rw - ext4 /dev/sda2 rw\n"
				    "22 20 8:2 / /mnt/disk rw - ext4 /dev/sda2 rw\n"
				    "23 20 8:2 /home/u/x /x rw - ext4 /dev/sda2 rw\n"
				    "24 20 8:1 /srv/www /www rw - ext4 /dev/sda1 rw\n"
				    "25 20 0:30 /sub /s rw - tmpfs x rw\n"
				    "26 20 0:30 /sub/file /etc/file rw - tmpfs x rw\n"
				    "27 20 0:31 / /p1 rw - tmpfs x rw\n"
				    "28 20 0:31 / /p2 rw - tmpfs x rw\n";
	static const struct {
		uint32_t dev;
		const char *fs_path, *path;
	} cases[] = {
		{ DEV(8, 1), "/", "/" },
		{ DEV(8, 1), "/etc/passwd", "/etc/passwd" },
		/* Of several mounts the one that shows most. */
		{ DEV(8, 1), "/srv/www/index", "/srv/www/index" },
		{ DEV(8, 2), "/home/u/x/y", "/mnt/disk/home/u/x/y" },
		{ DEV(8, 2), "/", "/mnt/disk" },
		{ DEV(0, 30), "/sub", "/s" },
		{ DEV(0, 30), "/sub/a", "/s/a" },
		{ DEV(0, 30), "/sub/file", "/s/file" },
		{ DEV(0, 30), "/subway", NULL },
		{ DEV(0, 30), "/other", NULL },
		{ DEV(0, 30), "/", NULL },
		{ DEV(0, 31), "/a", "/p1/a" },
		{ DEV(9, 9), "/a", NULL },
	};
	struct obmon_error err;
	struct mounts mounts;
	size_t i;

	(void)state;
	assert_int_equal(load(&mounts, table, &err), 0);
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		char longer[128];
		char *path;

		/* The name isn't NUL-ended in an event. */
		snprintf(longer, sizeof(longer), "%szzz", cases[i].fs_path);
		path = mounts_display(&mounts, cases[i].dev, longer, strlen(cases[i].fs_path));
		if (!path != !cases[i].path || (path && strcmp(path, cases[i].path) != 0))
			fail_msg("%s of %x is shown as %s", cases[i].fs_path, cases[i].dev, path);
		free(path);
	}
	mounts_clear(&mounts);
}

/* What the kernel says of the file @path, as an independent witness. */
static uint32_t device_of(const char *path)
{
	struct statx stx;

	assert_int_equal(statx(AT_FDCWD, path, 0, STATX_INO, &stx), 0);
	return DEV(stx.stx_dev_major, stx.stx_dev_minor);
}

static void resolve(struct place *place, const struct mounts *mounts, const char *path)
{
	struct obmon_error err;

	if (place_resolve(place, mounts, path, &err))
		fail_msg("%s", err.message);
	assert_non_null(place->mount);
	assert_int_equal(place->dev, place->mount->dev);
}

static void make_tree(void)
{
	static const struct {
		const char *link, *target;
	} links[] = {
		{ "to_dir", "dir" },    { "to_file", "dir/file" },      { "dir/up", ".." },
		{ "chain", "to_file" }, { "dangling", "nowhere" },      { "loop", "loop2" },
		{ "loop2", "loop" },    { "to_exe", "/proc/self/exe" }, { "to_self", "/proc/self" },
	};
	size_t i;

	assert_int_equal(mkdir(in_scratch("dir"), 0755), 0);
	assert_int_equal(mkdir(in_scratch("dir/sub dir"), 0755), 0);
	make_file(in_scratch("dir/file"), "");
	for (i = 0; i < ARRAY_SIZE(links); i++)
		assert_int_equal(symlink(links[i].target, in_scratch(links[i].link)), 0);
	assert_int_equal(symlink(in_scratch("dir"), in_scratch("absolute")), 0);
}

/* Names below the scratch directory, and what they are names of. */
static void test_places(void **state)
{
	static const struct {
		const char *path, *real;
	} cases[] = {
		{ "dir", "dir" },
		{ "dir/file", "dir/file" },
		{ "dir/sub dir", "dir/sub dir" },
		{ "to_dir", "dir" },
		{ "to_dir/file", "dir/file" },
		{ "absolute/file", "dir/file" },
		{ "to_file", "dir/file" },
		{ "chain", "dir/file" },
		{ "to_dir/up/to_dir/up/dir/file", "dir/file" },
		/* What doesn't exist is taken as it stands, behind what does. */
		{ "none", "none" },
		{ "none/deeper/still", "none/deeper/still" },
		{ "to_dir/none", "dir/none" },
		{ "to_dir/none/x", "dir/none/x" },
		{ "absolute/up/none", "none" },
		{ "dir/file/below", "dir/file/below" },
		{ "chain/below", "dir/file/below" },
		/* A link into nothing is a name for itself. */
		{ "dangling", "dangling" },
		{ "dangling/x", "dangling/x" },
	};
	struct mounts mounts;
	struct place place, base;
	size_t i;

	(void)state;
	make_tree();
	load_own(&mounts);
	resolve(&base, &mounts, scratch);
	assert_string_equal(base.real_path, scratch);
	assert_int_equal(base.dev, device_of(scratch));
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		char expected[3 * PATH_MAX];

		resolve(&place, &mounts, in_scratch(cases[i].path));
		if (strcmp(place.real_path, in_scratch(cases[i].real)) != 0)
			fail_msg("%s is %s", cases[i].path, place.real_path);
		snprintf(expected, sizeof(expected), "%s/%s", base.fs_path, cases[i].real);
		assert_string_equal(place.fs_path, expected);
		assert_int_equal(place.dev, base.dev);
		place_clear(&place);
		assert_null(place.fs_path);
	}
	place_clear(&base);
	mounts_clear(&mounts);
}

static void test_long_names(void **state)
{
	char component[400], path[PATH_MAX + 600];
	struct obmon_error err;
	struct mounts mounts;
	struct place place;
	size_t length;

	(void)state;
	load_own(&mounts);
	/* No file can be called that, so none is: a tail like any other. */
	memset(component, 'a', sizeof(component) - 1);
	component[sizeof(component) - 1] = '\0';
	resolve(&place, &mounts, in_scratch(component));
	assert_string_equal(place.real_path, in_scratch(component));
	place_clear(&place);
	/* Longer than the kernel takes a path: an answer, not a crash. */
	length = (size_t)snprintf(path, sizeof(path), "%s", scratch);
	while (length < PATH_MAX + 100)
		length += (size_t)snprintf(path + length, sizeof(path) - length, "/%.200s", component);
	if (!place_resolve(&place, &mounts, path, &err)) {
		assert_string_equal(place.real_path, path);
		place_clear(&place);
	}
	mounts_clear(&mounts);
}

static void test_root(void **state)
{
	struct mounts mounts;
	struct place place;

	(void)state;
	load_own(&mounts);
	resolve(&place, &mounts, "/");
	assert_string_equal(place.real_path, "/");
	assert_string_equal(place.fs_path, place.mount->root);
	assert_int_equal(place.dev, device_of("/"));
	place_clear(&place);
	resolve(&place, &mounts, "/obmon-no-such-name/x");
	assert_string_equal(place.real_path, "/obmon-no-such-name/x");
	place_clear(&place);
	mounts_clear(&mounts);
}

/* The run's tasks are all "self" in procfs, since at the time of resolving there are none. */
static void test_procfs_self(void **state)
{
	static const struct {
		const char *path, *fs_path;
	} cases[] = {
		{ "/proc", "/" },
		{ "/proc/self", "/self" },
		{ "/proc/self/status", "/self/status" },
		{ "/proc/self/none", "/self/none" },
		{ "/proc/self/fd", "/self/fd" },
		{ "/proc/mounts", "/self/mounts" },
		{ "/proc/net/none", "/self/net/none" },
		{ "/proc/meminfo", "/meminfo" },
		{ "/proc/sys/kernel/hostname", "/sys/kernel/hostname" },
		{ "/proc/none", "/none" },
	};
	struct mounts mounts;
	struct place place;
	char path[64];
	size_t i;

	(void)state;
	make_tree();
	load_own(&mounts);
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		resolve(&place, &mounts, cases[i].path);
		assert_string_equal(place.fs_path, cases[i].fs_path);
		assert_string_equal(place.mount->type, "proc");
		place_clear(&place);
	}
	resolve(&place, &mounts, in_scratch("to_self/maps"));
	assert_string_equal(place.fs_path, "/self/maps");
	place_clear(&place);
	snprintf(path, sizeof(path), "/proc/%d/maps", (int)getpid());
	resolve(&place, &mounts, path);
	assert_string_equal(place.fs_path, "/self/maps");
	place_clear(&place);
	mounts_clear(&mounts);
}

static void test_procfs_errors(void **state)
{
	static const struct {
		const char *path, *part;
	} cases[] = {
		{ "/proc/1", "another process" },
		{ "/proc/1/status", "another process" },
		{ "/proc/1/none", "another process" },
		{ "/proc/999999999", "another process" },
		{ "/proc/self/exe", "link of procfs" },
		{ "/proc/self/cwd", "link of procfs" },
		{ "/proc/self/root/etc/passwd", "link of procfs" },
		{ "/proc/self/fd/0", "link of procfs" },
		{ "/proc/self/ns/mnt", "link of procfs" },
		{ "/dev/stdin", "link of procfs" },
		{ "/proc/1/exe", NULL }, /* one of both, or for want of rights */
	};
	struct obmon_error err;
	struct mounts mounts;
	struct place place;
	char path[64];
	size_t i;

	(void)state;
	load_own(&mounts);
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		memset(&err, 0, sizeof(err));
		if (!place_resolve(&place, &mounts, cases[i].path, &err))
			fail_msg("%s is a place", cases[i].path);
		assert_int_equal(err.code, OBMON_ERR_CONFIG);
		if (!strstr(err.message, cases[i].path) || (cases[i].part && !strstr(err.message, cases[i].part)))
			fail_msg("%s: %s", cases[i].path, err.message);
		assert_null(place.fs_path);
		assert_null(place.real_path);
	}
	/* A number that only begins like ours. */
	snprintf(path, sizeof(path), "/proc/%d0/maps", (int)getpid());
	assert_int_equal(place_resolve(&place, &mounts, path, &err), -1);
	mounts_clear(&mounts);
}

static void test_link_errors(void **state)
{
	static const char *const paths[] = { "loop", "loop/x", "to_exe", "to_exe/x" };
	struct obmon_error err;
	struct mounts mounts;
	struct place place;
	size_t i;

	(void)state;
	make_tree();
	load_own(&mounts);
	for (i = 0; i < ARRAY_SIZE(paths); i++) {
		if (!place_resolve(&place, &mounts, in_scratch(paths[i]), &err))
			fail_msg("%s is a place", paths[i]);
		assert_int_equal(err.code, OBMON_ERR_CONFIG);
		assert_non_null(strstr(err.message, "loop"));
	}
	assert_int_equal(place_resolve(&place, &mounts, "relative", &err), -1);
	mounts_clear(&mounts);
}

/* A table that doesn't have the place's mount must not make up an answer. */
static void test_stale_table(void **state)
{
	struct obmon_error err;
	struct mounts mounts;
	struct place place;

	(void)state;
	assert_int_equal(load(&mounts, "2000000000 1 0:1 / / rw - tmpfs x rw\n", &err), 0);
	assert_int_equal(place_resolve(&place, &mounts, scratch, &err), -1);
	assert_int_equal(err.code, OBMON_ERR_HOST);
	assert_null(place.fs_path);
	mounts_clear(&mounts);
}

/* Each visible mount of this machine, there and back: the place of its mount point is its root. */
static void test_round_trip(void **state)
{
	size_t i, visible = 0;
	struct mounts mounts;

	(void)state;
	load_own(&mounts);
	for (i = 0; i < mounts.n; i++) {
		const struct mount *mount = &mounts.items[i];
		_cleanup_free_ char *shown = NULL;
		struct obmon_error err;
		struct place place;

		if (!mount_is_visible(mount))
			continue;
		visible++;
		if (place_resolve(&place, &mounts, mount->point, &err))
			fail_msg("%s: %s", mount->point, err.message);
		assert_ptr_equal(place.mount, mount);
		assert_string_equal(place.fs_path, mount->root);
		assert_string_equal(place.real_path, mount->point);
		shown = mounts_display(&mounts, place.dev, place.fs_path, strlen(place.fs_path));
		assert_non_null(shown);
		place_clear(&place);
	}
	assert_true(visible > 0);
	mounts_clear(&mounts);
}

static void test_find_type(void **state)
{
	struct mounts mounts;
	const struct mount *mount;

	(void)state;
	load_own(&mounts);
	mount = mounts_find_type(&mounts, "proc");
	assert_non_null(mount);
	assert_string_equal(mount->type, "proc");
	assert_true(mount_is_visible(mount));
	assert_null(mounts_find_type(&mounts, "obmonfs"));
	assert_null(mounts_find_type(&mounts, "pro"));
	mounts_clear(&mounts);
}

static void test_visibility(void **state)
{
	struct mount mount = { .id = 2000000000, .root = "/", .point = "/", .type = "tmpfs" };

	(void)state;
	assert_false(mount_is_visible(&mount));
	mount.point = "/obmon-no-such-name";
	assert_false(mount_is_visible(&mount));
}

#define scratch_test(function) cmocka_unit_test_setup_teardown(function, make_scratch, remove_scratch)

int main(void)
{
	const struct CMUnitTest tests[] = {
		scratch_test(test_lines),          scratch_test(test_malformed_lines),
		scratch_test(test_tables),         cmocka_unit_test(test_path_below),
		scratch_test(test_display),        scratch_test(test_places),
		scratch_test(test_long_names),     cmocka_unit_test(test_root),
		scratch_test(test_procfs_self),    cmocka_unit_test(test_procfs_errors),
		scratch_test(test_link_errors),    scratch_test(test_stale_table),
		cmocka_unit_test(test_round_trip), cmocka_unit_test(test_find_type),
		cmocka_unit_test(test_visibility),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
