# SPDX-License-Identifier: Apache-2.0
"""What no capability grants, whatever was granted, in audit mode too."""

import os
import pty
import socket
import subprocess

import harness
from harness import (ACT, BASE, CGROUPS, EVERYTHING, PINS, PLACES, Started, Test, guard, let_through, obmon, options,
                     plant,
                     put)

WRITE = os.O_WRONLY


class Never(Test):
    def kernels_own(self):
        return [
            guard("list", "/sys/fs/cgroup", resource="/sys/fs/cgroup"),
            guard("watch", CGROUPS, resource=CGROUPS),
            guard("read", "/sys/fs/cgroup/cgroup.procs", resource="/sys/fs/cgroup/cgroup.procs"),
            guard("write", "/sys/fs/cgroup/cgroup.procs", resource="/sys/fs/cgroup/cgroup.procs"),
            guard("write", "/proc/self/root/sys/fs/cgroup/cgroup.procs", resource="/sys/fs/cgroup/cgroup.procs"),
            guard("write", CGROUPS + "/cgroup.procs", resource=CGROUPS + "/cgroup.procs"),
            guard("uring_open", CGROUPS + "/cgroup.procs", WRITE, 16, resource=CGROUPS + "/cgroup.procs"),
            guard("mkdir", CGROUPS + "/mine", resource=CGROUPS + "/mine"),
            guard("rmdir", CGROUPS, resource=CGROUPS),
            guard("list", PINS, resource=PINS),
            guard("unlink", PINS + "/maps/obmon_runs", resource=PINS + "/maps/obmon_runs"),
            guard("mkdir", PINS + "/mine", resource=PINS + "/mine"),
            guard("rename", PINS + "/maps", PINS + "/spam", resource=PINS + "/maps"),
            guard("list", "/sys/kernel/tracing", resource="/sys/kernel/tracing"),
            guard("list", "/sys/kernel/debug", resource="/sys/kernel/debug"),
            guard("read", "/sys/kernel/security/lsm", resource="/sys/kernel/security/lsm"),
            guard("list", "/run/obmon", resource="/run/obmon"),
            guard("write", "/run/obmon/lock", resource="/run/obmon/lock"),
            guard("create", "/run/obmon/mine", resource="/run/obmon/mine"),
            guard("unlink", "/run/obmon/lock", resource="/run/obmon/lock"),
            guard("rename", "/run/obmon/lock", "/run/lock-taken", resource="/run/obmon/lock"),
            guard("link", "/run/obmon/lock", "/run/lock-taken", resource="/run/obmon/lock"),
            guard("chmod", "/run/obmon", "0777", resource="/run/obmon"),
            guard("clone_into", "/sys/fs/cgroup", hook="task_alloc"),
            guard("clone_into", CGROUPS, hook="task_alloc"),
            let_through("opath", "/sys/fs/cgroup"),
        ]

    def test_in_enforce_mode(self):
        self.check_cases(self.kernels_own(), options(EVERYTHING))

    def test_in_audit_mode(self):
        self.check_cases(self.kernels_own(), options(mode="audit"))

    def test_with_capabilities(self):
        self.check_cases([case for case in self.kernels_own()
                          if "/sys/kernel/debug" not in case.op], options(EVERYTHING, keep_caps=True))

    def test_the_directory_above(self):
        """Moving the folder above what may never be touched would bring it under another name."""
        run = obmon(*options(EVERYTHING), cmd=[ACT, "rename", "/run", "/run2", ",", "exchange", "/run", "/var"])
        for _, answer in harness.answers_of(run.stdout):
            self.assertIn(answer, ("EACCES", "EXDEV", "EBUSY"), run)

    def own_files(self, words):
        """obmon's own records and result, by their names and by a hard link made before."""
        d = plant(PLACES["tmpfs"])
        events, result = put(d + "/events"), put(d + "/result")
        os.link(events, d + "/events-linked")
        names = (events, result, d + "/events-linked")
        operations = [["read", name] for name in names] + [["write", name] for name in names] + [
            ["truncate", events], ["rename", events, d + "/gone"], ["unlink", result], ["link", events, d + "/more"],
            ["chmod", events, "0666"], ["reopen", events, 0o10000000, WRITE], ["open", events, WRITE | os.O_TRUNC],
            ["uring_open", events, WRITE, 0]]
        command = [ACT]
        for operation in operations:
            command += [*map(str, operation), ","]
        process = subprocess.run([harness.OBMON, "exec", *words, "--events", events, "--result", result, "--",
                                  *command[:-1]], capture_output=True, text=True, check=False, cwd=BASE)
        run = harness.Run(process.returncode, process.stdout, process.stderr, harness.read_lines(events),
                          harness.json.load(open(result, encoding="utf-8")))
        harness.check_run(run)
        self.assert_answers(run, *["EACCES"] * len(operations))
        self.assertEqual([record["event"] for record in run.records], ["guard.denied"] * len(operations), run)
        self.assertEqual(os.stat(events).st_mode & 0o777, 0o644)

    def test_own_files(self):
        self.own_files(options(EVERYTHING))

    def test_own_files_in_audit_mode(self):
        self.own_files(options(mode="audit"))

    def test_tasks_outside(self):
        outside = subprocess.Popen(["sleep", "600"])
        self.addCleanup(outside.wait)
        self.addCleanup(outside.kill)
        pid = outside.pid
        files = [guard("read", f"/proc/{pid}/{name}", resource=f"/proc/{pid}/{name}")
                 for name in ("mem", "environ", "cmdline", "maps", "status", "stat")]
        files += [guard("write", f"/proc/{pid}/{name}", resource=f"/proc/{pid}/{name}")
                  for name in ("mem", "oom_score_adj", "comm")]
        files += [guard("list", f"/proc/{pid}/fd", resource=f"/proc/{pid}/fd"),
                  guard("read", f"/proc/{pid}/task/{pid}/environ", resource=f"/proc/{pid}/task/{pid}/environ"),
                  guard("ptrace", pid, hook="ptrace_access_check"),
                  guard("vmread", pid, hook="ptrace_access_check", answer="EPERM"),
                  guard("kill", pid, 0, hook="task_kill"),
                  guard("kill", pid, 9, hook="task_kill"),
                  let_through("read", "/proc/self/stat"),
                  let_through("read", "/proc/thread-self/stat")]
        for words in (options(EVERYTHING, keep_caps=True), options(mode="audit", keep_caps=True)):
            self.check_cases(files, words)
        self.assertIsNone(outside.poll())

    def test_typing_for_the_invoker(self):
        """TIOCSTI on the terminal that a run shares with who started it."""
        ours, theirs = pty.openpty()
        self.addCleanup(os.close, ours)
        self.check_cases([guard("type", hook="file_ioctl")], options(EVERYTHING), how=lambda: {"stdin": theirs})
        os.close(theirs)

    def sockets(self):
        """Kinds of socket for which there are no rules, though some of them reach as far as others."""
        inet, inet6, packet = socket.AF_INET, socket.AF_INET6, socket.AF_PACKET
        stream, dgram, raw, seqpacket = socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_RAW, socket.SOCK_SEQPACKET
        kinds = [(inet, raw, protocol) for protocol in (1, 2, 6, 17, 47, 255)]
        kinds += [(inet6, raw, protocol) for protocol in (0, 6, 43, 58, 255)]
        kinds += [(inet, dgram, 1), (inet6, dgram, 58), (inet, dgram, 136), (inet6, dgram, 136),
                  (inet, dgram, 115)]  # ping, UDP-Lite
        kinds += [(family, kind, protocol) for family in (inet, inet6)
                  for kind, protocol in ((stream, 132), (seqpacket, 132), (stream, 262), (6, 33), (stream, 17),
                                         (dgram, 6), (4, 0))]
        kinds += [(packet, raw, 768), (packet, dgram, 768), (packet, raw, 0)]
        kinds += [(socket.AF_NETLINK, raw, protocol) for protocol in (1, 2, 4, 5, 6, 9, 12, 15, 16, 20, 21)]
        kinds += [(socket.AF_VSOCK, stream, 0), (socket.AF_VSOCK, dgram, 0), (socket.AF_ALG, seqpacket, 0),
                  (socket.AF_CAN, raw, 1), (socket.AF_BLUETOOTH, raw, 1), (socket.AF_TIPC, seqpacket, 0),
                  (socket.AF_QIPCRTR, dgram, 0),
                  (44, raw, 0), (43, stream, 0), (41, dgram, 0), (33, dgram, 2), (24, stream, 0), (26, dgram, 0),
                  (15, raw, 2),
                  (21, seqpacket, 0), (9, seqpacket, 0), (4, dgram, 0), (45, dgram, 0)]
        for kind in kinds:
            resource = "socket:family={},type={},protocol={}".format(*kind)
            yield guard("socket", *kind, resource=resource, hook="socket_create")
        yield guard("socket", inet, stream | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK, 262,
                    resource="socket:family=2,type=1,protocol=262")
        yield guard("socket", inet, 10, 768, resource="socket:family=17,type=10,protocol=768")  # SOCK_PACKET
        yield guard("uring_socket", inet, raw, 1, resource="socket:family=2,type=3,protocol=1")
        yield guard("uring_socket", packet, raw, 768, resource="socket:family=17,type=3,protocol=768")
        yield guard("ns_socket", inet, raw, 1, resource="socket:family=2,type=3,protocol=1")

    def free_sockets(self):
        """Nothing is reached by these without a grant, so that anybody may have one."""
        for family in (socket.AF_INET, socket.AF_INET6):
            for kind, protocol in ((socket.SOCK_STREAM, 0), (socket.SOCK_STREAM, 6), (socket.SOCK_DGRAM, 0),
                                   (socket.SOCK_DGRAM, 17)):
                yield let_through("socket", family, kind, protocol)
                yield let_through("socket", family, kind | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK, protocol)
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_SEQPACKET, socket.SOCK_RAW):
            yield let_through("socket", socket.AF_UNIX, kind, 0)
        yield let_through("socket", socket.AF_NETLINK, socket.SOCK_RAW, 0)
        yield let_through("socket", socket.AF_NETLINK, socket.SOCK_DGRAM, 0)
        yield let_through("uring_socket", socket.AF_INET, socket.SOCK_STREAM, 6)

    def test_sockets(self):
        """In audit mode too, whatever is granted, and with Linux capabilities."""
        everything = [*EVERYTHING, "NETWORK_CONNECT:0.0.0.0/0:*", "NETWORK_CONNECT:[::/0]:*",
                      "NETWORK_LISTEN:0.0.0.0/0:*",
                      "NETWORK_LISTEN:[::/0]:*"]
        for words in (options(), options(everything), options(mode="audit"), options(everything, keep_caps=True)):
            self.check_cases([*self.sockets(), *self.free_sockets()], words)


class Audit(Test):
    def test_lets_through_and_records(self):
        d = plant(PLACES["tmpfs"])
        run = obmon(*options(mode="audit"), cmd=[
            ACT, "read", d + "/other.txt", ",", "unlink", d + "/victim.txt", ",", "exec", d + "/program", ",",
            "rename", d + "/allowed.txt", d + "/moved", ",", "mmap_exec", d + "/other.txt"])
        self.assert_answers(run, "ok secret", "ok", "ok 0", "ok", "ok")
        told = [harness.wants(record) for record in run.records]
        # An exec that is let through asks more than once.
        told = [want for i, want in enumerate(told) if want != [("LIBRARY_LOAD", d + "/program")] and
                want not in told[max(0, i - 1):i]]
        self.assertEqual(told, [
            [("FILE_READ", d + "/other.txt")], [("FILE_WRITE", d + "/victim.txt")],
            [("EXTERNAL_COMMAND", d + "/program")],
            [("FILE_WRITE", d + "/allowed.txt"), ("FILE_WRITE", d + "/moved")],
            [("FILE_READ", d + "/other.txt")], [("LIBRARY_LOAD", d + "/other.txt")]], run)
        self.assertEqual({record["mode"] for record in run.records}, {"audit"})
        self.assertEqual({record["capability"]["state"] for record in run.records}, {"audited"})
        self.assertEqual((run.result["counters"]["audited"], run.result["counters"]["refused"]),
                         (len(run.records), 0), run)

    def test_what_it_told_is_enough(self):
        """The way to a first set of grants: run in audit mode, grant what was recorded, enforce."""
        d = plant(PLACES["tmpfs"])
        script = put(BASE + "/learn.sh", "#!/bin/sh\nset -e\ncat allowed.txt >out\nmkdir -p new/sub\n"
                     "mv out new/sub/out\nls new >/dev/null\nrm -r new\ngit --version >/dev/null\n", 0o755)
        audit = obmon(*options(mode="audit"), cmd=[script], cwd=d)
        self.assertEqual(audit.status, 0, audit)
        learned = sorted({grant for record in audit.records for grant in harness.grants(record) if grant})
        plant(d)
        enforced = obmon(*options(learned), cmd=[script], cwd=d)
        self.assertEqual((enforced.status, enforced.records), (0, []), f"{learned}\n{enforced}")


class KillAtFirst(Test):
    def test_the_first_violation_ends_the_run(self):
        d = plant(PLACES["tmpfs"])
        words = options([f"FILE_READ:{d}/allowed.txt"], on_violation="kill")
        for operation in (["read", d + "/other.txt"], ["create", d + "/new"], ["exec", d + "/program"]):
            run = Started(words, [ACT, "read", d + "/allowed.txt", ",", *operation, ",", "sleep", "60000"]).end()
            self.assertEqual(run.status, 5, run)
            self.assertEqual(run.result["status"], "violation", run)
            self.assertGreaterEqual(len(run.records), 1)
            self.assertNotIn("ok\n", run.stdout.partition("allowed")[2])

    def test_no_violation_no_end(self):
        d = plant(PLACES["tmpfs"])
        run = obmon(*options([f"FILE_READ:{d}/allowed.txt", f"FILE_WRITE:{d}/victim.txt"], on_violation="kill"),
                    cmd=[ACT, "read", d + "/allowed.txt", ",", "open", d + "/victim.txt", os.O_WRONLY | os.O_CREAT])
        self.assertEqual((run.status, run.records), (0, []), run)
