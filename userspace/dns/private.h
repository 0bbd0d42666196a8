/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file private.h
 * Which addresses are nobody's business outside of a host or a site. A name's owner may answer with any of them
 * (DNS rebinding), and would so turn a grant about their name into one about somebody else's machine.
 */
#ifndef OBMON_DNS_PRIVATE_H
#define OBMON_DNS_PRIVATE_H

#include <stdbool.h>

#include "dns/resolver.h"
#include "obmon/abi/net.h"

enum private_scope {
	SCOPE_PUBLIC,
	SCOPE_SITE, /**< RFC 1918, RFC 6598, RFC 4193: what a site's own names have */
	SCOPE_HOST, /**< loopback, link-local, multicast, reserved, or IPv4 that isn't public in disguise */
};

enum private_scope private_scope(const struct obmon_address *address);

/** Can @host, in lower case, only be a name of the site's own, so that private addresses are what it should have? */
bool private_name(const char *host);

/** Is @address within @network? */
bool private_within(const struct obmon_address *address, const struct resolver_network *network);

#endif
