// SPDX-License-Identifier: Apache-2.0
#include "engine/addresses.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>

#include "lib/util.h"

static uint32_t now_seconds(void)
{
	return (uint32_t)(clock_ns(CLOCK_BOOTTIME) / 1000000000u);
}

/* The place for @rule: its own, else one that has expired, else the end of the list; NULL if there is none. */
static struct obmon_address_rule *find_place(struct obmon_address_entry *entry, uint32_t rule, uint32_t now)
{
	struct obmon_address_rule *free_place = NULL;
	size_t i;

	for (i = 0; i < OBMON_ADDRESS_RULES_MAX; i++) {
		struct obmon_address_rule *place = &entry->rules[i];

		if (place->rule == rule)
			return place;
		if (!free_place && (!place->rule || place->expires <= now))
			free_place = place;
		if (!place->rule)
			break;
	}
	return free_place;
}

int addresses_merge(struct obmon_address_entry *entry, const uint32_t *rules, size_t n, uint32_t expires, uint32_t now)
{
	size_t i;

	for (i = 0; i < n; i++) {
		struct obmon_address_rule *place = find_place(entry, rules[i], now);

		if (!place)
			return -1;
		if (place->rule != rules[i])
			*place = (struct obmon_address_rule){ .rule = rules[i] };
		if (place->expires < expires)
			place->expires = expires;
	}
	return 0;
}

static bool has_expired(const struct obmon_address_entry *entry, uint32_t now)
{
	size_t i;

	for (i = 0; i < OBMON_ADDRESS_RULES_MAX && entry->rules[i].rule; i++)
		if (entry->rules[i].expires > now)
			return false;
	return true;
}

/* The kernel goes by the time anyway; this is only about room. */
static void sweep(int map, uint32_t now)
{
	struct obmon_address key, next;
	struct obmon_address_entry entry;
	int more = bpf_map_get_next_key(map, NULL, &next);

	while (!more) {
		key = next;
		more = bpf_map_get_next_key(map, &key, &next);
		if (!bpf_map_lookup_elem(map, &key, &entry) && has_expired(&entry, now))
			bpf_map_delete_elem(map, &key);
	}
}

int addresses_enter(int map, const struct obmon_address *address, const char *host, const uint32_t *rules, size_t n,
		    uint32_t expires)
{
	struct obmon_address_entry entry = {};
	uint32_t now = now_seconds();
	size_t length = strnlen(host, OBMON_HOST_MAX);

	if (bpf_map_lookup_elem(map, address, &entry) && errno != ENOENT)
		return -1;
	if (addresses_merge(&entry, rules, n, expires, now)) {
		errno = E2BIG;
		return -1;
	}
	entry.host_length = (uint32_t)length;
	memset(entry.host, 0, sizeof(entry.host));
	memcpy(entry.host, host, length);
	if (!bpf_map_update_elem(map, address, &entry, BPF_ANY))
		return 0;
	if (errno != E2BIG)
		return -1;
	sweep(map, now);
	return bpf_map_update_elem(map, address, &entry, BPF_ANY);
}
