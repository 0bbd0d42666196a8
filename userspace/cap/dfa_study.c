/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What can follow a node of the NFA, found out bottom up, once: a trie's children come after their parents.
 */
#include "cap/dfa_internal.h"

#include <stdlib.h>
#include <string.h>

static void below_add(struct nfa_below *below, uint32_t low, uint32_t high)
{
	if (low < below->low)
		below->low = low;
	if (high > below->high)
		below->high = high;
}

static void sum_up_below(struct nfa_below *all, const struct nfa *nfa)
{
	for (uint32_t i = nfa->n_nodes; i-- > 0;) { /* children before their parents */
		const struct nfa_node *node = &nfa->nodes[i];
		const struct accept *accept = &nfa->accepts[node->accept];
		struct nfa_below below = { .rights = accept->rights, .low = UINT32_MAX };

		for (unsigned int right = 0; right < OBMON_RIGHT_MAX; right++) {
			if (accept->rule[right])
				below_add(&below, accept->rule[right], accept->rule[right]);
		}
		for (uint32_t child = node->child; child != NFA_NONE; child = nfa->nodes[child].sibling) {
			below.rights |= all[child].rights;
			below_add(&below, all[child].low, all[child].high);
		}
		all[i] = below;
	}
}

/* A node is wild if a wildcard leads to it: others may be under way at the same time. */
static void find_wild(bool *wild, const struct nfa *nfa)
{
	for (uint32_t i = 0; i < nfa->n_nodes; i++) {
		for (uint32_t child = nfa->nodes[i].child; child != NFA_NONE; child = nfa->nodes[child].sibling)
			wild[child] = wild[i] || nfa->nodes[child].edge != EDGE_BYTE;
	}
}

/* Hash of what follows a node, its rules counted or not, with @fold done for its children. */
static uint64_t fold_hash(const struct nfa *nfa, const uint32_t *fold, bool rules, uint32_t node)
{
	const struct nfa_node *nodes = nfa->nodes;
	const struct accept *accept = &nfa->accepts[nodes[node].accept];
	uint64_t hash = nfa_edge_loops(nodes[node].edge) ? nodes[node].edge : EDGE_BYTE;

	if (nodes[node].accept)
		hash = mix64(hash ^ (rules ? accept_hash(accept) : mix64(accept->rights)));
	for (uint32_t child = nodes[node].child; child != NFA_NONE; child = nodes[child].sibling) {
		const uint64_t label = nodes[child].edge == EDGE_SET ? nodes[child].set : nodes[child].byte;

		hash = mix64(hash ^ ((uint64_t)fold[child] << 32 | label << 8 | nodes[child].edge));
	}
	return hash;
}

/* Does the same follow two nodes? Children in another order count as different: just a missed chance. */
static bool fold_equal(const struct nfa *nfa, const uint32_t *fold, bool rules, uint32_t a, uint32_t b)
{
	const struct nfa_node *nodes = nfa->nodes;
	const struct nfa_node *x = &nodes[a], *y = &nodes[b];
	const struct accept *accepts = nfa->accepts;

	if ((nfa_edge_loops(x->edge) || nfa_edge_loops(y->edge)) && x->edge != y->edge)
		return false;
	if (accepts[x->accept].rights != accepts[y->accept].rights)
		return false;
	if (rules && !accept_equal(&accepts[x->accept], &accepts[y->accept]))
		return false;
	a = x->child;
	b = y->child;
	while (a != NFA_NONE && b != NFA_NONE) {
		x = &nodes[a];
		y = &nodes[b];
		if (x->edge != y->edge || x->byte != y->byte || x->set != y->set || fold[a] != fold[b])
			return false;
		a = x->sibling;
		b = y->sibling;
	}
	return a == b;
}

/*
 * Let one node stand for all that the same follows, bottom up (Revuz: Minimisation of acyclic deterministic
 * automata in linear time, 1992). A brace makes copies of all that comes after it; where wildcards follow,
 * the sets of the subset construction would go through all combinations of these. Nodes that aren't wild
 * stand for themselves: no two of them ever meet in a set.
 */
static enum dfa_status fold_nodes(const struct nfa *nfa, const bool *wild, uint32_t *fold, bool rules)
{
	struct id_table index = { 0 };
	enum dfa_status status = DFA_OK;

	for (uint32_t node = nfa->n_nodes; node-- > 0 && status == DFA_OK;) {
		uint32_t cursor, id;
		uint64_t hash;

		fold[node] = node;
		if (!wild[node])
			continue;
		hash = fold_hash(nfa, fold, rules, node);
		cursor = id_table_first(&index, hash);
		while (fold[node] == node && id_table_next(&index, hash, &cursor, &id)) {
			if (fold_equal(nfa, fold, rules, id, node))
				fold[node] = id;
		}
		if (fold[node] == node && id_table_insert(&index, hash, node))
			status = DFA_NO_MEMORY;
	}
	id_table_clear(&index);
	return status;
}

enum dfa_status nfa_study_init(struct nfa_study *study, const struct nfa *nfa)
{
	const uint32_t n = nfa->n_nodes;
	bool *wild = calloc(n, sizeof(*wild));
	enum dfa_status status = DFA_NO_MEMORY;

	study->same = malloc(n * sizeof(*study->same));
	study->twin = malloc(n * sizeof(*study->twin));
	study->below = malloc(n * sizeof(*study->below));
	if (!wild || !study->same || !study->twin || !study->below)
		goto out;
	sum_up_below(study->below, nfa);
	find_wild(wild, nfa);
	status = fold_nodes(nfa, wild, study->same, true);
	if (status == DFA_OK)
		status = fold_nodes(nfa, wild, study->twin, false);
out:
	free(wild);
	return status;
}

void nfa_study_clear(struct nfa_study *study)
{
	free(study->same);
	free(study->twin);
	free(study->below);
	memset(study, 0, sizeof(*study));
}
