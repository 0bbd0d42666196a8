// SPDX-License-Identifier: Apache-2.0
#include "dns/config.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/util.h"

#define PORT 53
/* Longest address in text form with its scope, and a NUL. */
#define ADDRESS_MAX (INET6_ADDRSTRLEN + 1 + IF_NAMESIZE)

/* A piece of text. */
struct span {
	const char *text;
	size_t length;
};

/* Lines and words */

/* Take the next line off @rest, without its end. @return whether there was one. */
static bool take_line(struct span *rest, struct span *line)
{
	const char *end;

	if (!rest->length)
		return false;
	end = memchr(rest->text, '\n', rest->length);
	line->text = rest->text;
	line->length = end ? (size_t)(end - rest->text) : rest->length;
	rest->text += line->length + (end ? 1 : 0);
	rest->length -= line->length + (end ? 1 : 0);
	return true;
}

static void cut_comment(struct span *line, const char *marks)
{
	for (size_t i = 0; i < line->length; i++)
		if (line->text[i] && strchr(marks, line->text[i]))
			line->length = i;
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* Take the next word off @line. @return whether there was one. */
static bool take_word(struct span *line, struct span *word)
{
	size_t from = 0, to;

	while (from < line->length && is_space(line->text[from]))
		from++;
	for (to = from; to < line->length && !is_space(line->text[to]);)
		to++;
	*word = (struct span){ line->text + from, to - from };
	line->text += to;
	line->length -= to;
	return word->length > 0;
}

/* Copy @word into @size bytes as a string. @return false if it is too long or binary. */
static bool copy_word(char *copy, size_t size, const struct span *word)
{
	if (word->length >= size || memchr(word->text, '\0', word->length))
		return false;
	memcpy(copy, word->text, word->length);
	copy[word->length] = '\0';
	return true;
}

/* Servers */

/* The interface @text by its name or number, or 0. */
static uint32_t parse_scope(const char *text)
{
	uint64_t number;

	return parse_u64(text, 1, UINT32_MAX, &number) ? (uint32_t)number : if_nametoindex(text);
}

/* Parse @word, an address without a port. @return whether it is one. */
static bool parse_server(struct sockaddr_storage *server, const struct span *word, uint16_t port)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)server;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)server;
	char text[ADDRESS_MAX], *scope;

	if (!copy_word(text, sizeof(text), word))
		return false;
	memset(server, 0, sizeof(*server));
	if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(port);
		return true;
	}
	scope = strchr(text, '%');
	if (scope) {
		*scope++ = '\0';
		v6->sin6_scope_id = parse_scope(scope);
		if (!v6->sin6_scope_id)
			return false;
	}
	v6->sin6_family = AF_INET6;
	v6->sin6_port = htons(port);
	return inet_pton(AF_INET6, text, &v6->sin6_addr) == 1;
}

size_t config_servers(struct sockaddr_storage servers[RESOLVER_UPSTREAMS_MAX], const char *text, size_t length)
{
	struct span rest = { text, length }, line, word;
	size_t n = 0;

	while (n < RESOLVER_UPSTREAMS_MAX && take_line(&rest, &line)) {
		cut_comment(&line, "#;");
		if (take_word(&line, &word) && word.length == strlen("nameserver") &&
		    !memcmp(word.text, "nameserver", word.length) && take_word(&line, &word) &&
		    parse_server(&servers[n], &word, PORT))
			n++;
	}
	return n;
}

/*
 * Where the port starts in @text, `1.2.3.4:53` or `[::1]:53`, and @address without it; NULL if there is none.
 */
static const char *split_port(const char *text, struct span *address)
{
	const char *colon = strchr(text, ':'), *bracket = strchr(text, ']');

	*address = (struct span){ text, strlen(text) };
	if (*text == '[' && bracket && (!bracket[1] || bracket[1] == ':')) {
		*address = (struct span){ text + 1, (size_t)(bracket - text - 1) };
		return bracket[1] ? bracket + 2 : NULL;
	}
	/* More than one: that is an IPv6 address. */
	if (!colon || strchr(colon + 1, ':'))
		return NULL;
	address->length = (size_t)(colon - text);
	return colon + 1;
}

int config_server(struct sockaddr_storage *server, const char *text, struct obmon_error *err)
{
	struct span address;
	const char *digits = split_port(text, &address);
	uint64_t port = PORT;

	if (digits && !parse_u64(digits, 1, UINT16_MAX, &port))
		return obmon_fail(err, OBMON_ERR_CONFIG,
				  "--dns %s: '%s' is not a port from 1 to 65535; without a port it is %d", text, digits,
				  PORT);
	if (!parse_server(server, &address, (uint16_t)port) || (*text == '[' && server->ss_family != AF_INET6))
		return obmon_fail(err, OBMON_ERR_CONFIG,
				  "--dns %s: this is not the address of a name server; "
				  "write 192.0.2.1, 192.0.2.1:53, 2001:db8::1 or [2001:db8::1]:53",
				  text);
	return 0;
}

/* Hosts */

static bool parse_address(struct obmon_address *address, const struct span *word)
{
	char text[INET6_ADDRSTRLEN];

	*address = (struct obmon_address){ .family = AF_INET };
	if (!copy_word(text, sizeof(text), word))
		return false;
	if (inet_pton(AF_INET, text, address->bytes) == 1)
		return true;
	address->family = AF_INET6;
	return inet_pton(AF_INET6, text, address->bytes) == 1;
}

/* Bring @word into the form of names in rules. @return false if it is no host name. */
static bool parse_name(char name[OBMON_HOST_MAX + 1], const struct span *word)
{
	size_t length = word->length;

	if (length > 1 && word->text[length - 1] == '.')
		length--;
	if (!length || length > OBMON_HOST_MAX)
		return false;
	for (size_t i = 0; i < length; i++) {
		unsigned char c = (unsigned char)word->text[i];

		if (!isalnum(c) && c != '-' && c != '_' && c != '.')
			return false;
		name[i] = (char)tolower(c);
	}
	name[length] = '\0';
	return name[0] != '.' && name[length - 1] != '.' && !strstr(name, "..");
}

void config_hosts(const char *text, size_t length, config_host_fn *each, void *data)
{
	struct span rest = { text, length }, line, word;
	struct obmon_address address;
	char name[OBMON_HOST_MAX + 1];

	while (take_line(&rest, &line)) {
		cut_comment(&line, "#");
		if (!take_word(&line, &word) || !parse_address(&address, &word))
			continue;
		while (take_word(&line, &word))
			if (parse_name(name, &word) && !each(data, &address, name))
				return;
	}
}

/* The hosts file that is being made. */
struct writer {
	FILE *out;
	config_host_fn *keep;
	void *data;
};

static bool write_host(void *data, const struct obmon_address *address, const char *name)
{
	const struct writer *writer = data;
	char text[INET6_ADDRSTRLEN];

	/* localhost is what the run's file begins with, whatever the host's says. */
	if (strcmp(name, "localhost") != 0 && writer->keep(writer->data, address, name))
		fprintf(writer->out, "%s\t%s\n", inet_ntop((int)address->family, address->bytes, text, sizeof(text)),
			name);
	return !ferror(writer->out);
}

char *config_run_hosts(const char *text, size_t length, config_host_fn *keep, void *data)
{
	char *made = NULL;
	size_t n = 0;
	struct writer writer = { open_memstream(&made, &n), keep, data };
	bool failed;

	if (!writer.out)
		return NULL;
	fputs("127.0.0.1\tlocalhost\n::1\tlocalhost\n", writer.out);
	config_hosts(text, length, write_host, &writer);
	failed = ferror(writer.out);
	if (!fclose(writer.out) && !failed)
		return made;
	free(made);
	return NULL;
}
