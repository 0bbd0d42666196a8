// SPDX-License-Identifier: Apache-2.0
/* What network resources are read as, with the conditions that go with them, whatever the text. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cap/network.h"
#include "lib/util.h"

static int read_text(struct network_resource *net, struct obmon_capability *cap, const char *text,
		     struct obmon_error *err)
{
	return obmon_capability_parse(cap, text, strlen(text), NULL, err) || network_of(net, cap, err) ? -1 : 0;
}

static void test_readings(void **state)
{
	static const struct {
		const char *text;
		enum network_kind kind;
		bool tcp, udp, private_okay;
		const char *host; /* name or address; of a socket what is parsed */
		unsigned prefix;
		uint16_t first, last;
	} cases[] = {
		{ "NETWORK_CONNECT:API.example.com:443", NETWORK_NAME, true, true, false, "api.example.com", 0, 443,
		  443 },
		{ "NETWORK_CONNECT:tcp://a.example:443", NETWORK_NAME, true, false, false, "a.example", 0, 443, 443 },
		{ "NETWORK_CONNECT:udp://a.example:*", NETWORK_NAME, false, true, false, "a.example", 0, 0, 65535 },
		{ "NETWORK_CONNECT:a.example:1-2{proto=tcp}", NETWORK_NAME, true, false, false, "a.example", 0, 1, 2 },
		{ "NETWORK_CONNECT:a.example:1-2{proto=udp}", NETWORK_NAME, false, true, false, "a.example", 0, 1, 2 },
		{ "NETWORK_CONNECT:a.example:80{private=yes}", NETWORK_NAME, true, true, true, "a.example", 0, 80, 80 },
		{ "NETWORK_CONNECT:*.A.example:80{private=yes,proto=udp}", NETWORK_SUBNAMES, false, true, true,
		  "a.example", 0, 80, 80 },
		{ "NETWORK_CONNECT:tcp://*.a.example:80{private=yes}", NETWORK_SUBNAMES, true, false, true, "a.example",
		  0, 80, 80 },
		{ "NETWORK_CONNECT:localhost:80", NETWORK_NAME, true, true, false, "localhost", 0, 80, 80 },
		{ "NETWORK_LISTEN:LOCALHOST:0", NETWORK_NAME, true, true, false, "localhost", 0, 0, 0 },
		{ "NETWORK_CONNECT:10.0.0.0/8:80{proto=tcp}", NETWORK_IPV4, true, false, false, "10.0.0.0", 8, 80, 80 },
		{ "NETWORK_CONNECT:0.0.0.0/0:*", NETWORK_IPV4, true, true, false, "0.0.0.0", 0, 0, 65535 },
		{ "NETWORK_LISTEN:0.0.0.0:8000", NETWORK_IPV4, true, true, false, "0.0.0.0", 32, 8000, 8000 },
		{ "NETWORK_LISTEN:[::]:0-65535", NETWORK_IPV6, true, true, false, "::", 128, 0, 65535 },
		{ "NETWORK_CONNECT:udp://[fd00::/8]:53", NETWORK_IPV6, false, true, false, "fd00::", 8, 53, 53 },
		{ "NETWORK_CONNECT:[fd00::]/8:53", NETWORK_IPV6, true, true, false, "fd00::", 8, 53, 53 },
		{ "NETWORK_CONNECT:[::1]:53", NETWORK_IPV6, true, true, false, "::1", 128, 53, 53 },
		{ "NETWORK_CONNECT:unix:/run/x", NETWORK_UNIX_PATH, false, false, false, "/run/x", 0, 0, 0 },
		{ "NETWORK_CONNECT:unix:@x/*", NETWORK_UNIX_ABSTRACT, false, false, false, "x/*", 0, 0, 0 },
		{ "NETWORK_LISTEN:unix:@@", NETWORK_UNIX_ABSTRACT, false, false, false, "@", 0, 0, 0 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		char address[INET6_ADDRSTRLEN] = "";
		struct network_resource net;
		struct obmon_capability cap;
		struct obmon_error err;

		if (read_text(&net, &cap, cases[i].text, &err))
			fail_msg("%s: %s", cases[i].text, err.message);
		if (net.kind != cases[i].kind || net.tcp != cases[i].tcp || net.udp != cases[i].udp ||
		    net.private_okay != cases[i].private_okay || net.first_port != cases[i].first ||
		    net.last_port != cases[i].last || net.prefix != cases[i].prefix)
			fail_msg("%s is misread", cases[i].text);
		if (net.kind == NETWORK_IPV4)
			inet_ntop(AF_INET, &net.ipv4, address, sizeof(address));
		else if (net.kind == NETWORK_IPV6)
			inet_ntop(AF_INET6, &net.ipv6, address, sizeof(address));
		else if (net.socket)
			snprintf(address, sizeof(address), "%.*s", (int)net.socket_length, net.socket);
		assert_string_equal(*address ? address : net.name, cases[i].host);
		obmon_capability_clear(&cap);
	}
}

/* A capability that wasn't parsed but made: its error says where it stands. */
static void test_error_of_a_made_one(void **state)
{
	char resource[] = "tcp://[::1", file[] = "t.yaml";
	const struct obmon_capability cap = {
		.type = OBMON_CAP_NETWORK_CONNECT,
		.resource = resource,
		.file = file,
		.line = 3,
		.column = 1,
	};
	struct network_resource net;
	struct obmon_error err = { 0 };

	(void)state;
	assert_int_equal(network_of(&net, &cap, &err), -1);
	assert_int_equal(err.code, OBMON_ERR_CONFIG);
	assert_int_equal(strncmp(err.message, "t.yaml:3:", 9), 0);
}

static void test_lengths(void **state)
{
	struct network_resource net;
	struct obmon_capability cap;
	char text[512] = "NETWORK_CONNECT:", *host = text + strlen(text);
	struct obmon_error err;
	size_t i;

	(void)state;
	/* 253 bytes in labels of up to 63. */
	for (i = 0; i < NETWORK_NAME_MAX; i++)
		host[i] = i % 64 == 63 ? '.' : 'X';
	strcpy(host + NETWORK_NAME_MAX, ":1");
	assert_int_equal(read_text(&net, &cap, text, &err), 0);
	assert_int_equal(strlen(net.name), NETWORK_NAME_MAX);
	obmon_capability_clear(&cap);
	strcpy(host + NETWORK_NAME_MAX, "X:1");
	assert_int_equal(read_text(&net, &cap, text, &err), -1);
	assert_non_null(strstr(err.message, "at most 253 bytes"));
	/* A label of 64. */
	memset(host, 'x', 64);
	strcpy(host + 64, ".a:1");
	assert_int_equal(read_text(&net, &cap, text, &err), -1);
	assert_non_null(strstr(err.message, "at most 63 bytes"));
	/* Abstract names have 107. */
	strcpy(host, "unix:@");
	memset(host + 6, 'x', 107);
	host[6 + 107] = '\0';
	assert_int_equal(read_text(&net, &cap, text, &err), 0);
	assert_int_equal(net.socket_length, 107);
	obmon_capability_clear(&cap);
	strcat(host, "x");
	assert_int_equal(read_text(&net, &cap, text, &err), -1);
	assert_non_null(strstr(err.message, "at most 107 bytes"));
}

static uint32_t random_state;

static uint32_t rnd(uint32_t bound)
{
	random_state = random_state * 1664525 + 1013904223;
	return (random_state >> 8) % bound;
}

static void append_random(char *text, size_t size)
{
	static const char *const pieces[] = {
		"tcp://", "udp://",    "unix:",    "@",    "/",        "*",           ".",
		"*.",     ":",         "[",        "]",    "::",       "1",           "0",
		"255",    "65535",     "65536",    "-",    "10.0.0.0", "::1",         "fd00::",
		"ffff",   "localhost", "a",        "Z",    "_",        "{proto=tcp}", "{private=yes}",
		"{",      "}",         "=",        ",",    "proto",    "%",           " ",
		"\\",     "?",         "\xc3\xa9", "\x01", "\xff",     "/8",          "/32",
		"/128",   ":80",       ":*",
	};
	const char *piece = pieces[rnd(ARRAY_SIZE(pieces))];

	if (strlen(text) + strlen(piece) < size)
		strcat(text, piece);
}

static bool same_reading(const struct network_resource *a, const struct network_resource *b)
{
	return a->kind == b->kind && a->tcp == b->tcp && a->udp == b->udp && a->private_okay == b->private_okay &&
	       !strcmp(a->name, b->name) && !memcmp(&a->ipv4, &b->ipv4, sizeof(a->ipv4)) &&
	       !memcmp(&a->ipv6, &b->ipv6, sizeof(a->ipv6)) && a->prefix == b->prefix &&
	       a->first_port == b->first_port && a->last_port == b->last_port;
}

/* What is read at all is read again from its canonical text, as the same; and no range is empty. */
static void check_stable(const struct obmon_capability *cap, const struct network_resource *net)
{
	_cleanup_free_ char *text = obmon_capability_format(cap), *second = NULL;
	struct network_resource again;
	struct obmon_capability cap2;
	struct obmon_error err;

	assert_non_null(text);
	assert_true(net->first_port <= net->last_port);
	if (read_text(&again, &cap2, text, &err))
		fail_msg("%s from %s: %s", text, cap->resource, err.message);
	second = obmon_capability_format(&cap2);
	if (strcmp(text, second) != 0 || !same_reading(net, &again))
		fail_msg("%s from %s is another", text, cap->resource);
	obmon_capability_clear(&cap2);
}

static void test_random_texts(void **state)
{
	enum { ROUNDS = 200000 };
	size_t read = 0;

	(void)state;
	random_state = 7;
	for (int round = 0; round < ROUNDS; round++) {
		char text[128] = "NETWORK_CONNECT:";
		struct network_resource net;
		struct obmon_capability cap;
		struct obmon_error err = { 0 };
		uint32_t n = 1 + rnd(6);

		if (rnd(4) == 0)
			strcpy(text, "NETWORK_LISTEN:");
		while (n--)
			append_random(text, sizeof(text));
		if (rnd(2))
			strcat(text, ":80");
		if (read_text(&net, &cap, text, &err)) {
			assert_int_equal(err.code, OBMON_ERR_CONFIG);
			continue;
		}
		read++;
		check_stable(&cap, &net);
		obmon_capability_clear(&cap);
	}
	assert_in_range(read, ROUNDS / 100, ROUNDS / 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_readings),
		cmocka_unit_test(test_error_of_a_made_one),
		cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_random_texts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
