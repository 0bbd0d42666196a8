// SPDX-License-Identifier: Apache-2.0
/* Which sequence numbers have come: against a plain bitmap, in every kind of order. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "event/tracker.h"
#include "lib/util.h"

/* The naive way: one byte a number. */
#define SEQ_MAX 300u

struct naive {
	unsigned char came[SEQ_MAX + 2];
	uint64_t duplicates;
};

static uint64_t random_state;

/* xorshift64: the same numbers on each run of the tests. */
static unsigned random_below(unsigned n)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (unsigned)(random_state % n);
}

static void add_both(struct tracker *tracker, struct naive *naive, unsigned seq)
{
	naive->duplicates += naive->came[seq];
	naive->came[seq] = 1;
	assert_int_equal(tracker_add(tracker, seq), 0);
}

/* What the ranges promise: in order, none empty, none that touches the next. */
static void check_ranges(const struct tracker *tracker)
{
	size_t i;

	for (i = 0; i < tracker->n; i++) {
		assert_true(tracker->ranges[i].first <= tracker->ranges[i].last);
		if (i)
			assert_true(tracker->ranges[i - 1].last + 1 < tracker->ranges[i].first);
	}
}

static void check_holes(const struct tracker *tracker, const struct naive *naive, unsigned last)
{
	struct seq_range *holes = NULL;
	uint64_t count = 0, missing = 0;
	unsigned seq, n_missing = 0;
	int n = tracker_holes(tracker, last, &holes, &count), i;

	assert_true(n >= 0);
	for (seq = 1; seq <= last; seq++)
		n_missing += !naive->came[seq];
	for (i = 0; i < n; i++) {
		assert_true(holes[i].first <= holes[i].last);
		assert_true(holes[i].last <= last);
		if (i) /* in order, and as few as can be */
			assert_true(holes[i].first > holes[i - 1].last + 1);
		for (seq = (unsigned)holes[i].first; seq <= holes[i].last; seq++)
			if (naive->came[seq])
				fail_msg("%u came, and yet is in a hole up to %u", seq, last);
		missing += holes[i].last - holes[i].first + 1;
	}
	assert_int_equal(missing, n_missing);
	assert_int_equal(count, n_missing);
	free(holes);
}

static void check_both(const struct tracker *tracker, const struct naive *naive)
{
	unsigned highest = 0, seq;

	for (seq = 1; seq <= SEQ_MAX; seq++)
		if (naive->came[seq])
			highest = seq;
	check_ranges(tracker);
	assert_int_equal(tracker->duplicates, naive->duplicates);
	assert_int_equal(tracker_highest(tracker), highest);
	check_holes(tracker, naive, highest);
	check_holes(tracker, naive, highest + 1);
	check_holes(tracker, naive, highest / 2);
	check_holes(tracker, naive, 0);
}

static void test_empty(void **state)
{
	struct tracker tracker = { 0 };
	struct seq_range *holes;
	uint64_t count;

	(void)state;
	assert_int_equal(tracker_highest(&tracker), 0);
	assert_int_equal(tracker_holes(&tracker, 0, &holes, &count), 0);
	assert_int_equal(count, 0);
	free(holes);
	assert_int_equal(tracker_holes(&tracker, 5, &holes, &count), 1);
	assert_int_equal(holes[0].first, 1);
	assert_int_equal(holes[0].last, 5);
	assert_int_equal(count, 5);
	free(holes);
	tracker_clear(&tracker);
}

/* The usual case costs no memory: one range, however many records. */
static void test_in_order(void **state)
{
	struct tracker tracker = { 0 };
	uint64_t seq;

	(void)state;
	for (seq = 1; seq <= 100000; seq++)
		assert_int_equal(tracker_add(&tracker, seq), 0);
	assert_int_equal(tracker.n, 1);
	assert_int_equal(tracker_highest(&tracker), 100000);
	assert_int_equal(tracker.duplicates, 0);
	tracker_clear(&tracker);
	assert_null(tracker.ranges);
	assert_int_equal(tracker.n, 0);
}

static void test_holes(void **state)
{
	static const struct {
		uint64_t add[8];
		uint64_t last;
		int n;
		struct seq_range holes[4];
		uint64_t count;
	} cases[] = {
		{ .add = { 1, 2, 3 }, .last = 3, .n = 0 },
		{ .add = { 3, 1, 2 }, .last = 3, .n = 0 },
		{ .add = { 2 }, .last = 2, .n = 1, .holes = { { 1, 1 } }, .count = 1 },
		{ .add = { 1 }, .last = 4, .n = 1, .holes = { { 2, 4 } }, .count = 3 },
		{ .add = { 1, 5, 3 }, .last = 6, .n = 3, .holes = { { 2, 2 }, { 4, 4 }, { 6, 6 } }, .count = 3 },
		{ .add = { 1, 5, 3, 4 }, .last = 5, .n = 1, .holes = { { 2, 2 } }, .count = 1 },
		{ .add = { 1, 5, 3, 4, 2 }, .last = 5, .n = 0 },
		/* What lies beyond @last doesn't count. */
		{ .add = { 9, 8 }, .last = 4, .n = 1, .holes = { { 1, 4 } }, .count = 4 },
		{ .add = { 2, 9 }, .last = 4, .n = 2, .holes = { { 1, 1 }, { 3, 4 } }, .count = 3 },
		{ .add = { 3, 4, 5, 6 }, .last = 4, .n = 1, .holes = { { 1, 2 } }, .count = 2 },
		/* The kernel counts in 64 bits. */
		{ .add = { 0x100000001, 0x100000003 },
		  .last = 0x100000003,
		  .n = 2,
		  .holes = { { 1, 0x100000000 }, { 0x100000002, 0x100000002 } },
		  .count = 0x100000001 },
	};
	size_t i, j;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		struct tracker tracker = { 0 };
		struct seq_range *holes;
		uint64_t count;

		for (j = 0; j < ARRAY_SIZE(cases[i].add) && cases[i].add[j]; j++)
			assert_int_equal(tracker_add(&tracker, cases[i].add[j]), 0);
		if (tracker_holes(&tracker, cases[i].last, &holes, &count) != cases[i].n)
			fail_msg("case %zu: not %d holes", i, cases[i].n);
		assert_memory_equal(holes, cases[i].holes, (size_t)cases[i].n * sizeof(*holes));
		assert_int_equal(count, cases[i].count);
		free(holes);
		tracker_clear(&tracker);
	}
}

static void test_duplicates(void **state)
{
	static const uint64_t order[] = { 5, 5, 4, 4, 6, 5, 6, 4, 1, 1 };
	struct tracker tracker = { 0 };
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(order); i++)
		assert_int_equal(tracker_add(&tracker, order[i]), 0);
	assert_int_equal(tracker.duplicates, 6);
	assert_int_equal(tracker.n, 2);
	tracker_clear(&tracker);
}

/* Everything about once, nearly in order, as records of several CPUs come. */
static void test_nearly_in_order(void **state)
{
	unsigned round, i;

	(void)state;
	random_state = 0x9e3779b97f4a7c15;
	for (round = 0; round < 200; round++) {
		struct tracker tracker = { 0 };
		struct naive naive = { 0 };
		unsigned order[SEQ_MAX];

		for (i = 0; i < SEQ_MAX; i++)
			order[i] = i + 1;
		for (i = 0; i + 8 < SEQ_MAX; i++) {
			unsigned other = i + random_below(8), kept = order[i];

			order[i] = order[other];
			order[other] = kept;
		}
		for (i = 0; i < SEQ_MAX; i++)
			if (random_below(20) >= round % 10)
				add_both(&tracker, &naive, order[i]);
		check_both(&tracker, &naive);
		tracker_clear(&tracker);
	}
}

/* Any order, many duplicates, checked after each step. */
static void test_any_order(void **state)
{
	unsigned round, i;

	(void)state;
	random_state = 42;
	for (round = 0; round < 100; round++) {
		const unsigned span = 1 + random_below(SEQ_MAX);
		struct tracker tracker = { 0 };
		struct naive naive = { 0 };

		for (i = 0; i < 2 * span; i++) {
			add_both(&tracker, &naive, 1 + random_below(span));
			check_both(&tracker, &naive);
		}
		tracker_clear(&tracker);
	}
}

/* From the last to the first, and the odd ones before the even: the most ranges there can be. */
static void test_worst_orders(void **state)
{
	struct tracker tracker = { 0 };
	struct naive naive = { 0 };
	unsigned seq;

	(void)state;
	for (seq = SEQ_MAX; seq >= 1; seq--)
		add_both(&tracker, &naive, seq);
	assert_int_equal(tracker.n, 1);
	check_both(&tracker, &naive);
	tracker_clear(&tracker);

	memset(&naive, 0, sizeof(naive));
	for (seq = 1; seq <= SEQ_MAX; seq += 2)
		add_both(&tracker, &naive, seq);
	assert_int_equal(tracker.n, SEQ_MAX / 2);
	check_both(&tracker, &naive);
	for (seq = 2; seq <= SEQ_MAX; seq += 2) {
		add_both(&tracker, &naive, seq);
		check_both(&tracker, &naive);
	}
	assert_int_equal(tracker.n, 1);
	tracker_clear(&tracker);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty),           cmocka_unit_test(test_in_order),
		cmocka_unit_test(test_holes),           cmocka_unit_test(test_duplicates),
		cmocka_unit_test(test_nearly_in_order), cmocka_unit_test(test_any_order),
		cmocka_unit_test(test_worst_orders),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
