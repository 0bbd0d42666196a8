/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The subset construction (Rabin, Scott: Finite automata and their decision problems, 1959) over a trie of
 * tokens, with sparse rows.
 *
 * Of a set's nodes only few matter to a given class of bytes. *Stayers* are those that most classes lead on
 * from alike: nodes that loop, and the ends of sets that hold most classes. They alone make the row's default
 * target. *Movers* are the ends of single bytes and small sets, hung up by class. So a row costs about as
 * much as it has exceptions, whatever the number of classes.
 *
 * Nodes that can't change any answer are left out of the sets, so that what minimisation would merge mostly
 * isn't made at all, and innocent rules don't multiply each other's states:
 *
 * - *Covered* nodes. A node that loops on everything and accepts (`/usr` with a `**` after it) stays in the
 *   set for good; one below which nothing is granted but what that grants, under rules that come no earlier,
 *   is moot.
 * - *Outdone* nodes. Of two nodes that the same follows but for the rule ids, as in two rules that are alike
 *   from their second `**` on, the one of the later rule is moot.
 */
#include "cap/dfa_internal.h"

#include <stdlib.h>
#include <string.h>

/* Limits on memory for sets that explode more slowly than max_work. */
#define MEMBERS_MAX (1u << 24)
#define EDGES_MAX (1u << 24)

/* How many states are looked at to find the rule that costs most. */
#define CULPRIT_SAMPLE 4096u
/* From how many states on a later pass may run out of time, so that the culprit should be known. */
#define CULPRIT_STATES 50000u

#define NONE UINT32_MAX

enum {
	NODE_WAITS = 1,  /* has a child by a byte or a set, accepts, or loops: it matters to a set */
	NODE_SILENT = 2, /* has children that are reached by nothing */
};

struct subset {
	uint32_t first, n; /* in determinizer.members */
};

struct mover {
	uint32_t node;
	uint32_t next; /* of the same class; NONE at the end */
};

/* Nodes being gathered to a set. `mark[node]` is the stamp of the set that a node was last put in. */
struct gathering {
	uint32_t *nodes;
	uint32_t n;
	uint32_t stamp;
	uint64_t hash; /* a sum, so that the order doesn't matter */
};

/* What is granted for good to all that can follow a state, by bit of rights, be it quiet or never. */
struct cover {
	uint32_t rights;
	uint32_t rule[32];
	uint32_t owner[32]; /* the node that grants it, which mustn't be left out */
};

struct determinizer {
	const struct nfa *nfa;
	struct dfa_rows *rows;
	struct budget *budget;

	struct class_sets sets;
	struct nfa_study study;
	uint8_t slash; /* the class of '/' */

	uint32_t *holder; /* by twin: the node that was last gathered for it */
	uint8_t *flags;   /* by node */
	uint32_t *mark;   /* by node */
	uint32_t *alone;  /* by node: the state of all that it leads to by nothing, 0 if not known yet */
	uint32_t *pooled; /* by accept of the NFA: its index in rows->accepts, 0 if not known yet */
	uint32_t stamp;

	/*
	 * The last state whose row is still to be made; `otherwise` there links to the one before. Going on
	 * with the last keeps to one path of the trie, as the rules were written into it: kinder to caches.
	 */
	uint32_t todo;
	struct subset *subsets; /* by state */
	uint32_t subsets_capacity;
	uint32_t *members;
	uint32_t n_members, members_capacity;
	struct id_table index; /* of sets of several nodes */
	uint32_t *single;      /* by node: the state of the set of it alone, 0 if there is none */

	/* of the state whose row is being made */
	struct cover cover;
	uint32_t *stayers;
	uint32_t n_stayers;
	struct mover *movers;
	uint32_t n_movers, movers_capacity;
	uint32_t head[256];   /* by class: its first mover */
	uint64_t touched[4];  /* classes that don't simply take the default */
	uint64_t excluded[4]; /* classes on which some stayer doesn't stay */
	struct gathering base, extra;
};

/*
 * ---- What is known of the NFA's nodes
 */

/* Loops on everything and accepts. */
static bool node_covers(const struct nfa_node *node)
{
	return node->edge == EDGE_DEEP && node->accept;
}

static void flag_nodes(struct determinizer *det)
{
	const struct nfa *nfa = det->nfa;

	for (uint32_t i = 0; i < nfa->n_nodes; i++) {
		const struct nfa_node *node = &nfa->nodes[i];
		uint8_t flags = node->accept || nfa_edge_loops(node->edge) ? NODE_WAITS : 0;

		for (uint32_t child = node->child; child != NFA_NONE; child = nfa->nodes[child].sibling)
			flags |= nfa_edge_loops(nfa->nodes[child].edge) ? NODE_SILENT : NODE_WAITS;
		det->flags[i] = flags;
	}
}

static enum dfa_status prepare_nodes(struct determinizer *det)
{
	const uint32_t n = det->nfa->n_nodes;

	det->holder = calloc(n, sizeof(*det->holder));
	det->flags = malloc(n);
	det->mark = calloc(n, sizeof(*det->mark));
	det->alone = calloc(n, sizeof(*det->alone));
	det->single = calloc(n, sizeof(*det->single));
	det->pooled = calloc(det->nfa->n_accepts, sizeof(*det->pooled));
	det->stayers = malloc(n * sizeof(*det->stayers));
	det->base.nodes = malloc(n * sizeof(*det->base.nodes));
	det->extra.nodes = malloc(n * sizeof(*det->extra.nodes));
	if (!det->holder || !det->flags || !det->mark || !det->alone || !det->single || !det->pooled || !det->stayers ||
	    !det->base.nodes || !det->extra.nodes)
		return DFA_NO_MEMORY;
	flag_nodes(det);
	return DFA_OK;
}

/*
 * ---- Cover
 */

static void cover_add(struct cover *cover, uint32_t node, const struct accept *accept)
{
	for (uint32_t rest = accept->rights; rest; rest &= rest - 1) {
		const unsigned int bit = (unsigned int)__builtin_ctz(rest);
		/* the other bits are under no rule, so nothing comes before them */
		const uint32_t rule = bit < OBMON_RIGHT_MAX ? accept->rule[bit] : 0;

		if (cover->rights >> bit & 1 && cover->rule[bit] <= rule)
			continue;
		cover->rights |= 1u << bit;
		cover->rule[bit] = rule;
		cover->owner[bit] = node;
	}
}

/* Is everything that @node can still lead to granted already? */
static bool covered(const struct determinizer *det, uint32_t node)
{
	const struct cover *cover = &det->cover;
	struct nfa_below below;

	if (!cover->rights)
		return false;
	below = det->study.below[node];
	if (below.rights & ~cover->rights)
		return false;
	for (uint32_t rest = below.rights; rest; rest &= rest - 1) {
		const unsigned int bit = (unsigned int)__builtin_ctz(rest);

		if (cover->rule[bit] > below.low || cover->owner[bit] == node)
			return false;
	}
	return true;
}

/*
 * ---- Gathering sets
 */

static void gathering_start(struct determinizer *det, struct gathering *gathering)
{
	gathering->n = 0;
	gathering->hash = 0;
	gathering->stamp = ++det->stamp;
}

static void gathering_drop(struct determinizer *det, struct gathering *gathering, uint32_t node)
{
	uint32_t i = 0;

	while (gathering->nodes[i] != node)
		i++;
	gathering->nodes[i] = gathering->nodes[--gathering->n];
	gathering->hash -= mix64(node);
	det->mark[node] = 0;
}

/*
 * Is a node gathered that leads on like @node, under rules that come first? If it is the other way round,
 * that one is dropped; but not from the base once extras are being gathered. Then both are kept until one
 * state on.
 */
static bool outdone(struct determinizer *det, struct gathering *gathering, uint32_t node)
{
	uint32_t *holder = &det->holder[det->study.twin[node]];
	const uint32_t other = *holder, mark = det->mark[other];

	if (other != node && (mark == gathering->stamp || mark == det->base.stamp)) {
		if (det->study.below[other].high <= det->study.below[node].low)
			return true;
		if (mark == gathering->stamp && det->study.below[node].high <= det->study.below[other].low)
			gathering_drop(det, gathering, other);
	}
	*holder = node;
	return false;
}

/*
 * Add @node and what it leads to by nothing. The recursion is as deep as wildcards stand side by side: three.
 */
/* NOLINTNEXTLINE(misc-no-recursion): see above */
static void gather(struct determinizer *det, struct gathering *gathering, uint32_t node)
{
	const struct nfa_node *nodes = det->nfa->nodes;
	uint32_t mark;

	node = det->study.same[node];
	mark = det->mark[node];
	/* the base, gathered before, is part of every set whose extras are gathered after it */
	if (mark == gathering->stamp || mark == det->base.stamp)
		return;
	if (covered(det, node))
		return;
	if (det->flags[node] & NODE_WAITS) {
		if (outdone(det, gathering, node))
			return;
		gathering->nodes[gathering->n++] = node;
		gathering->hash += mix64(node);
	}
	det->mark[node] = gathering->stamp;
	if (!(det->flags[node] & NODE_SILENT))
		return;
	for (uint32_t child = nodes[node].child; child != NFA_NONE; child = nodes[child].sibling) {
		if (!nfa_edge_loops(nodes[child].edge))
			continue;
		gather(det, gathering, child);
		if (nodes[child].edge == EDGE_DIRS)
			gather(det, gathering, nodes[child].child);
	}
}

/* Is @state the set of base and extra? Their nodes, and no others, carry the two stamps. */
static bool gathered_is(const struct determinizer *det, uint32_t state, uint32_t n)
{
	const struct subset *subset = &det->subsets[state];
	const uint32_t *members = det->members + subset->first;

	if (subset->n != n)
		return false;
	for (uint32_t i = 0; i < n; i++) {
		const uint32_t mark = det->mark[members[i]];

		if (mark != det->base.stamp && mark != det->extra.stamp)
			return false;
	}
	return true;
}

/* The accept of the set @members; UINT32_MAX when out of memory. */
static uint32_t accept_of(struct determinizer *det, const uint32_t *members, uint32_t n)
{
	const struct nfa *nfa = det->nfa;
	struct accept merged = { 0 };
	uint32_t first = 0, several = 0, id;

	for (uint32_t i = 0; i < n; i++) {
		const uint32_t accept = nfa->nodes[members[i]].accept;

		if (!accept)
			continue;
		several = first;
		if (!first)
			first = accept;
		accept_merge(&merged, &nfa->accepts[accept]);
	}
	if (!first)
		return 0;
	if (!several && det->pooled[first])
		return det->pooled[first];
	id = accept_pool_intern(&det->rows->accepts, &merged);
	if (!several && id != UINT32_MAX)
		det->pooled[first] = id;
	return id;
}

/* Make room for a state whose set has @n members. */
static int reserve_state(struct determinizer *det, uint32_t n)
{
	struct dfa_rows *rows = det->rows;
	const uint64_t n_states = rows->n + UINT64_C(1), n_members = det->n_members + (uint64_t)n;
	struct dfa_row *moved_rows = vector_reserve(rows->rows, &rows->capacity, n_states, sizeof(*rows->rows));
	struct subset *subsets;
	uint32_t *members;

	if (!moved_rows)
		return -1;
	rows->rows = moved_rows;
	subsets = vector_reserve(det->subsets, &det->subsets_capacity, n_states, sizeof(*subsets));
	if (!subsets)
		return -1;
	det->subsets = subsets;
	members = vector_reserve(det->members, &det->members_capacity, n_members, sizeof(*members));
	if (!members)
		return -1;
	det->members = members;
	return 0;
}

static enum dfa_status new_state(struct determinizer *det, uint64_t hash, uint32_t *state)
{
	struct dfa_rows *rows = det->rows;
	const uint32_t n = det->base.n + det->extra.n, id = rows->n;
	uint32_t *members, accept;

	if (id >= det->budget->max_states || det->n_members + n > MEMBERS_MAX)
		return DFA_TOO_BIG;
	if (reserve_state(det, n))
		return DFA_NO_MEMORY;
	members = det->members + det->n_members;
	memcpy(members, det->base.nodes, det->base.n * sizeof(*members));
	memcpy(members + det->base.n, det->extra.nodes, det->extra.n * sizeof(*members));
	accept = accept_of(det, members, n);
	if (accept == UINT32_MAX)
		return DFA_NO_MEMORY;
	if (n == 1)
		det->single[members[0]] = id;
	else if (id_table_insert(&det->index, hash, id))
		return DFA_NO_MEMORY;
	det->subsets[id] = (struct subset){ .first = det->n_members, .n = n };
	det->n_members += n;
	rows->rows[id] = (struct dfa_row){ .accept = accept, .otherwise = det->todo };
	det->todo = id;
	rows->n++;
	*state = id;
	return DFA_OK;
}

/* The state of the set of base and extra, made if it is new. */
static enum dfa_status intern_gathered(struct determinizer *det, uint32_t *state)
{
	const uint32_t n = det->base.n + det->extra.n;
	const uint64_t hash = mix64(det->base.hash + det->extra.hash);
	uint32_t cursor, id, *single;

	if (n == 0) {
		*state = STATE_DEAD;
		return DFA_OK;
	}
	if (n == 1) {
		single = &det->single[det->base.n ? det->base.nodes[0] : det->extra.nodes[0]];
		*state = *single;
		return *single ? DFA_OK : new_state(det, hash, state);
	}
	for (cursor = id_table_first(&det->index, hash); id_table_next(&det->index, hash, &cursor, &id);) {
		det->budget->work += n;
		if (gathered_is(det, id, n)) {
			*state = id;
			return DFA_OK;
		}
	}
	return new_state(det, hash, state);
}

/*
 * ---- Rows
 */

static void touch(struct determinizer *det, unsigned int cls)
{
	if (class_bit(det->touched, cls))
		return;
	class_bit_set(det->touched, cls);
	det->head[cls] = NONE;
}

static void exclude(struct determinizer *det, unsigned int cls)
{
	touch(det, cls);
	class_bit_set(det->excluded, cls);
}

static enum dfa_status add_mover(struct determinizer *det, unsigned int cls, uint32_t node)
{
	struct mover *movers =
		vector_reserve(det->movers, &det->movers_capacity, det->n_movers + UINT64_C(1), sizeof(*movers));

	if (!movers)
		return DFA_NO_MEMORY;
	det->movers = movers;
	touch(det, cls);
	movers[det->n_movers] = (struct mover){ .node = det->study.same[node], .next = det->head[cls] };
	det->head[cls] = det->n_movers++;
	return DFA_OK;
}

static enum dfa_status sort_out_set(struct determinizer *det, uint32_t node)
{
	const struct class_set *set = &det->sets.items[det->nfa->nodes[node].set];
	enum dfa_status status = DFA_OK;

	if (set->wide)
		det->stayers[det->n_stayers++] = node;
	for (uint32_t i = 0; i < set->n && status == DFA_OK; i++) {
		if (set->wide)
			exclude(det, det->sets.listed[set->first + i]);
		else
			status = add_mover(det, det->sets.listed[set->first + i], node);
	}
	return status;
}

/* Where the bytes lead from @node: to stayers and movers. */
static enum dfa_status sort_out_node(struct determinizer *det, uint32_t node)
{
	const struct nfa_node *nodes = det->nfa->nodes;
	enum dfa_status status = DFA_OK;

	if (nfa_edge_loops(nodes[node].edge)) {
		det->stayers[det->n_stayers++] = node;
		if (nodes[node].edge == EDGE_NAME)
			exclude(det, det->slash);
		if (node_covers(&nodes[node]))
			cover_add(&det->cover, node, &det->nfa->accepts[nodes[node].accept]);
	}
	for (uint32_t child = nodes[node].child; child != NFA_NONE; child = nodes[child].sibling) {
		det->budget->work++;
		if (nodes[child].edge == EDGE_BYTE)
			status = add_mover(det, det->rows->class_of[nodes[child].byte], child);
		else if (nodes[child].edge == EDGE_SET)
			status = sort_out_set(det, child);
		if (status != DFA_OK)
			return status;
	}
	return DFA_OK;
}

static enum dfa_status sort_out_state(struct determinizer *det, uint32_t state)
{
	const struct subset subset = det->subsets[state];
	enum dfa_status status = DFA_OK;

	det->cover.rights = 0;
	det->n_stayers = 0;
	det->n_movers = 0;
	memset(det->touched, 0, sizeof(det->touched));
	memset(det->excluded, 0, sizeof(det->excluded));
	for (uint32_t i = 0; i < subset.n && status == DFA_OK; i++)
		status = sort_out_node(det, det->members[subset.first + i]);
	return status;
}

static bool stays(const struct determinizer *det, uint32_t node, unsigned int cls)
{
	const struct nfa_node *stayer = &det->nfa->nodes[node];

	if (stayer->edge == EDGE_SET)
		return class_bit(det->sets.items[stayer->set].bits, cls);
	return stayer->edge != EDGE_NAME || cls != det->slash;
}

static enum dfa_status add_edge(struct determinizer *det, uint32_t state, unsigned int cls, uint32_t target)
{
	struct dfa_rows *rows = det->rows;
	const uint64_t needed = rows->n_edges + UINT64_C(1);
	uint32_t *targets;
	uint8_t *classes;

	if (target == rows->rows[state].otherwise)
		return DFA_OK;
	if (needed > EDGES_MAX)
		return DFA_TOO_BIG;
	targets = vector_reserve(rows->targets, &rows->targets_capacity, needed, sizeof(*targets));
	if (!targets)
		return DFA_NO_MEMORY;
	rows->targets = targets;
	classes = vector_reserve(rows->classes, &rows->classes_capacity, needed, sizeof(*classes));
	if (!classes)
		return DFA_NO_MEMORY;
	rows->classes = classes;
	targets[rows->n_edges] = target;
	classes[rows->n_edges++] = (uint8_t)cls;
	rows->rows[state].n_edges++;
	return DFA_OK;
}

/* Gather @cls's movers, and where the base doesn't hold for it, its stayers. */
static void gather_class(struct determinizer *det, unsigned int cls)
{
	gathering_start(det, &det->extra);
	for (uint32_t i = 0; i < det->n_stayers && class_bit(det->excluded, cls); i++) {
		if (stays(det, det->stayers[i], cls))
			gather(det, &det->extra, det->stayers[i]);
	}
	for (uint32_t i = det->head[cls]; i != NONE; i = det->movers[i].next)
		gather(det, &det->extra, det->movers[i].node);
}

static enum dfa_status add_class_edge(struct determinizer *det, uint32_t state, unsigned int cls)
{
	const uint32_t head = det->head[cls];
	const bool alone = det->n_stayers == 0 && det->movers[head].next == NONE;
	enum dfa_status status;
	uint32_t target;

	/* the common case by far: within literals, one node leads to one node */
	if (alone && det->alone[det->movers[head].node])
		return add_edge(det, state, cls, det->alone[det->movers[head].node]);
	gather_class(det, cls);
	det->budget->work += det->extra.n + det->n_stayers;
	status = intern_gathered(det, &target);
	if (status != DFA_OK)
		return status;
	if (alone)
		det->alone[det->movers[head].node] = target;
	return add_edge(det, state, cls, target);
}

/* The classes of @bits, less those of @without if that isn't NULL. */
static enum dfa_status add_class_edges(struct determinizer *det, uint32_t state, const uint64_t bits[4],
				       const uint64_t *without)
{
	for (unsigned int word = 0; word < 4; word++) {
		for (uint64_t rest = bits[word] & ~(without ? without[word] : 0); rest; rest &= rest - 1) {
			const unsigned int cls = 64 * word + (unsigned int)__builtin_ctzll(rest);
			const enum dfa_status status = add_class_edge(det, state, cls);

			if (status != DFA_OK)
				return status;
		}
	}
	return DFA_OK;
}

static enum dfa_status make_row(struct determinizer *det, uint32_t state)
{
	enum dfa_status status = sort_out_state(det, state);
	uint32_t otherwise;

	if (status != DFA_OK)
		return status;
	gathering_start(det, &det->base);
	for (uint32_t i = 0; i < det->n_stayers; i++)
		gather(det, &det->base, det->stayers[i]);
	gathering_start(det, &det->extra);
	status = intern_gathered(det, &otherwise);
	if (status != DFA_OK)
		return status;
	det->rows->rows[state].otherwise = otherwise;
	det->rows->rows[state].edges = det->rows->n_edges;
	status = add_class_edges(det, state, det->touched, det->excluded);
	if (status != DFA_OK)
		return status;
	/* last, as it overwrites the base's marks */
	gathering_start(det, &det->base);
	return add_class_edges(det, state, det->excluded, NULL);
}

/*
 * ---- Whose fault it is
 */

struct blame {
	uint32_t rule;
	double bits;
};

static int compare_blame(const void *a, const void *b)
{
	const struct blame *x = a, *y = b;

	return (x->rule > y->rule) - (x->rule < y->rule);
}

/* The rule with the greatest sum; sorts @blames. */
static uint32_t worst_rule(struct blame *blames, uint32_t n)
{
	struct blame worst = { 0 };

	qsort(blames, n, sizeof(*blames), compare_blame);
	for (uint32_t i = 0; i < n;) {
		struct blame sum = { .rule = blames[i].rule };

		for (; i < n && blames[i].rule == sum.rule; i++)
			sum.bits += blames[i].bits;
		if (sum.bits > worst.bits)
			worst = sum;
	}
	return worst.rule;
}

/* The lowest rule below a node stands for all; 0 if there are none. */
static uint32_t rule_of(const struct determinizer *det, uint32_t node)
{
	return det->study.below[node].high ? det->study.below[node].low : 0;
}

/*
 * What makes sets many is nodes that are in some and not in others, independently of each other: one that is
 * in a share p of the sets accounts for p * (1 - p), the variance of its being there. A node that is in all
 * of them, such as the loop of a plain `**`, is none of the trouble, nor is one in hardly any. The rule whose
 * nodes account for most is named.
 */
static uint32_t find_culprit(struct determinizer *det)
{
	const uint32_t n_nodes = det->nfa->n_nodes, n_states = det->rows->n;
	const uint32_t sample = n_states < CULPRIT_SAMPLE ? n_states : CULPRIT_SAMPLE;
	uint32_t *seen = calloc(n_nodes, sizeof(*seen)), n = 0, rule = 0;
	struct blame *blames = malloc(n_nodes * sizeof(*blames));

	if (!seen || !blames)
		goto out;
	for (uint32_t i = 0; i < sample; i++) {
		const uint64_t state = i * (uint64_t)n_states / sample;
		const struct subset *subset = &det->subsets[state];

		for (uint32_t k = 0; k < subset->n; k++)
			seen[det->members[subset->first + k]]++;
	}
	for (uint32_t node = 0; node < n_nodes; node++) {
		const double share = (double)seen[node] / sample;

		if (seen[node] && rule_of(det, node))
			blames[n++] = (struct blame){ .rule = rule_of(det, node), .bits = share * (1 - share) };
	}
	rule = worst_rule(blames, n);
out:
	free(seen);
	free(blames);
	return rule;
}

/*
 * ---- All of it
 */

static enum dfa_status make_states(struct determinizer *det)
{
	struct dfa_rows *rows = det->rows;
	enum dfa_status status;
	uint32_t state;

	/* the dead state, whose set is empty and in no index */
	rows->rows = vector_reserve(NULL, &rows->capacity, 1, sizeof(*rows->rows));
	det->subsets = vector_reserve(NULL, &det->subsets_capacity, 1, sizeof(*det->subsets));
	if (!rows->rows || !det->subsets)
		return DFA_NO_MEMORY;
	memset(&rows->rows[STATE_DEAD], 0, sizeof(rows->rows[STATE_DEAD]));
	memset(&det->subsets[STATE_DEAD], 0, sizeof(det->subsets[STATE_DEAD]));
	rows->n = 1;
	gathering_start(det, &det->base);
	gathering_start(det, &det->extra);
	gather(det, &det->extra, NFA_ROOT);
	status = intern_gathered(det, &state);
	while (det->todo != STATE_DEAD && status == DFA_OK) {
		state = det->todo;
		det->todo = rows->rows[state].otherwise;
		status = make_row(det, state);
		if (status == DFA_OK)
			status = budget_spend(det->budget, det->subsets[state].n + det->n_movers + 8);
	}
	return status;
}

static void determinizer_clear(struct determinizer *det)
{
	class_sets_clear(&det->sets);
	nfa_study_clear(&det->study);
	free(det->holder);
	free(det->flags);
	free(det->mark);
	free(det->alone);
	free(det->single);
	free(det->pooled);
	free(det->subsets);
	free(det->members);
	id_table_clear(&det->index);
	free(det->stayers);
	free(det->movers);
	free(det->base.nodes);
	free(det->extra.nodes);
}

enum dfa_status dfa_determinize(struct dfa_rows *rows, const struct nfa *nfa, struct budget *budget, uint32_t *culprit)
{
	struct determinizer det = { .nfa = nfa, .rows = rows, .budget = budget };
	enum dfa_status status;

	memset(rows, 0, sizeof(*rows));
	*culprit = 0;
	rows->n_classes = fold_classes(nfa, rows->class_of);
	det.slash = rows->class_of['/'];
	status = accept_pool_init(&rows->accepts) ? DFA_NO_MEMORY : DFA_OK;
	if (status == DFA_OK)
		status = class_sets_init(&det.sets, nfa, rows->class_of, rows->n_classes);
	if (status == DFA_OK)
		status = nfa_study_init(&det.study, nfa);
	if (status == DFA_OK)
		status = prepare_nodes(&det);
	if (status == DFA_OK)
		status = make_states(&det);
	if (status == DFA_TOO_SLOW || status == DFA_TOO_BIG || rows->n >= CULPRIT_STATES)
		*culprit = find_culprit(&det);
	determinizer_clear(&det);
	return status;
}

void dfa_rows_clear(struct dfa_rows *rows)
{
	free(rows->rows);
	free(rows->targets);
	free(rows->classes);
	accept_pool_clear(&rows->accepts);
	memset(rows, 0, sizeof(*rows));
}
