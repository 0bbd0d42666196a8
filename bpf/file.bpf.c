/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Files: FILE_READ and FILE_WRITE.
 *
 *   per cgroup   file_open           open for reading or writing, an open for execution (needs EXTERNAL_COMMAND)
 *   host-wide    file_receive        a descriptor that comes over a unix socket
 *                path_notify         inotify and fanotify marks
 *                path_mkdir, path_mknod, path_symlink, path_unlink, path_rmdir
 *                path_rename, path_link
 *                inode_setattr       truncate, chmod, chown, utimensat, by path and by descriptor: the kernel asks
 *                                    path_truncate, file_truncate, path_chmod and path_chown just before
 *                                    (notify_change(), fs/attr.c), which would tell of each refusal twice
 *                inode_setxattr, inode_removexattr, inode_set_acl, inode_remove_acl, inode_file_setattr,
 *                file_ioctl, file_ioctl_compat
 *
 * Programs in a section that starts with '?' are for hooks that some kernels lack; userspace/engine/load.c
 * loads each where the kernel's BTF has the hook with the arguments that the program expects.
 */
#include "lib/judge.h"

static __always_inline int decide_open(const struct subject *subject, struct file *file)
{
	__u32 need = file_need(file);

	if (!need || file_is_internal(file))
		return 0;
	probe_settle(subject, file);
	return judge(subject, file->f_path.dentry, need, 0);
}

SEC("lsm_cgroup/file_open")
int BPF_PROG(obmon_file_open, struct file *file)
{
	return CGROUP_HOOK(OBMON_HOOK_FILE_OPEN, decide_open(&subject, file));
}

/* As sock_of_run(), of a socket that only its file leads to. */
static __always_inline bool socket_made_in_run(struct inode *inode, const struct obmon_run *run)
{
	struct socket_alloc *alloc = (void *)inode - bpf_core_field_offset(struct socket_alloc, vfs_inode);

	return BPF_CORE_READ(alloc, socket.sk, sk_cgrp_data.cgroup, kn, id) == run->cgroup_id;
}

/*
 * Of what has no name, pipes and memory files are data and may come in; sockets only from within the run;
 * everything else (a ring of io_uring, a BPF map, a pidfd, ...) acts with the rights of its maker.
 */
static __always_inline int decide_receive(const struct subject *subject, struct file *file)
{
	struct dentry *dentry = file->f_path.dentry;
	struct inode *inode = file->f_inode;
	unsigned long magic = dentry->d_sb->s_magic;

	if (file->f_mode & FMODE_PATH)
		return 0;
	if (!(dentry->d_sb->s_flags & SB_NOUSER) || magic == PIPEFS_MAGIC || magic == TMPFS_MAGIC)
		return judge(subject, dentry, file_need(file), 0);
	if (magic == SOCKFS_MAGIC && socket_made_in_run(inode, subject->run))
		return 0;
	return judge_guard_dentry(subject, dentry, 0);
}

SEC("lsm/file_receive")
int BPF_PROG(obmon_file_receive, struct file *file, int ret)
{
	return HOST_HOOK(OBMON_HOOK_FILE_RECEIVE, ret, decide_receive(&subject, file));
}

SEC("lsm/path_notify")
int BPF_PROG(obmon_path_notify, const struct path *path, __u64 mask, unsigned int obj_type, int ret)
{
	struct dentry *dentry = path->dentry;

	return HOST_HOOK(OBMON_HOOK_PATH_NOTIFY, ret,
			 judge(&subject, dentry, dentry_is_directory(dentry) ? NEED_LIST : NEED_READ, 0));
}

SEC("lsm/path_mkdir")
int BPF_PROG(obmon_path_mkdir, const struct path *dir, struct dentry *dentry, umode_t mode, int ret)
{
	return HOST_HOOK(OBMON_HOOK_PATH_MKDIR, ret, judge(&subject, dentry, NEED_WRITE, 0));
}

/* Also creat(2), open(2) with O_CREAT, and bind(2). A device node would be a name for a disk. */
static __always_inline int decide_mknod(const struct subject *subject, struct dentry *dentry, umode_t mode)
{
	if ((mode & S_IFMT) == S_IFBLK || (mode & S_IFMT) == S_IFCHR)
		return judge_guard_dentry(subject, dentry, 0);
	return judge(subject, dentry, (mode & S_IFMT) == S_IFSOCK ? NEED_LISTEN : NEED_WRITE, 0);
}

SEC("lsm/path_mknod")
int BPF_PROG(obmon_path_mknod, const struct path *dir, struct dentry *dentry, umode_t mode, unsigned int dev, int ret)
{
	return HOST_HOOK(OBMON_HOOK_PATH_MKNOD, ret, decide_mknod(&subject, dentry, mode));
}

SEC("lsm/path_symlink")
int BPF_PROG(obmon_path_symlink, const struct path *dir, struct dentry *dentry, const char *target, int ret)
{
	return HOST_HOOK(OBMON_HOOK_PATH_SYMLINK, ret, judge(&subject, dentry, NEED_WRITE, 0));
}

SEC("lsm/path_unlink")
int BPF_PROG(obmon_path_unlink, const struct path *dir, struct dentry *dentry, int ret)
{
	return HOST_HOOK(OBMON_HOOK_PATH_UNLINK, ret, judge(&subject, dentry, NEED_WRITE, 0));
}

SEC("lsm/path_rmdir")
int BPF_PROG(obmon_path_rmdir, const struct path *dir, struct dentry *dentry, int ret)
{
	return HOST_HOOK(OBMON_HOOK_PATH_RMDIR, ret, judge(&subject, dentry, NEED_WRITE, 0));
}

/*
 * May what is held as @from take the name of @to without gaining a right? A file gains what the new name
 * gives and the old one didn't. A directory takes everything below it along, so both names must lead to the
 * same future.
 */
static __always_inline __u32 rights_gained(const struct name *from, const struct name *to, bool directory)
{
	if (directory)
		return from->residual == to->residual ? 0 : NEED_READ;
	/* What is no directory can't be listed. */
	return to->rights & ~rights_implied(from->rights) & OBMON_RIGHTS_ALL & ~NEED_LIST;
}

static __always_inline void judge_two(struct scratch *scratch, struct dentry *old, struct dentry *new, bool exchange)
{
	struct name *from = &scratch->name[NAME_OBJECT], *to = &scratch->name[NAME_OBJECT2];

	if (from->rights & OBMON_RIGHT_NEVER || to->rights & OBMON_RIGHT_NEVER)
		return;
	scratch->outcome = OUTCOME_MISSING;
	scratch->missing = NEED_WRITE & ~from->rights;
	scratch->missing2 = NEED_WRITE & ~to->rights;
	if (scratch->missing || scratch->missing2)
		return;
	scratch->error = -EXDEV;
	scratch->directory = dentry_is_directory(old) || (exchange && dentry_is_directory(new));
	scratch->missing = rights_gained(from, to, dentry_is_directory(old));
	if (exchange)
		scratch->missing2 = rights_gained(to, from, dentry_is_directory(new));
	if (!scratch->missing && !scratch->missing2)
		scratch->outcome = OUTCOME_ALLOWED;
}

/* An operation on two names at once. */
static __always_inline int decide_two(const struct subject *subject, struct dentry *old, struct dentry *new,
				      bool exchange)
{
	struct operation op;

	if (!operation_begin(&op, subject, 0))
		return refuse_unrecorded(subject, REPORTER_LSM);
	op.scratch->missing = NEED_WRITE;
	hold(&op, old, NAME_OBJECT, NEED_WRITE, TRUSTED);
	if (!op.scratch->name[NAME_OBJECT].failure)
		hold(&op, new, NAME_OBJECT2, NEED_WRITE, TRUSTED);
	if (op.scratch->outcome != OUTCOME_FAILURE)
		judge_two(op.scratch, old, new, exchange);
	return operation_end(&op, old, new);
}

SEC("lsm/path_rename")
int BPF_PROG(obmon_path_rename, const struct path *old_dir, struct dentry *old, const struct path *new_dir,
	     struct dentry *new, unsigned int flags, int ret)
{
	return HOST_HOOK(OBMON_HOOK_PATH_RENAME, ret, decide_two(&subject, old, new, flags & RENAME_EXCHANGE));
}

SEC("lsm/path_link")
int BPF_PROG(obmon_path_link, struct dentry *old, const struct path *new_dir, struct dentry *new, int ret)
{
	return HOST_HOOK(OBMON_HOOK_PATH_LINK, ret, decide_two(&subject, old, new, false));
}

/* A change of metadata that the kernel makes for the caller is no request of the caller's. */
static __always_inline int decide_metadata(const struct subject *subject, struct dentry *dentry)
{
	if (kernel_acts_for_itself())
		return 0;
	return judge(subject, dentry, NEED_WRITE, 0);
}

/*
 * A write to a file takes its setuid bit and file capabilities away; that needs no right beyond the write. An
 * open with O_TRUNC was judged at file_open.
 */
static __always_inline int decide_setattr(const struct subject *subject, struct dentry *dentry, struct iattr *attr)
{
	__u32 valid = attr->ia_valid,
	      of_a_write = ATTR_FORCE | ATTR_MODE | ATTR_FILE | ATTR_KILL_SUID | ATTR_KILL_SGID | ATTR_KILL_PRIV;

	if (valid & ATTR_OPEN || (valid & ATTR_FORCE && !(valid & ~of_a_write)))
		return 0;
	return decide_metadata(subject, dentry);
}

/* Up to Linux 6.1. */
SEC("?lsm/inode_setattr")
int BPF_PROG(obmon_inode_setattr_v1, struct dentry *dentry, struct iattr *attr, int ret)
{
	return HOST_HOOK(OBMON_HOOK_INODE_SETATTR, ret, decide_setattr(&subject, dentry, attr));
}

/* From Linux 6.2 on, with the mount's id mapping in front. */
SEC("?lsm/inode_setattr")
int BPF_PROG(obmon_inode_setattr_v2, void *idmap, struct dentry *dentry, struct iattr *attr, int ret)
{
	return HOST_HOOK(OBMON_HOOK_INODE_SETATTR, ret, decide_setattr(&subject, dentry, attr));
}

SEC("lsm/inode_setxattr")
int BPF_PROG(obmon_inode_setxattr, void *idmap, struct dentry *dentry, const char *name, const void *value, size_t size,
	     int flags, int ret)
{
	return HOST_HOOK(OBMON_HOOK_INODE_SETXATTR, ret, decide_metadata(&subject, dentry));
}

SEC("lsm/inode_removexattr")
int BPF_PROG(obmon_inode_removexattr, void *idmap, struct dentry *dentry, const char *name, int ret)
{
	return HOST_HOOK(OBMON_HOOK_INODE_REMOVEXATTR, ret, decide_metadata(&subject, dentry));
}

/* Linux 6.2; before, ACLs were extended attributes to the hooks as well. */
SEC("?lsm/inode_set_acl")
int BPF_PROG(obmon_inode_set_acl, void *idmap, struct dentry *dentry, const char *name, void *acl, int ret)
{
	return HOST_HOOK(OBMON_HOOK_INODE_SET_ACL, ret, decide_metadata(&subject, dentry));
}

SEC("?lsm/inode_remove_acl")
int BPF_PROG(obmon_inode_remove_acl, void *idmap, struct dentry *dentry, const char *name, int ret)
{
	return HOST_HOOK(OBMON_HOOK_INODE_REMOVE_ACL, ret, decide_metadata(&subject, dentry));
}

/* Linux 6.17: file_setattr(2), and the ioctls that set the same flags. */
SEC("?lsm/inode_file_setattr")
int BPF_PROG(obmon_inode_file_setattr, struct dentry *dentry, void *attr, int ret)
{
	return HOST_HOOK(OBMON_HOOK_INODE_FILE_SETATTR, ret, decide_metadata(&subject, dentry));
}

/* Commands that change a file whatever mode its descriptor has, by the low 16 bits (type and number): the
 * rest of a command is its direction and size, which differ for 32-bit callers. include/uapi/linux/fs.h,
 * fscrypt.h, fsverity.h. */
static __always_inline bool ioctl_changes_file(__u32 command)
{
	switch (command & 0xffff) {
	case 0x6602: /* FS_IOC_SETFLAGS */
	case 0x7602: /* FS_IOC_SETVERSION */
	case 0x5820: /* FS_IOC_FSSETXATTR */
	case 0x6613: /* FS_IOC_SET_ENCRYPTION_POLICY */
	case 0x6685: /* FS_IOC_ENABLE_VERITY */
	case 0x9432: /* FS_IOC_SETFSLABEL */
		return true;
	default:
		return false;
	}
}

/* Typing into the terminal that the invoker reads from would be a way to act as the invoker. */
static __always_inline bool ioctl_types_for_others(__u32 command)
{
	return command == 0x5412 /* TIOCSTI */ || command == 0x541c /* TIOCLINUX */;
}

static __always_inline int decide_ioctl(const struct subject *subject, struct file *file, __u32 command)
{
	if (ioctl_types_for_others(command))
		return judge_guard_dentry(subject, file->f_path.dentry, command);
	if (!ioctl_changes_file(command) || file_is_internal(file))
		return 0;
	return judge(subject, file->f_path.dentry, NEED_WRITE, command);
}

SEC("lsm/file_ioctl")
int BPF_PROG(obmon_file_ioctl, struct file *file, unsigned int command, unsigned long arg, int ret)
{
	return HOST_HOOK(OBMON_HOOK_FILE_IOCTL, ret, decide_ioctl(&subject, file, command));
}

/* Linux 6.8, and 6.1.75 of the stable series; before, file_ioctl was asked for 32-bit callers too. */
SEC("?lsm/file_ioctl_compat")
int BPF_PROG(obmon_file_ioctl_compat, struct file *file, unsigned int command, unsigned long arg, int ret)
{
	return HOST_HOOK(OBMON_HOOK_FILE_IOCTL, ret, decide_ioctl(&subject, file, command));
}
