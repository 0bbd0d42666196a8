// SPDX-License-Identifier: Apache-2.0
#include "dns/loop.h"

#include <errno.h>
#include <time.h>

#include "lib/util.h"

#define BATCH 64

static void look_at_clock(struct loop *loop)
{
	loop->now = clock_ns(CLOCK_MONOTONIC) / 1000000u;
}

int loop_open(struct loop *loop)
{
	look_at_clock(loop);
	loop->epoll = epoll_create1(EPOLL_CLOEXEC);
	return loop->epoll < 0 ? -1 : 0;
}

int loop_add(struct loop *loop, int fd, uint32_t events, struct watch *watch)
{
	struct epoll_event event = { .events = events, .data.ptr = watch };

	return epoll_ctl(loop->epoll, EPOLL_CTL_ADD, fd, &event);
}

int loop_change(struct loop *loop, int fd, uint32_t events, struct watch *watch)
{
	struct epoll_event event = { .events = events, .data.ptr = watch };

	return epoll_ctl(loop->epoll, EPOLL_CTL_MOD, fd, &event);
}

int loop_wait(struct loop *loop, int millis)
{
	struct epoll_event events[BATCH];
	int n = epoll_wait(loop->epoll, events, BATCH, millis);

	look_at_clock(loop);
	if (n < 0)
		return errno == EINTR ? 0 : -1;
	for (int i = 0; i < n; i++) {
		struct watch *watch = events[i].data.ptr;

		watch->ready(watch->owner, events[i].events);
	}
	return 0;
}
