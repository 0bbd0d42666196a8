// SPDX-License-Identifier: Apache-2.0
/* obmon doctor: line by line what the host offers, what a missing thing costs, and how to get it. */
#include <inttypes.h>
#include <linux/magic.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "cli/cli.h"
#include "engine/engine.h"
#include "lib/mounts.h"
#include "lib/sockets.h"
#include "lib/util.h"

#define LSM_LIST "/sys/kernel/security/lsm"
#define KERNEL_BTF "/sys/kernel/btf/vmlinux"

struct diagnosis {
	int missing; /* things without which exec can't work */
};

static void good(const char *what, const char *detail)
{
	printf("ok       %-12s %s\n", what, detail);
}

static void bad(struct diagnosis *diagnosis, const char *what, const char *detail, const char *remedy)
{
	printf("MISSING  %-12s %s\n         %-12s -> %s\n", what, detail, "", remedy);
	diagnosis->missing++;
}

static void check_kernel(void)
{
	struct utsname name;

	uname(&name);
	good("kernel", name.release);
}

static void check_privileges(struct diagnosis *diagnosis)
{
	static const struct {
		cap_value_t value;
		const char *name;
	} needed[] = {
		{ CAP_BPF, "CAP_BPF" },
		{ CAP_PERFMON, "CAP_PERFMON" },
		{ CAP_SYS_ADMIN, "CAP_SYS_ADMIN" },
		{ CAP_NET_ADMIN, "CAP_NET_ADMIN" },
		{ CAP_MAC_ADMIN, "CAP_MAC_ADMIN" },
	};
	cap_flag_value_t set;
	cap_t caps = cap_get_proc();
	size_t i;

	if (geteuid() != 0)
		bad(diagnosis, "root", "obmon exec makes cgroups and attaches kernel programs", "use sudo");
	else
		good("root", "yes");
	for (i = 0; caps && i < ARRAY_SIZE(needed); i++)
		if (cap_get_flag(caps, needed[i].value, CAP_EFFECTIVE, &set) || set != CAP_SET)
			bad(diagnosis, "privilege", needed[i].name,
			    "obmon must run outside a container, or in one with this capability");
	cap_free(caps);
}

static bool list_has(const char *list, const char *word)
{
	size_t length = strlen(word);
	const char *at = list;

	while ((at = strstr(at, word))) {
		if ((at == list || at[-1] == ',') && (!at[length] || at[length] == ',' || at[length] == '\n'))
			return true;
		at++;
	}
	return false;
}

static void check_lsm(struct diagnosis *diagnosis)
{
	_cleanup_free_ char *list = read_file(LSM_LIST, 4096, NULL), *remedy = NULL;

	if (!list) {
		bad(diagnosis, "LSM list", "cannot read " LSM_LIST,
		    "mount -t securityfs securityfs /sys/kernel/security");
		return;
	}
	list[strcspn(list, "\n")] = '\0';
	if (list_has(list, "bpf")) {
		good("LSM list", list);
		return;
	}
	remedy = format("add bpf to the kernel command line: lsm=%s,bpf (and CONFIG_BPF_LSM=y)", list);
	bad(diagnosis, "LSM list", "bpf is not in it, so the kernel asks no BPF program",
	    remedy ? remedy : "add bpf to lsm= on the kernel command line");
}

static void check_btf(struct diagnosis *diagnosis)
{
	if (access(KERNEL_BTF, R_OK))
		bad(diagnosis, "BTF", KERNEL_BTF " cannot be read: programs can't find the kernel's structures",
		    "a kernel with CONFIG_DEBUG_INFO_BTF=y");
	else
		good("BTF", KERNEL_BTF);
}

static void check_mounts(struct diagnosis *diagnosis)
{
	const struct mount *cgroup2;
	struct obmon_error err;
	struct mounts mounts;
	struct statfs fs;

	if (mounts_load(&mounts, "/proc/self/mountinfo", &err)) {
		bad(diagnosis, "mounts", err.message, "mount /proc");
		return;
	}
	cgroup2 = mounts_find_type(&mounts, "cgroup2");
	if (cgroup2)
		good("cgroup2", cgroup2->point);
	else
		bad(diagnosis, "cgroup2", "no unified hierarchy is mounted: a run has no cgroup to be confined in",
		    "mount -t cgroup2 none /sys/fs/cgroup (or boot with systemd.unified_cgroup_hierarchy=1)");
	if (!statfs(OBMON_BPFFS, &fs) && fs.f_type == BPF_FS_MAGIC)
		good("bpffs", OBMON_BPFFS);
	else
		bad(diagnosis, "bpffs", OBMON_BPFFS " is no BPF filesystem: programs couldn't outlive obmon",
		    "mount -t bpf bpf " OBMON_BPFFS);
	mounts_clear(&mounts);
}

static void report_hook(const char *hook, bool present, bool required, void *data)
{
	struct diagnosis *diagnosis = data;

	if (present)
		good("hook", hook);
	else if (required)
		bad(diagnosis, "hook", hook, "a kernel with CONFIG_BPF_LSM=y and CONFIG_SECURITY_PATH=y, 6.1 or later");
	else
		printf("-        %-12s %s: not in this kernel, which asks another hook instead\n", "hook", hook);
}

static void check_hooks(struct diagnosis *diagnosis)
{
	struct obmon_error err = {};

	if (engine_probe_hooks(report_hook, diagnosis, &err) < 0)
		bad(diagnosis, "hooks", err.message, "see BTF above");
}

/* Only runs with grants of host names need it. */
static void check_socket_owners(void)
{
	const struct sockaddr_in any = { AF_INET, 0, { htonl(INADDR_LOOPBACK) }, {} };
	_cleanup_fd_ int server = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (server >= 0 && !bind(server, (const struct sockaddr *)&any, sizeof(any)) &&
	    !sockets_probe(server, IPPROTO_UDP))
		good("socket diag", "host names can be granted");
	else
		printf("-        %-12s the kernel doesn't say whose socket is whose, so host names can't be granted "
		       "(CONFIG_INET_UDP_DIAG, CONFIG_INET_TCP_DIAG)\n",
		       "socket diag");
}

/* The proof of all of the above. */
static void check_load(struct diagnosis *diagnosis)
{
	struct obmon_error err = {};
	struct engine engine;
	uint64_t lost;
	char text[80];

	if (diagnosis->missing)
		return;
	if (engine_open(&engine, &err)) {
		bad(diagnosis, "programs", err.message, "OBMON_DEBUG=1 obmon doctor shows the kernel's reasons");
		return;
	}
	good("programs", "loaded and pinned under " OBMON_PINS);
	if (!engine_read_lost(&engine, &lost, &err) && lost) {
		snprintf(text, sizeof(text), "%" PRIu64 " operations since the boot, refused because of it", lost);
		bad(diagnosis, "lost runs", text, "this is a bug of obmon's; please report it");
	}
	engine_close(&engine);
}

int cli_doctor(int argc, char **argv)
{
	struct diagnosis diagnosis = {};

	if (argc > 1) {
		fprintf(!strcmp(argv[1], "--help") ? stdout : stderr,
			"usage: obmon doctor\n\n"
			"Says what this host offers, what each missing thing costs and how to get it.\n"
			"Exit status 0 if obmon exec would work, else 125.\n");
		return strcmp(argv[1], "--help") ? 2 : 0;
	}
	check_kernel();
	check_privileges(&diagnosis);
	check_lsm(&diagnosis);
	check_btf(&diagnosis);
	check_mounts(&diagnosis);
	check_hooks(&diagnosis);
	check_socket_owners();
	check_load(&diagnosis);
	if (diagnosis.missing)
		printf("\nobmon exec would not work here: %d missing.\n", diagnosis.missing);
	else
		puts("\nobmon exec works here.");
	return diagnosis.missing ? 125 : 0;
}
