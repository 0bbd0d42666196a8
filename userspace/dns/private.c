// SPDX-License-Identifier: Apache-2.0
#include "dns/private.h"

#include <string.h>
#include <sys/socket.h>

#include "lib/util.h"

#define IPV4(a, b, c, prefix) \
	{ \
		{ AF_INET, { a, b, c } }, prefix \
	}
#define IPV6(prefix, ...) \
	{ \
		{ AF_INET6, { __VA_ARGS__ } }, prefix \
	}

static const struct resolver_network site[] = {
	IPV4(10, 0, 0, 8), IPV4(100, 64, 0, 10), IPV4(172, 16, 0, 12), IPV4(192, 168, 0, 16), IPV6(7, 0xfc),
};

static const struct resolver_network host_only[] = {
	IPV4(0, 0, 0, 8),     IPV4(127, 0, 0, 8),   IPV4(169, 254, 0, 16), IPV4(192, 0, 0, 24),
	IPV4(198, 18, 0, 15), IPV4(224, 0, 0, 4),   IPV4(240, 0, 0, 4),    IPV6(48, 0, 0x64, 0xff, 0x9b, 0, 1),
	IPV6(10, 0xfe, 0x80), IPV6(10, 0xfe, 0xc0), IPV6(8, 0xff),
};

/* Networks of IPv6 addresses that stand for the IPv4 address within them, which starts at byte `at`. */
static const struct {
	struct resolver_network network;
	unsigned at;
} embedding[] = {
	{ IPV6(96, 0), 12 }, /* :: and ::1 are here too: 0.0.0.0 and 0.0.0.1 are in 0/8 */
	{ IPV6(96, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff), 12 },
	{ IPV6(96, 0, 0x64, 0xff, 0x9b), 12 },
	{ IPV6(16, 0x20, 0x02), 2 },
};

bool private_within(const struct obmon_address *address, const struct resolver_network *network)
{
	unsigned whole = network->prefix / 8, rest = network->prefix % 8;

	if (address->family != network->address.family || memcmp(address->bytes, network->address.bytes, whole) != 0)
		return false;
	return !rest || !((address->bytes[whole] ^ network->address.bytes[whole]) >> (8 - rest));
}

static bool within_any(const struct obmon_address *address, const struct resolver_network *networks, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (private_within(address, &networks[i]))
			return true;
	return false;
}

/* The scope of @address as such, whatever may be embedded in it. */
static enum private_scope outer_scope(const struct obmon_address *address)
{
	if (within_any(address, site, ARRAY_SIZE(site)))
		return SCOPE_SITE;
	return within_any(address, host_only, ARRAY_SIZE(host_only)) ? SCOPE_HOST : SCOPE_PUBLIC;
}

enum private_scope private_scope(const struct obmon_address *address)
{
	struct obmon_address inner = { .family = AF_INET };

	for (size_t i = 0; i < ARRAY_SIZE(embedding); i++) {
		if (!private_within(address, &embedding[i].network))
			continue;
		memcpy(inner.bytes, address->bytes + embedding[i].at, 4);
		return outer_scope(&inner) == SCOPE_PUBLIC ? SCOPE_PUBLIC : SCOPE_HOST;
	}
	return outer_scope(address);
}

bool private_name(const char *host)
{
	/* RFC 6762 (with its appendix G), RFC 8375, RFC 6761, and what ICANN has set aside for private use. */
	static const char *const tops[] = { ".internal", ".local", ".lan",  ".home.arpa", ".intranet",
					    ".private",  ".corp",  ".home", ".test" };
	size_t length = strlen(host);

	if (!strchr(host, '.') || !strcmp(host, "home.arpa"))
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(tops); i++) {
		size_t n = strlen(tops[i]);

		if (length > n && !strcmp(host + length - n, tops[i]))
			return true;
	}
	return false;
}
