/* SPDX-License-Identifier: Apache-2.0 */
/** @file internal.h The state of one run, shared by the files of userspace/run that carry it. */
#ifndef OBMON_RUN_INTERNAL_H
#define OBMON_RUN_INTERNAL_H

#include "cap/dfa.h"
#include "engine/engine.h"
#include "event/held.h"
#include "event/record.h"
#include "event/tracker.h"
#include "lib/mounts.h"
#include "run/cgroup.h"
#include "run/child.h"
#include "run/command.h"
#include "run/names.h"
#include "run/run.h"
#include "run/state.h"

/** How many events of each kind: see record_kind(). */
#define KINDS_MAX 16
struct kind_count {
	const char *kind;
	uint64_t n;
};

/** Why the run ended. */
enum run_status {
	RUN_COMPLETED, /**< by itself */
	RUN_TIMEOUT,
	RUN_VIOLATION,   /**< --on-violation kill */
	RUN_INTERRUPTED, /**< obmon was told to end */
	RUN_FAILED,      /**< obmon's own failure, or the command could not be started */
};

struct run {
	const struct run_request *request;
	struct obmon_error *err;

	/* prepare.c: what will run, with which grants */
	struct mounts mounts;
	struct identity identity;
	struct command command;
	char **environment;
	struct dfa dfa;
	char digest[OBMON_DIGEST_MAX];
	bool foreign_socket;       /**< one of the standard descriptors is a socket of the network */
	struct names_of_run names; /**< and the resolver that goes with them */
	struct trace trace;

	/* run.c: what has to be taken away again */
	struct engine engine;
	struct run_state state;
	struct cgroup cgroup;
	struct child child;
	int pages, ring;
	struct obmon_run shared; /**< what the kernel is told of the run */
	int reaper;              /**< the pipe that tells the reaper of our end */
	pid_t reaper_pid;

	/* watch.c and result.c: what happened */
	struct record_context context;
	struct tracker tracker;
	uint64_t dropped_reported;
	struct kind_count denied[KINDS_MAX], audited[KINDS_MAX];
	uint64_t started_ns, finished_ns; /**< CLOCK_MONOTONIC */
	enum run_status status;
	int signals; /**< signalfd, or -1 */
	bool ending; /**< the command is gone, or going */
	bool exec_done;
	int wait_status;
	uint32_t n_accepts;
	uint64_t *uses; /**< by rule id - 1 */
	struct obmon_run counters;
};

/** Fill the first part of @run: environment, grants, command, automaton, digest. */
int run_prepare(struct run *run);
void run_prepare_clear(struct run *run);

/** Fill objects of @shared: the inodes with rights of their own. */
int run_objects(struct run *run, struct obmon_run *shared);

/** Follow the armed run until its cgroup is empty and all its events are told. */
int run_watch(struct run *run);

/** Write @record, which it takes over, as a line to the events' descriptor; nothing if there is none. */
int run_emit(struct run *run, json_t *record);

/** run.started and run.finished; the result. */
int run_tell_started(struct run *run);
int run_tell_finished(struct run *run, int exit_status);
/** Read the kernel's counters, while slot and pages are still the run's. */
int run_collect(struct run *run);

#endif
