// SPDX-License-Identifier: Apache-2.0
#include "dns/message.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "lib/util.h"

#define UDP_MIN 512
/* RFC 2181, section 8: a TTL with its highest bit set is none. */
#define TTL_MAX 0x7fffffffu

static void free_packet(ldns_pkt **packet)
{
	ldns_pkt_free(*packet);
}

#define CLEANUP_PACKET __attribute__((cleanup(free_packet)))

/* Queries */

static bool is_plain_byte(unsigned char c)
{
	return isalnum(c) || c == '-' || c == '_';
}

/* The text of @name, without a dot at its end. @return whether it consists of plain labels. */
static bool plain_text(char host[OBMON_HOST_MAX + 1], const ldns_rdf *name)
{
	const uint8_t *wire = ldns_rdf_data(name);
	size_t n = 0;

	for (size_t left = *wire++; left > 0; left = *wire++) {
		if (n)
			host[n++] = '.';
		for (; left > 0; left--, wire++) {
			if (!is_plain_byte(*wire))
				return false;
			host[n++] = (char)tolower(*wire);
		}
	}
	host[n] = '\0';
	return n > 0;
}

/* Set @query's host. @return -1 when out of memory. */
static int set_host(struct message_query *query)
{
	_cleanup_free_ char *text = NULL;
	size_t length;

	query->plain = plain_text(query->host, query->name);
	if (query->plain)
		return 0;
	text = ldns_rdf2str(query->name);
	if (!text)
		return -1;
	length = strlen(text);
	if (length > 1) /* the root is "." */
		length--;
	if (length > OBMON_HOST_MAX)
		length = OBMON_HOST_MAX;
	memcpy(query->host, text, length);
	query->host[length] = '\0';
	return 0;
}

static int read_question(struct message_query *query, const ldns_pkt *packet)
{
	const ldns_rr *question = ldns_rr_list_rr(ldns_pkt_question(packet), 0);

	if (ldns_pkt_edns(packet)) {
		query->edns = true;
		query->udp_size = ldns_pkt_edns_udp_size(packet);
	}
	if (query->udp_size < UDP_MIN)
		query->udp_size = UDP_MIN;
	if (query->udp_size > MESSAGE_UDP_MAX)
		query->udp_size = MESSAGE_UDP_MAX;
	query->type = ldns_rr_get_type(question);
	query->name = ldns_rdf_clone(ldns_rr_owner(question));
	if (!query->name || set_host(query))
		return LDNS_RCODE_SERVFAIL;
	return ldns_rr_get_class(question) == LDNS_RR_CLASS_IN ? LDNS_RCODE_NOERROR : LDNS_RCODE_NOTIMPL;
}

int message_read_query(struct message_query *query, const uint8_t *wire, size_t length)
{
	CLEANUP_PACKET ldns_pkt *packet = NULL;
	ldns_status status;

	*query = (struct message_query){ .udp_size = UDP_MIN };
	/* Answering an answer would go on for ever. */
	if (length < LDNS_HEADER_SIZE || LDNS_QR_WIRE(wire))
		return -1;
	query->id = LDNS_ID_WIRE(wire);
	query->opcode = (ldns_pkt_opcode)LDNS_OPCODE_WIRE(wire);
	query->recursion = LDNS_RD_WIRE(wire);
	if (query->opcode != LDNS_PACKET_QUERY)
		return LDNS_RCODE_NOTIMPL;
	if (LDNS_QDCOUNT(wire) != 1 || LDNS_ANCOUNT(wire) || LDNS_NSCOUNT(wire))
		return LDNS_RCODE_FORMERR;
	status = ldns_wire2pkt(&packet, wire, length);
	if (status == LDNS_STATUS_MEM_ERR)
		return LDNS_RCODE_SERVFAIL;
	if (status != LDNS_STATUS_OK)
		return LDNS_RCODE_FORMERR;
	return read_question(query, packet);
}

void message_clear_query(struct message_query *query)
{
	ldns_rdf_deep_free(query->name);
	query->name = NULL;
}

/* Building */

/* Add a record to @packet, or in its question section a question. @data becomes the record's, or is freed. */
static int push(ldns_pkt *packet, ldns_pkt_section section, const ldns_rdf *name, ldns_rr_type type, uint32_t ttl,
		ldns_rdf *data)
{
	ldns_rr *rr = ldns_rr_new();
	ldns_rdf *owner = ldns_rdf_clone(name);

	if (!rr || !owner) {
		ldns_rdf_deep_free(owner);
		ldns_rdf_deep_free(data);
		ldns_rr_free(rr);
		return -1;
	}
	ldns_rr_set_question(rr, section == LDNS_SECTION_QUESTION);
	ldns_rr_set_owner(rr, owner);
	ldns_rr_set_type(rr, type);
	ldns_rr_set_class(rr, LDNS_RR_CLASS_IN);
	ldns_rr_set_ttl(rr, ttl);
	if (data && !ldns_rr_push_rdf(rr, data)) {
		ldns_rdf_deep_free(data);
		ldns_rr_free(rr);
		return -1;
	}
	if (ldns_pkt_push_rr(packet, section, rr))
		return 0;
	ldns_rr_free(rr);
	return -1;
}

static int write_packet(ldns_buffer *out, const ldns_pkt *packet)
{
	ldns_buffer_clear(out);
	return ldns_pkt2buffer_wire(out, packet) == LDNS_STATUS_OK ? 0 : -1;
}

int message_write_question(ldns_buffer *out, uint16_t id, const ldns_rdf *name, ldns_rr_type type, bool edns)
{
	CLEANUP_PACKET ldns_pkt *packet = ldns_pkt_new();

	if (!packet || push(packet, LDNS_SECTION_QUESTION, name, type, 0, NULL))
		return -1;
	/* What a run writes in upper case would reach the name's owner, who has no need to know. */
	ldns_dname2canonical(ldns_rr_owner(ldns_rr_list_rr(ldns_pkt_question(packet), 0)));
	ldns_pkt_set_id(packet, id);
	ldns_pkt_set_rd(packet, true);
	if (edns)
		ldns_pkt_set_edns_udp_size(packet, MESSAGE_EDNS_SIZE);
	return write_packet(out, packet);
}

static int push_records(ldns_pkt *packet, const struct message_query *query, const struct message_answer *answer)
{
	const ldns_rdf *name = query->name;

	for (size_t i = 0; i < answer->chain->n; i++) {
		ldns_rdf *target = ldns_rdf_clone(answer->chain->targets[i]);

		if (!target || push(packet, LDNS_SECTION_ANSWER, name, LDNS_RR_TYPE_CNAME, answer->ttl, target))
			return -1;
		name = answer->chain->targets[i];
	}
	for (size_t i = 0; i < answer->n_addresses; i++) {
		const struct obmon_address *address = &answer->addresses[i];
		ldns_rdf *data = address->family == AF_INET ?
					 ldns_rdf_new_frm_data(LDNS_RDF_TYPE_A, 4, address->bytes) :
					 ldns_rdf_new_frm_data(LDNS_RDF_TYPE_AAAA, 16, address->bytes);

		if (!data || push(packet, LDNS_SECTION_ANSWER, name, query->type, answer->ttl, data))
			return -1;
	}
	return 0;
}

/* Write an answer of whatever length it has, or without its records if it was @cut. */
static int write_answer(ldns_buffer *out, const struct message_query *query, const struct message_answer *answer,
			bool cut)
{
	CLEANUP_PACKET ldns_pkt *packet = ldns_pkt_new();

	if (!packet)
		return -1;
	ldns_pkt_set_id(packet, query->id);
	ldns_pkt_set_qr(packet, true);
	ldns_pkt_set_opcode(packet, query->opcode);
	ldns_pkt_set_rd(packet, query->recursion);
	ldns_pkt_set_ra(packet, true);
	ldns_pkt_set_rcode(packet, answer->rcode);
	ldns_pkt_set_tc(packet, cut);
	if (query->edns)
		ldns_pkt_set_edns_udp_size(packet, MESSAGE_EDNS_SIZE);
	if (query->name && push(packet, LDNS_SECTION_QUESTION, query->name, query->type, 0, NULL))
		return -1;
	if (answer->chain && !cut && push_records(packet, query, answer))
		return -1;
	return write_packet(out, packet);
}

int message_write_answer(ldns_buffer *out, const struct message_query *query, const struct message_answer *answer,
			 bool tcp)
{
	const struct message_answer failure = { .rcode = LDNS_RCODE_SERVFAIL };

	if (write_answer(out, query, answer, false))
		return -1;
	if (ldns_buffer_position(out) <= (tcp ? LDNS_MAX_PACKETLEN : query->udp_size))
		return 0;
	return tcp ? write_answer(out, query, &failure, false) : write_answer(out, query, answer, true);
}

/* Replies */

/* ldns_dname_compare() makes a copy of each label. A byte of length is never a letter. */
static bool same_name(const ldns_rdf *a, const ldns_rdf *b)
{
	size_t n = ldns_rdf_size(a);

	if (n != ldns_rdf_size(b))
		return false;
	for (size_t i = 0; i < n; i++)
		if (tolower(ldns_rdf_data(a)[i]) != tolower(ldns_rdf_data(b)[i]))
			return false;
	return true;
}

static bool is_reply_to(const uint8_t *wire, size_t length, const ldns_rdf *name, ldns_rr_type type)
{
	size_t at = LDNS_HEADER_SIZE;
	ldns_rr *question;
	bool same;

	if (ldns_wire2rr(&question, wire, length, &at, LDNS_SECTION_QUESTION) != LDNS_STATUS_OK)
		return false;
	same = ldns_rr_get_type(question) == type && ldns_rr_get_class(question) == LDNS_RR_CLASS_IN &&
	       same_name(ldns_rr_owner(question), name);
	ldns_rr_free(question);
	return same;
}

/* Go over a name in @wire. @return whether there is one. */
static bool skip_name(const uint8_t *wire, size_t length, size_t *at)
{
	ldns_rdf *name = NULL;
	bool is_name = ldns_wire2dname(&name, wire, length, at) == LDNS_STATUS_OK;

	ldns_rdf_deep_free(name);
	return is_name;
}

/* Has every address among the answers the size that it should have? ldns takes the first bytes of what is longer. */
static bool addresses_fit(const uint8_t *wire, size_t length)
{
	const size_t fixed = 10; /* type, class, TTL, length: RFC 1035, section 3.2.1 */
	size_t at = LDNS_HEADER_SIZE;

	if (!skip_name(wire, length, &at))
		return false;
	at += 4; /* type and class of the question */
	for (unsigned i = 0; i < LDNS_ANCOUNT(wire); i++) {
		unsigned type, size;

		if (!skip_name(wire, length, &at) || length - at < fixed)
			return false;
		type = ldns_read_uint16(wire + at);
		size = ldns_read_uint16(wire + at + fixed - 2);
		at += fixed + size;
		if (at > length || (type == LDNS_RR_TYPE_A && size != 4) || (type == LDNS_RR_TYPE_AAAA && size != 16))
			return false;
	}
	return true;
}

enum message_reply message_read_reply(ldns_pkt **reply, const uint8_t *wire, size_t length, uint16_t id,
				      const ldns_rdf *name, ldns_rr_type type)
{
	ldns_status status;

	if (length < LDNS_HEADER_SIZE || LDNS_ID_WIRE(wire) != id || !LDNS_QR_WIRE(wire) ||
	    LDNS_OPCODE_WIRE(wire) != LDNS_PACKET_QUERY)
		return REPLY_FOREIGN;
	/* Servers from before EDNS may not even repeat the question. */
	if (LDNS_RCODE_WIRE(wire) == LDNS_RCODE_FORMERR && !LDNS_QDCOUNT(wire))
		return REPLY_NO_EDNS;
	if (LDNS_QDCOUNT(wire) != 1 || !is_reply_to(wire, length, name, type))
		return REPLY_FOREIGN;
	if (LDNS_TC_WIRE(wire))
		return REPLY_TRUNCATED;
	switch (LDNS_RCODE_WIRE(wire)) {
	case LDNS_RCODE_NOERROR:
	case LDNS_RCODE_NXDOMAIN:
		break;
	case LDNS_RCODE_FORMERR:
	case LDNS_RCODE_NOTIMPL:
		return REPLY_NO_EDNS;
	default:
		return REPLY_FAILED;
	}
	if (!addresses_fit(wire, length))
		return REPLY_FOREIGN;
	status = ldns_wire2pkt(reply, wire, length);
	if (status != LDNS_STATUS_OK)
		return status == LDNS_STATUS_MEM_ERR ? REPLY_FAILED : REPLY_FOREIGN;
	return REPLY_GOOD;
}

void message_clear_chain(struct message_chain *chain)
{
	while (chain->n > 0)
		ldns_rdf_deep_free(chain->targets[--chain->n]);
}

const ldns_rdf *message_chain_end(const struct message_chain *chain, const struct message_query *query)
{
	return chain->n ? chain->targets[chain->n - 1] : query->name;
}

/* The data of @rr if it belongs to @name, is of @type, and has @size bytes, or any number for 0. */
static const ldns_rdf *data_of(const ldns_rr *rr, const ldns_rdf *name, ldns_rr_type type, size_t size)
{
	const ldns_rdf *data = ldns_rr_rd_count(rr) == 1 ? ldns_rr_rdf(rr, 0) : NULL;

	if (ldns_rr_get_type(rr) != type || ldns_rr_get_class(rr) != LDNS_RR_CLASS_IN || !data ||
	    (size && ldns_rdf_size(data) != size) || !same_name(ldns_rr_owner(rr), name))
		return NULL;
	return data;
}

static void heed_ttl(struct message_chain *chain, const ldns_rr *rr)
{
	uint32_t ttl = ldns_rr_ttl(rr) > TTL_MAX ? 0 : ldns_rr_ttl(rr);

	if (ttl < chain->ttl)
		chain->ttl = ttl;
}

/* Append @target. @return -1 if it closes a loop, the chain is too long, or there is no memory. */
static int extend(struct message_chain *chain, const struct message_query *query, const ldns_rdf *target)
{
	if (chain->n == MESSAGE_CHAIN_MAX || same_name(target, query->name))
		return -1;
	for (size_t i = 0; i < chain->n; i++)
		if (same_name(target, chain->targets[i]))
			return -1;
	chain->targets[chain->n] = ldns_rdf_clone(target);
	return chain->targets[chain->n] ? (chain->n++, 0) : -1;
}

/* Follow the CNAMEs of @records as far as they lead. */
static int follow(const ldns_rr_list *records, const struct message_query *query, struct message_chain *chain)
{
	size_t i = 0, n = ldns_rr_list_rr_count(records);

	while (i < n) {
		const ldns_rr *rr = ldns_rr_list_rr(records, i);
		const ldns_rdf *target = data_of(rr, message_chain_end(chain, query), LDNS_RR_TYPE_CNAME, 0);

		i++;
		if (!target)
			continue;
		heed_ttl(chain, rr);
		if (extend(chain, query, target))
			return -1;
		i = 0; /* the next one may stand before this one */
	}
	return 0;
}

/* An address with its place in the reply. */
struct placed {
	struct obmon_address address;
	uint32_t place;
};

static int compare_addresses(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct obmon_address));
}

static int compare_placed(const void *first, const void *second)
{
	const struct placed *a = first, *b = second;
	int order = compare_addresses(a, b);

	return order ? order : (a->place > b->place) - (a->place < b->place);
}

static int compare_places(const void *first, const void *second)
{
	const struct placed *a = first, *b = second;

	return (a->place > b->place) - (a->place < b->place);
}

/* Leave each of @items once, where it came first. */
static size_t drop_doubles(struct placed *items, size_t n)
{
	size_t kept = 0;

	qsort(items, n, sizeof(*items), compare_placed);
	for (size_t i = 0; i < n; i++)
		if (!kept || compare_addresses(&items[kept - 1], &items[i]) != 0)
			items[kept++] = items[i];
	qsort(items, kept, sizeof(*items), compare_places);
	return kept;
}

/* The addresses of @records that belong to the end of @chain. @return -1 when out of memory. */
static int collect(const ldns_rr_list *records, const struct message_query *query, struct message_chain *chain,
		   struct message_addresses *found)
{
	const ldns_rdf *name = message_chain_end(chain, query);
	size_t size = query->type == LDNS_RR_TYPE_A ? 4 : 16, n = ldns_rr_list_rr_count(records);
	_cleanup_free_ struct placed *items = calloc(n + 1, sizeof(*items));

	if (!items)
		return -1;
	for (size_t i = 0; i < n; i++) {
		const ldns_rdf *data = data_of(ldns_rr_list_rr(records, i), name, query->type, size);

		if (!data)
			continue;
		heed_ttl(chain, ldns_rr_list_rr(records, i));
		items[found->n].address.family = size == 4 ? AF_INET : AF_INET6;
		items[found->n].place = (uint32_t)i;
		memcpy(items[found->n++].address.bytes, ldns_rdf_data(data), size);
	}
	found->n = drop_doubles(items, found->n);
	found->items = calloc(found->n + 1, sizeof(*found->items));
	if (!found->items)
		return -1;
	for (size_t i = 0; i < found->n; i++)
		found->items[i] = items[i].address;
	return 0;
}

enum message_walk message_walk(const ldns_pkt *reply, const struct message_query *query, struct message_chain *chain,
			       struct message_addresses *found)
{
	const ldns_rr_list *records = ldns_pkt_answer(reply);
	size_t before = chain->n;

	*found = (struct message_addresses){ 0 };
	if (follow(records, query, chain))
		return WALK_FAILED;
	if (ldns_pkt_get_rcode(reply) != LDNS_RCODE_NOERROR)
		return WALK_DONE; /* what does not exist has no address, whatever else the reply says */
	if (collect(records, query, chain, found))
		return WALK_FAILED;
	return !found->n && chain->n > before ? WALK_FOLLOW : WALK_DONE;
}
