/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file mounts.h
 * The mount table: from paths as people write them to names as the kernel programs see them (device, path
 * from the filesystem's root), and back.
 */
#ifndef OBMON_LIB_MOUNTS_H
#define OBMON_LIB_MOUNTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "obmon/error.h"

/** One line of mountinfo (proc(5)). All strings are owned. */
struct mount {
	int id;
	uint32_t dev; /**< as the kernel encodes it: major << 20 | minor */
	char *root;   /**< the directory of the filesystem that is mounted */
	char *point;  /**< where, from the process's root */
	char *type;
};

struct mounts {
	struct mount *items;
	size_t n;
};

/** Read @path ("/proc/self/mountinfo"). */
int mounts_load(struct mounts *mounts, const char *path, struct obmon_error *err);
void mounts_clear(struct mounts *mounts);

/** A place in the mount namespace, resolved. Strings are owned. */
struct place {
	uint32_t dev;
	char *fs_path;             /**< from the filesystem's root: "/" or "/a/b" */
	char *real_path;           /**< from the process's root, without symbolic links */
	const struct mount *mount; /**< borrowed from the table */
};

/**
 * Resolve the absolute path @path: symbolic links are followed (procfs magic links are not: an error), and
 * what doesn't exist yet is taken as it stands. In procfs, obmon's own directory becomes "/self".
 */
int place_resolve(struct place *place, const struct mounts *mounts, const char *path, struct obmon_error *err);
void place_clear(struct place *place);

/** Is @mount what one sees at its mount point, not hidden by another mount? */
bool mount_is_visible(const struct mount *mount);

/** The path under which (@dev, @fs_path) can be seen, or NULL if no mount shows it. Caller frees. */
char *mounts_display(const struct mounts *mounts, uint32_t dev, const char *fs_path, size_t length);

/** If @path lies at or below @base, what follows @base: "" or "/..."; NULL otherwise. "/" is every path's base. */
const char *path_below(const char *path, const char *base);

/** The first visible mount of @type ("cgroup2", "bpf"), or NULL. */
const struct mount *mounts_find_type(const struct mounts *mounts, const char *type);

#endif
