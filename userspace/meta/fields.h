/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file fields.h
 * Reading the values of a map, each with its type checked; errors name the place of what is wrong.
 *
 * A key that is absent, or whose value is null, leaves the result as it was. Strings are the caller's.
 */
#ifndef OBMON_META_FIELDS_H
#define OBMON_META_FIELDS_H

#include <stdbool.h>
#include <stdint.h>

#include "meta/document.h"
#include "obmon/capability.h"
#include "obmon/error.h"

/** Longest string that is read from a field, in bytes. */
#define FIELD_STRING_MAX 4096

/** The value of @key in @map; NULL when it is absent or null. A key that stands there twice is an error. */
int field_find(const struct doc_node **value, const struct doc_node *map, const char *key, struct obmon_error *err);

/** As field_find(), for a value that must be of @kind. */
int field_find_kind(const struct doc_node **value, const struct doc_node *map, const char *key, enum doc_kind kind,
		    struct obmon_error *err);

/** The text of @node, a string (or a number, as in `version: 1.0`); @what names it in errors. */
int node_string(char **text, const struct doc_node *node, const char *what, struct obmon_error *err);

/** A string without control characters, trimmed at its end; an empty one counts as absent. */
int field_string(char **text, const struct doc_node *map, const char *key, struct obmon_error *err);

/** A string for people: as field_string(), but any white space may stand in it, and becomes a space. */
int field_prose(char **text, const struct doc_node *map, const char *key, struct obmon_error *err);

/** A boolean. *@found is set to true when there is one. */
int field_bool(bool *value, bool *found, const struct doc_node *map, const char *key, struct obmon_error *err);

/** A whole number from @least to @most. */
int field_number(uint64_t *number, const struct doc_node *map, const char *key, uint64_t least, uint64_t most,
		 struct obmon_error *err);

/** Refuse @map if it has a key that isn't among @known, which NULL ends. */
int fields_check_known(const struct doc_node *map, const char *const *known, struct obmon_error *err);

/** How a list of capabilities is read. */
struct cap_list {
	bool labels; /**< plain words without ':' are labels: not capabilities, and not errors */
	bool quiet;
	enum obmon_cap_source source;
};

/** Append the capabilities of the list under @key to @set. */
int field_capabilities(struct obmon_cap_set *set, const struct doc_node *map, const char *key,
		       const struct cap_list *how, struct obmon_error *err);

#endif
