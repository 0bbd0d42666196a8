// SPDX-License-Identifier: Apache-2.0
#include "event/record.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <openssl/evp.h>
#include <string.h>
#include <time.h>

#include "cap/glob.h"
#include "cap/network.h"
#include "cap/rights.h"
#include "dns/private.h"
#include "lib/util.h"

static const char *const hook_names[OBMON_HOOK_MAX] = {
#define HOOK_NAME(upper, lower) [OBMON_HOOK_##upper] = #lower,
	OBMON_HOOK_LIST(HOOK_NAME)
#undef HOOK_NAME
};

static const char *const failure_reasons[] = {
	[OBMON_FAIL_NONE] = "none",
	[OBMON_FAIL_NAME_TOO_LONG] = "name_too_long",
	[OBMON_FAIL_NAME_TOO_DEEP] = "name_too_deep",
	[OBMON_FAIL_NAME_RACE] = "name_race",
	[OBMON_FAIL_NAME_DETACHED] = "name_detached",
	[OBMON_FAIL_NAME_UNREADABLE] = "name_unreadable",
	[OBMON_FAIL_NO_SCRATCH] = "no_scratch",
	[OBMON_FAIL_NO_POLICY] = "no_policy",
	[OBMON_FAIL_NO_ROOM] = "no_room",
	[OBMON_FAIL_NO_ADDRESS_ROOM] = "no_address_room",
	[OBMON_FAIL_ADDRESS] = "address_unreadable",
};
_Static_assert(ARRAY_SIZE(failure_reasons) == OBMON_FAIL_MAX, "every failure has a name");

static bool is_hex(const char *text, size_t n)
{
	return strspn(text, "0123456789abcdef") >= n;
}

void trace_begin(struct trace *trace, const char *traceparent)
{
	static const char zeros[] = "00000000000000000000000000000000";

	memset(trace, 0, sizeof(*trace));
	random_hex(trace->span_id, 8);
	memcpy(trace->flags, "01", 3);
	/* 00-TRACEID-PARENTID-FLAGS, https://www.w3.org/TR/trace-context/ */
	if (traceparent && strlen(traceparent) == 55 && !strncmp(traceparent, "00-", 3) &&
	    is_hex(traceparent + 3, 32) && traceparent[35] == '-' && is_hex(traceparent + 36, 16) &&
	    traceparent[52] == '-' && is_hex(traceparent + 53, 2) && memcmp(traceparent + 3, zeros, 32) != 0 &&
	    memcmp(traceparent + 36, zeros, 16) != 0) {
		memcpy(trace->trace_id, traceparent + 3, 32);
		memcpy(trace->parent_span_id, traceparent + 36, 16);
		memcpy(trace->flags, traceparent + 53, 2);
	} else {
		random_hex(trace->trace_id, 16);
	}
}

void trace_format(const struct trace *trace, char text[56])
{
	snprintf(text, 56, "00-%s-%s-%s", trace->trace_id, trace->span_id, trace->flags);
}

/* Length of the UTF-8 sequence at @p (RFC 3629), 0 if there is none. */
static size_t utf8_length(const unsigned char *p, size_t left)
{
	size_t n = p[0] < 0x80 ? 1 : p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : p[0] < 0xf5 ? 4 : 0, i;

	if (!n || n > left)
		return 0;
	for (i = 1; i < n; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) || (p[0] == 0xf0 && p[1] < 0x90) ||
	    (p[0] == 0xf4 && p[1] > 0x8f))
		return 0;
	return n;
}

static bool is_utf8(const char *bytes, size_t length)
{
	size_t i = 0;

	while (i < length) {
		size_t n = utf8_length((const unsigned char *)bytes + i, length - i);

		if (!n)
			return false;
		i += n;
	}
	return true;
}

json_t *json_bytes(const char *bytes, size_t length)
{
	_cleanup_free_ char *clean = NULL;
	size_t i = 0, out = 0;

	if (is_utf8(bytes, length))
		return json_stringn(bytes, length);
	clean = malloc(length * 3);
	if (!clean)
		return NULL;
	while (i < length) {
		size_t n = utf8_length((const unsigned char *)bytes + i, length - i);

		memcpy(clean + out, n ? bytes + i : "\xef\xbf\xbd", n ? n : 3);
		out += n ? n : 3;
		i += n ? n : 1;
	}
	return json_stringn(clean, out);
}

static json_t *json_text(const char *text)
{
	return text ? json_bytes(text, strlen(text)) : json_null();
}

static json_t *json_base64(const char *bytes, size_t length)
{
	_cleanup_free_ char *text = malloc(4 * ((length + 2) / 3) + 1);

	if (!text)
		return NULL;
	EVP_EncodeBlock((unsigned char *)text, (const unsigned char *)bytes, (int)length);
	return json_string(text);
}

static json_t *json_time(uint64_t realtime_ns)
{
	time_t seconds = (time_t)(realtime_ns / 1000000000u);
	char text[48], whole[32];
	struct tm tm;

	gmtime_r(&seconds, &tm);
	strftime(whole, sizeof(whole), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(text, sizeof(text), "%s.%09uZ", whole, (unsigned)(realtime_ns % 1000000000u));
	return json_string(text);
}

json_t *record_new(const struct record_context *context, const char *name, uint64_t realtime_ns)
{
	const struct metadata *component = context->component;

	return json_pack("{s:o, s:s, s:s, s:o, s:s, s:s, s:s, s:s, s:{s:I, s:s}, s:{s:s}, s:{s:o, s:o, s:o}}", "time",
			 json_time(realtime_ns), "event", name, "run_id", context->run_id, "correlation_id",
			 json_text(context->correlation_id), "trace_id", context->trace->trace_id, "span_id",
			 context->trace->span_id, "executor", context->executor, "mode", context->mode, "cgroup", "id",
			 (json_int_t)context->cgroup_id, "path", context->cgroup_path, "policy", "digest",
			 context->digest, "component", "name", json_text(component ? component->name : NULL), "version",
			 json_text(component ? component->version : NULL), "uuid",
			 json_text(component ? component->uuid : NULL));
}

/* A part of the event that follows its header. */
struct name_view {
	const char *bytes;
	size_t length;
	uint32_t dev;
};

static struct name_view event_name(const struct obmon_event *event, unsigned which)
{
	const char *bytes = (const char *)(event + 1);

	switch (which) {
	case 0:
		return (struct name_view){ bytes, event->name_length, event->dev };
	case 1:
		return (struct name_view){ bytes + event->name_length, event->name2_length, event->dev2 };
	default:
		return (struct name_view){ bytes + event->name_length + event->name2_length, event->exe_length,
					   event->exe_dev };
	}
}

/* What has no path, as the kernel's own links in /proc/PID/fd call it. */
static char *nameless_object(const struct obmon_event *event, const struct name_view *name)
{
	switch (event->hook) {
	case OBMON_HOOK_SOCKET_CREATE:
		return format("socket:family=%u,type=%u,protocol=%u", (unsigned)(event->detail >> 32),
			      (unsigned)(event->detail >> 16 & 0xffff), (unsigned)(event->detail & 0xffff));
	case OBMON_HOOK_PTRACE_ACCESS_CHECK:
	case OBMON_HOOK_PTRACE_TRACEME:
	case OBMON_HOOK_TASK_KILL:
		return format("pid:%" PRIu64, (uint64_t)event->detail);
	case OBMON_HOOK_SOCKET_SETSOCKOPT:
		return strdup("option:IPv6 routing header");
	case OBMON_HOOK_EGRESS:
		return strdup("packet:IPv6 routing header");
	case OBMON_HOOK_TASK_ALLOC:
		return strdup("cgroup:another");
	case OBMON_HOOK_URING_SQPOLL:
	case OBMON_HOOK_URING_OVERRIDE_CREDS:
		return strdup("io_uring");
	default:
		break;
	}
	if (event->fs_magic == PIPEFS_MAGIC)
		return format("pipe:[%" PRIu64 "]", (uint64_t)event->ino);
	if (event->fs_magic == SOCKFS_MAGIC)
		return format("socket:[%" PRIu64 "]", (uint64_t)event->ino);
	if (name->length)
		return format("%.*s", (int)name->length, name->bytes);
	return format("inode:[%" PRIu64 "]", (uint64_t)event->ino);
}

static bool is_inet(const struct obmon_event *event)
{
	return event->family == AF_INET || event->family == AF_INET6;
}

static enum private_scope event_scope(const struct obmon_event *event)
{
	struct obmon_address address = { .family = event->family };

	memcpy(address.bytes, event->address, sizeof(address.bytes));
	return private_scope(&address);
}

/* The address alone; "" if there is none. */
static void format_address(char text[INET6_ADDRSTRLEN], const struct obmon_event *event)
{
	text[0] = '\0';
	if (is_inet(event))
		inet_ntop(event->family, event->address, text, INET6_ADDRSTRLEN);
}

static const char *inet_protocol(const struct obmon_event *event)
{
	return event->protocol == IPPROTO_TCP ? "tcp://" : event->protocol == IPPROTO_UDP ? "udp://" : "";
}

/* The IPv4 side of a socket that would serve IPv6 and IPv4. Caller frees. */
static char *inet_second_object(const struct obmon_event *event)
{
	return format("%s0.0.0.0:%u", inet_protocol(event), event->port);
}

/* An endpoint as a rule would call it: by the host's name if it was asked for, else by the address. Caller frees. */
static char *inet_object(const struct obmon_event *event, const struct name_view *host)
{
	const char *protocol = inet_protocol(event);
	char address[INET6_ADDRSTRLEN], port[8] = "*"; /* a lookup is for any port */

	format_address(address, event);
	if (event->hook != OBMON_HOOK_RESOLVE)
		snprintf(port, sizeof(port), "%u", event->port);
	if (host->length)
		return format("%s%.*s:%s", protocol, (int)host->length, host->bytes, port);
	return format(event->family == AF_INET6 ? "%s[%s]:%s" : "%s%s:%s", protocol, address, port);
}

/* An abstract name comes as "/@" and its bytes; those that are 0 are shown as such. Caller frees. */
static char *unix_object(const struct name_view *name)
{
	char *text, *out;
	size_t i;

	if (!name->length)
		return strdup("unix:a socket outside the run");
	text = malloc(sizeof("unix:") + 4 * name->length);
	if (!text)
		return NULL;
	out = stpcpy(text, "unix:");
	for (i = 1; i < name->length; i++)
		out += name->bytes[i] ? sprintf(out, "%c", name->bytes[i]) : sprintf(out, "\\x00");
	*out = '\0';
	return text;
}

static const char *find_alias(const struct record_context *context, const struct obmon_event *event)
{
	size_t i;

	for (i = 0; i < RECORD_ALIASES_MAX; i++)
		if (context->aliases[i].path && context->aliases[i].dev == event->dev &&
		    context->aliases[i].ino == event->ino)
			return context->aliases[i].path;
	return NULL;
}

/* A path as people know it. Caller frees. */
static char *path_object(const struct record_context *context, const struct obmon_event *event, unsigned which)
{
	const struct name_view name = event_name(event, which);
	const char *alias = which == 0 ? find_alias(context, event) : NULL;
	char *path;

	if (!name.length)
		return strdup("");
	if (alias)
		return strdup(alias);
	if (which < 2 && (event->failure == OBMON_FAIL_NAME_TOO_LONG || event->failure == OBMON_FAIL_NAME_TOO_DEEP))
		return format("...%.*s", (int)name.length, name.bytes); /* its end is all that was read */
	path = mounts_display(context->mounts, name.dev, name.bytes, name.length);
	if (path)
		return path;
	/* On a filesystem that isn't mounted where obmon can see it. */
	return format("dev:%u:%u:%.*s", name.dev >> 20, name.dev & 0xfffff, (int)name.length, name.bytes);
}

/* The object as a rule would call it, where one could. Caller frees. */
static char *event_object(const struct record_context *context, const struct obmon_event *event, unsigned which)
{
	const struct name_view name = event_name(event, which);

	if (which == 0 && (is_inet(event) || event->hook == OBMON_HOOK_RESOLVE))
		return inet_object(event, &name);
	if (which == 1 && is_inet(event))
		return inet_second_object(event);
	if (which == 0 && event->family == AF_UNIX)
		return unix_object(&name);
	if (which == 0 && event->nameless)
		return nameless_object(event, &name);
	return path_object(context, event, which);
}

/* The resource of a capability of @type: of a network capability on a path, the unix socket there. Caller frees. */
static char *resource_of(const char *type, const char *object)
{
	return *object == '/' && !strncmp(type, "NETWORK_", 8) ? format("unix:%s", object) : strdup(object);
}

static uint32_t event_missing(const struct obmon_event *event, unsigned which)
{
	return which ? event->missing2 : event->missing;
}

static const char *verdict_state(const struct obmon_event *event)
{
	if (event->verdict == OBMON_VERDICT_PROBE)
		return "probed";
	return event->verdict == OBMON_VERDICT_AUDITED ? "audited" : "denied";
}

/*
 * Is the host's name one that a rule would take for just that? The run may have looked up anything, also what reads
 * like a rule about everything.
 */
static bool is_plain_host(const struct name_view *host)
{
	_cleanup_free_ char *text = format("%.*s:1", (int)host->length, host->bytes);
	const struct cap_span span = { .text = text, .length = text ? strlen(text) : 0 };
	struct network_resource net;
	struct obmon_error ignored;

	return text && !network_parse(&net, &span, OBMON_CAP_NETWORK_CONNECT, &ignored) && net.kind == NETWORK_NAME &&
	       strlen(net.name) == host->length && !memcmp(net.name, host->bytes, host->length);
}

static bool is_inet_grantable(const struct obmon_event *event)
{
	const struct name_view host = event_name(event, 0);

	if (host.length && !is_plain_host(&host))
		return false;
	if (event->hook != OBMON_HOOK_RESOLVE)
		return *inet_protocol(event) != '\0'; /* no rule is about any other */
	return event->detail != OBMON_LOOKUP_PRIVATE || event_scope(event) == SCOPE_SITE;
}

/* Would a grant of the missing right on this very name have been enough? */
static bool is_grantable(const struct obmon_event *event, const char *object)
{
	if (event->verdict == OBMON_VERDICT_GUARD || event->verdict == OBMON_VERDICT_FAILURE || event->directory ||
	    !is_utf8(object, strlen(object)) || memchr(event + 1, '\0', event->name_length))
		return false;
	if (is_inet(event) || event->hook == OBMON_HOOK_RESOLVE)
		return is_inet_grantable(event);
	return event->nameless ? event->family == AF_UNIX : *object == '/' || !strncmp(object, "unix:/", 6);
}

/* What a name needs beside its port if one of its addresses is private. */
static const char *condition_of(const struct obmon_event *event)
{
	return event->hook == OBMON_HOOK_RESOLVE && event->detail == OBMON_LOOKUP_PRIVATE ? "{private=yes}" : "";
}

/* @resource in the syntax of rules: glob characters are escaped; control bytes, which no rule holds, are `?`. */
static char *rule_of(const char *resource)
{
	_cleanup_free_ char *escaped = NULL;

	if (*resource == '/')
		return glob_escape(resource);
	if (strncmp(resource, "unix:", 5) != 0)
		return strdup(resource);
	escaped = glob_escape(resource + 5);
	return escaped ? format("unix:%s", escaped) : NULL;
}

/* The grant that allows just this, if one can. */
static json_t *json_grant(const struct obmon_event *event, const char *type, const char *resource)
{
	_cleanup_free_ char *rule = rule_of(resource), *text = NULL;
	struct obmon_capability cap;
	struct obmon_error ignored;

	text = rule ? format("%s:%s%s", type, rule, condition_of(event)) : NULL;
	if (!text)
		return NULL;
	if (obmon_capability_parse(&cap, text, strlen(text), NULL, &ignored))
		return json_null();
	obmon_capability_clear(&cap);
	return json_text(text);
}

/* Beside a host's name, the address that it stood for. */
static int add_address(json_t *capability, const struct obmon_event *event)
{
	char address[INET6_ADDRSTRLEN];

	format_address(address, event);
	if (!*address || !event->name_length)
		return 0;
	return json_object_set_new(capability, "address", json_string(address));
}

static json_t *one_capability(const struct obmon_event *event, const char *state, const char *type, const char *object)
{
	json_t *capability = json_pack(
		"{s:o, s:o, s:s, s:n, s:o}", "type", json_text(type), "resource", json_text(object), "state", state,
		"rule", "grant", type && is_grantable(event, object) ? json_grant(event, type, object) : json_null());

	if (capability && !is_utf8(object, strlen(object)))
		json_object_set_new(capability, "resource_b64", json_base64(object, strlen(object)));
	if (capability && add_address(capability, event)) {
		json_decref(capability);
		return NULL;
	}
	return capability;
}

/* Append what is missing on one object. @return how many capabilities that was, -1 when out of memory. */
static int add_missing(json_t *list, const struct record_context *context, const struct obmon_event *event,
		       const char *state, unsigned which)
{
	_cleanup_free_ char *object = event_object(context, event, which);
	uint32_t missing = event_missing(event, which);
	unsigned right;

	if (!object)
		return -1;
	if (missing & OBMON_RIGHT_BIT(OBMON_RIGHT_READ))
		missing &= ~OBMON_RIGHT_BIT(OBMON_RIGHT_LIST); /* comes with it */
	for (right = 0; right < OBMON_RIGHT_MAX; right++) {
		const char *type = obmon_cap_type_name(type_of_right(right));
		_cleanup_free_ char *resource = NULL;

		if (!(missing & OBMON_RIGHT_BIT(right)))
			continue;
		resource = resource_of(type, object);
		if (!resource || json_array_append_new(list, one_capability(event, state, type, resource)))
			return -1;
	}
	return 0;
}

static json_t *event_capabilities(const struct record_context *context, const struct obmon_event *event)
{
	const char *state = verdict_state(event);
	json_t *list = json_array();
	_cleanup_free_ char *object = NULL;

	if (!list || add_missing(list, context, event, state, 0) || add_missing(list, context, event, state, 1))
		goto fail;
	if (json_array_size(list))
		return list;
	/* A guard: nothing that a right on a name could allow. */
	object = event_object(context, event, 0);
	if (object && !json_array_append_new(list, one_capability(event, state, NULL, object)))
		return list;
fail:
	json_decref(list);
	return NULL;
}

/* OmniBase's taxonomy: SecurityError above the others. */
static const char *error_class(const struct obmon_event *event)
{
	switch (event->verdict) {
	case OBMON_VERDICT_GUARD:
		return "SandboxViolationError";
	case OBMON_VERDICT_FAILURE:
		return "SecurityError";
	default:
		if (event->missing & OBMON_RIGHT_BIT(OBMON_RIGHT_EXEC))
			return "ExternalCommandError";
		return "CapabilityError";
	}
}

static const char *error_code(const struct obmon_event *event)
{
	switch (event->verdict) {
	case OBMON_VERDICT_GUARD:
		return "OBMON_GUARD_DENIED";
	case OBMON_VERDICT_FAILURE:
		return "OBMON_DECISION_FAILED";
	default:
		return "OBMON_CAPABILITY_DENIED";
	}
}

static const char *error_name(const struct obmon_event *event)
{
	return event->error == 0 ? NULL : strerrorname_np(-event->error);
}

static const char *hook_name(const struct obmon_event *event)
{
	return event->hook < OBMON_HOOK_MAX ? hook_names[event->hook] : "unknown";
}

static json_t *event_process(const struct record_context *context, const struct obmon_event *event)
{
	_cleanup_free_ char *exe = event_object(context, event, 2);

	if (!event->process.pid) /* it can't be told */
		return json_pack("{s:n, s:n, s:n, s:n, s:n, s:n, s:n}", "pid", "tid", "ppid", "uid", "gid", "comm",
				 "exe");
	return json_pack("{s:i, s:i, s:i, s:I, s:I, s:o, s:o}", "pid", (int)event->process.pid, "tid",
			 (int)event->process.tid, "ppid", (int)event->process.ppid, "uid",
			 (json_int_t)event->process.uid, "gid", (json_int_t)event->process.gid, "comm",
			 json_bytes(event->process.comm, strnlen(event->process.comm, sizeof(event->process.comm))),
			 "exe", exe && *exe ? json_text(exe) : json_null());
}

static json_t *event_error(const struct obmon_event *event)
{
	json_t *error = json_pack("{s:s, s:s, s:o}", "class", error_class(event), "code", error_code(event), "errno",
				  json_text(error_name(event)));

	if (error && event->verdict == OBMON_VERDICT_FAILURE)
		json_object_set_new(error, "reason",
				    json_string(event->failure < OBMON_FAIL_MAX ? failure_reasons[event->failure] :
										  "unknown"));
	return error;
}

static const char *event_layer(const struct obmon_event *event)
{
	return event->hook == OBMON_HOOK_RESOLVE ? "resolver" : "kernel";
}

json_t *record_event(const struct record_context *context, const struct obmon_event *event)
{
	const char *name = event->verdict == OBMON_VERDICT_GUARD ? "guard.denied" : "capability.denied";
	json_t *record = record_new(context, name, event->time_ns + context->boot_offset_ns);
	json_t *capabilities = event_capabilities(context, event);
	int failed;

	failed = !record || !capabilities || json_object_set_new(record, "seq", json_integer((json_int_t)event->seq)) ||
		 json_object_set_new(record, "error", event_error(event)) ||
		 json_object_set(record, "capability", json_array_get(capabilities, 0)) ||
		 (json_array_size(capabilities) > 1 && json_object_set(record, "capabilities", capabilities)) ||
		 json_object_set_new(record, "layer", json_string(event_layer(event))) ||
		 json_object_set_new(record, "hook", json_string(hook_name(event))) ||
		 json_object_set_new(record, "count", json_integer(1)) ||
		 json_object_set_new(record, "process", event_process(context, event));
	json_decref(capabilities);
	if (!failed)
		return record;
	json_decref(record);
	return NULL;
}

json_t *record_dropped(const struct record_context *context, const struct seq_range *ranges, size_t n)
{
	json_t *record = record_new(context, "events.dropped", clock_ns(CLOCK_REALTIME)), *list = json_array();
	uint64_t count = 0;
	size_t i;

	for (i = 0; i < n; i++) {
		count += ranges[i].last - ranges[i].first + 1;
		json_array_append_new(list,
				      json_pack("[I, I]", (json_int_t)ranges[i].first, (json_int_t)ranges[i].last));
	}
	if (record && !json_object_set_new(record, "count", json_integer((json_int_t)count)) &&
	    !json_object_set_new(record, "where", json_string("ring_buffer")) &&
	    !json_object_set_new(record, "seq_ranges", list))
		return record;
	json_decref(record);
	return NULL;
}

const char *record_kind(const struct obmon_event *event)
{
	uint32_t missing = event->missing ? event->missing : event->missing2;
	unsigned right;

	if (event->verdict == OBMON_VERDICT_GUARD)
		return "GUARD";
	if (event->verdict == OBMON_VERDICT_FAILURE)
		return "FAILURE";
	for (right = 0; right < OBMON_RIGHT_MAX; right++)
		if (missing & OBMON_RIGHT_BIT(right))
			return obmon_cap_type_name(type_of_right(right));
	return "FAILURE";
}

/* Control bytes would let a file name write on the terminal. Caller frees. */
static char *printable(const char *text)
{
	size_t left = strlen(text);
	char *clean = malloc(4 * left + 1), *out = clean;

	if (!clean)
		return NULL;
	while (left) {
		const unsigned char *byte = (const unsigned char *)text;
		size_t n = utf8_length(byte, left);

		/* C0, DEL, and C1 as UTF-8 has them; and what is no UTF-8 at all. */
		if (!n || *byte < 0x20 || *byte == 0x7f || (byte[0] == 0xc2 && byte[1] < 0xa0)) {
			out += sprintf(out, "\\x%02x", *byte);
			n = 1;
		} else {
			memcpy(out, text, n);
			out += n;
		}
		text += n;
		left -= n;
	}
	*out = '\0';
	return clean;
}

char *record_human(const struct record_context *context, const struct obmon_event *event)
{
	_cleanup_free_ char *object = event_object(context, event, 0), *resource = NULL, *second = NULL, *raw = NULL;
	const char *kind = record_kind(event);
	const char *verb = event->verdict == OBMON_VERDICT_AUDITED ? "would deny" : "denied";
	char address[INET6_ADDRSTRLEN] = "";

	if (event->name2_length)
		second = event_object(context, event, 1);
	resource = object ? resource_of(kind, object) : NULL;
	if (!resource)
		return NULL;
	if (event->name_length)
		format_address(address, event);
	raw = format("%s %s %s%s%s%s%s%s (%s by %.*s[%u]%s%s)", verb, kind, resource, second ? " -> " : "",
		     second ? second : "", *address ? " (" : "", address, *address ? ")" : "", hook_name(event),
		     (int)sizeof(event->process.comm), event->process.comm, event->process.pid,
		     event->verdict == OBMON_VERDICT_FAILURE ? ": obmon could not decide: " : "",
		     event->verdict == OBMON_VERDICT_FAILURE && event->failure < OBMON_FAIL_MAX ?
			     failure_reasons[event->failure] :
			     "");
	return raw ? printable(raw) : NULL;
}
