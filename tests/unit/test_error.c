/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "obmon/error.h"

static void test_plain(void **state)
{
	struct obmon_error err;

	(void)state;
	memset(&err, 0xff, sizeof(err));
	assert_int_equal(obmon_fail(&err, OBMON_ERR_HOST, "no %s in %d", "bpf", 7), -1);
	assert_int_equal(err.code, OBMON_ERR_HOST);
	assert_int_equal(err.errnum, 0);
	assert_string_equal(err.message, "no bpf in 7");
	assert_int_equal(obmon_fail(NULL, OBMON_ERR_HOST, "nobody listens"), -1);
}

static void test_errno(void **state)
{
	struct obmon_error err;

	(void)state;
	errno = EPERM;
	assert_int_equal(obmon_fail_errno(&err, OBMON_ERR_INTERNAL, ENOENT, "open '%s'", "/x"), -1);
	assert_int_equal(err.code, OBMON_ERR_INTERNAL);
	assert_int_equal(err.errnum, ENOENT);
	assert_string_equal(err.message, "open '/x': No such file or directory");
	assert_int_equal(errno, EPERM);
}

static void test_location(void **state)
{
	/* clang-format off */
	static const struct {
		struct obmon_location where;
		const char *message;
	} cases[] = {
		{ { "f.yaml", 3, 14 }, "f.yaml:3:14: bad" }, { { "f.yaml", 3, 0 }, "f.yaml:3: bad" },
		{ { "f.yaml", 0, 0 }, "f.yaml: bad" },	     { { "f.yaml", 0, 5 }, "f.yaml: bad" },
		{ { NULL, 0, 0 }, "bad" },		     { { NULL, 0, 5 }, "column 5: bad" },
		{ { NULL, 2, 0 }, "line 2: bad" },	     { { NULL, 2, 5 }, "line 2, column 5: bad" },
	};
	/* clang-format on */
	struct obmon_error err;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		assert_int_equal(obmon_fail_at(&err, &cases[i].where, "%s", "bad"), -1);
		assert_int_equal(err.code, OBMON_ERR_CONFIG);
		assert_string_equal(err.message, cases[i].message);
	}
	assert_int_equal(obmon_fail_at(&err, NULL, "bad"), -1);
	assert_string_equal(err.message, "bad");
}

static void test_escapes(void **state)
{
	/* clang-format off */
	static const struct {
		const char *raw, *message;
	} cases[] = {
		{ "tab\there\n", "tab\\x09here\\x0a" },
		{ "\x1b[31mred\x7f", "\\x1b[31mred\\x7f" },
		{ "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80", "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80" },
		{ "\xc2\x9b" "31m", "\\xc2\\x9b31m" }, /* U+009B, a control: CSI */
		{ "\x9b" "31m", "\\x9b31m" },
		{ "\xc0\xaf", "\\xc0\\xaf" },          /* overlong */
		{ "\xe0\x80\xaf", "\\xe0\\x80\\xaf" },
		{ "\xed\xa0\x80", "\\xed\\xa0\\x80" }, /* a surrogate */
		{ "\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80" }, /* beyond Unicode */
		{ "cut \xe2\x82", "cut \\xe2\\x82" },
		{ "\xc3(", "\\xc3(" },
		{ "", "" },
	};
	/* clang-format on */
	struct obmon_error err;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		obmon_fail(&err, OBMON_ERR_CONFIG, "%s", cases[i].raw);
		assert_string_equal(err.message, cases[i].message);
	}
	obmon_fail(&err, OBMON_ERR_CONFIG, "a%cb", 0);
	assert_string_equal(err.message, "a\\x00b");
}

/* Messages of every length about the limit, of pieces that escape to 1, 2 and 4 bytes. */
static void test_cut(void **state)
{
	static const struct {
		const char *raw;
		size_t escaped;
	} pieces[] = { { "x", 1 }, { "\xc3\xa9", 2 }, { "\n", 4 }, { "\xf0\x9f\x98\x80", 4 } };
	char raw[OBMON_ERROR_MESSAGE_MAX * 5 + 1];
	struct obmon_error err;

	(void)state;
	for (size_t p = 0; p < 4; p++) {
		for (size_t n = 1; n <= OBMON_ERROR_MESSAGE_MAX; n++) {
			const size_t length = strlen(pieces[p].raw);
			size_t got;

			for (size_t i = 0; i < n; i++)
				memcpy(raw + i * length, pieces[p].raw, length);
			raw[n * length] = '\0';
			memset(&err, 0xff, sizeof(err));
			obmon_fail(&err, OBMON_ERR_CONFIG, "%s", raw);
			got = strnlen(err.message, sizeof(err.message));
			assert_true(got < OBMON_ERROR_MESSAGE_MAX);
			if (n * pieces[p].escaped < OBMON_ERROR_MESSAGE_MAX) {
				assert_int_equal(got, n * pieces[p].escaped);
				continue;
			}
			assert_string_equal(err.message + got - 3, "...");
			assert_int_equal((got - 3) % pieces[p].escaped, 0);
			assert_true(got + pieces[p].escaped > OBMON_ERROR_MESSAGE_MAX - 4);
		}
	}
}

static void test_quotes_itself(void **state)
{
	struct obmon_error err;

	(void)state;
	obmon_fail(&err, OBMON_ERR_CONFIG, "inner");
	obmon_fail(&err, err.code, "outer: %s", err.message);
	assert_string_equal(err.message, "outer: inner");
}

static void test_exit_status(void **state)
{
	(void)state;
	assert_int_equal(obmon_exit_status(OBMON_OK), 0);
	assert_int_equal(obmon_exit_status(OBMON_ERR_CONFIG), 2);
	assert_int_equal(obmon_exit_status(OBMON_ERR_SECURITY), 5);
	assert_int_equal(obmon_exit_status(OBMON_ERR_TIMEOUT), 124);
	assert_int_equal(obmon_exit_status(OBMON_ERR_HOST), 125);
	assert_int_equal(obmon_exit_status(OBMON_ERR_INTERNAL), 125);
	assert_int_equal(obmon_exit_status(OBMON_ERR_CANNOT_RUN), 126);
	assert_int_equal(obmon_exit_status(OBMON_ERR_NOT_FOUND), 127);
	assert_int_equal(obmon_exit_status((enum obmon_error_code)99), 125);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain),       cmocka_unit_test(test_errno), cmocka_unit_test(test_location),
		cmocka_unit_test(test_escapes),     cmocka_unit_test(test_cut),   cmocka_unit_test(test_quotes_itself),
		cmocka_unit_test(test_exit_status),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
