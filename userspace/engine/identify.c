// SPDX-License-Identifier: Apache-2.0
/* Asking the kernel what it calls the files behind our descriptors (bpf/identify.bpf.c). */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <string.h>
#include <sys/syscall.h>

#include "engine/engine.h"
#include "lib/util.h"

#define ITERATOR OBMON_PINS "/iters/obmon_identify"

static int open_iterator(void)
{
	union bpf_iter_link_info info = { .task = { .tid = (__u32)syscall(SYS_gettid) } };
	LIBBPF_OPTS(bpf_link_create_opts, opts, .iter_info = &info, .iter_info_len = sizeof(info));
	_cleanup_fd_ int program = bpf_obj_get(ITERATOR), link = -1;

	if (program < 0)
		return -1;
	link = bpf_link_create(program, 0, BPF_TRACE_ITER, &opts);
	return link < 0 ? -1 : bpf_iter_create(link);
}

/* Read one whole record. @return 1, 0 at the end, -1 on error. */
static int next_record(int fd, struct obmon_identity *record)
{
	size_t have = 0;

	while (have < sizeof(*record)) {
		ssize_t n = read(fd, (char *)record + have, sizeof(*record) - have);

		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n < 0)
			return -1;
		if (n == 0)
			return 0;
		have += (size_t)n;
	}
	return 1;
}

int engine_identify(const int *fds, struct obmon_identity *identities, size_t n, struct obmon_error *err)
{
	_cleanup_fd_ int iterator = open_iterator();
	struct obmon_identity record;
	size_t i, found = 0;
	int more = -1;

	if (iterator >= 0)
		while ((more = next_record(iterator, &record)) > 0)
			for (i = 0; i < n; i++)
				if (fds[i] == (int)record.fd) {
					identities[i] = record;
					found++;
				}
	if (more < 0)
		return obmon_fail_errno(err, OBMON_ERR_HOST, errno, "cannot ask the kernel about open files (%s)",
					ITERATOR);
	if (found != n)
		return obmon_fail(err, OBMON_ERR_INTERNAL, "the kernel knows %zu of obmon's %zu open files", found, n);
	return 0;
}
