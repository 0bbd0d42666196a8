/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The name of a dentry: its superblock's device and its path from that filesystem's root. No mount, chroot
 * or namespace of the caller has a say in it.
 */
#ifndef OBMON_BPF_NAME_H
#define OBMON_BPF_NAME_H

#include "maps.h"

/* seqlock_t of fs/dcache.c; its sequence is its first member, odd while a rename is at work. */
extern const void rename_lock __ksym;

/* Components a callback takes: most paths end within the first, which saves a call for each. */
#define WALK_STRIDE 8u
/* What one try may take, and all tries together: renames elsewhere must not keep us here for ever. But they may for
 * about a millisecond, as a virtual processor can lose its turn in the middle of a rename. */
#define WALK_STRIDES_TRY (OBMON_DEPTH_MAX / WALK_STRIDE)
#define WALK_STRIDES_MAX (64u * WALK_STRIDES_TRY)
#define SELF_LENGTH 4u

struct walk {
	struct dentry *origin;
	struct dentry *dentry; /* where we are */
	struct dentry *top;    /* the last one below the root, or the root itself */
	struct name *name;
};

static __always_inline __u32 rename_sequence(void)
{
	__u32 sequence;

	if (bpf_probe_read_kernel(&sequence, sizeof(sequence), &rename_lock))
		return 1; /* odd: never taken for a quiet moment */
	return sequence;
}

/* Put one component in front of the name. */
static __always_inline enum obmon_failure name_prepend(struct name *name, struct dentry *dentry)
{
	__u32 length = dentry->d_name.len, start = name->start;
	const unsigned char *text = dentry->d_name.name;

	if (length > COMPONENT_MAX || start < NAME_HEADROOM + length + 1)
		return OBMON_FAIL_NAME_TOO_LONG;
	start -= length + 1;
	asm volatile("" : "+r"(start));
	if (start >= NAME_END)
		return OBMON_FAIL_NAME_TOO_LONG;
	name->bytes[start] = '/';
	if (bpf_probe_read_kernel(&name->bytes[start + 1], length & COMPONENT_MAX, text))
		return OBMON_FAIL_NAME_UNREADABLE;
	name->start = start;
	return OBMON_FAIL_NONE;
}

static __always_inline void walk_begin(struct walk *walk)
{
	walk->dentry = walk->origin;
	walk->top = walk->origin;
	walk->name->start = NAME_END;
	walk->name->last = NAME_END;
	walk->name->strides = WALK_STRIDES_TRY;
	walk->name->sequence = rename_sequence();
}

/*
 * At the root. If anything was renamed meanwhile, a component may have been read before and its parent
 * after, and the path may never have been: start again. Renames write rename_lock (d_move(), fs/dcache.c).
 */
static __always_inline long walk_end(struct walk *walk, struct dentry *root)
{
	struct name *name = walk->name;

	if (name->sequence & 1 || rename_sequence() != name->sequence) {
		walk_begin(walk);
		return 0;
	}
	name->failure = root == root->d_sb->s_root ? OBMON_FAIL_NONE : OBMON_FAIL_NAME_DETACHED;
	return 1;
}

static long walk_up(__u32 index, struct walk *walk)
{
	struct name *name = walk->name;
	enum obmon_failure failure;
	__u32 i;

	if (!name->strides) {
		name->failure = OBMON_FAIL_NAME_TOO_DEEP;
		return 1;
	}
	name->strides--;
	for (i = 0; i < WALK_STRIDE; i++) {
		struct dentry *dentry = walk->dentry, *parent = dentry->d_parent;

		if (dentry == parent)
			return walk_end(walk, dentry);
		failure = name_prepend(name, dentry);
		if (failure) {
			name->failure = failure;
			return 1;
		}
		if (walk->dentry == walk->origin)
			name->last = name->start;
		walk->top = dentry;
		walk->dentry = parent;
	}
	return 0;
}

/* Does @pid stand for a task of @run? Only the numbers of the run's own cgroup count. */
static __always_inline bool pid_in_run(struct pid *pid, const struct obmon_run *run)
{
	struct task_struct *task;
	struct hlist_node *node = BPF_CORE_READ(pid, tasks[PIDTYPE_TGID].first);

	if (!node)
		return false;
	task = (void *)node - bpf_core_field_offset(struct task_struct, pid_links[PIDTYPE_TGID]);
	return BPF_CORE_READ(task, cgroups, dfl_cgrp, kn, id) == run->cgroup_id;
}

/*
 * In procfs a task of the run is called "self", whatever its number is and whoever looks; any other task's
 * directory keeps its number and is out of reach. @top is the component right below procfs's root.
 */
static __always_inline void name_in_proc(struct name *name, struct dentry *top, const struct obmon_run *run)
{
	__u32 start = name->start, length = top->d_name.len;
	struct inode *inode = top->d_inode;
	struct pid *pid;

	asm volatile("" : "+r"(start));
	if (start >= NAME_END || !inode)
		return;
	if (name->bytes[start + 1] < '0' || name->bytes[start + 1] > '9')
		return;
	name->foreign = 1;
	pid = BPF_CORE_READ((struct proc_inode *)((void *)inode - bpf_core_field_offset(struct proc_inode, vfs_inode)),
			    pid);
	if (!pid || !pid_in_run(pid, run))
		return;
	start = start + length - SELF_LENGTH; /* "/1234" ends where "/self" ends */
	asm volatile("" : "+r"(start));
	if (start >= NAME_END)
		return;
	name->bytes[start] = '/';
	name->bytes[start + 1] = 's';
	name->bytes[start + 2] = 'e';
	name->bytes[start + 3] = 'l';
	name->bytes[start + 4] = 'f';
	name->start = start;
	name->foreign = 0;
}

/* Read the name of @dentry; name->failure says how it went. With a @run, procfs is named as that run sees it. */
static __noinline int name_read(struct dentry *dentry, struct name *name, const struct obmon_run *run)
{
	struct walk walk = { .origin = dentry, .name = name };

	name->dev = dentry->d_sb->s_dev;
	name->foreign = 0;
	name->failure = OBMON_FAIL_NAME_RACE; /* until a try comes to an end */
	walk_begin(&walk);
	bpf_loop(WALK_STRIDES_MAX, walk_up, &walk, 0);
	if (name->failure)
		return 0;
	if (name->start == NAME_END) { /* the root itself */
		name->start = NAME_END - 1;
		name->bytes[NAME_END - 1] = '/';
	} else if (run && dentry->d_sb->s_magic == PROC_SUPER_MAGIC) {
		name_in_proc(name, walk.top, run);
	}
	return 0;
}

#endif
