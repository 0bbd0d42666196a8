// SPDX-License-Identifier: Apache-2.0
/* What a run's resolver is told of its grants. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "dns/config.h"
#include "lib/util.h"
#include "run/names.h"

static void add(struct obmon_cap_set *set, const char *text)
{
	const bool quiet = !strncmp(text, "quiet:", 6);
	struct obmon_capability cap;
	struct obmon_error err;

	text += quiet ? 6 : 0;
	if (obmon_capability_parse(&cap, text, strlen(text), NULL, &err))
		fail_msg("%s: %s", text, err.message);
	cap.quiet = quiet;
	assert_int_equal(obmon_cap_set_add(set, &cap, &err), 0);
}

static struct sockaddr_storage some_dns(void)
{
	struct sockaddr_storage dns;
	struct obmon_error err;

	assert_int_equal(config_server(&dns, "192.0.2.53:5353", &err), 0);
	return dns;
}

static void prepare(struct names_of_run *names, const char *const *texts, const struct sockaddr_storage *dns)
{
	struct obmon_cap_set set = { 0 };
	struct obmon_error err;

	*names = NAMES_CLOSED;
	for (; *texts; texts++)
		add(&set, *texts);
	if (names_prepare(names, &set, dns, &err))
		fail_msg("%s", err.message);
	/* All that is kept is a copy. */
	obmon_cap_set_clear(&set);
}

static void test_rules_and_networks(void **state)
{
	static const char *const texts[] = {
		"FILE_READ:/etc/x",
		"NETWORK_CONNECT:API.Example.com:443",
		"NETWORK_CONNECT:tcp://*.example.com:80{private=yes}",
		"NETWORK_CONNECT:10.0.0.0/8:*",
		"quiet:NETWORK_CONNECT:tracker.example:443",
		"quiet:NETWORK_CONNECT:192.168.0.0/16:*",
		"NETWORK_LISTEN:localhost:80",
		"NETWORK_LISTEN:10.1.1.1:80",
		"NETWORK_CONNECT:unix:@x",
		"NETWORK_CONNECT:[fd00::/8]:80",
		"NETWORK_CONNECT:localhost:80",
		"NETWORK_CONNECT:tcp://API.example.com:80",
		NULL,
	};
	static const struct {
		const char *name;
		bool subnames, private_okay;
		uint32_t rule;
	} rules[] = {
		{ "api.example.com", false, false, 2 },
		{ "example.com", true, true, 3 },
		{ "localhost", false, false, 11 },
		{ "api.example.com", false, false, 12 },
	};
	static const uint8_t ten[16] = { 10 }, ula[16] = { 0xfd };
	const struct sockaddr_storage dns = some_dns();
	struct names_of_run names;
	size_t i;

	(void)state;
	prepare(&names, texts, &dns);
	assert_int_equal(names.n_rules, ARRAY_SIZE(rules));
	for (i = 0; i < ARRAY_SIZE(rules); i++) {
		assert_string_equal(names.rules[i].name, rules[i].name);
		assert_int_equal(names.rules[i].subnames, rules[i].subnames);
		assert_int_equal(names.rules[i].private_okay, rules[i].private_okay);
		assert_int_equal(names.rules[i].rule, rules[i].rule);
	}
	assert_int_equal(names.n_networks, 2);
	assert_int_equal(names.networks[0].address.family, AF_INET);
	assert_int_equal(names.networks[0].prefix, 8);
	assert_memory_equal(names.networks[0].address.bytes, ten, 16);
	assert_int_equal(names.networks[1].address.family, AF_INET6);
	assert_int_equal(names.networks[1].prefix, 8);
	assert_memory_equal(names.networks[1].address.bytes, ula, 16);
	assert_true(names.udp);
	assert_int_equal(names.n_upstreams, 1);
	assert_memory_equal(&names.upstreams[0], &dns, sizeof(dns));
	names_clear_all(&names);
}

/* Whether some destination can be sent datagrams to. */
static void test_udp(void **state)
{
	static const struct {
		const char *text;
		bool udp;
	} cases[] = {
		{ "NETWORK_CONNECT:a.example:443", true },
		{ "NETWORK_CONNECT:tcp://a.example:443", false },
		{ "NETWORK_CONNECT:a.example:443{proto=tcp}", false },
		{ "NETWORK_CONNECT:a.example:443{proto=udp}", true },
		{ "NETWORK_CONNECT:udp://10.0.0.1:53", true },
		{ "NETWORK_CONNECT:tcp://10.0.0.1:53", false },
		{ "NETWORK_CONNECT:[::1]:53", true },
		{ "NETWORK_CONNECT:unix:/run/x", false },
		{ "NETWORK_CONNECT:unix:@x", false },
		{ "NETWORK_LISTEN:127.0.0.1:53", false },
		{ "quiet:NETWORK_CONNECT:a.example:443", false },
		{ "FILE_READ:/x", false },
	};
	const struct sockaddr_storage dns = some_dns();
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		const char *const texts[] = { cases[i].text, NULL };
		struct names_of_run names;

		prepare(&names, texts, &dns);
		if (names.udp != cases[i].udp)
			fail_msg("%s: UDP %d", cases[i].text, names.udp);
		names_clear_all(&names);
	}
}

/* Without names there is no resolver, and nobody to ask. */
static void test_no_names(void **state)
{
	static const char *const texts[] = { "NETWORK_CONNECT:10.0.0.1:80", "quiet:NETWORK_CONNECT:a.example:80",
					     "NETWORK_LISTEN:localhost:80", NULL },
				 *const none[] = { NULL };
	const struct sockaddr_storage dns = some_dns();
	struct names_of_run names;

	(void)state;
	prepare(&names, texts, &dns);
	assert_int_equal(names.n_rules, 0);
	assert_int_equal(names.n_networks, 1);
	assert_int_equal(names.n_upstreams, 0);
	names_clear_all(&names);
	prepare(&names, none, NULL);
	assert_int_equal(names.n_rules, 0);
	assert_int_equal(names.n_upstreams, 0);
	names_clear_all(&names);
}

/* Who isn't told otherwise asks whom the host asks. */
static void test_upstreams_of_the_host(void **state)
{
	static const char *const texts[] = { "NETWORK_CONNECT:a.example:80", NULL };
	struct sockaddr_storage servers[RESOLVER_UPSTREAMS_MAX] = { 0 };
	struct sockaddr_in *local = (struct sockaddr_in *)&servers[0];
	size_t length = 0, n;
	_cleanup_free_ char *text = read_file("/etc/resolv.conf", 1 << 20, &length);
	struct names_of_run names;

	(void)state;
	if (!text || access("/etc/hosts", F_OK))
		fail_msg("this test needs /etc/resolv.conf and /etc/hosts");
	prepare(&names, texts, NULL);
	n = config_servers(servers, text, length);
	if (!n) {
		*local = (struct sockaddr_in){ AF_INET, htons(53), { htonl(INADDR_LOOPBACK) }, {} };
		n = 1;
	}
	assert_int_equal(names.n_upstreams, n);
	for (size_t i = 0; i < n; i++)
		assert_memory_equal(&names.upstreams[i], &servers[i], sizeof(servers[i]));
	names_clear_all(&names);
}

static void test_many(void **state)
{
	enum { NAMES = 5000 };
	struct obmon_cap_set set = { 0 };
	const struct sockaddr_storage dns = some_dns();
	struct names_of_run names = NAMES_CLOSED;
	struct obmon_error err;

	(void)state;
	for (int i = 0; i < NAMES; i++) {
		_cleanup_free_ char *text = format("NETWORK_CONNECT:%sh%d.example:443", i % 3 ? "" : "*.", i);

		add(&set, text);
	}
	assert_int_equal(names_prepare(&names, &set, &dns, &err), 0);
	assert_int_equal(names.n_rules, NAMES);
	assert_string_equal(names.rules[4999].name, "h4999.example");
	assert_int_equal(names.rules[4999].rule, 5000);
	assert_int_equal(names.rules[4998].subnames, true);
	obmon_cap_set_clear(&set);
	names_clear_all(&names);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rules_and_networks),
		cmocka_unit_test(test_udp),
		cmocka_unit_test(test_no_names),
		cmocka_unit_test(test_upstreams_of_the_host),
		cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
