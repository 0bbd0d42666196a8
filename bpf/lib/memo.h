/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a directory's name has come to, kept with the directory: the next name below it costs one component.
 *
 * A directory's inode storage holds the state of a run's automaton after the directory's own name. It holds as
 * long as nothing was renamed, anywhere: rename_lock's sequence, which the walk has checked, is part of it. So
 * is the dentry and the hash of its name, for filesystems that drop a directory's dentry and give it another
 * one, and an epoch of about 2^18 ticks, within
 * which the sequence can't come around. Only a decision to let through is ever taken from a memo; a refusal
 * reads the whole name again.
 *
 * Tasks of several runs write to it at the same time, without a lock: the tag is a hash over all of it, so
 * that two halves which don't belong together are no memo (Hyatt and Mann, A lock-less transposition table
 * implementation for parallel search, ICGA Journal 25(1), 2002).
 */
#ifndef OBMON_BPF_MEMO_H
#define OBMON_BPF_MEMO_H

#include "match.h"
#include "name.h"

#define MEMO_FACTOR 0x9e3779b97f4a7c15ull /* odd: 2^64 over the golden ratio */
#define MEMO_EPOCH_SHIFT 18

static __always_inline __u64 memo_value(__u32 sequence, __u32 state)
{
	return (__u64)sequence << 32 | state;
}

static __always_inline __u64 memo_tag(const struct obmon_run *run, __u64 owner, __u64 value)
{
	__u64 tag = run->cgroup_id;

	tag = tag * MEMO_FACTOR + owner;
	tag = tag * MEMO_FACTOR + (bpf_jiffies64() >> MEMO_EPOCH_SHIFT);
	return tag * MEMO_FACTOR + value;
}

/* A pointer as a number. By way of memory, as the verifier lets nobody calculate with a pointer. */
static __always_inline __u64 memo_owner(struct name *name, struct dentry *parent)
{
	*(volatile __u64 *)&name->owner = (__u64)parent;
	return *(volatile __u64 *)&name->owner + parent->d_name.hash;
}

/* In procfs a name depends on who lives, and the root is its own parent. */
static __always_inline bool memo_applies(struct dentry *dentry, struct dentry *parent)
{
	return dentry != parent && dentry->d_sb->s_magic != PROC_SUPER_MAGIC;
}

/*
 * Put the last component of @dentry's name into @name, and the state that its parent has come to.
 * @return whether there was a memo of it that holds.
 */
static __always_inline bool memo_recall(struct dentry *dentry, struct name *name, struct obmon_run *run)
{
	struct dentry *parent = dentry->d_parent;
	__u32 sequence = rename_sequence();
	struct memo *memo;
	__u64 value;

	if (sequence & 1 || !memo_applies(dentry, parent))
		return false;
	memo = bpf_inode_storage_get(&obmon_memos, parent->d_inode, 0, 0);
	if (!memo)
		return false;
	value = memo->value;
	if (value >> 32 != sequence || memo->tag != memo_tag(run, memo_owner(name, parent), value))
		return false;
	name->start = NAME_END;
	if (name_prepend(name, dentry) || rename_sequence() != sequence)
		return false;
	name->at = name->start;
	name->state = (__u32)value;
	name->foreign = 0;
	return true;
}

/* Keep the state that the parent has come to, after a whole name has been read and matched. */
static __always_inline void memo_keep(struct dentry *dentry, struct name *name, struct obmon_run *run)
{
	struct dentry *parent = dentry->d_parent;
	struct memo *memo;
	__u64 value;

	if (!memo_applies(dentry, parent))
		return;
	memo = bpf_inode_storage_get(&obmon_memos, parent->d_inode, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!memo)
		return; /* no memory: the next one reads the whole name again */
	value = memo_value(name->sequence, name->parent_state);
	memo->value = value;
	memo->tag = memo_tag(run, memo_owner(name, parent), value);
}

#endif
