/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The profile loader, and the shipped profiles: that they load, what they must grant and what they must not.
 *
 * Run from the repository's root, or with OBMON_ROOT set to it.
 */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "cap/glob.h"
#include "cap/types.h"
#include "meta/profile.h"

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))
#define WORKSPACE "/work space"

static char shipped_dir[PATH_MAX];
static char scratch[] = "/tmp/obmon-profile-XXXXXX";
static char second[PATH_MAX];
static char missing[PATH_MAX];

static const char *const shipped[] = { shipped_dir, NULL };
static const char *const scratched[] = { missing, scratch, second, NULL };

static void load(struct profile *profile, const char *name, const char *const *dirs)
{
	struct obmon_error err = { 0 };

	if (profile_load(profile, name, dirs, &err) < 0)
		fail_msg("%s doesn't load: %s", name, err.message);
	assert_string_equal(profile->name, name);
}

static void write_profile(const char *dir, const char *name, const char *text)
{
	char path[PATH_MAX + 128];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s.yaml", dir, name);
	file = fopen(path, "w");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static void remove_profile(const char *dir, const char *name)
{
	char path[PATH_MAX + 128];

	snprintf(path, sizeof(path), "%s/%s.yaml", dir, name);
	assert_int_equal(unlink(path), 0);
}

/* The loader */

static void test_whole_profile(void **state)
{
	const struct obmon_capability *quiet;
	struct profile profile;

	(void)state;
	write_profile(scratch, "whole",
		      "name: whole\ndescription: >\n  All of\n  it.\nruntimes: [a, b]\n"
		      "environment: {A: \"1\", B_2: ''}\ncapabilities:\n  - FILE_READ:/x\n"
		      "quiet:\n  - {type: FILE_WRITE, resource: /y, description: why}\n");
	load(&profile, "whole", scratched);
	assert_string_equal(profile.description, "All of it.");
	assert_int_equal(profile.n_runtimes, 2);
	assert_string_equal(profile.runtimes[1], "b");
	assert_int_equal(profile.n_environment, 2);
	assert_string_equal(profile.environment[0].name, "A");
	assert_string_equal(profile.environment[0].value, "1");
	assert_string_equal(profile.environment[1].name, "B_2");
	assert_string_equal(profile.environment[1].value, "");
	assert_int_equal(profile.capabilities.n, 2);
	assert_false(profile.capabilities.items[0].quiet);
	assert_int_equal(profile.capabilities.items[0].source, OBMON_SOURCE_PROFILE);
	quiet = &profile.capabilities.items[1];
	assert_true(quiet->quiet);
	assert_int_equal(quiet->source, OBMON_SOURCE_PROFILE);
	assert_string_equal(quiet->description, "why");
	assert_int_equal(quiet->line, 10);
	profile_clear(&profile);
	assert_null(profile.name);
	remove_profile(scratch, "whole");
}

static const struct {
	const char *text, *place, *part;
} bad[] = {
	{ "name: bad\ncapabilites: []\n", "2:1", "unknown key 'capabilites'" },
	{ "description: x\n", "1:1", "the profile has no name" },
	{ "name: good\n", "1:7", "named 'good', its file 'bad.yaml'" },
	{ "name: [bad]\n", "1:7", "name must be a single value" },
	{ "name: bad\nname: bad\n", "2:1", "second time" },
	{ "name: bad\nruntimes: python\n", "2:11", "runtimes must be a list" },
	{ "name: bad\nruntimes: [[python]]\n", "2:12", "a runtime must be" },
	{ "name: bad\nenvironment: [A]\n", "2:14", "environment must be a map" },
	{ "name: bad\nenvironment: {'A=B': c}\n", "2:15", "'A=B' is not the name of a variable" },
	{ "name: bad\nenvironment: {1A: c}\n", "2:15", "not the name of a variable" },
	{ "name: bad\nenvironment: {A: 1, B: 2, A: 3}\n", "2:27", "'A' stands here a second time" },
	{ "name: bad\nenvironment: {A: [1]}\n", "2:18", "A must be a single value" },
	{ "name: bad\ncapabilities: [read]\n", "2:16", "'read' is no capability" },
	{ "name: bad\nquiet:\n  - FILE_RAED:/x\n", "3:5", "did you mean FILE_READ?" },
	{ "name: bad\nquiet: !include quiet.yaml\n", "2:8", "tagged '!include'" },
	{ "- name\n", "1:1", "no map of keys and values" },
};

static void test_mistakes(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct obmon_error err = { 0 };
		struct profile profile;
		char head[PATH_MAX];

		write_profile(scratch, "bad", bad[i].text);
		if (profile_load(&profile, "bad", scratched, &err) == 0)
			fail_msg("accepted:\n%s", bad[i].text);
		assert_null(profile.name);
		assert_int_equal(err.code, OBMON_ERR_CONFIG);
		snprintf(head, sizeof(head), "%s/bad.yaml:%s: ", scratch, bad[i].place);
		if (strncmp(err.message, head, strlen(head)) || !strstr(err.message, bad[i].part))
			fail_msg("expected '%s...%s', got '%s'", head, bad[i].part, err.message);
	}
	remove_profile(scratch, "bad");
}

static void test_unknown_names(void **state)
{
	static const char *const names[] = {
		"pyhton", "", "../base", "base.yaml", "-base", "Base", "/etc/passwd",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		struct obmon_error err = { 0 };
		struct profile profile;
		char expected[256];

		assert_int_equal(profile_load(&profile, names[i], shipped, &err), -1);
		assert_int_equal(err.code, OBMON_ERR_CONFIG);
		snprintf(expected, sizeof(expected), "unknown profile '%s'; there are: base, node, python, shell, tls",
			 names[i]);
		assert_string_equal(err.message, expected);
	}
}

static void test_first_directory_wins(void **state)
{
	struct profile profile;

	(void)state;
	write_profile(scratch, "twice", "name: twice\ndescription: first\n");
	write_profile(second, "twice", "name: twice\ndescription: second\n");
	write_profile(second, "only", "name: only\n");
	load(&profile, "twice", scratched);
	assert_string_equal(profile.description, "first");
	profile_clear(&profile);
	load(&profile, "only", scratched);
	profile_clear(&profile);
	remove_profile(scratch, "twice");
	remove_profile(second, "twice");
	remove_profile(second, "only");
}

static void test_profile_for_runtime(void **state)
{
	static const struct {
		const char *runtime, *profile;
	} table[] = {
		{ "python", "python" }, { "bash", "shell" }, { "node", "node" },
		{ "nodejs", "node" },   { "cobol", NULL },   { "base", NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		struct obmon_error err = { 0 };
		char *name;

		assert_int_equal(profile_for_runtime(&name, table[i].runtime, shipped, &err), 0);
		assert_int_equal(err.code, OBMON_OK);
		if (table[i].profile)
			assert_string_equal(name, table[i].profile);
		else
			assert_null(name);
		free(name);
	}
}

static void test_runtime_of_two_profiles(void **state)
{
	struct obmon_error err = { 0 };
	char *name;

	(void)state;
	write_profile(scratch, "one", "name: one\nruntimes: [x]\n");
	write_profile(second, "two", "name: two\nruntimes: [x]\n");
	assert_int_equal(profile_for_runtime(&name, "x", scratched, &err), -1);
	assert_null(name);
	assert_string_equal(err.message, "both profiles 'one' and 'two' are for the runtime 'x'");
	remove_profile(scratch, "one");
	remove_profile(second, "two");
}

/* The shipped profiles */

static bool matches(const struct obmon_capability *cap, const char *path)
{
	const char *resource = cap->resource;
	struct obmon_error err = { 0 };
	struct glob glob;
	bool matched;

	resource += !strncmp(resource, "unix:", 5) && !strncmp(path, "unix:", 5) ? 5 : 0;
	path += resource > cap->resource ? 5 : 0;
	if (glob_parse(&glob, resource, strlen(resource), WORKSPACE, NULL, &err) < 0)
		fail_msg("%s:%u: %s", cap->file, cap->line, err.message);
	matched = glob_match(&glob, path, strlen(path));
	glob_clear(&glob);
	return matched;
}

/* Does @name, or the base profile that comes with it, have @path under @type, granted or quiet? */
static bool profile_has(const char *name, enum obmon_cap_type type, const char *path, bool quiet)
{
	const char *const names[] = { name, "base" };
	bool found = false;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		struct profile profile;

		load(&profile, names[i], shipped);
		for (size_t j = 0; j < profile.capabilities.n; j++) {
			const struct obmon_capability *cap = &profile.capabilities.items[j];

			found = found || (cap->type == type && cap->quiet == quiet && matches(cap, path));
		}
		profile_clear(&profile);
	}
	return found;
}

struct expectation {
	const char *profile;
	enum obmon_cap_type type;
	const char *path;
};

static const struct expectation granted[] = {
	{ "base", OBMON_CAP_FILE_READ, "/usr/lib/x86_64-linux-gnu/libc.so.6" },
	{ "base", OBMON_CAP_LIBRARY_LOAD, "/usr/lib/x86_64-linux-gnu/libc.so.6" },
	{ "base", OBMON_CAP_LIBRARY_LOAD, "/lib/aarch64-linux-gnu/libm.so.6" },
	{ "base", OBMON_CAP_LIBRARY_LOAD, "/usr/lib64/libz.so.1.2.13" },
	{ "base", OBMON_CAP_LIBRARY_LOAD, "/usr/local/lib/libx.so" },
	{ "base", OBMON_CAP_EXTERNAL_COMMAND, "/lib64/ld-linux-x86-64.so.2" },
	{ "base", OBMON_CAP_FILE_READ, "/etc/ld.so.cache" },
	{ "base", OBMON_CAP_FILE_READ, "/usr/lib/locale/C.utf8/LC_CTYPE" },
	{ "base", OBMON_CAP_FILE_READ, "/usr/lib/locale/locale-archive" },
	{ "base", OBMON_CAP_FILE_READ, "/usr/lib/x86_64-linux-gnu/gconv/gconv-modules.cache" },
	{ "base", OBMON_CAP_FILE_READ, "/usr/lib/x86_64-linux-gnu/gconv/gconv-modules.d/x.conf" },
	{ "base", OBMON_CAP_FILE_READ, "/usr/share/locale/locale.alias" },
	{ "base", OBMON_CAP_FILE_READ, "/usr/share/zoneinfo/Europe/Paris" },
	{ "base", OBMON_CAP_FILE_READ, "/dev/urandom" },
	{ "base", OBMON_CAP_FILE_WRITE, "/dev/null" },
	{ "base", OBMON_CAP_FILE_READ, "/proc/self/maps" },
	{ "base", OBMON_CAP_FILE_READ, "/proc/self/task/12/stat" },
	{ "base", OBMON_CAP_FILE_READ, "/proc/meminfo" },
	{ "base", OBMON_CAP_FILE_READ, "/sys/devices/system/cpu/online" },
	{ "base", OBMON_CAP_FILE_READ, "/sys/devices/system/cpu" },
	{ "python", OBMON_CAP_EXTERNAL_COMMAND, "/usr/bin/python3.11" },
	{ "python", OBMON_CAP_FILE_READ, "/usr/lib/python3.11/json/__init__.py" },
	{ "python", OBMON_CAP_FILE_READ, "/usr/lib/python3.11/json/__pycache__/decoder.cpython-311.pyc" },
	{ "python", OBMON_CAP_FILE_READ, "/usr/lib/python3/dist-packages/yaml/__init__.py" },
	{ "python", OBMON_CAP_FILE_READ, "/usr/lib/python3.11" },
	{ "python", OBMON_CAP_LIBRARY_LOAD, "/usr/lib/python3.11/lib-dynload/_ssl.cpython-311-x86_64-linux-gnu.so" },
	{ "python", OBMON_CAP_FILE_READ, "/usr/local/lib/python3.11/dist-packages/x.pth" },
	{ "python", OBMON_CAP_FILE_READ, WORKSPACE "/.venv/lib/python3.11/site-packages/a.py" },
	{ "python", OBMON_CAP_LIBRARY_LOAD, WORKSPACE "/.venv/lib/python3.11/site-packages/a/_c.so" },
	{ "python", OBMON_CAP_FILE_READ, "/etc/ssl/openssl.cnf" },
	{ "shell", OBMON_CAP_EXTERNAL_COMMAND, "/usr/bin/dash" },
	{ "shell", OBMON_CAP_EXTERNAL_COMMAND, "/bin/sh" },
	{ "shell", OBMON_CAP_EXTERNAL_COMMAND, "/usr/bin/[" },
	{ "shell", OBMON_CAP_EXTERNAL_COMMAND, "/bin/ls" },
	{ "shell", OBMON_CAP_EXTERNAL_COMMAND, "/usr/bin/sha256sum" },
	{ "node", OBMON_CAP_EXTERNAL_COMMAND, "/usr/bin/node" },
	{ "node", OBMON_CAP_FILE_READ, "/usr/bin/node" },
	{ "node", OBMON_CAP_FILE_READ, "/usr/lib/node_modules/npm/package.json" },
	{ "node", OBMON_CAP_FILE_READ, "/usr/share/nodejs/semver/index.js" },
	{ "node", OBMON_CAP_LIBRARY_LOAD, WORKSPACE "/node_modules/a/build/a.node" },
	{ "base", OBMON_CAP_FILE_READ, "/etc/nsswitch.conf" },
	{ "base", OBMON_CAP_FILE_READ, "/etc/host.conf" },
	{ "base", OBMON_CAP_FILE_READ, "/etc/gai.conf" },
	{ "base", OBMON_CAP_FILE_READ, "/etc/services" },
	{ "base", OBMON_CAP_FILE_READ, "/etc/protocols" },
	{ "tls", OBMON_CAP_FILE_READ, "/etc/ssl/openssl.cnf" },
	{ "tls", OBMON_CAP_FILE_READ, "/etc/ssl/certs/ca-certificates.crt" },
	{ "tls", OBMON_CAP_FILE_READ, "/etc/ssl/certs/4bfab552.0" },
	{ "tls", OBMON_CAP_FILE_READ, "/etc/pki/tls/certs/ca-bundle.crt" },
	{ "tls", OBMON_CAP_FILE_READ, "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem" },
	{ "tls", OBMON_CAP_FILE_READ, "/usr/share/ca-certificates/mozilla/ISRG_Root_X1.crt" },
	{ "tls", OBMON_CAP_FILE_READ, "/usr/local/share/ca-certificates/own.crt" },
	{ "tls", OBMON_CAP_FILE_READ, "/usr/lib/ssl/openssl.cnf" },
	{ "tls", OBMON_CAP_FILE_READ, "/etc/gnutls/config" },
};

static const struct expectation refused[] = {
	{ "shell", OBMON_CAP_FILE_READ, "/etc/passwd" },
	{ "shell", OBMON_CAP_FILE_READ, "/etc/group" },
	{ "shell", OBMON_CAP_FILE_READ, "/etc/shadow" },
	{ "shell", OBMON_CAP_FILE_READ, "/etc/hostname" },
	{ "shell", OBMON_CAP_FILE_READ, "/etc/profile" },
	{ "shell", OBMON_CAP_FILE_READ, "/root/.bashrc" },
	{ "shell", OBMON_CAP_EXTERNAL_COMMAND, "/usr/bin/git" },
	{ "shell", OBMON_CAP_EXTERNAL_COMMAND, "/usr/bin/curl" },
	{ "shell", OBMON_CAP_EXTERNAL_COMMAND, "/usr/bin/python3.11" },
	{ "shell", OBMON_CAP_EXTERNAL_COMMAND, WORKSPACE "/ls" },
	{ "python", OBMON_CAP_FILE_READ, "/etc/passwd" },
	{ "python", OBMON_CAP_FILE_READ, "/etc/ssl/private/key.pem" },
	{ "python", OBMON_CAP_FILE_READ, WORKSPACE "/secret.py" },
	{ "python", OBMON_CAP_FILE_READ, "/usr/bin/python3.11" },
	{ "python", OBMON_CAP_FILE_WRITE, "/usr/lib/python3.11/json/__pycache__/x.pyc" },
	{ "python", OBMON_CAP_LIBRARY_LOAD, WORKSPACE "/evil.so" },
	{ "python", OBMON_CAP_LIBRARY_LOAD, "/tmp/evil.so" },
	{ "python", OBMON_CAP_EXTERNAL_COMMAND, "/usr/bin/dash" },
	{ "node", OBMON_CAP_FILE_READ, WORKSPACE "/index.js" },
	{ "node", OBMON_CAP_EXTERNAL_COMMAND, "/usr/lib/node_modules/npm/bin/npm-cli.js" },
	{ "base", OBMON_CAP_FILE_READ, "/proc/self/environ" },
	{ "base", OBMON_CAP_FILE_READ, "/proc/self/mem" },
	{ "base", OBMON_CAP_FILE_READ, "/proc/1/cmdline" },
	{ "base", OBMON_CAP_FILE_READ, "/proc/kcore" },
	{ "base", OBMON_CAP_FILE_READ, "/sys/fs/cgroup/memory.max" },
	{ "base", OBMON_CAP_FILE_READ, "/dev/sda" },
	{ "base", OBMON_CAP_FILE_WRITE, "/dev/shm/x" },
	{ "base", OBMON_CAP_FILE_WRITE, "/tmp/x" },
	{ "base", OBMON_CAP_EXTERNAL_COMMAND, "/usr/bin/dash" },
	{ "base", OBMON_CAP_FILE_READ, "/etc/hosts" },
	{ "base", OBMON_CAP_FILE_READ, "/etc/resolv.conf" },
	{ "tls", OBMON_CAP_FILE_READ, "/etc/resolv.conf" },
	{ "tls", OBMON_CAP_FILE_READ, "/etc/ssl/private/key.pem" },
	{ "tls", OBMON_CAP_FILE_READ, "/etc/pki/tls/private/localhost.key" },
	{ "tls", OBMON_CAP_FILE_WRITE, "/etc/ssl/certs/ca-certificates.crt" },
	{ "base", OBMON_CAP_NETWORK_CONNECT, "unix:/run/nscd/socket" },
	{ "base", OBMON_CAP_NETWORK_CONNECT, "unix:/run/systemd/resolve/io.systemd.Resolve" },
};

static const struct expectation expected_quiet[] = {
	{ "base", OBMON_CAP_FILE_READ, "/sys/fs/cgroup/memory.max" },
	{ "base", OBMON_CAP_FILE_READ, "/sys/fs/cgroup/a.slice/cpu.max" },
	{ "python", OBMON_CAP_FILE_WRITE, "/usr/lib/python3.11/json/__pycache__" },
	{ "python", OBMON_CAP_FILE_WRITE, WORKSPACE "/pkg/__pycache__/x.pyc.123" },
	{ "shell", OBMON_CAP_FILE_READ, "/etc/profile.d/x.sh" },
	{ "base", OBMON_CAP_NETWORK_CONNECT, "unix:/run/nscd/socket" },
	{ "base", OBMON_CAP_NETWORK_CONNECT, "unix:/run/systemd/resolve/io.systemd.Resolve" },
};

static const struct expectation not_quiet[] = {
	{ "base", OBMON_CAP_NETWORK_CONNECT, "unix:/run/nscd/other" },
	{ "base", OBMON_CAP_NETWORK_CONNECT, "unix:/run/systemd/private" },
	{ "base", OBMON_CAP_NETWORK_LISTEN, "unix:/run/nscd/socket" },
};

static void check(const struct expectation *table, size_t n, bool quiet, bool expected)
{
	for (size_t i = 0; i < n; i++)
		if (profile_has(table[i].profile, table[i].type, table[i].path, quiet) != expected)
			fail_msg("profile %s: %s:%s is %s", table[i].profile, obmon_cap_type_name(table[i].type),
				 table[i].path, expected ? "missing" : "there");
}

static void test_shipped_profiles(void **state)
{
	(void)state;
	check(granted, ARRAY_SIZE(granted), false, true);
	check(refused, ARRAY_SIZE(refused), false, false);
	check(expected_quiet, ARRAY_SIZE(expected_quiet), true, true);
	check(not_quiet, ARRAY_SIZE(not_quiet), true, false);
}

/* Where a tool may go is the caller's decision; a profile only keeps what is refused anyway quiet. */
static void test_no_profile_grants_the_network(void **state)
{
	static const char *const names[] = { "base", "node", "python", "shell", "tls" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		struct profile profile;

		load(&profile, names[i], shipped);
		for (size_t j = 0; j < profile.capabilities.n; j++) {
			const struct obmon_capability *cap = &profile.capabilities.items[j];

			if (cap_types[cap->type].resource == RESOURCE_NETWORK && !cap->quiet)
				fail_msg("%s grants %s", names[i], cap->resource);
		}
		profile_clear(&profile);
	}
}

static void test_environment_of_python(void **state)
{
	struct profile profile;

	(void)state;
	load(&profile, "python", shipped);
	assert_int_equal(profile.n_environment, 1);
	assert_string_equal(profile.environment[0].name, "PYTHONDONTWRITEBYTECODE");
	assert_string_equal(profile.environment[0].value, "1");
	profile_clear(&profile);
}

static int set_up(void **state)
{
	const char *root = getenv("OBMON_ROOT");

	(void)state;
	snprintf(shipped_dir, sizeof(shipped_dir), "%s/profiles", root ? root : ".");
	if (!mkdtemp(scratch))
		return -1;
	snprintf(second, sizeof(second), "%s/second", scratch);
	snprintf(missing, sizeof(missing), "%s/missing", scratch);
	return mkdir(second, 0700);
}

static int tear_down(void **state)
{
	(void)state;
	return rmdir(second) | rmdir(scratch);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole_profile),         cmocka_unit_test(test_mistakes),
		cmocka_unit_test(test_unknown_names),         cmocka_unit_test(test_first_directory_wins),
		cmocka_unit_test(test_profile_for_runtime),   cmocka_unit_test(test_runtime_of_two_profiles),
		cmocka_unit_test(test_shipped_profiles),      cmocka_unit_test(test_no_profile_grants_the_network),
		cmocka_unit_test(test_environment_of_python),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
