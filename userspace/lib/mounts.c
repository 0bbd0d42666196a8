// SPDX-License-Identifier: Apache-2.0
#include "lib/mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "lib/util.h"

#define MOUNTINFO_MAX (64u << 20)

/* mountinfo writes space, tab, line feed and backslash as \ooo. */
static void unescape(char *text)
{
	char *out = text;

	while (*text) {
		if (text[0] == '\\' && text[1] >= '0' && text[1] <= '3' && text[2] >= '0' && text[2] <= '7' &&
		    text[3] >= '0' && text[3] <= '7') {
			*out++ = (char)((text[1] - '0') << 6 | (text[2] - '0') << 3 | (text[3] - '0'));
			text += 4;
		} else {
			*out++ = *text++;
		}
	}
	*out = '\0';
}

static char *copy_field(char *field)
{
	unescape(field);
	return strdup(field);
}

/* "98:0", in the kernel's 12 and 20 bits. */
static int parse_device(char *field, uint32_t *dev)
{
	char *colon = strchr(field, ':');
	uint64_t major, minor;

	if (!colon)
		return -1;
	*colon = '\0';
	if (!parse_u64(field, 0, 0xfff, &major) || !parse_u64(colon + 1, 0, 0xfffff, &minor))
		return -1;
	*dev = (uint32_t)(major << 20 | minor);
	return 0;
}

/* 36 35 98:0 /root /point rw,noatime master:1 - ext3 /dev/root rw,errors=continue */
static int parse_line(struct mount *mount, char *line)
{
	char *fields[6], *save = NULL, *tail = strstr(line, " - "), *type;
	uint64_t id;
	size_t i;

	if (!tail)
		return -1;
	*tail = '\0';
	type = strtok_r(tail + 3, " ", &save);
	if (!type)
		return -1;
	mount->type = copy_field(type);
	for (i = 0, save = NULL; i < ARRAY_SIZE(fields); i++) {
		fields[i] = strtok_r(i ? NULL : line, " ", &save);
		if (!fields[i])
			return -1;
	}
	if (!parse_u64(fields[0], 0, INT_MAX, &id) || parse_device(fields[2], &mount->dev))
		return -1;
	mount->id = (int)id;
	mount->root = copy_field(fields[3]);
	mount->point = copy_field(fields[4]);
	return mount->root && mount->point && mount->type ? 0 : -1;
}

int mounts_load(struct mounts *mounts, const char *path, struct obmon_error *err)
{
	_cleanup_free_ char *text = read_file(path, MOUNTINFO_MAX, NULL);
	char *line, *save = NULL;
	size_t allocated = 0;

	memset(mounts, 0, sizeof(*mounts));
	if (!text)
		return obmon_fail_errno(err, OBMON_ERR_HOST, errno, "cannot read the mount table %s", path);
	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		_cleanup_free_ char *whole = strdup(line); /* reading cuts it up */

		if (mounts->n == allocated) {
			size_t more = allocated ? allocated * 2 : 64;
			struct mount *items = reallocarray(mounts->items, more, sizeof(*items));

			if (!items)
				goto out_of_memory;
			mounts->items = items;
			allocated = more;
		}
		memset(&mounts->items[mounts->n], 0, sizeof(struct mount));
		if (parse_line(&mounts->items[mounts->n++], line)) {
			mounts_clear(mounts);
			return obmon_fail(err, OBMON_ERR_HOST, "%s has a line that obmon cannot read: \"%s\"", path,
					  whole ? whole : line);
		}
	}
	return 0;
out_of_memory:
	mounts_clear(mounts);
	return obmon_fail(err, OBMON_ERR_INTERNAL, "out of memory reading %s", path);
}

void mounts_clear(struct mounts *mounts)
{
	size_t i;

	for (i = 0; i < mounts->n; i++) {
		free(mounts->items[i].root);
		free(mounts->items[i].point);
		free(mounts->items[i].type);
	}
	free(mounts->items);
	memset(mounts, 0, sizeof(*mounts));
}

static const struct mount *mount_by_id(const struct mounts *mounts, int id)
{
	size_t i;

	for (i = 0; i < mounts->n; i++)
		if (mounts->items[i].id == id)
			return &mounts->items[i];
	return NULL;
}

const char *path_below(const char *path, const char *base)
{
	size_t length = strlen(base);

	if (!strcmp(base, "/"))
		return strcmp(path, "/") ? path : "";
	if (strncmp(path, base, length) != 0 || (path[length] && path[length] != '/'))
		return NULL;
	return path + length;
}

/* "/" and "/x" make "/x", "/a" and "" make "/a". */
static char *join(const char *base, const char *rest)
{
	if (!*rest)
		return strdup(base);
	return format("%s%s", strcmp(base, "/") ? base : "", rest);
}

/* Open what exists of @path, from its end upwards. @return a descriptor; @rest is what doesn't exist. */
static int open_existing(const char *path, const char **rest)
{
	_cleanup_free_ char *head = strdup(path);
	struct open_how how = { .flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_NO_MAGICLINKS };

	if (!head)
		return -1;
	for (;;) {
		char *slash;
		int fd = (int)syscall(SYS_openat2, AT_FDCWD, *head ? head : "/", &how, sizeof(how));

		*rest = path + strlen(head);
		if (fd >= 0 || (errno != ENOENT && errno != ENOTDIR && errno != ENAMETOOLONG))
			return fd;
		slash = strrchr(head, '/');
		if (!slash)
			return -1;
		*slash = '\0';
	}
}

static char *descriptor_path(int fd)
{
	char link[64], target[8192];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, target, sizeof(target));
	if (n < 0 || (size_t)n == sizeof(target))
		return NULL;
	return strndup(target, (size_t)n);
}

static int mount_id_of(int fd, int *id)
{
	struct statx stx;

	if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_MNT_ID, &stx))
		return -1;
	if (!(stx.stx_mask & STATX_MNT_ID)) {
		errno = ENOTSUP;
		return -1;
	}
	*id = (int)stx.stx_mnt_id;
	return 0;
}

/* In procfs the run's tasks are all called "self"; whatever else is a number is out of any run's reach. */
static int name_self(struct place *place, struct obmon_error *err)
{
	char own[32];
	const char *rest;
	char *named;

	if (strcmp(place->mount->type, "proc") != 0 || place->fs_path[1] < '0' || place->fs_path[1] > '9')
		return 0;
	snprintf(own, sizeof(own), "/%d", (int)getpid());
	rest = path_below(place->fs_path, own);
	if (!rest)
		return obmon_fail(err, OBMON_ERR_CONFIG,
				  "%s is about another process, which no rule can grant; "
				  "use /proc/self for the run's own",
				  place->real_path);
	named = join("/self", rest);
	if (!named)
		return obmon_fail(err, OBMON_ERR_INTERNAL, "out of memory");
	free(place->fs_path);
	place->fs_path = named;
	return 0;
}

static int fill_place(struct place *place, const struct mounts *mounts, int fd, const char *rest)
{
	_cleanup_free_ char *existing = descriptor_path(fd), *fs_existing = NULL;
	const char *below;
	int id;

	if (!existing || mount_id_of(fd, &id))
		return -1;
	place->mount = mount_by_id(mounts, id);
	errno = ESTALE;
	if (!place->mount)
		return -1;
	below = path_below(existing, place->mount->point);
	if (!below)
		return -1;
	fs_existing = join(place->mount->root, below);
	place->dev = place->mount->dev;
	if (!fs_existing)
		return -1;
	place->fs_path = join(fs_existing, rest);
	place->real_path = join(existing, rest);
	return place->fs_path && place->real_path ? 0 : -1;
}

int place_resolve(struct place *place, const struct mounts *mounts, const char *path, struct obmon_error *err)
{
	const char *rest;
	_cleanup_fd_ int fd = open_existing(path, &rest);

	memset(place, 0, sizeof(*place));
	if (fd < 0 && errno == ELOOP)
		return obmon_fail(err, OBMON_ERR_CONFIG,
				  "%s leads through a symbolic link loop or a link of procfs that only means "
				  "something to the process that follows it; name the file itself",
				  path);
	if (fd < 0)
		return obmon_fail_errno(err, OBMON_ERR_CONFIG, errno, "cannot resolve %s", path);
	if (fill_place(place, mounts, fd, rest)) {
		obmon_fail_errno(err, OBMON_ERR_HOST, errno, "cannot tell on which mount %s lies", path);
		place_clear(place);
		return -1;
	}
	if (name_self(place, err)) {
		place_clear(place);
		return -1;
	}
	return 0;
}

void place_clear(struct place *place)
{
	free(place->fs_path);
	free(place->real_path);
	memset(place, 0, sizeof(*place));
}

bool mount_is_visible(const struct mount *mount)
{
	_cleanup_fd_ int fd = open(mount->point, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	int id;

	return fd >= 0 && !mount_id_of(fd, &id) && id == mount->id;
}

char *mounts_display(const struct mounts *mounts, uint32_t dev, const char *fs_path, size_t length)
{
	_cleanup_free_ char *path = strndup(fs_path, length);
	const struct mount *best = NULL;
	const char *best_rest = NULL;
	size_t i;

	if (!path)
		return NULL;
	for (i = 0; i < mounts->n; i++) {
		const struct mount *mount = &mounts->items[i];
		const char *rest = mount->dev == dev ? path_below(path, mount->root) : NULL;

		/* The mount that shows most of the filesystem is the one that people know. */
		if (rest && (!best || strlen(mount->root) < strlen(best->root))) {
			best = mount;
			best_rest = rest;
		}
	}
	return best ? join(best->point, best_rest) : NULL;
}

const struct mount *mounts_find_type(const struct mounts *mounts, const char *type)
{
	size_t i;

	for (i = 0; i < mounts->n; i++)
		if (!strcmp(mounts->items[i].type, type) && mount_is_visible(&mounts->items[i]))
			return &mounts->items[i];
	return NULL;
}
