/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file run.h
 * A run, from its capability set to its result.
 *
 * run_execute() does all of it: cgroup, automaton, programs, child, events, end. Whatever way it ends, also
 * by the death of this process, a reaper outside the run's cgroup kills what is left and takes everything away.
 */
#ifndef OBMON_RUN_RUN_H
#define OBMON_RUN_RUN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "meta/metadata.h"
#include "obmon/capability.h"
#include "obmon/error.h"

/** What to run and how. All is borrowed but `capabilities`, which the run completes with its implicit grants. */
struct run_request {
	char *const *argv;     /**< CMD and its arguments, NULL-ended */
	const char *workspace; /**< absolute, without symbolic links */
	struct obmon_cap_set *capabilities;
	const struct metadata *metadata; /**< or NULL */
	char **environment;              /**< of the child, without what the run adds; NULL-ended */
	const char *user;                /**< see identity_find() */
	bool keep_caps;
	bool audit;
	bool kill_on_violation;
	uint64_t timeout_ms;                /**< 0: none */
	uint32_t ring_bytes;                /**< a power of two of at least a page */
	const char *correlation_id;         /**< or NULL */
	const char *traceparent;            /**< or NULL */
	const struct sockaddr_storage *dns; /**< whom the run's resolver asks; NULL: the host's resolv.conf says it */
	int events_fd;                      /**< JSON lines go here, or -1: refusals are told on standard error */
	int result_fd;                      /**< the result goes here, or -1 */
};

/**
 * Run it. @return the exit status that `obmon exec` ends with: the workload's own, or one of those that
 * enum obmon_error_code names, with @err filled.
 */
int run_execute(const struct run_request *request, struct obmon_error *err);

#endif
