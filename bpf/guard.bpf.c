/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Guards: what no capability grants, in audit mode too.
 *
 *   per cgroup   task_alloc            a child that would start in another cgroup (CLONE_INTO_CGROUP)
 *   host-wide    uring_sqpoll          an io_uring thread that keeps the credentials of its start
 *                uring_override_creds  io_uring requests under other credentials
 *                ptrace_access_check   ptrace, process_vm_readv, pidfd_getfd, /proc/PID/mem of a task outside the run
 *                ptrace_traceme        being traced by a task outside
 *                task_kill             signals to a task outside
 *
 * cgroupfs, bpffs, tracefs, debugfs and securityfs are refused where files are (lib/judge.h).
 */
#include "lib/judge.h"

SEC("lsm_cgroup/task_alloc")
int BPF_PROG(obmon_task_alloc, struct task_struct *task, unsigned long clone_flags)
{
	if (!(clone_flags & CLONE_INTO_CGROUP))
		return 1;
	return CGROUP_HOOK(OBMON_HOOK_TASK_ALLOC, judge_guard(&subject, clone_flags));
}

SEC("lsm/uring_sqpoll")
int BPF_PROG(obmon_uring_sqpoll, int ret)
{
	return HOST_HOOK(OBMON_HOOK_URING_SQPOLL, ret, judge_guard(&subject, 0));
}

SEC("lsm/uring_override_creds")
int BPF_PROG(obmon_uring_override_creds, const struct cred *new, int ret)
{
	return HOST_HOOK(OBMON_HOOK_URING_OVERRIDE_CREDS, ret, judge_guard(&subject, 0));
}

static __always_inline bool task_in_run(struct task_struct *task, const struct obmon_run *run)
{
	return BPF_CORE_READ(task, cgroups, dfl_cgrp, kn, id) == run->cgroup_id;
}

static __always_inline int decide_task(const struct subject *subject, struct task_struct *task)
{
	return task_in_run(task, subject->run) ? 0 : judge_guard(subject, task->tgid);
}

SEC("lsm/ptrace_access_check")
int BPF_PROG(obmon_ptrace_access_check, struct task_struct *child, unsigned int mode, int ret)
{
	return HOST_HOOK(OBMON_HOOK_PTRACE_ACCESS_CHECK, ret, decide_task(&subject, child));
}

SEC("lsm/ptrace_traceme")
int BPF_PROG(obmon_ptrace_traceme, struct task_struct *parent, int ret)
{
	return HOST_HOOK(OBMON_HOOK_PTRACE_TRACEME, ret, decide_task(&subject, parent));
}

/* Asked only for signals from user space (check_kill_permission(), kernel/signal.c). */
SEC("lsm/task_kill")
int BPF_PROG(obmon_task_kill, struct task_struct *task, struct kernel_siginfo *info, int signal_number,
	     const struct cred *cred, int ret)
{
	return HOST_HOOK(OBMON_HOOK_TASK_KILL, ret, decide_task(&subject, task));
}
