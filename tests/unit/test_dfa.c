/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The automaton, held against the naive matcher of globs and against textbook minimisation. Random parts
 * print their seed; OBMON_TEST_SEED repeats a run.
 */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "../fuzz/dfa_model.h"
#include "cap/dfa.h"

#define READ OBMON_RIGHT_BIT(OBMON_RIGHT_READ)
#define WRITE OBMON_RIGHT_BIT(OBMON_RIGHT_WRITE)
#define EXEC OBMON_RIGHT_BIT(OBMON_RIGHT_EXEC)
#define QUIET(right) ((right) << OBMON_RIGHT_QUIET_SHIFT)

/*
 * ---- Random numbers
 */

static uint64_t seed, state_of_rng;

static uint32_t rnd(uint32_t bound)
{
	/* xorshift64* */
	state_of_rng ^= state_of_rng >> 12;
	state_of_rng ^= state_of_rng << 25;
	state_of_rng ^= state_of_rng >> 27;
	return (uint32_t)((state_of_rng * UINT64_C(2685821657736338717)) >> 32) % bound;
}

static int reseed(void **state)
{
	(void)state;
	state_of_rng = seed;
	return 0;
}

static void choose_seed(void)
{
	const char *text = getenv("OBMON_TEST_SEED");

	seed = text ? strtoull(text, NULL, 0) : (uint64_t)time(NULL) * UINT64_C(0x9e3779b97f4a7c15);
	if (!seed)
		seed = 1;
	printf("OBMON_TEST_SEED=%" PRIu64 "\n", seed);
}

/*
 * ---- Rules
 */

static void set_rule(struct rule *rule, const char *text, const char *prefix, const char *skip, uint32_t rights,
		     uint32_t id)
{
	struct obmon_error err;

	memset(rule, 0, sizeof(*rule));
	snprintf(rule->text, sizeof(rule->text), "%s", text);
	if (glob_parse(&rule->glob, text, strlen(text), NULL, NULL, &err))
		fail_msg("%s", err.message);
	rule->prefix_length = strlen(prefix);
	memcpy(rule->prefix, prefix, rule->prefix_length);
	rule->skip_length = strlen(skip);
	memcpy(rule->skip, skip, rule->skip_length);
	rule->rights = rights;
	rule->id = id;
}

static int add_rule(struct dfa_builder *builder, const struct rule *rule, struct obmon_error *err)
{
	return dfa_builder_add(builder, rule->prefix, rule->prefix_length, &rule->glob, rule->skip, rule->skip_length,
			       rule->rights, rule->id, err);
}

static void print_rules(const struct rule *rules, size_t n)
{
	for (size_t i = 0; i < n; i++)
		print_error("rule %u: '%s' prefix '%s' skip '%s' rights 0x%x\n", rules[i].id, rules[i].text,
			    rules[i].prefix, rules[i].skip, rules[i].rights);
}

static void compile_rules(struct dfa *dfa, const struct rule *rules, size_t n)
{
	/* as long as it takes: under a sanitizer or valgrind the default may be too short */
	const struct dfa_limits limits = { .max_work = UINT64_MAX };
	struct dfa_builder *builder = dfa_builder_new(&limits);
	struct obmon_error err;
	uint32_t culprit;

	assert_non_null(builder);
	for (size_t i = 0; i < n; i++) {
		if (add_rule(builder, &rules[i], &err))
			fail_msg("%s", err.message);
	}
	if (dfa_compile(dfa, builder, &culprit, &err)) {
		print_rules(rules, n);
		fail_msg("%s", err.message);
	}
	dfa_builder_free(builder);
}

static void clear_rules(struct rule *rules, size_t n)
{
	for (size_t i = 0; i < n; i++)
		glob_clear(&rules[i].glob);
}

static uint32_t rights_of(const struct dfa *dfa, uint32_t state)
{
	const struct obmon_dfa_accept *accept = dfa_accept(dfa, state);

	return accept ? accept->rights : 0;
}

static uint32_t effective(uint32_t rights)
{
	return rights & ~QUIET(rights & OBMON_RIGHTS_ALL);
}

static uint32_t rights_on(const struct dfa *dfa, const char *name)
{
	return rights_of(dfa, dfa_walk(dfa, dfa->start, name, strlen(name)));
}

/*
 * ---- Random rules and names
 */

static void append_piece(char *text, size_t *n)
{
	static const char *const pieces[] = {
		"a",     "b",           "ab",    "*",    "?",  "[ab]",  "[!a]",   "[!b]",
		"[a-c]", "\\*",         "\\a",   "\xc3", "**", "{a,b}", "{a,}",   "{a/b,b}",
		"{*,b}", "{a,b{a,/b}}", "[!-~]", "c",    "a*", "*b",    "{**,a}",
	};
	const char *piece = pieces[rnd(sizeof(pieces) / sizeof(*pieces))];

	memcpy(text + *n, piece, strlen(piece));
	*n += strlen(piece);
}

/* May be malformed: `**` beside `*`, or alternatives that are nothing. */
static size_t random_pattern(char text[96])
{
	const uint32_t components = 1 + rnd(4);
	size_t n = 0;

	for (uint32_t i = 0; i < components; i++) {
		uint32_t pieces = 1 + rnd(2);

		text[n++] = '/';
		while (pieces-- > 0)
			append_piece(text, &n);
	}
	text[n] = '\0';
	return n;
}

static const char alphabet[] = { 'a', 'b', '/', 'c', '*', '\xc3', '/', 'a' };

/* Something like a path, mostly. */
static size_t random_path(char *path, size_t max)
{
	size_t n = 0, length = rnd((uint32_t)max);

	while (n < length) {
		char byte = alphabet[rnd(sizeof(alphabet))];

		if (n == 0 && rnd(16))
			byte = '/';
		else if (rnd(64) == 0)
			byte = (char)rnd(256);
		path[n++] = byte;
	}
	return n;
}

static size_t sample_token(const struct glob_token *token, char *path)
{
	const uint32_t length = rnd(3);
	size_t n = 0;

	switch (token->kind) {
	case GLOB_BYTE:
		path[0] = (char)token->byte;
		return 1;
	case GLOB_SET:
		path[0] = alphabet[rnd(sizeof(alphabet))];
		return 1;
	case GLOB_DEEP_TAIL:
		path[n++] = '/';
		break;
	default:
		break;
	}
	for (uint32_t i = 0; i < length; i++)
		path[n++] = alphabet[rnd(sizeof(alphabet))];
	if (token->kind == GLOB_DEEP_DIRS && length)
		path[n - 1] = '/';
	return n;
}

/* A name that the rule probably grants. */
static size_t sample_name(const struct rule *rule, char *name)
{
	const struct glob_alternative *alternative = &rule->glob.alternatives[rnd((uint32_t)rule->glob.n)];
	char path[256];
	size_t n = 0, p = rule->prefix_length;

	for (size_t i = 0; i < alternative->n && n < sizeof(path) - 4; i++)
		n += sample_token(&alternative->tokens[i], path + n);
	memcpy(name, rule->prefix, p);
	if (n < rule->skip_length)
		return p;
	if (p > 0 && name[p - 1] == '/' && n > rule->skip_length)
		p--;
	memcpy(name + p, path + rule->skip_length, n - rule->skip_length);
	return p + n - rule->skip_length;
}

static size_t random_name(const struct rule *rules, size_t n_rules, char *name)
{
	const struct rule *rule = &rules[rnd((uint32_t)n_rules)];
	size_t n;

	switch (rnd(4)) {
	case 0:
		return random_path(name, 16);
	case 1:
		memcpy(name, rule->prefix, rule->prefix_length);
		return rule->prefix_length + random_path(name + rule->prefix_length, 16);
	default:
		n = sample_name(rule, name);
		if (n && rnd(2))
			name[rnd((uint32_t)n)] = alphabet[rnd(sizeof(alphabet))];
		if (n && rnd(4) == 0)
			n -= rnd((uint32_t)n);
		return n;
	}
}

static void random_skip(struct rule *rule)
{
	const struct glob_alternative *alternative = &rule->glob.alternatives[rnd((uint32_t)rule->glob.n)];
	char path[256];
	size_t n = 0;

	/* the front of a match, cut where a component ends; or anything */
	for (size_t i = 0; i < alternative->n && n < sizeof(path) - 4; i++)
		n += sample_token(&alternative->tokens[i], path + n);
	if (rnd(8) == 0)
		n = random_path(path, 8);
	n = n ? rnd((uint32_t)n + 1) : 0;
	while (n > 0 && n < 16 && path[n] != '/' && rnd(4))
		n--;
	if (n >= sizeof(rule->skip))
		n = 0;
	while (n > 0 && path[n - 1] == '/')
		n--;
	memcpy(rule->skip, path, n);
	rule->skip_length = n;
}

static void random_rule(struct rule *rule, uint32_t id)
{
	static const char *const prefixes[] = { "", "", "", "/", "D/", "D/a", "D", "D/a/b", "D/b/" };
	const char *prefix = prefixes[rnd(sizeof(prefixes) / sizeof(*prefixes))];
	struct obmon_error err;

	memset(rule, 0, sizeof(*rule));
	while (glob_parse(&rule->glob, rule->text, random_pattern(rule->text), NULL, NULL, &err))
		;
	rule->prefix_length = strlen(prefix);
	memcpy(rule->prefix, prefix, rule->prefix_length);
	if (rnd(3) == 0)
		random_skip(rule);
	rule->id = id;
	rule->rights = OBMON_RIGHT_BIT(rnd(2));
	if (rnd(4) == 0)
		rule->rights = 1 + rnd(OBMON_RIGHTS_ALL);
	if (rnd(4) == 0)
		rule->rights |= QUIET(1 + rnd(3));
	if (rnd(8) == 0)
		rule->rights = rnd(2) ? QUIET(READ) : OBMON_RIGHT_NEVER;
}

static size_t random_rules(struct rule *rules, size_t max)
{
	const size_t n = 1 + rnd((uint32_t)max);

	for (size_t i = 0; i < n; i++)
		random_rule(&rules[i], 1 + rnd((uint32_t)max));
	return n;
}

/*
 * ---- The automaton grants what the rules do
 */

static void check_name(const struct dfa *dfa, const struct rule *rules, size_t n, const char *name, size_t length)
{
	const struct obmon_dfa_accept expected = naive_accept(rules, n, name, length);
	const struct obmon_dfa_accept *accept = dfa_accept(dfa, dfa_walk(dfa, dfa->start, name, length));

	if (!accept && !expected.rights)
		return;
	if (accept && memcmp(accept, &expected, sizeof(expected)) == 0)
		return;
	print_rules(rules, n);
	fail_msg("'%.*s': expected rights 0x%x rules %u %u, got 0x%x %u %u", (int)length, name, expected.rights,
		 expected.rule[0], expected.rule[1], accept ? accept->rights : 0, accept ? accept->rule[0] : 0,
		 accept ? accept->rule[1] : 0);
}

static void test_random_rules(void **state)
{
	enum { SETS = 3600, NAMES = 280, RULES = 6 }; /* 1,008,000 pairs of rule set and name */
	size_t granted = 0;

	(void)state;
	for (int set = 0; set < SETS; set++) {
		struct rule rules[RULES];
		const size_t n = random_rules(rules, RULES);
		struct dfa dfa;

		compile_rules(&dfa, rules, n);
		for (int i = 0; i < NAMES; i++) {
			char name[512];
			const size_t length = random_name(rules, n, name);

			check_name(&dfa, rules, n, name, length);
			granted += dfa_accept(&dfa, dfa_walk(&dfa, dfa.start, name, length)) != NULL;
		}
		dfa_clear(&dfa);
		clear_rules(rules, n);
	}
	/* a test that never sees a grant would test little */
	assert_in_range(granted, SETS * NAMES / 10, SETS * NAMES * 9 / 10);
}

static void test_moves(void **state)
{
	static const struct {
		const char *pattern, *skip, *prefix, *name;
		bool granted;
	} cases[] = {
		{ "/a/**", "/a/b", "D/", "D/", true },
		{ "/a/**", "/a/b", "D/", "D/x", true },
		{ "/a/**", "/a/b", "D/", "D/x/y", true },
		{ "/a/**", "/a/b", "D/", "D", false },
		{ "/a/**", "/a/b", "D/r", "D/r", true },
		{ "/a/**", "/a/b", "D/r", "D/rx", false },
		{ "/a/**", "/a/b", "D/r", "D/r/x", true },
		{ "/a/**", "/b", "D/", "D/", false },
		{ "/a/**", "/a", "D/", "D/", true },
		{ "/**", "", "D/", "D/", true },
		{ "/**", "", "D/", "D/a/b", true },
		{ "/**", "", "D/@", "D/@", true },
		{ "/**", "", "D/@", "D/@/a", true },
		{ "/**", "", "D/@", "D/@a", false },
		{ "/**", "/mnt", "D/", "D/", true },
		{ "/**", "/mnt", "D/", "D/a", true },
		{ "/**", "/mnt", "D/r", "D/ra", false },
		{ "/", "", "D/", "D/", true },
		{ "/", "", "D/@", "D/@", true },
		{ "/*", "", "D/", "D/", false },
		{ "/*", "", "D/", "D/x", true },
		{ "/*", "", "D/@", "D/@", false },
		{ "/mnt/*", "/mnt", "D/", "D/", false },
		{ "/mnt/*", "/mnt", "D/", "D/x", true },
		{ "/mnt/*", "/mnt", "D/", "D/x/y", false },
		{ "/*/x", "/foo", "D/", "D/x", true },
		{ "/*/x", "/foo", "D/", "D/y", false },
		{ "/*/x", "/foo", "D/r", "D/r/x", true },
		{ "/*/x", "/foo/bar", "D/", "D/x", false },
		{ "/a/**/b", "/a", "D/", "D/b", true },
		{ "/a/**/b", "/a", "D/", "D/x/b", true },
		{ "/a/**/b", "/a", "D/", "D/xb", false },
		{ "/a/**/b", "/a", "D/", "D/", false },
		{ "/a/**/b", "/a/q", "D/", "D/b", true },
		{ "/a/**/b", "/a/q", "D/", "D/x/b", true },
		{ "/a/**/b", "/a/q", "D/", "D/", false },
		{ "/a/**/b", "/a/b", "D/", "D/", true },
		{ "/a/**/b", "/a/b", "D/", "D/b", true },
		{ "/a/**/b", "/a/b", "D/", "D/x", false },
		{ "/a/b*/c", "/a/bc", "D/", "D/c", true },
		{ "/a/b*/c", "/a/b", "D/", "D/c", true },
		{ "/a/b*/c", "/a/c", "D/", "D/c", false },
		{ "/a/lib**.so", "/a/lib", "D/", "D/x.so", true },
		{ "/a/lib**.so", "/a/libx", "D/", "D/.so", true },
		{ "/a/b", "/a/b", "D/", "D/", true },
		{ "/a/b", "/a/b", "D/r", "D/r", true },
		{ "/a/b", "/a/b/c", "D/r", "D/r", false },
		{ "/a/{b,c/**}", "/a/c", "D/", "D/z", true },
		{ "/a/{b,c/**}", "/a/b", "D/", "D/", true },
		{ "/a/b", "/a", "", "/b", true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct rule rule;
		struct dfa dfa;

		set_rule(&rule, cases[i].pattern, cases[i].prefix, cases[i].skip, READ, 1);
		compile_rules(&dfa, &rule, 1);
		if ((rights_on(&dfa, cases[i].name) == READ) != cases[i].granted)
			fail_msg("'%s' without '%s' at '%s': wrong about '%s'", cases[i].pattern, cases[i].skip,
				 cases[i].prefix, cases[i].name);
		dfa_clear(&dfa);
		clear_rules(&rule, 1);
	}
}

static void test_nothing(void **state)
{
	struct rule rule;
	struct dfa dfa;

	(void)state;
	compile_rules(&dfa, NULL, 0);
	assert_int_equal(dfa.start, OBMON_DFA_DEAD);
	assert_int_equal(dfa.n_states, 0);
	assert_int_equal(rights_on(&dfa, "/a"), 0);
	assert_int_equal(dfa_residual(&dfa, dfa.start), 0);
	dfa_clear(&dfa);

	set_rule(&rule, "/a", "", "/b", READ, 1); /* whose skip doesn't match */
	compile_rules(&dfa, &rule, 1);
	assert_int_equal(dfa.start, OBMON_DFA_DEAD);
	dfa_clear(&dfa);
	rule.rights = 0;
	rule.skip_length = 0;
	compile_rules(&dfa, &rule, 1);
	assert_int_equal(dfa.start, OBMON_DFA_DEAD);
	dfa_clear(&dfa);
	clear_rules(&rule, 1);
}

static void test_rule_ids(void **state)
{
	const struct obmon_dfa_accept *accept;
	struct rule rules[5];
	struct dfa dfa;

	(void)state;
	set_rule(&rules[0], "/a/**", "", "", READ, 9);
	set_rule(&rules[1], "/a/b", "", "", READ | WRITE, 4);
	set_rule(&rules[2], "/a/b", "", "", WRITE, 2);
	set_rule(&rules[3], "/**", "", "", READ, 12);
	set_rule(&rules[4], "/a/*", "", "", QUIET(READ | EXEC), 1);
	compile_rules(&dfa, rules, 5);
	accept = dfa_accept(&dfa, dfa_walk(&dfa, dfa.start, "/a/b", 4));
	assert_non_null(accept);
	assert_int_equal(accept->rights, READ | WRITE | QUIET(READ | EXEC));
	assert_int_equal(accept->rule[OBMON_RIGHT_READ], 4);
	assert_int_equal(accept->rule[OBMON_RIGHT_WRITE], 2);
	assert_int_equal(accept->rule[OBMON_RIGHT_EXEC], 0);
	accept = dfa_accept(&dfa, dfa_walk(&dfa, dfa.start, "/z", 2));
	assert_non_null(accept);
	assert_int_equal(accept->rule[OBMON_RIGHT_READ], 12);
	dfa_clear(&dfa);
	clear_rules(rules, 5);
}

static void test_misuse(void **state)
{
	struct dfa_builder *builder = dfa_builder_new(NULL);
	struct obmon_error err;
	struct rule rule;

	(void)state;
	set_rule(&rule, "/a", "", "", READ, 0);
	assert_int_equal(add_rule(builder, &rule, &err), -1);
	assert_int_equal(err.code, OBMON_ERR_INTERNAL);
	rule.id = 1;
	rule.rights = 1u << OBMON_RIGHT_MAX;
	assert_int_equal(add_rule(builder, &rule, &err), -1);
	assert_int_equal(err.code, OBMON_ERR_INTERNAL);
	clear_rules(&rule, 1);
	dfa_builder_free(builder);
	dfa_builder_free(NULL);
}

/* A builder may go on after a compilation. */
static void test_compile_twice(void **state)
{
	struct dfa_builder *builder = dfa_builder_new(NULL);
	struct obmon_error err;
	struct rule rules[2];
	struct dfa dfa;

	(void)state;
	set_rule(&rules[0], "/a/*", "", "", READ, 1);
	set_rule(&rules[1], "/a/b", "", "", WRITE, 2);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(add_rule(builder, &rules[i], &err), 0);
		assert_int_equal(dfa_compile(&dfa, builder, NULL, &err), 0);
		assert_int_equal(rights_on(&dfa, "/a/b"), i ? READ | WRITE : READ);
		dfa_clear(&dfa);
	}
	dfa_builder_free(builder);
	clear_rules(rules, 2);
}

/*
 * ---- Names that are no paths: a set of bytes for each of theirs
 */

enum { SETS_MAX = 6 };

struct set_rule {
	struct byte_set sets[SETS_MAX];
	size_t n;
	uint32_t rights, id;
};

static bool set_has(const struct byte_set *set, unsigned char byte)
{
	return set->bits[byte >> 6] >> (byte & 63) & 1;
}

static void set_add(struct byte_set *set, unsigned char byte)
{
	set->bits[byte >> 6] |= UINT64_C(1) << (byte & 63);
}

/* '/' among them, which is nothing special here; and what paths have. */
static unsigned char random_byte(void)
{
	static const unsigned char bytes[] = { 'a', 'b', '/', '/', 'D', '*', 0, 0xff, 0xc3, 'c' };

	return rnd(8) ? bytes[rnd(sizeof(bytes))] : (unsigned char)rnd(256);
}

static void random_set(struct byte_set *set)
{
	const uint32_t n = rnd(3) ? 1 : 1 + rnd(6);
	unsigned int first = random_byte(), last = first + rnd(100);

	memset(set, 0, sizeof(*set));
	for (uint32_t i = 0; i < n; i++)
		set_add(set, random_byte());
	if (rnd(6) == 0)
		for (unsigned int byte = first; byte <= last && byte < 256; byte++)
			set_add(set, (unsigned char)byte);
	if (rnd(12) == 0)
		memset(set, 0xff, sizeof(*set));
	if (rnd(12) == 0) {
		memset(set, 0xff, sizeof(*set));
		set->bits['/' >> 6] &= ~(UINT64_C(1) << ('/' & 63));
	}
}

static void random_set_rule(struct set_rule *rule, uint32_t id)
{
	rule->n = 1 + rnd(SETS_MAX);
	for (size_t i = 0; i < rule->n; i++)
		random_set(&rule->sets[i]);
	rule->id = id;
	rule->rights = OBMON_RIGHT_BIT(rnd(OBMON_RIGHT_MAX));
	if (rnd(4) == 0)
		rule->rights = QUIET(1 + rnd(OBMON_RIGHTS_ALL));
	if (rnd(4) == 0)
		rule->rights |= 1 + rnd(OBMON_RIGHTS_ALL);
}

static bool set_rule_grants(const struct set_rule *rule, const char *name, size_t length)
{
	size_t i = 0;

	while (i < length && i < rule->n && set_has(&rule->sets[i], (unsigned char)name[i]))
		i++;
	return i == length && i == rule->n;
}

static void add_naive(struct obmon_dfa_accept *accept, uint32_t rights, uint32_t id)
{
	accept->rights |= rights;
	for (unsigned int right = 0; right < OBMON_RIGHT_MAX; right++)
		if (rights & OBMON_RIGHT_BIT(right) && (!accept->rule[right] || id < accept->rule[right]))
			accept->rule[right] = id;
}

static size_t random_set_name(const struct set_rule *rules, size_t n_rules, char *name)
{
	const struct set_rule *rule = &rules[rnd((uint32_t)n_rules)];
	size_t n = rule->n;

	for (size_t i = 0; i < n; i++) {
		name[i] = (char)random_byte();
		for (int k = 0; k < 300 && !set_has(&rule->sets[i], (unsigned char)name[i]); k++)
			name[i] = (char)rnd(256);
	}
	if (rnd(6) == 0)
		name[rnd((uint32_t)n)] = (char)random_byte();
	if (rnd(12) == 0)
		n -= rnd((uint32_t)n);
	if (rnd(12) == 0)
		name[n++] = (char)random_byte();
	return n;
}

static void compile_both(struct dfa *dfa, const struct rule *paths, size_t n_paths, const struct set_rule *sets,
			 size_t n_sets)
{
	const struct dfa_limits limits = { .max_work = UINT64_MAX };
	struct dfa_builder *builder = dfa_builder_new(&limits);
	struct obmon_error err;

	for (size_t i = 0; i < n_paths || i < n_sets; i++) {
		if (i < n_paths && add_rule(builder, &paths[i], &err))
			fail_msg("%s", err.message);
		if (i < n_sets &&
		    dfa_builder_add_sets(builder, sets[i].sets, sets[i].n, sets[i].rights, sets[i].id, &err))
			fail_msg("%s", err.message);
	}
	if (dfa_compile(dfa, builder, NULL, &err))
		fail_msg("%s", err.message);
	dfa_builder_free(builder);
}

static void check_both(const struct dfa *dfa, const struct rule *paths, size_t n_paths, const struct set_rule *sets,
		       size_t n_sets)
{
	const struct obmon_dfa_accept *accept;
	struct obmon_dfa_accept expected;
	char name[512];
	const size_t length = rnd(3) ? random_set_name(sets, n_sets, name) : random_name(paths, n_paths, name);

	expected = naive_accept(paths, n_paths, name, length);
	for (size_t i = 0; i < n_sets; i++)
		if (set_rule_grants(&sets[i], name, length))
			add_naive(&expected, sets[i].rights, sets[i].id);
	accept = dfa_accept(dfa, dfa_walk(dfa, dfa->start, name, length));
	if (accept ? !memcmp(accept, &expected, sizeof(expected)) : !expected.rights)
		return;
	print_rules(paths, n_paths);
	fail_msg("'%.*s': expected rights 0x%x, got 0x%x", (int)length, name, expected.rights,
		 accept ? accept->rights : 0);
}

static void test_sets_of_bytes(void **state)
{
	enum { ROUNDS = 1500, NAMES = 200, RULES = 6 };
	size_t several = 0;

	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		struct set_rule sets[RULES];
		struct rule paths[RULES];
		const size_t n_paths = random_rules(paths, RULES), n_sets = 1 + rnd(RULES);
		struct dfa dfa;

		for (size_t i = 0; i < n_sets; i++)
			random_set_rule(&sets[i], 1 + rnd(2 * RULES));
		compile_both(&dfa, paths, n_paths, sets, n_sets);
		for (int i = 0; i < NAMES; i++)
			check_both(&dfa, paths, n_paths, sets, n_sets);
		several += dfa.n_accepts > 2;
		dfa_clear(&dfa);
		clear_rules(paths, n_paths);
	}
	assert_true(several > ROUNDS / 2);
}

/* Still minimal, and residual classes exact: directories are compared by them, whatever else is in the automaton. */
static void test_sets_leave_paths_alone(void **state)
{
	struct set_rule sets[3] = { { .n = 5, .rights = READ, .id = 2 },
				    { .n = 3, .rights = WRITE, .id = 3 },
				    { .n = 0 } };
	static const char other[] = "\xff\xff/xy";
	struct rule paths[2];
	struct dfa dfa;

	(void)state;
	for (size_t i = 0; i < 5; i++) {
		set_add(&sets[0].sets[i], (unsigned char)other[i]);
		set_add(&sets[0].sets[i], '/');
		set_add(&sets[1].sets[i], (unsigned char)"D/y"[i % 3]);
	}
	set_rule(&paths[0], "/a/**", "D/", "", READ, 1);
	set_rule(&paths[1], "/b/**", "D/", "", READ, 4);
	compile_both(&dfa, paths, 2, sets, 2);
	assert_int_equal(rights_on(&dfa, other), READ);
	assert_int_equal(rights_on(&dfa, "/////"), READ);
	assert_int_equal(rights_on(&dfa, "////"), 0);
	assert_int_equal(rights_on(&dfa, "//////"), 0);
	assert_int_equal(rights_on(&dfa, "D/y"), WRITE);
	assert_int_equal(rights_on(&dfa, "D/y/"), 0);
	assert_int_equal(rights_on(&dfa, "D/a"), READ);
	assert_int_equal(dfa_residual(&dfa, dfa_walk(&dfa, dfa.start, "D/a", 3)),
			 dfa_residual(&dfa, dfa_walk(&dfa, dfa.start, "D/b", 3)));
	dfa_clear(&dfa);
	clear_rules(paths, 2);
}

static void test_misuse_of_sets(void **state)
{
	struct dfa_builder *builder = dfa_builder_new(NULL);
	struct byte_set set = { { 2 } };
	struct obmon_error err;

	(void)state;
	assert_int_equal(dfa_builder_add_sets(builder, &set, 1, READ, 0, &err), -1);
	assert_int_equal(err.code, OBMON_ERR_INTERNAL);
	assert_int_equal(dfa_builder_add_sets(builder, &set, 1, 1u << OBMON_RIGHT_MAX, 1, &err), -1);
	assert_int_equal(err.code, OBMON_ERR_INTERNAL);
	/* what is under no rule */
	assert_int_equal(dfa_builder_add_sets(builder, &set, 1, QUIET(READ), 0, &err), 0);
	dfa_builder_free(builder);
}

/*
 * ---- It is minimal, and residual classes are exact
 */

enum { SMALL_MAX = 4000 };

/* All states reachable, by number, and their steps on every class; 0 is dead. */
struct table {
	uint32_t n, n_classes;
	uint32_t id[SMALL_MAX];
	uint32_t step[SMALL_MAX][32];
};

static uint32_t table_find(struct table *table, uint32_t id)
{
	for (uint32_t i = 0; i < table->n; i++) {
		if (table->id[i] == id)
			return i;
	}
	assert_true(table->n < SMALL_MAX);
	table->id[table->n] = id;
	return table->n++;
}

/* @return false if the automaton is too big for this */
static bool table_init(struct table *table, const struct dfa *dfa)
{
	unsigned char byte_of[256];

	table->n = table->n_classes = 0;
	for (unsigned int byte = 0; byte < 256; byte++) {
		const uint32_t cls = dfa->columns[byte];

		byte_of[cls] = (unsigned char)byte;
		if (cls >= table->n_classes)
			table->n_classes = cls + 1;
	}
	if (table->n_classes > 32 || dfa->n_states > 300)
		return false;
	table_find(table, OBMON_DFA_DEAD);
	table_find(table, dfa->start);
	for (uint32_t i = 0; i < table->n; i++) {
		for (uint32_t cls = 0; cls < table->n_classes; cls++)
			table->step[i][cls] = table_find(table, dfa_walk(dfa, table->id[i], &byte_of[cls], 1));
	}
	return true;
}

/* Moore's algorithm, as simple as can be: refine @class_of until it doesn't change. @return how many. */
static uint32_t moore(const struct table *table, uint32_t *class_of, uint32_t n_classes)
{
	static uint32_t next[SMALL_MAX];

	for (;;) {
		uint32_t n = 0;

		for (uint32_t i = 0; i < table->n; i++) {
			uint32_t j;

			for (j = 0; j < i; j++) {
				uint32_t cls = 0;

				if (class_of[i] != class_of[j])
					continue;
				while (cls < table->n_classes &&
				       class_of[table->step[i][cls]] == class_of[table->step[j][cls]])
					cls++;
				if (cls == table->n_classes)
					break;
			}
			next[i] = j < i ? next[j] : n++;
		}
		memcpy(class_of, next, table->n * sizeof(*class_of));
		if (n == n_classes)
			return n;
		n_classes = n;
	}
}

static uint32_t initial_classes(const struct table *table, const struct dfa *dfa, bool rules, uint32_t *class_of)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < table->n; i++) {
		const struct obmon_dfa_accept *mine = dfa_accept(dfa, table->id[i]);
		uint32_t j;

		for (j = 0; j < i; j++) {
			const struct obmon_dfa_accept *other = dfa_accept(dfa, table->id[j]);

			if (effective(rights_of(dfa, table->id[i])) != effective(rights_of(dfa, table->id[j])))
				continue;
			if (!rules || mine == other || (mine && other && !memcmp(mine, other, sizeof(*mine))))
				break;
		}
		class_of[i] = j < i ? class_of[j] : n++;
	}
	return n;
}

static void check_minimal(const struct dfa *dfa, const struct table *table)
{
	static uint32_t class_of[SMALL_MAX];
	uint32_t n = initial_classes(table, dfa, true, class_of);

	assert_int_equal(table->n, dfa->n_states + 1);
	n = moore(table, class_of, n);
	assert_int_equal(n, table->n);
}

static void check_residuals(const struct dfa *dfa, const struct table *table)
{
	static uint32_t class_of[SMALL_MAX];
	uint32_t n = initial_classes(table, dfa, false, class_of);

	moore(table, class_of, n);
	for (uint32_t i = 0; i < table->n; i++) {
		for (uint32_t j = 0; j < i; j++) {
			const bool same = dfa_residual(dfa, table->id[i]) == dfa_residual(dfa, table->id[j]);

			assert_int_equal(same, class_of[i] == class_of[j]);
		}
	}
	assert_int_equal(dfa_residual(dfa, OBMON_DFA_DEAD), 0);
}

static void test_minimal(void **state)
{
	static struct table table;
	int checked = 0;

	(void)state;
	for (int set = 0; set < 600; set++) {
		struct rule rules[5];
		const size_t n = random_rules(rules, 5);
		struct dfa dfa;

		compile_rules(&dfa, rules, n);
		if (table_init(&table, &dfa)) {
			check_minimal(&dfa, &table);
			check_residuals(&dfa, &table);
			checked++;
		}
		dfa_clear(&dfa);
		clear_rules(rules, n);
	}
	assert_true(checked > 300);
}

/* Rights, not rules: what `residual` is for. On automata of any size. */
static void test_residual_walks(void **state)
{
	(void)state;
	for (int set = 0; set < 300; set++) {
		struct rule rules[8];
		const size_t n = random_rules(rules, 8);
		uint32_t states[48];
		struct dfa dfa;
		char name[512];

		compile_rules(&dfa, rules, n);
		for (size_t i = 0; i < 48; i++)
			states[i] = dfa_walk(&dfa, dfa.start, name, random_name(rules, n, name));
		for (size_t i = 0; i < 48 * 48; i++) {
			const uint32_t x = states[i / 48], y = states[i % 48];

			if (dfa_residual(&dfa, x) != dfa_residual(&dfa, y))
				continue;
			for (int k = 0; k < 8; k++) {
				const size_t length = random_path(name, 10);

				assert_int_equal(effective(rights_of(&dfa, dfa_walk(&dfa, x, name, length))),
						 effective(rights_of(&dfa, dfa_walk(&dfa, y, name, length))));
			}
		}
		dfa_clear(&dfa);
		clear_rules(rules, n);
	}
}

static void test_residual_ignores_rules(void **state)
{
	struct rule rules[4];
	struct dfa dfa;
	uint32_t x, y, z;

	(void)state;
	set_rule(&rules[0], "/x/**", "", "", READ, 1);
	set_rule(&rules[1], "/y/**", "", "", READ, 2);
	set_rule(&rules[2], "/z/**", "", "", READ, 2);
	set_rule(&rules[3], "/z/secret", "", "", WRITE, 3);
	compile_rules(&dfa, rules, 4);
	x = dfa_walk(&dfa, dfa.start, "/x", 2);
	y = dfa_walk(&dfa, dfa.start, "/y", 2);
	z = dfa_walk(&dfa, dfa.start, "/z", 2);
	assert_int_not_equal(x, y);
	assert_int_equal(dfa_residual(&dfa, x), dfa_residual(&dfa, y));
	assert_int_not_equal(dfa_residual(&dfa, y), dfa_residual(&dfa, z));
	assert_int_equal(dfa_residual(&dfa, dfa_walk(&dfa, z, "/other", 6)),
			 dfa_residual(&dfa, dfa_walk(&dfa, x, "/q", 2)));
	dfa_clear(&dfa);
	clear_rules(rules, 4);
}

/*
 * ---- The layout
 */

static void test_layout(void **state)
{
	struct rule rules[40];
	uint32_t seen = 0;
	struct dfa dfa;

	(void)state;
	for (size_t i = 0; i < 40; i++) {
		char text[96];

		snprintf(text, sizeof(text), "/r%zu/**/[!%c]*%c%c?.{py,so}", i, 'a' + (int)i % 26, 'a' + (int)i % 24,
			 'b' + (int)i % 22);
		set_rule(&rules[i], text, "", "", READ, (uint32_t)i + 1);
	}
	compile_rules(&dfa, rules, 40);
	assert_true(dfa.n_comb_pages > 0 && dfa.n_pages > dfa.n_comb_pages);
	for (uint32_t p = 0; p < dfa.n_comb_pages; p++) {
		for (uint32_t slot = 0; slot < OBMON_DFA_PAGE_SLOTS; slot++) {
			const struct obmon_dfa_entry *entry = &dfa.pages[p].entry[slot];
			const uint32_t start = (entry->check & OBMON_DFA_SLOT_MASK) - OBMON_DFA_COLS_BEFORE;

			if (entry->check == 0) {
				assert_int_equal(entry->next, 0);
				continue;
			}
			/* of a row that starts in the same page, no more than its columns before */
			assert_int_equal(entry->check >> OBMON_DFA_PAGE_SHIFT, p);
			assert_true(start <= slot && slot - start < OBMON_DFA_COLS_MAX);
			if (slot - start == OBMON_DFA_COLS_BEFORE + OBMON_DFA_COL_RESIDUAL) {
				assert_int_not_equal(entry->next, 0);
				seen++;
			}
		}
	}
	assert_int_equal(seen, dfa.n_states);
	dfa_clear(&dfa);
	clear_rules(rules, 40);
}

/* Compile names of two bytes behind a '/': the first any below @bytes, the second every fifth of all. */
static int compile_bytes(struct dfa *dfa, unsigned int bytes, struct obmon_error *err)
{
	struct dfa_builder *builder = dfa_builder_new(NULL);
	struct glob_token tokens[3] = { { .kind = GLOB_BYTE, .byte = '/' } };
	struct glob_alternative alternative = { .tokens = tokens, .n = 3, .literal = 3 };
	const struct glob glob = { .alternatives = &alternative, .n = 1 };
	int result;

	for (unsigned int byte = 0; byte < bytes; byte++) {
		tokens[1].byte = (unsigned char)byte;
		for (unsigned int other = 0; other < bytes; other += 5) {
			tokens[2].byte = (unsigned char)other;
			assert_int_equal(dfa_builder_add(builder, "", 0, &glob, "", 0, READ, byte + 1, err), 0);
		}
	}
	result = dfa_compile(dfa, builder, NULL, err);
	dfa_builder_free(builder);
	return result;
}

/* Every byte a class of its own: the widest rows that there are. */
static void test_all_bytes(void **state)
{
	enum { BYTES = 256 };
	struct obmon_error err;
	struct dfa dfa;

	(void)state;
	assert_int_equal(compile_bytes(&dfa, BYTES, &err), 0);
	for (unsigned int i = 0; i < 65536; i++) {
		const unsigned int first = i >> 8, second = i & 255;
		const unsigned char name[] = { '/', (unsigned char)first, (unsigned char)second };
		const struct obmon_dfa_accept *accept = dfa_accept(&dfa, dfa_walk(&dfa, dfa.start, name, 3));
		const bool granted = first < BYTES && second < BYTES && second % 5 == 0;

		assert_int_equal(accept ? accept->rule[0] : 0, granted ? first + 1 : 0);
	}
	dfa_clear(&dfa);
}

/*
 * ---- Size
 */

/* The promise is a second; what this guards against is minutes. Sanitizers make it several times slower. */
#ifdef __SANITIZE_ADDRESS__
#define EXPLOSION_SECONDS 20
#else
#define EXPLOSION_SECONDS 3
#endif

static double cpu_seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void large_rule(struct rule *rule, uint32_t i)
{
	char text[96];

	switch (i % 4) {
	case 0:
		snprintf(text, sizeof(text), "/srv/data/proj%05u/**", i);
		break;
	case 1:
		snprintf(text, sizeof(text), "/opt/x/%u/*.py", i);
		break;
	case 2:
		snprintf(text, sizeof(text), "/a/{b,c}/%05u-[0-9]*.log", i);
		break;
	default:
		snprintf(text, sizeof(text), "/usr/share/component-%05u/assets/file-%05u.dat", i, i * 7919 % 100000);
	}
	set_rule(rule, text, "", "", OBMON_RIGHT_BIT(i % 3), i + 1);
}

static void test_many_rules(void **state)
{
	enum { RULES = 10000 };
	struct rule *rules = calloc(RULES, sizeof(*rules));
	struct dfa dfa;
	double start;

	(void)state;
	for (uint32_t i = 0; i < RULES; i++)
		large_rule(&rules[i], i);
	start = cpu_seconds();
	compile_rules(&dfa, rules, RULES);
	print_message("10,000 rules: %u states, %u pages, %.0f ms\n", dfa.n_states, dfa.n_pages,
		      (cpu_seconds() - start) * 1e3);
	for (int i = 0; i < 100; i++) {
		struct rule *rule = &rules[rnd(RULES)];
		char name[512];

		check_name(&dfa, rules, RULES, name, sample_name(rule, name));
	}
	dfa_clear(&dfa);
	clear_rules(rules, RULES);
	free(rules);
}

/*
 * Compile with the default limits; it must be refused soon, in the name of rule @expected unless that is 0.
 */
static void check_refused(const struct rule *rules, size_t n, const struct dfa_limits *limits, uint32_t expected)
{
	struct dfa_builder *builder = dfa_builder_new(limits);
	const double start = cpu_seconds();
	struct obmon_error err;
	uint32_t culprit = 0;
	char named[32];
	struct dfa dfa;

	for (size_t i = 0; i < n; i++)
		assert_int_equal(add_rule(builder, &rules[i], &err), 0);
	assert_int_equal(dfa_compile(&dfa, builder, &culprit, &err), -1);
	assert_int_equal(err.code, OBMON_ERR_CONFIG);
	assert_null(dfa.pages);
	assert_true(cpu_seconds() - start < EXPLOSION_SECONDS);
	snprintf(named, sizeof(named), "rule %u", culprit);
	assert_non_null(strstr(err.message, named));
	if (expected)
		assert_int_equal(culprit, expected);
	else
		assert_int_not_equal(culprit, 0);
	dfa_builder_free(builder);
}

static void test_explosion(void **state)
{
	static const char *const hostile[] = {
		"/**/*a????????????????????????",
		"/**/*[ab]??????????????????????????????",
		"/*a*{?,??}*a????????????????????????b",
	};
	struct rule rules[12];

	(void)state;
	for (size_t i = 0; i < sizeof(hostile) / sizeof(*hostile); i++) {
		for (size_t k = 0; k < 10; k++)
			large_rule(&rules[k], (uint32_t)k);
		set_rule(&rules[10], "/**", "", "", READ, 11);
		set_rule(&rules[11], hostile[i], "", "", READ | WRITE, 7000);
		check_refused(rules, 12, NULL, 7000);
		clear_rules(rules, 12);
	}
}

/* Each is harmless, together they ask which of 40 words have occurred so far. */
static void test_explosion_together(void **state)
{
	struct rule rules[40];

	(void)state;
	for (uint32_t i = 0; i < 40; i++) {
		char text[96];

		snprintf(text, sizeof(text), "/**%c%c**%c", 'a' + (int)i % 26, 'a' + (int)(i * 7) % 26,
			 'a' + (int)i % 13);
		set_rule(&rules[i], text, "", "", READ, 40 - i);
	}
	check_refused(rules, 40, NULL, 0);
	clear_rules(rules, 40);
}

static void test_limits(void **state)
{
	const struct dfa_limits few = { .max_states = 50, .max_work = UINT64_MAX };
	struct rule rules[2];

	(void)state;
	set_rule(&rules[0], "/**/*a?????????", "", "", READ, 3);
	set_rule(&rules[1], "/a/b", "", "", READ, 4);
	check_refused(rules, 2, &few, 3);
	clear_rules(rules, 2);
}

/* What broad grants cover costs nothing, though it would explode by itself. */
static void test_covered(void **state)
{
	struct rule rules[3];
	struct dfa dfa;

	(void)state;
	set_rule(&rules[0], "/w/**", "", "", READ | WRITE, 1);
	set_rule(&rules[1], "/w/**/*a????????????????????????", "", "", READ, 2);
	set_rule(&rules[2], "/w/a/b/*.py", "", "", WRITE, 3);
	compile_rules(&dfa, rules, 3);
	assert_in_range(dfa.n_states, 1, 8);
	dfa_clear(&dfa);
	clear_rules(rules, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_random_rules, reseed),
		cmocka_unit_test(test_moves),
		cmocka_unit_test(test_nothing),
		cmocka_unit_test(test_rule_ids),
		cmocka_unit_test(test_misuse),
		cmocka_unit_test(test_compile_twice),
		cmocka_unit_test_setup(test_sets_of_bytes, reseed),
		cmocka_unit_test(test_sets_leave_paths_alone),
		cmocka_unit_test(test_misuse_of_sets),
		cmocka_unit_test_setup(test_minimal, reseed),
		cmocka_unit_test_setup(test_residual_walks, reseed),
		cmocka_unit_test(test_residual_ignores_rules),
		cmocka_unit_test(test_layout),
		cmocka_unit_test(test_all_bytes),
		cmocka_unit_test_setup(test_many_rules, reseed),
		cmocka_unit_test(test_explosion),
		cmocka_unit_test(test_explosion_together),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_covered),
	};

	choose_seed();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
