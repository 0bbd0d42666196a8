/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file source.h
 * Reading a whole file that somebody names: small, regular, and never waiting for it.
 */
#ifndef OBMON_META_SOURCE_H
#define OBMON_META_SOURCE_H

#include <stddef.h>

#include "obmon/error.h"

struct source {
	char *text; /**< NUL-terminated, though it may hold NULs as well */
	size_t length;
};

/**
 * Read all of @path, a regular file of 1 to @most bytes. The error names @path; its `errnum` is ENOENT
 * when there is no such file.
 */
int source_read(struct source *source, const char *path, size_t most, struct obmon_error *err);
void source_clear(struct source *source);

#endif
