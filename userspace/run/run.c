// SPDX-License-Identifier: Apache-2.0
#include "run/run.h"

#include <errno.h>
#include <malloc.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "lib/util.h"
#include "run/endpoints.h"
#include "run/internal.h"
#include "run/reaper.h"

static void fill_context(struct run *run)
{
	run->context = (struct record_context){
		.run_id = run->state.run_id,
		.correlation_id = run->request->correlation_id,
		.executor = "direct",
		.mode = run->request->audit ? "audit" : "enforce",
		.digest = run->digest,
		.cgroup_path = run->cgroup.path,
		.cgroup_id = run->cgroup.id,
		.trace = &run->trace,
		.component = run->request->metadata,
		.mounts = &run->mounts,
		.boot_offset_ns = clock_ns(CLOCK_REALTIME) - clock_ns(CLOCK_BOOTTIME),
	};
}

static int make_tmpdir(struct run *run)
{
	if (mkdir(run->state.tmpdir, 0700) || chown(run->state.tmpdir, run->identity.uid, run->identity.gid))
		return obmon_fail_errno(run->err, OBMON_ERR_HOST, errno, "cannot make the run's TMPDIR %s",
					run->state.tmpdir);
	return 0;
}

/* Take a slot, and write down what will have to be taken away before any of it exists. */
static int claim(struct run *run)
{
	struct obmon_run setup = { .phase = OBMON_PHASE_SETUP };
	int slot;

	if (engine_open(&run->engine, run->err))
		return -1;
	run_state_sweep(&run->engine);
	slot = engine_find_slot(&run->engine, run->err);
	if (slot < 0)
		return -1;
	run->state.slot = (uint32_t)slot;
	setup.owner = run->state.owner = random_u64();
	if (cgroup_plan(&run->cgroup, &run->mounts, run->state.run_id, run->err))
		return -1;
	snprintf(run->state.cgroup_dir, sizeof(run->state.cgroup_dir), "%s", run->cgroup.dir);
	if (run_state_save(&run->state, run->err) || reaper_start(run) ||
	    engine_put_run(&run->engine, run->state.slot, &setup, run->err))
		return -1;
	return 0;
}

static unsigned needed_extras(const struct run *run)
{
	return (run->names.ipv6 || run->request->audit ? ENGINE_EGRESS : 0) |
	       (run->foreign_socket ? ENGINE_SOCKET_CONNECT : 0);
}

/* The kernel has it now; the supervisor and the resolver may live for hours. */
static void drop_automaton(struct run *run)
{
	run->shared.start = run->dfa.start;
	run->shared.accept_page = run->dfa.n_comb_pages;
	memcpy(run->shared.columns, run->dfa.columns, sizeof(run->shared.columns));
	endpoints_devices(&run->dfa, run->shared.devices);
	run->n_accepts = run->dfa.n_accepts;
	dfa_clear(&run->dfa);
	malloc_trim(0);
}

/* The cgroup, with programs and automaton, in the setup phase. */
static int confine(struct run *run)
{
	if (cgroup_create(&run->cgroup, run->err))
		return -1;
	run->state.cgroup_id = run->cgroup.id;
	if (run_state_save(&run->state, run->err))
		return -1;
	if (engine_install(&run->engine, run->state.slot, &run->dfa, run->request->ring_bytes, &run->pages, &run->ring,
			   run->err))
		return -1;
	drop_automaton(run);
	if (names_start(run) || engine_attach(&run->engine, run->state.slot, run->cgroup.fd, run->cgroup.id,
					      run->state.run_id, needed_extras(run), run->err))
		return -1;
	engine_unlock(&run->engine);
	return 0;
}

/* From here on the workload is judged. */
static int arm(struct run *run)
{
	struct obmon_run *shared = &run->shared;

	shared->phase = OBMON_PHASE_ARMED;
	shared->flags = (run->request->audit ? OBMON_RUN_AUDIT : 0) |
			(run->request->kill_on_violation ? OBMON_RUN_KILL : 0) | (run->names.udp ? OBMON_RUN_UDP : 0);
	shared->cgroup_id = run->cgroup.id;
	shared->owner = run->state.owner;
	shared->resolver = run->names.address.s_addr;
	return run_objects(run, shared) || engine_put_run(&run->engine, run->state.slot, shared, run->err) ? -1 : 0;
}

static int launch(struct run *run)
{
	const struct child_spec spec = {
		.path = run->command.files[0].path,
		.argv = run->request->argv,
		.envp = run->environment,
		.workspace = run->request->workspace,
		.identity = &run->identity,
		.keep_caps = run->request->keep_caps,
		.cgroup_fd = run->cgroup.fd,
		.files = run->names.filesystem,
		.mounts = own_file_mounts,
		.n_mounts = OWN_FILES,
	};

	run->started_ns = clock_ns(CLOCK_MONOTONIC);
	return run_tell_started(run) || child_start(&run->child, &spec, run->err) || arm(run) || run_watch(run);
}

static int exit_status_of(const struct run *run)
{
	if (run->err->code)
		return obmon_exit_status(run->err->code);
	if (WIFSIGNALED(run->wait_status))
		return 128 + WTERMSIG(run->wait_status);
	return WEXITSTATUS(run->wait_status);
}

/* Everything that was taken is given back, in the reverse order; safe wherever the run has stopped. */
static void finish(struct run *run)
{
	struct obmon_error failure = {};

	names_end(&run->names);
	if (run->state.lock >= 0 && run_state_end(&run->state, &run->engine, &failure) && !run->err->code)
		*run->err = failure;
	child_clear(&run->child);
	if (run->child.pid > 0) /* unless run_watch() has done it */
		waitpid(run->child.pid, NULL, WNOHANG);
	fd_close(&run->signals);
	fd_close(&run->pages);
	fd_close(&run->ring);
	cgroup_clear(&run->cgroup);
	engine_close(&run->engine);
	if (failure.code) {
		/* What could not be taken away is left to the reaper, which goes on trying, and the next sweep. */
		fd_close(&run->reaper);
	}
	reaper_dismiss(run);
}

int run_execute(const struct run_request *request, struct obmon_error *err)
{
	struct run run = {
		.request = request,
		.err = err,
		.engine = ENGINE_CLOSED,
		.cgroup = { .fd = -1 },
		.child = { .pid = -1, .pidfd = -1, .go = -1, .status = -1 },
		.state = { .lock = -1 },
		.signals = -1,
		.pages = -1,
		.ring = -1,
		.reaper = -1,
		.names = NAMES_CLOSED,
	};
	bool launched = false;
	int status;

	memset(err, 0, sizeof(*err));
	uuid7(run.state.run_id);
	snprintf(run.state.tmpdir, sizeof(run.state.tmpdir), "/tmp/obmon-%s", run.state.run_id);
	if (!run_prepare(&run) && !claim(&run) && !make_tmpdir(&run) && !confine(&run)) {
		fill_context(&run);
		launched = true;
		launch(&run);
		run_collect(&run);
		if (run.err->code && run.status == RUN_COMPLETED)
			run.status = RUN_FAILED;
	}
	status = exit_status_of(&run);
	if (launched && run_tell_finished(&run, status))
		status = exit_status_of(&run);
	finish(&run);
	if (run.err->code && status == 0)
		status = exit_status_of(&run);
	free(run.uses);
	tracker_clear(&run.tracker);
	run_prepare_clear(&run);
	return status;
}
