// SPDX-License-Identifier: Apache-2.0
/*
 * Network rules in the automaton, held against what they say, for random rules and random endpoints: the spelling of
 * endpoints is that of <obmon/abi/net.h>. Random parts print their seed; OBMON_TEST_SEED repeats a run.
 */
#include <arpa/inet.h>
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

#include "lib/util.h"
#include "obmon/abi/net.h"
#include "run/endpoints.h"
#include "run/rules.h"

#define CONNECT OBMON_RIGHT_BIT(OBMON_RIGHT_CONNECT)
#define LISTEN OBMON_RIGHT_BIT(OBMON_RIGHT_LISTEN)
#define QUIET(rights) ((rights) << OBMON_RIGHT_QUIET_SHIFT)
#define TCP IPPROTO_TCP
#define UDP IPPROTO_UDP

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

/* Bytes that are something to other devices: '/' separates components there. */
static uint8_t rnd_byte(void)
{
	static const uint8_t special[] = { '/', '/', 0, 0xff, '@', 1, 127, 10 };

	return rnd(3) ? special[rnd(sizeof(special))] : (uint8_t)rnd(256);
}

static uint16_t rnd_port(void)
{
	return rnd(8) ? (uint16_t)(rnd_byte() << 8 | rnd_byte()) : (uint16_t)rnd(65536);
}

/*
 * ---- Compiling
 */

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

static struct mounts mounts;

static int load_mounts(void **state)
{
	struct obmon_error err;

	(void)state;
	return mounts_load(&mounts, "/proc/self/mountinfo", &err);
}

static int clear_mounts(void **state)
{
	(void)state;
	mounts_clear(&mounts);
	return 0;
}

static int try_compile(struct dfa *dfa, const struct obmon_cap_set *set, struct obmon_error *err)
{
	static const char *const never[] = { NULL };

	return rules_compile(dfa, set, &mounts, "/tmp", never, err);
}

static void compile(struct dfa *dfa, const struct obmon_cap_set *set)
{
	struct obmon_error err;

	if (try_compile(dfa, set, &err))
		fail_msg("%s", err.message);
}

static const struct obmon_dfa_accept *accept_of(const struct dfa *dfa, const void *name, size_t length)
{
	return dfa_accept(dfa, dfa_walk(dfa, dfa->start, name, length));
}

/*
 * ---- Spelling
 */

struct spelled {
	size_t n;
	uint8_t bytes[OBMON_ENDPOINT_MAX + 8];
};

static void spell_bytes(struct spelled *spelled, const void *bytes, size_t n)
{
	memcpy(spelled->bytes + spelled->n, bytes, n);
	spelled->n += n;
}

static void spell_number(struct spelled *spelled, uint32_t number)
{
	const uint32_t big = htonl(number);

	spell_bytes(spelled, &big, 4);
}

/* Protocol 0 has no port. */
static void spell_service(struct spelled *spelled, unsigned protocol, unsigned port)
{
	const uint8_t bytes[] = { (uint8_t)protocol, (uint8_t)(port >> 8), (uint8_t)port };

	spell_bytes(spelled, bytes, protocol ? 3 : 1);
}

/* @address as text; a number in it is the rule of a name. */
static struct spelled spell(const char *address, unsigned protocol, unsigned port)
{
	struct spelled spelled = { 0 };
	uint8_t bytes[16];

	if (inet_pton(AF_INET, address, bytes) == 1) {
		spell_number(&spelled, OBMON_DEV_IPV4);
		spell_bytes(&spelled, bytes, 4);
	} else if (inet_pton(AF_INET6, address, bytes) == 1) {
		spell_number(&spelled, OBMON_DEV_IPV6);
		spell_bytes(&spelled, bytes, 16);
	} else {
		spell_number(&spelled, OBMON_DEV_NAME);
		spell_number(&spelled, (uint32_t)strtoul(address, NULL, 10));
	}
	spell_service(&spelled, protocol, port);
	return spelled;
}

static uint32_t rights_on(const struct dfa *dfa, const char *address, unsigned protocol, unsigned port)
{
	const struct spelled spelled = spell(address, protocol, port);
	const struct obmon_dfa_accept *accept = accept_of(dfa, spelled.bytes, spelled.n);

	return accept ? accept->rights : 0;
}

/*
 * ---- Cases
 */

#define GRANTS_MAX 4
#define ENDPOINTS_MAX 14

static const struct rights_case {
	const char *grants[GRANTS_MAX];
	struct {
		const char *address;
		unsigned protocol, port;
		uint32_t rights;
	} endpoints[ENDPOINTS_MAX];
} cases[] = {
	{ { "NETWORK_CONNECT:10.1.2.3:443" },
	  { { "10.1.2.3", TCP, 443, CONNECT },
	    { "10.1.2.3", UDP, 443, CONNECT },
	    { "10.1.2.3", 0, 0, CONNECT },
	    { "10.1.2.3", 255, 443, 0 },
	    { "10.1.2.3", IPPROTO_SCTP, 443, 0 },
	    { "10.1.2.3", TCP, 442, 0 },
	    { "10.1.2.3", TCP, 444, 0 },
	    { "10.1.2.3", TCP, 443 ^ 256, 0 },
	    { "10.1.2.2", TCP, 443, 0 },
	    { "10.1.2.2", 0, 0, 0 },
	    { "::ffff:10.1.2.3", TCP, 443, 0 } /* comes as IPv4 */,
	    { "1", TCP, 443, 0 },
	    { "0.0.0.0", TCP, 443, 0 } } },
	{ { "NETWORK_CONNECT:tcp://10.1.2.3:443" },
	  { { "10.1.2.3", TCP, 443, CONNECT }, { "10.1.2.3", UDP, 443, 0 }, { "10.1.2.3", 0, 0, CONNECT } } },
	{ { "NETWORK_CONNECT:10.1.2.3:53{proto=udp}" },
	  { { "10.1.2.3", UDP, 53, CONNECT }, { "10.1.2.3", TCP, 53, 0 }, { "10.1.2.3", 0, 0, CONNECT } } },
	{ { "NETWORK_CONNECT:10.0.0.0/8:*" },
	  { { "10.0.0.0", TCP, 1, CONNECT },
	    { "10.255.255.255", UDP, 65535, CONNECT },
	    { "10.47.47.47", TCP, 0x2f2f, CONNECT },
	    { "11.0.0.0", TCP, 1, 0 },
	    { "9.255.255.255", TCP, 1, 0 },
	    { "9.255.255.255", 0, 0, 0 } } },
	{ { "NETWORK_CONNECT:0.0.0.0/0:80" },
	  { { "255.255.255.255", TCP, 80, CONNECT },
	    { "1.2.3.4", 0, 0, CONNECT },
	    { "::1", TCP, 80, 0 },
	    { "1", TCP, 80, 0 } } },
	{ { "NETWORK_CONNECT:[::/0]:80" },
	  { { "::1", TCP, 80, CONNECT },
	    { "ffff::", 0, 0, CONNECT },
	    { "127.0.0.1", TCP, 80, 0 },
	    { "1", TCP, 80, 0 } } },
	{ { "NETWORK_CONNECT:[2001:db8:2f2e::/47]:255-513" },
	  { { "2001:db8:2f2f::1", TCP, 255, CONNECT },
	    { "2001:db8:2f2d::1", TCP, 256, 0 },
	    { "2001:db8:2f2f:ffff::", TCP, 254, 0 } } },
	{ { "NETWORK_CONNECT:10.9.8.7:255-513" },
	  { { "10.9.8.7", TCP, 254, 0 },
	    { "10.9.8.7", TCP, 255, CONNECT },
	    { "10.9.8.7", TCP, 256, CONNECT },
	    { "10.9.8.7", TCP, 511, CONNECT },
	    { "10.9.8.7", TCP, 512, CONNECT },
	    { "10.9.8.7", TCP, 513, CONNECT },
	    { "10.9.8.7", TCP, 514, 0 },
	    { "10.9.8.7", TCP, 0, 0 },
	    { "10.9.8.7", TCP, 65535, 0 } } },
	/* To connect to the unspecified address is to connect to one's own, which is judged as such. */
	{ { "NETWORK_CONNECT:0.0.0.0:80" }, { { "0.0.0.0", TCP, 80, CONNECT }, { "127.0.0.1", TCP, 80, 0 } } },
	{ { "NETWORK_LISTEN:0.0.0.0:8000" },
	  { { "0.0.0.0", TCP, 8000, LISTEN },
	    { "127.0.0.1", TCP, 8000, LISTEN },
	    { "47.47.47.47", UDP, 8000, LISTEN },
	    { "127.0.0.1", TCP, 8001, 0 },
	    { "127.0.0.1", 0, 0, 0 },
	    { "::", TCP, 8000, 0 },
	    { "::1", TCP, 8000, 0 } } },
	{ { "NETWORK_LISTEN:[::]:8000" },
	  { { "::", TCP, 8000, LISTEN },
	    { "::1", TCP, 8000, LISTEN },
	    { "::1", 0, 0, 0 },
	    { "0.0.0.0", TCP, 8000, 0 } } },
	{ { "NETWORK_LISTEN:127.0.0.1:0-1023" },
	  { { "127.0.0.1", TCP, 0, LISTEN },
	    { "127.0.0.1", TCP, 1023, LISTEN },
	    { "127.0.0.1", TCP, 1024, 0 },
	    { "0.0.0.0", TCP, 0, 0 } } },
	{ { "NETWORK_LISTEN:tcp://localhost:80" },
	  { { "127.0.0.1", TCP, 80, LISTEN },
	    { "::1", TCP, 80, LISTEN },
	    { "127.0.0.1", UDP, 80, 0 },
	    { "127.0.0.2", TCP, 80, 0 },
	    { "::", TCP, 80, 0 },
	    { "0.0.0.0", TCP, 80, 0 } } },
	{ { "NETWORK_CONNECT:LocalHost:80" },
	  { { "127.0.0.1", TCP, 80, CONNECT },
	    { "::1", UDP, 80, CONNECT },
	    { "::1", 0, 0, CONNECT },
	    { "127.0.0.1", 0, 0, CONNECT },
	    { "127.0.0.2", TCP, 80, 0 },
	    { "127.0.0.1", TCP, 81, 0 },
	    { "1", TCP, 80, CONNECT } } },
	{ { "NETWORK_CONNECT:*.localhost:80", "NETWORK_CONNECT:localhost.example:80" },
	  { { "127.0.0.1", TCP, 80, 0 }, { "::1", TCP, 80, 0 }, { "1", TCP, 80, CONNECT }, { "2", TCP, 80, CONNECT } } },
	/* Names are known by their rules' numbers. */
	{ { "NETWORK_CONNECT:a.example:80", "NETWORK_CONNECT:tcp://*.b.example:1-1024", "NETWORK_CONNECT:1.2.3.4:80" },
	  { { "1", TCP, 80, CONNECT },
	    { "1", UDP, 80, CONNECT },
	    { "1", 0, 0, CONNECT },
	    { "1", TCP, 81, 0 },
	    { "2", TCP, 80, CONNECT },
	    { "2", UDP, 80, 0 },
	    { "2", TCP, 1024, CONNECT },
	    { "2", TCP, 1025, 0 },
	    { "3", TCP, 80, 0 },
	    { "3", 0, 0, 0 },
	    { "0", TCP, 80, 0 },
	    { "256", TCP, 80, 0 },
	    { "16777216", TCP, 80, 0 } } },
	/* What is quiet is about refusals: it makes no address known, and takes no grant away. */
	{ { "quiet:NETWORK_CONNECT:10.0.0.0/8:80", "NETWORK_CONNECT:10.0.0.1:*", "NETWORK_LISTEN:10.0.0.1:80" },
	  { { "10.0.0.2", TCP, 80, QUIET(CONNECT) },
	    { "10.0.0.2", 0, 0, 0 },
	    { "10.0.0.1", TCP, 80, CONNECT | LISTEN | QUIET(CONNECT) },
	    { "10.0.0.1", TCP, 81, CONNECT },
	    { "10.0.0.1", 0, 0, CONNECT } } },
	{ { "quiet:NETWORK_LISTEN:0.0.0.0:80" },
	  { { "0.0.0.0", TCP, 80, QUIET(LISTEN) }, { "10.0.0.1", TCP, 80, QUIET(LISTEN) } } },
	{ { "quiet:NETWORK_CONNECT:tracker.example:443" }, { { "1", TCP, 443, QUIET(CONNECT) }, { "1", 0, 0, 0 } } },
	{ { NULL }, { { "127.0.0.1", TCP, 80, 0 }, { "::1", TCP, 80, 0 }, { "1", TCP, 80, 0 }, { "::1", 0, 0, 0 } } },
};

static void check_case(const struct rights_case *c)
{
	struct obmon_cap_set set = { 0 };
	struct dfa dfa;
	size_t i;

	for (i = 0; i < GRANTS_MAX && c->grants[i]; i++)
		add(&set, c->grants[i]);
	compile(&dfa, &set);
	for (i = 0; i < ENDPOINTS_MAX && c->endpoints[i].address; i++) {
		uint32_t rights =
			rights_on(&dfa, c->endpoints[i].address, c->endpoints[i].protocol, c->endpoints[i].port);

		if (rights != c->endpoints[i].rights)
			fail_msg("%s: %s, protocol %u, port %u: rights %x, not %x", c->grants[0],
				 c->endpoints[i].address, c->endpoints[i].protocol, c->endpoints[i].port, rights,
				 c->endpoints[i].rights);
	}
	assert_true(i > 0);
	dfa_clear(&dfa);
	obmon_cap_set_clear(&set);
}

static void test_cases(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++)
		check_case(&cases[i]);
}

/* Every port, for ranges whose ends are anywhere in their high bytes. */
static void test_every_port(void **state)
{
	static const struct {
		unsigned first, last;
	} ranges[] = {
		{ 1, 65535 },       { 80, 80 },       { 1, 255 },       { 256, 511 },
		{ 255, 256 },       { 255, 512 },     { 12079, 12079 }, { 12078, 12080 },
		{ 0x2e00, 0x302f }, { 65280, 65535 }, { 65535, 65535 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(ranges); i++) {
		struct obmon_cap_set set = { 0 };
		char text[64];
		struct dfa dfa;
		unsigned port;

		snprintf(text, sizeof(text), "NETWORK_CONNECT:tcp://47.0.47.0:%u-%u", ranges[i].first, ranges[i].last);
		add(&set, text);
		compile(&dfa, &set);
		for (port = 0; port < 65536; port++) {
			const bool inside = port >= ranges[i].first && port <= ranges[i].last;

			if (rights_on(&dfa, "47.0.47.0", TCP, port) != (inside ? CONNECT : 0))
				fail_msg("%s: port %u", text, port);
		}
		assert_int_equal(rights_on(&dfa, "47.0.47.0", UDP, ranges[i].first), 0);
		dfa_clear(&dfa);
		obmon_cap_set_clear(&set);
	}
}

/* Every prefix length: the addresses at the ends of the network are in it, their neighbours aren't. */
static void check_prefix(const char *close, const char *address, unsigned bits, unsigned prefix)
{
	struct obmon_cap_set set = { 0 };
	uint8_t low[16], high[16];
	char text[96], name[INET6_ADDRSTRLEN];
	const int family = bits == 32 ? AF_INET : AF_INET6;
	struct dfa dfa;
	unsigned bit;

	assert_int_equal(inet_pton(family, address, low), 1);
	for (bit = prefix; bit < bits; bit++)
		low[bit / 8] &= (uint8_t) ~(0x80 >> bit % 8);
	memcpy(high, low, sizeof(high));
	for (bit = prefix; bit < bits; bit++)
		high[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
	inet_ntop(family, low, name, sizeof(name));
	snprintf(text, sizeof(text), "NETWORK_CONNECT:%s%s/%u%s:47", *close ? "[" : "", name, prefix, close);
	add(&set, text);
	compile(&dfa, &set);
	assert_int_equal(rights_on(&dfa, name, TCP, 47), CONNECT);
	inet_ntop(family, high, name, sizeof(name));
	assert_int_equal(rights_on(&dfa, name, UDP, 47), CONNECT);
	assert_int_equal(rights_on(&dfa, name, 0, 0), CONNECT);
	for (bit = 0; bit < prefix; bit++) {
		low[bit / 8] ^= (uint8_t)(0x80 >> bit % 8);
		inet_ntop(family, low, name, sizeof(name));
		if (rights_on(&dfa, name, TCP, 47) || rights_on(&dfa, name, 0, 0))
			fail_msg("%s grants %s", text, name);
		low[bit / 8] ^= (uint8_t)(0x80 >> bit % 8);
	}
	dfa_clear(&dfa);
	obmon_cap_set_clear(&set);
}

static void test_every_prefix(void **state)
{
	unsigned prefix;

	(void)state;
	for (prefix = 0; prefix <= 32; prefix++)
		check_prefix("", "47.47.175.47", 32, prefix);
	for (prefix = 0; prefix <= 128; prefix++)
		check_prefix("]", "2f2f:2f2f:2f2f:af2f:2f2f:2f2f:2f2f:2faf", 128, prefix);
}

/* Nothing but whole spellings is accepted, whatever stands before or behind. */
static void test_other_lengths(void **state)
{
	static const char *const addresses[] = { "47.47.47.47", "2f2f::2f2f", "2" };
	struct obmon_cap_set set = { 0 };
	struct dfa dfa;
	size_t i, n;

	(void)state;
	add(&set, "NETWORK_CONNECT:0.0.0.0/0:*");
	add(&set, "NETWORK_CONNECT:a.example:*");
	add(&set, "NETWORK_CONNECT:[::/0]:*");
	add(&set, "NETWORK_LISTEN:0.0.0.0/0:*");
	add(&set, "FILE_WRITE:/**");
	compile(&dfa, &set);
	for (i = 0; i < ARRAY_SIZE(addresses); i++) {
		struct spelled spelled = spell(addresses[i], TCP, 0x2f2f), somewhere = spell(addresses[i], 0, 0);

		assert_non_null(accept_of(&dfa, spelled.bytes, spelled.n));
		memset(spelled.bytes + spelled.n, '/', sizeof(spelled.bytes) - spelled.n);
		memset(somewhere.bytes + somewhere.n, '/', sizeof(somewhere.bytes) - somewhere.n);
		for (n = 0; n < sizeof(spelled.bytes); n++) {
			if (n != spelled.n && accept_of(&dfa, spelled.bytes, n))
				fail_msg("%zu bytes of %s are accepted", n, addresses[i]);
			if (n != somewhere.n && accept_of(&dfa, somewhere.bytes, n))
				fail_msg("%zu bytes of %s without a port are accepted", n, addresses[i]);
		}
	}
	dfa_clear(&dfa);
	obmon_cap_set_clear(&set);
}

static void test_rule_numbers(void **state)
{
	const struct obmon_dfa_accept *accept;
	struct obmon_cap_set set = { 0 };
	struct spelled spelled;
	struct dfa dfa;

	(void)state;
	add(&set, "NETWORK_LISTEN:10.0.0.0/8:*");
	add(&set, "quiet:NETWORK_CONNECT:10.0.0.0/8:*");
	add(&set, "NETWORK_CONNECT:10.0.0.0/16:80");
	add(&set, "NETWORK_CONNECT:10.0.0.1:*");
	add(&set, "NETWORK_LISTEN:10.0.0.1:80");
	compile(&dfa, &set);
	spelled = spell("10.0.0.1", TCP, 80);
	accept = accept_of(&dfa, spelled.bytes, spelled.n);
	assert_non_null(accept);
	assert_int_equal(accept->rights, CONNECT | LISTEN | QUIET(CONNECT));
	assert_int_equal(accept->rule[OBMON_RIGHT_CONNECT], 3); /* of two, the first */
	assert_int_equal(accept->rule[OBMON_RIGHT_LISTEN], 1);
	spelled = spell("10.0.0.1", TCP, 81);
	accept = accept_of(&dfa, spelled.bytes, spelled.n);
	assert_int_equal(accept->rule[OBMON_RIGHT_CONNECT], 4);
	spelled = spell("10.0.0.1", 0, 0);
	accept = accept_of(&dfa, spelled.bytes, spelled.n);
	assert_int_equal(accept->rights, CONNECT);
	assert_int_equal(accept->rule[OBMON_RIGHT_CONNECT], 3);
	dfa_clear(&dfa);
	obmon_cap_set_clear(&set);
}

/*
 * ---- Random rules
 */

/* A rule as its text says it. */
struct model {
	enum { MODEL_IPV4, MODEL_IPV6, MODEL_NAME, MODEL_LOCALHOST } kind;
	bool listen, quiet, tcp, udp;
	uint8_t address[16];
	unsigned prefix, first, last;
	uint32_t rule;
};

static void random_ports(struct model *model)
{
	const unsigned least = model->listen ? 0 : 1;
	unsigned swap;

	model->first = model->last = rnd_port();
	if (rnd(2))
		model->last = rnd(4) ? model->first + rnd(600) : rnd_port();
	if (model->last > 65535)
		model->last = 65535;
	if (model->first > model->last) {
		swap = model->first;
		model->first = model->last;
		model->last = swap;
	}
	if (rnd(8) == 0) {
		model->first = 0;
		model->last = 65535;
		return;
	}
	if (model->first < least)
		model->first = least;
	if (model->last < model->first)
		model->last = model->first;
}

static bool address_is_mapped(const uint8_t address[16])
{
	static const uint8_t head[12] = { [10] = 0xff, [11] = 0xff };

	return !memcmp(address, head, sizeof(head));
}

static void random_address(struct model *model, unsigned bits)
{
	unsigned bit;

	do {
		for (bit = 0; bit < 128; bit += 8)
			model->address[bit / 8] = rnd_byte();
		model->prefix = rnd(3) ? bits - rnd(bits / 4) : rnd(bits + 1);
		if (rnd(6) == 0)
			memset(model->address, 0, sizeof(model->address));
		for (bit = model->prefix; bit < 128; bit++)
			model->address[bit / 8] &= (uint8_t) ~(0x80 >> bit % 8);
	} while (bits == 128 && address_is_mapped(model->address));
}

static void random_model(struct model *model, uint32_t rule)
{
	static const unsigned bits[] = { [MODEL_IPV4] = 32, [MODEL_IPV6] = 128 };
	const uint32_t protocol = rnd(3);

	memset(model, 0, sizeof(*model));
	model->listen = rnd(3) == 0;
	model->quiet = rnd(5) == 0;
	model->tcp = protocol != 1;
	model->udp = protocol != 2;
	model->rule = rule;
	model->kind = rnd(8) < 4 ? MODEL_IPV4 : rnd(8) < 6 ? MODEL_IPV6 : rnd(6) ? MODEL_NAME : MODEL_LOCALHOST;
	if (model->kind == MODEL_NAME && model->listen)
		model->kind = MODEL_LOCALHOST;
	random_ports(model);
	if (model->kind < MODEL_NAME)
		random_address(model, bits[model->kind]);
}

static void print_host(const struct model *model, char host[80])
{
	char name[INET6_ADDRSTRLEN], bits[8] = "";
	const bool v6 = model->kind == MODEL_IPV6;

	if (model->kind >= MODEL_NAME) {
		snprintf(host, 80, model->kind == MODEL_NAME ? "%sh%u.Example" : "localhost", rnd(2) ? "*." : "",
			 model->rule);
		return;
	}
	inet_ntop(v6 ? AF_INET6 : AF_INET, model->address, name, sizeof(name));
	if (model->prefix < (v6 ? 128 : 32) || rnd(2))
		snprintf(bits, sizeof(bits), "/%u", model->prefix);
	if (!v6)
		snprintf(host, 80, "%s%s", name, bits);
	else
		snprintf(host, 80, rnd(2) ? "[%s%s]" : "[%s]%s", name, bits);
}

/* One of the texts that say @model. */
static void print_model(const struct model *model, char text[192])
{
	const char *protocol = model->tcp ? "tcp" : "udp";
	char host[80], port[16] = "*", front[8] = "", condition[16] = "";

	print_host(model, host);
	if (model->tcp != model->udp && rnd(2))
		snprintf(front, sizeof(front), "%s://", protocol);
	else if (model->tcp != model->udp)
		snprintf(condition, sizeof(condition), "{proto=%s}", protocol);
	if (model->first == model->last && rnd(4))
		snprintf(port, sizeof(port), "%u", model->first);
	else if (model->first || model->last < 65535 || (model->listen && rnd(2)))
		snprintf(port, sizeof(port), "%u-%u", model->first, model->last);
	snprintf(text, 192, "%s%s:%s%s:%s%s", model->quiet ? "quiet:" : "",
		 model->listen ? "NETWORK_LISTEN" : "NETWORK_CONNECT", front, host, port, condition);
}

static bool is_within(const uint8_t *address, const uint8_t *network, unsigned prefix)
{
	unsigned bit;

	for (bit = 0; bit < prefix; bit++)
		if ((address[bit / 8] ^ network[bit / 8]) & (0x80 >> bit % 8))
			return false;
	return true;
}

/* Is @model about what is called @device, @address? */
static bool is_about(const struct model *model, uint32_t device, const uint8_t *address, size_t size)
{
	static const uint8_t zeros[16], loopback4[4] = { 127, 0, 0, 1 }, loopback6[16] = { [15] = 1 };
	const uint32_t rule = htonl(model->rule);
	/* Whoever listens on the unspecified address listens on all. */
	const bool all = model->listen && !memcmp(model->address, zeros, size);

	switch (device) {
	case OBMON_DEV_IPV4:
		if (model->kind == MODEL_LOCALHOST)
			return !memcmp(address, loopback4, size);
		return model->kind == MODEL_IPV4 && (all || is_within(address, model->address, model->prefix));
	case OBMON_DEV_IPV6:
		if (model->kind == MODEL_LOCALHOST)
			return !memcmp(address, loopback6, size);
		return model->kind == MODEL_IPV6 && (all || is_within(address, model->address, model->prefix));
	default:
		return model->kind >= MODEL_NAME && !memcmp(address, &rule, size);
	}
}

static uint32_t naive_rights(const struct model *model, const uint8_t *bytes, size_t n)
{
	const uint32_t right = model->listen ? LISTEN : CONNECT;
	const uint8_t *service;
	uint32_t device;
	unsigned port;
	size_t size;

	if (n < 4)
		return 0;
	memcpy(&device, bytes, 4);
	device = ntohl(device);
	size = device == OBMON_DEV_IPV6 ? 16 : 4;
	service = bytes + 4 + size;
	if ((device != OBMON_DEV_IPV4 && device != OBMON_DEV_IPV6 && device != OBMON_DEV_NAME) || n < 4 + size + 1 ||
	    !is_about(model, device, bytes + 4, size))
		return 0;
	if (n == 4 + size + 1)
		return *service == 0 && right == CONNECT && !model->quiet ? CONNECT : 0;
	if (n != 4 + size + 3 || !((*service == TCP && model->tcp) || (*service == UDP && model->udp)))
		return 0;
	port = (unsigned)service[1] << 8 | service[2];
	if (port < model->first || port > model->last)
		return 0;
	return model->quiet ? QUIET(right) : right;
}

static void naive_accept(struct obmon_dfa_accept *accept, const struct model *models, size_t n,
			 const struct spelled *spelled)
{
	size_t i;
	unsigned right;

	memset(accept, 0, sizeof(*accept));
	for (i = 0; i < n; i++) {
		const uint32_t rights = naive_rights(&models[i], spelled->bytes, spelled->n);

		accept->rights |= rights;
		for (right = 0; right < OBMON_RIGHT_MAX; right++)
			if (rights & OBMON_RIGHT_BIT(right) && !accept->rule[right])
				accept->rule[right] = models[i].rule;
	}
}

/* Near what @model says. */
static unsigned random_port_near(const struct model *model)
{
	static const int steps[] = { 0, 0, 1, -1, 256, -256 };
	const int from = (int)(rnd(2) ? model->first : model->last);

	return rnd(8) ? (unsigned)(from + steps[rnd(ARRAY_SIZE(steps))]) & 0xffff : rnd_port();
}

static void spell_address_near(struct spelled *spelled, const struct model *model, size_t size)
{
	uint8_t address[16];
	unsigned bit;

	memcpy(address, model->address, sizeof(address));
	if (model->kind == MODEL_LOCALHOST)
		memcpy(address, size == 4 ? "\x7f\0\0\x01" : "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01", size);
	for (bit = model->prefix; bit < 8 * size && model->kind != MODEL_LOCALHOST; bit++)
		if (rnd(2))
			address[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
	if (rnd(4) == 0) {
		bit = rnd((uint32_t)(8 * size));
		address[bit / 8] ^= (uint8_t)(0x80 >> bit % 8);
	}
	spell_bytes(spelled, address, size);
}

/* What the automaton is asked: mostly endpoints near to a rule, and sometimes no endpoint at all. */
static struct spelled random_endpoint(const struct model *models, size_t n)
{
	static const unsigned protocols[] = { 0, TCP, TCP, TCP, UDP, UDP, UDP, 255, IPPROTO_SCTP, '/' };
	const struct model *model = &models[rnd((uint32_t)n)];
	const bool v6 = model->kind == MODEL_IPV6 || (model->kind == MODEL_LOCALHOST && rnd(2));
	struct spelled spelled = { 0 };

	if (model->kind == MODEL_NAME || (model->kind == MODEL_LOCALHOST && rnd(3) == 0)) {
		spell_number(&spelled, OBMON_DEV_NAME);
		spell_number(&spelled, rnd(4) ? model->rule : rnd((uint32_t)n + 2));
	} else {
		spell_number(&spelled, v6 ? OBMON_DEV_IPV6 : OBMON_DEV_IPV4);
		spell_address_near(&spelled, model, v6 ? 16 : 4);
	}
	spell_service(&spelled, protocols[rnd(ARRAY_SIZE(protocols))], random_port_near(model));
	if (rnd(32) == 0)
		spelled.bytes[4 + rnd((uint32_t)spelled.n - 4)] = rnd_byte();
	if (rnd(32) == 0)
		spelled.n = rnd((uint32_t)spelled.n);
	if (rnd(32) == 0)
		spelled.bytes[spelled.n++] = rnd_byte();
	return spelled;
}

static void print_set(const struct obmon_cap_set *set)
{
	size_t i;

	for (i = 0; i < set->n; i++) {
		_cleanup_free_ char *text = obmon_capability_format(&set->items[i]);

		print_error("%zu: %s\n", i + 1, text);
	}
}

static void check_endpoint(const struct dfa *dfa, const struct obmon_cap_set *set, const struct model *models, size_t n,
			   const struct spelled *spelled)
{
	const struct obmon_dfa_accept *accept = accept_of(dfa, spelled->bytes, spelled->n);
	struct obmon_dfa_accept expected;
	char hex[2 * sizeof(spelled->bytes) + 1] = "";
	size_t i;

	naive_accept(&expected, models, n, spelled);
	if (accept ? !memcmp(accept, &expected, sizeof(expected)) : !expected.rights)
		return;
	for (i = 0; i < spelled->n; i++)
		snprintf(hex + 2 * i, 3, "%02x", spelled->bytes[i]);
	print_set(set);
	fail_msg("%s: rights %x, not %x; rules %u %u, not %u %u", hex, accept ? accept->rights : 0, expected.rights,
		 accept ? accept->rule[OBMON_RIGHT_CONNECT] : 0, accept ? accept->rule[OBMON_RIGHT_LISTEN] : 0,
		 expected.rule[OBMON_RIGHT_CONNECT], expected.rule[OBMON_RIGHT_LISTEN]);
}

static void test_random(void **state)
{
	enum { SETS = 500, RULES = 24, ENDPOINTS = 400 }; /* about 6,000 rules and 200,000 questions */
	size_t granted = 0, somewhere = 0, rules = 0;

	(void)state;
	for (int round = 0; round < SETS; round++) {
		struct obmon_cap_set set = { 0 };
		struct model models[RULES];
		const size_t n = 1 + rnd(RULES);
		struct dfa dfa;

		for (size_t i = 0; i < n; i++) {
			char text[192];

			random_model(&models[i], (uint32_t)i + 1);
			print_model(&models[i], text);
			add(&set, text);
		}
		if (rnd(4) == 0) /* in the same automaton, and nothing to endpoints */
			add(&set, "FILE_READ:/**");
		if (rnd(4) == 0)
			add(&set, "NETWORK_CONNECT:unix:@**");
		compile(&dfa, &set);
		for (int i = 0; i < ENDPOINTS; i++) {
			const struct spelled spelled = random_endpoint(models, n);

			check_endpoint(&dfa, &set, models, n, &spelled);
			if (accept_of(&dfa, spelled.bytes, spelled.n)) {
				granted++;
				somewhere += spelled.n == 4 + 4 + 1 || spelled.n == 4 + 16 + 1;
			}
		}
		rules += n;
		dfa_clear(&dfa);
		obmon_cap_set_clear(&set);
	}
	print_message("%zu rules, %d endpoints, %zu of them granted, %zu without a port\n", rules, SETS * ENDPOINTS,
		      granted, somewhere);
	/* A test that never sees a grant would test little. */
	assert_in_range(granted, SETS * ENDPOINTS / 10, SETS * ENDPOINTS * 9 / 10);
	assert_true(somewhere > SETS * ENDPOINTS / 200);
}

/*
 * ---- Abstract names
 */

static const struct abstract_case {
	const char *pattern, *name;
	size_t length; /* 0: strlen() */
	bool granted;
} abstract_cases[] = {
	{ "@x", "x", 0, true },
	{ "@x", "y", 0, false },
	{ "@x", "xx", 0, false },
	/* As it is when a program says that its address is as long as a sockaddr_un: a different name. */
	{ "@x", "x\0\0\0\0\0\0\0", 8, false },
	{ "@x*", "x\0\0\0\0\0\0\0", 8, true },
	{ "@x?", "x\0", 2, true },
	{ "@x?", "x\0\0", 3, false },
	{ "@*", "\0", 1, true },
	{ "@[!a]", "\0", 1, true },
	{ "@[!a]", "\xff", 1, true },
	{ "@a/b", "a/b", 0, true },
	{ "@a/b", "a", 0, false },
	{ "@a/*", "a/b", 0, true },
	{ "@a/*", "a/b/c", 0, false },
	{ "@a*", "a/b", 0, false },
	{ "@*", "a/b", 0, false },
	{ "@**", "a/b", 0, true },
	{ "@**", "/", 0, true },
	{ "@**", "//", 0, true },
	{ "@**", "\0/\0", 3, true },
	{ "@a/**", "a/b/c", 0, true },
	{ "@/tmp/.X11-unix/X*", "/tmp/.X11-unix/X0", 0, true },
	{ "@/tmp/.X11-unix/X*", "/tmp/.X11-unix/X0/", 0, false },
	{ "@/tmp/.X11-unix/X*", "tmp/.X11-unix/X0", 0, false },
	{ "@@", "@", 0, true },
	{ "@{a,b/c}", "b/c", 0, true },
	{ "@\\*", "*", 0, true },
	{ "@\\*", "x", 0, false },
	{ "@a:b", "a:b", 0, true },
	{ "@1.2.3.4:80", "1.2.3.4:80", 0, true },
};

static size_t spell_abstract(char bytes[128], const char *name, size_t length)
{
	memcpy(bytes, "\xff\xff\xff\x01/@", 6);
	memcpy(bytes + 6, name, length);
	return 6 + length;
}

static uint32_t rights_on_abstract(const struct dfa *dfa, const char *name, size_t length)
{
	char bytes[128];
	const size_t n = spell_abstract(bytes, name, length);
	const struct obmon_dfa_accept *accept = accept_of(dfa, bytes, n);

	return accept ? accept->rights : 0;
}

static void test_abstract_names(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(abstract_cases); i++) {
		const struct abstract_case *c = &abstract_cases[i];
		struct obmon_cap_set set = { 0 };
		uint32_t rights;
		char text[128];
		struct dfa dfa;

		snprintf(text, sizeof(text), "NETWORK_CONNECT:unix:%s", c->pattern);
		add(&set, text);
		compile(&dfa, &set);
		rights = rights_on_abstract(&dfa, c->name, c->length ? c->length : strlen(c->name));
		if (rights != (c->granted ? CONNECT : 0))
			fail_msg("%s on '%s': %x", text, c->name, rights);
		dfa_clear(&dfa);
		obmon_cap_set_clear(&set);
	}
}

/* As long as they get; by type; and a name that isn't abstract is none of theirs. */
static void test_more_abstract_names(void **state)
{
	struct obmon_cap_set set = { 0 };
	char text[192] = "NETWORK_LISTEN:unix:@", name[108];
	struct dfa dfa;

	(void)state;
	memset(name, 'n', sizeof(name));
	memcpy(text + strlen(text), name, 107);
	add(&set, text);
	add(&set, "NETWORK_CONNECT:unix:@nn*");
	add(&set, "quiet:NETWORK_CONNECT:unix:@q");
	add(&set, "quiet:NETWORK_LISTEN:unix:@q");
	compile(&dfa, &set);
	assert_int_equal(rights_on_abstract(&dfa, name, 107), CONNECT | LISTEN);
	assert_int_equal(rights_on_abstract(&dfa, name, 106), CONNECT);
	assert_int_equal(rights_on_abstract(&dfa, name, 108), CONNECT);
	assert_int_equal(rights_on_abstract(&dfa, name, 1), 0);
	assert_int_equal(rights_on_abstract(&dfa, name, 0), 0);
	assert_int_equal(rights_on_abstract(&dfa, "q", 1), QUIET(CONNECT | LISTEN));
	assert_null(accept_of(&dfa, "\xff\xff\xff\x01/nn", 7));
	assert_null(accept_of(&dfa, "\xff\xff\xff\x01@nn", 7));
	assert_null(accept_of(&dfa, "\xff\xff\xff\x04/@nn", 8));
	dfa_clear(&dfa);
	obmon_cap_set_clear(&set);
}

static void random_text(char *text, size_t n, const char *alphabet)
{
	size_t i;

	for (i = 0; i < n; i++)
		text[i] = alphabet[rnd((uint32_t)strlen(alphabet))];
	text[n] = '\0';
}

/* Against the matcher of globs, for which an abstract name is the path "/@...". @return whether it is a rule at all. */
static bool check_random_abstract(const char *pattern)
{
	struct obmon_cap_set set = { 0 };
	char text[96], path[32] = "/@";
	struct obmon_capability cap;
	struct obmon_error err;
	struct glob glob;
	struct dfa dfa;

	snprintf(text, sizeof(text), "NETWORK_CONNECT:unix:@%s", pattern);
	if (obmon_capability_parse(&cap, text, strlen(text), NULL, &err))
		return false;
	assert_int_equal(obmon_cap_set_add(&set, &cap, &err), 0);
	compile(&dfa, &set);
	snprintf(text, sizeof(text), "/@%s", pattern);
	assert_int_equal(glob_parse(&glob, text, strlen(text), NULL, NULL, &err), 0);
	for (int i = 0; i < 60; i++) {
		const size_t n = rnd(8);

		random_text(path + 2, n, "aab/*_");
		for (size_t k = 0; k < n; k++)
			path[2 + k] = path[2 + k] == '_' ? '\0' : path[2 + k];
		if ((rights_on_abstract(&dfa, path + 2, n) == CONNECT) != glob_match(&glob, path, n + 2))
			fail_msg("%s on '%s', %zu bytes", text, path, n);
	}
	glob_clear(&glob);
	dfa_clear(&dfa);
	obmon_cap_set_clear(&set);
	return true;
}

static void test_random_abstract_names(void **state)
{
	size_t rules = 0;

	(void)state;
	for (int round = 0; round < 2000; round++) {
		char pattern[16];

		random_text(pattern, 1 + rnd(7), "aab/*?*");
		rules += check_random_abstract(pattern);
	}
	assert_in_range(rules, 500, 1999);
}

/*
 * ---- The builder's side
 */

/* The number of a rule about a name has four bytes, the most significant first. */
static void test_large_rule_numbers(void **state)
{
	static const struct {
		uint32_t rule;
		const char *name;
	} rules[] = {
		{ 0x01020304, "16909060" },
		{ 0x2f2f2f2f, "791621423" },
		{ 256, "256" },
		{ 65536, "65536" },
		{ 47, "47" },
	};
	struct network_resource net = {
		.kind = NETWORK_NAME, .tcp = true, .name = "a", .first_port = 1, .last_port = 2
	};
	size_t i, k;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(rules); i++) {
		struct dfa_builder *builder = dfa_builder_new(NULL);
		struct obmon_error err;
		struct dfa dfa;

		assert_int_equal(endpoints_add(builder, &net, CONNECT, rules[i].rule, &err), 0);
		assert_int_equal(dfa_compile(&dfa, builder, NULL, &err), 0);
		for (k = 0; k < ARRAY_SIZE(rules); k++)
			assert_int_equal(rights_on(&dfa, rules[k].name, TCP, 1), k == i ? CONNECT : 0);
		dfa_clear(&dfa);
		dfa_builder_free(builder);
	}
}

/* Paths are files' names: rules_compile() adds them by their filesystems. */
static void test_paths_are_no_endpoints(void **state)
{
	struct dfa_builder *builder = dfa_builder_new(NULL);
	struct obmon_error err = { 0 };
	struct network_resource net = { .kind = NETWORK_UNIX_PATH, .socket = "/x", .socket_length = 2 };

	(void)state;
	assert_int_equal(endpoints_add(builder, &net, CONNECT, 1, &err), -1);
	assert_int_equal(err.code, OBMON_ERR_INTERNAL);
	net = (struct network_resource){ .kind = NETWORK_UNIX_ABSTRACT, .socket = "[", .socket_length = 1 };
	assert_int_equal(endpoints_add(builder, &net, CONNECT, 1, &err), -1);
	assert_int_equal(err.code, OBMON_ERR_CONFIG);
	/* A grant that is under no rule. */
	net = (struct network_resource){ .kind = NETWORK_IPV4, .tcp = true, .prefix = 32 };
	assert_int_equal(endpoints_add(builder, &net, CONNECT, 0, &err), -1);
	dfa_builder_free(builder);
}

/*
 * ---- Size
 */

static double cpu_seconds(void)
{
	return (double)clock_ns(CLOCK_PROCESS_CPUTIME_ID) / 1e9;
}

static void print_many(char text[128], unsigned kind, unsigned i)
{
	const unsigned a = rnd(65536), b = rnd(65536), c = rnd(65536), d = rnd(65536);

	switch (kind) {
	case 0:
		snprintf(text, 128, "NETWORK_CONNECT:%u.%u.%u.%u:443", a >> 8, a & 255, b >> 8, b & 255);
		break;
	case 1:
		snprintf(text, 128, "NETWORK_CONNECT:host-%u.example.com:443", i);
		break;
	case 2:
		snprintf(text, 128, "NETWORK_CONNECT:[2001:db8:%x:%x:%x:%x::1]:%u", a, b, c, d, 1 + i % 65535);
		break;
	case 3:
		snprintf(text, 128, "NETWORK_CONNECT:tcp://%u.%u.%u.0/24:%u-%u", a >> 8, a & 255, b >> 8, 1 + c / 2,
			 1 + c / 2 + d / 4);
		break;
	default:
		snprintf(text, 128, "NETWORK_LISTEN:unix:@run-%u/*", i);
		break;
	}
}

/* The set of a kind, or with 5 of all. */
static void check_many(const char *what, unsigned kind)
{
	enum { RULES = 10000 };
	struct obmon_cap_set set = { 0 };
	struct dfa dfa;
	double start;

	for (unsigned i = 0; i < RULES; i++) {
		char text[128];

		print_many(text, kind < 5 ? kind : i % 5, i);
		add(&set, text);
	}
	start = cpu_seconds();
	compile(&dfa, &set);
	print_message("10,000 rules, %s: %u states, %u pages (%u of rows), %.0f ms\n", what, dfa.n_states, dfa.n_pages,
		      dfa.n_comb_pages, (cpu_seconds() - start) * 1e3);
	/* 64 MiB: more would be no good as a kernel's map of one run. */
	assert_in_range(dfa.n_pages, 1, 2048);
	for (int i = 0; i < 200; i++) {
		const unsigned rule = rnd(RULES) + 1;
		char number[16];

		snprintf(number, sizeof(number), "%u", rule);
		if (kind == 1 || (kind == 5 && (rule - 1) % 5 == 1)) {
			assert_int_equal(rights_on(&dfa, number, TCP, 443), CONNECT);
			assert_int_equal(rights_on(&dfa, number, TCP, 80), 0);
			assert_int_equal(rights_on(&dfa, number, 0, 0), CONNECT);
		} else {
			assert_int_equal(rights_on(&dfa, number, TCP, 443), 0);
		}
	}
	dfa_clear(&dfa);
	obmon_cap_set_clear(&set);
}

static void test_many_rules(void **state)
{
	static const char *const kinds[] = {
		"IPv4 addresses", "names", "IPv6 addresses", "IPv4 networks with port ranges",
		"abstract names", "mixed",
	};
	unsigned kind;

	(void)state;
	for (kind = 0; kind < ARRAY_SIZE(kinds); kind++)
		check_many(kinds[kind], kind);
}

/* Networks within networks, each with its own ports and protocol: refused soon, or compiled and right. */
static void test_overlapping_networks(void **state)
{
	enum { RULES = 600 };
	struct obmon_cap_set set = { 0 };
	static struct model models[RULES];
	const double start = cpu_seconds();
	struct obmon_error err;
	struct dfa dfa;

	(void)state;
	for (uint32_t i = 0; i < RULES; i++) {
		char text[192];

		memset(&models[i], 0, sizeof(models[i]));
		models[i].kind = i % 2 ? MODEL_IPV6 : MODEL_IPV4;
		models[i].tcp = rnd(2);
		models[i].udp = !models[i].tcp || rnd(2);
		models[i].rule = i + 1;
		models[i].first = 1 + rnd(60000);
		models[i].last = models[i].first + rnd(5000);
		do
			models[i].prefix = 1 + rnd(i % 2 ? 126 : 31);
		while (i % 2 && models[i].prefix < 8);
		for (unsigned bit = 0; bit < models[i].prefix; bit++)
			if (i % 2 ? bit < 8 || rnd(4) == 0 : rnd(4) == 0)
				models[i].address[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
		print_model(&models[i], text);
		add(&set, text);
	}
	if (try_compile(&dfa, &set, &err)) {
		assert_int_equal(err.code, OBMON_ERR_CONFIG);
		print_message("%d networks within networks: %s\n", RULES, err.message);
	} else {
		print_message("%d networks within networks: %u states, %u pages, %.0f ms\n", RULES, dfa.n_states,
			      dfa.n_pages, (cpu_seconds() - start) * 1e3);
		for (int i = 0; i < 5000; i++) {
			const struct spelled spelled = random_endpoint(models, RULES);

			check_endpoint(&dfa, &set, models, RULES, &spelled);
		}
		dfa_clear(&dfa);
	}
	obmon_cap_set_clear(&set);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_every_port),
		cmocka_unit_test(test_every_prefix),
		cmocka_unit_test(test_other_lengths),
		cmocka_unit_test(test_rule_numbers),
		cmocka_unit_test_setup(test_random, reseed),
		cmocka_unit_test(test_abstract_names),
		cmocka_unit_test(test_more_abstract_names),
		cmocka_unit_test_setup(test_random_abstract_names, reseed),
		cmocka_unit_test(test_large_rule_numbers),
		cmocka_unit_test(test_paths_are_no_endpoints),
		cmocka_unit_test_setup(test_many_rules, reseed),
		cmocka_unit_test_setup(test_overlapping_networks, reseed),
	};

	choose_seed();
	return cmocka_run_group_tests(tests, load_mounts, clear_mounts);
}
