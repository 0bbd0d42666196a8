# SPDX-License-Identifier: Apache-2.0
"""What the tests inside the guest share: runs of obmon, what always holds for a run, files to attack.

Every run of obmon() is checked, whatever the test is about: its records are complete, its counters agree with
them, and nothing of it is left. A test then states what it expects of the answers and the records.

Needs root, a kernel with the BPF LSM, and a mount namespace of its own (tests/guest sees to both).
"""

import base64
import contextlib
import glob
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
OBMON = os.path.join(ROOT, "build/obmon")
BASE = "/tmp/t"  # a tmpfs of the tests' own
ACT = BASE + "/act"
FIXED = BASE + "/fixed"  # a copy of the probe that tests execute, link and map
OUT = BASE + "/out"  # records and results, which no run may touch
CGROUPS = "/sys/fs/cgroup/obmon"
PINS = "/sys/fs/bpf/obmon"
STATE = "/run/obmon/runs"
DENIED = "EACCES"
# All that can be granted. The last one lets obmon accept that CMD is among what may be written.
EVERYTHING = ["FILE_READ:/**", "FILE_WRITE:/**", "LIBRARY_LOAD:/**", "EXTERNAL_COMMAND:/**"]

# The file systems that the tests work on: where each of them has its files.
PLACES = {
    "tmpfs": BASE + "/w",
    "ext4": BASE + "/ext4/w",
    "overlay": BASE + "/overlay/w",
    "root": f"/var/tmp/obmon-test-{os.getpid()}",
}

_serial = iter(range(1_000_000))


def glob_escape(path):
    """@path as a rule: patterns' characters escaped, and a blank at its end, which would be taken for a slip. No rule
    holds control bytes: a `?` stands for each."""
    return re.sub(r"[\x00-\x1f\x7f]", "?", re.sub(r"([*?\[\]{}\\]| $)", r"\\\1", path))


def shell(*command, **options):
    return subprocess.run(command, check=True, capture_output=True, text=True, **options).stdout


def set_up():
    """Once, before all tests: file systems and copies of the probe."""
    for folder in (BASE, OUT):
        os.makedirs(folder, exist_ok=True)
        if folder == BASE:
            shell("mount", "-t", "tmpfs", "-o", "mode=755", "tests", BASE)
    for name in (ACT, FIXED):
        shutil.copy(os.path.join(ROOT, "build/tests/probe/act"), name)
    if not os.path.exists("/dev/loop-control"):
        shell("modprobe", "loop")
    with open(BASE + "/image", "wb") as image:
        image.truncate(48 << 20)
    shell("mkfs.ext4", "-q", "-F", BASE + "/image")
    os.mkdir(BASE + "/ext4")
    shell("mount", "-o", "loop", BASE + "/image", BASE + "/ext4")
    for part in ("lower", "upper", "work", ""):
        os.makedirs(f"{BASE}/overlay{'-' * bool(part)}{part}", exist_ok=True)
    plant(BASE + "/overlay-lower/w")  # so that the files come from the lower layer
    shell("mount", "-t", "overlay", "overlay", "-o",
          f"lowerdir={BASE}/overlay-lower,upperdir={BASE}/overlay-upper,workdir={BASE}/overlay-work",
          BASE + "/overlay")


def tear_down():
    shutil.rmtree(PLACES["root"], ignore_errors=True)
    for mount in ("/overlay", "/ext4", ""):
        subprocess.run(["umount", "-l", BASE + mount], capture_output=True, check=False)


def unmount(path):
    """What a task's io_uring held is let go of a little later than the task."""
    wait_for(lambda: subprocess.run(["umount", path], capture_output=True, check=False).returncode == 0, 20,
             f"the end of all that uses {path}")


def put(path, text="", mode=0o644):
    """A file, and the folders above it. @return its path."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(text if isinstance(text, bytes) else text.encode())
    os.chmod(path, mode)
    return path


def plant(folder):
    """The files that attacks are about, as new."""
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    put(folder + "/allowed.txt", "allowed")
    put(folder + "/other.txt", "secret")
    put(folder + "/victim.txt", "secret")
    put(folder + "/sub/inner.txt", "inner")
    put(folder + "/sub/deep/deeper.txt", "deeper")
    put(folder + "/full/file", "in the way")
    put(folder + "/open/file", "open")
    os.makedirs(folder + "/empty")
    put(folder + "/script", "#!/bin/true\n", 0o755)
    shutil.copy("/bin/true", folder + "/program")
    os.symlink("other.txt", folder + "/link")
    os.symlink(".", folder + "/loop")
    return folder


class Run:
    """What one run of obmon left: status, output, records, result."""

    def __init__(self, status, stdout, stderr, events, result):
        self.status = status
        self.stdout = stdout
        self.stderr = stderr
        self.events = events
        self.result = result

    @property
    def records(self):
        """The records of operations, in the kernel's order; not those of probes that refused nothing."""
        found = [event for event in self.events
                 if "seq" in event and (event.get("capability") or {}).get("state") != "probed"]
        return sorted(found, key=lambda event: event["seq"])

    @property
    def probes(self):
        return [event for event in self.events if (event.get("capability") or {}).get("state") == "probed"]

    def of(self, kind):
        return [event for event in self.events if event["event"] == kind]

    def __str__(self):
        lines = [f"status {self.status}", f"stdout: {self.stdout[:3000]}", f"stderr: {self.stderr[:3000]}"]
        lines += [describe(record) for record in self.records[:40]]
        return "\n".join(lines)


def describe(record):
    return " ".join(str(part) for part in (
        record["seq"], record["event"], record["hook"], record["error"], record["process"]["pid"],
        *wants(record)))


def wants(record):
    """What the record says was missing: [(type, resource)], ("GUARD", resource) where nothing can grant it."""
    capabilities = record.get("capabilities") or [record["capability"]]
    if record["event"] == "guard.denied":
        return [("GUARD", capabilities[0]["resource"])]
    if record["error"]["code"] == "OBMON_DECISION_FAILED":
        return [("FAILURE", capabilities[0]["resource"])]
    return [(capability["type"], capability["resource"]) for capability in capabilities]


def grants(record):
    """The grants that would have been enough, as the record says."""
    return [capability["grant"] for capability in record.get("capabilities") or [record["capability"]]]


def read_lines(path):
    """The records in a file of them. Every line must be one, the last as well."""
    with open(path, encoding="utf-8") as file:
        text = file.read()
    assert not text or text.endswith("\n"), f"{path} ends within a line: {text[-200:]!r}"
    return [json.loads(line) for line in text.splitlines()]


def check_sequence(run):
    """1..n without a hole that a drop record doesn't explain, nothing twice."""
    numbers = sorted(event["seq"] for event in run.events if "seq" in event)
    dropped = [range(first, last + 1) for event in run.of("events.dropped") for first, last in event["seq_ranges"]]
    explained = sorted(number for numbers_ in dropped for number in numbers_)
    expected = run.result["counters"]["records"] if run.result else len(numbers)
    every = sorted(numbers + explained)
    assert every == list(range(1, expected + 1)), \
        f"records number {every[:20]}...{every[-5:]}, {expected} were counted"
    for event in run.of("events.dropped"):
        assert event["count"] == sum(last - first + 1 for first, last in event["seq_ranges"]), event


def check_counters(run):
    counters, records = run.result["counters"], run.records + run.probes
    told = counters["refused"] + counters["audited"]
    # In audit mode quiet refusals are let through, but for what nothing can grant.
    quiet = range(counters["quiet"] + 1) if run.result["mode"] == "audit" else [counters["quiet"]]
    assert told - counters["records"] in quiet, f"counters disagree: {counters}"
    assert counters["dropped"] == sum(event["count"] for event in run.of("events.dropped")), counters
    assert counters["records"] - counters["dropped"] == len(records), (counters, len(records))
    failures = sum(record["error"]["code"] == "OBMON_DECISION_FAILED" for record in records)
    assert counters["dropped"] or counters["failures"] == failures, (counters, failures)
    kinds = sum(run.result["denials"].values()) + sum(run.result["audited"].values())
    assert kinds == len(run.records), (run.result["denials"], run.result["audited"], len(run.records))
    assert all(record["count"] == 1 and record["run_id"] == run.result["run_id"] for record in records)


def check_started_and_finished(run):
    assert [event["event"] for event in run.events][:1] == ["run.started"], run.events[:1]
    assert [event["event"] for event in run.events][-1:] == ["run.finished"], run.events[-1:]
    assert run.of("run.finished")[0]["counters"] == run.result["counters"]


def leftovers(run_id="*"):
    return [path for pattern in (f"{CGROUPS}/run-{run_id}", f"{PINS}/runs/{run_id}", f"{STATE}/{run_id}.*",
                                 f"/tmp/obmon-{run_id}") for path in glob.glob(pattern)]


def settle(seconds=40):
    """Whatever there is of runs now (of other tests', too) must go."""
    now = set(leftovers())
    wait_for(lambda: not now & set(leftovers()), seconds, f"the end of {now & set(leftovers())}")


def alone(test):
    """Mark a test that cannot run beside others: it kills, or sweeps, what is theirs as well."""
    test.alone = True
    return test


def lost():
    """Operations that the kernel refused because it could not find the run."""
    return int(json.loads(shell("bpftool", "-j", "map", "dump", "pinned", PINS + "/maps/obmon_lost"))[0]
               ["formatted"]["value"])


def wait_for(condition, seconds=20, what="it"):
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, f"{what} did not come about within {seconds} s"
        time.sleep(0.02)
    return found


def check_run(run):
    """What must hold for every run, whatever it was about."""
    check_sequence(run)
    check_counters(run)
    check_started_and_finished(run)
    assert not leftovers(run.result["run_id"]), leftovers(run.result["run_id"])


def options(grants_=(), profiles=(), base=True, **more):
    """Options of obmon exec: options(["FILE_READ:/x"], timeout=3, keep_caps=True)."""
    words = [] if base else ["--no-base"]
    for profile in profiles:
        words += ["-p", profile]
    for grant in grants_:
        words += ["-c", grant]
    for name, value in more.items():
        word = "--" + name.replace("_", "-")
        if value is True:
            words.append(word)
        elif value is not None and value is not False:
            words += [word, str(value)]
    return words


class Started:
    """A run that has been started; end() waits for it."""

    def __init__(self, words, cmd, wrap=(), env=None, stdin=subprocess.DEVNULL, cwd=BASE, pass_fds=(),
                 events=True, obmon=OBMON, **popen):
        number = next(_serial)
        self.events_path, self.result_path = f"{OUT}/{number}.events", f"{OUT}/{number}.result"
        if events:
            words = [*words, "--events", self.events_path, "--result", self.result_path]
        self.process = subprocess.Popen(
            [*wrap, obmon, "exec", *words, "--", *(word if isinstance(word, bytes) else str(word) for word in cmd)], stdin=stdin, cwd=cwd, pass_fds=pass_fds,
            env={"PATH": os.environ["PATH"], "HOME": "/root", **(env or {})}, text=True, errors="surrogateescape",
            **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **popen})

    @property
    def pid(self):
        return self.process.pid

    def end(self, timeout=120, check=True):
        try:
            stdout, stderr = self.process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise AssertionError(f"obmon did not end within {timeout} s") from None
        events = read_lines(self.events_path) if os.path.exists(self.events_path) else []
        result = None
        if os.path.exists(self.result_path) and os.path.getsize(self.result_path):
            with open(self.result_path, encoding="utf-8") as file:
                result = json.load(file)
        run = Run(self.process.returncode, stdout or "", stderr or "", events, result)
        for path in (self.events_path, self.result_path):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
        if check:
            assert run.result, f"there is no result: {run}"
            check_run(run)
        return run


def obmon(*words, cmd, check=True, timeout=120, **how):
    """Run obmon exec WORDS --events FILE --result FILE -- CMD to its end."""
    return Started(list(words), cmd, **how).end(timeout=timeout, check=check)


def refused_to_start(*words, cmd=("/bin/true",), status=2, **how):
    """obmon must not even start CMD: with @status, and one line on standard error that says why."""
    run = obmon(*words, cmd=list(cmd), check=False, **how)
    assert run.status == status, run
    assert run.stderr.startswith("obmon: ") and run.stderr.endswith("\n"), run
    assert run.result is None and not run.events, run
    return run.stderr


def answers_of(text):
    """The probe's lines: [(pid, answer)]."""
    found = []
    for line in text.splitlines():
        pid, answer = line.split(" ", 1)
        found.append((int(pid), answer))
    return found


class Case:
    """One operation of the probe, and what must come of it.

    @answer: what the probe says ("ok" also stands for "ok TEXT"). @missing: the records, in order, each a list
    of (type, resource) pairs. What @missing asks for is what the second run, that is to be let through, gets.
    @granted: what the probe says then; None if no grant is enough. @hook and @address: what each record says too.
    """

    def __init__(self, *op, answer=DENIED, missing=(), granted="ok", extra=(), hook=None, address=None):
        self.op = [str(word) for word in op]
        self.answer = answer
        self.missing = [record if isinstance(record, list) else [record] for record in missing]
        self.granted = granted
        self.extra = list(extra)
        self.hook = hook
        self.address = address

    def __str__(self):
        return " ".join(word if len(word) < 200 else word[:200] + "..." for word in self.op)


def deny(*op, type_, path, **more):
    return Case(*op, missing=[(type_, path)], **more)


def needs_read(*op, path, **more):
    return deny(*op, type_="FILE_READ", path=path, **more)


def needs_write(*op, path, **more):
    return deny(*op, type_="FILE_WRITE", path=path, **more)


def guard(*op, resource=None, **more):
    return Case(*op, missing=[("GUARD", resource)], granted=None, **more)


def let_through(*op, answer="ok"):
    return Case(*op, answer=answer, missing=[], granted=None)


def same(answer, expected):
    return answer == expected or (expected == "ok" and answer.startswith("ok "))


def matches(record, expected):
    got = list(dict.fromkeys(wants(record)))
    return len(got) == len(expected) and all(
        type_ == want_type and want in (None, resource)
        for (type_, resource), (want_type, want) in zip(got, expected))


def command_of(cases, prefix=()):
    words = [ACT, *prefix]
    for case in cases:
        words += [*case.op, ","]
    return words[:-1]


def run_cases(cases, words, prefix=(), **how):
    run = obmon(*words, cmd=command_of(cases, prefix), **how)
    answers = answers_of(run.stdout)
    assert len(answers) == len(cases), f"{len(answers)} answers to {len(cases)} operations\n{run}"
    return run, answers


def records_of(run, pid):
    return [record for record in run.records if pid in (record["process"]["pid"], record["process"]["ppid"])]


def network_grant(type_, resource):
    """The grant for what a record of NETWORK_CONNECT or NETWORK_LISTEN is about."""
    kind, _, name = resource.partition(":")
    if kind == "unix":
        writable = name[0] in "/@" and name != "@" and "\\x00" not in name
        return f"{type_}:unix:{name[0]}{glob_escape(name[1:])}" if writable else None
    return None if kind == "socket" or resource.endswith(":0") and type_ == "NETWORK_CONNECT" else f"{type_}:{resource}"


def enough(record):
    """The grants that the record should name: none for what has no path, or that nothing can grant."""
    if record["error"]["errno"] == "EXDEV":
        return grants(record)  # of a folder's move there is no such grant; files are tried in test_moves
    return [network_grant(type_, resource) if type_.startswith("NETWORK_") else
            f"{type_}:{glob_escape(resource)}" if resource.startswith("/") and type_.isupper() and "_" in type_ else None
            for type_, resource in wants(record)]


def problem_of(case, run, pid, answer):
    """What is wrong with what came of @case, or None."""
    records = records_of(run, pid)
    if not same(answer, case.answer):
        return f"answered {answer}, not {case.answer}"
    if len(records) != len(case.missing) or not all(map(matches, records, case.missing)):
        return f"recorded {[wants(record) for record in records]}, not {case.missing}"
    for record in records:
        if case.hook and record["hook"] != case.hook:
            return f"recorded at {record['hook']}, not {case.hook}"
        if record["capability"].get("address") != case.address:
            return f"recorded with the address {record['capability'].get('address')}, not {case.address}"
        if grants(record) != enough(record):
            return f"the record's grant is {grants(record)}, not {enough(record)}"
    return None


class Test(unittest.TestCase):
    """A test case with tables of operations."""

    maxDiff = None

    def check_cases(self, cases, words=(), fresh=lambda: None, prefix=(), how=None, twice=True):
        """Run all @cases in one run: each must be answered and recorded as it says. Then again with the grants
        that the records name added: those must be enough. @fresh makes the files anew before each of the two."""
        fresh()
        run, answers = run_cases(cases, words, prefix, **(how() if how else {}))
        problems = [f"{case}: {problem}" for case, (pid, answer) in zip(cases, answers)
                    if (problem := problem_of(case, run, pid, answer))]
        own = {record["seq"] for pid, _ in answers for record in records_of(run, pid)}
        problems += [f"a record of none of them: {describe(record)}" for record in run.records
                     if record["seq"] not in own]
        if problems:
            self.fail("\n".join(problems) + f"\nin {run}")
        again = [case for case in cases if case.granted is not None]
        if twice and again:
            self.check_granted(again, words, run, fresh, prefix, how)
        return run

    def check_granted(self, cases, words, first, fresh, prefix, how):
        added = {grant for record in first.records for grant in grants(record) if grant}
        added |= {grant for case in cases for grant in case.extra}
        fresh()
        run, answers = run_cases(cases, [*words, *options(sorted(added))], prefix, **(how() if how else {}))
        problems = [f"{case}: with the grants added it answered {answer}, not {case.granted}"
                    for case, (_, answer) in zip(cases, answers) if not same(answer, case.granted)]
        if problems:
            self.fail("\n".join(problems) + f"\nadded {sorted(added)}\nin {run}")

    def assert_denied(self, run, type_, resource, count=1):
        """Exactly @count records, each of the one missing grant."""
        found = [wants(record) for record in run.records]
        self.assertEqual(found, [[(type_, resource)]] * count, run)
        for record in run.records:
            self.assertEqual(grants(record), [f"{type_}:{glob_escape(resource)}"])

    def assert_answers(self, run, *expected):
        answers = [answer for _, answer in answers_of(run.stdout)]
        self.assertEqual(len(answers), len(expected), run)
        for answer, wanted in zip(answers, expected):
            self.assertTrue(same(answer, wanted), f"{answer}, not {wanted}\n{run}")


class Sender:
    """Stands outside a run and hands it descriptors over the socket that is the run's standard input."""

    def __init__(self, *descriptors):
        self.ours, self.theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        for descriptor in descriptors:
            socket.send_fds(self.ours, [b"x"], [descriptor])

    def __enter__(self):
        return self.theirs

    def __exit__(self, *_):
        self.ours.close()
        self.theirs.close()


def in_background(function):
    """Call @function over and over until the returned stop() is called; that raises what it raised."""
    stopped, problems = threading.Event(), []

    def loop():
        try:
            while not stopped.is_set():
                function()
        except Exception as problem:  # pylint: disable=broad-except
            problems.append(problem)

    thread = threading.Thread(target=loop)
    thread.start()

    def stop():
        stopped.set()
        thread.join()
        if problems:
            raise problems[0]
    return stop


def decoded(capability):
    """The resource as bytes."""
    if "resource_b64" in capability:
        return base64.b64decode(capability["resource_b64"])
    return capability["resource"].encode()


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
        return file.read().rsplit(")", 1)[1].split()[0] != "Z"


def kill(pid, signal_number=signal.SIGKILL):
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal_number)
