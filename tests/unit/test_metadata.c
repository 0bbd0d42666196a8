/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The metadata loader: on the project's own files, on small documents with known mistakes, on files that
 * are no documents, and, where it is at hand, on the corpus of real OmniBase metadata.
 *
 * Run from the repository's root, or with OBMON_ROOT set to it.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "meta/metadata.h"

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

/* Of the corpus's 70 documents all load; a change that loses one should say so. */
#define CORPUS_LOADABLE 70

static char scratch[] = "/tmp/obmon-metadata-XXXXXX";

static const char *root(void)
{
	const char *from_environment = getenv("OBMON_ROOT");

	return from_environment ? from_environment : ".";
}

static void load(struct metadata *meta, const char *name)
{
	struct obmon_error err = { 0 };
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/tests/data/metadata/%s", root(), name);
	if (metadata_load(meta, path, &err) < 0)
		fail_msg("%s doesn't load: %s", name, err.message);
	assert_string_equal(meta->path, path);
}

static void write_file(char path[PATH_MAX], const char *name, const void *content, size_t length)
{
	FILE *file;

	snprintf(path, PATH_MAX, "%s/%s", scratch, name);
	file = fopen(path, "w");
	assert_non_null(file);
	assert_int_equal(fwrite(content, 1, length, file), length);
	assert_int_equal(fclose(file), 0);
}

static int load_content(struct metadata *meta, const char *name, const void *content, size_t length,
			struct obmon_error *err)
{
	char path[PATH_MAX];

	write_file(path, name, content, length);
	return metadata_load(meta, path, err);
}

static void load_text(struct metadata *meta, const char *name, const char *text)
{
	struct obmon_error err = { 0 };

	if (load_content(meta, name, text, strlen(text), &err) < 0)
		fail_msg("'%s' doesn't load: %s", text, err.message);
}

/* @content must be refused with "<the file>:<place>: ...<part>...", or without a place where that is "". */
static void expect_error(const char *name, const void *content, size_t length, const char *place, const char *part)
{
	char head[PATH_MAX + 64];
	struct obmon_error err = { 0 };
	struct metadata meta;

	if (load_content(&meta, name, content, length, &err) == 0)
		fail_msg("accepted, but expected %s '%s':\n%.*s", place, part, (int)(length < 200 ? length : 200),
			 (const char *)content);
	assert_null(meta.path);
	assert_int_equal(err.code, OBMON_ERR_CONFIG);
	snprintf(head, sizeof(head), "%s/%s:%s%s ", scratch, name, place, *place ? ":" : "");
	if (strncmp(err.message, head, strlen(head)) || !strstr(err.message, part))
		fail_msg("expected '%s...%s', got '%s'", head, part, err.message);
}

static void expect_capability(const struct metadata *meta, size_t i, const char *canonical, unsigned line,
			      unsigned column)
{
	const struct obmon_capability *cap = &meta->capabilities.items[i];
	char *text;

	assert_true(i < meta->capabilities.n);
	text = obmon_capability_format(cap);
	assert_string_equal(text, canonical);
	free(text);
	assert_int_equal(cap->source, OBMON_SOURCE_METADATA);
	assert_false(cap->quiet);
	assert_string_equal(cap->file, meta->path);
	assert_int_equal(cap->line, line);
	assert_int_equal(cap->column, column);
}

/* The project's own files */

static void test_python_block(void **state)
{
	struct metadata meta;

	(void)state;
	load(&meta, "block.py");
	assert_string_equal(meta.name, "block.py");
	assert_string_equal(meta.version, "1.0.0");
	assert_string_equal(meta.uuid, "8b8b8b8b-8b8b-8b8b-8b8b-8b8b8b8b8b8b");
	assert_string_equal(meta.author, "Example Team");
	assert_string_equal(meta.lifecycle, "active");
	assert_string_equal(meta.namespace_, "onex.stamped.block");
	assert_string_equal(meta.entrypoint, "block.py");
	assert_string_equal(meta.runtime_hint, "python>=3.11");
	assert_string_equal(meta.runtime, "python");
	assert_int_equal(meta.idempotent, IDEMPOTENT_UNSTATED);
	assert_int_equal(meta.timeout_ms, 0);
	assert_int_equal(meta.capabilities.n, 1);
	expect_capability(&meta, 0, "FILE_READ:src/*.py", 24, 7);
	metadata_clear(&meta);
	assert_null(meta.name);
}

static void test_indented_block(void **state)
{
	struct metadata meta;

	(void)state;
	load(&meta, "indented.cc");
	assert_string_equal(meta.name, "indented");
	assert_string_equal(meta.version, "1.2.3");
	assert_string_equal(meta.entrypoint, "src/main.cc");
	assert_int_equal(meta.capabilities.n, 1);
	expect_capability(&meta, 0, "NETWORK_CONNECT:api.example.com:443{proto=tcp}", 11, 9);
	assert_string_equal(meta.capabilities.items[0].description, "Where the answers come from.");
	metadata_clear(&meta);
}

static void test_html_block(void **state)
{
	struct metadata meta;

	(void)state;
	load(&meta, "block.md");
	assert_string_equal(meta.name, "block.md");
	assert_string_equal(meta.uuid, "35a46723-963b-47b0-b57d-315861920aa4");
	assert_string_equal(meta.entrypoint, "block.md");
	assert_string_equal(meta.namespace_, "onex.stamped.block");
	metadata_clear(&meta);
}

static void test_node_document(void **state)
{
	struct metadata meta;

	(void)state;
	load(&meta, "node.onex.yaml");
	assert_string_equal(meta.name, "template_node");
	assert_string_equal(meta.uuid, "TEMPLATE-UUID-REPLACE-ME");
	assert_string_equal(meta.lifecycle, "template");
	assert_string_equal(meta.entrypoint, "src/main.py");
	assert_string_equal(meta.runtime_hint, "Python>=3.11");
	assert_string_equal(meta.runtime, "python");
	assert_int_equal(meta.capabilities.n, 0);
	metadata_clear(&meta);
}

static void test_contract_document(void **state)
{
	struct metadata meta;

	(void)state;
	load(&meta, "contract.yaml");
	assert_string_equal(meta.name, "example_evidence");
	assert_string_equal(meta.version, "1.4.7");
	assert_null(meta.author);
	assert_null(meta.entrypoint);
	assert_null(meta.runtime);
	assert_int_equal(meta.idempotent, IDEMPOTENT_YES);
	assert_int_equal(meta.timeout_ms, 30000);
	assert_int_equal(meta.capabilities.n, 1);
	expect_capability(&meta, 0, "EXTERNAL_COMMAND:git", 25, 5);
	metadata_clear(&meta);
}

static void test_json_document(void **state)
{
	struct metadata meta;

	(void)state;
	load(&meta, "tool.json");
	assert_string_equal(meta.version, "3.1.4");
	assert_string_equal(meta.entrypoint, "src/tool.py");
	assert_string_equal(meta.runtime, "node");
	assert_int_equal(meta.idempotent, IDEMPOTENT_NO);
	assert_int_equal(meta.timeout_ms, 1500);
	assert_int_equal(meta.capabilities.n, 3);
	expect_capability(&meta, 0, "FILE_READ:src/*.py", 9, 3);
	expect_capability(&meta, 1, "SECRET_ACCESS:token{uses=1}", 10, 3);
	expect_capability(&meta, 2, "NETWORK_CONNECT:[::1]:443", 11, 3);
	metadata_clear(&meta);
}

static void test_hostile_document(void **state)
{
	struct metadata meta;

	(void)state;
	assert_int_equal(access("/tmp/obmon-was-here", F_OK), -1);
	load(&meta, "hostile.yaml");
	assert_string_equal(meta.name, "hostile");
	assert_string_equal(meta.version, "1.0");
	assert_string_equal(meta.author, "1.0");
	assert_int_equal(meta.capabilities.n, 0);
	assert_int_equal(access("/tmp/obmon-was-here", F_OK), -1);
	metadata_clear(&meta);
}

static void test_first_map_of_several_documents(void **state)
{
	struct metadata meta;

	(void)state;
	load(&meta, "documents.yaml");
	assert_string_equal(meta.name, "third");
	assert_null(meta.author);
	metadata_clear(&meta);
}

/* Single fields */

static void test_entrypoints(void **state)
{
	static const struct {
		const char *text, *file;
	} good[] = {
		{ "entrypoint: python@src/f.py\n", "src/f.py" },
		{ "entrypoint: python://src/f.py\n", "src/f.py" },
		{ "entrypoint: f.py\n", "f.py" },
		{ "entrypoint: ./a@b.py\n", "./a@b.py" },
		{ "entrypoint: /usr/lib/x@2/f.py\n", "/usr/lib/x@2/f.py" },
		{ "entrypoint: {target: f.py}\n", "f.py" },
		{ "entrypoint: {type: python, target: a@b.py}\n", "a@b.py" },
		{ "entrypoint: null\n", NULL },
		{ "name: x\n", NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		struct metadata meta;

		load_text(&meta, "f.yaml", good[i].text);
		if (good[i].file)
			assert_string_equal(meta.entrypoint, good[i].file);
		else
			assert_null(meta.entrypoint);
		metadata_clear(&meta);
	}
}

static void test_versions(void **state)
{
	static const struct {
		const char *text, *version;
	} good[] = {
		{ "version: 1.0\n", "1.0" },
		{ "version: '2'\n", "2" },
		{ "version: {major: 1, minor: 2, patch: 3}\n", "1.2.3" },
		{ "version: {major: 1}\n", "1.0.0" },
		{ "node_version: 1.1.0\ncontract_version: 2.0.0\n", "1.1.0" },
		{ "contract_version: {major: 2, minor: 0, patch: 0}\n", "2.0.0" },
		{ "version: 3.0.0\nnode_version: [ignored]\n", "3.0.0" },
		{ "version:\nnode_version: 4.0.0\n", "4.0.0" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		struct metadata meta;

		load_text(&meta, "f.yaml", good[i].text);
		assert_string_equal(meta.version, good[i].version);
		metadata_clear(&meta);
	}
}

static void test_runtimes(void **state)
{
	static const struct {
		const char *text, *runtime;
	} good[] = {
		{ "runtime_language_hint: python>=3.11\n", "python" },
		{ "runtime_language_hint: Node.js 20\n", "node" },
		{ "runtime: bash\n", "bash" },
		{ "runtime: node\nruntime_language_hint: python\n", "python" },
		{ "runtime: '>=3'\n", NULL },
		{ "runtime: ''\n", NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		struct metadata meta;

		load_text(&meta, "f.yaml", good[i].text);
		if (good[i].runtime)
			assert_string_equal(meta.runtime, good[i].runtime);
		else
			assert_null(meta.runtime);
		metadata_clear(&meta);
	}
}

static void test_behaviour(void **state)
{
	struct metadata meta;

	(void)state;
	load_text(&meta, "f.yaml", "idempotent: no\ntimeout_ms: 5\ndescriptor: {idempotent: true, timeout_ms: 9}\n");
	assert_int_equal(meta.idempotent, IDEMPOTENT_NO);
	assert_int_equal(meta.timeout_ms, 5);
	metadata_clear(&meta);
	load_text(&meta, "f.yaml", "timeout_ms: 2592000000\n");
	assert_int_equal(meta.timeout_ms, 2592000000);
	metadata_clear(&meta);
}

/* A byte order mark, of UTF-8, is no part of the text and takes no column. */
static void test_byte_order_mark(void **state)
{
	struct metadata meta;

	(void)state;
	load_text(&meta, "f.yaml", "\xef\xbb\xbfname: marked\ncapabilities: [FILE_READ:/x]\n");
	assert_string_equal(meta.name, "marked");
	expect_capability(&meta, 0, "FILE_READ:/x", 2, 16);
	metadata_clear(&meta);
}

static void test_labels_are_never_granted(void **state)
{
	struct metadata meta;

	(void)state;
	load_text(&meta, "f.yaml", "capabilities: [validate, FILE_READ, 'text x', 42, true, file.read, '/etc/**']\n");
	assert_int_equal(meta.capabilities.n, 0);
	metadata_clear(&meta);
	load_text(&meta, "f.yaml", "capabilities:\ncapabilities_required: []\n");
	assert_int_equal(meta.capabilities.n, 0);
	metadata_clear(&meta);
}

/* Mistakes, with their places */

static const struct {
	const char *text, *place, *part;
} bad[] = {
	{ "name: [a, list]\n", "1:7", "name must be a single value, not a list" },
	{ "version: 1\nname: {a: b}\n", "2:7", "name must be a single value, not a map" },
	{ "name: a\nname: b\n", "2:1", "'name' stands here a second time" },
	{ "name: !include x.yaml\n", "1:7", "tagged '!include'" },
	{ "name: !!python/name:os.system\n", "1:7", "python/name:os.system" },
	{ "name: !!binary aGVsbG8=\n", "1:7", "tagged" },
	{ "name: \"a\\0b\"\n", "1:7", "control character" },
	{ "name: \"a\\e[2Jb\"\n", "1:7", "control character" },
	{ "name: \"a\\x9bb\"\n", "1:7", "control character" },
	{ "base: &b {name: x}\n<<: *b\n", "2:1", "merge keys" },
	{ "version: [1, 2]\n", "1:10", "version must be a single value" },
	{ "version: {minor: 2}\n", "1:10", "no 'major'" },
	{ "version: {major: one}\n", "1:18", "whole number" },
	{ "version: !v {major: 1}\n", "1:10", "tagged '!v'" },
	{ "entrypoint: [x]\n", "1:13", "entrypoint must be" },
	{ "entrypoint: {type: python}\n", "1:13", "no 'target'" },
	{ "entrypoint: python@\n", "1:13", "names no file" },
	{ "entrypoint: {type: python, target: [x]}\n", "1:36", "target must be" },
	{ "idempotent: perhaps\n", "1:13", "true or false" },
	{ "idempotent: 'true'\n", "1:13", "true or false" },
	{ "descriptor: {timeout_ms: -1}\n", "1:26", "from 1 to 2592000000" },
	{ "timeout_ms: 0\n", "1:13", "whole number" },
	{ "timeout_ms: 2592000001\n", "1:13", "whole number" },
	{ "timeout_ms: 99999999999999999999999999\n", "1:13", "whole number" },
	{ "timeout_ms: 1.5\n", "1:13", "whole number" },
	{ "descriptor: none\n", "1:13", "descriptor must be a map" },
	{ "runtime: {python: 3}\n", "1:10", "runtime must be" },

	{ "capabilities: validate\n", "1:15", "capabilities must be a list" },
	{ "capabilities: {validate: true}\n", "1:15", "capabilities must be a list" },
	{ "capabilities:\n  - FILE_RAED:/x\n", "2:5", "did you mean FILE_READ?" },
	{ "capabilities:\n  - onex:validate\n", "2:5", "unknown capability type 'onex'" },
	{ "capabilities:\n  - FILE_READ: /x\n", "2:5", "leave out the space" },
	{ "capabilities:\n  - {name: validate}\n", "2:6", "unknown key 'name'" },
	{ "capabilities:\n  - [validate]\n", "2:5", "a capability must be a single value, not a list" },
	{ "capabilities:\n  - validate\n  -\n", "3:4", "not nothing" },
	{ "capabilities:\n  - !include caps.yaml\n", "2:5", "tagged '!include'" },
	{ "capabilities_required: [validate]\n", "1:25", "'validate' is no capability" },
	{ "capabilities_required: [!grant 'FILE_READ:/x']\n", "1:25", "tagged '!grant'" },
	{ "capabilities_required:\n  - FILE_READ:/a/../b\n", "2:18", "'..'" },
	{ "capabilities_required:\n  - 'FILE_READ:/a/../b'\n", "2:19", "'..'" },
	{ "capabilities_required:\n  - &x FILE_READ:/a/../b\n", "2:21", "'..'" },
	{ "# \xc3\xa9\xe2\x82\xac\ncapabilities_required: [\xc3\xa9, 'FILE_READ:']\n", "2:25", "is no capability" },
	{ "capabilities: [\xc3\xa9, 'FILE_READ:']\n", "1:31", "no resource" },
	{ "capabilities_required:\r\n  - NETWORK_CONNECT:h:99999\r\n", "2:23", "'99999' is not a port" },
	{ "capabilities_required:\n  - \"FILE_READ:\\x2fa/../b\"\n", "2:5", "'..'" },
	{ "capabilities_required:\n  - >-\n    FILE_READ:/a/../b\n", "2:5", "'..'" },
	{ "capabilities_required:\n  - {type: FILE_READ}\n", "2:5", "'resource' is missing" },
	{ "capabilities_required:\n  - {resource: /x}\n", "2:5", "'type' is missing" },
	{ "capabilities_required:\n  - {type: FILE_RAED, resource: /x}\n", "2:12", "did you mean FILE_READ?" },
	{ "capabilities_required:\n  - {type: FILE_READ, resource: /a/../b}\n", "2:36", "'..'" },
	{ "capabilities_required:\n  - {type: FILE_READ, resource: /x, mode: r}\n", "2:37", "unknown key 'mode'" },
	{ "capabilities_required:\n  - {type: FILE_READ, type: FILE_WRITE, resource: /x}\n", "2:23", "second time" },
	{ "capabilities_required:\n  - type: SECRET_ACCESS\n    resource: t\n    conditions: {ttl: 5}\n", "4:18",
	  "knows no condition 'ttl'" },
	{ "capabilities_required:\n  - type: SECRET_ACCESS\n    resource: t{uses=1}\n", "3:16", "reads as conditions" },
	{ "capabilities_required:\n  - type: SECRET_ACCESS\n    resource: t\n    conditions: [uses]\n", "4:17",
	  "conditions must be a map" },

	{ "- a\n- list\n", "1:1", "no map of keys and values" },
	{ "just text\n", "1:1", "no map of keys and values" },
	{ "# only a comment\n", "1:1", "no map of keys and values" },
	{ "name: x\n  bad: [\n", "2:6", "mapping values are not allowed" },
	{ "  name: x\nversion: 1\n", "2:1", "did not find expected <document start>" },
	{ "name: x\n]\n", "2:1", "did not find expected" },
	{ "name: *nobody\n", "1:7", "no anchor '&nobody'" },
	{ "- &a x\n---\nname: *a\n", "3:7", "no anchor '&a'" },
	{ "x: &a [*a]\n", "1:8", "stands within what it refers to" },
	{ "x: &a\n  y: {z: *a}\n", "2:10", "stands within what it refers to" },
	{ "name: x\nother: \xff\n", "2:8", "this isn't UTF-8" },
	{ "name: x\nother: \xed\xa0\x80\n", "2:8", "this isn't UTF-8" },
	{ "name: \x1b[2J\n", "1:7", "doesn't allow this character" },
	{ "name: \"\\ud83d\"\n", "1:10", "invalid Unicode character" },

	{ "x = 1\n# === OmniNode:Metadata ===\n# name: x\n", "2:1", "isn't closed" },
	{ "# === OmniNode:Metadata ===\n# name: x\ny = 1\n# === /OmniNode:Metadata ===\n", "3:1",
	  "doesn't start with the comment sign" },
	{ "# === OmniNode:Metadata ===\n#   name: x\n# version: 1\n# === /OmniNode:Metadata ===\n", "3:3",
	  "indented less" },
	{ "\n\n  # === OmniNode:Metadata ===\n  # a: b\n  # name: [x]\n  # === /OmniNode:Metadata ===\n", "5:11",
	  "name must be a single value" },
	{ "//=== OmniNode:Metadata ===\n//capabilities: [FILE_RAED:/x]\n//=== /OmniNode:Metadata ===\n", "2:18",
	  "did you mean" },
	{ "<!-- === OmniNode:Metadata ===\nname: [x]\n<!-- === /OmniNode:Metadata === -->\n", "2:7",
	  "name must be a single value" },
	{ "# === OmniNode:Metadata ===\n# === /OmniNode:Metadata ===\n", "2:1", "no map of keys and values" },
};

static void test_mistakes(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		expect_error("f.yaml", bad[i].text, strlen(bad[i].text), bad[i].place, bad[i].part);
}

/* A script without a block is not YAML either, and its author should hear of the block. */
static void test_script_without_block(void **state)
{
	static const char script[] = "import os\nx = {'a': [1, 2}\n";

	(void)state;
	expect_error("f.py", script, strlen(script), "2:9", "no metadata block");
}

static void test_not_text(void **state)
{
	static const char utf16[] = "\xff\xfen\0a\0m\0e\0";
	static const char utf16_be[] = "\0n\0a\0m\0e\0:";
	static const char elf[] = "\x7f"
				  "ELF\2\1\1\0\0\0";
	static const char nul[] = "name: x\nauthor: a\0b\n";

	(void)state;
	expect_error("f.yaml", utf16, sizeof(utf16) - 1, "1:1", "binary or UTF-16");
	expect_error("f.yaml", utf16_be, sizeof(utf16_be) - 1, "1:1", "binary or UTF-16");
	expect_error("f.yaml", elf, sizeof(elf) - 1, "1:1", "binary or UTF-16");
	expect_error("f.yaml", nul, sizeof(nul) - 1, "2:10", "binary or UTF-16");
	expect_error("f.yaml", "", 0, "", "is empty");
}

static void expect_path_error(const char *path, const char *part)
{
	struct obmon_error err = { 0 };
	struct metadata meta;

	assert_int_equal(metadata_load(&meta, path, &err), -1);
	assert_int_equal(err.code, OBMON_ERR_CONFIG);
	if (strncmp(err.message, path, strlen(path)) || !strstr(err.message, part))
		fail_msg("expected '%s: ...%s', got '%s'", path, part, err.message);
}

static void test_not_files(void **state)
{
	char path[PATH_MAX];

	(void)state;
	expect_path_error(scratch, "is a directory");
	expect_path_error("/dev/null", "is a device");
	snprintf(path, sizeof(path), "%s/missing", scratch);
	expect_path_error(path, "No such file");
	snprintf(path, sizeof(path), "%s/pipe", scratch);
	assert_int_equal(mkfifo(path, 0600), 0);
	expect_path_error(path, "is a pipe"); /* and returns, though nobody writes to it */
	assert_int_equal(unlink(path), 0);
	write_file(path, "unreadable", "name: x\n", 8);
	assert_int_equal(chmod(path, 0), 0);
	if (geteuid() != 0) /* root reads it all the same */
		expect_path_error(path, "Permission denied");
	assert_int_equal(unlink(path), 0);
}

/* Limits: each is refused, or read, in far less than the second allowed here (sanitizers included) */

static void expect_large(char fill, size_t length, const char *start, const char *place, const char *part)
{
	char *text = malloc(length);
	struct timespec before, after;

	assert_non_null(text);
	memset(text, fill, length);
	memcpy(text, start, strlen(start));
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
	expect_error("large.yaml", text, length, place, part);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
	free(text);
	assert_true(after.tv_sec - before.tv_sec <= 1);
}

static void test_size_and_depth(void **state)
{
	(void)state;
	expect_large('#', METADATA_MAX_BYTES + 1, "name: x\n", "", "is longer than 1048576 bytes");
	expect_large('[', METADATA_MAX_BYTES, "", "1:65", "nested more than 64 deep");
	expect_large('{', METADATA_MAX_BYTES, "", "1:65", "nested more than 64 deep");
}

static void test_most_nodes(void **state)
{
	/* The map, its key and the list are nodes too. */
	size_t n = 3, entries = 100000;
	char *text = malloc(2 * entries + 8);

	(void)state;
	assert_non_null(text);
	n = sprintf(text, "x: [");
	for (size_t i = 0; i < entries; i++)
		n += sprintf(text + n, "a,");
	n += sprintf(text + n, "]\n");
	expect_error("large.yaml", text, n, "1:199999", "more than 100000 nodes");
	free(text);
}

static void test_many_anchors(void **state)
{
	char *text = malloc(METADATA_MAX_BYTES), *end = text;
	struct metadata meta;

	(void)state;
	assert_non_null(text);
	end += sprintf(end, "name: x\nx:\n");
	for (int i = 0; i < 30000; i++)
		end += sprintf(end, "- &a%d %d\n", i, i);
	for (int i = 0; i < 30000; i++)
		end += sprintf(end, "- *a%d\n", 29999 - i);
	assert_true(end - text < METADATA_MAX_BYTES);
	load_text(&meta, "large.yaml", text);
	assert_string_equal(meta.name, "x");
	metadata_clear(&meta);
	free(text);
}

static void test_long_strings(void **state)
{
	char text[5200] = "name: ";
	struct metadata meta;

	(void)state;
	memset(text + 6, 'n', 4096);
	load_text(&meta, "f.yaml", text);
	assert_int_equal(strlen(meta.name), 4096);
	metadata_clear(&meta);
	memset(text + 6, 'n', 4097);
	expect_error("f.yaml", text, strlen(text), "1:7", "longer than 4096 bytes");
}

/* The corpus */

static const char *corpus_path(char path[PATH_MAX])
{
	const char *from_environment = getenv("OBMON_CORPUS");

	if (from_environment)
		return from_environment;
	snprintf(path, PATH_MAX, "%s/../shared/corpus/omnibase", root());
	return access(path, R_OK) == 0 ? path : NULL;
}

/* Does @message name @path, a line and a column? */
static bool names_place(const char *message, const char *path)
{
	unsigned line, column;

	return !strncmp(message, path, strlen(path)) && sscanf(message + strlen(path), ":%u:%u: ", &line, &column) == 2;
}

/* @return whether @path loads. Either way it must behave. */
static bool check_corpus_file(const char *path)
{
	struct obmon_error err = { 0 };
	struct metadata meta;

	if (metadata_load(&meta, path, &err) < 0) {
		print_message("%s\n", err.message);
		assert_true(names_place(err.message, path));
		return false;
	}
	assert_non_null(meta.name);
	assert_non_null(meta.version);
	/* Nothing in the corpus is spelled as a capability, so nothing may come out as one. */
	assert_int_equal(meta.capabilities.n, 0);
	metadata_clear(&meta);
	return true;
}

static void test_corpus(void **state)
{
	char buffer[PATH_MAX], path[PATH_MAX + 256];
	const char *corpus = corpus_path(buffer);
	size_t loaded = 0, n = 0;
	struct dirent *entry;
	DIR *dir;

	(void)state;
	if (!corpus) {
		print_message("the OmniBase corpus isn't at %s: only the project's own files are tested\n", buffer);
		return;
	}
	dir = opendir(corpus);
	assert_non_null(dir);
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", corpus, entry->d_name);
		loaded += check_corpus_file(path);
		n++;
	}
	closedir(dir);
	print_message("%zu of the %zu documents in %s load\n", loaded, n, corpus);
	assert_true(loaded >= CORPUS_LOADABLE);
}

static int make_scratch(void **state)
{
	(void)state;
	return mkdtemp(scratch) ? 0 : -1;
}

static int remove_scratch(void **state)
{
	static const char *const names[] = { "f.yaml", "f.py", "large.yaml" };
	char path[PATH_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		snprintf(path, sizeof(path), "%s/%s", scratch, names[i]);
		unlink(path);
	}
	return rmdir(scratch);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_python_block),
		cmocka_unit_test(test_indented_block),
		cmocka_unit_test(test_html_block),
		cmocka_unit_test(test_node_document),
		cmocka_unit_test(test_contract_document),
		cmocka_unit_test(test_json_document),
		cmocka_unit_test(test_hostile_document),
		cmocka_unit_test(test_first_map_of_several_documents),
		cmocka_unit_test(test_entrypoints),
		cmocka_unit_test(test_versions),
		cmocka_unit_test(test_runtimes),
		cmocka_unit_test(test_behaviour),
		cmocka_unit_test(test_byte_order_mark),
		cmocka_unit_test(test_labels_are_never_granted),
		cmocka_unit_test(test_mistakes),
		cmocka_unit_test(test_script_without_block),
		cmocka_unit_test(test_not_text),
		cmocka_unit_test(test_not_files),
		cmocka_unit_test(test_size_and_depth),
		cmocka_unit_test(test_most_nodes),
		cmocka_unit_test(test_many_anchors),
		cmocka_unit_test(test_long_strings),
		cmocka_unit_test(test_corpus),
	};

	return cmocka_run_group_tests(tests, make_scratch, remove_scratch);
}
