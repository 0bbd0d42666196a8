// SPDX-License-Identifier: Apache-2.0
/*
 * loop: times one operation, many times over, in batches, and prints nanoseconds an operation as
 *
 *   MEDIAN LOW HIGH MEAN WORK
 *
 * of the batches: LOW and HIGH are what a tenth of them is below and above; WORK is the mean of what children
 * (and theirs, where they were waited for) spent on a processor. In a VM whose clock counts instructions,
 * these are instructions, and time that was waited through.
 *
 * Linked statically, so that it needs no more than itself wherever it is confined.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* The first batches fill caches, and don't count; with -f they do. */
#define WARM_UP 2
#define BATCHES_MAX 1000

static const char usage[] = "usage: loop [-b BATCHES] [-n OPERATIONS] [-s STATUS] [-f] [-w] WHAT\n"
			    "  open PATH        open PATH for reading and close it\n"
			    "  refused PATH     open PATH, which must fail with EACCES\n"
			    "  exec CMD [ARG].. fork, execve and wait; CMD must exit with STATUS (0)\n"
			    "  wait             nothing\n"
			    "-f times the first operations too, which are not warmed up.\n"
			    "-w tells \"ready\" and waits for a line of standard input before and another after.\n";

static struct {
	int batches, operations, status, warm_up;
	bool wait;
	const char *what;
	char **argv;
} options = { .batches = 40, .operations = 100, .warm_up = WARM_UP };

static void die(const char *what)
{
	fprintf(stderr, "loop: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void op_open(void)
{
	int fd = open(options.argv[0], O_RDONLY);

	if (fd < 0)
		die(options.argv[0]);
	close(fd);
}

static void op_refused(void)
{
	int fd = open(options.argv[0], O_RDONLY);

	if (fd >= 0)
		errno = 0;
	if (errno != EACCES)
		die("that should have been refused");
}

static void op_exec(void)
{
	pid_t pid = fork();
	int status;

	if (pid < 0)
		die("fork");
	if (pid == 0) {
		execv(options.argv[0], options.argv);
		_exit(127);
	}
	if (waitpid(pid, &status, 0) != pid)
		die("waitpid");
	errno = 0;
	if (!WIFEXITED(status) || WEXITSTATUS(status) != options.status) {
		fprintf(stderr, "loop: %s: wait status 0x%x\n", options.argv[0], (unsigned)status);
		exit(1);
	}
}

static const struct {
	const char *name;
	void (*run)(void);
} operations[] = { { "open", op_open }, { "refused", op_refused }, { "exec", op_exec }, { "wait", NULL } };

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

static double seconds(struct timeval tv)
{
	return (double)tv.tv_sec + (double)tv.tv_usec / 1e6;
}

/* Nanoseconds that children have spent on a processor. */
static double worked(void)
{
	struct rusage usage;

	getrusage(RUSAGE_CHILDREN, &usage);
	return (seconds(usage.ru_utime) + seconds(usage.ru_stime)) * 1e9;
}

static double batch(void (*run)(void))
{
	double begin = now();
	int i;

	for (i = 0; i < options.operations; i++)
		run();
	return (now() - begin) / options.operations;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void measure(void (*run)(void))
{
	static double times[BATCHES_MAX];
	int n = options.batches, i;
	double sum = 0, work = 0;

	for (i = -options.warm_up; i < n; i++) {
		double before = worked(), time = batch(run);

		if (i < 0)
			continue;
		times[i] = time;
		sum += time;
		work += (worked() - before) / options.operations;
	}
	qsort(times, (size_t)n, sizeof(*times), compare);
	printf("%.0f %.0f %.0f %.0f %.0f\n", times[n / 2], times[n / 10], times[n - 1 - n / 10], sum / n, work / n);
	fflush(stdout);
}

static void await_line(void)
{
	char byte;
	ssize_t n;

	do
		n = read(0, &byte, 1);
	while (n == 1 && byte != '\n');
}

static void parse(int argc, char **argv)
{
	int option;

	while ((option = getopt(argc, argv, "+b:n:s:fw")) != -1) {
		if (option == 'b')
			options.batches = atoi(optarg);
		else if (option == 'n')
			options.operations = atoi(optarg);
		else if (option == 's')
			options.status = atoi(optarg);
		else if (option == 'f')
			options.warm_up = 0;
		else if (option == 'w')
			options.wait = true;
		else
			optind = argc;
	}
	if (optind < argc) {
		options.what = argv[optind];
		options.argv = argv + optind + 1;
	}
	if (!options.what || (strcmp(options.what, "wait") && !options.argv[0]) || options.operations < 1 ||
	    options.batches < 1 || options.batches > BATCHES_MAX) {
		fputs(usage, stderr);
		exit(2);
	}
}

int main(int argc, char **argv)
{
	size_t i;

	parse(argc, argv);
	if (options.wait) {
		puts("ready");
		fflush(stdout);
		await_line();
	}
	for (i = 0; i < sizeof(operations) / sizeof(*operations); i++)
		if (!strcmp(operations[i].name, options.what)) {
			if (operations[i].run)
				measure(operations[i].run);
			if (options.wait)
				await_line();
			return 0;
		}
	fputs(usage, stderr);
	return 2;
}
