/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The automaton against the naive matcher, on rules and names made of the fuzzer's bytes.
 *
 *	clang -g -O1 -fsanitize=fuzzer,address,undefined -std=gnu17 -D_GNU_SOURCE -Iinclude -Iuserspace \
 *		tests/fuzz/fuzz_dfa.c userspace/cap/glob.c userspace/cap/dfa*.c userspace/lib/error.c
 *
 * An input is a line per rule, `RIGHTS RULE PREFIX SKIP PATTERN` with tabs between, an empty line, and a line
 * per name; RIGHTS is in hexadecimal. So a crash can be read, and a corpus can be written by hand.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cap/dfa.h"
#include "dfa_model.h"

#define RULES_MAX 8

struct span {
	const char *text;
	size_t length;
};

/* Cut what stands before the next @separator off @rest. */
static struct span cut(struct span *rest, char separator)
{
	const char *end = rest->length ? memchr(rest->text, separator, rest->length) : NULL;
	struct span head = { rest->text, end ? (size_t)(end - rest->text) : rest->length };

	rest->text += head.length + (end != NULL);
	rest->length -= head.length + (end != NULL);
	return head;
}

static unsigned long number(struct span span, int base)
{
	char digits[16] = "";

	if (span.length >= sizeof(digits))
		return 0;
	memcpy(digits, span.text, span.length);
	return strtoul(digits, NULL, base);
}

/* @return -1 if the line is no rule */
static int read_rule(struct rule *rule, struct span line)
{
	const uint32_t known = OBMON_RIGHTS_ALL | OBMON_RIGHTS_ALL << OBMON_RIGHT_QUIET_SHIFT | OBMON_RIGHT_NEVER;
	struct obmon_error err;
	struct span prefix, skip;

	memset(rule, 0, sizeof(*rule));
	rule->rights = (uint32_t)number(cut(&line, '\t'), 16) & known;
	rule->id = (uint32_t)number(cut(&line, '\t'), 10) % 1000 + 1;
	prefix = cut(&line, '\t');
	skip = cut(&line, '\t');
	if (prefix.length > sizeof(rule->prefix) || skip.length > sizeof(rule->skip))
		return -1;
	if (skip.length > 0 && skip.text[skip.length - 1] == '/')
		return -1;
	memcpy(rule->prefix, prefix.text, prefix.length);
	memcpy(rule->skip, skip.text, skip.length);
	rule->prefix_length = prefix.length;
	rule->skip_length = skip.length;
	return glob_parse(&rule->glob, line.text, line.length, "/ws", NULL, &err);
}

static size_t read_rules(struct rule *rules, struct span *rest)
{
	size_t n = 0;

	while (rest->length > 0) {
		const struct span line = cut(rest, '\n');

		if (line.length == 0)
			break;
		if (n < RULES_MAX && read_rule(&rules[n], line) == 0)
			n++;
	}
	return n;
}

static void check_name(const struct dfa *dfa, const struct rule *rules, size_t n, struct span name)
{
	const uint32_t state = dfa_walk(dfa, dfa->start, name.text, name.length);
	const struct obmon_dfa_accept expected = naive_accept(rules, n, name.text, name.length);
	const struct obmon_dfa_accept *accept = dfa_accept(dfa, state);

	if (accept ? memcmp(accept, &expected, sizeof(expected)) != 0 : expected.rights != 0)
		abort();
	if ((dfa_residual(dfa, state) == 0) != (state == OBMON_DFA_DEAD))
		abort();
}

static void check(const struct rule *rules, size_t n, struct span names)
{
	const struct dfa_limits limits = { .max_states = 3000, .max_work = 100000000 };
	struct dfa_builder *builder = dfa_builder_new(&limits);
	struct obmon_error err;
	struct dfa dfa;

	if (!builder)
		abort();
	for (size_t i = 0; i < n; i++) {
		if (dfa_builder_add(builder, rules[i].prefix, rules[i].prefix_length, &rules[i].glob, rules[i].skip,
				    rules[i].skip_length, rules[i].rights, rules[i].id, &err))
			abort();
	}
	if (dfa_compile(&dfa, builder, NULL, &err) == 0) {
		while (names.length > 0) {
			const struct span name = cut(&names, '\n');

			if (name.length <= 256)
				check_name(&dfa, rules, n, name);
		}
		dfa_clear(&dfa);
	} else if (err.code != OBMON_ERR_CONFIG) {
		abort();
	}
	dfa_builder_free(builder);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span rest = { (const char *)data, size };
	struct rule rules[RULES_MAX];
	size_t n;

	if (size == 0)
		return 0;
	n = read_rules(rules, &rest);
	check(rules, n, rest);
	for (size_t i = 0; i < n; i++)
		glob_clear(&rules[i].glob);
	return 0;
}
