/* SPDX-License-Identifier: Apache-2.0 */
/** @file cli.h The verbs of the command line. Each gets its own arguments and returns obmon's exit status. */
#ifndef OBMON_CLI_CLI_H
#define OBMON_CLI_CLI_H

#include "obmon/error.h"

int cli_exec(int argc, char **argv);
int cli_doctor(int argc, char **argv);

/** Tell @err on standard error. @return the exit status for it. */
int cli_fail(const struct obmon_error *err);

/** Directories that profiles are looked for in: beside the source tree's build, then where they are installed. */
const char *const *cli_profile_dirs(void);

#endif
