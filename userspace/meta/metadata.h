/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file metadata.h
 * What a tool says of itself: a YAML or JSON document, or a metadata block inside a source file.
 *
 * Nothing in it is trusted beyond what it is: a request. In particular the hash is self-declared.
 */
#ifndef OBMON_META_METADATA_H
#define OBMON_META_METADATA_H

#include <stdbool.h>
#include <stdint.h>

#include "obmon/capability.h"
#include "obmon/error.h"

enum metadata_idempotent {
	IDEMPOTENT_UNSTATED,
	IDEMPOTENT_NO,
	IDEMPOTENT_YES,
};

/** All strings are owned by the struct; NULL where the document is silent. */
struct metadata {
	char *path; /**< as given to metadata_load() */
	char *name;
	char *version; /**< "1.2.3", also for a {major, minor, patch} map */
	char *uuid;    /**< as written; placeholders occur */
	char *author;
	char *lifecycle;
	char *namespace_;
	char *entrypoint;   /**< the file it names, without scheme (`python@x.py`, `python://x.py`, {type, target}) */
	char *runtime_hint; /**< e.g. "python>=3.11" */
	char *runtime;      /**< the leading word of the hint, in lower case: "python" */
	enum metadata_idempotent idempotent;
	uint64_t timeout_ms;               /**< 0 where the document is silent; at most 30 days */
	struct obmon_cap_set capabilities; /**< source: OBMON_SOURCE_METADATA */
};

/** Largest metadata file or block, in bytes. */
#define METADATA_MAX_BYTES (1u << 20)

/**
 * Load the metadata of @path: of a source file with a metadata block its block, else the whole file as
 * YAML (of which JSON is a part). On error -1, @err says file, line and column, and @meta is zeroed.
 */
int metadata_load(struct metadata *meta, const char *path, struct obmon_error *err);
void metadata_clear(struct metadata *meta);

#endif
