/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file held.h
 * Events that are held back for a moment, because the kernel may yet say that they were none: an open with
 * O_CREAT asks path_mknod before it knows whether the file exists (bpf/lib/probe.h). What the kernel has to say
 * follows within the same system call.
 */
#ifndef OBMON_EVENT_HELD_H
#define OBMON_EVENT_HELD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "obmon/abi/event.h"

/** How long the kernel gets, in nanoseconds. */
#define HELD_NS 100000000ull

struct held {
	struct obmon_event **events; /**< each with its names, in the order they came */
	size_t n, allocated;
};

/** Is @event one to be held back? */
bool held_concerns(const struct obmon_event *event);

/** Keep a copy of the @size bytes of @event. @return 0, or -1 when out of memory. */
int held_add(struct held *held, const struct obmon_event *event, size_t size);

/** Take out the event with number @seq. @return it, which the caller frees, or NULL. */
struct obmon_event *held_take(struct held *held, uint64_t seq);

/** Take out the oldest event if it is older than HELD_NS at @now (CLOCK_BOOTTIME), or in any case with @all. */
struct obmon_event *held_take_due(struct held *held, uint64_t now, bool all);

void held_clear(struct held *held);

#endif
