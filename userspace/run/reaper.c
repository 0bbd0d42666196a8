// SPDX-License-Identifier: Apache-2.0
#include "run/reaper.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "lib/util.h"

#define DISMISSED 'D'

/* Let go of everything that isn't the reaper's: whoever reads from our pipes waits for their end. */
static void reaper_detach(struct run *run, int alarm_fd)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC), fd;
	sigset_t all;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	setsid();
	prctl(PR_SET_NAME, "obmon-reaper");
	for (fd = 0; fd <= 2; fd++)
		dup2(null, fd);
	if (run->request->events_fd > 2)
		close(run->request->events_fd);
	if (run->request->result_fd > 2)
		close(run->request->result_fd);
	close(null > 2 && null != alarm_fd ? null : -1);
	if (chdir("/"))
		_exit(1);
}

static void reaper_main(struct run *run, int alarm_fd)
{
	struct obmon_error err;
	char byte;
	ssize_t n;

	reaper_detach(run, alarm_fd);
	do
		n = read(alarm_fd, &byte, 1);
	while (n < 0 && errno == EINTR);
	if (n == 1 && byte == DISMISSED)
		_exit(0);
	/* The lock of slots may be held by the obmon that died: it went with it. */
	run->engine.lock = -1;
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
		fd_close(&run->engine.lock);
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
