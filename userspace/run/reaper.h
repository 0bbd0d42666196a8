/* SPDX-License-Identifier: Apache-2.0 */
/** @file reaper.h The process that ends a run whose obmon has died. */
#ifndef OBMON_RUN_REAPER_H
#define OBMON_RUN_REAPER_H

#include "run/internal.h"

/** Start it; it stands outside the run's cgroup, and shares the run's lock. */
int reaper_start(struct run *run);

/** The run has been ended in order: let it go. */
void reaper_dismiss(struct run *run);

#endif
