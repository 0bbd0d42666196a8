/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file upstream.h
 * One question to the host's name servers, in as many attempts as it takes and time allows. Each attempt has a
 * socket of its own, so that it has a port of its own that a forged reply would have to guess.
 */
#ifndef OBMON_DNS_UPSTREAM_H
#define OBMON_DNS_UPSTREAM_H

#include <stdbool.h> /* before ldns, which else makes bool a signed char */

#include <ldns/ldns.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "dns/loop.h"

/** The servers, and what all questions share. */
struct upstream {
	struct loop *loop;
	const struct sockaddr_storage *servers;
	size_t n_servers;
	ldns_buffer *out; /* scratch for a question */
	uint8_t *in;      /* scratch for a datagram */
	size_t n_tcp;     /* attempts over TCP under way */
};

/** @return 0, or -1 when out of memory; upstream_close() in either case. */
int upstream_open(struct upstream *upstream, struct loop *loop, const struct sockaddr_storage *servers, size_t n);
void upstream_close(struct upstream *upstream);

/** A question. */
struct upstream_ask {
	struct upstream *upstream;
	const ldns_rdf *name;
	ldns_rr_type type;
	uint64_t deadline; /**< of the whole, in the loop's time */
	/** Called once: @reply is NOERROR or NXDOMAIN and becomes the owner's; NULL if there is none. May free the ask. */
	void (*done)(void *owner, ldns_pkt *reply);
	void *owner;

	/* The attempt. */
	struct watch watch;
	int fd;
	uint16_t id;
	bool no_edns;
	unsigned attempt; /* from 0 */
	uint64_t due;     /* when it is given up */
	uint8_t *stream;  /* over TCP: length and reply as far as they have come; NULL over UDP */
	size_t n_stream;
	bool sent; /* over TCP */
};

/** Ask what is set in @ask up to `owner`. `done` may be called before this returns. */
void upstream_ask(struct upstream_ask *ask);
/** Go on if @ask's attempt has taken too long. `done` may be called. */
void upstream_check(struct upstream_ask *ask);
/** End @ask without a call of `done`. */
void upstream_cancel(struct upstream_ask *ask);

#endif
