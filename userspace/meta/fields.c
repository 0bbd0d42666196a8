/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "meta/fields.h"

static bool is_word(const struct doc_node *node, const char *word)
{
	return node->kind == DOC_SCALAR && node->length == strlen(word) && !memcmp(node->text, word, node->length);
}

static bool is_one_of(const struct doc_node *node, const char *const *words)
{
	while (*words)
		if (is_word(node, *words++))
			return true;
	return false;
}

static bool is_null(const struct doc_node *node)
{
	static const char *const nulls[] = { "", "~", "null", "Null", "NULL", NULL };

	return node->plain && !node->tag && is_one_of(node, nulls);
}

static const char *describe(const struct doc_node *node)
{
	static const char *const kinds[] = {
		[DOC_SCALAR] = "a single value",
		[DOC_LIST] = "a list",
		[DOC_MAP] = "a map",
	};

	return is_null(node) ? "nothing" : kinds[node->kind];
}

/* Is @node, called @what in errors, of @kind, and nothing that a tag turns into something else? */
static int check_kind(const struct doc_node *node, const char *what, enum doc_kind kind, struct obmon_error *err)
{
	static const char *const wanted[] = {
		[DOC_SCALAR] = "a single value",
		[DOC_LIST] = "a list",
		[DOC_MAP] = "a map of keys and values",
	};

	if (node->tag)
		return obmon_fail_at(err, &node->where, "%s is tagged '%s', and tags are never followed", what,
				     node->tag);
	if (node->kind != kind || is_null(node))
		return obmon_fail_at(err, &node->where, "%s must be %s, not %s", what, wanted[kind], describe(node));
	return 0;
}

/* Finding */

int field_find(const struct doc_node **value, const struct doc_node *map, const char *key, struct obmon_error *err)
{
	*value = NULL;
	for (const struct doc_item *item = map->items; item; item = item->next) {
		/* A merge could bring in any key: to pass it over would be to pass over what was written. */
		if (item->key->plain && is_word(item->key, "<<"))
			return obmon_fail_at(err, &item->key->where, "merge keys ('<<') are not supported here");
		if (item->key->tag || !is_word(item->key, key))
			continue;
		if (*value)
			return obmon_fail_at(err, &item->key->where, "'%s' stands here a second time", key);
		*value = item->value;
	}
	if (*value && is_null(*value))
		*value = NULL;
	return 0;
}

int field_find_kind(const struct doc_node **value, const struct doc_node *map, const char *key, enum doc_kind kind,
		    struct obmon_error *err)
{
	if (field_find(value, map, key, err) < 0)
		return -1;
	return *value ? check_kind(*value, key, kind, err) : 0;
}

int fields_check_known(const struct doc_node *map, const char *const *known, struct obmon_error *err)
{
	for (const struct doc_item *item = map->items; item; item = item->next) {
		if (check_kind(item->key, "a key", DOC_SCALAR, err) < 0)
			return -1;
		if (!is_one_of(item->key, known))
			return obmon_fail_at(err, &item->key->where, "unknown key '%.*s'", (int)item->key->length,
					     item->key->text);
	}
	return 0;
}

/* Strings */

static bool is_control(const char *text, size_t length)
{
	unsigned char c = text[0];

	/* The C1 controls, U+0080 to U+009F, drive terminals too. */
	return c < 0x20 || c == 0x7f || (c == 0xc2 && length > 1 && (unsigned char)text[1] < 0xa0);
}

static int copy_string(char **text, const struct doc_node *node, const char *what, bool prose, struct obmon_error *err)
{
	size_t n;
	char *copy;

	if (check_kind(node, what, DOC_SCALAR, err) < 0)
		return -1;
	for (n = node->length; n && isspace((unsigned char)node->text[n - 1]); n--)
		;
	if (n > FIELD_STRING_MAX)
		return obmon_fail_at(err, &node->where, "%s is longer than %d bytes", what, FIELD_STRING_MAX);
	copy = malloc(n + 1);
	if (!copy)
		return obmon_fail(err, OBMON_ERR_INTERNAL, "out of memory");
	memcpy(copy, node->text, n);
	copy[n] = '\0';
	for (size_t i = 0; i < n; i++) {
		if (prose && isspace((unsigned char)copy[i]))
			copy[i] = ' ';
		if (!is_control(copy + i, n - i))
			continue;
		free(copy);
		return obmon_fail_at(err, &node->where, "%s has a control character in it", what);
	}
	free(*text);
	*text = copy;
	return 0;
}

int node_string(char **text, const struct doc_node *node, const char *what, struct obmon_error *err)
{
	return copy_string(text, node, what, false, err);
}

static int read_string(char **text, const struct doc_node *map, const char *key, bool prose, struct obmon_error *err)
{
	const struct doc_node *value;
	char *copy = NULL;

	if (field_find(&value, map, key, err) < 0)
		return -1;
	if (!value)
		return 0;
	if (copy_string(&copy, value, key, prose, err) < 0)
		return -1;
	if (!*copy) {
		free(copy);
		return 0;
	}
	free(*text);
	*text = copy;
	return 0;
}

int field_string(char **text, const struct doc_node *map, const char *key, struct obmon_error *err)
{
	return read_string(text, map, key, false, err);
}

int field_prose(char **text, const struct doc_node *map, const char *key, struct obmon_error *err)
{
	return read_string(text, map, key, true, err);
}

/* Booleans and numbers */

int field_bool(bool *value, bool *found, const struct doc_node *map, const char *key, struct obmon_error *err)
{
	/* YAML 1.1's words, as the Python tools that write these files understand them. */
	static const char *const yes[] = {
		"true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON", NULL,
	};
	static const char *const no[] = {
		"false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF", NULL,
	};
	const struct doc_node *node;

	if (field_find_kind(&node, map, key, DOC_SCALAR, err) < 0)
		return -1;
	if (!node)
		return 0;
	if (!node->plain || (!is_one_of(node, yes) && !is_one_of(node, no)))
		return obmon_fail_at(err, &node->where, "%s must be true or false", key);
	*value = is_one_of(node, yes);
	*found = true;
	return 0;
}

/* The number that @node is, or @most + 1 when it is none or larger. @most is far from overflowing. */
static uint64_t parse_number(const struct doc_node *node, uint64_t most)
{
	uint64_t number = 0;

	if (!node->plain || (node->length > 1 && node->text[0] == '0'))
		return most + 1;
	for (size_t i = 0; i < node->length; i++) {
		if (!isdigit((unsigned char)node->text[i]))
			return most + 1;
		number = 10 * number + (node->text[i] - '0');
		if (number > most)
			return most + 1;
	}
	return number;
}

int field_number(uint64_t *number, const struct doc_node *map, const char *key, uint64_t least, uint64_t most,
		 struct obmon_error *err)
{
	const struct doc_node *node;
	uint64_t value;

	if (field_find_kind(&node, map, key, DOC_SCALAR, err) < 0)
		return -1;
	if (!node)
		return 0;
	value = parse_number(node, most);
	if (value < least || value > most)
		return obmon_fail_at(err, &node->where, "%s must be a whole number from %llu to %llu", key,
				     (unsigned long long)least, (unsigned long long)most);
	*number = value;
	return 0;
}

/* Capabilities */

static struct cap_span span_of(const struct doc_node *node)
{
	return (struct cap_span){ .text = node->text, .length = node->length, .where = node->text_where };
}

static bool is_verbatim(const struct doc_node *node)
{
	return node->text_where.column > 0;
}

/*
 * Make @cap of @parts, written at @node. Where a part was escaped or folded, a column within it would be
 * a guess: the error then names the place of the whole, and what is wrong there.
 */
static int build(struct obmon_capability *cap, struct cap_parts *parts, const struct doc_node *node, bool verbatim,
		 struct obmon_error *err)
{
	const struct obmon_location nowhere = { 0 };

	parts->where = node->where;
	if (verbatim)
		return cap_build(cap, parts, err);
	parts->type.where = parts->resource.where = nowhere;
	for (size_t i = 0; i < parts->n_conditions; i++)
		parts->conditions[i].key.where = parts->conditions[i].value.where = nowhere;
	if (cap_build(cap, parts, err) == 0)
		return 0;
	return err->code == OBMON_ERR_CONFIG ? obmon_fail_at(err, &node->where, "%s", err->message) : -1;
}

static int build_from_text(struct obmon_capability *cap, const struct doc_node *node, struct obmon_error *err)
{
	struct cap_span text = span_of(node);
	struct cap_parts parts;

	/* The shape's own errors are about the beginning of the text, so its start will do. */
	if (!is_verbatim(node))
		text.where = node->where;
	if (cap_split(&parts, &text, err) < 0)
		return -1;
	return build(cap, &parts, node, is_verbatim(node), err);
}

static int read_conditions(struct cap_parts *parts, const struct doc_node *map, bool *verbatim, struct obmon_error *err)
{
	const struct doc_node *conditions;

	if (field_find_kind(&conditions, map, "conditions", DOC_MAP, err) < 0)
		return -1;
	if (!conditions)
		return 0;
	for (const struct doc_item *item = conditions->items; item; item = item->next) {
		if (check_kind(item->key, "a condition", DOC_SCALAR, err) < 0 ||
		    check_kind(item->value, "the value of a condition", DOC_SCALAR, err) < 0)
			return -1;
		if (parts->n_conditions == CAP_CONDITIONS_MAX)
			return obmon_fail_at(err, &item->key->where, "more than %d conditions", CAP_CONDITIONS_MAX);
		parts->conditions[parts->n_conditions].key = span_of(item->key);
		parts->conditions[parts->n_conditions].value = span_of(item->value);
		parts->n_conditions++;
		*verbatim = *verbatim && is_verbatim(item->key) && is_verbatim(item->value);
	}
	return 0;
}

static int build_from_map(struct obmon_capability *cap, const struct doc_node *map, struct obmon_error *err)
{
	static const char *const known[] = { "type", "resource", "conditions", "description", NULL };
	const struct doc_node *type, *resource;
	struct cap_parts parts = { 0 };
	bool verbatim;

	/* `- FILE_READ: /x`, with a space too many, is a map to YAML. */
	if (map->items && map->items->key->kind == DOC_SCALAR &&
	    obmon_cap_type_parse(map->items->key->text, map->items->key->length) >= 0)
		return obmon_fail_at(err, &map->where, "'%s: ' makes this a map; leave out the space after the ':'",
				     map->items->key->text);
	if (fields_check_known(map, known, err) < 0 || field_find_kind(&type, map, "type", DOC_SCALAR, err) < 0 ||
	    field_find_kind(&resource, map, "resource", DOC_SCALAR, err) < 0)
		return -1;
	if (!type || !resource)
		return obmon_fail_at(err, &map->where, "a capability needs a type and a resource; '%s' is missing",
				     type ? "resource" : "type");
	parts.type = span_of(type);
	parts.resource = span_of(resource);
	verbatim = is_verbatim(type) && is_verbatim(resource);
	if (read_conditions(&parts, map, &verbatim, err) < 0 || build(cap, &parts, map, verbatim, err) < 0)
		return -1;
	if (field_prose(&cap->description, map, "description", err) < 0) {
		obmon_capability_clear(cap);
		return -1;
	}
	return 0;
}

static int add_capability(struct obmon_cap_set *set, const struct doc_node *node, const struct cap_list *how,
			  struct obmon_error *err)
{
	struct obmon_capability cap = { 0 };
	int built;

	if (check_kind(node, "a capability", node->kind == DOC_MAP ? DOC_MAP : DOC_SCALAR, err) < 0)
		return -1;
	if (how->labels && node->kind == DOC_SCALAR && !memchr(node->text, ':', node->length))
		return 0;
	built = node->kind == DOC_MAP ? build_from_map(&cap, node, err) : build_from_text(&cap, node, err);
	if (built < 0)
		return -1;
	cap.source = how->source;
	cap.quiet = how->quiet;
	if (obmon_cap_set_add(set, &cap, err) < 0) {
		obmon_capability_clear(&cap);
		return -1;
	}
	return 0;
}

int field_capabilities(struct obmon_cap_set *set, const struct doc_node *map, const char *key,
		       const struct cap_list *how, struct obmon_error *err)
{
	const struct doc_node *list;

	if (field_find_kind(&list, map, key, DOC_LIST, err) < 0)
		return -1;
	if (!list)
		return 0;
	for (const struct doc_item *item = list->items; item; item = item->next)
		if (add_capability(set, item->value, how, err) < 0)
			return -1;
	return 0;
}
