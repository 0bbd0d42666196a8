/* SPDX-License-Identifier: Apache-2.0 */
/** @file rights.h Which rights of the automaton a capability type stands for. */
#ifndef OBMON_CAP_RIGHTS_H
#define OBMON_CAP_RIGHTS_H

#include <stdint.h>

#include "obmon/abi/dfa.h"
#include "obmon/capability.h"

/** The rights that a grant of @type gives its names; 0 for a type that isn't about files or the network. */
uint32_t rights_of_type(enum obmon_cap_type type);

/** The capability type that a single right (its number) belongs to. */
enum obmon_cap_type type_of_right(enum obmon_right right);

#endif
