/* SPDX-License-Identifier: GPL-2.0-only */
/* What vmlinux.h cannot carry: macros of the kernel that the programs need, each with where it is from. */
#ifndef OBMON_BPF_COMMON_H
#define OBMON_BPF_COMMON_H

#include "vmlinux.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "obmon/abi/event.h"

/* include/uapi/asm-generic/errno-base.h */
#define EPERM 1
#define EACCES 13
#define EXDEV 18

/* include/linux/fs.h; the values have not changed since 2.6.36 */
#define FMODE_READ 0x1u
#define FMODE_WRITE 0x2u
#define FMODE_EXEC 0x20u /* also __FMODE_EXEC in f_flags */
#define FMODE_PATH 0x4000u
#define FMODE_CREATED 0x100000u /* Linux 4.19 */
#define SB_NOUSER 0x80000000ul

/* include/uapi/asm-generic/fcntl.h; x86 and arm64 alike */
#define O_CREAT 00000100u
#define O_TRUNC 00001000u

#define RENAME_EXCHANGE 2u

/* include/uapi/linux/stat.h */
#define S_IFMT 0170000u
#define S_IFSOCK 0140000u
#define S_IFLNK 0120000u
#define S_IFDIR 0040000u
#define S_IFBLK 0060000u
#define S_IFCHR 0020000u

/* include/uapi/asm-generic/mman-common.h */
#define PROT_EXEC 0x4u

/* include/linux/mm.h */
#define VM_EXEC 0x4u

/* include/uapi/linux/sched.h, Linux 5.7 */
#define CLONE_INTO_CGROUP 0x200000000ull

/* include/linux/fs.h: attributes of a change that the kernel makes by itself when a file is written */
#define ATTR_KILL_SUID (1u << 11)
#define ATTR_KILL_SGID (1u << 12)
#define ATTR_KILL_PRIV (1u << 14)
#define ATTR_MODE (1u << 0)
#define ATTR_FORCE (1u << 9)
#define ATTR_FILE (1u << 13)
#define ATTR_OPEN (1u << 15)

/* include/uapi/linux/magic.h, and fs/proc (PROC_SUPER_MAGIC) */
#define PROC_SUPER_MAGIC 0x9fa0u
#define CGROUP_SUPER_MAGIC 0x27e0ebu
#define CGROUP2_SUPER_MAGIC 0x63677270u
#define BPF_FS_MAGIC 0xcafe4a11u
#define TRACEFS_MAGIC 0x74726163u
#define DEBUGFS_MAGIC 0x64626720u
#define SECURITYFS_MAGIC 0x73636673u
#define TMPFS_MAGIC 0x01021994u
#define SOCKFS_MAGIC 0x534f434bu
#define PIPEFS_MAGIC 0x50495045u

/* include/linux/mnt_namespace.h and fs/mount.h: the namespace of mounts that only the kernel uses */
#define MNT_NS_INTERNAL ((unsigned long)-22)

/* include/linux/sched.h: a worker thread of io_uring */
#define PF_IO_WORKER 0x10u

/* include/linux/socket.h */
#define AF_UNSPEC 0
#define AF_UNIX 1
#define AF_INET 2
#define AF_INET6 10
#define AF_NETLINK 16

/* include/uapi/linux/netlink.h */
#define NETLINK_ROUTE 0

/* include/net/sock.h: the socket has been bound to a port of the caller's choice */
#define SOCK_BINDPORT_LOCK 8

/* include/uapi/linux/in6.h */
#define IPV6_2292PKTOPTIONS 6
#define IPV6_RTHDR 57

/* include/uapi/linux/if_ether.h and include/net/ipv6.h */
#define ETH_P_IPV6 0x86dd
#define NEXTHDR_HOP 0
#define NEXTHDR_ROUTING 43
#define NEXTHDR_DEST 60

#define INADDR_LOOPBACK 0x7f000001u
#define DNS_PORT 53u

#endif
