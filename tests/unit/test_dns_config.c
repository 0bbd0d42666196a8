// SPDX-License-Identifier: Apache-2.0
/* resolv.conf, --dns and hosts files, well-formed and not. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "dns/config.h"
#include "lib/util.h"

/* A server as `address port` or `address%scope port`; good until the next call. */
static const char *show(const struct sockaddr_storage *server)
{
	static char text[128];
	char address[INET6_ADDRSTRLEN], scope[16] = "";
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)server;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)server;

	if (server->ss_family == AF_INET) {
		inet_ntop(AF_INET, &v4->sin_addr, address, sizeof(address));
	} else {
		assert_int_equal(server->ss_family, AF_INET6);
		inet_ntop(AF_INET6, &v6->sin6_addr, address, sizeof(address));
		if (v6->sin6_scope_id)
			snprintf(scope, sizeof(scope), "%%%u", v6->sin6_scope_id);
	}
	snprintf(text, sizeof(text), "%s%s %u", address, scope,
		 ntohs(server->ss_family == AF_INET ? v4->sin_port : v6->sin6_port));
	return text;
}

static void test_servers(void **state)
{
	static const struct {
		const char *text;
		const char *expected[RESOLVER_UPSTREAMS_MAX + 1];
	} cases[] = {
		{ "", { NULL } },
		{ "nameserver 192.0.2.1\n", { "192.0.2.1 53" } },
		{ "nameserver 192.0.2.1", { "192.0.2.1 53" } },
		{ "\tnameserver\t2001:db8::1 \r\n", { "2001:db8::1 53" } },
		{ "nameserver fe80::1%lo\n", { "fe80::1%1 53" } },
		{ "nameserver fe80::1%7\n", { "fe80::1%7 53" } },
		{ "nameserver fe80::1%nothing-such\nnameserver fe80::1%\nnameserver fe80::1%0\n", { NULL } },
		{ "# nameserver 192.0.2.1\n;nameserver 192.0.2.2\nnameserver 192.0.2.3 # here\n", { "192.0.2.3 53" } },
		{ "search example.com\noptions edns0\nnameservers 192.0.2.1\nNAMESERVER 192.0.2.2\nnameserver\n",
		  { NULL } },
		{ "nameserver 192.0.2.256\nnameserver 1.2.3\nnameserver x\nnameserver 192.0.2.1:53\nnameserver [::1]\n"
		  "nameserver ::2\n",
		  { "::2 53" } },
		{ "nameserver ::1\nnameserver ::2\nnameserver ::3\nnameserver ::4\n",
		  { "::1 53", "::2 53", "::3 53" } },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct sockaddr_storage servers[RESOLVER_UPSTREAMS_MAX];
		size_t n = config_servers(servers, cases[i].text, strlen(cases[i].text)), j;

		for (j = 0; cases[i].expected[j]; j++) {
			assert_true(j < n);
			assert_string_equal(show(&servers[j]), cases[i].expected[j]);
		}
		assert_int_equal(n, j);
	}
}

static void test_binary_servers(void **state)
{
	static const char text[] = "nameserver 192.0.2.1\0\nname\0server 192.0.2.2\n\xff\xfe\0\nnameserver 192.0.2.3\n";
	struct sockaddr_storage servers[RESOLVER_UPSTREAMS_MAX];
	_cleanup_free_ char *huge = malloc(1 << 20);

	(void)state;
	assert_int_equal(config_servers(servers, text, sizeof(text) - 1), 1);
	assert_string_equal(show(&servers[0]), "192.0.2.3 53");
	assert_non_null(huge);
	memset(huge, '1', 1 << 20);
	memcpy(huge, "nameserver ", strlen("nameserver "));
	assert_int_equal(config_servers(servers, huge, 1 << 20), 0);
}

static void test_argument(void **state)
{
	static const struct {
		const char *text, *expected;
	} cases[] = {
		{ "192.0.2.1", "192.0.2.1 53" },
		{ "192.0.2.1:5353", "192.0.2.1 5353" },
		{ "::1", "::1 53" },
		{ "[::1]", "::1 53" },
		{ "[::1]:5353", "::1 5353" },
		{ "[::1]:65535", "::1 65535" },
		{ "fe80::1%lo", "fe80::1%1 53" },
		{ "[fe80::1%lo]:99", "fe80::1%1 99" },
		{ "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8 53" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct sockaddr_storage server;
		struct obmon_error err;

		assert_int_equal(config_server(&server, cases[i].text, &err), 0);
		assert_string_equal(show(&server), cases[i].expected);
	}
}

static void test_bad_argument(void **state)
{
	static const struct {
		const char *text, *complaint;
	} cases[] = {
		{ "", "not the address of a name server" },
		{ "dns.example.com", "not the address of a name server; write 192.0.2.1, 192.0.2.1:53" },
		{ "dns.example.com:53", "not the address" },
		{ "192.0.2.1:", "'' is not a port from 1 to 65535; without a port it is 53" },
		{ "192.0.2.1:0", "'0' is not a port" },
		{ "192.0.2.1:65536", "'65536' is not a port" },
		{ "192.0.2.1: 53", "' 53' is not a port" },
		{ "192.0.2.1:53x", "'53x' is not a port" },
		{ "[::1]:", "'' is not a port" },
		{ "[::1]53", "not the address" },
		{ "[::1", "not the address" },
		{ "::1]", "not the address" },
		{ "[]", "not the address" },
		{ "[192.0.2.1]:53", "not the address" },
		{ "192.0.2.1%lo", "not the address" },
		{ "fe80::1%nothing-such", "not the address" },
		{ ":::", "not the address" },
		{ "1111:2222:3333:4444:5555:6666:7777:8888%lololololololololololololololololololo", "not the address" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct sockaddr_storage server;
		struct obmon_error err = { 0 };

		assert_int_equal(config_server(&server, cases[i].text, &err), -1);
		assert_int_equal(err.code, OBMON_ERR_CONFIG);
		assert_non_null(strstr(err.message, cases[i].complaint));
		assert_non_null(strstr(err.message, "--dns "));
	}
}

/* Hosts */

struct seen {
	char text[4096];
	size_t n, stop_after; /* 0: never */
};

static bool see(void *data, const struct obmon_address *address, const char *name)
{
	struct seen *seen = data;
	char text[INET6_ADDRSTRLEN];
	size_t used = strlen(seen->text);

	assert_non_null(inet_ntop((int)address->family, address->bytes, text, sizeof(text)));
	snprintf(seen->text + used, sizeof(seen->text) - used, "%s=%s ", text, name);
	return ++seen->n != seen->stop_after;
}

static void test_hosts(void **state)
{
	static const struct {
		const char *text, *expected;
	} cases[] = {
		{ "", "" },
		{ "127.0.0.1 localhost\n", "127.0.0.1=localhost " },
		{ "127.0.0.1 localhost", "127.0.0.1=localhost " },
		{ "192.0.2.1\tA.Example.COM  b\t\tc # d\n\n#192.0.2.2 e\n",
		  "192.0.2.1=a.example.com 192.0.2.1=b 192.0.2.1=c " },
		{ "::1 x\r\n192.0.2.1 y\r\n", "::1=x 192.0.2.1=y " },
		{ "  192.0.2.1 x.\n", "192.0.2.1=x " },
		{ "192.0.2.1\n192.0.2.1 #x\n192.0.2 y\nz 192.0.2.1\nfe80::1%lo w\n", "" },
		{ "192.0.2.1 a..b .a a.. . ok b\xc3\xa4 a,b *.x a/b under_score\n",
		  "192.0.2.1=ok 192.0.2.1=under_score " },
		{ "::ffff:192.0.2.1 mapped\n", "::ffff:192.0.2.1=mapped " },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct seen seen = { 0 };

		config_hosts(cases[i].text, strlen(cases[i].text), see, &seen);
		assert_string_equal(seen.text, cases[i].expected);
	}
}

static void test_hosts_stop(void **state)
{
	static const char text[] = "192.0.2.1 a b c\n192.0.2.2 d\n";
	struct seen seen = { .stop_after = 2 };

	(void)state;
	config_hosts(text, strlen(text), see, &seen);
	assert_string_equal(seen.text, "192.0.2.1=a 192.0.2.1=b ");
}

static void test_binary_hosts(void **state)
{
	static const char text[] = "192.0.2.1 a\0b\n192.0.2.1\0 c\n\0\0\xff\n192.0.2.2 d\n";
	size_t length = 1 << 20;
	_cleanup_free_ char *huge = malloc(length);
	struct seen seen = { 0 };

	(void)state;
	config_hosts(text, sizeof(text) - 1, see, &seen);
	assert_string_equal(seen.text, "192.0.2.2=d ");
	/* One line: an address, a name that is as long as names get, and one that is far longer. */
	assert_non_null(huge);
	memset(huge, 'n', length);
	memcpy(huge, "192.0.2.1 ", strlen("192.0.2.1 "));
	huge[strlen("192.0.2.1 ") + OBMON_HOST_MAX] = ' ';
	seen = (struct seen){ 0 };
	config_hosts(huge, length, see, &seen);
	assert_int_equal(seen.n, 1);
	assert_int_equal(strlen(seen.text), strlen("192.0.2.1= ") + OBMON_HOST_MAX);
}

static bool keep_db(void *data, const struct obmon_address *address, const char *name)
{
	(void)data;
	return !strcmp(name, "localhost") || !strcmp(name, "db.example") || address->family == AF_INET6;
}

static void test_run_hosts(void **state)
{
	static const char text[] = "127.0.0.1 localhost evil\n10.0.0.9 localhost\n192.0.2.7 DB.example other # db\n"
				   "2001:db8::2 six.example\n192.0.2.8 db.example\n";
	_cleanup_free_ char *made = config_run_hosts(text, strlen(text), keep_db, NULL);

	(void)state;
	assert_non_null(made);
	assert_string_equal(made, "127.0.0.1\tlocalhost\n::1\tlocalhost\n192.0.2.7\tdb.example\n"
				  "2001:db8::2\tsix.example\n192.0.2.8\tdb.example\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_servers),      cmocka_unit_test(test_binary_servers),
		cmocka_unit_test(test_argument),     cmocka_unit_test(test_bad_argument),
		cmocka_unit_test(test_hosts),        cmocka_unit_test(test_hosts_stop),
		cmocka_unit_test(test_binary_hosts), cmocka_unit_test(test_run_hosts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
