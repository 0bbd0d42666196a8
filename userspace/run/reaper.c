// SPDX-License-Identifier: Apache-2.0
#include "run/reaper.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/wait.h>

#include "lib/detach.h"
#include "lib/util.h"

#define DISMISSED 'D'

static void reaper_main(struct run *run, int alarm_fd)
{
	int *kept[DETACH_MAX];
	size_t n_kept = engine_descriptors(&run->engine, kept);
	struct obmon_error err;
	char byte;
	ssize_t n;

	_Static_assert(ENGINE_MAPS + 2 <= DETACH_MAX, "all that the reaper keeps has room");
	kept[n_kept++] = &run->state.lock;
	kept[n_kept++] = &alarm_fd;
	/* The lock of slots goes with the rest: it is for the obmon that lives. */
	run->engine.lock = -1;
	if (detach("obmon-reaper", kept, n_kept))
		_exit(1);
	do
		n = read(alarm_fd, &byte, 1);
	while (n < 0 && errno == EINTR);
	if (n == 1 && byte == DISMISSED)
		_exit(0);
	if (run_state_load(&run->state))
		_exit(1);
	_exit(run_state_end(&run->state, &run->engine, &err) ? 1 : 0);
}

int reaper_start(struct run *run)
{
	int ends[2];
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC))
		return obmon_fail_errno(run->err, OBMON_ERR_INTERNAL, errno, "cannot make a pipe");
	pid = fork();
	if (pid == 0) {
		close(ends[1]);
		reaper_main(run, ends[0]);
	}
	close(ends[0]);
	if (pid < 0) {
		close(ends[1]);
		return obmon_fail_errno(run->err, OBMON_ERR_INTERNAL, errno, "cannot fork the reaper");
	}
	run->reaper = ends[1];
	run->reaper_pid = pid;
	return 0;
}

void reaper_dismiss(struct run *run)
{
	char byte = DISMISSED;

	if (run->reaper < 0)
		return;
	if (write_all(run->reaper, &byte, 1)) {
		/* It is gone already; there is nothing left for it to do. */
	}
	fd_close(&run->reaper);
	while (waitpid(run->reaper_pid, NULL, 0) < 0 && errno == EINTR)
		;
}
