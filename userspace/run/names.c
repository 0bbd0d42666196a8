// SPDX-License-Identifier: Apache-2.0
#include "run/names.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "cap/network.h"
#include "dns/config.h"
#include "dns/names.h"
#include "engine/addresses.h"
#include "lib/sockets.h"
#include "lib/util.h"
#include "run/internal.h"
#include "run/resolve.h"

#define RESOLV_CONF "/etc/resolv.conf"
#define HOSTS "/etc/hosts"
/* More than any such file that is of use. */
#define TEXT_MAX (16u << 20)

/* 127.83.1.0 and up, by slot: the loopback network is big enough for every run to have an address of its own. */
#define RESOLVER_ADDRESS(slot) (0x7f530100u + (slot))
#define RESOLVER_BACKLOG 64
#define RESOLVER_BURST_BYTES (1 << 20) /* as the kernel counts them: about 1,300 questions */

const struct bind_mount own_file_mounts[OWN_FILES] = {
	[OWN_RESOLV_CONF] = { "resolv.conf", RESOLV_CONF },
	[OWN_HOSTS] = { "hosts", HOSTS },
};

static int add_rule(struct names_of_run *names, const struct network_resource *net, uint32_t rule,
		    struct obmon_error *err)
{
	struct resolver_rule *rules = reallocarray(names->rules, names->n_rules + 1, sizeof(*rules));
	char *name = strdup(net->name);

	if (rules)
		names->rules = rules;
	if (!rules || !name) {
		free(name);
		return obmon_fail(err, OBMON_ERR_INTERNAL, "out of memory");
	}
	rules[names->n_rules++] = (struct resolver_rule){
		.name = name,
		.subnames = net->kind == NETWORK_SUBNAMES,
		.private_okay = net->private_okay,
		.rule = rule,
	};
	return 0;
}

static int add_network(struct names_of_run *names, const struct network_resource *net, struct obmon_error *err)
{
	struct resolver_network *networks = reallocarray(names->networks, names->n_networks + 1, sizeof(*networks)),
				*new;

	if (!networks)
		return obmon_fail(err, OBMON_ERR_INTERNAL, "out of memory");
	names->networks = networks;
	new = &networks[names->n_networks++];
	memset(new, 0, sizeof(*new));
	new->prefix = net->prefix;
	new->address.family = net->kind == NETWORK_IPV4 ? AF_INET : AF_INET6;
	if (net->kind == NETWORK_IPV4)
		memcpy(new->address.bytes, &net->ipv4, sizeof(net->ipv4));
	else
		memcpy(new->address.bytes, &net->ipv6, sizeof(net->ipv6));
	return 0;
}

static int add_grant(struct names_of_run *names, const struct obmon_capability *cap, uint32_t rule,
		     struct obmon_error *err)
{
	struct network_resource net;
	bool is_name;

	if ((cap->type != OBMON_CAP_NETWORK_CONNECT && cap->type != OBMON_CAP_NETWORK_LISTEN) || cap->quiet)
		return 0;
	if (network_of(&net, cap, err))
		return -1;
	is_name = net.kind == NETWORK_NAME || net.kind == NETWORK_SUBNAMES;
	names->ipv6 |= is_name || net.kind == NETWORK_IPV6;
	if (cap->type == OBMON_CAP_NETWORK_LISTEN)
		return 0;
	names->udp |= net.udp;
	if (is_name)
		return add_rule(names, &net, rule, err);
	if (net.kind == NETWORK_IPV4 || net.kind == NETWORK_IPV6)
		return add_network(names, &net, err);
	return 0;
}

/* As the C library does: without a server in it, or without the file, the one on this host. */
static void find_upstreams(struct names_of_run *names)
{
	struct sockaddr_in *local = (struct sockaddr_in *)&names->upstreams[0];
	size_t length = 0;
	_cleanup_free_ char *text = read_file(RESOLV_CONF, TEXT_MAX, &length);

	names->n_upstreams = text ? config_servers(names->upstreams, text, length) : 0;
	if (names->n_upstreams)
		return;
	*local = (struct sockaddr_in){ AF_INET, htons(53), { htonl(INADDR_LOOPBACK) }, {} };
	names->n_upstreams = 1;
}

int names_prepare(struct names_of_run *names, const struct obmon_cap_set *set, const struct sockaddr_storage *dns,
		  struct obmon_error *err)
{
	size_t i;

	for (i = 0; i < set->n; i++)
		if (add_grant(names, &set->items[i], (uint32_t)i + 1, err))
			return -1;
	if (!names->n_rules)
		return 0;
	if (access(RESOLV_CONF, F_OK) || access(HOSTS, F_OK))
		return obmon_fail_errno(err, OBMON_ERR_HOST, errno,
					"a run with grants of host names gets its own " RESOLV_CONF " and " HOSTS
					", mounted over the host's: both must be there, if only empty");
	if (!dns)
		find_upstreams(names);
	else
		names->upstreams[names->n_upstreams++] = *dns;
	return 0;
}

void names_clear_all(struct names_of_run *names)
{
	size_t i;

	for (i = 0; i < names->n_rules; i++)
		free((char *)names->rules[i].name);
	free(names->rules);
	free(names->networks);
	for (i = 0; i < OWN_FILES; i++)
		fd_close(&names->files[i]);
	fd_close(&names->filesystem);
	names_end(names);
}

/* A filesystem of its own, which is gone with the run's mounts and our descriptors (fsopen(2), Linux 5.2). */
static int make_filesystem(struct names_of_run *names, struct obmon_error *err)
{
	_cleanup_fd_ int context = fsopen("tmpfs", FSOPEN_CLOEXEC);

	if (context < 0 || fsconfig(context, FSCONFIG_SET_STRING, "mode", "0755", 0) ||
	    fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) ||
	    (names->filesystem = fsmount(context, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV)) < 0)
		return obmon_fail_errno(err, OBMON_ERR_HOST, errno, "cannot make a tmpfs for the run's own files");
	return 0;
}

static int make_file(struct names_of_run *names, enum own_file file, const char *text, struct obmon_error *err)
{
	int fd = openat(names->filesystem, own_file_mounts[file].name, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0644);

	names->files[file] = fd;
	if (fd < 0 || fchmod(fd, 0644) || write_all(fd, text, strlen(text)))
		return obmon_fail_errno(err, OBMON_ERR_HOST, errno, "cannot write the run's own %s",
					own_file_mounts[file].over);
	return 0;
}

/* What is at work while the host's file of names is read. */
struct hosts_reader {
	struct names index;
	int map;
	bool failed;
};

/* Is @name granted? Then so is @address, as the host's administrator says. */
static bool take_host(void *data, const struct obmon_address *address, const char *name)
{
	struct hosts_reader *reader = data;
	const struct names_match match = names_match(&reader->index, name);

	if (!match.n)
		return false;
	if (addresses_enter(reader->map, address, name, match.ids, match.n, ADDRESSES_FOREVER))
		reader->failed = true;
	return true;
}

static int make_hosts(struct names_of_run *names, int map, struct obmon_error *err)
{
	struct hosts_reader reader = { .map = map };
	_cleanup_free_ char *host = NULL, *own = NULL;
	size_t length = 0;

	host = read_file(HOSTS, TEXT_MAX, &length);
	if (!host)
		return obmon_fail_errno(err, OBMON_ERR_HOST, errno, "cannot read " HOSTS);
	if (!names_index(&reader.index, names->rules, names->n_rules))
		own = config_run_hosts(host, length, take_host, &reader);
	names_clear(&reader.index);
	if (!own)
		return obmon_fail(err, OBMON_ERR_INTERNAL, "out of memory");
	if (reader.failed)
		return obmon_fail(err, OBMON_ERR_CONFIG,
				  HOSTS " has more addresses for the granted names than a run can have (%u)",
				  OBMON_ADDRESSES_MAX);
	return make_file(names, OWN_HOSTS, own, err);
}

/* One attempt that is long enough: the resolver always answers, and a lost answer is none of loopback's ways. */
static int make_resolv_conf(struct names_of_run *names, struct obmon_error *err)
{
	_cleanup_free_ char *text =
		format("# obmon: the resolver of this run, which answers the names that it is granted\n"
		       "nameserver %s\nsearch .\noptions timeout:10 attempts:1\n",
		       inet_ntoa(names->address));

	if (!text)
		return obmon_fail(err, OBMON_ERR_INTERNAL, "out of memory");
	return make_file(names, OWN_RESOLV_CONF, text, err);
}

static int open_server(int type, const struct in_addr *address, struct obmon_error *err)
{
	const struct sockaddr_in own = { AF_INET, htons(53), *address, {} };
	_cleanup_fd_ int fd = socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	const int on = 1, burst = RESOLVER_BURST_BYTES;

	/* For TCP: connections of the slot's last run may not have timed out yet. For UDP: questions may come in bursts. */
	if (fd < 0 || (type == SOCK_STREAM && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on))) ||
	    (type == SOCK_DGRAM && setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &burst, sizeof(burst))) ||
	    bind(fd, (const struct sockaddr *)&own, sizeof(own)) ||
	    (type == SOCK_STREAM && listen(fd, RESOLVER_BACKLOG)))
		return obmon_fail_errno(
			err, OBMON_ERR_HOST, errno,
			"the run's resolver cannot listen on %s, port 53 (%s); a name server that listens on "
			"all addresses must be told to listen on its own only",
			inet_ntoa(*address), type == SOCK_STREAM ? "TCP" : "UDP");
	return fd_take(&fd);
}

static int start_process(struct run *run, struct resolve_spec *spec)
{
	struct names_of_run *names = &run->names;
	_cleanup_fd_ int alive = -1;
	int ends[2];

	if (pipe2(ends, O_CLOEXEC))
		return obmon_fail_errno(run->err, OBMON_ERR_INTERNAL, errno, "cannot make a pipe");
	alive = ends[0];
	names->alive = ends[1];
	spec->until = alive;
	names->pid = fork();
	if (names->pid == 0)
		_exit(resolve_main(spec) ? 1 : 0);
	if (names->pid > 0)
		names->pidfd = (int)syscall(SYS_pidfd_open, names->pid, 0);
	if (names->pidfd < 0)
		return obmon_fail_errno(run->err, OBMON_ERR_INTERNAL, errno, "cannot start the run's resolver");
	return 0;
}

/* The resolver asks the kernel whose socket a question came from; without an answer it would stay silent for ever. */
static int check_diag(int server, int protocol, struct obmon_error *err)
{
	if (sockets_probe(server, protocol))
		return obmon_fail_errno(
			err, OBMON_ERR_HOST, errno,
			"the kernel doesn't say whose socket is whose, which the run's resolver has to know; "
			"it needs CONFIG_INET_UDP_DIAG and CONFIG_INET_TCP_DIAG (modules udp_diag, tcp_diag)");
	return 0;
}

static int start_resolver(struct run *run, int map)
{
	struct names_of_run *names = &run->names;
	_cleanup_fd_ int udp = -1, tcp = -1, lookup = -1;
	struct resolve_spec spec = {
		.names = names,
		.addresses = map,
		.askers = run->engine.askers,
		.slot = run->state.slot,
		.owner = run->state.owner,
		.cgroup_id = run->cgroup.id,
		.audit = run->request->audit,
	};

	if ((udp = open_server(SOCK_DGRAM, &names->address, run->err)) < 0 ||
	    (tcp = open_server(SOCK_STREAM, &names->address, run->err)) < 0 || check_diag(udp, IPPROTO_UDP, run->err) ||
	    check_diag(tcp, IPPROTO_TCP, run->err) || (lookup = engine_open_lookup(run->err)) < 0)
		return -1;
	spec.udp = udp;
	spec.tcp = tcp;
	spec.lookup = lookup;
	return start_process(run, &spec);
}

int names_start(struct run *run)
{
	struct names_of_run *names = &run->names;
	_cleanup_fd_ int map = -1;

	if (!names->n_rules)
		return 0;
	names->address.s_addr = htonl(RESOLVER_ADDRESS(run->state.slot));
	map = engine_install_addresses(&run->engine, run->state.slot, run->err);
	if (map < 0 || make_filesystem(names, run->err) || make_hosts(names, map, run->err) ||
	    make_resolv_conf(names, run->err))
		return -1;
	return start_resolver(run, map);
}

int names_lost(struct run *run)
{
	int status = 0;

	waitpid(run->names.pid, &status, 0);
	run->names.pid = 0;
	fd_close(&run->names.pidfd);
	return obmon_fail(run->err, OBMON_ERR_INTERNAL,
			  "the run's resolver has ended (wait status 0x%x), so the run is ended as well", status);
}

void names_end(struct names_of_run *names)
{
	if (names->pid > 0) {
		kill(names->pid, SIGKILL);
		while (waitpid(names->pid, NULL, 0) < 0 && errno == EINTR)
			;
		names->pid = 0;
	}
	fd_close(&names->pidfd);
	fd_close(&names->alive);
}
