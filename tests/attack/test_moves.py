# SPDX-License-Identifier: Apache-2.0
"""Renames and links: no name may gain a right, and no moment of a rename may be taken for a name."""

import os

from harness import (ACT, PLACES, Case, Test, answers_of, in_background, let_through, obmon, options, plant, put)

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
        told = {record["capability"]["resource"] for record in run.records
                if record["error"]["code"] == "OBMON_CAPABILITY_DENIED"}
        self.assertLessEqual(told, {d + "/pub/x/f", d + "/sec/y/f"})

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
        self.assertLessEqual({record["capability"]["resource"] for record in run.records}, {d + "/other.txt"})

    def test_many_at_once(self):
        """Every answer is right, whoever else is being judged at the time."""
        d = plant(PLACES["tmpfs"])
        run = obmon(*options([f"FILE_READ:{d}/allowed.txt"]),
                    cmd=[ACT, "crowd", d + "/allowed.txt", d + "/other.txt", "800", "8"])
        self.assert_answers(run, "ok 6400 right, 0 wrong")
        self.assertEqual(run.result["counters"]["failures"], 0, run.result)
        self.assertEqual({record["capability"]["resource"] for record in run.records}, {d + "/other.txt"})
