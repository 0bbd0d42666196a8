// SPDX-License-Identifier: Apache-2.0
/*
 * upstream: a name server over UDP that knows nothing and answers at once. A name whose first label ends with the
 * number N, as host-00042.example.com, has the addresses 198.51.100.0 + N and 2001:db8:: + N, up to ADDRESSES of them;
 * they count as public, and nothing is ever sent there.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define HEADER 12
#define QUESTION_TAIL 4 /* type, class */
#define TYPE_A 1
#define TYPE_AAAA 28
/* Less than a run can have at a time (OBMON_ADDRESSES_MAX). */
#define ADDRESSES 4000u
#define TTL 60
#define ANSWER_MAX (HEADER + 255 + QUESTION_TAIL + 12 + 16 + 11)

struct message {
	uint8_t bytes[ANSWER_MAX];
	size_t n;
};

static void put(struct message *message, const void *bytes, size_t n)
{
	memcpy(&message->bytes[message->n], bytes, n);
	message->n += n;
}

/* The number that the label at @label ends with. */
static uint32_t number_of(const uint8_t *label)
{
	uint32_t number = 0;
	int i;

	for (i = 1; i <= label[0]; i++)
		number = isdigit(label[i]) ? number * 10 + (label[i] - '0') : 0;
	return number % ADDRESSES;
}

static void put_address(struct message *message, int type, uint32_t number)
{
	const uint8_t head[] = { 0xc0, HEADER, 0, (uint8_t)type, 0, 1, 0, 0, 0, TTL, 0, type == TYPE_A ? 4 : 16 };
	uint8_t ipv6[16] = { 0x20, 0x01, 0x0d, 0xb8, [14] = (uint8_t)(number >> 8), [15] = (uint8_t)number };
	const uint32_t ipv4 = htonl(0xc6336400u + number);

	put(message, head, sizeof(head));
	if (type == TYPE_A)
		put(message, &ipv4, sizeof(ipv4));
	else
		put(message, ipv6, sizeof(ipv6));
}

/* @return whether there is an answer to the query of @n bytes. */
static int answer(struct message *message, const uint8_t *query, size_t n)
{
	static const uint8_t opt[] = { 0, 0, 41, 1232 >> 8, 1232 & 0xff, 0, 0, 0, 0, 0, 0 };
	size_t end = HEADER;
	int type;

	while (end < n && query[end])
		end += 1u + query[end];
	end += 1 + QUESTION_TAIL;
	if (end > n || end > HEADER + 255 + QUESTION_TAIL || query[2] & 0x80)
		return 0;
	type = query[end - 3];
	message->n = 0;
	put(message, query, end);
	message->bytes[2] = 0x80 | query[2]; /* a response */
	message->bytes[3] = 0x80;            /* recursion is there */
	message->bytes[7] = type == TYPE_A || type == TYPE_AAAA;
	if (message->bytes[7])
		put_address(message, type, number_of(&query[HEADER]));
	if (query[11])
		put(message, opt, sizeof(opt));
	return 1;
}

static int die(const char *what)
{
	fprintf(stderr, "upstream: %s: %s\n", what, strerror(errno));
	return 1;
}

int main(int argc, char **argv)
{
	struct sockaddr_in own = { AF_INET, htons(53), {}, {} };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	if (argc != 2 || inet_pton(AF_INET, argv[1], &own.sin_addr) != 1) {
		fputs("usage: upstream ADDRESS\nIts port is 53. Tells \"ready\".\n", stderr);
		return 2;
	}
	if (fd < 0 || bind(fd, (const struct sockaddr *)&own, sizeof(own)))
		return die(argv[1]);
	puts("ready");
	fflush(stdout);
	for (;;) {
		struct message message;
		struct sockaddr_in peer;
		socklen_t size = sizeof(peer);
		uint8_t query[512];
		ssize_t n = recvfrom(fd, query, sizeof(query), 0, (struct sockaddr *)&peer, &size);

		if (n < 0)
			return die("recvfrom");
		if (answer(&message, query, (size_t)n))
			sendto(fd, message.bytes, message.n, 0, (const struct sockaddr *)&peer, size);
	}
}
