// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "lib/util.h"

#ifndef OBMON_VERSION
#error "OBMON_VERSION is set by the Makefile"
#endif
#ifndef OBMON_DATA_DIR
#error "OBMON_DATA_DIR is set by the Makefile"
#endif

static const struct verb {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *summary;
} verbs[] = {
	{ "exec", cli_exec, "run a command with nothing but the capabilities that it declares" },
	{ "doctor", cli_doctor, "say what this host offers, what is missing and how to get it" },
};

static void usage(FILE *out)
{
	size_t i;

	fputs("usage: obmon VERB [OPTION]...\n\n"
	      "obmon makes the capabilities that a tool declares the law, in the kernel.\n\n",
	      out);
	for (i = 0; i < ARRAY_SIZE(verbs); i++)
		fprintf(out, "  %-8s %s\n", verbs[i].name, verbs[i].summary);
	fputs("\n`obmon VERB --help` says more; so does man obmon(1).\n", out);
}

int cli_fail(const struct obmon_error *err)
{
	fprintf(stderr, "obmon: %s\n", err->message);
	return obmon_exit_status(err->code);
}

const char *const *cli_profile_dirs(void)
{
	static char beside[PATH_MAX + 32];
	static const char *dirs[] = { beside, OBMON_DATA_DIR "/profiles", NULL };
	char own[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", own, sizeof(own) - 1);
	char *slash;

	own[n > 0 ? n : 0] = '\0';
	slash = strrchr(own, '/');
	if (slash)
		*slash = '\0';
	slash = strrchr(own, '/');
	if (!slash || strcmp(slash, "/build") != 0)
		return dirs + 1;
	/* An uninstalled obmon stands in build/, beside the folder profiles/. */
	*slash = '\0';
	snprintf(beside, sizeof(beside), "%s/profiles", own);
	return dirs;
}

/* Descriptors 0 to 2 are always open, or a file of ours could end up there and be taken for the terminal. */
static int open_standard_descriptors(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= 2);
	if (fd < 0)
		return -1;
	close(fd);
	return 0;
}

int main(int argc, char **argv)
{
	size_t i;

	if (open_standard_descriptors()) {
		fputs("obmon: cannot open /dev/null\n", stderr);
		return 125;
	}
	/* A reader of --events that goes away is an error to report, not a reason to die silently. */
	signal(SIGPIPE, SIG_IGN);
	if (argc < 2) {
		usage(stderr);
		return 2;
	}
	if (!strcmp(argv[1], "--version")) {
		puts("obmon " OBMON_VERSION);
		return 0;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "help")) {
		usage(stdout);
		return 0;
	}
	for (i = 0; i < ARRAY_SIZE(verbs); i++)
		if (!strcmp(argv[1], verbs[i].name))
			return verbs[i].run(argc - 1, argv + 1);
	fprintf(stderr, "obmon: there is no verb \"%s\"; see obmon --help\n", argv[1]);
	return 2;
}
