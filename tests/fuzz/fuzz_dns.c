// SPDX-License-Identifier: Apache-2.0
/*
 * libFuzzer target for the resolver's messages and for the files of the host that it reads. Whatever comes in:
 *
 *   - an answer is a message that ldns reads again, is about the same question, and has no more than fits
 *   - its records are one chain from the question to the addresses, and nothing else
 *
 *   clang -g -O1 -fsanitize=fuzzer,address,undefined -std=gnu17 -D_GNU_SOURCE -Iinclude -Iuserspace \
 *       tests/fuzz/fuzz_dns.c userspace/dns/{message,config,names,private}.c userspace/lib/{util,error}.c \
 *       -lldns -o /tmp/fuzz_dns
 *   /tmp/fuzz_dns -max_len=4096
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dns/config.h"
#include "dns/message.h"
#include "lib/util.h"

#define require(condition) \
	do { \
		if (!(condition)) { \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
			abort(); \
		} \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static ldns_buffer *out;

static ldns_pkt *read_back(void)
{
	ldns_pkt *packet;

	require(ldns_wire2pkt(&packet, ldns_buffer_begin(out), ldns_buffer_position(out)) == LDNS_STATUS_OK);
	return packet;
}

static void check_answer(const struct message_query *query, const struct message_answer *answer, bool tcp)
{
	ldns_pkt *packet;
	const ldns_rdf *name = query->name;

	require(message_write_answer(out, query, answer, tcp) == 0);
	require(tcp || ldns_buffer_position(out) <= query->udp_size);
	packet = read_back();
	require(ldns_pkt_qr(packet) && ldns_pkt_id(packet) == query->id);
	require(ldns_pkt_qdcount(packet) == (query->name != NULL));
	for (size_t i = 0; i < ldns_pkt_ancount(packet); i++) {
		const ldns_rr *rr = ldns_rr_list_rr(ldns_pkt_answer(packet), i);

		require(ldns_dname_compare(ldns_rr_owner(rr), name) == 0);
		if (ldns_rr_get_type(rr) == LDNS_RR_TYPE_CNAME)
			name = ldns_rr_rdf(rr, 0);
		else
			require(ldns_rr_get_type(rr) == query->type);
	}
	ldns_pkt_free(packet);
}

static void try_query(const uint8_t *data, size_t size)
{
	struct message_query query;
	int rcode = message_read_query(&query, data, size);

	if (rcode >= 0)
		check_answer(&query, &(struct message_answer){ .rcode = (ldns_pkt_rcode)rcode }, size % 2);
	if (rcode == LDNS_RCODE_NOERROR) {
		size_t length = strlen(query.host);

		require(length && length <= OBMON_HOST_MAX);
		require(!query.plain || strspn(query.host, "abcdefghijklmnopqrstuvwxyz0123456789-_.") == length);
		require(message_write_question(out, 7, query.name, query.type, true) == 0);
		ldns_pkt_free(read_back());
	}
	message_clear_query(&query);
}

/* @data is a reply from its first byte on, made one to our question as far as needed to be looked at. */
static void try_reply(const uint8_t *data, size_t size, ldns_rr_type type)
{
	static uint8_t wire[65535];
	static const uint8_t head[] = "\0\x07\x81\x80\0\1";
	static const uint8_t question[] = "\1a\1b\0\0\1\0\1";
	struct message_query query = { .type = type, .udp_size = 512, .name = ldns_dname_new_frm_str("a.b") };
	struct message_chain chain = { .ttl = UINT32_MAX };
	struct message_addresses found = { 0 };
	ldns_pkt *reply = NULL;

	if (size < 6 || size > 60000) {
		ldns_rdf_deep_free(query.name);
		return;
	}
	memcpy(wire, head, 6);
	memcpy(wire + 6, data, 6);
	memcpy(wire + 12, question, 9);
	wire[12 + 6] = (uint8_t)type;
	memcpy(wire + 21, data + 6, size - 6);
	if (message_read_reply(&reply, wire, 15 + size, 7, query.name, type) == REPLY_GOOD) {
		enum message_walk walk = message_walk(reply, &query, &chain, &found);
		struct message_answer answer = { .chain = &chain, .addresses = found.items, .n_addresses = found.n };

		require(chain.n <= MESSAGE_CHAIN_MAX && (walk == WALK_DONE || !found.n));
		if (walk == WALK_DONE)
			check_answer(&query, &answer, size % 2);
	}
	ldns_pkt_free(reply);
	free(found.items);
	message_clear_chain(&chain);
	message_clear_query(&query);
}

static bool check_host(void *data, const struct obmon_address *address, const char *name)
{
	(void)data;
	require(address->family == AF_INET || address->family == AF_INET6);
	require(*name && strlen(name) <= OBMON_HOST_MAX && !strchr(name, ' '));
	return true;
}

/* What is made of a hosts file, is made of itself too. */
static void try_files(const uint8_t *data, size_t size)
{
	struct sockaddr_storage servers[RESOLVER_UPSTREAMS_MAX];
	_cleanup_free_ char *once = config_run_hosts((const char *)data, size, check_host, NULL), *twice = NULL;
	_cleanup_free_ char *argument = strndup((const char *)data, size);
	struct obmon_error err;

	require(once && argument);
	twice = config_run_hosts(once, strlen(once), check_host, NULL);
	require(twice && !strcmp(once, twice));
	require(config_servers(servers, (const char *)data, size) <= RESOLVER_UPSTREAMS_MAX);
	config_server(&servers[0], argument, &err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!out)
		out = ldns_buffer_new(LDNS_MIN_BUFLEN);
	if (!size)
		return 0;
	switch (data[0] % 4) {
	case 0:
		try_query(data + 1, size - 1);
		break;
	case 1:
		try_reply(data + 1, size - 1, LDNS_RR_TYPE_A);
		break;
	case 2:
		try_reply(data + 1, size - 1, LDNS_RR_TYPE_AAAA);
		break;
	default:
		try_files(data + 1, size - 1);
	}
	return 0;
}
