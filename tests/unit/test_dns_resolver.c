// SPDX-License-Identifier: Apache-2.0
/*
 * The resolver, asked over loopback sockets. The servers behind it are a thread that answers from a table: well,
 * badly, or not at all.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include <cmocka.h>
#include <ldns/ldns.h>

#include "dns/resolver.h"
#include "lib/util.h"

/* Longest that a test waits for an answer, in seconds: more than the resolver may take. */
#define PATIENCE 8

/* The servers behind */

enum manner {
	WELL,
	DROP,     /* say nothing */
	SERVFAIL, /* from the first server, by its address; the second knows */
	NXDOMAIN, /* with the records */
	TRUNCATE, /* over UDP */
	LIE,      /* several wrong replies come before the right one */
	OLD,      /* FORMERR without a question, if there is EDNS */
	GARBAGE,  /* over TCP, to which UDP sends */
	MANY,     /* as many addresses as the records say, over TCP */
};

#define BIG_RECORDS 4000

static const struct script {
	const char *name; /* `*.name` for all below */
	ldns_rr_type type;
	enum manner manner;
	const char *records; /* one a line */
} scripts[] = {
	{ "one.example", LDNS_RR_TYPE_A, WELL, "one.example. 300 IN A 192.0.2.1\n" },
	{ "one.example", LDNS_RR_TYPE_AAAA, WELL,
	  "one.example. 300 IN AAAA 2001:db8::1\none.example. 100 IN AAAA 2001:db8::2\n"
	  "one.example. 300 IN AAAA 2001:db8::1\n" },
	{ "*.wild.example", LDNS_RR_TYPE_A, WELL, "@ 60 IN A 192.0.2.2\n" },
	{ "other.example", LDNS_RR_TYPE_A, WELL, "other.example. 60 IN A 192.0.2.3\n" },
	{ "long.example", LDNS_RR_TYPE_A, WELL, "long.example. 2000000 IN A 192.0.2.3\n" },
	{ "negative.example", LDNS_RR_TYPE_A, WELL, "negative.example. 4294967295 IN A 192.0.2.3\n" },
	{ "none.example", LDNS_RR_TYPE_A, WELL, "" },
	/* What the reply contradicts itself by is left out. */
	{ "gone.example", LDNS_RR_TYPE_A, NXDOMAIN, "gone.example. 60 IN A 192.0.2.12\n" },
	/* The chain stands in the wrong order, among records that aren't on it. */
	{ "alias.example", LDNS_RR_TYPE_A, WELL,
	  "target.example. 500 IN A 192.0.2.4\nelsewhere.example. 1 IN A 192.0.2.66\n"
	  "second.example. 40 IN CNAME target.example.\nalias.example. 300 IN CNAME second.example.\n"
	  "elsewhere.example. 1 IN CNAME other.example.\nalias.example. 1 IN A 192.0.2.67\n"
	  "target.example. 1 IN AAAA 2001:db8::66\ntarget.example. 1 CH A 192.0.2.68\n" },
	{ "far.example", LDNS_RR_TYPE_A, WELL, "far.example. 70 IN CNAME Far-2.example.\n" },
	{ "far-2.example", LDNS_RR_TYPE_A, WELL,
	  "far-2.example. 50 IN CNAME far-3.example.\nfar-3.example. 60 IN CNAME one.example.\n" },
	{ "far-gone.example", LDNS_RR_TYPE_A, NXDOMAIN, "far-gone.example. 70 IN CNAME gone.example.\n" },
	{ "far-none.example", LDNS_RR_TYPE_A, WELL, "far-none.example. 70 IN CNAME none.example.\n" },
	{ "loop.example", LDNS_RR_TYPE_A, WELL,
	  "loop.example. 1 IN CNAME loop-2.example.\nloop-2.example. 1 IN CNAME LOOP.example.\n" },
	{ "self.example", LDNS_RR_TYPE_A, WELL, "self.example. 1 IN CNAME self.example.\n" },
	{ "split-loop.example", LDNS_RR_TYPE_A, WELL, "split-loop.example. 1 IN CNAME split-loop-2.example.\n" },
	{ "split-loop-2.example", LDNS_RR_TYPE_A, WELL, "split-loop-2.example. 1 IN CNAME split-loop.example.\n" },
	{ "dead.example", LDNS_RR_TYPE_A, DROP, "" },
	{ "moody.example", LDNS_RR_TYPE_A, SERVFAIL, "moody.example. 60 IN A 192.0.2.5\n" },
	{ "cut.example", LDNS_RR_TYPE_A, TRUNCATE, "cut.example. 60 IN A 192.0.2.6\n" },
	{ "lied.example", LDNS_RR_TYPE_A, LIE, "lied.example. 60 IN A 192.0.2.7\n" },
	{ "old.example", LDNS_RR_TYPE_A, OLD, "old.example. 60 IN A 192.0.2.8\n" },
	{ "garbage.example", LDNS_RR_TYPE_A, GARBAGE, "" },
	{ "big.example", LDNS_RR_TYPE_A, MANY, "4000" },
	{ "middle.example", LDNS_RR_TYPE_A, MANY, "40" },
	{ "metadata.example", LDNS_RR_TYPE_A, WELL,
	  "metadata.example. 60 IN A 169.254.169.254\nmetadata.example. 60 IN A 192.0.2.9\n"
	  "metadata.example. 60 IN A 127.0.0.1\nmetadata.example. 60 IN A 127.0.0.1\n" },
	{ "metadata.example", LDNS_RR_TYPE_AAAA, WELL, "metadata.example. 60 IN AAAA ::ffff:10.0.0.1\n" },
	{ "rebound.example", LDNS_RR_TYPE_A, WELL,
	  "rebound.example. 60 IN CNAME x.example.\nx.example. 60 IN A 10.0.0.1\n" },
	{ "site.example", LDNS_RR_TYPE_A, WELL,
	  "site.example. 60 IN A 10.0.0.1\nsite.example. 60 IN A 192.0.2.10\nsite.example. 60 IN A 127.0.0.1\n" },
	{ "db.internal", LDNS_RR_TYPE_A, WELL, "db.internal. 60 IN A 10.0.0.2\n" },
	{ "net.example", LDNS_RR_TYPE_A, WELL,
	  "net.example. 60 IN A 10.9.8.7\nnet.example. 60 IN A 10.9.9.7\nnet.example. 60 IN A 127.0.0.5\n" },
	{ "full.example", LDNS_RR_TYPE_A, WELL, "full.example. 60 IN A 192.0.2.99\n" },
};

#define N_SERVERS 2

struct server {
	int udp, tcp;
	struct sockaddr_storage address;
};

/* What the callbacks were told. */
struct entered {
	struct obmon_address address;
	char host[OBMON_HOST_MAX + 1];
	uint32_t rules[8];
	size_t n;
	uint32_t expires;
};

struct refused {
	char host[OBMON_HOST_MAX + 1];
	enum obmon_lookup_reason reason;
	struct obmon_address address;
	bool again;
};

struct counts {
	size_t entered, refused;
	size_t sent;  /* questions, at all servers */
	size_t asked; /* the same without repetitions, which come when the machine is slow */
};

#define TOLD_MAX 8192

static struct world {
	struct server servers[N_SERVERS];
	int stop[2], until[2]; /* pipes that end the threads */
	pthread_t upstream, resolver;
	struct resolver_spec spec;
	struct sockaddr_storage address; /* where the resolver is asked */
	int result;
	struct obmon_error err;

	pthread_mutex_t lock; /* of all below */
	struct entered entered[TOLD_MAX];
	struct refused refused[TOLD_MAX];
	struct counts told;
	char last_asked[OBMON_HOST_MAX + 64];
	bool audit, stranger;
} world;

static socklen_t size_of(const struct sockaddr_storage *address)
{
	return address->ss_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
}

/* A socket of @type at @address, whose port is filled in; -1 if the port is taken. */
static int bind_socket(struct sockaddr_storage *address, int type)
{
	socklen_t length = size_of(address);
	int fd = socket(address->ss_family, type | SOCK_CLOEXEC, 0), size = 1 << 20;

	assert_true(fd >= 0);
	if (bind(fd, (struct sockaddr *)address, length) || (type == SOCK_STREAM && listen(fd, 128))) {
		close(fd);
		return -1;
	}
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	assert_int_equal(getsockname(fd, (struct sockaddr *)address, &length), 0);
	return fd;
}

/* UDP and TCP at one port of the loopback address of @family. */
static void bind_both(struct sockaddr_storage *address, int family, int *udp, int *tcp)
{
	for (*tcp = -1; *tcp < 0;) {
		memset(address, 0, sizeof(*address));
		address->ss_family = family;
		if (family == AF_INET)
			((struct sockaddr_in *)address)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		else
			((struct sockaddr_in6 *)address)->sin6_addr = in6addr_loopback;
		*udp = bind_socket(address, SOCK_DGRAM);
		assert_true(*udp >= 0);
		*tcp = bind_socket(address, SOCK_STREAM);
		if (*tcp < 0)
			close(*udp);
	}
}

static const struct script *find_script(const char *name, ldns_rr_type type)
{
	for (size_t i = 0; i < ARRAY_SIZE(scripts); i++) {
		const char *suffix = scripts[i].name + 1; /* with its dot */
		size_t n = strlen(suffix), length = strlen(name);

		if (scripts[i].type != type)
			continue;
		if (!strcmp(scripts[i].name, name) ||
		    (*scripts[i].name == '*' && length > n && !strcmp(name + length - n, suffix)))
			return &scripts[i];
	}
	return NULL;
}

static void push_text(ldns_pkt *reply, const char *record, const ldns_rdf *origin)
{
	ldns_rr *rr;
	ldns_rdf *owner = ldns_rdf_clone(origin);

	if (ldns_rr_new_frm_str(&rr, record, 0, owner, NULL) != LDNS_STATUS_OK)
		abort();
	ldns_rdf_deep_free(owner);
	ldns_pkt_push_rr(reply, LDNS_SECTION_ANSWER, rr);
}

static void push_records(ldns_pkt *reply, const struct script *script, const ldns_rdf *name)
{
	const char *at = script->records, *end;
	char line[128];

	for (; (end = strchr(at, '\n')); at = end + 1) {
		snprintf(line, sizeof(line), "%.*s", (int)(end - at), at);
		push_text(reply, line, name);
	}
}

typedef void send_fn(void *to, const uint8_t *wire, size_t length);

static void send_packet(const ldns_pkt *reply, send_fn *send_to, void *to)
{
	uint8_t *wire;
	size_t length;

	if (ldns_pkt2wire(&wire, reply, &length) != LDNS_STATUS_OK)
		abort();
	send_to(to, wire, length);
	free(wire);
}

/* What an attacker who can't see the question, or can't count, might send before the right @reply. */
static void send_lies(ldns_pkt *reply, send_fn *send_to, void *to)
{
	uint8_t *wire, spoilt[512];
	size_t length;

	if (ldns_pkt2wire(&wire, reply, &length) != LDNS_STATUS_OK || length > sizeof(spoilt))
		abort();
	for (unsigned kind = 0; kind < 9; kind++) {
		size_t n = length;

		memcpy(spoilt, wire, length);
		spoilt[length - 1] = 66; /* the address, if the lie is believed */
		switch (kind) {
		case 0: /* another id */
			spoilt[1] ^= 1;
			break;
		case 1: /* a query */
			spoilt[2] &= 0x7f;
			break;
		case 2: /* about another name */
			spoilt[LDNS_HEADER_SIZE + 1] ^= 1;
			break;
		case 3: /* about another type */
			spoilt[LDNS_HEADER_SIZE + 15] = LDNS_RR_TYPE_MX;
			break;
		case 4: /* no question at all */
			spoilt[5] = 0;
			break;
		case 5: /* more records than there are */
			spoilt[6] = 0xff;
			break;
		case 6: /* the record's data ends too soon */
			n--;
			break;
		case 7: /* a name that points to itself */
			spoilt[LDNS_HEADER_SIZE + 18] = 0xc0;
			spoilt[LDNS_HEADER_SIZE + 19] = LDNS_HEADER_SIZE + 18;
			break;
		case 8: /* another operation */
			spoilt[2] |= LDNS_PACKET_NOTIFY << 3;
			break;
		}
		send_to(to, spoilt, n);
	}
	send_to(to, wire, 3);
	send_to(to, wire, 0);
	free(wire);
}

/* The replies of manner MANY. Made beforehand: it takes longer than the resolver may want to wait. */
static struct {
	uint8_t *wire;
	size_t length;
} made[ARRAY_SIZE(scripts)];

static void make_many(const struct script *script, uint8_t **wire, size_t *length)
{
	ldns_pkt *reply = ldns_pkt_new();
	ldns_rr *question;
	char line[128];

	snprintf(line, sizeof(line), "%s. IN A", script->name);
	if (ldns_rr_new_question_frm_str(&question, line, NULL, NULL) != LDNS_STATUS_OK)
		abort();
	ldns_pkt_set_qr(reply, true);
	ldns_pkt_push_rr(reply, LDNS_SECTION_QUESTION, question);
	for (unsigned i = 0; i < (unsigned)atoi(script->records); i++) {
		snprintf(line, sizeof(line), "@ 60 IN A 198.51.%u.%u", i / 256, i % 256);
		push_text(reply, line, ldns_rr_owner(question));
	}
	if (ldns_pkt2wire(wire, reply, length) != LDNS_STATUS_OK)
		abort();
	ldns_pkt_free(reply);
}

static void send_reply(const ldns_pkt *query, const struct script *script, ldns_pkt *reply, bool tcp, bool first,
		       send_fn *send_to, void *to)
{
	static const uint8_t garbage[] = "garbage, which is no DNS message";
	const ldns_rdf *name = ldns_rr_owner(ldns_rr_list_rr(ldns_pkt_question(query), 0));

	switch (script->manner) {
	case DROP:
		return;
	case GARBAGE:
		if (tcp) {
			send_to(to, garbage, sizeof(garbage));
			return;
		}
		ldns_pkt_set_tc(reply, true);
		break;
	case SERVFAIL:
		if (first)
			ldns_pkt_set_rcode(reply, LDNS_RCODE_SERVFAIL);
		break;
	case NXDOMAIN:
		ldns_pkt_set_rcode(reply, LDNS_RCODE_NXDOMAIN);
		break;
	case LIE:
		push_records(reply, script, name);
		send_lies(reply, send_to, to);
		send_packet(reply, send_to, to);
		return;
	case OLD:
		if (ldns_pkt_edns(query)) {
			ldns_pkt_set_rcode(reply, LDNS_RCODE_FORMERR);
			ldns_rr_list_deep_free(ldns_pkt_question(reply));
			ldns_pkt_set_question(reply, ldns_rr_list_new());
			ldns_pkt_set_qdcount(reply, 0);
		}
		break;
	case MANY:
		if (tcp) {
			ldns_write_uint16(made[script - scripts].wire, ldns_pkt_id(reply));
			send_to(to, made[script - scripts].wire, made[script - scripts].length);
			return;
		}
		ldns_pkt_set_tc(reply, true);
		break;
	case TRUNCATE:
		ldns_pkt_set_tc(reply, !tcp);
		break;
	case WELL:
		break;
	}
	if (!ldns_pkt_tc(reply) && ldns_pkt_get_rcode(reply) != LDNS_RCODE_SERVFAIL && ldns_pkt_qdcount(reply))
		push_records(reply, script, name);
	send_packet(reply, send_to, to);
}

/* `chain-N.example` leads to chain-(N-1) and so on; chain-0 has an address. One step a reply. */
static void push_chain(ldns_pkt *reply, const char *name, const ldns_rdf *origin)
{
	unsigned n = (unsigned)atoi(name + strlen("chain-"));
	char record[64];

	if (n)
		snprintf(record, sizeof(record), "@ 60 IN CNAME chain-%u.example.", n - 1);
	else
		snprintf(record, sizeof(record), "@ 60 IN A 192.0.2.11");
	push_text(reply, record, origin);
}

static void serve_query(const uint8_t *wire, size_t length, bool tcp, bool first, send_fn *send_to, void *to)
{
	static const struct script unknown = { "", LDNS_RR_TYPE_A, NXDOMAIN, "" };
	const struct script *script;
	ldns_pkt *query, *reply;
	ldns_rr *question;
	char *name, asked[OBMON_HOST_MAX + 64];

	if (ldns_wire2pkt(&query, wire, length) != LDNS_STATUS_OK || ldns_pkt_qdcount(query) != 1)
		abort();
	question = ldns_rr_list_rr(ldns_pkt_question(query), 0);
	name = ldns_rdf2str(ldns_rr_owner(question));
	name[strlen(name) - 1] = '\0';
	snprintf(asked, sizeof(asked), "%s %d %d %d %d", name, ldns_rr_get_type(question), ldns_pkt_edns(query), tcp,
		 first);
	pthread_mutex_lock(&world.lock);
	world.told.sent++;
	world.told.asked += strcmp(world.last_asked, asked) != 0;
	strcpy(world.last_asked, asked);
	pthread_mutex_unlock(&world.lock);
	reply = ldns_pkt_new();
	ldns_pkt_set_id(reply, ldns_pkt_id(query));
	ldns_pkt_set_qr(reply, true);
	ldns_pkt_push_rr(reply, LDNS_SECTION_QUESTION, ldns_rr_clone(question));
	script = find_script(name, ldns_rr_get_type(question));
	if (!strncmp(name, "chain-", strlen("chain-"))) {
		push_chain(reply, name, ldns_rr_owner(question));
		send_packet(reply, send_to, to);
	} else {
		send_reply(query, script ? script : &unknown, reply, tcp, first, send_to, to);
	}
	free(name);
	ldns_pkt_free(reply);
	ldns_pkt_free(query);
}

struct datagram_peer {
	int fd;
	struct sockaddr_storage address;
	socklen_t length;
};

static void send_datagram(void *to, const uint8_t *wire, size_t length)
{
	struct datagram_peer *peer = to;

	sendto(peer->fd, wire, length, 0, (struct sockaddr *)&peer->address, peer->length);
}

static void send_stream(void *to, const uint8_t *wire, size_t length)
{
	uint8_t prefix[2] = { (uint8_t)(length >> 8), (uint8_t)length };
	int fd = *(int *)to;

	/* In pieces, which the resolver has to put together. It may have lost its patience before. */
	if (send(fd, prefix, 1, MSG_NOSIGNAL) == 1 && send(fd, prefix + 1, 1, MSG_NOSIGNAL | MSG_MORE) == 1)
		send(fd, wire, length, MSG_NOSIGNAL);
}

static void serve_datagram(const struct server *server, bool first)
{
	struct datagram_peer peer = { .fd = server->udp, .length = sizeof(peer.address) };
	uint8_t wire[4096];
	ssize_t n = recvfrom(server->udp, wire, sizeof(wire), 0, (struct sockaddr *)&peer.address, &peer.length);

	if (n > 0)
		serve_query(wire, (size_t)n, false, first, send_datagram, &peer);
}

static void serve_connection(const struct server *server, bool first)
{
	_cleanup_fd_ int fd = accept(server->tcp, NULL, NULL);
	uint8_t wire[4096];

	if (recv(fd, wire, 2, MSG_WAITALL) == 2 &&
	    recv(fd, wire + 2, ldns_read_uint16(wire), MSG_WAITALL) == ldns_read_uint16(wire))
		serve_query(wire + 2, ldns_read_uint16(wire), true, first, send_stream, &fd);
}

static void *run_upstream(void *data)
{
	(void)data;
	for (;;) {
		struct pollfd fds[1 + 2 * N_SERVERS] = { { .fd = world.stop[0], .events = POLLIN } };

		for (size_t i = 0; i < N_SERVERS; i++) {
			fds[1 + 2 * i] = (struct pollfd){ .fd = world.servers[i].udp, .events = POLLIN };
			fds[2 + 2 * i] = (struct pollfd){ .fd = world.servers[i].tcp, .events = POLLIN };
		}
		poll(fds, ARRAY_SIZE(fds), -1);
		if (fds[0].revents)
			return NULL;
		for (size_t i = 0; i < N_SERVERS; i++) {
			if (fds[1 + 2 * i].revents)
				serve_datagram(&world.servers[i], i == 0);
			if (fds[2 + 2 * i].revents)
				serve_connection(&world.servers[i], i == 0);
		}
	}
}

/* Callbacks */

static bool identify(void *data, const struct sockaddr_storage *peer, int protocol, struct obmon_process *asker)
{
	bool stranger;

	(void)data;
	if (peer->ss_family != world.address.ss_family || (protocol != IPPROTO_UDP && protocol != IPPROTO_TCP))
		abort();
	asker->pid = 42;
	pthread_mutex_lock(&world.lock);
	stranger = world.stranger;
	pthread_mutex_unlock(&world.lock);
	return !stranger;
}

static int enter(void *data, const struct obmon_address *address, const char *host, const uint32_t *rules, size_t n,
		 uint32_t expires)
{
	struct entered *entered;

	(void)data;
	if (!strcmp(host, "full.example"))
		return -1;
	pthread_mutex_lock(&world.lock);
	entered = &world.entered[world.told.entered++ % TOLD_MAX];
	*entered = (struct entered){ .address = *address, .n = n, .expires = expires };
	strcpy(entered->host, host);
	for (size_t i = 0; i < n && i < ARRAY_SIZE(entered->rules); i++)
		entered->rules[i] = rules[i];
	pthread_mutex_unlock(&world.lock);
	return 0;
}

static bool refuse(void *data, const char *host, enum obmon_lookup_reason reason, const struct obmon_address *address,
		   const struct obmon_process *asker, bool again)
{
	struct refused *refused;
	bool audit;

	(void)data;
	if (asker->pid != 42 || strlen(host) > OBMON_HOST_MAX)
		abort();
	pthread_mutex_lock(&world.lock);
	refused = &world.refused[world.told.refused++ % TOLD_MAX];
	*refused = (struct refused){ .reason = reason, .again = again };
	strcpy(refused->host, host);
	if (address)
		refused->address = *address;
	audit = world.audit;
	pthread_mutex_unlock(&world.lock);
	return !audit;
}

/* The world */

static const struct resolver_rule rules[] = {
	{ "one.example", false, false, 1 },       { "one.example", false, false, 2 },
	{ "wild.example", true, false, 3 },       { "a.wild.example", false, false, 4 },
	{ "a.wild.example", true, false, 5 },     { "long.example", false, false, 6 },
	{ "none.example", false, false, 7 },      { "gone.example", false, false, 8 },
	{ "alias.example", false, false, 9 },     { "far.example", false, false, 10 },
	{ "far-gone.example", false, false, 11 }, { "loop.example", false, false, 12 },
	{ "self.example", false, false, 13 },     { "split-loop.example", false, false, 14 },
	{ "dead.example", false, false, 15 },     { "moody.example", false, false, 16 },
	{ "cut.example", false, false, 17 },      { "lied.example", false, false, 18 },
	{ "old.example", false, false, 19 },      { "garbage.example", false, false, 20 },
	{ "big.example", false, false, 21 },      { "middle.example", false, false, 33 },
	{ "metadata.example", false, false, 22 }, { "rebound.example", false, false, 23 },
	{ "site.example", false, true, 24 },      { "site.example", false, false, 25 },
	{ "db.internal", false, false, 26 },      { "net.example", false, false, 27 },
	{ "full.example", false, false, 28 },     { "chain-16.example", false, false, 29 },
	{ "chain-17.example", false, false, 30 }, { "negative.example", false, false, 31 },
	{ "far-none.example", false, false, 32 },
};

static const struct resolver_network networks[] = {
	{ { AF_INET, { 10, 9, 8 } }, 24 },
	{ { AF_INET, { 127, 0, 0, 5 } }, 32 },
};

static void *run_resolver(void *data)
{
	(void)data;
	world.result = resolver_serve(&world.spec, world.until[0], &world.err);
	return NULL;
}

static void start(int family, const struct sockaddr_storage *upstreams, size_t n_upstreams)
{
	assert_int_equal(pipe2(world.until, O_CLOEXEC), 0);
	world.told = (struct counts){ 0 };
	*world.last_asked = '\0';
	memset(world.entered, 0, sizeof(world.entered));
	memset(world.refused, 0, sizeof(world.refused));
	world.spec = (struct resolver_spec){
		.rules = rules,
		.n_rules = ARRAY_SIZE(rules),
		.networks = networks,
		.n_networks = ARRAY_SIZE(networks),
		.upstreams = upstreams,
		.n_upstreams = n_upstreams,
		.answer_all = world.audit,
		.identify = identify,
		.enter = enter,
		.refuse = refuse,
	};
	bind_both(&world.address, family, &world.spec.udp, &world.spec.tcp);
	assert_int_equal(pthread_create(&world.resolver, NULL, run_resolver, NULL), 0);
}

static int start_servers(void **state)
{
	(void)state;
	pthread_mutex_init(&world.lock, NULL);
	for (size_t i = 0; i < N_SERVERS; i++)
		bind_both(&world.servers[i].address, AF_INET, &world.servers[i].udp, &world.servers[i].tcp);
	for (size_t i = 0; i < ARRAY_SIZE(scripts); i++)
		if (scripts[i].manner == MANY)
			make_many(&scripts[i], &made[i].wire, &made[i].length);
	assert_int_equal(pipe2(world.stop, O_CLOEXEC), 0);
	return pthread_create(&world.upstream, NULL, run_upstream, NULL);
}

static int stop_servers(void **state)
{
	(void)state;
	close(world.stop[1]);
	pthread_join(world.upstream, NULL);
	close(world.stop[0]);
	for (size_t i = 0; i < ARRAY_SIZE(scripts); i++)
		free(made[i].wire);
	for (size_t i = 0; i < N_SERVERS; i++) {
		close(world.servers[i].udp);
		close(world.servers[i].tcp);
	}
	return 0;
}

static int start_usual(void **state)
{
	(void)state;
	world.audit = world.stranger = false;
	start(AF_INET, &world.servers[0].address, 1);
	return 0;
}

static int start_audit(void **state)
{
	(void)state;
	world.audit = true;
	world.stranger = false;
	start(AF_INET, &world.servers[0].address, 1);
	return 0;
}

/* Asking */

static int dial_to(const struct sockaddr_storage *address, int type)
{
	int fd = socket(address->ss_family, type | SOCK_CLOEXEC, 0);
	struct timeval patience = { .tv_sec = PATIENCE };

	assert_true(fd >= 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	assert_int_equal(connect(fd, (const struct sockaddr *)address, size_of(address)), 0);
	return fd;
}

static int dial(int type)
{
	return dial_to(&world.address, type);
}

/* A query for @name in wire form; @edns is the size to say, 0 for none. */
static size_t make_query(uint8_t wire[512], uint16_t id, const char *name, ldns_rr_type type, uint16_t edns)
{
	ldns_pkt *query;
	uint8_t *packed;
	size_t length;

	assert_int_equal(ldns_pkt_query_new_frm_str(&query, name, type, LDNS_RR_CLASS_IN, LDNS_RD), LDNS_STATUS_OK);
	ldns_pkt_set_id(query, id);
	if (edns)
		ldns_pkt_set_edns_udp_size(query, edns);
	assert_int_equal(ldns_pkt2wire(&packed, query, &length), LDNS_STATUS_OK);
	assert_true(length <= 512);
	memcpy(wire, packed, length);
	free(packed);
	ldns_pkt_free(query);
	return length;
}

static void send_query(int fd, bool tcp, uint16_t id, const char *name, ldns_rr_type type, uint16_t edns)
{
	uint8_t wire[2 + 512];
	size_t length = make_query(wire + 2, id, name, type, edns);

	ldns_write_uint16(wire, (uint16_t)length);
	assert_int_equal(write_all(fd, tcp ? wire : wire + 2, tcp ? length + 2 : length), 0);
}

/* What comes next, or NULL if the connection has been closed. */
static ldns_pkt *receive(int fd, bool tcp)
{
	static uint8_t wire[65536];
	uint8_t prefix[2];
	ssize_t n;
	ldns_pkt *answer;

	if (tcp) {
		n = recv(fd, prefix, 2, MSG_WAITALL);
		if (n == 0 || (n < 0 && errno == ECONNRESET))
			return NULL;
		assert_int_equal(n, 2);
		n = recv(fd, wire, ldns_read_uint16(prefix), MSG_WAITALL);
		assert_int_equal(n, ldns_read_uint16(prefix));
	} else {
		n = recv(fd, wire, sizeof(wire), 0);
	}
	assert_true(n > 0);
	assert_int_equal(ldns_wire2pkt(&answer, wire, (size_t)n), LDNS_STATUS_OK);
	ldns_pkt_set_size(answer, (size_t)n);
	return answer;
}

/* Wait until @server has dealt with all that was sent, so that it isn't taken for what the next test asks. */
static void catch_up_with(const struct server *server, int type)
{
	_cleanup_fd_ int fd = dial_to(&server->address, type);

	send_query(fd, type == SOCK_STREAM, 1, "gone.example", LDNS_RR_TYPE_A, 0);
	ldns_pkt_free(receive(fd, type == SOCK_STREAM));
}

/* End the resolver, which must go on until now and then not hesitate. */
static void stop(void)
{
	struct timespec limit;

	close(world.until[1]);
	clock_gettime(CLOCK_REALTIME, &limit);
	limit.tv_sec += 2;
	assert_int_equal(pthread_timedjoin_np(world.resolver, NULL, &limit), 0);
	assert_int_equal(world.result, 0);
	close(world.until[0]);
	close(world.spec.udp);
	close(world.spec.tcp);
	for (size_t i = 0; i < N_SERVERS; i++) {
		catch_up_with(&world.servers[i], SOCK_DGRAM);
		catch_up_with(&world.servers[i], SOCK_STREAM);
	}
}

static int stop_usual(void **state)
{
	(void)state;
	stop();
	return 0;
}

static ldns_pkt *ask_over(bool tcp, const char *name, ldns_rr_type type, uint16_t edns)
{
	_cleanup_fd_ int fd = dial(tcp ? SOCK_STREAM : SOCK_DGRAM);
	ldns_pkt *answer;

	send_query(fd, tcp, 0x1234, name, type, edns);
	answer = receive(fd, tcp);
	assert_non_null(answer);
	assert_int_equal(ldns_pkt_id(answer), 0x1234);
	assert_true(ldns_pkt_qr(answer) && ldns_pkt_ra(answer) && ldns_pkt_rd(answer) && !ldns_pkt_aa(answer));
	assert_int_equal(ldns_pkt_edns(answer), edns > 0);
	assert_int_equal(ldns_pkt_qdcount(answer), 1);
	assert_int_equal(ldns_pkt_nscount(answer), 0);
	return answer;
}

/* The RCODE and the answer section, as `RCODE` and `name ttl TYPE data` separated by commas; freed by the caller. */
static char *describe(ldns_pkt *answer)
{
	ldns_lookup_table *rcode = ldns_lookup_by_id(ldns_rcodes, ldns_pkt_get_rcode(answer));
	char *text = strdup(rcode->name);

	for (size_t i = 0; i < ldns_pkt_ancount(answer); i++) {
		ldns_rr *rr = ldns_rr_list_rr(ldns_pkt_answer(answer), i);
		_cleanup_free_ char *owner = ldns_rdf2str(ldns_rr_owner(rr)), *before = text;
		_cleanup_free_ char *type = ldns_rr_type2str(ldns_rr_get_type(rr));
		_cleanup_free_ char *data = ldns_rdf2str(ldns_rr_rdf(rr, 0));

		text = format("%s, %s %u %s %s", before, owner, ldns_rr_ttl(rr), type, data);
	}
	ldns_pkt_free(answer);
	return text;
}

static void expect(const char *name, ldns_rr_type type, const char *expected)
{
	_cleanup_free_ char *got = describe(ask_over(false, name, type, 1232));

	assert_string_equal(got, expected);
}

/* When this returns, whatever was sent before over UDP has been read, and is answered unless others are asked. */
static void catch_up(void)
{
	expect("one.example", LDNS_RR_TYPE_TXT, "NOERROR");
}

static void expect_silence(int fd)
{
	struct pollfd wait = { .fd = fd, .events = POLLIN };

	catch_up();
	assert_int_equal(poll(&wait, 1, 0), 0);
}

static struct obmon_address parse(const char *text)
{
	struct obmon_address address = { .family = strchr(text, ':') ? AF_INET6 : AF_INET };

	assert_int_equal(inet_pton((int)address.family, text, address.bytes), 1);
	return address;
}

/* Copy @size bytes that a callback has written. No check may fail while the lock is held. */
static void look_at(void *copy, const void *told, size_t size)
{
	pthread_mutex_lock(&world.lock);
	memcpy(copy, told, size);
	pthread_mutex_unlock(&world.lock);
}

/* The @i-th that was entered is @address for @host and @n rules from the list. */
static void expect_entered(size_t i, const char *address, const char *host, size_t n, ...)
{
	struct obmon_address parsed = parse(address);
	struct entered entered;
	va_list ids;

	look_at(&entered, &world.entered[i], sizeof(entered));
	assert_memory_equal(&entered.address, &parsed, sizeof(parsed));
	assert_string_equal(entered.host, host);
	assert_int_equal(entered.n, n);
	va_start(ids, n);
	for (size_t j = 0; j < n; j++)
		assert_int_equal(entered.rules[j], va_arg(ids, unsigned));
	va_end(ids);
}

static void expect_refused(size_t i, const char *host, enum obmon_lookup_reason reason, const char *address, bool again)
{
	struct obmon_address parsed = { 0 };
	struct refused refused;

	if (address)
		parsed = parse(address);
	look_at(&refused, &world.refused[i], sizeof(refused));
	assert_string_equal(refused.host, host);
	assert_int_equal(refused.reason, reason);
	assert_memory_equal(&refused.address, &parsed, sizeof(parsed));
	assert_int_equal(refused.again, again);
}

static void expect_counts(size_t entered, size_t refused, size_t asked)
{
	struct counts counts;

	look_at(&counts, &world.told, sizeof(counts));
	assert_int_equal(counts.entered, entered);
	assert_int_equal(counts.refused, refused);
	assert_int_equal(counts.asked, asked);
}

#define A LDNS_RR_TYPE_A
#define AAAA LDNS_RR_TYPE_AAAA

/* Tests */

/* The @i-th that was entered holds for @ttl and the grace, from some time on since @before. */
static void expect_expiry(size_t i, uint64_t before, uint32_t ttl)
{
	uint64_t now = clock_ns(CLOCK_BOOTTIME), second = 1000000000u, length = (ttl + RESOLVER_GRACE) * second;
	struct entered entered;

	look_at(&entered, &world.entered[i], sizeof(entered));
	assert_in_range(entered.expires * second, before + length, now + length + second);
}

static void test_granted(void **state)
{
	uint64_t before = clock_ns(CLOCK_BOOTTIME);

	(void)state;
	expect("one.example", A, "NOERROR, one.example. 300 A 192.0.2.1");
	expect_entered(0, "192.0.2.1", "one.example", 2, 1, 2);
	expect_expiry(0, before, 300);
	/* As the client wrote it; each address once; the lowest TTL for all. */
	expect("oNe.ExAmple.", AAAA, "NOERROR, oNe.ExAmple. 100 AAAA 2001:db8::1, oNe.ExAmple. 100 AAAA 2001:db8::2");
	expect_entered(1, "2001:db8::1", "one.example", 2, 1, 2);
	expect_entered(2, "2001:db8::2", "one.example", 2, 1, 2);
	expect("long.example", A, "NOERROR, long.example. 86400 A 192.0.2.3");
	expect_expiry(3, before, RESOLVER_TTL_MAX);
	expect("negative.example", A, "NOERROR, negative.example. 0 A 192.0.2.3");
	expect_counts(5, 0, 4);
}

static void test_wildcard(void **state)
{
	(void)state;
	expect("x.wild.example", A, "NOERROR, x.wild.example. 60 A 192.0.2.2");
	expect_entered(0, "192.0.2.2", "x.wild.example", 1, 3);
	expect("x.y.wild.example", A, "NOERROR, x.y.wild.example. 60 A 192.0.2.2");
	expect("a.wild.example", A, "NOERROR, a.wild.example. 60 A 192.0.2.2");
	expect_entered(2, "192.0.2.2", "a.wild.example", 2, 3, 4);
	expect("x.a.wild.example", A, "NOERROR, x.a.wild.example. 60 A 192.0.2.2");
	expect_entered(3, "192.0.2.2", "x.a.wild.example", 2, 3, 5);
	expect("wild.example", A, "REFUSED");
	expect("xwild.example", A, "REFUSED");
	expect_counts(4, 2, 4);
}

static void test_ungranted(void **state)
{
	(void)state;
	expect("other.example", A, "REFUSED");
	expect_refused(0, "other.example", OBMON_LOOKUP_NOT_GRANTED, NULL, false);
	expect("OTHER.example", AAAA, "REFUSED");
	expect_refused(1, "other.example", OBMON_LOOKUP_NOT_GRANTED, NULL, true);
	expect("other.example", LDNS_RR_TYPE_TXT, "REFUSED");
	expect_refused(2, "other.example", OBMON_LOOKUP_NOT_GRANTED, NULL, true);
	expect("x.one.example", A, "REFUSED");
	expect_refused(3, "x.one.example", OBMON_LOOKUP_NOT_GRANTED, NULL, false);
	expect(".", LDNS_RR_TYPE_NS, "REFUSED");
	expect_refused(4, ".", OBMON_LOOKUP_NOT_GRANTED, NULL, false);
	expect_counts(0, 5, 0);
}

static void test_nothing_there(void **state)
{
	(void)state;
	expect("none.example", A, "NOERROR");
	expect("gone.example", A, "NXDOMAIN");
	expect("far-gone.example", A, "NXDOMAIN, far-gone.example. 70 CNAME gone.example.");
	expect_counts(0, 0, 3);
	expect("far-none.example", A, "NOERROR, far-none.example. 70 CNAME none.example.");
	expect_counts(0, 0, 5);
	/* Nobody is asked for anything but addresses. */
	expect("one.example", LDNS_RR_TYPE_TXT, "NOERROR");
	expect("one.example", LDNS_RR_TYPE_ANY, "NOERROR");
	expect("one.example", LDNS_RR_TYPE_CNAME, "NOERROR");
	expect("one.example", LDNS_RR_TYPE_NULL, "NOERROR");
	expect("x.wild.example", (ldns_rr_type)65, "NOERROR");
	expect_counts(0, 0, 5);
}

static void test_chains(void **state)
{
	(void)state;
	expect("alias.example", A,
	       "NOERROR, alias.example. 40 CNAME second.example., second.example. 40 CNAME target.example., "
	       "target.example. 40 A 192.0.2.4");
	expect_entered(0, "192.0.2.4", "alias.example", 1, 9);
	expect_counts(1, 0, 1);
	expect("FAR.example", A,
	       "NOERROR, FAR.example. 50 CNAME Far-2.example., Far-2.example. 50 CNAME far-3.example., "
	       "far-3.example. 50 CNAME one.example., one.example. 50 A 192.0.2.1");
	expect_entered(1, "192.0.2.1", "far.example", 1, 10);
	expect_counts(2, 0, 4);
}

static void test_loops(void **state)
{
	ldns_pkt *answer;

	(void)state;
	expect("loop.example", A, "SERVFAIL");
	expect("self.example", A, "SERVFAIL");
	expect("split-loop.example", A, "SERVFAIL");
	expect_counts(0, 0, 4);
	answer = ask_over(false, "chain-16.example", A, 4096);
	assert_int_equal(ldns_pkt_get_rcode(answer), LDNS_RCODE_NOERROR);
	assert_int_equal(ldns_pkt_ancount(answer), 17);
	ldns_pkt_free(answer);
	expect("chain-17.example", A, "SERVFAIL");
	expect_counts(1, 0, 4 + 17 + 17);
}

static void test_truncation(void **state)
{
	ldns_pkt *answer;

	(void)state;
	expect("cut.example", A, "NOERROR, cut.example. 60 A 192.0.2.6");
	expect_counts(1, 0, 2);
	answer = ask_over(true, "big.example", A, 0);
	assert_int_equal(ldns_pkt_ancount(answer), BIG_RECORDS);
	assert_int_equal(ldns_pkt_get_rcode(answer), LDNS_RCODE_NOERROR);
	ldns_pkt_free(answer);
	expect_counts(1 + BIG_RECORDS, 0, 4);
	expect_entered(1, "198.51.0.0", "big.example", 1, 21);
	expect_entered(BIG_RECORDS, "198.51.15.159", "big.example", 1, 21);
	/* Over UDP it says that there is more, whatever size the client asks for. */
	for (size_t i = 0; i < 3; i++) {
		static const uint16_t sizes[] = { 0, 1232, 65535 };

		answer = ask_over(false, "big.example", A, sizes[i]);
		assert_true(ldns_pkt_tc(answer));
		assert_int_equal(ldns_pkt_ancount(answer), 0);
		ldns_pkt_free(answer);
	}
	/* About 680 bytes. */
	answer = ask_over(false, "middle.example", A, 0);
	assert_true(ldns_pkt_tc(answer) && ldns_pkt_ancount(answer) == 0);
	ldns_pkt_free(answer);
	answer = ask_over(false, "middle.example", A, 1232);
	assert_int_equal(ldns_pkt_ancount(answer), 40);
	assert_in_range(ldns_pkt_size(answer), 513, 1232);
	ldns_pkt_free(answer);
}

static void test_no_room(void **state)
{
	(void)state;
	expect("full.example", A, "SERVFAIL");
	expect_refused(0, "full.example", OBMON_LOOKUP_NO_ROOM, NULL, false);
	expect("full.example", A, "SERVFAIL");
	expect_refused(1, "full.example", OBMON_LOOKUP_NO_ROOM, NULL, true);
}

static void test_lies(void **state)
{
	uint64_t before = clock_ns(CLOCK_MONOTONIC);

	(void)state;
	expect("lied.example", A, "NOERROR, lied.example. 60 A 192.0.2.7");
	expect("old.example", A, "NOERROR, old.example. 60 A 192.0.2.8");
	expect("garbage.example", A, "SERVFAIL");
	/* None of this takes a timeout. */
	assert_true(clock_ns(CLOCK_MONOTONIC) - before < 1100000000u);
	expect_entered(0, "192.0.2.7", "lied.example", 1, 18);
	expect_counts(2, 0, 1 + 2 + 12);
}

static void test_private(void **state)
{
	(void)state;
	expect("metadata.example", A, "NOERROR, metadata.example. 60 A 192.0.2.9");
	expect_refused(0, "metadata.example", OBMON_LOOKUP_PRIVATE, "169.254.169.254", false);
	expect_refused(1, "metadata.example", OBMON_LOOKUP_PRIVATE, "127.0.0.1", false);
	expect("metadata.example", AAAA, "REFUSED");
	expect_refused(2, "metadata.example", OBMON_LOOKUP_PRIVATE, "::ffff:10.0.0.1", true);
	expect("rebound.example", A, "REFUSED");
	expect_refused(3, "rebound.example", OBMON_LOOKUP_PRIVATE, "10.0.0.1", false);
	expect_counts(1, 4, 3);
	expect_entered(0, "192.0.2.9", "metadata.example", 1, 22);
}

static void test_private_granted(void **state)
{
	(void)state;
	/* The private address is entered only for the rule that wants such addresses. */
	expect("site.example", A, "NOERROR, site.example. 60 A 10.0.0.1, site.example. 60 A 192.0.2.10");
	expect_entered(0, "10.0.0.1", "site.example", 1, 24);
	expect_entered(1, "192.0.2.10", "site.example", 2, 24, 25);
	expect_refused(0, "site.example", OBMON_LOOKUP_PRIVATE, "127.0.0.1", false);
	expect("db.internal", A, "NOERROR, db.internal. 60 A 10.0.0.2");
	expect_entered(2, "10.0.0.2", "db.internal", 1, 26);
	expect("net.example", A, "NOERROR, net.example. 60 A 10.9.8.7, net.example. 60 A 127.0.0.5");
	expect_entered(3, "10.9.8.7", "net.example", 1, 27);
	expect_entered(4, "127.0.0.5", "net.example", 1, 27);
	expect_refused(1, "net.example", OBMON_LOOKUP_PRIVATE, "10.9.9.7", false);
	expect_counts(5, 2, 3);
}

static void test_audit(void **state)
{
	(void)state;
	expect("other.example", A, "NOERROR, other.example. 60 A 192.0.2.3");
	expect_refused(0, "other.example", OBMON_LOOKUP_NOT_GRANTED, NULL, false);
	expect_entered(0, "192.0.2.3", "other.example", 0);
	expect("rebound.example", A, "NOERROR, rebound.example. 60 CNAME x.example., x.example. 60 A 10.0.0.1");
	expect_refused(1, "rebound.example", OBMON_LOOKUP_PRIVATE, "10.0.0.1", false);
	expect_entered(1, "10.0.0.1", "rebound.example", 1, 23);
	expect("other.example", LDNS_RR_TYPE_TXT, "NOERROR");
	expect("full.example", A, "NOERROR, full.example. 60 A 192.0.2.99");
	expect_counts(2, 4, 3);
}

static void be_stranger(bool stranger)
{
	pthread_mutex_lock(&world.lock);
	world.stranger = stranger;
	pthread_mutex_unlock(&world.lock);
}

static void test_strangers(void **state)
{
	_cleanup_fd_ int udp = dial(SOCK_DGRAM), tcp = -1;

	(void)state;
	be_stranger(true);
	send_query(udp, false, 1, "one.example", A, 0);
	tcp = dial(SOCK_STREAM);
	assert_null(receive(tcp, true));
	/* The datagram may have come in the same turn as the connection, and after it. */
	send_query(udp, false, 2, "one.example", A, 0);
	usleep(50000);
	be_stranger(false);
	expect_silence(udp);
	expect_counts(0, 0, 0);
}

/* Send @wire as a query. @return the answer's RCODE, or -1 for none; an answer has @wire's id. */
static int rcode_of(const uint8_t *wire, size_t length)
{
	_cleanup_fd_ int fd = dial(SOCK_DGRAM);
	struct pollfd wait = { .fd = fd, .events = POLLIN };
	ldns_pkt *answer;
	int rcode;

	assert_int_equal(send(fd, wire, length, 0), length);
	catch_up();
	if (!poll(&wait, 1, 0))
		return -1;
	answer = receive(fd, false);
	assert_int_equal(ldns_pkt_id(answer), ldns_read_uint16(wire));
	assert_true(ldns_pkt_qr(answer));
	assert_int_equal(ldns_pkt_ancount(answer), 0);
	rcode = ldns_pkt_get_rcode(answer);
	ldns_pkt_free(answer);
	return rcode;
}

static void test_malformed(void **state)
{
	uint8_t good[512], bad[5000];
	size_t length = make_query(good, 7, "one.example", A, 0);

	(void)state;
#define SPOIL(at, value) (memcpy(bad, good, length), bad[at] = (value), bad)
	assert_int_equal(rcode_of(SPOIL(2, 0x81), length), -1);                   /* an answer */
	assert_int_equal(rcode_of(good, LDNS_HEADER_SIZE - 1), -1);               /* not even a header */
	assert_int_equal(rcode_of(SPOIL(2, 2 << 3), length), LDNS_RCODE_NOTIMPL); /* STATUS */
	assert_int_equal(rcode_of(SPOIL(2, 5 << 3), length), LDNS_RCODE_NOTIMPL); /* UPDATE */
	assert_int_equal(rcode_of(SPOIL(length - 1, LDNS_RR_CLASS_CH), length), LDNS_RCODE_NOTIMPL);
	assert_int_equal(rcode_of(SPOIL(5, 0), length), LDNS_RCODE_FORMERR);     /* no question */
	assert_int_equal(rcode_of(SPOIL(5, 2), length), LDNS_RCODE_FORMERR);     /* two */
	assert_int_equal(rcode_of(SPOIL(4, 0xff), length), LDNS_RCODE_FORMERR);  /* thousands */
	assert_int_equal(rcode_of(SPOIL(7, 1), length), LDNS_RCODE_FORMERR);     /* an answer is announced */
	assert_int_equal(rcode_of(SPOIL(9, 1), length), LDNS_RCODE_FORMERR);     /* an authority */
	assert_int_equal(rcode_of(SPOIL(10, 0xff), length), LDNS_RCODE_FORMERR); /* 65,280 more records */
	assert_int_equal(rcode_of(good, length - 1), LDNS_RCODE_FORMERR);        /* cut */
	assert_int_equal(rcode_of(good, LDNS_HEADER_SIZE), LDNS_RCODE_FORMERR);  /* far too short */
	assert_int_equal(rcode_of(SPOIL(LDNS_HEADER_SIZE, 64), length), LDNS_RCODE_FORMERR);   /* label type 01 */
	assert_int_equal(rcode_of(SPOIL(LDNS_HEADER_SIZE, 0xff), length), LDNS_RCODE_FORMERR); /* points past the end */
	assert_int_equal(rcode_of(SPOIL(LDNS_HEADER_SIZE, 63), length), LDNS_RCODE_FORMERR);
	memcpy(bad, good, length);
	bad[LDNS_HEADER_SIZE] = 0xc0; /* points to itself */
	bad[LDNS_HEADER_SIZE + 1] = LDNS_HEADER_SIZE;
	assert_int_equal(rcode_of(bad, length), LDNS_RCODE_FORMERR);
	/* A name of 256 bytes: 127 labels of one letter, and one letter more. */
	memset(bad + LDNS_HEADER_SIZE, 0, 400);
	for (size_t i = 0; i < 128; i++) {
		bad[LDNS_HEADER_SIZE + 2 * i] = 1;
		bad[LDNS_HEADER_SIZE + 2 * i + 1] = 'a';
	}
	bad[LDNS_HEADER_SIZE + 258] = bad[LDNS_HEADER_SIZE + 260] = 1;
	assert_int_equal(rcode_of(bad, LDNS_HEADER_SIZE + 261), LDNS_RCODE_FORMERR);
#undef SPOIL
}

/* What isn't a host name is told in escaped form, and granted by nothing. */
static void test_binary_names(void **state)
{
	static const struct {
		const char *labels; /* in wire form */
		size_t length;
		const char *host;
	} cases[] = {
		{ "\x0bone.example", 12, "one\\.example" },
		{ "\x06x.wild\x07"
		  "example",
		  15, "x\\.wild.example" },
		{ "\x03one\x08"
		  "example.",
		  13, "one.example\\." },
		{ "\x02x\0\x04wild\x07"
		  "example",
		  16, "x\\000.wild.example" },
		{ "\x01 \x04wild\x07"
		  "example",
		  15, "\\032.wild.example" },
		{ "\x01*\x04wild\x07"
		  "example",
		  15, "*.wild.example" },
		{ "\x02\xc3\xa4\x04wild\x07"
		  "example",
		  16, "\\195\\164.wild.example" },
		{ "\x03one\x07"
		  "exampl\xc5",
		  12, "one.exampl\\197" },
	};
	uint8_t wire[512];
	size_t length = make_query(wire, 9, ".", A, 0), tail = length - LDNS_HEADER_SIZE;
	char cut[OBMON_HOST_MAX + 1];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		make_query(wire, 9, ".", A, 0);
		memmove(wire + LDNS_HEADER_SIZE + cases[i].length, wire + LDNS_HEADER_SIZE, tail);
		memcpy(wire + LDNS_HEADER_SIZE, cases[i].labels, cases[i].length);
		assert_int_equal(rcode_of(wire, length + cases[i].length), LDNS_RCODE_REFUSED);
		expect_refused(i, cases[i].host, OBMON_LOOKUP_NOT_GRANTED, NULL, false);
	}
	/* 250 bytes of which each takes four to write. */
	make_query(wire, 9, ".", A, 0);
	memmove(wire + LDNS_HEADER_SIZE + 250, wire + LDNS_HEADER_SIZE, tail);
	memset(wire + LDNS_HEADER_SIZE, 1, 250);
	for (size_t i = 0; i < 250; i += 50)
		wire[LDNS_HEADER_SIZE + i] = 49;
	for (size_t i = 0; i < OBMON_HOST_MAX; i++)
		cut[i] = i % 197 == 196 ? '.' : "\\001"[i % 197 % 4];
	cut[OBMON_HOST_MAX] = '\0';
	assert_int_equal(rcode_of(wire, length + 250), LDNS_RCODE_REFUSED);
	expect_refused(ARRAY_SIZE(cases), cut, OBMON_LOOKUP_NOT_GRANTED, NULL, false);
	expect_counts(0, ARRAY_SIZE(cases) + 1, 0);
}

/* Bytes that come to mind, and queries with some of theirs changed; then all is as before. */
static void test_garbage(void **state)
{
	_cleanup_fd_ int fd = dial(SOCK_DGRAM);
	unsigned seed = 20240229;
	uint8_t wire[512];

	(void)state;
	for (unsigned i = 0; i < 5000; i++) {
		size_t length = make_query(wire, (uint16_t)i, "x.wild.example", A, i % 2 ? 1232 : 0);

		if (i % 3 == 0)
			length = (size_t)(rand_r(&seed) % (int)sizeof(wire));
		for (size_t j = 0; i % 3 == 0 && j < length; j++)
			wire[j] = (uint8_t)rand_r(&seed);
		for (size_t j = 0; i % 3 && j < 1 + i % 4; j++)
			wire[(size_t)rand_r(&seed) % length] = (uint8_t)rand_r(&seed);
		send(fd, wire, length, 0);
		if (i % 50 == 0)
			expect("one.example", A, "NOERROR, one.example. 300 A 192.0.2.1");
	}
	expect("one.example", A, "NOERROR, one.example. 300 A 192.0.2.1");
}

/* Nobody answers; meanwhile connections that ask nothing are closed. */
static void test_timeout(void **state)
{
	_cleanup_fd_ int idle = dial(SOCK_STREAM), half = dial(SOCK_STREAM);
	_cleanup_fd_ int gone = dial(SOCK_STREAM), heir = -1;
	const struct linger at_once = { .l_onoff = 1 };
	struct counts counts;
	ldns_pkt *answer;
	uint64_t before;

	(void)state;
	/* Who has the place of a connection that ended doesn't get its answers. */
	send_query(gone, true, 1, "dead.example", A, 0);
	do {
		usleep(1000);
		look_at(&counts, &world.told, sizeof(counts));
	} while (!counts.sent);
	setsockopt(gone, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	fd_close(&gone);
	expect("gone.example", A, "NXDOMAIN");
	heir = dial(SOCK_STREAM);
	send_query(heir, true, 2, "dead.example", A, 0);

	before = clock_ns(CLOCK_MONOTONIC);
	assert_int_equal(write_all(half, "\0\x30half", 6), 0);
	expect("dead.example", A, "SERVFAIL");
	assert_in_range(clock_ns(CLOCK_MONOTONIC) - before, 4500000000u,
			RESOLVER_BUDGET_MILLIS * UINT64_C(1000000) + 500000000u);
	answer = receive(heir, true);
	assert_int_equal(ldns_pkt_id(answer), 2);
	assert_int_equal(ldns_pkt_get_rcode(answer), LDNS_RCODE_SERVFAIL);
	ldns_pkt_free(answer);
	expect_silence(heir);
	/* Three lookups, with attempts after about 0, 1.2 and 3.6 s each. */
	look_at(&counts, &world.told, sizeof(counts));
	assert_int_equal(counts.sent, 1 + 3 * 3);
	assert_int_equal(recv(idle, &counts, 1, MSG_DONTWAIT), 0);
	assert_true(recv(half, &counts, 1, MSG_DONTWAIT) == 0 || errno == ECONNRESET);
}

/* A server that refuses, one that nobody is at, one that says nothing, and one that knows. */
static void test_servers(void **state)
{
	struct sockaddr_storage upstreams[3] = { world.servers[0].address, world.servers[1].address }, silent;
	int silent_udp, silent_tcp;
	uint64_t before;

	(void)state;
	start(AF_INET, upstreams, 2);
	expect("moody.example", A, "NOERROR, moody.example. 60 A 192.0.2.5");
	expect_counts(1, 0, 2);
	stop();

	bind_both(&silent, AF_INET, &silent_udp, &silent_tcp);
	upstreams[0] = silent;
	close(silent_udp);
	start(AF_INET, upstreams, 2);
	before = clock_ns(CLOCK_MONOTONIC);
	expect("one.example", A, "NOERROR, one.example. 300 A 192.0.2.1");
	assert_true(clock_ns(CLOCK_MONOTONIC) - before < 1100000000u);
	stop();

	silent_udp = bind_socket(&silent, SOCK_DGRAM);
	assert_true(silent_udp >= 0);
	start(AF_INET, upstreams, 2);
	before = clock_ns(CLOCK_MONOTONIC);
	expect("one.example", A, "NOERROR, one.example. 300 A 192.0.2.1");
	assert_in_range(clock_ns(CLOCK_MONOTONIC) - before, 1100000000u, 2300000000u);
	stop();
	close(silent_udp);
	close(silent_tcp);
}

/* Queries in single bytes. */
static void test_slow_writer(void **state)
{
	_cleanup_fd_ int fd = dial(SOCK_STREAM);
	uint8_t wire[2 + 512];

	(void)state;
	for (uint16_t id = 1; id <= 3; id++) {
		size_t length = make_query(wire + 2, id, "one.example", A, 0);
		ldns_pkt *answer;

		ldns_write_uint16(wire, (uint16_t)length);
		for (size_t i = 0; i < 2 + length; i++) {
			assert_int_equal(write_all(fd, wire + i, 1), 0);
			usleep(500);
		}
		answer = receive(fd, true);
		assert_non_null(answer);
		assert_int_equal(ldns_pkt_id(answer), id);
		assert_int_equal(ldns_pkt_ancount(answer), 1);
		ldns_pkt_free(answer);
	}
}

/* Over TCP, whatever else there is: one waits, one has sent half a message, one doesn't read. */
static void test_connections(void **state)
{
	_cleanup_fd_ int waiting = dial(SOCK_STREAM), half = dial(SOCK_STREAM), deaf = dial(SOCK_STREAM);
	_cleanup_fd_ int long_one = dial(SOCK_STREAM), done = dial(SOCK_STREAM);
	uint8_t too_long[2] = { 0x10, 0x01 };
	ldns_pkt *answer;
	struct counts now = { 0 }, before;
	int small = 1 << 16;

	(void)state;
	assert_int_equal(write_all(half, "\0\x30half", 6), 0);
	setsockopt(deaf, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	for (unsigned i = 0; i < 100; i++)
		send_query(deaf, true, (uint16_t)i, "big.example", A, 0);
	/* The answer to the second query doesn't wait for the first; messages may be of any size, even 0. */
	send_query(waiting, true, 1, "dead.example", A, 0);
	assert_int_equal(write_all(waiting, "\0\0\0\1x", 5), 0);
	send_query(waiting, true, 2, "one.example", A, 0);
	answer = receive(waiting, true);
	assert_int_equal(ldns_pkt_id(answer), 2);
	ldns_pkt_free(answer);
	/* Longer than any query: closed. */
	assert_int_equal(write_all(long_one, too_long, 2), 0);
	assert_null(receive(long_one, true));
	/* More queries than are looked up at once, and then the end: all are answered before that is returned. */
	for (unsigned i = 0; i < 30; i++)
		send_query(done, true, (uint16_t)i, i % 2 ? "one.example" : "other.example", A, 0);
	shutdown(done, SHUT_WR);
	for (unsigned i = 0; i < 30; i++) {
		answer = receive(done, true);
		assert_non_null(answer);
		ldns_pkt_free(answer);
	}
	assert_null(receive(done, true));
	/* Who starts to read only when nothing more happens has it all. */
	do {
		before = now;
		usleep(150000);
		look_at(&now, &world.told, sizeof(now));
	} while (now.sent != before.sent);
	for (unsigned i = 0; i < 100; i++) {
		answer = receive(deaf, true);
		assert_non_null(answer);
		assert_int_equal(ldns_pkt_ancount(answer), BIG_RECORDS);
		ldns_pkt_free(answer);
	}
}

/* A hundred at once: those who find no place are closed, all others are answered; places become free again. */
static void test_many_connections(void **state)
{
	int fds[100];
	size_t answered = 0;

	(void)state;
	for (unsigned round = 0; round < 2; round++) {
		answered = 0;
		for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
			fds[i] = dial(SOCK_STREAM);
		for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
			uint8_t wire[2 + 512];
			size_t length = make_query(wire + 2, (uint16_t)i, "one.example", A, 0);
			ldns_pkt *answer;

			ldns_write_uint16(wire, (uint16_t)length);
			send(fds[i], wire, 2 + length, MSG_NOSIGNAL);
			answer = receive(fds[i], true);
			answered += answer != NULL;
			ldns_pkt_free(answer);
		}
		for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
			close(fds[i]);
		assert_int_equal(answered, 64);
		/* The last of them may still be open; a lookup later it isn't. */
		expect("one.example", A, "NOERROR, one.example. 300 A 192.0.2.1");
	}
}

/* Lookups beyond what has room fail at once; the others go on, and end with the resolver. */
static void test_too_many_lookups(void **state)
{
	_cleanup_fd_ int fd = dial(SOCK_DGRAM);
	ldns_pkt *answer;

	(void)state;
	for (unsigned i = 0; i < 600; i++) {
		send_query(fd, false, (uint16_t)i, "dead.example", A, 0);
		/* Not more at once than a socket holds: this one is answered when all before have been read. */
		if (i < 500 && i % 100 == 99) {
			send_query(fd, false, 10000, "other.example", A, 0);
			answer = receive(fd, false);
			assert_int_equal(ldns_pkt_id(answer), 10000);
			ldns_pkt_free(answer);
		}
	}
	for (unsigned i = 512; i < 600; i++) {
		answer = receive(fd, false);
		assert_int_equal(ldns_pkt_get_rcode(answer), LDNS_RCODE_SERVFAIL);
		assert_int_equal(ldns_pkt_id(answer), i);
		ldns_pkt_free(answer);
	}
	expect_silence(fd);
}

static void test_ipv6(void **state)
{
	struct sockaddr_storage upstream = world.servers[0].address;

	(void)state;
	start(AF_INET6, &upstream, 1);
	expect("one.example", A, "NOERROR, one.example. 300 A 192.0.2.1");
	ldns_pkt_free(ask_over(true, "x.wild.example", A, 0));
	expect_counts(2, 0, 2);
	stop();
}

/* Ten thousand queries, a window's worth at any time, and each has its own answer. */
static void test_load(void **state)
{
	enum { N = 10000, WINDOW = 64 };
	static bool answered[N];
	_cleanup_fd_ int fd = dial(SOCK_DGRAM);
	uint64_t before = clock_ns(CLOCK_MONOTONIC);
	struct counts counts;
	char name[64];
	unsigned sent = 0;
	clockid_t clock;

	(void)state;
	memset(answered, 0, sizeof(answered));
	for (unsigned received = 0; received < N; received++) {
		ldns_pkt *answer;
		_cleanup_free_ char *got = NULL, *expected = NULL;
		unsigned id;

		for (; sent < N && sent < received + WINDOW; sent++) {
			snprintf(name, sizeof(name), "x-%u.wild.example", sent);
			send_query(fd, false, (uint16_t)sent, name, A, 1232);
		}
		answer = receive(fd, false);
		id = ldns_pkt_id(answer);
		assert_true(id < N && !answered[id]);
		answered[id] = true;
		got = describe(answer);
		expected = format("NOERROR, x-%u.wild.example. 60 A 192.0.2.2", id);
		assert_string_equal(got, expected);
	}
	look_at(&counts, &world.told, sizeof(counts));
	assert_int_equal(counts.entered, N);
	assert_int_equal(pthread_getcpuclockid(world.resolver, &clock), 0);
	print_message("%.0f queries a second; the resolver takes %.1f us for each\n",
		      N * 1e9 / (double)(clock_ns(CLOCK_MONOTONIC) - before), (double)clock_ns(clock) / 1e3 / N);
}

static void test_bad_start(void **state)
{
	struct resolver_spec spec = { .udp = -1, .tcp = -1, .n_upstreams = 1, .upstreams = &world.servers[0].address };
	struct obmon_error err = { 0 };
	int ends[2];

	(void)state;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	assert_int_equal(resolver_serve(&spec, ends[0], &err), -1);
	assert_int_equal(err.errnum, EBADF);
	assert_int_equal(resolver_serve(&spec, -1, &err), -1);
	spec.n_upstreams = 0;
	assert_int_equal(resolver_serve(&spec, ends[0], &err), -1);
	assert_int_equal(err.code, OBMON_ERR_HOST);
	close(ends[0]);
	close(ends[1]);
}

#define USUAL(test) cmocka_unit_test_setup_teardown(test, start_usual, stop_usual)

int main(void)
{
	const struct CMUnitTest tests[] = {
		USUAL(test_granted),
		USUAL(test_wildcard),
		USUAL(test_ungranted),
		USUAL(test_nothing_there),
		USUAL(test_chains),
		USUAL(test_loops),
		USUAL(test_truncation),
		USUAL(test_no_room),
		USUAL(test_lies),
		USUAL(test_private),
		USUAL(test_private_granted),
		cmocka_unit_test_setup_teardown(test_audit, start_audit, stop_usual),
		USUAL(test_strangers),
		USUAL(test_malformed),
		USUAL(test_binary_names),
		USUAL(test_garbage),
		USUAL(test_timeout),
		cmocka_unit_test(test_servers),
		USUAL(test_slow_writer),
		USUAL(test_connections),
		USUAL(test_many_connections),
		USUAL(test_too_many_lookups),
		cmocka_unit_test(test_ipv6),
		USUAL(test_load),
		cmocka_unit_test(test_bad_start),
	};

	return cmocka_run_group_tests(tests, start_servers, stop_servers);
}
