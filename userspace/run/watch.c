// SPDX-License-Identifier: Apache-2.0
/* From arming to the empty cgroup: events, time limit, signals, the child's end. */
#include <bpf/libbpf.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "lib/util.h"
#include "run/internal.h"

/* How long a reader of our records may keep us waiting when the run is over. */
#define READER_MILLIS 5000
/* How long the kernel may take to end killed tasks. */
#define KILL_MILLIS 5000

#define HELD_MILLIS ((int)(HELD_NS / 1000000u))

/* What is waited for. */
enum watch {
	WATCH_RING,
	WATCH_CHILD,
	WATCH_EXEC,
	WATCH_SIGNALS,
	WATCH_RESOLVER,
	WATCH_MAX,
};

struct watcher {
	struct run *run;
	struct ring_buffer *ring;
	struct held held;
	bool failed; /* an event could not be told */
	bool violated;
	bool child_gone;
};

/* The signals that end obmon are the workload's to answer first. */
static void take_signal(struct run *run)
{
	struct signalfd_siginfo info;

	if (read(run->signals, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return;
	if (info.ssi_signo != SIGUSR1 && info.ssi_signo != SIGUSR2)
		run->status = RUN_INTERRUPTED;
	/* From the terminal it goes to the whole foreground group, the workload included. */
	if (info.ssi_code != SI_KERNEL)
		syscall(SYS_pidfd_send_signal, run->child.pidfd, info.ssi_signo, NULL, 0);
}

/* Milliseconds until the time limit; -1 for never, 0 when it is over. */
static int time_left(const struct run *run)
{
	uint64_t limit = run->request->timeout_ms, gone;

	if (!limit)
		return -1;
	gone = (clock_ns(CLOCK_MONOTONIC) - run->started_ns) / 1000000u;
	if (gone >= limit)
		return 0;
	return limit - gone > 3600000 ? 3600000 : (int)(limit - gone);
}

/*
 * Wait until @fd takes a piece of PIPE_BUF bytes, but no longer than the run may last: whoever should read our
 * records and doesn't must not keep the time limit and signals from being minded. Once the command is gone,
 * its end is told within READER_MILLIS or not at all.
 */
static int wait_writable(struct run *run, int fd)
{
	for (;;) {
		struct pollfd fds[] = {
			{ .fd = fd, .events = POLLOUT },
			{ .fd = run->signals, .events = POLLIN },
			{ .fd = run->ending ? -1 : run->child.pidfd, .events = POLLIN },
		};
		int left = run->ending ? READER_MILLIS : time_left(run), ready = poll(fds, ARRAY_SIZE(fds), left);

		if (ready < 0 && errno != EINTR)
			return -1;
		if (ready == 0) {
			errno = ETIMEDOUT;
			return -1;
		}
		if (ready > 0 && fds[0].revents)
			return 0;
		if (ready > 0 && fds[1].revents)
			take_signal(run);
		if (ready > 0 && fds[2].revents)
			run->ending = true;
	}
}

/* Write a whole line, a piece at a time, so that no write(2) has to wait. */
static int write_line(struct run *run, int fd, const char *line, size_t length)
{
	while (length > 0) {
		size_t piece = length < PIPE_BUF ? length : PIPE_BUF;

		if (wait_writable(run, fd) || write_all(fd, line, piece))
			return -1;
		line += piece;
		length -= piece;
	}
	return 0;
}

int run_emit(struct run *run, json_t *record)
{
	_cleanup_free_ char *text = NULL;
	size_t length;

	if (!record)
		return obmon_fail(run->err, OBMON_ERR_INTERNAL, "out of memory making a record");
	if (run->request->events_fd < 0) {
		json_decref(record);
		return 0;
	}
	text = json_dumps(record, JSON_COMPACT);
	json_decref(record);
	if (!text)
		return obmon_fail(run->err, OBMON_ERR_INTERNAL, "out of memory making a record");
	length = strlen(text);
	text[length] = '\n'; /* over the NUL: one write a line */
	if (write_line(run, run->request->events_fd, text, length + 1))
		return obmon_fail_errno(run->err, OBMON_ERR_INTERNAL, errno,
					"cannot write an event to --events, so the run is ended");
	return 0;
}

static void count_kind(struct kind_count *counts, const char *kind)
{
	size_t i;

	for (i = 0; i < KINDS_MAX; i++) {
		if (!counts[i].kind)
			counts[i].kind = kind;
		if (!strcmp(counts[i].kind, kind)) {
			counts[i].n++;
			return;
		}
	}
}

static int tell_event(struct run *run, const struct obmon_event *event)
{
	_cleanup_free_ char *text = NULL, *line = NULL;

	if (event->verdict != OBMON_VERDICT_PROBE)
		count_kind(event->verdict == OBMON_VERDICT_AUDITED ? run->audited : run->denied, record_kind(event));
	if (run->request->events_fd >= 0)
		return run_emit(run, record_event(&run->context, event));
	if (event->verdict == OBMON_VERDICT_PROBE)
		return 0;
	text = record_human(&run->context, event);
	line = text ? format("obmon: %s\n", text) : NULL;
	if (!line)
		return obmon_fail(run->err, OBMON_ERR_INTERNAL, "out of memory making a record");
	/* A terminal that is gone is no reason to end the run, which goes on being confined. */
	if (write_line(run, STDERR_FILENO, line, strlen(line)) && errno == ETIMEDOUT)
		return obmon_fail_errno(run->err, OBMON_ERR_INTERNAL, errno, "nobody reads standard error");
	return 0;
}

static void settle_event(struct watcher *watcher, const struct obmon_event *event)
{
	if (!watcher->failed && tell_event(watcher->run, event))
		watcher->failed = true;
	if (event->verdict != OBMON_VERDICT_AUDITED && event->verdict != OBMON_VERDICT_PROBE)
		watcher->violated = true;
}

/* The kernel says that record @seq was of a probe. */
static void settle_probe(struct watcher *watcher, uint64_t seq)
{
	struct obmon_event *event = held_take(&watcher->held, seq);

	if (!event)
		return; /* dropped, or told already */
	event->verdict = OBMON_VERDICT_PROBE;
	settle_event(watcher, event);
	free(event);
}

/* What has been held back long enough was what it seemed to be. */
static void settle_due(struct watcher *watcher, bool all)
{
	struct obmon_event *event;

	while ((event = held_take_due(&watcher->held, clock_ns(CLOCK_BOOTTIME), all))) {
		settle_event(watcher, event);
		free(event);
	}
}

static int take_event(void *data, void *bytes, size_t size)
{
	const struct obmon_event *event = bytes;
	struct watcher *watcher = data;
	struct run *run = watcher->run;

	if (size < sizeof(*event) ||
	    size != sizeof(*event) + event->name_length + event->name2_length + event->exe_length) {
		obmon_fail(run->err, OBMON_ERR_INTERNAL, "the kernel sent a record of %zu bytes that makes no sense",
			   size);
		watcher->failed = true;
		return 0;
	}
	if (event->verdict == OBMON_VERDICT_PROBE) {
		settle_probe(watcher, event->detail);
		return 0;
	}
	if (tracker_add(&run->tracker, event->seq) || (held_concerns(event) && held_add(&watcher->held, event, size))) {
		obmon_fail(run->err, OBMON_ERR_INTERNAL, "out of memory");
		watcher->failed = true;
	}
	if (!held_concerns(event))
		settle_event(watcher, event);
	return 0;
}

/*
 * Tell of records that found the ring buffer full. A hole may also be a record that is still on its way, so
 * before the end only as many holes as the kernel counts drops are taken for such.
 */
static int tell_dropped(struct run *run, bool at_the_end)
{
	struct seq_range *holes;
	struct obmon_run counters;
	uint64_t last, count;
	int n, result = 0;
	size_t i;

	if (engine_get_run(&run->engine, run->state.slot, &counters, run->err))
		return -1;
	if (counters.dropped == run->dropped_reported && !at_the_end)
		return 0;
	last = at_the_end ? counters.seq : tracker_highest(&run->tracker);
	n = tracker_holes(&run->tracker, last, &holes, &count);
	if (n < 0)
		return obmon_fail(run->err, OBMON_ERR_INTERNAL, "out of memory");
	if (at_the_end && count != counters.dropped - run->dropped_reported)
		result = obmon_fail(run->err, OBMON_ERR_INTERNAL,
				    "%" PRIu64 " records are missing, but the kernel counts %" PRIu64 " as dropped",
				    count + run->dropped_reported, (uint64_t)counters.dropped);
	else if (n > 0 && count == counters.dropped - run->dropped_reported)
		result = run_emit(run, record_dropped(&run->context, holes, (size_t)n));
	else
		count = 0;
	for (i = 0; !result && count && i < (size_t)n; i++) {
		uint64_t seq;

		for (seq = holes[i].first; !result && seq <= holes[i].last; seq++)
			result = tracker_add(&run->tracker, seq);
	}
	if (!result && count) {
		run->dropped_reported += count;
		if (run->request->events_fd < 0)
			fprintf(stderr,
				"obmon: %" PRIu64 " refusals found no room in the ring buffer and are not shown\n",
				count);
	}
	free(holes);
	return result;
}

static int take_events(struct watcher *watcher)
{
	int n = ring_buffer__consume(watcher->ring);

	if (n < 0)
		return obmon_fail_errno(watcher->run->err, OBMON_ERR_INTERNAL, -n, "cannot read the ring buffer");
	settle_due(watcher, false);
	return watcher->failed ? -1 : tell_dropped(watcher->run, false);
}

/* After the exec the pipe is closed; before, it says why there was none. */
static int take_exec(struct watcher *watcher)
{
	struct run *run = watcher->run;
	struct child_failure failure;
	ssize_t n = read(run->child.status, &failure, sizeof(failure));

	fd_close(&run->child.status);
	if (n == 0)
		run->exec_done = true;
	if (n != (ssize_t)sizeof(failure))
		return 0;
	run->status = RUN_FAILED;
	return obmon_fail_errno(run->err, OBMON_ERR_CANNOT_RUN, failure.errnum, "cannot run %s",
				run->command.files[0].path);
}

static int take_child(struct watcher *watcher)
{
	struct run *run = watcher->run;

	/* A child that asked to be traced would report stops as well. */
	if (waitpid(run->child.pid, &run->wait_status, WNOHANG) == run->child.pid)
		watcher->child_gone = WIFEXITED(run->wait_status) || WIFSIGNALED(run->wait_status);
	return 0;
}

static int watch_once(struct watcher *watcher)
{
	struct run *run = watcher->run;
	struct pollfd fds[WATCH_MAX] = {
		[WATCH_RING] = { .fd = ring_buffer__epoll_fd(watcher->ring), .events = POLLIN },
		[WATCH_CHILD] = { .fd = run->child.pidfd, .events = POLLIN },
		[WATCH_EXEC] = { .fd = run->child.status, .events = POLLIN },
		[WATCH_SIGNALS] = { .fd = run->signals, .events = POLLIN },
		[WATCH_RESOLVER] = { .fd = run->names.pidfd, .events = POLLIN },
	};
	int left = time_left(run);

	if (left == 0) {
		run->status = RUN_TIMEOUT;
		return obmon_fail(run->err, OBMON_ERR_TIMEOUT, "the run took longer than %" PRIu64 " ms and was ended",
				  run->request->timeout_ms);
	}
	if (watcher->held.n && (left < 0 || left > HELD_MILLIS))
		left = HELD_MILLIS;
	if (poll(fds, WATCH_MAX, left) < 0)
		return errno == EINTR ? 0 : obmon_fail_errno(run->err, OBMON_ERR_INTERNAL, errno, "cannot poll");
	if (fds[WATCH_SIGNALS].revents)
		take_signal(run);
	if (fds[WATCH_EXEC].revents && take_exec(watcher))
		return -1;
	if ((fds[WATCH_RING].revents || watcher->held.n) && take_events(watcher))
		return -1;
	if (watcher->violated && run->request->kill_on_violation) {
		run->status = RUN_VIOLATION;
		return obmon_fail(run->err, OBMON_ERR_SECURITY, "the run was ended at its first violation");
	}
	if (fds[WATCH_RESOLVER].revents)
		return names_lost(run);
	return fds[WATCH_CHILD].revents ? take_child(watcher) : 0;
}

/* All tasks are ended; what they did up to then is told. */
static int end(struct watcher *watcher)
{
	struct run *run = watcher->run;
	struct obmon_error ignored, *err = run->err->code ? &ignored : run->err;
	int result;

	run->ending = true;
	result = cgroup_kill(run->cgroup.dir, KILL_MILLIS, err);
	names_end(&run->names); /* after it there are no more refusals */
	if (!watcher->child_gone && waitpid(run->child.pid, &run->wait_status, 0) < 0)
		result = obmon_fail_errno(err, OBMON_ERR_INTERNAL, errno, "cannot wait for the command");
	if (!watcher->failed && take_events(watcher))
		result = -1;
	settle_due(watcher, true);
	if (watcher->failed || tell_dropped(run, true))
		result = -1;
	/* The exec itself may have been what was refused. */
	if (run->err->code == OBMON_ERR_CANNOT_RUN && run->err->errnum == EACCES && watcher->violated)
		run->err->code = OBMON_ERR_SECURITY;
	if (!run->err->code && watcher->violated && run->request->kill_on_violation) {
		run->status = RUN_VIOLATION;
		result = obmon_fail(run->err, OBMON_ERR_SECURITY, "the run was ended at its first violation");
	}
	return result;
}

static int open_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGQUIT);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGUSR2);
	if (sigprocmask(SIG_BLOCK, &set, NULL))
		return -1;
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

int run_watch(struct run *run)
{
	struct watcher watcher = { .run = run };
	int result = 0;

	run->signals = open_signals();
	watcher.ring = ring_buffer__new(run->ring, take_event, &watcher, NULL);
	if (run->signals < 0 || !watcher.ring)
		result = obmon_fail_errno(run->err, OBMON_ERR_INTERNAL, errno, "cannot watch the run");
	if (!result)
		result = child_go(&run->child, run->err);
	while (!result && !watcher.child_gone)
		result = watch_once(&watcher);
	if (watcher.ring && end(&watcher))
		result = -1;
	run->finished_ns = clock_ns(CLOCK_MONOTONIC);
	if (result && run->status == RUN_COMPLETED)
		run->status = RUN_FAILED;
	held_clear(&watcher.held);
	ring_buffer__free(watcher.ring);
	return result;
}
