// SPDX-License-Identifier: Apache-2.0
#include "dns/clients.h"

#include <errno.h>
#include <fcntl.h>
#include <ldns/ldns.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>

#include "lib/util.h"

#define CONNECTIONS_MAX 64
/* No query is longer, unless it is meant to be. */
#define QUERY_MAX 4096
/* Queries of one connection that are looked up at the same time. */
#define PIPELINE_MAX 8
/* Bytes that all connections together have been sent and don't read. */
#define UNREAD_MAX (1u << 20)
#define IDLE_MILLIS 4000
/* Datagrams, or connections, that are taken before others have their turn. */
#define TAKEN_AT_ONCE 64

struct connection {
	struct watch watch;
	struct clients *clients;
	int fd;          /* -1: free */
	uint64_t serial; /* from 1 on, each once */
	uint64_t active; /* when it last made progress */
	uint32_t events; /* that are waited for */
	bool ended;      /* the client has no more queries */
	unsigned n_lookups;
	struct origin origin;
	size_t n_in;
	uint8_t in[2 + QUERY_MAX];
	uint8_t *out; /* from out_from to out_to is still to be sent */
	size_t out_from, out_to;
};

struct clients {
	struct loop *loop;
	const struct resolver_spec *spec;
	clients_query_fn *query;
	void *data;
	struct watch udp, listener;
	bool paused; /* there was no descriptor for a new connection */
	uint64_t serial;
	size_t n_connections, unread;
	struct connection connections[CONNECTIONS_MAX];
	uint8_t datagram[QUERY_MAX];
};

/* Connections. They are closed by connection_ready() and clients_check(); whoever else wants one closed, shuts it. */

static void connection_close(struct connection *connection)
{
	struct clients *clients = connection->clients;

	clients->unread -= connection->out_to - connection->out_from;
	clients->n_connections--;
	free(connection->out);
	connection->out = NULL;
	connection->serial = 0;
	fd_close(&connection->fd);
}

/* Have epoll say that it is over. */
static void connection_shut(struct connection *connection)
{
	shutdown(connection->fd, SHUT_RDWR);
}

/* The length of the query that may be looked up next, or -1. Who doesn't read the answers has to wait. */
static int waiting_query(const struct connection *connection)
{
	unsigned length;

	if (connection->n_in < 2 || connection->n_lookups == PIPELINE_MAX || connection->out)
		return -1;
	length = ldns_read_uint16(connection->in);
	return length <= connection->n_in - 2 ? (int)length : -1;
}

/* Wait for what can happen next. */
static void connection_update(struct connection *connection)
{
	uint32_t events = 0;

	if (!connection->ended && connection->n_in < sizeof(connection->in))
		events |= EPOLLIN;
	/* A query that was held back is taken when the connection's turn comes. */
	if (connection->out || waiting_query(connection) >= 0)
		events |= EPOLLOUT;
	if (connection->ended && !connection->n_lookups && !events)
		connection_shut(connection);
	if (events == connection->events)
		return;
	connection->events = events;
	if (loop_change(connection->clients->loop, connection->fd, events, &connection->watch))
		connection_shut(connection);
}

static void connection_read(struct connection *connection)
{
	ssize_t n = recv(connection->fd, connection->in + connection->n_in, sizeof(connection->in) - connection->n_in,
			 MSG_DONTWAIT);

	if (n > 0) {
		connection->n_in += (size_t)n;
		connection->active = connection->clients->loop->now;
	}
	if (n == 0)
		connection->ended = true;
}

static void connection_take(struct connection *connection)
{
	struct clients *clients = connection->clients;
	int length;

	while ((length = waiting_query(connection)) >= 0) {
		uint8_t query[QUERY_MAX];

		memcpy(query, connection->in + 2, (size_t)length);
		connection->n_in -= 2 + (size_t)length;
		memmove(connection->in, connection->in + 2 + length, connection->n_in);
		connection->n_lookups++;
		if (!clients->query(clients->data, &connection->origin, query, (size_t)length))
			connection->n_lookups--;
	}
	if (connection->n_in >= 2 && ldns_read_uint16(connection->in) > QUERY_MAX)
		connection_shut(connection);
}

static void connection_flush(struct connection *connection)
{
	ssize_t n = send(connection->fd, connection->out + connection->out_from,
			 connection->out_to - connection->out_from, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n <= 0)
		return;
	connection->active = connection->clients->loop->now;
	connection->clients->unread -= (size_t)n;
	connection->out_from += (size_t)n;
	if (connection->out_from < connection->out_to)
		return;
	free(connection->out);
	connection->out = NULL;
	connection->out_from = connection->out_to = 0;
}

static void connection_ready(void *owner, uint32_t events)
{
	struct connection *connection = owner;

	if (events & (EPOLLERR | EPOLLHUP)) {
		connection_close(connection);
		return;
	}
	if (connection->out)
		connection_flush(connection);
	if (events & EPOLLIN)
		connection_read(connection);
	connection_take(connection);
	connection_update(connection);
}

/* Keep for later what the socket doesn't take. @return -1 if there is no memory for it. */
static int connection_queue(struct connection *connection, const uint8_t *data, size_t length)
{
	struct clients *clients = connection->clients;
	uint8_t *out;

	if (length > UNREAD_MAX - clients->unread)
		return -1;
	out = realloc(connection->out, connection->out_to + length);
	if (!out)
		return -1;
	memcpy(out + connection->out_to, data, length);
	connection->out = out;
	connection->out_to += length;
	clients->unread += length;
	return 0;
}

static void connection_answer(struct connection *connection, const uint8_t *wire, size_t length)
{
	_cleanup_free_ uint8_t *message = malloc(2 + length);
	ssize_t sent = 0;

	connection->n_lookups--;
	if (!message || !length) {
		connection_shut(connection);
		return;
	}
	ldns_write_uint16(message, (uint16_t)length);
	memcpy(message + 2, wire, length);
	if (!connection->out)
		sent = send(connection->fd, message, 2 + length, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (sent < 0)
		sent = 0;
	if (sent < (ssize_t)(2 + length) && connection_queue(connection, message + sent, 2 + length - (size_t)sent))
		connection_shut(connection);
	connection->active = connection->clients->loop->now;
	connection_update(connection);
}

static struct connection *free_connection(struct clients *clients)
{
	for (size_t i = 0; i < CONNECTIONS_MAX; i++)
		if (clients->connections[i].fd < 0)
			return &clients->connections[i];
	return NULL;
}

/* Make a connection of *@fd, or leave it to be closed. */
static void connection_open(struct clients *clients, int *fd, const struct sockaddr_storage *peer)
{
	struct connection *connection = free_connection(clients);
	const struct resolver_spec *spec = clients->spec;
	struct origin origin = { .connection = connection, .serial = ++clients->serial, .peer = *peer };
	int one = 1;

	if (!connection || !spec->identify(spec->data, peer, IPPROTO_TCP, &origin.asker))
		return;
	/* The answer to a second query must not wait until the client has acknowledged the first. */
	setsockopt(*fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	*connection = (struct connection){
		.watch = { connection_ready, connection },
		.clients = clients,
		.fd = *fd,
		.serial = origin.serial,
		.active = clients->loop->now,
		.events = EPOLLIN,
		.origin = origin,
	};
	if (loop_add(clients->loop, *fd, EPOLLIN, &connection->watch)) {
		connection->fd = -1;
		return;
	}
	fd_take(fd);
	clients->n_connections++;
}

/* Sockets */

static void listener_ready(void *owner, uint32_t events)
{
	struct clients *clients = owner;

	(void)events;
	for (int i = 0; i < TAKEN_AT_ONCE; i++) {
		struct sockaddr_storage peer = { 0 };
		socklen_t length = sizeof(peer);
		_cleanup_fd_ int fd =
			accept4(clients->spec->tcp, (struct sockaddr *)&peer, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0) {
			connection_open(clients, &fd, &peer);
			continue;
		}
		/* Without a descriptor to be had, the listener would be ready for ever. */
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
			clients->paused = !loop_change(clients->loop, clients->spec->tcp, 0, &clients->listener);
		return;
	}
}

static void udp_ready(void *owner, uint32_t events)
{
	struct clients *clients = owner;
	const struct resolver_spec *spec = clients->spec;

	(void)events;
	for (int i = 0; i < TAKEN_AT_ONCE; i++) {
		struct origin origin = { 0 };
		socklen_t length = sizeof(origin.peer);
		ssize_t n = recvfrom(spec->udp, clients->datagram, sizeof(clients->datagram), MSG_DONTWAIT,
				     (struct sockaddr *)&origin.peer, &length);

		if (n < 0)
			return;
		if (spec->identify(spec->data, &origin.peer, IPPROTO_UDP, &origin.asker))
			clients->query(clients->data, &origin, clients->datagram, (size_t)n);
	}
}

static int make_nonblocking(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	return flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) ? -1 : 0;
}

struct clients *clients_open(struct loop *loop, const struct resolver_spec *spec, clients_query_fn *query, void *data)
{
	struct clients *clients = calloc(1, sizeof(*clients));

	if (!clients)
		return NULL;
	clients->loop = loop;
	clients->spec = spec;
	clients->query = query;
	clients->data = data;
	clients->udp = (struct watch){ udp_ready, clients };
	clients->listener = (struct watch){ listener_ready, clients };
	for (size_t i = 0; i < CONNECTIONS_MAX; i++)
		clients->connections[i].fd = -1;
	if (make_nonblocking(spec->udp) || make_nonblocking(spec->tcp) ||
	    loop_add(loop, spec->udp, EPOLLIN, &clients->udp) ||
	    loop_add(loop, spec->tcp, EPOLLIN, &clients->listener)) {
		clients_close(clients);
		return NULL;
	}
	return clients;
}

void clients_close(struct clients *clients)
{
	if (!clients)
		return;
	for (size_t i = 0; i < CONNECTIONS_MAX; i++)
		if (clients->connections[i].fd >= 0)
			connection_close(&clients->connections[i]);
	free(clients);
}

void clients_answer(struct clients *clients, const struct origin *origin, const uint8_t *wire, size_t length)
{
	const struct sockaddr *peer = (const struct sockaddr *)&origin->peer;

	if (origin->connection) {
		if (origin->connection->serial == origin->serial)
			connection_answer(origin->connection, wire, length);
		return;
	}
	/* A datagram that can't be sent is lost like any other one: the client asks again. */
	if (length)
		sendto(clients->spec->udp, wire, length, MSG_DONTWAIT | MSG_NOSIGNAL, peer,
		       peer->sa_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6));
}

bool clients_busy(const struct clients *clients)
{
	return clients->n_connections || clients->paused;
}

void clients_check(struct clients *clients)
{
	for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
		struct connection *connection = &clients->connections[i];

		if (connection->fd >= 0 && !connection->n_lookups &&
		    connection->active + IDLE_MILLIS < clients->loop->now)
			connection_close(connection);
	}
	if (clients->paused)
		clients->paused = loop_change(clients->loop, clients->spec->tcp, EPOLLIN, &clients->listener) != 0;
}
