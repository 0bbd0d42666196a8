// SPDX-License-Identifier: Apache-2.0
#include "event/tracker.h"

#include <stdlib.h>
#include <string.h>

/* The first range that ends at or after @seq - 1, that is, which @seq may touch or come before. */
static size_t find(const struct tracker *tracker, uint64_t seq)
{
	size_t low = 0, high = tracker->n;

	/* Records come nearly in order: look at the end first. */
	if (high && tracker->ranges[high - 1].last + 1 < seq)
		return high;
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (tracker->ranges[middle].last + 1 < seq)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static int insert(struct tracker *tracker, size_t at, uint64_t seq)
{
	if (tracker->n == tracker->allocated) {
		size_t more = tracker->allocated ? tracker->allocated * 2 : 16;
		struct seq_range *ranges = reallocarray(tracker->ranges, more, sizeof(*ranges));

		if (!ranges)
			return -1;
		tracker->ranges = ranges;
		tracker->allocated = more;
	}
	memmove(&tracker->ranges[at + 1], &tracker->ranges[at], (tracker->n - at) * sizeof(struct seq_range));
	tracker->ranges[at] = (struct seq_range){ seq, seq };
	tracker->n++;
	return 0;
}

int tracker_add(struct tracker *tracker, uint64_t seq)
{
	size_t at = find(tracker, seq);
	struct seq_range *range = &tracker->ranges[at];

	if (at == tracker->n || seq + 1 < range->first)
		return insert(tracker, at, seq);
	if (seq >= range->first && seq <= range->last) {
		tracker->duplicates++;
		return 0;
	}
	if (seq + 1 == range->first) {
		range->first = seq;
		return 0;
	}
	range->last = seq;
	if (at + 1 < tracker->n && range[1].first == seq + 1) { /* the gap to the next one is closed */
		range->last = range[1].last;
		memmove(&range[1], &range[2], (tracker->n - at - 2) * sizeof(*range));
		tracker->n--;
	}
	return 0;
}

uint64_t tracker_highest(const struct tracker *tracker)
{
	return tracker->n ? tracker->ranges[tracker->n - 1].last : 0;
}

int tracker_holes(const struct tracker *tracker, uint64_t last, struct seq_range **holes, uint64_t *count)
{
	uint64_t next = 1;
	size_t i, n = 0;

	*count = 0;
	*holes = calloc(tracker->n + 1, sizeof(**holes));
	if (!*holes)
		return -1;
	for (i = 0; i < tracker->n && tracker->ranges[i].first <= last; i++) {
		if (tracker->ranges[i].first > next) {
			(*holes)[n++] = (struct seq_range){ next, tracker->ranges[i].first - 1 };
			*count += tracker->ranges[i].first - next;
		}
		next = tracker->ranges[i].last + 1;
	}
	if (next <= last) {
		(*holes)[n++] = (struct seq_range){ next, last };
		*count += last - next + 1;
	}
	return (int)n;
}

void tracker_clear(struct tracker *tracker)
{
	free(tracker->ranges);
	memset(tracker, 0, sizeof(*tracker));
}
