/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * What user space tells the kernel programs about a run, and what they count for it.
 *
 * Every run has a slot: an index into the arrays `obmon_runs` (struct obmon_run), `obmon_policies` (its
 * automaton's pages), `obmon_rings` (its ring buffer) and `obmon_addresses` (what its resolver has answered). Slots are handed out by user space under a lock
 * (userspace/engine/engine.c). A slot's automaton and ring never change while tasks of the run exist.
 */
#ifndef OBMON_ABI_RUN_H
#define OBMON_ABI_RUN_H

#include "obmon/abi/dfa.h"
#include "obmon/abi/net.h"

/* Raise whenever the meaning or layout of anything in include/obmon/abi/ changes. */
#define OBMON_ABI_VERSION 2u

#define OBMON_RUNS_MAX 1024u
#define OBMON_OBJECTS_MAX 16u

enum obmon_phase {
	OBMON_PHASE_FREE = 0, /* no run: a task found in such a slot is refused everything */
	OBMON_PHASE_SETUP,    /* obmon's own code is still running in the cgroup: nothing is judged */
	OBMON_PHASE_ARMED,    /* the workload is judged */
};

/* Flags of a run. */
#define OBMON_RUN_AUDIT (1u << 0) /* want of a grant is recorded but not refused; failures still refuse */
#define OBMON_RUN_KILL (1u << 1)  /* the first refusal ends the offending process at once */
#define OBMON_RUN_UDP (1u << 2)   /* some address can be sent UDP datagrams to */

/* Why an operation was refused without the automaton having said so. Index of obmon_run.failures. */
enum obmon_failure {
	OBMON_FAIL_NONE,
	OBMON_FAIL_NAME_TOO_LONG,   /* over OBMON_NAME_MAX bytes from the filesystem's root */
	OBMON_FAIL_NAME_TOO_DEEP,   /* over OBMON_DEPTH_MAX components */
	OBMON_FAIL_NAME_RACE,       /* renames kept changing the name while it was read */
	OBMON_FAIL_NAME_DETACHED,   /* the dentry isn't connected to its filesystem's root */
	OBMON_FAIL_NAME_UNREADABLE, /* kernel memory that holds the name could not be read */
	OBMON_FAIL_NO_SCRATCH,      /* every scratch buffer was in use */
	OBMON_FAIL_NO_POLICY,       /* the slot has no automaton, or a page of it is missing */
	OBMON_FAIL_NO_ROOM,         /* the ring buffer was full: audit mode refuses what it cannot report */
	OBMON_FAIL_NO_ADDRESS_ROOM, /* the map of the resolver's addresses was full */
	OBMON_FAIL_ADDRESS,         /* a socket's address could not be read */
	OBMON_FAIL_MAX,
};

/*
 * One inode with rights of its own, whatever its name: CMD and its interpreter, the descriptors 0 to 2,
 * obmon's own files. obmon holds it open while the run lives, so the number cannot be given to another
 * file. Identity is the kernel's (superblock device, i_ino, i_generation), which on overlayfs and btrfs
 * is not what stat(2) says; userspace/engine/identify.c asks the kernel for it.
 */
struct obmon_object {
	__u64 ino;
	__u32 dev;
	__u32 generation;
	__u32 rights; /* bits of enum obmon_right, or OBMON_RIGHT_NEVER; 0 ends the list */
	__u32 rule;   /* the grant behind it, or 0 */
	__u64 hits;   /* counted in the kernel */
};

/* Value of `obmon_runs`. User space writes the first part before arming; the kernel counts in the second. */
struct obmon_run {
	__u32 phase; /* enum obmon_phase */
	__u32 flags;
	__u32 start;       /* the automaton's start state */
	__u32 accept_page; /* number of the first page of accept records */
	__u64 cgroup_id;
	__u64 owner;                  /* a number of the run's own, by which it knows that the slot is still its */
	__u32 resolver;               /* IPv4 address (network order) of the run's DNS resolver; 0: it has none */
	__u32 devices[OBMON_DEVICES]; /* the automaton's states behind the devices of endpoints: see net.h */
	__u8 columns[256];            /* byte -> column of its class in a row */
	struct obmon_object objects[OBMON_OBJECTS_MAX];

	__u64 seq;     /* records numbered so far; the first has number 1 */
	__u64 dropped; /* of those, how many found the ring buffer full */
	__u64 refused; /* operations refused, quiet ones and failures included */
	__u64 audited; /* operations that enforce mode would have refused */
	__u64 quiet;   /* refusals that leave no record because the set says so */
	__u64 failures[OBMON_FAIL_MAX];
};

/* What the kernel says a descriptor is: one record of the iterator `obmon_identify`. */
struct obmon_identity {
	__u32 fd;
	__u32 dev;
	__u64 ino;
	__u32 generation;
	__u32 f_mode;
	__u32 cgroup_level; /* of a directory of cgroupfs: its depth below the hierarchy's real root */
	__u32 reserved;
};

/* Value of the cgroup storage that the per-cgroup programs read: the slot + 1, so that 0 means "not set". */
struct obmon_cgroup_slot {
	__u32 slot_plus_1;
	__u32 reserved;
};

/* The one element of `obmon_abi`, by which a later obmon decides whether it can share pinned programs. */
struct obmon_abi_info {
	__u32 version;
	__u32 run_size;
	__u32 event_size;
	__u32 reserved;
	__u8 digest[32]; /* SHA-256 of the BPF object that was loaded */
};

/* Cgroup levels at which runs live: the host-wide programs only look there. Element of `obmon_levels`. */
#define OBMON_LEVELS_MAX 4u

#endif
