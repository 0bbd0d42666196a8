/* SPDX-License-Identifier: Apache-2.0 */
/** @file endpoints.h Network rules to the automaton: how endpoints are spelled is said in <obmon/abi/net.h>. */
#ifndef OBMON_RUN_ENDPOINTS_H
#define OBMON_RUN_ENDPOINTS_H

#include "cap/dfa.h"
#include "cap/network.h"
#include "obmon/abi/net.h"

/**
 * Grant @rights under rule @rule to what @net, which isn't a unix socket's path, is about: addresses; a host's name,
 * for which the rule's number stands; an abstract name.
 */
int endpoints_add(struct dfa_builder *builder, const struct network_resource *net, uint32_t rights, uint32_t rule,
		  struct obmon_error *err);

/** The states of @dfa behind the devices of endpoints, by enum obmon_device. */
void endpoints_devices(const struct dfa *dfa, uint32_t states[OBMON_DEVICES]);

#endif
