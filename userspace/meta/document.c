/* SPDX-License-Identifier: Apache-2.0 */
#include <search.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "meta/document.h"
#include "meta/text.h"

/* Memory: nodes are never freed one by one, so they come from chunks that go all at once. */

#define CHUNK_BYTES (64u << 10)

struct doc_chunk {
	struct doc_chunk *next;
	size_t used, size;
	max_align_t memory[];
};

static void *allocate(struct document *doc, size_t size)
{
	struct doc_chunk *chunk = doc->chunks;
	void *memory;

	size = (size + sizeof(max_align_t) - 1) / sizeof(max_align_t) * sizeof(max_align_t);
	if (!chunk || chunk->size - chunk->used < size) {
		size_t room = size > CHUNK_BYTES ? size : CHUNK_BYTES;

		chunk = malloc(sizeof(*chunk) + room);
		if (!chunk)
			return NULL;
		*chunk = (struct doc_chunk){ .next = doc->chunks, .size = room };
		doc->chunks = chunk;
	}
	memory = (char *)chunk->memory + chunk->used;
	chunk->used += size;
	return memset(memory, 0, size);
}

void document_clear(struct document *doc)
{
	while (doc->chunks) {
		struct doc_chunk *chunk = doc->chunks;

		doc->chunks = chunk->next;
		free(chunk);
	}
	*doc = (struct document){ 0 };
}

/* The tree under construction. */
struct builder {
	struct document *doc;
	const struct cap_span *text;
	struct text_cursor cursor;
	void *anchors; /* of struct anchor, a tsearch() tree */
	struct doc_node *root;
	struct {
		struct doc_node *node;      /* a list or map whose end hasn't come yet */
		const struct doc_node *key; /* of a map: read, its value hasn't come yet */
	} open[DOCUMENT_DEPTH_MAX];
	size_t depth, n_nodes;
	struct obmon_error *err;
};

/* Anchors: a tree, since a document may have 50,000 of them and 50,000 aliases. */

struct anchor {
	const char *name;
	struct doc_node *node;
};

static int compare_anchors(const void *a, const void *b)
{
	return strcmp(((const struct anchor *)a)->name, ((const struct anchor *)b)->name);
}

static void keep_anchor(void *anchor)
{
	(void)anchor; /* it lies in the document's memory */
}

static void forget_anchors(struct builder *builder)
{
	tdestroy(builder->anchors, keep_anchor);
	builder->anchors = NULL;
}

static char *copy_text(struct builder *builder, const void *text, size_t length)
{
	char *copy = allocate(builder->doc, length + 1);

	return copy ? memcpy(copy, text, length) : NULL;
}

/* YAML lets an anchor be defined again; it means the newer node from there on. */
static bool define_anchor(struct builder *builder, const yaml_char_t *name, struct doc_node *node)
{
	struct anchor *anchor, **found;

	if (!name)
		return true;
	anchor = allocate(builder->doc, sizeof(*anchor));
	if (!anchor)
		return false;
	anchor->name = copy_text(builder, name, strlen((const char *)name));
	if (!anchor->name)
		return false;
	found = tsearch(anchor, &builder->anchors, compare_anchors);
	if (!found)
		return false;
	(*found)->node = node;
	return true;
}

/* Nodes */

static int out_of_memory(struct builder *builder)
{
	return obmon_fail(builder->err, OBMON_ERR_INTERNAL, "out of memory");
}

static struct obmon_location locate(struct builder *builder, const yaml_mark_t *mark)
{
	text_cursor_to_character(&builder->cursor, mark->index);
	return text_cursor_location(&builder->cursor, builder->text);
}

static const char *foreign_tag(const yaml_char_t *tag)
{
	static const char *const core[] = { "str", "int", "float", "bool", "null", "seq", "map" };
	const size_t prefix = strlen("tag:yaml.org,2002:");

	if (!tag || !strcmp((const char *)tag, "!"))
		return NULL;
	if (!strncmp((const char *)tag, "tag:yaml.org,2002:", prefix))
		for (size_t i = 0; i < sizeof(core) / sizeof(core[0]); i++)
			if (!strcmp((const char *)tag + prefix, core[i]))
				return NULL;
	return (const char *)tag;
}

static int count_node(struct builder *builder, const yaml_event_t *event)
{
	struct obmon_location where;

	if (++builder->n_nodes <= DOCUMENT_NODES_MAX)
		return 0;
	where = locate(builder, &event->start_mark);
	return obmon_fail_at(builder->err, &where, "the document has more than %d nodes", DOCUMENT_NODES_MAX);
}

static struct doc_node *new_node(struct builder *builder, const yaml_event_t *event, enum doc_kind kind,
				 const yaml_char_t *tag, const yaml_char_t *anchor)
{
	struct doc_node *node = allocate(builder->doc, sizeof(*node));
	const char *foreign = foreign_tag(tag);

	if (!node)
		return NULL;
	node->kind = kind;
	node->where = locate(builder, &event->start_mark);
	node->tail = &node->items;
	if (foreign) {
		node->tag = copy_text(builder, foreign, strlen(foreign));
		if (!node->tag)
			return NULL;
	}
	return define_anchor(builder, anchor, node) ? node : NULL;
}

/*
 * Where the text of the scalar @node that ends at @end stands. Only a text that is in the file byte for
 * byte, on one line, has such a place; it ends where the scalar does, or before its closing quote.
 */
static void locate_text(struct builder *builder, struct doc_node *node, const yaml_mark_t *end,
			yaml_scalar_style_t style)
{
	size_t quotes = style != YAML_PLAIN_SCALAR_STYLE, after;

	node->text_where = node->where;
	node->text_where.column = 0;
	if (style == YAML_LITERAL_SCALAR_STYLE || style == YAML_FOLDED_SCALAR_STYLE)
		return;
	text_cursor_to_character(&builder->cursor, end->index);
	after = builder->cursor.offset;
	if (after - builder->cursor.line_start < node->length + quotes ||
	    memcmp(builder->text->text + after - quotes - node->length, node->text, node->length) != 0)
		return;
	node->text_where = text_cursor_location(&builder->cursor, builder->text);
	node->text_where.column -= quotes + node->length;
}

static struct doc_node *new_scalar(struct builder *builder, const yaml_event_t *event)
{
	yaml_scalar_style_t style = event->data.scalar.style;
	const yaml_char_t *tag = event->data.scalar.tag;
	struct doc_node *node = new_node(builder, event, DOC_SCALAR, tag, event->data.scalar.anchor);

	if (!node)
		return NULL;
	node->text = copy_text(builder, event->data.scalar.value, event->data.scalar.length);
	if (!node->text)
		return NULL;
	node->length = event->data.scalar.length;
	node->plain = style == YAML_PLAIN_SCALAR_STYLE && (!tag || strcmp((const char *)tag, YAML_STR_TAG) != 0);
	node->complete = true;
	locate_text(builder, node, &event->end_mark, style);
	return node;
}

static int add_to_parent(struct builder *builder, struct doc_node *node)
{
	struct doc_node *parent;
	struct doc_item *item;

	if (!builder->depth) {
		builder->root = node;
		return 0;
	}
	parent = builder->open[builder->depth - 1].node;
	if (parent->kind == DOC_MAP && !builder->open[builder->depth - 1].key) {
		builder->open[builder->depth - 1].key = node;
		return 0;
	}
	item = allocate(builder->doc, sizeof(*item));
	if (!item)
		return out_of_memory(builder);
	item->key = builder->open[builder->depth - 1].key;
	item->value = node;
	builder->open[builder->depth - 1].key = NULL;
	*parent->tail = item;
	parent->tail = &item->next;
	return 0;
}

/* Events */

static int on_scalar(struct builder *builder, const yaml_event_t *event)
{
	struct doc_node *node;

	if (count_node(builder, event) < 0)
		return -1;
	node = new_scalar(builder, event);
	return node ? add_to_parent(builder, node) : out_of_memory(builder);
}

static int on_start(struct builder *builder, const yaml_event_t *event, enum doc_kind kind)
{
	const yaml_char_t *tag, *anchor;
	struct doc_node *node;

	if (kind == DOC_MAP) {
		tag = event->data.mapping_start.tag;
		anchor = event->data.mapping_start.anchor;
	} else {
		tag = event->data.sequence_start.tag;
		anchor = event->data.sequence_start.anchor;
	}
	if (count_node(builder, event) < 0)
		return -1;
	node = new_node(builder, event, kind, tag, anchor);
	if (!node)
		return out_of_memory(builder);
	if (builder->depth == DOCUMENT_DEPTH_MAX)
		return obmon_fail_at(builder->err, &node->where, "lists and maps are nested more than %d deep",
				     DOCUMENT_DEPTH_MAX);
	if (add_to_parent(builder, node) < 0)
		return -1;
	builder->open[builder->depth].node = node;
	builder->open[builder->depth].key = NULL;
	builder->depth++;
	return 0;
}

static int on_end(struct builder *builder)
{
	builder->open[--builder->depth].node->complete = true;
	return 0;
}

static int on_alias(struct builder *builder, const yaml_event_t *event)
{
	struct anchor wanted = { .name = (const char *)event->data.alias.anchor };
	struct anchor **found = tfind(&wanted, &builder->anchors, compare_anchors);
	struct obmon_location where;

	if (count_node(builder, event) < 0)
		return -1;
	where = locate(builder, &event->start_mark);
	if (!found)
		return obmon_fail_at(builder->err, &where, "no anchor '&%s' before this alias", wanted.name);
	if (!(*found)->node->complete)
		return obmon_fail_at(builder->err, &where, "the alias '*%s' stands within what it refers to",
				     wanted.name);
	return add_to_parent(builder, (*found)->node);
}

static int on_event(struct builder *builder, const yaml_event_t *event)
{
	switch (event->type) {
	case YAML_DOCUMENT_START_EVENT:
		forget_anchors(builder);
		builder->root = NULL;
		return 0;
	case YAML_SCALAR_EVENT:
		return on_scalar(builder, event);
	case YAML_SEQUENCE_START_EVENT:
		return on_start(builder, event, DOC_LIST);
	case YAML_MAPPING_START_EVENT:
		return on_start(builder, event, DOC_MAP);
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		return on_end(builder);
	case YAML_ALIAS_EVENT:
		return on_alias(builder, event);
	default:
		return 0;
	}
}

static int syntax_error(struct builder *builder, const yaml_parser_t *parser)
{
	struct obmon_location where;

	if (parser->error == YAML_MEMORY_ERROR)
		return out_of_memory(builder);
	where = locate(builder, &parser->problem_mark);
	return obmon_fail_at(builder->err, &where, "%s%s%s", parser->context ? parser->context : "",
			     parser->context ? ": " : "", parser->problem ? parser->problem : "malformed YAML");
}

static int next_event(struct builder *builder, yaml_parser_t *parser, yaml_event_type_t *type)
{
	yaml_event_t event;
	int handled;

	if (!yaml_parser_parse(parser, &event))
		return syntax_error(builder, parser);
	*type = event.type;
	handled = on_event(builder, &event);
	yaml_event_delete(&event);
	return handled;
}

/*
 * Of several documents in one file the first that is a map counts, and nothing after it is read: a stamped
 * file opens with its metadata, sometimes behind an empty document that only holds comments, and what
 * follows is another program's, in whatever dialect that program reads.
 */
static int build(struct builder *builder, yaml_parser_t *parser)
{
	const struct doc_node *first_map = NULL;
	yaml_event_type_t type;

	do {
		if (next_event(builder, parser, &type) < 0)
			return -1;
		if (type == YAML_DOCUMENT_END_EVENT && builder->root && builder->root->kind == DOC_MAP)
			first_map = builder->root;
	} while (type != YAML_STREAM_END_EVENT && !first_map);
	if (!first_map)
		return obmon_fail_at(builder->err, &builder->text->where, "no map of keys and values is found");
	builder->doc->root = first_map;
	/*
	 * The map may have ended only because the next line is indented less. libyaml finds that out when it
	 * looks for the next document, and without this look the rest of the keys would go unread in silence.
	 */
	return next_event(builder, parser, &type);
}

int document_parse(struct document *doc, const struct cap_span *text, struct obmon_error *err)
{
	struct builder builder = { .doc = doc, .text = text, .err = err };
	size_t mark = text_byte_order_mark(text->text, text->length);
	yaml_parser_t parser;
	int built;

	*doc = (struct document){ 0 };
	if (text_check(text, err) < 0)
		return -1;
	if (!yaml_parser_initialize(&parser))
		return out_of_memory(&builder);
	text_cursor_init(&builder.cursor, text);
	yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&parser, (const unsigned char *)text->text + mark, text->length - mark);
	built = build(&builder, &parser);
	yaml_parser_delete(&parser);
	forget_anchors(&builder);
	if (built < 0)
		document_clear(doc);
	return built;
}
