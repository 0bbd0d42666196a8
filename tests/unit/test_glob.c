/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Globs: tables of what matches, of what is refused and where, and of listings; and the token matcher against
 * a matcher of another kind, backtracking over the pattern's text.
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

#include "cap/glob.h"

static void parse(struct glob *glob, const char *text, const char *base)
{
	struct obmon_error err;

	if (glob_parse(glob, text, strlen(text), base, NULL, &err))
		fail_msg("%s", err.message);
}

static bool matches(const char *text, const char *base, const char *path)
{
	struct glob glob;
	bool match;

	parse(&glob, text, base);
	match = glob_match(&glob, path, strlen(path));
	glob_clear(&glob);
	return match;
}

static void test_matches(void **state)
{
	/* clang-format off */
	static const struct {
		const char *pattern, *path;
		bool match;
	} cases[] = {
		{ "/a/b", "/a/b", true }, { "/a/b", "/a/bc", false }, { "/a/b", "/a", false },
		{ "/", "/", true }, { "/", "/a", false }, { "//a/.//./b//", "/a/b", true },
		{ "/a/", "/a", true }, { "/.", "/", true }, { "/./", "/", true }, { "/.a", "/.a", true },
		{ "/...", "/...", true }, { "/a..", "/a..", true },
		/* one component */
		{ "/a/*", "/a/b", true }, { "/a/*", "/a/.b", true }, { "/a/*", "/a/", false },
		{ "/a/*", "/a", false }, { "/a/*", "/a/b/c", false }, { "/*", "/", false },
		{ "/*", "/a", true }, { "/a*", "/a", true }, { "/a*b*c", "/abc", true },
		{ "/a*b*c", "/axxbyybzc", true }, { "/a*b*c", "/ab/c", false }, { "/*.py", "/.py", true },
		{ "/a/*/c", "/a/b/c", true }, { "/a/*/c", "/a//c", false }, { "/a/*/c", "/a/c", false },
		{ "/?", "/a", true }, { "/?", "/", false }, { "/a?b", "/a/b", false },
		{ "/a?b", "/a\xff" "b", true }, { "/?*", "/a", true },
		/* any number of them */
		{ "/**", "/", true }, { "/**", "/a", true }, { "/**", "/a/b", true }, { "/a/**", "/a", true },
		{ "/a/**", "/a/b", true }, { "/a/**", "/a/b/c", true }, { "/a/**", "/ab", false },
		{ "/a/**/b", "/a/b", true }, { "/a/**/b", "/a/x/b", true }, { "/a/**/b", "/a/x/y/b", true },
		{ "/a/**/b", "/a/xb", false }, { "/a/**/b", "/ab", false }, { "/a/**/b", "/a/b/c", false },
		{ "/**/b", "/b", true }, { "/**/b", "/a/b", true }, { "/**/b", "/ab", false },
		{ "/a/**/**/b", "/a/b", true }, { "/a/**/**", "/a", true }, { "/a/**/*", "/a", false },
		{ "/a/**/*", "/a/b", true }, { "/a/**/*", "/a/b/c", true }, { "/a/**/", "/a/b", true },
		{ "/a/lib**.so", "/a/lib.so", true }, { "/a/lib**.so", "/a/lib/x/y.so", true },
		{ "/a/lib**.so", "/a/li.so", false }, { "/a/**.so", "/a/.so", true },
		{ "/a/**.so", "/a/b/c.so", true }, { "/a/**.so", "/a.so", false }, { "/a**", "/a", true },
		{ "/a**", "/ab/c", true }, { "/a**", "/b", false }, { "/x**/y", "/x/y", true },
		{ "/x**/y", "/xa/b/y", true }, { "/x**/y", "/xy", false },
		/* classes */
		{ "/[a-c]", "/b", true }, { "/[a-c]", "/d", false }, { "/[!a-c]", "/d", true },
		{ "/[!a-c]", "/a", false }, { "/[!a-c]", "/\xc3", true }, { "/x[!a]y", "/x/y", false },
		{ "/x[.-0]y", "/x/y", false }, { "/x[.-0]y", "/x.y", true }, { "/[a-]", "/-", true },
		{ "/[-a]", "/-", true }, { "/[!-a]", "/-", false }, { "/[!-a]", "/b", true },
		{ "/[a-b-]", "/-", true }, { "/[\\]]", "/]", true }, { "/[\\a-\\c]", "/b", true },
		{ "/[a!]", "/!", true }, { "/[\\^a]", "/^", true }, { "/[*?]", "/*", true },
		{ "/[*?]", "/x", false }, { "/[{,}]", "/,", true }, { "/]", "/]", true },
		{ "/[a\\-z]", "/b", false }, { "/[a\\-z]", "/-", true }, { "/[[]", "/[", true },
		{ "/[[a]", "/a", true }, { "/[*]", "/*", true }, { "/[*]", "/x", false },
		/* braces */
		{ "/{a,b}", "/a", true }, { "/{a,b}", "/b", true }, { "/{a,b}", "/ab", false },
		{ "/{a}", "/a", true }, { "/a{,b}", "/a", true }, { "/a{,b}", "/ab", true },
		{ "/{a,b{c,d{e,}}}f", "/bdef", true }, { "/{a,b{c,d{e,}}}f", "/bdf", true },
		{ "/{a,b{c,d{e,}}}f", "/bf", false }, { "/{a/b,c}/d", "/a/b/d", true },
		{ "/{a,b}{c,d}", "/bd", true }, { "/{a,b}{c,d}", "/cb", false }, { "/a{,/b}", "/a/b", true },
		{ "/a/{b,}/c", "/a/c", true }, { "/a/{,**}/c", "/a/x/y/c", true }, { "/a,b", "/a,b", true },
		{ "{/a,/b}/c", "/b/c", true }, { "/{*,x}*", "/x/y", false }, { "/{*,x}*", "/xyz", true },
		{ "/{**,x}*", "/a/b", true }, { "/{\\,,b}", "/,", true }, { "/{*,**}", "/a/b", true },
		/* escapes */
		{ "/\\*", "/*", true }, { "/\\*", "/a", false }, { "/\\a", "/a", true },
		{ "/\\\\", "/\\", true }, { "/a\\/b", "/a/b", true }, { "/\\{a\\}", "/{a}", true },
		{ "/\\[a]", "/[a]", true }, { "/\\?", "/?", true }, { "/a\nb", "/a\nb", true },
		{ "/\xc3\xa9*", "/\xc3\xa9t\xc3\xa9", true },
	};
	/* clang-format on */

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		if (matches(cases[i].pattern, NULL, cases[i].path) != cases[i].match)
			fail_msg("'%s' on '%s': expected %d", cases[i].pattern, cases[i].path, cases[i].match);
	}
}

static void test_relative(void **state)
{
	(void)state;
	assert_true(matches("src/*.py", "/ws", "/ws/src/a.py"));
	assert_false(matches("src/*.py", "/ws", "/src/a.py"));
	assert_true(matches(".", "/ws", "/ws"));
	assert_true(matches("./", "/ws/", "/ws"));
	assert_true(matches("./a", "//ws/./x/", "/ws/x/a"));
	assert_true(matches("**", "/ws", "/ws"));
	assert_true(matches("**", "/ws", "/ws/a/b"));
	assert_true(matches("**/a", "/ws", "/ws/a"));
	assert_true(matches("*", "/", "/a"));
	assert_false(matches("*", "/", "/"));
	assert_true(matches("**", "/", "/"));
	assert_true(matches("{a,b}", "/ws", "/ws/b"));
	assert_true(matches("/a", "/ws", "/a"));
	assert_true(matches("\\/a", "/ws", "/a"));
	/* the base is no glob */
	assert_true(matches("a", "/w*s/[x]/{y}", "/w*s/[x]/{y}/a"));
	assert_false(matches("a", "/w*s", "/wxs/a"));
}

static void test_errors(void **state)
{
	/* clang-format off */
	static const struct {
		const char *pattern;
		unsigned int column; /* in the pattern, from 1 */
		const char *says;
	} cases[] = {
		{ "", 1, "empty" }, { "a", 1, "doesn't begin with '/'" }, { "/..", 2, "'..'" },
		{ "/a/../b", 4, "'..'" }, { "/a/\\.\\.", 4, "'..'" }, { "/a/{.,b}.", 5, "'..'" },
		{ "/a/[.].", 4, "'..'" }, { "/a/[.]/b", 4, "match nothing" }, { "/a/***", 4, "two '*'" },
		{ "/a****b", 3, "two '*'" }, { "/[abc", 2, "isn't closed" }, { "/a[", 3, "isn't closed" },
		{ "/a[!", 3, "isn't closed" }, { "/a[b\\", 3, "isn't closed" },
		{ "/a[b-", 3, "isn't closed" }, { "/[]", 2, "empty" }, { "/[]a]", 2, "empty" },
		{ "/[!]a]", 2, "empty" }, { "/[^a]", 3, "[!...]" }, { "/x[[:alpha:]]", 4, "named classes" },
		{ "/x[a[.x.]]", 5, "named classes" }, { "/[[=a=]]", 3, "named" },
		{ "/[z-a]", 3, "backwards" }, { "/[ab-a]", 4, "backwards" }, { "/[a-c-e]", 6, "'-'" },
		{ "/[a-b-c]", 6, "'-'" }, { "/[a/b]", 4, "'/'" }, { "/[!/]", 4, "'/'" },
		{ "/[\\/]", 3, "'/'" }, { "/[a-/]", 5, "'/'" }, { "/[\xc3\xa9]", 3, "ASCII" },
		{ "/[a-\xff]", 5, "ASCII" }, { "/{a,b", 2, "isn't closed" }, { "/{a,{b}", 2, "isn't closed" },
		{ "/{a{b", 4, "isn't closed" }, { "/a}", 3, "without '{'" }, { "/{a}}", 5, "without '{'" },
		{ "/x{}", 3, "empty" }, { "/a\\", 3, "nothing follows" }, { "/{a\\", 4, "nothing follows" },
		{ "{a,/b}", 1, "some alternatives" }, { "{/a,b}", 1, "some alternatives" },
		{ "{,a}/b", 1, "some alternatives" },
	};
	/* clang-format on */
	struct obmon_error err;
	struct glob glob;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const struct obmon_location where = { "m.yaml", 7, 20 };
		const char *base = strchr("{", cases[i].pattern[0]) && cases[i].pattern[0] ? "/ws" : NULL;
		const size_t length = strlen(cases[i].pattern);
		char head[64];

		if (glob_parse(&glob, cases[i].pattern, length, base, &where, &err) != -1)
			fail_msg("'%s' is not refused", cases[i].pattern);
		assert_int_equal(err.code, OBMON_ERR_CONFIG);
		assert_null(glob.alternatives);
		snprintf(head, sizeof(head), "m.yaml:7:%u: ", 19 + cases[i].column);
		if (strncmp(err.message, head, strlen(head)) != 0 || !strstr(err.message, cases[i].says))
			fail_msg("'%s': expected %s...%s, got %s", cases[i].pattern, head, cases[i].says, err.message);
		/* and without columns */
		assert_int_equal(glob_parse(&glob, cases[i].pattern, length, base, NULL, &err), -1);
		snprintf(head, sizeof(head), "(at byte %u of the pattern)", cases[i].column);
		assert_non_null(strstr(err.message, head));
	}
}

static void test_nul(void **state)
{
	struct obmon_error err;
	struct glob glob;

	(void)state;
	assert_int_equal(glob_parse(&glob, "/a\0b", 4, NULL, NULL, &err), -1);
	assert_non_null(strstr(err.message, "at byte 3"));
}

static void test_bad_base(void **state)
{
	struct obmon_error err;
	struct glob glob;

	(void)state;
	assert_int_equal(glob_parse(&glob, "a", 1, "ws", NULL, &err), -1);
	assert_int_equal(err.code, OBMON_ERR_INTERNAL);
	assert_int_equal(glob_parse(&glob, "a", 1, "/ws/../x", NULL, &err), -1);
	assert_int_equal(err.code, OBMON_ERR_INTERNAL);
}

/* The limits, each from both sides. */
static void test_limits(void **state)
{
	char text[GLOB_LENGTH_MAX + 16] = "/", *at;
	struct obmon_error err;
	struct glob glob;

	(void)state;
	for (size_t i = 1; i < sizeof(text); i++)
		text[i] = i % 2 ? '*' : '/'; /* as many tokens as there can be */
	assert_int_equal(glob_parse(&glob, text, GLOB_LENGTH_MAX, NULL, NULL, &err), 0);
	assert_false(glob_match(&glob, text, GLOB_LENGTH_MAX - 2));
	assert_true(glob_match(&glob, text, GLOB_LENGTH_MAX));
	glob_clear(&glob);
	assert_int_equal(glob_parse(&glob, text, GLOB_LENGTH_MAX + 1, NULL, NULL, &err), -1);
	assert_non_null(strstr(err.message, "longer than"));

	/* 2 ^ 10 alternatives are allowed, 2 ^ 11 aren't */
	strcpy(text, "/");
	for (int i = 0; i < 11; i++) {
		assert_int_equal(glob_parse(&glob, text, strlen(text), NULL, NULL, &err), 0);
		assert_int_equal(glob.n, 1u << i);
		glob_clear(&glob);
		strcat(text, "{a,b}");
	}
	assert_int_equal(glob_parse(&glob, text, strlen(text), NULL, NULL, &err), -1);
	assert_non_null(strstr(err.message, "more than 1024"));

	/* nesting */
	at = stpcpy(text, "/");
	for (int i = 0; i < 40; i++)
		at = stpcpy(at, "{a,");
	for (int i = 0; i < 40; i++)
		at = stpcpy(at, "}");
	assert_int_equal(glob_parse(&glob, text, strlen(text), NULL, NULL, &err), -1);
	assert_non_null(strstr(err.message, "nested"));

	/* few braces, much text */
	at = stpcpy(text, "/{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}");
	memset(at, 'x', 1000);
	at[1000] = '\0';
	assert_int_equal(glob_parse(&glob, text, strlen(text), NULL, NULL, &err), -1);
	assert_non_null(strstr(err.message, "too much text"));
}

static void test_long_pattern_in_error(void **state)
{
	char text[1500] = "/";
	struct obmon_error err;
	struct glob glob;

	(void)state;
	memset(text + 1, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '[';
	assert_int_equal(glob_parse(&glob, text, sizeof(text), NULL, NULL, &err), -1);
	assert_non_null(strstr(err.message, "isn't closed"));
	assert_non_null(strstr(err.message, "at byte 1500"));
}

static void test_literal(void **state)
{
	/* clang-format off */
	static const struct {
		const char *pattern;
		size_t literal;
	} cases[] = {
		{ "/data/allowed.txt", 17 }, { "/src/*.py", 4 }, { "/a*", 0 }, { "/", 1 }, { "/*", 0 },
		{ "/**", 0 }, { "/a/**", 2 }, { "/a/**/b", 2 }, { "/a/b?/c", 2 }, { "/a/[*]", 4 },
		{ "/a/[ab]", 2 }, { "/**/a", 0 }, { "/a/lib**.so", 2 },
	};
	/* clang-format on */

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct glob glob;

		parse(&glob, cases[i].pattern, NULL);
		if (glob.alternatives[0].literal != cases[i].literal)
			fail_msg("'%s': literal head %zu", cases[i].pattern, glob.alternatives[0].literal);
		glob_clear(&glob);
	}
}

/* Listings are compared by what they match. */
static void test_listing(void **state)
{
	/* clang-format off */
	static const struct {
		const char *pattern;
		size_t n;
		const char *in, *out; /* paths, separated by spaces */
	} cases[] = {
		{ "/src/*.py", 1, "/src", "/ /src/a /src/a.py /srcs" },
		{ "/a/*/b.txt", 1, "/a", "/ /a/x /a/x/b.txt" },
		{ "/a/*/*.txt", 2, "/a /a/x", "/ /a/x/y /a/" },
		{ "/a/**", 1, "/a /a/x /a/x/y", "/ /ab" },
		{ "/a/**/x", 1, "/a /a/y /a/x", "/ /ab" },
		{ "/a/**/x/*.py", 1, "/a /a/y /a/x", "/" },
		{ "/x/{a,b*}/c", 1, "/x", "/ /x/a /x/b" },
		{ "/x/{a*,b*}/c", 1, "/x", "/ /x/a /x/b" },
		{ "/data/allowed.txt", 0, "", "/ /data /data/allowed.txt" },
		{ "/*", 1, "/", "/a" },
		{ "/**", 1, "/ /a /a/b", "" },
		{ "/**/x", 1, "/ /a /a/b", "" },
		{ "/*/x", 1, "/", "/a" },
		{ "/", 0, "", "/" },
		{ "/a/[bc]/d", 1, "/a", "/a/b" },
		{ "/a/[b]/d", 0, "", "/a /a/b" },
		{ "/a/?/d", 1, "/a", "/a/b" },
		{ "/a/lib**.so", 2, "/a /a/lib /a/libx /a/lib/x/y", "/ /a/li" },
		{ "/a/**.so", 1, "/a /a/x /a/x/y", "/ /ab" },
		{ "/a/*x**y", 2, "/a /a/zx /a/x/b", "/ /a/z" },
		{ "/a/*/**", 2, "/a /a/b /a/b/c", "/" },
	};
	/* clang-format on */

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct glob glob, listing;
		struct obmon_error err;

		parse(&glob, cases[i].pattern, NULL);
		assert_int_equal(glob_listing(&listing, &glob, &err), 0);
		if (listing.n != cases[i].n)
			fail_msg("'%s': %zu listings", cases[i].pattern, listing.n);
		for (int in = 0; in < 2; in++) {
			char paths[128], *rest = paths, *path;

			snprintf(paths, sizeof(paths), "%s", in ? cases[i].in : cases[i].out);
			while ((path = strsep(&rest, " "))) {
				if (*path && glob_match(&listing, path, strlen(path)) != in)
					fail_msg("'%s' about listing '%s'", cases[i].pattern, path);
			}
		}
		glob_clear(&listing);
		glob_clear(&glob);
	}
}

/*
 * ---- Against a backtracking matcher
 *
 * Of patterns without braces, whose text it follows; it shares no code with cap/glob.c. Paths are well
 * formed.
 */

static uint64_t rng;

static uint32_t rnd(uint32_t bound)
{
	rng ^= rng >> 12;
	rng ^= rng << 25;
	rng ^= rng >> 27;
	return (uint32_t)((rng * UINT64_C(2685821657736338717)) >> 32) % bound;
}

static bool match_name(const char *p, const char *s)
{
	for (; *p && *p != '/'; p++, s++) {
		if (p[0] == '*' && p[1] == '*') {
			for (;; s++) {
				if (match_name(p + 2, s))
					return true;
				if (!*s)
					return false;
			}
		}
		if (p[0] == '*') {
			for (;; s++) {
				if (match_name(p + 1, s))
					return true;
				if (!*s || *s == '/')
					return false;
			}
		}
		if (!*s || *s == '/' || (*p != '?' && *p != *s))
			return false;
	}
	/* the next component, where a `**` may stand for none; or the end */
	if (!*p)
		return !*s;
	if (strncmp(p, "/**", 3) == 0 && (p[3] == '/' || !p[3])) {
		if (*s && *s != '/')
			return false;
		for (;; s++) {
			if ((*s == '/' || !*s) && match_name(p + 3, s))
				return true;
			if (!*s)
				return false;
		}
	}
	if (*s != '/' || !s[1])
		return false;
	return match_name(p + 1, s + 1);
}

static void random_text(char *text, const char *const *pieces, uint32_t n_pieces)
{
	uint32_t components = 1 + rnd(4);

	*text = '\0';
	while (components-- > 0) {
		uint32_t n = 1 + rnd(3);

		strcat(text, "/");
		while (n-- > 0)
			strcat(text, pieces[rnd(n_pieces)]);
	}
}

/*
 * Stars that touch are either refused or mean what the text doesn't show; the matcher above wants them apart.
 */
static bool stars_touch(const char *text)
{
	return strstr(text, "***") != NULL;
}

static void test_backtracking(void **state)
{
	static const char *const pattern_pieces[] = { "a", "b", "*", "?", "**", "ab" };
	static const char *const path_pieces[] = { "a", "b", "ab", "c" };
	size_t matched = 0;

	(void)state;
	for (int i = 0; i < 60000; i++) {
		char pattern[64], path[64];
		struct glob glob;

		do
			random_text(pattern, pattern_pieces, 6);
		while (stars_touch(pattern));
		parse(&glob, pattern, NULL);
		for (int k = 0; k < 10; k++) {
			bool match;

			random_text(path, path_pieces, 4);
			match = match_name(pattern, path);
			matched += match;
			if (glob_match(&glob, path, strlen(path)) != match)
				fail_msg("'%s' on '%s': expected %d", pattern, path, match);
		}
		glob_clear(&glob);
	}
	assert_true(matched > 20000);
}

/* Whatever the bytes: no crash, and a refusal says why. */
static void test_garbage(void **state)
{
	static const char bytes[] = "/ab*?[]{},\\!-^.\xc3";

	(void)state;
	for (int i = 0; i < 200000; i++) {
		struct glob glob, listing;
		struct obmon_error err;
		char text[24];
		const size_t n = rnd(sizeof(text));

		for (size_t k = 0; k < n; k++)
			text[k] = bytes[rnd(sizeof(bytes))];
		err.message[0] = '\0';
		if (glob_parse(&glob, text, n, "/ws", NULL, &err)) {
			assert_true(err.message[0] != '\0');
			assert_int_equal(err.code, OBMON_ERR_CONFIG);
			continue;
		}
		assert_true(glob.n > 0);
		for (size_t k = 0; k < glob.n; k++) {
			assert_true(glob.alternatives[k].n > 0);
			assert_int_equal(glob.alternatives[k].tokens[0].byte, '/');
		}
		assert_int_equal(glob_listing(&listing, &glob, &err), 0);
		glob_clear(&listing);
		glob_clear(&glob);
	}
}

static void choose_seed(void)
{
	const char *text = getenv("OBMON_TEST_SEED");

	rng = text ? strtoull(text, NULL, 0) : (uint64_t)time(NULL) * UINT64_C(0x9e3779b97f4a7c15);
	if (!rng)
		rng = 1;
	printf("OBMON_TEST_SEED=%" PRIu64 "\n", rng);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_matches),
		cmocka_unit_test(test_relative),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_nul),
		cmocka_unit_test(test_bad_base),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_long_pattern_in_error),
		cmocka_unit_test(test_literal),
		cmocka_unit_test(test_listing),
		cmocka_unit_test(test_backtracking),
		cmocka_unit_test(test_garbage),
	};

	choose_seed();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
