// SPDX-License-Identifier: Apache-2.0
#include "lib/util.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>

void fd_close(int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		close(*fd);
	*fd = -1;
	errno = saved;
}

int write_all(int fd, const void *data, size_t length)
{
	const char *at = data;

	while (length > 0) {
		ssize_t n = write(fd, at, length);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		at += n;
		length -= (size_t)n;
	}
	return 0;
}

int write_file(int dirfd, const char *path, const char *text)
{
	_cleanup_fd_ int fd = openat(dirfd, path, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return -1;
	return write_all(fd, text, strlen(text));
}

/* Double *@buffer when it is full; one byte is kept for the NUL. */
static int grow(char **buffer, size_t *allocated, size_t used)
{
	char *bigger;

	if (used + 1 < *allocated)
		return 0;
	*allocated = *allocated ? *allocated * 2 : 4096;
	bigger = realloc(*buffer, *allocated);
	if (!bigger)
		return -1;
	*buffer = bigger;
	return 0;
}

char *read_file(const char *path, size_t max, size_t *length)
{
	_cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	_cleanup_free_ char *buffer = NULL;
	size_t allocated = 0, used = 0;
	char *result;

	if (fd < 0)
		return NULL;
	for (;;) {
		ssize_t n;

		if (grow(&buffer, &allocated, used))
			return NULL;
		n = read(fd, buffer + used, allocated - used - 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return NULL;
		if (n == 0)
			break;
		used += (size_t)n;
		if (used > max) {
			errno = EFBIG;
			return NULL;
		}
	}
	buffer[used] = '\0';
	if (length)
		*length = used;
	result = buffer;
	buffer = NULL;
	return result;
}

int make_dir(const char *path, mode_t mode)
{
	struct stat st;

	if (!mkdir(path, mode))
		return 0;
	if (errno != EEXIST || stat(path, &st))
		return -1;
	if (!S_ISDIR(st.st_mode)) {
		errno = ENOTDIR;
		return -1;
	}
	return 0;
}

/* Remove what fts(3) has come to, directories once they are empty. @return -1 with errno. */
static int remove_entry(const FTSENT *entry)
{
	switch (entry->fts_info) {
	case FTS_D:
		return 0;
	case FTS_DP:
		return rmdir(entry->fts_accpath);
	case FTS_DNR:
	case FTS_ERR:
	case FTS_NS:
		errno = entry->fts_errno;
		return -1;
	default:
		return unlink(entry->fts_accpath);
	}
}

int remove_tree(const char *path)
{
	char *const paths[] = { (char *)path, NULL };
	FTS *tree = fts_open(paths, FTS_PHYSICAL | FTS_NOSTAT, NULL);
	int failure = 0;
	FTSENT *entry;

	if (!tree)
		return -1;
	while ((entry = fts_read(tree)))
		if (remove_entry(entry) && !failure)
			failure = errno;
	if (errno && !failure)
		failure = errno;
	fts_close(tree);
	errno = failure;
	return failure ? -1 : 0;
}

char *format(const char *fmt, ...)
{
	char *text;
	va_list args;
	int n;

	va_start(args, fmt);
	n = vasprintf(&text, fmt, args);
	va_end(args);
	return n < 0 ? NULL : text;
}

uint64_t clock_ns(int clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* getrandom(2) of up to 256 bytes can't fail once the pool is ready, and waits until then. */
static void random_bytes(void *data, size_t n)
{
	while (getrandom(data, n, 0) != (ssize_t)n)
		;
}

void uuid7(char text[UUID_TEXT_MAX])
{
	uint64_t millis = clock_ns(CLOCK_REALTIME) / 1000000u, tail;
	uint16_t random;

	random_bytes(&random, sizeof(random));
	random_bytes(&tail, sizeof(tail));
	snprintf(text, UUID_TEXT_MAX, "%08" PRIx64 "-%04" PRIx64 "-7%03x-%04" PRIx64 "-%012" PRIx64,
		 (millis >> 16) & 0xffffffffu, millis & 0xffffu, random & 0xfffu, (tail >> 48 & 0x3fffu) | 0x8000u,
		 tail & 0xffffffffffffu);
}

uint64_t random_u64(void)
{
	uint64_t number;

	do
		random_bytes(&number, sizeof(number));
	while (!number);
	return number;
}

void random_hex(char *text, size_t n)
{
	unsigned char bytes[64];
	size_t i;

	if (n > sizeof(bytes))
		n = sizeof(bytes);
	random_bytes(bytes, n);
	for (i = 0; i < n; i++)
		snprintf(text + 2 * i, 3, "%02x", bytes[i]);
}

bool parse_u64(const char *text, uint64_t min, uint64_t max, uint64_t *value)
{
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	*value = strtoull(text, &end, 10);
	return !errno && !*end && *value >= min && *value <= max;
}
