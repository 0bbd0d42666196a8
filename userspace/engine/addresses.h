/* SPDX-License-Identifier: Apache-2.0 */
/** @file addresses.h A run's map of the addresses that its resolver has answered: see <obmon/abi/net.h>. */
#ifndef OBMON_ENGINE_ADDRESSES_H
#define OBMON_ENGINE_ADDRESSES_H

#include <stddef.h>
#include <stdint.h>

#include "obmon/abi/net.h"

/** In place of a time: it doesn't expire. */
#define ADDRESSES_FOREVER UINT32_MAX

/**
 * Enter @address into @map for @n rules until @expires (CLOCK_BOOTTIME, seconds), under the name @host; what is
 * there already and lasts longer stays. Nobody else may write to @map meanwhile. What has expired makes room.
 * @return 0, or -1 with errno: E2BIG if the map, or the address's list of rules, is full.
 */
int addresses_enter(int map, const struct obmon_address *address, const char *host, const uint32_t *rules, size_t n,
		    uint32_t expires);

/** Merge @n rules into @entry, at the time @now. @return 0, or -1 if there is no room. For addresses_enter(). */
int addresses_merge(struct obmon_address_entry *entry, const uint32_t *rules, size_t n, uint32_t expires, uint32_t now);

#endif
