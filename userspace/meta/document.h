/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file document.h
 * A YAML (or JSON) document as a tree in which every node knows its place.
 *
 * Documents come from strangers, so nothing in one makes the reader do anything: tags are kept and never
 * acted upon, and an alias is one more pointer to its node, however often it is used.
 */
#ifndef OBMON_META_DOCUMENT_H
#define OBMON_META_DOCUMENT_H

#include <stdbool.h>
#include <stddef.h>

#include "cap/types.h"
#include "obmon/error.h"

/** Deepest nesting of lists and maps. */
#define DOCUMENT_DEPTH_MAX 64

/** Most nodes, aliases included. */
#define DOCUMENT_NODES_MAX 100000

enum doc_kind {
	DOC_SCALAR,
	DOC_LIST,
	DOC_MAP,
};

struct doc_item;

struct doc_node {
	enum doc_kind kind;
	bool plain;      /**< a scalar without quotes: may stand for null, a boolean or a number */
	bool complete;   /**< all of it has been read; false only while the tree is built */
	const char *tag; /**< what the writer wants it to be (`!include`), beyond YAML's own types; or NULL */
	struct obmon_location where;
	const char *text; /**< of a scalar, NUL-terminated (and may hold NULs) */
	size_t length;
	/** The place of `text`; column 0 if it was escaped or folded, so that its bytes have no columns. */
	struct obmon_location text_where;
	struct doc_item *items; /**< of a list or a map, in order */
	struct doc_item **tail;
};

/** An element of a list, whose key is NULL, or of a map. */
struct doc_item {
	const struct doc_node *key, *value;
	struct doc_item *next;
};

struct document {
	const struct doc_node *root; /**< a map */
	struct doc_chunk *chunks;    /**< the memory of all nodes */
};

/**
 * Parse @text, which starts at @text->where, and whose `file` must outlive the document. A column other
 * than 1 is where all its lines start. On error -1 and @doc zeroed.
 */
int document_parse(struct document *doc, const struct cap_span *text, struct obmon_error *err);
void document_clear(struct document *doc);

#endif
