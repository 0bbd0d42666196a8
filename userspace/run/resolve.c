// SPDX-License-Identifier: Apache-2.0
#include "run/resolve.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <malloc.h>
#include <signal.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "dns/resolver.h"
#include "engine/addresses.h"
#include "lib/detach.h"
#include "lib/sockets.h"
#include "lib/util.h"
#include "run/names.h"

/* nobody and nogroup, where a host has them; no file needs to be anybody's. */
#define NOBODY 65534

struct resolve {
	const struct resolve_spec *spec;
	int diag;
};

static bool identify(void *data, const struct sockaddr_storage *peer, int protocol, struct obmon_process *asker)
{
	struct resolve *resolve = data;
	const struct sockaddr_in own = { AF_INET, htons(53), resolve->spec->names->address, {} };
	struct socket_owner owner;

	memset(asker, 0, sizeof(*asker));
	if (peer->ss_family != AF_INET ||
	    sockets_find(resolve->diag, protocol, (const struct sockaddr_in *)peer, &own, &owner) ||
	    owner.cgroup_id != resolve->spec->cgroup_id)
		return false;
	if (bpf_map_lookup_elem(resolve->spec->askers, &owner.cookie, asker))
		memset(asker, 0, sizeof(*asker)); /* the kernel has forgotten: the record says nothing of the process */
	return true;
}

static int enter(void *data, const struct obmon_address *address, const char *host, const uint32_t *rules, size_t n,
		 uint32_t expires)
{
	struct resolve *resolve = data;

	return addresses_enter(resolve->spec->addresses, address, host, rules, n, expires);
}

/* The kernel numbers the record and sends it, so that it takes its place among the others. */
static bool refuse(void *data, const char *host, enum obmon_lookup_reason reason, const struct obmon_address *address,
		   const struct obmon_process *asker, bool again)
{
	struct resolve *resolve = data;
	struct obmon_lookup lookup = {
		.owner = resolve->spec->owner,
		.slot = resolve->spec->slot,
		.reason = reason,
		.quiet = again,
		.asker = *asker,
		.host_length = (uint32_t)strnlen(host, OBMON_HOST_MAX),
	};
	LIBBPF_OPTS(bpf_test_run_opts, run, .ctx_in = &lookup, .ctx_size_in = sizeof(lookup));

	if (address)
		lookup.address = *address;
	memcpy(lookup.host, host, lookup.host_length);
	if (bpf_prog_test_run_opts(resolve->spec->lookup, &run))
		_exit(1); /* what can't be told must not go on: obmon ends the run */
	return run.retval != 0;
}

/* Only what bpf(2) asks for where unprivileged users have no use of it. */
static int drop_rights(void)
{
	const cap_value_t kept[] = { CAP_BPF };
	const struct rlimit none = {}, few = { 1024, 1024 };
	cap_t caps;
	int result;

	if (prctl(PR_SET_KEEPCAPS, 1) || setgroups(0, NULL) || setresgid(NOBODY, NOBODY, NOBODY) ||
	    setresuid(NOBODY, NOBODY, NOBODY))
		return -1;
	caps = cap_init();
	if (!caps)
		return -1;
	result = cap_set_flag(caps, CAP_PERMITTED, 1, kept, CAP_SET) ||
		 cap_set_flag(caps, CAP_EFFECTIVE, 1, kept, CAP_SET) || cap_set_proc(caps);
	cap_free(caps);
	if (result || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_DUMPABLE, 0))
		return -1;
	return setrlimit(RLIMIT_FSIZE, &none) || setrlimit(RLIMIT_NPROC, &none) || setrlimit(RLIMIT_NOFILE, &few);
}

int resolve_main(struct resolve_spec *spec)
{
	const struct names_of_run *names = spec->names;
	struct resolve resolve = { .spec = spec, .diag = sockets_open() };
	int *const kept[] = { &spec->udp,    &spec->tcp,    &spec->until, &spec->addresses,
			      &spec->askers, &spec->lookup, &resolve.diag };
	struct resolver_spec resolver = {
		.rules = names->rules,
		.n_rules = names->n_rules,
		.networks = names->networks,
		.n_networks = names->n_networks,
		.upstreams = names->upstreams,
		.n_upstreams = names->n_upstreams,
		.answer_all = spec->audit,
		.identify = identify,
		.enter = enter,
		.refuse = refuse,
		.data = &resolve,
	};
	struct obmon_error err;

	/* The signal last: a change of user would take it back. */
	if (resolve.diag < 0 || detach("obmon-resolver", kept, ARRAY_SIZE(kept)) || drop_rights() ||
	    prctl(PR_SET_PDEATHSIG, SIGKILL))
		return -1;
	malloc_trim(0);
	resolver.udp = spec->udp;
	resolver.tcp = spec->tcp;
	return resolver_serve(&resolver, spec->until, &err);
}
