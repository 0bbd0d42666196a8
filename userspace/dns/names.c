// SPDX-License-Identifier: Apache-2.0
#include "dns/names.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define HASH_START 0xcbf29ce484222325u

/* FNV-1a, from a text's end to its start, so that one pass over a name gives the hash of each of its suffixes. */
static uint64_t hash_more(uint64_t hash, char c)
{
	return (hash ^ (unsigned char)c) * 0x100000001b3u;
}

uint64_t names_hash(const char *text)
{
	uint64_t hash = HASH_START;

	for (size_t i = strlen(text); i-- > 0;)
		hash = hash_more(hash, text[i]);
	return hash;
}

static bool is_about(const struct resolver_rule *rule, const char *name, bool subnames)
{
	return rule->subnames == subnames && !strcmp(rule->name, name);
}

static int compare(const void *first, const void *second)
{
	const struct resolver_rule *a = *(const struct resolver_rule *const *)first;
	const struct resolver_rule *b = *(const struct resolver_rule *const *)second;
	int order = strcmp(a->name, b->name);

	return order ? order : (int)a->subnames - (int)b->subnames;
}

/* The bucket of the rules about just this, or the empty one that would be theirs. */
static uint32_t *find_bucket(struct names *names, uint64_t hash, const char *name, bool subnames)
{
	size_t at = (hash ^ hash >> 32) & names->mask;

	while (names->buckets[at] && !is_about(names->rules[names->buckets[at] - 1], name, subnames))
		at = (at + 1) & names->mask;
	return &names->buckets[at];
}

int names_index(struct names *names, const struct resolver_rule *rules, size_t n)
{
	size_t n_buckets = 16;

	while (n_buckets < 2 * n)
		n_buckets *= 2;
	*names = (struct names){
		.rules = calloc(n + 1, sizeof(struct resolver_rule *)),
		.n_rules = n,
		.buckets = calloc(n_buckets, sizeof(uint32_t)),
		.mask = n_buckets - 1,
		.ids = calloc(n + 1, sizeof(uint32_t)),
	};
	if (!names->rules || !names->buckets || !names->ids)
		return -1;
	for (size_t i = 0; i < n; i++)
		names->rules[i] = &rules[i];
	qsort(names->rules, n, sizeof(struct resolver_rule *), compare);
	for (size_t i = 0; i < n; i++) {
		const struct resolver_rule *rule = names->rules[i];
		uint32_t *bucket = find_bucket(names, names_hash(rule->name), rule->name, rule->subnames);

		if (!*bucket)
			*bucket = (uint32_t)i + 1;
	}
	return 0;
}

void names_clear(struct names *names)
{
	free(names->rules);
	free(names->buckets);
	free(names->ids);
	*names = (struct names){ 0 };
}

/* Add the rules that start at @first and are about the same. */
static void add_rules(struct names *names, struct names_match *match, size_t first)
{
	const struct resolver_rule *rule = names->rules[first];

	for (size_t i = first; i < names->n_rules && is_about(names->rules[i], rule->name, rule->subnames); i++) {
		names->ids[match->n] = names->rules[i]->rule;
		if (names->rules[i]->private_okay) {
			names->ids[match->n] = names->ids[match->n_private];
			names->ids[match->n_private++] = names->rules[i]->rule;
		}
		match->n++;
	}
}

struct names_match names_match(struct names *names, const char *host)
{
	struct names_match match = { .ids = names->ids };
	uint64_t hash = HASH_START;

	for (size_t i = strlen(host); i-- > 0;) {
		hash = hash_more(hash, host[i]);
		if (i == 0 || host[i - 1] == '.') {
			uint32_t first = *find_bucket(names, hash, host + i, i > 0);

			if (first)
				add_rules(names, &match, first - 1);
		}
	}
	return match;
}
