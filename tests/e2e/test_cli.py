# SPDX-License-Identifier: Apache-2.0
"""The command line: every option, every exit status, bad input of every kind."""

import json
import os
import pwd
import subprocess

import harness
from harness import (ACT, BASE, OBMON, PLACES, Test, obmon, options, plant, put, refused_to_start)

TRUE = ["/bin/true"]


def call(*words, **how):
    return subprocess.run([OBMON, *words], capture_output=True, text=True, check=False, cwd=BASE, **how)


class Statuses(Test):
    def test_of_the_command(self):
        for command, status in ((["sh", "-c", "exit 0"], 0), (["sh", "-c", "exit 3"], 3), (["sh", "-c", "exit 255"], 255),
                                (["sh", "-c", "kill -9 $$"], 137), (["sh", "-c", "kill -TERM $$"], 143)):
            run = obmon(cmd=command)
            self.assertEqual(run.status, status, run)
            self.assertEqual(run.result["exit_status"], status)
            self.assertEqual(run.result["status"], "completed")

    def test_not_found_and_not_executable(self):
        plant(PLACES["tmpfs"])
        d = PLACES["tmpfs"]
        put(d + "/no-program", "\x7fELFnonsense", 0o755)
        put(d + "/empty-program", "", 0o755)
        put(d + "/no-interpreter", "#!/no/such/one\n", 0o755)
        put(d + "/loop1", f"#!{d}/loop1\n", 0o755)
        for command, status in ((["no-such-command"], 127), (["/no/such/file"], 127), (["./nothing"], 127), ([""], 127),
                                ([d + "/allowed.txt"], 126), ([d], 126), ([d + "/no-program"], 126),
                                ([d + "/empty-program"], 126), ([d + "/no-interpreter"], 127), ([d + "/loop1"], 126)):
            run = obmon(cmd=command, check=False)
            self.assertIn(run.status, (status, 126), f"{command}\n{run}")
            self.assertTrue(run.stderr.startswith("obmon: "), run)

    def test_usage(self):
        for words, status in (([], 2), (["--help"], 0), (["--version"], 0), (["nonsense"], 2), (["exec"], 2),
                              (["exec", "--help"], 0), (["exec", "--"], 2), (["exec", "--nonsense", "--", "true"], 2),
                              (["doctor", "--help"], 0), (["doctor", "nonsense"], 2)):
            process = call(*words)
            self.assertEqual(process.returncode, status, (words, process))
            self.assertTrue((process.stdout if status == 0 else process.stderr).strip(), (words, process))

    def test_bad_options(self):
        for words in (["--mode", "maybe"], ["--on-violation", "cry"], ["--timeout", "0"], ["--timeout", "-1"],
                      ["--timeout", "soon"], ["--timeout", "1e99"], ["--timeout", "nan"], ["--timeout", ""],
                      ["--ring-bytes", "1000"], ["--ring-bytes", "0"], ["--ring-bytes", "99999999999"],
                      ["--ring-bytes", "4096x"], ["--correlation-id", ""], ["--correlation-id", "x" * 257],
                      ["--user", "no-such-user"], ["--user", ""], ["--user", "99999999999"], ["--env", "=x"],
                      ["--env", "NO_SUCH_VARIABLE"], ["-w", "/no/such/folder"], ["-w", "/etc/passwd"],
                      ["-p", "no-such-profile"], ["-p", "../../etc/passwd"], ["-p", ""], ["--events", "fd:1"],
                      ["--events", "fd:x"], ["--events", "fd:999"], ["--events", "/no/such/folder/file"],
                      ["--result", "fd:2"], ["--result", "/"], ["--result", ""], ["-m", "/no/such/file"]):
            with self.subTest(words=words):
                refused_to_start(*words, events=False)
        self.assertEqual(call("exec", "-m", "/dev/null", "-m", "/dev/null", "--", "true").returncode, 2)

    def test_as_an_ordinary_user(self):
        process = call("exec", "--", "true", user="nobody")
        self.assertEqual(process.returncode, 125, process)
        self.assertIn("sudo", process.stderr)


class Outputs(Test):
    def test_descriptors(self):
        """--events fd:N and --result fd:N, which the command doesn't get."""
        events, result = os.open(BASE + "/ev", os.O_RDWR | os.O_CREAT), os.open(BASE + "/re", os.O_RDWR | os.O_CREAT)
        process = call("exec", "--events", f"fd:{events}", "--result", f"fd:{result}", "--", ACT, "fds",
                       pass_fds=[events, result])
        self.assertEqual(process.returncode, 0, process)
        self.assertEqual(process.stdout.split()[1:], ["ok", "0", "1", "2"])
        self.assertEqual([event["event"] for event in harness.read_lines(BASE + "/ev")],
                         ["run.started", "run.finished"])
        with open(BASE + "/re", encoding="utf-8") as file:
            self.assertEqual(json.load(file)["exit_status"], 0)
        os.close(events)
        os.close(result)

    def test_no_other_descriptor(self):
        extra = os.open("/etc/passwd", os.O_RDONLY)
        run = obmon(cmd=[ACT, "fds"], pass_fds=[extra])
        self.assert_answers(run, "ok 0 1 2 ")
        os.close(extra)

    def test_shared_with_the_command(self):
        """A descriptor on which the command could forge records is refused."""
        path = BASE + "/shared"
        with open(path, "w+b") as file:
            for words in (["--events", path], ["--result", path], ["--events", f"fd:{file.fileno()}"]):
                process = subprocess.run([OBMON, "exec", *words, "--", *TRUE], stdout=file, stderr=subprocess.PIPE,
                                         pass_fds=[file.fileno()], check=False)
                self.assertEqual(process.returncode, 2, process)
        read_end, write_end = os.pipe()
        process = subprocess.run([OBMON, "exec", "--events", f"fd:{write_end}", "--", *TRUE], stdout=write_end,
                                 stderr=subprocess.PIPE, pass_fds=[write_end], check=False)
        self.assertEqual(process.returncode, 2, process)
        process = subprocess.run([OBMON, "exec", "--events", f"fd:{write_end}", "--", *TRUE], stdin=read_end,
                                 stderr=subprocess.PIPE, pass_fds=[write_end], check=False)
        self.assertEqual(process.returncode, 2, process)
        os.close(read_end)
        os.close(write_end)

    def test_read_only_descriptor(self):
        fd = os.open("/etc/passwd", os.O_RDONLY)
        self.assertEqual(call("exec", "--events", f"fd:{fd}", "--", "true", pass_fds=[fd]).returncode, 2)
        os.close(fd)

    def test_a_fifo_without_a_reader(self):
        os.mkfifo(BASE + "/fifo")
        self.addCleanup(os.unlink, BASE + "/fifo")
        self.assertEqual(call("exec", "--events", BASE + "/fifo", "--", "true", timeout=30).returncode, 2)

    def test_one_file_for_both(self):
        process = call("exec", "--events", BASE + "/both", "--result", BASE + "/both", "--", "true")
        self.assertEqual(process.returncode, 2, process)

    def test_events_are_appended(self):
        for _ in range(2):
            self.assertEqual(call("exec", "--events", BASE + "/log", "--", "true").returncode, 0)
        self.assertEqual(len(harness.read_lines(BASE + "/log")), 4)
        self.assertEqual(os.stat(BASE + "/log").st_mode & 0o777, 0o600)
        os.unlink(BASE + "/log")

    def test_closed_standard_descriptors(self):
        process = subprocess.run(["sh", "-c", f"exec {OBMON} exec -- {ACT} fds <&- 2>&-"], capture_output=True, text=True,
                                 check=False)
        self.assertEqual((process.returncode, process.stdout.split()[1:]), (0, ["ok", "0", "1", "2"]), process)


class Child(Test):
    """What the command gets, and what not."""

    def test_environment(self):
        env = {"SECRET_KEY": "s3cret", "AWS_SECRET_ACCESS_KEY": "s3cret", "LD_PRELOAD_X": "s3cret", "HOME": "/root",
               "USER": "root", "LANG": "C.UTF-8", "LC_ALL": "C", "TERM": "dumb", "TZ": "UTC", "ONEX_A": "1",
               "OBMON_B": "2", "PATHX": "s3cret", "USER_TOKEN": "s3cret",
               "TRACEPARENT": "00-0123456789abcdef0123456789abcdef-0123456789abcdef-01"}
        run = obmon(*options(profiles=["shell"], env="ADDED=yes"), cmd=["/usr/bin/env"], env=env)
        names = {line.partition("=")[0] for line in run.stdout.splitlines()}
        self.assertEqual(names, {"PATH", "HOME", "USER", "LANG", "LC_ALL", "TERM", "TZ", "ONEX_A", "OBMON_B", "ADDED",
                                 "SHELL", "TMPDIR", "TRACEPARENT", "OBMON_RUN_ID"}, run)
        self.assertNotIn("s3cret", run.stdout)
        values = dict(line.split("=", 1) for line in run.stdout.splitlines())
        self.assertEqual(run.result["trace_id"], "0123456789abcdef0123456789abcdef")
        self.assertEqual(values["TRACEPARENT"], f"00-{run.result['trace_id']}-{run.result['span_id']}-01")
        self.assertNotEqual(run.result["span_id"], "0123456789abcdef")
        self.assertEqual(values["OBMON_RUN_ID"], run.result["run_id"])
        run = obmon(*options(profiles=["shell"], inherit_env=True), cmd=["/usr/bin/env"], env=env)
        self.assertIn("SECRET_KEY=s3cret", run.stdout)
        run = obmon(*options(env="SECRET_KEY"), cmd=[ACT, "env", "SECRET_KEY"], env=env)
        self.assert_answers(run, "ok s3cret")

    def test_bad_traceparent(self):
        for text in ("nonsense", "00-" + "0" * 32 + "-" + "1" * 16 + "-01", "00-" + "g" * 32 + "-" + "1" * 16 + "-01", ""):
            run = obmon(cmd=TRUE, env={"TRACEPARENT": text})
            self.assertRegex(run.result["trace_id"], "^(?!0{32})[0-9a-f]{32}$")

    def test_privileges(self):
        run = obmon(cmd=[ACT, "status", "NoNewPrivs:", ",", "status", "CapEff:", ",", "status", "CapPrm:", ",", "status",
                         "CapBnd:", ",", "status", "CapAmb:", ",", "status", "SigBlk:", ",", "status", "SigIgn:"])
        for _, answer in harness.answers_of(run.stdout)[1:]:
            self.assertEqual(int(answer.split()[1], 16), 0, run)
        self.assertEqual(harness.answers_of(run.stdout)[0][1].split(), ["ok", "1"])
        run = obmon(*options(keep_caps=True), cmd=[ACT, "status", "CapEff:", ",", "status", "NoNewPrivs:"])
        answers = [answer.split()[1] for _, answer in harness.answers_of(run.stdout)]
        self.assertNotEqual(int(answers[0], 16), 0)
        self.assertEqual(answers[1], "1")

    def test_identity(self):
        nobody = pwd.getpwnam("nobody")
        for words, env in ((["--user", "nobody"], {}), (["--user", str(nobody.pw_uid)], {}),
                           ([], {"SUDO_UID": str(nobody.pw_uid), "SUDO_GID": str(nobody.pw_gid)})):
            for keep in ([], ["--keep-caps"]):
                run = obmon(*words, *keep, env=env, cmd=[
                    ACT, "status", "Uid:", ",", "status", "Gid:", ",", "groups", ",", "status", "CapEff:", ",", "env",
                    "HOME"])
                answers = [answer for _, answer in harness.answers_of(run.stdout)]
                self.assertEqual(answers[0].split()[1:], [str(nobody.pw_uid)] * 4, run)
                self.assertEqual(answers[1].split()[1:], [str(nobody.pw_gid)] * 4, run)
                self.assertEqual(answers[2], f"ok {nobody.pw_gid} ", run)
                self.assertEqual(int(answers[3].split()[1], 16), 0, run)
                self.assertEqual(answers[4], f"ok {nobody.pw_dir}", run)

    def test_as_another_user(self):
        """Discretionary access comes first and leaves no record; what it lets through is judged."""
        d = plant(PLACES["tmpfs"])
        put(d + "/private", "private", 0o600)
        run = obmon(*options([f"FILE_READ:{d}/allowed.txt", f"FILE_READ:{d}/private"], user="nobody"),
                    cmd=[ACT, "read", d + "/private", ",", "read", d + "/allowed.txt", ",", "read", d + "/other.txt"])
        self.assert_answers(run, "EACCES", "ok allowed", "EACCES")
        self.assert_denied(run, "FILE_READ", d + "/other.txt")

    def test_standard_input(self):
        """What it was given on standard input it may read, and open again, and nothing more of it."""
        d = plant(PLACES["tmpfs"])
        with open(d + "/other.txt", "rb") as file:
            run = obmon(cmd=[ACT, "read", "/proc/self/fd/0", ",", "read", d + "/other.txt", ",", "write",
                             "/proc/self/fd/0", ",", "read", d + "/victim.txt"], stdin=file)
        self.assert_answers(run, "ok secret", "ok secret", "EACCES", "EACCES")

    def test_timeout_of_the_metadata(self):
        metadata = put(BASE + "/slow.yaml", "name: slow\ntimeout_ms: 1200\n")
        self.assertEqual(obmon("-m", metadata, cmd=[ACT, "sleep", "60000"]).status, 124)
        self.assertEqual(obmon("-m", metadata, "--timeout", "30", cmd=[ACT, "sleep", "1600"]).status, 0)


class Metadata(Test):
    TOOL = ("# === OmniNode:Metadata ===\n# name: reader\n# version: 1.2.3\n# uuid: 0b8a3c1e-8f0e-4a51-9c1b-5d0c6f8f1a11\n"
            "# entrypoint: tool.py\n# runtime_language_hint: python>=3.11\n# capabilities_required:\n"
            "#   - FILE_READ:in/*.txt\n#   - FILE_WRITE:out/**\n# === /OmniNode:Metadata ===\n")

    def test_a_python_tool(self):
        d = plant(PLACES["tmpfs"])
        tool = put(d + "/tool.py", self.TOOL + (
            "import json, ssl, sqlite3, subprocess, os\n"
            "open('out/result', 'w').write(open('in/a.txt').read())\n"
            "base = sqlite3.connect(os.environ['TMPDIR'] + '/base')\n"
            "base.execute('create table t (a)'); base.commit(); base.close()\n"
            "ssl.create_default_context()\n"
            "for path in ('in/b.bin', 'other.txt', '/etc/passwd'):\n"
            "    try:\n        open(path)\n    except PermissionError:\n        print('refused', path)\n"
            "try:\n    subprocess.run(['/usr/bin/git'])\nexcept PermissionError:\n    print('refused git')\n"))
        put(d + "/in/a.txt", "text")
        put(d + "/in/b.bin", "data")
        os.mkdir(d + "/out")
        run = obmon("-m", tool, cmd=["python3", tool], cwd=d)
        self.assertEqual(run.status, 0, run)
        self.assertEqual(run.stdout, "refused in/b.bin\nrefused other.txt\nrefused /etc/passwd\nrefused git\n", run)
        self.assertEqual([harness.wants(record)[0][1] for record in run.records],
                         [d + "/in/b.bin", d + "/other.txt", "/etc/passwd", "/usr/bin/git"], run)
        self.assertEqual({record["component"]["name"] for record in run.records}, {"reader"})
        with open(d + "/out/result", encoding="utf-8") as file:
            self.assertEqual(file.read(), "text")
        sources = {grant["source"] for grant in run.result["grants"]}
        self.assertEqual(sources, {"metadata", "profile", "implicit"})
        written = [grant["written_at"] for grant in run.result["grants"] if grant["capability"].endswith("out/**")]
        self.assertEqual(written[0]["line"], 9)

    def test_entrypoint(self):
        """Only what lies beneath the metadata's own folder is granted by being named there."""
        d = plant(PLACES["tmpfs"])
        put(d + "/tool/main.txt", "main")
        os.symlink(d + "/other.txt", d + "/tool/way-out")
        for entrypoint, path, answer in (("main.txt", d + "/tool/main.txt", "ok main"),
                                         ("../other.txt", d + "/other.txt", "EACCES"),
                                         ("way-out", d + "/other.txt", "EACCES"),
                                         (d + "/other.txt", d + "/other.txt", "EACCES"),
                                         (".", d + "/tool/main.txt", "EACCES")):
            metadata = put(d + "/tool/tool.yaml", f"name: x\nentrypoint: {json.dumps(entrypoint)}\n")
            run = obmon("-m", metadata, cmd=[ACT, "read", path])
            self.assert_answers(run, answer)

    def test_bad_files(self):
        d = plant(PLACES["tmpfs"])
        os.mkfifo(d + "/fifo")
        big = put(d + "/big", "name: x\n" + "# padding\n" * 3_000_000)
        bomb = "a: &a [x]\n" + "".join(f"{b}: &{b} [*{a},*{a},*{a},*{a},*{a},*{a},*{a},*{a},*{a},*{a}]\n"
                                       for a, b in zip("abcdefg", "bcdefgh")) + "capabilities_required: *h\n"
        for path in (d, d + "/fifo", "/dev/zero", "/dev/null", d + "/nothing", big, put(d + "/binary", os.urandom(5000)),
                     put(d + "/nested", "capabilities: " + "[" * 500_000 + "]" * 500_000), put(d + "/bomb", bomb),
                     put(d + "/wrong", "capabilities_required:\n  - FILE_RAED:/x\n"), put(d + "/empty-file", ""),
                     put(d + "/number", "capabilities_required: 7\n"), put(d + "/broken", "a: [1,\n b: }\n"),
                     put(d + "/json", '{"capabilities_required": ["FILE_READ:/a[" ]}')):
            with self.subTest(path=path):
                message = refused_to_start("-m", path)
                self.assertIn(path, message)
        message = refused_to_start("-m", d + "/wrong")
        self.assertIn(d + "/wrong:2:", message)
        self.assertIn("FILE_RAED", message)

    def test_labels_are_no_capabilities(self):
        metadata = put(BASE + "/labels.yaml", "name: x\ncapabilities: [validate, stream]\n")
        self.assertEqual(obmon("-m", metadata, cmd=TRUE).status, 0)


class Profiles(Test):
    """What a runtime itself does is granted by its profile: nothing is refused, nothing recorded."""

    def clean(self, run, output=None):
        self.assertEqual((run.status, run.records), (0, []), run)
        if output is not None:
            self.assertEqual(run.stdout, output)

    def test_python(self):
        self.clean(obmon(*options(profiles=["python"]), cmd=["python3", "-c", (
            "import json, ssl, sqlite3, subprocess, tempfile, multiprocessing, ctypes, zoneinfo, decimal, asyncio, "
            "logging.config, urllib.request, hashlib, uuid, random, locale\n"
            "print(subprocess.run(['python3', '-c', 'print(7)'], capture_output=True, text=True).stdout)\n"
            "with tempfile.TemporaryDirectory() as d: open(d + '/f', 'w').write('x')\n"
            "ssl.create_default_context(); random.random(); uuid.uuid4()\n"
            "sqlite3.connect(':memory:').execute('select 1')\n"
            "print(json.dumps({'a': hashlib.sha256(b'x').hexdigest()[:4]}))")]), '7\n\n{"a": "2d71"}\n')

    def test_shell(self):
        script = ("set -eo pipefail; cd \"$TMPDIR\"; for i in 3 1 2; do echo $i; done | sort -n | tee out | "
                  "awk '{ s += $1 } END { print s }'; find . -type f | xargs grep -c 1; sed s/1/one/ out | head -1; "
                  "mkdir -p a/b; cp out a/b; ls a/b; rm -r a; date >/dev/null; printf '%s\\n' done")
        self.clean(obmon(*options(profiles=["shell"]), cmd=["bash", "-c", script]), "6\n1\none\nout\ndone\n")

    def test_base(self):
        self.clean(obmon(cmd=["/bin/date", "-u", "+%Z"]), "UTC\n")

    def test_without_base(self):
        run = obmon(*options(base=False), cmd=TRUE, check=False)
        self.assertNotEqual(run.status, 0)
        self.assertIn([("FILE_READ", "/etc/ld.so.cache")], [harness.wants(record) for record in run.records])


class Doctor(Test):
    def test_here(self):
        process = call("doctor")
        self.assertEqual(process.returncode, 0, process)
        self.assertNotIn("MISSING", process.stdout)

    def check_missing(self, process, word):
        self.assertEqual(process.returncode, 125, process)
        self.assertIn("MISSING", process.stdout)
        self.assertIn(word, process.stdout)
        self.assertIn("->", process.stdout)

    def without(self, mount, word):
        def command(*words):
            return subprocess.run(["unshare", "-m", "sh", "-c", f'umount -l {mount} && exec "$@"', "sh", OBMON, *words],
                                  capture_output=True, text=True, check=False)
        self.check_missing(command("doctor"), word)
        run = command("exec", "--", "true")
        self.assertEqual(run.returncode, 125, run)
        self.assertTrue(run.stderr.startswith("obmon: "), run)

    def test_without_bpffs(self):
        self.without("/sys/fs/bpf", "bpffs")

    def test_without_cgroups(self):
        self.without("/sys/fs/cgroup", "cgroup2")

    def test_as_an_ordinary_user(self):
        self.check_missing(call("doctor", user="nobody"), "root")

    def test_cgroups_beside_v1(self):
        """The unified hierarchy at /sys/fs/cgroup/unified."""
        setting = ("umount -l /sys/fs/cgroup && mount -t tmpfs none /sys/fs/cgroup && mkdir /sys/fs/cgroup/unified && "
                   'mount -t cgroup2 none /sys/fs/cgroup/unified && exec "$@"')
        wrap = ["unshare", "-m", "sh", "-c", setting, "sh"]
        process = subprocess.run([*wrap, OBMON, "doctor"], capture_output=True, text=True, check=False)
        self.assertEqual(process.returncode, 0, process)
        d = plant(PLACES["tmpfs"])
        run = obmon(*options([f"FILE_READ:{d}/allowed.txt"]), wrap=wrap,
                    cmd=[ACT, "read", d + "/other.txt", ",", "unlink", d + "/other.txt", ",", "write",
                         "/sys/fs/cgroup/unified/cgroup.procs"])
        self.assert_answers(run, "EACCES", "EACCES", "EACCES")

    def test_in_a_cgroup_namespace(self):
        """A run's cgroup may lie deeper than its path says: the host-wide programs must find it there too."""
        outer = "/sys/fs/cgroup/obmon-test-outer/inner"
        os.makedirs(outer, exist_ok=True)
        setting = (f"echo $$ >{outer}/cgroup.procs && exec unshare -C -m sh -c 'umount -l /sys/fs/cgroup && "
                   'mount -t cgroup2 none /sys/fs/cgroup && exec "$@"\' sh "$@"')
        d = plant(PLACES["tmpfs"])
        run = obmon(*options([f"FILE_READ:{d}/allowed.txt"]), wrap=["sh", "-c", setting, "sh"], check=False,
                    cmd=[ACT, "read", d + "/other.txt", ",", "unlink", d + "/victim.txt", ",", "chmod", d, "0700"])
        for _ in range(50):
            try:
                subprocess.run(["find", "/sys/fs/cgroup/obmon-test-outer", "-depth", "-type", "d", "-exec", "rmdir", "{}",
                                ";"], check=True, capture_output=True)
                break
            except subprocess.CalledProcessError:
                harness.time.sleep(0.1)
        if run.status == 0:  # else it said why it can't work there
            self.assert_answers(run, "EACCES", "EACCES", "EACCES")
        else:
            self.assertEqual(run.status, 125, run)
