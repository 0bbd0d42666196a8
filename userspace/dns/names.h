/* SPDX-License-Identifier: Apache-2.0 */
/** @file names.h Rules by the host's name they are about: a lookup costs the same for ten rules and ten thousand. */
#ifndef OBMON_DNS_NAMES_H
#define OBMON_DNS_NAMES_H

#include <stddef.h>
#include <stdint.h>

#include "dns/resolver.h"

struct names {
	const struct resolver_rule **rules; /* sorted, so that rules about the same stand together */
	size_t n_rules;
	uint32_t *buckets; /* by hash: 1 + the place of the first of these, 0 for none */
	size_t mask;
	uint32_t *ids; /* what names_match() has found */
};

/** The rules that a name matches. */
struct names_match {
	const uint32_t *ids; /**< good until the next match; those with private_okay come first */
	size_t n, n_private;
};

/** Index @rules, which are borrowed. @return 0, or -1 when out of memory; names_clear() in either case. */
int names_index(struct names *names, const struct resolver_rule *rules, size_t n);
void names_clear(struct names *names);

/** All rules about @host, which is in lower case and has no dot at the end. */
struct names_match names_match(struct names *names, const char *host);

/** A hash of @text, not meant to withstand anybody who looks for collisions. */
uint64_t names_hash(const char *text);

#endif
