/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file message.h
 * DNS messages: a client's query, the question it becomes, the upstream's reply, and the answer made of it. ldns
 * takes them apart and puts them together; what of a reply belongs to an answer is decided here.
 */
#ifndef OBMON_DNS_MESSAGE_H
#define OBMON_DNS_MESSAGE_H

#include <stdbool.h> /* before ldns, which else makes bool a signed char */

#include <ldns/ldns.h>
#include <stddef.h>
#include <stdint.h>

#include "obmon/abi/net.h"

/** The UDP payload that is asked for, and told to clients: what passes everywhere without fragments. */
#define MESSAGE_EDNS_SIZE 1232
/** A client's own wish is heard up to this. */
#define MESSAGE_UDP_MAX 4096
/** CNAMEs from the name that was asked for to one with addresses. */
#define MESSAGE_CHAIN_MAX 16

/** What a client asks. */
struct message_query {
	uint16_t id;
	ldns_pkt_opcode opcode;
	bool recursion; /* RD */
	bool edns;
	uint16_t udp_size; /* longest answer that the client takes over UDP */
	ldns_rdf *name;    /* as the client wrote it; NULL if there is no question */
	ldns_rr_type type;
	bool plain;                    /* consists of what host names consist of: letters, digits, '-', '_' */
	char host[OBMON_HOST_MAX + 1]; /* as text; in lower case if it is plain, else with ldns's escapes and cut */
};

/**
 * Fill @query from a client's message. message_clear_query() in any case.
 * @return the LDNS_RCODE_* for it as it stands (NOERROR: look it up), or -1 if it deserves no answer at all.
 */
int message_read_query(struct message_query *query, const uint8_t *wire, size_t length);
void message_clear_query(struct message_query *query);

/** Write the question for an upstream into @out. @return 0, or -1 when out of memory. */
int message_write_question(ldns_buffer *out, uint16_t id, const ldns_rdf *name, ldns_rr_type type, bool edns);

enum message_reply {
	REPLY_GOOD,      /* NOERROR or NXDOMAIN */
	REPLY_FOREIGN,   /* no reply to this question, or malformed */
	REPLY_TRUNCATED, /* ask over TCP */
	REPLY_NO_EDNS,   /* from a server that doesn't understand EDNS */
	REPLY_FAILED,    /* ask somebody else */
};

/** Read what came for a question. @reply, the caller's to free, is set if it is good. */
enum message_reply message_read_reply(ldns_pkt **reply, const uint8_t *wire, size_t length, uint16_t id,
				      const ldns_rdf *name, ldns_rr_type type);

/** How a name came to its addresses, possibly through several replies. */
struct message_chain {
	ldns_rdf *targets[MESSAGE_CHAIN_MAX]; /* of the CNAMEs, in order */
	size_t n;
	uint32_t ttl; /* the lowest so far */
};

void message_clear_chain(struct message_chain *chain);
/** The name at the end of @chain, which began with @query's. */
const ldns_rdf *message_chain_end(const struct message_chain *chain, const struct message_query *query);

struct message_addresses {
	struct obmon_address *items; /* each once, in the order of the reply; the caller frees it */
	size_t n;
};

enum message_walk {
	WALK_DONE,   /* @found are the addresses, perhaps none */
	WALK_FOLLOW, /* the chain has a new end, about which an upstream has to be asked */
	WALK_FAILED, /* a loop, too long, or out of memory */
};

/** Follow @reply from the end of @chain on. @found is set in any case. */
enum message_walk message_walk(const ldns_pkt *reply, const struct message_query *query, struct message_chain *chain,
			       struct message_addresses *found);

/** What is answered. Without @chain there are no records. */
struct message_answer {
	ldns_pkt_rcode rcode;
	const struct message_chain *chain;
	const struct obmon_address *addresses;
	size_t n_addresses;
	uint32_t ttl;
};

/**
 * Write the answer to @query into @out. If it is too long it becomes SERVFAIL over @tcp, and over UDP a message
 * that says so (TC) and has no records. @return 0, or -1 when out of memory.
 */
int message_write_answer(ldns_buffer *out, const struct message_query *query, const struct message_answer *answer,
			 bool tcp);

#endif
