/* SPDX-License-Identifier: GPL-2.0-only */
/* From a refusal to a record in the run's ring buffer. */
#ifndef OBMON_BPF_REPORT_H
#define OBMON_BPF_REPORT_H

#include "match.h"
#include "name.h"
#include "probe.h"

/* What kind of program reports: not all may do the same. */
enum reporter {
	REPORTER_LSM,
	REPORTER_SOCKET, /* a cgroup's program for socket addresses: no signal can be sent from there */
	REPORTER_OTHER,  /* not in the time of the process that it is about, if that is known at all */
};

/* One operation under judgement, with the working memory it has claimed. */
struct operation {
	struct subject subject;
	struct scratch *scratch;
	__u32 scratch_index;
	__u64 detail; /* goes into the record as it is */
};

static __always_inline bool scratch_claim(struct operation *op)
{
	__u32 first = bpf_get_smp_processor_id() * 4, i;

	for (i = 0; i < SCRATCH_TRIES; i++) {
		__u32 index = (first + i) & (SCRATCH_SLOTS - 1);
		struct scratch *scratch = bpf_map_lookup_elem(&obmon_scratch, &index);

		if (scratch && !__sync_lock_test_and_set(&scratch->busy, 1)) {
			op->scratch = scratch;
			op->scratch_index = index;
			return true;
		}
	}
	return false;
}

static __always_inline void scratch_release(struct operation *op)
{
	__sync_lock_test_and_set(&op->scratch->busy, 0);
}

/* Copy the name @use behind the names already in the record. @return its length. */
static __always_inline __u32 report_name(struct scratch *scratch, enum name_use use, __u32 at)
{
	struct name *name = &scratch->name[use];
	__u32 start = name->start, length;

	asm volatile("" : "+r"(start));
	if (start >= NAME_END)
		return 0;
	length = NAME_END - start;
	if (length > OBMON_NAME_MAX)
		length = OBMON_NAME_MAX;
	asm volatile("" : "+r"(at));
	if (at > OBMON_NAME_MAX)
		return 0;
	asm volatile("" : "+r"(length));
	if (length > OBMON_NAME_MAX)
		return 0;
	if (bpf_probe_read_kernel(&scratch->names[at], length, &name->bytes[start]))
		return 0;
	return length;
}

/* The executable decides nothing: where its name can't be read, the record has none. */
static __always_inline __u32 report_exe(struct scratch *scratch, struct task_struct *task, __u32 at)
{
	struct name *name = &scratch->name[NAME_EXE];
	struct mm_struct *mm = task->mm;
	struct file *exe;
	__u32 length, start;

	if (!mm)
		return 0;
	exe = mm->exe_file;
	if (!exe)
		return 0;
	name_read(exe->f_path.dentry, name, NULL);
	if (name->failure)
		return 0;
	scratch->event.exe_dev = name->dev;
	start = name->start;
	if (start < NAME_END - OBMON_EXE_MAX)
		start = NAME_END - OBMON_EXE_MAX;
	asm volatile("" : "+r"(start));
	if (start >= NAME_END)
		return 0;
	length = NAME_END - start;
	asm volatile("" : "+r"(length), "+r"(at));
	if (at > 2 * OBMON_NAME_MAX || length > OBMON_EXE_MAX)
		return 0;
	if (bpf_probe_read_kernel(&scratch->names[at], length, &name->bytes[start]))
		return 0;
	return length;
}

static __always_inline void report_process(struct obmon_process *process, struct task_struct *task)
{
	__u64 ids = bpf_get_current_pid_tgid(), owner = bpf_get_current_uid_gid();

	process->pid = ids >> 32;
	process->tid = ids;
	process->ppid = task->real_parent->tgid;
	process->uid = owner;
	process->gid = owner >> 32;
	bpf_get_current_comm(process->comm, sizeof(process->comm));
}

static __always_inline void report_object(struct obmon_event *event, struct dentry *object, struct dentry *object2)
{
	struct inode *inode;

	event->dev = event->dev2 = event->fs_magic = 0;
	event->ino = 0;
	if (object2)
		event->dev2 = object2->d_sb->s_dev;
	if (!object)
		return;
	event->dev = object->d_sb->s_dev;
	event->fs_magic = object->d_sb->s_magic;
	inode = object->d_inode;
	if (inode)
		event->ino = inode->i_ino;
}

/*
 * Number a record of what stands in the scratch buffer and send it. The number is taken first, so that a
 * record that finds no room leaves a hole which `dropped` explains.
 * @return whether it was sent.
 */
static __always_inline bool report_send(struct operation *op, struct dentry *object, struct dentry *object2,
					const enum reporter reporter)
{
	struct obmon_run *run = op->subject.run;
	struct scratch *scratch = op->scratch;
	struct obmon_event *event = &scratch->event;
	__u32 slot = op->subject.slot, length;
	void *ring = bpf_map_lookup_elem(&obmon_rings, &slot);

	event->time_ns = bpf_ktime_get_boot_ns();
	event->cgroup_id = run->cgroup_id;
	event->detail = op->detail;
	event->missing = scratch->missing;
	event->missing2 = scratch->missing2;
	event->hook = op->subject.hook;
	event->failure = scratch->failure;
	event->nameless = scratch->nameless;
	event->directory = scratch->directory;
	event->exe_dev = 0;
	report_object(event, object, object2);
	event->name_length = report_name(scratch, NAME_OBJECT, 0);
	event->name2_length = report_name(scratch, NAME_OBJECT2, event->name_length);
	length = event->name_length + event->name2_length;
	event->exe_length = 0;
	if (reporter != REPORTER_OTHER) { /* else the process is filled in already */
		struct task_struct *task = bpf_get_current_task_btf();

		report_process(&event->process, task);
		event->exe_length = report_exe(scratch, task, length);
	}
	length += event->exe_length + sizeof(*event);
	event->seq = __sync_fetch_and_add(&run->seq, 1) + 1;
	if (object && op->subject.hook == OBMON_HOOK_PATH_MKNOD)
		probe_note(&op->subject, object, event->seq);
	asm volatile("" : "+r"(length));
	if (ring && length <= OBMON_EVENT_MAX && !bpf_ringbuf_output(ring, event, length, 0))
		return true;
	count(&run->dropped);
	return false;
}

static __always_inline void failure_count(struct obmon_run *run, enum obmon_failure failure)
{
	if (failure < OBMON_FAIL_MAX)
		count(&run->failures[failure]);
}

/*
 * Under --on-violation kill the first refusal is the process's last act; user space ends the rest. Not so for
 * path_mknod, whose refusal may turn out to be none (probe.h), nor where no signal can be sent: there user space
 * does all of it.
 */
static __always_inline void refuse_count(const struct subject *subject, const enum reporter reporter)
{
	struct obmon_run *run = subject->run;

	count(&run->refused);
	if (reporter == REPORTER_LSM && run->flags & OBMON_RUN_KILL && subject->hook != OBMON_HOOK_PATH_MKNOD)
		bpf_send_signal(9);
}

/* Refuse with no working memory to describe it in: the number it takes is accounted for as dropped. */
static __always_inline int refuse_unrecorded(const struct subject *subject, const enum reporter reporter)
{
	refuse_count(subject, reporter);
	failure_count(subject->run, OBMON_FAIL_NO_SCRATCH);
	__sync_fetch_and_add(&subject->run->seq, 1);
	count(&subject->run->dropped);
	return -EACCES;
}

static __always_inline int conclude_quietly(struct obmon_run *run, __u32 outcome)
{
	count(&run->quiet);
	if (outcome == OUTCOME_QUIET && run->flags & OBMON_RUN_AUDIT)
		return 0;
	count(&run->refused);
	return -EACCES;
}

/*
 * Carry out an outcome that isn't OUTCOME_ALLOWED: the one place where operations are refused, recorded and
 * counted. @return what the hook returns.
 */
static __always_inline int conclude_as(struct operation *op, struct dentry *object, struct dentry *object2,
				       const enum reporter reporter)
{
	struct obmon_event *event = &op->scratch->event;
	struct obmon_run *run = op->subject.run;
	__u32 outcome = op->scratch->outcome;
	bool audited = outcome == OUTCOME_MISSING && run->flags & OBMON_RUN_AUDIT;
	bool sent;

	if (outcome == OUTCOME_QUIET || outcome == OUTCOME_QUIET_GUARD)
		return conclude_quietly(run, outcome);
	event->verdict = outcome == OUTCOME_GUARD   ? OBMON_VERDICT_GUARD :
			 outcome == OUTCOME_FAILURE ? OBMON_VERDICT_FAILURE :
			 audited                    ? OBMON_VERDICT_AUDITED :
						      OBMON_VERDICT_DENIED;
	event->error = audited ? 0 : op->scratch->error;
	if (outcome == OUTCOME_FAILURE)
		failure_count(run, op->scratch->failure);
	sent = report_send(op, object, object2, reporter);
	if (audited && sent) {
		count(&run->audited);
		return 0;
	}
	if (audited)
		failure_count(run, OBMON_FAIL_NO_ROOM);
	refuse_count(&op->subject, reporter);
	return op->scratch->error == -EXDEV ? -EXDEV : -EACCES;
}

static __noinline int conclude(struct operation *op, struct dentry *object, struct dentry *object2)
{
	return conclude_as(op, object, object2, REPORTER_LSM);
}

#endif
