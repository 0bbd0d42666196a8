/* SPDX-License-Identifier: Apache-2.0 */
#include "cap/dfa_internal.h"

#include <stdlib.h>
#include <string.h>

void budget_start(struct budget *budget, const struct dfa_limits *limits)
{
	budget->max_states = limits->max_states ? limits->max_states : DFA_MAX_STATES;
	budget->max_work = limits->max_work ? limits->max_work : DFA_MAX_WORK;
	budget->work = 0;
}

void *vector_grow(void *items, uint32_t *capacity, uint64_t needed, size_t size)
{
	uint64_t grown = *capacity + *capacity / 2u;
	void *moved;

	if (grown < needed)
		grown = needed + 16;
	if (grown > UINT32_MAX)
		return NULL;
	moved = reallocarray(items, grown, size);
	if (moved)
		*capacity = (uint32_t)grown;
	return moved;
}

#define ID_TABLE_MIN 64u

static void id_table_place(struct id_table *table, uint64_t slot)
{
	uint32_t cursor = (uint32_t)(slot >> 32) & table->mask;

	while (table->slots[cursor])
		cursor = (cursor + 1) & table->mask;
	table->slots[cursor] = slot;
}

static int id_table_grow(struct id_table *table)
{
	struct id_table grown = { .used = table->used };
	const uint32_t size = table->slots ? 2 * (table->mask + 1) : ID_TABLE_MIN;

	grown.slots = calloc(size, sizeof(*grown.slots));
	if (!grown.slots)
		return -1;
	grown.mask = size - 1;
	for (uint32_t i = 0; table->slots && i <= table->mask; i++) {
		if (table->slots[i])
			id_table_place(&grown, table->slots[i]);
	}
	free(table->slots);
	*table = grown;
	return 0;
}

int id_table_insert(struct id_table *table, uint64_t hash, uint32_t id)
{
	/* three quarters full at most: probes stay short */
	if (!table->slots || table->used >= table->mask - table->mask / 4) {
		if (id_table_grow(table))
			return -1;
	}
	id_table_place(table, (hash >> 32) << 32 | (id + 1));
	table->used++;
	return 0;
}

void id_table_clear(struct id_table *table)
{
	free(table->slots);
	memset(table, 0, sizeof(*table));
}

void accept_merge(struct accept *into, const struct accept *other)
{
	into->rights |= other->rights;
	for (unsigned int right = 0; right < OBMON_RIGHT_MAX; right++) {
		const uint32_t rule = other->rule[right];

		if (rule && (!into->rule[right] || rule < into->rule[right]))
			into->rule[right] = rule;
	}
}

bool accept_equal(const struct accept *a, const struct accept *b)
{
	return memcmp(a, b, sizeof(*a)) == 0; /* words only, no padding */
}

uint64_t accept_hash(const struct accept *accept)
{
	uint64_t hash = mix64(accept->rights);

	for (unsigned int right = 0; right < OBMON_RIGHT_MAX; right++)
		hash = mix64(hash ^ accept->rule[right]);
	return hash;
}

int accept_pool_init(struct accept_pool *pool)
{
	static const struct accept none;

	memset(pool, 0, sizeof(*pool));
	return accept_pool_intern(pool, &none) == 0 ? 0 : -1;
}

uint32_t accept_pool_intern(struct accept_pool *pool, const struct accept *accept)
{
	const uint64_t hash = accept_hash(accept);
	struct accept *items;
	uint32_t cursor, id;

	for (cursor = id_table_first(&pool->index, hash); id_table_next(&pool->index, hash, &cursor, &id);) {
		if (accept_equal(&pool->items[id], accept))
			return id;
	}
	items = vector_reserve(pool->items, &pool->capacity, pool->n + UINT64_C(1), sizeof(*items));
	if (!items)
		return UINT32_MAX;
	pool->items = items;
	if (id_table_insert(&pool->index, hash, pool->n))
		return UINT32_MAX;
	items[pool->n] = *accept;
	return pool->n++;
}

void accept_pool_clear(struct accept_pool *pool)
{
	free(pool->items);
	id_table_clear(&pool->index);
	memset(pool, 0, sizeof(*pool));
}
