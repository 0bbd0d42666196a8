// SPDX-License-Identifier: Apache-2.0
#include "run/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "engine/engine.h"
#include "lib/util.h"

int cgroup_plan(struct cgroup *cgroup, const struct mounts *mounts, const char *run_id, struct obmon_error *err)
{
	const struct mount *mount = mounts_find_type(mounts, "cgroup2");

	*cgroup = (struct cgroup){ .fd = -1 };
	if (!mount)
		return obmon_fail(err, OBMON_ERR_HOST,
				  "no cgroup2 hierarchy is mounted; "
				  "mount one with: mount -t cgroup2 none /sys/fs/cgroup");
	cgroup->parent = format("%s/" OBMON_CGROUP, mount->point);
	cgroup->dir = format("%s/" OBMON_CGROUP "/run-%s", mount->point, run_id);
	cgroup->path = format("/" OBMON_CGROUP "/run-%s", run_id);
	if (cgroup->parent && cgroup->dir && cgroup->path)
		return 0;
	cgroup_clear(cgroup);
	return obmon_fail(err, OBMON_ERR_INTERNAL, "out of memory");
}

int cgroup_create(struct cgroup *cgroup, struct obmon_error *err)
{
	struct stat st;

	if (make_dir(cgroup->parent, 0755) || mkdir(cgroup->dir, 0755))
		return obmon_fail_errno(err, OBMON_ERR_HOST, errno, "cannot make the cgroup %s", cgroup->dir);
	cgroup->fd = open(cgroup->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (cgroup->fd < 0 || fstat(cgroup->fd, &st))
		return obmon_fail_errno(err, OBMON_ERR_HOST, errno, "cannot open the cgroup %s", cgroup->dir);
	cgroup->id = st.st_ino; /* of kernfs: the inode number is the id, on 64-bit machines */
	return 0;
}

/* @return 1 if the cgroup has no task in it or below, 0 if it has, -1 with errno. A cgroup that is gone is empty. */
static int cgroup_is_empty(const char *dir)
{
	_cleanup_free_ char *path = format("%s/cgroup.events", dir), *text = NULL;

	if (!path)
		return -1;
	text = read_file(path, 4096, NULL);
	if (!text)
		return errno == ENOENT || errno == ENODEV ? 1 : -1;
	return strstr(text, "populated 0") ? 1 : 0;
}

int cgroup_kill(const char *dir, unsigned millis, struct obmon_error *err)
{
	_cleanup_free_ char *path = format("%s/cgroup.kill", dir);
	uint64_t deadline = clock_ns(CLOCK_MONOTONIC) + millis * 1000000ull;
	int empty;

	if (!path)
		return obmon_fail(err, OBMON_ERR_INTERNAL, "out of memory");
	if (write_file(AT_FDCWD, path, "1") && errno != ENOENT && errno != ENODEV)
		return obmon_fail_errno(err, OBMON_ERR_INTERNAL, errno, "cannot kill through %s", path);
	while ((empty = cgroup_is_empty(dir)) == 0) {
		if (clock_ns(CLOCK_MONOTONIC) > deadline)
			return obmon_fail(err, OBMON_ERR_INTERNAL,
					  "tasks in the cgroup %s are still alive %u ms after SIGKILL; "
					  "they stay confined",
					  dir, millis);
		poll(NULL, 0, 2);
	}
	if (empty < 0)
		return obmon_fail_errno(err, OBMON_ERR_INTERNAL, errno, "cannot read %s/cgroup.events", dir);
	return 0;
}

int cgroup_remove(const char *dir, struct obmon_error *err)
{
	int tries;

	/* A cgroup can stay busy for a moment after its last task is gone. */
	for (tries = 0; tries < 500; tries++) {
		if (!rmdir(dir) || errno == ENOENT)
			return 0;
		if (errno != EBUSY)
			break;
		poll(NULL, 0, 2);
	}
	return obmon_fail_errno(err, OBMON_ERR_INTERNAL, errno, "cannot remove the cgroup %s", dir);
}

void cgroup_clear(struct cgroup *cgroup)
{
	free(cgroup->parent);
	free(cgroup->dir);
	free(cgroup->path);
	fd_close(&cgroup->fd);
	cgroup->parent = cgroup->dir = cgroup->path = NULL;
}
