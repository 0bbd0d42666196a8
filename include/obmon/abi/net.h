/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * The network as the kernel programs see it.
 *
 * An endpoint is a name on a device of its own, judged by the same automaton as files are: no filesystem has
 * these devices, since their major number is the highest there is.
 *
 *   OBMON_DEV_IPV4   address (4 bytes), protocol (1), port (2, most significant first)
 *   OBMON_DEV_IPV6   address (16 bytes), protocol, port
 *   OBMON_DEV_NAME   id of a rule about a host's name (4 bytes, most significant first), protocol, port
 *   OBMON_DEV_UNIX   "/@" and the abstract name of a unix socket, NUL bytes included
 *
 * Protocol is IPPROTO_TCP or IPPROTO_UDP. A name that ends with protocol 0 instead, and no port, has the right
 * to connect if the address is granted on any port whatsoever.
 */
#ifndef OBMON_ABI_NET_H
#define OBMON_ABI_NET_H

#ifndef __bpf__
#include <linux/types.h>
#endif

#define OBMON_DEV_UNIX 0xffffff01u
#define OBMON_DEV_IPV4 0xffffff04u
#define OBMON_DEV_IPV6 0xffffff06u
#define OBMON_DEV_NAME 0xffffff53u

/* Devices of endpoints that aren't unix sockets: index of obmon_run.devices. */
enum obmon_device {
	OBMON_DEVICE_IPV4,
	OBMON_DEVICE_IPV6,
	OBMON_DEVICE_NAME,
	OBMON_DEVICES,
};

/* Longest endpoint that isn't a unix socket's: device, IPv6 address, protocol, port. */
#define OBMON_ENDPOINT_MAX 23u

/* Longest host name in text form (RFC 1035, section 2.3.4), without a NUL. */
#define OBMON_HOST_MAX 253u

/*
 * What the run's resolver has answered: in the run's map of addresses, by address. The kernel's programs only
 * read it. A rule in it gives what its OBMON_DEV_NAME names give, until it expires.
 */
struct obmon_address {
	__u32 family;   /* AF_INET or AF_INET6 */
	__u8 bytes[16]; /* in network order; of IPv4 the first four, the rest 0 */
};

struct obmon_address_rule {
	__u32 rule;    /* rule id; 0 ends the list */
	__u32 expires; /* CLOCK_BOOTTIME in seconds: holds as long as the clock is below */
};

/* Granted host names that can have one address at the same time. */
#define OBMON_ADDRESS_RULES_MAX 64u
/* Addresses that a run can have from its resolver at the same time. */
#define OBMON_ADDRESSES_MAX 4096u

struct obmon_address_entry {
	struct obmon_address_rule rules[OBMON_ADDRESS_RULES_MAX];
	__u32 host_length;
	char host[OBMON_HOST_MAX + 3]; /* the name that was asked for last, for records; no NUL */
};

/* A process, as records tell of it. */
struct obmon_process {
	__u32 pid, tid, ppid;
	__u32 uid, gid;
	char comm[16];
};

/* Sockets, of all runs together, of which it is known who asks a resolver by them: see the map obmon_askers. */
#define OBMON_ASKERS_MAX 4096u

/* Why the resolver refuses to give an answer. */
enum obmon_lookup_reason {
	OBMON_LOOKUP_NOT_GRANTED, /* no rule is about the name */
	OBMON_LOOKUP_PRIVATE,     /* the name's address is one of the host's own networks: see `address` */
	OBMON_LOOKUP_NO_ROOM,     /* the map of addresses is full */
	OBMON_LOOKUP_REASONS,
};

/* Argument of the program obmon_lookup_refused, by which the resolver reports. Its answer is 1 if the lookup is refused,
 * 0 if audit mode lets it through. */
struct obmon_lookup {
	__u64 owner; /* see struct obmon_run */
	__u32 slot;
	__u32 reason; /* enum obmon_lookup_reason */
	__u32 quiet;  /* 1: only counted; the same refusal has just been recorded */
	struct obmon_address address;
	struct obmon_process asker;
	__u32 host_length;
	__u8 host[OBMON_HOST_MAX + 3];
};

#ifndef __bpf__
_Static_assert(sizeof(struct obmon_address) == 20, "a key without padding");
_Static_assert(sizeof(struct obmon_address_entry) == 772, "no hidden padding");
#endif

#endif
