// SPDX-License-Identifier: Apache-2.0
/* The small helpers, at their edges: full pipes and disks, limits, links that lead out of a tree. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include <cmocka.h>

#include "lib/util.h"

/* A directory of its own for each test. */
static char scratch[] = "/tmp/obmon-test-util-XXXXXX";

static int make_scratch(void **state)
{
	(void)state;
	strcpy(scratch + sizeof(scratch) - 7, "XXXXXX");
	/* Others may enter: some tests go on as another user. */
	return mkdtemp(scratch) && !chmod(scratch, 0755) ? 0 : -1;
}

static int remove_scratch(void **state)
{
	char command[128];

	(void)state;
	/* Not with remove_tree(), which is under test. */
	snprintf(command, sizeof(command), "chmod -R u+rwx %s && rm -rf %s", scratch, scratch);
	return system(command);
}

/* The path of @name in the scratch directory; good until the fourth call after. */
static const char *in_scratch(const char *name)
{
	static char paths[4][512];
	static unsigned next;
	char *path = paths[next++ % ARRAY_SIZE(paths)];

	snprintf(path, sizeof(paths[0]), "%s/%s", scratch, name);
	return path;
}

static void make_file(const char *name, const char *text)
{
	int fd = open(in_scratch(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(close(fd), 0);
}

static void make_directory(const char *name)
{
	assert_int_equal(mkdir(in_scratch(name), 0755), 0);
}

static bool exists(const char *name)
{
	struct stat st;

	return !lstat(in_scratch(name), &st);
}

static bool content_is(const char *name, const char *text)
{
	_cleanup_free_ char *content = read_file(in_scratch(name), 4096, NULL);

	return content && !strcmp(content, text);
}

/* Run @body in a child which isn't root, so that file modes count. @return its exit status, 255 for a crash. */
static int as_nobody(int (*body)(void))
{
	pid_t child = fork();
	int status;

	assert_true(child >= 0);
	if (!child) {
		if (!getuid() && (setgid(65534) || setuid(65534)))
			_exit(254);
		_exit(body());
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

static void test_fd_close(void **state)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC), copy = fd;

	(void)state;
	errno = EXDEV;
	fd_close(&fd);
	assert_int_equal(errno, EXDEV);
	assert_int_equal(fd, -1);
	assert_int_equal(fcntl(copy, F_GETFD), -1);
	errno = EXDEV;
	fd_close(&fd);
	assert_int_equal(errno, EXDEV);
}

/* Reads a pipe to its end, in odd pieces, and checks what comes. */
struct reader {
	int fd;
	size_t n;
	bool right;
};

static void *read_slowly(void *argument)
{
	struct reader *reader = argument;
	unsigned char buffer[777];
	ssize_t n, i;

	reader->right = true;
	while ((n = read(reader->fd, buffer, sizeof(buffer))) > 0) {
		for (i = 0; i < n; i++)
			reader->right = reader->right && buffer[i] == (unsigned char)((reader->n + (size_t)i) * 7);
		reader->n += (size_t)n;
	}
	return NULL;
}

/* Far more than a pipe holds: write(2) blocks, and comes back with less than was asked for. */
static void test_write_all_through_a_pipe(void **state)
{
	const size_t length = 3u << 20;
	_cleanup_free_ unsigned char *data = malloc(length);
	struct reader reader = { 0 };
	pthread_t thread;
	int pipe_fds[2];
	size_t i;

	(void)state;
	for (i = 0; i < length; i++)
		data[i] = (unsigned char)(i * 7);
	assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
	reader.fd = pipe_fds[0];
	assert_int_equal(pthread_create(&thread, NULL, read_slowly, &reader), 0);
	assert_int_equal(write_all(pipe_fds[1], data, length), 0);
	close(pipe_fds[1]);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(reader.n, length);
	assert_true(reader.right);
	close(pipe_fds[0]);
}

/* Nobody reads, and the descriptor doesn't block: what went in stays, the rest is an error, never a hang. */
static void test_write_all_to_a_full_pipe(void **state)
{
	static char data[1u << 20];
	int pipe_fds[2], size, queued;
	char byte = 'x';

	(void)state;
	memset(data, 'a', sizeof(data));
	assert_int_equal(pipe2(pipe_fds, O_CLOEXEC | O_NONBLOCK), 0);
	size = fcntl(pipe_fds[1], F_GETPIPE_SZ);
	assert_true(size > 0 && (size_t)size < sizeof(data));
	assert_int_equal(write_all(pipe_fds[1], data, sizeof(data)), -1);
	assert_int_equal(errno, EAGAIN);
	for (queued = 0; read(pipe_fds[0], data, 4096) > 0;)
		queued += 4096;
	assert_int_equal(queued, size);
	close(pipe_fds[0]);
	signal(SIGPIPE, SIG_IGN);
	assert_int_equal(write_all(pipe_fds[1], &byte, 1), -1);
	assert_int_equal(errno, EPIPE);
	signal(SIGPIPE, SIG_DFL);
	close(pipe_fds[1]);
}

static void test_write_all_errors(void **state)
{
	_cleanup_fd_ int full = open("/dev/full", O_WRONLY | O_CLOEXEC);

	(void)state;
	assert_true(full >= 0);
	assert_int_equal(write_all(full, "x", 1), -1);
	assert_int_equal(errno, ENOSPC);
	assert_int_equal(write_all(full, "x", 0), 0);
	assert_int_equal(write_all(-1, "x", 1), -1);
	assert_int_equal(errno, EBADF);
}

static void test_write_file(void **state)
{
	_cleanup_fd_ int directory = open(scratch, O_PATH | O_DIRECTORY | O_CLOEXEC);

	(void)state;
	/* It is for the kernel's files, so it doesn't make any. */
	assert_int_equal(write_file(directory, "new", "text"), -1);
	assert_int_equal(errno, ENOENT);
	assert_false(exists("new"));
	make_file("old", "1234567");
	assert_int_equal(write_file(directory, "old", "text"), 0);
	assert_true(content_is("old", "text567"));
	assert_int_equal(write_file(directory, ".", "text"), -1);
	assert_int_equal(errno, EISDIR);
	assert_int_equal(write_file(AT_FDCWD, "/dev/full", "text"), -1);
	assert_int_equal(errno, ENOSPC);
}

static void test_read_file(void **state)
{
	static const size_t sizes[] = { 0, 1, 4094, 4095, 4096, 4097, 8191, 8192, 100000 };
	size_t i, length;
	char *text;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		_cleanup_free_ char *data = calloc(1, sizes[i] + 1);

		memset(data, 'z', sizes[i]);
		make_file("file", data);
		length = 1234567;
		text = read_file(in_scratch("file"), sizes[i], &length);
		assert_non_null(text);
		assert_int_equal(length, sizes[i]);
		assert_string_equal(text, data);
		free(text);
		if (!sizes[i])
			continue;
		assert_null(read_file(in_scratch("file"), sizes[i] - 1, &length));
		assert_int_equal(errno, EFBIG);
	}
}

static void test_read_file_sources(void **state)
{
	static const char with_nul[] = { 'a', 0, 'b' };
	_cleanup_fd_ int fd = open(in_scratch("nul"), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	size_t length;
	char *text;

	(void)state;
	assert_int_equal(write(fd, with_nul, sizeof(with_nul)), sizeof(with_nul));
	text = read_file(in_scratch("nul"), 100, &length);
	assert_non_null(text);
	assert_int_equal(length, sizeof(with_nul));
	assert_memory_equal(text, with_nul, sizeof(with_nul));
	assert_int_equal(text[length], 0);
	free(text);

	/* Says that its size is 0. */
	text = read_file("/proc/self/status", 1u << 20, NULL);
	assert_non_null(text);
	assert_int_equal(strncmp(text, "Name:", 5), 0);
	free(text);

	/* Has no end. */
	assert_null(read_file("/dev/zero", 1u << 20, NULL));
	assert_int_equal(errno, EFBIG);
	assert_null(read_file(in_scratch("none"), 10, NULL));
	assert_int_equal(errno, ENOENT);
	assert_null(read_file(scratch, 10, NULL));
	assert_int_equal(errno, EISDIR);
}

static void test_make_dir(void **state)
{
	struct stat st;

	(void)state;
	umask(0);
	assert_int_equal(make_dir(in_scratch("d"), 0710), 0);
	umask(022);
	assert_int_equal(stat(in_scratch("d"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0710);
	assert_int_equal(make_dir(in_scratch("d"), 0755), 0);
	make_file("f", "");
	assert_int_equal(make_dir(in_scratch("f"), 0755), -1);
	assert_int_equal(errno, ENOTDIR);
	assert_int_equal(make_dir(in_scratch("no/d"), 0755), -1);
	assert_int_equal(errno, ENOENT);
	assert_int_equal(symlink("nowhere", in_scratch("dangling")), 0);
	assert_int_equal(make_dir(in_scratch("dangling"), 0755), -1);
}

static void test_remove_tree(void **state)
{
	(void)state;
	make_directory("tree");
	make_directory("tree/empty");
	make_directory("tree/a");
	make_directory("tree/a/b");
	make_file("tree/a/b/file", "x");
	make_file("tree/.hidden", "x");
	make_file("tree/with\nline feed \xff", "x");
	make_file("tree/readonly", "x");
	assert_int_equal(chmod(in_scratch("tree/readonly"), 0), 0);
	assert_int_equal(mkfifo(in_scratch("tree/fifo"), 0600), 0);
	assert_int_equal(remove_tree(in_scratch("tree")), 0);
	assert_false(exists("tree"));

	make_file("one", "x");
	assert_int_equal(remove_tree(in_scratch("one")), 0);
	assert_false(exists("one"));
	assert_int_equal(remove_tree(in_scratch("one")), -1);
	assert_int_equal(errno, ENOENT);
}

/* Links are removed as links: what they point to is somebody else's. */
static void test_remove_tree_keeps_what_links_point_to(void **state)
{
	(void)state;
	make_directory("outside");
	make_directory("outside/d");
	make_file("outside/d/file", "precious");
	make_directory("tree");
	assert_int_equal(symlink(in_scratch("outside"), in_scratch("tree/to_dir")), 0);
	assert_int_equal(symlink("../outside/d/file", in_scratch("tree/to_file")), 0);
	assert_int_equal(symlink("..", in_scratch("tree/up")), 0);
	assert_int_equal(symlink("/", in_scratch("tree/root")), 0);
	assert_int_equal(symlink("nowhere", in_scratch("tree/dangling")), 0);
	assert_int_equal(link(in_scratch("outside/d/file"), in_scratch("tree/hard")), 0);
	assert_int_equal(remove_tree(in_scratch("tree")), 0);
	assert_false(exists("tree"));
	assert_true(content_is("outside/d/file", "precious"));

	assert_int_equal(symlink("outside", in_scratch("link")), 0);
	assert_int_equal(remove_tree(in_scratch("link")), 0);
	assert_false(exists("link"));
	assert_true(content_is("outside/d/file", "precious"));
}

static int remove_with_unreadable(void)
{
	int result;

	if (mkdir(in_scratch("open/tree"), 0755) || mkdir(in_scratch("open/tree/closed"), 0755) ||
	    mkdir(in_scratch("open/tree/other"), 0755) || mkdir(in_scratch("open/tree/closed/in"), 0755) ||
	    chmod(in_scratch("open/tree/closed"), 0))
		return 10;
	result = remove_tree(in_scratch("open/tree"));
	if (result != -1 || errno != EACCES)
		return 11;
	/* Whatever can go is gone all the same. */
	if (exists("open/tree/other"))
		return 12;
	return 0;
}

static void test_remove_tree_with_unreadable_directories(void **state)
{
	(void)state;
	make_directory("open");
	assert_int_equal(chmod(in_scratch("open"), 0777), 0);
	assert_int_equal(as_nobody(remove_with_unreadable), 0);
	assert_true(exists("open/tree/closed"));
	/* Root, which obmon is when it tidies up, isn't stopped by modes. */
	if (!getuid()) {
		assert_int_equal(remove_tree(in_scratch("open")), 0);
		assert_false(exists("open"));
	}
}

/* What went wrong at the bottom is told, not that the directories above it aren't empty therefore. */
static int remove_with_failure_below(void)
{
	if (mkdir(in_scratch("open/tree"), 0755) || mkdir(in_scratch("open/tree/a"), 0755) ||
	    mkdir(in_scratch("open/tree/a/in"), 0755) || chmod(in_scratch("open/tree/a"), 0555))
		return 10;
	if (remove_tree(in_scratch("open/tree")) != -1)
		return 11;
	return errno == EACCES ? 0 : errno;
}

static void test_remove_tree_tells_what_failed_below(void **state)
{
	(void)state;
	make_directory("open");
	assert_int_equal(chmod(in_scratch("open"), 0777), 0);
	assert_int_equal(as_nobody(remove_with_failure_below), 0);
}

/* A file of somebody else in a sticky directory: EPERM is about the file, not about its being no directory. */
static int remove_sticky(void)
{
	return remove_tree(in_scratch("sticky/file")) == -1 ? errno : 0;
}

static void test_remove_tree_of_a_file_that_must_stay(void **state)
{
	/* Where the tests don't run as root, the file is the child's own and goes. */
	const int expected = getuid() ? 0 : EPERM;

	(void)state;
	make_directory("sticky");
	make_file("sticky/file", "x");
	assert_int_equal(chmod(in_scratch("sticky"), 01777), 0);
	assert_int_equal(as_nobody(remove_sticky), expected);
	assert_int_equal(exists("sticky/file"), !getuid());
}

/* A link that can't be removed isn't followed either. */
static int remove_sticky_link(void)
{
	return remove_tree(in_scratch("sticky/link")) ? 1 : 0;
}

static void test_remove_tree_of_a_link_that_must_stay(void **state)
{
	(void)state;
	make_directory("sticky");
	make_directory("outside");
	make_file("outside/file", "precious");
	assert_int_equal(symlink("../outside", in_scratch("sticky/link")), 0);
	assert_int_equal(chmod(in_scratch("sticky"), 01777), 0);
	assert_int_equal(chmod(in_scratch("outside"), 0777), 0);
	assert_int_equal(as_nobody(remove_sticky_link), !getuid());
	assert_true(content_is("outside/file", "precious"));
}

/* A run can make its TMPDIR as deep as it likes, deeper than obmon may have descriptors. */
static void test_remove_tree_that_is_deep(void **state)
{
	struct rlimit limit, lowered;
	int i, result, fd = open(scratch, O_RDONLY | O_DIRECTORY | O_CLOEXEC), below;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	for (i = 0; i < 2000; i++) {
		assert_int_equal(mkdirat(fd, "deep", 0755), 0);
		below = openat(fd, "deep", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		assert_true(below >= 0);
		close(fd);
		fd = below;
	}
	close(fd);
	lowered = limit;
	lowered.rlim_cur = 256;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &lowered), 0);
	result = remove_tree(in_scratch("deep"));
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_int_equal(result, 0);
	assert_false(exists("deep"));
}

static void test_format(void **state)
{
	char *text = format("%s-%d-%0*d", "a", 7, 5000, 1);

	(void)state;
	assert_non_null(text);
	assert_int_equal(strlen(text), 5004);
	assert_int_equal(strncmp(text, "a-7-000", 7), 0);
	free(text);
	text = format("%s", "");
	assert_string_equal(text, "");
	free(text);
}

static bool is_uuid7(const char *text)
{
	size_t i;

	for (i = 0; i < 36; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (dash ? text[i] != '-' : !strchr("0123456789abcdef", text[i]) || !text[i])
			return false;
	}
	/* Version 7, variant 10x (RFC 9562, 5.7). */
	return !text[36] && text[14] == '7' && strchr("89ab", text[19]);
}

static uint64_t uuid_millis(const char *text)
{
	char digits[13];

	memcpy(digits, text, 8);
	memcpy(digits + 8, text + 9, 4);
	digits[12] = '\0';
	return strtoull(digits, NULL, 16);
}

static void test_uuid7(void **state)
{
	enum { COUNT = 2000 };
	static char texts[COUNT][UUID_TEXT_MAX];
	uint64_t before = clock_ns(CLOCK_REALTIME) / 1000000, after, seen_variants = 0;
	int i, j;

	(void)state;
	for (i = 0; i < COUNT; i++)
		uuid7(texts[i]);
	after = clock_ns(CLOCK_REALTIME) / 1000000;
	for (i = 0; i < COUNT; i++) {
		if (!is_uuid7(texts[i]))
			fail_msg("%s is no UUIDv7", texts[i]);
		assert_in_range(uuid_millis(texts[i]), i ? uuid_millis(texts[i - 1]) : before, after);
		seen_variants |= 1u << (strchr("89ab", texts[i][19]) - "89ab");
		for (j = i < 50 ? 0 : i - 50; j < i; j++)
			assert_string_not_equal(texts[i], texts[j]);
	}
	/* The bits beside the variant are random as well. */
	assert_int_equal(seen_variants, 15);
}

/* Later ones sort behind earlier ones, as text. */
static void test_uuid7_sorts_by_time(void **state)
{
	const struct timespec wait = { .tv_nsec = 3000000 };
	char first[UUID_TEXT_MAX], second[UUID_TEXT_MAX];
	int i;

	(void)state;
	for (i = 0; i < 10; i++) {
		uuid7(first);
		nanosleep(&wait, NULL);
		uuid7(second);
		assert_true(strcmp(first, second) < 0);
	}
}

static void test_random_hex(void **state)
{
	char text[2 * 64 + 2], other[2 * 64 + 2];
	size_t n;

	(void)state;
	for (n = 1; n <= 64; n++) {
		memset(text, 'x', sizeof(text));
		random_hex(text, n);
		assert_int_equal(strspn(text, "0123456789abcdef"), 2 * n);
		assert_int_equal(text[2 * n], '\0');
		assert_int_equal(text[2 * n + 1], 'x');
	}
	random_hex(other, 64);
	assert_string_not_equal(text, other);
}

static void test_clock(void **state)
{
	uint64_t first = clock_ns(CLOCK_MONOTONIC), second = clock_ns(CLOCK_MONOTONIC);
	uint64_t now = clock_ns(CLOCK_REALTIME) / 1000000000;

	(void)state;
	assert_true(second >= first);
	assert_in_range(now, (uint64_t)time(NULL) - 1, (uint64_t)time(NULL) + 1);
}

static void test_parse_u64(void **state)
{
	static const struct {
		const char *text;
		uint64_t min, max;
		bool good;
		uint64_t value;
	} cases[] = {
		{ "0", 0, 10, true, 0 },
		{ "10", 0, 10, true, 10 },
		{ "11", 0, 10, false, 0 },
		{ "4", 5, 10, false, 0 },
		{ "5", 5, 5, true, 5 },
		{ "007", 0, 10, true, 7 },
		{ "18446744073709551615", 0, UINT64_MAX, true, UINT64_MAX },
		{ "18446744073709551616", 0, UINT64_MAX, false, 0 },
		{ "99999999999999999999999", 0, UINT64_MAX, false, 0 },
		{ "", 0, 10, false, 0 },
		{ " 1", 0, 10, false, 0 },
		{ "1 ", 0, 10, false, 0 },
		{ "\t1", 0, 10, false, 0 },
		{ "+1", 0, 10, false, 0 },
		{ "-1", 0, UINT64_MAX, false, 0 },
		{ "-0", 0, UINT64_MAX, false, 0 },
		{ "1.5", 0, 10, false, 0 },
		{ "1s", 0, 10, false, 0 },
		{ "0x1", 0, 10, false, 0 },
		{ "1e1", 0, 10, false, 0 },
		{ "1,000", 0, 10000, false, 0 },
		{ "one", 0, 10, false, 0 },
		{ "\xd9\xa1", 0, 10, false, 0 }, /* an Arabic digit */
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		uint64_t value = 77;

		/* What errno was before must not matter. */
		errno = ERANGE;
		if (parse_u64(cases[i].text, cases[i].min, cases[i].max, &value) != cases[i].good)
			fail_msg("'%s' in [%" PRIu64 ", %" PRIu64 "]: expected %d", cases[i].text, cases[i].min,
				 cases[i].max, cases[i].good);
		if (cases[i].good)
			assert_int_equal(value, cases[i].value);
	}
}

#define scratch_test(function) cmocka_unit_test_setup_teardown(function, make_scratch, remove_scratch)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fd_close),
		cmocka_unit_test(test_write_all_through_a_pipe),
		cmocka_unit_test(test_write_all_to_a_full_pipe),
		cmocka_unit_test(test_write_all_errors),
		scratch_test(test_write_file),
		scratch_test(test_read_file),
		scratch_test(test_read_file_sources),
		scratch_test(test_make_dir),
		scratch_test(test_remove_tree),
		scratch_test(test_remove_tree_keeps_what_links_point_to),
		scratch_test(test_remove_tree_with_unreadable_directories),
		scratch_test(test_remove_tree_tells_what_failed_below),
		scratch_test(test_remove_tree_of_a_file_that_must_stay),
		scratch_test(test_remove_tree_of_a_link_that_must_stay),
		scratch_test(test_remove_tree_that_is_deep),
		cmocka_unit_test(test_format),
		cmocka_unit_test(test_uuid7),
		cmocka_unit_test(test_uuid7_sorts_by_time),
		cmocka_unit_test(test_random_hex),
		cmocka_unit_test(test_clock),
		cmocka_unit_test(test_parse_u64),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
