// SPDX-License-Identifier: Apache-2.0
/* obmon exec: options, metadata and profiles, put together to one request. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/cli.h"
#include "dns/config.h"
#include "lib/util.h"
#include "meta/metadata.h"
#include "meta/profile.h"
#include "run/run.h"

#define RING_BYTES_DEFAULT (256u << 10)
#define RING_BYTES_MAX (64u << 20)
#define TIMEOUT_SECONDS_MAX (30u * 24 * 3600)
#define CORRELATION_MAX 256

extern char **environ;

static const char help[] =
	"usage: obmon exec [OPTION]... -- CMD [ARG]...\n"
	"\n"
	"Runs CMD in a cgroup of its own, where the kernel refuses whatever was not granted.\n"
	"\n"
	"What it may do:\n"
	"  -m, --metadata FILE      grant what the metadata in FILE asks for (YAML, JSON, or a source file's block)\n"
	"  -c, --capability CAP     grant TYPE:RESOURCE, such as FILE_READ:src/**.py (may be repeated)\n"
	"  -p, --profile NAME       grant what a runtime needs: base, tls, python, shell, node (may be repeated)\n"
	"      --no-base            without the profile base, which is granted otherwise\n"
	"      --mode enforce|audit refuse what isn't granted (default), or only record it\n"
	"      --on-violation deny|kill\n"
	"                           refuse the operation (default), or end the run at its first violation\n"
	"Where and as whom:\n"
	"  -w, --workspace DIR      working directory, and base of relative rules (default: the current one)\n"
	"      --user NAME|UID      run as that user (default: who called sudo, else the caller)\n"
	"      --keep-caps          leave the Linux capabilities that the user has\n"
	"      --env NAME[=VALUE]   pass a variable on, or set it (may be repeated)\n"
	"      --inherit-env        pass all variables on; without it only PATH, HOME, USER, LANG, LC_*, TERM, TZ,\n"
	"                           ONEX_*, OBMON_*\n"
	"      --dns ADDR[:PORT]    whom the run's own resolver asks (default: the servers in /etc/resolv.conf)\n"
	"      --timeout SECONDS    end the run after that time (default: the metadata's timeout_ms, else never)\n"
	"What is told:\n"
	"      --events FILE|fd:N   records as JSON lines (default: refusals, shortly, on standard error)\n"
	"      --result FILE|fd:N   the result as JSON\n"
	"      --correlation-id ID  stands in every record\n"
	"      --ring-bytes N       size of the kernel's buffer of records (default 262144)\n"
	"\n"
	"Exit status: CMD's own, 128+N if signal N ended it; 2 bad configuration, 5 ended or refused for a security\n"
	"reason, 124 time limit, 125 failure of obmon or the host, 126 CMD cannot be run, 127 CMD not found.\n";

enum option_id {
	OPT_MODE = 256,
	OPT_TIMEOUT,
	OPT_EVENTS,
	OPT_RESULT,
	OPT_CORRELATION,
	OPT_VIOLATION,
	OPT_ENV,
	OPT_INHERIT_ENV,
	OPT_USER,
	OPT_KEEP_CAPS,
	OPT_NO_BASE,
	OPT_RING,
	OPT_DNS,
	OPT_HELP,
};

static const struct option options[] = {
	{ "metadata", required_argument, NULL, 'm' },
	{ "capability", required_argument, NULL, 'c' },
	{ "profile", required_argument, NULL, 'p' },
	{ "workspace", required_argument, NULL, 'w' },
	{ "mode", required_argument, NULL, OPT_MODE },
	{ "timeout", required_argument, NULL, OPT_TIMEOUT },
	{ "events", required_argument, NULL, OPT_EVENTS },
	{ "result", required_argument, NULL, OPT_RESULT },
	{ "correlation-id", required_argument, NULL, OPT_CORRELATION },
	{ "on-violation", required_argument, NULL, OPT_VIOLATION },
	{ "env", required_argument, NULL, OPT_ENV },
	{ "inherit-env", no_argument, NULL, OPT_INHERIT_ENV },
	{ "user", required_argument, NULL, OPT_USER },
	{ "keep-caps", no_argument, NULL, OPT_KEEP_CAPS },
	{ "no-base", no_argument, NULL, OPT_NO_BASE },
	{ "ring-bytes", required_argument, NULL, OPT_RING },
	{ "dns", required_argument, NULL, OPT_DNS },
	{ "help", no_argument, NULL, OPT_HELP },
	{},
};

/* A growing list of borrowed strings. */
struct strings {
	const char **items;
	size_t n;
};

struct exec {
	struct run_request request;
	struct obmon_cap_set capabilities;
	struct metadata metadata;
	struct strings profiles, variables;
	struct sockaddr_storage dns;
	char *workspace;
	const char *metadata_path, *workspace_option, *events, *result;
	bool inherit_env, no_base, timeout_given;
	int events_fd, result_fd;
};

static int strings_add(struct strings *strings, const char *item, struct obmon_error *err)
{
	const char **items = reallocarray(strings->items, strings->n + 2, sizeof(*items));

	if (!items)
		return obmon_fail(err, OBMON_ERR_INTERNAL, "out of memory");
	strings->items = items;
	items[strings->n++] = item;
	items[strings->n] = NULL;
	return 0;
}

static int take_capability(struct exec *exec, const char *text, struct obmon_error *err)
{
	const struct obmon_location where = { .file = "--capability", .line = 1, .column = 1 };
	struct obmon_capability cap;

	if (obmon_capability_parse(&cap, text, strlen(text), &where, err))
		return -1;
	cap.source = OBMON_SOURCE_COMMAND_LINE;
	return obmon_cap_set_add(&exec->capabilities, &cap, err);
}

/* One of two words. @return 1 for @yes, 0 for @no, -1. */
static int take_word(const char *option, const char *value, const char *no, const char *yes, struct obmon_error *err)
{
	if (!strcmp(value, yes))
		return 1;
	if (!strcmp(value, no))
		return 0;
	return obmon_fail(err, OBMON_ERR_CONFIG, "%s takes %s or %s, not \"%s\"", option, no, yes, value);
}

static int take_timeout(struct exec *exec, const char *text, struct obmon_error *err)
{
	double seconds;
	char *end;

	errno = 0;
	seconds = strtod(text, &end);
	if (errno || *end || end == text || !(seconds >= 0.001 && seconds <= TIMEOUT_SECONDS_MAX))
		return obmon_fail(err, OBMON_ERR_CONFIG,
				  "--timeout takes seconds from 0.001 to %u, such as 1.5, not \"%s\"",
				  TIMEOUT_SECONDS_MAX, text);
	exec->request.timeout_ms = (uint64_t)(seconds * 1000 + 0.5);
	exec->timeout_given = true;
	return 0;
}

static int take_ring(struct exec *exec, const char *text, struct obmon_error *err)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE), value;

	if (!parse_u64(text, page, RING_BYTES_MAX, &value) || value & (value - 1))
		return obmon_fail(err, OBMON_ERR_CONFIG, "--ring-bytes takes a power of two from %lu to %u, not \"%s\"",
				  (unsigned long)page, RING_BYTES_MAX, text);
	exec->request.ring_bytes = (uint32_t)value;
	return 0;
}

static int take_correlation(struct exec *exec, const char *text, struct obmon_error *err)
{
	if (!*text || strlen(text) > CORRELATION_MAX)
		return obmon_fail(err, OBMON_ERR_CONFIG, "--correlation-id takes 1 to %d bytes", CORRELATION_MAX);
	exec->request.correlation_id = text;
	return 0;
}

static int take_flag(struct exec *exec, int option, struct obmon_error *err)
{
	int word;

	switch (option) {
	case OPT_MODE:
		word = take_word("--mode", optarg, "enforce", "audit", err);
		exec->request.audit = word > 0;
		return word < 0 ? -1 : 0;
	case OPT_VIOLATION:
		word = take_word("--on-violation", optarg, "deny", "kill", err);
		exec->request.kill_on_violation = word > 0;
		return word < 0 ? -1 : 0;
	case OPT_INHERIT_ENV:
		exec->inherit_env = true;
		return 0;
	case OPT_KEEP_CAPS:
		exec->request.keep_caps = true;
		return 0;
	case OPT_NO_BASE:
		exec->no_base = true;
		return 0;
	default:
		return obmon_fail(err, OBMON_ERR_CONFIG, "see obmon exec --help");
	}
}

static int take_option(struct exec *exec, int option, struct obmon_error *err)
{
	switch (option) {
	case 'm':
		if (exec->metadata_path)
			return obmon_fail(err, OBMON_ERR_CONFIG, "--metadata can be given once");
		exec->metadata_path = optarg;
		return 0;
	case 'c':
		return take_capability(exec, optarg, err);
	case 'p':
		return strings_add(&exec->profiles, optarg, err);
	case 'w':
		exec->workspace_option = optarg;
		return 0;
	case OPT_TIMEOUT:
		return take_timeout(exec, optarg, err);
	case OPT_EVENTS:
		exec->events = optarg;
		return 0;
	case OPT_RESULT:
		exec->result = optarg;
		return 0;
	case OPT_CORRELATION:
		return take_correlation(exec, optarg, err);
	case OPT_ENV:
		return strings_add(&exec->variables, optarg, err);
	case OPT_USER:
		exec->request.user = optarg;
		return 0;
	case OPT_RING:
		return take_ring(exec, optarg, err);
	case OPT_DNS:
		exec->request.dns = &exec->dns;
		return config_server(&exec->dns, optarg, err);
	default:
		return take_flag(exec, option, err);
	}
}

/* @return 0, -1, or 1 when the help was asked for. */
static int parse(struct exec *exec, int argc, char **argv, struct obmon_error *err)
{
	static char name[] = "obmon exec"; /* what getopt's messages begin with */
	int option;

	argv[0] = name;
	while ((option = getopt_long(argc, argv, "+m:c:p:w:h", options, NULL)) != -1) {
		if (option == 'h' || option == OPT_HELP)
			return 1;
		if (option == '?')
			return obmon_fail(err, OBMON_ERR_CONFIG, "see obmon exec --help");
		if (take_option(exec, option, err))
			return -1;
	}
	if (optind == argc)
		return obmon_fail(err, OBMON_ERR_CONFIG, "there is no command to run; see obmon exec --help");
	exec->request.argv = argv + optind;
	return 0;
}

static int find_workspace(struct exec *exec, struct obmon_error *err)
{
	const char *option = exec->workspace_option ? exec->workspace_option : ".";
	struct stat st;

	exec->workspace = realpath(option, NULL);
	if (!exec->workspace || stat(exec->workspace, &st))
		return obmon_fail_errno(err, OBMON_ERR_CONFIG, errno, "the workspace %s cannot be used", option);
	if (!S_ISDIR(st.st_mode))
		return obmon_fail(err, OBMON_ERR_CONFIG, "the workspace %s is not a directory", option);
	exec->request.workspace = exec->workspace;
	return 0;
}

/* Move all of @from into the run's set. */
static int take_all(struct exec *exec, struct obmon_cap_set *from, struct obmon_error *err)
{
	size_t i;

	for (i = 0; i < from->n; i++)
		if (obmon_cap_set_add(&exec->capabilities, &from->items[i], err))
			return -1;
	return 0;
}

static int take_metadata(struct exec *exec, struct obmon_error *err)
{
	char *profile = NULL;
	int result = 0;

	if (!exec->metadata_path)
		return 0;
	if (metadata_load(&exec->metadata, exec->metadata_path, err) ||
	    take_all(exec, &exec->metadata.capabilities, err))
		return -1;
	exec->request.metadata = &exec->metadata;
	if (!exec->timeout_given)
		exec->request.timeout_ms = exec->metadata.timeout_ms;
	if (exec->metadata.runtime)
		result = profile_for_runtime(&profile, exec->metadata.runtime, cli_profile_dirs(), err);
	if (!result && profile)
		result = strings_add(&exec->profiles, profile, err); /* kept until exit */
	return result;
}

static bool is_passed_on(const struct exec *exec, const char *variable)
{
	static const char *const names[] = { "PATH=", "HOME=", "USER=", "LANG=", "LC_",
					     "TERM=", "TZ=",   "ONEX_", "OBMON_" };
	size_t i;

	if (exec->inherit_env)
		return true;
	for (i = 0; i < ARRAY_SIZE(names); i++)
		if (!strncmp(variable, names[i], strlen(names[i])))
			return true;
	return false;
}

/* Put NAME=VALUE into @environment in place of another value. */
static int environment_put(struct strings *environment, const char *variable, struct obmon_error *err)
{
	size_t name = strcspn(variable, "=") + 1, i;

	for (i = 0; i < environment->n; i++)
		if (!strncmp(environment->items[i], variable, name)) {
			environment->items[i] = variable;
			return 0;
		}
	return strings_add(environment, variable, err);
}

static int take_variable(struct strings *environment, const char *option, struct obmon_error *err)
{
	size_t name = strcspn(option, "=");
	char **variable;

	if (!name)
		return obmon_fail(err, OBMON_ERR_CONFIG, "--env takes NAME or NAME=VALUE, not \"%s\"", option);
	if (option[name])
		return environment_put(environment, option, err);
	for (variable = environ; *variable; variable++)
		if (!strncmp(*variable, option, name) && (*variable)[name] == '=')
			return environment_put(environment, *variable, err);
	return obmon_fail(err, OBMON_ERR_CONFIG, "--env %s: there is no such variable to pass on", option);
}

static int take_profile(struct exec *exec, struct strings *environment, const char *name, struct obmon_error *err)
{
	struct profile profile;
	size_t i;
	int result;

	if (profile_load(&profile, name, cli_profile_dirs(), err))
		return -1;
	result = take_all(exec, &profile.capabilities, err);
	for (i = 0; !result && i < profile.n_environment; i++) {
		char *variable = format("%s=%s", profile.environment[i].name, profile.environment[i].value);

		/* Lives until exit, as the environment does. */
		result = variable ? environment_put(environment, variable, err) :
				    obmon_fail(err, OBMON_ERR_INTERNAL, "out of memory");
	}
	profile_clear(&profile);
	return result;
}

static bool strings_have(const struct strings *strings, size_t before, const char *item)
{
	size_t i;

	for (i = 0; i < before; i++)
		if (!strcmp(strings->items[i], item))
			return true;
	return false;
}

static int take_profiles(struct exec *exec, struct strings *environment, struct obmon_error *err)
{
	size_t i;

	if (!exec->no_base && strings_add(&exec->profiles, "base", err))
		return -1;
	for (i = 0; i < exec->profiles.n; i++)
		if (!strings_have(&exec->profiles, i, exec->profiles.items[i]) &&
		    take_profile(exec, environment, exec->profiles.items[i], err))
			return -1;
	return 0;
}

static int make_environment(struct exec *exec, struct strings *environment, struct obmon_error *err)
{
	char **variable;
	size_t i;

	for (variable = environ; *variable; variable++)
		if (is_passed_on(exec, *variable) && strings_add(environment, *variable, err))
			return -1;
	if (take_profiles(exec, environment, err))
		return -1;
	for (i = 0; i < exec->variables.n; i++)
		if (take_variable(environment, exec->variables.items[i], err))
			return -1;
	exec->request.environment = (char **)environment->items;
	return 0;
}

/* A descriptor that the child holds as well would let it write lines of its own among obmon's. */
static int check_not_shared(const char *option, int fd, struct obmon_error *err)
{
	struct stat own, theirs;
	int standard;

	if (fstat(fd, &own))
		return obmon_fail_errno(err, OBMON_ERR_CONFIG, errno, "%s: descriptor %d", option, fd);
	for (standard = 0; standard <= 2; standard++)
		if (!fstat(standard, &theirs) && own.st_dev == theirs.st_dev && own.st_ino == theirs.st_ino &&
		    (!S_ISCHR(own.st_mode) || isatty(fd)))
			return obmon_fail(err, OBMON_ERR_CONFIG,
					  "%s is the same file as descriptor %d, which the command gets: "
					  "it could forge records there; use another file",
					  option, standard);
	return 0;
}

static int open_output(const char *option, const char *value, int flags, int *fd, struct obmon_error *err)
{
	uint64_t number;
	int mode;

	*fd = -1;
	if (!value)
		return 0;
	if (!strncmp(value, "fd:", 3)) {
		if (!parse_u64(value + 3, 3, INT_MAX, &number))
			return obmon_fail(err, OBMON_ERR_CONFIG,
					  "%s fd:N takes a descriptor from 3 on (0 to 2 are the command's), not \"%s\"",
					  option, value + 3);
		mode = fcntl((int)number, F_GETFL);
		if (mode < 0 || (mode & O_ACCMODE) == O_RDONLY || mode & O_PATH)
			return obmon_fail(err, OBMON_ERR_CONFIG, "%s %s is not open for writing", option, value);
		*fd = (int)number;
		fcntl(*fd, F_SETFD, FD_CLOEXEC);
	} else {
		/* O_NONBLOCK: a FIFO that nobody reads is an error, not a wait. */
		*fd = open(value, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | flags, 0600);
		if (*fd < 0)
			return obmon_fail_errno(err, OBMON_ERR_CONFIG, errno, "cannot open %s %s for writing", option,
						value);
		fcntl(*fd, F_SETFL, fcntl(*fd, F_GETFL) & ~O_NONBLOCK);
	}
	return check_not_shared(option, *fd, err);
}

static int open_outputs(struct exec *exec, struct obmon_error *err)
{
	int *events = &exec->request.events_fd, *result = &exec->request.result_fd;

	struct stat one, other;

	if (open_output("--events", exec->events, O_APPEND, events, err) ||
	    open_output("--result", exec->result, O_TRUNC, result, err))
		return -1;
	if (*events >= 0 && *result >= 0 && !fstat(*events, &one) && !fstat(*result, &other) && S_ISREG(one.st_mode) &&
	    one.st_dev == other.st_dev && one.st_ino == other.st_ino)
		return obmon_fail(err, OBMON_ERR_CONFIG, "--events and --result are the same file; use two");
	return 0;
}

static int prepare(struct exec *exec, struct strings *environment, struct obmon_error *err)
{
	if (geteuid() != 0)
		return obmon_fail(err, OBMON_ERR_HOST,
				  "obmon exec needs root, to make a cgroup and attach kernel programs: use sudo "
				  "(the command itself runs as you)");
	return find_workspace(exec, err) || take_metadata(exec, err) || make_environment(exec, environment, err) ||
	       open_outputs(exec, err);
}

int cli_exec(int argc, char **argv)
{
	struct exec exec = { .request = { .ring_bytes = RING_BYTES_DEFAULT, .events_fd = -1, .result_fd = -1 } };
	struct strings environment = {};
	struct obmon_error err = {};
	int parsed = parse(&exec, argc, argv, &err), status;

	if (parsed > 0) {
		fputs(help, stdout);
		return 0;
	}
	exec.request.capabilities = &exec.capabilities;
	exec.request.traceparent = getenv("TRACEPARENT");
	if (parsed < 0 || prepare(&exec, &environment, &err)) {
		status = cli_fail(&err);
	} else {
		status = run_execute(&exec.request, &err);
		if (err.code)
			cli_fail(&err);
	}
	obmon_cap_set_clear(&exec.capabilities);
	metadata_clear(&exec.metadata);
	free(exec.workspace);
	free(exec.profiles.items);
	free(exec.variables.items);
	free(environment.items);
	return status;
}
