/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file block.h
 * The metadata block inside a source file:
 *
 *	# === OmniNode:Metadata ===            <!-- === OmniNode:Metadata ===
 *	# name: x.py                           name: x.md
 *	# === /OmniNode:Metadata ===           <!-- === /OmniNode:Metadata === -->
 *
 * With `//` in place of `#` in languages that comment so; `#` and `//` blocks may be indented.
 */
#ifndef OBMON_META_BLOCK_H
#define OBMON_META_BLOCK_H

#include "cap/types.h"
#include "meta/source.h"
#include "obmon/error.h"

/**
 * Take the first block of @source as text without comment signs. @block->where is the place of its first
 * byte in the file; each line of it loses the same number of bytes in front, so that adding that column to
 * a column within the block gives the column in the file. Free @block->text.
 * @return 1, or 0 when there is no block, or -1.
 */
int block_extract(struct cap_span *block, const struct source *source, const char *path, struct obmon_error *err);

#endif
