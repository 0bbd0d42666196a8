/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A pattern is read in three steps: its text becomes lexemes (tokens and brace marks), the lexemes are
 * expanded to alternatives one by one, and each alternative is resolved, component by component, to its
 * final tokens.
 */
#include "cap/glob.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Braces nested deeper than this are refused: it bounds the recursion of expand(). */
#define NESTING_MAX 32

/* How much of a pattern an error quotes, so that the message isn't cut before it says what is wrong. */
#define SHOWN_MAX 200

/* Most tokens of all alternatives of one pattern together; 1,024 alternatives of 64 bytes fit. */
#define TOKENS_MAX (GLOB_ALTERNATIVES_MAX * 256u)

/*
 * No alternative is longer: each byte of a pattern makes at most two tokens (the `*` of a component that is
 * nothing else), each byte of a base one; two '/' that aren't in the text, before the base and between the
 * two; and the tail that a listing adds.
 */
#define ALTERNATIVE_TOKENS_MAX (3 * GLOB_LENGTH_MAX + 3)

enum lexeme_kind {
	LEXEME_TOKEN,
	LEXEME_OPEN,  /* `{`; its first branch follows */
	LEXEME_COMMA, /* within braces; the next branch follows */
	LEXEME_CLOSE,
	LEXEME_END,
};

struct lexeme {
	enum lexeme_kind kind;
	bool from_class; /* a byte that was written as `[x]` */
	struct glob_token token;
	size_t offset; /* in the pattern's text */
	size_t next;   /* OPEN, COMMA: index of the COMMA or CLOSE that ends the branch */
	size_t close;  /* OPEN: index of its CLOSE */
	size_t branch; /* OPEN, COMMA: how many ways the branch expands */
	size_t total;  /* OPEN: sum of its branches */
};

/* Braces that are open where the reader stands; the first is the whole pattern. */
struct open_brace {
	size_t open;      /* index of the OPEN */
	size_t separator; /* index of the OPEN or COMMA whose branch is being read */
	size_t ways;      /* of the branch so far */
};

struct reader {
	const char *text;
	size_t length;
	const struct obmon_location *where;
	struct obmon_error *err;
	struct lexeme *lexemes;
	size_t n;
	struct open_brace open[NESTING_MAX + 1];
	size_t depth; /* open[depth] is the innermost */
};

/* Tokens of one alternative in the making. */
struct draft {
	struct glob_token *tokens;
	size_t n;
	bool deep; /* a `**` component that waits for what follows it */
};

/*
 * ---- Errors
 */

static int fail_pattern(const struct reader *reader, size_t offset, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static int fail_pattern(const struct reader *reader, size_t offset, const char *fmt, ...)
{
	const int shown = reader->length < SHOWN_MAX ? (int)reader->length : SHOWN_MAX;
	const char *more = reader->length > SHOWN_MAX ? "..." : "";
	struct obmon_location where = { 0 };
	char what[256];
	va_list args;

	va_start(args, fmt);
	vsnprintf(what, sizeof(what), fmt, args);
	va_end(args);
	if (reader->where)
		where = *reader->where;
	if (where.column == 0)
		return obmon_fail_at(reader->err, &where, "pattern '%.*s'%s: %s (at byte %zu of the pattern)", shown,
				     reader->text, more, what, offset + 1);
	where.column += (unsigned int)offset;
	return obmon_fail_at(reader->err, &where, "pattern '%.*s'%s: %s", shown, reader->text, more, what);
}

static int fail_memory(struct obmon_error *err)
{
	return obmon_fail(err, OBMON_ERR_INTERNAL, "out of memory while reading a path pattern");
}

/*
 * ---- Sets of bytes
 */

static void set_add(struct glob_token *token, unsigned char byte)
{
	token->set[byte >> 6] |= UINT64_C(1) << (byte & 63);
}

static bool set_has(const struct glob_token *token, unsigned char byte)
{
	return token->set[byte >> 6] >> (byte & 63) & 1;
}

static void set_remove(struct glob_token *token, unsigned char byte)
{
	token->set[byte >> 6] &= ~(UINT64_C(1) << (byte & 63));
}

static struct glob_token token_byte(unsigned char byte)
{
	return (struct glob_token){ .kind = GLOB_BYTE, .byte = byte };
}

/* `?`, and the first byte of a component that is `*` */
static struct glob_token token_any_of_name(void)
{
	struct glob_token token = { .kind = GLOB_SET };

	memset(token.set, 0xff, sizeof(token.set));
	set_remove(&token, '/');
	return token;
}

/* The set's only byte, or -1 if it has several or none. */
static int set_single(const struct glob_token *token)
{
	int found = -1;

	for (unsigned int byte = 0; byte < 256; byte++) {
		if (!set_has(token, byte))
			continue;
		if (found >= 0)
			return -1;
		found = (int)byte;
	}
	return found;
}

/*
 * ---- Text to lexemes
 */

static struct lexeme *push_lexeme(struct reader *reader, enum lexeme_kind kind, size_t offset)
{
	struct lexeme *lexeme = &reader->lexemes[reader->n++];

	memset(lexeme, 0, sizeof(*lexeme));
	lexeme->kind = kind;
	lexeme->offset = offset;
	return lexeme;
}

/* One byte of a class at *@at, which is moved behind it. */
static int read_class_byte(struct reader *reader, size_t open, size_t *at, unsigned char *byte)
{
	const size_t start = *at;

	if (reader->text[*at] == '\\')
		++*at;
	if (*at >= reader->length)
		return fail_pattern(reader, open, "the class isn't closed, ']' is missing");
	*byte = (unsigned char)reader->text[(*at)++];
	if (*byte >= 0x80)
		return fail_pattern(reader, start, "a class lists ASCII only; '{x,y}' takes any character");
	if (*byte == '/')
		return fail_pattern(reader, start, "'/' can't be in a class, it separates components");
	return 0;
}

/* A byte or a range; a '-' that neither begins nor ends the class must stand between two bytes. */
static int read_class_item(struct reader *reader, size_t open, size_t *at, struct glob_token *token, bool first)
{
	const char *text = reader->text;
	const size_t start = *at;
	unsigned char low, high;

	if (text[start] == '[' && start + 1 < reader->length && strchr(":.=", text[start + 1]))
		return fail_pattern(reader, start, "named classes aren't supported; list the characters");
	if (text[start] == '-' && !first && start + 1 < reader->length && text[start + 1] != ']')
		return fail_pattern(reader, start, "a '-' between no two characters; write '\\-' to mean it");
	if (read_class_byte(reader, open, at, &low))
		return -1;
	high = low;
	if (*at + 1 < reader->length && text[*at] == '-' && text[*at + 1] != ']') {
		++*at;
		if (read_class_byte(reader, open, at, &high))
			return -1;
		if (high < low)
			return fail_pattern(reader, start, "the range runs backwards");
	}
	for (unsigned int byte = low; byte <= high; byte++)
		set_add(token, (unsigned char)byte);
	return 0;
}

/* `[...]` from its '[' at *@at, which is moved behind its ']'. */
static int read_class(struct reader *reader, size_t *at)
{
	const char *text = reader->text;
	const size_t open = *at;
	struct lexeme *lexeme = push_lexeme(reader, LEXEME_TOKEN, open);
	struct glob_token *token = &lexeme->token;
	bool negated = false, first = true;
	int single;

	token->kind = GLOB_SET;
	++*at;
	if (*at < reader->length && text[*at] == '^')
		return fail_pattern(reader, *at, "write '[!...]' for \"none of\", or '\\^' to mean itself");
	if (*at < reader->length && text[*at] == '!') {
		negated = true;
		++*at;
	}
	if (*at < reader->length && text[*at] == ']')
		return fail_pattern(reader, open, "the class is empty; write '\\]' for a ']' in it");
	for (; *at < reader->length && text[*at] != ']'; first = false) {
		if (read_class_item(reader, open, at, token, first))
			return -1;
	}
	if (*at >= reader->length)
		return fail_pattern(reader, open, "the class isn't closed, ']' is missing");
	++*at;
	for (size_t word = 0; negated && word < 4; word++)
		token->set[word] = ~token->set[word];
	set_remove(token, '/'); /* a range or a negation may have brought it in */
	single = set_single(token);
	if (single >= 0) {
		/* `[*]` is how people quote: a name, not a wildcard */
		*token = token_byte((unsigned char)single);
		lexeme->from_class = true;
	}
	return 0;
}

static int read_star(struct reader *reader, size_t *at)
{
	const size_t start = *at;
	size_t n = 0;

	while (*at < reader->length && reader->text[*at] == '*') {
		++*at;
		n++;
	}
	if (n > 2)
		return fail_pattern(reader, start, "more than two '*' in a row");
	push_lexeme(reader, LEXEME_TOKEN, start)->token.kind = n == 2 ? GLOB_DEEP : GLOB_STAR;
	return 0;
}

static int open_brace(struct reader *reader, size_t at)
{
	struct open_brace *brace;

	if (reader->depth == NESTING_MAX)
		return fail_pattern(reader, at, "braces nested more than %d deep", NESTING_MAX);
	if (at + 1 < reader->length && reader->text[at + 1] == '}')
		return fail_pattern(reader, at, "the braces are empty");
	brace = &reader->open[++reader->depth];
	brace->open = brace->separator = reader->n;
	brace->ways = 1;
	push_lexeme(reader, LEXEME_OPEN, at);
	return 0;
}

/* End the branch before the COMMA or CLOSE that is pushed next. */
static int end_branch(struct reader *reader)
{
	struct open_brace *brace = &reader->open[reader->depth];
	struct lexeme *open = &reader->lexemes[brace->open];
	struct lexeme *separator = &reader->lexemes[brace->separator];

	separator->branch = brace->ways;
	separator->next = reader->n;
	open->total += brace->ways;
	if (open->total > GLOB_ALTERNATIVES_MAX)
		return fail_pattern(reader, open->offset, "braces expand to more than %d alternatives",
				    GLOB_ALTERNATIVES_MAX);
	brace->separator = reader->n;
	brace->ways = 1;
	return 0;
}

static int close_brace(struct reader *reader, size_t at)
{
	struct lexeme *open;
	struct open_brace *outer;

	if (reader->depth == 0)
		return fail_pattern(reader, at, "'}' without '{'; write '\\}' to mean itself");
	if (end_branch(reader))
		return -1;
	open = &reader->lexemes[reader->open[reader->depth].open];
	open->close = reader->n;
	outer = &reader->open[--reader->depth];
	outer->ways *= open->total; /* both are at most GLOB_ALTERNATIVES_MAX */
	if (outer->ways > GLOB_ALTERNATIVES_MAX)
		return fail_pattern(reader, open->offset, "braces expand to more than %d alternatives",
				    GLOB_ALTERNATIVES_MAX);
	push_lexeme(reader, LEXEME_CLOSE, at);
	return 0;
}

static int read_lexeme(struct reader *reader, size_t *at)
{
	const size_t start = *at;

	switch (reader->text[start]) {
	case '*':
		return read_star(reader, at);
	case '[':
		return read_class(reader, at);
	case '{':
		++*at;
		return open_brace(reader, start);
	case '}':
		++*at;
		return close_brace(reader, start);
	case '?':
		++*at;
		push_lexeme(reader, LEXEME_TOKEN, start)->token = token_any_of_name();
		return 0;
	case ',':
		if (reader->depth == 0)
			break;
		++*at;
		if (end_branch(reader))
			return -1;
		push_lexeme(reader, LEXEME_COMMA, start);
		return 0;
	case '\\':
		if (++*at == reader->length)
			return fail_pattern(reader, start, "nothing follows the '\\'");
		break;
	}
	push_lexeme(reader, LEXEME_TOKEN, start)->token = token_byte((unsigned char)reader->text[*at]);
	++*at;
	return 0;
}

static int read_lexemes(struct reader *reader)
{
	const char *nul = memchr(reader->text, '\0', reader->length);

	if (reader->length == 0)
		return fail_pattern(reader, 0, "it is empty");
	if (reader->length > GLOB_LENGTH_MAX)
		return fail_pattern(reader, 0, "it is longer than %d bytes", GLOB_LENGTH_MAX);
	if (nul)
		return fail_pattern(reader, (size_t)(nul - reader->text), "no name holds a NUL byte");
	reader->open[0].ways = 1;
	for (size_t at = 0; at < reader->length;) {
		if (read_lexeme(reader, &at))
			return -1;
	}
	if (reader->depth > 0)
		return fail_pattern(reader, reader->lexemes[reader->open[reader->depth].open].offset,
				    "the brace isn't closed, '}' is missing");
	push_lexeme(reader, LEXEME_END, reader->length);
	return 0;
}

/*
 * ---- Lexemes to alternatives
 */

/* Append to @out the tokens of way @way through the lexemes from @at to the end of its branch. */
/* NOLINTNEXTLINE(misc-no-recursion): at most NESTING_MAX deep */
static size_t expand(const struct reader *reader, size_t at, size_t way, const struct lexeme **out)
{
	size_t n = 0;

	for (;;) {
		const struct lexeme *lexeme = &reader->lexemes[at];
		size_t choice, separator;

		switch (lexeme->kind) {
		case LEXEME_TOKEN:
			out[n++] = lexeme;
			at++;
			break;
		case LEXEME_OPEN:
			choice = way % lexeme->total;
			way /= lexeme->total;
			for (separator = at; choice >= reader->lexemes[separator].branch;) {
				choice -= reader->lexemes[separator].branch;
				separator = reader->lexemes[separator].next;
			}
			n += expand(reader, separator + 1, choice, out + n);
			at = lexeme->close + 1;
			break;
		default:
			return n;
		}
	}
}

static void draft_push(struct draft *draft, struct glob_token token)
{
	draft->tokens[draft->n++] = token;
}

/* What stands before a component: '/' and the `**` that waited for it. */
static void draft_begin_component(struct draft *draft)
{
	draft_push(draft, token_byte('/'));
	if (draft->deep)
		draft_push(draft, (struct glob_token){ .kind = GLOB_DEEP_DIRS });
	draft->deep = false;
}

/* Any number of stars side by side are one, the strongest. */
static void draft_push_star(struct draft *draft, enum glob_kind kind)
{
	struct glob_token *last = &draft->tokens[draft->n - 1];

	if (last->kind != GLOB_STAR && last->kind != GLOB_DEEP)
		draft_push(draft, (struct glob_token){ .kind = kind });
	else if (kind == GLOB_DEEP)
		last->kind = kind;
}

/* A component of nothing but stars: `**` waits for what follows; `*` must not match the empty name. */
static void draft_stars_component(struct draft *draft, const struct lexeme **raw, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (raw[i]->token.kind == GLOB_DEEP) {
			draft->deep = true;
			return;
		}
	}
	draft_begin_component(draft);
	draft_push(draft, token_any_of_name());
	draft_push_star(draft, GLOB_STAR);
}

static bool is_dots(const struct lexeme **raw, size_t n)
{
	if (n < 1 || n > 2)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (raw[i]->token.kind != GLOB_BYTE || raw[i]->token.byte != '.')
			return false;
	}
	return true;
}

static int resolve_component(struct reader *reader, const struct lexeme **raw, size_t n, struct draft *draft)
{
	size_t stars = 0;

	if (n == 0)
		return 0;
	if (is_dots(raw, n)) {
		if (n == 2)
			return fail_pattern(reader, raw[0]->offset, "'..' is not allowed");
		if (raw[0]->from_class)
			return fail_pattern(reader, raw[0]->offset, "it can match nothing: no name is '.'");
		return 0;
	}
	for (size_t i = 0; i < n; i++)
		stars += raw[i]->token.kind == GLOB_STAR || raw[i]->token.kind == GLOB_DEEP;
	if (stars == n) {
		draft_stars_component(draft, raw, n);
		return 0;
	}
	draft_begin_component(draft);
	for (size_t i = 0; i < n; i++) {
		if (raw[i]->token.kind == GLOB_STAR || raw[i]->token.kind == GLOB_DEEP)
			draft_push_star(draft, raw[i]->token.kind);
		else
			draft_push(draft, raw[i]->token);
	}
	return 0;
}

static bool is_slash(const struct glob_token *token)
{
	return token->kind == GLOB_BYTE && token->byte == '/';
}

static int resolve_pattern(struct reader *reader, const struct lexeme **raw, size_t n, struct draft *draft)
{
	size_t start = 0;

	for (size_t i = 0; i <= n; i++) {
		if (i < n && !is_slash(&raw[i]->token))
			continue;
		if (resolve_component(reader, raw + start, i - start, draft))
			return -1;
		start = i + 1;
	}
	return 0;
}

static int resolve_base(struct reader *reader, const char *base, struct draft *draft)
{
	if (!base)
		return fail_pattern(reader, 0,
				    "it doesn't begin with '/', and nothing is given that it is relative to");
	if (base[0] != '/' || strlen(base) > GLOB_LENGTH_MAX)
		return obmon_fail(reader->err, OBMON_ERR_INTERNAL, "the base '%s' of a pattern isn't absolute", base);
	while (*base) {
		const size_t length = strcspn(base, "/");

		if (length == 2 && memcmp(base, "..", 2) == 0)
			return obmon_fail(reader->err, OBMON_ERR_INTERNAL, "'..' in the base of a pattern");
		if (length > 0 && !(length == 1 && *base == '.')) {
			draft_begin_component(draft);
			for (size_t i = 0; i < length; i++)
				draft_push(draft, token_byte((unsigned char)base[i]));
		}
		base += length;
		base += *base == '/';
	}
	return 0;
}

/* What a `**` at the end means depends on whether something precedes it; and nothing at all is the root. */
static void draft_finish(struct draft *draft)
{
	if (draft->n > 0 && draft->deep) {
		draft_push(draft, (struct glob_token){ .kind = GLOB_DEEP_TAIL });
	} else if (draft->n == 0) {
		draft_push(draft, token_byte('/'));
		if (draft->deep)
			draft_push(draft, (struct glob_token){ .kind = GLOB_DEEP });
	}
}

static size_t literal_head(const struct glob_token *tokens, size_t n)
{
	size_t head = 0;

	while (head < n && tokens[head].kind == GLOB_BYTE)
		head++;
	if (head == n || tokens[head].kind == GLOB_DEEP_TAIL)
		return head;
	while (head > 0 && tokens[head - 1].byte != '/')
		head--;
	return head > 0 ? head - 1 : 0;
}

static int append_alternative(struct glob *glob, const struct glob_token *tokens, size_t n, struct obmon_error *err)
{
	struct glob_alternative *alternative = &glob->alternatives[glob->n];

	alternative->tokens = malloc(n * sizeof(*tokens));
	if (!alternative->tokens)
		return fail_memory(err);
	memcpy(alternative->tokens, tokens, n * sizeof(*tokens));
	alternative->n = n;
	alternative->literal = literal_head(tokens, n);
	glob->n++;
	return 0;
}

/* Buffers for one alternative, raw and resolved. */
struct workspace {
	const struct lexeme **raw;
	struct draft draft;
};

static int workspace_init(struct workspace *work, const struct reader *reader, const char *base)
{
	/* for the longest alternative; see ALTERNATIVE_TOKENS_MAX */
	const size_t tokens = 2 * reader->n + (base ? strlen(base) : 0) + 2;

	/* NOLINTNEXTLINE(bugprone-sizeof-expression): it is an array of pointers */
	work->raw = reallocarray(NULL, reader->n, sizeof(*work->raw));
	work->draft.tokens = malloc(tokens * sizeof(*work->draft.tokens));
	return work->raw && work->draft.tokens ? 0 : fail_memory(reader->err);
}

static void workspace_clear(struct workspace *work)
{
	free(work->raw);
	free(work->draft.tokens);
}

/*
 * Is the alternative absolute? All of a pattern's alternatives must agree: `{a,}/b` would otherwise reach
 * from the workspace to the root by an empty branch.
 */
static int check_absolute(struct reader *reader, const struct lexeme **raw, size_t n, int *absolute)
{
	const bool this = n > 0 && is_slash(&raw[0]->token);

	if (*absolute < 0)
		*absolute = this;
	if (*absolute != this)
		return fail_pattern(reader, 0, "some alternatives begin with '/' and some don't");
	return 0;
}

static int add_alternatives(struct reader *reader, struct workspace *work, const char *base, struct glob *glob)
{
	const size_t ways = reader->open[0].ways;
	size_t tokens = 0;
	int absolute = -1;

	/* NOLINTNEXTLINE(clang-analyzer-optin.portability.UnixAPI): there is always one way at least */
	glob->alternatives = calloc(ways, sizeof(*glob->alternatives));
	if (!glob->alternatives)
		return fail_memory(reader->err);
	for (size_t way = 0; way < ways; way++) {
		const size_t n = expand(reader, 0, way, work->raw);
		struct draft *draft = &work->draft;

		draft->n = 0;
		draft->deep = false;
		if (check_absolute(reader, work->raw, n, &absolute))
			return -1;
		if (!absolute && resolve_base(reader, base, draft))
			return -1;
		if (resolve_pattern(reader, work->raw, n, draft))
			return -1;
		draft_finish(draft);
		tokens += draft->n;
		if (tokens > TOKENS_MAX)
			return fail_pattern(reader, 0, "its braces expand to too much text");
		if (append_alternative(glob, draft->tokens, draft->n, reader->err))
			return -1;
	}
	return 0;
}

int glob_parse(struct glob *glob, const char *text, size_t length, const char *base, const struct obmon_location *where,
	       struct obmon_error *err)
{
	struct reader reader = { .text = text, .length = length, .where = where, .err = err };
	struct workspace work = { 0 };
	int ret = -1;

	memset(glob, 0, sizeof(*glob));
	/* at most one lexeme a byte, and the end; an overlong text is refused before any is pushed */
	reader.lexemes = malloc((length <= GLOB_LENGTH_MAX ? length + 1 : 1) * sizeof(*reader.lexemes));
	if (!reader.lexemes)
		return fail_memory(err);
	if (read_lexemes(&reader) == 0 && workspace_init(&work, &reader, base) == 0)
		ret = add_alternatives(&reader, &work, base, glob);
	if (ret)
		glob_clear(glob);
	workspace_clear(&work);
	free(reader.lexemes);
	return ret;
}

void glob_clear(struct glob *glob)
{
	for (size_t i = 0; i < glob->n; i++)
		free(glob->alternatives[i].tokens);
	free(glob->alternatives);
	memset(glob, 0, sizeof(*glob));
}

/*
 * ---- Matching
 *
 * The set of places in the token list that the bytes read so far can have led to. Place 2 * i is before
 * token i, 2 * i + 1 within it: in a GLOB_DEEP_DIRS that has begun a run, in a GLOB_DEEP_TAIL behind its '/'.
 */

#define PLACE_WORDS (2 * ALTERNATIVE_TOKENS_MAX / 64 + 1)

#define BEFORE(i) (2 * (i))
#define WITHIN(i) (2 * (i) + 1)

static bool place_has(const uint64_t *places, size_t place)
{
	return places[place >> 6] >> (place & 63) & 1;
}

static void place_add(uint64_t *places, size_t place)
{
	places[place >> 6] |= UINT64_C(1) << (place & 63);
}

static bool matches_nothing_too(enum glob_kind kind)
{
	return kind >= GLOB_STAR;
}

/* Add the places reachable without reading a byte. */
static void places_close(const struct glob_alternative *alternative, uint64_t *places)
{
	for (size_t i = 0; i < alternative->n; i++) {
		const enum glob_kind kind = alternative->tokens[i].kind;

		if (place_has(places, BEFORE(i)) && matches_nothing_too(kind))
			place_add(places, BEFORE(i + 1));
		if (place_has(places, WITHIN(i)) && kind == GLOB_DEEP_TAIL)
			place_add(places, BEFORE(i + 1));
	}
}

static bool places_empty(const uint64_t *places, size_t words)
{
	for (size_t i = 0; i < words; i++) {
		if (places[i])
			return false;
	}
	return true;
}

static void places_step_token(const struct glob_token *token, size_t i, const uint64_t *from, uint64_t *to,
			      unsigned char byte)
{
	const bool before = place_has(from, BEFORE(i)), within = place_has(from, WITHIN(i));

	switch (token->kind) {
	case GLOB_BYTE:
		if (before && byte == token->byte)
			place_add(to, BEFORE(i + 1));
		break;
	case GLOB_SET:
		if (before && set_has(token, byte))
			place_add(to, BEFORE(i + 1));
		break;
	case GLOB_STAR:
		if (before && byte != '/')
			place_add(to, BEFORE(i));
		break;
	case GLOB_DEEP:
		if (before)
			place_add(to, BEFORE(i));
		break;
	case GLOB_DEEP_DIRS:
		if (before || within)
			place_add(to, WITHIN(i));
		if ((before || within) && byte == '/')
			place_add(to, BEFORE(i + 1));
		break;
	case GLOB_DEEP_TAIL:
		if (within || (before && byte == '/'))
			place_add(to, WITHIN(i));
		break;
	}
}

static bool alternative_match(const struct glob_alternative *alternative, const char *path, size_t length)
{
	const size_t words = BEFORE(alternative->n) / 64 + 1;
	uint64_t sets[2][PLACE_WORDS];
	uint64_t *from = sets[0], *to = sets[1];

	memset(from, 0, words * sizeof(*from));
	place_add(from, BEFORE(0));
	places_close(alternative, from);
	for (size_t at = 0; at < length && !places_empty(from, words); at++) {
		uint64_t *swap = from;

		memset(to, 0, words * sizeof(*to));
		for (size_t i = 0; i < alternative->n; i++)
			places_step_token(&alternative->tokens[i], i, from, to, (unsigned char)path[at]);
		places_close(alternative, to);
		from = to;
		to = swap;
	}
	return place_has(from, BEFORE(alternative->n));
}

bool glob_match(const struct glob *glob, const char *path, size_t length)
{
	for (size_t i = 0; i < glob->n; i++) {
		if (alternative_match(&glob->alternatives[i], path, length))
			return true;
	}
	return false;
}

/*
 * ---- Listing
 */

/* A listing in the making; `scratch` has room for any of its alternatives. */
struct listing_draft {
	struct glob *glob;
	size_t capacity;
	struct glob_token *scratch;
	struct obmon_error *err;
};

/* Add the first @n tokens of @tokens, followed by a token of @tail unless it is GLOB_BYTE. */
static int listing_add(struct listing_draft *listing, const struct glob_token *tokens, size_t n, enum glob_kind tail)
{
	struct glob *glob = listing->glob;

	if (glob->n == listing->capacity) {
		const size_t capacity = listing->capacity ? 2 * listing->capacity : 8;
		struct glob_alternative *grown = reallocarray(glob->alternatives, capacity, sizeof(*grown));

		if (!grown)
			return fail_memory(listing->err);
		glob->alternatives = grown;
		listing->capacity = capacity;
	}
	memcpy(listing->scratch, tokens, n * sizeof(*tokens));
	if (tail != GLOB_BYTE)
		listing->scratch[n++] = (struct glob_token){ .kind = tail };
	return append_alternative(glob, listing->scratch, n, listing->err);
}

/* Add the directory whose name ends before the '/' at @slash. */
static int listing_add_directory(struct listing_draft *listing, const struct glob_token *tokens, size_t slash)
{
	return listing_add(listing, tokens, slash > 0 ? slash : 1, GLOB_BYTE);
}

/* Add that directory and all below it. */
static int listing_add_deep(struct listing_draft *listing, const struct glob_token *tokens, size_t slash)
{
	if (slash == 0)
		return listing_add(listing, tokens, 1, GLOB_DEEP);
	return listing_add(listing, tokens, slash, GLOB_DEEP_TAIL);
}

/* The first `**` of any kind ends the scan: what it crosses contains all that later wildcards could add. */
static int listing_scan(struct listing_draft *listing, const struct glob_alternative *alternative)
{
	const struct glob_token *tokens = alternative->tokens;
	bool wild = false; /* the component has been added already */
	size_t slash = 0;

	for (size_t i = 0; i < alternative->n; i++) {
		switch (tokens[i].kind) {
		case GLOB_BYTE:
			if (tokens[i].byte != '/')
				break;
			slash = i;
			wild = false;
			break;
		case GLOB_SET:
		case GLOB_STAR:
			if (!wild && listing_add_directory(listing, tokens, slash))
				return -1;
			wild = true;
			break;
		case GLOB_DEEP:
			if (i == slash + 1)
				return listing_add_deep(listing, tokens, slash);
			if (!wild && listing_add_directory(listing, tokens, slash))
				return -1;
			return listing_add(listing, tokens, i, GLOB_DEEP);
		case GLOB_DEEP_DIRS:
			return listing_add_deep(listing, tokens, slash);
		case GLOB_DEEP_TAIL:
			return listing_add(listing, tokens, i, GLOB_DEEP_TAIL);
		}
	}
	return 0;
}

static int compare_tokens(const struct glob_token *a, const struct glob_token *b)
{
	if (a->kind != b->kind)
		return a->kind < b->kind ? -1 : 1;
	if (a->kind == GLOB_BYTE)
		return (a->byte > b->byte) - (a->byte < b->byte);
	return a->kind == GLOB_SET ? memcmp(a->set, b->set, sizeof(a->set)) : 0;
}

static int compare_alternatives(const void *a, const void *b)
{
	const struct glob_alternative *x = a, *y = b;

	for (size_t i = 0; i < x->n && i < y->n; i++) {
		const int order = compare_tokens(&x->tokens[i], &y->tokens[i]);

		if (order)
			return order;
	}
	return (x->n > y->n) - (x->n < y->n);
}

/* `/x/{a*,b*}` asks for `/x` twice. */
static void drop_duplicates(struct glob *glob)
{
	size_t kept = 0;

	if (glob->n < 2)
		return;
	qsort(glob->alternatives, glob->n, sizeof(*glob->alternatives), compare_alternatives);
	for (size_t i = 1; i < glob->n; i++) {
		if (compare_alternatives(&glob->alternatives[kept], &glob->alternatives[i]) == 0)
			free(glob->alternatives[i].tokens);
		else
			glob->alternatives[++kept] = glob->alternatives[i];
	}
	glob->n = kept + 1;
}

int glob_listing(struct glob *listing, const struct glob *glob, struct obmon_error *err)
{
	struct listing_draft draft = { .glob = listing, .err = err };
	size_t longest = 0;
	int ret = 0;

	memset(listing, 0, sizeof(*listing));
	for (size_t i = 0; i < glob->n; i++) {
		if (glob->alternatives[i].n > longest)
			longest = glob->alternatives[i].n;
	}
	draft.scratch = calloc(longest + 1, sizeof(*draft.scratch));
	if (!draft.scratch)
		return fail_memory(err);
	for (size_t i = 0; i < glob->n && ret == 0; i++)
		ret = listing_scan(&draft, &glob->alternatives[i]);
	free(draft.scratch);
	if (ret)
		glob_clear(listing);
	else
		drop_duplicates(listing);
	return ret;
}

char *glob_escape(const char *path)
{
	char *escaped = malloc(strlen(path) * 2 + 1), *out = escaped;
	const char *first = path;

	if (!escaped)
		return NULL;
	for (; *path; path++) {
		unsigned char byte = (unsigned char)*path;

		if (byte < 0x20 || byte == 0x7f) {
			*out++ = '?';
			continue;
		}
		/* A blank at either end would be taken for a slip. */
		if (strchr("*?[]{}\\", byte) || (byte == ' ' && (path == first || !path[1])))
			*out++ = '\\';
		*out++ = *path;
	}
	*out = '\0';
	return escaped;
}
