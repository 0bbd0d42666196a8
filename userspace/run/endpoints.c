// SPDX-License-Identifier: Apache-2.0
#include "run/endpoints.h"

#include <string.h>

#include "lib/util.h"

#define DEVICE_BYTES 4u

/* A pattern under construction: a set for each byte of the spelling. */
struct pattern {
	struct byte_set sets[OBMON_ENDPOINT_MAX];
	size_t n;
};

static void pattern_range(struct pattern *pattern, unsigned first, unsigned last)
{
	struct byte_set *set = &pattern->sets[pattern->n++];
	unsigned byte;

	memset(set, 0, sizeof(*set));
	for (byte = first; byte <= last; byte++)
		set->bits[byte >> 6] |= UINT64_C(1) << (byte & 63);
}

static void pattern_number(struct pattern *pattern, uint32_t number)
{
	int shift;

	for (shift = 24; shift >= 0; shift -= 8)
		pattern_range(pattern, number >> shift & 0xff, number >> shift & 0xff);
}

/* An address of @size bytes of which only the first @prefix bits are given, the others being 0. */
static void pattern_address(struct pattern *pattern, const uint8_t *address, size_t size, unsigned prefix)
{
	size_t i;

	for (i = 0; i < size; i++) {
		unsigned given = prefix > 8 * i ? prefix - (unsigned)(8 * i) : 0;
		unsigned open = given >= 8 ? 0 : 0xffu >> given;

		pattern_range(pattern, address[i], address[i] | open);
	}
}

static void pattern_protocol(struct pattern *pattern, const struct network_resource *net)
{
	struct byte_set *set = &pattern->sets[pattern->n++];

	memset(set, 0, sizeof(*set));
	if (net->tcp)
		set->bits[0] |= UINT64_C(1) << IPPROTO_TCP;
	if (net->udp)
		set->bits[0] |= UINT64_C(1) << IPPROTO_UDP;
}

/* What patterns are added for. */
struct grant {
	struct dfa_builder *builder;
	const struct network_resource *net;
	uint32_t rights, rule;
	struct obmon_error *err;
};

/* Ports whose first bytes and last bytes can be chosen freely within the two ranges. */
static int add_ports(const struct grant *grant, struct pattern pattern, const unsigned high[2], const unsigned low[2])
{
	if (high[0] > high[1])
		return 0;
	pattern_range(&pattern, high[0], high[1]);
	pattern_range(&pattern, low[0], low[1]);
	return dfa_builder_add_sets(grant->builder, pattern.sets, pattern.n, grant->rights, grant->rule, grant->err);
}

/* A range of ports is at most three such: within the first high byte, between, and within the last. */
static int add_port_range(const struct grant *grant, const struct pattern *pattern)
{
	const unsigned first = grant->net->first_port, last = grant->net->last_port;
	const unsigned high[2] = { first >> 8, last >> 8 }, low[2] = { first & 0xff, last & 0xff };

	if (high[0] == high[1])
		return add_ports(grant, *pattern, high, low);
	return add_ports(grant, *pattern, (unsigned[]){ high[0], high[0] }, (unsigned[]){ low[0], 0xff }) ||
	       add_ports(grant, *pattern, (unsigned[]){ high[0] + 1, high[1] - 1 }, (unsigned[]){ 0, 0xff }) ||
	       add_ports(grant, *pattern, (unsigned[]){ high[1], high[1] }, (unsigned[]){ 0, low[1] });
}

/* @pattern is the device and the address. */
static int add_services(const struct grant *grant, struct pattern pattern)
{
	struct pattern somewhere = pattern;

	/* That an address is granted on some port only concerns rights: what is quiet isn't granted. */
	pattern_range(&somewhere, 0, 0);
	if (grant->rights & OBMON_RIGHT_BIT(OBMON_RIGHT_CONNECT) &&
	    dfa_builder_add_sets(grant->builder, somewhere.sets, somewhere.n, grant->rights, grant->rule, grant->err))
		return -1;
	pattern_protocol(&pattern, grant->net);
	return add_port_range(grant, &pattern);
}

static int add_ipv4(const struct grant *grant, const struct in_addr *address, unsigned prefix)
{
	struct pattern pattern = {};
	uint8_t bytes[sizeof(*address)];

	memcpy(bytes, address, sizeof(bytes));
	pattern_number(&pattern, OBMON_DEV_IPV4);
	pattern_address(&pattern, bytes, sizeof(bytes), prefix);
	return add_services(grant, pattern);
}

static int add_ipv6(const struct grant *grant, const struct in6_addr *address, unsigned prefix)
{
	struct pattern pattern = {};

	pattern_number(&pattern, OBMON_DEV_IPV6);
	pattern_address(&pattern, address->s6_addr, sizeof(*address), prefix);
	return add_services(grant, pattern);
}

static int add_name(const struct grant *grant)
{
	const struct in_addr loopback = { htonl(INADDR_LOOPBACK) };
	struct pattern pattern = {};

	/* RFC 6761, section 6.3: no name server is asked about it. */
	if (grant->net->kind == NETWORK_NAME && !strcmp(grant->net->name, "localhost") &&
	    (add_ipv4(grant, &loopback, 32) || add_ipv6(grant, &in6addr_loopback, 128)))
		return -1;
	pattern_number(&pattern, OBMON_DEV_NAME);
	pattern_number(&pattern, grant->rule);
	return add_services(grant, pattern);
}

static int add_abstract(const struct grant *grant)
{
	static const unsigned char prefix[DEVICE_BYTES + 1] = { OBMON_DEV_UNIX >> 24, OBMON_DEV_UNIX >> 16 & 0xff,
								OBMON_DEV_UNIX >> 8 & 0xff, OBMON_DEV_UNIX & 0xff,
								'/' };
	const struct network_resource *net = grant->net;
	_cleanup_free_ char *text = format("/@%.*s", (int)net->socket_length, net->socket);
	struct glob glob;
	int result;

	if (!text)
		return obmon_fail(grant->err, OBMON_ERR_INTERNAL, "out of memory");
	if (glob_parse(&glob, text, strlen(text), NULL, NULL, grant->err))
		return -1;
	result = dfa_builder_add(grant->builder, prefix, sizeof(prefix), &glob, "", 0, grant->rights, grant->rule,
				 grant->err);
	glob_clear(&glob);
	return result;
}

/* A socket that is bound to the unspecified address takes what comes in for any. */
static unsigned prefix_of(const struct network_resource *net, uint32_t rights, bool unspecified)
{
	const uint32_t loud = rights | rights >> OBMON_RIGHT_QUIET_SHIFT;

	return unspecified && loud & OBMON_RIGHT_BIT(OBMON_RIGHT_LISTEN) ? 0 : net->prefix;
}

int endpoints_add(struct dfa_builder *builder, const struct network_resource *net, uint32_t rights, uint32_t rule,
		  struct obmon_error *err)
{
	const struct grant grant = { builder, net, rights, rule, err };

	switch (net->kind) {
	case NETWORK_IPV4:
		return add_ipv4(&grant, &net->ipv4, prefix_of(net, rights, net->ipv4.s_addr == INADDR_ANY));
	case NETWORK_IPV6:
		return add_ipv6(&grant, &net->ipv6, prefix_of(net, rights, IN6_IS_ADDR_UNSPECIFIED(&net->ipv6)));
	case NETWORK_NAME:
	case NETWORK_SUBNAMES:
		return add_name(&grant);
	case NETWORK_UNIX_ABSTRACT:
		return add_abstract(&grant);
	case NETWORK_UNIX_PATH:
		break;
	}
	return obmon_fail(err, OBMON_ERR_INTERNAL, "rule %u: a path is no endpoint", rule);
}

void endpoints_devices(const struct dfa *dfa, uint32_t states[OBMON_DEVICES])
{
	static const uint32_t devices[OBMON_DEVICES] = {
		[OBMON_DEVICE_IPV4] = OBMON_DEV_IPV4,
		[OBMON_DEVICE_IPV6] = OBMON_DEV_IPV6,
		[OBMON_DEVICE_NAME] = OBMON_DEV_NAME,
	};
	size_t i;

	for (i = 0; i < OBMON_DEVICES; i++) {
		const uint32_t bytes = htonl(devices[i]);

		states[i] = dfa_walk(dfa, dfa->start, &bytes, sizeof(bytes));
	}
}
