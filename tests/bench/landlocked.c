// SPDX-License-Identifier: Apache-2.0
/*
 * landlocked: runs a command under Landlock rules that say what obmon's rules say. With a list of paths: these files
 * may be read, the command itself may be read and executed, nothing else may be opened. With a list of port numbers:
 * TCP connections may go to these ports, whatever the address.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* All rights of the first version of Landlock, Linux 5.13. */
#define ALL ((LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1)

/* The fourth version's, Linux 6.7, which the headers may lack. */
#define CONNECT_TCP (1ull << 1)
#define RULE_NET_PORT 2

struct attr {
	uint64_t handled_access_fs, handled_access_net;
};

struct port_attr {
	uint64_t allowed_access, port;
};

static void die(const char *what)
{
	fprintf(stderr, "landlocked: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void allow(int ruleset, const char *path, uint64_t access)
{
	struct landlock_path_beneath_attr rule = { .allowed_access = access,
						   .parent_fd = open(path, O_PATH | O_CLOEXEC) };

	if (rule.parent_fd < 0 || syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0))
		die(path);
	close(rule.parent_fd);
}

static void allow_port(int ruleset, const char *port)
{
	const struct port_attr rule = { .allowed_access = CONNECT_TCP, .port = strtoull(port, NULL, 10) };

	if (syscall(SYS_landlock_add_rule, ruleset, RULE_NET_PORT, &rule, 0))
		die(port);
}

static void allow_list(int ruleset, FILE *list, bool ports)
{
	char *line = NULL;
	size_t size = 0;
	ssize_t length;

	while ((length = getline(&line, &size, list)) > 0) {
		line[length - 1] = '\0';
		if (ports)
			allow_port(ruleset, line);
		else
			allow(ruleset, line, LANDLOCK_ACCESS_FS_READ_FILE);
	}
	free(line);
}

/* Only as much of @attr as is used: an older kernel knows no more. */
static int make_ruleset(bool ports)
{
	const struct attr attr = { ports ? 0 : ALL, ports ? CONNECT_TCP : 0 };
	int ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, ports ? sizeof(attr) : sizeof(uint64_t), 0);

	if (ruleset < 0)
		die("landlock_create_ruleset");
	return ruleset;
}

static FILE *open_list(const char *path, bool *ports)
{
	FILE *list = fopen(path, "re");
	int first = list ? getc(list) : EOF;

	if (first == EOF)
		die(path);
	*ports = isdigit(first);
	rewind(list);
	return list;
}

int main(int argc, char **argv)
{
	bool ports;
	FILE *list;
	int ruleset;

	if (argc < 3) {
		fputs("usage: landlocked LIST CMD [ARG]...\nLIST: a file with a path, or a port number, on each line\n",
		      stderr);
		return 2;
	}
	list = open_list(argv[1], &ports);
	ruleset = make_ruleset(ports);
	allow_list(ruleset, list, ports);
	if (!ports)
		allow(ruleset, argv[2], LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_EXECUTE);
	fclose(list);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || syscall(SYS_landlock_restrict_self, ruleset, 0))
		die("landlock_restrict_self");
	close(ruleset);
	execv(argv[2], argv + 2);
	die(argv[2]);
}
