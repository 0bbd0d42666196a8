/* SPDX-License-Identifier: Apache-2.0 */
/** @file resolve.h The process of a run's resolver: what it keeps, and how it is cut off from everything else. */
#ifndef OBMON_RUN_RESOLVE_H
#define OBMON_RUN_RESOLVE_H

#include <stdbool.h>
#include <stdint.h>

struct names_of_run;

/** All that the process keeps of obmon. */
struct resolve_spec {
	const struct names_of_run *names;
	int udp, tcp;          /**< its sockets */
	int until;             /**< it ends when this does */
	int addresses, askers; /**< maps */
	int lookup;            /**< the program obmon_lookup_refused */
	uint32_t slot;
	uint64_t owner;
	uint64_t cgroup_id;
	bool audit;
};

/** Serve, in a process of its own, as a user of no other rights than to use the maps. @return 0, or -1. */
int resolve_main(struct resolve_spec *spec);

#endif
