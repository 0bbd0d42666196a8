/* SPDX-License-Identifier: Apache-2.0 */
#include "cap/dfa_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int fail_too_much(const struct budget *budget, enum dfa_status status, uint32_t culprit, struct obmon_error *err)
{
	char limit[64];

	if (status == DFA_TOO_SLOW)
		snprintf(limit, sizeof(limit), "%" PRIu64 " million steps of work", budget->max_work / 1000000u);
	else
		snprintf(limit, sizeof(limit), "the memory for %u states", budget->max_states);
	if (!culprit)
		return obmon_fail(err, OBMON_ERR_CONFIG, "compiling the path rules takes more than %s", limit);
	return obmon_fail(err, OBMON_ERR_CONFIG,
			  "compiling the path rules takes more than %s; rule %u costs most, try fewer wildcards "
			  "in it",
			  limit, culprit);
}

static int fail_compile(const struct budget *budget, enum dfa_status status, uint32_t culprit, struct obmon_error *err)
{
	switch (status) {
	case DFA_TOO_SLOW:
	case DFA_TOO_BIG:
		return fail_too_much(budget, status, culprit, err);
	case DFA_NO_MEMORY:
		return obmon_fail(err, OBMON_ERR_INTERNAL, "out of memory while compiling path rules");
	default:
		return obmon_fail(err, OBMON_ERR_INTERNAL, "the minimal automaton can't be verified");
	}
}

int dfa_compile(struct dfa *dfa, struct dfa_builder *builder, uint32_t *culprit, struct obmon_error *err)
{
	struct dfa_partition partition = { 0 };
	enum dfa_status status;
	struct budget budget;
	struct dfa_rows rows;
	uint32_t costly;

	memset(dfa, 0, sizeof(*dfa));
	budget_start(&budget, &builder->limits);
	status = dfa_determinize(&rows, &builder->nfa, &budget, &costly);
	if (status == DFA_OK)
		status = dfa_minimize(&partition, &rows, &budget);
	if (status == DFA_OK)
		status = dfa_pack(dfa, &rows, &partition, &budget);
	dfa_partition_clear(&partition);
	dfa_rows_clear(&rows);
	if (culprit)
		*culprit = status == DFA_TOO_SLOW || status == DFA_TOO_BIG ? costly : 0;
	return status == DFA_OK ? 0 : fail_compile(&budget, status, costly, err);
}

void dfa_clear(struct dfa *dfa)
{
	free(dfa->pages);
	memset(dfa, 0, sizeof(*dfa));
}

static const struct obmon_dfa_page *page_of(const struct dfa *dfa, uint32_t state)
{
	return &dfa->pages[state >> OBMON_DFA_PAGE_SHIFT];
}

uint32_t dfa_walk(const struct dfa *dfa, uint32_t state, const void *bytes, size_t length)
{
	const unsigned char *at = bytes, *end = at + length;

	while (at < end && state != OBMON_DFA_DEAD)
		at += obmon_dfa_run(page_of(dfa, state), dfa->columns, at, (size_t)(end - at), &state);
	return state;
}

const struct obmon_dfa_accept *dfa_accept(const struct dfa *dfa, uint32_t state)
{
	const uint32_t number = obmon_dfa_cell(page_of(dfa, state), state, OBMON_DFA_COL_ACCEPT, 0);
	const struct obmon_dfa_page *records = dfa->pages + dfa->n_comb_pages;

	if (state == OBMON_DFA_DEAD || number == 0)
		return NULL;
	return (const struct obmon_dfa_accept *)(records + (number >> OBMON_DFA_ACCEPT_SHIFT)) +
	       (number & OBMON_DFA_ACCEPT_MASK);
}

uint32_t dfa_residual(const struct dfa *dfa, uint32_t state)
{
	if (state == OBMON_DFA_DEAD)
		return 0;
	return obmon_dfa_cell(page_of(dfa, state), state, OBMON_DFA_COL_RESIDUAL, 0);
}
