/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "cap/glob.h"
#include "cap/network.h"

#define PORT_MAX 65535u
#define LABEL_MAX 63

static bool starts_with(const struct cap_span *text, const char *prefix)
{
	size_t n = strlen(prefix);

	return text->length >= n && !memcmp(text->text, prefix, n);
}

/* The number that @text consists of, if it is one of @most at most; no sign, no leading zeros. */
static bool parse_number(const struct cap_span *text, unsigned most, unsigned *number)
{
	unsigned value = 0;

	if (!text->length || text->length > 5 || (text->length > 1 && text->text[0] == '0'))
		return false;
	for (size_t i = 0; i < text->length; i++) {
		if (!isdigit((unsigned char)text->text[i]))
			return false;
		value = 10 * value + (text->text[i] - '0');
	}
	*number = value;
	return value <= most;
}

/* Unix sockets */

/*
 * The name behind the '@' is a pattern of the kind that paths have, and is read as one: what such a pattern leaves out
 * of a path would be missing from the name.
 */
static int check_abstract(const struct cap_span *socket, struct obmon_error *err)
{
	char text[1 + sizeof(((struct sockaddr_un *)NULL)->sun_path) + 1];
	struct obmon_location where = socket->where;
	struct glob glob;
	int n = snprintf(text, sizeof(text), "/%.*s", (int)socket->length, socket->text);

	if (strstr(text, "//") || strstr(text, "/./") || text[n - 1] == '/' || !strcmp(text + n - 2, "/."))
		return obmon_fail_at(
			err, &socket->where,
			"'%.*s': an abstract name with '//', '/./' or a '/' at its end can't be written out; "
			"'**' stands for any bytes",
			CAP_SPAN_ARGS(socket));
	if (where.column)
		where.column--;
	if (glob_parse(&glob, text, (size_t)n, NULL, &where, err))
		return -1;
	glob_clear(&glob);
	return 0;
}

static int parse_unix(struct network_resource *net, const struct cap_span *socket, struct obmon_error *err)
{
	const size_t longest = sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1;
	struct glob glob = { 0 };

	net->tcp = net->udp = false;
	net->socket = socket->text;
	net->socket_length = socket->length;
	if (starts_with(socket, "@")) {
		net->kind = NETWORK_UNIX_ABSTRACT;
		net->socket++;
		net->socket_length--;
		if (!net->socket_length)
			return obmon_fail_at(err, &socket->where, "no socket name after '@'");
		if (net->socket_length > longest)
			return obmon_fail_at(err, &socket->where, "a socket name has at most %zu bytes", longest);
		return check_abstract(socket, err);
	}
	net->kind = NETWORK_UNIX_PATH;
	if (!starts_with(socket, "/"))
		return obmon_fail_at(err, &socket->where, "'%.*s': a unix socket is /an/absolute/path or @name",
				     CAP_SPAN_ARGS(socket));
	if (glob_parse(&glob, socket->text, socket->length, NULL, &socket->where, err) < 0)
		return -1;
	glob_clear(&glob);
	return 0;
}

/* Hosts */

static bool has_bits_beyond(const void *address, size_t size, unsigned prefix)
{
	const unsigned char *bytes = address;

	for (size_t bit = prefix; bit < 8 * size; bit++)
		if (bytes[bit / 8] & (0x80 >> bit % 8))
			return true;
	return false;
}

/* Parse the text of an address of @family, which has @size bytes, with its `/bits` if there are any. */
static int parse_address(void *address, size_t size, int family, unsigned *prefix, const struct cap_span *text,
			 struct obmon_error *err)
{
	const char *slash = memchr(text->text, '/', text->length);
	size_t n = slash ? (size_t)(slash - text->text) : text->length;
	char buffer[INET6_ADDRSTRLEN];
	struct cap_span bits;

	*prefix = 8 * size;
	snprintf(buffer, sizeof(buffer), "%.*s", (int)(n < sizeof(buffer) ? n : sizeof(buffer)), text->text);
	if (n >= sizeof(buffer) || inet_pton(family, buffer, address) != 1)
		return obmon_fail_at(err, &text->where, "'%.*s' is not an %s address", CAP_SPAN_ARGS(text),
				     family == AF_INET ? "IPv4" : "IPv6");
	if (!slash)
		return 0;
	bits = cap_span_from(text, n + 1);
	if (!parse_number(&bits, 8 * size, prefix))
		return obmon_fail_at(err, &bits.where, "'%.*s' is not a prefix length from 0 to %zu",
				     CAP_SPAN_ARGS(&bits), 8 * size);
	if (has_bits_beyond(address, size, *prefix))
		return obmon_fail_at(err, &text->where, "'%.*s' has address bits set beyond its prefix length",
				     CAP_SPAN_ARGS(text));
	return 0;
}

static int parse_ipv4(struct network_resource *net, const struct cap_span *host, struct obmon_error *err)
{
	net->kind = NETWORK_IPV4;
	return parse_address(&net->ipv4, sizeof(net->ipv4), AF_INET, &net->prefix, host, err);
}

/* @host is what stands within the brackets. */
static int parse_ipv6(struct network_resource *net, const struct cap_span *host, struct obmon_error *err)
{
	net->kind = NETWORK_IPV6;
	if (parse_address(&net->ipv6, sizeof(net->ipv6), AF_INET6, &net->prefix, host, err) < 0)
		return -1;
	/* The kernel's programs see the IPv4 address behind a mapped one, so such a rule never matches. */
	if (IN6_IS_ADDR_V4MAPPED(&net->ipv6))
		return obmon_fail_at(err, &host->where, "'%.*s' is an IPv4 address in disguise; write it as IPv4",
				     CAP_SPAN_ARGS(host));
	return 0;
}

static int check_label(const struct cap_span *label, struct obmon_error *err)
{
	if (!label->length)
		return obmon_fail_at(err, &label->where, "a host name has an empty part here");
	if (label->length > LABEL_MAX)
		return obmon_fail_at(err, &label->where, "a part of a host name has at most %d bytes", LABEL_MAX);
	for (size_t i = 0; i < label->length; i++) {
		struct cap_span bad = cap_span_from(label, i);
		unsigned char c = bad.text[0];

		if (c == '*')
			return obmon_fail_at(err, &bad.where,
					     "'*' stands only for first parts of a name: *.example.com");
		if (c >= 0x80)
			return obmon_fail_at(err, &bad.where, "a host name is ASCII; write its xn-- form");
		if (!isalnum(c) && c != '_' && (c != '-' || i == 0 || i == label->length - 1))
			return obmon_fail_at(err, &bad.where, "'%c' doesn't belong in a host name here", c);
	}
	return 0;
}

static int parse_name(struct network_resource *net, const struct cap_span *host, struct obmon_error *err)
{
	struct cap_span rest = *host;

	net->kind = NETWORK_NAME;
	if (starts_with(host, "*.")) {
		net->kind = NETWORK_SUBNAMES;
		rest = cap_span_from(host, 2);
	}
	if (rest.length > NETWORK_NAME_MAX)
		return obmon_fail_at(err, &host->where, "a host name has at most %d bytes", NETWORK_NAME_MAX);
	for (size_t i = 0; i < rest.length; i++)
		net->name[i] = (char)tolower((unsigned char)rest.text[i]);
	for (;;) {
		const char *dot = memchr(rest.text, '.', rest.length);
		size_t n = dot ? (size_t)(dot - rest.text) : rest.length;
		struct cap_span label = cap_span_part(&rest, 0, n);

		if (check_label(&label, err) < 0)
			return -1;
		if (!dot)
			return 0;
		rest = cap_span_from(&rest, n + 1);
	}
}

/* A last part of digits only: no top-level domain looks like that, a mistyped address does. */
static bool looks_like_ipv4(const struct cap_span *host)
{
	size_t i = host->length;

	while (i && isdigit((unsigned char)host->text[i - 1]))
		i--;
	return i < host->length && (i == 0 || host->text[i - 1] == '.');
}

static int parse_host(struct network_resource *net, const struct cap_span *host, enum obmon_cap_type type,
		      struct obmon_error *err)
{
	if (!host->length)
		return obmon_fail_at(err, &host->where, "no host before the ':'");
	if (host->length == 1 && host->text[0] == '*')
		return obmon_fail_at(err, &host->where,
				     "'*' is no host; any address is 0.0.0.0/0 for IPv4 and [::/0] for IPv6");
	if (memchr(host->text, '/', host->length) || looks_like_ipv4(host))
		return parse_ipv4(net, host, err);
	if (parse_name(net, host, err) < 0)
		return -1;
	/* bind() only knows addresses, and which of them a name meant would be anybody's guess. */
	if (type == OBMON_CAP_NETWORK_LISTEN && (net->kind != NETWORK_NAME || strcmp(net->name, "localhost") != 0))
		return obmon_fail_at(err, &host->where, "'%.*s': NETWORK_LISTEN needs an address, such as 127.0.0.1",
				     CAP_SPAN_ARGS(host));
	return 0;
}

/* Ports */

static int parse_port(uint16_t *port, const struct cap_span *text, enum obmon_cap_type type, struct obmon_error *err)
{
	/* Port 0 asks bind() for any free port; nothing can be reached at it. */
	unsigned least = type == OBMON_CAP_NETWORK_LISTEN ? 0 : 1, number;

	if (!parse_number(text, PORT_MAX, &number) || number < least)
		return obmon_fail_at(err, &text->where, "'%.*s' is not a port from %u to %u", CAP_SPAN_ARGS(text),
				     least, PORT_MAX);
	*port = number;
	return 0;
}

static int parse_ports(struct network_resource *net, const struct cap_span *text, enum obmon_cap_type type,
		       struct obmon_error *err)
{
	const char *dash = memchr(text->text, '-', text->length);
	size_t n = dash ? (size_t)(dash - text->text) : text->length;
	struct cap_span first = cap_span_part(text, 0, n), last;

	net->first_port = 0;
	net->last_port = PORT_MAX;
	if (text->length == 1 && text->text[0] == '*')
		return 0;
	if (parse_port(&net->first_port, &first, type, err) < 0)
		return -1;
	net->last_port = net->first_port;
	if (!dash)
		return 0;
	last = cap_span_from(text, n + 1);
	if (parse_port(&net->last_port, &last, type, err) < 0)
		return -1;
	if (net->last_port < net->first_port)
		return obmon_fail_at(err, &text->where, "the port range '%.*s' is empty", CAP_SPAN_ARGS(text));
	return 0;
}

/* The whole */

static int parse_protocol(struct network_resource *net, struct cap_span *rest, struct obmon_error *err)
{
	const char *mark = memmem(rest->text, rest->length, "://", 3);
	struct cap_span protocol;

	net->tcp = net->udp = true;
	if (!mark)
		return 0;
	protocol = cap_span_part(rest, 0, mark - rest->text);
	net->tcp = protocol.length == 3 && !memcmp(protocol.text, "tcp", 3);
	net->udp = protocol.length == 3 && !memcmp(protocol.text, "udp", 3);
	if (!net->tcp && !net->udp)
		return obmon_fail_at(err, &protocol.where, "unknown protocol '%.*s'; tcp:// and udp:// are known",
				     CAP_SPAN_ARGS(&protocol));
	*rest = cap_span_from(rest, protocol.length + 3);
	return 0;
}

/*
 * Parse `[address]`, `[address/bits]` or `[address]/bits` at the start of @rest, and leave in @rest what
 * follows it.
 */
static int parse_bracketed(struct network_resource *net, struct cap_span *rest, struct obmon_error *err)
{
	const char *close = memchr(rest->text, ']', rest->length);
	struct cap_span host, bits;
	size_t n = 0;

	if (!close)
		return obmon_fail_at(err, &rest->where, "'%.*s' has no ']'", CAP_SPAN_ARGS(rest));
	host = cap_span_part(rest, 1, close - rest->text - 1);
	*rest = cap_span_from(rest, close - rest->text + 1);
	if (parse_ipv6(net, &host, err) < 0)
		return -1;
	if (!starts_with(rest, "/"))
		return 0;
	while (n < rest->length && rest->text[n] != ':')
		n++;
	bits = cap_span_part(rest, 1, n - 1);
	if (net->prefix != 128 || !parse_number(&bits, 128, &net->prefix))
		return obmon_fail_at(err, &bits.where, "'%.*s' is not a prefix length from 0 to 128",
				     CAP_SPAN_ARGS(&bits));
	if (has_bits_beyond(&net->ipv6, sizeof(net->ipv6), net->prefix))
		return obmon_fail_at(err, &host.where, "'%.*s' has address bits set beyond its prefix length",
				     CAP_SPAN_ARGS(&host));
	*rest = cap_span_from(rest, n);
	return 0;
}

static int parse_plain_host(struct network_resource *net, struct cap_span *rest, enum obmon_cap_type type,
			    struct obmon_error *err)
{
	const char *colon = memchr(rest->text, ':', rest->length);
	size_t n = colon ? (size_t)(colon - rest->text) : rest->length;
	struct cap_span host = cap_span_part(rest, 0, n);

	if (colon && memchr(colon + 1, ':', rest->length - n - 1))
		return obmon_fail_at(err, &rest->where,
				     "'%.*s' has more than one ':'; "
				     "an IPv6 address stands in brackets, as in [::1]:443",
				     CAP_SPAN_ARGS(rest));
	*rest = cap_span_from(rest, n);
	return parse_host(net, &host, type, err);
}

int network_parse(struct network_resource *net, const struct cap_span *text, enum obmon_cap_type type,
		  struct obmon_error *err)
{
	struct cap_span rest = *text;
	int parsed;

	memset(net, 0, sizeof(*net));
	if (starts_with(text, "unix:")) {
		rest = cap_span_from(text, strlen("unix:"));
		return parse_unix(net, &rest, err);
	}
	if (parse_protocol(net, &rest, err) < 0)
		return -1;
	if (starts_with(&rest, "["))
		parsed = parse_bracketed(net, &rest, err);
	else
		parsed = parse_plain_host(net, &rest, type, err);
	if (parsed < 0)
		return -1;
	if (!starts_with(&rest, ":"))
		return obmon_fail_at(err, &rest.where, "no port in '%.*s'; ':*' after the host stands for any port",
				     CAP_SPAN_ARGS(text));
	rest = cap_span_from(&rest, 1);
	return parse_ports(net, &rest, type, err);
}

static const char *condition_of(const struct obmon_capability *cap, const char *key)
{
	for (size_t i = 0; i < cap->n_conditions; i++)
		if (!strcmp(cap->conditions[i].key, key))
			return cap->conditions[i].value;
	return NULL;
}

int network_of(struct network_resource *net, const struct obmon_capability *cap, struct obmon_error *err)
{
	const struct cap_span text = {
		.text = cap->resource,
		.length = strlen(cap->resource),
		.where = { cap->file, cap->line, cap->column },
	};
	const char *protocol = condition_of(cap, "proto");

	if (network_parse(net, &text, cap->type, err))
		return -1;
	if (protocol) {
		net->tcp = !strcmp(protocol, "tcp");
		net->udp = !net->tcp;
	}
	net->private_okay = condition_of(cap, "private") != NULL;
	return 0;
}

static int format_host(char *text, size_t size, const struct network_resource *net)
{
	char address[INET6_ADDRSTRLEN] = "", bits[8] = "";
	bool v6 = net->kind == NETWORK_IPV6;

	if (net->kind == NETWORK_NAME || net->kind == NETWORK_SUBNAMES)
		return snprintf(text, size, "%s%s", net->kind == NETWORK_SUBNAMES ? "*." : "", net->name);
	if (net->prefix < (v6 ? 128 : 32))
		snprintf(bits, sizeof(bits), "/%u", net->prefix);
	if (v6)
		inet_ntop(AF_INET6, &net->ipv6, address, sizeof(address));
	else
		inet_ntop(AF_INET, &net->ipv4, address, sizeof(address));
	return snprintf(text, size, v6 ? "[%s%s]" : "%s%s", address, bits);
}

void network_format(char text[NETWORK_FORMAT_MAX], const struct network_resource *net)
{
	char host[NETWORK_NAME_MAX + 3], port[sizeof("65535-65535")];
	const char *protocol = "";

	format_host(host, sizeof(host), net);
	if (net->first_port == 0 && net->last_port == PORT_MAX)
		strcpy(port, "*");
	else if (net->first_port == net->last_port)
		snprintf(port, sizeof(port), "%u", net->first_port);
	else
		snprintf(port, sizeof(port), "%u-%u", net->first_port, net->last_port);
	if (net->tcp != net->udp)
		protocol = net->tcp ? "tcp://" : "udp://";
	snprintf(text, NETWORK_FORMAT_MAX, "%s%s:%s", protocol, host, port);
}
