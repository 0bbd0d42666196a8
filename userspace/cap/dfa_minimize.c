/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Minimisation by partition refinement, O(m log n) for m distinct targets of n rows.
 *
 * As in Hopcroft's algorithm (An n log n algorithm for minimizing states in a finite automaton, 1971) a block
 * that splits keeps its name for its largest part, so that a state changes its name at most log n times, and
 * only the predecessors of states that did are looked at again. Unlike there, the alphabet is not gone
 * through letter by letter: with default targets there is no short list of predecessors by letter. Instead
 * each state q carries
 *
 *	H(q) = sum of W(q, t) * g(block of t) over the targets t of q, where
 *	W(q, t) = sum of w(c) over the classes c that lead from q to t
 *
 * with random weights w and g: a multilinear hash (Carter, Wegman: Universal classes of hash functions, 1979)
 * of the row as a function from classes to blocks, however it is written down. When t moves from block a to
 * b, each predecessor's H changes by W * (g(b) - g(a)). States with different H are different; that those
 * with equal H are alike is verified in the end, exactly. Should that ever fail, all is done again with other
 * weights. The layout of blocks follows Valmari (Fast brief practical DFA minimization, 2012).
 *
 * It runs twice in one go: to the coarsest partition by effective rights, which are the residual classes, and
 * on from there by rule ids as well, to the minimal automaton.
 */
#include "cap/dfa_internal.h"

#include <stdlib.h>
#include <string.h>

#define NONE UINT32_MAX
#define ATTEMPTS_MAX 4

/* A block is a stretch of refinement.order, its touched states in front. */
struct block {
	uint32_t first, n;
	uint32_t n_touched;
	bool pending; /* has states whose predecessors don't know yet */
};

/* A predecessor. */
struct source {
	uint64_t weight;
	uint32_t state;
};

/* States of one block with equal hash, while it is being split. */
struct group {
	uint64_t hash;
	uint32_t slot; /* in the hash table */
	uint32_t n;
	uint32_t first, at; /* in the block's new order: where it begins, and where its next state goes */
};

struct refinement {
	const struct dfa_rows *rows;
	struct budget *budget;
	uint64_t seed;
	uint64_t weight[256]; /* w, by class */
	uint64_t total_weight;

	uint32_t *first_source; /* by state, and one more; the dead state, which stays alone, isn't counted */
	struct source *sources;

	uint64_t *hash;     /* by state */
	uint32_t *block_of; /* by state */
	uint32_t *told;     /* by state: the block that its predecessors' hashes have for it, or NONE */
	uint32_t *place;    /* by state: where it is in order */
	uint32_t *order;
	struct block *blocks;
	uint32_t n_blocks;
	uint32_t *pending; /* a stack of blocks */
	uint32_t n_pending;
	uint32_t *touched; /* blocks with touched states */
	uint32_t n_touched;

	uint32_t *copy;     /* states of the block being split or told */
	uint32_t *group_of; /* beside them */
	struct group *groups;
	uint32_t *group_slots; /* a hash table of groups, group + 1; all 0 between uses */
};

/* g */
static uint64_t block_weight(const struct refinement *ref, uint32_t block)
{
	return block == NONE ? 0 : mix64(ref->seed ^ block);
}

/*
 * ---- Predecessors
 */

/* Goes through a row's distinct targets but the dead state; one that isn't in one piece comes in several. */
struct arcs {
	uint32_t at, end;
	uint32_t otherwise;
	uint64_t rest; /* the weight of the classes that take the default, once all exceptions are through */
};

static struct arcs arcs_of(const struct refinement *ref, uint32_t state)
{
	const struct dfa_row *row = &ref->rows->rows[state];

	return (struct arcs){
		.at = row->edges,
		.end = row->edges + row->n_edges,
		.otherwise = row->otherwise,
		.rest = ref->total_weight,
	};
}

static bool arcs_next(const struct refinement *ref, struct arcs *arcs, uint32_t *target, uint64_t *weight)
{
	const struct dfa_rows *rows = ref->rows;

	while (arcs->at < arcs->end) {
		*target = rows->targets[arcs->at];
		*weight = 0;
		do
			*weight += ref->weight[rows->classes[arcs->at++]];
		while (arcs->at < arcs->end && rows->targets[arcs->at] == *target);
		arcs->rest -= *weight;
		if (*target != STATE_DEAD)
			return true;
	}
	*target = arcs->otherwise;
	*weight = arcs->rest;
	arcs->otherwise = STATE_DEAD;
	return *target != STATE_DEAD;
}

static enum dfa_status list_sources(struct refinement *ref)
{
	const uint32_t n = ref->rows->n;
	uint32_t target, sum = 0;
	uint64_t weight;

	free(ref->first_source); /* of an earlier attempt: the weights are others */
	free(ref->sources);
	ref->sources = NULL;
	/* count into the next entry but one, so that filling moves each to where it belongs */
	ref->first_source = calloc(n + UINT64_C(2), sizeof(*ref->first_source));
	if (!ref->first_source)
		return DFA_NO_MEMORY;
	for (uint32_t state = STATE_START; state < n; state++) {
		for (struct arcs arcs = arcs_of(ref, state); arcs_next(ref, &arcs, &target, &weight);)
			ref->first_source[target + 2]++;
	}
	for (uint32_t i = 0; i < n + 2; i++)
		sum = ref->first_source[i] += sum;
	ref->sources = malloc((sum + UINT64_C(1)) * sizeof(*ref->sources));
	if (!ref->sources)
		return DFA_NO_MEMORY;
	for (uint32_t state = STATE_START; state < n; state++) {
		for (struct arcs arcs = arcs_of(ref, state); arcs_next(ref, &arcs, &target, &weight);) {
			ref->sources[ref->first_source[target + 1]++] = (struct source){
				.weight = weight,
				.state = state,
			};
		}
	}
	return DFA_OK;
}

/*
 * ---- Splitting
 */

static void push_pending(struct refinement *ref, uint32_t block)
{
	if (ref->blocks[block].pending)
		return;
	ref->blocks[block].pending = true;
	ref->pending[ref->n_pending++] = block;
}

static void touch(struct refinement *ref, uint32_t state)
{
	const uint32_t id = ref->block_of[state];
	struct block *block = &ref->blocks[id];
	const uint32_t from = ref->place[state], to = block->first + block->n_touched;
	uint32_t other;

	if (block->n == 1 || from < to) /* can't split, or is touched already */
		return;
	other = ref->order[to];
	if (block->n_touched++ == 0)
		ref->touched[ref->n_touched++] = id;
	ref->order[from] = other;
	ref->place[other] = from;
	ref->order[to] = state;
	ref->place[state] = to;
}

/* The group of @hash among the @n_groups, made if it is new. */
static uint32_t find_group(struct refinement *ref, uint64_t hash, uint32_t mask, uint32_t *n_groups)
{
	uint32_t cursor = (uint32_t)(mix64(hash) >> 32) & mask;

	while (ref->group_slots[cursor]) {
		const uint32_t group = ref->group_slots[cursor] - 1;

		if (ref->groups[group].hash == hash)
			return group;
		cursor = (cursor + 1) & mask;
	}
	ref->groups[*n_groups] = (struct group){ .hash = hash, .slot = cursor };
	ref->group_slots[cursor] = ++*n_groups;
	return *n_groups - 1;
}

/*
 * Group the block's touched states by hash. Those not touched still have one and the same; they are group 0
 * if there are any.
 */
static uint32_t group_touched(struct refinement *ref, const struct block *block)
{
	const uint32_t k = block->n_touched;
	uint32_t mask = 3, n_groups = 0;

	while (mask < 2 * k) /* at most a bit less than 4 * n_states */
		mask = 2 * mask + 1;
	if (k < block->n) {
		find_group(ref, ref->hash[ref->order[block->first + k]], mask, &n_groups);
		ref->groups[0].n = block->n - k;
	}
	for (uint32_t i = 0; i < k; i++) {
		const uint32_t state = ref->order[block->first + i];
		const uint32_t group = find_group(ref, ref->hash[state], mask, &n_groups);

		ref->copy[i] = state;
		ref->group_of[i] = group;
		ref->groups[group].n++;
	}
	for (uint32_t group = 0; group < n_groups; group++)
		ref->group_slots[ref->groups[group].slot] = 0;
	return n_groups;
}

/* Lay out the groups one after another, group 0 last: there its untouched states are already. */
static void order_groups(struct refinement *ref, const struct block *block, uint32_t n_groups)
{
	uint32_t at = block->first;

	for (uint32_t i = 1; i <= n_groups; i++) {
		struct group *group = &ref->groups[i % n_groups];

		group->first = group->at = at;
		at += group->n;
	}
	for (uint32_t i = 0; i < block->n_touched; i++) {
		const uint32_t state = ref->copy[i], place = ref->groups[ref->group_of[i]].at++;

		ref->order[place] = state;
		ref->place[state] = place;
	}
}

static void name_block(struct refinement *ref, uint32_t first, uint32_t n)
{
	const uint32_t id = ref->n_blocks++;

	ref->blocks[id] = (struct block){ .first = first, .n = n };
	for (uint32_t i = 0; i < n; i++)
		ref->block_of[ref->order[first + i]] = id;
	push_pending(ref, id);
}

/* The largest part of @block keeps its name. */
static void split_groups(struct refinement *ref, struct block *block)
{
	const uint32_t n_groups = group_touched(ref, block);
	uint32_t largest = 0;

	if (n_groups == 1)
		return;
	order_groups(ref, block, n_groups);
	for (uint32_t i = 1; i < n_groups; i++) {
		if (ref->groups[i].n > ref->groups[largest].n)
			largest = i;
	}
	block->first = ref->groups[largest].first;
	block->n = ref->groups[largest].n;
	for (uint32_t i = 0; i < n_groups; i++) {
		if (i != largest)
			name_block(ref, ref->groups[i].first, ref->groups[i].n);
	}
}

/* The same for a single touched state, which is what happens most. */
static void split_one(struct refinement *ref, struct block *block)
{
	const uint32_t first = block->first;

	if (ref->hash[ref->order[first]] == ref->hash[ref->order[first + 1]])
		return;
	block->first++;
	block->n--;
	name_block(ref, first, 1);
}

/* Split block @id by the hashes of its touched states. */
static void split(struct refinement *ref, uint32_t id)
{
	struct block *block = &ref->blocks[id];

	ref->budget->work += 4 * block->n_touched;
	if (block->n_touched == 1) /* of several: see touch() */
		split_one(ref, block);
	else
		split_groups(ref, block);
	block->n_touched = 0;
}

static void split_touched(struct refinement *ref)
{
	while (ref->n_touched > 0)
		split(ref, ref->touched[--ref->n_touched]);
}

/* Tell the predecessors of the states of block @id its name, where they know another. */
static void tell(struct refinement *ref, uint32_t id)
{
	const struct block block = ref->blocks[id];
	const uint64_t weight = block_weight(ref, id);

	/* touching reorders the block, if it has arcs to itself */
	memcpy(ref->copy, ref->order + block.first, block.n * sizeof(*ref->copy));
	for (uint32_t i = 0; i < block.n; i++) {
		const uint32_t state = ref->copy[i];
		const uint32_t end = ref->first_source[state + 1];
		const uint64_t change = weight - block_weight(ref, ref->told[state]);

		if (ref->told[state] == id)
			continue;
		ref->told[state] = id;
		for (uint32_t s = ref->first_source[state]; s < end; s++) {
			ref->hash[ref->sources[s].state] += ref->sources[s].weight * change;
			touch(ref, ref->sources[s].state);
		}
		ref->budget->work += 4 + 4 * (end - ref->first_source[state]);
	}
}

static enum dfa_status refine(struct refinement *ref)
{
	enum dfa_status status = DFA_OK;

	while (ref->n_pending > 0 && status == DFA_OK) {
		const uint32_t id = ref->pending[--ref->n_pending];

		ref->blocks[id].pending = false;
		tell(ref, id);
		split_touched(ref);
		status = budget_spend(ref->budget, 4);
	}
	return status;
}

/*
 * ---- The two partitions
 */

/* What tells states apart before their rows do. */
enum key { KEY_EFFECTIVE, KEY_ACCEPT };

static uint32_t state_key(const struct refinement *ref, enum key key, uint32_t state)
{
	const uint32_t accept = ref->rows->rows[state].accept;

	return key == KEY_ACCEPT ? accept : accept_effective(ref->rows->accepts.items[accept].rights);
}

/* Split all blocks by @key, for good. */
static void split_by_key(struct refinement *ref, enum key key)
{
	const uint64_t salt = mix64(ref->seed + 1 + key);

	for (uint32_t state = STATE_START; state < ref->rows->n; state++) {
		const uint32_t value = state_key(ref, key, state);

		if (!value) /* most states; no hash changes, none is touched */
			continue;
		ref->hash[state] += mix64(salt + value);
		touch(ref, state);
	}
	split_touched(ref);
}

/* A row as a function from classes to blocks. */
struct dense_row {
	uint32_t block[256];
	uint32_t counted, count; /* a block, and how many classes lead to it; 0: not counted yet */
};

static void dense_row_init(struct dense_row *dense, const struct refinement *ref, uint32_t state)
{
	const struct dfa_rows *rows = ref->rows;
	const struct dfa_row *row = &rows->rows[state];

	for (uint32_t cls = 0; cls < rows->n_classes; cls++)
		dense->block[cls] = ref->block_of[row->otherwise];
	for (uint32_t e = row->edges; e < row->edges + row->n_edges; e++)
		dense->block[rows->classes[e]] = ref->block_of[rows->targets[e]];
	dense->count = 0;
}

static uint32_t dense_row_count(struct dense_row *dense, uint32_t n_classes, uint32_t block)
{
	if (dense->count == 0 || dense->counted != block) {
		dense->counted = block;
		dense->count = 0;
		for (uint32_t cls = 0; cls < n_classes; cls++)
			dense->count += dense->block[cls] == block;
	}
	return dense->count;
}

/* Is @state's row the same function? The exceptions are compared one by one, all others by their number. */
static bool dense_row_is(struct dense_row *dense, const struct refinement *ref, uint32_t state)
{
	const struct dfa_rows *rows = ref->rows;
	const struct dfa_row *row = &rows->rows[state];
	const uint32_t otherwise = ref->block_of[row->otherwise];
	uint32_t same = dense_row_count(dense, rows->n_classes, otherwise);

	for (uint32_t e = row->edges; e < row->edges + row->n_edges; e++) {
		const uint32_t block = ref->block_of[rows->targets[e]];

		if (dense->block[rows->classes[e]] != block)
			return false;
		same -= block == otherwise;
	}
	return same == rows->n_classes - row->n_edges;
}

/* Are all states of each block alike? That they must not be fewer blocks is certain, see above. */
static bool verify(struct refinement *ref, enum key key)
{
	struct dense_row dense;

	for (uint32_t id = 0; id < ref->n_blocks; id++) {
		const struct block *block = &ref->blocks[id];
		const uint32_t first = ref->order[block->first];

		if (block->n == 1)
			continue;
		dense_row_init(&dense, ref, first);
		for (uint32_t i = 1; i < block->n; i++) {
			const uint32_t state = ref->order[block->first + i];

			if (state_key(ref, key, state) != state_key(ref, key, first) ||
			    !dense_row_is(&dense, ref, state))
				return false;
		}
		ref->budget->work += 16 * block->n;
	}
	return true;
}

/*
 * ---- All of it
 */

static enum dfa_status refinement_init(struct refinement *ref, const struct dfa_rows *rows, struct budget *budget)
{
	const uint64_t n = rows->n;
	uint64_t slots = 4;

	memset(ref, 0, sizeof(*ref));
	ref->rows = rows;
	ref->budget = budget;
	while (slots < 2 * n)
		slots *= 2;
	ref->hash = malloc(n * sizeof(*ref->hash));
	ref->block_of = malloc(n * sizeof(*ref->block_of));
	ref->told = malloc(n * sizeof(*ref->told));
	ref->place = malloc(n * sizeof(*ref->place));
	ref->order = malloc(n * sizeof(*ref->order));
	ref->blocks = malloc(n * sizeof(*ref->blocks));
	ref->pending = malloc(n * sizeof(*ref->pending));
	ref->touched = malloc(n * sizeof(*ref->touched));
	ref->copy = malloc(n * sizeof(*ref->copy));
	ref->group_of = malloc(n * sizeof(*ref->group_of));
	ref->groups = malloc((n + 1) * sizeof(*ref->groups));
	ref->group_slots = calloc(slots, sizeof(*ref->group_slots));
	if (!ref->hash || !ref->block_of || !ref->told || !ref->place || !ref->order || !ref->blocks || !ref->pending ||
	    !ref->touched || !ref->copy || !ref->group_of || !ref->groups || !ref->group_slots)
		return DFA_NO_MEMORY;
	return DFA_OK;
}

static void refinement_clear(struct refinement *ref)
{
	free(ref->first_source);
	free(ref->sources);
	free(ref->hash);
	free(ref->block_of);
	free(ref->told);
	free(ref->place);
	free(ref->order);
	free(ref->blocks);
	free(ref->pending);
	free(ref->touched);
	free(ref->copy);
	free(ref->group_of);
	free(ref->groups);
	free(ref->group_slots);
}

/* All states but the dead one in one block, no predecessor told. */
static void refinement_reset(struct refinement *ref, unsigned int attempt)
{
	const uint32_t n = ref->rows->n;

	/* not secret: bad luck, or malice, costs a further attempt but no exactness */
	ref->seed = mix64(attempt);
	ref->total_weight = 0;
	for (uint32_t cls = 0; cls < ref->rows->n_classes; cls++) {
		ref->weight[cls] = mix64(~ref->seed ^ cls);
		ref->total_weight += ref->weight[cls];
	}
	ref->block_of[STATE_DEAD] = NONE;
	ref->n_blocks = n > STATE_START;
	ref->n_pending = 0;
	for (uint32_t state = STATE_START; state < n; state++) {
		ref->hash[state] = 0;
		ref->block_of[state] = 0;
		ref->told[state] = NONE;
		ref->place[state] = state - STATE_START;
		ref->order[state - STATE_START] = state;
	}
	if (ref->n_blocks) {
		ref->blocks[0] = (struct block){ .first = 0, .n = n - STATE_START };
		push_pending(ref, 0);
	}
}

static enum dfa_status run_key(struct refinement *ref, enum key key, bool *verified)
{
	enum dfa_status status;

	split_by_key(ref, key);
	status = refine(ref);
	if (status == DFA_OK)
		*verified = verify(ref, key);
	return status;
}

/* Blocks are counted from 1 in the result: 0 is the dead state's, whose NONE becomes just that. */
static void copy_blocks(uint32_t *to, const struct refinement *ref)
{
	for (uint32_t state = 0; state < ref->rows->n; state++)
		to[state] = ref->block_of[state] + 1;
}

static enum dfa_status attempt(struct refinement *ref, struct dfa_partition *partition, bool *verified)
{
	enum dfa_status status = run_key(ref, KEY_EFFECTIVE, verified);

	if (status != DFA_OK || !*verified)
		return status;
	copy_blocks(partition->residual, ref);
	return run_key(ref, KEY_ACCEPT, verified);
}

static enum dfa_status take_partition(struct dfa_partition *partition, const struct refinement *ref)
{
	partition->n_blocks = ref->n_blocks + 1;
	partition->member = malloc(partition->n_blocks * sizeof(*partition->member));
	if (!partition->member)
		return DFA_NO_MEMORY;
	copy_blocks(partition->block_of, ref);
	partition->member[0] = STATE_DEAD;
	for (uint32_t id = 0; id < ref->n_blocks; id++)
		partition->member[id + 1] = ref->order[ref->blocks[id].first];
	return DFA_OK;
}

enum dfa_status dfa_minimize(struct dfa_partition *partition, const struct dfa_rows *rows, struct budget *budget)
{
	struct refinement ref;
	enum dfa_status status = refinement_init(&ref, rows, budget);
	bool verified = false;

	memset(partition, 0, sizeof(*partition));
	partition->block_of = malloc(rows->n * sizeof(*partition->block_of));
	partition->residual = malloc(rows->n * sizeof(*partition->residual));
	if (status == DFA_OK && !(partition->block_of && partition->residual))
		status = DFA_NO_MEMORY;
	for (unsigned int i = 0; i < ATTEMPTS_MAX && status == DFA_OK && !verified; i++) {
		refinement_reset(&ref, i);
		status = list_sources(&ref);
		if (status == DFA_OK)
			status = attempt(&ref, partition, &verified);
	}
	if (status == DFA_OK)
		status = verified ? take_partition(partition, &ref) : DFA_BROKEN;
	refinement_clear(&ref);
	return status;
}

void dfa_partition_clear(struct dfa_partition *partition)
{
	free(partition->block_of);
	free(partition->residual);
	free(partition->member);
	memset(partition, 0, sizeof(*partition));
}
