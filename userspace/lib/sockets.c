// SPDX-License-Identifier: Apache-2.0
#include "lib/sockets.h"

#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/util.h"

int sockets_open(void)
{
	return socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
}

static void set_address(__be32 *address, __be16 *port, const struct sockaddr_in *from)
{
	*address = from->sin_addr.s_addr;
	*port = from->sin_port;
}

/* The kernel answers before send(2) returns: netlink_unicast_kernel(), net/netlink/af_netlink.c. */
static ssize_t ask(int diag, int protocol, const struct sockaddr_in *local, const struct sockaddr_in *remote,
		   void *answer, size_t size)
{
	struct {
		struct nlmsghdr header;
		struct inet_diag_req_v2 request;
	} message = {
		.header = { .nlmsg_len = sizeof(message),
			    .nlmsg_type = SOCK_DIAG_BY_FAMILY,
			    .nlmsg_flags = NLM_F_REQUEST },
		.request = { .sdiag_family = AF_INET, .sdiag_protocol = (__u8)protocol, .idiag_states = ~0u },
	};
	struct inet_diag_sockid *id = &message.request.id;

	id->idiag_cookie[0] = id->idiag_cookie[1] = INET_DIAG_NOCOOKIE;
	/* For UDP source and destination are exchanged: udp_dump_one(), net/ipv4/udp_diag.c. */
	set_address(&id->idiag_src[0], &id->idiag_sport, protocol == IPPROTO_UDP ? remote : local);
	set_address(&id->idiag_dst[0], &id->idiag_dport, protocol == IPPROTO_UDP ? local : remote);
	if (send(diag, &message, sizeof(message), 0) != (ssize_t)sizeof(message))
		return -1;
	return recv(diag, answer, size, MSG_DONTWAIT);
}

static int find_cgroup(struct inet_diag_msg *socket, size_t length, uint64_t *cgroup_id)
{
	struct rtattr *attribute = (struct rtattr *)(socket + 1);

	length -= sizeof(*socket);
	for (; RTA_OK(attribute, length); attribute = RTA_NEXT(attribute, length))
		if (attribute->rta_type == INET_DIAG_CGROUP_ID && RTA_PAYLOAD(attribute) == sizeof(*cgroup_id)) {
			memcpy(cgroup_id, RTA_DATA(attribute), sizeof(*cgroup_id));
			return 0;
		}
	errno = EPROTO;
	return -1;
}

int sockets_find(int diag, int protocol, const struct sockaddr_in *local, const struct sockaddr_in *remote,
		 struct socket_owner *owner)
{
	_Alignas(struct nlmsghdr) char answer[4096];
	struct nlmsghdr *header = (struct nlmsghdr *)answer;
	ssize_t n = ask(diag, protocol, local, remote, answer, sizeof(answer));
	struct inet_diag_msg *socket = NLMSG_DATA(header);

	if (n < 0)
		return -1;
	if (!NLMSG_OK(header, (size_t)n)) {
		errno = EPROTO;
		return -1;
	}
	if (header->nlmsg_type == NLMSG_ERROR) {
		errno = -((struct nlmsgerr *)NLMSG_DATA(header))->error;
		return -1;
	}
	if (header->nlmsg_len < NLMSG_LENGTH(sizeof(*socket))) {
		errno = EPROTO;
		return -1;
	}
	owner->cookie = (uint64_t)socket->id.idiag_cookie[1] << 32 | socket->id.idiag_cookie[0];
	return find_cgroup(socket, NLMSG_PAYLOAD(header, 0), &owner->cgroup_id);
}

int sockets_probe(int server, int protocol)
{
	struct sockaddr_in own = {}, nobody;
	struct socket_owner owner = {};
	uint64_t cookie = 0;
	socklen_t own_length = sizeof(own), length = sizeof(cookie);
	int diag, result;

	if (getsockname(server, (struct sockaddr *)&own, &own_length) ||
	    getsockopt(server, SOL_SOCKET, SO_COOKIE, &cookie, &length))
		return -1;
	nobody = own;
	nobody.sin_port = htons(1);
	diag = sockets_open();
	if (diag < 0)
		return -1;
	result = sockets_find(diag, protocol, &own, &nobody, &owner);
	fd_close(&diag);
	if (!result && owner.cookie != cookie) {
		errno = EPROTO;
		result = -1;
	}
	return result;
}
