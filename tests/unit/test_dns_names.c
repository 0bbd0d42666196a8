// SPDX-License-Identifier: Apache-2.0
/* Which rules a name matches, and which addresses are private. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "dns/names.h"
#include "dns/private.h"
#include "lib/util.h"

/* The ids that @host matches, in ascending order, those with private_okay before a '|'. */
static const char *match(struct names *names, const char *host)
{
	static char text[256];
	struct names_match found = names_match(names, host);
	char *at = text;

	*at = '\0';
	for (uint32_t id = 1; id < 100; id++)
		for (size_t i = 0; i < found.n_private; i++)
			if (found.ids[i] == id)
				at += sprintf(at, "%u ", id);
	at += sprintf(at, "|");
	for (uint32_t id = 1; id < 100; id++)
		for (size_t i = found.n_private; i < found.n; i++)
			if (found.ids[i] == id)
				at += sprintf(at, " %u", id);
	return text;
}

static void test_match(void **state)
{
	static const struct resolver_rule rules[] = {
		{ "example.com", false, false, 1 }, { "example.com", true, false, 2 },
		{ "com", true, true, 3 },           { "example.com", false, true, 4 },
		{ "example.com", false, false, 5 }, { "a.example.com", true, false, 6 },
		{ "localhost", false, true, 7 },    { "a.example.com", false, true, 8 },
	};
	static const struct {
		const char *host, *expected;
	} cases[] = {
		{ "example.com", "3 4 | 1 5" },
		{ "x.example.com", "3 | 2" },
		{ "com", "|" },
		{ "x.com", "3 |" },
		{ "xexample.com", "3 |" },
		{ "a.example.com", "3 8 | 2" },
		{ "b.a.example.com", "3 | 2 6" },
		{ "c.b.a.example.com", "3 | 2 6" },
		{ "localhost", "7 |" },
		{ "x.localhost", "|" },
		{ "example.org", "|" },
		{ "", "|" },
		{ "example.co", "|" },
		{ "example.com.x", "|" },
	};
	struct names names;

	(void)state;
	assert_int_equal(names_index(&names, rules, ARRAY_SIZE(rules)), 0);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_string_equal(match(&names, cases[i].host), cases[i].expected);
	names_clear(&names);
	assert_int_equal(names_index(&names, NULL, 0), 0);
	assert_string_equal(match(&names, "example.com"), "|");
	names_clear(&names);
}

/* Every one of many names is found, alone; and the longest name there is, which has the most labels, is too. */
static void test_many(void **state)
{
	enum { N = 10000 };
	static struct resolver_rule rules[N];
	static char texts[N][32];
	char longest[OBMON_HOST_MAX + 1];
	struct names names;

	(void)state;
	for (unsigned i = 0; i < N; i++) {
		snprintf(texts[i], sizeof(texts[i]), "host-%u.zone-%u.example", i, i % 7);
		rules[i] = (struct resolver_rule){ texts[i], i % 2, i % 3 == 0, i + 1 };
	}
	for (size_t i = 0; i < OBMON_HOST_MAX; i++)
		longest[i] = i % 2 ? '.' : 'a';
	longest[OBMON_HOST_MAX] = '\0';
	rules[0] = (struct resolver_rule){ "a", true, false, 1 };
	assert_int_equal(names_index(&names, rules, N), 0);
	for (unsigned i = 1; i < N; i++) {
		char host[40];
		struct names_match found;

		snprintf(host, sizeof(host), "%s%s", rules[i].subnames ? "w.w." : "", texts[i]);
		found = names_match(&names, host);
		assert_int_equal(found.n, 1);
		assert_int_equal(found.ids[0], i + 1);
		assert_int_equal(found.n_private, i % 3 == 0);
	}
	assert_int_equal(names_match(&names, longest).n, 1);
	names_clear(&names);
}

static struct obmon_address parse(const char *text)
{
	struct obmon_address address = { .family = strchr(text, ':') ? AF_INET6 : AF_INET };

	assert_int_equal(inet_pton((int)address.family, text, address.bytes), 1);
	return address;
}

static void test_scopes(void **state)
{
	static const char *const public[] = {
		"1.0.0.0",       "9.255.255.255",   "11.0.0.0",         "100.63.255.255",
		"100.128.0.0",   "126.255.255.255", "128.0.0.0",        "169.253.255.255",
		"169.255.0.0",   "172.15.255.255",  "172.32.0.0",       "192.0.1.0",
		"192.0.2.1",     "192.167.255.255", "192.169.0.0",      "198.17.255.255",
		"198.20.0.0",    "223.255.255.255", "2001:db8::1",      "fbff::1",
		"::808:808",     "::ffff:8.8.8.8",  "64:ff9b::8.8.8.8", "2002:808:808::1",
		"2001::1",       "fe00::1",         "64:ff9b:2::",      "64:ff9b:0:1::7f00:1",
		"2003:7f00:1::",
	};
	static const char *const site[] = {
		"10.0.0.0",       "10.255.255.255", "100.64.0.0",      "100.127.255.255", "172.16.0.0",
		"172.31.255.255", "192.168.0.0",    "192.168.255.255", "fc00::",          "fdff:ffff::1",
	};
	static const char *const host[] = {
		"0.0.0.0",
		"0.255.255.255",
		"127.0.0.1",
		"127.255.255.255",
		"169.254.0.0",
		"169.254.169.254",
		"192.0.0.0",
		"192.0.0.255",
		"198.18.0.0",
		"198.19.255.255",
		"224.0.0.1",
		"239.255.255.255",
		"240.0.0.0",
		"255.255.255.255",
		"::",
		"::1",
		"::10.0.0.1",
		"::127.0.0.1",
		"::ffff:10.0.0.1",
		"::ffff:127.0.0.1",
		"::ffff:169.254.169.254",
		"::ffff:0.0.0.0",
		"64:ff9b::10.0.0.1",
		"64:ff9b::127.0.0.1",
		"64:ff9b:1::",
		"64:ff9b:1:ffff::8.8.8.8",
		"2002:a00:1::",
		"2002:7f00:1::1",
		"2002:a9fe:a9fe::",
		"fe80::1",
		"febf::1",
		"fec0::1",
		"feff::1",
		"ff02::1",
		"ffff::",
	};
	struct obmon_address address;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(public); i++) {
		address = parse(public[i]);
		if (private_scope(&address) != SCOPE_PUBLIC)
			fail_msg("%s", public[i]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(site); i++) {
		address = parse(site[i]);
		if (private_scope(&address) != SCOPE_SITE)
			fail_msg("%s", site[i]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(host); i++) {
		address = parse(host[i]);
		if (private_scope(&address) != SCOPE_HOST)
			fail_msg("%s", host[i]);
	}
}

static void test_private_names(void **state)
{
	static const char *const private[] = { "db",        "localhost",   "db.internal", "a.b.local",
					       "x.lan",     "x.home.arpa", "home.arpa",   "x.intranet",
					       "x.private", "x.corp",      "x.home",      "x.test" };
	static const char *const public[] = { "example.com", "internal.example.com", "xinternal.com", "x.xlan",
					      "x.arpa",      "xhome.arpa",           "x.localx",      "x.test.example" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(private); i++)
		assert_true(private_name(private[i]));
	for (size_t i = 0; i < ARRAY_SIZE(public); i++)
		assert_false(private_name(public[i]));
}

static void test_within(void **state)
{
	static const struct {
		const char *network;
		unsigned prefix;
		const char *address;
		bool within;
	} cases[] = {
		{ "10.1.0.0", 16, "10.1.255.255", true }, { "10.1.0.0", 16, "10.2.0.0", false },
		{ "10.1.0.0", 32, "10.1.0.0", true },     { "10.1.0.0", 32, "10.1.0.1", false },
		{ "0.0.0.0", 0, "255.1.2.3", true },      { "0.0.0.0", 0, "::", false },
		{ "10.1.0.128", 25, "10.1.0.255", true }, { "10.1.0.128", 25, "10.1.0.127", false },
		{ "fd00::", 8, "fdff::1", true },         { "fd00::1", 128, "fd00::1", true },
		{ "fd00::1", 128, "fd00::2", false },     { "::", 0, "10.0.0.1", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct resolver_network network = { parse(cases[i].network), cases[i].prefix };
		struct obmon_address address = parse(cases[i].address);

		assert_int_equal(private_within(&address, &network), cases[i].within);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_match),         cmocka_unit_test(test_many),   cmocka_unit_test(test_scopes),
		cmocka_unit_test(test_private_names), cmocka_unit_test(test_within),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
