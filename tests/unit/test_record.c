// SPDX-License-Identifier: Apache-2.0
/* Records, from events made by hand: the keys that readers rely on, and names
 * that try to break them. */
#include <arpa/inet.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "cap/glob.h"
#include "cap/network.h"
#include "event/record.h"
#include "lib/util.h"

#define DEV(major, minor) ((uint32_t)(major) << 20 | (minor))
#define READ OBMON_RIGHT_BIT(OBMON_RIGHT_READ)
#define WRITE OBMON_RIGHT_BIT(OBMON_RIGHT_WRITE)
#define EXEC OBMON_RIGHT_BIT(OBMON_RIGHT_EXEC)
#define LOAD OBMON_RIGHT_BIT(OBMON_RIGHT_LOAD)
#define LIST OBMON_RIGHT_BIT(OBMON_RIGHT_LIST)
#define CONNECT OBMON_RIGHT_BIT(OBMON_RIGHT_CONNECT)
#define LISTEN OBMON_RIGHT_BIT(OBMON_RIGHT_LISTEN)

static struct mount mount_items[] = {
	{ .id = 1, .dev = DEV(8, 1), .root = "/", .point = "/", .type = "ext4" },
	{ .id = 2, .dev = DEV(8, 2), .root = "/", .point = "/home", .type = "ext4" },
	{ .id = 3, .dev = DEV(0, 30), .root = "/sub", .point = "/tmp", .type = "tmpfs" },
};
static const struct mounts mounts = { mount_items, ARRAY_SIZE(mount_items) };

static const struct trace trace = {
	.trace_id = "0123456789abcdef0123456789abcdef",
	.span_id = "fedcba9876543210",
	.flags = "01",
};

static struct metadata component = {
	.name = "fix_headers",
	.version = "1.0.0",
	.uuid = "3f0c2a5e-0000-4000-8000-000000000000",
};

static const struct record_context context = {
	.run_id = "01890000-0000-7000-8000-000000000000",
	.correlation_id = "order-7",
	.executor = "direct",
	.mode = "enforce",
	.digest = "sha256:00",
	.cgroup_path = "/obmon/x",
	.cgroup_id = 4711,
	.trace = &trace,
	.component = &component,
	.mounts = &mounts,
	.boot_offset_ns = 1700000000000000000,
};

/* An event as it comes from the ring: the header, then the names, and nothing
 * after them. */
struct names {
	const char *object, *second, *exe;
};

static struct obmon_event *make_event(const struct obmon_event *header, const struct names *names)
{
	const char *const parts[] = { names->object, names->second, names->exe };
	size_t lengths[3], total = 0, i;
	struct obmon_event *event;
	char *out;

	for (i = 0; i < 3; i++)
		total += lengths[i] = parts[i] ? strlen(parts[i]) : 0;
	event = malloc(sizeof(*event) + total);
	assert_non_null(event);
	*event = *header;
	event->name_length = (uint16_t)lengths[0];
	event->name2_length = (uint16_t)lengths[1];
	event->exe_length = (uint16_t)lengths[2];
	out = (char *)(event + 1);
	for (i = 0; i < 3; i++) {
		memcpy(out, parts[i] ? parts[i] : "", lengths[i]);
		out += lengths[i];
	}
	return event;
}

static const struct obmon_event denied_read = {
	.seq = 7,
	.time_ns = 1123456789,
	.cgroup_id = 4711,
	.ino = 99,
	.dev = DEV(8, 1),
	.exe_dev = DEV(8, 1),
	.fs_magic = 0xef53,
	.process.pid = 812,
	.process.tid = 813,
	.process.ppid = 811,
	.process.uid = 1000,
	.process.gid = 1001,
	.missing = READ,
	.error = -13,
	.hook = OBMON_HOOK_FILE_OPEN,
	.verdict = OBMON_VERDICT_DENIED,
	.process.comm = "cat",
};

static json_t *make_record(const struct obmon_event *header, const struct names *names)
{
	struct obmon_event *event = make_event(header, names);
	json_t *record = record_event(&context, event);

	free(event);
	assert_non_null(record);
	return record;
}

static char *make_line(const struct obmon_event *header, const struct names *names)
{
	struct obmon_event *event = make_event(header, names);
	char *line = record_human(&context, event);

	free(event);
	assert_non_null(line);
	return line;
}

/* The value at "a.b" in @record; fails the test if the key isn't there.
 * Borrowed. */
static json_t *at(json_t *record, const char *path)
{
	_cleanup_free_ char *copy = strdup(path);
	char *save = NULL, *key;
	json_t *value = record;

	for (key = strtok_r(copy, ".", &save); key; key = strtok_r(NULL, ".", &save)) {
		value = json_object_get(value, key);
		if (!value)
			fail_msg("there is no key %s", path);
	}
	return value;
}

/* Is the value at @path the string @text, or null if that is NULL? */
static void check_text(json_t *record, const char *path, const char *text)
{
	json_t *value = at(record, path);

	if (text ? !json_is_string(value) || strcmp(json_string_value(value), text) != 0 : !json_is_null(value)) {
		_cleanup_free_ char *got = json_dumps(value, JSON_ENCODE_ANY);

		fail_msg("%s is %s, not %s", path, got, text ? text : "null");
	}
}

static void check_number(json_t *record, const char *path, json_int_t number)
{
	json_t *value = at(record, path);

	if (!json_is_integer(value) || json_integer_value(value) != number)
		fail_msg("%s is %lld, not %lld", path, json_integer_value(value), number);
}

/* One line, and every value survives being written and read. */
static void check_round_trip(json_t *record)
{
	_cleanup_free_ char *line = json_dumps(record, JSON_COMPACT);
	json_t *again;

	assert_non_null(line);
	assert_null(strchr(line, '\n'));
	again = json_loads(line, 0, NULL);
	assert_non_null(again);
	assert_true(json_equal(record, again));
	json_decref(again);
}

/* The keys of docs: present in each record of an event, whatever its verdict.
 */
static const char *const keys[] = {
	"time",
	"event",
	"run_id",
	"seq",
	"correlation_id",
	"trace_id",
	"span_id",
	"error.class",
	"error.code",
	"error.errno",
	"capability.type",
	"capability.resource",
	"capability.state",
	"capability.rule",
	"capability.grant",
	"layer",
	"hook",
	"executor",
	"mode",
	"count",
	"process.pid",
	"process.ppid",
	"process.uid",
	"process.comm",
	"process.exe",
	"cgroup.id",
	"cgroup.path",
	"policy.digest",
	"component.name",
	"component.version",
	"component.uuid",
};

static void check_keys(json_t *record)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(keys); i++)
		at(record, keys[i]);
}

static void test_every_value(void **state)
{
	json_t *record = make_record(&denied_read, &(struct names){ "/etc/shadow", NULL, "/usr/bin/cat" });

	(void)state;
	check_keys(record);
	check_text(record, "time", "2023-11-14T22:13:21.123456789Z");
	check_text(record, "event", "capability.denied");
	check_text(record, "run_id", context.run_id);
	check_number(record, "seq", 7);
	check_text(record, "correlation_id", "order-7");
	check_text(record, "trace_id", trace.trace_id);
	check_text(record, "span_id", trace.span_id);
	check_text(record, "error.class", "CapabilityError");
	check_text(record, "error.code", "OBMON_CAPABILITY_DENIED");
	check_text(record, "error.errno", "EACCES");
	check_text(record, "capability.type", "FILE_READ");
	check_text(record, "capability.resource", "/etc/shadow");
	check_text(record, "capability.state", "denied");
	check_text(record, "capability.rule", NULL);
	check_text(record, "capability.grant", "FILE_READ:/etc/shadow");
	check_text(record, "layer", "kernel");
	check_text(record, "hook", "file_open");
	check_text(record, "executor", "direct");
	check_text(record, "mode", "enforce");
	check_number(record, "count", 1);
	check_number(record, "process.pid", 812);
	check_number(record, "process.ppid", 811);
	check_number(record, "process.uid", 1000);
	check_text(record, "process.comm", "cat");
	check_text(record, "process.exe", "/usr/bin/cat");
	check_number(record, "cgroup.id", 4711);
	check_text(record, "cgroup.path", "/obmon/x");
	check_text(record, "policy.digest", "sha256:00");
	check_text(record, "component.name", "fix_headers");
	check_text(record, "component.version", "1.0.0");
	check_text(record, "component.uuid", component.uuid);
	assert_null(json_object_get(at(record, "capability"), "resource_b64"));
	assert_null(json_object_get(record, "capabilities"));
	check_round_trip(record);
	json_decref(record);
}

/* What isn't known is null, and its key is there all the same. */
static void test_null_is_never_omitted(void **state)
{
	struct obmon_event *event = make_event(&denied_read, &(struct names){ "/x", NULL, NULL });
	struct record_context bare = context;
	json_t *record;

	(void)state;
	bare.correlation_id = NULL;
	bare.component = NULL;
	record = record_event(&bare, event);
	assert_non_null(record);
	check_keys(record);
	check_text(record, "correlation_id", NULL);
	check_text(record, "component.name", NULL);
	check_text(record, "component.version", NULL);
	check_text(record, "component.uuid", NULL);
	check_text(record, "process.exe", NULL);
	check_text(record, "capability.rule", NULL);
	json_decref(record);
	/* Metadata that is silent. */
	bare.component = &(struct metadata){ 0 };
	record = record_event(&bare, event);
	assert_non_null(record);
	check_keys(record);
	check_text(record, "component.name", NULL);
	json_decref(record);
	free(event);
}

static void test_verdicts(void **state)
{
	static const struct {
		uint8_t verdict, failure;
		int32_t error;
		uint32_t missing;
		const char *event, *class, *code, *errno_name, *cap_state, *type, *grant, *reason;
	} cases[] = {
		{ OBMON_VERDICT_DENIED, 0, -13, READ, "capability.denied", "CapabilityError", "OBMON_CAPABILITY_DENIED",
		  "EACCES", "denied", "FILE_READ", "FILE_READ:/a", NULL },
		{ OBMON_VERDICT_DENIED, 0, -13, WRITE, "capability.denied", "CapabilityError",
		  "OBMON_CAPABILITY_DENIED", "EACCES", "denied", "FILE_WRITE", "FILE_WRITE:/a", NULL },
		{ OBMON_VERDICT_DENIED, 0, -13, EXEC, "capability.denied", "ExternalCommandError",
		  "OBMON_CAPABILITY_DENIED", "EACCES", "denied", "EXTERNAL_COMMAND", "EXTERNAL_COMMAND:/a", NULL },
		{ OBMON_VERDICT_DENIED, 0, -13, LOAD, "capability.denied", "CapabilityError", "OBMON_CAPABILITY_DENIED",
		  "EACCES", "denied", "LIBRARY_LOAD", "LIBRARY_LOAD:/a", NULL },
		{ OBMON_VERDICT_DENIED, 0, -13, LIST, "capability.denied", "CapabilityError", "OBMON_CAPABILITY_DENIED",
		  "EACCES", "denied", "FILE_READ", "FILE_READ:/a", NULL },
		{ OBMON_VERDICT_AUDITED, 0, 0, READ, "capability.denied", "CapabilityError", "OBMON_CAPABILITY_DENIED",
		  NULL, "audited", "FILE_READ", "FILE_READ:/a", NULL },
		{ OBMON_VERDICT_GUARD, 0, -13, 0, "guard.denied", "SandboxViolationError", "OBMON_GUARD_DENIED",
		  "EACCES", "denied", NULL, NULL, NULL },
		{ OBMON_VERDICT_FAILURE, OBMON_FAIL_NAME_TOO_LONG, -13, 0, "capability.denied", "SecurityError",
		  "OBMON_DECISION_FAILED", "EACCES", "denied", NULL, NULL, "name_too_long" },
		{ OBMON_VERDICT_FAILURE, OBMON_FAIL_NO_ROOM, -13, 0, "capability.denied", "SecurityError",
		  "OBMON_DECISION_FAILED", "EACCES", "denied", NULL, NULL, "no_room" },
		{ OBMON_VERDICT_FAILURE, 200, -13, 0, "capability.denied", "SecurityError", "OBMON_DECISION_FAILED",
		  "EACCES", "denied", NULL, NULL, "unknown" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		struct obmon_event header = denied_read;
		json_t *record;

		header.verdict = cases[i].verdict;
		header.failure = cases[i].failure;
		header.error = cases[i].error;
		header.missing = cases[i].missing;
		record = make_record(&header, &(struct names){ "/a", NULL, "/usr/bin/cat" });
		check_keys(record);
		check_text(record, "event", cases[i].event);
		check_text(record, "error.class", cases[i].class);
		check_text(record, "error.code", cases[i].code);
		check_text(record, "error.errno", cases[i].errno_name);
		check_text(record, "capability.state", cases[i].cap_state);
		check_text(record, "capability.type", cases[i].type);
		check_text(record, "capability.resource",
			   cases[i].failure == OBMON_FAIL_NAME_TOO_LONG ? ".../a" : "/a");
		check_text(record, "capability.grant", cases[i].grant);
		if (cases[i].reason)
			check_text(record, "error.reason", cases[i].reason);
		else
			assert_null(json_object_get(at(record, "error"), "reason"));
		check_round_trip(record);
		json_decref(record);
	}
}

static void test_every_hook_has_a_name(void **state)
{
	static const char *const names[] = {
#define NAME(upper, lower) #lower,
		OBMON_HOOK_LIST(NAME)
#undef NAME
	};
	struct obmon_event header = denied_read;
	unsigned hook;

	(void)state;
	for (hook = 0; hook < OBMON_HOOK_MAX; hook++) {
		json_t *record;

		header.hook = (uint16_t)hook;
		record = make_record(&header, &(struct names){ "/a", NULL, NULL });
		check_keys(record);
		check_text(record, "hook", names[hook]);
		json_decref(record);
	}
	header.hook = OBMON_HOOK_MAX;
	json_decref(make_record(&header, &(struct names){ "/a", NULL, NULL }));
}

/* A rename that wants two grants names both; the first also stands where
 * readers of one look. */
static void test_rename(void **state)
{
	struct obmon_event header = denied_read;
	json_t *record;

	(void)state;
	header.hook = OBMON_HOOK_PATH_RENAME;
	header.missing = header.missing2 = WRITE;
	header.dev2 = DEV(8, 2);
	record = make_record(&header, &(struct names){ "/srv/old", "/new", "/bin/mv" });
	check_keys(record);
	check_text(record, "capability.resource", "/srv/old");
	check_text(record, "capability.grant", "FILE_WRITE:/srv/old");
	assert_int_equal(json_array_size(at(record, "capabilities")), 2);
	check_text(json_array_get(at(record, "capabilities"), 0), "resource", "/srv/old");
	check_text(json_array_get(at(record, "capabilities"), 1), "type", "FILE_WRITE");
	check_text(json_array_get(at(record, "capabilities"), 1), "resource", "/home/new");
	check_text(json_array_get(at(record, "capabilities"), 1), "grant", "FILE_WRITE:/home/new");
	check_text(json_array_get(at(record, "capabilities"), 1), "state", "denied");
	check_text(record, "process.exe", "/bin/mv");
	check_round_trip(record);
	json_decref(record);

	/* Wanting on the second name only, that one is the capability. */
	header.missing = 0;
	record = make_record(&header, &(struct names){ "/srv/old", "/new", "/bin/mv" });
	check_text(record, "capability.resource", "/home/new");
	assert_null(json_object_get(record, "capabilities"));
	json_decref(record);

	/* Several rights on one name. */
	header.missing = READ | EXEC;
	header.missing2 = 0;
	record = make_record(&header, &(struct names){ "/srv/old", "/new", "/bin/mv" });
	assert_int_equal(json_array_size(at(record, "capabilities")), 2);
	check_text(json_array_get(at(record, "capabilities"), 0), "type", "FILE_READ");
	check_text(json_array_get(at(record, "capabilities"), 1), "type", "EXTERNAL_COMMAND");
	check_text(record, "error.class", "ExternalCommandError");
	json_decref(record);
}

/* A file would gain a right by its new name: the caller sees EXDEV, and copies.
 */
static void test_exdev(void **state)
{
	struct obmon_event header = denied_read;
	json_t *record;

	(void)state;
	header.hook = OBMON_HOOK_PATH_RENAME;
	header.missing = 0;
	header.missing2 = READ;
	header.dev2 = DEV(8, 1);
	header.error = -18;
	record = make_record(&header, &(struct names){ "/a", "/b", NULL });
	check_keys(record);
	check_text(record, "error.errno", "EXDEV");
	check_text(record, "capability.resource", "/b");
	json_decref(record);

	/* For a directory no single grant would have been enough, so none is
   * proposed. */
	header.directory = 1;
	record = make_record(&header, &(struct names){ "/a", "/b", NULL });
	check_text(record, "capability.grant", NULL);
	json_decref(record);
}

static void check_b64(json_t *capability, const char *bytes)
{
	const char *text = json_string_value(at(capability, "resource_b64"));
	unsigned char decoded[1024] = { 0 };
	size_t length = strlen(bytes);

	assert_non_null(text);
	assert_int_equal(strlen(text), 4 * ((length + 2) / 3));
	assert_true(EVP_DecodeBlock(decoded, (const unsigned char *)text, (int)strlen(text)) >= (int)length);
	assert_memory_equal(decoded, bytes, length + 1);
}

/* A name is bytes. What isn't UTF-8 is replaced where text must be, and there
 * whole beside it. */
static void test_names_that_are_no_utf8(void **state)
{
	static const struct {
		const char *name, *text;
	} cases[] = {
		{ "/\xff", "/\xef\xbf\xbd" },
		{ "/a\xffz", "/a\xef\xbf\xbdz" },
		{ "/\xc3", "/\xef\xbf\xbd" },
		{ "/\xe2\x82", "/\xef\xbf\xbd\xef\xbf\xbd" },
		{ "/\xc0\xaf", "/\xef\xbf\xbd\xef\xbf\xbd" },                 /* overlong */
		{ "/\xed\xa0\x80", "/\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" }, /* a surrogate */
		{ "/\xf4\x90\x80\x80", "/\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" },
		{ "/\xc3\xa9\xff\xc3\xa9", "/\xc3\xa9\xef\xbf\xbd\xc3\xa9" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		json_t *record = make_record(&denied_read, &(struct names){ cases[i].name, NULL, cases[i].name });

		check_keys(record);
		check_text(record, "capability.resource", cases[i].text);
		check_text(record, "process.exe", cases[i].text);
		check_b64(at(record, "capability"), cases[i].name);
		check_round_trip(record);
		json_decref(record);
	}
}

static void test_names_of_all_bytes(void **state)
{
	static const char *const good[] = {
		"/caf\xc3\xa9", "/\xf0\x9f\x98\x80", "/line\nfeed", "/\x01\x1b[31m", "/quote\"back\\slash",
		"/\x7f",        "/\xef\xbf\xbd",
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(good); i++) {
		json_t *record = make_record(&denied_read, &(struct names){ good[i], NULL, NULL });

		check_text(record, "capability.resource", good[i]);
		assert_null(json_object_get(at(record, "capability"), "resource_b64"));
		check_round_trip(record);
		json_decref(record);
	}
}

/* The path is whole, however long. */
static void test_long_names(void **state)
{
	_cleanup_free_ char *name = malloc(OBMON_NAME_MAX + 1), *line = NULL;
	json_t *record;

	(void)state;
	memset(name, 'a', OBMON_NAME_MAX);
	name[0] = '/';
	name[OBMON_NAME_MAX] = '\0';
	record = make_record(&denied_read, &(struct names){ name, name, NULL });
	check_text(record, "capability.resource", name);
	json_decref(record);
	line = make_line(&denied_read, &(struct names){ name, NULL, NULL });
	assert_non_null(strstr(line, name));
}

/* Can @text be read as a capability, and does that cover @path? */
static bool grants(const char *text, const char *path)
{
	struct obmon_capability cap;
	struct glob glob;
	bool covers;

	if (obmon_capability_parse(&cap, text, strlen(text), NULL, NULL))
		return false;
	covers = cap.type == OBMON_CAP_FILE_READ &&
		 !glob_parse(&glob, cap.resource, strlen(cap.resource), NULL, NULL, NULL);
	if (covers) {
		covers = glob_match(&glob, path, strlen(path));
		glob_clear(&glob);
	}
	obmon_capability_clear(&cap);
	return covers;
}

/*
 * The grant that a record proposes must be one: it can be read, and covers the
 * very name. Where none could, as for a name that isn't UTF-8 or holds a
 * control byte, null is right too.
 */
static void test_grants_grant(void **state)
{
	static const struct {
		uint32_t dev;
		const char *name, *path;
		bool needed;
	} cases[] = {
		{ DEV(8, 1), "/etc/shadow", "/etc/shadow", true },
		{ DEV(8, 1), "/", "/", true },
		{ DEV(8, 1), "/a*b?c[d]e{f,g}h\\i!j^k~", "/a*b?c[d]e{f,g}h\\i!j^k~", true },
		{ DEV(8, 1), "/**", "/**", true },
		{ DEV(8, 1), "/a,b", "/a,b", true },
		{ DEV(8, 1), "/x{uses=1}", "/x{uses=1}", true },
		{ DEV(8, 1), "/a: b=c", "/a: b=c", true },
		{ DEV(8, 1), "/ a", "/ a", true },
		{ DEV(8, 1), "/a ", "/a ", true },
		{ DEV(8, 1), "/...", "/...", true },
		{ DEV(8, 1), "/caf\xc3\xa9", "/caf\xc3\xa9", true },
		{ DEV(0, 30), "/sub/x", "/tmp/x", true },
		{ DEV(8, 1), "/line\nfeed", "/line\nfeed", false },
		{ DEV(8, 1), "/\x7f", "/\x7f", false },
		{ DEV(8, 1), "/\xff", "/\xff", false },
		{ DEV(8, 1), "/\xe2\x82", "/\xe2\x82", false },
		/* On no mount that obmon sees. */
		{ DEV(7, 7), "/x", "/x", false },
	};
	size_t i, wrong = 0;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		struct obmon_event header = denied_read;
		json_t *record, *grant;

		header.dev = cases[i].dev;
		record = make_record(&header, &(struct names){ cases[i].name, NULL, NULL });
		grant = at(record, "capability.grant");
		if (json_is_null(grant) ? cases[i].needed : !grants(json_string_value(grant), cases[i].path)) {
			print_error("for '%s' the grant is %s\n", cases[i].name, json_string_value(grant));
			wrong++;
		}
		json_decref(record);
	}
	assert_int_equal(wrong, 0);
}

static void test_objects(void **state)
{
	static const struct {
		uint16_t hook;
		uint8_t nameless;
		uint32_t dev, fs_magic;
		uint64_t detail;
		const char *name, *object, *type;
	} cases[] = {
		{ OBMON_HOOK_FILE_OPEN, 0, DEV(8, 2), 0xef53, 0, "/u/x", "/home/u/x", "FILE_READ" },
		{ OBMON_HOOK_FILE_OPEN, 0, DEV(0, 30), 0xef53, 0, "/sub", "/tmp", "FILE_READ" },
		{ OBMON_HOOK_FILE_OPEN, 0, DEV(0, 30), 0xef53, 0, "/other", "dev:0:30:/other", "FILE_READ" },
		{ OBMON_HOOK_FILE_OPEN, 1, DEV(0, 12), 0x50495045, 0, NULL, "pipe:[99]", "FILE_READ" },
		{ OBMON_HOOK_FILE_OPEN, 1, DEV(0, 8), 0x534f434b, 0, NULL, "socket:[99]", "FILE_READ" },
		{ OBMON_HOOK_MMAP_FILE, 1, DEV(0, 1), 0x01021994, 0, "memfd:x", "memfd:x", "FILE_READ" },
		{ OBMON_HOOK_FILE_OPEN, 1, DEV(0, 13), 0x09041934, 0, NULL, "inode:[99]", "FILE_READ" },
		{ OBMON_HOOK_TASK_KILL, 1, 0, 0, 4194303, NULL, "pid:4194303", NULL },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		struct obmon_event header = denied_read;
		json_t *record;

		header.hook = cases[i].hook;
		header.nameless = cases[i].nameless;
		header.dev = cases[i].dev;
		header.fs_magic = cases[i].fs_magic;
		if (!cases[i].type) {
			header.verdict = OBMON_VERDICT_GUARD;
			header.missing = 0;
		}
		header.detail = cases[i].detail;
		record = make_record(&header, &(struct names){ cases[i].name, NULL, "/usr/bin/cat" });
		check_keys(record);
		check_text(record, "capability.resource", cases[i].object);
		check_text(record, "capability.type", cases[i].type);
		check_text(record, "process.exe", "/usr/bin/cat");
		if (cases[i].nameless) /* there is no name that a grant could be about */
			check_text(record, "capability.grant", NULL);
		json_decref(record);
	}
}

/* No grant makes such sockets: a guard, in audit mode too. */
static void test_sockets(void **state)
{
	static const struct {
		unsigned family, type, protocol;
		const char *resource;
	} cases[] = {
		{ AF_INET, SOCK_RAW, 1, "socket:family=2,type=3,protocol=1" },
		{ AF_INET6, SOCK_STREAM, 132, "socket:family=10,type=1,protocol=132" },
		{ AF_INET, SOCK_STREAM, 262, "socket:family=2,type=1,protocol=262" },
		{ AF_VSOCK, SOCK_STREAM, 0, "socket:family=40,type=1,protocol=0" },
		{ AF_PACKET, SOCK_RAW, 0x0300, "socket:family=17,type=3,protocol=768" },
	};
	struct obmon_event header = denied_read;
	size_t i;

	(void)state;
	header.hook = OBMON_HOOK_SOCKET_CREATE;
	header.verdict = OBMON_VERDICT_GUARD;
	header.nameless = 1;
	header.missing = 0;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *line = NULL, *expected = NULL;
		json_t *record;

		header.detail = (uint64_t)cases[i].family << 32 | cases[i].type << 16 | cases[i].protocol;
		record = make_record(&header, &(struct names){ NULL, NULL, "/usr/bin/curl" });
		check_keys(record);
		check_text(record, "event", "guard.denied");
		check_text(record, "hook", "socket_create");
		check_text(record, "capability.type", NULL);
		check_text(record, "capability.resource", cases[i].resource);
		check_text(record, "capability.grant", NULL);
		check_text(record, "capability.state", "denied");
		check_text(record, "error.class", "SandboxViolationError");
		check_text(record, "error.errno", "EACCES");
		assert_null(json_object_get(at(record, "capability"), "address"));
		check_round_trip(record);
		json_decref(record);
		line = make_line(&header, &(struct names){ NULL, NULL, NULL });
		expected = format("denied GUARD %s (socket_create by cat[812])", cases[i].resource);
		assert_string_equal(line, expected);
	}
}

/*
 * Endpoints
 */

/* An event with a name of @length bytes, which may be anything. */
static struct obmon_event *make_named(const struct obmon_event *header, const void *name, size_t length)
{
	struct obmon_event *event = malloc(sizeof(*event) + length);

	assert_non_null(event);
	*event = *header;
	event->name_length = (uint16_t)length;
	event->name2_length = event->exe_length = 0;
	memcpy(event + 1, name, length);
	return event;
}

static json_t *make_named_record(const struct obmon_event *header, const void *name, size_t length)
{
	struct obmon_event *event = make_named(header, name, length);
	json_t *record = record_event(&context, event);

	free(event);
	assert_non_null(record);
	check_keys(record);
	check_round_trip(record);
	return record;
}

static char *make_named_line(const struct obmon_event *header, const void *name, size_t length)
{
	struct obmon_event *event = make_named(header, name, length);
	char *line = record_human(&context, event);

	free(event);
	assert_non_null(line);
	return line;
}

/* As the kernel's programs fill it in; @address may be NULL. */
static struct obmon_event endpoint_event(enum obmon_hook hook, uint32_t missing, const char *address, unsigned protocol,
					 unsigned port)
{
	struct obmon_event header = denied_read;

	header.hook = (uint16_t)hook;
	header.missing = missing;
	header.dev = header.fs_magic = 0;
	header.ino = 0;
	header.nameless = 1;
	header.protocol = (uint8_t)protocol;
	header.port = (uint16_t)port;
	memcpy(header.process.comm, "curl", 5);
	if (!address)
		return header;
	header.family = strchr(address, ':') ? AF_INET6 : AF_INET;
	assert_int_equal(inet_pton(header.family, address, header.address), 1);
	return header;
}

static const struct endpoint_case {
	enum obmon_hook hook;
	uint32_t missing;
	const char *address;
	unsigned protocol, port;
	const char *host;                    /* or NULL: the address wasn't asked for by a name */
	const char *type, *resource, *human; /* human: what stands for the resource */
	bool granted;                        /* the grant is type:resource; else it is null */
} endpoint_cases[] = {
	{ OBMON_HOOK_CONNECT4, CONNECT, "1.2.3.4", IPPROTO_TCP, 443, NULL, "NETWORK_CONNECT", "tcp://1.2.3.4:443",
	  "tcp://1.2.3.4:443", true },
	{ OBMON_HOOK_CONNECT4, CONNECT, "255.255.255.255", IPPROTO_UDP, 65535, NULL, "NETWORK_CONNECT",
	  "udp://255.255.255.255:65535", "udp://255.255.255.255:65535", true },
	{ OBMON_HOOK_CONNECT6, CONNECT, "fd00::1", IPPROTO_UDP, 53, NULL, "NETWORK_CONNECT", "udp://[fd00::1]:53",
	  "udp://[fd00::1]:53", true },
	{ OBMON_HOOK_CONNECT6, CONNECT, "2f2f:2f2f:2f2f:2f2f:2f2f:2f2f:2f2f:2f2f", IPPROTO_TCP, 12079, NULL,
	  "NETWORK_CONNECT", "tcp://[2f2f:2f2f:2f2f:2f2f:2f2f:2f2f:2f2f:2f2f]:12079",
	  "tcp://[2f2f:2f2f:2f2f:2f2f:2f2f:2f2f:2f2f:2f2f]:12079", true },
	/* A mapped destination on an IPv6 socket, as the programs hand it on. */
	{ OBMON_HOOK_CONNECT6, CONNECT, "10.0.0.1", IPPROTO_TCP, 80, NULL, "NETWORK_CONNECT", "tcp://10.0.0.1:80",
	  "tcp://10.0.0.1:80", true },
	{ OBMON_HOOK_SENDMSG4, CONNECT, "9.9.9.9", IPPROTO_UDP, 53, NULL, "NETWORK_CONNECT", "udp://9.9.9.9:53",
	  "udp://9.9.9.9:53", true },
	{ OBMON_HOOK_SENDMSG6, CONNECT, "::1", IPPROTO_UDP, 53, NULL, "NETWORK_CONNECT", "udp://[::1]:53",
	  "udp://[::1]:53", true },
	{ OBMON_HOOK_SOCKET_CONNECT, CONNECT, "1.2.3.4", IPPROTO_TCP, 1, NULL, "NETWORK_CONNECT", "tcp://1.2.3.4:1",
	  "tcp://1.2.3.4:1", true },
	/* No rule is about anything but TCP and UDP. */
	{ OBMON_HOOK_SOCKET_CONNECT, CONNECT, "1.2.3.4", 255, 80, NULL, "NETWORK_CONNECT", "1.2.3.4:80", "1.2.3.4:80",
	  false },
	/* No rule has port 0 of a destination. */
	{ OBMON_HOOK_CONNECT4, CONNECT, "1.2.3.4", IPPROTO_TCP, 0, NULL, "NETWORK_CONNECT", "tcp://1.2.3.4:0",
	  "tcp://1.2.3.4:0", false },
	/* By a name, as the run's resolver gave it. */
	{ OBMON_HOOK_CONNECT4, CONNECT, "10.0.0.1", IPPROTO_TCP, 80, "api.example.com", "NETWORK_CONNECT",
	  "tcp://api.example.com:80", "tcp://api.example.com:80 (10.0.0.1)", true },
	{ OBMON_HOOK_CONNECT6, CONNECT, "2001:db8::1", IPPROTO_TCP, 80, "api.example.com", "NETWORK_CONNECT",
	  "tcp://api.example.com:80", "tcp://api.example.com:80 (2001:db8::1)", true },
	{ OBMON_HOOK_SENDMSG6, CONNECT, "2001:db8::1", IPPROTO_UDP, 443, "_x.a-b.example", "NETWORK_CONNECT",
	  "udp://_x.a-b.example:443", "udp://_x.a-b.example:443 (2001:db8::1)", true },
	/* Listening. */
	{ OBMON_HOOK_SOCKET_BIND, LISTEN, "0.0.0.0", IPPROTO_TCP, 8000, NULL, "NETWORK_LISTEN", "tcp://0.0.0.0:8000",
	  "tcp://0.0.0.0:8000", true },
	{ OBMON_HOOK_SOCKET_BIND, LISTEN, "127.0.0.1", IPPROTO_UDP, 0, NULL, "NETWORK_LISTEN", "udp://127.0.0.1:0",
	  "udp://127.0.0.1:0", true },
	{ OBMON_HOOK_SOCKET_BIND, LISTEN, "::", IPPROTO_TCP, 8000, NULL, "NETWORK_LISTEN", "tcp://[::]:8000",
	  "tcp://[::]:8000", true },
	{ OBMON_HOOK_SOCKET_LISTEN, LISTEN, "::", IPPROTO_TCP, 0, NULL, "NETWORK_LISTEN", "tcp://[::]:0",
	  "tcp://[::]:0", true },
	{ OBMON_HOOK_SOCKET_LISTEN, LISTEN, "0.0.0.0", IPPROTO_TCP, 0, NULL, "NETWORK_LISTEN", "tcp://0.0.0.0:0",
	  "tcp://0.0.0.0:0", true },
};

/* Is @grant about @c's endpoint, and about nothing else? */
static void check_endpoint_grant(const char *grant, const struct endpoint_case *c)
{
	const struct obmon_event header = endpoint_event(c->hook, c->missing, c->address, c->protocol, c->port);
	struct network_resource net;
	struct obmon_capability cap;
	struct obmon_error err;
	char *again;

	if (obmon_capability_parse(&cap, grant, strlen(grant), NULL, &err) || network_of(&net, &cap, &err))
		fail_msg("%s: %s", grant, err.message);
	assert_string_equal(obmon_cap_type_name(cap.type), c->type);
	again = obmon_capability_format(&cap);
	assert_string_equal(again, grant);
	free(again);
	assert_int_equal(net.first_port, c->port);
	assert_int_equal(net.last_port, c->port);
	assert_int_equal(net.tcp, c->protocol == IPPROTO_TCP);
	assert_int_equal(net.udp, c->protocol == IPPROTO_UDP);
	if (c->host) {
		assert_int_equal(net.kind, NETWORK_NAME);
		assert_string_equal(net.name, c->host);
	} else if (header.family == AF_INET) {
		assert_int_equal(net.kind, NETWORK_IPV4);
		assert_int_equal(net.prefix, 32);
		assert_memory_equal(&net.ipv4, header.address, 4);
	} else {
		assert_int_equal(net.kind, NETWORK_IPV6);
		assert_int_equal(net.prefix, 128);
		assert_memory_equal(&net.ipv6, header.address, 16);
	}
	obmon_capability_clear(&cap);
}

static void check_endpoint_case(const struct endpoint_case *c)
{
	const struct obmon_event header = endpoint_event(c->hook, c->missing, c->address, c->protocol, c->port);
	const size_t length = c->host ? strlen(c->host) : 0;
	_cleanup_free_ char *line = make_named_line(&header, c->host ? c->host : "", length), *expected = NULL,
			    *grant = format("%s:%s", c->type, c->resource);
	json_t *record = make_named_record(&header, c->host ? c->host : "", length);

	check_text(record, "event", "capability.denied");
	check_text(record, "error.class", "CapabilityError");
	check_text(record, "error.errno", "EACCES");
	check_text(record, "layer", "kernel");
	check_text(record, "capability.type", c->type);
	check_text(record, "capability.resource", c->resource);
	check_text(record, "capability.grant", c->granted ? grant : NULL);
	check_text(record, "process.comm", "curl");
	if (c->host)
		check_text(record, "capability.address", c->address);
	else
		assert_null(json_object_get(at(record, "capability"), "address"));
	if (c->granted)
		check_endpoint_grant(json_string_value(at(record, "capability.grant")), c);
	expected = format("denied %s %s (%s by curl[812])", c->type, c->human, json_string_value(at(record, "hook")));
	assert_string_equal(line, expected);
	json_decref(record);
}

static void test_endpoints(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(endpoint_cases); i++)
		check_endpoint_case(&endpoint_cases[i]);
}

/* Whatever else was decided about them. */
static void test_endpoints_by_verdict(void **state)
{
	struct obmon_event header = endpoint_event(OBMON_HOOK_CONNECT4, CONNECT, "1.2.3.4", IPPROTO_TCP, 443);
	_cleanup_free_ char *audited = NULL, *failed = NULL;
	json_t *record;

	(void)state;
	header.verdict = OBMON_VERDICT_AUDITED;
	header.error = 0;
	record = make_named_record(&header, "", 0);
	check_text(record, "capability.state", "audited");
	check_text(record, "error.errno", NULL);
	check_text(record, "capability.grant", "NETWORK_CONNECT:tcp://1.2.3.4:443");
	json_decref(record);
	audited = make_named_line(&header, "a.example", 9);
	assert_string_equal(audited, "would deny NETWORK_CONNECT tcp://a.example:443 "
				     "(1.2.3.4) (connect4 by curl[812])");

	header.verdict = OBMON_VERDICT_FAILURE;
	header.failure = OBMON_FAIL_NO_POLICY;
	header.error = -13;
	record = make_named_record(&header, "", 0);
	check_text(record, "error.code", "OBMON_DECISION_FAILED");
	check_text(record, "error.reason", "no_policy");
	check_text(record, "capability.type", "NETWORK_CONNECT");
	check_text(record, "capability.resource", "tcp://1.2.3.4:443");
	check_text(record, "capability.grant", NULL);
	json_decref(record);
	failed = make_named_line(&header, "", 0);
	assert_string_equal(failed, "denied FAILURE tcp://1.2.3.4:443 (connect4 by "
				    "curl[812]: obmon could not decide: no_policy)");
}

/* An address that couldn't be read; a map without room. */
static void test_failures_of_endpoints(void **state)
{
	struct obmon_event header = endpoint_event(OBMON_HOOK_SOCKET_BIND, LISTEN, NULL, 0, 0);
	json_t *record;

	(void)state;
	header.verdict = OBMON_VERDICT_FAILURE;
	header.failure = OBMON_FAIL_ADDRESS;
	record = make_named_record(&header, "", 0);
	check_text(record, "error.reason", "address_unreadable");
	check_text(record, "capability.type", "NETWORK_LISTEN");
	check_text(record, "capability.grant", NULL);
	json_decref(record);
	header = endpoint_event(OBMON_HOOK_RESOLVE, CONNECT, NULL, 0, 0);
	header.verdict = OBMON_VERDICT_FAILURE;
	header.failure = OBMON_FAIL_NO_ADDRESS_ROOM;
	record = make_named_record(&header, "a.example", 9);
	check_text(record, "error.reason", "no_address_room");
	check_text(record, "capability.resource", "a.example:*");
	check_text(record, "capability.grant", NULL);
	check_text(record, "layer", "resolver");
	json_decref(record);
}

/* What the resolver refuses: by whoever asked, or by nobody if that isn't
 * known. */
static void test_lookups(void **state)
{
	struct obmon_event header = endpoint_event(OBMON_HOOK_RESOLVE, CONNECT, NULL, 0, 0);
	_cleanup_free_ char *line = make_named_line(&header, "evil.example.com", 16), *unknown = NULL;
	static const char *const members[] = { "pid", "tid", "ppid", "uid", "gid", "comm", "exe" };
	json_t *record = make_named_record(&header, "evil.example.com", 16);
	size_t i;

	(void)state;
	check_text(record, "event", "capability.denied");
	check_text(record, "layer", "resolver");
	check_text(record, "hook", "resolve");
	check_text(record, "capability.type", "NETWORK_CONNECT");
	check_text(record, "capability.resource", "evil.example.com:*");
	check_text(record, "capability.grant", "NETWORK_CONNECT:evil.example.com:*");
	check_text(record, "process.comm", "curl");
	check_number(record, "process.pid", 812);
	check_text(record, "process.exe", NULL);
	assert_null(json_object_get(at(record, "capability"), "address"));
	json_decref(record);
	assert_string_equal(line, "denied NETWORK_CONNECT evil.example.com:* (resolve by curl[812])");

	memset(&header.process, 0, sizeof(header.process));
	record = make_named_record(&header, "evil.example.com", 16);
	assert_int_equal(json_object_size(at(record, "process")), ARRAY_SIZE(members));
	for (i = 0; i < ARRAY_SIZE(members); i++)
		assert_true(json_is_null(json_object_get(at(record, "process"), members[i])));
	json_decref(record);
	unknown = make_named_line(&header, "evil.example.com", 16);
	assert_int_equal(strncmp(unknown, "denied NETWORK_CONNECT evil.example.com:* (resolve by ", 54), 0);
}

/* A name whose answer is one of the host's own networks. */
static void test_private_answers(void **state)
{
	/* What helps where the address is a private network's; nothing does for this host and its links. */
	static const struct {
		const char *address;
		bool granted;
	} cases[] = {
		{ "10.0.0.1", true },   { "192.168.1.1", true }, { "172.16.0.1", true },       { "fd00::1", true },
		{ "127.0.0.1", false }, { "0.0.0.0", false },    { "169.254.169.254", false }, { "::1", false },
		{ "::", false },        { "fe80::1", false },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		struct obmon_event header = endpoint_event(OBMON_HOOK_RESOLVE, CONNECT, cases[i].address, 0, 0);
		_cleanup_free_ char *line = NULL, *expected = NULL;
		json_t *record;

		header.detail = OBMON_LOOKUP_PRIVATE;
		record = make_named_record(&header, "rebind.example.com", 18);
		check_text(record, "layer", "resolver");
		check_text(record, "capability.resource", "rebind.example.com:*");
		check_text(record, "capability.address", cases[i].address);
		check_text(record, "capability.grant",
			   cases[i].granted ? "NETWORK_CONNECT:rebind.example.com:*{private=yes}" : NULL);
		json_decref(record);
		line = make_named_line(&header, "rebind.example.com", 18);
		expected = format("denied NETWORK_CONNECT rebind.example.com:* (%s) (resolve by curl[812])",
				  cases[i].address);
		assert_string_equal(line, expected);
	}
}

/* A name that was asked for is as the asker wrote it: no byte of it may get out
 * of its place. */
static void test_hostile_hosts(void **state)
{
	static const struct {
		const char *host, *resource, *human;
	} cases[] = {
		{ "a\nb", "a\nb:*", "a\\x0ab:*" },
		{ "\x1b[2J", "\x1b[2J:*", "\\x1b[2J:*" },
		{ "a\"b\\", "a\"b\\:*", "a\"b\\:*" },
		{ "caf\xc3\xa9.fr", "caf\xc3\xa9.fr:*", "caf\xc3\xa9.fr:*" },
		{ "\xc2\x9b", "\xc2\x9b:*", "\\xc2\\x9b:*" },
		{ "\xff", "\xef\xbf\xbd:*", "\\xff:*" },
		{ "a b", "a b:*", "a b:*" },
		{ "a:80", "a:80:*", "a:80:*" },
		{ ".", ".:*", ".:*" },
		{ "a..b", "a..b:*", "a..b:*" },
		{ "a\\046b", "a\\046b:*", "a\\046b:*" },
		{ "a{private=yes}", "a{private=yes}:*", "a{private=yes}:*" },
	};
	const struct obmon_event header = endpoint_event(OBMON_HOOK_RESOLVE, CONNECT, NULL, 0, 0);
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *line = make_named_line(&header, cases[i].host, strlen(cases[i].host)),
				    *expected =
					    format("denied NETWORK_CONNECT %s (resolve by curl[812])", cases[i].human);
		json_t *record = make_named_record(&header, cases[i].host, strlen(cases[i].host));

		check_text(record, "capability.resource", cases[i].resource);
		check_text(record, "capability.grant", NULL);
		json_decref(record);
		assert_string_equal(line, expected);
	}
}

/* Names that as the text of a rule would be about something else: the record
 * must not propose that. */
static void test_hosts_that_are_no_names(void **state)
{
	static const char *const hosts[] = {
		"0.0.0.0/0",       "10.0.0.0/8",  "10.0.0.1", "[::/0]",          "[::1]",   "*.com",     "*",
		"tcp://a.example", "unix:/run/x", "unix:@x",  "udp://0.0.0.0/0", "1.2.3.4", "999.1.1.1",
	};
	struct obmon_event headers[] = {
		endpoint_event(OBMON_HOOK_RESOLVE, CONNECT, NULL, 0, 0),
		endpoint_event(OBMON_HOOK_RESOLVE, CONNECT, "10.0.0.1", 0, 0),
		endpoint_event(OBMON_HOOK_CONNECT4, CONNECT, "10.0.0.1", IPPROTO_TCP, 80),
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(hosts) * ARRAY_SIZE(headers); i++) {
		const char *host = hosts[i / ARRAY_SIZE(headers)];
		json_t *record = make_named_record(&headers[i % ARRAY_SIZE(headers)], host, strlen(host)),
		       *grant = at(record, "capability.grant");

		if (!json_is_null(grant))
			fail_msg("%s: %s", host, json_string_value(grant));
		json_decref(record);
	}
}

/* A file would gain the right to be a socket that is granted: of each object
 * what it lacks, in its own words. */
static void test_rename_onto_sockets(void **state)
{
	struct obmon_event header = denied_read;
	json_t *record;

	(void)state;
	header.hook = OBMON_HOOK_PATH_RENAME;
	header.error = -18;
	header.missing = READ | CONNECT;
	header.missing2 = CONNECT;
	header.dev2 = DEV(8, 2);
	record = make_record(&header, &(struct names){ "/a", "/b", NULL });
	assert_int_equal(json_array_size(at(record, "capabilities")), 3);
	check_text(json_array_get(at(record, "capabilities"), 0), "type", "FILE_READ");
	check_text(json_array_get(at(record, "capabilities"), 0), "resource", "/a");
	check_text(json_array_get(at(record, "capabilities"), 0), "grant", "FILE_READ:/a");
	check_text(json_array_get(at(record, "capabilities"), 1), "resource", "unix:/a");
	check_text(json_array_get(at(record, "capabilities"), 1), "grant", "NETWORK_CONNECT:unix:/a");
	check_text(json_array_get(at(record, "capabilities"), 2), "resource", "unix:/home/b");
	check_text(json_array_get(at(record, "capabilities"), 2), "grant", "NETWORK_CONNECT:unix:/home/b");
	json_decref(record);
}

/* As long as a name gets. */
static void test_long_hosts(void **state)
{
	struct obmon_event header = endpoint_event(OBMON_HOOK_CONNECT6, CONNECT, "2001:db8::1", IPPROTO_TCP, 65535);
	_cleanup_free_ char *expected = NULL;
	char host[OBMON_HOST_MAX + 1];
	json_t *record;
	size_t i;

	(void)state;
	for (i = 0; i < OBMON_HOST_MAX; i++)
		host[i] = i % 64 == 63 ? '.' : 'n';
	host[i] = '\0';
	expected = format("NETWORK_CONNECT:tcp://%s:65535", host);
	record = make_named_record(&header, host, strlen(host));
	check_text(record, "capability.grant", expected);
	check_text(record, "capability.resource", expected + strlen("NETWORK_CONNECT:"));
	json_decref(record);
}

static struct obmon_event unix_event(enum obmon_hook hook, uint32_t missing)
{
	struct obmon_event header = endpoint_event(hook, missing, NULL, 0, 0);

	header.family = AF_UNIX;
	return header;
}

/* Abstract names: any bytes, NUL too. */
static void test_abstract_sockets(void **state)
{
	static const struct {
		const char *name;
		size_t length;
		const char *resource, *grant, *human;
	} cases[] = {
		{ "/@name", 6, "unix:@name", "unix:@name", "unix:@name" },
		{ "/@/tmp/.X11-unix/X0", 19, "unix:@/tmp/.X11-unix/X0", "unix:@/tmp/.X11-unix/X0",
		  "unix:@/tmp/.X11-unix/X0" },
		{ "/@a*b?[c]{d}\\", 13, "unix:@a*b?[c]{d}\\", "unix:@a\\*b\\?\\[c\\]\\{d\\}\\\\",
		  "unix:@a*b?[c]{d}\\" },
		{ "/@a{private=yes}", 16, "unix:@a{private=yes}", "unix:@a\\{private=yes\\}", "unix:@a{private=yes}" },
		{ "/@caf\xc3\xa9", 7, "unix:@caf\xc3\xa9", "unix:@caf\xc3\xa9", "unix:@caf\xc3\xa9" },
		{ "/@a\nb", 5, "unix:@a\nb", "unix:@a?b", "unix:@a\\x0ab" },
		/* No rule is about just these. */
		{ "/@name\0\0", 8, "unix:@name\\x00\\x00", NULL, "unix:@name\\x00\\x00" },
		{ "/@\0", 3, "unix:@\\x00", NULL, "unix:@\\x00" },
		{ "/@a\0/b", 6, "unix:@a\\x00/b", NULL, "unix:@a\\x00/b" },
		{ "/@", 2, "unix:@", NULL, "unix:@" },
		{ "/@\xff", 3, "unix:@\xef\xbf\xbd", NULL, "unix:@\\xff" },
		/* But this one says it with a backslash. */
		{ "/@name\\x00", 10, "unix:@name\\x00", "unix:@name\\\\x00", "unix:@name\\x00" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases) * 2; i++) {
		const bool listens = i % 2;
		const struct obmon_event header = unix_event(
			listens ? OBMON_HOOK_SOCKET_BIND : OBMON_HOOK_UNIX_MAY_SEND, listens ? LISTEN : CONNECT);
		const char *type = listens ? "NETWORK_LISTEN" : "NETWORK_CONNECT", *grant = cases[i / 2].grant;
		_cleanup_free_ char *line = make_named_line(&header, cases[i / 2].name, cases[i / 2].length),
				    *expected = format("denied %s %s (%s by curl[812])", type, cases[i / 2].human,
						       listens ? "socket_bind" : "unix_may_send"),
				    *full = format("%s:%s", type, grant ? grant : "");
		json_t *record = make_named_record(&header, cases[i / 2].name, cases[i / 2].length);

		check_text(record, "capability.type", type);
		check_text(record, "capability.resource", cases[i / 2].resource);
		check_text(record, "capability.grant", grant ? full : NULL);
		json_decref(record);
		assert_string_equal(line, expected);
	}
}

/* Does the rule @grant cover the abstract @name (with its "/@")? */
static bool abstract_grant_covers(const char *grant, const char *name, size_t length)
{
	_cleanup_free_ char *pattern = NULL;
	struct network_resource net;
	struct obmon_capability cap;
	struct glob glob;
	bool covers;

	if (obmon_capability_parse(&cap, grant, strlen(grant), NULL, NULL))
		return false;
	assert_int_equal(network_of(&net, &cap, NULL), 0);
	assert_int_equal(net.kind, NETWORK_UNIX_ABSTRACT);
	pattern = format("/@%.*s", (int)net.socket_length, net.socket);
	obmon_capability_clear(&cap);
	if (glob_parse(&glob, pattern, strlen(pattern), NULL, NULL, NULL))
		return false;
	covers = glob_match(&glob, name, length);
	glob_clear(&glob);
	return covers;
}

/* A grant that is proposed for an abstract name covers it, and not the name
 * without its last byte. */
static void test_abstract_grants_grant(void **state)
{
	const struct obmon_event header = unix_event(OBMON_HOOK_UNIX_STREAM_CONNECT, CONNECT);
	char name[5] = "/@ab";
	unsigned byte;

	(void)state;
	for (byte = 0; byte < 256; byte++) {
		json_t *record, *grant;

		name[3] = (char)byte;
		record = make_named_record(&header, name, 4);
		grant = at(record, "capability.grant");
		if (byte == 0 || byte >= 0x80 || byte == '/') /* a rule loses a '/' at its end */
			assert_true(json_is_null(grant));
		else if (!json_is_string(grant) || !abstract_grant_covers(json_string_value(grant), name, 4) ||
			 abstract_grant_covers(json_string_value(grant), name, 3))
			fail_msg("byte %02x: %s", byte, json_string_value(grant));
		json_decref(record);
	}
}

static void test_unnamed_peers(void **state)
{
	struct obmon_event header = unix_event(OBMON_HOOK_UNIX_MAY_SEND, CONNECT);
	_cleanup_free_ char *line = make_named_line(&header, "", 0);
	json_t *record = make_named_record(&header, "", 0);

	(void)state;
	check_text(record, "capability.type", "NETWORK_CONNECT");
	check_text(record, "capability.resource", "unix:a socket outside the run");
	check_text(record, "capability.grant", NULL);
	json_decref(record);
	assert_string_equal(line, "denied NETWORK_CONNECT unix:a socket outside the "
				  "run (unix_may_send by curl[812])");
}

/* Sockets that are files. */
static void test_socket_paths(void **state)
{
	static const struct {
		enum obmon_hook hook;
		uint32_t missing, dev;
		const char *name, *type, *resource, *grant;
	} cases[] = {
		{ OBMON_HOOK_UNIX_STREAM_CONNECT, CONNECT, DEV(8, 1), "/run/x.sock", "NETWORK_CONNECT",
		  "unix:/run/x.sock", "NETWORK_CONNECT:unix:/run/x.sock" },
		{ OBMON_HOOK_UNIX_MAY_SEND, CONNECT, DEV(0, 30), "/sub/x.sock", "NETWORK_CONNECT", "unix:/tmp/x.sock",
		  "NETWORK_CONNECT:unix:/tmp/x.sock" },
		{ OBMON_HOOK_PATH_MKNOD, LISTEN, DEV(8, 2), "/u/x.sock", "NETWORK_LISTEN", "unix:/home/u/x.sock",
		  "NETWORK_LISTEN:unix:/home/u/x.sock" },
		{ OBMON_HOOK_UNIX_STREAM_CONNECT, CONNECT, DEV(8, 1), "/a*{b=c}", "NETWORK_CONNECT", "unix:/a*{b=c}",
		  "NETWORK_CONNECT:unix:/a\\*\\{b=c\\}" },
		{ OBMON_HOOK_UNIX_STREAM_CONNECT, CONNECT, DEV(8, 1), "/@x", "NETWORK_CONNECT", "unix:/@x",
		  "NETWORK_CONNECT:unix:/@x" },
		{ OBMON_HOOK_UNIX_STREAM_CONNECT, CONNECT, DEV(8, 1), "/a ", "NETWORK_CONNECT", "unix:/a ",
		  "NETWORK_CONNECT:unix:/a\\ " },
		{ OBMON_HOOK_UNIX_STREAM_CONNECT, CONNECT, DEV(8, 1), "/\xff", "NETWORK_CONNECT", "unix:/\xef\xbf\xbd",
		  NULL },
		/* Where obmon has no name for it. */
		{ OBMON_HOOK_UNIX_STREAM_CONNECT, CONNECT, DEV(7, 7), "/x", "NETWORK_CONNECT", "dev:7:7:/x", NULL },
		/* A file in a socket's stead is a file. */
		{ OBMON_HOOK_PATH_UNLINK, WRITE, DEV(8, 1), "/run/x.sock", "FILE_WRITE", "/run/x.sock",
		  "FILE_WRITE:/run/x.sock" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		struct obmon_event header = denied_read;
		_cleanup_free_ char *line = NULL;
		json_t *record;

		header.hook = (uint16_t)cases[i].hook;
		header.missing = cases[i].missing;
		header.dev = cases[i].dev;
		record = make_named_record(&header, cases[i].name, strlen(cases[i].name));
		check_text(record, "capability.type", cases[i].type);
		check_text(record, "capability.resource", cases[i].resource);
		check_text(record, "capability.grant", cases[i].grant);
		json_decref(record);
		line = make_named_line(&header, cases[i].name, strlen(cases[i].name));
		assert_int_equal(strncmp(line, "denied ", 7), 0);
		assert_int_equal(strncmp(line + 7, cases[i].type, strlen(cases[i].type)), 0);
	}
}

/* The run's own files go by the names that the run knows them by. */
static void test_aliases(void **state)
{
	struct record_context own = context;
	struct obmon_event header = denied_read;
	static const struct {
		uint32_t dev;
		uint64_t ino;
		const char *path;
	} cases[] = {
		{ DEV(0, 99), 2, "/etc/resolv.conf" },      { DEV(0, 99), 3, "/etc/hosts" },
		{ DEV(0, 99), 4, "dev:0:99:/resolv.conf" }, { DEV(0, 98), 2, "dev:0:98:/resolv.conf" },
		{ DEV(8, 1), 2, "/resolv.conf" },
	};
	size_t i;

	(void)state;
	own.aliases[0] = (struct record_alias){ DEV(0, 99), 2, "/etc/resolv.conf" };
	own.aliases[1] = (struct record_alias){ DEV(0, 99), 3, "/etc/hosts" };
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *line = NULL, *expected = NULL, *grant = format("FILE_READ:%s", cases[i].path);
		struct obmon_event *event;
		json_t *record;

		header.dev = cases[i].dev;
		header.ino = cases[i].ino;
		event = make_event(&header, &(struct names){ "/resolv.conf", NULL, "/bin/cat" });
		record = record_event(&own, event);
		line = record_human(&own, event);
		free(event);
		check_keys(record);
		check_text(record, "capability.resource", cases[i].path);
		check_text(record, "capability.grant", cases[i].path[0] == '/' ? grant : NULL);
		check_text(record, "process.exe", "/bin/cat");
		json_decref(record);
		expected = format("denied FILE_READ %s (file_open by cat[812])", cases[i].path);
		assert_string_equal(line, expected);
	}
	/* Without any, an event whose file isn't known is none of them. */
	header.dev = 0;
	header.ino = 0;
	json_decref(make_record(&header, &(struct names){ "/x", NULL, NULL }));
}

/* Every byte of an event is what it is said to be, for every hook: nothing of
 * it may crash, or be no JSON. */
static void test_random_events(void **state)
{
	enum { ROUNDS = 20000 };
	uint32_t random = 1;

	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		struct obmon_event header;
		unsigned char bytes[sizeof(header) + 24], *fill = bytes;
		json_t *record;
		size_t i;

		for (i = 0; i < sizeof(bytes); i++) {
			random = random * 1664525 + 1013904223;
			bytes[i] = (unsigned char)(random >> 24);
		}
		memcpy(&header, fill, sizeof(header));
		header.hook %= OBMON_HOOK_MAX + 1;
		header.verdict %= OBMON_VERDICT_PROBE + 1;
		header.family = (uint8_t[]){ 0, AF_INET, AF_INET6, AF_UNIX }[header.family % 4];
		header.nameless &= 1;
		header.missing &= OBMON_RIGHTS_ALL;
		header.missing2 = 0;
		record = make_named_record(&header, bytes + sizeof(header), header.dev % 24);
		json_decref(record);
		free(make_named_line(&header, bytes + sizeof(header), header.dev % 24));
	}
}

/* Kernel numbers are unsigned: the id of "nobody" in a user namespace is
 * 4294967294, not -2. */
static void test_large_numbers(void **state)
{
	struct obmon_event header = denied_read;
	json_t *record;

	(void)state;
	header.seq = UINT64_C(1) << 40;
	header.process.uid = 4294967294;
	header.process.gid = 4294967295;
	header.process.pid = 4194304;
	record = make_record(&header, &(struct names){ "/a", NULL, NULL });
	check_number(record, "seq", (json_int_t)1 << 40);
	check_number(record, "process.uid", 4294967294);
	check_number(record, "process.gid", 4294967295);
	check_number(record, "process.pid", 4194304);
	json_decref(record);
}

static void test_comm(void **state)
{
	struct obmon_event header = denied_read;
	_cleanup_free_ char *line = NULL;
	json_t *record;

	(void)state;
	/* As long as it gets, not NUL-ended, and no UTF-8: a comm is whatever
   * prctl(2) was told. */
	memcpy(header.process.comm, "0123456789abcd\xff\n", sizeof(header.process.comm));
	record = make_record(&header, &(struct names){ "/a", NULL, NULL });
	check_text(record, "process.comm", "0123456789abcd\xef\xbf\xbd\n");
	check_round_trip(record);
	json_decref(record);
	line = make_line(&header, &(struct names){ "/a", NULL, NULL });
	assert_non_null(strstr(line, "0123456789abcd\\xff\\x0a[812]"));
}

static void test_record_kind(void **state)
{
	static const struct {
		uint8_t verdict;
		uint16_t hook;
		uint32_t missing, missing2;
		const char *kind;
	} cases[] = {
		{ OBMON_VERDICT_DENIED, OBMON_HOOK_FILE_OPEN, READ, 0, "FILE_READ" },
		{ OBMON_VERDICT_DENIED, OBMON_HOOK_FILE_OPEN, LIST, 0, "FILE_READ" },
		{ OBMON_VERDICT_DENIED, OBMON_HOOK_FILE_OPEN, WRITE, 0, "FILE_WRITE" },
		{ OBMON_VERDICT_DENIED, OBMON_HOOK_FILE_OPEN, EXEC, 0, "EXTERNAL_COMMAND" },
		{ OBMON_VERDICT_AUDITED, OBMON_HOOK_MMAP_FILE, LOAD, 0, "LIBRARY_LOAD" },
		{ OBMON_VERDICT_DENIED, OBMON_HOOK_PATH_RENAME, 0, WRITE, "FILE_WRITE" },
		{ OBMON_VERDICT_DENIED, OBMON_HOOK_PATH_RENAME, READ, WRITE, "FILE_READ" },
		{ OBMON_VERDICT_GUARD, OBMON_HOOK_SOCKET_CREATE, 0, 0, "GUARD" },
		{ OBMON_VERDICT_DENIED, OBMON_HOOK_CONNECT4, CONNECT, 0, "NETWORK_CONNECT" },
		{ OBMON_VERDICT_AUDITED, OBMON_HOOK_RESOLVE, CONNECT, 0, "NETWORK_CONNECT" },
		{ OBMON_VERDICT_DENIED, OBMON_HOOK_SOCKET_BIND, LISTEN, 0, "NETWORK_LISTEN" },
		{ OBMON_VERDICT_FAILURE, OBMON_HOOK_SOCKET_BIND, LISTEN, 0, "FAILURE" },
		{ OBMON_VERDICT_GUARD, OBMON_HOOK_TASK_ALLOC, 0, 0, "GUARD" },
		{ OBMON_VERDICT_GUARD, OBMON_HOOK_FILE_OPEN, READ, 0, "GUARD" },
		{ OBMON_VERDICT_FAILURE, OBMON_HOOK_FILE_OPEN, READ, 0, "FAILURE" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		struct obmon_event event = denied_read;

		event.verdict = cases[i].verdict;
		event.hook = cases[i].hook;
		event.missing = cases[i].missing;
		event.missing2 = cases[i].missing2;
		assert_string_equal(record_kind(&event), cases[i].kind);
	}
}

static void test_human(void **state)
{
	static const struct {
		uint8_t verdict, failure;
		uint16_t hook;
		const char *name, *second;
		const char *line;
	} cases[] = {
		{ OBMON_VERDICT_DENIED, 0, OBMON_HOOK_FILE_OPEN, "/etc/shadow", NULL,
		  "denied FILE_READ /etc/shadow (file_open by cat[812])" },
		{ OBMON_VERDICT_AUDITED, 0, OBMON_HOOK_FILE_OPEN, "/etc/shadow", NULL,
		  "would deny FILE_READ /etc/shadow (file_open by cat[812])" },
		{ OBMON_VERDICT_GUARD, 0, OBMON_HOOK_FILE_OPEN, "/x", NULL, "denied GUARD /x (file_open by cat[812])" },
		{ OBMON_VERDICT_DENIED, 0, OBMON_HOOK_PATH_RENAME, "/a", "/b",
		  "denied FILE_READ /a -> /b (path_rename by cat[812])" },
		{ OBMON_VERDICT_DENIED, 0, OBMON_HOOK_FILE_OPEN, "/caf\xc3\xa9", NULL,
		  "denied FILE_READ /caf\xc3\xa9 (file_open by cat[812])" },
		{ OBMON_VERDICT_DENIED, 0, OBMON_HOOK_FILE_OPEN, "/\x1b[2J\n\r\t\x7f", NULL,
		  "denied FILE_READ /\\x1b[2J\\x0a\\x0d\\x09\\x7f (file_open by "
		  "cat[812])" },
		{ OBMON_VERDICT_DENIED, 0, OBMON_HOOK_FILE_OPEN,
		  "/\xc2\x9b"
		  "31m",
		  NULL, "denied FILE_READ /\\xc2\\x9b31m (file_open by cat[812])" }, /* U+009B, a
                                                                      control:
                                                                      CSI */
		{ OBMON_VERDICT_DENIED, 0, OBMON_HOOK_FILE_OPEN, "/\x9b\xff\xed\xa0\x80", NULL,
		  "denied FILE_READ /\\x9b\\xff\\xed\\xa0\\x80 (file_open by cat[812])" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		struct obmon_event header = denied_read;
		char *line;

		header.verdict = cases[i].verdict;
		header.failure = cases[i].failure;
		header.hook = cases[i].hook;
		header.dev2 = DEV(8, 1);
		line = make_line(&header, &(struct names){ cases[i].name, cases[i].second, "/usr/bin/cat" });
		assert_string_equal(line, cases[i].line);
		free(line);
	}
}

/* Whatever the bytes, nothing gets through that a terminal would obey. */
static void test_human_never_has_control_bytes(void **state)
{
	char name[3] = "/";
	unsigned byte;

	(void)state;
	for (byte = 1; byte < 256; byte++) {
		char *line;
		size_t i;

		name[1] = (char)byte;
		line = make_line(&denied_read, &(struct names){ name, NULL, NULL });
		for (i = 0; line[i]; i++)
			if ((unsigned char)line[i] < 0x20 || (unsigned char)line[i] >= 0x7f)
				fail_msg("byte %02x gets through", byte);
		free(line);
	}
}

static void test_human_of_a_failure(void **state)
{
	struct obmon_event header = denied_read;
	char *line;

	(void)state;
	header.verdict = OBMON_VERDICT_FAILURE;
	header.failure = OBMON_FAIL_NAME_RACE;
	line = make_line(&header, &(struct names){ NULL, NULL, NULL });
	assert_non_null(strstr(line, "could not decide"));
	assert_non_null(strstr(line, "name_race"));
	free(line);
	header.failure = 255;
	free(make_line(&header, &(struct names){ NULL, NULL, NULL }));
}

static void test_dropped(void **state)
{
	static const struct seq_range ranges[] = { { 3, 3 }, { 7, 10 } };
	json_t *record = record_dropped(&context, ranges, ARRAY_SIZE(ranges));

	(void)state;
	assert_non_null(record);
	check_text(record, "event", "events.dropped");
	check_text(record, "run_id", context.run_id);
	check_number(record, "count", 5);
	assert_int_equal(json_array_size(at(record, "seq_ranges")), 2);
	assert_int_equal(json_integer_value(json_array_get(json_array_get(at(record, "seq_ranges"), 1), 0)), 7);
	assert_int_equal(json_integer_value(json_array_get(json_array_get(at(record, "seq_ranges"), 1), 1)), 10);
	at(record, "where");
	check_round_trip(record);
	json_decref(record);
}

static void test_json_bytes(void **state)
{
	static const char with_nul[] = { 'a', 0, 'b' };
	json_t *text = json_bytes(with_nul, sizeof(with_nul));

	(void)state;
	assert_int_equal(json_string_length(text), sizeof(with_nul));
	json_decref(text);
	text = json_bytes("", 0);
	assert_string_equal(json_string_value(text), "");
	json_decref(text);
}

static void test_trace_continues(void **state)
{
	struct trace child, other;
	char text[56];

	(void)state;
	trace_begin(&child, "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00");
	assert_string_equal(child.trace_id, "0af7651916cd43dd8448eb211c80319c");
	assert_string_equal(child.parent_span_id, "b7ad6b7169203331");
	assert_string_equal(child.flags, "00");
	assert_int_equal(strspn(child.span_id, "0123456789abcdef"), 16);
	assert_string_not_equal(child.span_id, child.parent_span_id);
	trace_format(&child, text);
	assert_int_equal(strlen(text), 55);
	assert_int_equal(strncmp(text, "00-0af7651916cd43dd8448eb211c80319c-", 36), 0);
	assert_int_equal(strncmp(text + 36, child.span_id, 16), 0);
	assert_string_equal(text + 52, "-00");
	/* What was formatted can be continued in turn. */
	trace_begin(&other, text);
	assert_string_equal(other.trace_id, child.trace_id);
	assert_string_equal(other.parent_span_id, child.span_id);
	assert_string_not_equal(other.span_id, child.span_id);
}

static void test_trace_begins_anew(void **state)
{
	static const char *const malformed[] = {
		NULL,
		"",
		"garbage",
		"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0",
		"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-010",
		"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-extra",
		"ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
		"0x-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
		"00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
		"00-0af7651916cd43dd8448eb211c80319g-b7ad6b7169203331-01",
		"00-0af7651916cd43dd8448eb211c80319c-b7ad6b716920333x-01",
		"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0x",
		"00-00000000000000000000000000000000-b7ad6b7169203331-01",
		"00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
		"00_0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
		"00-0af7651916cd43dd8448eb211c80319cXb7ad6b7169203331-01",
		"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331X01",
		" 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0",
		"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\n",
	};
	struct trace fresh;
	char text[56];
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(malformed); i++) {
		trace_begin(&fresh, malformed[i]);
		if (!strcmp(fresh.trace_id, "0af7651916cd43dd8448eb211c80319c") || *fresh.parent_span_id)
			fail_msg("'%s' is continued", malformed[i]);
		assert_int_equal(strspn(fresh.trace_id, "0123456789abcdef"), 32);
		assert_int_equal(strspn(fresh.span_id, "0123456789abcdef"), 16);
		assert_string_equal(fresh.flags, "01");
		trace_format(&fresh, text);
		assert_int_equal(strlen(text), 55);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_value),
		cmocka_unit_test(test_null_is_never_omitted),
		cmocka_unit_test(test_verdicts),
		cmocka_unit_test(test_every_hook_has_a_name),
		cmocka_unit_test(test_rename),
		cmocka_unit_test(test_exdev),
		cmocka_unit_test(test_names_that_are_no_utf8),
		cmocka_unit_test(test_names_of_all_bytes),
		cmocka_unit_test(test_long_names),
		cmocka_unit_test(test_grants_grant),
		cmocka_unit_test(test_objects),
		cmocka_unit_test(test_sockets),
		cmocka_unit_test(test_endpoints),
		cmocka_unit_test(test_endpoints_by_verdict),
		cmocka_unit_test(test_failures_of_endpoints),
		cmocka_unit_test(test_lookups),
		cmocka_unit_test(test_private_answers),
		cmocka_unit_test(test_hostile_hosts),
		cmocka_unit_test(test_hosts_that_are_no_names),
		cmocka_unit_test(test_rename_onto_sockets),
		cmocka_unit_test(test_long_hosts),
		cmocka_unit_test(test_abstract_sockets),
		cmocka_unit_test(test_abstract_grants_grant),
		cmocka_unit_test(test_unnamed_peers),
		cmocka_unit_test(test_socket_paths),
		cmocka_unit_test(test_aliases),
		cmocka_unit_test(test_random_events),
		cmocka_unit_test(test_large_numbers),
		cmocka_unit_test(test_comm),
		cmocka_unit_test(test_record_kind),
		cmocka_unit_test(test_human),
		cmocka_unit_test(test_human_never_has_control_bytes),
		cmocka_unit_test(test_human_of_a_failure),
		cmocka_unit_test(test_dropped),
		cmocka_unit_test(test_json_bytes),
		cmocka_unit_test(test_trace_continues),
		cmocka_unit_test(test_trace_begins_anew),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
