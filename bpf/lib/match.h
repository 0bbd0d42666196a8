/* SPDX-License-Identifier: GPL-2.0-only */
/* The automaton at work: one pass over a name. The step itself is in <obmon/abi/dfa.h>. */
#ifndef OBMON_BPF_MATCH_H
#define OBMON_BPF_MATCH_H

#include "subject.h"

/* Bytes a callback takes at most: as many as a usual component has. More would be checked by the verifier, one by
 * one, in every program. */
#define MATCH_STRIDE 16u
/* A callback ends early where the automaton steps onto another page, which may be at every byte. */
#define MATCH_STRIDES_MAX (NAME_END + 1)

struct matching {
	struct obmon_run *run;
	struct name *name;
	__u32 slot;
};

static __always_inline struct obmon_dfa_page *page_of(void *pages, __u32 number)
{
	return bpf_map_lookup_elem(pages, &number);
}

/*
 * Run the automaton over the next MATCH_STRIDE bytes of the name, or up to where it leaves a page. The loop
 * calls nothing, so that all it needs stays in registers. name->failure is cleared at the end of the name.
 */
static long match_stride(__u32 index, struct matching *matching)
{
	struct name *name = matching->name;
	struct obmon_run *run = matching->run;
	__u32 slot = matching->slot, state = name->state;
	__u64 at = name->at, left;
	void *pages = bpf_map_lookup_elem(&obmon_policies, &slot);
	struct obmon_dfa_page *page;

	if (!pages)
		return 1;
	page = page_of(pages, state >> OBMON_DFA_PAGE_SHIFT);
	asm volatile("" : "+r"(at));
	if (!page || at > NAME_END)
		return 1;
	left = (at < name->last ? name->last : NAME_END) - at;
	if (left > MATCH_STRIDE)
		left = MATCH_STRIDE;
	name->at += obmon_dfa_run(page, run->columns, &name->bytes[at], left, &state);
	name->state = state;
	if (name->at <= name->last) /* ends up as the state before the last component, which a memo keeps */
		name->parent_state = state;
	if (name->at < NAME_END && state != OBMON_DFA_DEAD)
		return 0;
	name->failure = OBMON_FAIL_NONE;
	return 1;
}

/* Which of the rights that imply @right gave it: the one whose use is counted. */
static __always_inline __u32 right_used(__u32 rights, __u32 right)
{
	if (rights & OBMON_RIGHT_BIT(right))
		return right;
	switch (right) {
	case OBMON_RIGHT_LIST:
		return OBMON_RIGHT_READ;
	case OBMON_RIGHT_LISTEN:
		return OBMON_RIGHT_WRITE;
	default:
		return OBMON_RIGHT_EXEC;
	}
}

/* Reading a file lets a directory be listed, executing it lets it be mapped, writing it a socket be made there. */
static __always_inline __u32 rights_implied(__u32 rights)
{
	if (rights & OBMON_RIGHT_BIT(OBMON_RIGHT_READ))
		rights |= OBMON_RIGHT_BIT(OBMON_RIGHT_LIST);
	if (rights & OBMON_RIGHT_BIT(OBMON_RIGHT_EXEC))
		rights |= OBMON_RIGHT_BIT(OBMON_RIGHT_LOAD);
	if (rights & OBMON_RIGHT_BIT(OBMON_RIGHT_WRITE))
		rights |= OBMON_RIGHT_BIT(OBMON_RIGHT_LISTEN);
	return rights;
}

static __always_inline void match_count(struct obmon_dfa_accept *accept, __u32 need)
{
	__u32 right;

	for (right = 0; right < OBMON_RIGHT_MAX; right++)
		if (need & OBMON_RIGHT_BIT(right))
			count(&accept->hits[right_used(accept->rights, right) & 7]);
}

/* What @state of @page gives: the empty record for nothing, NULL if a page is missing. */
static __always_inline struct obmon_dfa_accept *match_accept(struct obmon_run *run, void *pages,
							     struct obmon_dfa_page *page, __u32 state)
{
	__u32 number = obmon_dfa_cell(page, state, OBMON_DFA_COL_ACCEPT, 0); /* record 0 gives nothing */
	struct obmon_dfa_accept *accept = (void *)page_of(pages, run->accept_page + (number >> OBMON_DFA_ACCEPT_SHIFT));

	if (!accept)
		return NULL;
	asm volatile("" : "+r"(number));
	return accept + (number & OBMON_DFA_ACCEPT_MASK);
}

/* What the state that was reached gives. If that covers @need, the grants behind it are counted as used. */
static __always_inline void match_result(struct name *name, struct obmon_run *run, void *pages, __u32 need)
{
	__u32 state = name->state;
	struct obmon_dfa_page *page = page_of(pages, state >> OBMON_DFA_PAGE_SHIFT);
	struct obmon_dfa_accept *accept;

	if (!page)
		return;
	name->residual = obmon_dfa_cell(page, state, OBMON_DFA_COL_RESIDUAL, 0);
	accept = match_accept(run, pages, page, state);
	if (!accept)
		return;
	name->failure = OBMON_FAIL_NONE;
	name->rights = accept->rights;
	if (!(need & ~rights_implied(accept->rights)))
		match_count(accept, need);
}

/* Put the device in front of the name: the automaton reads it first, most significant byte first. */
static __always_inline __u32 name_with_device(struct name *name)
{
	__u32 start = name->start - 4;

	asm volatile("" : "+r"(start));
	if (start >= NAME_END)
		return NAME_END;
	name->bytes[start] = name->dev >> 24;
	name->bytes[start + 1] = name->dev >> 16;
	name->bytes[start + 2] = name->dev >> 8;
	name->bytes[start + 3] = name->dev;
	return start;
}

/*
 * Look the name @use up in the automaton of @slot: fills its rights, residual and failure. With @from_start the
 * name is whole, and name->parent_state is filled as well; else only its last component stands in the buffer,
 * and the automaton goes on from name->state.
 * A global function, which the verifier checks once, however often and from wherever it is called.
 */
__noinline int match_name(__u32 scratch_index, __u32 use, __u32 slot, __u32 need, __u32 from_start)
{
	struct scratch *scratch = bpf_map_lookup_elem(&obmon_scratch, &scratch_index);
	struct obmon_run *run = bpf_map_lookup_elem(&obmon_runs, &slot);
	void *pages = bpf_map_lookup_elem(&obmon_policies, &slot);
	struct matching matching;
	struct name *name;

	if (!scratch || !run || use >= NAME_USES)
		return 0; /* can't be: the caller has looked both up; and name->failure is still set */
	name = &scratch->name[use];
	name->failure = OBMON_FAIL_NO_POLICY;
	name->rights = 0;
	name->residual = 0;
	if (!pages)
		return 0;
	matching.run = run;
	matching.name = name;
	matching.slot = slot;
	if (from_start) {
		name->state = run->start;
		name->at = name_with_device(name);
	}
	bpf_loop(MATCH_STRIDES_MAX, match_stride, &matching, 0);
	if (name->failure)
		return 0;
	name->failure = OBMON_FAIL_NO_POLICY;
	match_result(name, run, pages, need);
	return 0;
}

#endif
