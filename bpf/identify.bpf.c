/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the kernel itself calls the files behind the loader's own descriptors: device, inode number and
 * generation as the other programs will see them. stat(2) says something else on overlayfs and btrfs.
 */
#include "lib/common.h"

SEC("iter/task_file")
int obmon_identify(struct bpf_iter__task_file *ctx)
{
	struct file *file = ctx->file;
	struct obmon_identity identity = { .fd = ctx->fd };
	struct inode *inode;

	if (!file)
		return 0;
	inode = file->f_inode;
	identity.dev = inode->i_sb->s_dev;
	identity.ino = inode->i_ino;
	identity.generation = inode->i_generation;
	identity.f_mode = file->f_mode;
	if (inode->i_sb->s_magic == CGROUP2_SUPER_MAGIC) {
		struct kernfs_node *node = inode->i_private;
		struct cgroup *cgroup = BPF_CORE_READ(node, priv);

		identity.cgroup_level = BPF_CORE_READ(cgroup, level);
	}
	bpf_seq_write(ctx->meta->seq, &identity, sizeof(identity));
	return 0;
}
