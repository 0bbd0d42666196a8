/* SPDX-License-Identifier: Apache-2.0 */
/** @file command.h CMD: which file it is, and through which interpreters and loader the kernel will run it. */
#ifndef OBMON_RUN_COMMAND_H
#define OBMON_RUN_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "obmon/error.h"

/** Script interpreters may themselves be scripts, up to what the kernel follows (fs/exec.c), then the loader. */
#define COMMAND_FILES_MAX 7

struct command_file {
	char *path;      /**< as the kernel will open it */
	int fd;          /**< held open, so that its inode number stays its own */
	uint32_t rights; /**< what running CMD takes: execution, for a script also reading */
};

struct command {
	struct command_file files[COMMAND_FILES_MAX]; /**< CMD first */
	size_t n;
};

/**
 * Find @name: a path (relative to the directory @workspace) or a name in @search_path; and all that running
 * it takes.
 */
int command_resolve(struct command *command, const char *name, const char *workspace, const char *search_path,
		    struct obmon_error *err);
void command_clear(struct command *command);

#endif
