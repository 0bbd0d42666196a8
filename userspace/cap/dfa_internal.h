/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the passes of the automaton compiler hand to each other:
 *
 *   dfa_nfa.c          rules to a trie of tokens, which is the NFA     struct nfa
 *   dfa_study.c        what can follow its nodes                       struct nfa_study
 *   dfa_classes.c      bytes folded to classes                         struct class_sets
 *   dfa_determinize.c  subset construction, sparse rows                struct dfa_rows
 *   dfa_minimize.c     the coarsest partitions                         struct dfa_partition
 *   dfa_pack.c         rows overlaid in pages                          struct dfa
 *   dfa_util.c         memory, hashing, the clock
 *   dfa.c              the order of it all, its errors, and what users of the result need
 */
#ifndef OBMON_CAP_DFA_INTERNAL_H
#define OBMON_CAP_DFA_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cap/dfa.h"

/*
 * ---- Limits
 */

/* Work and states that are left. Work is counted in about the cost of one array access. */
struct budget {
	uint64_t work, max_work;
	uint32_t max_states;
};

/* Why a pass ended early; its caller makes an error of it. */
enum dfa_status {
	DFA_OK = 0,
	DFA_NO_MEMORY,
	DFA_TOO_SLOW,
	DFA_TOO_BIG,
	DFA_BROKEN, /* an invariant doesn't hold */
};

void budget_start(struct budget *budget, const struct dfa_limits *limits);

/* Account for @work. */
static inline enum dfa_status budget_spend(struct budget *budget, uint64_t work)
{
	budget->work += work;
	return budget->work < budget->max_work ? DFA_OK : DFA_TOO_SLOW;
}

/*
 * ---- Small tools
 */

/* What vector_reserve() does where there isn't room enough. */
void *vector_grow(void *items, uint32_t *capacity, uint64_t needed, size_t size);

/*
 * A vector's memory for at least @needed items of @size bytes: @items itself or, with *@capacity grown
 * geometrically, its reallocation; NULL when out of memory, with @items untouched.
 */
static inline void *vector_reserve(void *items, uint32_t *capacity, uint64_t needed, size_t size)
{
	return needed <= *capacity ? items : vector_grow(items, capacity, needed, size);
}

/* A bijective mixer: the finaliser of splitmix64 (Steele, Lea, Flood: Fast splittable pseudorandom number
 * generators, OOPSLA 2014). */
static inline uint64_t mix64(uint64_t x)
{
	x += UINT64_C(0x9e3779b97f4a7c15);
	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

/*
 * Ids found by hash, open addressing with linear probing. What an id stands for, and when two are equal, is
 * the owner's business:
 *
 *	for (cursor = id_table_first(&table, hash); id_table_next(&table, hash, &cursor, &id);)
 *		if (equal(id)) ...
 */
struct id_table {
	uint64_t *slots; /* the upper half of the hash, then id + 1; 0 is free */
	uint32_t mask, used;
};

static inline uint32_t id_table_first(const struct id_table *table, uint64_t hash)
{
	return (uint32_t)(hash >> 32) & table->mask;
}

static inline bool id_table_next(const struct id_table *table, uint64_t hash, uint32_t *cursor, uint32_t *id)
{
	if (!table->slots)
		return false;
	for (;;) {
		const uint64_t slot = table->slots[*cursor];

		if (!slot)
			return false;
		*cursor = (*cursor + 1) & table->mask;
		if (slot >> 32 == hash >> 32) {
			*id = (uint32_t)slot - 1;
			return true;
		}
	}
}

/* @return -1 when out of memory. */
int id_table_insert(struct id_table *table, uint64_t hash, uint32_t id);
void id_table_clear(struct id_table *table);

/*
 * ---- What a state gives
 */

struct accept {
	uint32_t rights;
	uint32_t rule[OBMON_RIGHT_MAX]; /* the lowest that grants the right; 0 where none does */
};

/* Distinct accepts. Index 0 is always the empty one. */
struct accept_pool {
	struct accept *items;
	uint32_t n, capacity;
	struct id_table index;
};

int accept_pool_init(struct accept_pool *pool);
void accept_pool_clear(struct accept_pool *pool);
/* The index of @accept, added if it is new; UINT32_MAX when out of memory. */
uint32_t accept_pool_intern(struct accept_pool *pool, const struct accept *accept);
bool accept_equal(const struct accept *a, const struct accept *b);
uint64_t accept_hash(const struct accept *accept);
void accept_merge(struct accept *into, const struct accept *other);

/* A refusal is quiet only where the right isn't granted: what is left here is all that makes a difference. */
static inline uint32_t accept_effective(uint32_t rights)
{
	return rights & ~((rights & OBMON_RIGHTS_ALL) << OBMON_RIGHT_QUIET_SHIFT);
}

/*
 * ---- The NFA
 *
 * A trie of tokens: rules that begin alike share their nodes, in the tails behind wildcards as well as in the
 * literal heads, so that the sets of the subset construction stay about as long as the number of wildcards
 * that are under way, not as the number of rules. A node's id is higher than its parent's.
 */

enum nfa_edge {
	EDGE_BYTE, /* by the byte `byte` */
	EDGE_SET,  /* by a byte of set `set` */
	EDGE_NAME, /* by nothing; loops on all but '/' */
	EDGE_DEEP, /* by nothing; loops on all */
	EDGE_DIRS, /* by nothing; loops on all; its only child, by '/', also follows its parent by nothing */
};

#define NFA_ROOT 0u
#define NFA_NONE 0u /* as a link: the root is nobody's child */

struct nfa_node {
	uint32_t child; /* first of a list */
	uint32_t sibling;
	uint32_t accept; /* index into nfa.accepts, 0 for none */
	uint32_t set;
	uint8_t edge; /* enum nfa_edge: how it is reached from its parent */
	uint8_t byte;
};

/* The edges by nothing are those to nodes that loop. */
static inline bool nfa_edge_loops(uint8_t edge)
{
	return edge >= EDGE_NAME;
}

static inline bool byte_set_has(const struct byte_set *set, unsigned int byte)
{
	return set->bits[byte >> 6] >> (byte & 63) & 1;
}

struct nfa {
	struct nfa_node *nodes;
	uint32_t n_nodes, nodes_capacity;
	struct accept *accepts; /* those of accepting nodes, not shared; 0 is the empty one */
	uint32_t n_accepts, accepts_capacity;
	struct byte_set *sets; /* distinct */
	uint32_t n_sets, sets_capacity;
	struct id_table set_index;
};

struct dfa_builder {
	struct dfa_limits limits;
	struct nfa nfa;
};

/* Most nodes: enough for 60,000 paths of 64 bytes that have no beginning in common. */
#define NFA_MAX_NODES (1u << 22)

/*
 * ---- The NFA, studied
 */

/*
 * What can be granted at or below a node: bits of rights, and the range of rule ids (none: low above high).
 */
struct nfa_below {
	uint32_t rights;
	uint32_t low, high;
};

/* By node. */
struct nfa_study {
	uint32_t *same; /* the node that stands for all that the same follows */
	uint32_t *twin; /* as same, rule ids ignored */
	struct nfa_below *below;
};

enum dfa_status nfa_study_init(struct nfa_study *study, const struct nfa *nfa);
void nfa_study_clear(struct nfa_study *study);

/* The class of each byte. @return how many there are. '/' has one of its own. */
uint32_t fold_classes(const struct nfa *nfa, uint8_t class_of[256]);

/* A set of the NFA, by class. The listed classes are its members, or for a wide set all others. */
struct class_set {
	bool wide;
	uint32_t first, n; /* in class_sets.listed */
	uint64_t bits[4];
};

struct class_sets {
	struct class_set *items; /* as in nfa.sets */
	uint8_t *listed;
};

enum dfa_status class_sets_init(struct class_sets *sets, const struct nfa *nfa, const uint8_t class_of[256],
				uint32_t n_classes);
void class_sets_clear(struct class_sets *sets);

static inline void class_bit_set(uint64_t bits[4], unsigned int cls)
{
	bits[cls >> 6] |= UINT64_C(1) << (cls & 63);
}

static inline bool class_bit(const uint64_t bits[4], unsigned int cls)
{
	return bits[cls >> 6] >> (cls & 63) & 1;
}

/*
 * ---- The automaton between the passes
 *
 * A row is its default target and the classes that lead elsewhere, each once, in no particular order. State 0
 * is dead; state 1 is the start if there are any others, and all others can still accept.
 */

#define STATE_DEAD 0u
#define STATE_START 1u

struct dfa_row {
	uint32_t edges; /* index of its first exception */
	uint32_t n_edges;
	uint32_t otherwise; /* the target of all other classes */
	uint32_t accept;    /* index into dfa_rows.accepts */
};

struct dfa_rows {
	struct dfa_row *rows;
	uint32_t n, capacity;
	uint32_t *targets; /* of exceptions */
	uint8_t *classes;  /* beside them */
	uint32_t n_edges, targets_capacity, classes_capacity;
	struct accept_pool accepts;
	uint32_t n_classes;
	uint8_t class_of[256];
};

void dfa_rows_clear(struct dfa_rows *rows);

/*
 * @culprit: the rule that costs most, also set on success if there are so many states that a later pass may
 * fail.
 */
enum dfa_status dfa_determinize(struct dfa_rows *rows, const struct nfa *nfa, struct budget *budget, uint32_t *culprit);

/* Equivalence classes of the states. Class 0 is that of the dead state alone, for all others can accept. */
struct dfa_partition {
	uint32_t *block_of; /* by state: what it gives, with the rule ids, to every continuation */
	uint32_t n_blocks;
	uint32_t *residual; /* by state: what it gives, by effective rights only */
	uint32_t *member;   /* by block: one of its states */
};

enum dfa_status dfa_minimize(struct dfa_partition *partition, const struct dfa_rows *rows, struct budget *budget);
void dfa_partition_clear(struct dfa_partition *partition);

enum dfa_status dfa_pack(struct dfa *dfa, const struct dfa_rows *rows, const struct dfa_partition *partition,
			 struct budget *budget);

#endif
