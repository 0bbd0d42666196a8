/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What path rules mean, as plainly as it can be said: the model that unit tests and the fuzzer hold the
 * automaton against.
 */
#ifndef OBMON_TESTS_DFA_MODEL_H
#define OBMON_TESTS_DFA_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cap/glob.h"
#include "obmon/abi/dfa.h"

struct rule {
	char text[96];
	struct glob glob;
	char prefix[16], skip[16];
	size_t prefix_length, skip_length;
	uint32_t rights, id;
};

/* Does the rule's glob match its skip followed by @rest? */
static inline bool rest_matches(const struct rule *rule, const char *rest, size_t length)
{
	char path[1024];

	if (rule->skip_length + length > sizeof(path))
		abort();
	memcpy(path, rule->skip, rule->skip_length);
	if (length)
		memcpy(path + rule->skip_length, rest, length);
	return glob_match(&rule->glob, path, rule->skip_length + length);
}

/* The definition of dfa_builder_add(), read backwards from the name to the remainder. */
static inline bool rule_grants(const struct rule *rule, const char *name, size_t length)
{
	const size_t p = rule->prefix_length;
	const bool swallow = p > 0 && rule->prefix[p - 1] == '/';
	const char *rest = name + p;

	if (length < p || memcmp(name, rule->prefix, p) != 0)
		return false;
	if (length == p) {
		if (rest_matches(rule, NULL, 0))
			return true;
		/* the root is a remainder of "/", which is as good as none */
		return (swallow || (p > 0 && rule->skip_length == 0)) && rest_matches(rule, "/", 1);
	}
	if (swallow)
		return rest_matches(rule, rest - 1, length - p + 1);
	return *rest == '/' && rest_matches(rule, rest, length - p);
}

/* What @rules give for a name together. */
static inline struct obmon_dfa_accept naive_accept(const struct rule *rules, size_t n, const char *name, size_t length)
{
	struct obmon_dfa_accept accept = { 0 };

	for (size_t i = 0; i < n; i++) {
		if (!rule_grants(&rules[i], name, length))
			continue;
		accept.rights |= rules[i].rights;
		for (unsigned int right = 0; right < OBMON_RIGHT_MAX; right++) {
			if (!(rules[i].rights & OBMON_RIGHT_BIT(right)))
				continue;
			if (!accept.rule[right] || rules[i].id < accept.rule[right])
				accept.rule[right] = rules[i].id;
		}
	}
	return accept;
}

#endif
