// SPDX-License-Identifier: Apache-2.0
/*
 * compile: times obmon's compiler on the globs of a list, and prints
 *
 *   AUTOMATON RULES STATES PAGES
 *
 * AUTOMATON: from texts in memory to the packed automaton, as names on one filesystem, however long it takes.
 * RULES: what obmon exec does with them, which also looks up where each name really is; "-" if that is over
 * obmon's own limit of time. Both in nanoseconds, the least of three.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cap/dfa.h"
#include "cap/glob.h"
#include "lib/mounts.h"
#include "obmon/capability.h"
#include "run/rules.h"

#define ROUNDS 3
/* The clock that counts instructions makes a slow machine. */

static struct obmon_error err;

static void die(const char *what)
{
	fprintf(stderr, "compile: %s: %s\n", what, err.message);
	exit(1);
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

static void load(struct obmon_cap_set *set, const char *list)
{
	static const struct obmon_location nowhere;
	FILE *file = fopen(list, "re");
	char *line = NULL, text[4200];
	size_t size = 0;
	ssize_t length;

	if (!file) {
		perror(list);
		exit(1);
	}
	while ((length = getline(&line, &size, file)) > 0) {
		struct obmon_capability cap;
		int n = snprintf(text, sizeof(text), "FILE_READ:%.*s", (int)length - 1, line);

		if (obmon_capability_parse(&cap, text, (size_t)n, &nowhere, &err) || obmon_cap_set_add(set, &cap, &err))
			die(line);
	}
	free(line);
	fclose(file);
}

static void add(struct dfa_builder *builder, const struct glob *glob, uint32_t rights, size_t rule)
{
	static const char device[] = { 0, 0, 0, 1, '/' };

	if (dfa_builder_add(builder, device, sizeof(device), glob, "", 0, rights, (uint32_t)rule, &err))
		die("dfa_builder_add");
}

static double automaton(const struct obmon_cap_set *set, struct dfa *dfa)
{
	static const struct dfa_limits limits = { .max_work = UINT64_MAX };
	struct dfa_builder *builder = dfa_builder_new(&limits);
	double begin = now();
	uint32_t culprit;
	size_t i;

	for (i = 0; builder && i < set->n; i++) {
		const char *text = set->items[i].resource;
		struct glob glob, listing;

		if (glob_parse(&glob, text, strlen(text), NULL, NULL, &err) || glob_listing(&listing, &glob, &err))
			die(text);
		add(builder, &glob, OBMON_RIGHT_BIT(OBMON_RIGHT_READ), i + 1);
		add(builder, &listing, OBMON_RIGHT_BIT(OBMON_RIGHT_LIST), i + 1);
		glob_clear(&listing);
		glob_clear(&glob);
	}
	if (!builder || dfa_compile(dfa, builder, &culprit, &err))
		die("dfa_compile");
	dfa_builder_free(builder);
	return now() - begin;
}

static double rules(const struct obmon_cap_set *set, struct dfa *dfa)
{
	static const char *const never[] = { NULL };
	double begin = now();
	struct mounts mounts;

	if (mounts_load(&mounts, "/proc/self/mountinfo", &err))
		die("mounts_load");
	if (rules_compile(dfa, set, &mounts, "/tmp/none", never, &err)) {
		fprintf(stderr, "compile: %s\n", err.message);
		begin = -1;
	}
	mounts_clear(&mounts);
	return begin < 0 ? begin : now() - begin;
}

static double least(double (*what)(const struct obmon_cap_set *, struct dfa *), const struct obmon_cap_set *set,
		    struct dfa *dfa)
{
	double least = 0;
	int i;

	for (i = 0; i < ROUNDS && least >= 0; i++) {
		double time;

		dfa_clear(dfa);
		time = what(set, dfa);
		if (i == 0 || time < least)
			least = time;
	}
	return least;
}

int main(int argc, char **argv)
{
	struct obmon_cap_set set = {};
	struct dfa dfa = {};
	uint32_t states, pages;
	double first, second;

	if (argc != 2) {
		fputs("usage: compile LIST\nLIST: a file with a path glob on each line\n", stderr);
		return 2;
	}
	load(&set, argv[1]);
	first = least(automaton, &set, &dfa);
	states = dfa.n_states, pages = dfa.n_pages;
	second = least(rules, &set, &dfa);
	printf("%.0f ", first);
	if (second < 0)
		printf("- ");
	else
		printf("%.0f ", second);
	printf("%u %u\n", states, pages);
	dfa_clear(&dfa);
	obmon_cap_set_clear(&set);
	return 0;
}
