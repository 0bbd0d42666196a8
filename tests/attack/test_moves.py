# SPDX-License-Identifier: Apache-2.0
"""Renames and links: no name may gain a right, and no moment of a rename may be taken for a name."""

import os
import shutil
import subprocess

from harness import (ACT, PLACES, Case, Started, Test, answers_of, in_background, kill, let_through, obmon, options, plant,
                     put)

XDEV = "EXDEV"


def gains(*op, types, path):
    """Refused since the new name would give more (for FILE_READ: to read, and to list)."""
    return Case(*op, answer=XDEV, missing=[[(type_, path) for type_ in types]], granted=None)


class Moves(Test):
    """w/ may be written, rw/ read and written, x/ written and executed."""

    def set_up(self, place):
        d = plant(PLACES[place])
        for folder in ("w", "w2", "rw", "rw2", "x"):
            put(f"{d}/{folder}/file", "secret")
            put(f"{d}/{folder}/dir/below", "secret")
            os.mkdir(f"{d}/{folder}/free")
        return d, options([f"FILE_WRITE:{d}/{{w,w2,rw,rw2,x}}/**", f"FILE_READ:{d}/{{rw,rw2}}/**",
                           f"EXTERNAL_COMMAND:{d}/x/**"])

    def table(self, place):
        d, words = self.set_up(place)
        self.check_cases([
            gains("rename", d + "/w/file", d + "/rw/new", types=["FILE_READ"], path=d + "/w/file"),
            gains("link", d + "/w/file", d + "/rw/new", types=["FILE_READ"], path=d + "/w/file"),
            gains("link_read", d + "/w/file", d + "/rw/new", types=["FILE_READ"], path=d + "/w/file"),
            gains("rename", d + "/w/file", d + "/rw/file", types=["FILE_READ"], path=d + "/w/file"),
            gains("rename", d + "/w/file", d + "/x/new", types=["EXTERNAL_COMMAND"], path=d + "/w/file"),
            gains("uring_rename", d + "/w/file", d + "/rw/new", types=["FILE_READ"], path=d + "/w/file"),
            gains("rename", d + "/w/dir", d + "/rw/new", types=["FILE_READ"], path=d + "/w/dir"),
            # A folder takes along what may be read where it was: as unequal as the other way round.
            gains("rename", d + "/rw/dir", d + "/w/new", types=["FILE_READ"], path=d + "/rw/dir"),
            gains("exchange", d + "/w/file", d + "/rw/file", types=["FILE_READ"], path=d + "/w/file"),
            gains("exchange", d + "/rw/file", d + "/w/file", types=["FILE_READ"], path=d + "/w/file"),
            gains("tmpfile_link", d + "/w", d + "/rw/new", types=["FILE_READ"], path=None),
            let_through("tmpfile_link", d + "/rw", d + "/rw/tmpfile"),
            let_through("tmpfile_link", d + "/rw", d + "/w/tmpfile"),
            let_through("rename", d + "/rw/file", d + "/w/free/lost"),
            let_through("rename", d + "/w/free/lost", d + "/w2/moved"),
            let_through("rename", d + "/w/dir", d + "/w2/free/moved"),
            let_through("rename", d + "/rw/dir", d + "/rw2/free/moved"),
            let_through("exchange", d + "/w/file", d + "/w2/file"),
            let_through("exchange", d + "/rw2/dir", d + "/rw2/file"),
            let_through("link", d + "/rw2/dir", d + "/rw/linked"),
            let_through("whiteout", d + "/w2/file", d + "/w2/file2"),
        ], words, twice=False)

    def test_on_tmpfs(self):
        self.table("tmpfs")

    def test_on_ext4(self):
        self.table("ext4")

    def test_the_parent_of_an_exact_rule(self):
        """Moving folders about must not put an ungranted file under a granted name."""
        d = plant(PLACES["tmpfs"])
        put(d + "/a/pub/f", "public")
        put(d + "/b/pub/f", "secret")
        put(d + "/a/sec/f", "secret")
        words = options([f"FILE_READ:{d}/a/pub/f", f"FILE_WRITE:{d}/{{a,b}}", f"FILE_WRITE:{d}/{{a,b}}/*"])
        self.check_cases([
            let_through("read", d + "/a/pub/f", answer="ok public"),
            gains("exchange", d + "/a/pub", d + "/a/sec", types=["FILE_READ"] * 2, path=None),
            gains("exchange", d + "/a", d + "/b", types=["FILE_READ"] * 2, path=None),
            gains("rename", d + "/a/pub", d + "/a/old", types=["FILE_READ"], path=d + "/a/pub"),
            let_through("rename", d + "/b/pub", d + "/b/other"),
            let_through("rename", d + "/a/sec", d + "/a/sec2"),
        ], words, twice=False)

    def test_mv_copies_instead(self):
        """EXDEV makes mv fall back to copying, which the run may do if it may read."""
        d, words = self.set_up("tmpfs")
        run = obmon(*words, *options(profiles=["shell"]), cmd=["mv", d + "/rw/dir", d + "/w/free/dir"])
        self.assertEqual(run.status, 0, run)
        self.assertTrue(os.path.exists(d + "/w/free/dir/below"))


class Dialogue:
    """A run that does one operation at a time, as the test says."""

    def __init__(self, words):
        self.started = Started(words, [ACT, "-"], stdin=subprocess.PIPE)

    def ask(self, *words):
        process = self.started.process
        process.stdin.write("\t".join(words) + "\n")
        process.stdin.flush()
        return process.stdout.readline().rstrip("\n").partition(" ")[2]

    def end(self):
        self.started.process.stdin.close()
        self.started.process.stdin = None
        return self.started.end()


class Memory(Test):
    """What was decided about a name is not decided about the next one."""

    def test_names_that_change(self):
        for place in ("tmpfs", "ext4"):
            d = plant(PLACES[place])
            for name in ("pub", "sec"):
                put(f"{d}/{name}/one/two/f", name)
                put(f"{d}/{name}/g", name)
            run = Dialogue(options([f"FILE_READ:{d}/pub/**"]))
            inner = "/one/two/f"

            def expect(path, answer, run=run, d=d):
                got = run.ask("read", d + path)
                self.assertEqual(got, answer, path)

            for _ in range(3):
                expect("/pub" + inner, "ok pub")
                expect("/sec" + inner, "EACCES")
            # the file's folder, and the one above it, by other hands
            os.rename(f"{d}/pub/one/two", f"{d}/sec/two")
            expect("/sec/two/f", "EACCES")
            os.rename(f"{d}/sec/two", f"{d}/pub/one/two")
            expect("/pub" + inner, "ok pub")
            os.rename(f"{d}/pub/one", f"{d}/sec/other")
            expect("/sec/other/two/f", "EACCES")
            os.rename(f"{d}/sec/other", f"{d}/pub/one")
            expect("/pub" + inner, "ok pub")
            # at the top, two for one another
            os.rename(f"{d}/pub", f"{d}/x")
            os.rename(f"{d}/sec", f"{d}/pub")
            os.rename(f"{d}/x", f"{d}/sec")
            expect("/pub" + inner, "ok sec")
            expect("/sec" + inner, "EACCES")
            expect("/sec/g", "EACCES")
            # the file itself; a second name of it
            os.rename(f"{d}/pub/g", f"{d}/h")
            expect("/h", "EACCES")
            os.link(f"{d}/h", f"{d}/pub/h")
            expect("/pub/h", "ok sec")
            expect("/h", "EACCES")
            expect("/pub/h", "ok sec")
            # gone, and there anew: the same inode numbers for other names
            shutil.rmtree(f"{d}/pub")
            put(f"{d}/sec2/one/two/f", "new")
            put(f"{d}/pub/one/two/f", "newer")
            expect("/sec2" + inner, "EACCES")
            expect("/pub" + inner, "ok newer")
            shutil.rmtree(f"{d}/sec2")
            shutil.rmtree(f"{d}/pub")
            put(f"{d}/pub/one/two/f", "newest")
            put(f"{d}/sec2/one/two/f", "new")
            expect("/pub" + inner, "ok newest")
            expect("/sec2" + inner, "EACCES")
            # many of them, so that what was remembered is crowded out
            for i in range(300):
                os.makedirs(f"{d}/pub/many{i}")
                os.makedirs(f"{d}/many{i}")
                put(f"{d}/pub/many{i}/f", str(i))
                put(f"{d}/many{i}/f", str(i))
            for i in range(0, 300, 7):
                expect(f"/pub/many{i}/f", f"ok {i}")
                expect(f"/many{i}/f", "EACCES")
                os.rename(f"{d}/pub/many{i}", f"{d}/moved")
                os.rename(f"{d}/many{i}", f"{d}/pub/many{i}")
                os.rename(f"{d}/moved", f"{d}/many{i}")
                expect(f"/pub/many{i}/f", f"ok {i}")
                expect(f"/many{i}/f", "EACCES")
            self.assertEqual(run.end().status, 0)

    def test_moved_by_the_run(self):
        """Where both names lead to the same future the run may move a folder, and then has what it had."""
        d = plant(PLACES["tmpfs"])
        put(d + "/a/x/f", "text")
        os.mkdir(d + "/b")
        run = Dialogue(options([f"FILE_WRITE:{d}/{{a,b}}/*", f"FILE_READ:{d}/{{a,b}}/*/f", f"FILE_READ:{d}/a/x/only-here"]))
        self.assertEqual(run.ask("read", d + "/a/x/f"), "ok text")
        self.assertEqual(run.ask("rename", d + "/a/x", d + "/b/x"), "EXDEV")
        self.assertEqual(run.ask("rename", d + "/a/x", d + "/a/y"), "EXDEV")
        os.rename(d + "/a/x", d + "/a/y")
        self.assertEqual(run.ask("rename", d + "/a/y", d + "/b/z"), "ok")
        self.assertEqual(run.ask("read", d + "/b/z/f"), "ok text")
        self.assertEqual(run.ask("mkdir", d + "/a/x"), "ok")
        self.assertEqual(run.ask("rename", d + "/b/z", d + "/a/x"), "EXDEV")
        run.end()

    def test_another_run_in_the_same_place(self):
        """The next run takes the place of the last one, with other grants on the same folders."""
        d = plant(PLACES["tmpfs"])
        for rule, allowed, other in (("**", "ok inner", "ok secret"), ("sub/*", "ok inner", "EACCES"),
                                     ("other.txt", "EACCES", "ok secret"), ("**", "ok inner", "ok secret"),
                                     ("nothing", "EACCES", "EACCES")):
            run = obmon(*options([f"FILE_READ:{d}/{rule}"]),
                        cmd=[ACT, "read", d + "/sub/inner.txt", ",", "read", d + "/other.txt"])
            self.assert_answers(run, allowed, other)

    def test_two_runs_side_by_side(self):
        d = plant(PLACES["tmpfs"])
        one, two = (Dialogue(options([f"FILE_READ:{d}/{rule}"])) for rule in ("sub/**", "full/**"))
        for _ in range(5):
            for run, path, answer in ((one, "/sub/inner.txt", "ok inner"), (two, "/sub/inner.txt", "EACCES"),
                                      (one, "/full/file", "EACCES"), (two, "/full/file", "ok in the way")):
                self.assertEqual(run.ask("read", d + path), answer)
        one.end()
        two.end()


def resources(run):
    """The names in a run's records; not of those that could not be read for all the renames."""
    return {record["capability"]["resource"] for record in run.records
            if record["error"]["code"] == "OBMON_CAPABILITY_DENIED"}


class Races(Test):
    def chase(self, d, granted, swap, milliseconds=4000):
        """A run opens f in a folder that others move between two names. @return (opened, refused)."""
        stop = in_background(swap)
        try:
            run = obmon(*options(granted), cmd=[ACT, "chase", d, "f", milliseconds])
        finally:
            stop()
        (_, answer), = answers_of(run.stdout)
        self.assertTrue(answer.startswith("ok "), run)
        words = answer.split()
        return int(words[1]), int(words[3]), run

    def swapping(self, a, b):
        def swap():
            os.rename(a, b)
            os.rename(b, a)
        return swap

    def test_a_name_that_never_was(self):
        """Only /pub/y/f is granted; the folder is /pub/x or /sec/y: a torn name would be the granted one."""
        d = plant(PLACES["tmpfs"])
        put(d + "/pub/x/f", "secret")
        os.makedirs(d + "/sec")
        opened, refused, run = self.chase(d + "/pub/x", [f"FILE_READ:{d}/pub/y/f"],
                                          self.swapping(d + "/pub/x", d + "/sec/y"))
        self.assertEqual(opened, 0, run.result)
        self.assertGreater(refused, 100, run.result)
        self.assertLessEqual(resources(run), {d + "/pub/x/f", d + "/sec/y/f"})

    def test_the_granted_name_alone(self):
        """The folder has the granted name half of the time: some opens are let through, some are not."""
        d = plant(PLACES["tmpfs"])
        put(d + "/r/sec/f", "text")
        opened, refused, run = self.chase(d + "/r/sec", [f"FILE_READ:{d}/r/pub/f"],
                                          self.swapping(d + "/r/sec", d + "/r/pub"))
        self.assertGreater(opened, 0, run.result)
        self.assertGreater(refused, 0, run.result)

    def test_links_that_change(self):
        """A symbolic link goes back and forth between a granted and another file: only the granted one is read."""
        d = plant(PLACES["tmpfs"])
        os.symlink("allowed.txt", d + "/a")
        os.symlink("other.txt", d + "/b")

        def swap():
            os.rename(d + "/a", d + "/f")
            os.rename(d + "/f", d + "/a")
            os.rename(d + "/b", d + "/f")
            os.rename(d + "/f", d + "/b")
        _, _, run = self.chase(d, [f"FILE_READ:{d}/allowed.txt"], swap, 2000)
        self.assertLessEqual(resources(run), {d + "/other.txt"})

    def test_renames_elsewhere(self):
        """Whoever renames what has nothing to do with a run must not make its operations fail."""
        d = plant(PLACES["tmpfs"])
        other = subprocess.Popen([ACT, "shuffle", d + "/full/file", d + "/empty/file"])
        try:
            run = obmon(*options([f"FILE_READ:{d}/allowed.txt"]),
                        cmd=[ACT, "crowd", d + "/allowed.txt", d + "/other.txt", "1000", "1"])
            self.assertIsNone(other.poll(), "it renamed to the end")
        finally:
            kill(other.pid)  # the one it has started ends by itself when it finds no file
            subprocess.run(["rm", "-r", d + "/full", d + "/empty"], check=False)
            other.wait()
        self.assert_answers(run, "ok 1000 right, 0 wrong")
        self.assertEqual(run.result["counters"]["failures"], 0, run.result)

    def test_many_at_once(self):
        """Every answer is right, whoever else is being judged at the time."""
        d = plant(PLACES["tmpfs"])
        run = obmon(*options([f"FILE_READ:{d}/allowed.txt"]),
                    cmd=[ACT, "crowd", d + "/allowed.txt", d + "/other.txt", "800", "8"])
        self.assert_answers(run, "ok 6400 right, 0 wrong")
        self.assertEqual(run.result["counters"]["failures"], 0, run.result)
        self.assertEqual({record["capability"]["resource"] for record in run.records}, {d + "/other.txt"})
