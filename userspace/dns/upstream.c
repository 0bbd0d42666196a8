// SPDX-License-Identifier: Apache-2.0
#include "dns/upstream.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>

#include "dns/message.h"
#include "lib/util.h"

/* Doubled each time that all servers have been asked: one that is slow has its chance, too. */
#define ATTEMPT_MILLIS 1200u
/* For servers that fail at once: the time limit alone would let us ask them thousands of times. */
#define ATTEMPTS_MAX 6
/* Datagrams that are looked at before others have their turn. */
#define DATAGRAMS_AT_ONCE 16
/* Each may take a buffer of 64 KiB. */
#define TCP_MAX 32
#define STREAM_MAX (2 + LDNS_MAX_PACKETLEN)

int upstream_open(struct upstream *upstream, struct loop *loop, const struct sockaddr_storage *servers, size_t n)
{
	*upstream = (struct upstream){
		.loop = loop,
		.servers = servers,
		.n_servers = n,
		.out = ldns_buffer_new(LDNS_MIN_BUFLEN),
		.in = malloc(LDNS_MAX_PACKETLEN),
	};
	return upstream->out && upstream->in ? 0 : -1;
}

void upstream_close(struct upstream *upstream)
{
	ldns_buffer_free(upstream->out);
	free(upstream->in);
}

void upstream_cancel(struct upstream_ask *ask)
{
	fd_close(&ask->fd);
	if (ask->stream)
		ask->upstream->n_tcp--;
	free(ask->stream);
	ask->stream = NULL;
	ask->n_stream = 0;
	ask->sent = false;
}

static int send_question(struct upstream_ask *ask)
{
	ldns_buffer *out = ask->upstream->out;
	uint8_t prefix[2];
	struct iovec parts[2] = { { prefix, ask->stream ? sizeof(prefix) : 0 } };
	struct msghdr message = { .msg_iov = parts, .msg_iovlen = ARRAY_SIZE(parts) };

	if (message_write_question(out, ask->id, ask->name, ask->type, !ask->no_edns))
		return -1;
	parts[1] = (struct iovec){ ldns_buffer_begin(out), ldns_buffer_position(out) };
	ldns_write_uint16(prefix, (uint16_t)parts[1].iov_len);
	/* No socket buffer is so small that a new one doesn't hold a question. */
	return sendmsg(ask->fd, &message, MSG_NOSIGNAL) == (ssize_t)(parts[0].iov_len + parts[1].iov_len) ? 0 : -1;
}

static int open_stream(struct upstream_ask *ask)
{
	if (ask->upstream->n_tcp == TCP_MAX)
		return -1;
	ask->stream = malloc(STREAM_MAX);
	if (!ask->stream)
		return -1;
	ask->upstream->n_tcp++;
	return 0;
}

/* Begin the attempt that is due. @return -1 if it failed at once. */
static int begin(struct upstream_ask *ask, bool tcp)
{
	const struct upstream *upstream = ask->upstream;
	const struct sockaddr_storage *server = &upstream->servers[ask->attempt % upstream->n_servers];
	socklen_t size = server->ss_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
	uint64_t due = upstream->loop->now + ((uint64_t)ATTEMPT_MILLIS << ask->attempt / upstream->n_servers);

	upstream_cancel(ask);
	ask->due = due < ask->deadline ? due : ask->deadline;
	ask->id = (uint16_t)random_u64();
	if (tcp && open_stream(ask))
		return -1;
	ask->fd = socket(server->ss_family, (tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (ask->fd < 0)
		return -1;
	if (connect(ask->fd, (const struct sockaddr *)server, size) && !(tcp && errno == EINPROGRESS))
		return -1;
	if (loop_add(upstream->loop, ask->fd, tcp ? EPOLLOUT : EPOLLIN, &ask->watch))
		return -1;
	return tcp ? 0 : send_question(ask);
}

/* Make attempts until one isn't over at once. */
static void attempt(struct upstream_ask *ask)
{
	for (; ask->attempt < ATTEMPTS_MAX && ask->upstream->loop->now < ask->deadline; ask->attempt++)
		if (!begin(ask, false))
			return;
	upstream_cancel(ask);
	ask->done(ask->owner, NULL);
}

static void next(struct upstream_ask *ask)
{
	ask->attempt++;
	attempt(ask);
}

/* Act on what came. @return false if it has to be waited on. */
static bool take(struct upstream_ask *ask, const uint8_t *wire, size_t length)
{
	ldns_pkt *reply = NULL;
	enum message_reply kind = message_read_reply(&reply, wire, length, ask->id, ask->name, ask->type);

	switch (kind) {
	case REPLY_GOOD:
		upstream_cancel(ask);
		ask->done(ask->owner, reply);
		return true;
	case REPLY_FOREIGN:
		if (!ask->stream)
			return false;
		break;
	case REPLY_TRUNCATED:
		if (!ask->stream && !begin(ask, true))
			return true;
		break;
	case REPLY_NO_EDNS:
		ask->no_edns = true;
		break;
	case REPLY_FAILED:
		break;
	}
	next(ask);
	return true;
}

static bool is_passing(int error)
{
	return error == EAGAIN || error == EINTR;
}

static void datagram_ready(struct upstream_ask *ask)
{
	for (int i = 0; i < DATAGRAMS_AT_ONCE; i++) {
		ssize_t n = recv(ask->fd, ask->upstream->in, LDNS_MAX_PACKETLEN, 0);

		if (n < 0) {
			if (!is_passing(errno)) /* an ICMP message: nobody is there */
				next(ask);
			return;
		}
		if (take(ask, ask->upstream->in, (size_t)n))
			return;
	}
}

static void stream_ready(struct upstream_ask *ask)
{
	ssize_t n;

	if (!ask->sent) {
		ask->sent = true;
		if (send_question(ask) || loop_change(ask->upstream->loop, ask->fd, EPOLLIN, &ask->watch))
			next(ask);
		return;
	}
	n = recv(ask->fd, ask->stream + ask->n_stream, STREAM_MAX - ask->n_stream, 0);
	if (n < 0 && is_passing(errno))
		return;
	if (n <= 0) {
		next(ask);
		return;
	}
	ask->n_stream += (size_t)n;
	if (ask->n_stream >= 2 && ask->n_stream - 2 >= ldns_read_uint16(ask->stream))
		take(ask, ask->stream + 2, ldns_read_uint16(ask->stream));
}

static void ask_ready(void *owner, uint32_t events)
{
	struct upstream_ask *ask = owner;

	(void)events; /* errors come out of what is tried next */
	if (ask->stream)
		stream_ready(ask);
	else
		datagram_ready(ask);
}

void upstream_ask(struct upstream_ask *ask)
{
	ask->watch = (struct watch){ ask_ready, ask };
	ask->fd = -1;
	ask->attempt = 0;
	attempt(ask);
}

void upstream_check(struct upstream_ask *ask)
{
	if (ask->upstream->loop->now >= ask->due)
		next(ask);
}
