/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The decision: what an operation needs, against what its objects are granted. Every function here
 * returns 0 to let through, or a negative errno to refuse; whatever goes wrong refuses.
 */
#ifndef OBMON_BPF_JUDGE_H
#define OBMON_BPF_JUDGE_H

#include "memo.h"
#include "report.h"

#define NEED_READ OBMON_RIGHT_BIT(OBMON_RIGHT_READ)
#define NEED_WRITE OBMON_RIGHT_BIT(OBMON_RIGHT_WRITE)
#define NEED_EXEC OBMON_RIGHT_BIT(OBMON_RIGHT_EXEC)
#define NEED_LOAD OBMON_RIGHT_BIT(OBMON_RIGHT_LOAD)
#define NEED_LIST OBMON_RIGHT_BIT(OBMON_RIGHT_LIST)
#define NEED_CONNECT OBMON_RIGHT_BIT(OBMON_RIGHT_CONNECT)
#define NEED_LISTEN OBMON_RIGHT_BIT(OBMON_RIGHT_LISTEN)

/* Filesystems through which a run could free itself, or see what obmon does. Never grantable. */
static __always_inline bool filesystem_is_ours(unsigned long magic)
{
	return magic == CGROUP2_SUPER_MAGIC || magic == CGROUP_SUPER_MAGIC || magic == BPF_FS_MAGIC ||
	       magic == TRACEFS_MAGIC || magic == DEBUGFS_MAGIC || magic == SECURITYFS_MAGIC;
}

/*
 * overlayfs opens, truncates and relabels its lower and upper files inside the caller's system call, with
 * the mounter's credentials (ovl_override_creds()). What the caller asked for was judged on the overlay
 * already. A run can't bring about overridden credentials by itself: io_uring's two ways, a personality and
 * a polling thread, are refused (guard.bpf.c).
 */
static __always_inline bool credentials_are_overridden(const struct task_struct *task)
{
	return task->cred != task->real_cred;
}

/*
 * Except in io_uring's worker threads, which take on the credentials that a request was made with: a run that
 * changes its own in between (capset(2)) gets there. On overlayfs such a request of theirs is refused.
 */
static __always_inline bool kernel_acts_for_itself(void)
{
	struct task_struct *task = bpf_get_current_task_btf();

	return credentials_are_overridden(task) && !(task->flags & PF_IO_WORKER);
}

/* Mounts that only the kernel can use, such as overlayfs's private clones of its layers (fs/mount.h). */
static __always_inline bool mount_is_internal(struct vfsmount *mnt)
{
	struct mount *mount = (void *)mnt - bpf_core_field_offset(struct mount, mnt);

	return (unsigned long)BPF_CORE_READ(mount, mnt_ns) == MNT_NS_INTERNAL;
}

static __always_inline bool file_is_internal(struct file *file)
{
	/* The mount says it all; the credentials only save most tasks the look at it. */
	return credentials_are_overridden(bpf_get_current_task_btf()) && mount_is_internal(file->f_path.mnt);
}

static __always_inline struct obmon_object *object_find(struct obmon_run *run, struct inode *inode)
{
	__u64 ino = inode->i_ino;
	__u32 dev = inode->i_sb->s_dev, generation = inode->i_generation, i;

	for (i = 0; i < OBMON_OBJECTS_MAX; i++) {
		struct obmon_object *object = &run->objects[i];

		if (!object->rights)
			break;
		if (object->ino == ino && object->dev == dev && object->generation == generation)
			return object;
	}
	return NULL;
}

/* Claim working memory. @return false if there is none: refuse_unrecorded(). */
static __always_inline bool operation_begin(struct operation *op, const struct subject *subject, __u64 detail)
{
	struct scratch *scratch;

	op->subject = *subject;
	op->detail = detail;
	if (!scratch_claim(op))
		return false;
	scratch = op->scratch;
	scratch->outcome = OUTCOME_GUARD; /* until something better is known */
	scratch->missing = 0;
	scratch->missing2 = 0;
	scratch->error = -EACCES;
	scratch->failure = OBMON_FAIL_NONE;
	scratch->nameless = 0;
	scratch->directory = 0;
	scratch->event.family = 0;
	scratch->name[NAME_OBJECT].start = NAME_END;
	scratch->name[NAME_OBJECT2].start = NAME_END;
	return true;
}

/* Carry the outcome out. The record tells of @object and @object2, which may be NULL. */
static __always_inline int operation_end(struct operation *op, struct dentry *object, struct dentry *object2)
{
	int answer = op->scratch->outcome == OUTCOME_ALLOWED ? 0 : conclude(op, object, object2);

	scratch_release(op);
	return answer;
}

static __always_inline void operation_failed(struct operation *op, __u32 failure)
{
	op->scratch->failure = failure;
	op->scratch->outcome = OUTCOME_FAILURE;
}

/*
 * How the verifier sees a dentry: one that bpf_rdonly_cast() has given can be read, but helpers don't take what it
 * points to. Names read from it leave no memo.
 */
enum trust {
	TRUSTED,
	UNTRUSTED,
};

/* Does the set call it expected that @missing is refused? */
static __always_inline bool rights_quiet(__u32 rights, __u32 missing)
{
	return !(missing & ~(rights >> OBMON_RIGHT_QUIET_SHIFT & OBMON_RIGHTS_ALL));
}

/* Is the operation about a name rather than about the file behind it? An object has no say over names. */
static __always_inline bool hook_is_about_name(__u32 hook)
{
	return hook >= OBMON_HOOK_PATH_MKDIR && hook <= OBMON_HOOK_PATH_LINK;
}

/* What the run holds on the inode whatever its name, obmon's own filesystems included. */
static __always_inline void hold_object(struct operation *op, struct dentry *dentry, struct name *name, __u32 need)
{
	struct inode *inode = dentry->d_inode;
	struct obmon_object *object;

	if (name->foreign || filesystem_is_ours(dentry->d_sb->s_magic))
		name->rights |= OBMON_RIGHT_NEVER;
	if (!inode)
		return;
	object = object_find(op->subject.run, inode);
	if (!object || (hook_is_about_name(op->subject.hook) && object->rights != OBMON_RIGHT_NEVER))
		return;
	if (need & ~rights_implied(name->rights) && !(need & ~rights_implied(object->rights)))
		count(&object->hits);
	name->rights |= object->rights;
}

/*
 * Read the name @use of @dentry and look up what it is granted: name->rights, by its name and as an object
 * of the run, or OBMON_RIGHT_NEVER. A name->failure has been noted as the outcome.
 */
static __noinline int hold(struct operation *op, struct dentry *dentry, enum name_use use, __u32 need, enum trust trust)
{
	struct name *name = &op->scratch->name[use & 1];
	struct obmon_run *run = op->subject.run;

	name_read(dentry, name, run);
	if (!name->failure)
		match_name(op->scratch_index, use & 1, op->subject.slot, need, 1);
	if (name->failure) {
		operation_failed(op, name->failure);
		return 0;
	}
	if (trust == TRUSTED)
		memo_keep(dentry, name, run);
	hold_object(op, dentry, name, need);
	return 0;
}

/* The usual case, cheaply: is @need granted, as far as a memo can tell? If not, hold() has the last word. */
static __always_inline bool hold_at_once(struct operation *op, struct dentry *dentry, __u32 need)
{
	struct name *name = &op->scratch->name[NAME_OBJECT];

	if (!memo_recall(dentry, name, op->subject.run))
		return false;
	match_name(op->scratch_index, NAME_OBJECT, op->subject.slot, need, 0);
	if (name->failure)
		return false;
	hold_object(op, dentry, name, need);
	return !(name->rights & OBMON_RIGHT_NEVER) && !(need & ~rights_implied(name->rights));
}

/*
 * Pipes, memfds and other objects of the kernel's own filesystems have no name. Whoever holds one may open
 * it again; the descriptors 0 to 2 only in the mode that they came in. None can be executed.
 */
static __always_inline void judge_nameless(struct operation *op, struct dentry *dentry, __u32 need)
{
	struct scratch *scratch = op->scratch;
	struct name *name = &scratch->name[NAME_OBJECT];
	struct inode *inode = dentry->d_inode;
	struct obmon_object *object = inode ? object_find(op->subject.run, inode) : NULL;

	scratch->nameless = 1;
	scratch->missing = need & (NEED_EXEC | NEED_LOAD);
	if (object)
		scratch->missing |= need & ~object->rights;
	scratch->outcome = scratch->missing ? OUTCOME_MISSING : OUTCOME_ALLOWED;
	if (!scratch->missing)
		return;
	if (!name_prepend(name, dentry))
		name->start += 1; /* its label, without the slash */
}

/* The outcome of an operation that needs @need on the name that has been looked up. */
static __always_inline void judge_rights(struct scratch *scratch, __u32 need)
{
	struct name *name = &scratch->name[NAME_OBJECT];
	__u32 missing = need & ~rights_implied(name->rights);

	if (name->rights & OBMON_RIGHT_NEVER) {
		if (rights_quiet(name->rights, need))
			scratch->outcome = OUTCOME_QUIET_GUARD;
		return;
	}
	scratch->missing = missing;
	if (!missing)
		scratch->outcome = OUTCOME_ALLOWED;
	else if (rights_quiet(name->rights, missing))
		scratch->outcome = OUTCOME_QUIET;
	else
		scratch->outcome = OUTCOME_MISSING;
}

static __always_inline void judge_named(struct operation *op, struct dentry *dentry, __u32 need, enum trust trust)
{
	struct scratch *scratch = op->scratch;

	if (trust == TRUSTED && hold_at_once(op, dentry, need)) {
		scratch->outcome = OUTCOME_ALLOWED;
		return;
	}
	scratch->missing = need; /* what a record of a failure says was asked for */
	hold(op, dentry, NAME_OBJECT, need, trust);
	if (!scratch->name[NAME_OBJECT].failure)
		judge_rights(scratch, need);
}

static __noinline int judge_with(const struct subject *subject, struct dentry *dentry, __u32 need, __u64 detail,
				 enum trust trust)
{
	struct operation op;

	if (!operation_begin(&op, subject, detail))
		return refuse_unrecorded(subject, REPORTER_LSM);
	if (dentry->d_sb->s_flags & SB_NOUSER)
		judge_nameless(&op, dentry, need);
	else
		judge_named(&op, dentry, need, trust);
	return operation_end(&op, dentry, NULL);
}

/* Does the run hold @need on @dentry? @detail goes into the record. */
static __always_inline int judge(const struct subject *subject, struct dentry *dentry, __u32 need, __u64 detail)
{
	return judge_with(subject, dentry, need, detail, TRUSTED);
}

/* Refuse something that no capability grants, without an object. */
static __noinline int judge_guard(const struct subject *subject, __u64 detail)
{
	struct operation op;

	if (!operation_begin(&op, subject, detail))
		return refuse_unrecorded(subject, REPORTER_LSM);
	op.scratch->nameless = 1;
	return operation_end(&op, NULL, NULL);
}

/* The same with an object, so that the record names it. */
static __noinline int judge_guard_dentry(const struct subject *subject, struct dentry *dentry, __u64 detail)
{
	struct name *name;
	struct operation op;

	if (!operation_begin(&op, subject, detail))
		return refuse_unrecorded(subject, REPORTER_LSM);
	name = &op.scratch->name[NAME_OBJECT];
	name_read(dentry, name, op.subject.run);
	op.scratch->nameless = !!name->failure;
	return operation_end(&op, dentry, NULL);
}

/* What an open file's mode stands for. */
static __always_inline __u32 file_need(struct file *file)
{
	__u32 mode = file->f_mode, need = 0;

	if (file->f_flags & FMODE_EXEC)
		return NEED_EXEC;
	if (mode & FMODE_READ)
		need |= (file->f_inode->i_mode & S_IFMT) == S_IFDIR ? NEED_LIST : NEED_READ;
	if (mode & FMODE_WRITE || file->f_flags & O_TRUNC)
		need |= NEED_WRITE;
	return need;
}

static __always_inline bool dentry_is_directory(struct dentry *dentry)
{
	struct inode *inode = dentry->d_inode;

	return inode && (inode->i_mode & S_IFMT) == S_IFDIR;
}

/* The answer of a program that is attached to a cgroup: 1 lets through, 0 refuses with the errno set. */
static __always_inline int answer_cgroup(int answer)
{
	if (!answer)
		return 1;
	bpf_set_retval(answer);
	return 0;
}

/* The frame of a per-cgroup program: `subject` is whom it concerns in @decision. */
#define CGROUP_HOOK(hook_id, decision) \
	({ \
		struct subject subject; \
		int answer__ = 0; \
		enum standing standing__ = subject_of_cgroup(&subject, hook_id); \
		if (standing__ == STANDING_JUDGED) \
			answer__ = (decision); \
		else if (standing__ == STANDING_LOST) \
			answer__ = -EACCES; \
		answer_cgroup(answer__); \
	})

/* The frame of a host-wide program; @ret is the verdict of the programs and modules before it. */
#define HOST_HOOK(hook_id, ret, decision) \
	({ \
		struct subject subject; \
		int answer__ = (ret); \
		if (!answer__) { \
			enum standing standing__ = subject_of_task(&subject, hook_id); \
			if (standing__ == STANDING_JUDGED) \
				answer__ = (decision); \
			else if (standing__ == STANDING_LOST) \
				answer__ = -EACCES; \
		} \
		answer__; \
	})

#endif
