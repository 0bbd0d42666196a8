/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file capability.h
 * Capabilities and sets of them: what a run may do, as text, as YAML and as a digest.
 *
 * Text form: `TYPE:resource` or `TYPE:resource{key=value,...}`. TYPE is `FILE_READ` or its other
 * spelling `file.read`; both are exact and case-sensitive.
 */
#ifndef OBMON_CAPABILITY_H
#define OBMON_CAPABILITY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "obmon/error.h"

enum obmon_cap_type {
	OBMON_CAP_FILE_READ,
	OBMON_CAP_FILE_WRITE,
	OBMON_CAP_EXTERNAL_COMMAND,
	OBMON_CAP_LIBRARY_LOAD,
	OBMON_CAP_NETWORK_CONNECT,
	OBMON_CAP_NETWORK_LISTEN,
	OBMON_CAP_DATABASE_READ,
	OBMON_CAP_DATABASE_WRITE,
	OBMON_CAP_REGISTRY_READ,
	OBMON_CAP_REGISTRY_WRITE,
	OBMON_CAP_ARTIFACT_READ,
	OBMON_CAP_ARTIFACT_WRITE,
	OBMON_CAP_SECRET_ACCESS,
	OBMON_CAP_TYPE_MAX,
};

/** Who asked for a grant. Only what somebody outside the judged file wrote is ever trusted further. */
enum obmon_cap_source {
	OBMON_SOURCE_COMMAND_LINE,
	OBMON_SOURCE_METADATA,
	OBMON_SOURCE_PROFILE,
	OBMON_SOURCE_IMPLICIT, /**< CMD, its interpreter, the entrypoint, TMPDIR: see docs */
};

struct obmon_condition {
	char *key;
	char *value;
};

/** One capability. All strings are owned by it. */
struct obmon_capability {
	enum obmon_cap_type type;
	char *resource;                     /**< as written, escapes kept; never empty, no NUL byte within */
	struct obmon_condition *conditions; /**< sorted by key, keys unique */
	size_t n_conditions;
	char *description; /**< or NULL */
	bool quiet;        /**< not a grant: a refusal of this is expected and leaves no record */
	bool by_object;    /**< granted on the very file, whatever its name, not on the name */
	enum obmon_cap_source source;
	char *file; /**< where it was written, or NULL for the command line */
	unsigned line, column;
};

/** An ordered list of capabilities; the rule id of an element is its index + 1. Zero-initialise. */
struct obmon_cap_set {
	struct obmon_capability *items;
	size_t n, allocated;
};

/** Longest resource, in bytes; a longer one is an error. */
#define OBMON_RESOURCE_MAX 4096

/** The name of @type as `FILE_READ`. */
const char *obmon_cap_type_name(enum obmon_cap_type type);

/** Parse a type name in either spelling. @return the type, or -1. */
int obmon_cap_type_parse(const char *name, size_t length);

/**
 * Parse one capability in text form into @cap.
 * @param where where the text starts; an error names the exact column within it.
 * @return 0, or -1 with @err filled and @cap zeroed.
 */
int obmon_capability_parse(struct obmon_capability *cap, const char *text, size_t length,
			   const struct obmon_location *where, struct obmon_error *err);

/** The canonical text of @cap (`quiet:` in front for a quiet one). Caller frees; NULL when out of memory. */
char *obmon_capability_format(const struct obmon_capability *cap);

void obmon_capability_clear(struct obmon_capability *cap);

/** Append *@cap to @set, which takes it over; *@cap is zeroed. @return 0, or -1 when out of memory. */
int obmon_cap_set_add(struct obmon_cap_set *set, struct obmon_capability *cap, struct obmon_error *err);

void obmon_cap_set_clear(struct obmon_cap_set *set);

/** "sha256:" and 64 hex digits, with the NUL. */
#define OBMON_DIGEST_MAX 72

/**
 * The digest of @set: SHA-256 over its canonical texts, sorted bytewise, duplicates dropped, each ended by
 * a line feed. Order and place of writing do not matter.
 */
int obmon_cap_set_digest(const struct obmon_cap_set *set, char digest[OBMON_DIGEST_MAX], struct obmon_error *err);

#endif
