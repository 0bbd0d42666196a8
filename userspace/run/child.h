/* SPDX-License-Identifier: Apache-2.0 */
/** @file child.h The workload's process, from its birth in the run's cgroup to its exec. */
#ifndef OBMON_RUN_CHILD_H
#define OBMON_RUN_CHILD_H

#include <stdbool.h>
#include <sys/types.h>

#include "obmon/error.h"

/** Who the workload runs as. `groups` is owned. */
struct identity {
	uid_t uid;
	gid_t gid;
	gid_t *groups;
	int n_groups;
	char *name, *home; /**< from the user database; may be NULL */
};

/**
 * @name: a user name or number, or NULL for the invoking user: SUDO_UID and SUDO_GID where sudo has set them,
 * else the process's own.
 */
int identity_find(struct identity *identity, const char *name, struct obmon_error *err);
void identity_clear(struct identity *identity);

/** A file that is mounted over another, in a mount namespace of the child's own. */
struct bind_mount {
	const char *name; /**< in the filesystem of such files */
	const char *over; /**< an absolute path */
};

/** What to start. All is borrowed. */
struct child_spec {
	const char *path;
	char *const *argv;
	char *const *envp;
	const char *workspace;
	const struct identity *identity;
	bool keep_caps;
	int cgroup_fd;
	int files; /**< a detached mount (fsmount(2)) of what `mounts` are in; -1: the child has no namespace of its own */
	const struct bind_mount *mounts;
	size_t n_mounts;
};

struct child {
	pid_t pid;
	int pidfd;
	int go;     /**< a byte written here lets the child exec */
	int status; /**< end of file: it has; else a struct child_failure */
};

/** Why the child could not get to its exec, or past it. */
struct child_failure {
	int errnum;
	char stage[60];
};

/**
 * Start the child in the cgroup and wait until only the exec is left to do. With the cgroup's run in the setup
 * phase nothing that it does until then is judged.
 */
int child_start(struct child *child, const struct child_spec *spec, struct obmon_error *err);

/** Let it go. The caller watches `status` from here on. */
int child_go(struct child *child, struct obmon_error *err);

/** Close descriptors; doesn't wait for the process. */
void child_clear(struct child *child);

#endif
