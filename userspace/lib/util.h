/* SPDX-License-Identifier: Apache-2.0 */
/** @file util.h Small helpers that every part uses: scope-bound cleanup, whole reads and writes, ids, clocks. */
#ifndef OBMON_LIB_UTIL_H
#define OBMON_LIB_UTIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/types.h>
#include <unistd.h>

#include "obmon/error.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/** Close *@fd if it is open and mark it closed; errno is kept. */
void fd_close(int *fd);
/** Take *@fd out of the reach of its cleanup. @return it. */
static inline int fd_take(int *fd)
{
	int taken = *fd;

	*fd = -1;
	return taken;
}

static inline void free_pointer(void *pointer)
{
	free(*(void **)pointer);
}

/* Variables that clean up after themselves when their scope ends. */
#define _cleanup_fd_ __attribute__((cleanup(fd_close)))
#define _cleanup_free_ __attribute__((cleanup(free_pointer)))

/** Write all of @data. @return 0, or -1 with errno; what was written before a failure stays written. */
int write_all(int fd, const void *data, size_t length);

/** Write @text to the existing file @path (relative to @dirfd) in one write(2). @return 0, or -1 with errno. */
int write_file(int dirfd, const char *path, const char *text);

/**
 * Read all of @path, at most @max bytes, into a NUL-ended buffer that the caller frees.
 * @return the buffer, or NULL with errno (EFBIG past @max).
 */
char *read_file(const char *path, size_t max, size_t *length);

/** mkdir(2) that takes an existing directory for success. @return 0, or -1 with errno. */
int make_dir(const char *path, mode_t mode);

/** Remove @path and all below it without following links. @return 0, or -1 with errno of the first failure. */
int remove_tree(const char *path);

/** printf into a new string that the caller frees; NULL when out of memory. */
char *format(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/** @return nanoseconds of @clock (CLOCK_MONOTONIC, CLOCK_BOOTTIME, CLOCK_REALTIME). */
uint64_t clock_ns(int clock);

#define UUID_TEXT_MAX 37
/** A new UUIDv7 (RFC 9562) in text form. */
void uuid7(char text[UUID_TEXT_MAX]);

/** A random number that isn't 0. */
uint64_t random_u64(void);

/** @n random bytes as lower-case hex; @text holds 2 * @n + 1 bytes. */
void random_hex(char *text, size_t n);

/** Is the environment or argument string @text a decimal number in [@min, @max]? */
bool parse_u64(const char *text, uint64_t min, uint64_t max, uint64_t *value);

#endif
