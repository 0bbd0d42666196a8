// SPDX-License-Identifier: Apache-2.0
#include "run/child.h"

#include <errno.h>
#include <grp.h>
#include <linux/close_range.h>
#include <linux/sched.h>
#include <linux/securebits.h>
#include <pwd.h>
#include <signal.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <fcntl.h>

#include "engine/engine.h"
#include "lib/util.h"

#define READY 'R'

static int find_groups(struct identity *identity)
{
	int n = 64;

	for (;;) {
		gid_t *groups = reallocarray(identity->groups, (size_t)n, sizeof(gid_t));

		if (!groups)
			return -1;
		identity->groups = groups;
		identity->n_groups = n;
		if (getgrouplist(identity->name, identity->gid, groups, &identity->n_groups) >= 0)
			return 0;
		if (identity->n_groups <= n)
			return -1;
		n = identity->n_groups;
	}
}

static int take_user(struct identity *identity, const struct passwd *user)
{
	identity->uid = user->pw_uid;
	identity->gid = user->pw_gid;
	identity->name = strdup(user->pw_name);
	identity->home = strdup(user->pw_dir);
	return identity->name && identity->home ? find_groups(identity) : -1;
}

/* A number that the user database doesn't know is a user all the same, in the group of that number only. */
static int take_number(struct identity *identity, uid_t uid, gid_t gid)
{
	const struct passwd *user = getpwuid(uid);

	if (user && user->pw_gid == gid)
		return take_user(identity, user);
	identity->uid = uid;
	identity->gid = gid;
	if (!user)
		return 0;
	identity->name = strdup(user->pw_name);
	identity->home = strdup(user->pw_dir);
	return identity->name && identity->home ? find_groups(identity) : -1;
}

int identity_find(struct identity *identity, const char *name, struct obmon_error *err)
{
	const char *sudo_uid = getenv("SUDO_UID"), *sudo_gid = getenv("SUDO_GID");
	const struct passwd *user;
	uint64_t uid, gid;
	int result;

	memset(identity, 0, sizeof(*identity));
	if (name && !parse_u64(name, 0, UINT32_MAX - 1, &uid)) {
		user = getpwnam(name);
		if (!user)
			return obmon_fail(err, OBMON_ERR_CONFIG, "--user %s: there is no such user", name);
		result = take_user(identity, user);
	} else if (name) {
		user = getpwuid((uid_t)uid);
		result = take_number(identity, (uid_t)uid, user ? user->pw_gid : (gid_t)uid);
	} else if (sudo_uid && sudo_gid && parse_u64(sudo_uid, 0, UINT32_MAX - 1, &uid) &&
		   parse_u64(sudo_gid, 0, UINT32_MAX - 1, &gid)) {
		result = take_number(identity, (uid_t)uid, (gid_t)gid);
	} else {
		result = take_number(identity, getuid(), getgid());
	}
	if (!result)
		return 0;
	identity_clear(identity);
	return obmon_fail(err, OBMON_ERR_INTERNAL, "out of memory looking up the user to run as");
}

void identity_clear(struct identity *identity)
{
	free(identity->groups);
	free(identity->name);
	free(identity->home);
	memset(identity, 0, sizeof(*identity));
}

/* Everything below runs in the child, between clone and exec: system calls only. */

static int drop_capabilities(void)
{
	cap_value_t cap;
	cap_t none;
	int result;

	for (cap = 0; cap <= CAP_LAST_CAP; cap++)
		if (prctl(PR_CAPBSET_READ, cap) == 1 && prctl(PR_CAPBSET_DROP, cap))
			return -1;
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	/* Or else exec by uid 0 would give all back. */
	if (prctl(PR_SET_SECUREBITS, SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP |
					     SECBIT_NO_SETUID_FIXUP_LOCKED | SECBIT_KEEP_CAPS_LOCKED))
		return -1;
	none = cap_init();
	if (!none)
		return -1;
	result = cap_set_proc(none);
	cap_free(none);
	return result;
}

/* uid 0 with --keep-caps keeps what it has; every other user ends without capabilities. */
static const char *become(const struct child_spec *spec)
{
	const struct identity *identity = spec->identity;

	if (setgroups((size_t)identity->n_groups, identity->groups))
		return "setting the groups";
	if (setresgid(identity->gid, identity->gid, identity->gid))
		return "setting the group";
	if (spec->keep_caps) {
		if (prctl(PR_SET_KEEPCAPS, 0) || setresuid(identity->uid, identity->uid, identity->uid))
			return "setting the user";
	} else {
		/* The user first by hand: dropping needs CAP_SETPCAP, changing the user CAP_SETUID. */
		if (prctl(PR_SET_KEEPCAPS, 1) || setresuid(identity->uid, identity->uid, identity->uid))
			return "setting the user";
		if (identity->uid) {
			cap_t all = cap_get_proc();

			if (!all || cap_set_flag(all, CAP_EFFECTIVE, 1, (cap_value_t[]){ CAP_SETPCAP }, CAP_SET) ||
			    cap_set_proc(all))
				return "raising CAP_SETPCAP to drop capabilities";
			cap_free(all);
		}
		if (drop_capabilities())
			return "dropping capabilities";
	}
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return "setting no_new_privs";
	return NULL;
}

static void child_fail(int status, const char *stage)
{
	struct child_failure failure = { .errnum = errno };

	strncpy(failure.stage, stage, sizeof(failure.stage) - 1);
	if (write_all(status, &failure, sizeof(failure)))
		_exit(125);
	_exit(126);
}

/* In the new namespace, into which mounts on the host still propagate, but none out of it. */
static const char *mount_files(const struct child_spec *spec)
{
	char from[128];
	size_t i;

	if (spec->files < 0)
		return NULL;
	if (mount(NULL, "/", NULL, MS_SLAVE | MS_REC, NULL))
		return "cutting mounts off from the host's";
	/* A file can only be bound from a mount that has a place: it gets one for that long. */
	if (move_mount(spec->files, "", AT_FDCWD, OBMON_STATE_DIR, MOVE_MOUNT_F_EMPTY_PATH))
		return "mounting the run's own files";
	for (i = 0; i < spec->n_mounts; i++) {
		snprintf(from, sizeof(from), OBMON_STATE_DIR "/%s", spec->mounts[i].name);
		if (mount(from, spec->mounts[i].over, NULL, MS_BIND, NULL))
			return "mounting the run's own file of names";
	}
	return umount2(OBMON_STATE_DIR, MNT_DETACH) ? "taking a mount away" : NULL;
}

static void child_main(const struct child_spec *spec, int go, int status)
{
	const char *stage = mount_files(spec);
	char byte = READY;

	if (stage)
		child_fail(status, stage);
	/* Not closed but marked, so that the two pipes stay until the exec. */
	if (syscall(SYS_close_range, 3u, ~0u, CLOSE_RANGE_CLOEXEC))
		child_fail(status, "marking descriptors close-on-exec");
	signal(SIGPIPE, SIG_DFL); /* obmon ignores it; all other dispositions and the mask are the caller's */
	stage = become(spec);
	if (stage)
		child_fail(status, stage);
	if (chdir(spec->workspace))
		child_fail(status, "entering the workspace");
	if (write_all(status, &byte, 1))
		_exit(125);
	if (read(go, &byte, 1) != 1)
		_exit(125); /* obmon is gone; its reaper ends the run */
	execve(spec->path, spec->argv, spec->envp);
	child_fail(status, "running the command");
}

static int fail_stage(const struct child_failure *failure, const struct child_spec *spec, struct obmon_error *err)
{
	return obmon_fail_errno(err, OBMON_ERR_CANNOT_RUN, failure->errnum, "%s failed (command %s, workspace %s)",
				failure->stage, spec->path, spec->workspace);
}

static int await_ready(struct child *child, const struct child_spec *spec, struct obmon_error *err)
{
	char message[1 + sizeof(struct child_failure)];
	ssize_t n;

	do
		n = read(child->status, message, sizeof(struct child_failure));
	while (n < 0 && errno == EINTR);
	if (n == 1 && message[0] == READY)
		return 0;
	if (n == (ssize_t)sizeof(struct child_failure)) {
		struct child_failure failure;

		memcpy(&failure, message, sizeof(failure));
		return fail_stage(&failure, spec, err);
	}
	return obmon_fail(err, OBMON_ERR_INTERNAL, "the child died before it could start %s", spec->path);
}

int child_start(struct child *child, const struct child_spec *spec, struct obmon_error *err)
{
	int go[2], status[2], pidfd = -1;
	struct clone_args args = {
		.flags = CLONE_INTO_CGROUP | CLONE_PIDFD | (spec->files < 0 ? 0 : CLONE_NEWNS),
		.pidfd = (uint64_t)(uintptr_t)&pidfd,
		.exit_signal = SIGCHLD,
		.cgroup = (uint64_t)spec->cgroup_fd,
	};
	pid_t pid;

	*child = (struct child){ .pid = -1, .pidfd = -1, .go = -1, .status = -1 };
	if (pipe2(go, O_CLOEXEC))
		return obmon_fail_errno(err, OBMON_ERR_INTERNAL, errno, "cannot make a pipe");
	if (pipe2(status, O_CLOEXEC)) {
		close(go[0]);
		close(go[1]);
		return obmon_fail_errno(err, OBMON_ERR_INTERNAL, errno, "cannot make a pipe");
	}
	pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
	if (pid == 0) {
		close(go[1]);
		close(status[0]);
		child_main(spec, go[0], status[1]);
	}
	close(go[0]);
	close(status[1]);
	*child = (struct child){ .pid = pid, .pidfd = pidfd, .go = go[1], .status = status[0] };
	if (pid < 0)
		return obmon_fail_errno(err, OBMON_ERR_HOST, errno, "cannot start a process in the run's cgroup");
	return await_ready(child, spec, err);
}

int child_go(struct child *child, struct obmon_error *err)
{
	char byte = READY;

	if (write_all(child->go, &byte, 1))
		return obmon_fail_errno(err, OBMON_ERR_INTERNAL, errno, "cannot let the child go");
	fd_close(&child->go);
	return 0;
}

void child_clear(struct child *child)
{
	fd_close(&child->pidfd);
	fd_close(&child->go);
	fd_close(&child->status);
}
