/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file dfa.h
 * From many path rules to one minimal automaton, in the layout of <obmon/abi/dfa.h>.
 */
#ifndef OBMON_CAP_DFA_H
#define OBMON_CAP_DFA_H

#include <stddef.h>
#include <stdint.h>

#include "cap/glob.h"
#include "obmon/abi/dfa.h"
#include "obmon/error.h"

/** Limits of one compilation; zero-initialised fields mean the defaults. */
struct dfa_limits {
	uint32_t max_states; /**< default DFA_MAX_STATES */
	uint64_t max_work;   /**< of the whole compilation, in about array accesses; default DFA_MAX_WORK */
};

#define DFA_MAX_STATES 1200000u
/* Not in seconds, so that a set is taken or refused on every machine alike. */
#define DFA_MAX_WORK 80000000u

struct dfa_builder; /* opaque */

/** @return a new builder, or NULL when out of memory. Free it with dfa_builder_free(). */
struct dfa_builder *dfa_builder_new(const struct dfa_limits *limits);
void dfa_builder_free(struct dfa_builder *builder);

/**
 * Grant @rights (bits of enum obmon_right, quiet bits included) under rule @rule to these names:
 * the bytes @prefix, followed by what remains of a match of @glob once the literal bytes @skip have been
 * consumed from its front. So a rule can be moved onto another filesystem: prefix = device and the place
 * within that filesystem, skip = the mount point. Nothing is added if no match of @glob starts with @skip.
 * A name that equals @skip exactly leaves an empty remainder: the name is then @prefix itself.
 *
 * Mind the root: in a filesystem the root's name is "/", so a prefix whose path is only "/" takes a
 * remainder "/x" as "/x" (not "//x"). The builder does that: a @prefix that ends in '/' swallows the '/'
 * which begins a remainder. So a @prefix that holds a device always holds a path too, at least "/": the last
 * byte of a bare device could be a '/'. @skip never ends in '/' (the root is the empty skip), and a remainder
 * is empty or starts with '/'; behind the empty skip the remainder "/", the root itself, counts as empty, so
 * that it comes to be @prefix when the root's filesystem is mounted from a directory.
 *
 * @rule is 1-based, or 0 if @rights has only bits that are under no rule (quiet ones, OBMON_RIGHT_NEVER); a
 * rule may be added many times. The builder keeps nothing of its arguments.
 */
int dfa_builder_add(struct dfa_builder *builder, const void *prefix, size_t prefix_length, const struct glob *glob,
		    const char *skip, size_t skip_length, uint32_t rights, uint32_t rule, struct obmon_error *err);

/** A set of bytes: bit b of word w is byte 64 * w + b. */
struct byte_set {
	uint64_t bits[4];
};

/**
 * Grant @rights under rule @rule to the names of @n bytes of which each is in its set, as dfa_builder_add() does
 * to paths; '/' is a byte like any other here. No set may be empty.
 */
int dfa_builder_add_sets(struct dfa_builder *builder, const struct byte_set *sets, size_t n, uint32_t rights,
			 uint32_t rule, struct obmon_error *err);

/** A compiled automaton. `pages` holds n_comb_pages pages of rows, then the accept records' pages. */
struct dfa {
	struct obmon_dfa_page *pages;
	uint32_t n_pages, n_comb_pages;
	uint32_t start;       /**< id of the start state, OBMON_DFA_DEAD if nothing is accepted */
	uint32_t n_states;    /**< rows; the dead state has none */
	uint32_t n_accepts;   /**< accept records, with record 0, which is empty: accept numbers start from 1 */
	uint8_t columns[256]; /**< byte -> column of its class in a row */
};

/**
 * Compile all that was added. A set that explodes past the limits is refused within about a second with
 * OBMON_ERR_CONFIG, and the error's message names the rule that costs most ("rule 7"); *@culprit is
 * its id (0 if unknown), so that the caller can say where it was written. @culprit may be NULL. @builder is
 * left as it is: rules may be added and compiled again.
 */
int dfa_compile(struct dfa *dfa, struct dfa_builder *builder, uint32_t *culprit, struct obmon_error *err);
void dfa_clear(struct dfa *dfa);

/** The state reached from @state over @bytes; the same steps as the kernel's. */
uint32_t dfa_walk(const struct dfa *dfa, uint32_t state, const void *bytes, size_t length);

/** What @state gives, or NULL for nothing. Borrowed. */
const struct obmon_dfa_accept *dfa_accept(const struct dfa *dfa, uint32_t state);

/**
 * The residual class of @state. A quiet bit counts only where its right isn't granted, as it has no effect
 * beside it.
 */
uint32_t dfa_residual(const struct dfa *dfa, uint32_t state);

#endif
