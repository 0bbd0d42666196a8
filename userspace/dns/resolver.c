// SPDX-License-Identifier: Apache-2.0
#include "dns/resolver.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "dns/clients.h"
#include "dns/loop.h"
#include "dns/message.h"
#include "dns/names.h"
#include "dns/private.h"
#include "dns/upstream.h"
#include "lib/util.h"

#define LOOKUPS_MAX 512
/* How exact time limits are, and how often everything under way is looked at for them. */
#define CHECK_MILLIS 100
/* A power of two. */
#define TOLD_MAX 64

/* A query that waits for an upstream. */
struct lookup {
	struct resolver *resolver;
	size_t place; /* in resolver->lookups */
	struct origin origin;
	struct message_query query;
	struct message_chain chain;
	struct upstream_ask ask; /* about the end of the chain */
};

/* A refusal that was told. */
struct told {
	char host[OBMON_HOST_MAX + 1];
	enum obmon_lookup_reason reason;
	uint64_t until;
};

struct resolver {
	const struct resolver_spec *spec;
	struct loop loop;
	struct watch end;
	bool over;
	struct names names;
	struct clients *clients;
	struct upstream upstream;
	ldns_buffer *out; /* scratch for an answer */
	struct lookup *lookups[LOOKUPS_MAX];
	size_t n_lookups;
	struct told told[TOLD_MAX];
};

/* Reports */

/* Has the same been told lately? If not, it is now. */
static bool told_lately(struct resolver *resolver, const char *host, enum obmon_lookup_reason reason)
{
	uint64_t now = resolver->loop.now;
	struct told *told = &resolver->told[(names_hash(host) + reason) & (TOLD_MAX - 1)];

	if (told->until > now && told->reason == reason && !strcmp(told->host, host))
		return true;
	told->reason = reason;
	told->until = now + RESOLVER_AGAIN_MILLIS;
	snprintf(told->host, sizeof(told->host), "%s", host);
	return false;
}

static bool refuse(struct resolver *resolver, const char *host, enum obmon_lookup_reason reason,
		   const struct obmon_process *asker)
{
	const struct resolver_spec *spec = resolver->spec;

	return spec->refuse(spec->data, host, reason, NULL, asker, told_lately(resolver, host, reason));
}

/* Answers */

static void send_answer(struct resolver *resolver, const struct origin *origin, const struct message_query *query,
			const struct message_answer *answer)
{
	ldns_buffer *out = resolver->out;

	/* Out of memory: all that is left to do is to be silent, and the client asks again. */
	if (message_write_answer(out, query, answer, origin->connection != NULL))
		ldns_buffer_clear(out);
	clients_answer(resolver->clients, origin, ldns_buffer_begin(out), ldns_buffer_position(out));
}

static void lookup_free(struct lookup *lookup)
{
	struct resolver *resolver = lookup->resolver;
	struct lookup *last = resolver->lookups[--resolver->n_lookups];

	resolver->lookups[lookup->place] = last;
	last->place = lookup->place;
	upstream_cancel(&lookup->ask);
	message_clear_chain(&lookup->chain);
	message_clear_query(&lookup->query);
	free(lookup);
}

static void lookup_finish(struct lookup *lookup, const struct message_answer *answer)
{
	send_answer(lookup->resolver, &lookup->origin, &lookup->query, answer);
	lookup_free(lookup);
}

static void lookup_fail(struct lookup *lookup, ldns_pkt_rcode rcode)
{
	lookup_finish(lookup, &(struct message_answer){ .rcode = rcode });
}

/* For how many of the rules of @match may @host have @address? They are the first ones. -1: for none at all. */
static ssize_t rules_for(const struct resolver *resolver, const char *host, const struct names_match *match,
			 const struct obmon_address *address)
{
	const struct resolver_spec *spec = resolver->spec;
	enum private_scope scope = private_scope(address);

	if (scope == SCOPE_PUBLIC || (scope == SCOPE_SITE && private_name(host)))
		return (ssize_t)match->n;
	for (size_t i = 0; i < spec->n_networks; i++)
		if (private_within(address, &spec->networks[i]))
			return (ssize_t)match->n;
	return scope == SCOPE_SITE && match->n_private ? (ssize_t)match->n_private : -1;
}

/* Enter those of @found that the name may have, and keep only them. @return the RCODE of the answer. */
static ldns_pkt_rcode admit(struct lookup *lookup, struct message_addresses *found, uint32_t ttl)
{
	struct resolver *resolver = lookup->resolver;
	const struct resolver_spec *spec = resolver->spec;
	const char *host = lookup->query.host;
	struct names_match match = { 0 };
	uint32_t expires = (uint32_t)(clock_ns(CLOCK_BOOTTIME) / 1000000000u) + 1 + ttl + RESOLVER_GRACE;
	bool refused = false, again = false;
	size_t kept = 0;

	if (lookup->query.plain)
		match = names_match(&resolver->names, host);
	for (size_t i = 0; i < found->n; i++) {
		const struct obmon_address *address = &found->items[i];
		ssize_t n = rules_for(resolver, host, &match, address);

		if (n < 0) {
			/* The addresses of one lookup are told together, or not at all. */
			again = refused ? again : told_lately(resolver, host, OBMON_LOOKUP_PRIVATE);
			refused = true;
			if (spec->refuse(spec->data, host, OBMON_LOOKUP_PRIVATE, address, &lookup->origin.asker, again))
				continue;
			n = (ssize_t)match.n;
		}
		if (spec->enter(spec->data, address, host, match.ids, (size_t)n, expires) &&
		    refuse(resolver, host, OBMON_LOOKUP_NO_ROOM, &lookup->origin.asker))
			return LDNS_RCODE_SERVFAIL;
		found->items[kept++] = *address;
	}
	found->n = kept;
	return refused && !kept ? LDNS_RCODE_REFUSED : LDNS_RCODE_NOERROR;
}

/* Lookups */

static void lookup_go_on(struct lookup *lookup)
{
	lookup->ask.name = message_chain_end(&lookup->chain, &lookup->query);
	upstream_ask(&lookup->ask);
}

/* The chain has come to its end, with @found. */
static void lookup_conclude(struct lookup *lookup, struct message_addresses *found, ldns_pkt_rcode rcode)
{
	struct message_answer answer = {
		.rcode = rcode,
		.chain = &lookup->chain,
		.ttl = lookup->chain.ttl < RESOLVER_TTL_MAX ? lookup->chain.ttl : RESOLVER_TTL_MAX,
	};

	if (found->n) {
		rcode = admit(lookup, found, answer.ttl);
		if (rcode != LDNS_RCODE_NOERROR) {
			lookup_fail(lookup, rcode);
			return;
		}
		answer.rcode = rcode;
		answer.addresses = found->items;
		answer.n_addresses = found->n;
	}
	lookup_finish(lookup, &answer);
}

static void lookup_replied(void *owner, ldns_pkt *reply)
{
	struct lookup *lookup = owner;
	struct message_addresses found = { 0 };
	enum message_walk walk = WALK_FAILED;
	ldns_pkt_rcode rcode = LDNS_RCODE_SERVFAIL;

	if (reply) {
		walk = message_walk(reply, &lookup->query, &lookup->chain, &found);
		rcode = ldns_pkt_get_rcode(reply);
	}
	/* Now, as the answer to come may take as much memory. */
	ldns_pkt_free(reply);
	if (walk == WALK_FOLLOW)
		lookup_go_on(lookup);
	else if (walk == WALK_FAILED)
		lookup_fail(lookup, LDNS_RCODE_SERVFAIL);
	else
		lookup_conclude(lookup, &found, rcode);
	free(found.items);
}

/* Ask the upstreams what @query asks, which becomes the lookup's. @return -1 if it can't be done. */
static int lookup_start(struct resolver *resolver, const struct origin *origin, struct message_query *query)
{
	struct lookup *lookup;

	if (resolver->n_lookups == LOOKUPS_MAX)
		return -1;
	lookup = calloc(1, sizeof(*lookup));
	if (!lookup)
		return -1;
	*lookup = (struct lookup){
		.resolver = resolver,
		.place = resolver->n_lookups,
		.origin = *origin,
		.query = *query,
		.chain.ttl = UINT32_MAX,
		.ask = {
			.upstream = &resolver->upstream,
			.type = query->type,
			.deadline = resolver->loop.now + RESOLVER_BUDGET_MILLIS - CHECK_MILLIS,
			.done = lookup_replied,
			.owner = lookup,
		},
	};
	query->name = NULL;
	resolver->lookups[resolver->n_lookups++] = lookup;
	lookup_go_on(lookup);
	return 0;
}

/* Deal with a well-formed query. @return the RCODE to answer with now, or -1 if the answer comes later. */
static int resolve(struct resolver *resolver, const struct origin *origin, struct message_query *query)
{
	bool granted = query->plain && names_match(&resolver->names, query->host).n > 0;

	if (!granted &&
	    (refuse(resolver, query->host, OBMON_LOOKUP_NOT_GRANTED, &origin->asker) || !resolver->spec->answer_all))
		return LDNS_RCODE_REFUSED;
	/* No other records are of use for a connection, and many are for carrying data past the grants. */
	if (query->type != LDNS_RR_TYPE_A && query->type != LDNS_RR_TYPE_AAAA)
		return LDNS_RCODE_NOERROR;
	return lookup_start(resolver, origin, query) ? LDNS_RCODE_SERVFAIL : -1;
}

static bool take_query(void *data, const struct origin *origin, const uint8_t *wire, size_t length)
{
	struct resolver *resolver = data;
	struct message_query query;
	int read = message_read_query(&query, wire, length), rcode = read;

	if (read == LDNS_RCODE_NOERROR)
		rcode = resolve(resolver, origin, &query);
	if (rcode >= 0)
		send_answer(resolver, origin, &query, &(struct message_answer){ .rcode = (ldns_pkt_rcode)rcode });
	message_clear_query(&query);
	return read >= 0;
}

/* The whole */

static void end_ready(void *owner, uint32_t events)
{
	struct resolver *resolver = owner;

	(void)events;
	resolver->over = true;
}

/* Look after what is late. */
static void check(struct resolver *resolver)
{
	/* From the end: who is done makes room for the last one. */
	for (size_t i = resolver->n_lookups; i-- > 0;)
		upstream_check(&resolver->lookups[i]->ask);
	clients_check(resolver->clients);
}

static int run(struct resolver *resolver, struct obmon_error *err)
{
	uint64_t checked = resolver->loop.now;

	while (!resolver->over) {
		bool busy = resolver->n_lookups || clients_busy(resolver->clients);

		if (loop_wait(&resolver->loop, busy ? CHECK_MILLIS : -1))
			return obmon_fail_errno(err, OBMON_ERR_INTERNAL, errno, "the resolver cannot wait for queries");
		if (resolver->loop.now - checked >= CHECK_MILLIS) {
			check(resolver);
			checked = resolver->loop.now;
		}
	}
	return 0;
}

static int prepare(struct resolver *resolver, int until, struct obmon_error *err)
{
	const struct resolver_spec *spec = resolver->spec;

	if (!spec->n_upstreams)
		return obmon_fail(err, OBMON_ERR_HOST, "the resolver has no name server to ask");
	if (loop_open(&resolver->loop))
		return obmon_fail_errno(err, OBMON_ERR_INTERNAL, errno, "the resolver cannot make an epoll descriptor");
	resolver->out = ldns_buffer_new(LDNS_MIN_BUFLEN);
	if (!resolver->out || names_index(&resolver->names, spec->rules, spec->n_rules) ||
	    upstream_open(&resolver->upstream, &resolver->loop, spec->upstreams, spec->n_upstreams))
		return obmon_fail(err, OBMON_ERR_INTERNAL, "out of memory starting the resolver");
	resolver->end = (struct watch){ end_ready, resolver };
	if (loop_add(&resolver->loop, until, EPOLLIN, &resolver->end))
		return obmon_fail_errno(err, OBMON_ERR_INTERNAL, errno, "the resolver cannot wait for its end");
	resolver->clients = clients_open(&resolver->loop, spec, take_query, resolver);
	if (!resolver->clients)
		return obmon_fail_errno(err, OBMON_ERR_INTERNAL, errno, "the resolver cannot use its sockets");
	return 0;
}

int resolver_serve(const struct resolver_spec *spec, int until, struct obmon_error *err)
{
	struct resolver *resolver = calloc(1, sizeof(*resolver));
	int result;

	if (!resolver)
		return obmon_fail(err, OBMON_ERR_INTERNAL, "out of memory starting the resolver");
	resolver->spec = spec;
	resolver->loop.epoll = -1;
	result = prepare(resolver, until, err) || run(resolver, err) ? -1 : 0;
	while (resolver->n_lookups > 0)
		lookup_free(resolver->lookups[resolver->n_lookups - 1]);
	clients_close(resolver->clients);
	upstream_close(&resolver->upstream);
	names_clear(&resolver->names);
	ldns_buffer_free(resolver->out);
	fd_close(&resolver->loop.epoll);
	free(resolver);
	return result;
}
