/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Execution: EXTERNAL_COMMAND and LIBRARY_LOAD.
 *
 *   per cgroup   bprm_check_security  the file to run, and each interpreter in turn
 *                mmap_file            mapping a file executable
 *                file_mprotect        making a mapping of a file executable
 *
 * Most of execve(2) is judged at file_open (file.bpf.c): the file, a script's interpreter and an ELF
 * binary's loader are all opened by the kernel for execution, which a flag of the open file says that user
 * space can't set (__FMODE_EXEC). What bears it isn't judged again. bprm_check_security is for anything that
 * comes to be executed without such an open.
 */
#include "lib/judge.h"

/* Linux 6.2. Gives a pointer of another type to the verifier, readable and untrusted. */
extern void *bpf_rdonly_cast(const void *object, __u32 btf_id) __ksym __weak;

static __always_inline bool opened_for_execution(struct file *file)
{
	return file->f_flags & FMODE_EXEC;
}

SEC("lsm_cgroup/bprm_check_security")
int BPF_PROG(obmon_bprm_check_security, struct linux_binprm *bprm)
{
	if (opened_for_execution(bprm->file))
		return 1;
	return CGROUP_HOOK(OBMON_HOOK_BPRM_CHECK_SECURITY, judge(&subject, bprm->file->f_path.dentry, NEED_EXEC, 0));
}

/* @prot is what the kernel will do, READ_IMPLIES_EXEC included; @reqprot only what was asked for. */
SEC("lsm_cgroup/mmap_file")
int BPF_PROG(obmon_mmap_file, struct file *file, unsigned long reqprot, unsigned long prot, unsigned long flags)
{
	if (!file || !(prot & PROT_EXEC) || opened_for_execution(file))
		return 1;
	return CGROUP_HOOK(OBMON_HOOK_MMAP_FILE, judge(&subject, file->f_path.dentry, NEED_LOAD, 0));
}

/*
 * From Linux 6.5 on a mapping of a file on overlayfs holds a file of the layer below, whose own path nobody
 * granted; what the user mapped stands in the struct backing_file around it.
 */
static __always_inline int decide_mprotect(const struct subject *subject, struct file *file)
{
	struct backing_file *backing;

	if (!mount_is_internal(file->f_path.mnt) || file->f_path.dentry->d_sb->s_flags & SB_NOUSER)
		return judge(subject, file->f_path.dentry, NEED_LOAD, 0);
	if (!bpf_core_field_exists(struct backing_file, user_path) || !bpf_rdonly_cast)
		return judge(subject, file->f_path.dentry, NEED_LOAD, 0);
	backing = bpf_rdonly_cast(file, bpf_core_type_id_kernel(struct backing_file));
	return judge_with(subject, backing->user_path.dentry, NEED_LOAD, 0, UNTRUSTED);
}

SEC("lsm_cgroup/file_mprotect")
int BPF_PROG(obmon_file_mprotect, struct vm_area_struct *vma, unsigned long reqprot, unsigned long prot)
{
	struct file *file = vma->vm_file;

	if (!file || !(prot & PROT_EXEC) || vma->vm_flags & VM_EXEC)
		return 1;
	return CGROUP_HOOK(OBMON_HOOK_FILE_MPROTECT, decide_mprotect(&subject, file));
}
