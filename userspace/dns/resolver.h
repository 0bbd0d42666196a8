/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file resolver.h
 * The run's own DNS resolver: a stub that answers the names that the run's grants are about, and refuses all
 * others. Each address it answers with is first entered into the run's map of addresses, which is what the
 * kernel's programs judge connections by.
 *
 * It runs in a process of its own, which the run cannot reach other than by DNS messages: whatever such a message
 * may do to the process that reads it, that process holds nothing but its sockets and two maps of this run.
 */
#ifndef OBMON_DNS_RESOLVER_H
#define OBMON_DNS_RESOLVER_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "obmon/abi/net.h"
#include "obmon/error.h"

/** How long, in seconds, an address stays connectable after its TTL: programs look up first and connect later. */
#define RESOLVER_GRACE 10u
/** A longer TTL than this, in seconds, is taken for this. */
#define RESOLVER_TTL_MAX 86400u
/** A client has its answer, SERVFAIL if need be, within so many milliseconds. */
#define RESOLVER_BUDGET_MILLIS 5000u
/** Refusals of one name and reason are told once in so many milliseconds: A, AAAA and retries are one lookup. */
#define RESOLVER_AGAIN_MILLIS 5000u
#define RESOLVER_UPSTREAMS_MAX 3u

/** A grant about a host's name. */
struct resolver_rule {
	const char *name;  /**< lower case, no dot at the end */
	bool subnames;     /**< `*.name`: one or more labels before it, not `name` itself */
	bool private_okay; /**< answers may be private addresses (RFC 1918, RFC 4193), though never loopback */
	uint32_t rule;     /**< rule id, from 1 */
};

/** A grant about addresses: an answer within it is no rebinding. */
struct resolver_network {
	struct obmon_address address;
	unsigned prefix; /**< bits */
};

/** What a resolver works with. All is borrowed, and must outlive it. */
struct resolver_spec {
	const struct resolver_rule *rules;
	size_t n_rules;
	const struct resolver_network *networks;
	size_t n_networks;
	const struct sockaddr_storage *upstreams; /**< tried in this order; port included */
	size_t n_upstreams;
	bool answer_all; /**< audit mode: also names that no rule is about, once refuse() has let them through */
	int udp, tcp;    /**< sockets that are bound (and listen), which the run asks; they are made non-blocking */

	/**
	 * Is this the run's? @peer is where a query came from, @protocol IPPROTO_UDP or IPPROTO_TCP. Fills @asker
	 * as far as it is known. @return false for anybody else, who gets no answer.
	 */
	bool (*identify)(void *data, const struct sockaddr_storage *peer, int protocol, struct obmon_process *asker);
	/**
	 * Enter @address for @n rules under @host until @expires (CLOCK_BOOTTIME, seconds), beside what is there.
	 * @n is 0 for a name that only audit mode lets through.
	 * @return 0, or -1 when there is no room (then nothing of it is answered).
	 */
	int (*enter)(void *data, const struct obmon_address *address, const char *host, const uint32_t *rules, size_t n,
		     uint32_t expires);
	/**
	 * Report: @host was not answered, or not with @address (NULL unless @reason is OBMON_LOOKUP_PRIVATE). @again:
	 * the same was told of @host within the last RESOLVER_AGAIN_MILLIS, so that counting it is enough.
	 * @return whether it is refused (false: audit mode lets it through).
	 */
	bool (*refuse)(void *data, const char *host, enum obmon_lookup_reason reason,
		       const struct obmon_address *address, const struct obmon_process *asker, bool again);
	void *data;
};

/** Serve until @until, a descriptor, can be read or is closed at its other end. @return 0, or -1 with @err. */
int resolver_serve(const struct resolver_spec *spec, int until, struct obmon_error *err);

#endif
