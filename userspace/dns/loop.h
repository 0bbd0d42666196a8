/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file loop.h
 * epoll, and who is called when a descriptor is ready. An owner may be freed by its own ready(), or outside of
 * loop_wait(), but not while another one is called: its own event may stand next in the same batch.
 */
#ifndef OBMON_DNS_LOOP_H
#define OBMON_DNS_LOOP_H

#include <stdint.h>
#include <sys/epoll.h>

struct watch {
	void (*ready)(void *owner, uint32_t events);
	void *owner;
};

struct loop {
	int epoll;
	uint64_t now; /**< CLOCK_MONOTONIC in milliseconds, when the events at hand came */
};

/** @return 0, or -1 with errno; close `epoll` in the end. */
int loop_open(struct loop *loop);
/** Call @watch when @fd has one of @events. @return 0, or -1 with errno. Closing @fd ends it. */
int loop_add(struct loop *loop, int fd, uint32_t events, struct watch *watch);
/** Other events from now on, as loop_add(). */
int loop_change(struct loop *loop, int fd, uint32_t events, struct watch *watch);
/** Wait up to @millis, -1 for ever, and call whoever is ready. @return 0, or -1 with errno. */
int loop_wait(struct loop *loop, int millis);

#endif
