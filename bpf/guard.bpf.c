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
 * And, as long as the kernel side knows no network capabilities, so that nothing is left open (these are
 * refusals for want of a capability: audit mode lets them through):
 *
 *   host-wide    socket_create         every socket but those of AF_UNIX
 *                unix_stream_connect   a unix socket that was made outside the run
 *                unix_may_send         the same, for datagrams
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

/* Refuse what a network capability would be needed for. @detail: family << 32 | type << 16 | protocol. */
static __noinline int judge_network(const struct subject *subject, __u64 detail)
{
	struct operation op;

	if (!operation_begin(&op, subject, detail))
		return refuse_unrecorded(subject);
	op.scratch->nameless = 1;
	op.scratch->outcome = OUTCOME_MISSING;
	return operation_end(&op, NULL, NULL);
}

static __always_inline __u64 socket_kind(int family, int type, int protocol)
{
	return (__u64)family << 32 | (type & 0xffff) << 16 | (protocol & 0xffff);
}

SEC("lsm/socket_create")
int BPF_PROG(obmon_socket_create, int family, int type, int protocol, int kern, int ret)
{
	if (kern || family == AF_UNIX)
		return ret;
	return HOST_HOOK(OBMON_HOOK_SOCKET_CREATE, ret, judge_network(&subject, socket_kind(family, type, protocol)));
}

/* A socket belongs to the cgroup it was made in (sock_cgroup_data, include/linux/cgroup-defs.h). */
static __always_inline bool sock_of_run(struct sock *sk, const struct obmon_run *run)
{
	return sk && BPF_CORE_READ(sk, sk_cgrp_data.cgroup, kn, id) == run->cgroup_id;
}

static __always_inline int decide_peer(const struct subject *subject, struct sock *peer)
{
	return sock_of_run(peer, subject->run) ? 0 : judge_network(subject, socket_kind(AF_UNIX, 0, 0));
}

SEC("lsm/unix_stream_connect")
int BPF_PROG(obmon_unix_stream_connect, struct sock *sock, struct sock *other, struct sock *newsk, int ret)
{
	return HOST_HOOK(OBMON_HOOK_UNIX_STREAM_CONNECT, ret, decide_peer(&subject, other));
}

SEC("lsm/unix_may_send")
int BPF_PROG(obmon_unix_may_send, struct socket *sock, struct socket *other, int ret)
{
	return HOST_HOOK(OBMON_HOOK_UNIX_MAY_SEND, ret, decide_peer(&subject, other->sk));
}
