/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The text form of capabilities, its errors and their columns, the canonical
 * text, and digests of sets.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cap/types.h"
#include "obmon/capability.h"

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

static void test_every_type_has_two_spellings(void **state)
{
	(void)state;
	for (int type = 0; type < OBMON_CAP_TYPE_MAX; type++) {
		const struct cap_type *row = &cap_types[type];

		assert_non_null(row->name);
		assert_non_null(row->dotted);
		assert_non_null(row->conditions);
		assert_string_equal(obmon_cap_type_name(type), row->name);
		assert_int_equal(obmon_cap_type_parse(row->name, strlen(row->name)), type);
		assert_int_equal(obmon_cap_type_parse(row->dotted, strlen(row->dotted)), type);
	}
	assert_int_equal(obmon_cap_type_parse("file_read", 9), -1);
	assert_int_equal(obmon_cap_type_parse("FILE.READ", 9), -1);
	assert_int_equal(obmon_cap_type_parse("FILE_READ", 8), -1);
	assert_int_equal(obmon_cap_type_parse("", 0), -1);
	assert_string_equal(obmon_cap_type_name(OBMON_CAP_TYPE_MAX), "UNKNOWN");
}

/* Accepted texts, and what they are as canonical text. */
static const struct {
	const char *text, *canonical;
} good[] = {
	{ "FILE_READ:src/*.py", "FILE_READ:src/*.py" },
	{ "file.read:src/*.py", "FILE_READ:src/*.py" },
	{ "FILE_WRITE:/tmp//out/./**", "FILE_WRITE:/tmp/out/**" },
	{ "FILE_READ:./a/", "FILE_READ:a" },
	{ "FILE_READ:.//a//", "FILE_READ:a" },
	{ "FILE_READ:.", "FILE_READ:." },
	{ "FILE_READ:./", "FILE_READ:." },
	{ "FILE_READ:/", "FILE_READ:/" },
	{ "FILE_READ:///", "FILE_READ:/" },
	{ "FILE_READ:/.", "FILE_READ:/" },
	{ "FILE_READ:/a/.", "FILE_READ:/a" },
	{ "FILE_READ:/a/.b/c.", "FILE_READ:/a/.b/c." },
	{ "FILE_READ:/a:b", "FILE_READ:/a:b" },
	{ "FILE_READ:/a\\//b", "FILE_READ:/a/b" },
	{ "FILE_READ:/a\\\\/", "FILE_READ:/a\\\\" },
	{ "FILE_READ:\\/a", "FILE_READ:/a" },
	{ "FILE_READ:/a/.\\/b", "FILE_READ:/a/b" },
	{ "FILE_READ:./{/a,b}", "FILE_READ:./{/a,b}" },
	{ "FILE_READ:{/usr,}/bin//x", "FILE_READ:{/usr,}/bin/x" },
	{ "FILE_READ:/a/{b,c}", "FILE_READ:/a/{b,c}" },
	{ "FILE_READ:/a/{b=1,c}", "FILE_READ:/a/{b=1,c}" },
	{ "FILE_READ:/a/{B=1}", "FILE_READ:/a/{B=1}" },
	{ "FILE_READ:/a/\\{uses=1\\}", "FILE_READ:/a/\\{uses=1\\}" },
	{ "FILE_READ:/a/{uses=1}/", "FILE_READ:/a/{uses=1}/" },
	{ "FILE_READ:./\\ a", "FILE_READ:\\ a" },
	{ "FILE_READ:./ a", "FILE_READ:./ a" },
	{ "FILE_READ:a /", "FILE_READ:a /" },
	{ "FILE_READ:a\\ ", "FILE_READ:a\\ " },
	{ "FILE_READ:/caf\xc3\xa9", "FILE_READ:/caf\xc3\xa9" },
	{ "EXTERNAL_COMMAND:git", "EXTERNAL_COMMAND:git" },
	{ "process.execute:g++-12", "EXTERNAL_COMMAND:g++-12" },
	{ "EXTERNAL_COMMAND:./git", "EXTERNAL_COMMAND:./git" },
	{ "EXTERNAL_COMMAND:git/", "EXTERNAL_COMMAND:./git" },
	{ "EXTERNAL_COMMAND:./bin/git", "EXTERNAL_COMMAND:bin/git" },
	{ "EXTERNAL_COMMAND:/usr/bin/python3*", "EXTERNAL_COMMAND:/usr/bin/python3*" },
	{ "LIBRARY_LOAD:.venv/**.so", "LIBRARY_LOAD:.venv/**.so" },
	{ "NETWORK_CONNECT:API.GitHub.com:443", "NETWORK_CONNECT:api.github.com:443" },
	{ "NETWORK_CONNECT:*.example.com:*", "NETWORK_CONNECT:*.example.com:*" },
	{ "NETWORK_CONNECT:tcp://localhost:5432", "NETWORK_CONNECT:tcp://localhost:5432" },
	{ "NETWORK_CONNECT:udp://9.9.9.9:53", "NETWORK_CONNECT:udp://9.9.9.9:53" },
	{ "NETWORK_CONNECT:10.0.0.0/8:1-1024", "NETWORK_CONNECT:10.0.0.0/8:1-1024" },
	{ "NETWORK_CONNECT:10.0.0.1/32:80-80", "NETWORK_CONNECT:10.0.0.1:80" },
	{ "NETWORK_CONNECT:0.0.0.0/0:443", "NETWORK_CONNECT:0.0.0.0/0:443" },
	{ "NETWORK_CONNECT:[::1]:443", "NETWORK_CONNECT:[::1]:443" },
	{ "NETWORK_CONNECT:[2001:0DB8:0::/32]:443", "NETWORK_CONNECT:[2001:db8::/32]:443" },
	{ "NETWORK_CONNECT:[2001:db8::]/32:443", "NETWORK_CONNECT:[2001:db8::/32]:443" },
	{ "NETWORK_CONNECT:[::/0]:*", "NETWORK_CONNECT:[::/0]:*" },
	{ "NETWORK_CONNECT:xn--caf-dma.example:443", "NETWORK_CONNECT:xn--caf-dma.example:443" },
	{ "NETWORK_CONNECT:api.github.com:443{proto=tcp}", "NETWORK_CONNECT:api.github.com:443{proto=tcp}" },
	{ "NETWORK_CONNECT:unix:/run//x.sock", "NETWORK_CONNECT:unix:/run/x.sock" },
	{ "NETWORK_CONNECT:unix:@bus/1", "NETWORK_CONNECT:unix:@bus/1" },
	{ "NETWORK_LISTEN:127.0.0.1:8000-8010", "NETWORK_LISTEN:127.0.0.1:8000-8010" },
	{ "network.listen:[::1]:0", "NETWORK_LISTEN:[::1]:0" },
	{ "NETWORK_LISTEN:localhost:80", "NETWORK_LISTEN:localhost:80" },
	{ "NETWORK_LISTEN:udp://LocalHost:0", "NETWORK_LISTEN:udp://localhost:0" },
	{ "NETWORK_LISTEN:0.0.0.0:8000{proto=udp}", "NETWORK_LISTEN:0.0.0.0:8000{proto=udp}" },
	{ "NETWORK_LISTEN:[::]:0-9", "NETWORK_LISTEN:[::]:0-9" },
	{ "NETWORK_LISTEN:unix:@x*", "NETWORK_LISTEN:unix:@x*" },
	{ "NETWORK_CONNECT:db.internal:5432{private=yes}", "NETWORK_CONNECT:db.internal:5432{private=yes}" },
	{ "NETWORK_CONNECT:*.Corp.example:*{proto=tcp,private=yes}",
	  "NETWORK_CONNECT:*.corp.example:*{private=yes,proto=tcp}" },
	{ "NETWORK_CONNECT:tcp://a.example:1-65535{private=yes}",
	  "NETWORK_CONNECT:tcp://a.example:1-65535{private=yes}" },
	{ "NETWORK_CONNECT:_dmarc.example:53", "NETWORK_CONNECT:_dmarc.example:53" },
	{ "NETWORK_CONNECT:single:80", "NETWORK_CONNECT:single:80" },
	{ "NETWORK_CONNECT:1.example:80", "NETWORK_CONNECT:1.example:80" },
	{ "NETWORK_LISTEN:unix:/tmp/{a,b}.sock", "NETWORK_LISTEN:unix:/tmp/{a,b}.sock" },
	{ "DATABASE_READ:omnibase.registry", "DATABASE_READ:omnibase.registry" },
	{ "REGISTRY_WRITE:tools/*", "REGISTRY_WRITE:tools/*" },
	{ "ARTIFACT_READ:3f0c*", "ARTIFACT_READ:3f0c*" },
	{ "SECRET_ACCESS:registry_writer_token", "SECRET_ACCESS:registry_writer_token" },
	{ "secret.access:token{uses=3}", "SECRET_ACCESS:token{uses=3}" },
};

static void parse_good(struct obmon_capability *cap, const char *text)
{
	struct obmon_error err = { 0 };

	if (obmon_capability_parse(cap, text, strlen(text), NULL, &err) < 0)
		fail_msg("'%s' is refused: %s", text, err.message);
}

static void test_good_texts(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		struct obmon_capability cap;
		char *canonical;

		parse_good(&cap, good[i].text);
		canonical = obmon_capability_format(&cap);
		assert_non_null(canonical);
		assert_string_equal(canonical, good[i].canonical);
		obmon_capability_clear(&cap);
		free(canonical);
	}
}

/* The canonical text means the same, and is its own canonical text. */
static void test_canonical_is_stable(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		struct obmon_capability first, again;
		char *canonical, *second;

		parse_good(&first, good[i].text);
		canonical = obmon_capability_format(&first);
		parse_good(&again, canonical);
		second = obmon_capability_format(&again);
		assert_string_equal(canonical, second);
		assert_int_equal(first.type, again.type);
		assert_int_equal(first.n_conditions, again.n_conditions);
		free(canonical);
		free(second);
		obmon_capability_clear(&first);
		obmon_capability_clear(&again);
	}
}

/* Refused texts: the column (1-based) that the message must name, and a part of
 * the message. */
static const struct {
	const char *text;
	unsigned column;
	const char *part;
} bad[] = {
	{ "", 1, "empty capability" },
	{ "validate", 1, "needs a type and a resource" },
	{ "FILE_RAED:/x", 1, "'FILE_RAED'; did you mean FILE_READ?" },
	{ "file.reed:/x", 1, "did you mean file.read?" },
	{ "File_Write:/x", 1, "did you mean FILE_WRITE?" },
	{ "NETWORK_CONECT:a:1", 1, "did you mean NETWORK_CONNECT?" },
	{ "FROBNICATE:/x", 1, "unknown capability type 'FROBNICATE'" },
	{ " FILE_READ:/x", 1, "did you mean FILE_READ?" },
	{ "FILE_READ :/x", 1, "did you mean FILE_READ?" },
	{ ":/x", 1, "no capability type" },
	{ "FILE_READ:", 11, "FILE_READ has no resource" },
	{ "FILE_READ: /x", 11, "starts with a space" },
	{ "FILE_READ:/x ", 13, "ends in a space" },
	{ "FILE_READ:/a\nb", 13, "control byte 0x0a" },
	{ "SECRET_ACCESS:a\x1b[2J", 16, "control byte 0x1b" },
	{ "FILE_READ:/a/../b", 14, "'..'" },
	{ "FILE_READ:/a/{x=1}", 15, "FILE_READ knows no condition 'x'" },
	{ "FILE_READ:/a{x=1}{y=2}", 13, "'{x=1}' in the resource reads as conditions" },
	{ "FILE_READ:{x=1}", 11, "FILE_READ has no resource" },
	{ "EXTERNAL_COMMAND:..", 18, "'..'" },
	{ "NETWORK_CONNECT:host:99999", 22, "'99999' is not a port from 1 to 65535" },
	{ "NETWORK_CONNECT:host:0", 22, "not a port" },
	{ "NETWORK_CONNECT:host:", 22, "not a port" },
	{ "NETWORK_CONNECT:host:http", 22, "not a port" },
	{ "NETWORK_CONNECT:host:+80", 22, "not a port" },
	{ "NETWORK_CONNECT:host:20-10", 22, "'20-10' is empty" },
	{ "NETWORK_CONNECT:host:20-", 25, "not a port" },
	{ "NETWORK_CONNECT:host", 21, "no port in 'host'" },
	{ "NETWORK_CONNECT::443", 17, "no host" },
	{ "NETWORK_CONNECT:10.0.0.0/33", 26, "'33' is not a prefix length from 0 to 32" },
	{ "NETWORK_CONNECT:10.0.0.0/33:80", 26, "'33' is not a prefix length from 0 to 32" },
	{ "NETWORK_CONNECT:10.0.0.1/8:80", 17, "bits set beyond" },
	{ "NETWORK_CONNECT:300.1.1.1:80", 17, "not an IPv4 address" },
	{ "NETWORK_CONNECT:10.0.0:80", 17, "not an IPv4 address" },
	{ "NETWORK_CONNECT:[::1", 17, "'[::1' has no ']'" },
	{ "NETWORK_CONNECT:[::g]:80", 18, "'::g' is not an IPv6 address" },
	{ "NETWORK_CONNECT:[::1]", 22, "no port" },
	{ "NETWORK_CONNECT:[::/129]:80", 21, "'129' is not a prefix length from 0 to 128" },
	{ "NETWORK_CONNECT:[2001:db8::1]/32:80", 18, "bits set beyond" },
	{ "NETWORK_CONNECT:[::]/x:80", 22, "'x' is not a prefix length" },
	{ "NETWORK_CONNECT:[::ffff:10.0.0.1]:80", 18, "IPv4 address in disguise" },
	{ "NETWORK_CONNECT:::1:443", 17, "stands in brackets" },
	{ "NETWORK_CONNECT:*", 17, "'*' is no host" },
	{ "NETWORK_CONNECT:*:443", 17, "'*' is no host" },
	{ "NETWORK_CONNECT:*.*", 19, "'*' stands only for first parts" },
	{ "NETWORK_CONNECT:a.*.com:443", 19, "'*' stands only for first parts" },
	{ "NETWORK_CONNECT:a..com:443", 19, "empty part" },
	{ "NETWORK_CONNECT:-a.com:443", 17, "'-' doesn't belong" },
	{ "NETWORK_CONNECT:caf\xc3\xa9.fr:443", 20, "xn--" },
	{ "NETWORK_CONNECT:https://a.com:443", 17, "unknown protocol 'https'" },
	{ "NETWORK_CONNECT:a.com:443/path", 23, "not a port" },
	{ "NETWORK_CONNECT:unix:run/x", 22, "/an/absolute/path or @name" },
	{ "NETWORK_CONNECT:unix:@", 22, "no socket name" },
	{ "NETWORK_LISTEN:example.com:80", 16, "needs an address" },
	{ "NETWORK_LISTEN:a.localhost:80", 16, "needs an address" },
	{ "NETWORK_LISTEN:*.localhost:80", 16, "needs an address" },
	{ "NETWORK_CONNECT:unix:@a[", 24, "" },
	{ "NETWORK_CONNECT:unix:@a/../b", 25, "'..'" },
	{ "NETWORK_CONNECT:unix:@a/", 22, "can't be written out" },
	{ "NETWORK_CONNECT:unix:@a//b", 22, "can't be written out" },
	{ "NETWORK_CONNECT:unix:@a/./b", 22, "can't be written out" },
	{ "NETWORK_CONNECT:unix:@a/.", 22, "can't be written out" },
	{ "NETWORK_CONNECT:unix:@a***", 24, "" },
	{ "NETWORK_LISTEN:127.0.0.1:65536", 26, "'65536' is not a port from 0 to 65535" },
	{ "NETWORK_LISTEN:unix:x", 21, "/an/absolute/path or @name" },
	{ "NETWORK_CONNECT:a.com:443{proto=sctp}", 33, "must be tcp or udp, not 'sctp'" },
	{ "NETWORK_CONNECT:a.com:443{prot=tcp}", 27, "knows no condition 'prot'" },
	{ "NETWORK_CONNECT:a.com:443{proto=tcp,proto=udp}", 37, "given twice" },
	{ "NETWORK_CONNECT:tcp://a.com:443{proto=udp}", 33, "says the protocol itself" },
	{ "NETWORK_CONNECT:unix:@x{proto=udp}", 25, "says the protocol itself" },
	{ "NETWORK_CONNECT:tcp://a.com:443{proto=tcp}", 33, "says the protocol itself" },
	{ "NETWORK_CONNECT:unix:/x{proto=tcp}", 25, "says the protocol itself" },
	{ "NETWORK_CONNECT:a.com:443{proto=}", 33, "must be tcp or udp, not ''" },
	{ "NETWORK_CONNECT:a.com:443{proto=TCP}", 33, "must be tcp or udp, not 'TCP'" },
	{ "NETWORK_LISTEN:127.0.0.1:80{proto=sctp}", 35, "must be tcp or udp, not 'sctp'" },
	{ "NETWORK_CONNECT:a.com:443{private=no}", 35, "'private' must be yes, not 'no'" },
	{ "NETWORK_CONNECT:a.com:443{private=}", 35, "'private' must be yes, not ''" },
	{ "NETWORK_CONNECT:a.com:443{private=yes,private=yes}", 39, "given twice" },
	{ "NETWORK_CONNECT:10.0.0.1:443{private=yes}", 30, "'private' is about host names" },
	{ "NETWORK_CONNECT:10.0.0.0/8:443{private=yes}", 32, "'10.0.0.0/8:443' is none" },
	{ "NETWORK_CONNECT:[fd00::1]:443{private=yes}", 31, "'private' is about host names" },
	{ "NETWORK_CONNECT:unix:/run/x{private=yes}", 29, "'private' is about host names" },
	{ "NETWORK_CONNECT:unix:@x{proto=tcp,private=yes}", 25, "says the protocol itself" },
	{ "NETWORK_CONNECT:10.0.0.1:443{proto=tcp,private=yes}", 40, "'private' is about host names" },
	{ "NETWORK_LISTEN:127.0.0.1:80{private=yes}", 29, "knows no condition 'private'" },
	{ "NETWORK_LISTEN:localhost:80{private=yes}", 29, "knows no condition 'private'" },
	{ "NETWORK_CONNECT:tcp://x", 24, "no port in 'tcp://x'" },
	{ "NETWORK_CONNECT:tcp://", 23, "no host" },
	{ "NETWORK_CONNECT:tcp://:80", 23, "no host" },
	{ "NETWORK_CONNECT:tcp://*:80", 23, "'*' is no host" },
	{ "NETWORK_CONNECT:tcp://udp://a:80", 23, "more than one ':'" },
	{ "NETWORK_CONNECT:TCP://a.com:80", 17, "unknown protocol 'TCP'" },
	{ "NETWORK_CONNECT:sctp://a.com:80", 17, "unknown protocol 'sctp'" },
	{ "NETWORK_CONNECT:://a.com:80", 17, "unknown protocol ''" },
	{ "NETWORK_CONNECT:*.*:80", 19, "'*' stands only for first parts" },
	{ "NETWORK_CONNECT:**.com:80", 17, "'*' stands only for first parts" },
	{ "NETWORK_CONNECT:*.:80", 19, "empty part" },
	{ "NETWORK_CONNECT:a.com.:80", 23, "empty part" },
	{ "NETWORK_CONNECT:tcp://[::1", 23, "has no ']'" },
	{ "NETWORK_CONNECT:[]:80", 18, "is not an IPv6 address" },
	{ "NETWORK_CONNECT:[fe80::1%eth0]:80", 18, "is not an IPv6 address" },
	{ "NETWORK_CONNECT:[10.0.0.1]:80", 18, "is not an IPv6 address" },
	{ "NETWORK_CONNECT:10.0.0.0/:80", 26, "not a prefix length" },
	{ "NETWORK_CONNECT:10.0.0.0/-8:80", 26, "not a prefix length" },
	{ "NETWORK_CONNECT:10.0.0.0/08:80", 26, "not a prefix length" },
	{ "NETWORK_CONNECT:010.0.0.1:80", 17, "not an IPv4 address" },
	{ "NETWORK_CONNECT:0x7f.1:80", 17, "not an IPv4 address" },
	{ "NETWORK_CONNECT:2130706433:80", 17, "not an IPv4 address" },
	{ "NETWORK_CONNECT:host/8:80", 17, "not an IPv4 address" },
	{ "NETWORK_CONNECT:host:080", 22, "not a port" },
	{ "NETWORK_CONNECT:host:65536", 22, "not a port" },
	{ "NETWORK_CONNECT:host:-80", 22, "not a port" },
	{ "NETWORK_CONNECT:host:0-80", 22, "not a port" },
	{ "NETWORK_CONNECT:host:1-2-3", 24, "not a port" },
	{ "NETWORK_CONNECT:host:**", 22, "not a port" },
	{ "NETWORK_CONNECT:host:443,80", 22, "not a port" },
	{ "NETWORK_CONNECT:unix:/a/../b", 25, "'..'" },
	{ "SECRET_ACCESS:token{uses=0}", 26, "'uses' must be a number from 1" },
	{ "SECRET_ACCESS:token{uses=}", 26, "'uses' must be a number from 1" },
	{ "SECRET_ACCESS:token{ttl=5}", 21, "knows no condition 'ttl'" },
	{ "DATABASE_READ:omnibase.*", 24, "not a pattern" },
	{ "DATABASE_READ:a b", 16, "white space" },
};

static void test_bad_texts(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct obmon_location where = { .file = "t.yaml", .line = 7, .column = 100 };
		const char *text = bad[i].text;
		struct obmon_capability cap;
		struct obmon_error err = { 0 };
		char head[32];

		if (obmon_capability_parse(&cap, text, strlen(text), &where, &err) == 0)
			fail_msg("'%s' is accepted", text);
		assert_int_equal(err.code, OBMON_ERR_CONFIG);
		assert_null(cap.resource);
		snprintf(head, sizeof(head), "t.yaml:7:%u: ", 99 + bad[i].column);
		if (strncmp(err.message, head, strlen(head)) || !strstr(err.message, bad[i].part))
			fail_msg("'%s': expected '%s...%s', got '%s'", text, head, bad[i].part, err.message);
	}
}

static void test_nul_and_length(void **state)
{
	static const char with_nul[] = "FILE_READ:/etc/x\0/y";
	struct obmon_capability cap;
	struct obmon_error err = { 0 };
	char text[sizeof("FILE_READ:") + OBMON_RESOURCE_MAX + 1] = "FILE_READ:/";

	(void)state;
	assert_int_equal(obmon_capability_parse(&cap, with_nul, sizeof(with_nul) - 1, NULL, &err), -1);
	assert_non_null(strstr(err.message, "column 17: NUL byte"));

	memset(text + strlen("FILE_READ:/"), 'a', OBMON_RESOURCE_MAX);
	assert_int_equal(obmon_capability_parse(&cap, text, strlen("FILE_READ:") + OBMON_RESOURCE_MAX, NULL, &err), 0);
	obmon_capability_clear(&cap);
	assert_int_equal(obmon_capability_parse(&cap, text, strlen("FILE_READ:") + OBMON_RESOURCE_MAX + 1, NULL, &err),
			 -1);
	assert_non_null(strstr(err.message, "4097 bytes"));
}

/* Without a column there is none to count from; the rest of the place is still
 * named. */
static void test_place_of_writing(void **state)
{
	struct obmon_location where = { .file = "t.yaml", .line = 7 };
	struct obmon_capability cap;
	struct obmon_error err = { 0 };

	(void)state;
	assert_int_equal(obmon_capability_parse(&cap, "FILE_READ:", 10, &where, &err), -1);
	assert_string_equal(err.message, "t.yaml:7: FILE_READ has no resource");
	where.column = 3;
	assert_int_equal(obmon_capability_parse(&cap, "FILE_READ:/x", 12, &where, &err), 0);
	assert_string_equal(cap.file, "t.yaml");
	assert_int_equal(cap.line, 7);
	assert_int_equal(cap.column, 3);
	obmon_capability_clear(&cap);
}

static void test_conditions_are_kept(void **state)
{
	struct obmon_capability cap;

	(void)state;
	parse_good(&cap, "SECRET_ACCESS:token{uses=3}");
	assert_string_equal(cap.resource, "token");
	assert_int_equal(cap.n_conditions, 1);
	assert_string_equal(cap.conditions[0].key, "uses");
	assert_string_equal(cap.conditions[0].value, "3");
	obmon_capability_clear(&cap);

	parse_good(&cap, "FILE_READ:/a/{b,c}");
	assert_string_equal(cap.resource, "/a/{b,c}");
	assert_int_equal(cap.n_conditions, 0);
	obmon_capability_clear(&cap);
}

static void test_command_names(void **state)
{
	(void)state;
	assert_true(cap_is_command_name("git", 3));
	assert_true(cap_is_command_name("python3.11", 10));
	assert_false(cap_is_command_name("./git", 5));
	assert_false(cap_is_command_name("py*", 3));
	assert_false(cap_is_command_name(".", 1));
	assert_false(cap_is_command_name("..", 2));
	assert_false(cap_is_command_name("", 0));
}

static void add(struct obmon_cap_set *set, const char *text, bool quiet)
{
	struct obmon_capability cap;
	struct obmon_error err = { 0 };

	parse_good(&cap, text);
	cap.quiet = quiet;
	assert_int_equal(obmon_cap_set_add(set, &cap, &err), 0);
	assert_null(cap.resource);
}

static void digest_of(const char *const *texts, size_t n, char digest[OBMON_DIGEST_MAX])
{
	struct obmon_cap_set set = { 0 };
	struct obmon_error err = { 0 };

	for (size_t i = 0; i < n; i++)
		add(&set, texts[i], false);
	assert_int_equal(set.n, n);
	assert_int_equal(obmon_cap_set_digest(&set, digest, &err), 0);
	obmon_cap_set_clear(&set);
	assert_int_equal(set.n, 0);
}

static void test_digest(void **state)
{
	static const char *const one[] = { "FILE_WRITE:/tmp/out/**", "file.read:/a//b" };
	static const char *const other[] = { "FILE_READ:/a/b", "FILE_WRITE:/tmp/out/**/", "FILE_READ:/a/b/" };
	static const char *const more[] = { "FILE_READ:/a/b", "FILE_WRITE:/tmp/out/**", "FILE_READ:/c" };
	char a[OBMON_DIGEST_MAX], b[OBMON_DIGEST_MAX];

	(void)state;
	digest_of(NULL, 0, a);
	assert_string_equal(a, "sha256:"
			       "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	/* The sum that sha256sum(1) gives for these two lines, sorted. */
	digest_of(one, ARRAY_SIZE(one), a);
	assert_string_equal(a, "sha256:"
			       "c58acfbed4f93a5e791d2b2988916e9a6fb10ded31bb6b0bc14020f7047f7992");
	digest_of(other, ARRAY_SIZE(other), b);
	assert_string_equal(a, b);
	digest_of(more, ARRAY_SIZE(more), b);
	assert_string_not_equal(a, b);
}

static void test_quiet_is_part_of_the_digest(void **state)
{
	struct obmon_cap_set set = { 0 };
	struct obmon_error err = { 0 };
	char loud[OBMON_DIGEST_MAX], quiet[OBMON_DIGEST_MAX], *text;

	(void)state;
	add(&set, "FILE_READ:/a", false);
	assert_int_equal(obmon_cap_set_digest(&set, loud, &err), 0);
	set.items[0].quiet = true;
	assert_int_equal(obmon_cap_set_digest(&set, quiet, &err), 0);
	assert_string_not_equal(loud, quiet);
	text = obmon_capability_format(&set.items[0]);
	assert_string_equal(text, "quiet:FILE_READ:/a");
	free(text);
	obmon_cap_set_clear(&set);
}

static void test_sets_grow(void **state)
{
	struct obmon_cap_set set = { 0 };
	char text[32];

	(void)state;
	for (int i = 0; i < 100; i++) {
		snprintf(text, sizeof(text), "FILE_READ:/n/%d", i);
		add(&set, text, false);
	}
	assert_int_equal(set.n, 100);
	assert_string_equal(set.items[42].resource, "/n/42");
	obmon_cap_set_clear(&set);
	assert_null(set.items);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_type_has_two_spellings),
		cmocka_unit_test(test_good_texts),
		cmocka_unit_test(test_canonical_is_stable),
		cmocka_unit_test(test_bad_texts),
		cmocka_unit_test(test_nul_and_length),
		cmocka_unit_test(test_place_of_writing),
		cmocka_unit_test(test_conditions_are_kept),
		cmocka_unit_test(test_command_names),
		cmocka_unit_test(test_digest),
		cmocka_unit_test(test_quiet_is_part_of_the_digest),
		cmocka_unit_test(test_sets_grow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
