/* SPDX-License-Identifier: Apache-2.0 */
/** @file rules.h From a capability set to the run's automaton: names are resolved, mounts are followed. */
#ifndef OBMON_RUN_RULES_H
#define OBMON_RUN_RULES_H

#include "cap/dfa.h"
#include "cap/rights.h"
#include "lib/mounts.h"
#include "obmon/capability.h"

/** What the implicit grants of TMPDIR start with, in place of a path that differs from run to run. */
#define RULES_TMPDIR "$TMPDIR"

/**
 * Compile @set, whose resources rules_absolute() has made absolute; RULES_TMPDIR stands for @tmpdir. @never is a NULL-ended list of absolute
 * paths which nothing may reach, with all below them. An error names where the rule was written.
 */
int rules_compile(struct dfa *dfa, const struct obmon_cap_set *set, const struct mounts *mounts, const char *tmpdir,
		  const char *const *never, struct obmon_error *err);

/**
 * Make the resources of @set absolute, so that its digest says what is granted: relative patterns are below
 * @workspace, a literal path; command names are looked up in the directories of @search_path (a PATH).
 */
int rules_absolute(struct obmon_cap_set *set, const char *workspace, const char *search_path, struct obmon_error *err);

/** The rights of the file at @place, by its name. */
uint32_t rules_rights_at(const struct dfa *dfa, const struct place *place);

/** The first executable regular file called @name in the directories of @search_path. Caller frees; NULL if none. */
char *find_in_path(const char *name, const char *search_path);

#endif
