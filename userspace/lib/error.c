/* SPDX-License-Identifier: Apache-2.0 */
#include "obmon/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static const char ellipsis[] = "...";

/*
 * Raw text is formatted into a buffer a little longer than a message: escaping only lengthens it, so whatever
 * doesn't fit here would not have fitted there, and a character cut at the very end lies behind the cut.
 */
#define RAW_MAX (OBMON_ERROR_MESSAGE_MAX + 8)

/* Length of the UTF-8 sequence that starts with @lead, 0 if none does; the lead's share of its @value. */
static size_t utf8_lead(unsigned char lead, unsigned int *value)
{
	if (lead >= 0xc2 && lead <= 0xdf) {
		*value = lead & 0x1f;
		return 2;
	}
	if ((lead & 0xf0) == 0xe0) {
		*value = lead & 0x0f;
		return 3;
	}
	if (lead >= 0xf0 && lead <= 0xf4) {
		*value = lead & 0x07;
		return 4;
	}
	return 0;
}

/*
 * How many bytes at @s make one character that a terminal or a log may see as it is; 0 if the first byte must
 * be escaped: ASCII and C1 controls, and what isn't UTF-8 (RFC 3629), which terminals may take for the
 * latter.
 */
static size_t printable_length(const unsigned char *s, size_t n)
{
	static const unsigned int smallest[] = { 0, 0, 0xa0, 0x800, 0x10000 };
	unsigned int value;
	size_t length;

	if (s[0] < 0x80)
		return s[0] >= 0x20 && s[0] != 0x7f;
	length = utf8_lead(s[0], &value);
	if (length == 0 || length > n)
		return 0;
	for (size_t i = 1; i < length; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		value = value << 6 | (s[i] & 0x3f);
	}
	if (value < smallest[length] || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff))
		return 0;
	return length;
}

/* Copy the @n bytes of @raw to @message, escaped, and cut with an ellipsis where that gets too long. */
static void escape(char message[OBMON_ERROR_MESSAGE_MAX], const char *raw, size_t n)
{
	const size_t room = OBMON_ERROR_MESSAGE_MAX - 1;
	size_t used = 0, cut = 0;

	for (size_t i = 0; i < n;) {
		size_t length = printable_length((const unsigned char *)raw + i, n - i);
		char escaped[5];
		const char *piece = raw + i;
		size_t piece_length = length;

		if (length == 0) {
			snprintf(escaped, sizeof(escaped), "\\x%02x", (unsigned char)raw[i]);
			piece = escaped;
			piece_length = 4;
			length = 1;
		}
		if (used + piece_length > room) {
			memcpy(message + cut, ellipsis, sizeof(ellipsis));
			return;
		}
		memcpy(message + used, piece, piece_length);
		used += piece_length;
		i += length;
		if (used + sizeof(ellipsis) - 1 <= room)
			cut = used;
	}
	message[used] = '\0';
}

/* Appending formatted text to a raw buffer; the rest is dropped, escape() marks the cut. */
struct raw_text {
	char text[RAW_MAX];
	size_t n;
};

static void raw_vappend(struct raw_text *raw, const char *fmt, va_list args) __attribute__((format(printf, 2, 0)));

static void raw_vappend(struct raw_text *raw, const char *fmt, va_list args)
{
	const size_t room = sizeof(raw->text) - raw->n;
	int n = vsnprintf(raw->text + raw->n, room, fmt, args);

	if (n < 0) /* only for a broken format or out of memory: what we have so far is still worth telling */
		raw->text[raw->n] = '\0';
	else
		raw->n += (size_t)n < room ? (size_t)n : room - 1;
}

static void raw_append(struct raw_text *raw, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void raw_append(struct raw_text *raw, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	raw_vappend(raw, fmt, args);
	va_end(args);
}

/* @raw is never in @err, so that a message may quote the one it replaces. */
static int finish(struct obmon_error *err, enum obmon_error_code code, int errnum, const struct raw_text *raw)
{
	if (err) {
		err->code = code;
		err->errnum = errnum;
		escape(err->message, raw->text, raw->n);
	}
	return -1;
}

int obmon_fail(struct obmon_error *err, enum obmon_error_code code, const char *fmt, ...)
{
	const int saved = errno;
	struct raw_text raw = { .n = 0 };
	va_list args;

	va_start(args, fmt);
	raw_vappend(&raw, fmt, args);
	va_end(args);
	errno = saved;
	return finish(err, code, 0, &raw);
}

int obmon_fail_errno(struct obmon_error *err, enum obmon_error_code code, int errnum, const char *fmt, ...)
{
	const int saved = errno;
	struct raw_text raw = { .n = 0 };
	char buffer[128];
	va_list args;

	va_start(args, fmt);
	raw_vappend(&raw, fmt, args);
	va_end(args);
	raw_append(&raw, ": %s", strerror_r(errnum, buffer, sizeof(buffer)));
	errno = saved;
	return finish(err, code, errnum, &raw);
}

static void append_location(struct raw_text *raw, const struct obmon_location *where)
{
	if (where->file) {
		raw_append(raw, "%s:", where->file);
		if (where->line)
			raw_append(raw, "%u:", where->line);
		if (where->line && where->column)
			raw_append(raw, "%u:", where->column);
		raw_append(raw, " ");
	} else if (where->line && where->column) {
		raw_append(raw, "line %u, column %u: ", where->line, where->column);
	} else if (where->line) {
		raw_append(raw, "line %u: ", where->line);
	} else if (where->column) {
		raw_append(raw, "column %u: ", where->column);
	}
}

int obmon_fail_at(struct obmon_error *err, const struct obmon_location *where, const char *fmt, ...)
{
	const int saved = errno;
	struct raw_text raw = { .n = 0 };
	va_list args;

	if (where)
		append_location(&raw, where);
	va_start(args, fmt);
	raw_vappend(&raw, fmt, args);
	va_end(args);
	errno = saved;
	return finish(err, OBMON_ERR_CONFIG, 0, &raw);
}

int obmon_exit_status(enum obmon_error_code code)
{
	static const unsigned char status[] = {
		[OBMON_OK] = 0,
		[OBMON_ERR_CONFIG] = 2,
		[OBMON_ERR_SECURITY] = 5,
		[OBMON_ERR_TIMEOUT] = 124,
		[OBMON_ERR_HOST] = 125,
		[OBMON_ERR_INTERNAL] = 125,
		[OBMON_ERR_CANNOT_RUN] = 126,
		[OBMON_ERR_NOT_FOUND] = 127,
	};

	_Static_assert(sizeof(status) == OBMON_ERR_NOT_FOUND + 1, "every error code has an exit status");
	if ((size_t)code >= sizeof(status))
		return status[OBMON_ERR_INTERNAL];
	return status[code];
}
