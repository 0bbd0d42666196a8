/* SPDX-License-Identifier: GPL-2.0-only */
/* Whose operation is it: the run that the current task belongs to. */
#ifndef OBMON_BPF_SUBJECT_H
#define OBMON_BPF_SUBJECT_H

#include "maps.h"

enum standing {
	STANDING_FREE,   /* of no run, or the run is still being set up: let it through at once */
	STANDING_JUDGED, /* of an armed run */
	STANDING_LOST,   /* of a run that cannot be read: refuse */
};

struct subject {
	struct obmon_run *run;
	__u32 slot;
	__u32 hook; /* enum obmon_hook of the program at work */
};

static __always_inline void count(__u64 *counter)
{
	__sync_fetch_and_add(counter, 1);
}

static __always_inline enum standing subject_lost(void)
{
	__u32 zero = 0;
	__u64 *lost = bpf_map_lookup_elem(&obmon_lost, &zero);

	if (lost)
		count(lost);
	return STANDING_LOST;
}

static __always_inline enum standing subject_at(struct subject *subject, __u32 slot, __u32 hook)
{
	struct obmon_run *run = bpf_map_lookup_elem(&obmon_runs, &slot);

	if (!run)
		return subject_lost();
	subject->run = run;
	subject->slot = slot;
	subject->hook = hook;
	switch (run->phase) {
	case OBMON_PHASE_ARMED:
		return STANDING_JUDGED;
	case OBMON_PHASE_SETUP:
		return STANDING_FREE;
	default:
		return subject_lost();
	}
}

/* For programs attached to a run's cgroup. The storage exists as long as the attachment does. */
static __always_inline enum standing subject_of_cgroup(struct subject *subject, __u32 hook)
{
	struct obmon_cgroup_slot *slot = bpf_get_local_storage(&obmon_cgroup_slots, 0);

	if (!slot->slot_plus_1)
		return subject_lost();
	return subject_at(subject, slot->slot_plus_1 - 1, hook);
}

/* For host-wide programs. */
static __always_inline enum standing subject_of_task(struct subject *subject, __u32 hook)
{
	__u32 i;

	for (i = 0; i < OBMON_LEVELS_MAX; i++) {
		__u32 key = i, *level = bpf_map_lookup_elem(&obmon_levels, &key), *slot;
		__u64 id;

		if (!level || !*level)
			return STANDING_FREE; /* the list of levels ends here: the task is of no run */
		id = bpf_get_current_ancestor_cgroup_id(*level);
		if (!id)
			continue;
		slot = bpf_map_lookup_elem(&obmon_run_of_cgroup, &id);
		if (slot)
			return subject_at(subject, *slot, hook);
	}
	return STANDING_FREE;
}

/* A socket belongs to the cgroup it was made in (sock_cgroup_data, include/linux/cgroup-defs.h). */
static __always_inline bool sock_of_run(struct sock *sk, const struct obmon_run *run)
{
	return sk && sk->sk_cgrp_data.cgroup->kn->id == run->cgroup_id;
}

#endif
