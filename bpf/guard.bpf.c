/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Guards: what no capability grants, in audit mode too.
 *
 *   per cgroup   task_alloc            a child that would start in another cgroup (CLONE_INTO_CGROUP)
 *   host-wide    uring_sqpoll          an io_uring thread that keeps the credentials of its start
 *                uring_override_creds  io_uring requests under other credentials
 *                socket_create         every socket but AF_UNIX: this version has no network capabilities in
 *                                      the kernel yet, so the network is closed (audit mode: recorded)
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

static __noinline int decide_socket(const struct subject *subject, int family, int type, int protocol)
{
	__u64 detail = (__u64)family << 32 | (type & 0xffff) << 16 | (protocol & 0xffff);
	struct operation op;

	if (!operation_begin(&op, subject, detail))
		return refuse_unrecorded(subject);
	op.scratch->event.nameless = 1;
	op.scratch->outcome = OUTCOME_MISSING;
	return operation_end(&op);
}

SEC("lsm/socket_create")
int BPF_PROG(obmon_socket_create, int family, int type, int protocol, int kern, int ret)
{
	if (kern || family == AF_UNIX)
		return ret;
	return HOST_HOOK(OBMON_HOOK_SOCKET_CREATE, ret, decide_socket(&subject, family, type, protocol));
}
