# SPDX-License-Identifier: Apache-2.0
"""One file, many ways to it: the answer is about the file, on every file system."""

import os
import stat
import subprocess

import harness
from harness import (ACT, BASE, FIXED, PLACES, Case, Sender, Test, deny, guard, let_through, needs_read, needs_write,
                     obmon, options, plant, put)

O_PATH, ASYNC = 0o10000000, 16
RDWR, CREAT, TRUNC, APPEND = os.O_RDWR, os.O_CREAT, os.O_TRUNC, os.O_APPEND
LOADER = "/lib64/ld-linux-x86-64.so.2"


def both(*op, path, **more):
    return Case(*op, missing=[[("FILE_READ", path), ("FILE_WRITE", path)]], **more)


def two_names(*op, old, new, **more):
    return Case(*op, missing=[[("FILE_WRITE", old), ("FILE_WRITE", new)]], **more)


def reading(d):
    """Ways to read other.txt, none of which is granted; and to read what is."""
    other = d + "/other.txt"
    return [
        let_through("read", d + "/allowed.txt", answer="ok allowed"),
        let_through("read", d + "/sub/../allowed.txt", answer="ok allowed"),
        let_through("read", f"/proc/self/root{d}/allowed.txt", answer="ok allowed"),
        needs_read("read", other, path=other, granted="ok secret"),
        needs_read("read", d + "//./other.txt", path=other, granted="ok secret"),
        needs_read("read", d + "/link", path=other, granted="ok secret"),
        needs_read("read", d + "/sub/../other.txt", path=other, granted="ok secret"),
        needs_read("read", d + "/loop/loop/sub/deep/../../link", path=other, granted="ok secret"),
        needs_read("read", "/proc/self/root" + other, path=other, granted="ok secret"),
        needs_read("read", "/proc/self/root/proc/thread-self/root" + other, path=other, granted="ok secret"),
        needs_read("reopen", other, O_PATH, os.O_RDONLY, path=other),
        needs_read("openat2", other, os.O_RDONLY, 0, path=other, granted="ok secret"),
        needs_read("openat2", d + "/loop/other.txt", os.O_RDONLY, 2, path=other, granted="ok secret"),
        needs_read("uring_open", other, os.O_RDONLY, 0, path=other, granted="ok secret"),
        needs_read("uring_open", d + "/link", os.O_RDONLY, ASYNC, path=other, granted="ok secret"),
        needs_read("open", other, CREAT, path=other),
        needs_read("list", d, path=d),
        needs_read("list", d + "/loop", path=d),
        needs_read("open", d, os.O_RDONLY | os.O_DIRECTORY, path=d),
        needs_read("watch", other, path=other),
        needs_read("watch", d, path=d),
        needs_read("pump", "sendfile", other, d + "/allowed.txt", path=other, extra=[
            f"FILE_WRITE:{d}/allowed.txt"]),
        let_through("opath", other),
        let_through("read", d + "/nothing", answer="ENOENT"),
    ]


def writing(d):
    """Ways to change victim.txt, which may be read, and to make and remove names."""
    victim, new = d + "/victim.txt", d + "/new"
    return [
        let_through("read", victim, answer="ok secret"),
        needs_write("write", victim, path=victim),
        needs_write("open", victim, os.O_WRONLY | APPEND, path=victim),
        needs_write("open", victim, os.O_WRONLY | CREAT, path=victim),
        needs_write("open", victim, RDWR, path=victim),
        needs_write("open", victim, os.O_RDONLY | TRUNC, path=victim),
        both("open", d + "/other.txt", RDWR, path=d + "/other.txt"),
        needs_write("reopen", victim, os.O_RDONLY, os.O_WRONLY, path=victim),
        needs_write("reopen", victim, O_PATH, os.O_WRONLY, path=victim),
        needs_write("openat2", victim, os.O_WRONLY, 0, path=victim),
        needs_write("uring_open", victim, os.O_WRONLY, 0, path=victim),
        needs_write("truncate", victim, path=victim),
        needs_write("ftruncate", victim, path=victim),
        let_through("fallocate", victim, answer="EBADF"),
        needs_write("pump", "copy_file_range", victim, d + "/allowed.txt", path=d + "/allowed.txt"),
        needs_write("pump", "splice", victim, d + "/allowed.txt", path=d + "/allowed.txt"),
        needs_write("chmod", victim, "0600", path=victim),
        needs_write("fchmod", victim, path=victim),
        needs_write("chown", victim, path=victim),
        needs_write("lchown", d + "/link", path=d + "/link"),
        needs_write("fchown", victim, path=victim),
        needs_write("utimens", victim, path=victim),
        needs_write("futimens", victim, path=victim),
        needs_write("setacl", victim, path=victim),
        needs_write("removeacl", victim, path=victim),
        needs_write("create", d + "/created", path=d + "/created"),
        needs_write("mkdir", d + "/made", path=d + "/made"),
        needs_write("symlink", "/etc", d + "/made-link", path=d + "/made-link"),
        needs_write("mknod", d + "/fifo", stat.S_IFIFO, 0, 0, path=d + "/fifo"),
        needs_write("mknod", d + "/file", stat.S_IFREG, 0, 0, path=d + "/file"),
        guard("mknod", d + "/device", stat.S_IFCHR, 0, 0, resource=d + "/device"),
        deny("bind_unix", d + "/socket", type_="NETWORK_LISTEN", path=f"unix:{d}/socket"),
        needs_write("rmdir", d + "/empty", path=d + "/empty"),
        needs_write("rmdir", d + "/full", path=d + "/full", granted="ENOTEMPTY"),
        two_names("rename", victim, new, old=victim, new=new),
        let_through("rename", d + "/nothing", new, answer="ENOENT"),
        needs_write("unlink", d + "/link", path=d + "/link"),
        needs_write("uring_unlink", d + "/loop", path=d + "/loop"),
    ]


def two_at_once(d):
    a, b = d + "/allowed.txt", d + "/victim.txt"
    return [
        two_names("link", a, d + "/linked", old=a, new=d + "/linked"),
        two_names("exchange", a, b, old=a, new=b),
        two_names("uring_rename", b, d + "/moved", old=b, new=d + "/moved"),
        two_names("noreplace", a, d + "/placed", old=a, new=d + "/placed"),
    ]


class Ways(Test):
    """The same table on tmpfs, ext4, an overlay (whose files are in its lower layer) and the machine's root."""

    def on(self, place, cases, *grants, **more):
        d = PLACES[place]
        words = options([grant.format(d=d) for grant in grants], **more)
        fresh = (lambda: plant(d)) if place != "overlay" else lambda: anew(d)
        self.check_cases(cases(d), words, fresh)

    def reading(self, place):
        self.on(place, reading, "FILE_READ:{d}/allowed.txt")

    def writing(self, place):
        self.on(place, writing, "FILE_READ:{d}/victim.txt")

    def two(self, place):
        self.on(place, two_at_once, "FILE_READ:{d}/allowed.txt", "FILE_READ:{d}/{{linked,placed,victim.txt}}")

    def test_reading_on_tmpfs(self):
        self.reading("tmpfs")

    def test_reading_on_ext4(self):
        self.reading("ext4")

    def test_reading_on_overlay(self):
        self.reading("overlay")

    def test_reading_on_the_root(self):
        self.reading("root")

    def test_writing_on_tmpfs(self):
        self.writing("tmpfs")

    def test_writing_on_ext4(self):
        self.writing("ext4")

    def test_writing_on_overlay(self):
        self.writing("overlay")

    def test_writing_on_the_root(self):
        self.writing("root")

    def test_two_names_on_ext4(self):
        self.two("ext4")

    def test_two_names_on_overlay(self):
        self.two("overlay")

    def test_attributes_on_ext4(self):
        """What only some file systems have."""
        d = PLACES["ext4"]
        victim = d + "/victim.txt"

        def fresh():
            plant(d)
            os.setxattr(victim, "user.old", b"x")

        self.check_cases([
            needs_write("setxattr", victim, "user.new", path=victim, hook="inode_setxattr"),
            needs_write("fsetxattr", victim, path=victim, hook="inode_setxattr"),
            needs_write("removexattr", victim, "user.old", path=victim, hook="inode_removexattr"),
            needs_write("setflags", victim, path=victim, hook="file_ioctl"),
            needs_write("setproject", victim, path=victim, hook="file_ioctl"),
        ], options([f"FILE_READ:{victim}"]), fresh)

    def test_io_uring_with_other_credentials(self):
        """A worker that stands in for a submitter whose credentials have changed is still the run."""
        d = PLACES["ext4"]
        victim = d + "/victim.txt"
        self.check_cases([needs_write("uring_setxattr", victim, path=victim)],
                         options([f"FILE_READ:{victim}"]), lambda: plant(d))

    def test_io_uring_guards(self):
        d = plant(PLACES["tmpfs"])
        self.check_cases([
            guard("uring_sqpoll", hook="uring_sqpoll"),
            guard("uring_personality", d + "/allowed.txt", hook="uring_override_creds"),
        ], options([f"FILE_READ:{d}/allowed.txt"]))

    def test_with_capabilities(self):
        """What takes Linux capabilities to try."""
        d = plant(PLACES["ext4"])
        other, allowed = d + "/other.txt", d + "/allowed.txt"
        self.check_cases([
            let_through("handle", allowed, d, answer="ok allowed"),
            needs_read("handle", other, d, path=other, granted="ok secret"),
            guard("mknod", d + "/disk", stat.S_IFBLK, 7, 0, resource=d + "/disk"),
            guard("mknod", d + "/null", stat.S_IFCHR, 1, 3, resource=d + "/null"),
            needs_read("fanotify", other, path=other),
            guard("open", "/sys/kernel/tracing/trace", os.O_RDONLY, resource="/sys/kernel/tracing/trace"),
            guard("open", "/sys/kernel/debug/sched", os.O_RDONLY, resource="/sys/kernel/debug/sched"),
        ], options([f"FILE_READ:{allowed}"], keep_caps=True), lambda: plant(d))

    def test_detached_handle(self):
        """A file handle of a folder that nobody has looked up yet has no name to be judged by."""
        d = plant(PLACES["ext4"])

        def remount():
            harness.unmount(BASE + "/ext4")
            harness.shell("mount", "-o", "loop", BASE + "/image", BASE + "/ext4")
        words = options([f"FILE_READ:{BASE}/ext4/**"], keep_caps=True)
        self.check_cases([let_through("handle", d + "/other.txt", d, answer="ok secret")], words, remount, twice=False)

    def test_chroot(self):
        """Whether chroot is refused or not: nothing is read that wasn't granted."""
        d = plant(PLACES["tmpfs"])
        run = obmon(*options([f"FILE_READ:{d}/allowed.txt", "FILE_READ:/other.txt"], keep_caps=True),
                    cmd=[ACT, "chroot_read", d, "/other.txt", ",", "chroot_read", d, "/link"])
        for _, answer in harness.answers_of(run.stdout):
            self.assertIn(answer, ("EACCES", "EPERM"), run)

    def test_namespaces_made_by_the_run(self):
        d = plant(PLACES["tmpfs"])
        run = obmon(*options([f"FILE_READ:{d}/allowed.txt", f"FILE_READ:{d}/full/file"]),
                    cmd=[ACT, "ns_bind_read", d + "/other.txt", d + "/allowed.txt", ",",
                         "ns_overlay_read", f"{d}/sub:{d}/full", d + "/empty", "inner.txt", ",",
                         "ns_overlay_read", f"{d}/full:{d}/sub", d + "/empty", "file"])
        for _, answer in harness.answers_of(run.stdout):
            self.assertIn(answer, ("EACCES", "EPERM"), run)

    def test_namespaces_made_before(self):
        """Bind mounts over and beside the file, in a mount namespace (and a user's) that obmon is started in."""
        d = plant(PLACES["tmpfs"])
        put(d + "/bound/allowed.txt")
        setting = (f"mount --bind {d}/other.txt {d}/bound/allowed.txt && mount --bind {d} {d}/empty && "
                   'exec "$@"')
        wrap = ["unshare", "-m", "sh", "-c", setting, "sh"]
        self.check_cases([
            let_through("read", d + "/empty/allowed.txt", answer="ok allowed"),
            needs_read("read", d + "/bound/allowed.txt", path=d + "/other.txt", granted="ok secret"),
            needs_read("read", d + "/empty/other.txt", path=d + "/other.txt", granted="ok secret"),
        ], options([f"FILE_READ:{d}/allowed.txt"]), how=lambda: {"wrap": wrap})

    def test_a_rule_on_a_bind_mount_is_about_the_file(self):
        d = plant(PLACES["tmpfs"])
        wrap = ["unshare", "-m", "sh", "-c", f'mount --bind {d}/sub {d}/empty && exec "$@"', "sh"]
        self.check_cases([
            let_through("read", d + "/sub/inner.txt", answer="ok inner"),
            let_through("read", d + "/empty/inner.txt", answer="ok inner"),
            needs_read("read", d + "/sub/deep/deeper.txt", path=d + "/sub/deep/deeper.txt"),
        ], options([f"FILE_READ:{d}/empty/inner.txt"]), how=lambda: {"wrap": wrap}, twice=False)

    def test_obmon_in_a_chroot(self):
        """The run's root is another directory: names are still the file system's."""
        d = plant(PLACES["tmpfs"])
        root = d + "/root"
        os.mkdir(root)
        setting = (f"mount --rbind / {root} && mount --rbind {d} {root}/mnt && "
                   f'exec chroot {root} "$@"')
        wrap = ["unshare", "-m", "sh", "-c", setting, "sh"]
        run = obmon(*options(["FILE_READ:/mnt/allowed.txt"]), wrap=wrap,
                    cmd=[ACT, "read", "/mnt/allowed.txt", ",", "read", "/mnt/other.txt"])
        self.assert_answers(run, "ok allowed", "EACCES")


def anew(d):
    """Undo what a test did to the overlay: throw its upper layer away."""
    top = BASE + "/overlay"
    harness.unmount(top)
    subprocess.run(
        f"rm -rf {top}-upper {top}-work; mkdir {top}-upper {top}-work; mount -t overlay overlay -o "
        f"lowerdir={top}-lower,upperdir={top}-upper,workdir={top}-work {top}", shell=True, check=True)
    os.stat(d)


class Execution(Test):
    def table(self, place):
        d = PLACES[place]
        program, readable = d + "/program", d + "/readable"

        def fresh():
            (anew if place == "overlay" else plant)(d)
            put(readable, open("/bin/true", "rb").read(), 0o755)
            put(d + "/library", open("/bin/true", "rb").read())

        def need(type_, path, *op, **more):
            return deny(*op, type_=type_, path=path, **more)

        memfd = "memfd:attack"
        self.check_cases([
            need("EXTERNAL_COMMAND", program, "exec", program, granted="ok 0"),
            need("EXTERNAL_COMMAND", program, "fexec", program, granted="ok 0"),
            need("EXTERNAL_COMMAND", d + "/script", "exec", d + "/script", granted="ok 0",
                 extra=["EXTERNAL_COMMAND:/bin/true"]),
            need("EXTERNAL_COMMAND", "/usr/bin/git", "exec", "/usr/bin/git", granted="ok 1"),
            need("FILE_READ", program, "exec_with", LOADER, program, answer="ok 127", granted=None),
            need("LIBRARY_LOAD", readable, "exec_with", LOADER, readable, answer="ok 127", granted="ok 0"),
            need("EXTERNAL_COMMAND", memfd, "fexec_memfd", readable, granted=None),
            need("EXTERNAL_COMMAND", d + "/open/new", "exec_copy", readable, d + "/open/new", granted="ok 0"),
            need("LIBRARY_LOAD", d + "/library", "mmap_exec", d + "/library"),
            need("LIBRARY_LOAD", d + "/library", "mmap_exec_shared", d + "/library"),
            need("LIBRARY_LOAD", d + "/library", "mmap_implied_exec", d + "/library"),
            need("LIBRARY_LOAD", d + "/library", "mprotect_exec", d + "/library", hook="file_mprotect"),
            need("LIBRARY_LOAD", d + "/library", "mprotect_exec_written", d + "/library", hook="file_mprotect"),
            need("LIBRARY_LOAD", d + "/library", "mprotect_implied_exec", d + "/library", hook="file_mprotect"),
            need("LIBRARY_LOAD", memfd, "mmap_memfd_exec", granted=None),
            let_through("mmap_anonymous_exec"),
        ], options([f"FILE_READ:{readable}", f"FILE_READ:{d}/library", f"FILE_WRITE:{d}/open/*"]), fresh)

    def test_on_tmpfs(self):
        self.table("tmpfs")

    def test_on_ext4(self):
        self.table("ext4")

    def test_on_overlay(self):
        self.table("overlay")

    def test_a_granted_script_needs_its_interpreter(self):
        d = plant(PLACES["tmpfs"])
        put(d + "/script", "#!" + FIXED + " read\n", 0o755)
        self.check_cases([deny("exec", d + "/script", type_="EXTERNAL_COMMAND", path=FIXED, granted="ok 0"),
                          ], options([f"EXTERNAL_COMMAND:{d}/script"]))

    def test_exec_grant_is_no_read_grant(self):
        d = plant(PLACES["tmpfs"])
        program = d + "/program"
        self.check_cases([
            let_through("exec", program, answer="ok 0"),
            let_through("mmap_anonymous_exec"),
            needs_read("read", program, path=program, granted="ok"),
            needs_write("write", program, path=program),
        ], options([f"EXTERNAL_COMMAND:{program}"]), twice=False)

    def test_the_command_itself(self):
        """CMD may be executed, by any of its names, and not be written. A script may also be read."""
        d = plant(PLACES["tmpfs"])
        os.link(ACT, BASE + "/act-linked")
        self.addCleanup(os.unlink, BASE + "/act-linked")
        run = obmon(cmd=[ACT, "exec_with", ACT, "x", ",", "exec_with", BASE + "/act-linked", "x", ",",
                         "chmod", ACT, "0755", ",", "read", ACT])
        self.assert_answers(run, "ok 2", "ok 2", "EACCES", "EACCES")
        put(d + "/script", "#!/bin/cat\ntext\n", 0o755)
        run = obmon(cmd=[d + "/script"])
        self.assertEqual((run.status, run.stdout, run.records), (0, "#!/bin/cat\ntext\n", []), run)


class Received(Test):
    """Descriptors that a process outside hands over."""

    def check(self, descriptors, cases, words=()):
        def how():
            sender = Sender(*descriptors)
            self.addCleanup(sender.ours.close)
            self.addCleanup(sender.theirs.close)
            return {"stdin": sender.theirs}
        self.check_cases(cases, words, how=how, twice=False)

    def test_files(self):
        d = plant(PLACES["tmpfs"])
        other, allowed = d + "/other.txt", d + "/allowed.txt"
        flags = [(allowed, os.O_RDONLY), (allowed, os.O_WRONLY), (allowed, os.O_RDWR), (other, os.O_RDONLY),
                 (other, os.O_WRONLY), (other, O_PATH), (other, O_PATH), (d, O_PATH), (d, os.O_RDONLY)]
        descriptors = [os.open(path, flag) for path, flag in flags]
        self.check(descriptors, [
            let_through("receive"),
            needs_write("receive", path=allowed),
            needs_write("receive", path=allowed),
            needs_read("receive", path=other),
            needs_write("receive", path=other),
            let_through("receive"),
            needs_read("receive_reopen", os.O_RDONLY, path=other),
            needs_read("receive_below", "other.txt", os.O_RDONLY, path=other),
            needs_read("receive", path=d),
        ], options([f"FILE_READ:{allowed}"]))
        for descriptor in descriptors:
            os.close(descriptor)

    def test_what_has_no_name(self):
        import select
        import socket
        readable, writable = os.pipe()
        memory = os.memfd_create("x")
        unix, pair = socket.socketpair()
        inet = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        epoll = select.epoll()
        pidfd = os.pidfd_open(os.getpid())
        event = os.eventfd(0)
        self.check([readable, writable, memory, unix.fileno(), inet.fileno(), epoll.fileno(), pidfd, event], [
            let_through("receive"),
            let_through("receive"),
            let_through("receive"),
            guard("receive"),
            guard("receive"),
            guard("receive"),
            guard("receive"),
            guard("receive"),
        ])
        for thing in (unix, pair, inet, epoll):
            thing.close()
        for thing in (readable, writable, memory, pidfd, event):
            os.close(thing)

    def test_of_the_kernels_own(self):
        cgroup = os.open("/sys/fs/cgroup", O_PATH)
        procs = os.open("/sys/fs/cgroup/cgroup.procs", os.O_WRONLY)
        environ = os.open(f"/proc/{os.getpid()}/environ", os.O_RDONLY)
        self.check([cgroup, procs, environ], [
            guard("receive_below", "cgroup.procs", os.O_WRONLY, resource="/sys/fs/cgroup/cgroup.procs"),
            guard("receive", resource="/sys/fs/cgroup/cgroup.procs"),
            guard("receive", resource=f"/proc/{os.getpid()}/environ"),
        ], options(harness.EVERYTHING))
        for descriptor in (cgroup, procs, environ):
            os.close(descriptor)
