/* SPDX-License-Identifier: Apache-2.0 */
/** @file record.h Records: what leaves obmon, as one JSON object a line or as a line for people. */
#ifndef OBMON_EVENT_RECORD_H
#define OBMON_EVENT_RECORD_H

#include <jansson.h>
#include <stdint.h>

#include "lib/mounts.h"
#include "meta/metadata.h"
#include "obmon/abi/event.h"
#include "obmon/capability.h"

/** W3C Trace Context: ids in lower-case hex. */
struct trace {
	char trace_id[33];
	char span_id[17];
	char parent_span_id[17]; /**< empty for a root span */
	char flags[3];
};

/** Continue @traceparent (may be NULL or malformed: then a new trace begins) with a new span. */
void trace_begin(struct trace *trace, const char *traceparent);
/** The TRACEPARENT for the child. */
void trace_format(const struct trace *trace, char text[56]);

/** A file of the run that has another name there than on the host. */
struct record_alias {
	uint32_t dev;
	uint64_t ino;
	const char *path;
};

/** The run's own /etc/resolv.conf and /etc/hosts. */
#define RECORD_ALIASES_MAX 2

/** What all records of a run have in common. All is borrowed. */
struct record_context {
	const char *run_id;
	const char *correlation_id; /**< or NULL */
	const char *executor;
	const char *mode; /**< "enforce" or "audit" */
	const char *digest;
	const char *cgroup_path;
	uint64_t cgroup_id;
	const struct trace *trace;
	const struct metadata *component; /**< or NULL */
	const struct mounts *mounts;
	uint64_t boot_offset_ns;                         /**< CLOCK_REALTIME - CLOCK_BOOTTIME */
	struct record_alias aliases[RECORD_ALIASES_MAX]; /**< unused ones are all zero */
};

/** A range of sequence numbers, both ends included. */
struct seq_range {
	uint64_t first, last;
};

/**
 * The record of a kernel event, whose names follow the header in @event (already checked to lie within it).
 * With the verdict OBMON_VERDICT_PROBE it is that of a refusal which turned out to be none: see bpf/lib/probe.h.
 * The caller owns the result; NULL when out of memory.
 */
json_t *record_event(const struct record_context *context, const struct obmon_event *event);

/** A record @name without more than what all have in common. */
json_t *record_new(const struct record_context *context, const char *name, uint64_t realtime_ns);

json_t *record_dropped(const struct record_context *context, const struct seq_range *ranges, size_t n);

/** The capability type whose count this event adds to in the result, or "GUARD", "FAILURE". */
const char *record_kind(const struct obmon_event *event);

/** One line for people, control bytes escaped, without line feed. Caller frees. */
char *record_human(const struct record_context *context, const struct obmon_event *event);

/** json_string() of bytes that may not be UTF-8: what isn't becomes U+FFFD. */
json_t *json_bytes(const char *bytes, size_t length);

#endif
