/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules to a trie of tokens.
 *
 * A rule that is moved onto another filesystem loses its front: what is left of a pattern once `skip` has
 * been consumed is its Brzozowski derivative (Derivatives of regular expressions, JACM 1964), and for a list
 * of tokens that is a small set of tails of the same list.
 */
#include "cap/dfa_internal.h"

#include <stdlib.h>
#include <string.h>

struct dfa_builder *dfa_builder_new(const struct dfa_limits *limits)
{
	struct dfa_builder *builder = calloc(1, sizeof(*builder));
	struct nfa *nfa;

	if (!builder)
		return NULL;
	if (limits)
		builder->limits = *limits;
	nfa = &builder->nfa;
	nfa->nodes = vector_reserve(NULL, &nfa->nodes_capacity, 1, sizeof(*nfa->nodes));
	nfa->accepts = vector_reserve(NULL, &nfa->accepts_capacity, 1, sizeof(*nfa->accepts));
	if (!nfa->nodes || !nfa->accepts) {
		dfa_builder_free(builder);
		return NULL;
	}
	memset(&nfa->nodes[NFA_ROOT], 0, sizeof(nfa->nodes[NFA_ROOT]));
	memset(&nfa->accepts[0], 0, sizeof(nfa->accepts[0]));
	nfa->n_nodes = nfa->n_accepts = 1;
	return builder;
}

void dfa_builder_free(struct dfa_builder *builder)
{
	if (!builder)
		return;
	free(builder->nfa.nodes);
	free(builder->nfa.accepts);
	free(builder->nfa.sets);
	id_table_clear(&builder->nfa.set_index);
	free(builder);
}

/*
 * ---- The trie
 */

/* Where a rule is being written: at a node, with what its end grants. */
struct pen {
	struct nfa *nfa;
	uint32_t node;
	const struct accept *accept;
};

/* Go to the child by @edge and its @label (a byte or a set), which is made if there is none. */
static enum dfa_status pen_step(struct pen *pen, uint8_t edge, uint32_t label)
{
	struct nfa *nfa = pen->nfa;
	const uint8_t byte = edge == EDGE_BYTE ? (uint8_t)label : 0;
	const uint32_t set = edge == EDGE_SET ? label : 0;
	struct nfa_node *nodes;

	for (uint32_t child = nfa->nodes[pen->node].child; child != NFA_NONE; child = nfa->nodes[child].sibling) {
		const struct nfa_node *node = &nfa->nodes[child];

		if (node->edge == edge && node->byte == byte && node->set == set) {
			pen->node = child;
			return DFA_OK;
		}
	}
	if (nfa->n_nodes >= NFA_MAX_NODES)
		return DFA_TOO_BIG;
	nodes = vector_reserve(nfa->nodes, &nfa->nodes_capacity, nfa->n_nodes + UINT64_C(1), sizeof(*nodes));
	if (!nodes)
		return DFA_NO_MEMORY;
	nfa->nodes = nodes;
	/* in front of its siblings: rules often come sorted, and the next one begins like this one */
	nodes[nfa->n_nodes] = (struct nfa_node){
		.sibling = nodes[pen->node].child,
		.set = set,
		.edge = edge,
		.byte = byte,
	};
	nodes[pen->node].child = nfa->n_nodes;
	pen->node = nfa->n_nodes++;
	return DFA_OK;
}

static enum dfa_status pen_accept(struct pen *pen)
{
	struct nfa *nfa = pen->nfa;
	struct nfa_node *node = &nfa->nodes[pen->node];
	struct accept *accepts;

	if (node->accept) {
		accept_merge(&nfa->accepts[node->accept], pen->accept);
		return DFA_OK;
	}
	accepts = vector_reserve(nfa->accepts, &nfa->accepts_capacity, nfa->n_accepts + UINT64_C(1), sizeof(*accepts));
	if (!accepts)
		return DFA_NO_MEMORY;
	nfa->accepts = accepts;
	accepts[nfa->n_accepts] = *pen->accept;
	node->accept = nfa->n_accepts++;
	return DFA_OK;
}

static enum dfa_status pen_step_set(struct pen *pen, const uint64_t bits[4])
{
	struct nfa *nfa = pen->nfa;
	struct byte_set *sets;
	uint64_t hash = 0;
	uint32_t cursor, id;

	for (unsigned int word = 0; word < 4; word++)
		hash = mix64(hash ^ bits[word]);
	for (cursor = id_table_first(&nfa->set_index, hash); id_table_next(&nfa->set_index, hash, &cursor, &id);) {
		if (memcmp(nfa->sets[id].bits, bits, sizeof(nfa->sets[id].bits)) == 0)
			return pen_step(pen, EDGE_SET, id);
	}
	sets = vector_reserve(nfa->sets, &nfa->sets_capacity, nfa->n_sets + UINT64_C(1), sizeof(*sets));
	if (!sets)
		return DFA_NO_MEMORY;
	nfa->sets = sets;
	if (id_table_insert(&nfa->set_index, hash, nfa->n_sets))
		return DFA_NO_MEMORY;
	memcpy(sets[nfa->n_sets].bits, bits, sizeof(sets[nfa->n_sets].bits));
	return pen_step(pen, EDGE_SET, nfa->n_sets++);
}

static enum dfa_status pen_write_bytes(struct pen *pen, const unsigned char *bytes, size_t n)
{
	enum dfa_status status = DFA_OK;

	for (size_t i = 0; i < n && status == DFA_OK; i++)
		status = pen_step(pen, EDGE_BYTE, bytes[i]);
	return status;
}

/* Any run of bytes, then '/': both what GLOB_DEEP_DIRS makes and what is left of one that has begun. */
static enum dfa_status pen_write_run(struct pen *pen, uint8_t edge)
{
	enum dfa_status status = pen_step(pen, edge, 0);

	return status == DFA_OK ? pen_step(pen, EDGE_BYTE, '/') : status;
}

/* What GLOB_DEEP_TAIL can match beside nothing. */
static enum dfa_status pen_write_below(struct pen *pen)
{
	enum dfa_status status = pen_step(pen, EDGE_BYTE, '/');

	return status == DFA_OK ? pen_step(pen, EDGE_DEEP, 0) : status;
}

static enum dfa_status pen_write_token(struct pen *pen, const struct glob_token *token)
{
	enum dfa_status status;

	switch (token->kind) {
	case GLOB_BYTE:
		return pen_step(pen, EDGE_BYTE, token->byte);
	case GLOB_SET:
		return pen_step_set(pen, token->set);
	case GLOB_STAR:
		return pen_step(pen, EDGE_NAME, 0);
	case GLOB_DEEP:
		return pen_step(pen, EDGE_DEEP, 0);
	case GLOB_DEEP_DIRS:
		return pen_write_run(pen, EDGE_DIRS);
	case GLOB_DEEP_TAIL: /* the last token: the name may end here or go on */
		status = pen_accept(pen);
		return status == DFA_OK ? pen_write_below(pen) : status;
	}
	return DFA_BROKEN;
}

/*
 * ---- What is left of a pattern behind `skip`
 *
 * Places in the token list, as in glob.c: 2 * i is before token i, 2 * i + 1 within it (a GLOB_DEEP_DIRS that
 * has begun its run, a GLOB_DEEP_TAIL behind its '/').
 */

#define BEFORE(i) (2 * (i))
#define WITHIN(i) (2 * (i) + 1)
#define TOKEN(place) ((place) / 2)
#define IS_WITHIN(place) ((place) % 2)

struct places {
	size_t *items;
	size_t n;
	bool *present; /* by place */
};

static void places_add(struct places *places, size_t place)
{
	if (places->present[place])
		return;
	places->present[place] = true;
	places->items[places->n++] = place;
}

static void places_empty(struct places *places)
{
	for (size_t i = 0; i < places->n; i++)
		places->present[places->items[i]] = false;
	places->n = 0;
}

static int places_init(struct places *places, size_t n_tokens)
{
	places->n = 0;
	places->items = calloc(BEFORE(n_tokens) + 1, sizeof(*places->items));
	places->present = calloc(BEFORE(n_tokens) + 1, sizeof(*places->present));
	return places->items && places->present ? 0 : -1;
}

static void places_clear(struct places *places)
{
	free(places->items);
	free(places->present);
}

static bool token_set_has(const struct glob_token *token, unsigned char byte)
{
	return token->set[byte >> 6] >> (byte & 63) & 1;
}

/* Add to @to the places that @byte leads to from token @i, entered or begun. */
static void token_step(const struct glob_token *token, size_t i, bool within, unsigned char byte, struct places *to)
{
	switch (token->kind) {
	case GLOB_BYTE:
		if (byte == token->byte)
			places_add(to, BEFORE(i + 1));
		break;
	case GLOB_SET:
		if (token_set_has(token, byte))
			places_add(to, BEFORE(i + 1));
		break;
	case GLOB_STAR:
		if (byte != '/')
			places_add(to, BEFORE(i));
		break;
	case GLOB_DEEP:
		places_add(to, BEFORE(i));
		break;
	case GLOB_DEEP_DIRS:
		places_add(to, WITHIN(i));
		if (byte == '/')
			places_add(to, BEFORE(i + 1));
		break;
	case GLOB_DEEP_TAIL:
		if (within || byte == '/')
			places_add(to, WITHIN(i));
		break;
	}
}

static void place_step(const struct glob_alternative *alternative, size_t place, unsigned char byte, struct places *to)
{
	size_t i = TOKEN(place);

	if (IS_WITHIN(place)) {
		token_step(&alternative->tokens[i], i, true, byte, to);
		return;
	}
	/* from a token that may match nothing, also the ones behind it */
	for (; i < alternative->n; i++) {
		token_step(&alternative->tokens[i], i, false, byte, to);
		if (alternative->tokens[i].kind < GLOB_STAR)
			break;
	}
}

static void places_step(const struct glob_alternative *alternative, const struct places *from, unsigned char byte,
			struct places *to)
{
	places_empty(to);
	for (size_t i = 0; i < from->n; i++)
		place_step(alternative, from->items[i], byte, to);
}

/* May the name end here? */
static bool places_accept(const struct glob_alternative *alternative, const struct places *places)
{
	for (size_t p = 0; p < places->n; p++) {
		size_t i = TOKEN(places->items[p]);

		if (IS_WITHIN(places->items[p])) {
			if (alternative->tokens[i].kind == GLOB_DEEP_TAIL)
				return true;
			continue;
		}
		while (i < alternative->n && alternative->tokens[i].kind >= GLOB_STAR)
			i++;
		if (i == alternative->n)
			return true;
	}
	return false;
}

/* Write what may follow @place, from where the pen is. */
static enum dfa_status write_tail(struct pen *pen, const struct glob_alternative *alternative, size_t place)
{
	enum dfa_status status = DFA_OK;
	size_t i = TOKEN(place);

	if (IS_WITHIN(place)) {
		if (alternative->tokens[i].kind == GLOB_DEEP_TAIL)
			status = pen_step(pen, EDGE_DEEP, 0);
		else
			status = pen_write_run(pen, EDGE_DEEP);
		i++;
	}
	for (; i < alternative->n && status == DFA_OK; i++)
		status = pen_write_token(pen, &alternative->tokens[i]);
	return status == DFA_OK ? pen_accept(pen) : status;
}

/* A rule's change of place. */
struct move {
	const unsigned char *prefix;
	size_t prefix_length;
	const unsigned char *skip;
	size_t skip_length;
};

/*
 * Names are the prefix and a remainder, which is empty or starts with '/'. The root's own "/" counts as
 * empty: a filesystem that is mounted on / with its directory /@ calls that /@, not /@/.
 */
static enum dfa_status write_remainders(struct pen *pen, const struct glob_alternative *alternative,
					const struct move *move, const struct places *places, struct places *next)
{
	const bool whole = move->prefix_length == 0;
	const bool swallow = !whole && move->prefix[move->prefix_length - 1] == '/';
	enum dfa_status status;
	bool itself;
	uint32_t node;

	places_step(alternative, places, '/', next);
	itself = places_accept(alternative, places);
	if (move->skip_length == 0 && !whole)
		itself |= places_accept(alternative, next);
	if (!itself && next->n == 0)
		return DFA_OK;
	status = pen_write_bytes(pen, move->prefix, move->prefix_length);
	if (status == DFA_OK && itself)
		status = pen_accept(pen);
	if (status == DFA_OK && next->n > 0 && !swallow)
		status = pen_step(pen, EDGE_BYTE, '/');
	node = pen->node;
	for (size_t i = 0; i < next->n && status == DFA_OK; i++) {
		pen->node = node;
		status = write_tail(pen, alternative, next->items[i]);
	}
	return status;
}

static enum dfa_status add_alternative(struct pen *pen, const struct glob_alternative *alternative,
				       const struct move *move)
{
	struct places sets[2] = { 0 };
	struct places *places = &sets[0], *next = &sets[1];
	enum dfa_status status = DFA_NO_MEMORY;
	size_t at = 0;

	if (places_init(places, alternative->n) || places_init(next, alternative->n))
		goto out;
	/* through the literal head, where there is just one place; most rules never leave this loop */
	while (at < move->skip_length && at < alternative->n && alternative->tokens[at].kind == GLOB_BYTE &&
	       alternative->tokens[at].byte == move->skip[at])
		at++;
	places_add(places, BEFORE(at));
	for (; at < move->skip_length && places->n > 0; at++) {
		struct places *swap = places;

		places_step(alternative, places, move->skip[at], next);
		places = next;
		next = swap;
	}
	status = write_remainders(pen, alternative, move, places, next);
out:
	places_clear(&sets[0]);
	places_clear(&sets[1]);
	return status;
}

static int check_rule(uint32_t rights, uint32_t rule, struct obmon_error *err)
{
	const uint32_t known = OBMON_RIGHTS_ALL | OBMON_RIGHTS_ALL << OBMON_RIGHT_QUIET_SHIFT | OBMON_RIGHT_NEVER;

	if (rights & ~known)
		return obmon_fail(err, OBMON_ERR_INTERNAL, "rule %u: unknown rights 0x%x", rule, rights & ~known);
	if ((rights & OBMON_RIGHTS_ALL) && rule == 0)
		return obmon_fail(err, OBMON_ERR_INTERNAL, "rights 0x%x under no rule", rights);
	return 0;
}

static struct accept accept_of(uint32_t rights, uint32_t rule)
{
	struct accept accept = { .rights = rights };

	for (unsigned int right = 0; right < OBMON_RIGHT_MAX; right++)
		accept.rule[right] = rights & OBMON_RIGHT_BIT(right) ? rule : 0;
	return accept;
}

static int fail_add(enum dfa_status status, uint32_t rule, struct obmon_error *err)
{
	switch (status) {
	case DFA_OK:
		return 0;
	case DFA_NO_MEMORY:
		return obmon_fail(err, OBMON_ERR_INTERNAL, "out of memory while adding rules");
	case DFA_TOO_BIG:
		return obmon_fail(err, OBMON_ERR_CONFIG, "the rules are too many: no room for rule %u", rule);
	default:
		return obmon_fail(err, OBMON_ERR_INTERNAL, "rule %u: malformed pattern", rule);
	}
}

int dfa_builder_add(struct dfa_builder *builder, const void *prefix, size_t prefix_length, const struct glob *glob,
		    const char *skip, size_t skip_length, uint32_t rights, uint32_t rule, struct obmon_error *err)
{
	const struct move move = {
		.prefix = prefix,
		.prefix_length = prefix_length,
		.skip = (const unsigned char *)skip,
		.skip_length = skip_length,
	};
	const struct accept accept = accept_of(rights, rule);
	enum dfa_status status = DFA_OK;

	if (check_rule(rights, rule, err))
		return -1;
	for (size_t i = 0; i < glob->n && rights && status == DFA_OK; i++) {
		struct pen pen = { .nfa = &builder->nfa, .node = NFA_ROOT, .accept = &accept };

		status = add_alternative(&pen, &glob->alternatives[i], &move);
	}
	return fail_add(status, rule, err);
}

/* The one byte of @set, or -1 if it has more. */
static int byte_set_single(const struct byte_set *set)
{
	int byte = -1;

	for (unsigned int b = 0; b < 256; b++) {
		if (!byte_set_has(set, b))
			continue;
		if (byte >= 0)
			return -1;
		byte = (int)b;
	}
	return byte;
}

int dfa_builder_add_sets(struct dfa_builder *builder, const struct byte_set *sets, size_t n, uint32_t rights,
			 uint32_t rule, struct obmon_error *err)
{
	const struct accept accept = accept_of(rights, rule);
	struct pen pen = { .nfa = &builder->nfa, .node = NFA_ROOT, .accept = &accept };
	enum dfa_status status = DFA_OK;

	if (check_rule(rights, rule, err))
		return -1;
	for (size_t i = 0; i < n && status == DFA_OK; i++) {
		int byte = byte_set_single(&sets[i]);

		status = byte < 0 ? pen_step_set(&pen, sets[i].bits) : pen_step(&pen, EDGE_BYTE, (uint32_t)byte);
	}
	return fail_add(status == DFA_OK ? pen_accept(&pen) : status, rule, err);
}
