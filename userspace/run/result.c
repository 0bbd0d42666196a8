// SPDX-License-Identifier: Apache-2.0
/* What a run leaves behind: its first and last record, and its result. */
#include <errno.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#include "lib/util.h"
#include "run/internal.h"

static const char *const status_names[] = {
	[RUN_COMPLETED] = "completed",     [RUN_TIMEOUT] = "timeout", [RUN_VIOLATION] = "violation",
	[RUN_INTERRUPTED] = "interrupted", [RUN_FAILED] = "failed",
};

static const char *const source_names[] = {
	[OBMON_SOURCE_COMMAND_LINE] = "command_line",
	[OBMON_SOURCE_METADATA] = "metadata",
	[OBMON_SOURCE_PROFILE] = "profile",
	[OBMON_SOURCE_IMPLICIT] = "implicit",
};

int run_tell_started(struct run *run)
{
	json_t *record = record_new(&run->context, "run.started", clock_ns(CLOCK_REALTIME)), *argv = json_array();
	char *const *arg;

	for (arg = run->request->argv; *arg; arg++)
		json_array_append_new(argv, json_bytes(*arg, strlen(*arg)));
	json_object_set_new(record, "command", argv);
	json_object_set_new(record, "grants", json_integer((json_int_t)run->request->capabilities->n));
	return run_emit(run, record);
}

static void add_uses(struct run *run, const struct obmon_dfa_accept *accept)
{
	unsigned right;

	for (right = 0; right < OBMON_RIGHT_MAX; right++)
		if (accept->rule[right] && accept->rule[right] <= run->request->capabilities->n)
			run->uses[accept->rule[right] - 1] += accept->hits[right];
}

static int collect_uses(struct run *run)
{
	_cleanup_free_ struct obmon_dfa_accept *page = calloc(OBMON_DFA_ACCEPTS_PER_PAGE, sizeof(*page));
	uint32_t number, i;

	run->uses = calloc(run->request->capabilities->n + 1, sizeof(uint64_t));
	if (!page || !run->uses)
		return obmon_fail(run->err, OBMON_ERR_INTERNAL, "out of memory");
	for (number = 0; number < run->n_accepts; number += OBMON_DFA_ACCEPTS_PER_PAGE) {
		if (engine_read_accepts(run->pages, run->shared.accept_page + (number >> OBMON_DFA_ACCEPT_SHIFT), page,
					run->err))
			return -1;
		for (i = 0; i < OBMON_DFA_ACCEPTS_PER_PAGE; i++)
			add_uses(run, &page[i]);
	}
	return 0;
}

int run_collect(struct run *run)
{
	size_t i;

	if (engine_get_run(&run->engine, run->state.slot, &run->counters, run->err) || collect_uses(run))
		return -1;
	for (i = 0; i < OBMON_OBJECTS_MAX; i++) {
		const struct obmon_object *object = &run->counters.objects[i];

		if (object->rule)
			run->uses[object->rule - 1] += object->hits;
	}
	return 0;
}

static json_t *json_grant_use(const struct run *run, size_t i)
{
	const struct obmon_capability *cap = &run->request->capabilities->items[i];
	_cleanup_free_ char *text = obmon_capability_format(cap);
	json_t *grant = json_pack("{s:I, s:o, s:s, s:I}", "rule", (json_int_t)i + 1, "capability",
				  text ? json_bytes(text, strlen(text)) : NULL, "source", source_names[cap->source],
				  "uses", run->uses ? (json_int_t)run->uses[i] : (json_int_t)0);

	if (grant && cap->file)
		json_object_set_new(grant, "written_at",
				    json_pack("{s:o, s:i, s:i}", "file", json_bytes(cap->file, strlen(cap->file)),
					      "line", (int)cap->line, "column", (int)cap->column));
	return grant;
}

static json_t *json_grants(const struct run *run)
{
	json_t *grants = json_array();
	size_t i;

	for (i = 0; i < run->request->capabilities->n; i++)
		if (!run->request->capabilities->items[i].quiet)
			json_array_append_new(grants, json_grant_use(run, i));
	return grants;
}

static json_t *json_kinds(const struct kind_count *counts)
{
	json_t *kinds = json_object();
	size_t i;

	for (i = 0; i < KINDS_MAX && counts[i].kind; i++)
		json_object_set_new(kinds, counts[i].kind, json_integer((json_int_t)counts[i].n));
	return kinds;
}

static json_t *json_exit(const struct run *run)
{
	if (!run->exec_done || !WIFEXITED(run->wait_status))
		return json_null();
	return json_integer(WEXITSTATUS(run->wait_status));
}

static json_t *json_signal(const struct run *run)
{
	if (!run->exec_done || !WIFSIGNALED(run->wait_status))
		return json_null();
	return json_integer(WTERMSIG(run->wait_status));
}

static json_t *json_error(const struct run *run)
{
	if (!run->err->code)
		return json_null();
	return json_pack("{s:o, s:i}", "message", json_bytes(run->err->message, strlen(run->err->message)),
			 "exit_status", obmon_exit_status(run->err->code));
}

/* What run.finished and the result have in common. */
static void add_outcome(const struct run *run, json_t *object, int exit_status)
{
	uint64_t failures = 0;
	size_t i;

	for (i = 0; i < OBMON_FAIL_MAX; i++)
		failures += run->counters.failures[i];
	json_object_set_new(object, "status", json_string(status_names[run->status]));
	json_object_set_new(object, "exit_status", json_integer(exit_status));
	json_object_set_new(object, "exit_code", json_exit(run));
	json_object_set_new(object, "signal", json_signal(run));
	json_object_set_new(object, "duration_ms",
			    json_integer((json_int_t)((run->finished_ns - run->started_ns) / 1000000u)));
	json_object_set_new(object, "error", json_error(run));
	json_object_set_new(object, "denials", json_kinds(run->denied));
	json_object_set_new(object, "audited", json_kinds(run->audited));
	json_object_set_new(object, "counters",
			    json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "refused", (json_int_t)run->counters.refused,
				      "audited", (json_int_t)run->counters.audited, "quiet",
				      (json_int_t)run->counters.quiet, "records", (json_int_t)run->counters.seq,
				      "dropped", (json_int_t)run->counters.dropped, "failures", (json_int_t)failures));
	json_object_set_new(object, "grants", json_grants(run));
}

static int write_result(struct run *run, int exit_status)
{
	json_t *result = record_new(&run->context, "run.result", clock_ns(CLOCK_REALTIME));
	_cleanup_free_ char *text = NULL;
	size_t length;

	if (result)
		add_outcome(run, result, exit_status);
	text = result ? json_dumps(result, JSON_INDENT(2)) : NULL;
	json_decref(result);
	if (!text)
		return obmon_fail(run->err, OBMON_ERR_INTERNAL, "out of memory making the result");
	length = strlen(text);
	text[length] = '\n';
	if (write_all(run->request->result_fd, text, length + 1) ||
	    (fsync(run->request->result_fd) && errno != EINVAL && errno != EROFS))
		return obmon_fail_errno(run->err, OBMON_ERR_INTERNAL, errno, "cannot write the result to --result");
	return 0;
}

int run_tell_finished(struct run *run, int exit_status)
{
	json_t *record = record_new(&run->context, "run.finished", clock_ns(CLOCK_REALTIME));
	int result;

	if (record)
		add_outcome(run, record, exit_status);
	result = run_emit(run, record);
	if (run->request->result_fd >= 0 && write_result(run, exit_status))
		result = -1;
	return result;
}
