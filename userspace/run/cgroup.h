/* SPDX-License-Identifier: Apache-2.0 */
/** @file cgroup.h The run's own cgroup, in the unified hierarchy (cgroups(7), version 2). */
#ifndef OBMON_RUN_CGROUP_H
#define OBMON_RUN_CGROUP_H

#include <stdint.h>

#include "lib/mounts.h"
#include "obmon/error.h"

struct cgroup {
	char *parent; /**< the directory that all runs' cgroups are in */
	char *dir;    /**< its directory in the file system */
	char *path;   /**< as in /proc/PID/cgroup: "/obmon/run-..." */
	int fd;       /**< its directory, or -1 */
	uint64_t id;  /**< as bpf_get_current_cgroup_id() says it */
};

/** Where the cgroup of run @run_id will be; nothing is made yet. */
int cgroup_plan(struct cgroup *cgroup, const struct mounts *mounts, const char *run_id, struct obmon_error *err);

/** Make it. */
int cgroup_create(struct cgroup *cgroup, struct obmon_error *err);

/** Kill every task in the cgroup at @dir (cgroup.kill, Linux 5.14) and wait until it is empty, at most @millis. */
int cgroup_kill(const char *dir, unsigned millis, struct obmon_error *err);

/** Remove the empty cgroup at @dir and the cgroups below it; one that is gone already is fine. */
int cgroup_remove(const char *dir, struct obmon_error *err);

void cgroup_clear(struct cgroup *cgroup);

#endif
