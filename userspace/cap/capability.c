/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cap/glob.h"
#include "cap/network.h"
#include "cap/types.h"
#include "obmon/capability.h"

static bool valid_protocol(const char *value, size_t length)
{
	return length == 3 && (!memcmp(value, "tcp", 3) || !memcmp(value, "udp", 3));
}

static bool valid_uses(const char *value, size_t length)
{
	if (length < 1 || length > 6 || value[0] == '0')
		return false;
	for (size_t i = 0; i < length; i++)
		if (!isdigit((unsigned char)value[i]))
			return false;
	return true;
}

static const struct cap_condition no_conditions[] = { { 0 } };

static bool valid_yes(const char *value, size_t length)
{
	return length == 3 && !memcmp(value, "yes", 3);
}

static const struct cap_condition connect_conditions[] = {
	{ "proto", "tcp or udp", valid_protocol },
	{ "private", "yes", valid_yes },
	{ 0 },
};

static const struct cap_condition listen_conditions[] = {
	{ "proto", "tcp or udp", valid_protocol },
	{ 0 },
};

static const struct cap_condition secret_conditions[] = {
	{ "uses", "a number from 1 to 999999", valid_uses },
	{ 0 },
};

/*
 * The row per type. A list macro rather than a plain array, because the number of rows can then be
 * asserted: with designated initialisers alone, a type forgotten in the middle would be a silent hole.
 */
/* clang-format off */
#define CAP_TYPES(row)                                                                    \
	row(FILE_READ,        "file.read",       RESOURCE_PATH,      no_conditions)       \
	row(FILE_WRITE,       "file.write",      RESOURCE_PATH,      no_conditions)       \
	row(EXTERNAL_COMMAND, "process.execute", RESOURCE_COMMAND,   no_conditions)       \
	row(LIBRARY_LOAD,     "process.load",    RESOURCE_PATH,      no_conditions)       \
	row(NETWORK_CONNECT,  "network.connect", RESOURCE_NETWORK,   connect_conditions)  \
	row(NETWORK_LISTEN,   "network.listen",  RESOURCE_NETWORK,   listen_conditions)   \
	row(DATABASE_READ,    "database.read",   RESOURCE_NAME,      no_conditions)       \
	row(DATABASE_WRITE,   "database.write",  RESOURCE_NAME,      no_conditions)       \
	row(REGISTRY_READ,    "registry.read",   RESOURCE_NAME_GLOB, no_conditions)       \
	row(REGISTRY_WRITE,   "registry.write",  RESOURCE_NAME_GLOB, no_conditions)       \
	row(ARTIFACT_READ,    "artifact.read",   RESOURCE_NAME_GLOB, no_conditions)       \
	row(ARTIFACT_WRITE,   "artifact.write",  RESOURCE_NAME_GLOB, no_conditions)       \
	row(SECRET_ACCESS,    "secret.access",   RESOURCE_NAME_GLOB, secret_conditions)
/* clang-format on */

#define TABLE_ROW(type, dotted, resource, conditions) [OBMON_CAP_##type] = { #type, dotted, resource, conditions },
#define COUNT_ROW(type, dotted, resource, conditions) +1 /* NOLINT(bugprone-macro-parentheses): a term of a sum */

const struct cap_type cap_types[OBMON_CAP_TYPE_MAX] = { CAP_TYPES(TABLE_ROW) };

_Static_assert((0 CAP_TYPES(COUNT_ROW)) == OBMON_CAP_TYPE_MAX, "every capability type has its row");

/* Type names */

const char *obmon_cap_type_name(enum obmon_cap_type type)
{
	return (unsigned)type < OBMON_CAP_TYPE_MAX ? cap_types[type].name : "UNKNOWN";
}

static bool span_equals(const char *text, size_t length, const char *word)
{
	return strlen(word) == length && !memcmp(text, word, length);
}

int obmon_cap_type_parse(const char *name, size_t length)
{
	for (int type = 0; type < OBMON_CAP_TYPE_MAX; type++)
		if (span_equals(name, length, cap_types[type].name) ||
		    span_equals(name, length, cap_types[type].dotted))
			return type;
	return -1;
}

/* Longer than any type name, so that a comparison beyond it is pointless. */
#define TYPE_NAME_MAX 24

static unsigned min3(unsigned a, unsigned b, unsigned c)
{
	unsigned least = a < b ? a : b;

	return least < c ? least : c;
}

/* `file.read`, `File_Read` and `FILE-READ` are the same word to somebody who mistyped it. */
static char fold_type_char(char c)
{
	if (c == '.' || c == '-')
		return '_';
	return (char)toupper((unsigned char)c);
}

/* Edit distance in which two swapped neighbours (`RAED`) count once, as they do for people. */
static unsigned type_distance(const char *text, size_t length, const char *name)
{
	unsigned cost[TYPE_NAME_MAX + 1][TYPE_NAME_MAX + 1];
	size_t n = strlen(name);

	for (size_t i = 0; i <= length; i++)
		cost[i][0] = i;
	for (size_t j = 0; j <= n; j++)
		cost[0][j] = j;
	for (size_t i = 1; i <= length; i++) {
		for (size_t j = 1; j <= n; j++) {
			char a = fold_type_char(text[i - 1]), b = fold_type_char(name[j - 1]);

			cost[i][j] = min3(cost[i - 1][j] + 1, cost[i][j - 1] + 1, cost[i - 1][j - 1] + (a != b));
			if (i > 1 && j > 1 && a == fold_type_char(name[j - 2]) && fold_type_char(text[i - 2]) == b)
				cost[i][j] = min3(cost[i][j], cost[i][j], cost[i - 2][j - 2] + 1);
		}
	}
	return cost[length][n];
}

/* The type name that @text is likely to mean, in @text's own spelling; NULL when it resembles none. */
static const char *nearest_type(const char *text, size_t length)
{
	bool dotted = memchr(text, '.', length);
	const char *nearest = NULL;
	unsigned best = 4; /* three slips still leave a name of ten letters recognisable */

	if (length > TYPE_NAME_MAX)
		return NULL;
	for (int type = 0; type < OBMON_CAP_TYPE_MAX; type++) {
		const struct cap_type *row = &cap_types[type];
		unsigned to_name = type_distance(text, length, row->name);
		unsigned to_dotted = type_distance(text, length, row->dotted);
		unsigned distance = to_name < to_dotted ? to_name : to_dotted;

		if (distance < best) {
			best = distance;
			nearest = dotted ? row->dotted : row->name;
		}
	}
	return nearest;
}

static int unknown_type(const struct cap_span *type, struct obmon_error *err)
{
	const char *nearest = nearest_type(type->text, type->length);

	if (!type->length)
		return obmon_fail_at(err, &type->where, "no capability type before the ':'");
	if (!nearest)
		return obmon_fail_at(err, &type->where, "unknown capability type '%.*s'", CAP_SPAN_ARGS(type));
	return obmon_fail_at(err, &type->where, "unknown capability type '%.*s'; did you mean %s?", CAP_SPAN_ARGS(type),
			     nearest);
}

/* The shape of condition lists */

static bool is_condition_key_char(char c)
{
	return (c >= 'a' && c <= 'z') || c == '_';
}

/* The length of the `key=value` at the start of @text, or 0 when there is none. */
static size_t condition_length(const char *text, size_t length)
{
	size_t key = 0, end;

	while (key < length && is_condition_key_char(text[key]))
		key++;
	if (!key || key == length || text[key] != '=')
		return 0;
	for (end = key + 1; end < length && text[end] != ','; end++)
		if (text[end] == '{' || text[end] == '}')
			return 0;
	return end;
}

static bool is_condition_list(const char *text, size_t length)
{
	for (;;) {
		size_t n = condition_length(text, length);

		if (!n || n == length)
			return n > 0;
		text += n + 1;
		length -= n + 1;
	}
}

/*
 * Where the condition list at the end of @text starts, or @length when there is none. Braces belong to
 * globs first (`/a/{b,c}`); only what reads {key=value,...} is a list, and a backslash before its brace
 * makes even that a part of the glob.
 */
static size_t conditions_start(const char *text, size_t length)
{
	size_t open = length;
	bool closed = false;

	for (size_t i = 0; i < length; i++) {
		closed = text[i] == '}';
		if (text[i] == '{')
			open = i;
		if (text[i] == '\\')
			i++;
	}
	if (!closed || open == length || !is_condition_list(text + open + 1, length - open - 2))
		return length;
	return open;
}

/* Resources, by kind */

static int check_glob(const struct cap_span *resource, struct obmon_error *err)
{
	struct glob glob = { 0 };

	/* Any base does, since only the syntax matters here: the workspace is known when a run starts. */
	if (glob_parse(&glob, resource->text, resource->length, "/", &resource->where, err) < 0)
		return -1;
	glob_clear(&glob);
	return 0;
}

static bool is_command_char(char c)
{
	return isalnum((unsigned char)c) || (c && strchr("._+-", c));
}

bool cap_is_command_name(const char *resource, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if (!is_command_char(resource[i]))
			return false;
	return length > 0 && !span_equals(resource, length, ".") && !span_equals(resource, length, "..");
}

static int check_command(const struct cap_span *resource, struct obmon_error *err)
{
	if (cap_is_command_name(resource->text, resource->length))
		return 0;
	return check_glob(resource, err);
}

static int check_name(const struct cap_span *resource, struct obmon_error *err)
{
	for (size_t i = 0; i < resource->length; i++) {
		struct cap_span bad = cap_span_from(resource, i);

		if (strchr("*?[]{}\\", bad.text[0]))
			return obmon_fail_at(err, &bad.where, "'%c' in '%.*s': it is a name, not a pattern",
					     bad.text[0], CAP_SPAN_ARGS(resource));
		if (isspace((unsigned char)bad.text[0]))
			return obmon_fail_at(err, &bad.where, "white space in the name '%.*s'",
					     CAP_SPAN_ARGS(resource));
	}
	return 0;
}

static int check_resource_kind(enum obmon_cap_type type, const struct cap_span *resource, struct obmon_error *err)
{
	struct network_resource net;

	switch (cap_types[type].resource) {
	case RESOURCE_PATH:
	case RESOURCE_NAME_GLOB:
		return check_glob(resource, err);
	case RESOURCE_COMMAND:
		return check_command(resource, err);
	case RESOURCE_NETWORK:
		return network_parse(&net, resource, type, err);
	case RESOURCE_NAME:
		return check_name(resource, err);
	case RESOURCE_KIND_MAX:
		break;
	}
	return obmon_fail(err, OBMON_ERR_INTERNAL, "capability type %d has no resource kind", type);
}

/*
 * Control bytes are refused everywhere: a line feed would make two capability sets share one digest,
 * and an escape sequence would reach the terminal of whoever reviews a set. `?` stands for such a byte
 * in the rare file name that has one.
 */
static int check_resource_bytes(const struct cap_span *resource, struct obmon_error *err)
{
	const char *text = resource->text;
	size_t n = resource->length;
	struct cap_span last = cap_span_from(resource, n - 1);

	for (size_t i = 0; i < n; i++) {
		struct cap_span bad = cap_span_from(resource, i);

		if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
			return obmon_fail_at(err, &bad.where, "control byte 0x%02x in the resource",
					     (unsigned char)text[i]);
	}
	if (text[0] == ' ')
		return obmon_fail_at(err, &resource->where,
				     "the resource starts with a space; write '\\ ' if it is meant");
	if (text[n - 1] == ' ' && (n < 2 || text[n - 2] != '\\'))
		return obmon_fail_at(err, &last.where, "the resource ends in a space; write '\\ ' if it is meant");
	return 0;
}

/* After a text form lost its list, or in a map, a further list could only be a misunderstanding. */
static int check_no_conditions_left(const struct cap_span *resource, struct obmon_error *err)
{
	size_t start = conditions_start(resource->text, resource->length);
	struct cap_span list = cap_span_from(resource, start);

	if (start == resource->length)
		return 0;
	return obmon_fail_at(err, &list.where,
			     "'%.*s' in the resource reads as conditions; "
			     "write '\\{' if the brace belongs to the resource",
			     CAP_SPAN_ARGS(&list));
}

static int check_resource(enum obmon_cap_type type, const struct cap_span *resource, struct obmon_error *err)
{
	if (!resource->length)
		return obmon_fail_at(err, &resource->where, "%s has no resource", cap_types[type].name);
	if (resource->length > OBMON_RESOURCE_MAX)
		return obmon_fail_at(err, &resource->where, "the resource of %s has %zu bytes; at most %d are allowed",
				     cap_types[type].name, resource->length, OBMON_RESOURCE_MAX);
	if (check_resource_bytes(resource, err) < 0 || check_no_conditions_left(resource, err) < 0)
		return -1;
	return check_resource_kind(type, resource, err);
}

/* Conditions */

static int split_conditions(struct cap_parts *parts, struct obmon_error *err)
{
	size_t start = conditions_start(parts->resource.text, parts->resource.length);
	struct cap_span rest;

	if (start == parts->resource.length)
		return 0;
	rest = cap_span_part(&parts->resource, start + 1, parts->resource.length - start - 2);
	parts->resource.length = start;
	for (;;) {
		size_t n = condition_length(rest.text, rest.length);
		size_t key = (const char *)memchr(rest.text, '=', n) - rest.text;

		if (parts->n_conditions == CAP_CONDITIONS_MAX)
			return obmon_fail_at(err, &rest.where, "more than %d conditions", CAP_CONDITIONS_MAX);
		parts->conditions[parts->n_conditions].key = cap_span_part(&rest, 0, key);
		parts->conditions[parts->n_conditions].value = cap_span_part(&rest, key + 1, n - key - 1);
		parts->n_conditions++;
		if (n == rest.length)
			return 0;
		rest = cap_span_from(&rest, n + 1);
	}
}

/* A protocol can be said in front or as a condition; said twice it could contradict itself. */
static int check_protocol_once(const struct cap_parts *parts, const struct cap_span *key, struct obmon_error *err)
{
	const struct cap_span *resource = &parts->resource;

	if (!memmem(resource->text, resource->length, "://", 3) &&
	    (resource->length < 5 || memcmp(resource->text, "unix:", 5) != 0))
		return 0;
	return obmon_fail_at(err, &key->where, "'proto' doesn't go with '%.*s', which says the protocol itself",
			     CAP_SPAN_ARGS(resource));
}

/* An address says by itself whether it is private. */
static int check_private(enum obmon_cap_type type, const struct cap_parts *parts, const struct cap_span *key,
			 struct obmon_error *err)
{
	struct network_resource net;

	if (network_parse(&net, &parts->resource, type, err) < 0)
		return -1;
	if (net.kind == NETWORK_NAME || net.kind == NETWORK_SUBNAMES)
		return 0;
	return obmon_fail_at(err, &key->where, "'private' is about host names, and '%.*s' is none",
			     CAP_SPAN_ARGS(&parts->resource));
}

static int check_condition(enum obmon_cap_type type, const struct cap_parts *parts, size_t i, struct obmon_error *err)
{
	const struct cap_span *key = &parts->conditions[i].key, *value = &parts->conditions[i].value;
	const struct cap_condition *known = cap_types[type].conditions;

	while (known->key && !span_equals(key->text, key->length, known->key))
		known++;
	if (!known->key)
		return obmon_fail_at(err, &key->where, "%s knows no condition '%.*s'%s", cap_types[type].name,
				     CAP_SPAN_ARGS(key),
				     cap_types[type].resource == RESOURCE_PATH ?
					     "; write '\\{' if the brace belongs to the path" :
					     "");
	for (size_t j = 0; j < i; j++)
		if (span_equals(parts->conditions[j].key.text, parts->conditions[j].key.length, known->key))
			return obmon_fail_at(err, &key->where, "condition '%s' is given twice", known->key);
	if (!known->valid(value->text, value->length))
		return obmon_fail_at(err, &value->where, "'%s' must be %s, not '%.*s'", known->key, known->expects,
				     CAP_SPAN_ARGS(value));
	if (!strcmp(known->key, "proto"))
		return check_protocol_once(parts, key, err);
	if (!strcmp(known->key, "private"))
		return check_private(type, parts, key, err);
	return 0;
}

static int compare_conditions(const void *a, const void *b)
{
	return strcmp(((const struct obmon_condition *)a)->key, ((const struct obmon_condition *)b)->key);
}

/* Capabilities */

static int check_parts(const struct cap_parts *parts, struct obmon_error *err)
{
	int type = obmon_cap_type_parse(parts->type.text, parts->type.length);

	if (type < 0)
		return unknown_type(&parts->type, err);
	if (check_resource(type, &parts->resource, err) < 0)
		return -1;
	for (size_t i = 0; i < parts->n_conditions; i++)
		if (check_condition(type, parts, i, err) < 0)
			return -1;
	return type;
}

static bool copy_parts(struct obmon_capability *cap, const struct cap_parts *parts)
{
	const struct obmon_location *where = &parts->where;

	cap->resource = strndup(parts->resource.text, parts->resource.length);
	cap->file = where->file ? strdup(where->file) : NULL;
	cap->line = where->line;
	cap->column = where->column;
	cap->conditions = calloc(parts->n_conditions + 1, sizeof(cap->conditions[0]));
	if (!cap->resource || !cap->conditions || (where->file && !cap->file))
		return false;
	for (size_t i = 0; i < parts->n_conditions; i++) {
		struct obmon_condition *condition = &cap->conditions[cap->n_conditions++];

		condition->key = strndup(parts->conditions[i].key.text, parts->conditions[i].key.length);
		condition->value = strndup(parts->conditions[i].value.text, parts->conditions[i].value.length);
		if (!condition->key || !condition->value)
			return false;
	}
	qsort(cap->conditions, cap->n_conditions, sizeof(cap->conditions[0]), compare_conditions);
	return true;
}

int cap_build(struct obmon_capability *cap, const struct cap_parts *parts, struct obmon_error *err)
{
	int type = check_parts(parts, err);

	memset(cap, 0, sizeof(*cap));
	if (type < 0)
		return -1;
	cap->type = type;
	if (!copy_parts(cap, parts)) {
		obmon_capability_clear(cap);
		return obmon_fail(err, OBMON_ERR_INTERNAL, "out of memory");
	}
	return 0;
}

int cap_split(struct cap_parts *parts, const struct cap_span *text, struct obmon_error *err)
{
	const char *colon, *nul;

	memset(parts, 0, sizeof(*parts));
	parts->where = text->where;
	if (!text->length)
		return obmon_fail_at(err, &text->where, "empty capability");
	nul = memchr(text->text, '\0', text->length);
	if (nul) {
		struct cap_span bad = cap_span_from(text, nul - text->text);

		return obmon_fail_at(err, &bad.where, "NUL byte in a capability");
	}
	colon = memchr(text->text, ':', text->length);
	if (!colon)
		return obmon_fail_at(err, &text->where,
				     "'%.*s' is no capability: it needs a type and a resource, "
				     "as in FILE_READ:src/*.py",
				     CAP_SPAN_ARGS(text));
	parts->type = cap_span_part(text, 0, colon - text->text);
	parts->resource = cap_span_from(text, colon - text->text + 1);
	return split_conditions(parts, err);
}

int obmon_capability_parse(struct obmon_capability *cap, const char *text, size_t length,
			   const struct obmon_location *where, struct obmon_error *err)
{
	const struct obmon_location command_line = { .column = 1 };
	struct cap_span span = { .text = text, .length = length, .where = where ? *where : command_line };
	struct cap_parts parts;

	memset(cap, 0, sizeof(*cap));
	if (cap_split(&parts, &span, err) < 0)
		return -1;
	return cap_build(cap, &parts, err);
}

void obmon_capability_clear(struct obmon_capability *cap)
{
	for (size_t i = 0; i < cap->n_conditions; i++) {
		free(cap->conditions[i].key);
		free(cap->conditions[i].value);
	}
	free(cap->conditions);
	free(cap->resource);
	free(cap->description);
	free(cap->file);
	memset(cap, 0, sizeof(*cap));
}

/* Canonical text */

/* Copy the glob @text to @out. An escaped '/' is a separator all the same, so it loses its backslash. */
static void unescape_separators(char *out, const char *text)
{
	while (*text) {
		if (text[0] == '\\' && text[1] == '/')
			text++;
		else if (text[0] == '\\' && text[1])
			*out++ = *text++;
		*out++ = *text++;
	}
	*out = '\0';
}

/*
 * Take '//', '.' components and the trailing '/' out of @glob, in place; it has room for two bytes, since
 * "." is what remains of a relative one that is nothing else. @return its length.
 */
static size_t resolve_glob(char *glob)
{
	char *const first = glob[0] == '/' ? glob + 1 : glob;
	const char *text = first;
	char *end = first;

	while (*text) {
		bool component_starts = end == first || end[-1] == '/';

		if (component_starts && text[0] == '/') {
			text++;
		} else if (component_starts && text[0] == '.' && (text[1] == '/' || !text[1])) {
			text++;
		} else {
			if (text[0] == '\\' && text[1])
				*end++ = *text++;
			*end++ = *text++;
		}
	}
	if (end > first && end[-1] == '/')
		end--;
	if (end == glob)
		*end++ = '.';
	*end = '\0';
	return end - glob;
}

/*
 * The canonical spelling must be read as the same thing again. So a "./" stays where without it a path
 * would turn into a command name, or a brace with a '/' in it (`./{/a,b}`) into an absolute path; and a
 * last '/' stays where without it a brace would turn into a condition.
 */
static char *canonical_glob(const char *text, bool command)
{
	size_t size = strlen(text) + sizeof("./") + sizeof("/"), n;
	char *out = malloc(size);

	if (!out)
		return NULL;
	unescape_separators(out, text);
	n = resolve_glob(out);
	if (out[0] == ' ' || (out[0] == '{' && text[0] != '{') || (command && cap_is_command_name(out, n))) {
		memmove(out + 2, out, n + 1);
		memcpy(out, "./", 2);
		n += 2;
	}
	if (conditions_start(out, n) < n || (out[n - 1] == ' ' && out[n - 2] != '\\'))
		memcpy(out + n, "/", 2);
	return out;
}

static char *canonical_network(const struct obmon_capability *cap)
{
	struct cap_span text = { .text = cap->resource, .length = strlen(cap->resource) };
	char formatted[NETWORK_FORMAT_MAX], *path, *out;
	struct network_resource net;
	struct obmon_error ignored;

	if (network_parse(&net, &text, cap->type, &ignored) < 0 || net.kind == NETWORK_UNIX_ABSTRACT)
		return strdup(cap->resource);
	if (net.kind != NETWORK_UNIX_PATH) {
		network_format(formatted, &net);
		return strdup(formatted);
	}
	path = canonical_glob(net.socket, false);
	if (!path || asprintf(&out, "unix:%s", path) < 0)
		out = NULL;
	free(path);
	return out;
}

static char *canonical_resource(const struct obmon_capability *cap)
{
	switch (cap_types[cap->type].resource) {
	case RESOURCE_PATH:
	case RESOURCE_NAME_GLOB:
		return canonical_glob(cap->resource, false);
	case RESOURCE_COMMAND:
		if (cap_is_command_name(cap->resource, strlen(cap->resource)))
			return strdup(cap->resource);
		return canonical_glob(cap->resource, true);
	case RESOURCE_NETWORK:
		return canonical_network(cap);
	case RESOURCE_NAME:
	case RESOURCE_KIND_MAX:
		break;
	}
	return strdup(cap->resource);
}

char *obmon_capability_format(const struct obmon_capability *cap)
{
	char *resource = canonical_resource(cap), *text = NULL;
	bool failed;
	size_t size;
	FILE *out = resource ? open_memstream(&text, &size) : NULL;

	if (!out) {
		free(resource);
		return NULL;
	}
	fprintf(out, "%s%s:%s", cap->quiet ? "quiet:" : "", cap_types[cap->type].name, resource);
	for (size_t i = 0; i < cap->n_conditions; i++)
		fprintf(out, "%c%s=%s", i ? ',' : '{', cap->conditions[i].key, cap->conditions[i].value);
	if (cap->n_conditions)
		fputc('}', out);
	free(resource);
	failed = ferror(out);
	if (fclose(out) || failed) {
		free(text);
		return NULL;
	}
	return text;
}

/* Sets */

int obmon_cap_set_add(struct obmon_cap_set *set, struct obmon_capability *cap, struct obmon_error *err)
{
	if (set->n == set->allocated) {
		size_t allocated = set->allocated ? 2 * set->allocated : 16;
		struct obmon_capability *items = reallocarray(set->items, allocated, sizeof(items[0]));

		if (!items)
			return obmon_fail(err, OBMON_ERR_INTERNAL, "out of memory");
		set->items = items;
		set->allocated = allocated;
	}
	set->items[set->n++] = *cap;
	memset(cap, 0, sizeof(*cap));
	return 0;
}

void obmon_cap_set_clear(struct obmon_cap_set *set)
{
	for (size_t i = 0; i < set->n; i++)
		obmon_capability_clear(&set->items[i]);
	free(set->items);
	memset(set, 0, sizeof(*set));
}
