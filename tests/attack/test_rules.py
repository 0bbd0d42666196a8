# SPDX-License-Identifier: Apache-2.0
"""What rules match: the names that the kernel sees, of every length and of every byte."""

import os
import shutil

import harness
from harness import (ACT, BASE, PLACES, Case, Test, decoded, deny, glob_escape, let_through, needs_read, needs_write,
                     obmon, options, plant, put, refused_to_start)

D = BASE + "/rules"


class Rules(Test):
    def setUp(self):
        shutil.rmtree(D, ignore_errors=True)
        os.makedirs(D)

    def matching(self, rule, inside, outside, cwd=D):
        for path in inside + outside:
            put(os.path.join(D, path), "x")
        self.check_cases(
            [let_through("read", os.path.join(D, path), answer="ok x") for path in inside] +
            [needs_read("read", os.path.join(D, path), path=os.path.join(D, path)) for path in outside],
            options([f"FILE_READ:{rule}"]), how=lambda: {"cwd": cwd}, twice=False)

    def test_wildcards_in_one_component(self):
        self.matching("a/*.txt", ["a/x.txt", "a/.txt", "a/.x.txt"], ["a/b/x.txt", "a/x.text", "x.txt", "a/x.txt.bak"])

    def test_wildcards_across_components(self):
        self.matching(D + "/a/**/z", ["a/z", "a/b/z", "a/b/c/d/z"], ["az", "b/z", "a/bz", "a/b/zz", "z"])

    def test_the_end_of_a_tree(self):
        self.matching("a/**", ["a/x", "a/b/c/d"], ["ab/x", "b"])

    def test_classes_and_question_marks(self):
        self.matching("[a-c]?[!x-z]", ["aaa", "b.w", "c\u00ff"[:1] + "11"], ["daa", "aax", "aa", "aaaa", "a/a"])

    def test_braces(self):
        self.matching("{a,b/{c,d}*}.t{xt,}", ["a.txt", "a.t", "b/c.txt", "b/dd.t"], ["b.txt", "b/e.txt", "a.tx"])

    def test_escapes_and_blanks(self):
        names = ["a b", "star*", "q?", "{x}", "[y]", "back\\slash", "comma,", "bang!", " lead", "trail ", "a:b",
                 "quote\"'", "ta\tb", "line\nfeed", "\x01\x1b[31m", "\u00fcml\u00e4ut", "\u65e5\u672c", "#1", "-n", "~"]
        for name in names:
            put(f"{D}/{name}", "x")
        self.check_cases([needs_read("read", f"{D}/{name}", path=f"{D}/{name}")
                          for name in names if not any(ord(byte) < 32 for byte in name)])
        # No capability holds control bytes, so their names are only reached by a wildcard.
        self.check_cases([needs_read("read", f"{D}/{name}", path=f"{D}/{name}")
                          for name in names if any(ord(byte) < 32 for byte in name)], twice=False)
        self.check_cases([let_through("read", f"{D}/{name}", answer="ok x") for name in names],
                         options([f"FILE_READ:{D}/*"]))

    def test_bytes_above_127(self):
        """A name that is no UTF-8 stands in base64, whole."""
        name = D.encode() + b"/\xff\xfe caf\xe9 \x80"
        put(os.fsdecode(name), "x")
        run = obmon(cmd=[ACT, "read", name])
        self.assert_answers(run, "EACCES")
        self.assertEqual(decoded(run.records[0]["capability"]), name)
        self.assertIn("resource_b64", run.records[0]["capability"])
        run = obmon(*options([f"FILE_READ:{D}/*"]), cmd=[ACT, "read", name])
        self.assert_answers(run, "ok x")

    def test_relative_rules_and_the_workspace(self):
        """The workspace is a literal, wherever obmon was started and whatever it is called."""
        for workspace in (D + "/work", D + "/w*[a]{b}"):
            put(workspace + "/src/a.py", "x")
            put(workspace + "/src/deep/a.py", "x")
            put(D + "/wxa/src/a.py", "x")
            for how in ({"cwd": workspace}, {"workspace": workspace}):
                words = options(["FILE_READ:src/*.py"], workspace=how.get("workspace"))
                self.check_cases([
                    let_through("read", "src/a.py", answer="ok x"),
                    let_through("list", "src", answer="ok"),
                    let_through("cwd", answer="ok " + workspace),
                    needs_read("read", "src/deep/a.py", path=workspace + "/src/deep/a.py"),
                    needs_read("read", D + "/wxa/src/a.py", path=D + "/wxa/src/a.py"),
                ], words, how=lambda how=how: {"cwd": how.get("cwd", "/")}, twice=False)

    def test_listing(self):
        for path in ("exact/f", "glob/f.x", "glob/d/f", "tree/d/e/f", "mid/x/end"):
            put(f"{D}/{path}")
        rules = [f"FILE_READ:{D}/{rule}" for rule in ("exact/f", "glob/*.x", "tree/**", "mid/*/end")]
        self.check_cases(
            [let_through("list", f"{D}/{path}") for path in ("glob", "tree", "tree/d", "tree/d/e", "mid")] +
            [needs_read("list", f"{D}/{path}", path=f"{D}/{path}") for path in ("exact", "glob/d", "mid/x")] +
            [needs_read("list", D, path=D)], options(rules))

    def test_symbolic_links_in_rules(self):
        """A rule's fixed part is resolved once, when the run starts."""
        put(D + "/real/f", "x")
        put(D + "/later/f", "x")
        os.symlink("real", D + "/name")
        self.check_cases([
            let_through("read", D + "/name/f", answer="ok x"),
            let_through("read", D + "/real/f", answer="ok x"),
            needs_read("read", D + "/later/f", path=D + "/later/f"),
        ], options([f"FILE_READ:{D}/name/*"]), twice=False)

    def test_rules_for_what_does_not_exist_yet(self):
        self.check_cases([
            let_through("mkdir", D + "/new"),
            let_through("create", D + "/new/f"),
            let_through("read", D + "/new/f"),
            needs_write("create", D + "/new/g", path=D + "/new/g"),
        ], options([f"FILE_WRITE:{D}/new", f"FILE_WRITE:{D}/new/f", f"FILE_READ:{D}/new/f"]), twice=False)

    def test_ten_thousand_rules(self):
        metadata = put(D + "/tool.yaml", "name: many\ncapabilities_required:\n" + "".join(
            f"  - FILE_READ:{D}/set{i % 97}/file{i}.txt\n" for i in range(10_000)))
        for path in ("set0/file0.txt", "set8/file9999.txt", "set50/file5000.txt", "set51/file5000.txt", "set0/file1.txt"):
            put(f"{D}/{path}", "x")
        for number in (5000, 9999):
            put(f"{D}/set{number % 97}/file{number}.txt", "x")
        run = obmon(*options(metadata=metadata), cmd=[
            ACT, "read", D + "/set0/file0.txt", ",", "read", f"{D}/set{9999 % 97}/file9999.txt", ",",
            "read", f"{D}/set{5000 % 97}/file5000.txt", ",", "read", D + "/set0/file1.txt"])
        self.assert_answers(run, "ok x", "ok x", "ok x", "EACCES")
        self.assert_denied(run, "FILE_READ", D + "/set0/file1.txt")
        used = {grant["rule"]: grant["uses"] for grant in run.result["grants"]
                if grant["capability"] == f"FILE_READ:{D}/set0/file0.txt"}
        self.assertEqual(list(used.values()), [1])

    def deep(self, length, component):
        """A file whose whole path from the root is @length bytes: (folder, steps to walk there, path)."""
        path = D
        while length - len(path) > 2 * component:
            path += "/" + "d" * (component - 1)
        rest = length - len(path) - 1
        if rest > 250:
            path += "/" + "e" * (rest // 2)
            rest = length - len(path) - 1
        return path, "f" * rest

    def make_deep(self, folder, name):
        """mkdir -p and a file, where the path is longer than a system call takes."""
        os.chdir("/")
        for part in folder.split("/")[1:]:
            os.makedirs(part, exist_ok=True)
            os.chdir(part)
        put("./" + name, "x")
        os.chdir("/")

    def test_longest_paths(self):
        """Paths of 4,095 bytes, the most that a system call takes, are judged and told whole."""
        folder, name = self.deep(4095, 250)
        path = f"{folder}/{name}"
        self.assertEqual(len(path), 4095)
        self.make_deep(folder, name)
        self.check_cases([needs_read("read", path, path=path)])
        self.check_cases([let_through("read", path, answer="ok x")], options([f"FILE_READ:{D}/**"]))

    def test_120_components(self):
        path = D + "/a" * (120 - D.count("/") - 1) + "/f"
        self.assertEqual(path.count("/"), 120)
        put(path, "x")
        self.check_cases([needs_read("read", path, path=path, granted="ok x")])

    def test_too_deep(self):
        """More components than obmon looks at: refused, said to be so, and by no grant to be had."""
        above = BASE.count("/")  # components count from the file system's root
        near = put(D + "/a" * (249 + above - D.count("/")) + "/f", "x")
        self.assertEqual(near.count("/") - above, 250)
        path = D + "/a" * (256 + above - D.count("/")) + "/f"
        self.assertEqual(path.count("/") - above, 257)
        put(path, "x")
        self.check_cases([
            let_through("read", near, answer="ok x"),
            Case("read", path, missing=[("FAILURE", None)], granted=None),
        ], options([f"FILE_READ:{D}/**"]))
        run = obmon(*options([f"FILE_READ:{D}/**"], mode="audit"), cmd=[ACT, "read", path])
        self.assert_answers(run, "EACCES")
        self.assertIn("deep", run.records[0]["error"]["reason"])

    def test_too_long(self):
        """A name of more bytes than a system call takes, reached step by step."""
        folder, name = self.deep(4095, 250)
        self.make_deep(folder + "/more" * 3, name)
        steps = folder.split("/")
        half = "/".join(steps[:len(steps) // 2])
        rest = "/".join(steps[len(steps) // 2:]) + "/more" * 3
        run = obmon(*options([f"FILE_READ:{D}/**"]), cmd=[ACT, "cd", half, ",", "cd", rest, ",", "read", name])
        self.assert_answers(run, "EACCES")
        self.assertEqual(run.records[0]["error"]["code"], "OBMON_DECISION_FAILED")
        self.assertIn("long", run.records[0]["error"]["reason"])

    def test_rules_that_cannot_be(self):
        for rule in ("FILE_READ:", "FILE_READ:/a/../b", "FILE_READ:/a[", "FILE_READ:/{a", "FILE_READ:/***",
                     "FILE_READ:/[]", "FILE_RAED:/x", "nonsense", "", "FILE_READ:/a\x01", "EXTERNAL_COMMAND:no-such-one",
                     "FILE_READ:/" + "a" * 5000, "FILE_READ:/proc/1/environ", "NETWORK_CONNECT:example.com:99999",
                     "SECRET_ACCESS:token"):
            message = refused_to_start("-c", rule)
            self.assertNotIn("\x01", message)
        self.assertIn("FILE_RAED", refused_to_start("-c", "FILE_RAED:/x"))

    def test_an_exploding_rule(self):
        """Refused within seconds of emulation, with the rule named."""
        message = refused_to_start("-c", "FILE_READ:/fine", "-c", "FILE_READ:/**/*a" + "?" * 24)
        self.assertIn("a????", message)


class Basics(Test):
    """The first sentences of what has to hold."""

    def test_without_grants(self):
        d = plant(PLACES["tmpfs"])
        self.check_cases([
            needs_read("read", "/etc/shadow", path="/etc/shadow"),
            needs_read("read", "allowed.txt", path=d + "/allowed.txt"),
            needs_write("create", "/tmp/new-file", path="/tmp/new-file"),
            needs_write("create", "new-file", path=d + "/new-file"),
            needs_write("write", "/etc/hostname", path="/etc/hostname"),
            deny("exec_with", "/usr/bin/git", "--version", type_="EXTERNAL_COMMAND", path="/usr/bin/git", granted="ok 0"),
            let_through("write", "/dev/null"),
        ], how=lambda: {"cwd": d}, twice=False)

    def test_a_script_without_grants(self):
        """The same by a real shell script: one record for each refusal."""
        d = plant(PLACES["tmpfs"])
        script = put(d + "/tool.sh", "#!/bin/sh\nread x </etc/shadow\nread x <allowed.txt\necho >/etc/made\n/usr/bin/git status\n"
                     "exit 7\n", 0o755)
        run = obmon(cmd=[script], cwd=d)
        self.assertEqual(run.status, 7, run)
        self.assertEqual([record for record in map(harness.wants, run.records)], [
            [("FILE_READ", "/etc/shadow")], [("FILE_READ", d + "/allowed.txt")], [("FILE_WRITE", "/etc/made")],
            [("EXTERNAL_COMMAND", "/usr/bin/git")]], run)

    def test_one_file_is_one_file(self):
        d = plant("/data") if not os.path.exists("/data") else plant(BASE + "/data")
        self.addCleanup(shutil.rmtree, d)
        self.check_cases([
            let_through("read", d + "/allowed.txt", answer="ok allowed"),
            needs_read("read", d + "/other.txt", path=d + "/other.txt", granted="ok secret"),
            needs_write("write", d + "/allowed.txt", path=d + "/allowed.txt"),
            needs_read("list", d, path=d),
        ], options([f"FILE_READ:{d}/allowed.txt"]))

    def test_quiet_refusals(self):
        """Expected ones are counted, leave no record, and take no number."""
        run = obmon(cmd=[ACT, "crowd", "", "/sys/fs/cgroup/cgroup.procs", "3", "1"])
        self.assertEqual(run.result["counters"]["quiet"], 0, "never grantable is never quiet")
        d = plant(PLACES["tmpfs"])
        folder = d + "/pkg/__pycache__"
        put(folder + "/x.pyc")
        run = obmon(*options(profiles=["python"]), cwd=d, cmd=[
            ACT, "write", folder + "/x.pyc", ",", "list", d, ",", "write", d + "/victim.txt"])
        self.assert_answers(run, "EACCES", "EACCES", "EACCES")
        self.assert_denied(run, "FILE_WRITE", d + "/victim.txt")
        self.assertEqual((run.result["counters"]["quiet"], run.records[0]["seq"]), (2, 1), run)
