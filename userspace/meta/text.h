/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file text.h
 * Is it text that YAML can be read from, and where in it is what?
 */
#ifndef OBMON_META_TEXT_H
#define OBMON_META_TEXT_H

#include <stddef.h>

#include "cap/types.h"
#include "obmon/error.h"

/** Refuse what isn't UTF-8 text of characters that YAML allows; the error says where and why. */
int text_check(const struct cap_span *text, struct obmon_error *err);

/** The byte order mark that may open UTF-8 text: skipped by readers, and it takes no column. */
size_t text_byte_order_mark(const char *text, size_t length);

/**
 * A position in UTF-8 text. libyaml counts characters, and takes five things for the end of a line;
 * obmon's messages count bytes and line feeds, as editors and grep do.
 */
struct text_cursor {
	const char *text;
	size_t length;
	size_t character, offset; /**< the same position, in either unit */
	size_t line_start;        /**< offset of the first byte of its line */
	unsigned line;            /**< 0 for the first */
};

void text_cursor_init(struct text_cursor *cursor, const struct cap_span *text);

/** Move to @character. Moving forward costs the distance, moving back starts anew. */
void text_cursor_to_character(struct text_cursor *cursor, size_t character);

/** The place of @cursor, given that its text stands at @text->where: see document_parse(). */
struct obmon_location text_cursor_location(const struct text_cursor *cursor, const struct cap_span *text);

#endif
