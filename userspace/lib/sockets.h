/* SPDX-License-Identifier: Apache-2.0 */
/** @file sockets.h Whose socket is it? What the kernel says of a socket by its addresses: sock_diag(7). */
#ifndef OBMON_LIB_SOCKETS_H
#define OBMON_LIB_SOCKETS_H

#include <netinet/in.h>
#include <stdint.h>

struct socket_owner {
	uint64_t cgroup_id; /**< of the cgroup that it was made in (Linux 5.8) */
	uint64_t cookie;    /**< SO_COOKIE */
};

/** A socket to ask by, which the caller closes. @return it, or -1 with errno. */
int sockets_open(void);

/**
 * Find the socket of this network namespace that is at @local and talks to @remote, by @protocol (IPPROTO_UDP or
 * IPPROTO_TCP). @return 0, or -1 with errno: ENOENT if there is none, EPROTO if the kernel doesn't say its cgroup.
 */
int sockets_find(int diag, int protocol, const struct sockaddr_in *local, const struct sockaddr_in *remote,
		 struct socket_owner *owner);

/**
 * Does sockets_find() find @server, a bound IPv4 socket of the caller's? @return 0, or -1 with errno: EPROTO if it
 * finds another.
 */
int sockets_probe(int server, int protocol);

#endif
