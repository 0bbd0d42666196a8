// SPDX-License-Identifier: Apache-2.0
/* Letting go of all that was inherited: each test in a process of its own, which says by its exit status what is wrong. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/detach.h"
#include "lib/util.h"

/* In the child: cmocka's assertions would go on with the parent's tests there. */
#define check(condition) ((condition) ? (void)0 : wrong(__LINE__))

/* Out of the reach of detach(): memory that both processes see. */
static _Noreturn void wrong(int line)
{
	_exit(line > 1000 ? 255 : 1 + line / 4);
}

/* Run @body in a child. It is wrong at about the line that the message says. */
static void in_child(void (*body)(void))
{
	pid_t child = fork();
	int status;

	assert_true(child >= 0);
	if (!child) {
		body();
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	if (!WIFEXITED(status))
		fail_msg("ended by signal %d", WTERMSIG(status));
	if (WEXITSTATUS(status))
		fail_msg("wrong in one of the four lines from %d on", 4 * (WEXITSTATUS(status) - 1));
}

static bool is_null_device(int fd)
{
	struct stat st;

	return !fstat(fd, &st) && S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3);
}

static ino_t inode_of(int fd)
{
	struct stat st;

	return fstat(fd, &st) ? 0 : st.st_ino;
}

/* How many descriptors are open, this function's own not counted. */
static int count_open(void)
{
	DIR *dir = opendir("/proc/self/fd");
	const struct dirent *entry;
	int n = 0;

	check(dir);
	while ((entry = readdir(dir)))
		n += entry->d_name[0] != '.';
	closedir(dir);
	return n - 1;
}

static void check_standard(void)
{
	int fd;

	for (fd = 0; fd <= 2; fd++)
		check(is_null_device(fd) && (fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDWR);
}

/* Some pipes at numbers that are in each other's way. */
static void open_many(int *fds, int n)
{
	int i;

	for (i = 0; i < n; i++) {
		int ends[2];

		check(!pipe(ends)); /* not closed on exec, as what others left open isn't */
		fds[i] = ends[0];
	}
}

static void keep_some(void)
{
	int fds[8], *kept[] = { &fds[5], &fds[0], &fds[7], &fds[1] };
	ino_t inodes[ARRAY_SIZE(kept)];
	size_t i;

	open_many(fds, 8);
	for (i = 0; i < ARRAY_SIZE(kept); i++)
		inodes[i] = inode_of(*kept[i]);
	check(!detach("obmon-test", kept, ARRAY_SIZE(kept)));
	for (i = 0; i < ARRAY_SIZE(kept); i++) {
		check(inode_of(*kept[i]) == inodes[i] && inodes[i]);
		check(*kept[i] > 2);
		check(fcntl(*kept[i], F_GETFD) == FD_CLOEXEC);
	}
	check_standard();
	check(count_open() == 3 + (int)ARRAY_SIZE(kept));
}

static void test_keeps_some(void **state)
{
	(void)state;
	in_child(keep_some);
}

/* In reverse order, each at the place of another; as many as there may be. */
static void keep_permuted(void)
{
	int fds[DETACH_MAX], *kept[DETACH_MAX], high;
	ino_t inodes[DETACH_MAX];
	int i;

	open_many(fds, DETACH_MAX);
	for (i = 0; i < DETACH_MAX; i++) {
		/* 3 to 18, whatever was there */
		high = fcntl(fds[i], F_DUPFD, 200);
		check(high >= 200);
		fds[i] = high;
	}
	for (i = 0; i < DETACH_MAX; i++) {
		check(dup2(fds[i], 3 + i) == 3 + i);
		fds[i] = 3 + i;
		inodes[DETACH_MAX - 1 - i] = inode_of(3 + i);
		kept[DETACH_MAX - 1 - i] = &fds[i];
	}
	check(!detach("x", kept, DETACH_MAX));
	for (i = 0; i < DETACH_MAX; i++)
		check(inode_of(*kept[i]) == inodes[i]);
	for (i = 1; i < DETACH_MAX; i++)
		check(inodes[i] != inodes[0]);
	check(count_open() == 3 + DETACH_MAX);
}

static void test_keeps_permuted(void **state)
{
	(void)state;
	in_child(keep_permuted);
}

/* Standard input can be kept as well, under another number; descriptors above the first 64 too. */
static void keep_standard(void)
{
	int ends[2], in = 0, far = 100, *kept[] = { &in, &far };
	ino_t inode, far_inode;

	check(!pipe(ends) && dup2(ends[0], 0) == 0);
	check(!pipe(ends) && dup2(ends[0], far) == far);
	inode = inode_of(0);
	far_inode = inode_of(far);
	check(!detach("x", kept, 2));
	check(in > 2 && inode_of(in) == inode);
	check(far > 2 && inode_of(far) == far_inode);
	check_standard();
	check(count_open() == 5);
}

static void test_keeps_standard_input(void **state)
{
	(void)state;
	in_child(keep_standard);
}

static void keep_nothing(void)
{
	int fds[4];

	open_many(fds, 4);
	check(!detach("x", NULL, 0));
	check_standard();
	check(count_open() == 3);
}

/* With none of the standard ones open to begin with. */
static void start_with_none(void)
{
	int ends[2], *kept[] = { &ends[1] };
	ino_t inode;

	close(0);
	close(1);
	close(2);
	check(!pipe(ends)); /* 0 and 1 */
	inode = inode_of(ends[1]);
	check(!detach("x", kept, 1));
	check(inode_of(ends[1]) == inode && ends[1] > 2);
	check_standard();
	check(count_open() == 4);
}

static void test_keeps_nothing(void **state)
{
	(void)state;
	in_child(keep_nothing);
	in_child(start_with_none);
}

/* The other end sees its pipe closed: nobody waits for a copy that is still open somewhere. */
static void test_pipes_are_let_go(void **state)
{
	pid_t child;
	int ends[2], release[2];
	char byte;

	(void)state;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	assert_int_equal(pipe2(release, O_CLOEXEC), 0);
	child = fork();
	assert_true(child >= 0);
	if (!child) {
		int *kept[] = { &release[0] };

		if (detach("x", kept, 1))
			_exit(1);
		_exit(read(release[0], &byte, 1) == 1 ? 0 : 2);
	}
	fd_close(&ends[1]);
	/* While the child lives. */
	assert_int_equal(read(ends[0], &byte, 1), 0);
	assert_int_equal(write(release[1], "x", 1), 1);
	assert_int_equal(waitpid(child, (int[]){ 0 }, 0), child);
	fd_close(&ends[0]);
	fd_close(&release[0]);
	fd_close(&release[1]);
}

static void look_around(void)
{
	static char long_name[] = "obmon-resolver-of-this-run";
	char name[17] = "", path[64];
	sigset_t blocked;
	int signal;

	check(!detach(long_name, NULL, 0));
	check(getsid(0) == getpid());
	check(getpgrp() == getpid());
	check(!prctl(PR_GET_NAME, name) && !strcmp(name, "obmon-resolver-"));
	check(getcwd(path, sizeof(path)) && !strcmp(path, "/"));
	check(!sigprocmask(SIG_SETMASK, NULL, &blocked));
	for (signal = 1; signal < 32; signal++)
		check(signal == SIGKILL || signal == SIGSTOP || sigismember(&blocked, signal) == 1);
	/* So that it doesn't end with the terminal, or by what is typed there. */
	check(!kill(getpid(), SIGTERM) && !kill(getpid(), SIGHUP) && !kill(getpid(), SIGINT));
	check(open("/dev/tty", O_RDWR) < 0);
}

static void test_everything_else(void **state)
{
	(void)state;
	in_child(look_around);
}

static void keep_too_many(void)
{
	int fd = 0, *kept[DETACH_MAX + 1], i, before = count_open();

	for (i = 0; i <= DETACH_MAX; i++)
		kept[i] = &fd;
	errno = 0;
	check(detach("x", kept, DETACH_MAX + 1) == -1 && errno == EINVAL);
	check(fd == 0 && count_open() == before);
}

static void keep_what_is_closed(void)
{
	int fds[2] = { 0, 900 }, *kept[] = { &fds[0], &fds[1] };

	check(detach("x", kept, 2) == -1 && errno == EBADF);
}

/* Without room for the descriptors it fails, rather than to lose one. */
static void keep_without_room(void)
{
	const struct rlimit few = { 32, 32 };
	int fd = 0, *kept[] = { &fd };

	check(!setrlimit(RLIMIT_NOFILE, &few));
	check(detach("x", kept, 1) == -1);
}

static void test_failures(void **state)
{
	(void)state;
	in_child(keep_too_many);
	in_child(keep_what_is_closed);
	in_child(keep_without_room);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_keeps_some),
		cmocka_unit_test(test_keeps_permuted),
		cmocka_unit_test(test_keeps_standard_input),
		cmocka_unit_test(test_keeps_nothing),
		cmocka_unit_test(test_pipes_are_let_go),
		cmocka_unit_test(test_everything_else),
		cmocka_unit_test(test_failures),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
