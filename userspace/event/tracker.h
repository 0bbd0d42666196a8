/* SPDX-License-Identifier: Apache-2.0 */
/** @file tracker.h Which sequence numbers have come: the proof that no record is missing. */
#ifndef OBMON_EVENT_TRACKER_H
#define OBMON_EVENT_TRACKER_H

#include <stddef.h>
#include <stdint.h>

#include "event/record.h"

/** The numbers that have come, as disjoint ranges in order. Zero-initialise. */
struct tracker {
	struct seq_range *ranges;
	size_t n, allocated;
	uint64_t duplicates; /**< numbers that came twice: must stay 0 */
};

/** Note that record @seq (from 1) has come. @return 0, or -1 when out of memory. */
int tracker_add(struct tracker *tracker, uint64_t seq);

/** The highest number that has come, 0 for none. */
uint64_t tracker_highest(const struct tracker *tracker);

/**
 * The numbers from 1 to @last that have not come. Caller frees *@holes. @return how many ranges that are, or
 * -1 when out of memory; *@count gets the number of numbers.
 */
int tracker_holes(const struct tracker *tracker, uint64_t last, struct seq_range **holes, uint64_t *count);

void tracker_clear(struct tracker *tracker);

#endif
