# SPDX-License-Identifier: Apache-2.0
"""From start to end, however it ends: nothing runs unconfined, nothing stays."""

import os
import random
import re
import signal
import subprocess
import time

import harness
from harness import (ACT, BASE, CGROUPS, PLACES, Started, Test, alive, alone, kill, leftovers, obmon, options, plant, put,
                     wait_for)

QUIET = 0.05


def reaper_of(pid):
    """obmon's reaper: the child that isn't in the run's cgroup."""
    for child in children_of(pid):
        with open(f"/proc/{child}/comm", encoding="ascii") as file:
            if file.read() == "obmon-reaper\n":
                return child
    return None


def children_of(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        return [int(word) for word in file.read().split()]


class Ends(Test):
    """A run that becomes many processes, all of which try for ever to read what they may not."""

    def spread(self, how="stay", **more):
        d = plant(PLACES["tmpfs"])
        return Started(options([f"FILE_READ:{d}/allowed.txt"], **more), [ACT, "spread", d + "/other.txt", how])

    def check_confined(self, output):
        """The daemon, the child, the thread: each was refused up to its end."""
        self.assertNotIn("OPENED", output)
        self.assertGreater(output.count("."), 0)

    def test_when_the_command_ends(self):
        run = self.spread("exit").end()
        self.assertEqual(run.status, 0, run)
        self.check_confined(run.stdout)
        self.assertGreaterEqual(len({record["process"]["pid"] for record in run.records}), 3, run)
        self.assertGreaterEqual(len({record["process"]["tid"] for record in run.records}), 3, run)

    def test_time_limit(self):
        began = time.monotonic()
        run = self.spread(timeout="2.5").end()
        self.assertEqual(run.status, 124, run)
        self.assertEqual(run.result["status"], "timeout")
        self.assertGreaterEqual(time.monotonic() - began, 2.5)
        self.check_confined(run.stdout)

    def test_terminated(self):
        """SIGTERM and SIGINT reach the command; what it leaves running ends with it."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            started = self.spread()
            wait_for(lambda started=started: os.path.exists(started.events_path) and
                     "capability.denied" in open(started.events_path, encoding="utf-8").read())
            kill(started.pid, number)
            run = started.end()
            self.assertEqual(run.status, 128 + number, run)
            self.assertEqual(run.result["signal"], number)
            self.check_confined(run.stdout)

    def killed(self, victims):
        """@victims(pid of obmon): whom to kill. @return all that the run's processes wrote, to the end of them."""
        started = self.spread()
        wait_for(lambda: os.path.exists(started.events_path) and
                 "capability.denied" in open(started.events_path, encoding="utf-8").read())
        run_id = harness.read_lines(started.events_path)[0]["run_id"]
        for victim in victims(started.pid):
            kill(victim)
        return started, run_id

    def test_obmon_killed(self):
        started, run_id = self.killed(lambda pid: [pid])
        output, _ = started.process.communicate(timeout=30)
        self.assertEqual(started.process.returncode, -signal.SIGKILL)
        self.check_confined(output)
        wait_for(lambda: not leftovers(run_id), what="the reaper's work")

    @alone
    def test_obmon_and_reaper_killed(self):
        """The run goes on, confined; the next obmon ends it."""
        started, run_id = self.killed(lambda pid: [reaper_of(pid), pid])
        started.process.wait(10)
        time.sleep(1)
        self.assertTrue(os.path.exists(f"{CGROUPS}/run-{run_id}"))
        pids = open(f"{CGROUPS}/run-{run_id}/cgroup.procs", encoding="ascii").read().split()
        self.assertGreaterEqual(len(pids), 3)
        other = obmon(cmd=["/bin/true"])
        self.assertEqual(other.status, 0, other)
        output, _ = started.process.communicate(timeout=30)
        self.check_confined(output)
        self.assertFalse(leftovers(run_id))
        self.assertFalse([pid for pid in pids if alive(int(pid))])

    def test_only_the_reaper_killed(self):
        started, run_id = self.killed(lambda pid: [reaper_of(pid)])
        time.sleep(QUIET)
        kill(started.pid, signal.SIGTERM)
        run = started.end()
        self.assertEqual(run.status, 128 + signal.SIGTERM, run)
        self.assertFalse(leftovers(run_id))

    def test_killed_at_any_moment(self):
        """SIGKILL at 30 moments of the start: what has come to be goes, and nothing was ever let through."""
        d = plant(PLACES["tmpfs"])
        words = options([f"FILE_READ:{d}/allowed.txt"])
        random.seed(1)
        began = time.monotonic()
        obmon(*words, cmd=["/bin/true"])
        usual = time.monotonic() - began
        for _ in range(10):
            several = [Started(words, [ACT, "spread", d + "/other.txt", "stay"]) for _ in range(3)]
            for started in several:
                time.sleep(random.uniform(0, usual))
                started.process.kill()
            for started in several:
                output, _ = started.process.communicate(timeout=30)
                self.assertNotIn("OPENED", output)
        harness.settle()

    @alone
    def test_killed_with_its_reaper_at_any_moment(self):
        """The same with nobody left to clean up but the next obmon."""
        d = plant(PLACES["tmpfs"])
        words = options([f"FILE_READ:{d}/allowed.txt"])
        random.seed(2)
        for _ in range(6):
            started = Started(words, [ACT, "spread", d + "/other.txt", "stay"], start_new_session=True)
            time.sleep(random.uniform(0, 1.2))
            with harness.contextlib.suppress(FileNotFoundError):
                for child in children_of(started.pid):
                    kill(child)
            started.process.kill()
            started.process.wait()
            # Whoever is left in a run's cgroup is still confined.
            obmon(cmd=["/bin/true"])
            output, _ = started.process.communicate(timeout=30)
            self.assertNotIn("OPENED", output)
        harness.settle()


class Cleaning(Test):
    def test_tmpdir(self):
        run = obmon(*options(profiles=["shell"]), cmd=[
            "sh", "-c", 'echo text >"$TMPDIR/file" && mkdir "$TMPDIR/dir" && cat "$TMPDIR/file" && ls "$TMPDIR" && '
            'chmod 0 "$TMPDIR/dir" && ln -s / "$TMPDIR/link" && stat -c %a "$TMPDIR" && echo "$TMPDIR"'])
        self.assertEqual((run.status, run.records), (0, []), run)
        self.assertTrue(run.stdout.startswith("text\ndir\nfile\n700\n/tmp/obmon-"), run)
        self.assertFalse(os.path.exists(run.stdout.split()[-1]))
        self.assertTrue(os.path.exists("/etc/passwd"), "links in TMPDIR are not followed")

    @alone
    def test_tmpdir_nested_deeply(self):
        """A run that nests folders in its TMPDIR without end must not be in the way of the runs after it."""
        script = 'exec %s nest "$TMPDIR" 12' % ACT
        run = obmon(*options([f"EXTERNAL_COMMAND:{ACT}"], profiles=["shell"]), cmd=["sh", "-c", script], check=False)
        after = obmon(cmd=["/bin/true"], check=False)
        left = leftovers()
        subprocess.run("rm -rf /tmp/obmon-*", shell=True, check=False)
        self.assertEqual((after.status, after.stderr), (0, ""), after)
        self.assertEqual((run.status, run.stdout.split()[1:], left), (0, ["ok"], []), run)

    def test_foreign_files_among_the_state(self):
        """What is not of obmon's making among its state doesn't stop it."""
        names = [f"{harness.STATE}/{'x' * 36}.lock", f"{harness.STATE}/{'0' * 36}.state", f"{harness.STATE}/x"]
        for name in names:
            put(name, "nonsense")
            self.addCleanup(lambda name=name: os.path.exists(name) and os.unlink(name))
        self.assertEqual(obmon(cmd=["/bin/true"]).status, 0)


class Records(Test):
    def test_a_flood(self):
        """100,000 refusals through a ring buffer of one page: each is told or accounted for."""
        d = plant(PLACES["tmpfs"])
        run = obmon(*options(ring_bytes=4096), cmd=[ACT, "crowd", "", d + "/other.txt", "25000", "4"], timeout=300)
        self.assert_answers(run, "ok 100000 right, 0 wrong")
        counters = run.result["counters"]
        self.assertEqual((counters["records"], counters["refused"]), (100_000, 100_000), counters)
        self.assertGreater(counters["dropped"], 0)
        self.assertEqual(len(run.records) + counters["dropped"], 100_000)

    def test_a_flood_in_audit_mode(self):
        """What cannot be recorded is refused."""
        d = plant(PLACES["tmpfs"])
        run = obmon(*options(mode="audit", ring_bytes=4096), cmd=[ACT, "crowd", "", d + "/other.txt", "5000", "2"])
        (_, answer), = harness.answers_of(run.stdout)
        right, wrong = map(int, re.findall(r"\d+", answer))
        counters = run.result["counters"]
        self.assertEqual((right, wrong), (counters["refused"], counters["audited"]), run.result)
        self.assertEqual(counters["dropped"], counters["refused"])
        self.assertEqual(counters["audited"], len(run.records))

    def test_runs_at_once(self):
        """20 at a time: each has its own records and those only."""
        d = plant(PLACES["tmpfs"])
        names = [put(f"{d}/private{i}", str(i)) for i in range(20)]
        runs = [Started(options([f"FILE_READ:{name}"]), [ACT, "read", name, ",", "crowd", name, names[i - 1], "50", "2"])
                for i, name in enumerate(names)]
        for i, started in enumerate(runs):
            run = started.end(timeout=200)
            self.assert_answers(run, f"ok {i}", "ok 100 right, 0 wrong")
            self.assert_denied(run, "FILE_READ", names[i - 1], count=100)

    def test_a_consumer_that_does_not_read(self):
        """Records that nobody takes must not keep a run from its time limit."""
        d = plant(PLACES["tmpfs"])
        read_end, write_end = os.pipe()
        process = subprocess.Popen(
            [harness.OBMON, "exec", "--timeout", "3", "--events", f"fd:{write_end}", "--", ACT, "spread",
             d + "/other.txt", "stay"], pass_fds=[write_end], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        os.close(write_end)
        try:
            self.assertIn(process.wait(30), (124, 125))
        except subprocess.TimeoutExpired:
            self.fail("obmon waits for its reader and forgets the time limit")
        finally:
            os.close(read_end)
            process.kill()
            process.communicate()
            harness.settle()

    def test_a_consumer_that_is_gone(self):
        read_end, write_end = os.pipe()
        os.close(read_end)
        process = subprocess.run(
            [harness.OBMON, "exec", "--events", f"fd:{write_end}", "--", "/bin/sleep", "60"], pass_fds=[write_end],
            capture_output=True, text=True, check=False, timeout=60)
        os.close(write_end)
        self.assertEqual(process.returncode, 125, process)
        self.assertIn("--events", process.stderr)
        harness.settle()

    def test_a_refused_creation_stays_refused(self):
        """The file comes to be, by other hands, before obmon gets to read the record."""
        d = plant(PLACES["tmpfs"])
        started = Started(options(), [ACT, "sleep", "1500", ",", "create", d + "/made", ",", "sleep", "1500"])
        wait_for(lambda: os.path.exists(started.events_path) and os.path.getsize(started.events_path))
        time.sleep(0.3)
        kill(started.pid, signal.SIGSTOP)
        time.sleep(2)
        put(d + "/made")
        kill(started.pid, signal.SIGCONT)
        run = started.end()
        self.assert_answers(run, "ok", "EACCES", "ok")
        self.assert_denied(run, "FILE_WRITE", d + "/made")

    def full(self, option):
        """A disk that is full ends the run, with a clear error."""
        small = BASE + "/small"
        os.makedirs(small, exist_ok=True)
        harness.shell("mount", "-t", "tmpfs", "-o", "size=16k", "small", small)
        self.addCleanup(harness.shell, "umount", "-l", small)
        put(small + "/filling", b"x" * 12288)
        if option == "--result":
            put(small + "/more", b"x" * 4096)
        d = plant(PLACES["tmpfs"])
        process = subprocess.run(
            [harness.OBMON, "exec", option, small + "/out", "--", ACT, "crowd", "", d + "/other.txt", "200", "1"],
            capture_output=True, text=True, check=False)
        self.assertEqual(process.returncode, 125, process)
        self.assertIn(option, process.stderr)
        harness.settle()

    def test_no_space_for_events(self):
        self.full("--events")

    def test_no_space_for_the_result(self):
        self.full("--result")

    def test_human_output(self):
        """Without --events refusals are told on standard error; a name cannot write on the terminal."""
        d = plant(PLACES["tmpfs"])
        name = put(d + "/\x1b[31mred\nobmon: all is well\x7f\u009b", "x")
        run = obmon(cmd=[ACT, "read", name], events=False, check=False)
        self.assertEqual(run.status, 0)
        line, = run.stderr.splitlines()
        self.assertIn("denied FILE_READ", line)
        self.assertIn("\\x1b[31mred\\x0aobmon", line)
        self.assertFalse(re.search(r"[\x00-\x1f\x7f-\x9f]", line), line)

    def test_a_record(self):
        """Every key that readers count on."""
        d = plant(PLACES["tmpfs"])
        run = obmon(*options(correlation_id="call-7"), cmd=[ACT, "read", d + "/other.txt"])
        record, = run.records
        (pid, _), = harness.answers_of(run.stdout)
        self.assertEqual(record["seq"], 1)
        self.assertEqual(record["event"], "capability.denied")
        self.assertEqual(record["correlation_id"], "call-7")
        self.assertEqual(record["error"], {"class": "CapabilityError", "code": "OBMON_CAPABILITY_DENIED",
                                           "errno": "EACCES"})
        self.assertEqual(record["capability"], {
            "type": "FILE_READ", "resource": d + "/other.txt", "state": "denied", "rule": None,
            "grant": f"FILE_READ:{d}/other.txt"})
        self.assertEqual((record["layer"], record["hook"], record["executor"], record["mode"]),
                         ("kernel", "file_open", "direct", "enforce"))
        self.assertEqual((record["process"]["pid"], record["process"]["uid"], record["process"]["comm"],
                          record["process"]["exe"]), (pid, 0, "act", ACT))
        self.assertRegex(record["run_id"], r"^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$")
        self.assertRegex(record["trace_id"], "^[0-9a-f]{32}$")
        self.assertRegex(record["span_id"], "^[0-9a-f]{16}$")
        self.assertRegex(record["policy"]["digest"], "^sha256:[0-9a-f]{64}$")
        self.assertEqual(record["cgroup"]["path"], "/obmon/run-" + record["run_id"])
        self.assertIn("component", record)
        said = time.mktime(time.strptime(record["time"][:19], "%Y-%m-%dT%H:%M:%S"))
        self.assertLess(abs(said - time.mktime(time.gmtime())), 60)

    def test_digest(self):
        """Two runs with the same grants have the same digest; with others, another."""
        digests = [obmon(*options(grants), cmd=["/bin/true"]).result["policy"]["digest"]
                   for grants in ([], [], ["FILE_READ:/x"], ["file.read:/x"])]
        self.assertEqual(digests[0], digests[1])
        self.assertEqual(digests[2], digests[3])
        self.assertNotEqual(digests[1], digests[2])
