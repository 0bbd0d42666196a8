/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libFuzzer target for what reads strangers' text: the metadata loader, and the text form of capabilities.
 * Besides not crashing, an accepted capability must survive being written in canonical form, and nothing
 * may be granted that the file doesn't spell with a ':'.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cap/glob.h"
#include "cap/types.h"
#include "meta/metadata.h"

#define require(condition) \
	do { \
		if (!(condition)) { \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
			abort(); \
		} \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool same_token(const struct glob_token *a, const struct glob_token *b)
{
	return a->kind == b->kind && (a->kind != GLOB_BYTE || a->byte == b->byte) &&
	       (a->kind != GLOB_SET || !memcmp(a->set, b->set, sizeof(a->set)));
}

static void parse_glob(struct glob *glob, const char *text)
{
	struct obmon_error err = { 0 };

	require(glob_parse(glob, text, strlen(text), "/base", NULL, &err) == 0);
}

/* Two texts with one digest must be one right. */
static void check_same_glob(const char *text, const char *canonical)
{
	struct glob a, b;

	parse_glob(&a, text);
	parse_glob(&b, canonical);
	require(a.n == b.n);
	for (size_t i = 0; i < a.n; i++) {
		require(a.alternatives[i].n == b.alternatives[i].n);
		for (size_t j = 0; j < a.alternatives[i].n; j++)
			require(same_token(&a.alternatives[i].tokens[j], &b.alternatives[i].tokens[j]));
	}
	glob_clear(&a);
	glob_clear(&b);
}

static void check_canonical(const struct obmon_capability *cap)
{
	struct obmon_capability again;
	struct obmon_error err = { 0 };
	char *text = obmon_capability_format(cap), *second;

	require(text);
	require(!strchr(text, '\n'));
	/* Resolving only shortens, but a "./" or "/" may have to be kept: the very longest don't come back.
	 */
	if (strlen(cap->resource) < OBMON_RESOURCE_MAX - 2) {
		require(obmon_capability_parse(&again, text, strlen(text), NULL, &err) == 0);
		require(again.type == cap->type && again.n_conditions == cap->n_conditions);
		if (cap_types[cap->type].resource == RESOURCE_PATH)
			check_same_glob(cap->resource, again.resource);
		second = obmon_capability_format(&again);
		require(second && !strcmp(text, second));
		free(second);
		obmon_capability_clear(&again);
	}
	free(text);
}

static void try_capability(const uint8_t *data, size_t size)
{
	struct obmon_capability cap;
	struct obmon_error err = { 0 };

	if (obmon_capability_parse(&cap, (const char *)data, size, NULL, &err) < 0) {
		require(err.code == OBMON_ERR_CONFIG && err.message[0] && !cap.resource);
		return;
	}
	check_canonical(&cap);
	obmon_capability_clear(&cap);
}

static void try_metadata(const uint8_t *data, size_t size)
{
	static int fd = -1;
	static char path[32];
	struct obmon_error err = { 0 };
	struct metadata meta;

	if (fd < 0) {
		fd = memfd_create("fuzz", MFD_CLOEXEC);
		require(fd >= 0);
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	}
	require(ftruncate(fd, 0) == 0 && pwrite(fd, data, size, 0) == (ssize_t)size);
	if (metadata_load(&meta, path, &err) < 0) {
		require(err.code == OBMON_ERR_CONFIG && !meta.path);
		require(!strncmp(err.message, path, strlen(path)));
		return;
	}
	for (size_t i = 0; i < meta.capabilities.n; i++)
		check_canonical(&meta.capabilities.items[i]);
	metadata_clear(&meta);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	try_capability(data, size);
	try_metadata(data, size);
	return 0;
}
