/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file state.h
 * What a run has that must be taken away when it is over, kept in a file so that another obmon can do it.
 *
 * /run/obmon/runs/ID.lock is held (flock(2)) by obmon and by its reaper, which share one open file: the lock
 * is free only when both are dead. /run/obmon/runs/ID.state holds the fields below.
 */
#ifndef OBMON_RUN_STATE_H
#define OBMON_RUN_STATE_H

#include <limits.h>
#include <stdint.h>

#include "engine/engine.h"
#include "lib/util.h"
#include "obmon/error.h"

struct run_state {
	char run_id[UUID_TEXT_MAX];
	uint32_t slot;
	uint64_t owner; /**< see struct obmon_run */
	uint64_t cgroup_id;
	char cgroup_dir[PATH_MAX];
	char tmpdir[PATH_MAX]; /**< "" for none */
	int lock;              /**< descriptor of the lock file, or -1 */
};

/** Make the lock and write the state. Call again when a field has changed. */
int run_state_save(struct run_state *state, struct obmon_error *err);

/** Read what was last saved; the lock is left alone. @return -1 if there is nothing that makes sense. */
int run_state_load(struct run_state *state);

/**
 * End the run and take everything of it away: kill and remove the cgroup, release the slot and the pins,
 * remove TMPDIR and the state. Safe to do twice. @return -1 if something stayed; it tries all of it.
 */
int run_state_end(struct run_state *state, struct engine *engine, struct obmon_error *err);

/**
 * End all runs of which both obmon and reaper are dead (the engine's lock held). One that can't be ended stays
 * confined, is told of on standard error, and is tried again the next time.
 */
void run_state_sweep(struct engine *engine);

#endif
