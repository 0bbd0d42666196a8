// SPDX-License-Identifier: Apache-2.0
/*
 * landlocked: runs a command under Landlock rules that say what obmon's FILE_READ rules say: the files that a
 * list names may be read, the command itself may be read and executed, nothing else may be opened.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* All rights of the first version of Landlock, Linux 5.13. */
#define ALL ((LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1)

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

static void allow_list(int ruleset, const char *list)
{
	FILE *file = fopen(list, "re");
	char *line = NULL;
	size_t size = 0;
	ssize_t length;

	if (!file)
		die(list);
	while ((length = getline(&line, &size, file)) > 0) {
		line[length - 1] = '\0';
		allow(ruleset, line, LANDLOCK_ACCESS_FS_READ_FILE);
	}
	free(line);
	fclose(file);
}

int main(int argc, char **argv)
{
	const struct landlock_ruleset_attr attr = { .handled_access_fs = ALL };
	int ruleset;

	if (argc < 3) {
		fputs("usage: landlocked LIST CMD [ARG]...\nLIST: a file with a path on each line\n", stderr);
		return 2;
	}
	ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0);
	if (ruleset < 0)
		die("landlock_create_ruleset");
	allow_list(ruleset, argv[1]);
	allow(ruleset, argv[2], LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_EXECUTE);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || syscall(SYS_landlock_restrict_self, ruleset, 0))
		die("landlock_restrict_self");
	close(ruleset);
	execv(argv[2], argv + 2);
	die(argv[2]);
}
