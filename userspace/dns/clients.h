/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file clients.h
 * Those who ask: datagrams, and connections with their queries one behind the other. Whatever a client does or
 * leaves undone costs memory that has a limit, and never keeps others waiting.
 */
#ifndef OBMON_DNS_CLIENTS_H
#define OBMON_DNS_CLIENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "dns/loop.h"
#include "dns/resolver.h"

struct connection;
struct clients;

/** Where a query came from and its answer goes. */
struct origin {
	struct connection *connection; /* NULL over UDP */
	uint64_t serial;               /* of the connection: it may have ended, and another one begun in its place */
	struct sockaddr_storage peer;
	struct obmon_process asker;
};

/** Called with a query, which is whatever a client has sent. @return whether clients_answer() was or will be called. */
typedef bool clients_query_fn(void *data, const struct origin *origin, const uint8_t *wire, size_t length);

/** Start to listen at @spec's sockets. @return them, or NULL with errno. */
struct clients *clients_open(struct loop *loop, const struct resolver_spec *spec, clients_query_fn *query, void *data);
void clients_close(struct clients *clients);

/**
 * Answer the query from @origin. A @length of 0 means that there is no answer; a connection ends by that. If the
 * client is gone, or doesn't read, the answer is dropped.
 */
void clients_answer(struct clients *clients, const struct origin *origin, const uint8_t *wire, size_t length);

/** Is there anything that clients_check() has to look after? */
bool clients_busy(const struct clients *clients);
/** Close connections that have been idle for long. Not to be called from within loop_wait(). */
void clients_check(struct clients *clients);

#endif
