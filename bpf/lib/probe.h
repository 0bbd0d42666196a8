/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Refusals that weren't. An open with O_CREAT asks path_mknod before the kernel has looked whether the file
 * exists (lookup_open() and may_o_create(), fs/namei.c). If it does, the answer is dropped, and the open is
 * judged at file_open; but the record is on its way. So a task remembers the dentry of the last creation that
 * it was refused, and if it comes to open just that dentry, without having created it, user space is told that
 * the record was of a probe; likewise if the dentry has meanwhile been found to be a symbolic link, which the open
 * then followed. Nobody but the kernel can bring that about: a file that takes the name later, by
 * rename, brings its own dentry along. Where anything of this fails, the record stays a refusal.
 */
#ifndef OBMON_BPF_PROBE_H
#define OBMON_BPF_PROBE_H

#include "subject.h"

static __always_inline void probe_tell(const struct subject *subject, __u64 seq)
{
	__u32 slot = subject->slot;
	void *ring = bpf_map_lookup_elem(&obmon_rings, &slot);
	struct obmon_event *event;

	if (!ring)
		return;
	event = bpf_ringbuf_reserve(ring, sizeof(*event), 0);
	if (!event)
		return;
	__builtin_memset(event, 0, sizeof(*event));
	event->verdict = OBMON_VERDICT_PROBE;
	event->detail = seq;
	bpf_ringbuf_submit(event, 0);
}

/* Has what was to be created turned out to be a symbolic link? */
static __always_inline bool probe_was_link(const struct refused_creation *probe)
{
	struct dentry *dentry = (struct dentry *)probe->dentry;

	return (BPF_CORE_READ(dentry, d_inode, i_mode) & S_IFMT) == S_IFLNK &&
	       BPF_CORE_READ(dentry, d_name.hash) == probe->hash;
}

/* The current task was refused to create @dentry, as record number @seq tells. */
static __always_inline void probe_note(const struct subject *subject, struct dentry *dentry, __u64 seq)
{
	struct refused_creation *probe =
		bpf_task_storage_get(&obmon_probes, bpf_get_current_task_btf(), 0, BPF_LOCAL_STORAGE_GET_F_CREATE);

	if (!probe)
		return;
	if (probe->dentry && probe_was_link(probe))
		probe_tell(subject, probe->seq);
	*(volatile __u64 *)&probe->dentry = (__u64)dentry;
	*(volatile __u64 *)&probe->parent = (__u64)dentry->d_parent;
	probe->hash = dentry->d_name.hash;
	probe->seq = seq;
}

/* Is @opened what was to be created? Numbers are compared by way of memory, see memo_owner(). */
static __always_inline bool probe_is(struct refused_creation *probe, struct dentry *opened)
{
	*(volatile __u64 *)&probe->opened = (__u64)opened;
	*(volatile __u64 *)&probe->opened_parent = (__u64)opened->d_parent;
	return *(volatile __u64 *)&probe->opened == *(volatile __u64 *)&probe->dentry &&
	       *(volatile __u64 *)&probe->opened_parent == *(volatile __u64 *)&probe->parent &&
	       opened->d_name.hash == probe->hash;
}

/* The current task opens @file, and could have created it. */
static __always_inline void probe_settle(const struct subject *subject, struct file *file)
{
	struct refused_creation *probe;

	if (!(file->f_flags & O_CREAT) || file->f_mode & FMODE_CREATED)
		return;
	probe = bpf_task_storage_get(&obmon_probes, bpf_get_current_task_btf(), 0, 0);
	if (!probe || !probe->dentry)
		return;
	if (probe_is(probe, file->f_path.dentry) || probe_was_link(probe))
		probe_tell(subject, probe->seq);
	probe->dentry = 0;
}

#endif
