/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * A record as it leaves the kernel through a run's ring buffer: this header, then the bytes of up to three
 * names: the object's, the second object's (rename, link), the executable's. No NUL in between or after. An
 * endpoint's name is the host name that was asked for, if one was.
 */
#ifndef OBMON_ABI_EVENT_H
#define OBMON_ABI_EVENT_H

#include "obmon/abi/run.h"

/* Longest name, from the filesystem's root, that a decision is made on: what PATH_MAX lets a caller name. */
#define OBMON_NAME_MAX 4096u
/* A name of so many components, or more, is not judged but refused. */
#define OBMON_DEPTH_MAX 256u
/* Of the executable's name, which decides nothing, at most this much is kept (the end of it). */
#define OBMON_EXE_MAX 1024u

/* Each hook a decision is made at: its constant, and what the kernel calls it. */
/* clang-format off */
#define OBMON_HOOK_LIST(X) \
	X(FILE_OPEN, file_open) \
	X(FILE_RECEIVE, file_receive) \
	X(FILE_IOCTL, file_ioctl) \
	X(FILE_MPROTECT, file_mprotect) \
	X(MMAP_FILE, mmap_file) \
	X(PATH_NOTIFY, path_notify) \
	X(PATH_MKDIR, path_mkdir) \
	X(PATH_MKNOD, path_mknod) \
	X(PATH_SYMLINK, path_symlink) \
	X(PATH_UNLINK, path_unlink) \
	X(PATH_RMDIR, path_rmdir) \
	X(PATH_RENAME, path_rename) \
	X(PATH_LINK, path_link) \
	X(INODE_SETATTR, inode_setattr) \
	X(INODE_SETXATTR, inode_setxattr) \
	X(INODE_REMOVEXATTR, inode_removexattr) \
	X(INODE_SET_ACL, inode_set_acl) \
	X(INODE_REMOVE_ACL, inode_remove_acl) \
	X(INODE_FILE_SETATTR, inode_file_setattr) \
	X(BPRM_CHECK_SECURITY, bprm_check_security) \
	X(TASK_ALLOC, task_alloc) \
	X(SOCKET_CREATE, socket_create) \
	X(SOCKET_CONNECT, socket_connect) \
	X(SOCKET_BIND, socket_bind) \
	X(SOCKET_LISTEN, socket_listen) \
	X(SOCKET_SETSOCKOPT, socket_setsockopt) \
	X(CONNECT4, connect4) \
	X(CONNECT6, connect6) \
	X(SENDMSG4, sendmsg4) \
	X(SENDMSG6, sendmsg6) \
	X(EGRESS, egress) \
	X(RESOLVE, resolve) \
	X(UNIX_STREAM_CONNECT, unix_stream_connect) \
	X(UNIX_MAY_SEND, unix_may_send) \
	X(PTRACE_ACCESS_CHECK, ptrace_access_check) \
	X(PTRACE_TRACEME, ptrace_traceme) \
	X(TASK_KILL, task_kill) \
	X(URING_SQPOLL, uring_sqpoll) \
	X(URING_OVERRIDE_CREDS, uring_override_creds)
/* clang-format on */

enum obmon_hook {
#define OBMON_HOOK_ENUM(upper, lower) OBMON_HOOK_##upper,
	OBMON_HOOK_LIST(OBMON_HOOK_ENUM)
#undef OBMON_HOOK_ENUM
		OBMON_HOOK_MAX,
};

/* What kind of answer a record reports. */
enum obmon_verdict {
	OBMON_VERDICT_DENIED,  /* a capability is missing */
	OBMON_VERDICT_AUDITED, /* a capability is missing, audit mode let it through */
	OBMON_VERDICT_GUARD,   /* something that no capability can grant */
	OBMON_VERDICT_FAILURE, /* obmon could not decide, and refused: see `failure` */
	OBMON_VERDICT_PROBE,   /* no record of its own (seq 0): record number `detail` turned out to be a probe */
};

struct obmon_event {
	__u64 seq;
	__u64 time_ns; /* CLOCK_BOOTTIME */
	__u64 cgroup_id;
	__u64 ino;
	__u64 detail; /* see `detail` of the programs: an ioctl's command, a socket's kind, a task's pid, a lookup's reason */
	__u32 dev;  /* of the object */
	__u32 dev2; /* of the second object */
	__u32 exe_dev;
	__u32 fs_magic; /* of the object's filesystem, to name what has no path */
	__u32 missing;  /* rights wanting on the object */
	__u32 missing2; /* and on the second object */
	__s32 error;    /* what the caller got: a negative errno, 0 if let through */
	struct obmon_process process;
	__u16 hook;   /* enum obmon_hook */
	__u8 verdict; /* enum obmon_verdict */
	__u8 failure; /* enum obmon_failure */
	__u16 name_length, name2_length, exe_length;
	__u8 nameless;  /* the object has no path: `name` is its own label, if any */
	__u8 directory; /* of a rename: the object is a directory, no single grant would have been enough */
	__u8 family; /* AF_INET, AF_INET6 or AF_UNIX if the object is an endpoint, whose host is then `name`; else 0 */
	__u8 protocol; /* IPPROTO_TCP or IPPROTO_UDP; 0: any */
	__u16 port;
	__u8 address[16]; /* in network order; of IPv4 the first four bytes */
};

#ifndef __bpf__
_Static_assert(sizeof(struct obmon_event) == 136, "the record header has no hidden padding");
#endif

#define OBMON_EVENT_MAX (sizeof(struct obmon_event) + 2u * OBMON_NAME_MAX + OBMON_EXE_MAX)

#endif
