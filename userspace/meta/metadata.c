/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "meta/block.h"
#include "meta/document.h"
#include "meta/fields.h"
#include "meta/metadata.h"
#include "meta/source.h"

#define TIMEOUT_MAX_MS (30ull * 24 * 60 * 60 * 1000)

/* The fields that are strings and nothing else. */
static const struct {
	const char *key;
	size_t offset;
} string_fields[] = {
	{ "name", offsetof(struct metadata, name) },
	{ "uuid", offsetof(struct metadata, uuid) },
	{ "author", offsetof(struct metadata, author) },
	{ "lifecycle", offsetof(struct metadata, lifecycle) },
	{ "namespace", offsetof(struct metadata, namespace_) },
};

static int read_strings(struct metadata *meta, const struct doc_node *root, struct obmon_error *err)
{
	for (size_t i = 0; i < sizeof(string_fields) / sizeof(string_fields[0]); i++) {
		char **text = (char **)((char *)meta + string_fields[i].offset);

		if (field_string(text, root, string_fields[i].key, err) < 0)
			return -1;
	}
	return 0;
}

/* Versions */

static int version_from_map(char **version, const struct doc_node *map, const char *key, struct obmon_error *err)
{
	static const char *const parts[] = { "major", "minor", "patch" };
	uint64_t number[3] = { UINT64_MAX, 0, 0 };

	for (size_t i = 0; i < 3; i++)
		if (field_number(&number[i], map, parts[i], 0, UINT32_MAX, err) < 0)
			return -1;
	if (number[0] == UINT64_MAX)
		return obmon_fail_at(err, &map->where, "%s has no 'major'", key);
	if (asprintf(version, "%llu.%llu.%llu", (unsigned long long)number[0], (unsigned long long)number[1],
		     (unsigned long long)number[2]) < 0) {
		*version = NULL;
		return obmon_fail(err, OBMON_ERR_INTERNAL, "out of memory");
	}
	return 0;
}

/*
 * Contracts have two versions in place of the one: of the node that they describe, which is what runs, and
 * of themselves.
 */
static int read_version(struct metadata *meta, const struct doc_node *root, struct obmon_error *err)
{
	static const char *const keys[] = { "version", "node_version", "contract_version" };

	for (size_t i = 0; i < 3 && !meta->version; i++) {
		const struct doc_node *value;
		int read;

		if (field_find(&value, root, keys[i], err) < 0)
			return -1;
		if (!value)
			continue;
		if (value->kind == DOC_MAP && !value->tag)
			read = version_from_map(&meta->version, value, keys[i], err);
		else
			read = field_string(&meta->version, root, keys[i], err);
		if (read < 0)
			return -1;
	}
	return 0;
}

/* Entrypoints */

/* Drop a leading `python@` or `python://`. A file whose name has an '@' has no other way to say so. */
static const char *without_scheme(const char *entrypoint)
{
	const char *end = entrypoint;

	while (isalnum((unsigned char)*end) || *end == '_' || *end == '-' || *end == '.' || *end == '+')
		end++;
	if (end > entrypoint && *end == '@')
		return end + 1;
	if (end > entrypoint && !strncmp(end, "://", 3))
		return end + 3;
	return entrypoint;
}

static int entrypoint_target(char **target, const struct doc_node *map, struct obmon_error *err)
{
	char *type = NULL;

	/* The type is not needed, but a list there means that something else was meant. */
	if (field_string(&type, map, "type", err) < 0)
		return -1;
	free(type);
	if (field_string(target, map, "target", err) < 0)
		return -1;
	return *target ? 0 : obmon_fail_at(err, &map->where, "entrypoint has no 'target'");
}

static int read_entrypoint(struct metadata *meta, const struct doc_node *root, struct obmon_error *err)
{
	const struct doc_node *value;
	const char *file;

	if (field_find(&value, root, "entrypoint", err) < 0)
		return -1;
	if (!value)
		return 0;
	if (value->kind == DOC_MAP && !value->tag)
		return entrypoint_target(&meta->entrypoint, value, err);
	if (field_string(&meta->entrypoint, root, "entrypoint", err) < 0)
		return -1;
	if (!meta->entrypoint)
		return 0;
	file = without_scheme(meta->entrypoint);
	if (!*file)
		return obmon_fail_at(err, &value->where, "entrypoint '%s' names no file", meta->entrypoint);
	memmove(meta->entrypoint, file, strlen(file) + 1);
	return 0;
}

/* The runtime */

static int read_runtime(struct metadata *meta, const struct doc_node *root, struct obmon_error *err)
{
	size_t n = 0;

	if (field_string(&meta->runtime_hint, root, "runtime_language_hint", err) < 0)
		return -1;
	if (!meta->runtime_hint && field_string(&meta->runtime_hint, root, "runtime", err) < 0)
		return -1;
	if (!meta->runtime_hint || !isalpha((unsigned char)meta->runtime_hint[0]))
		return 0;
	while (isalnum((unsigned char)meta->runtime_hint[n]) || meta->runtime_hint[n] == '_')
		n++;
	meta->runtime = strndup(meta->runtime_hint, n);
	if (!meta->runtime)
		return obmon_fail(err, OBMON_ERR_INTERNAL, "out of memory");
	for (size_t i = 0; i < n; i++)
		meta->runtime[i] = (char)tolower((unsigned char)meta->runtime[i]);
	return 0;
}

/* Behaviour: at the top, or in the `descriptor` of a contract, which yields to the top. */

static int read_behaviour_in(struct metadata *meta, const struct doc_node *map, struct obmon_error *err)
{
	bool idempotent = false, found = false;

	if (field_bool(&idempotent, &found, map, "idempotent", err) < 0)
		return -1;
	if (found)
		meta->idempotent = idempotent ? IDEMPOTENT_YES : IDEMPOTENT_NO;
	return field_number(&meta->timeout_ms, map, "timeout_ms", 1, TIMEOUT_MAX_MS, err);
}

static int read_behaviour(struct metadata *meta, const struct doc_node *root, struct obmon_error *err)
{
	const struct doc_node *descriptor;

	if (field_find_kind(&descriptor, root, "descriptor", DOC_MAP, err) < 0)
		return -1;
	if (descriptor && read_behaviour_in(meta, descriptor, err) < 0)
		return -1;
	return read_behaviour_in(meta, root, err);
}

/* The whole */

static int read_capabilities(struct metadata *meta, const struct doc_node *root, struct obmon_error *err)
{
	const struct cap_list required = { .source = OBMON_SOURCE_METADATA };
	const struct cap_list mixed = { .source = OBMON_SOURCE_METADATA, .labels = true };

	if (field_capabilities(&meta->capabilities, root, "capabilities_required", &required, err) < 0)
		return -1;
	return field_capabilities(&meta->capabilities, root, "capabilities", &mixed, err);
}

static int read_all(struct metadata *meta, const struct doc_node *root, struct obmon_error *err)
{
	static int (*const readers[])(struct metadata *, const struct doc_node *, struct obmon_error *) = {
		read_strings, read_version, read_entrypoint, read_runtime, read_behaviour, read_capabilities,
	};

	for (size_t i = 0; i < sizeof(readers) / sizeof(readers[0]); i++)
		if (readers[i](meta, root, err) < 0)
			return -1;
	return 0;
}

static int read_document(struct metadata *meta, const struct cap_span *text, struct obmon_error *err)
{
	struct document doc;
	int read;

	if (document_parse(&doc, text, err) < 0)
		return -1;
	read = read_all(meta, doc.root, err);
	document_clear(&doc);
	return read;
}

static bool has_document_name(const char *path)
{
	static const char *const suffixes[] = { ".yaml", ".yml", ".json" };
	size_t n = strlen(path);

	for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
		size_t m = strlen(suffixes[i]);

		if (n > m && !strcasecmp(path + n - m, suffixes[i]))
			return true;
	}
	return false;
}

static int read_source(struct metadata *meta, const struct source *source, struct obmon_error *err)
{
	struct cap_span text = {
		.text = source->text,
		.length = source->length,
		.where = { .file = meta->path, .line = 1, .column = 1 },
	};
	struct cap_span block = { 0 };
	int found = block_extract(&block, source, meta->path, err), read;

	if (found < 0)
		return -1;
	read = read_document(meta, found ? &block : &text, err);
	free((char *)block.text);
	/* "could not find expected ':'" alone would leave the author of a script at a loss. */
	if (read < 0 && !found && err->code == OBMON_ERR_CONFIG && !has_document_name(meta->path))
		obmon_fail(err, OBMON_ERR_CONFIG, "%s (the file has no metadata block, so all of it was read as YAML)",
			   err->message);
	return read;
}

int metadata_load(struct metadata *meta, const char *path, struct obmon_error *err)
{
	struct source source = { 0 };
	int loaded;

	*meta = (struct metadata){ .path = strdup(path) };
	if (!meta->path)
		return obmon_fail(err, OBMON_ERR_INTERNAL, "out of memory");
	loaded = source_read(&source, path, METADATA_MAX_BYTES, err);
	if (loaded == 0)
		loaded = read_source(meta, &source, err);
	source_clear(&source);
	if (loaded < 0)
		metadata_clear(meta);
	return loaded;
}

void metadata_clear(struct metadata *meta)
{
	free(meta->path);
	free(meta->name);
	free(meta->version);
	free(meta->uuid);
	free(meta->author);
	free(meta->lifecycle);
	free(meta->namespace_);
	free(meta->entrypoint);
	free(meta->runtime_hint);
	free(meta->runtime);
	obmon_cap_set_clear(&meta->capabilities);
	*meta = (struct metadata){ 0 };
}
