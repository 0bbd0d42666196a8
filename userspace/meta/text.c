/* SPDX-License-Identifier: Apache-2.0 */
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "meta/text.h"

size_t text_byte_order_mark(const char *text, size_t length)
{
	return length >= 3 && !memcmp(text, "\xef\xbb\xbf", 3) ? 3 : 0;
}

static size_t sequence_length(unsigned char lead)
{
	if (lead < 0x80)
		return 1;
	if (lead < 0xc2 || lead > 0xf4)
		return 0;
	return lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
}

/* Decode the character at @s (RFC 3629). @return its length, or 0 if there is none. */
static size_t decode(const unsigned char *s, size_t n, uint32_t *character)
{
	static const uint32_t smallest[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t length = sequence_length(s[0]);

	if (!length || length > n)
		return 0;
	*character = length == 1 ? s[0] : s[0] & (0x7f >> length);
	for (size_t i = 1; i < length; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		*character = *character << 6 | (s[i] & 0x3f);
	}
	if (*character < smallest[length] || *character > 0x10ffff || (*character >= 0xd800 && *character <= 0xdfff))
		return 0;
	return length;
}

/* YAML 1.1, production [1], c-printable. */
static bool is_printable(uint32_t c)
{
	return c == '\t' || c == '\n' || c == '\r' || (c >= 0x20 && c <= 0x7e) || c == 0x85 ||
	       (c >= 0xa0 && c != 0xfeff && c != 0xfffe && c != 0xffff);
}

static const char *describe(const struct cap_span *text, size_t at)
{
	uint32_t character;

	/* The marks of UTF-16 aren't UTF-8, and any ASCII in it has NULs beside it. */
	if (memchr(text->text, '\0', text->length) ||
	    (text->length >= 2 && (!memcmp(text->text, "\xff\xfe", 2) || !memcmp(text->text, "\xfe\xff", 2))))
		return "this file is binary or UTF-16, UTF-8 text is needed";
	if (!decode((const unsigned char *)text->text + at, text->length - at, &character))
		return "this isn't UTF-8";
	return "YAML doesn't allow this character";
}

int text_check(const struct cap_span *text, struct obmon_error *err)
{
	size_t at = text_byte_order_mark(text->text, text->length);
	struct obmon_location where = text->where;
	size_t line_start = at;

	while (at < text->length) {
		uint32_t character = 0;
		size_t length = decode((const unsigned char *)text->text + at, text->length - at, &character);

		if (!length || !is_printable(character)) {
			where.column += at - line_start;
			return obmon_fail_at(err, &where, "%s (0x%02x)", describe(text, at),
					     (unsigned char)text->text[at]);
		}
		at += length;
		if (character == '\n') {
			where.line++;
			line_start = at;
		}
	}
	return 0;
}

void text_cursor_init(struct text_cursor *cursor, const struct cap_span *text)
{
	size_t mark = text_byte_order_mark(text->text, text->length);

	*cursor = (struct text_cursor){
		.text = text->text,
		.length = text->length,
		.offset = mark,
		.line_start = mark,
	};
}

static void restart(struct text_cursor *cursor)
{
	struct cap_span text = { .text = cursor->text, .length = cursor->length };

	text_cursor_init(cursor, &text);
}

void text_cursor_to_character(struct text_cursor *cursor, size_t character)
{
	if (character < cursor->character)
		restart(cursor);
	while (cursor->character < character && cursor->offset < cursor->length) {
		bool newline = cursor->text[cursor->offset] == '\n';

		do
			cursor->offset++;
		while (cursor->offset < cursor->length && (cursor->text[cursor->offset] & 0xc0) == 0x80);
		cursor->character++;
		if (newline) {
			cursor->line++;
			cursor->line_start = cursor->offset;
		}
	}
}

struct obmon_location text_cursor_location(const struct text_cursor *cursor, const struct cap_span *text)
{
	return (struct obmon_location){
		.file = text->where.file,
		.line = text->where.line + cursor->line,
		.column = text->where.column + (cursor->offset - cursor->line_start),
	};
}
