/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file profile.h
 * Profiles: named, readable files that grant what a runtime itself needs.
 */
#ifndef OBMON_META_PROFILE_H
#define OBMON_META_PROFILE_H

#include "obmon/capability.h"
#include "obmon/error.h"

struct profile_variable {
	char *name;
	char *value;
};

/** All strings are owned by the struct. */
struct profile {
	char *name;
	char *description; /**< or NULL */
	char **runtimes;   /**< runtime words (see metadata.h) that pick this profile by themselves */
	size_t n_runtimes;
	struct profile_variable *environment;
	size_t n_environment;
	struct obmon_cap_set capabilities; /**< source: OBMON_SOURCE_PROFILE; the quiet ones with `quiet` set */
};

/**
 * Load profile @name ([a-z0-9][a-z0-9_-]*, at most 64 bytes) from the first of the directories @dirs (NULL-ended) that
 * holds `@name.yaml`. An unknown name is an error that lists the profiles there are.
 */
int profile_load(struct profile *profile, const char *name, const char *const *dirs, struct obmon_error *err);

/** The name of the profile whose `runtimes` lists @runtime; NULL with no error when there is none. Caller frees. */
int profile_for_runtime(char **name, const char *runtime, const char *const *dirs, struct obmon_error *err);

void profile_clear(struct profile *profile);

#endif
