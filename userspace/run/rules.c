// SPDX-License-Identifier: Apache-2.0
#include "run/rules.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "cap/types.h"
#include "lib/util.h"
#include "run/endpoints.h"

/* What one compilation works with. */
struct compilation {
	struct dfa_builder *builder;
	const struct mounts *mounts;
	const char *tmpdir;
	struct obmon_error *err;
};

/* A rule's place on one filesystem, as the builder's prefix: the device, then the path. */
static int add_at(struct compilation *c, uint32_t dev, const char *fs_path, const struct glob *glob, const char *skip,
		  uint32_t rights, uint32_t rule)
{
	size_t length = strlen(fs_path);
	_cleanup_free_ unsigned char *prefix = malloc(length + 4);

	if (!prefix)
		return obmon_fail(c->err, OBMON_ERR_INTERNAL, "out of memory");
	prefix[0] = (unsigned char)(dev >> 24);
	prefix[1] = (unsigned char)(dev >> 16);
	prefix[2] = (unsigned char)(dev >> 8);
	prefix[3] = (unsigned char)dev;
	memcpy(prefix + 4, fs_path, length);
	return dfa_builder_add(c->builder, prefix, length + 4, glob, skip, strlen(skip), rights, rule, c->err);
}

/* The literal start of an alternative, as a path; "" is the root. Caller frees. */
static char *literal_head(const struct glob_alternative *alternative)
{
	char *head = malloc(alternative->literal + 1);
	size_t i;

	if (!head)
		return NULL;
	for (i = 0; i < alternative->literal; i++)
		head[i] = (char)alternative->tokens[i].byte;
	head[i] = '\0';
	if (!strcmp(head, "/"))
		*head = '\0';
	return head;
}

/* A `**` or `*` may lead onto other filesystems: the rule goes on there. */
static int add_below(struct compilation *c, const struct place *head, const char *skip, const struct glob *glob,
		     uint32_t rights, uint32_t rule)
{
	size_t i;

	for (i = 0; i < c->mounts->n; i++) {
		const struct mount *mount = &c->mounts->items[i];
		const char *below = path_below(mount->point, head->real_path);
		_cleanup_free_ char *deeper = NULL;

		if (!below || !*below || !mount_is_visible(mount))
			continue;
		deeper = format("%s%s", skip, below);
		if (!deeper)
			return obmon_fail(c->err, OBMON_ERR_INTERNAL, "out of memory");
		if (add_at(c, mount->dev, mount->root, glob, deeper, rights, rule))
			return -1;
	}
	return 0;
}

/*
 * FILE_WRITE of a symbolic link is about the file that it leads to, and also about the link, which may then be
 * removed or renamed. Its name is where it lies, its own last component unresolved.
 */
static int add_link(struct compilation *c, const char *path, const struct glob *glob, uint32_t rights, uint32_t rule)
{
	_cleanup_free_ char *directory = strdup(path), *name = NULL;
	struct place place;
	struct stat st;
	char *slash;
	int result;

	if (!(rights & OBMON_RIGHT_BIT(OBMON_RIGHT_WRITE)) || lstat(path, &st) || !S_ISLNK(st.st_mode))
		return 0;
	slash = directory ? strrchr(directory, '/') : NULL;
	if (!slash)
		return obmon_fail(c->err, OBMON_ERR_INTERNAL, "out of memory");
	*slash = '\0';
	if (place_resolve(&place, c->mounts, *directory ? directory : "/", c->err))
		return -1;
	name = format("%s/%s", strcmp(place.fs_path, "/") != 0 ? place.fs_path : "", slash + 1);
	result = name ? add_at(c, place.dev, name, glob, path, rights, rule) :
			obmon_fail(c->err, OBMON_ERR_INTERNAL, "out of memory");
	place_clear(&place);
	return result;
}

static int add_alternative(struct compilation *c, struct glob_alternative *alternative, uint32_t rights, uint32_t rule)
{
	const struct glob glob = { .alternatives = alternative, .n = 1 };
	_cleanup_free_ char *head = literal_head(alternative);
	struct place place;
	int result;

	if (!head)
		return obmon_fail(c->err, OBMON_ERR_INTERNAL, "out of memory");
	if (place_resolve(&place, c->mounts, *head ? head : "/", c->err))
		return -1;
	result = add_at(c, place.dev, place.fs_path, &glob, head, rights, rule);
	if (!result && alternative->literal < alternative->n)
		result = add_below(c, &place, head, &glob, rights, rule);
	else if (!result)
		result = add_link(c, head, &glob, rights, rule);
	place_clear(&place);
	return result;
}

static int add_glob(struct compilation *c, const struct glob *glob, uint32_t rights, uint32_t rule)
{
	size_t i;

	for (i = 0; i < glob->n; i++)
		if (add_alternative(c, &glob->alternatives[i], rights, rule))
			return -1;
	return 0;
}

/* To find the files that a pattern matches, a tool has to list the directories before the wildcard. */
static int add_listing(struct compilation *c, const struct glob *glob, uint32_t rights, uint32_t rule)
{
	struct glob listing;
	int result;

	if (glob_listing(&listing, glob, c->err))
		return -1;
	result = add_glob(c, &listing, rights, rule);
	glob_clear(&listing);
	return result;
}

static int fail_here(const struct obmon_capability *cap, struct obmon_error *err)
{
	const struct obmon_location where = { cap->file, cap->line, cap->column };
	struct obmon_error inner = *err;

	obmon_fail_at(err, &where, "%s:%s: %s", obmon_cap_type_name(cap->type), cap->resource, inner.message);
	err->code = inner.code;
	err->errnum = inner.errnum;
	return -1;
}

/* The grants of TMPDIR hold its variable, so that two runs with the same grants have the same digest. */
static char *expand_tmpdir(const struct compilation *c, const struct obmon_capability *cap)
{
	const char *rest = cap->source == OBMON_SOURCE_IMPLICIT ? path_below(cap->resource, RULES_TMPDIR) : NULL;

	return rest ? format("%s%s", c->tmpdir, rest) : strdup(cap->resource);
}

static int add_files(struct compilation *c, const struct obmon_capability *cap, uint32_t rights, uint32_t rule)
{
	const uint32_t list = OBMON_RIGHT_BIT(OBMON_RIGHT_LIST) << (cap->quiet ? OBMON_RIGHT_QUIET_SHIFT : 0);
	const struct obmon_location where = { cap->file, cap->line, cap->column };
	_cleanup_free_ char *resource = expand_tmpdir(c, cap);
	struct glob glob;
	int result;

	if (!resource)
		return obmon_fail(c->err, OBMON_ERR_INTERNAL, "out of memory");
	if (glob_parse(&glob, resource, strlen(resource), NULL, &where, c->err))
		return -1;
	/*
	 * A quiet directory is quiet to list as well, as there is no right that would imply it; but not the directories
	 * on the way there, which nobody said that a program would look into.
	 */
	if (cap->quiet && cap->type == OBMON_CAP_FILE_READ)
		rights |= list;
	result = add_glob(c, &glob, rights, rule);
	if (!result && cap->type == OBMON_CAP_FILE_READ && !cap->quiet)
		result = add_listing(c, &glob, list, rule);
	glob_clear(&glob);
	return result ? fail_here(cap, c->err) : 0;
}

/* A unix socket's path is a file's name like any other. */
static int add_network(struct compilation *c, const struct obmon_capability *cap, uint32_t rights, uint32_t rule)
{
	const struct obmon_location where = { cap->file, cap->line, cap->column };
	struct network_resource net;
	struct glob glob;
	int result;

	if (network_of(&net, cap, c->err))
		return -1;
	if (net.kind != NETWORK_UNIX_PATH)
		return endpoints_add(c->builder, &net, rights, rule, c->err) ? fail_here(cap, c->err) : 0;
	if (glob_parse(&glob, net.socket, net.socket_length, NULL, &where, c->err))
		return -1;
	result = add_glob(c, &glob, rights, rule);
	glob_clear(&glob);
	return result ? fail_here(cap, c->err) : 0;
}

static int add_capability(struct compilation *c, const struct obmon_capability *cap, uint32_t rule)
{
	const uint32_t rights = rights_of_type(cap->type) << (cap->quiet ? OBMON_RIGHT_QUIET_SHIFT : 0);
	const struct obmon_location where = { cap->file, cap->line, cap->column };

	if (!rights)
		return obmon_fail_at(c->err, &where,
				     "%s:%s cannot be granted: this version of obmon enforces file, command and "
				     "network capabilities only, and keeps everything else closed",
				     obmon_cap_type_name(cap->type), cap->resource);
	if (cap_types[cap->type].resource == RESOURCE_NETWORK)
		return add_network(c, cap, rights, rule);
	return add_files(c, cap, rights, rule);
}

static int add_never(struct compilation *c, const char *path)
{
	struct glob glob;
	int result;

	if (glob_parse(&glob, "**", 2, path, NULL, c->err))
		return -1;
	result = add_glob(c, &glob, OBMON_RIGHT_NEVER, 0);
	glob_clear(&glob);
	return result;
}

static int add_all(struct compilation *c, const struct obmon_cap_set *set, const char *const *never)
{
	size_t i;

	for (i = 0; i < set->n; i++) {
		if (set->items[i].by_object)
			continue;
		if (add_capability(c, &set->items[i], (uint32_t)i + 1))
			return -1;
	}
	for (; *never; never++)
		if (add_never(c, *never))
			return -1;
	return 0;
}

int rules_compile(struct dfa *dfa, const struct obmon_cap_set *set, const struct mounts *mounts, const char *tmpdir,
		  const char *const *never, struct obmon_error *err)
{
	struct compilation c = { .builder = dfa_builder_new(NULL), .mounts = mounts, .tmpdir = tmpdir, .err = err };
	uint32_t culprit = 0;
	int result;

	if (!c.builder)
		return obmon_fail(err, OBMON_ERR_INTERNAL, "out of memory");
	result = add_all(&c, set, never);
	if (!result)
		result = dfa_compile(dfa, c.builder, &culprit, err);
	if (result && culprit && culprit <= set->n)
		fail_here(&set->items[culprit - 1], err);
	dfa_builder_free(c.builder);
	return result;
}

char *find_in_path(const char *name, const char *search_path)
{
	_cleanup_free_ char *copy = strdup(search_path);
	char *save = NULL, *dir;

	if (!copy)
		return NULL;
	for (dir = strtok_r(copy, ":", &save); dir; dir = strtok_r(NULL, ":", &save)) {
		char *path = format("%s/%s", dir, name);
		struct stat st;

		if (path && *dir == '/' && !stat(path, &st) && S_ISREG(st.st_mode) && st.st_mode & 0111)
			return path;
		free(path);
	}
	return NULL;
}

/* Where do a pattern's alternatives start: @return 1 all at the root, 0 all in the workspace, -1 mixed or bad. */
static int pattern_is_absolute(const struct obmon_capability *cap, struct obmon_error *err)
{
	static const char marker[] = "/\x01"; /* stands for the workspace; no capability holds control bytes */
	const struct obmon_location where = { cap->file, cap->line, cap->column };
	size_t relative = 0, n, i;
	struct glob glob;

	if (glob_parse(&glob, cap->resource, strlen(cap->resource), marker, &where, err))
		return -1;
	n = glob.n;
	for (i = 0; i < n; i++)
		relative += glob.alternatives[i].n > 1 && glob.alternatives[i].tokens[1].kind == GLOB_BYTE &&
			    glob.alternatives[i].tokens[1].byte == (unsigned char)marker[1];
	glob_clear(&glob);
	if (relative && relative < n)
		return obmon_fail_at(err, &where,
				     "%s:%s mixes absolute and relative paths in its braces; write a rule for each",
				     obmon_cap_type_name(cap->type), cap->resource);
	return relative == 0;
}

static char *absolute_resource(const struct obmon_capability *cap, const char *workspace, const char *search_path,
			       struct obmon_error *err)
{
	const struct obmon_location where = { cap->file, cap->line, cap->column };
	_cleanup_free_ char *found = NULL;
	char *absolute = NULL;

	if (cap->type == OBMON_CAP_EXTERNAL_COMMAND && cap_is_command_name(cap->resource, strlen(cap->resource))) {
		found = find_in_path(cap->resource, search_path);
		if (!found) {
			obmon_fail_at(err, &where, "the command %s is not in the run's PATH (%s)", cap->resource,
				      search_path);
			return NULL;
		}
		absolute = glob_escape(found);
	} else {
		found = glob_escape(workspace);
		absolute = found ? format("%s/%s", found, cap->resource) : NULL;
	}
	if (!absolute)
		obmon_fail(err, OBMON_ERR_INTERNAL, "out of memory");
	return absolute;
}

static bool is_path(enum obmon_cap_type type)
{
	return cap_types[type].resource == RESOURCE_PATH || cap_types[type].resource == RESOURCE_COMMAND;
}

int rules_absolute(struct obmon_cap_set *set, const char *workspace, const char *search_path, struct obmon_error *err)
{
	size_t i;

	for (i = 0; i < set->n; i++) {
		struct obmon_capability *cap = &set->items[i];
		char *absolute;
		int is_absolute;

		if (!is_path(cap->type) || cap->resource[0] == '/' || cap->source == OBMON_SOURCE_IMPLICIT)
			continue;
		is_absolute = pattern_is_absolute(cap, err);
		if (is_absolute < 0)
			return -1;
		if (is_absolute)
			continue;
		absolute = absolute_resource(cap, workspace, search_path, err);
		if (!absolute)
			return -1;
		free(cap->resource);
		cap->resource = absolute;
	}
	return 0;
}

uint32_t rules_rights_at(const struct dfa *dfa, const struct place *place)
{
	const unsigned char dev[4] = { place->dev >> 24, place->dev >> 16, place->dev >> 8, place->dev };
	uint32_t state =
		dfa_walk(dfa, dfa_walk(dfa, dfa->start, dev, sizeof(dev)), place->fs_path, strlen(place->fs_path));
	const struct obmon_dfa_accept *accept = dfa_accept(dfa, state);

	return accept ? accept->rights : 0;
}
