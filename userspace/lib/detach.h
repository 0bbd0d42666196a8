/* SPDX-License-Identifier: Apache-2.0 */
/** @file detach.h For processes that obmon forks and doesn't exec: let go of what is obmon's. */
#ifndef OBMON_LIB_DETACH_H
#define OBMON_LIB_DETACH_H

#include <stddef.h>

/** Most descriptors that can be kept. */
#define DETACH_MAX 16

/**
 * Make the calling process a session of its own, called @name (up to 15 bytes), in /, with all signals blocked and
 * /dev/null for descriptors 0 to 2. Of all other descriptors only the @n that @kept points to stay open, under new
 * numbers: whoever reads from obmon's pipes waits for the last copy to be closed.
 * @return 0, or -1 with errno; then the process is good for nothing but _exit(2).
 */
int detach(const char *name, int *const *kept, size_t n);

#endif
