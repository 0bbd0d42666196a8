/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "meta/document.h"
#include "meta/fields.h"
#include "meta/profile.h"
#include "meta/source.h"

#define PROFILE_MAX_BYTES (1u << 20)
#define PROFILE_NAME_MAX 64
#define SUFFIX ".yaml"

static int out_of_memory(struct obmon_error *err)
{
	return obmon_fail(err, OBMON_ERR_INTERNAL, "out of memory");
}

/* Names become parts of paths, so what they may be made of is narrow. */
static bool is_profile_name(const char *name, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if (!islower((unsigned char)name[i]) && !isdigit((unsigned char)name[i]) &&
		    (i == 0 || (name[i] != '_' && name[i] != '-')))
			return false;
	return length > 0 && length <= PROFILE_NAME_MAX;
}

/* Reading one file */

static int read_identity(struct profile *profile, const struct doc_node *root, const char *name,
			 struct obmon_error *err)
{
	const struct doc_node *node;

	if (field_find_kind(&node, root, "name", DOC_SCALAR, err) < 0 ||
	    field_string(&profile->name, root, "name", err) < 0)
		return -1;
	if (!profile->name)
		return obmon_fail_at(err, &root->where, "the profile has no name");
	if (strcmp(profile->name, name) != 0)
		return obmon_fail_at(err, &node->where, "the profile is named '%s', its file '%s" SUFFIX "'",
				     profile->name, name);
	return field_prose(&profile->description, root, "description", err);
}

static size_t count_items(const struct doc_node *node)
{
	size_t n = 0;

	for (const struct doc_item *item = node->items; item; item = item->next)
		n++;
	return n;
}

static int read_runtimes(struct profile *profile, const struct doc_node *root, struct obmon_error *err)
{
	const struct doc_node *list;

	if (field_find_kind(&list, root, "runtimes", DOC_LIST, err) < 0)
		return -1;
	if (!list)
		return 0;
	profile->runtimes = calloc(count_items(list) + 1, sizeof(profile->runtimes[0]));
	if (!profile->runtimes)
		return out_of_memory(err);
	for (const struct doc_item *item = list->items; item; item = item->next) {
		if (node_string(&profile->runtimes[profile->n_runtimes], item->value, "a runtime", err) < 0)
			return -1;
		profile->n_runtimes++;
	}
	return 0;
}

static bool is_variable_name(const char *name)
{
	size_t n = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789");

	return n > 0 && !name[n] && !isdigit((unsigned char)name[0]);
}

static int read_variable(struct profile_variable *variable, const struct doc_item *item, struct obmon_error *err)
{
	if (node_string(&variable->name, item->key, "the name of a variable", err) < 0)
		return -1;
	if (!is_variable_name(variable->name))
		return obmon_fail_at(err, &item->key->where, "'%s' is not the name of a variable", variable->name);
	return node_string(&variable->value, item->value, variable->name, err);
}

static int read_environment(struct profile *profile, const struct doc_node *root, struct obmon_error *err)
{
	const struct doc_node *map;

	if (field_find_kind(&map, root, "environment", DOC_MAP, err) < 0)
		return -1;
	if (!map)
		return 0;
	profile->environment = calloc(count_items(map) + 1, sizeof(profile->environment[0]));
	if (!profile->environment)
		return out_of_memory(err);
	for (const struct doc_item *item = map->items; item; item = item->next) {
		struct profile_variable *variable = &profile->environment[profile->n_environment++];

		if (read_variable(variable, item, err) < 0)
			return -1;
		for (size_t i = 0; i + 1 < profile->n_environment; i++)
			if (!strcmp(profile->environment[i].name, variable->name))
				return obmon_fail_at(err, &item->key->where, "'%s' stands here a second time",
						     variable->name);
	}
	return 0;
}

static int read_root(struct profile *profile, const struct doc_node *root, const char *name, struct obmon_error *err)
{
	static const char *const known[] = {
		"name", "description", "runtimes", "environment", "capabilities", "quiet", NULL,
	};
	const struct cap_list granted = { .source = OBMON_SOURCE_PROFILE };
	const struct cap_list quiet = { .source = OBMON_SOURCE_PROFILE, .quiet = true };

	if (fields_check_known(root, known, err) < 0 || read_identity(profile, root, name, err) < 0 ||
	    read_runtimes(profile, root, err) < 0 || read_environment(profile, root, err) < 0 ||
	    field_capabilities(&profile->capabilities, root, "capabilities", &granted, err) < 0)
		return -1;
	return field_capabilities(&profile->capabilities, root, "quiet", &quiet, err);
}

static int read_file(struct profile *profile, const char *path, const char *name, struct obmon_error *err)
{
	struct source source;
	struct document doc;
	struct cap_span text;
	int read;

	if (source_read(&source, path, PROFILE_MAX_BYTES, err) < 0)
		return -1;
	text = (struct cap_span){
		.text = source.text,
		.length = source.length,
		.where = { .file = path, .line = 1, .column = 1 },
	};
	read = document_parse(&doc, &text, err);
	source_clear(&source);
	if (read == 0) {
		read = read_root(profile, doc.root, name, err);
		document_clear(&doc);
	}
	if (read < 0)
		profile_clear(profile);
	return read;
}

/* The profiles there are */

struct names {
	char **items;
	size_t n;
};

static void names_clear(struct names *names)
{
	for (size_t i = 0; i < names->n; i++)
		free(names->items[i]);
	free(names->items);
	*names = (struct names){ 0 };
}

static bool names_add(struct names *names, const char *name, size_t length)
{
	char **items;

	for (size_t i = 0; i < names->n; i++)
		if (strlen(names->items[i]) == length && !memcmp(names->items[i], name, length))
			return true;
	items = reallocarray(names->items, names->n + 1, sizeof(items[0]));
	if (!items)
		return false;
	names->items = items;
	items[names->n] = strndup(name, length);
	return items[names->n] && ++names->n;
}

static int names_add_directory(struct names *names, const char *path, struct obmon_error *err)
{
	DIR *dir = opendir(path);
	const struct dirent *entry;
	bool ok = true;

	/* The usual list of directories names some that a given host doesn't have. */
	if (!dir && errno == ENOENT)
		return 0;
	if (!dir)
		return obmon_fail_errno(err, OBMON_ERR_CONFIG, errno, "%s", path);
	while (ok && (entry = readdir(dir))) {
		size_t n = strlen(entry->d_name), suffix = strlen(SUFFIX);

		if (n > suffix && !strcmp(entry->d_name + n - suffix, SUFFIX) &&
		    is_profile_name(entry->d_name, n - suffix))
			ok = names_add(names, entry->d_name, n - suffix);
	}
	closedir(dir);
	return ok ? 0 : out_of_memory(err);
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int names_list(struct names *names, const char *const *dirs, struct obmon_error *err)
{
	*names = (struct names){ 0 };
	for (size_t i = 0; dirs[i]; i++) {
		if (names_add_directory(names, dirs[i], err) < 0) {
			names_clear(names);
			return -1;
		}
	}
	if (names->n)
		qsort(names->items, names->n, sizeof(names->items[0]), compare_names);
	return 0;
}

static int unknown_profile(const char *name, const char *const *dirs, struct obmon_error *err)
{
	struct names names;
	char list[512] = "none";
	size_t used = 0;

	if (names_list(&names, dirs, err) < 0)
		return -1;
	for (size_t i = 0; i < names.n && used < sizeof(list); i++)
		used += snprintf(list + used, sizeof(list) - used, "%s%s", i ? ", " : "", names.items[i]);
	names_clear(&names);
	return obmon_fail(err, OBMON_ERR_CONFIG, "unknown profile '%.*s'; there are: %s", PROFILE_NAME_MAX, name, list);
}

/* The interface */

int profile_load(struct profile *profile, const char *name, const char *const *dirs, struct obmon_error *err)
{
	*profile = (struct profile){ 0 };
	for (size_t i = 0; is_profile_name(name, strlen(name)) && dirs[i]; i++) {
		char *path;
		int read;

		if (asprintf(&path, "%s/%s" SUFFIX, dirs[i], name) < 0)
			return out_of_memory(err);
		read = read_file(profile, path, name, err);
		free(path);
		if (read == 0)
			return 0;
		if (err->errnum != ENOENT)
			return -1;
	}
	return unknown_profile(name, dirs, err);
}

static bool lists_runtime(const struct profile *profile, const char *runtime)
{
	for (size_t i = 0; i < profile->n_runtimes; i++)
		if (!strcmp(profile->runtimes[i], runtime))
			return true;
	return false;
}

/* The one among @names whose profile lists @runtime. Two would make the choice an accident. */
static int find_runtime(const char **found, const struct names *names, const char *runtime, const char *const *dirs,
			struct obmon_error *err)
{
	*found = NULL;
	for (size_t i = 0; i < names->n; i++) {
		struct profile profile;
		bool lists;

		if (profile_load(&profile, names->items[i], dirs, err) < 0)
			return -1;
		lists = lists_runtime(&profile, runtime);
		profile_clear(&profile);
		if (lists && *found)
			return obmon_fail(err, OBMON_ERR_CONFIG, "both profiles '%s' and '%s' are for the runtime '%s'",
					  *found, names->items[i], runtime);
		if (lists)
			*found = names->items[i];
	}
	return 0;
}

int profile_for_runtime(char **name, const char *runtime, const char *const *dirs, struct obmon_error *err)
{
	const char *found;
	struct names names;
	int result;

	*name = NULL;
	if (names_list(&names, dirs, err) < 0)
		return -1;
	result = find_runtime(&found, &names, runtime, dirs, err);
	if (result == 0 && found) {
		*name = strdup(found);
		if (!*name)
			result = out_of_memory(err);
	}
	names_clear(&names);
	return result;
}

void profile_clear(struct profile *profile)
{
	for (size_t i = 0; i < profile->n_runtimes; i++)
		free(profile->runtimes[i]);
	for (size_t i = 0; i < profile->n_environment; i++) {
		free(profile->environment[i].name);
		free(profile->environment[i].value);
	}
	free(profile->name);
	free(profile->description);
	free(profile->runtimes);
	free(profile->environment);
	obmon_cap_set_clear(&profile->capabilities);
	*profile = (struct profile){ 0 };
}
