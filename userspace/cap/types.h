/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file types.h
 * The one table that says what each capability type is, and how a capability is put together from
 * parts that were written in different places (a YAML map) or side by side (the text form).
 */
#ifndef OBMON_CAP_TYPES_H
#define OBMON_CAP_TYPES_H

#include <stdbool.h>
#include <stddef.h>

#include "obmon/capability.h"
#include "obmon/error.h"

/** How a type's resource is written. */
enum cap_resource_kind {
	RESOURCE_PATH,      /**< a path glob; a relative one is relative to the workspace */
	RESOURCE_COMMAND,   /**< a command name, or a path glob: see cap_is_command_name() */
	RESOURCE_NETWORK,   /**< see cap/network.h */
	RESOURCE_NAME,      /**< a catalogue name, no pattern */
	RESOURCE_NAME_GLOB, /**< a name, or a pattern of names in the syntax of path globs */
	RESOURCE_KIND_MAX,
};

/** A condition that a type knows. A key that is not in the type's list is an error. */
struct cap_condition {
	const char *key;
	const char *expects; /**< completes "`key` must be ..." */
	bool (*valid)(const char *value, size_t length);
};

struct cap_type {
	const char *name;   /**< FILE_READ */
	const char *dotted; /**< file.read */
	enum cap_resource_kind resource;
	const struct cap_condition *conditions; /**< ended by a row without key */
};

extern const struct cap_type cap_types[OBMON_CAP_TYPE_MAX];

/** Bytes of a configuration, and where they stand. Not NUL-terminated. */
struct cap_span {
	const char *text;
	size_t length;
	struct obmon_location where;
};

/** The part of @span from @offset on, @length bytes. */
static inline struct cap_span cap_span_part(const struct cap_span *span, size_t offset, size_t length)
{
	struct cap_span part = { .text = span->text + offset, .length = length, .where = span->where };

	if (part.where.column)
		part.where.column += offset;
	return part;
}

/** What is left of @span once its first @offset bytes are gone. */
static inline struct cap_span cap_span_from(const struct cap_span *span, size_t offset)
{
	return cap_span_part(span, offset, span->length - offset);
}

/** Arguments for "%.*s"; long texts are cut, since a message has to stay readable. */
#define CAP_SPAN_SHOWN 80
#define CAP_SPAN_ARGS(span) (int)((span)->length < CAP_SPAN_SHOWN ? (span)->length : CAP_SPAN_SHOWN), (span)->text

/** More conditions than any type knows. */
#define CAP_CONDITIONS_MAX 8

struct cap_parts {
	struct obmon_location where; /**< of the capability as a whole */
	struct cap_span type, resource;
	struct {
		struct cap_span key, value;
	} conditions[CAP_CONDITIONS_MAX];
	size_t n_conditions;
};

/** Take the text form apart, into pieces of @text; only its shape is checked. */
int cap_split(struct cap_parts *parts, const struct cap_span *text, struct obmon_error *err);

/** Check @parts and make @cap of them. On error -1, @err names the part's place, and @cap is zeroed. */
int cap_build(struct obmon_capability *cap, const struct cap_parts *parts, struct obmon_error *err);

/**
 * Is @cap's resource the name of a command, to be looked up in PATH once (`git`)? A resource with a '/'
 * or a wildcard isn't. Only for RESOURCE_COMMAND.
 */
bool cap_is_command_name(const char *resource, size_t length);

#endif
