/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file names.h
 * The host names that a run is granted, and the resolver that gives it their addresses.
 *
 * A run with such grants has its own /etc/resolv.conf and /etc/hosts, mounted over the host's in a mount namespace of
 * its own. The first names the run's resolver, a process of obmon's outside the run's cgroup; the second holds
 * localhost and those granted names that the host's file knows, whose addresses are granted from the start.
 */
#ifndef OBMON_RUN_NAMES_H
#define OBMON_RUN_NAMES_H

#include <stdbool.h>
#include <sys/types.h>

#include "dns/resolver.h"
#include "obmon/abi/run.h"
#include "obmon/capability.h"
#include "run/child.h"

/** The files that a run has of its own. */
enum own_file {
	OWN_RESOLV_CONF,
	OWN_HOSTS,
	OWN_FILES,
};

extern const struct bind_mount own_file_mounts[OWN_FILES];

struct names_of_run {
	struct resolver_rule *rules; /**< with their names; none: there is no resolver */
	size_t n_rules;
	struct resolver_network *networks;
	size_t n_networks;
	bool udp;  /**< some UDP destination is granted */
	bool ipv6; /**< something of IPv6 is granted, or may be by a name */
	struct sockaddr_storage upstreams[RESOLVER_UPSTREAMS_MAX];
	size_t n_upstreams;

	struct in_addr address; /**< of the resolver, on port 53 */
	int filesystem;         /**< of the run's own files: a detached mount */
	int files[OWN_FILES];
	int pidfd; /**< of the resolver's process, or -1 */
	pid_t pid;
	int alive; /**< the resolver ends when this is closed */
};

#define NAMES_CLOSED ((struct names_of_run){ .filesystem = -1, .files = { -1, -1 }, .pidfd = -1, .alive = -1 })

/**
 * Find the names and networks among @set, and whom to ask: @dns, or if it is NULL the servers of the host's
 * resolv.conf.
 */
int names_prepare(struct names_of_run *names, const struct obmon_cap_set *set, const struct sockaddr_storage *dns,
		  struct obmon_error *err);
void names_clear_all(struct names_of_run *names);

struct run;
/** Make the run's files and its map of addresses, and start its resolver. Nothing to do for a run without names. */
int names_start(struct run *run);
/** The resolver has ended by itself, as its pidfd tells. @return -1, always, with the run's error. */
int names_lost(struct run *run);
/** End the resolver. */
void names_end(struct names_of_run *names);

#endif
