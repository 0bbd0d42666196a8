// SPDX-License-Identifier: Apache-2.0
/* From capability sets to automata, on this machine's own mounts: which names get which rights. */
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
#include <time.h>

#include <cmocka.h>

#include "lib/util.h"
#include "run/rules.h"

#define READ OBMON_RIGHT_BIT(OBMON_RIGHT_READ)
#define WRITE OBMON_RIGHT_BIT(OBMON_RIGHT_WRITE)
#define EXEC OBMON_RIGHT_BIT(OBMON_RIGHT_EXEC)
#define LOAD OBMON_RIGHT_BIT(OBMON_RIGHT_LOAD)
#define LIST OBMON_RIGHT_BIT(OBMON_RIGHT_LIST)
#define CONNECT OBMON_RIGHT_BIT(OBMON_RIGHT_CONNECT)
#define LISTEN OBMON_RIGHT_BIT(OBMON_RIGHT_LISTEN)
#define NEVER OBMON_RIGHT_NEVER
#define QUIET(rights) ((rights) << OBMON_RIGHT_QUIET_SHIFT)

/* The workspace: a directory of its own for each test, by its real path. */
static char ws[PATH_MAX];
static struct mounts mounts;

static int make_workspace(void **state)
{
	char made[] = "/tmp/obmon-test-rules-XXXXXX";
	struct obmon_error err;

	(void)state;
	return mkdtemp(made) && realpath(made, ws) ? mounts_load(&mounts, "/proc/self/mountinfo", &err) : -1;
}

static int remove_workspace(void **state)
{
	(void)state;
	mounts_clear(&mounts);
	return remove_tree(ws);
}

/* @name as it is if it is absolute, else in the workspace; good until the eighth call after. */
static const char *in_ws(const char *name)
{
	static char paths[8][PATH_MAX + 512];
	static unsigned next;
	char *path = paths[next++ % ARRAY_SIZE(paths)];

	if (*name == '/')
		snprintf(path, sizeof(paths[0]), "%s", name);
	else
		snprintf(path, sizeof(paths[0]), "%s%s%s", ws, *name ? "/" : "", name);
	return path;
}

static void make_directory(const char *name)
{
	assert_int_equal(mkdir(in_ws(name), 0755), 0);
}

static void make_file(const char *name, mode_t mode)
{
	_cleanup_fd_ int fd = open(in_ws(name), O_WRONLY | O_CREAT | O_CLOEXEC, mode);

	assert_true(fd >= 0);
}

static void make_link(const char *target, const char *name)
{
	assert_int_equal(symlink(target, in_ws(name)), 0);
}

/* Append the capability @text; "quiet:" in front makes it a quiet one. Written in t.yaml, line = its number. */
static void add(struct obmon_cap_set *set, const char *text)
{
	const bool quiet = !strncmp(text, "quiet:", 6);
	const struct obmon_location where = { "t.yaml", (unsigned)set->n + 1, 5 };
	struct obmon_capability cap;
	struct obmon_error err;

	text += quiet ? 6 : 0;
	if (obmon_capability_parse(&cap, text, strlen(text), &where, &err))
		fail_msg("%s", err.message);
	cap.quiet = quiet;
	assert_int_equal(obmon_cap_set_add(set, &cap, &err), 0);
}

#define TEXTS_MAX 6
#define PATHS_MAX 12

static void add_all(struct obmon_cap_set *set, const char *const texts[TEXTS_MAX])
{
	size_t i;

	for (i = 0; i < TEXTS_MAX && texts[i]; i++)
		add(set, texts[i]);
}

static const char *const nothing_never[] = { NULL };
static const char tmpdir[] = "/tmp/obmon-test-rules-tmpdir";

static void compile_set(struct dfa *dfa, struct obmon_cap_set *set, const char *search_path, const char *const *never)
{
	struct obmon_error err;

	if (rules_absolute(set, ws, search_path, &err) || rules_compile(dfa, set, &mounts, tmpdir, never, &err))
		fail_msg("%s", err.message);
}

static uint32_t rights_at(const struct dfa *dfa, const char *path)
{
	struct obmon_error err;
	struct place place;
	uint32_t rights;

	if (place_resolve(&place, &mounts, in_ws(path), &err))
		fail_msg("%s", err.message);
	rights = rules_rights_at(dfa, &place);
	place_clear(&place);
	return rights;
}

static const struct obmon_dfa_accept *accept_at(const struct dfa *dfa, const char *path)
{
	struct obmon_error err;
	struct place place;
	unsigned char dev[4];
	uint32_t state;

	assert_int_equal(place_resolve(&place, &mounts, in_ws(path), &err), 0);
	dev[0] = (unsigned char)(place.dev >> 24);
	dev[1] = (unsigned char)(place.dev >> 16);
	dev[2] = (unsigned char)(place.dev >> 8);
	dev[3] = (unsigned char)place.dev;
	state = dfa_walk(dfa, dfa_walk(dfa, dfa->start, dev, 4), place.fs_path, strlen(place.fs_path));
	place_clear(&place);
	return dfa_accept(dfa, state);
}

/* What a set gives to names; a path is absolute or in the workspace, "" is the workspace. */
struct rights_case {
	const char *capabilities[TEXTS_MAX];
	struct {
		const char *path;
		uint32_t rights;
	} paths[PATHS_MAX];
};

static void check_case(const struct rights_case *c)
{
	struct obmon_cap_set set = { 0 };
	struct dfa dfa;
	size_t i;

	add_all(&set, c->capabilities);
	compile_set(&dfa, &set, "/bin", nothing_never);
	for (i = 0; i < PATHS_MAX && c->paths[i].path; i++) {
		uint32_t rights = rights_at(&dfa, c->paths[i].path);

		if (rights != c->paths[i].rights)
			fail_msg("%s: '%s' has the rights %x, not %x", c->capabilities[0], c->paths[i].path, rights,
				 c->paths[i].rights);
	}
	assert_true(i > 0);
	dfa_clear(&dfa);
	obmon_cap_set_clear(&set);
}

static void make_tree(void)
{
	make_directory("src");
	make_directory("src/sub");
	make_directory("out");
	make_directory("real");
	make_directory("real/deep");
	make_file("src/a.py", 0644);
	make_file("src/b.txt", 0644);
	make_file("src/sub/c.py", 0644);
	make_file("real/file", 0644);
	make_link("real", "link");
	make_link("real/file", "to_file");
	make_link("../link", "src/up");
	make_link("nowhere", "dangling");
}

static void test_types(void **state)
{
	static const struct rights_case cases[] = {
		{ { "FILE_READ:src/a.py" },
		  { { "src/a.py", READ }, { "src", 0 }, { "src/b.txt", 0 }, { "src/a.pyc", 0 }, { "", 0 } } },
		{ { "FILE_WRITE:src/a.py" }, { { "src/a.py", WRITE }, { "src", 0 } } },
		{ { "FILE_WRITE:out/**" },
		  { { "out", WRITE }, { "out/x", WRITE }, { "out/x/y", WRITE }, { "", 0 }, { "outer", 0 } } },
		{ { "EXTERNAL_COMMAND:src/*" }, { { "src/a.py", EXEC }, { "src", 0 }, { "src/sub/c.py", 0 } } },
		{ { "LIBRARY_LOAD:src/**.py" },
		  { { "src/a.py", LOAD }, { "src/sub/c.py", LOAD }, { "src/b.txt", 0 } } },
		/* Rights add up. */
		{ { "FILE_READ:src/*", "FILE_WRITE:src/a.*", "LIBRARY_LOAD:**/a.py" },
		  { { "src/a.py", READ | WRITE | LOAD }, { "src/b.txt", READ }, { "src/sub/c.py", 0 } } },
		{ { NULL }, { { "src/a.py", 0 }, { "/", 0 }, { "/proc", 0 } } },
	};
	size_t i;

	(void)state;
	make_tree();
	for (i = 0; i < ARRAY_SIZE(cases); i++)
		check_case(&cases[i]);
}

/* To find what a pattern matches, a tool has to list; an exact name needs no finding. */
static void test_listing(void **state)
{
	static const struct rights_case cases[] = {
		{ { "FILE_READ:src/*.py" },
		  { { "src", LIST },
		    { "src/a.py", READ },
		    { "src/b.txt", 0 },
		    { "src/sub", 0 },
		    { "src/sub/c.py", 0 },
		    { "", 0 } } },
		{ { "FILE_READ:src/**" },
		  { { "src", READ | LIST }, { "src/a.py", READ | LIST }, { "src/sub", READ | LIST }, { "", 0 } } },
		{ { "FILE_READ:src/*/c.py" }, { { "src", LIST }, { "src/sub", 0 }, { "src/sub/c.py", READ } } },
		{ { "FILE_READ:*/sub/*.py" },
		  { { "", LIST }, { "src", 0 }, { "src/sub", LIST }, { "src/sub/c.py", READ } } },
		{ { "FILE_READ:src/{a,b}.py" }, { { "src", 0 }, { "src/a.py", READ } } },
		{ { "FILE_READ:src" }, { { "src", READ }, { "src/a.py", 0 } } },
		{ { "FILE_WRITE:src/*.py" }, { { "src", 0 }, { "src/a.py", WRITE } } },
		{ { "LIBRARY_LOAD:src/*.py" }, { { "src", 0 } } },
		{ { "FILE_READ:/*" },
		  { { "/", LIST }, { "/bin/sh", 0 }, { "/obmon-none", READ }, { "/obmon-none/x", 0 } } },
	};
	size_t i;

	(void)state;
	make_tree();
	for (i = 0; i < ARRAY_SIZE(cases); i++)
		check_case(&cases[i]);
}

static void test_relative_resources(void **state)
{
	static const struct rights_case cases[] = {
		{ { "FILE_READ:./src//./a.py/" }, { { "src/a.py", READ } } },
		{ { "FILE_READ:." }, { { "", READ }, { "src", 0 } } },
		{ { "FILE_WRITE:**" },
		  { { "", WRITE }, { "src/sub/c.py", WRITE }, { "..", 0 }, { "/", 0 }, { "/etc", 0 } } },
		{ { "FILE_WRITE:{src,out}/x" }, { { "src/x", WRITE }, { "out/x", WRITE }, { "real/x", 0 } } },
		{ { "FILE_READ:\\*" }, { { "*", READ }, { "src", 0 } } },
		{ { "EXTERNAL_COMMAND:./src/a.py" }, { { "src/a.py", EXEC } } },
		{ { "EXTERNAL_COMMAND:src/a.py" }, { { "src/a.py", EXEC } } },
	};
	size_t i;

	(void)state;
	make_tree();
	for (i = 0; i < ARRAY_SIZE(cases); i++)
		check_case(&cases[i]);
}

/* Absolute though it doesn't begin with a '/': as glob.h has it, so must it stay when a set is made absolute. */
static void test_absolute_in_disguise(void **state)
{
	static const char *const texts[] = { "FILE_READ:{/obmon-a,/obmon-b}/c", "FILE_READ:\\/obmon-b/c" };
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(texts); i++) {
		const struct rights_case c = { { texts[i] }, { { "/obmon-b/c", READ }, { "obmon-b/c", 0 } } };

		check_case(&c);
	}
}

/* A unix socket's path is a name like any other: its own right, by the path's links resolved, and nothing listed. */
static void test_unix_sockets(void **state)
{
	static const struct {
		const char *grant, *below, *path; /* both below the workspace */
		uint32_t rights;
	} cases[] = {
		{ "NETWORK_CONNECT:unix:", "/src/a.sock", "src/a.sock", CONNECT },
		{ "NETWORK_CONNECT:unix:", "/src/a.sock", "src", 0 },
		{ "NETWORK_CONNECT:unix:", "/src/a.sock", "src/a.sock.1", 0 },
		{ "NETWORK_CONNECT:unix:", "/src/*.sock", "src/b.sock", CONNECT },
		{ "NETWORK_CONNECT:unix:", "/src/*.sock", "src", 0 },
		{ "NETWORK_CONNECT:unix:", "/src/*.sock", "src/sub/b.sock", 0 },
		{ "NETWORK_CONNECT:unix:", "/**", "src/sub/b.sock", CONNECT },
		{ "NETWORK_CONNECT:unix:", "/**", "", CONNECT },
		{ "NETWORK_CONNECT:unix:", "//src/./{x,y}.sock", "src/y.sock", CONNECT },
		{ "NETWORK_CONNECT:unix:", "/link/s", "real/s", CONNECT },
		{ "NETWORK_CONNECT:unix:", "/link/*", "real/s", CONNECT },
		{ "NETWORK_CONNECT:unix:", "/to_file", "real/file", CONNECT },
		{ "NETWORK_CONNECT:unix:", "/\\@x", "@x", CONNECT },
		{ "NETWORK_CONNECT:unix:", "/unix:s", "unix:s", CONNECT },
		{ "NETWORK_LISTEN:unix:", "/src/a.sock", "src/a.sock", LISTEN },
		{ "NETWORK_LISTEN:unix:", "/out/**", "out/x/y", LISTEN },
		{ "quiet:NETWORK_CONNECT:unix:", "/src/*", "src/a.sock", QUIET(CONNECT) },
		{ "quiet:NETWORK_CONNECT:unix:", "/src/*", "src", 0 },
		{ "quiet:NETWORK_LISTEN:unix:", "/src/*", "src/a.sock", QUIET(LISTEN) },
	};
	size_t i;

	(void)state;
	make_tree();
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		struct obmon_cap_set set = { 0 };
		char text[PATH_MAX + 64];
		struct dfa dfa;

		snprintf(text, sizeof(text), "%s%s%s", cases[i].grant, ws, cases[i].below);
		add(&set, text);
		compile_set(&dfa, &set, "", nothing_never);
		if (rights_at(&dfa, cases[i].path) != cases[i].rights)
			fail_msg("%s: '%s' has the rights %x", text, cases[i].path, rights_at(&dfa, cases[i].path));
		dfa_clear(&dfa);
		obmon_cap_set_clear(&set);
	}
}

/* Files and sockets in one set: rights add up, numbers stay apart, and files don't reach where endpoints are. */
static void test_files_and_endpoints(void **state)
{
	static const unsigned char web[] = { 0xff, 0xff, 0xff, 4, 10, 0, 0, 1, 6, 0, 80 };
	const struct obmon_dfa_accept *accept;
	struct obmon_cap_set set = { 0 };
	char text[PATH_MAX + 64];
	struct dfa dfa;

	(void)state;
	make_tree();
	add(&set, "FILE_READ:/**");
	add(&set, "NETWORK_CONNECT:10.0.0.1:80");
	add(&set, "FILE_WRITE:src/**");
	snprintf(text, sizeof(text), "NETWORK_CONNECT:unix:%s/src/*", ws);
	add(&set, text);
	snprintf(text, sizeof(text), "NETWORK_LISTEN:unix:%s/src/a.*", ws);
	add(&set, text);
	add(&set, "NETWORK_CONNECT:unix:/**");
	compile_set(&dfa, &set, "", nothing_never);
	assert_int_equal(rights_at(&dfa, "src/a.py"), READ | LIST | WRITE | CONNECT | LISTEN);
	assert_int_equal(rights_at(&dfa, "real"), READ | LIST | CONNECT);
	accept = accept_at(&dfa, "src/a.py");
	assert_int_equal(accept->rule[OBMON_RIGHT_READ], 1);
	assert_int_equal(accept->rule[OBMON_RIGHT_WRITE], 3);
	assert_int_equal(accept->rule[OBMON_RIGHT_CONNECT], 4);
	assert_int_equal(accept->rule[OBMON_RIGHT_LISTEN], 5);
	assert_int_equal(accept_at(&dfa, "real")->rule[OBMON_RIGHT_CONNECT], 6);
	accept = dfa_accept(&dfa, dfa_walk(&dfa, dfa.start, web, sizeof(web)));
	assert_non_null(accept);
	assert_int_equal(accept->rights, CONNECT);
	assert_int_equal(accept->rule[OBMON_RIGHT_CONNECT], 2);
	/* What is granted on every file is nothing to an endpoint. */
	assert_null(dfa_accept(&dfa, dfa_walk(&dfa, dfa.start, "\xff\xff\xff\x01/@x", 7)));
	assert_null(dfa_accept(&dfa, dfa_walk(&dfa, dfa.start, "\xff\xff\xff\x04////\x06//", 11)));
	dfa_clear(&dfa);
	obmon_cap_set_clear(&set);
}

/* The workspace is a literal path, however it is called. */
static void test_workspace_is_literal(void **state)
{
	struct obmon_cap_set set = { 0 };
	char plain[PATH_MAX];
	struct dfa dfa;

	(void)state;
	make_directory("w*[x]{a,b}!,");
	make_directory("wwx");
	strcpy(plain, ws);
	strcat(ws, "/w*[x]{a,b}!,");
	add(&set, "FILE_READ:*.py");
	compile_set(&dfa, &set, "", nothing_never);
	assert_int_equal(rights_at(&dfa, "a.py"), READ);
	assert_int_equal(rights_at(&dfa, ""), LIST);
	strcpy(ws, plain);
	assert_int_equal(rights_at(&dfa, "wwx/a.py"), 0);
	assert_int_equal(rights_at(&dfa, "w*xa!,/a.py"), 0);
	assert_int_equal(rights_at(&dfa, "a.py"), 0);
	dfa_clear(&dfa);
	obmon_cap_set_clear(&set);
}

/* Links in the literal head of a pattern are followed, and what doesn't exist yet stands for itself. */
static void test_links(void **state)
{
	static const struct rights_case cases[] = {
		{ { "FILE_READ:link/file" },
		  { { "real/file", READ }, { "link/file", READ }, { "to_file", READ }, { "real", 0 } } },
		{ { "FILE_READ:link/*" }, { { "real/file", READ }, { "real", LIST }, { "real/deep/x", 0 } } },
		{ { "FILE_READ:link/**" }, { { "real/deep/x", READ | LIST }, { "real", READ | LIST }, { "", 0 } } },
		{ { "FILE_READ:to_file" }, { { "real/file", READ }, { "real", 0 } } },
		{ { "FILE_WRITE:src/up/new/*" }, { { "real/new/x", WRITE }, { "real/new", 0 }, { "src/new/x", 0 } } },
		{ { "FILE_WRITE:dangling" }, { { "dangling", WRITE }, { "nowhere", 0 } } },
		{ { "FILE_WRITE:none/yet/*.txt" }, { { "none/yet/a.txt", WRITE }, { "none/yet", 0 }, { "none", 0 } } },
		/* A link behind a wildcard isn't: its target has a name of its own, which no rule gave anything. */
		{ { "FILE_READ:src/*/file" }, { { "src/up/file", 0 }, { "real/file", 0 }, { "src/sub/file", READ } } },
	};
	size_t i;

	(void)state;
	make_tree();
	for (i = 0; i < ARRAY_SIZE(cases); i++)
		check_case(&cases[i]);
}

/* The wildcards of a rule cross onto other filesystems, as the names that people see do. */
static void test_filesystems(void **state)
{
	static const struct rights_case cases[] = {
		{ { "FILE_READ:/**" },
		  { { "/", READ | LIST },
		    { "/proc", READ | LIST },
		    { "/proc/self/maps", READ | LIST },
		    { "/dev/null", READ | LIST },
		    { "/sys/kernel", READ | LIST },
		    { "src", READ | LIST } } },
		{ { "FILE_WRITE:/*" }, { { "/", 0 }, { "/proc", WRITE }, { "/proc/meminfo", 0 }, { "/dev/null", 0 } } },
		{ { "FILE_WRITE:/*/null" },
		  { { "/dev/null", WRITE }, { "/dev", 0 }, { "/null", 0 }, { "/dev/zero", 0 } } },
		{ { "FILE_READ:/proc/self/*" },
		  { { "/proc/self/maps", READ },
		    { "/proc/self", LIST },
		    { "/proc/self/net/dev", 0 },
		    { "/proc/meminfo", 0 },
		    { "/proc", 0 } } },
		{ { "FILE_READ:/proc/self/maps" }, { { "/proc/self/maps", READ }, { "/proc/self", 0 } } },
		{ { "FILE_READ:/proc/meminfo" },
		  { { "/proc/meminfo", READ }, { "/proc/stat", 0 }, { "/meminfo", 0 } } },
		{ { "FILE_READ:/proc" }, { { "/proc", READ }, { "/", 0 }, { "/dev", 0 } } },
		{ { "FILE_READ:/" }, { { "/", READ }, { "/proc", 0 }, { "/dev", 0 } } },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++)
		check_case(&cases[i]);
}

/* Every visible mount of this machine is reached by a rule on everything, and only by its own rule else. */
static void test_every_mount(void **state)
{
	struct obmon_cap_set set = { 0 };
	size_t i, reached = 0;
	struct dfa dfa;

	(void)state;
	add(&set, "FILE_WRITE:/**");
	compile_set(&dfa, &set, "", nothing_never);
	for (i = 0; i < mounts.n; i++) {
		char below[PATH_MAX + 8];

		if (!mount_is_visible(&mounts.items[i]))
			continue;
		reached++;
		snprintf(below, sizeof(below), "%s/x", mounts.items[i].point);
		if (rights_at(&dfa, mounts.items[i].point) != WRITE || rights_at(&dfa, below) != WRITE)
			fail_msg("%s isn't reached", mounts.items[i].point);
	}
	assert_true(reached > 1);
	dfa_clear(&dfa);
	obmon_cap_set_clear(&set);
}

/* What another mount hides can't be meant by a name that people see. */
static void test_hidden_mounts(void **state)
{
	struct mount items[] = {
		{ .id = 2000000000, .dev = 0xabc00001, .root = "/", .point = "/proc", .type = "proc" },
		{ .id = 2000000001, .dev = 0xabc00002, .root = "/", .point = "/obmon-none", .type = "tmpfs" },
	};
	struct place hidden = { .fs_path = "/x" };
	struct obmon_cap_set set = { 0 };
	struct mounts own = mounts;
	struct dfa dfa;
	size_t i;

	(void)state;
	mounts.items = calloc(own.n + ARRAY_SIZE(items), sizeof(*mounts.items));
	assert_non_null(mounts.items);
	memcpy(mounts.items, own.items, own.n * sizeof(*own.items));
	memcpy(mounts.items + own.n, items, sizeof(items));
	mounts.n = own.n + ARRAY_SIZE(items);
	add(&set, "FILE_WRITE:/**");
	compile_set(&dfa, &set, "", nothing_never);
	assert_int_equal(rights_at(&dfa, "/proc/meminfo"), WRITE);
	free(mounts.items);
	mounts = own;
	for (i = 0; i < ARRAY_SIZE(items); i++) {
		hidden.dev = items[i].dev;
		assert_int_equal(rules_rights_at(&dfa, &hidden), 0);
	}
	dfa_clear(&dfa);
	obmon_cap_set_clear(&set);
}

static void test_quiet(void **state)
{
	static const struct rights_case cases[] = {
		{ { "quiet:FILE_READ:src/a.py" }, { { "src/a.py", QUIET(READ | LIST) }, { "src", 0 } } },
		{ { "quiet:FILE_READ:src/*.py" }, { { "src/a.py", QUIET(READ | LIST) }, { "src", 0 } } },
		{ { "quiet:FILE_READ:src" }, { { "src", QUIET(READ | LIST) }, { "src/a.py", 0 } } },
		{ { "quiet:FILE_WRITE:src/**" }, { { "src", QUIET(WRITE) }, { "src/sub/c.py", QUIET(WRITE) } } },
		{ { "quiet:EXTERNAL_COMMAND:src/a.py" }, { { "src/a.py", QUIET(EXEC) } } },
		{ { "quiet:LIBRARY_LOAD:src/a.py" }, { { "src/a.py", QUIET(LOAD) } } },
		/* Quiet is about refusals, and takes no grant away. */
		{ { "quiet:FILE_READ:src/**", "FILE_READ:src/a.py" },
		  { { "src/a.py", READ | QUIET(READ | LIST) }, { "src/b.txt", QUIET(READ | LIST) } } },
	};
	size_t i;

	(void)state;
	make_tree();
	for (i = 0; i < ARRAY_SIZE(cases); i++)
		check_case(&cases[i]);
}

/* What is obmon's own stays so, whatever was granted, and through links too. */
static void test_never(void **state)
{
	const char *never[3] = { 0 };
	struct obmon_cap_set set = { 0 };
	char private[PATH_MAX + 16], other[PATH_MAX + 16];
	struct dfa dfa;

	(void)state;
	make_tree();
	snprintf(private, sizeof(private), "%s/link", ws);
	snprintf(other, sizeof(other), "%s/not/there/*", ws); /* a path, not a pattern */
	never[0] = private;
	never[1] = other;
	add(&set, "FILE_READ:**");
	add(&set, "FILE_WRITE:real/file");
	compile_set(&dfa, &set, "", never);
	assert_int_equal(rights_at(&dfa, "real"), NEVER | READ | LIST);
	assert_int_equal(rights_at(&dfa, "real/file"), NEVER | READ | LIST | WRITE);
	assert_int_equal(rights_at(&dfa, "real/none/below"), NEVER | READ | LIST);
	assert_int_equal(rights_at(&dfa, "not/there/*"), NEVER | READ | LIST);
	assert_int_equal(rights_at(&dfa, "not/there/*/x"), NEVER | READ | LIST);
	assert_int_equal(rights_at(&dfa, "not/there/x"), READ | LIST);
	assert_int_equal(rights_at(&dfa, "realm"), READ | LIST);
	assert_int_equal(rights_at(&dfa, ""), READ | LIST);
	dfa_clear(&dfa);
	obmon_cap_set_clear(&set);

	/* Where nothing is granted as well: audit mode looks there. */
	compile_set(&dfa, &set, "", never);
	assert_int_equal(rights_at(&dfa, "real/file"), NEVER);
	assert_int_equal(rights_at(&dfa, "src"), 0);
	dfa_clear(&dfa);
}

/* Events and the result name a grant by its place in the set. */
static void test_rule_numbers(void **state)
{
	const struct obmon_dfa_accept *accept;
	struct obmon_cap_set set = { 0 };
	struct dfa dfa;

	(void)state;
	make_tree();
	add(&set, "FILE_WRITE:out/**");
	add(&set, "FILE_READ:src/a.*");
	add(&set, "FILE_READ:src/**");
	add(&set, "EXTERNAL_COMMAND:src/a.py");
	compile_set(&dfa, &set, "", nothing_never);
	accept = accept_at(&dfa, "src/a.py");
	assert_non_null(accept);
	assert_int_equal(accept->rule[OBMON_RIGHT_READ], 2); /* of two, the first */
	assert_int_equal(accept->rule[OBMON_RIGHT_EXEC], 4);
	accept = accept_at(&dfa, "src/b.txt");
	assert_int_equal(accept->rule[OBMON_RIGHT_READ], 3);
	accept = accept_at(&dfa, "src");
	assert_int_equal(accept->rule[OBMON_RIGHT_LIST], 2);
	accept = accept_at(&dfa, "out/x");
	assert_int_equal(accept->rule[OBMON_RIGHT_WRITE], 1);
	assert_null(accept_at(&dfa, "real"));
	dfa_clear(&dfa);
	obmon_cap_set_clear(&set);
}

/* CMD is granted by its inode, not by its name; what else is implicit is a rule like any other. */
static void test_implicit(void **state)
{
	struct obmon_cap_set set = { 0 };
	char text[PATH_MAX + 32];
	struct dfa dfa;

	(void)state;
	make_tree();
	/* Absolute from the start, since they are added after all others were made so. */
	snprintf(text, sizeof(text), "EXTERNAL_COMMAND:%s/src/a.py", ws);
	add(&set, text);
	snprintf(text, sizeof(text), "FILE_READ:%s/src/a.py", ws);
	add(&set, text);
	add(&set, "EXTERNAL_COMMAND:src/b.txt");
	set.items[0].source = set.items[1].source = OBMON_SOURCE_IMPLICIT;
	set.items[0].by_object = true;
	compile_set(&dfa, &set, "", nothing_never);
	assert_int_equal(rights_at(&dfa, "src/a.py"), READ);
	assert_int_equal(rights_at(&dfa, "src/b.txt"), EXEC);
	assert_int_equal(accept_at(&dfa, "src/b.txt")->rule[OBMON_RIGHT_EXEC], 3);
	dfa_clear(&dfa);
	obmon_cap_set_clear(&set);
}

/* The run's TMPDIR differs each time, the grants of it don't. Nobody else's `$TMPDIR` is that. */
static void test_tmpdir(void **state)
{
	struct obmon_cap_set set = { 0 };
	char below[sizeof(tmpdir) + 2];
	struct dfa dfa;

	(void)state;
	add(&set, "FILE_WRITE:/" RULES_TMPDIR "/**"); /* as it can't be written by others: without the '/' */
	memmove(set.items[0].resource, set.items[0].resource + 1, strlen(set.items[0].resource));
	set.items[0].source = OBMON_SOURCE_IMPLICIT;
	add(&set, "FILE_READ:" RULES_TMPDIR "/x");
	assert_int_equal(rules_compile(&dfa, &set, &mounts, tmpdir, nothing_never, &(struct obmon_error){ 0 }), -1);
	compile_set(&dfa, &set, "", nothing_never);
	snprintf(below, sizeof(below), "%s/x", tmpdir);
	assert_int_equal(rights_at(&dfa, tmpdir), WRITE);
	assert_int_equal(rights_at(&dfa, below), WRITE);
	assert_int_equal(rights_at(&dfa, RULES_TMPDIR "/x"), READ);
	dfa_clear(&dfa);
	obmon_cap_set_clear(&set);
}

/* A command name is one file: the first in PATH, and that is what the set says from then on. */
static void test_command_names(void **state)
{
	struct obmon_cap_set set = { 0 };
	_cleanup_free_ char *search_path = NULL, *expected = NULL;
	struct dfa dfa;

	(void)state;
	make_directory("a");
	make_directory("b[1]*");
	make_directory("c");
	make_file("a/tool", 0644);
	make_file("b[1]*/tool", 0755);
	make_file("c/tool", 0755);
	make_file("c/tool.real", 0755);
	make_link("tool.real", "c/linked");
	search_path = format("%s/a:%s/b[1]*:%s/c", ws, ws, ws);
	expected = format("%s/b\\[1\\]\\*/tool", ws);
	add(&set, "EXTERNAL_COMMAND:tool");
	add(&set, "EXTERNAL_COMMAND:linked");
	add(&set, "EXTERNAL_COMMAND:c/t*");
	compile_set(&dfa, &set, search_path, nothing_never);
	assert_string_equal(set.items[0].resource, expected);
	assert_int_equal(rights_at(&dfa, "b[1]*/tool"), EXEC);
	assert_int_equal(rights_at(&dfa, "a/tool"), 0);
	assert_int_equal(rights_at(&dfa, "b1x/tool"), 0);
	assert_int_equal(rights_at(&dfa, "tool"), 0);
	assert_int_equal(rights_at(&dfa, "c/tool.real"), EXEC);
	assert_int_equal(accept_at(&dfa, "c/tool.real")->rule[OBMON_RIGHT_EXEC], 2);
	dfa_clear(&dfa);
	obmon_cap_set_clear(&set);
}

static void test_made_absolute(void **state)
{
	static const struct {
		const char *text, *resource;
	} cases[] = {
		{ "FILE_READ:/etc/**", "/etc/**" },
		{ "FILE_READ:src/*", "/w/src/*" },
		{ "FILE_WRITE:**", "/w/**" },
		{ "LIBRARY_LOAD:lib.so", "/w/lib.so" },
		{ "EXTERNAL_COMMAND:./x", "/w/./x" },
		{ "EXTERNAL_COMMAND:/bin/sh", "/bin/sh" },
		/* Not about files: left alone. */
		{ "NETWORK_CONNECT:example.com:443", "example.com:443" },
		{ "NETWORK_CONNECT:unix:/run/x", "unix:/run/x" },
		{ "NETWORK_LISTEN:unix:@x", "unix:@x" },
		{ "NETWORK_LISTEN:localhost:80", "localhost:80" },
		{ "SECRET_ACCESS:token", "token" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		struct obmon_cap_set set = { 0 };
		struct obmon_error err;

		add(&set, cases[i].text);
		assert_int_equal(rules_absolute(&set, "/w", "/bin", &err), 0);
		assert_string_equal(set.items[0].resource, cases[i].resource);
		/* Once more changes nothing. */
		assert_int_equal(rules_absolute(&set, "/elsewhere", "/bin", &err), 0);
		assert_string_equal(set.items[0].resource, cases[i].resource);
		obmon_cap_set_clear(&set);
	}
}

/* What can't be enforced must not look granted, and every error says where the rule was written. */
static void test_errors(void **state)
{
	static const struct {
		const char *capabilities[TEXTS_MAX];
		const char *head, *part;
	} cases[] = {
		{ { "NETWORK_CONNECT:unix:/proc/self/exe" }, "t.yaml:1:5: ", "link of procfs" },
		{ { "NETWORK_CONNECT:unix:/obmon-none", "quiet:NETWORK_LISTEN:unix:/proc/1/x" },
		  "t.yaml:2:5: ",
		  "another process" },
		{ { "DATABASE_READ:omnibase.registry" }, "t.yaml:1:5: ", "cannot be granted" },
		{ { "DATABASE_WRITE:omnibase.registry" }, "t.yaml:1:5: ", "cannot be granted" },
		{ { "REGISTRY_READ:tools/*" }, "t.yaml:1:5: ", "cannot be granted" },
		{ { "REGISTRY_WRITE:tools/*" }, "t.yaml:1:5: ", "cannot be granted" },
		{ { "ARTIFACT_READ:3f0c" }, "t.yaml:1:5: ", "cannot be granted" },
		{ { "ARTIFACT_WRITE:3f0c" }, "t.yaml:1:5: ", "cannot be granted" },
		{ { "SECRET_ACCESS:token" }, "t.yaml:1:5: ", "cannot be granted" },
		{ { "FILE_READ:/a", "FILE_READ:/b", "EXTERNAL_COMMAND:obmon-no-such-command" },
		  "t.yaml:3:5: ",
		  "obmon-no-such-command is not in the run's PATH (/bin:/usr/bin)" },
		{ { "FILE_READ:/a", "FILE_READ:loop/x" }, "t.yaml:2:5: ", "symbolic link loop" },
		{ { "FILE_READ:/a", "FILE_READ:loop/*" }, "t.yaml:2:5: ", "symbolic link loop" },
		{ { "FILE_READ:/proc/self/exe" }, "t.yaml:1:5: ", "link of procfs" },
		{ { "FILE_READ:/proc/self/fd/{0,1}" }, "t.yaml:1:5: ", "link of procfs" },
		{ { "quiet:FILE_READ:/proc/1/environ" }, "t.yaml:1:5: ", "another process" },
	};
	size_t i;

	(void)state;
	make_link("loop", "loop");
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		struct obmon_error err = { 0 };
		struct obmon_cap_set set = { 0 };
		struct dfa dfa = { 0 };

		add_all(&set, cases[i].capabilities);
		if (!rules_absolute(&set, ws, "/bin:/usr/bin", &err) &&
		    !rules_compile(&dfa, &set, &mounts, tmpdir, nothing_never, &err))
			fail_msg("case %zu is taken", i);
		assert_int_equal(err.code, OBMON_ERR_CONFIG);
		if (strncmp(err.message, cases[i].head, strlen(cases[i].head)) != 0 ||
		    !strstr(err.message, cases[i].part))
			fail_msg("expected '%s...%s', got '%s'", cases[i].head, cases[i].part, err.message);
		obmon_cap_set_clear(&set);
	}
}

/* A set that explodes is refused soon, and the rule to blame is shown where it stands. */
static void test_explosion(void **state)
{
	struct obmon_cap_set set = { 0 };
	struct obmon_error err = { 0 };
	struct dfa dfa = { 0 };
	uint64_t start = clock_ns(CLOCK_PROCESS_CPUTIME_ID);

	(void)state;
	add(&set, "FILE_READ:/etc/**");
	add(&set, "FILE_READ:/**/*a????????????????????????");
	add(&set, "FILE_READ:src/*.py");
	assert_int_equal(rules_absolute(&set, ws, "", &err), 0);
	assert_int_equal(rules_compile(&dfa, &set, &mounts, tmpdir, nothing_never, &err), -1);
	assert_int_equal(err.code, OBMON_ERR_CONFIG);
	if (strncmp(err.message, "t.yaml:2:5: ", 12) != 0)
		fail_msg("%s", err.message);
	/* In CPU time; with room for sanitizers. */
	assert_in_range((clock_ns(CLOCK_PROCESS_CPUTIME_ID) - start) / 1000000, 0, 5000);
	obmon_cap_set_clear(&set);
}

static void test_types_and_rights(void **state)
{
	static const uint32_t rights[OBMON_CAP_TYPE_MAX] = {
		[OBMON_CAP_FILE_READ] = READ,          [OBMON_CAP_FILE_WRITE] = WRITE,
		[OBMON_CAP_EXTERNAL_COMMAND] = EXEC,   [OBMON_CAP_LIBRARY_LOAD] = LOAD,
		[OBMON_CAP_NETWORK_CONNECT] = CONNECT, [OBMON_CAP_NETWORK_LISTEN] = LISTEN,
	};
	static const enum obmon_cap_type types[OBMON_RIGHT_MAX] = {
		[OBMON_RIGHT_READ] = OBMON_CAP_FILE_READ,        [OBMON_RIGHT_WRITE] = OBMON_CAP_FILE_WRITE,
		[OBMON_RIGHT_EXEC] = OBMON_CAP_EXTERNAL_COMMAND, [OBMON_RIGHT_LOAD] = OBMON_CAP_LIBRARY_LOAD,
		[OBMON_RIGHT_LIST] = OBMON_CAP_FILE_READ,        [OBMON_RIGHT_CONNECT] = OBMON_CAP_NETWORK_CONNECT,
		[OBMON_RIGHT_LISTEN] = OBMON_CAP_NETWORK_LISTEN,
	};
	unsigned i;

	(void)state;
	for (i = 0; i < OBMON_CAP_TYPE_MAX; i++)
		assert_int_equal(rights_of_type(i), rights[i]);
	for (i = 0; i < OBMON_RIGHT_MAX; i++)
		assert_int_equal(type_of_right(i), types[i]);
}

static bool pattern_matches(const char *text, const char *path)
{
	struct obmon_error err;
	struct glob glob;
	bool matches;

	if (glob_parse(&glob, text, strlen(text), NULL, NULL, &err))
		fail_msg("%s: %s", text, err.message);
	matches = glob_match(&glob, path, strlen(path));
	glob_clear(&glob);
	return matches;
}

static void test_glob_escape(void **state)
{
	static const char *const paths[] = {
		"/",    "/a/b", "/*",    "/?", "/[a]",  "/{a,b}",         "/\\",  "/a\\*b",   "/!x", "/x,y",
		"/a b", "/**",  "/[!a]", "/ ", "/\xff", "/*?[]{}\\!,^-~", "/...", "/$TMPDIR",
	};
	static const char *const with_control_bytes[] = { "/\n", "/a\x1b[31m", "/\x01\x7f" };
	size_t i, j;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(paths); i++) {
		_cleanup_free_ char *text = glob_escape(paths[i]);

		assert_non_null(text);
		for (j = 0; j < ARRAY_SIZE(paths); j++)
			if (pattern_matches(text, paths[j]) != (i == j))
				fail_msg("%s on %s", text, paths[j]);
	}
	/* No capability can hold such bytes; of the same length is as near as it gets. */
	for (i = 0; i < ARRAY_SIZE(with_control_bytes); i++) {
		_cleanup_free_ char *text = glob_escape(with_control_bytes[i]);
		size_t k;

		assert_non_null(text);
		assert_true(pattern_matches(text, with_control_bytes[i]));
		assert_false(pattern_matches(text, "/a/b"));
		for (k = 0; text[k]; k++)
			assert_true((unsigned char)text[k] >= 0x20 && text[k] != 0x7f);
	}
}

static void test_find_in_path(void **state)
{
	_cleanup_free_ char *path = NULL;
	static const struct {
		const char *name, *found;
	} cases[] = {
		{ "tool", "b/tool" }, { "second", "c/second" }, { "directory", NULL },    { "plain", NULL },
		{ "dangling", NULL }, { "none", NULL },         { "linked", "b/linked" },
	};
	size_t i;

	(void)state;
	make_directory("b");
	make_directory("c");
	make_file("b/tool", 0755);
	make_file("c/tool", 0755);
	make_file("c/second", 0700);
	make_directory("b/directory");
	make_file("b/plain", 0644);
	make_link("nowhere", "b/dangling");
	make_link("tool", "b/linked");
	path = format("relative::/obmon-none:%s:%s", in_ws("b"), in_ws("c"));
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *found = find_in_path(cases[i].name, path);

		if (!found != !cases[i].found || (found && strcmp(found, in_ws(cases[i].found)) != 0))
			fail_msg("%s: %s", cases[i].name, found);
	}
	assert_null(find_in_path("tool", ""));
	assert_null(find_in_path("tool", ":"));
}

#define workspace_test(function) cmocka_unit_test_setup_teardown(function, make_workspace, remove_workspace)

int main(void)
{
	const struct CMUnitTest tests[] = {
		workspace_test(test_types),
		workspace_test(test_listing),
		workspace_test(test_relative_resources),
		workspace_test(test_absolute_in_disguise),
		workspace_test(test_unix_sockets),
		workspace_test(test_files_and_endpoints),
		workspace_test(test_workspace_is_literal),
		workspace_test(test_links),
		workspace_test(test_filesystems),
		workspace_test(test_every_mount),
		workspace_test(test_hidden_mounts),
		workspace_test(test_quiet),
		workspace_test(test_never),
		workspace_test(test_rule_numbers),
		workspace_test(test_implicit),
		workspace_test(test_tmpdir),
		workspace_test(test_command_names),
		cmocka_unit_test(test_made_absolute),
		workspace_test(test_errors),
		workspace_test(test_explosion),
		cmocka_unit_test(test_types_and_rights),
		cmocka_unit_test(test_glob_escape),
		workspace_test(test_find_in_path),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
