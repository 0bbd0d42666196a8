// SPDX-License-Identifier: Apache-2.0
/* Which rules an address has from the resolver, and until when: lists as the kernel's programs read them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/addresses.h"
#include "lib/util.h"

#define MAX OBMON_ADDRESS_RULES_MAX

/* When @rule expires in @entry, as the kernel finds it: up to the first 0. 0 if it isn't there. */
static uint32_t expiry(const struct obmon_address_entry *entry, uint32_t rule)
{
	uint32_t expires = 0;
	size_t i;

	for (i = 0; i < MAX && entry->rules[i].rule; i++)
		if (entry->rules[i].rule == rule && entry->rules[i].expires > expires)
			expires = entry->rules[i].expires;
	return expires;
}

static size_t count(const struct obmon_address_entry *entry)
{
	size_t n = 0;

	while (n < MAX && entry->rules[n].rule)
		n++;
	return n;
}

static int merge_one(struct obmon_address_entry *entry, uint32_t rule, uint32_t expires, uint32_t now)
{
	return addresses_merge(entry, &rule, 1, expires, now);
}

static void test_what_lasts_longer_stays(void **state)
{
	static const uint32_t rules[] = { 7, 9 };
	struct obmon_address_entry entry = { 0 };

	(void)state;
	assert_int_equal(addresses_merge(&entry, NULL, 0, 100, 50), 0);
	assert_int_equal(count(&entry), 0);
	assert_int_equal(addresses_merge(&entry, rules, 2, 100, 50), 0);
	assert_int_equal(count(&entry), 2);
	assert_int_equal(expiry(&entry, 7), 100);
	assert_int_equal(expiry(&entry, 9), 100);
	assert_int_equal(merge_one(&entry, 9, 80, 60), 0);
	assert_int_equal(expiry(&entry, 9), 100);
	assert_int_equal(merge_one(&entry, 9, 120, 60), 0);
	assert_int_equal(expiry(&entry, 9), 120);
	assert_int_equal(expiry(&entry, 7), 100);
	assert_int_equal(merge_one(&entry, 7, ADDRESSES_FOREVER, 60), 0);
	assert_int_equal(merge_one(&entry, 7, 130, 60), 0);
	assert_int_equal(expiry(&entry, 7), ADDRESSES_FOREVER);
	assert_int_equal(count(&entry), 2);
	/* The host's name is none of its business. */
	assert_int_equal(entry.host_length, 0);
}

static void test_full(void **state)
{
	struct obmon_address_entry entry = { 0 }, before;
	uint32_t rule;

	(void)state;
	for (rule = 1; rule <= MAX; rule++)
		assert_int_equal(merge_one(&entry, rule, 100 + rule, 50), 0);
	assert_int_equal(count(&entry), MAX);
	before = entry;
	assert_int_equal(merge_one(&entry, MAX + 1, 1000, 100), -1);
	assert_memory_equal(&entry, &before, sizeof(entry));
	/* What is there can still be renewed. */
	assert_int_equal(merge_one(&entry, MAX, 2000, 100), 0);
	assert_int_equal(expiry(&entry, MAX), 2000);
	/* At 101 the first has expired: what expires at a time isn't there at that time. */
	assert_int_equal(merge_one(&entry, MAX + 1, 1000, 101), 0);
	assert_int_equal(expiry(&entry, 1), 0);
	assert_int_equal(expiry(&entry, MAX + 1), 1000);
	assert_int_equal(count(&entry), MAX);
	assert_int_equal(merge_one(&entry, 1, 1000, 101), -1);
	assert_int_equal(merge_one(&entry, 1, 1000, 102), 0);
}

/* What is forever gives no place up, however late it is. */
static void test_forever(void **state)
{
	struct obmon_address_entry entry = { 0 };
	uint32_t rule;

	(void)state;
	for (rule = 1; rule <= MAX; rule++)
		assert_int_equal(merge_one(&entry, rule, ADDRESSES_FOREVER, 50), 0);
	assert_int_equal(merge_one(&entry, MAX + 1, ADDRESSES_FOREVER, UINT32_MAX - 1), -1);
}

/* A place that has expired is another's now, with none of the time that the one before had. */
static void test_places_are_emptied(void **state)
{
	struct obmon_address_entry entry = { 0 };

	(void)state;
	assert_int_equal(merge_one(&entry, 1, 500, 50), 0);
	assert_int_equal(merge_one(&entry, 2, 100, 50), 0);
	assert_int_equal(merge_one(&entry, 3, 90, 50), 0);
	assert_int_equal(merge_one(&entry, 4, 210, 200), 0);
	assert_int_equal(expiry(&entry, 4), 210);
	assert_int_equal(expiry(&entry, 2), 0);
	/* Its own place, though an expired one comes before. */
	assert_int_equal(merge_one(&entry, 1, 600, 300), 0);
	assert_int_equal(expiry(&entry, 1), 600);
	assert_int_equal(count(&entry), 3);
}

static uint32_t random_state = 5;

static uint32_t rnd(uint32_t bound)
{
	random_state = random_state * 1664525 + 1013904223;
	return (random_state >> 8) % bound;
}

#define RULES 100

/* @expires by rule; merge as the promise is. @return whether there is room. */
static bool merge_naively(uint32_t expires[RULES], const uint32_t *rules, size_t n, uint32_t until, uint32_t now)
{
	size_t live = n, i, k;

	for (i = 0; i < RULES; i++) {
		for (k = 0; k < n && rules[k] != i + 1; k++)
			;
		live += k == n && expires[i] > now;
	}
	if (live > MAX)
		return false;
	for (k = 0; k < n; k++)
		if (expires[rules[k] - 1] < until)
			expires[rules[k] - 1] = until;
	return true;
}

static void check_entry(const struct obmon_address_entry *entry, const uint32_t expires[RULES], uint32_t now)
{
	uint32_t rule;

	for (rule = 1; rule <= RULES; rule++) {
		const uint32_t found = expiry(entry, rule), expected = expires[rule - 1];

		if ((found > now || expected > now) && found != expected)
			fail_msg("rule %u expires at %u, not %u", rule, found, expected);
	}
}

static void test_random(void **state)
{
	size_t full = 0;

	(void)state;
	for (int round = 0; round < 300; round++) {
		struct obmon_address_entry entry = { 0 }, next;
		uint32_t expires[RULES] = { 0 }, now = 1;

		for (int step = 0; step < 200; step++) {
			uint32_t rules[20], first = rnd(RULES), n = rnd(ARRAY_SIZE(rules) + 1), until, i;

			for (i = 0; i < n; i++)
				rules[i] = (first + i * 7) % RULES + 1;
			now += rnd(12);
			until = rnd(50) ? now + 1 + rnd(60) : ADDRESSES_FOREVER;
			next = entry; /* as addresses_enter() has it: what didn't fit is dropped whole */
			if (merge_naively(expires, rules, n, until, now)) {
				assert_int_equal(addresses_merge(&next, rules, n, until, now), 0);
				entry = next;
			} else {
				assert_int_equal(addresses_merge(&next, rules, n, until, now), -1);
				full++;
			}
			check_entry(&entry, expires, now);
		}
	}
	assert_true(full > 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_lasts_longer_stays),
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_forever),
		cmocka_unit_test(test_places_are_emptied),
		cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
