/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Classes of bytes: two bytes that no rule tells apart share a column of every row.
 */
#include "cap/dfa_internal.h"

#include <stdlib.h>
#include <string.h>

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

uint32_t fold_classes(const struct nfa *nfa, uint8_t result[256])
{
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
		result[byte] = (uint8_t)dense[class_of[byte]];
	}
	return n_classes;
}

enum dfa_status class_sets_init(struct class_sets *sets, const struct nfa *nfa, const uint8_t class_of[256],
				uint32_t n_classes)
{
	uint32_t n = 0;

	sets->items = calloc(nfa->n_sets + UINT64_C(1), sizeof(*sets->items));
	sets->listed = malloc((nfa->n_sets + UINT64_C(1)) * (n_classes / 2 + 1));
	if (!sets->items || !sets->listed)
		return DFA_NO_MEMORY;
	for (uint32_t i = 0; i < nfa->n_sets; i++) {
		struct class_set *set = &sets->items[i];
		uint32_t size = 0;

		for (unsigned int byte = 0; byte < 256; byte++) {
			if (byte_set_has(&nfa->sets[i], byte))
				class_bit_set(set->bits, class_of[byte]);
		}
		for (unsigned int word = 0; word < 4; word++)
			size += (uint32_t)__builtin_popcountll(set->bits[word]);
		set->wide = size > n_classes / 2;
		set->first = n;
		for (uint32_t cls = 0; cls < n_classes; cls++) {
			if (class_bit(set->bits, cls) != set->wide)
				sets->listed[n++] = (uint8_t)cls;
		}
		set->n = n - set->first;
	}
	return DFA_OK;
}

void class_sets_clear(struct class_sets *sets)
{
	free(sets->items);
	free(sets->listed);
	memset(sets, 0, sizeof(*sets));
}
