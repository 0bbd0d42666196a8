/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file glob.h
 * Path globs.
 *
 *   `*`      any bytes but '/', also none            `?`     one byte but '/'
 *   `[a-z]`  one byte of the class, `[!x]` not of it; never '/'; classes list ASCII only
 *   `{a,b}`  either; may nest and may hold '/'       `\x`    the byte x itself
 *   `**`     as a whole component: any number of components, also none: between `a` and `b` it matches
 *            `a/b`, after `a` it matches `a` and all below it; within a component (`lib**.so`): any bytes
 *
 * `//`, `.` and a trailing `/` are resolved when the pattern is read; `..` is an error, so is a pattern
 * that can match nothing. Matching is by byte, whatever the locale. A leading dot is nothing special.
 * A component is never empty: a `*` after `/a/` matches neither `/a` nor `/a/`, one after `/` not `/`.
 *
 * What shells disagree about is refused rather than guessed: three stars in a row, `[]`, `[^`, `[[:alpha:]]`,
 * '/' in a class, `{}`, a brace or class that isn't closed, braces of which only some branches are absolute.
 * Two stars make a `**` only where they are written together: `{*,x}*` is `*` and `x*`.
 */
#ifndef OBMON_CAP_GLOB_H
#define OBMON_CAP_GLOB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "obmon/error.h"

enum glob_kind {
	GLOB_BYTE,      /**< one byte: `byte` */
	GLOB_SET,       /**< one byte of `set`; '/' is never in it */
	GLOB_STAR,      /**< any run of bytes without '/' */
	GLOB_DEEP,      /**< any run of bytes */
	GLOB_DEEP_DIRS, /**< nothing, or any run of bytes that ends in '/': the middle of `a/` `**` `/b` */
	GLOB_DEEP_TAIL, /**< nothing, or '/' and any run of bytes: the end of `a` `/` `**` */
};

struct glob_token {
	enum glob_kind kind;
	unsigned char byte;
	uint64_t set[4]; /**< bit b of word w: byte 64 * w + b */
};

/** One brace-free alternative. A match consumes all tokens and the whole path. */
struct glob_alternative {
	struct glob_token *tokens;
	size_t n;
	size_t literal; /**< how many tokens at the start are GLOB_BYTE and end at a component's end: 2 in
			 * `/a/b*`, 0 (the root) in `/a*`, n in a pattern without wildcards */
};

/** A parsed pattern: the union of its alternatives. It always starts with '/'. */
struct glob {
	struct glob_alternative *alternatives;
	size_t n;
};

/** Longest text of a pattern, in bytes: that of a path. */
#define GLOB_LENGTH_MAX 4096

/** Most alternatives that one pattern's braces may expand to; more is an error. */
#define GLOB_ALTERNATIVES_MAX 1024

/**
 * Parse @text. A pattern that doesn't start with '/' is relative to @base, an absolute literal path (not
 * a glob); NULL makes a relative pattern an error. @where is where @text starts (NULL or column 0: unknown);
 * errors name the column, or the byte within the pattern where columns are unknown. @glob is left empty on
 * failure.
 */
int glob_parse(struct glob *glob, const char *text, size_t length, const char *base, const struct obmon_location *where,
	       struct obmon_error *err);

void glob_clear(struct glob *glob);

/**
 * Does @glob match @path? The naive backtracking-free matcher (token sets), which the automaton is held
 * against in tests; not for hot paths.
 */
bool glob_match(const struct glob *glob, const char *path, size_t length);

/**
 * The patterns of directories that may be listed because of @glob: for each component with a wildcard,
 * what stands before it (`/a/x*` + `/b`: `/a`); from a `**` on, also everything that it crosses. Not the
 * matches of @glob itself. @listing may come out empty (n == 0).
 */
int glob_listing(struct glob *listing, const struct glob *glob, struct obmon_error *err);

/**
 * @path as a pattern that matches it: just it, except that a control byte, which no capability may hold, becomes
 * `?`. Caller frees; NULL when out of memory.
 */
char *glob_escape(const char *path);

#endif
