/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * The automaton as the kernel reads it, and the one step function both sides run.
 *
 * A capability set is compiled to one minimal DFA over bytes. Its rows are overlaid in a comb (Ziegler's
 * row displacement, as lex and AppArmor use it): a state's id is the place of its row, and each entry
 * says in `check` whose it is. The comb is cut into pages of 32 KiB so that the kernel side can hold
 * sets of any size in a BPF array whose value size is fixed, and only has to look up a page when a step
 * leaves the current one. A row never crosses a page.
 *
 *   id     = page * OBMON_DFA_PAGE_SLOTS + slot, never 0 (0 is the dead state: no right, no way out)
 *   column = class of the byte, from 0; or one of the three that stand before these, from -3
 *   entry  = page.entry[slot + column], valid if entry.check == id
 *   next   = that entry's, else the row's default entry's (column -3), else dead
 *
 * Column -2 holds the row's accept number (an index into the accept records, which stand in pages of
 * their own behind the comb; record 0 is empty, so 0 can stand for "nothing"), column -1 its residual class:
 * two states with the same class grant the same rights to every continuation, rule ids ignored. Neither is
 * there for a row that accepts nothing / the dead state's class, 0.
 *
 * Entries that no row uses are all zero. So the dead state, whose number they bear, can be stepped from like
 * any other and leads back to itself.
 *
 * Input is the superblock's device, 4 bytes most significant first in the kernel's dev_t encoding
 * (major << 20 | minor), then the path from the root of the filesystem ("/", "/a/b"). Network endpoints are
 * names as well, on devices of their own: see net.h.
 */
#ifndef OBMON_ABI_DFA_H
#define OBMON_ABI_DFA_H

#ifndef __bpf__
#include <linux/types.h>
#endif

#define OBMON_DFA_PAGE_SHIFT 12u
#define OBMON_DFA_PAGE_SLOTS (1u << OBMON_DFA_PAGE_SHIFT)
#define OBMON_DFA_SLOT_MASK (OBMON_DFA_PAGE_SLOTS - 1u)
#define OBMON_DFA_PAGE_BYTES (OBMON_DFA_PAGE_SLOTS * 8u)

/* Columns before those of classes, which so begin at 0 and fit a byte, however many there are. */
#define OBMON_DFA_COLS_BEFORE 3u
#define OBMON_DFA_COL_DEFAULT (0u - 3u)
#define OBMON_DFA_COL_ACCEPT (0u - 2u)
#define OBMON_DFA_COL_RESIDUAL (0u - 1u)
/* The widest row: every byte a class of its own. */
#define OBMON_DFA_COLS_MAX (OBMON_DFA_COLS_BEFORE + 256u)

#define OBMON_DFA_DEAD 0u

struct obmon_dfa_entry {
	union {
		struct {
			__u32 check;
			__u32 next;
		};
		__u64 both; /* next << 32 | check */
	};
};

struct obmon_dfa_page {
	struct obmon_dfa_entry entry[OBMON_DFA_PAGE_SLOTS];
};

/* Rights of a name. The bit of right R is 1 << R; its quiet bit, 1 << (R + OBMON_RIGHT_QUIET_SHIFT), says
 * that a refusal for want of it is expected and leaves no record. */
enum obmon_right {
	OBMON_RIGHT_READ,    /* FILE_READ */
	OBMON_RIGHT_WRITE,   /* FILE_WRITE */
	OBMON_RIGHT_EXEC,    /* EXTERNAL_COMMAND; implies that the file may be mapped executable */
	OBMON_RIGHT_LOAD,    /* LIBRARY_LOAD */
	OBMON_RIGHT_LIST,    /* open a directory for reading; FILE_READ on the directory's own name gives it too */
	OBMON_RIGHT_CONNECT, /* NETWORK_CONNECT */
	OBMON_RIGHT_LISTEN,  /* NETWORK_LISTEN; FILE_WRITE on a unix socket's name gives it too */
	OBMON_RIGHT_MAX,
};

#define OBMON_RIGHT_QUIET_SHIFT 8u
#define OBMON_RIGHT_BIT(r) (1u << (r))
#define OBMON_RIGHTS_ALL ((1u << OBMON_RIGHT_MAX) - 1u)
/* Not a right but its opposite: obmon's own state, refused whatever else is granted, in audit mode too. */
#define OBMON_RIGHT_NEVER (1u << 31)

#define OBMON_DFA_ACCEPT_SHIFT 8u
#define OBMON_DFA_ACCEPTS_PER_PAGE (1u << OBMON_DFA_ACCEPT_SHIFT)
#define OBMON_DFA_ACCEPT_MASK (OBMON_DFA_ACCEPTS_PER_PAGE - 1u)

/* What a state gives: rights, for each the lowest rule id (from 1) that grants it, and how often the
 * kernel allowed an operation by it (counted in the kernel, read by user space). */
struct obmon_dfa_accept {
	__u32 rights;
	__u32 reserved;
	__u32 rule[8];
	__u64 hits[8];
	__u8 pad[24];
};

#ifndef __bpf__
_Static_assert(sizeof(struct obmon_dfa_entry) == 8, "comb entries are 8 bytes");
_Static_assert(sizeof(struct obmon_dfa_page) == OBMON_DFA_PAGE_BYTES, "a page is 32 KiB");
_Static_assert(sizeof(struct obmon_dfa_accept) * OBMON_DFA_ACCEPTS_PER_PAGE == OBMON_DFA_PAGE_BYTES,
	       "accept records fill a page exactly");
_Static_assert(OBMON_RIGHT_MAX <= 8, "an accept record has room for 8 rights");
#endif

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "an entry is read as one number, with `check` in its lower half"
#endif

/*
 * The bound on an index into a page, kept where the compiler cannot see through it: clang drops an
 * `x & MASK` that it can prove redundant and the BPF verifier then cannot.
 */
static inline __attribute__((always_inline)) __u64 obmon_dfa_slot(__u64 index)
{
#ifdef __bpf__
	asm volatile("" : "+r"(index));
#endif
	return index & OBMON_DFA_SLOT_MASK;
}

/* The entry at @column of the row @state, `check` in its lower half. @page must be the page of @state. */
static inline __attribute__((always_inline)) __u64 obmon_dfa_entry_at(const struct obmon_dfa_page *page, __u64 state,
								      __u64 column)
{
	return page->entry[obmon_dfa_slot(state + column)].both;
}

/* The value of column @column in the row @state, or @otherwise. @page must be the page of @state. */
static inline __attribute__((always_inline)) __u32 obmon_dfa_cell(const struct obmon_dfa_page *page, __u32 state,
								  __u32 column, __u32 otherwise)
{
	__u64 entry = obmon_dfa_entry_at(page, state, column);

	return (__u32)entry == state ? (__u32)(entry >> 32) : otherwise;
}

/*
 * Run from *@state over up to @n bytes at @bytes, or until a step leaves @page, the page of *@state. @columns
 * says for each byte the column of its class. *@state is moved on. @return how many bytes were read.
 *
 * In 64 bits, and counting up from a constant: less work for the processor, and for the BPF verifier.
 */
static inline __attribute__((always_inline)) __u64 obmon_dfa_run(const struct obmon_dfa_page *page, const __u8 *columns,
								 const __u8 *bytes, __u64 n, __u32 *state)
{
	__u64 at = *state, number = at >> OBMON_DFA_PAGE_SHIFT, i;

	for (i = 0; i < n; i++) {
		__u64 entry = obmon_dfa_entry_at(page, at, columns[bytes[i]]);

		if ((__u32)entry == (__u32)at)
			at = entry >> 32;
		else
			at = obmon_dfa_cell(page, (__u32)at, OBMON_DFA_COL_DEFAULT, OBMON_DFA_DEAD);
		if (at >> OBMON_DFA_PAGE_SHIFT != number) {
			i++;
			break;
		}
	}
	*state = (__u32)at;
	return i;
}

#endif
