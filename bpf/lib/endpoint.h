/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Network endpoints: what is granted on an address, by the automaton and by what the run's resolver has answered.
 * How an endpoint is spelled for the automaton is said in <obmon/abi/net.h>.
 */
#ifndef OBMON_BPF_ENDPOINT_H
#define OBMON_BPF_ENDPOINT_H

#include "judge.h"

#define NANOSECONDS 1000000000ull
/* The protocol of the spelling that stands for "on some port". */
#define PROTOCOL_ANY 0u
/* What no rule is about: anything but TCP and UDP, whose numbers may not fit a byte. */
#define PROTOCOL_OTHER 255u

struct endpoint {
	struct obmon_address address; /* ::ffff:a.b.c.d is the IPv4 address a.b.c.d */
	__u32 protocol;
	__u32 port;
};

/* An endpoint as the automaton reads it behind its device: address or rule id, protocol, port. */
struct spelling {
	__u32 device; /* enum obmon_device */
	__u32 length; /* in bytes */
	__u32 words[5];
};

#define SPELLING_MAX (OBMON_ENDPOINT_MAX - 4u)

/* Protocol and port, whose bytes follow the address's; of PROTOCOL_ANY only the first one is read. */
static __always_inline __u32 spell_service(const struct endpoint *endpoint)
{
	return (endpoint->protocol & 0xff) | (__u32)bpf_htons(endpoint->port) << 8;
}

static __always_inline __u32 spell_length(__u32 address, const struct endpoint *endpoint)
{
	return address + (endpoint->protocol == PROTOCOL_ANY ? 1 : 3);
}

/* @first is an IPv4 address or a rule id, in network order. */
static __always_inline void spell_short(struct spelling *spelling, enum obmon_device device, __u32 first,
					const struct endpoint *endpoint)
{
	__builtin_memset(spelling->words, 0, sizeof(spelling->words));
	spelling->device = device;
	spelling->length = spell_length(4, endpoint);
	spelling->words[0] = first;
	spelling->words[1] = spell_service(endpoint);
}

static __always_inline void spell_address(struct spelling *spelling, const struct endpoint *endpoint)
{
	const __u32 *address = (const __u32 *)endpoint->address.bytes;

	if (endpoint->address.family != AF_INET6) {
		spell_short(spelling, OBMON_DEVICE_IPV4, address[0], endpoint);
		return;
	}
	__builtin_memset(spelling->words, 0, sizeof(spelling->words));
	spelling->device = OBMON_DEVICE_IPV6;
	spelling->length = spell_length(16, endpoint);
	spelling->words[0] = address[0];
	spelling->words[1] = address[1];
	spelling->words[2] = address[2];
	spelling->words[3] = address[3];
	spelling->words[4] = spell_service(endpoint);
}

/*
 * What the run in @slot is granted on an endpoint. If that includes @right, the grant behind it is counted as used.
 * A global function, which the verifier checks once. @return bits of enum obmon_right and quiet bits, or a negative
 * enum obmon_failure.
 */
__noinline int match_spelling(const struct spelling *spelling, __u32 slot, __u32 right)
{
	struct obmon_run *run = bpf_map_lookup_elem(&obmon_runs, &slot);
	void *pages = bpf_map_lookup_elem(&obmon_policies, &slot);
	struct obmon_dfa_accept *accept;
	struct obmon_dfa_page *page;
	__u32 state, before, i;

	if (!spelling || !run || !pages || spelling->device >= OBMON_DEVICES)
		return -OBMON_FAIL_NO_POLICY;
	state = run->devices[spelling->device];
	page = page_of(pages, state >> OBMON_DFA_PAGE_SHIFT);
	if (!page)
		return -OBMON_FAIL_NO_POLICY;
#pragma clang loop unroll(full)
	for (i = 0; i < SPELLING_MAX; i++) {
		if (i >= spelling->length)
			break;
		before = state;
		obmon_dfa_run(page, run->columns, (const __u8 *)spelling->words + i, 1, &state);
		if ((state ^ before) < OBMON_DFA_PAGE_SLOTS)
			continue;
		page = page_of(pages, state >> OBMON_DFA_PAGE_SHIFT);
		if (!page)
			return -OBMON_FAIL_NO_POLICY;
	}
	accept = match_accept(run, pages, page, state);
	if (!accept)
		return -OBMON_FAIL_NO_POLICY;
	if (accept->rights & OBMON_RIGHT_BIT(right & 7))
		count(&accept->hits[right & 7]);
	return accept->rights & ~OBMON_RIGHT_NEVER;
}

/* What the run's resolver has answered with @address, expired answers included. */
static __always_inline struct obmon_address_entry *resolved_find(__u32 slot, const struct obmon_address *address)
{
	void *addresses = bpf_map_lookup_elem(&obmon_addresses, &slot);

	return addresses ? bpf_map_lookup_elem(addresses, address) : NULL;
}

/* May be connected to what the resolver has given the address for? @return as match_spelling() does. */
static __always_inline int match_resolved(const struct subject *subject, const struct endpoint *endpoint)
{
	struct obmon_address_entry *entry = resolved_find(subject->slot, &endpoint->address);
	__u32 now, i;

	if (!entry)
		return 0;
	now = bpf_ktime_get_boot_ns() / NANOSECONDS;
	for (i = 0; i < OBMON_ADDRESS_RULES_MAX; i++) {
		struct obmon_address_rule *rule = &entry->rules[i];
		struct spelling spelling;
		int rights;

		if (!rule->rule)
			break;
		if (rule->expires <= now)
			continue;
		spell_short(&spelling, OBMON_DEVICE_NAME, bpf_htonl(rule->rule), endpoint);
		rights = match_spelling(&spelling, subject->slot, OBMON_RIGHT_CONNECT);
		if (rights < 0 || rights & NEED_CONNECT)
			return rights;
	}
	return 0;
}

/* What is granted on @endpoint, by its address or by a name. @return as match_spelling() does. */
static __noinline int endpoint_rights(const struct subject *subject, const struct endpoint *endpoint,
				      enum obmon_right right)
{
	struct spelling spelling;
	int rights, resolved;

	spell_address(&spelling, endpoint);
	rights = match_spelling(&spelling, subject->slot, right);
	if (rights < 0 || rights & NEED_CONNECT || right != OBMON_RIGHT_CONNECT)
		return rights;
	resolved = match_resolved(subject, endpoint);
	return resolved ? resolved : rights;
}

/* The name that the address was asked for by, for the record. */
static __always_inline void report_host(struct scratch *scratch, const struct subject *subject,
					const struct obmon_address *address)
{
	struct obmon_address_entry *entry = resolved_find(subject->slot, address);
	struct name *name = &scratch->name[NAME_OBJECT];
	__u32 length;

	if (!entry)
		return;
	length = entry->host_length;
	asm volatile("" : "+r"(length));
	if (length > OBMON_HOST_MAX || bpf_probe_read_kernel(&name->bytes[NAME_END - length], length, entry->host))
		return;
	name->start = NAME_END - length;
}

static __always_inline void report_endpoint(struct obmon_event *event, const struct endpoint *endpoint)
{
	event->family = endpoint->address.family;
	event->protocol = endpoint->protocol;
	event->port = endpoint->port;
	__builtin_memcpy(event->address, endpoint->address.bytes, sizeof(event->address));
}

/* Describe an operation on @endpoint for which @rights, as endpoint_rights() gives them, are not enough. */
static __always_inline void endpoint_refuse(struct operation *op, const struct endpoint *endpoint,
					    enum obmon_right right, int rights)
{
	const __u32 need = OBMON_RIGHT_BIT(right);
	struct scratch *scratch = op->scratch;

	scratch->nameless = 1;
	scratch->missing = need;
	report_endpoint(&scratch->event, endpoint);
	if (right == OBMON_RIGHT_CONNECT)
		report_host(scratch, &op->subject, &endpoint->address);
	if (rights < 0)
		operation_failed(op, -rights);
	else
		scratch->outcome = rights_quiet(rights, need) ? OUTCOME_QUIET : OUTCOME_MISSING;
}

static __noinline int conclude_other(struct operation *op)
{
	return conclude_as(op, NULL, NULL, REPORTER_OTHER);
}

static __noinline int conclude_socket(struct operation *op)
{
	return conclude_as(op, NULL, NULL, REPORTER_SOCKET);
}

static __always_inline bool rights_include(int rights, enum obmon_right right)
{
	return rights >= 0 && rights & OBMON_RIGHT_BIT(right);
}

static __always_inline bool is_granted(const struct subject *subject, const struct endpoint *endpoint,
				       enum obmon_right right)
{
	return rights_include(endpoint_rights(subject, endpoint, right), right);
}

/*
 * Does the run hold @right on @endpoint? @missing2 are the rights that are missing beside it, on the IPv4 side of a
 * socket that serves both: for the record.
 */
static __always_inline int judge_endpoint(const struct subject *subject, const struct endpoint *endpoint,
					  enum obmon_right right, __u32 missing2, const enum reporter reporter)
{
	int rights = endpoint_rights(subject, endpoint, right), answer;
	struct operation op;

	if (rights_include(rights, right))
		return 0;
	if (!operation_begin(&op, subject, 0))
		return refuse_unrecorded(subject, reporter);
	endpoint_refuse(&op, endpoint, right, rights);
	op.scratch->missing2 = missing2;
	answer = reporter == REPORTER_LSM ? conclude(&op, NULL, NULL) : conclude_socket(&op);
	scratch_release(&op);
	return answer;
}

static __always_inline void endpoint_service(struct endpoint *endpoint, __u32 protocol, __u16 port)
{
	endpoint->protocol = protocol == IPPROTO_TCP || protocol == IPPROTO_UDP ? protocol : PROTOCOL_OTHER;
	endpoint->port = bpf_ntohs(port);
}

/* Fill @endpoint with the IPv4 address @address (network order). */
static __always_inline void endpoint_ipv4(struct endpoint *endpoint, __u32 address)
{
	endpoint->address.family = AF_INET;
	__builtin_memset(endpoint->address.bytes, 0, sizeof(endpoint->address.bytes));
	*(__u32 *)endpoint->address.bytes = address;
}

/* The same for IPv6, as IPv4 where it is that in disguise (RFC 4291, section 2.5.5.2). */
static __always_inline void endpoint_ipv6(struct endpoint *endpoint, const __u32 words[4])
{
	if (!words[0] && !words[1] && words[2] == bpf_htonl(0xffff)) {
		endpoint_ipv4(endpoint, words[3]);
		return;
	}
	endpoint->address.family = AF_INET6;
	((__u32 *)endpoint->address.bytes)[0] = words[0];
	((__u32 *)endpoint->address.bytes)[1] = words[1];
	((__u32 *)endpoint->address.bytes)[2] = words[2];
	((__u32 *)endpoint->address.bytes)[3] = words[3];
}

static __always_inline bool address_is_wildcard(const struct obmon_address *address)
{
	const __u32 *words = (const __u32 *)address->bytes;

	return !(words[0] || words[1] || words[2] || words[3]);
}

/*
 * The unspecified address stands for this host: mostly the loopback address, but with a source address or a device
 * chosen also another one (ip_route_output_key_hash_rcu(), net/ipv4/route.c). Make it the loopback address.
 * @mapped: an IPv6 socket that is bound to an IPv4 address. @return whether it was the unspecified address.
 */
static __always_inline bool endpoint_settle(struct endpoint *endpoint, bool mapped)
{
	if (!address_is_wildcard(&endpoint->address))
		return false;
	if (endpoint->address.family == AF_INET || mapped)
		endpoint_ipv4(endpoint, bpf_htonl(INADDR_LOOPBACK));
	else
		endpoint->address.bytes[15] = 1;
	return true;
}

#endif
