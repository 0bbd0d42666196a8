/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The network: NETWORK_CONNECT and NETWORK_LISTEN.
 *
 *   per cgroup   cgroup/connect4, connect6  connect(2), TCP fast open
 *                cgroup/sendmsg4, sendmsg6  a UDP datagram that carries an address, also on a connected socket
 *   per cgroup, for the runs that need it
 *                cgroup_skb/egress          an IPv6 packet that names further hosts to go by (a routing header)
 *                socket_connect             connect(2) by a socket that was made outside the run: standard input
 *   host-wide    socket_create              TCP, UDP, unix and NETLINK_ROUTE sockets; no other can be granted
 *                socket_bind, socket_listen
 *                socket_setsockopt          the options that give a socket's IPv6 packets a routing header
 *                unix_stream_connect, unix_may_send
 *                                           a unix socket that was made outside the run
 *   called       obmon_lookup_refused       by the run's resolver, to record a refusal of its own
 *
 * The cgroup's programs for socket addresses cost less than the LSM's hooks and are asked by the kernel wherever an
 * address comes in: they go by the cgroup that the socket was made in. The LSM's go by the task.
 */
#include "lib/endpoint.h"

/* Does the socket ask the run's resolver? Then note who does. */
static __always_inline bool asks_resolver(struct bpf_sock_addr *ctx, const struct subject *subject,
					  const struct endpoint *endpoint)
{
	struct obmon_process asker = {};
	__u64 cookie;

	if (endpoint->port != DNS_PORT || endpoint->address.family != AF_INET ||
	    *(const __u32 *)endpoint->address.bytes != subject->run->resolver)
		return false;
	cookie = bpf_get_socket_cookie(ctx);
	report_process(&asker, bpf_get_current_task_btf());
	bpf_map_update_elem(&obmon_askers, &cookie, &asker, BPF_ANY);
	return true;
}

static __always_inline int decide_send(const struct subject *subject, struct bpf_sock_addr *ctx,
				       const struct endpoint *endpoint)
{
	if (asks_resolver(ctx, subject, endpoint))
		return 0;
	return judge_endpoint(subject, endpoint, OBMON_RIGHT_CONNECT, 0, REPORTER_SOCKET);
}

/*
 * glibc connects UDP sockets to find out which source address goes with an address (RFC 6724), whatever the protocol
 * that the program wants to use. That is allowed to every address that is granted on some port; but as what is then
 * sent carries no address and isn't judged any more, the socket ends up connected to port 0, where no service is. In
 * audit mode it stays what it is, and is recorded.
 */
static __always_inline bool is_probe(const struct subject *subject, struct endpoint *endpoint)
{
	struct endpoint somewhere = *endpoint;

	if (endpoint->protocol != IPPROTO_UDP || subject->run->flags & OBMON_RUN_AUDIT)
		return false;
	somewhere.protocol = PROTOCOL_ANY;
	return is_granted(subject, &somewhere, OBMON_RIGHT_CONNECT);
}

static __always_inline int decide_connect(const struct subject *subject, struct bpf_sock_addr *ctx,
					  struct endpoint *endpoint)
{
	if (asks_resolver(ctx, subject, endpoint))
		return 0;
	if (is_granted(subject, endpoint, OBMON_RIGHT_CONNECT))
		return 0;
	if (is_probe(subject, endpoint)) {
		ctx->user_port = 0;
		return 0;
	}
	return judge_endpoint(subject, endpoint, OBMON_RIGHT_CONNECT, 0, REPORTER_SOCKET);
}

static __always_inline void endpoint_of_ipv4(struct endpoint *endpoint, struct bpf_sock_addr *ctx)
{
	endpoint_service(endpoint, ctx->protocol, (__u16)ctx->user_port);
	endpoint_ipv4(endpoint, ctx->user_ip4);
	if (endpoint_settle(endpoint, false))
		ctx->user_ip4 = bpf_htonl(INADDR_LOOPBACK);
}

static __always_inline void endpoint_of_ipv6(struct endpoint *endpoint, struct bpf_sock_addr *ctx)
{
	const __u32 words[4] = { ctx->user_ip6[0], ctx->user_ip6[1], ctx->user_ip6[2], ctx->user_ip6[3] };
	struct bpf_sock *sk = ctx->sk;
	bool mapped = sk && !sk->src_ip6[0] && !sk->src_ip6[1] && sk->src_ip6[2] == bpf_htonl(0xffff);

	endpoint_service(endpoint, ctx->protocol, (__u16)ctx->user_port);
	endpoint_ipv6(endpoint, words);
	if (!endpoint_settle(endpoint, mapped))
		return;
	if (endpoint->address.family == AF_INET) {
		ctx->user_ip6[2] = bpf_htonl(0xffff);
		ctx->user_ip6[3] = bpf_htonl(INADDR_LOOPBACK);
	} else {
		ctx->user_ip6[3] = bpf_htonl(1);
	}
}

SEC("cgroup/connect4")
int obmon_connect4(struct bpf_sock_addr *ctx)
{
	struct endpoint endpoint;

	endpoint_of_ipv4(&endpoint, ctx);
	return CGROUP_HOOK(OBMON_HOOK_CONNECT4, decide_connect(&subject, ctx, &endpoint));
}

SEC("cgroup/connect6")
int obmon_connect6(struct bpf_sock_addr *ctx)
{
	struct endpoint endpoint;

	endpoint_of_ipv6(&endpoint, ctx);
	return CGROUP_HOOK(OBMON_HOOK_CONNECT6, decide_connect(&subject, ctx, &endpoint));
}

SEC("cgroup/sendmsg4")
int obmon_sendmsg4(struct bpf_sock_addr *ctx)
{
	struct endpoint endpoint;

	endpoint_of_ipv4(&endpoint, ctx);
	return CGROUP_HOOK(OBMON_HOOK_SENDMSG4, decide_send(&subject, ctx, &endpoint));
}

SEC("cgroup/sendmsg6")
int obmon_sendmsg6(struct bpf_sock_addr *ctx)
{
	struct endpoint endpoint;

	endpoint_of_ipv6(&endpoint, ctx);
	return CGROUP_HOOK(OBMON_HOOK_SENDMSG6, decide_send(&subject, ctx, &endpoint));
}

/* Extension headers that may come before a routing header: RFC 8200, section 4.1. */
#define IPV6_HEADERS_MAX 8u

/*
 * Without any privilege a socket can be told to send its packets by way of other hosts (IPV6_RTHDR, as an option, beside
 * a message, or with a flow label). The first of those is where they really go.
 */
static __always_inline bool has_routing_header(struct __sk_buff *skb)
{
	__u32 at = sizeof(struct ipv6hdr), i;
	__u8 next, header[2];

	if (bpf_skb_load_bytes(skb, offsetof(struct ipv6hdr, nexthdr), &next, sizeof(next)))
		return true;
	for (i = 0; i < IPV6_HEADERS_MAX; i++) {
		if (next != NEXTHDR_HOP && next != NEXTHDR_DEST)
			return next == NEXTHDR_ROUTING;
		if (bpf_skb_load_bytes(skb, at, header, sizeof(header)))
			return true;
		next = header[0];
		at += 8 + 8 * header[1];
	}
	return true;
}

/* Whose packet it is can't be told: it may be sent again, much later, in somebody else's time. */
static __noinline int judge_route(const struct subject *subject)
{
	struct operation op;

	if (!operation_begin(&op, subject, 0))
		return refuse_unrecorded(subject, REPORTER_OTHER);
	op.scratch->nameless = 1;
	op.scratch->error = -EPERM;
	__builtin_memset(&op.scratch->event.process, 0, sizeof(op.scratch->event.process));
	conclude_other(&op);
	scratch_release(&op);
	return -EPERM;
}

SEC("cgroup_skb/egress")
int obmon_egress(struct __sk_buff *skb)
{
	struct subject subject;
	enum standing standing;

	if (skb->protocol != bpf_htons(ETH_P_IPV6) || !has_routing_header(skb))
		return 1;
	standing = subject_of_cgroup(&subject, OBMON_HOOK_EGRESS);
	if (standing == STANDING_JUDGED)
		return !judge_route(&subject);
	return standing == STANDING_FREE;
}

/*
 * A listening socket answers with packets that the program above isn't shown (ip6_finish_output(),
 * net/ipv6/ip6_output.c: they are of a request, not of a socket). They take the listener's options.
 */
SEC("lsm/socket_setsockopt")
int BPF_PROG(obmon_socket_setsockopt, struct socket *socket, int level, int name, int ret)
{
	if (level != IPPROTO_IPV6 || (name != IPV6_RTHDR && name != IPV6_2292PKTOPTIONS))
		return ret;
	return HOST_HOOK(OBMON_HOOK_SOCKET_SETSOCKOPT, ret, judge_guard(&subject, name));
}

static __always_inline bool socket_is_usual(int family, int type, int protocol)
{
	switch (family) {
	case AF_UNIX:
		return true;
	case AF_INET:
	case AF_INET6:
		if (type == SOCK_STREAM)
			return !protocol || protocol == IPPROTO_TCP;
		return type == SOCK_DGRAM && (!protocol || protocol == IPPROTO_UDP);
	case AF_NETLINK:
		return protocol == NETLINK_ROUTE; /* getifaddrs(3) */
	default:
		return false;
	}
}

/* A socket that isn't connected can do no harm; what else there is of sockets goes by no address that is judged. */
SEC("lsm/socket_create")
int BPF_PROG(obmon_socket_create, int family, int type, int protocol, int kern, int ret)
{
	if (kern || socket_is_usual(family, type, protocol))
		return ret;
	return HOST_HOOK(OBMON_HOOK_SOCKET_CREATE, ret,
			 judge_guard(&subject, (__u64)family << 32 | (type & 0xffff) << 16 | (protocol & 0xffff)));
}

static __always_inline bool is_inet(const struct sock *sk)
{
	return sk && (sk->__sk_common.skc_family == AF_INET || sk->__sk_common.skc_family == AF_INET6);
}

/* Refuse because the address of an operation can't be read. */
static __noinline int judge_unreadable(const struct subject *subject, __u32 need)
{
	struct operation op;

	if (!operation_begin(&op, subject, 0))
		return refuse_unrecorded(subject, REPORTER_LSM);
	op.scratch->nameless = 1;
	op.scratch->missing = need;
	operation_failed(&op, OBMON_FAIL_ADDRESS);
	return operation_end(&op, NULL, NULL);
}

/* The kernel's copy of what the caller gave; it has room for any address, however short this one is. */
static __always_inline bool endpoint_of_sockaddr(struct endpoint *endpoint, struct sock *sk, struct sockaddr *address,
						 __u32 family)
{
	struct sockaddr_in6 copy = {};

	if (bpf_probe_read_kernel(&copy, sizeof(copy), address))
		return false;
	endpoint_service(endpoint, sk->sk_protocol, copy.sin6_port);
	if (family == AF_INET6)
		endpoint_ipv6(endpoint, copy.sin6_addr.in6_u.u6_addr32);
	else
		endpoint_ipv4(endpoint, ((struct sockaddr_in *)&copy)->sin_addr.s_addr);
	return true;
}

/*
 * Also AF_UNSPEC, which disconnects: from then on a datagram of TCP fast open would connect it anew, and nobody who
 * judges for this run would be asked.
 */
static __always_inline int decide_foreign_connect(const struct subject *subject, struct sock *sk,
						  struct sockaddr *address)
{
	struct endpoint endpoint;
	__u16 family;

	if (!is_inet(sk) || sock_of_run(sk, subject->run))
		return 0;
	if (bpf_probe_read_kernel(&family, sizeof(family), address) ||
	    !endpoint_of_sockaddr(&endpoint, sk, address, family))
		return judge_unreadable(subject, NEED_CONNECT);
	if (family == AF_UNSPEC)
		endpoint.protocol = PROTOCOL_OTHER;
	return judge_endpoint(subject, &endpoint, OBMON_RIGHT_CONNECT, 0, REPORTER_LSM);
}

SEC("lsm_cgroup/socket_connect")
int BPF_PROG(obmon_socket_connect, struct socket *socket, struct sockaddr *address, int length)
{
	return CGROUP_HOOK(OBMON_HOOK_SOCKET_CONNECT, decide_foreign_connect(&subject, socket->sk, address));
}

static __always_inline bool is_dual_stack(struct sock *sk, const struct endpoint *endpoint)
{
	return endpoint->address.family == AF_INET6 && address_is_wildcard(&endpoint->address) &&
	       !BPF_CORE_READ_BITFIELD(sk, __sk_common.skc_ipv6only);
}

/* Whoever takes what comes in by IPv6 and IPv4 needs both. */
static __always_inline int judge_dual(const struct subject *subject, struct endpoint *endpoint)
{
	struct endpoint ipv4 = *endpoint;

	ipv4.address.family = AF_INET;
	if (is_granted(subject, endpoint, OBMON_RIGHT_LISTEN))
		return judge_endpoint(subject, &ipv4, OBMON_RIGHT_LISTEN, 0, REPORTER_LSM);
	if (is_granted(subject, &ipv4, OBMON_RIGHT_LISTEN))
		return judge_endpoint(subject, endpoint, OBMON_RIGHT_LISTEN, 0, REPORTER_LSM);
	return judge_endpoint(subject, endpoint, OBMON_RIGHT_LISTEN, NEED_LISTEN, REPORTER_LSM);
}

static __always_inline int judge_listen(const struct subject *subject, struct sock *sk, struct endpoint *endpoint)
{
	if (is_dual_stack(sk, endpoint))
		return judge_dual(subject, endpoint);
	return judge_endpoint(subject, endpoint, OBMON_RIGHT_LISTEN, 0, REPORTER_LSM);
}

/*
 * Binding a TCP socket to any port only chooses its own address: it is judged when it listens. Binding a UDP socket
 * to any port of any address is what the kernel does by itself at the first datagram.
 */
static __always_inline bool bind_is_free(const struct subject *subject, const struct endpoint *endpoint)
{
	if (endpoint->port)
		return false;
	if (endpoint->protocol == IPPROTO_TCP)
		return true;
	return subject->run->flags & OBMON_RUN_UDP && address_is_wildcard(&endpoint->address);
}

static __always_inline int decide_bind_inet(const struct subject *subject, struct sock *sk, struct sockaddr *address)
{
	struct endpoint endpoint;

	if (!endpoint_of_sockaddr(&endpoint, sk, address, sk->__sk_common.skc_family))
		return judge_unreadable(subject, NEED_LISTEN);
	return bind_is_free(subject, &endpoint) ? 0 : judge_listen(subject, sk, &endpoint);
}

/* Look up what is granted on the abstract name @name, @length bytes: see <obmon/abi/net.h> for how it is spelled. */
static __noinline int judge_abstract(const struct subject *subject, const char *text, __u32 length, __u32 need)
{
	struct operation op;
	struct name *name;
	__u32 start;

	if (!operation_begin(&op, subject, 0))
		return refuse_unrecorded(subject, REPORTER_LSM);
	name = &op.scratch->name[NAME_OBJECT];
	op.scratch->nameless = 1;
	op.scratch->missing = need;
	op.scratch->event.family = AF_UNIX;
	asm volatile("" : "+r"(length));
	if (length > sizeof(((struct sockaddr_un *)0)->sun_path) ||
	    bpf_probe_read_kernel(&name->bytes[NAME_END - length], length, text)) {
		operation_failed(&op, OBMON_FAIL_ADDRESS);
		return operation_end(&op, NULL, NULL);
	}
	start = NAME_END - length - 2;
	name->bytes[start] = '/';
	name->bytes[start + 1] = '@';
	name->start = name->last = start;
	name->dev = OBMON_DEV_UNIX;
	match_name(op.scratch_index, NAME_OBJECT, op.subject.slot, need, 1);
	if (name->failure)
		operation_failed(&op, name->failure);
	else
		judge_rights(op.scratch, need);
	return operation_end(&op, NULL, NULL);
}

/* A path is judged where the file comes to be (path_mknod); without a name the kernel chooses one that is free. */
static __always_inline int decide_bind_unix(const struct subject *subject, struct sockaddr *address, __u32 length)
{
	struct sockaddr_un *name = (struct sockaddr_un *)address;
	char first;

	if (length <= sizeof(name->sun_family))
		return 0;
	if (bpf_probe_read_kernel(&first, 1, (const char *)address + sizeof(name->sun_family)))
		return judge_unreadable(subject, NEED_LISTEN);
	if (first)
		return 0;
	return judge_abstract(subject, (const char *)address + sizeof(name->sun_family) + 1,
			      length - sizeof(name->sun_family) - 1, NEED_LISTEN);
}

static __always_inline int decide_bind(const struct subject *subject, struct sock *sk, struct sockaddr *address,
				       __u32 length)
{
	if (is_inet(sk))
		return decide_bind_inet(subject, sk, address);
	if (sk && sk->__sk_common.skc_family == AF_UNIX)
		return decide_bind_unix(subject, address, length);
	return 0;
}

SEC("lsm/socket_bind")
int BPF_PROG(obmon_socket_bind, struct socket *socket, struct sockaddr *address, int length, int ret)
{
	return HOST_HOOK(OBMON_HOOK_SOCKET_BIND, ret, decide_bind(&subject, socket->sk, address, length));
}

/* A port that the kernel has chosen counts as 0, whatever it is. */
static __always_inline int decide_listen(const struct subject *subject, struct sock *sk)
{
	struct endpoint endpoint;

	if (!is_inet(sk))
		return 0;
	endpoint_service(&endpoint, sk->sk_protocol, 0);
	if (BPF_CORE_READ_BITFIELD(sk, sk_userlocks) & SOCK_BINDPORT_LOCK)
		endpoint.port = sk->__sk_common.skc_num;
	if (sk->__sk_common.skc_family == AF_INET)
		endpoint_ipv4(&endpoint, sk->__sk_common.skc_rcv_saddr);
	else
		endpoint_ipv6(&endpoint, sk->__sk_common.skc_v6_rcv_saddr.in6_u.u6_addr32);
	return judge_listen(subject, sk, &endpoint);
}

SEC("lsm/socket_listen")
int BPF_PROG(obmon_socket_listen, struct socket *socket, int backlog, int ret)
{
	return HOST_HOOK(OBMON_HOOK_SOCKET_LISTEN, ret, decide_listen(&subject, socket->sk));
}

/* Refuse a unix socket that has no name which a grant could be about. */
static __noinline int judge_unnamed_peer(const struct subject *subject)
{
	struct operation op;

	if (!operation_begin(&op, subject, 0))
		return refuse_unrecorded(subject, REPORTER_LSM);
	op.scratch->nameless = 1;
	op.scratch->missing = NEED_CONNECT;
	op.scratch->event.family = AF_UNIX;
	op.scratch->outcome = OUTCOME_MISSING;
	return operation_end(&op, NULL, NULL);
}

/* The kernel holds @peer's lock: its name stays what it is. */
static __always_inline int decide_peer(const struct subject *subject, struct sock *peer)
{
	struct unix_address *address;
	struct unix_sock *sock;
	struct dentry *dentry;

	if (sock_of_run(peer, subject->run))
		return 0;
	sock = bpf_skc_to_unix_sock(peer);
	if (!sock)
		return judge_unnamed_peer(subject);
	dentry = sock->path.dentry;
	if (dentry)
		return judge(subject, dentry, NEED_CONNECT, 0);
	address = sock->addr;
	if (!address || address->len <= (int)sizeof(__kernel_sa_family_t))
		return judge_unnamed_peer(subject);
	return judge_abstract(subject,
			      (const char *)address + bpf_core_field_offset(struct unix_address, name) +
				      sizeof(__kernel_sa_family_t) + 1,
			      address->len - sizeof(__kernel_sa_family_t) - 1, NEED_CONNECT);
}

SEC("lsm/unix_stream_connect")
int BPF_PROG(obmon_unix_stream_connect, struct sock *sock, struct sock *other, struct sock *newsk, int ret)
{
	return HOST_HOOK(OBMON_HOOK_UNIX_STREAM_CONNECT, ret, decide_peer(&subject, other));
}

/* A socket that came in as standard input, output or error, to what it was connected to when it came? */
static __always_inline bool is_inherited_pair(struct sock *sk, struct sock *peer, const struct obmon_run *run)
{
	struct unix_sock *sock;

	if (!sk || sock_of_run(sk, run))
		return false;
	sock = bpf_skc_to_unix_sock(sk);
	return sock && sock->peer == peer;
}

static __always_inline int decide_datagram(const struct subject *subject, struct sock *sk, struct sock *peer)
{
	if (is_inherited_pair(sk, peer, subject->run))
		return 0;
	return peer ? decide_peer(subject, peer) : judge_unnamed_peer(subject);
}

SEC("lsm/unix_may_send")
int BPF_PROG(obmon_unix_may_send, struct socket *sock, struct socket *other, int ret)
{
	return HOST_HOOK(OBMON_HOOK_UNIX_MAY_SEND, ret, decide_datagram(&subject, sock->sk, other->sk));
}

static __always_inline void lookup_describe(struct operation *op, const struct obmon_lookup *lookup)
{
	struct scratch *scratch = op->scratch;
	struct obmon_event *event = &scratch->event;
	struct name *name = &scratch->name[NAME_OBJECT];
	__u32 length = lookup->host_length;

	scratch->nameless = 1;
	scratch->missing = NEED_CONNECT;
	event->process = lookup->asker;
	event->family = lookup->address.family;
	event->protocol = 0;
	event->port = 0;
	__builtin_memcpy(event->address, lookup->address.bytes, sizeof(event->address));
	asm volatile("" : "+r"(length));
	if (length <= OBMON_HOST_MAX && !bpf_probe_read_kernel(&name->bytes[NAME_END - length], length, lookup->host))
		name->start = NAME_END - length;
	if (lookup->reason == OBMON_LOOKUP_NO_ROOM)
		operation_failed(op, OBMON_FAIL_NO_ADDRESS_ROOM);
	else
		scratch->outcome = OUTCOME_MISSING;
}

/* The resolver has refused a lookup of the run in its slot. @return 1 if it stays refused, 0 if audit mode lets it through. */
SEC("syscall")
int obmon_lookup_refused(struct obmon_lookup *lookup)
{
	struct subject subject;
	struct operation op;
	int answer;

	if (subject_at(&subject, lookup->slot, OBMON_HOOK_RESOLVE) != STANDING_JUDGED ||
	    subject.run->owner != lookup->owner)
		return 1;
	if (lookup->quiet)
		return !!conclude_quietly(subject.run, OUTCOME_QUIET);
	if (!operation_begin(&op, &subject, lookup->reason))
		return !!refuse_unrecorded(&subject, REPORTER_OTHER);
	lookup_describe(&op, lookup);
	answer = conclude_other(&op);
	scratch_release(&op);
	return !!answer;
}
