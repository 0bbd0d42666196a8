// SPDX-License-Identifier: Apache-2.0
#include "run/state.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/file.h>

#include "run/cgroup.h"

#define RUNS_DIR OBMON_STATE_DIR "/runs"
/* Long enough for tasks in an uninterruptible wait; user space can't do more for the others. */
#define KILL_MILLIS 5000

static int take_lock(struct run_state *state, struct obmon_error *err)
{
	_cleanup_free_ char *path = format(RUNS_DIR "/%s.lock", state->run_id);

	if (!path || make_dir(OBMON_STATE_DIR, 0700) || make_dir(RUNS_DIR, 0700))
		return obmon_fail_errno(err, OBMON_ERR_HOST, errno, "cannot make " RUNS_DIR);
	state->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (state->lock < 0 || flock(state->lock, LOCK_EX | LOCK_NB))
		return obmon_fail_errno(err, OBMON_ERR_HOST, errno, "cannot lock %s", path);
	return 0;
}

int run_state_save(struct run_state *state, struct obmon_error *err)
{
	_cleanup_free_ char *path = format(RUNS_DIR "/%s.state", state->run_id);
	_cleanup_free_ char *new = format(RUNS_DIR "/%s.new", state->run_id), *text = NULL;
	_cleanup_fd_ int fd = -1;

	if (state->lock < 0 && take_lock(state, err))
		return -1;
	text = format("%u\n%" PRIu64 "\n%" PRIu64 "\n%s\n%s\n", state->slot, state->owner, state->cgroup_id,
		      state->cgroup_dir, state->tmpdir);
	if (!path || !new || !text)
		return obmon_fail(err, OBMON_ERR_INTERNAL, "out of memory");
	/* Renamed into place: whoever reads it after our death finds the old state or the new one, whole. */
	fd = open(new, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || write_all(fd, text, strlen(text)) || rename(new, path))
		return obmon_fail_errno(err, OBMON_ERR_HOST, errno, "cannot write %s", path);
	return 0;
}

/* The lines of the state file are in the order of run_state_save(). */
int run_state_load(struct run_state *state)
{
	_cleanup_free_ char *path = format(RUNS_DIR "/%s.state", state->run_id), *text = NULL;
	char *lines[5], *at;
	uint64_t slot;
	size_t i;

	text = path ? read_file(path, 4 * PATH_MAX, NULL) : NULL;
	if (!text)
		return -1;
	for (i = 0, at = text; i < ARRAY_SIZE(lines); i++) {
		char *end = strchr(at, '\n');

		if (!end)
			return -1;
		*end = '\0';
		lines[i] = at;
		at = end + 1;
	}
	if (!parse_u64(lines[0], 0, OBMON_RUNS_MAX - 1, &slot) || !parse_u64(lines[1], 0, UINT64_MAX, &state->owner) ||
	    !parse_u64(lines[2], 0, UINT64_MAX, &state->cgroup_id))
		return -1;
	state->slot = (uint32_t)slot;
	snprintf(state->cgroup_dir, sizeof(state->cgroup_dir), "%s", lines[3]);
	snprintf(state->tmpdir, sizeof(state->tmpdir), "%s", lines[4]);
	return 0;
}

static void remove_files(struct run_state *state)
{
	static const char *const endings[] = { "new", "state", "lock" };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(endings); i++) {
		_cleanup_free_ char *path = format(RUNS_DIR "/%s.%s", state->run_id, endings[i]);

		if (path)
			unlink(path);
	}
	fd_close(&state->lock);
}

int run_state_end(struct run_state *state, struct engine *engine, struct obmon_error *err)
{
	/* As long as a task is alive its cgroup, its programs and its set have to stay. */
	if (*state->cgroup_dir &&
	    (cgroup_kill(state->cgroup_dir, KILL_MILLIS, err) || cgroup_remove(state->cgroup_dir, err)))
		return -1;
	if (engine_release(engine, state->slot, state->owner, state->cgroup_id, state->run_id, err))
		return -1;
	if (*state->tmpdir && remove_tree(state->tmpdir) && errno != ENOENT)
		return obmon_fail_errno(err, OBMON_ERR_INTERNAL, errno, "cannot remove %s", state->tmpdir);
	remove_files(state);
	return 0;
}

/* End the run if it is dead; if somebody looks after it, leave it. */
static int sweep_one(struct run_state *state, struct engine *engine, struct obmon_error *err)
{
	_cleanup_free_ char *path = format(RUNS_DIR "/%s.lock", state->run_id);

	if (!path)
		return obmon_fail(err, OBMON_ERR_INTERNAL, "out of memory");
	state->lock = open(path, O_RDWR | O_CLOEXEC);
	if (state->lock < 0)
		return errno == ENOENT ? 0 : obmon_fail_errno(err, OBMON_ERR_HOST, errno, "cannot open %s", path);
	if (flock(state->lock, LOCK_EX | LOCK_NB)) {
		fd_close(&state->lock);
		return 0;
	}
	if (run_state_load(state)) { /* died between making the lock and writing the state: there is nothing else */
		remove_files(state);
		return 0;
	}
	return run_state_end(state, engine, err);
}

void run_state_sweep(struct engine *engine)
{
	DIR *dir = opendir(RUNS_DIR);
	struct obmon_error err;
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		struct run_state state = { .lock = -1 };
		char *dot = strrchr(entry->d_name, '.');

		if (!dot || strcmp(dot, ".lock") != 0 || dot - entry->d_name != UUID_TEXT_MAX - 1)
			continue;
		memcpy(state.run_id, entry->d_name, UUID_TEXT_MAX - 1);
		if (sweep_one(&state, engine, &err)) {
			fprintf(stderr, "obmon: the dead run %s cannot be ended: %s\n", state.run_id, err.message);
			fd_close(&state.lock);
		}
	}
	if (dir)
		closedir(dir);
}
