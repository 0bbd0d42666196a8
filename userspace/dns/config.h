/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file config.h
 * What the host says about names: the servers of its resolv.conf, the lines of its hosts file, and a `--dns`
 * argument. All work on text in memory, which may hold anything: what isn't understood is passed over, as the C
 * library does.
 */
#ifndef OBMON_DNS_CONFIG_H
#define OBMON_DNS_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#include "dns/resolver.h"
#include "obmon/abi/net.h"
#include "obmon/error.h"

/**
 * The first servers that resolv.conf's @text names, with port 53. Without any, the C library would ask
 * 127.0.0.1; the caller decides about that.
 * @return how many.
 */
size_t config_servers(struct sockaddr_storage servers[RESOLVER_UPSTREAMS_MAX], const char *text, size_t length);

/**
 * The server that an argument @text means: `1.2.3.4`, `1.2.3.4:5353`, `::1`, `fe80::1%eth0` or `[::1]:5353`; the
 * port is 53 where there is none.
 * @return 0, or -1 with @err.
 */
int config_server(struct sockaddr_storage *server, const char *text, struct obmon_error *err);

/** One name of a hosts file. @name is in lower case, plain, and without a dot at its end. */
typedef bool config_host_fn(void *data, const struct obmon_address *address, const char *name);

/**
 * Call @each for every name of the hosts file @text, in its order, until that returns false.
 */
void config_hosts(const char *text, size_t length, config_host_fn *each, void *data);

/**
 * The run's own hosts file: localhost, and of the host's file @text each name at each address that @keep returns
 * true for.
 * @return text that the caller frees, or NULL when out of memory.
 */
char *config_run_hosts(const char *text, size_t length, config_host_fn *keep, void *data);

#endif
