/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows overlaid in pages: Ziegler's row displacement (Tarjan, Yao: Storing a sparse table, CACM 1979).
 *
 * A row goes to the first slot of the page at which all its columns fall on free entries. Sixty-four slots
 * are tried at once: the page's map of used entries, shifted by a column, says for each of them whether that
 * column would fall on a used entry. No two rows start at one slot, as every row has a residual column.
 *
 * Rows are placed in depth-first order, so that the states along a path mostly share a page.
 */
#include "cap/dfa_internal.h"

#include <stdlib.h>
#include <string.h>

#define PAGE_WORDS (OBMON_DFA_PAGE_SLOTS / 64)
/* A window that starts in the page's last word may reach this far beyond. */
#define GUARD_WORDS (OBMON_DFA_COLS_MAX / 64 + 2)

/* How many columns are looked at, in words of slots, before a row is put behind all others instead. */
#define SEARCH_MAX 256u

#define HINTS 256u /* by eight bits of the hash */

/*
 * Where the last row of the same columns went: what was in the way of that one still is, as a page only gets
 * fuller. Without hints each of the many rows that look alike would try all the words that the last one
 * tried. A hash that collides costs some room, no more.
 */
struct hint {
	uint32_t hash; /* of the columns */
	uint32_t word;
};

/* What is taken in the page being filled. */
struct page_map {
	uint64_t used[PAGE_WORDS + GUARD_WORDS];
	uint32_t top;        /* nothing is used from here on */
	uint32_t first_word; /* no row can start in an earlier one */
	struct hint hints[HINTS];
};

/* A row of the minimal automaton: targets are blocks. */
struct packed_row {
	uint32_t otherwise;
	uint32_t accept, residual;
	uint32_t n_edges;
	uint32_t targets[256];
	uint8_t classes[256];
};

struct packer {
	const struct dfa_rows *rows;
	const struct dfa_partition *partition;
	struct budget *budget;
	uint32_t *order; /* blocks in the order of their placement */
	uint32_t n_order;
	uint32_t *id;    /* by block */
	uint32_t *count; /* by block; all 0 between uses */
	uint32_t n_pages;
	struct page_map page; /* the last */
};

/*
 * ---- Rows of the minimal automaton
 */

/* The most frequent target of @row, whose exceptions may include some that lead where the default does. */
static uint32_t most_frequent(struct packer *packer, const struct packed_row *row)
{
	uint32_t best = row->otherwise, most;

	packer->count[row->otherwise] = packer->rows->n_classes - row->n_edges;
	for (uint32_t e = 0; e < row->n_edges; e++)
		packer->count[row->targets[e]]++;
	most = packer->count[row->otherwise];
	for (uint32_t e = 0; e < row->n_edges; e++) {
		if (packer->count[row->targets[e]] > most) {
			best = row->targets[e];
			most = packer->count[best];
		}
	}
	for (uint32_t e = 0; e < row->n_edges; e++)
		packer->count[row->targets[e]] = 0;
	packer->count[row->otherwise] = 0;
	return best;
}

/* Give @row another default. */
static void change_default(struct packed_row *row, uint32_t n_classes, uint32_t otherwise)
{
	uint32_t dense[256];

	for (uint32_t cls = 0; cls < n_classes; cls++)
		dense[cls] = row->otherwise;
	for (uint32_t e = 0; e < row->n_edges; e++)
		dense[row->classes[e]] = row->targets[e];
	row->otherwise = otherwise;
	row->n_edges = 0;
	for (uint32_t cls = 0; cls < n_classes; cls++) {
		row->targets[row->n_edges] = dense[cls];
		row->classes[row->n_edges++] = (uint8_t)cls;
	}
}

static void drop_idle_edges(struct packed_row *row)
{
	uint32_t n = 0;

	for (uint32_t e = 0; e < row->n_edges; e++) {
		if (row->targets[e] == row->otherwise)
			continue;
		row->targets[n] = row->targets[e];
		row->classes[n++] = row->classes[e];
	}
	row->n_edges = n;
}

static void make_packed_row(struct packer *packer, uint32_t block, struct packed_row *packed)
{
	const struct dfa_rows *rows = packer->rows;
	const struct dfa_partition *partition = packer->partition;
	const uint32_t state = partition->member[block];
	const struct dfa_row *row = &rows->rows[state];

	packed->otherwise = partition->block_of[row->otherwise];
	packed->accept = row->accept;
	packed->residual = partition->residual[state];
	packed->n_edges = row->n_edges;
	for (uint32_t e = 0; e < row->n_edges; e++) {
		packed->targets[e] = partition->block_of[rows->targets[row->edges + e]];
		packed->classes[e] = rows->classes[row->edges + e];
	}
	if (2 * row->n_edges > rows->n_classes) {
		const uint32_t best = most_frequent(packer, packed);

		if (best != packed->otherwise)
			change_default(packed, rows->n_classes, best);
	}
	drop_idle_edges(packed);
	packer->budget->work += 8 + 4 * row->n_edges;
}

/*
 * ---- Order
 */

/* Put @block on the stack that grows down from the end of `order`, unless it has been there. */
static void push_block(struct packer *packer, uint32_t block, uint32_t *bottom)
{
	if (block == 0 || packer->id[block])
		return;
	packer->id[block] = 1; /* not its id yet: says that it has been seen */
	packer->order[--*bottom] = block;
}

/*
 * Blocks as a depth-first search meets them. `order` holds both the blocks that have been visited, from the
 * front, and the stack, from the back: together they are never more than there are blocks.
 */
static enum dfa_status order_blocks(struct packer *packer)
{
	uint32_t bottom = packer->partition->n_blocks;
	enum dfa_status status = DFA_OK;
	struct packed_row row;

	if (packer->rows->n > STATE_START)
		push_block(packer, packer->partition->block_of[STATE_START], &bottom);
	while (bottom < packer->partition->n_blocks && status == DFA_OK) {
		const uint32_t block = packer->order[bottom++];

		packer->order[packer->n_order++] = block;
		make_packed_row(packer, block, &row);
		push_block(packer, row.otherwise, &bottom);
		for (uint32_t e = 0; e < row.n_edges; e++)
			push_block(packer, row.targets[e], &bottom);
		status = budget_spend(packer->budget, 4);
	}
	return status;
}

/*
 * ---- Placement
 */

/* Where a column is, counted from the first one of its row. */
#define PLACE(column) (OBMON_DFA_COLS_BEFORE + (column))

/* The places of all columns that @row has. */
static uint32_t list_columns(const struct packed_row *row, uint32_t columns[OBMON_DFA_COLS_MAX])
{
	uint32_t n = 0;

	columns[n++] = PLACE(OBMON_DFA_COL_RESIDUAL); /* every row has it */
	if (row->otherwise)
		columns[n++] = PLACE(OBMON_DFA_COL_DEFAULT);
	if (row->accept)
		columns[n++] = PLACE(OBMON_DFA_COL_ACCEPT);
	for (uint32_t e = 0; e < row->n_edges; e++)
		columns[n++] = PLACE(row->classes[e]);
	return n;
}

/* Sixty-four bits of @map from bit @at on. */
static uint64_t window(const uint64_t *map, uint32_t at)
{
	const uint64_t *word = map + at / 64;
	const uint32_t shift = at % 64;

	return shift ? word[0] >> shift | word[1] << (64 - shift) : word[0];
}

/* Which of the 64 slots of @word a row of @columns can't start at. */
static uint64_t blocked_slots(const struct page_map *page, uint32_t word, const uint32_t *columns, uint32_t n)
{
	uint64_t blocked = 0;

	for (uint32_t i = 0; i < n && ~blocked; i++)
		blocked |= window(page->used, 64 * word + columns[i]);
	return blocked;
}

/* The slot for hints on rows of @columns; emptied if it holds another's. */
static struct hint *find_hint(struct page_map *page, const uint32_t *columns, uint32_t n)
{
	uint64_t hash = 0;
	struct hint *hint;

	for (uint32_t i = 0; i < n; i++)
		hash = (hash + columns[i] + 1) * UINT64_C(0x9e3779b97f4a7c15);
	hint = &page->hints[(hash >> 56) % HINTS];
	if (hint->hash != (uint32_t)(hash >> 24))
		*hint = (struct hint){ .hash = (uint32_t)(hash >> 24), .word = page->first_word };
	return hint;
}

/* The first slot for a row of @columns, before @end; @end if there is none or the search gets too long. */
static uint32_t find_slot(struct page_map *page, const uint32_t *columns, uint32_t n, uint32_t end)
{
	struct hint *hint = find_hint(page, columns, n);
	uint32_t spent = 0;

	for (uint32_t word = hint->word; 64 * word < end; word++) {
		const uint64_t blocked = blocked_slots(page, word, columns, n);
		uint32_t slot;

		if (~blocked) {
			hint->word = word;
			slot = 64 * word + (uint32_t)__builtin_ctzll(~blocked);
			return slot < end ? slot : end;
		}
		spent += n;
		if (spent > SEARCH_MAX && page->top > 64 * (word + 1))
			word = page->top / 64 - 1;
	}
	return end;
}

static void mark(uint64_t *map, uint32_t at)
{
	map[at / 64] |= UINT64_C(1) << (at % 64);
}

static void take_slot(struct page_map *page, uint32_t slot, const uint32_t *columns, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		mark(page->used, slot + columns[i]);
		if (page->top <= slot + columns[i])
			page->top = slot + columns[i] + 1;
	}
	/* where the residual column, the first, falls on used entries nothing more can start */
	while (page->first_word < PAGE_WORDS && !~blocked_slots(page, page->first_word, columns, 1))
		page->first_word++;
}

static void new_page(struct packer *packer)
{
	memset(&packer->page, 0, sizeof(packer->page));
	packer->n_pages++;
}

static enum dfa_status place_rows(struct packer *packer)
{
	/* so that no step from any row looks beyond the page */
	const uint32_t end = OBMON_DFA_PAGE_SLOTS - OBMON_DFA_COLS_BEFORE - packer->rows->n_classes + 1;
	enum dfa_status status = DFA_OK;
	struct packed_row row;

	new_page(packer);
	for (uint32_t i = 0; i < packer->n_order && status == DFA_OK; i++) {
		uint32_t columns[OBMON_DFA_COLS_MAX], n, slot;

		make_packed_row(packer, packer->order[i], &row);
		n = list_columns(&row, columns);
		slot = find_slot(&packer->page, columns, n, end);
		if (slot == end) {
			if (packer->n_pages == UINT32_MAX >> OBMON_DFA_PAGE_SHIFT)
				return DFA_TOO_BIG;
			new_page(packer);
			slot = find_slot(&packer->page, columns, n, end);
		}
		take_slot(&packer->page, slot, columns, n);
		/* never the dead id, as a row's own columns come before */
		packer->id[packer->order[i]] = (packer->n_pages - 1) << OBMON_DFA_PAGE_SHIFT |
					       (slot + OBMON_DFA_COLS_BEFORE);
		status = budget_spend(packer->budget, 4 * n);
	}
	return status;
}

/*
 * ---- Pages
 */

static void put(struct dfa *dfa, uint32_t id, uint32_t column, uint32_t next)
{
	struct obmon_dfa_page *page = &dfa->pages[id >> OBMON_DFA_PAGE_SHIFT];

	page->entry[(id & OBMON_DFA_SLOT_MASK) + column] = (struct obmon_dfa_entry){ .check = id, .next = next };
}

static enum dfa_status write_rows(struct packer *packer, struct dfa *dfa)
{
	enum dfa_status status = DFA_OK;
	struct packed_row row;

	for (uint32_t i = 0; i < packer->n_order && status == DFA_OK; i++) {
		const uint32_t id = packer->id[packer->order[i]];

		make_packed_row(packer, packer->order[i], &row);
		put(dfa, id, OBMON_DFA_COL_RESIDUAL, row.residual);
		if (row.otherwise)
			put(dfa, id, OBMON_DFA_COL_DEFAULT, packer->id[row.otherwise]);
		if (row.accept)
			put(dfa, id, OBMON_DFA_COL_ACCEPT, row.accept);
		for (uint32_t e = 0; e < row.n_edges; e++)
			put(dfa, id, row.classes[e], packer->id[row.targets[e]]);
		status = budget_spend(packer->budget, 4);
	}
	return status;
}

/* Record 0 is the empty accept's, so that accept numbers start from 1. */
static void write_accepts(const struct accept_pool *accepts, struct dfa *dfa)
{
	struct obmon_dfa_accept *records = (struct obmon_dfa_accept *)(dfa->pages + dfa->n_comb_pages);

	for (uint32_t i = 0; i < accepts->n; i++) {
		records[i].rights = accepts->items[i].rights;
		for (unsigned int right = 0; right < OBMON_RIGHT_MAX; right++)
			records[i].rule[right] = accepts->items[i].rule[right];
	}
}

static enum dfa_status write_pages(struct packer *packer, struct dfa *dfa)
{
	const struct accept_pool *accepts = &packer->rows->accepts;
	const uint32_t start = packer->rows->n > STATE_START ? packer->partition->block_of[STATE_START] : 0;

	dfa->n_comb_pages = packer->n_pages;
	dfa->n_pages = packer->n_pages + (accepts->n + OBMON_DFA_ACCEPT_MASK) / OBMON_DFA_ACCEPTS_PER_PAGE;
	dfa->pages = calloc(dfa->n_pages, sizeof(*dfa->pages));
	if (!dfa->pages)
		return DFA_NO_MEMORY;
	dfa->start = start ? packer->id[start] : OBMON_DFA_DEAD;
	dfa->n_states = packer->n_order;
	dfa->n_accepts = accepts->n;
	for (unsigned int byte = 0; byte < 256; byte++)
		dfa->columns[byte] = packer->rows->class_of[byte];
	write_accepts(accepts, dfa);
	return write_rows(packer, dfa);
}

static enum dfa_status packer_init(struct packer *packer)
{
	const uint32_t n = packer->partition->n_blocks;

	packer->order = malloc(n * sizeof(*packer->order));
	packer->id = calloc(n, sizeof(*packer->id));
	packer->count = calloc(n, sizeof(*packer->count));
	return packer->order && packer->id && packer->count ? DFA_OK : DFA_NO_MEMORY;
}

enum dfa_status dfa_pack(struct dfa *dfa, const struct dfa_rows *rows, const struct dfa_partition *partition,
			 struct budget *budget)
{
	struct packer packer = { .rows = rows, .partition = partition, .budget = budget };
	enum dfa_status status = packer_init(&packer);

	memset(dfa, 0, sizeof(*dfa));
	if (status == DFA_OK)
		status = order_blocks(&packer);
	if (status == DFA_OK)
		status = place_rows(&packer);
	if (status == DFA_OK)
		status = write_pages(&packer, dfa);
	if (status != DFA_OK)
		dfa_clear(dfa);
	free(packer.order);
	free(packer.id);
	free(packer.count);
	return status;
}
