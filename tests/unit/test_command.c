// SPDX-License-Identifier: Apache-2.0
/* CMD, and what runs it: real binaries, scripts of every kind, and files that are none. */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/util.h"
#include "obmon/abi/dfa.h"
#include "run/command.h"

#define EXEC OBMON_RIGHT_BIT(OBMON_RIGHT_EXEC)
#define READ OBMON_RIGHT_BIT(OBMON_RIGHT_READ)

/* The workspace: a directory of its own for each test, by its real path. */
static char ws[PATH_MAX];

static int make_workspace(void **state)
{
	char made[] = "/tmp/obmon-test-command-XXXXXX";

	(void)state;
	return mkdtemp(made) && realpath(made, ws) ? 0 : -1;
}

static int remove_workspace(void **state)
{
	(void)state;
	return remove_tree(ws);
}

/* The path of @name in the workspace; good until the eighth call after. */
static const char *in_ws(const char *name)
{
	static char paths[8][PATH_MAX + 512];
	static unsigned next;
	char *path = paths[next++ % ARRAY_SIZE(paths)];

	snprintf(path, sizeof(paths[0]), "%s/%s", ws, name);
	return path;
}

static void make_file(const char *name, mode_t mode, const void *data, size_t length)
{
	_cleanup_fd_ int fd = open(in_ws(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write_all(fd, data, length), 0);
	assert_int_equal(fchmod(fd, mode), 0);
}

static void make_script(const char *name, const char *text)
{
	make_file(name, 0755, text, strlen(text));
}

/* An ELF binary of nothing but headers; @loader NULL makes it a static one. */
static void make_elf(const char *name, const char *loader)
{
	struct {
		Elf64_Ehdr header;
		Elf64_Phdr segments[2];
		char loader[256];
	} file = {
		.header = {
			.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
			.e_type = ET_DYN,
			.e_machine = EM_X86_64,
			.e_version = EV_CURRENT,
			.e_ehsize = sizeof(Elf64_Ehdr),
			.e_phoff = sizeof(Elf64_Ehdr),
			.e_phentsize = sizeof(Elf64_Phdr),
			.e_phnum = loader ? 2 : 1,
		},
		.segments = {{.p_type = PT_LOAD, .p_flags = PF_R | PF_X}},
	};

	if (loader) {
		file.segments[1] = (Elf64_Phdr){
			.p_type = PT_INTERP,
			.p_offset = offsetof(typeof(file), loader),
			.p_filesz = strlen(loader) + 1,
		};
		snprintf(file.loader, sizeof(file.loader), "%s", loader);
	}
	make_file(name, 0755, &file, sizeof(file));
}

/* Is @file open, and the file that its path names? */
static bool holds_its_file(const struct command_file *file)
{
	struct stat held, named;

	return !fstat(file->fd, &held) && !stat(file->path, &named) && held.st_dev == named.st_dev &&
	       held.st_ino == named.st_ino && fcntl(file->fd, F_GETFD) == FD_CLOEXEC;
}

struct expected_file {
	const char *path;
	uint32_t rights;
};

/* Resolve @name and compare what came with @expected, ended by a path of NULL. */
static void check(const char *name, const char *search_path, const struct expected_file *expected)
{
	struct obmon_error err;
	struct command command;
	size_t i;

	if (command_resolve(&command, name, ws, search_path, &err))
		fail_msg("%s: %s", name, err.message);
	for (i = 0; i < command.n && expected[i].path; i++) {
		if (strcmp(command.files[i].path, expected[i].path) != 0)
			fail_msg("%s: file %zu is %s", name, i, command.files[i].path);
		if (command.files[i].rights != expected[i].rights)
			fail_msg("%s: rights of file %zu are %x", name, i, command.files[i].rights);
		if (!holds_its_file(&command.files[i]))
			fail_msg("%s: file %zu isn't held open", name, i);
	}
	if (i < command.n || expected[i].path)
		fail_msg("%s: %zu files", name, command.n);
	command_clear(&command);
	assert_int_equal(command.n, 0);
}

static size_t open_descriptors(void)
{
	size_t n = 0;
	int fd;

	for (fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

/* Resolving @name is an error of @code that has @part in its message, and leaves nothing open. */
static void check_error(const char *name, const char *search_path, enum obmon_error_code code, const char *part)
{
	size_t before = open_descriptors();
	struct obmon_error err = { 0 };
	struct command command;

	if (!command_resolve(&command, name, ws, search_path, &err))
		fail_msg("%s is taken for a command", name);
	if (err.code != code || !strstr(err.message, part))
		fail_msg("%s: expected '%s' (%d), got '%s' (%d)", name, part, code, err.message, err.code);
	assert_int_equal(command.n, 0);
	assert_int_equal(open_descriptors(), before);
}

/* Only how resolving @name ends. @return the number of files, or the negative error code. */
static int outcome(const char *name)
{
	struct obmon_error err = { 0 };
	struct command command;
	int n;

	if (command_resolve(&command, name, ws, "/bin", &err))
		return -(int)err.code;
	n = (int)command.n;
	command_clear(&command);
	return n;
}

/* This test itself is a dynamic binary, which the kernel loaded with the loader that readelf would show. */
static void test_own_binary(void **state)
{
	_cleanup_free_ char *own = realpath("/proc/self/exe", NULL);
	struct obmon_error err;
	struct command command;

	(void)state;
	assert_non_null(own);
	assert_int_equal(command_resolve(&command, own, ws, "", &err), 0);
	assert_int_equal(command.n, 2);
	assert_string_equal(command.files[0].path, own);
	assert_int_equal(command.files[0].rights, EXEC);
	assert_true(holds_its_file(&command.files[0]));
	if (!strstr(command.files[1].path, "/ld-"))
		fail_msg("%s is the loader", command.files[1].path);
	assert_int_equal(command.files[1].rights, EXEC);
	assert_true(holds_its_file(&command.files[1]));
	command_clear(&command);
}

static void test_binaries(void **state)
{
	(void)state;
	make_elf("static", NULL);
	make_elf("dynamic", in_ws("static"));
	make_elf("dynamic2", in_ws("dynamic"));
	check("./static", "", (struct expected_file[]){ { in_ws("./static"), EXEC }, { 0 } });
	check(in_ws("dynamic"), "",
	      (struct expected_file[]){ { in_ws("dynamic"), EXEC }, { in_ws("static"), EXEC }, { 0 } });
	/* A loader's own loader plays no part. */
	check(in_ws("dynamic2"), "",
	      (struct expected_file[]){ { in_ws("dynamic2"), EXEC }, { in_ws("dynamic"), EXEC }, { 0 } });
}

static void test_broken_binaries(void **state)
{
	static const char elf_only[] = "\x7f"
				       "ELF";

	(void)state;
	make_elf("lost", "/obmon/no/such/loader");
	check_error(in_ws("lost"), "", OBMON_ERR_NOT_FOUND, "/obmon/no/such/loader");
	make_elf("empty_loader", "");
	assert_int_equal(outcome(in_ws("empty_loader")), 1);
	/* What the kernel will refuse isn't for obmon to refuse; it must only not stumble. */
	make_file("header_only", 0755, elf_only, sizeof(elf_only) - 1);
	check(in_ws("header_only"), "", (struct expected_file[]){ { in_ws("header_only"), EXEC }, { 0 } });
	make_file("nothing", 0755, "", 0);
	check(in_ws("nothing"), "", (struct expected_file[]){ { in_ws("nothing"), EXEC }, { 0 } });
	make_file("text", 0755, "echo hello\n", 11);
	check(in_ws("text"), "", (struct expected_file[]){ { in_ws("text"), EXEC }, { 0 } });
}

static void test_script_lines(void **state)
{
	/* Between both, the path of a static binary. */
	static const struct {
		const char *head, *tail;
	} cases[] = {
		{ "#!", "\n" },
		{ "#! ", "\n" },
		{ "#!\t \t", "\n" },
		{ "#!", " -x\n" },
		{ "#!", "\t-x y\n" },
		{ "#!", "" },
		{ "#!", " " },
		{ "#!", "\nexec something else\n" },
		{ "#!", " -a \x01\xff\n" },
		{ "#! ", "  \nx" },
		{ "#!", "\n#!/no/such" },
	};
	char text[PATH_MAX + 100];
	size_t i;

	(void)state;
	make_elf("static", NULL);
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		snprintf(text, sizeof(text), "%s%s%s", cases[i].head, in_ws("static"), cases[i].tail);
		make_script("script", text);
		check(in_ws("script"), "",
		      (struct expected_file[]){ { in_ws("script"), EXEC | READ }, { in_ws("static"), EXEC }, { 0 } });
	}
	/* No interpreter at all: ENOEXEC in the kernel. */
	make_script("script", "#!\n/bin/sh\n");
	check(in_ws("script"), "", (struct expected_file[]){ { in_ws("script"), EXEC }, { 0 } });
	make_script("script", " #!/bin/sh\n");
	check(in_ws("script"), "", (struct expected_file[]){ { in_ws("script"), EXEC }, { 0 } });
	make_script("script", "#!");
	check(in_ws("script"), "", (struct expected_file[]){ { in_ws("script"), EXEC }, { 0 } });
}

static void test_script_of_script(void **state)
{
	char text[PATH_MAX + 100];

	(void)state;
	make_elf("loader", NULL);
	make_elf("interp", in_ws("loader"));
	snprintf(text, sizeof(text), "#!%s -x\n", in_ws("interp"));
	make_script("inner", text);
	snprintf(text, sizeof(text), "#!%s\n", in_ws("inner"));
	make_script("outer", text);
	check(in_ws("outer"), "",
	      (struct expected_file[]){ { in_ws("outer"), EXEC | READ },
					{ in_ws("inner"), EXEC | READ },
					{ in_ws("interp"), EXEC },
					{ in_ws("loader"), EXEC },
					{ 0 } });
}

/* A chain of @n scripts, s1 being the last, before a binary. */
static const char *make_chain(unsigned n, const char *binary)
{
	char text[PATH_MAX + 100], name[16];
	const char *next = in_ws(binary);
	unsigned i;

	for (i = 1; i <= n; i++) {
		snprintf(text, sizeof(text), "#!%s\n", next);
		snprintf(name, sizeof(name), "s%u", i);
		make_script(name, text);
		next = in_ws(name);
	}
	return next;
}

/* What the kernel does with @path: 0 if it runs, else the errno of execve(2). */
static int kernel_runs(const char *path)
{
	int pipe_fds[2], result = 0;
	pid_t child;

	assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
	child = fork();
	if (!child) {
		execl(path, path, (char *)NULL);
		result = errno;
		_exit(write_all(pipe_fds[1], &result, sizeof(result)) ? 1 : 0);
	}
	close(pipe_fds[1]);
	if (read(pipe_fds[0], &result, sizeof(result)) != (ssize_t)sizeof(result))
		result = 0;
	close(pipe_fds[0]);
	return result;
}

/* As deep as the kernel goes, and no deeper: both are asked. */
static void test_depth(void **state)
{
	unsigned depth;

	(void)state;
	assert_int_equal(symlink("/bin/true", in_ws("true")), 0);
	for (depth = 0; depth <= 5; depth++) {
		const char *first = make_chain(depth, "true");
		int n = outcome(first);

		assert_int_equal(kernel_runs(first), 0);
		if (n != (int)depth + 2)
			fail_msg("%u scripts before a binary and its loader: %d files", depth, n);
	}
	for (; depth <= 9; depth++) {
		const char *first = make_chain(depth, "true");

		assert_int_equal(kernel_runs(first), ELOOP);
		check_error(first, "", OBMON_ERR_CANNOT_RUN, "too many interpreters");
	}
}

/* A script that is its own interpreter must come to an end. */
static void test_endless(void **state)
{
	char text[PATH_MAX + 100];

	(void)state;
	snprintf(text, sizeof(text), "#!%s\n", in_ws("self"));
	make_script("self", text);
	check_error(in_ws("self"), "", OBMON_ERR_CANNOT_RUN, "too many interpreters");
}

static void test_bad_interpreters(void **state)
{
	char text[PATH_MAX + 100];

	(void)state;
	make_script("script", "#!/obmon/no/such/interpreter\n");
	check_error(in_ws("script"), "", OBMON_ERR_NOT_FOUND, "/obmon/no/such/interpreter");
	snprintf(text, sizeof(text), "#!%s\n", ws);
	make_script("script", text);
	check_error(in_ws("script"), "", OBMON_ERR_CANNOT_RUN, "not a regular file");
	make_file("plain", 0644, "", 0);
	snprintf(text, sizeof(text), "#!%s\n", in_ws("plain"));
	make_script("script", text);
	check_error(in_ws("script"), "", OBMON_ERR_CANNOT_RUN, "not executable");
	/* A carriage return is a part of the name, for the kernel too: `^M: no such file`. */
	make_script("script", "#!/bin/sh\r\n");
	check_error(in_ws("script"), "", OBMON_ERR_NOT_FOUND, "/bin/sh\\x0d");
}

/*
 * An interpreter's name that doesn't end within what the kernel reads: the kernel answers ENOEXEC. Its first
 * part is some other file, which must not be granted, even if it is there.
 */
static void test_cut_interpreter(void **state)
{
	char text[1000], name[1000];
	struct obmon_error err;
	struct command command;
	int length;

	(void)state;
	length = snprintf(text, sizeof(text), "#!%s/", ws);
	memset(text + length, 'a', 300);
	text[length + 300] = '\0';
	/* 256 bytes with "#!" are seen. */
	snprintf(name, sizeof(name), "%.*s", 256 - length, text + length);
	make_elf(name, NULL);
	strcat(text, "\n");
	make_script("script", text);
	assert_int_equal(kernel_runs(in_ws("script")), ENOEXEC);
	if (!command_resolve(&command, in_ws("script"), ws, "", &err)) {
		size_t n = command.n;

		command_clear(&command);
		assert_int_equal(n, 1);
	}
}

/* The kernel looks a relative interpreter up from the child's working directory, which is the workspace. */
static void test_relative_interpreter(void **state)
{
	struct stat held, named;
	struct obmon_error err;
	struct command command;

	(void)state;
	make_elf("interp", NULL);
	make_script("script", "#!./interp\n");
	if (command_resolve(&command, "./script", ws, "", &err))
		fail_msg("%s", err.message);
	assert_int_equal(command.n, 2);
	/* It becomes a grant, and those are absolute. */
	assert_int_equal(command.files[1].path[0], '/');
	assert_int_equal(fstat(command.files[1].fd, &held), 0);
	assert_int_equal(stat(in_ws("interp"), &named), 0);
	assert_int_equal(held.st_ino, named.st_ino);
	command_clear(&command);
}

static void test_what_is_no_command(void **state)
{
	_cleanup_fd_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	(void)state;
	make_file("plain", 0644, "#!/bin/sh\n", 10);
	check_error("./plain", "", OBMON_ERR_CANNOT_RUN, "not executable");
	check_error(".", "/bin", OBMON_ERR_NOT_FOUND, "PATH");
	check_error("./", "", OBMON_ERR_CANNOT_RUN, "not a regular file");
	check_error(ws, "", OBMON_ERR_CANNOT_RUN, "not a regular file");
	check_error("/dev/null", "", OBMON_ERR_CANNOT_RUN, "not a regular file");
	/* Nobody will ever write to it: opening must not wait. */
	assert_int_equal(mkfifo(in_ws("fifo"), 0755), 0);
	alarm(10);
	check_error("./fifo", "", OBMON_ERR_CANNOT_RUN, "not a regular file");
	check_error("fifo", ws, OBMON_ERR_NOT_FOUND, "PATH");
	alarm(0);
	assert_in_range(snprintf(address.sun_path, sizeof(address.sun_path), "%.90s/socket", ws), 0, 99);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	check_error("./socket", "", OBMON_ERR_CANNOT_RUN, "cannot open");
	check_error("./none", "", OBMON_ERR_NOT_FOUND, "none");
	check_error("./plain/x", "", OBMON_ERR_NOT_FOUND, "plain/x");
	assert_int_equal(symlink("loop", in_ws("loop")), 0);
	check_error("./loop", "", OBMON_ERR_CANNOT_RUN, "loop");
}

static void test_names(void **state)
{
	(void)state;
	check_error("", "/bin", OBMON_ERR_NOT_FOUND, "empty");
	check_error("obmon-no-such-command", "/bin:/usr/bin", OBMON_ERR_NOT_FOUND, "/bin:/usr/bin");
	check_error("sh", "", OBMON_ERR_NOT_FOUND, "PATH");
	assert_int_equal(mkdir(in_ws("bin"), 0755), 0);
	make_elf("bin/tool", NULL);
	/* With a '/' it is a path from the workspace, whatever PATH and obmon's own directory are. */
	check("bin/tool", "", (struct expected_file[]){ { in_ws("bin/tool"), EXEC }, { 0 } });
	check("./bin/../bin/tool", "", (struct expected_file[]){ { in_ws("./bin/../bin/tool"), EXEC }, { 0 } });
	check_error("tool", ws, OBMON_ERR_NOT_FOUND, "tool");
	assert_int_equal(symlink("bin/tool", in_ws("link")), 0);
	check("./link", "", (struct expected_file[]){ { in_ws("./link"), EXEC }, { 0 } });
}

static void test_search(void **state)
{
	_cleanup_free_ char *path = NULL;

	(void)state;
	assert_int_equal(mkdir(in_ws("a"), 0755), 0);
	assert_int_equal(mkdir(in_ws("b"), 0755), 0);
	assert_int_equal(mkdir(in_ws("c"), 0755), 0);
	make_elf("b/tool", NULL);
	make_elf("c/tool", NULL);
	make_elf("tool", NULL);
	/* Neither a directory nor a file without the x bit is a command. */
	assert_int_equal(mkdir(in_ws("a/tool"), 0755), 0);
	make_elf("a/other", NULL);
	make_elf("c/other", NULL);
	assert_int_equal(chmod(in_ws("a/other"), 0644), 0);
	path = format("%s:/obmon/none:%s:%s", in_ws("a"), in_ws("b"), in_ws("c"));
	check("tool", path, (struct expected_file[]){ { in_ws("b/tool"), EXEC }, { 0 } });
	check("other", path, (struct expected_file[]){ { in_ws("c/other"), EXEC }, { 0 } });
	/* Empty and relative elements would mean wherever one happens to stand. */
	assert_int_equal(chdir(ws), 0);
	check_error("tool", ":", OBMON_ERR_NOT_FOUND, "PATH");
	check_error("tool", ".:b::./b", OBMON_ERR_NOT_FOUND, "PATH");
	assert_int_equal(chdir("/"), 0);
}

#define workspace_test(function) cmocka_unit_test_setup_teardown(function, make_workspace, remove_workspace)

int main(void)
{
	const struct CMUnitTest tests[] = {
		workspace_test(test_own_binary),
		workspace_test(test_binaries),
		workspace_test(test_broken_binaries),
		workspace_test(test_script_lines),
		workspace_test(test_script_of_script),
		workspace_test(test_depth),
		workspace_test(test_endless),
		workspace_test(test_bad_interpreters),
		workspace_test(test_cut_interpreter),
		workspace_test(test_relative_interpreter),
		workspace_test(test_what_is_no_command),
		workspace_test(test_names),
		workspace_test(test_search),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
