/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file network.h
 * Network resources: `[tcp://|udp://]host:port`, `unix:/path` and `unix:@abstract`.
 *
 *   host: `name`, `*.name` (one or more labels), IPv4, IPv4/bits, `[IPv6]`, `[IPv6/bits]` (or `[IPv6]/bits`)
 *   port: a number, `first-last`, or `*`
 */
#ifndef OBMON_CAP_NETWORK_H
#define OBMON_CAP_NETWORK_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/un.h>

#include "cap/types.h"

enum network_kind {
	NETWORK_NAME,          /**< `name` */
	NETWORK_SUBNAMES,      /**< `*.name`: `name` without the "*." */
	NETWORK_IPV4,          /**< `ipv4`, `prefix` */
	NETWORK_IPV6,          /**< `ipv6`, `prefix` */
	NETWORK_UNIX_PATH,     /**< `socket`: an absolute path glob */
	NETWORK_UNIX_ABSTRACT, /**< `socket`: the name, without the '@' */
};

/** Longest host name in text form, without the NUL. */
#define NETWORK_NAME_MAX 253

struct network_resource {
	enum network_kind kind;
	bool tcp, udp;                   /**< both where the text doesn't say; neither for unix sockets */
	bool private_okay;               /**< of a name: it may have private addresses */
	char name[NETWORK_NAME_MAX + 1]; /**< in lower case */
	struct in_addr ipv4;
	struct in6_addr ipv6;
	unsigned prefix;                /**< 32 or 128 for a single address */
	uint16_t first_port, last_port; /**< 0 to 65535 for `*` */
	const char *socket;             /**< borrowed from the text that was parsed, not NUL-terminated */
	size_t socket_length;
};

/** Parse @text as the resource of a capability of @type, NETWORK_CONNECT or NETWORK_LISTEN. */
int network_parse(struct network_resource *net, const struct cap_span *text, enum obmon_cap_type type,
		  struct obmon_error *err);

/** Parse the resource of @cap, with its conditions. An error names where it was written. */
int network_of(struct network_resource *net, const struct obmon_capability *cap, struct obmon_error *err);

/** Longest formatted resource that isn't a unix socket, with its NUL. */
#define NETWORK_FORMAT_MAX (NETWORK_NAME_MAX + 32)

/** The one canonical spelling of @net, which isn't a unix socket. */
void network_format(char text[NETWORK_FORMAT_MAX], const struct network_resource *net);

#endif
