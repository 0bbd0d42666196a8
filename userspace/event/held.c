// SPDX-License-Identifier: Apache-2.0
#include "event/held.h"

#include <stdlib.h>
#include <string.h>

bool held_concerns(const struct obmon_event *event)
{
	return event->hook == OBMON_HOOK_PATH_MKNOD &&
	       (event->verdict == OBMON_VERDICT_DENIED || event->verdict == OBMON_VERDICT_AUDITED);
}

int held_add(struct held *held, const struct obmon_event *event, size_t size)
{
	struct obmon_event *copy;

	if (held->n == held->allocated) {
		size_t more = held->allocated ? held->allocated * 2 : 16;
		struct obmon_event **events = reallocarray(held->events, more, sizeof(struct obmon_event *));

		if (!events)
			return -1;
		held->events = events;
		held->allocated = more;
	}
	copy = malloc(size);
	if (!copy)
		return -1;
	memcpy(copy, event, size);
	held->events[held->n++] = copy;
	return 0;
}

static struct obmon_event *take_at(struct held *held, size_t at)
{
	struct obmon_event *event = held->events[at];

	held->n--;
	memmove(&held->events[at], &held->events[at + 1], (held->n - at) * sizeof(struct obmon_event *));
	return event;
}

struct obmon_event *held_take(struct held *held, uint64_t seq)
{
	size_t i;

	for (i = held->n; i-- > 0;) /* the last one, as a rule */
		if (held->events[i]->seq == seq)
			return take_at(held, i);
	return NULL;
}

struct obmon_event *held_take_due(struct held *held, uint64_t now, bool all)
{
	if (!held->n || (!all && held->events[0]->time_ns + HELD_NS > now))
		return NULL;
	return take_at(held, 0);
}

void held_clear(struct held *held)
{
	size_t i;

	for (i = 0; i < held->n; i++)
		free(held->events[i]);
	free(held->events);
	memset(held, 0, sizeof(*held));
}
