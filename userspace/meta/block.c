/* SPDX-License-Identifier: Apache-2.0 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "meta/block.h"

#define OPENING "=== OmniNode:Metadata ==="
#define CLOSING "=== /OmniNode:Metadata ==="

/* How a language comments. */
struct comment_style {
	const char *sign;
	const char *end;   /* what may end the marker's line, or NULL */
	bool on_each_line; /* the sign stands on each line of a block, not just around it */
};

static const struct comment_style styles[] = {
	{ "#", NULL, true },
	{ "//", NULL, true },
	{ "<!--", "-->", false },
};

/* A line, and how it is numbered. */
struct line {
	const char *text;
	size_t length;
	unsigned number;
};

/* Everything there is to know while a block is read. */
struct reader {
	struct line line;
	const char *rest, *end; /* what follows `line` in the file */
	const struct comment_style *style;
	struct line opening;
	size_t head;     /* bytes before and with the comment sign: the same bytes begin each line */
	size_t stripped; /* bytes that each line loses in front; 0 as long as that isn't known */
	const char *path;
	struct obmon_error *err;
};

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static size_t count_blanks(const struct line *line, size_t from)
{
	size_t n = from;

	while (n < line->length && is_blank(line->text[n]))
		n++;
	return n - from;
}

static bool next_line(struct reader *reader)
{
	const char *newline;

	if (reader->rest == reader->end)
		return false;
	newline = memchr(reader->rest, '\n', reader->end - reader->rest);
	reader->line.text = reader->rest;
	reader->line.length = (newline ? newline : reader->end) - reader->rest;
	reader->line.number++;
	reader->rest = newline ? newline + 1 : reader->end;
	return true;
}

/* Move @at past @word in @line, if it stands there. */
static bool skip_word(const struct line *line, size_t *at, const char *word)
{
	size_t n = strlen(word);

	if (line->length - *at < n || memcmp(line->text + *at, word, n) != 0)
		return false;
	*at += n;
	return true;
}

/* Is @line nothing but @marker as a comment of @style? The sign may be absent where it isn't on each line. */
static bool is_marker(const struct line *line, const char *marker, const struct comment_style *style, bool sign_needed)
{
	size_t at = count_blanks(line, 0);

	if (!skip_word(line, &at, style->sign) && sign_needed)
		return false;
	at += count_blanks(line, at);
	if (!skip_word(line, &at, marker))
		return false;
	at += count_blanks(line, at);
	if (style->end && skip_word(line, &at, style->end))
		at += count_blanks(line, at);
	return at == line->length;
}

static const struct comment_style *opening_style(const struct line *line)
{
	/* Most lines of a source file aren't markers; this spares them the closer look. */
	if (!memmem(line->text, line->length, OPENING, strlen(OPENING)))
		return NULL;
	for (size_t i = 0; i < sizeof(styles) / sizeof(styles[0]); i++)
		if (is_marker(line, OPENING, &styles[i], true))
			return &styles[i];
	return NULL;
}

static int fail_line(struct reader *reader, const struct line *line, size_t offset, const char *what)
{
	struct obmon_location where = { .file = reader->path, .line = line->number, .column = offset + 1 };

	return obmon_fail_at(reader->err, &where, "%s (the metadata block opened at line %u)", what,
			     reader->opening.number);
}

/* How many bytes of the current line come before its YAML text; -1 with an error if it isn't of the block. */
static ssize_t prefix_length(struct reader *reader)
{
	const struct line *line = &reader->line;
	size_t blanks;

	if (!reader->style->on_each_line)
		return 0;
	if (count_blanks(line, 0) == line->length)
		return (ssize_t)line->length;
	if (line->length < reader->head || memcmp(line->text, reader->opening.text, reader->head) != 0)
		return fail_line(reader, line, 0, "this line doesn't start with the comment sign of the block");
	blanks = count_blanks(line, reader->head);
	if (reader->head + blanks == line->length)
		return (ssize_t)line->length;
	if (!reader->stripped)
		reader->stripped = reader->head + blanks;
	if (reader->head + blanks < reader->stripped)
		return fail_line(reader, line, reader->head + blanks,
				 "this line is indented less than the first one of the block");
	return (ssize_t)reader->stripped;
}

/* Copy the lines up to the closing marker to @out. @return their length, or -1. */
static ssize_t copy_lines(struct reader *reader, char *out)
{
	char *end = out;

	while (next_line(reader)) {
		ssize_t prefix;

		if (is_marker(&reader->line, CLOSING, reader->style, reader->style->on_each_line))
			return end - out;
		prefix = prefix_length(reader);
		if (prefix < 0)
			return -1;
		end = mempcpy(end, reader->line.text + prefix, reader->line.length - prefix);
		*end++ = '\n';
	}
	return fail_line(reader, &reader->opening, 0, "the metadata block isn't closed: '" CLOSING "' is missing");
}

static int read_block(struct cap_span *block, struct reader *reader)
{
	char *text = malloc(reader->end - reader->rest + 1);
	ssize_t n;

	if (!text)
		return obmon_fail(reader->err, OBMON_ERR_INTERNAL, "out of memory");
	n = copy_lines(reader, text);
	if (n < 0) {
		free(text);
		return -1;
	}
	block->text = text;
	block->length = n;
	block->where = (struct obmon_location){
		.file = reader->path,
		.line = reader->opening.number + 1,
		.column = reader->stripped + 1,
	};
	return 1;
}

int block_extract(struct cap_span *block, const struct source *source, const char *path, struct obmon_error *err)
{
	struct reader reader = {
		.rest = source->text,
		.end = source->text + source->length,
		.path = path,
		.err = err,
	};

	while (next_line(&reader)) {
		reader.style = opening_style(&reader.line);
		if (!reader.style)
			continue;
		reader.opening = reader.line;
		reader.head = count_blanks(&reader.line, 0) + strlen(reader.style->sign);
		return read_block(block, &reader);
	}
	return 0;
}
