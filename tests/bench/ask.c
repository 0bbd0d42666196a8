// SPDX-License-Identifier: Apache-2.0
/*
 * ask: asks the first name server of /etc/resolv.conf for the addresses of host-00000.example.com and so on, as fast
 * as it answers, with up to WINDOW queries under way, and prints
 *
 *   NANOSECONDS LOST WRONG
 *
 * NANOSECONDS a query; LOST: queries without an answer; WRONG: answers without an address. Tells "ready", and waits
 * for a line of standard input before and another after. Linked statically.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define HEADER 12
#define TYPE_A 1
#define TYPE_AAAA 28
/* An answer that hasn't come by then won't. */
#define PATIENCE_MILLIS 5000

static struct {
	int type;
	long names, queries, window;
} options;

static long lost, wrong;

static void die(const char *what)
{
	fprintf(stderr, "ask: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int open_server(void)
{
	struct sockaddr_in server = { AF_INET, htons(53), {}, {} };
	FILE *file = fopen("/etc/resolv.conf", "re");
	char line[256], text[64];
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	if (!file)
		die("/etc/resolv.conf");
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "nameserver %63s", text) == 1)
			break;
	fclose(file);
	if (inet_pton(AF_INET, text, &server.sin_addr) != 1)
		die("nameserver");
	if (fd < 0 || connect(fd, (const struct sockaddr *)&server, sizeof(server)))
		die("connect");
	return fd;
}

static void put_label(uint8_t **at, const char *label)
{
	size_t n = strlen(label);

	*(*at)++ = (uint8_t)n;
	memcpy(*at, label, n);
	*at += n;
}

/* The query with the number @number, which is its id as well: more than 65536 are never under way. */
static void ask(int fd, long number)
{
	uint8_t query[128] = { (uint8_t)(number >> 8), (uint8_t)number, 1, 0, 0, 1 }, *at = query + HEADER;
	char host[32];

	snprintf(host, sizeof(host), "host-%05ld", number % options.names);
	put_label(&at, host);
	put_label(&at, "example");
	put_label(&at, "com");
	put_label(&at, "");
	*at++ = 0;
	*at++ = (uint8_t)options.type;
	*at++ = 0;
	*at++ = 1;
	if (send(fd, query, (size_t)(at - query), 0) != at - query)
		die("send");
}

/* @return 0 if none has come for long. */
static int take(int fd)
{
	struct pollfd ready = { fd, POLLIN, 0 };
	uint8_t answer[1500];
	ssize_t n = recv(fd, answer, sizeof(answer), MSG_DONTWAIT);

	if (n < 0 && errno == EAGAIN) {
		if (!poll(&ready, 1, PATIENCE_MILLIS))
			return 0;
		n = recv(fd, answer, sizeof(answer), 0);
	}
	if (n < HEADER)
		die("recv");
	if ((answer[3] & 15) || !answer[7])
		wrong++;
	return 1;
}

static void ask_all(int fd)
{
	long asked = 0, answered = 0;

	while (answered + lost < options.queries) {
		while (asked < options.queries && asked - answered - lost < options.window)
			ask(fd, asked++);
		if (take(fd))
			answered++;
		else
			lost = asked - answered;
	}
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

static void await_line(void)
{
	char byte;
	ssize_t n;

	do
		n = read(0, &byte, 1);
	while (n == 1 && byte != '\n');
}

int main(int argc, char **argv)
{
	double begin;
	int fd;

	if (argc != 5) {
		fputs("usage: ask A|AAAA NAMES QUERIES WINDOW\n", stderr);
		return 2;
	}
	options.type = strcmp(argv[1], "A") ? TYPE_AAAA : TYPE_A;
	options.names = atol(argv[2]);
	options.queries = atol(argv[3]);
	options.window = atol(argv[4]);
	fd = open_server();
	puts("ready");
	fflush(stdout);
	await_line();
	begin = now();
	ask_all(fd);
	printf("%.0f %ld %ld\n", (now() - begin) / (double)options.queries, lost, wrong);
	fflush(stdout);
	await_line();
	return 0;
}
