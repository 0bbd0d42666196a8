// SPDX-License-Identifier: Apache-2.0
#include "lib/detach.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Above all that are to be put in their place. */
#define ASIDE 64

/* Out of the way first, so that none is overwritten by another. */
static int move_all(int *const *kept, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		*kept[i] = fcntl(*kept[i], F_DUPFD_CLOEXEC, ASIDE);
		if (*kept[i] < 0)
			return -1;
	}
	for (i = 0; i < n; i++) {
		*kept[i] = dup3(*kept[i], 3 + (int)i, O_CLOEXEC);
		if (*kept[i] < 0)
			return -1;
	}
	return (int)syscall(SYS_close_range, 3u + n, ~0u, 0u);
}

static int close_standard(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC), fd;

	if (null < 0)
		return -1;
	for (fd = 0; fd <= 2; fd++)
		if (dup2(null, fd) < 0)
			return -1;
	return null > 2 ? close(null) : 0;
}

int detach(const char *name, int *const *kept, size_t n)
{
	sigset_t all;

	if (n > DETACH_MAX) {
		errno = EINVAL;
		return -1;
	}
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	setsid();
	prctl(PR_SET_NAME, name);
	if (move_all(kept, n) || close_standard())
		return -1;
	return chdir("/");
}
