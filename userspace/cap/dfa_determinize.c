/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The subset construction (Rabin, Scott: Finite automata and their decision problems, 1959) over a trie of
 * tokens, with sparse rows.
 *
 * Of a set's nodes only few matter to a given class of bytes. *Stayers* are those that most classes lead on from
 * alike: nodes that loop, and the ends of sets that hold most classes. They alone make the row's default target.
 * *Movers* are the ends of single bytes and small sets, hung up by class. So a row costs about as much as it has
 * exceptions, whatever the number of classes.
 *
 * Nodes that can't change any answer are left out of the sets, so that what minimisation would merge mostly
 * isn't made at all, and innocent rules don't multiply each other's states:
 *
 * - *Covered* nodes. A node that loops on everything and accepts (`/usr` with a `**` after it) stays in the set
 *   for good; one below which nothing is granted but what that grants, under rules that come no earlier, is moot.
 * - *Outdone* nodes. Of two nodes that the same follows but for the rule ids (the second `**` in each of
 *   `/w/ ** /x1/ ** /a`, `/w/ ** /x2/ ** /a`; the spaces keep this comment whole), the one of the later rule is.
 */
#include "cap/dfa_internal.h"

#include <stdlib.h>
#include <string.h>

/* Limits on memory for sets that explode more slowly than max_millis. */
#define MEMBERS_MAX (1u << 24)
#define EDGES_MAX (1u << 24)

/* How many of the last states are looked at to find the rule that costs most. */
#define CULPRIT_SAMPLE 4096u
/* From how many states on a later pass may run out of time, so that the culprit should be known. */
#define CULPRIT_STATES 50000u

#define NONE UINT32_MAX

enum {
	NODE_WAITS = 1,  /* has a child by a byte or a set, accepts, or loops: the set isn't the same without it */
	NODE_SILENT = 2, /* has children that are reached by nothing */
};

/* What can be granted below a node: bits of rights, and the range of rule ids (none: low above high). */
struct below {
	uint32_t rights;
	uint32_t low, high;
};

/* A set of the NFA, by class. The listed classes are its members, or for a wide set all others. */
struct class_set {
	bool wide;
	uint32_t first, n; /* in determinizer.listed */
	uint64_t bits[4];
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

/* What is granted for good to all that can follow a state. Indices are bits of rights, quiet ones included. */
struct cover {
	uint32_t rights;
	uint32_t rule[2 * OBMON_RIGHT_QUIET_SHIFT];
	uint32_t owner[2 * OBMON_RIGHT_QUIET_SHIFT]; /* the node that grants it, which mustn't be left out */
};

struct determinizer {
	const struct nfa *nfa;
	struct dfa_rows *rows;
	struct budget *budget;

	struct class_set *sets;
	uint8_t *listed;
	uint8_t slash; /* the class of '/' */

	uint32_t *same;      /* by node: the node that stands for all that lead on like it */
	uint32_t *twin;      /* by node: as same, rule ids ignored */
	uint32_t *holder;    /* by twin: the node that was last gathered for it */
	uint8_t *flags;      /* by node */
	struct below *below; /* by node */
	uint32_t *mark;      /* by node */
	uint32_t *alone;     /* by node: the state of it alone, 0 if not known yet */
	uint32_t *pooled;    /* by accept of the NFA: its index in rows->accepts, 0 if not known yet */
	uint32_t stamp;

	struct subset *subsets; /* by state */
	uint32_t subsets_capacity;
	uint32_t *members;
	uint32_t n_members, members_capacity;
	struct id_table index;

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
 * ---- Classes of bytes
 */

static void class_bit_set(uint64_t bits[4], unsigned int cls)
{
	bits[cls >> 6] |= UINT64_C(1) << (cls & 63);
}

static bool class_bit(const uint64_t bits[4], unsigned int cls)
{
	return bits[cls >> 6] >> (cls & 63) & 1;
}

/* Split every class that @set divides. */
static void split_classes(uint16_t class_of[256], uint16_t *n_classes, const struct byte_set *set)
{
	uint16_t inside[257];
	bool has_outside[257] = { false };
	uint16_t first_new = *n_classes;

	for (unsigned int byte = 0; byte < 256; byte++) {
		if (!byte_set_has(set, byte))
			has_outside[class_of[byte]] = true;
	}
	memset(inside, 0xff, sizeof(inside));
	for (unsigned int byte = 0; byte < 256; byte++) {
		const uint16_t cls = class_of[byte];

		if (!byte_set_has(set, byte) || cls >= first_new || !has_outside[cls])
			continue;
		if (inside[cls] == UINT16_MAX)
			inside[cls] = (*n_classes)++;
		class_of[byte] = inside[cls];
	}
}

static void fold_classes(struct determinizer *det)
{
	const struct nfa *nfa = det->nfa;
	uint16_t class_of[256] = { 0 }, n_classes = 1, dense[257];
	bool alone[256] = { ['/'] = true };

	for (uint32_t i = 1; i < nfa->n_nodes; i++) {
		if (nfa->nodes[i].edge == EDGE_BYTE)
			alone[nfa->nodes[i].byte] = true;
	}
	for (unsigned int byte = 0; byte < 256; byte++) {
		if (alone[byte])
			class_of[byte] = n_classes++;
	}
	for (uint32_t i = 0; i < nfa->n_sets; i++)
		split_classes(class_of, &n_classes, &nfa->sets[i]);
	/* class 0 may have come out empty */
	memset(dense, 0xff, sizeof(dense));
	n_classes = 0;
	for (unsigned int byte = 0; byte < 256; byte++) {
		if (dense[class_of[byte]] == UINT16_MAX)
			dense[class_of[byte]] = n_classes++;
		det->rows->class_of[byte] = (uint8_t)dense[class_of[byte]];
	}
	det->rows->n_classes = n_classes;
	det->slash = det->rows->class_of['/'];
}

static enum dfa_status list_sets(struct determinizer *det)
{
	const struct nfa *nfa = det->nfa;
	const uint32_t n_classes = det->rows->n_classes;
	uint32_t n = 0;

	det->sets = calloc(nfa->n_sets + 1u, sizeof(*det->sets));
	det->listed = malloc((nfa->n_sets + UINT64_C(1)) * (n_classes / 2 + 1));
	if (!det->sets || !det->listed)
		return DFA_NO_MEMORY;
	for (uint32_t i = 0; i < nfa->n_sets; i++) {
		struct class_set *set = &det->sets[i];
		uint32_t size = 0;

		for (unsigned int byte = 0; byte < 256; byte++) {
			if (byte_set_has(&nfa->sets[i], byte))
				class_bit_set(set->bits, det->rows->class_of[byte]);
		}
		for (unsigned int word = 0; word < 4; word++)
			size += (uint32_t)__builtin_popcountll(set->bits[word]);
		set->wide = size > n_classes / 2;
		set->first = n;
		for (uint32_t cls = 0; cls < n_classes; cls++) {
			if (class_bit(set->bits, cls) != set->wide)
				det->listed[n++] = (uint8_t)cls;
		}
		set->n = n - set->first;
	}
	return DFA_OK;
}

/*
 * ---- What is known of the NFA's nodes
 */

static bool edge_loops(uint8_t edge)
{
	return edge >= EDGE_NAME;
}

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
		uint8_t flags = node->accept || (i != NFA_ROOT && edge_loops(node->edge)) ? NODE_WAITS : 0;

		for (uint32_t child = node->child; child != NFA_NONE; child = nfa->nodes[child].sibling)
			flags |= nfa_edge_is_silent(nfa->nodes[child].edge) ? NODE_SILENT : NODE_WAITS;
		det->flags[i] = flags;
	}
}

static void below_add(struct below *below, uint32_t low, uint32_t high)
{
	if (low < below->low)
		below->low = low;
	if (high > below->high)
		below->high = high;
}

static void sum_up_below(struct determinizer *det)
{
	const struct nfa *nfa = det->nfa;

	for (uint32_t i = nfa->n_nodes; i-- > 0;) { /* children before their parents */
		const struct nfa_node *node = &nfa->nodes[i];
		const struct accept *accept = &nfa->accepts[node->accept];
		struct below below = { .rights = accept->rights, .low = UINT32_MAX };

		for (unsigned int right = 0; right < OBMON_RIGHT_MAX; right++) {
			if (accept->rule[right])
				below_add(&below, accept->rule[right], accept->rule[right]);
		}
		for (uint32_t child = node->child; child != NFA_NONE; child = nfa->nodes[child].sibling) {
			below.rights |= det->below[child].rights;
			below_add(&below, det->below[child].low, det->below[child].high);
		}
		det->below[i] = below;
	}
}

/* Hash of what follows a node, its rules counted or not, with @fold done for its children. */
static uint64_t fold_hash(const struct determinizer *det, const uint32_t *fold, bool rules, uint32_t node)
{
	const struct nfa_node *nodes = det->nfa->nodes;
	const struct accept *accept = &det->nfa->accepts[nodes[node].accept];
	uint64_t hash = edge_loops(nodes[node].edge) ? nodes[node].edge : EDGE_BYTE;

	if (nodes[node].accept)
		hash = mix64(hash ^ (rules ? accept_hash(accept) : mix64(accept->rights)));
	for (uint32_t child = nodes[node].child; child != NFA_NONE; child = nodes[child].sibling) {
		const uint64_t label = nodes[child].edge == EDGE_SET ? nodes[child].set : nodes[child].byte;

		hash = mix64(hash ^ ((uint64_t)fold[child] << 32 | label << 8 | nodes[child].edge));
	}
	return hash;
}

/* Does the same follow two nodes? Children in another order count as different; it is only a missed chance. */
static bool fold_equal(const struct determinizer *det, const uint32_t *fold, bool rules, uint32_t a, uint32_t b)
{
	const struct nfa_node *nodes = det->nfa->nodes;
	const struct nfa_node *x = &nodes[a], *y = &nodes[b];
	const struct accept *accepts = det->nfa->accepts;

	if ((edge_loops(x->edge) || edge_loops(y->edge)) && x->edge != y->edge)
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
 * Let one node stand for all that the same follows, bottom up (Revuz: Minimisation of acyclic deterministic automata
 * in linear time, 1992). A brace makes copies of all that comes after it; where wildcards follow, the sets of the
 * subset construction would go through all combinations of these.
 */
static enum dfa_status fold_nodes(const struct determinizer *det, uint32_t *fold, bool rules)
{
	struct id_table index = { 0 };
	enum dfa_status status = DFA_OK;

	for (uint32_t node = det->nfa->n_nodes; node-- > 0 && status == DFA_OK;) {
		const uint64_t hash = fold_hash(det, fold, rules, node);
		uint32_t cursor = id_table_first(&index, hash), id;

		fold[node] = node;
		while (fold[node] == node && id_table_next(&index, hash, &cursor, &id)) {
			if (fold_equal(det, fold, rules, id, node))
				fold[node] = id;
		}
		if (fold[node] == node && id_table_insert(&index, hash, node))
			status = DFA_NO_MEMORY;
	}
	id_table_clear(&index);
	return status;
}

static enum dfa_status study_nodes(struct determinizer *det)
{
	const uint32_t n = det->nfa->n_nodes;
	enum dfa_status status;

	det->same = malloc(n * sizeof(*det->same));
	det->twin = malloc(n * sizeof(*det->twin));
	det->holder = calloc(n, sizeof(*det->holder));
	det->below = malloc(n * sizeof(*det->below));
	det->flags = malloc(n);
	det->mark = calloc(n, sizeof(*det->mark));
	det->alone = calloc(n, sizeof(*det->alone));
	det->pooled = calloc(det->nfa->n_accepts, sizeof(*det->pooled));
	det->stayers = malloc(n * sizeof(*det->stayers));
	det->base.nodes = malloc(n * sizeof(*det->base.nodes));
	det->extra.nodes = malloc(n * sizeof(*det->extra.nodes));
	if (!det->same || !det->twin || !det->holder || !det->below || !det->flags || !det->mark || !det->alone ||
	    !det->pooled || !det->stayers || !det->base.nodes || !det->extra.nodes)
		return DFA_NO_MEMORY;
	flag_nodes(det);
	sum_up_below(det);
	status = fold_nodes(det, det->same, true);
	return status == DFA_OK ? fold_nodes(det, det->twin, false) : status;
}

/*
 * ---- Cover
 */

static void cover_add(struct cover *cover, uint32_t node, const struct accept *accept)
{
	for (uint32_t rest = accept->rights; rest; rest &= rest - 1) {
		const unsigned int bit = (unsigned int)__builtin_ctz(rest);
		/* a quiet bit is under no rule, so nothing comes before it */
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
	struct below below;

	if (!cover->rights)
		return false;
	below = det->below[node];
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
 * Is a node gathered that leads on like @node, under rules that come first? If it is the other way round, that
 * one is dropped; but not from the base once extras are being gathered. Then both are kept until one state on.
 */
static bool outdone(struct determinizer *det, struct gathering *gathering, uint32_t node)
{
	uint32_t *holder = &det->holder[det->twin[node]];
	const uint32_t other = *holder, mark = det->mark[other];

	if (other != node && (mark == gathering->stamp || mark == det->base.stamp)) {
		if (det->below[other].high <= det->below[node].low)
			return true;
		if (mark == gathering->stamp && det->below[node].high <= det->below[other].low)
			gathering_drop(det, gathering, other);
	}
	*holder = node;
	return false;
}

/* Add @node and what it leads to by nothing. The recursion is as deep as wildcards stand side by side: three. */
static void gather(struct determinizer *det, struct gathering *gathering, uint32_t node)
{
	const struct nfa_node *nodes = det->nfa->nodes;
	uint32_t mark;

	node = det->same[node];
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
		if (!nfa_edge_is_silent(nodes[child].edge))
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

static enum dfa_status new_state(struct determinizer *det, uint64_t hash, uint32_t *state)
{
	struct dfa_rows *rows = det->rows;
	const uint32_t n = det->base.n + det->extra.n, id = rows->n;
	void *moved;
	uint32_t *members, accept;

	if (id >= det->budget->max_states || det->n_members + n > MEMBERS_MAX)
		return DFA_TOO_BIG;
	if (!(moved = vector_reserve(rows->rows, &rows->capacity, id + UINT64_C(1), sizeof(*rows->rows))))
		return DFA_NO_MEMORY;
	rows->rows = moved;
	if (!(moved = vector_reserve(det->subsets, &det->subsets_capacity, id + UINT64_C(1), sizeof(*det->subsets))))
		return DFA_NO_MEMORY;
	det->subsets = moved;
	if (!(moved = vector_reserve(det->members, &det->members_capacity, det->n_members + (uint64_t)n,
				     sizeof(*det->members))))
		return DFA_NO_MEMORY;
	det->members = moved;
	members = det->members + det->n_members;
	memcpy(members, det->base.nodes, det->base.n * sizeof(*members));
	memcpy(members + det->base.n, det->extra.nodes, det->extra.n * sizeof(*members));
	accept = accept_of(det, members, n);
	if (accept == UINT32_MAX || id_table_insert(&det->index, hash, id))
		return DFA_NO_MEMORY;
	det->subsets[id] = (struct subset){ .first = det->n_members, .n = n };
	det->n_members += n;
	rows->rows[id] = (struct dfa_row){ .accept = accept };
	rows->n++;
	*state = id;
	return DFA_OK;
}

/* The state of the set of base and extra, made if it is new. */
static enum dfa_status intern_gathered(struct determinizer *det, uint32_t *state)
{
	const uint32_t n = det->base.n + det->extra.n;
	const uint64_t hash = mix64(det->base.hash + det->extra.hash);
	uint32_t cursor, id;

	if (n == 0) {
		*state = STATE_DEAD;
		return DFA_OK;
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
	struct mover *movers = vector_reserve(det->movers, &det->movers_capacity, det->n_movers + UINT64_C(1),
					      sizeof(*movers));

	if (!movers)
		return DFA_NO_MEMORY;
	det->movers = movers;
	touch(det, cls);
	movers[det->n_movers] = (struct mover){ .node = det->same[node], .next = det->head[cls] };
	det->head[cls] = det->n_movers++;
	return DFA_OK;
}

static enum dfa_status sort_out_set(struct determinizer *det, uint32_t node)
{
	const struct class_set *set = &det->sets[det->nfa->nodes[node].set];
	enum dfa_status status = DFA_OK;

	if (set->wide)
		det->stayers[det->n_stayers++] = node;
	for (uint32_t i = 0; i < set->n && status == DFA_OK; i++) {
		if (set->wide)
			exclude(det, det->listed[set->first + i]);
		else
			status = add_mover(det, det->listed[set->first + i], node);
	}
	return status;
}

/* Where the bytes lead from @node: to stayers and movers. */
static enum dfa_status sort_out_node(struct determinizer *det, uint32_t node)
{
	const struct nfa_node *nodes = det->nfa->nodes;
	enum dfa_status status = DFA_OK;

	if (node != NFA_ROOT && edge_loops(nodes[node].edge)) {
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
		return class_bit(det->sets[stayer->set].bits, cls);
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
	if (!(targets = vector_reserve(rows->targets, &rows->targets_capacity, needed, sizeof(*targets))))
		return DFA_NO_MEMORY;
	rows->targets = targets;
	if (!(classes = vector_reserve(rows->classes, &rows->classes_capacity, needed, sizeof(*classes))))
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

/* The lowest rule below a node stands for all; 0 if there are but quiet bits. */
static uint32_t rule_of(const struct determinizer *det, uint32_t node)
{
	return det->below[node].high ? det->below[node].low : 0;
}

/*
 * What makes sets many is nodes that are in some and not in others, independently of each other: one that is in
 * a share p of the sets accounts for p * (1 - p), the variance of its being there. A node that is in all of them,
 * such as the loop of a plain `**`, is none of the trouble, nor is one in hardly any. The rule whose nodes
 * account for most is named.
 */
static uint32_t find_culprit(struct determinizer *det)
{
	const uint32_t n_nodes = det->nfa->n_nodes, n_states = det->rows->n;
	const uint32_t sample = n_states < CULPRIT_SAMPLE ? n_states : CULPRIT_SAMPLE;
	uint32_t *seen = calloc(n_nodes, sizeof(*seen)), n = 0, rule = 0;
	struct blame *blames = malloc(n_nodes * sizeof(*blames));

	if (!seen || !blames)
		goto out;
	for (uint32_t state = n_states - sample; state < n_states; state++) {
		const struct subset *subset = &det->subsets[state];

		for (uint32_t i = 0; i < subset->n; i++)
			seen[det->members[subset->first + i]]++;
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
	for (state = STATE_START; state < rows->n && status == DFA_OK; state++) {
		status = make_row(det, state);
		if (status == DFA_OK)
			status = budget_spend(det->budget, det->subsets[state].n + det->n_movers + 8);
	}
	return status;
}

static void determinizer_clear(struct determinizer *det)
{
	free(det->sets);
	free(det->listed);
	free(det->same);
	free(det->twin);
	free(det->holder);
	free(det->flags);
	free(det->below);
	free(det->mark);
	free(det->alone);
	free(det->pooled);
	free(det->subsets);
	free(det->members);
	id_table_clear(&det->index);
	free(det->stayers);
	free(det->movers);
	free(det->base.nodes);
	free(det->extra.nodes);
}

enum dfa_status dfa_determinize(struct dfa_rows *rows, const struct nfa *nfa, struct budget *budget,
				uint32_t *culprit)
{
	struct determinizer det = { .nfa = nfa, .rows = rows, .budget = budget };
	enum dfa_status status;

	memset(rows, 0, sizeof(*rows));
	*culprit = 0;
	fold_classes(&det);
	status = accept_pool_init(&rows->accepts) ? DFA_NO_MEMORY : list_sets(&det);
	if (status == DFA_OK)
		status = study_nodes(&det);
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
