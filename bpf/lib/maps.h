/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Every map of obmon, and nothing else. All are pinned; user space finds them by these names
 * (userspace/engine/engine.c).
 */
#ifndef OBMON_BPF_MAPS_H
#define OBMON_BPF_MAPS_H

#include "common.h"

/*
 * A name, and what came of looking it up. `bytes` is filled from NAME_END downwards, `start` is where the name
 * begins; before it there is always room for the 4 bytes of the device that the automaton reads first.
 *
 * What is decided lives here, in map memory, and not in registers or on the stack: the verifier forgets
 * constants that go through memory, so that paths which differ only in them are checked once. Loading all
 * programs costs a tenth of the verifier steps that way.
 */
#define NAME_HEADROOM 8u
#define NAME_END (OBMON_NAME_MAX + NAME_HEADROOM)
#define COMPONENT_MAX 255u

struct name {
	__u32 dev;
	__u32 start;
	__u32 failure;      /* enum obmon_failure */
	__u32 sequence;     /* of rename_lock when the walk began */
	__u32 strides;      /* that are left to this try */
	__u32 foreign;      /* in procfs, about a task outside the run */
	__u32 last;         /* where the last component begins, with its slash */
	__u32 at;           /* how far the automaton has read, */
	__u32 state;        /* and where it stands */
	__u32 parent_state; /* where it stood before the last component */
	__u32 rights;
	__u32 residual;
	__u64 owner; /* the parent directory's dentry, as a number: see memo.h */
	__u8 bytes[NAME_END + COMPONENT_MAX + 1];
};

enum name_use {
	NAME_OBJECT,
	NAME_OBJECT2,
	NAME_EXE,
	NAME_USES,
};

/*
 * Working memory of one decision. Programs run preemptibly, so a per-CPU buffer would be shared with
 * whoever preempts us: a slot is claimed atomically, and the operation is refused if none is free.
 */
#define SCRATCH_SLOTS 128u
#define SCRATCH_TRIES 16u

/* How an operation ends. */
enum outcome {
	OUTCOME_ALLOWED,
	OUTCOME_MISSING,     /* a grant is missing */
	OUTCOME_QUIET,       /* the same, and the set says that this is expected */
	OUTCOME_GUARD,       /* nothing can grant it */
	OUTCOME_QUIET_GUARD, /* nothing can, and the set says that a try is expected */
	OUTCOME_FAILURE,     /* it could not be decided */
};

struct scratch {
	__u32 busy;
	__u32 outcome;  /* enum outcome */
	__u32 missing;  /* rights wanting on the object, */
	__u32 missing2; /* on the second object */
	__s32 error;    /* what a refusal returns */
	__u32 failure;  /* enum obmon_failure */
	__u32 nameless;
	__u32 directory;
	struct name name[NAME_USES];
	struct obmon_event event;
	__u8 names[2u * OBMON_NAME_MAX + OBMON_EXE_MAX];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SCRATCH_SLOTS);
	__type(key, __u32);
	__type(value, struct scratch);
} obmon_scratch SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct obmon_abi_info);
} obmon_abi SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, OBMON_RUNS_MAX);
	__type(key, __u32);
	__type(value, struct obmon_run);
} obmon_runs SEC(".maps");

/* What a directory's name has come to in the automaton of one run: see memo.h. */
struct memo {
	__u64 tag;
	__u64 value;
};

struct {
	__uint(type, BPF_MAP_TYPE_INODE_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct memo);
} obmon_memos SEC(".maps");

/* The last creation that a task was refused: see probe.h. */
struct refused_creation {
	__u64 dentry;                /* as a number; 0: none */
	__u64 parent;                /* likewise */
	__u64 hash;                  /* of its name: an address alone may come to be another dentry's */
	__u64 seq;                   /* of the record */
	__u64 opened, opened_parent; /* of the file being opened */
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct refused_creation);
} obmon_probes SEC(".maps");

struct policy_pages {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_INNER_MAP); /* so that sets of every size fit one outer map */
	__uint(max_entries, 1);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(struct obmon_dfa_page));
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, OBMON_RUNS_MAX);
	__type(key, __u32);
	__array(values, struct policy_pages);
} obmon_policies SEC(".maps");

struct ring {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 65536); /* a template only; and a multiple of every page size there is */
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, OBMON_RUNS_MAX);
	__type(key, __u32);
	__array(values, struct ring);
} obmon_rings SEC(".maps");

/* What the run's resolver has answered. A run without a resolver has no such map. */
struct addresses {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, OBMON_ADDRESSES_MAX);
	__uint(key_size, sizeof(struct obmon_address));
	__uint(value_size, sizeof(struct obmon_address_entry));
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, OBMON_RUNS_MAX);
	__type(key, __u32);
	__array(values, struct addresses);
} obmon_addresses SEC(".maps");

/* Who asks a run's resolver, by the socket's cookie. For records only: the oldest may be forgotten. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, OBMON_ASKERS_MAX);
	__type(key, __u64);
	__type(value, struct obmon_process);
} obmon_askers SEC(".maps");

/* The run's cgroup -> its slot, for the programs that are attached to a run's cgroup. The 64-bit key makes
 * all programs of one cgroup share one value (BPF_MAP_TYPE_CGROUP_STORAGE, Linux 5.9). */
struct {
	__uint(type, BPF_MAP_TYPE_CGROUP_STORAGE);
	__type(key, __u64);
	__type(value, struct obmon_cgroup_slot);
} obmon_cgroup_slots SEC(".maps");

/* The same for the host-wide programs: id of the run's cgroup -> slot. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, OBMON_RUNS_MAX);
	__type(key, __u64);
	__type(value, __u32);
} obmon_run_of_cgroup SEC(".maps");

/* Depths in the cgroup tree at which runs live, ended by 0. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, OBMON_LEVELS_MAX);
	__type(key, __u32);
	__type(value, __u32);
} obmon_levels SEC(".maps");

/* Operations that were refused because the task's run could not be read at all. Must stay 0. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} obmon_lost SEC(".maps");

#endif
