// SPDX-License-Identifier: Apache-2.0
/* Before anything exists: what will run, as whom, with which grants, compiled. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/util.h"
#include "run/internal.h"
#include "run/rules.h"

/* execvp(3)'s choice is the current directory, which is not ours. */
#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

static const char *environment_get(char **environment, const char *name)
{
	size_t length = strlen(name);

	for (; environment && *environment; environment++)
		if (!strncmp(*environment, name, length) && (*environment)[length] == '=')
			return *environment + length + 1;
	return NULL;
}

static size_t environment_count(char **environment)
{
	size_t n = 0;

	while (environment && environment[n])
		n++;
	return n;
}

/* Set NAME to @value in the run's environment, in place of what was there. */
static int environment_set(struct run *run, const char *name, const char *value)
{
	size_t n = environment_count(run->environment), length = strlen(name), i;
	char *entry = format("%s=%s", name, value), **bigger;

	if (!entry)
		return obmon_fail(run->err, OBMON_ERR_INTERNAL, "out of memory");
	for (i = 0; i < n; i++)
		if (!strncmp(run->environment[i], name, length) && run->environment[i][length] == '=') {
			free(run->environment[i]);
			run->environment[i] = entry;
			return 0;
		}
	bigger = reallocarray(run->environment, n + 2, sizeof(*bigger));
	if (!bigger) {
		free(entry);
		return obmon_fail(run->err, OBMON_ERR_INTERNAL, "out of memory");
	}
	bigger[n] = entry;
	bigger[n + 1] = NULL;
	run->environment = bigger;
	return 0;
}

/* Another user's home is of no use, and without one programs go and look it up. */
static int set_for_user(struct run *run, const char *name, const char *value)
{
	if (run->identity.uid == getuid() && environment_get(run->environment, name))
		return 0;
	return environment_set(run, name, value);
}

static int prepare_environment(struct run *run)
{
	char **from = run->request->environment, traceparent[56];
	size_t n = environment_count(from), i;

	run->environment = calloc(n + 1, sizeof(char *));
	for (i = 0; run->environment && i < n; i++)
		if (!(run->environment[i] = strdup(from[i])))
			break;
	if (!run->environment || i < n)
		return obmon_fail(run->err, OBMON_ERR_INTERNAL, "out of memory");
	trace_format(&run->trace, traceparent);
	if (!environment_get(run->environment, "PATH") && environment_set(run, "PATH", DEFAULT_PATH))
		return -1;
	if (run->identity.home &&
	    (set_for_user(run, "HOME", run->identity.home) || set_for_user(run, "USER", run->identity.name)))
		return -1;
	return environment_set(run, "TMPDIR", run->state.tmpdir) || environment_set(run, "TRACEPARENT", traceparent) ||
	       environment_set(run, "OBMON_RUN_ID", run->state.run_id);
}

/* Add a grant that nobody wrote down. It has a number, a place in the digest and in the result all the same. */
static int add_implicit(struct run *run, enum obmon_cap_type type, const char *resource, const char *why,
			bool by_object)
{
	struct obmon_capability cap = { .type = type, .source = OBMON_SOURCE_IMPLICIT, .by_object = by_object };

	cap.resource = resource ? strdup(resource) : NULL;
	cap.description = strdup(why);
	if (cap.resource && cap.description)
		return obmon_cap_set_add(run->request->capabilities, &cap, run->err);
	obmon_capability_clear(&cap);
	return obmon_fail(run->err, OBMON_ERR_INTERNAL, "out of memory");
}

static int grant_command(struct run *run)
{
	size_t i;

	for (i = 0; i < run->command.n; i++) {
		const struct command_file *file = &run->command.files[i];
		const char *why = i ? "what runs CMD" : "CMD";
		_cleanup_free_ char *escaped = glob_escape(file->path);

		if (add_implicit(run, OBMON_CAP_EXTERNAL_COMMAND, escaped, why, true))
			return -1;
		if (file->rights & OBMON_RIGHT_BIT(OBMON_RIGHT_READ) &&
		    add_implicit(run, OBMON_CAP_FILE_READ, escaped, why, false))
			return -1;
	}
	return 0;
}

/*
 * The file that the metadata names as its entrypoint, but only beneath the metadata's own directory once all
 * links are followed: metadata must not be a way to ask for a file elsewhere.
 */
static int grant_entrypoint(struct run *run)
{
	const struct metadata *metadata = run->request->metadata;
	_cleanup_free_ char *path = NULL, *real = NULL, *real_directory = NULL, *escaped = NULL;
	char *slash;

	if (!metadata || !metadata->entrypoint || !*metadata->entrypoint || *metadata->entrypoint == '/')
		return 0;
	real_directory = realpath(metadata->path, NULL);
	slash = real_directory ? strrchr(real_directory, '/') : NULL;
	if (!slash)
		return 0;
	slash[slash == real_directory] = '\0';
	path = format("%s/%s", real_directory, metadata->entrypoint);
	real = path ? realpath(path, NULL) : NULL;
	if (!real || !path_below(real, real_directory) || !*path_below(real, real_directory))
		return 0;
	escaped = glob_escape(real);
	return add_implicit(run, OBMON_CAP_FILE_READ, escaped, "the metadata's entrypoint", false);
}

/* The run's own, which are mounted over the host's: see names.h. */
static int grant_own_files(struct run *run)
{
	size_t i;

	for (i = 0; run->names.n_rules && i < OWN_FILES; i++)
		if (add_implicit(run, OBMON_CAP_FILE_READ, own_file_mounts[i].over, "names of hosts", true))
			return -1;
	return 0;
}

static int grant_implicit(struct run *run)
{
	return add_implicit(run, OBMON_CAP_FILE_READ, RULES_TMPDIR "/**", "TMPDIR", false) ||
	       add_implicit(run, OBMON_CAP_FILE_WRITE, RULES_TMPDIR "/**", "TMPDIR", false) || grant_command(run) ||
	       grant_entrypoint(run) || grant_own_files(run);
}

/* "Exactly that file" means nothing for a file that the run may rewrite. */
static int check_command_fixed(struct run *run)
{
	struct place place;
	uint32_t rights;
	size_t i;

	for (i = 0; i < run->command.n; i++) {
		if (place_resolve(&place, &run->mounts, run->command.files[i].path, run->err))
			return -1;
		rights = rules_rights_at(&run->dfa, &place);
		place_clear(&place);
		if (rights & OBMON_RIGHT_BIT(OBMON_RIGHT_WRITE) && !(rights & OBMON_RIGHT_BIT(OBMON_RIGHT_EXEC)))
			return obmon_fail(run->err, OBMON_ERR_CONFIG,
					  "%s is the command to run and FILE_WRITE covers it, so the run could put "
					  "anything in its place; narrow FILE_WRITE, or grant EXTERNAL_COMMAND:%s",
					  run->command.files[i].path, run->command.files[i].path);
	}
	return 0;
}

/* Can nothing be sent by the socket but to whom it is connected to? Connecting it anew is judged. */
static bool is_bound_to_peer(int fd, int domain, int protocol)
{
	struct sockaddr_storage peer;
	socklen_t length = sizeof(peer);

	if (domain == AF_UNIX)
		return true; /* what it sends elsewhere is judged, wherever it was made */
	return (domain == AF_INET || domain == AF_INET6) && protocol == IPPROTO_TCP &&
	       !getpeername(fd, (struct sockaddr *)&peer, &length);
}

/* A socket that comes in as a standard descriptor belongs to a cgroup outside, where nobody judges what it sends. */
static int check_standard(struct run *run)
{
	int fd;

	for (fd = 0; fd <= 2; fd++) {
		int domain = 0, protocol = 0;
		socklen_t length = sizeof(domain);

		if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &length) ||
		    getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &length))
			continue;
		if (!is_bound_to_peer(fd, domain, protocol))
			return obmon_fail(
				run->err, OBMON_ERR_CONFIG,
				"descriptor %d is a socket that can send to any address (family %d, protocol %d), "
				"which the run could use; hand over a connected TCP socket, a unix socket, or none",
				fd, domain, protocol);
		run->foreign_socket |= domain != AF_UNIX;
	}
	return 0;
}

int run_prepare(struct run *run)
{
	static const char *const never[] = { OBMON_STATE_DIR, NULL };
	const struct run_request *request = run->request;
	const char *search_path;

	trace_begin(&run->trace, request->traceparent);
	if (check_standard(run) || mounts_load(&run->mounts, "/proc/self/mountinfo", run->err) ||
	    identity_find(&run->identity, request->user, run->err) || prepare_environment(run))
		return -1;
	search_path = environment_get(run->environment, "PATH");
	if (rules_absolute(request->capabilities, request->workspace, search_path, run->err) ||
	    command_resolve(&run->command, request->argv[0], request->workspace, search_path, run->err) ||
	    names_prepare(&run->names, request->capabilities, request->dns, run->err) || grant_implicit(run) ||
	    rules_compile(&run->dfa, request->capabilities, &run->mounts, run->state.tmpdir, never, run->err) ||
	    check_command_fixed(run))
		return -1;
	return obmon_cap_set_digest(request->capabilities, run->digest, run->err);
}

void run_prepare_clear(struct run *run)
{
	char **entry;

	for (entry = run->environment; entry && *entry; entry++)
		free(*entry);
	free(run->environment);
	names_clear_all(&run->names);
	dfa_clear(&run->dfa);
	command_clear(&run->command);
	identity_clear(&run->identity);
	mounts_clear(&run->mounts);
}

/* The rule id of the implicit grant of @type on @path. */
static uint32_t implicit_rule(const struct run *run, enum obmon_cap_type type, const char *path)
{
	const struct obmon_cap_set *set = run->request->capabilities;
	_cleanup_free_ char *escaped = glob_escape(path);
	size_t i;

	for (i = 0; escaped && i < set->n; i++)
		if (set->items[i].source == OBMON_SOURCE_IMPLICIT && set->items[i].type == type &&
		    !strcmp(set->items[i].resource, escaped))
			return (uint32_t)i + 1;
	return 0;
}

/* A descriptor whose file is an object of the run, and what it may do with it. */
struct wanted {
	int fd;
	uint32_t rights;
	uint32_t rule;
};

static uint32_t rights_of_mode(uint32_t f_mode)
{
	return (f_mode & 1 ? OBMON_RIGHT_BIT(OBMON_RIGHT_READ) : 0) |
	       (f_mode & 2 ? OBMON_RIGHT_BIT(OBMON_RIGHT_WRITE) : 0);
}

static size_t list_wanted(struct run *run, struct wanted *wanted)
{
	int own[] = { run->request->events_fd, run->request->result_fd };
	struct stat st;
	size_t n = 0, i;

	for (i = 0; i < ARRAY_SIZE(own); i++)
		/* A device such as /dev/null holds no records that could be spoiled. */
		if (own[i] >= 0 && !fstat(own[i], &st) && !S_ISCHR(st.st_mode))
			wanted[n++] = (struct wanted){ own[i], OBMON_RIGHT_NEVER, 0 };
	for (i = 0; i < run->command.n; i++) {
		const struct command_file *file = &run->command.files[i];

		wanted[n++] = (struct wanted){ file->fd, file->rights,
					       implicit_rule(run, OBMON_CAP_EXTERNAL_COMMAND, file->path) };
	}
	for (i = 0; run->names.n_rules && i < OWN_FILES; i++)
		wanted[n++] = (struct wanted){ run->names.files[i], OBMON_RIGHT_BIT(OBMON_RIGHT_READ),
					       implicit_rule(run, OBMON_CAP_FILE_READ, own_file_mounts[i].over) };
	for (i = 0; i < 3; i++)
		wanted[n++] = (struct wanted){ (int)i, 0, 0 }; /* the mode that they are open in */
	return n;
}

/* Records call the run's own files what the run calls them. */
static void note_alias(struct run *run, int fd, const struct obmon_identity *identity)
{
	size_t i;

	_Static_assert(RECORD_ALIASES_MAX == OWN_FILES, "every file of the run's own has an alias");
	for (i = 0; i < OWN_FILES; i++)
		if (run->names.files[i] == fd)
			run->context.aliases[i] =
				(struct record_alias){ identity->dev, identity->ino, own_file_mounts[i].over };
}

int run_objects(struct run *run, struct obmon_run *shared)
{
	struct wanted wanted[OBMON_OBJECTS_MAX];
	struct obmon_identity identities[OBMON_OBJECTS_MAX];
	int fds[OBMON_OBJECTS_MAX];
	size_t n = list_wanted(run, wanted), i, out = 0;

	_Static_assert(2 + COMMAND_FILES_MAX + OWN_FILES + 3 <= OBMON_OBJECTS_MAX, "all objects of a run have room");
	for (i = 0; i < n; i++)
		fds[i] = wanted[i].fd;
	if (engine_identify(fds, identities, n, run->err))
		return -1;
	for (i = 0; i < n; i++) {
		uint32_t rights = wanted[i].rights ? wanted[i].rights : rights_of_mode(identities[i].f_mode);

		if (!rights)
			continue;
		shared->objects[out++] = (struct obmon_object){
			.ino = identities[i].ino,
			.dev = identities[i].dev,
			.generation = identities[i].generation,
			.rights = rights,
			.rule = wanted[i].rule,
		};
		note_alias(run, wanted[i].fd, &identities[i]);
	}
	return 0;
}
