/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file engine.h
 * The kernel side as user space sees it: one BPF object, loaded once, pinned under bpffs, shared by all runs.
 *
 *   /sys/fs/bpf/obmon/maps/NAME    every map
 *                    /links/NAME   the host-wide programs' attachments
 *                    /progs/N-NAME the programs to attach to each run's cgroup, as attach type N (enum bpf_attach_type)
 *                    /iters/NAME   the iterators
 *                    /calls/NAME   the programs that user space calls
 *                    /runs/ID/NAME the attachments to one run's cgroup
 *                    /anchor/NAME  the attachments to an empty cgroup that stays: see engine.c
 *
 * Pins keep a run confined when the process that started it is gone.
 */
#ifndef OBMON_ENGINE_ENGINE_H
#define OBMON_ENGINE_ENGINE_H

#include <stdbool.h>
#include <stdint.h>

#include "cap/dfa.h"
#include "obmon/abi/event.h"
#include "obmon/error.h"

#define OBMON_BPFFS "/sys/fs/bpf"
#define OBMON_PINS OBMON_BPFFS "/obmon"
#define OBMON_STATE_DIR "/run/obmon"
/** The cgroup, in the root of the visible cgroup2 hierarchy, that all runs' cgroups are in. */
#define OBMON_CGROUP "obmon"

/** Descriptors of the pinned maps. Zero-initialise with ENGINE_CLOSED. */
struct engine {
	int lock; /**< flock(2)ed while slots change hands; -1 when not held */
	int runs, policies, rings, addresses, askers, cgroup_slots, run_of_cgroup, levels, lost, abi;
};

#define ENGINE_CLOSED ((struct engine){ -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1 })

/** How many maps that are. */
#define ENGINE_MAPS 10

/** List where in @engine its maps' descriptors stand, in @descriptors, which has room for them. @return ENGINE_MAPS. */
size_t engine_descriptors(struct engine *engine, int **descriptors);

/**
 * Take the lock, load and pin the object if it isn't yet, check its ABI, open the maps. Needs root. The lock
 * is still held on return: engine_unlock() once the run has its slot. On error nothing stays open.
 */
int engine_open(struct engine *engine, struct obmon_error *err);
void engine_unlock(struct engine *engine);
/** Take the lock again. */
int engine_lock(struct engine *engine, struct obmon_error *err);
void engine_close(struct engine *engine);

/** Load, attach and pin (engine/load.c). Called with the lock held; leaves nothing behind on error. */
int engine_load(struct obmon_error *err);
/** What engine_load() would pin: version, sizes and digest of the object in this binary. */
int engine_own_abi(struct obmon_abi_info *abi, struct obmon_error *err);

/** A free slot (lock held), not yet taken: that is done by writing a run into it. @return it, or -1. */
int engine_find_slot(struct engine *engine, struct obmon_error *err);

/**
 * Give slot @slot its automaton and a ring buffer of @ring_bytes (a power of two, at least a page).
 * @pages and @ring get the descriptors of the two maps, which the caller closes.
 */
int engine_install(struct engine *engine, uint32_t slot, const struct dfa *dfa, uint32_t ring_bytes, int *pages,
		   int *ring, struct obmon_error *err);

/** Give slot @slot a map for the addresses that its resolver answers. @return its descriptor, or -1. */
int engine_install_addresses(struct engine *engine, uint32_t slot, struct obmon_error *err);

/** Open the program obmon_lookup_refused. @return its descriptor, or -1. */
int engine_open_lookup(struct obmon_error *err);

/** Programs that cost something and that most runs don't need. */
enum engine_extra {
	ENGINE_EGRESS = 1 << 0,         /**< for runs that can send IPv6: each packet is looked at */
	ENGINE_SOCKET_CONNECT = 1 << 1, /**< for runs that hold a socket which was made outside */
};

/**
 * Attach the per-cgroup programs to @cgroup_fd, those of @extras (enum engine_extra) included, pin the links under
 * @run_id, and tie the cgroup to @slot.
 */
int engine_attach(struct engine *engine, uint32_t slot, int cgroup_fd, uint64_t cgroup_id, const char *run_id,
		  unsigned extras, struct obmon_error *err);

/** Write or read the run's shared state. */
int engine_put_run(struct engine *engine, uint32_t slot, const struct obmon_run *run, struct obmon_error *err);
int engine_get_run(struct engine *engine, uint32_t slot, struct obmon_run *run, struct obmon_error *err);

/** Read accept record @number of the run's automaton in @pages. */
int engine_read_accepts(int pages, uint32_t page, struct obmon_dfa_accept *accepts, struct obmon_error *err);

/**
 * Undo claim, install and attach; for a run whose cgroup is empty. Takes the lock itself unless held. A slot that
 * isn't @owner's (see struct obmon_run) is left alone.
 */
int engine_release(struct engine *engine, uint32_t slot, uint64_t owner, uint64_t cgroup_id, const char *run_id,
		   struct obmon_error *err);

/** Operations refused because the kernel side could not read a run at all: see obmon_lost. Must be 0. */
int engine_read_lost(struct engine *engine, uint64_t *lost, struct obmon_error *err);

/**
 * What the kernel calls the file behind each of the @n descriptors @fds of this process.
 */
int engine_identify(const int *fds, struct obmon_identity *identities, size_t n, struct obmon_error *err);

/** Does the kernel have LSM hook @hook ("file_open")? If @argument >= 0, is that argument a struct @type *? */
struct btf;
bool hook_exists(const struct btf *btf, const char *hook, int argument, const char *type);

/** For each hook that obmon needs and one kernel or another lacks, call @report (doctor). @return missing ones. */
int engine_probe_hooks(void (*report)(const char *hook, bool present, bool required, void *data), void *data,
		       struct obmon_error *err);

#endif
