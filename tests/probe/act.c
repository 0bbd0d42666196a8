// SPDX-License-Identifier: Apache-2.0
/*
 * act: does operations by the raw system calls, and says what the kernel answered.
 *
 *   act OP [ARG]... [, OP [ARG]...]...   each OP in a process of its own
 *   act -                                the same from standard input, one OP a line, tabs between the
 *                                        words, all in one process: for many thousands of them
 *
 * For each OP a line: "PID ANSWER"; ANSWER is `ok`, `ok TEXT`, or the name of an errno.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <ifaddrs.h>
#include <liburing.h>
#include <linux/fs.h>
#include <linux/openat2.h>
#include <linux/sched.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/epoll.h>
#include <sys/fanotify.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#define TEXT_MAX 4000

static char text[TEXT_MAX + 1]; /* what an operation has to say besides `ok` */
static bool alone;              /* the operation has its process for itself */

static int answer(long result)
{
	return result < 0 ? -errno : 0;
}

static int number(const char *word)
{
	return (int)strtol(word, NULL, 0);
}

/* Close @fd, which is what the operation was about. */
static int done(int fd)
{
	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

static int take_text(int fd)
{
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = read(fd, text, TEXT_MAX);
	text[n > 0 ? n : 0] = '\0';
	close(fd);
	return n < 0 ? -errno : 0;
}

static char *own_path(int fd)
{
	static char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return path;
}

/* Opening */

static int op_read(char **a)
{
	return take_text(open(a[0], O_RDONLY | O_NONBLOCK));
}

static int op_open(char **a) /* PATH FLAGS */
{
	return done(open(a[0], number(a[1]), 0644));
}

static int op_write(char **a)
{
	int fd = open(a[0], O_WRONLY), result = fd < 0 ? -1 : (int)write(fd, "x", 1), error = answer(result);

	if (fd >= 0)
		close(fd);
	return error;
}

static int op_create(char **a)
{
	return done(open(a[0], O_WRONLY | O_CREAT | O_EXCL, 0644));
}

static int op_list(char **a)
{
	DIR *dir = opendir(a[0]);
	struct dirent *entry;
	size_t n = 0;

	if (!dir)
		return -errno;
	while ((entry = readdir(dir)))
		n++;
	closedir(dir);
	snprintf(text, sizeof(text), "%zu", n);
	return 0;
}

static int op_openat2(char **a) /* PATH FLAGS RESOLVE */
{
	struct open_how how = { .flags = (unsigned)number(a[1]), .resolve = (unsigned)number(a[2]) };
	int fd = (int)syscall(SYS_openat2, AT_FDCWD, a[0], &how, sizeof(how));

	return how.flags & O_WRONLY ? done(fd) : take_text(fd);
}

/* Get a descriptor that gives nothing, then open it for something. */
static int op_reopen(char **a) /* PATH FLAGS FLAGS */
{
	int first = open(a[0], number(a[1])), second;

	if (first < 0)
		return -errno;
	second = open(own_path(first), number(a[2]));
	if (second < 0) {
		int error = errno;

		close(first);
		return -error;
	}
	close(first);
	return done(second);
}

static int op_opath(char **a)
{
	return done(open(a[0], O_PATH));
}

static int op_handle(char **a) /* PATH MOUNT */
{
	struct {
		struct file_handle handle;
		unsigned char bytes[MAX_HANDLE_SZ];
	} h = { .handle.handle_bytes = MAX_HANDLE_SZ };
	int mount_id;

	if (chdir(a[1]) || name_to_handle_at(AT_FDCWD, a[0], &h.handle, &mount_id, 0))
		return -errno;
	return take_text(open_by_handle_at(AT_FDCWD, &h.handle, O_RDONLY));
}

static int op_chroot_read(char **a) /* ROOT PATH */
{
	if (chroot(a[0]) || chdir("/"))
		return -errno;
	return op_read(a + 1);
}

static int op_ns_bind_read(char **a) /* FILE AT: in a user and mount namespace of its own */
{
	if (unshare(CLONE_NEWUSER | CLONE_NEWNS) || mount(a[0], a[1], NULL, MS_BIND, NULL))
		return -errno;
	return op_read(a + 1);
}

static int op_ns_overlay_read(char **a) /* LOWERS AT NAME */
{
	char options[5000];

	snprintf(options, sizeof(options), "lowerdir=%s", a[0]);
	if (unshare(CLONE_NEWUSER | CLONE_NEWNS) || mount("o", a[1], "overlay", 0, options) || chdir(a[1]))
		return -errno;
	return op_read(a + 2);
}

/* io_uring */

static int ring_wait(struct io_uring *ring)
{
	struct io_uring_cqe *cqe;
	int error = io_uring_submit(ring), result;

	if (error < 0)
		return error;
	error = io_uring_wait_cqe(ring, &cqe);
	if (error)
		return error;
	result = cqe->res;
	io_uring_cqe_seen(ring, cqe);
	return result;
}

static int op_uring_open(char **a) /* PATH FLAGS SQE_FLAGS */
{
	struct io_uring ring;
	struct io_uring_sqe *sqe;
	int fd, error = io_uring_queue_init(4, &ring, 0);

	if (error)
		return error;
	sqe = io_uring_get_sqe(&ring);
	io_uring_prep_openat(sqe, AT_FDCWD, a[0], number(a[1]), 0644);
	sqe->flags |= (unsigned char)number(a[2]);
	fd = ring_wait(&ring);
	error = fd < 0 ? fd : number(a[1]) & O_WRONLY ? done(fd) : take_text(fd);
	io_uring_queue_exit(&ring);
	return error;
}

static int op_uring_unlink(char **a)
{
	struct io_uring ring;
	int error = io_uring_queue_init(4, &ring, 0);

	if (error)
		return error;
	io_uring_prep_unlinkat(io_uring_get_sqe(&ring), AT_FDCWD, a[0], 0);
	error = ring_wait(&ring);
	io_uring_queue_exit(&ring);
	return error;
}

static int op_uring_rename(char **a)
{
	struct io_uring ring;
	int error = io_uring_queue_init(4, &ring, 0);

	if (error)
		return error;
	io_uring_prep_renameat(io_uring_get_sqe(&ring), AT_FDCWD, a[0], AT_FDCWD, a[1], 0);
	error = ring_wait(&ring);
	io_uring_queue_exit(&ring);
	return error;
}

/*
 * A worker thread keeps the credentials of its start. Once the submitter has others (capset(2) makes new ones,
 * equal as they may be), a worker overrides its own with them for the request.
 */
static int op_uring_setxattr(char **a) /* PATH */
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];
	struct io_uring ring;
	struct io_uring_sqe *sqe;
	int error = io_uring_queue_init(4, &ring, 0);

	if (error)
		return error;
	sqe = io_uring_get_sqe(&ring);
	io_uring_prep_nop(sqe);
	sqe->flags |= IOSQE_ASYNC; /* starts the worker */
	error = ring_wait(&ring);
	if (error)
		return error;
	if (syscall(SYS_capget, &header, data) || syscall(SYS_capset, &header, data))
		return -errno;
	sqe = io_uring_get_sqe(&ring);
	io_uring_prep_setxattr(sqe, "user.obmon", "x", a[0], 0, 1);
	error = ring_wait(&ring);
	io_uring_queue_exit(&ring);
	return error;
}

static int op_uring_sqpoll(char **a)
{
	struct io_uring ring;
	int error = io_uring_queue_init(4, &ring, IORING_SETUP_SQPOLL);

	(void)a;
	if (!error)
		io_uring_queue_exit(&ring);
	return error;
}

static int op_uring_personality(char **a)
{
	struct io_uring ring;
	struct io_uring_sqe *sqe;
	int error = io_uring_queue_init(4, &ring, 0), id;

	if (error)
		return error;
	id = io_uring_register_personality(&ring);
	if (id < 0)
		return id;
	sqe = io_uring_get_sqe(&ring);
	io_uring_prep_openat(sqe, AT_FDCWD, a[0], O_RDONLY, 0);
	sqe->personality = (unsigned short)id;
	error = ring_wait(&ring);
	io_uring_queue_exit(&ring);
	return error < 0 ? error : done(error);
}

/* Names */

static int op_mkdir(char **a)
{
	return answer(mkdir(a[0], 0755));
}

static int op_rmdir(char **a)
{
	return answer(rmdir(a[0]));
}

static int op_unlink(char **a)
{
	return answer(unlink(a[0]));
}

static int op_symlink(char **a) /* TARGET NAME */
{
	return answer(symlink(a[0], a[1]));
}

static int op_link(char **a) /* OLD NEW */
{
	return answer(link(a[0], a[1]));
}

static int op_link_read(char **a) /* OLD NEW */
{
	return link(a[0], a[1]) ? -errno : op_read(a + 1);
}

static int op_rename(char **a) /* OLD NEW */
{
	return answer(rename(a[0], a[1]));
}

static int op_exchange(char **a)
{
	return answer(renameat2(AT_FDCWD, a[0], AT_FDCWD, a[1], RENAME_EXCHANGE));
}

static int op_noreplace(char **a)
{
	return answer(renameat2(AT_FDCWD, a[0], AT_FDCWD, a[1], RENAME_NOREPLACE));
}

static int op_whiteout(char **a)
{
	return answer(renameat2(AT_FDCWD, a[0], AT_FDCWD, a[1], RENAME_WHITEOUT));
}

static int op_tmpfile(char **a) /* DIR */
{
	return done(open(a[0], O_TMPFILE | O_RDWR, 0644));
}

static int op_tmpfile_link(char **a) /* DIR NAME */
{
	int fd = open(a[0], O_TMPFILE | O_WRONLY, 0644);

	if (fd < 0)
		return -errno;
	return answer(linkat(AT_FDCWD, own_path(fd), AT_FDCWD, a[1], AT_SYMLINK_FOLLOW));
}

static int op_mknod(char **a) /* NAME MODE MAJOR MINOR */
{
	return answer(
		mknod(a[0], (mode_t)number(a[1]) | 0644, makedev((unsigned)number(a[2]), (unsigned)number(a[3]))));
}

static int op_bind_unix(char **a)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0), error;

	strncpy(address.sun_path, a[0], sizeof(address.sun_path) - 1);
	error = answer(bind(fd, (struct sockaddr *)&address, sizeof(address)));
	close(fd);
	return error;
}

/* Contents and metadata */

static int op_truncate(char **a)
{
	return answer(truncate(a[0], 0));
}

static int op_ftruncate(char **a)
{
	int fd = open(a[0], O_WRONLY), error = fd < 0 ? -errno : answer(ftruncate(fd, 0));

	if (fd >= 0)
		close(fd);
	return error;
}

static int op_chmod(char **a) /* PATH MODE */
{
	return answer(chmod(a[0], (mode_t)number(a[1])));
}

/* The others of this kind through a descriptor that was opened for reading. */
static int with_reader(const char *path, int (*change)(int fd))
{
	int fd = open(path, O_RDONLY), error;

	if (fd < 0)
		return -errno;
	error = answer(change(fd));
	close(fd);
	return error;
}

static int do_fchmod(int fd)
{
	return fchmod(fd, 0600);
}

static int do_fchown(int fd)
{
	return fchown(fd, getuid(), getgid());
}

static int do_futimens(int fd)
{
	return futimens(fd, NULL);
}

static int do_fsetxattr(int fd)
{
	return fsetxattr(fd, "user.obmon", "x", 1, 0);
}

static int do_setflags(int fd)
{
	int flags = 0; /* to take ext4's EXTENTS off would have it convert the file, which it may not be able to */

	ioctl(fd, FS_IOC_GETFLAGS, &flags);
	flags |= 0x40; /* FS_NODUMP_FL, which no right but ownership guards */
	return ioctl(fd, FS_IOC_SETFLAGS, &flags);
}

static int do_setproject(int fd)
{
	struct fsxattr attributes = { .fsx_xflags = FS_XFLAG_NODUMP };

	return ioctl(fd, FS_IOC_FSSETXATTR, &attributes);
}

static int do_fallocate(int fd)
{
	return fallocate(fd, 0, 0, 10);
}

static int op_fchmod(char **a)
{
	return with_reader(a[0], do_fchmod);
}

static int op_fchown(char **a)
{
	return with_reader(a[0], do_fchown);
}

static int op_futimens(char **a)
{
	return with_reader(a[0], do_futimens);
}

static int op_fsetxattr(char **a)
{
	return with_reader(a[0], do_fsetxattr);
}

static int op_setflags(char **a)
{
	return with_reader(a[0], do_setflags);
}

static int op_setproject(char **a)
{
	return with_reader(a[0], do_setproject);
}

static int op_fallocate(char **a)
{
	return with_reader(a[0], do_fallocate);
}

static int op_chown(char **a)
{
	return answer(chown(a[0], getuid(), getgid()));
}

static int op_lchown(char **a)
{
	return answer(lchown(a[0], getuid(), getgid()));
}

static int op_utimens(char **a)
{
	return answer(utimensat(AT_FDCWD, a[0], NULL, AT_SYMLINK_NOFOLLOW));
}

static int op_setxattr(char **a) /* PATH NAME */
{
	return answer(setxattr(a[0], a[1], "x", 1, 0));
}

static int op_removexattr(char **a) /* PATH NAME */
{
	return answer(removexattr(a[0], a[1]));
}

static int op_setacl(char **a)
{
	/* version 2, then tag, permissions, id: owner rw, user 1 r, group r, mask r, others r */
	static const unsigned char acl[] = { 2, 0, 0,   0,   1,   0,   6,  0, 255, 255, 255, 255, 2,   0,  4,
					     0, 1, 0,   0,   0,   4,   0,  4, 0,   255, 255, 255, 255, 16, 0,
					     4, 0, 255, 255, 255, 255, 32, 0, 4,   0,   255, 255, 255, 255 };

	return answer(setxattr(a[0], "system.posix_acl_access", acl, sizeof(acl), 0));
}

static int op_removeacl(char **a)
{
	return answer(removexattr(a[0], "system.posix_acl_access"));
}

/* From one file into another without passing through memory. */
static int op_pump(char **a) /* HOW FROM TO */
{
	int from = open(a[1], O_RDONLY), to, ends[2];
	ssize_t n = -1;

	if (from < 0)
		return -errno;
	to = open(a[2], O_WRONLY);
	if (to < 0)
		return -errno;
	if (!strcmp(a[0], "sendfile"))
		n = sendfile(to, from, NULL, 100);
	else if (!strcmp(a[0], "copy_file_range"))
		n = copy_file_range(from, NULL, to, NULL, 100, 0);
	else if (!strcmp(a[0], "clone"))
		n = ioctl(to, FICLONE, from);
	else if (!pipe(ends) && splice(from, NULL, ends[1], NULL, 100, 0) > 0)
		n = splice(ends[0], NULL, to, NULL, 100, 0);
	return answer(n);
}

/* Execution */

static int start(int fd, const char *path, char **argv)
{
	int ends[2], error = 0, status;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC))
		return -errno;
	pid = fork();
	if (!pid) {
		close(1);
		open("/dev/null", O_WRONLY);
		if (fd < 0)
			execv(path, argv);
		else
			execveat(fd, "", argv, environ, AT_EMPTY_PATH);
		error = errno;
		if (write(ends[1], &error, sizeof(error)))
			_exit(1);
	}
	close(ends[1]);
	if (read(ends[0], &error, sizeof(error)) < 0)
		error = errno;
	close(ends[0]);
	waitpid(pid, &status, 0);
	if (!error)
		snprintf(text, sizeof(text), "%d", WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
	return -error;
}

static int op_exec(char **a) /* PATH */
{
	return start(-1, a[0], (char *[]){ a[0], NULL });
}

static int op_exec_with(char **a) /* PATH ARG */
{
	return start(-1, a[0], (char *[]){ a[0], a[1], NULL });
}

static int op_fexec(char **a) /* PATH */
{
	return start(open(a[0], O_PATH), NULL, (char *[]){ a[0], NULL });
}

static int op_fexec_memfd(char **a) /* PATH: what the memfd holds */
{
	int from = open(a[0], O_RDONLY), fd = memfd_create("attack", 0);

	if (from < 0)
		return -errno;
	while (sendfile(fd, from, NULL, 1 << 20) > 0)
		;
	return start(fd, NULL, (char *[]){ "attack", NULL });
}

static int op_exec_copy(char **a) /* FROM TO: bring a program along */
{
	int from = open(a[0], O_RDONLY), to = open(a[1], O_WRONLY | O_CREAT, 0755);

	if (from < 0 || to < 0)
		return -errno;
	while (sendfile(to, from, NULL, 1 << 20) > 0)
		;
	close(to);
	return start(-1, a[1], (char *[]){ a[1], NULL });
}

static int map(const char *path, int prot, int flags, int later)
{
	int fd = open(path, O_RDONLY), error;
	void *at;

	if (fd < 0)
		return -errno;
	at = mmap(NULL, 4096, prot, flags, fd, 0);
	close(fd);
	if (at == MAP_FAILED)
		return -errno;
	error = later ? answer(mprotect(at, 4096, later)) : 0;
	munmap(at, 4096);
	return error;
}

static int op_mmap_exec(char **a)
{
	return map(a[0], PROT_READ | PROT_EXEC, MAP_PRIVATE, 0);
}

static int op_mmap_exec_shared(char **a)
{
	return map(a[0], PROT_READ | PROT_EXEC, MAP_SHARED, 0);
}

static int op_mprotect_exec(char **a)
{
	return map(a[0], PROT_READ, MAP_PRIVATE, PROT_READ | PROT_EXEC);
}

static int op_mprotect_exec_written(char **a)
{
	int fd = open(a[0], O_RDONLY);
	char *at = fd < 0 ? MAP_FAILED : mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);

	if (at == MAP_FAILED)
		return -errno;
	*at = 1; /* its own copy of the page from here on */
	return answer(mprotect(at, 4096, PROT_READ | PROT_EXEC));
}

static int op_mmap_implied_exec(char **a)
{
	if (personality(READ_IMPLIES_EXEC) < 0)
		return -errno;
	return map(a[0], PROT_READ, MAP_PRIVATE, 0);
}

static int op_mprotect_implied_exec(char **a)
{
	int fd = open(a[0], O_RDONLY);
	void *at = fd < 0 ? MAP_FAILED : mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE, fd, 0);

	if (at == MAP_FAILED || personality(READ_IMPLIES_EXEC) < 0)
		return -errno;
	return answer(mprotect(at, 4096, PROT_READ));
}

static int op_mmap_anonymous_exec(char **a)
{
	(void)a;
	return mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ?
		       -errno :
		       0;
}

static int op_mmap_memfd_exec(char **a)
{
	int fd = memfd_create("attack", 0);

	(void)a;
	if (ftruncate(fd, 4096))
		return -errno;
	return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0) == MAP_FAILED ? -errno : 0;
}

/* Descriptors from outside: standard input is a socket on which the test sends them. */

static int receive(int from)
{
	char byte, control[CMSG_SPACE(sizeof(int))];
	struct iovec vector = { &byte, 1 };
	struct msghdr message = {
		.msg_iov = &vector, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)
	};
	struct cmsghdr *header;
	int fd;

	if (recvmsg(from, &message, 0) < 0)
		return -1;
	header = CMSG_FIRSTHDR(&message);
	if (!header || header->cmsg_type != SCM_RIGHTS || header->cmsg_len < CMSG_LEN(sizeof(int))) {
		errno = message.msg_flags & MSG_CTRUNC ? EACCES : EPROTO;
		return -1;
	}
	memcpy(&fd, CMSG_DATA(header), sizeof(fd));
	return fd;
}

static int op_receive(char **a)
{
	(void)a;
	return done(receive(0));
}

static int op_receive_reopen(char **a) /* FLAGS */
{
	int fd = receive(0);

	return fd < 0 ? -errno : done(open(own_path(fd), number(a[0])));
}

static int op_receive_below(char **a) /* NAME FLAGS */
{
	int fd = receive(0);

	return fd < 0 ? -errno : done(openat(fd, a[0], number(a[1])));
}

/* Out of the box */

static int op_clone_into(char **a) /* CGROUP */
{
	struct clone_args args = { .flags = CLONE_INTO_CGROUP, .exit_signal = SIGCHLD };
	int fd = open(a[0], O_PATH | O_DIRECTORY);
	pid_t pid;

	if (fd < 0)
		return -errno;
	args.cgroup = (unsigned)fd;
	pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
	if (!pid)
		_exit(0);
	return answer(pid);
}

static int op_watch(char **a)
{
	int fd = inotify_init1(0), error = answer(inotify_add_watch(fd, a[0], IN_ALL_EVENTS));

	close(fd);
	return error;
}

static int op_fanotify(char **a)
{
	int fd = fanotify_init(FAN_CLASS_NOTIF | FAN_REPORT_FID, 0), error;

	if (fd < 0)
		return -errno;
	error = answer(fanotify_mark(fd, FAN_MARK_ADD, FAN_OPEN, AT_FDCWD, a[0]));
	close(fd);
	return error;
}

static int op_socket(char **a) /* FAMILY TYPE PROTOCOL */
{
	return done(socket(number(a[0]), number(a[1]), number(a[2])));
}

static int op_type(char **a)
{
	(void)a;
	return answer(ioctl(0, TIOCSTI, "x"));
}

static int op_kill(char **a) /* PID SIGNAL */
{
	return answer(kill(number(a[0]), number(a[1])));
}

static int op_ptrace(char **a) /* PID */
{
	return answer(ptrace(PTRACE_SEIZE, number(a[0]), 0, 0));
}

static int op_vmread(char **a) /* PID */
{
	char byte;
	struct iovec local = { &byte, 1 }, remote = { (void *)0x400000, 1 };

	return answer(process_vm_readv(number(a[0]), &local, 1, &remote, 1, 0));
}

/* The process */

static int op_fds(char **a)
{
	size_t used = 0;
	int fd;

	(void)a;
	for (fd = 0; fd < 1024; fd++)
		if (fcntl(fd, F_GETFD) >= 0)
			used += (size_t)snprintf(text + used, sizeof(text) - used, "%d ", fd);
	return 0;
}

static int op_status(char **a) /* KEY: a line of /proc/self/status */
{
	FILE *file = fopen("/proc/self/status", "r");
	char line[512];

	if (!file)
		return -errno;
	while (fgets(line, sizeof(line), file))
		if (!strncmp(line, a[0], strlen(a[0]))) {
			snprintf(text, sizeof(text), "%s", line + strlen(a[0]));
			break;
		}
	fclose(file);
	return 0;
}

static int op_env(char **a) /* NAME */
{
	const char *value = getenv(a[0]);

	if (!value)
		return -ENOENT;
	snprintf(text, sizeof(text), "%s", value);
	return 0;
}

static int op_cwd(char **a)
{
	(void)a;
	return getcwd(text, sizeof(text)) ? 0 : -errno;
}

static int op_groups(char **a)
{
	gid_t groups[256];
	int n = getgroups(256, groups), i;
	size_t used = 0;

	(void)a;
	for (i = 0; i < n; i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%u ", groups[i]);
	return 0;
}

static int op_sleep(char **a)
{
	struct timespec time = { .tv_sec = number(a[0]) / 1000, .tv_nsec = number(a[0]) % 1000 * 1000000L };

	return answer(nanosleep(&time, NULL));
}

static int op_raise(char **a)
{
	return answer(kill(getpid(), number(a[0])));
}

/*
 * Folders in folders in @DIR, many more than a path can have components: a pile that is put below a new one as
 * often as ROUNDS says.
 */
static int op_nest(char **a) /* DIR ROUNDS */
{
	char pile[4096], top[4096];
	int rounds = number(a[1]), depth;

	snprintf(pile, sizeof(pile), "%s/pile", a[0]);
	snprintf(top, sizeof(top), "%s/new", a[0]);
	if (mkdir(pile, 0700))
		return -errno;
	while (rounds--) {
		if (mkdir(top, 0700) || chdir(top))
			return -errno;
		for (depth = 0; depth < 240; depth++)
			if (mkdir("d", 0700) || chdir("d"))
				return -errno;
		if (rename(pile, "pile") || rename(top, pile))
			return -errno;
	}
	return 0;
}

/* Many at once */

struct crowd {
	const char *granted, *refused;
	long rounds, wrong, right;
};

static void *crowd_member(void *data)
{
	struct crowd *crowd = data;
	long i;

	for (i = 0; i < crowd->rounds; i++) {
		int fd = open(crowd->refused, O_RDONLY);

		if (fd >= 0 || errno != EACCES)
			__atomic_add_fetch(&crowd->wrong, 1, __ATOMIC_RELAXED);
		else
			__atomic_add_fetch(&crowd->right, 1, __ATOMIC_RELAXED);
		if (fd >= 0)
			close(fd);
		if (!*crowd->granted)
			continue;
		fd = open(crowd->granted, O_RDONLY);
		if (fd < 0)
			__atomic_add_fetch(&crowd->wrong, 1, __ATOMIC_RELAXED);
		else
			close(fd);
	}
	return NULL;
}

static int op_crowd(char **a) /* GRANTED REFUSED ROUNDS THREADS: "" for no granted one */
{
	struct crowd crowd = { .granted = a[0], .refused = a[1], .rounds = number(a[2]) };
	int threads = number(a[3]), i;
	pthread_t ids[64];

	for (i = 0; i < threads && i < 64; i++)
		if (pthread_create(&ids[i], NULL, crowd_member, &crowd))
			return -EAGAIN;
	while (i--)
		pthread_join(ids[i], NULL);
	snprintf(text, sizeof(text), "%ld right, %ld wrong", crowd.right, crowd.wrong);
	return 0;
}

/* Open @FILE below a folder that others move about, for some time. */
static int op_chase(char **a) /* DIR FILE MILLISECONDS */
{
	struct timespec now, end;
	long opened = 0, refused = 0;
	int dir, tries = 0;

	do
		dir = open(a[0], O_PATH | O_DIRECTORY); /* just now it may have another name */
	while (dir < 0 && errno == ENOENT && tries++ < 100000);
	if (dir < 0)
		return -errno;
	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += number(a[2]) / 1000;
	do {
		int fd = openat(dir, a[1], O_RDONLY);

		fd < 0 ? refused++ : opened++;
		if (fd >= 0)
			close(fd);
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while (now.tv_sec < end.tv_sec || (now.tv_sec == end.tv_sec && now.tv_nsec < end.tv_nsec));
	snprintf(text, sizeof(text), "%ld opened, %ld refused", opened, refused);
	return refused ? 0 : -ENODATA;
}

/* Rename a file to and fro until killed. */
static int op_shuffle(char **a) /* ONE OTHER */
{
	for (;;)
		if (rename(a[0], a[1]) || rename(a[1], a[0]))
			return -errno;
}

static void try_forever(const char *path)
{
	for (;;) {
		int fd = open(path, O_RDONLY);
		ssize_t n = write(1, fd < 0 ? "." : "OPENED", fd < 0 ? 1 : 6);

		if (n < 0)
			_exit(1);
		if (fd >= 0)
			close(fd);
		poll(NULL, 0, 20);
	}
}

static void *try_forever_thread(void *path)
{
	try_forever(path);
	return NULL;
}

/*
 * Become many: a thread, a child, a session of its own, a grandchild whose parent is gone. All try to open
 * @PATH for ever, and say on standard output when they could.
 */
static int op_spread(char **a) /* PATH exit|stay */
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, try_forever_thread, a[0]))
		return -EAGAIN;
	if (!fork())
		try_forever(a[0]);
	if (!fork()) {
		setsid();
		signal(SIGHUP, SIG_IGN);
		signal(SIGTERM, SIG_IGN);
		if (!fork())
			try_forever(a[0]);
		_exit(0);
	}
	poll(NULL, 0, 200);
	if (!strcmp(a[1], "stay"))
		try_forever(a[0]);
	return 0;
}

/*
 * Sockets: `sock KIND [STEP [ARG]...]...` makes one, then takes the steps in turn until one fails.
 *
 * KIND   tcp, udp (of IPv6 if a later word has a bracket), tcp6, udp6, stream, dgram, seqpacket (unix sockets),
 *        stdin (descriptor 0), received (comes over the socket that is descriptor 0)
 * WHERE  1.2.3.4:80, [2001:db8::1%3]:80, host.example:80, dns (the resolver that /etc/resolv.conf names),
 *        unspec (AF_UNSPEC; unspec:80 with that port, unspec/1.2.3.4:80 with an address), unix:/path, unix:@abstract, unix: (autobind);
 *        \xNN is a byte of a unix socket's name, %d in it the descriptor of `opath`. A `#N` at its end says
 *        that the kernel is told a length of N bytes, `^N` of an IPv6 address gives its flow label.
 */
struct where {
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
		struct sockaddr_un un;
	};
	socklen_t length;
};

struct sock {
	int fd, family, type;
	int opath;     /* what `opath` has opened */
	bool async;    /* io_uring's workers do it */
	bool forgiven; /* the next step may fail */
	int patience;  /* milliseconds to wait for others */
};

/* @return how many bytes @hex stands for. */
static size_t unhex(const char *hex, unsigned char *bytes, size_t size)
{
	size_t n = 0;
	unsigned byte;

	while (n < size && sscanf(hex + 2 * n, "%2x", &byte) == 1)
		bytes[n++] = (unsigned char)byte;
	return n;
}

static int unix_where(struct where *w, const char *name, const struct sock *s)
{
	size_t n = 0;
	unsigned byte;

	w->un.sun_family = AF_UNIX;
	for (; *name && n < sizeof(w->un.sun_path); n++) {
		if (!strncmp(name, "%d", 2)) {
			n += (size_t)snprintf(w->un.sun_path + n, sizeof(w->un.sun_path) - n, "%d", s->opath) - 1;
			name += 2;
		} else if (!strncmp(name, "\\x", 2) && sscanf(name + 2, "%2x", &byte) == 1) {
			w->un.sun_path[n] = (char)byte;
			name += 4;
		} else {
			w->un.sun_path[n] = *name == '@' && n == 0 ? '\0' : *name;
			name++;
		}
	}
	w->length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n +
				(n && n < sizeof(w->un.sun_path) && w->un.sun_path[0]));
	return 0;
}

/* As a resolver does: the last word of the first line that names one. */
static int dns_where(struct where *w)
{
	FILE *file = fopen("/etc/resolv.conf", "r");
	char line[512], name[256];
	int found = 0;

	if (!file)
		return -errno;
	while (found != 1 && fgets(line, sizeof(line), file))
		found = sscanf(line, "nameserver %255s", name);
	fclose(file);
	w->v4.sin_family = AF_INET;
	w->v4.sin_port = htons(53);
	w->length = sizeof(w->v4);
	return found == 1 && inet_pton(AF_INET, name, &w->v4.sin_addr) == 1 ? 0 : -EDESTADDRREQ;
}

static int error_of_lookup(int error)
{
	return error == EAI_NONAME ? -ENOENT :
	       error == EAI_NODATA ? -ENODATA :
	       error == EAI_AGAIN  ? -EAGAIN :
	       error == EAI_SYSTEM ? -errno :
				     -EIO;
}

static int host_where(struct where *w, char *host, const char *port, int family)
{
	struct addrinfo hints = { .ai_family = family, .ai_socktype = SOCK_STREAM }, *list;
	int error;

	host[strcspn(host, "]")] = '\0';
	error = getaddrinfo(host + (*host == '['), port, &hints, &list);
	if (error)
		return error_of_lookup(error);
	memcpy(&w->any, list->ai_addr, list->ai_addrlen);
	w->length = list->ai_addrlen;
	freeaddrinfo(list);
	return 0;
}

static int parse_where(struct where *w, const char *word, const struct sock *s)
{
	char *copy = strdup(word), *length = strrchr(copy, '#'), *label = strrchr(copy, '^'), *port;
	int error = 0;

	memset(w, 0, sizeof(*w));
	if (length)
		*length++ = '\0';
	if (label)
		*label++ = '\0';
	port = strrchr(copy, ':');
	if (port)
		*port++ = '\0';
	if (!strncmp(copy, "unix", 4)) {
		if (port)
			port[-1] = ':';
		error = unix_where(w, copy + 5, s);
	} else if (!strcmp(copy, "dns")) {
		error = dns_where(w);
	} else if (!strncmp(copy, "unspec", 6)) {
		w->v4.sin_port = htons((uint16_t)(port ? number(port) : 0));
		inet_pton(AF_INET, copy + 6 + (copy[6] == '/'), &w->v4.sin_addr);
		w->length = sizeof(w->v4);
	} else {
		int family = *copy == '[' ? AF_INET6 : AF_INET;

		error = port ? host_where(w, copy, port, family) : -EINVAL;
	}
	if (length)
		w->length = (socklen_t)number(length);
	if (label)
		w->v6.sin6_flowinfo = htonl((uint32_t)number(label));
	free(copy);
	return error;
}

static int say_where(int (*get)(int, struct sockaddr *, socklen_t *), int fd)
{
	struct where w = { .length = sizeof(w.un) };
	char host[INET6_ADDRSTRLEN] = "";
	uint16_t port;

	if (get(fd, &w.any, &w.length))
		return -errno;
	if (w.any.sa_family == AF_UNIX) {
		snprintf(text, sizeof(text), "unix:%s%.*s", w.un.sun_path[0] ? "" : "@",
			 (int)(w.length - offsetof(struct sockaddr_un, sun_path)), w.un.sun_path + !w.un.sun_path[0]);
		return 0;
	}
	port = ntohs(w.any.sa_family == AF_INET ? w.v4.sin_port : w.v6.sin6_port);
	inet_ntop(w.any.sa_family, w.any.sa_family == AF_INET ? (void *)&w.v4.sin_addr : (void *)&w.v6.sin6_addr, host,
		  sizeof(host));
	snprintf(text, sizeof(text), w.any.sa_family == AF_INET ? "%s:%u" : "[%s]:%u", host, port);
	return 0;
}

/* A connection that is being made: what becomes of it. */
static int outcome(int fd, int patience)
{
	struct pollfd wait = { .fd = fd, .events = POLLOUT };
	int error = 0;
	socklen_t size = sizeof(error);

	if (poll(&wait, 1, patience) != 1)
		return -ETIMEDOUT;
	fcntl(fd, F_SETFL, 0);
	return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) ? -errno : -error;
}

static void be_patient(struct sock *s, int millis)
{
	struct timeval time = { .tv_sec = millis / 1000, .tv_usec = millis % 1000 * 1000 };

	s->patience = millis;
	setsockopt(s->fd, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof(time));
	setsockopt(s->fd, SOL_SOCKET, SO_SNDTIMEO, &time, sizeof(time));
}

static int step_patience(struct sock *s, char **a) /* MILLISECONDS */
{
	be_patient(s, number(a[0]));
	return 0;
}

static int step_bind(struct sock *s, char **a)
{
	struct where w;
	int error = parse_where(&w, a[0], s);

	return error ? error : answer(bind(s->fd, &w.any, w.length));
}

static int step_listen(struct sock *s, char **a)
{
	(void)a;
	return answer(listen(s->fd, 5));
}

static int step_accept(struct sock *s, char **a)
{
	int fd = accept(s->fd, NULL, NULL);

	(void)a;
	if (fd < 0)
		return -errno;
	if (s->fd)
		close(s->fd);
	s->fd = fd;
	return say_where(getpeername, fd);
}

static int step_connect(struct sock *s, char **a)
{
	struct where w;
	int error = parse_where(&w, a[0], s);

	if (!error)
		error = answer(connect(s->fd, &w.any, w.length));
	return error == -EINPROGRESS ? outcome(s->fd, s->patience) : error;
}

static int step_nonblock(struct sock *s, char **a)
{
	(void)a;
	return answer(fcntl(s->fd, F_SETFL, O_NONBLOCK));
}

static int step_send(struct sock *s, char **a)
{
	(void)a;
	return answer(send(s->fd, "x", 1, MSG_NOSIGNAL));
}

static int send_with(struct sock *s, const char *word, int flags)
{
	struct where w;
	int error = parse_where(&w, word, s);

	if (!error)
		error = answer(sendto(s->fd, "x", 1, flags | MSG_NOSIGNAL, &w.any, w.length));
	return error == -EINPROGRESS ? outcome(s->fd, s->patience) : error;
}

static int step_sendto(struct sock *s, char **a)
{
	return send_with(s, a[0], 0);
}

static int step_more(struct sock *s, char **a)
{
	return send_with(s, a[0], MSG_MORE);
}

static int step_fastopen(struct sock *s, char **a)
{
	return send_with(s, a[0], MSG_FASTOPEN);
}

static struct iovec one_byte = { "x", 1 };

static struct msghdr message_to(struct where *w)
{
	return (struct msghdr){ .msg_name = &w->any, .msg_namelen = w->length, .msg_iov = &one_byte, .msg_iovlen = 1 };
}

static int step_sendmsg(struct sock *s, char **a)
{
	struct where w;
	int error = parse_where(&w, a[0], s);
	struct msghdr message = message_to(&w);

	return error ? error : answer(sendmsg(s->fd, &message, 0));
}

static int step_sendmmsg(struct sock *s, char **a) /* WHERE WHERE: says how many were sent */
{
	struct where w[2];
	struct mmsghdr messages[2];
	int i, error, sent;

	for (i = 0; i < 2; i++) {
		error = parse_where(&w[i], a[i], s);
		if (error)
			return error;
		messages[i] = (struct mmsghdr){ .msg_hdr = message_to(&w[i]) };
	}
	sent = sendmmsg(s->fd, messages, 2, 0);
	if (sent >= 0)
		snprintf(text, sizeof(text), "%d", sent);
	return answer(sent);
}

static int step_control(struct sock *s, char **a) /* LEVEL TYPE HEX WHERE: sendmsg with a control message */
{
	_Alignas(struct cmsghdr) unsigned char control[512] = { 0 };
	struct cmsghdr *header = (struct cmsghdr *)control;
	struct where w;
	int error = parse_where(&w, a[3], s);
	struct msghdr message = message_to(&w);
	size_t n = unhex(a[2], CMSG_DATA(header), sizeof(control) - sizeof(*header));

	header->cmsg_level = number(a[0]);
	header->cmsg_type = number(a[1]);
	header->cmsg_len = CMSG_LEN(n);
	message.msg_control = control;
	message.msg_controllen = CMSG_SPACE(n);
	return error ? error : answer(sendmsg(s->fd, &message, 0));
}

static int step_option(struct sock *s, char **a) /* LEVEL NAME HEX */
{
	unsigned char value[512];
	size_t n = unhex(a[2], value, sizeof(value));

	return answer(setsockopt(s->fd, number(a[0]), number(a[1]), value, (socklen_t)n));
}

static int step_echo(struct sock *s, char **a) /* TEXT: says what comes back */
{
	ssize_t n = send(s->fd, a[0], strlen(a[0]), MSG_NOSIGNAL);

	if (n >= 0)
		n = recv(s->fd, text, TEXT_MAX, 0);
	text[n > 0 ? n : 0] = '\0';
	return answer(n);
}

static int step_reply(struct sock *s, char **a) /* waits for a datagram, and answers who sent it */
{
	struct where w = { .length = sizeof(w.un) };
	ssize_t n = recvfrom(s->fd, text, TEXT_MAX, 0, &w.any, &w.length);

	(void)a;
	return n < 0 ? -errno : answer(sendto(s->fd, text, (size_t)n, 0, &w.any, w.length));
}

static int step_put(struct sock *s, char **a) /* HEX */
{
	static unsigned char bytes[65536];
	size_t n = unhex(a[0], bytes, sizeof(bytes));

	return answer(send(s->fd, bytes, n, MSG_NOSIGNAL));
}

static int step_get(struct sock *s, char **a) /* says in hex what comes */
{
	unsigned char bytes[TEXT_MAX / 2];
	ssize_t n = recv(s->fd, bytes, sizeof(bytes), 0), i;

	(void)a;
	for (i = 0; i < n; i++)
		sprintf(text + 2 * i, "%02x", bytes[i]);
	return answer(n);
}

static int step_peer(struct sock *s, char **a)
{
	(void)a;
	return say_where(getpeername, s->fd);
}

static int step_name(struct sock *s, char **a)
{
	(void)a;
	return say_where(getsockname, s->fd);
}

/* A second socket of the run connects to this one, or sends to it. */
static int step_self(struct sock *s, char **a)
{
	struct where w = { .length = sizeof(w.un) };
	int fd, error;

	(void)a;
	if (getsockname(s->fd, &w.any, &w.length))
		return -errno;
	fd = socket(s->family, s->type, 0);
	error = answer(s->type == SOCK_DGRAM ? sendto(fd, "x", 1, 0, &w.any, w.length) : connect(fd, &w.any, w.length));
	close(fd);
	return error;
}

static int step_opath(struct sock *s, char **a)
{
	s->opath = open(a[0], O_PATH);
	return answer(s->opath);
}

static int step_async(struct sock *s, char **a)
{
	(void)a;
	s->async = true;
	return 0;
}

static int step_try(struct sock *s, char **a)
{
	(void)a;
	s->forgiven = true;
	return 0;
}

static int step_shutdown(struct sock *s, char **a)
{
	(void)a;
	return answer(shutdown(s->fd, SHUT_RDWR));
}

static int step_sleep(struct sock *s, char **a)
{
	(void)s;
	return answer(poll(NULL, 0, number(a[0])));
}

static int send_fd(int to, int fd)
{
	char control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct msghdr message = {
		.msg_iov = &one_byte, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)
	};
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);

	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(header), &fd, sizeof(fd));
	return answer(sendmsg(to, &message, 0));
}

/* The socket comes over another one, as from a fellow process. */
static int step_pass(struct sock *s, char **a)
{
	int ends[2], error, passed;

	(void)a;
	if (socketpair(AF_UNIX, SOCK_DGRAM, 0, ends))
		return -errno;
	error = send_fd(ends[0], s->fd);
	passed = error ? -1 : receive(ends[1]);
	if (!error && passed < 0)
		error = -errno;
	close(ends[0]);
	close(ends[1]);
	if (error)
		return error;
	close(s->fd);
	s->fd = passed;
	return 0;
}

static int submit(struct sock *s, struct io_uring *ring, struct io_uring_sqe *sqe)
{
	int result;

	if (s->async)
		sqe->flags |= IOSQE_ASYNC;
	result = ring_wait(ring);
	io_uring_queue_exit(ring);
	return result == -EINPROGRESS ? outcome(s->fd, s->patience) : result < 0 ? result : 0;
}

static int step_uring_connect(struct sock *s, char **a)
{
	struct io_uring ring;
	struct io_uring_sqe *sqe;
	struct where w;
	int error = parse_where(&w, a[0], s);

	if (!error)
		error = io_uring_queue_init(4, &ring, 0);
	if (error)
		return error;
	sqe = io_uring_get_sqe(&ring);
	io_uring_prep_connect(sqe, s->fd, &w.any, w.length);
	return submit(s, &ring, sqe);
}

static int step_uring_sendmsg(struct sock *s, char **a) /* FLAGS WHERE */
{
	struct io_uring ring;
	struct io_uring_sqe *sqe;
	struct where w;
	int error = parse_where(&w, a[1], s);
	struct msghdr message = message_to(&w);

	if (!error)
		error = io_uring_queue_init(4, &ring, 0);
	if (error)
		return error;
	sqe = io_uring_get_sqe(&ring);
	io_uring_prep_sendmsg(sqe, s->fd, &message, (unsigned)number(a[0]));
	return submit(s, &ring, sqe);
}

static int step_uring_send_zc(struct sock *s, char **a)
{
	struct io_uring ring;
	struct io_uring_sqe *sqe;
	struct where w;
	int error = parse_where(&w, a[0], s);

	if (!error)
		error = io_uring_queue_init(4, &ring, 0);
	if (error)
		return error;
	sqe = io_uring_get_sqe(&ring);
	io_uring_prep_send_zc(sqe, s->fd, "x", 1, 0, 0);
	io_uring_prep_send_set_addr(sqe, &w.any, (uint16_t)w.length);
	return submit(s, &ring, sqe);
}

#define URING_BIND 56 /* IORING_OP_BIND and IORING_OP_LISTEN, from Linux 6.11 on */
#define URING_LISTEN 57

static int step_uring_bind(struct sock *s, char **a)
{
	struct io_uring ring;
	struct io_uring_sqe *sqe;
	struct where w;
	int error = parse_where(&w, a[0], s);

	if (!error)
		error = io_uring_queue_init(4, &ring, 0);
	if (error)
		return error;
	sqe = io_uring_get_sqe(&ring);
	io_uring_prep_rw(URING_BIND, sqe, s->fd, &w.any, 0, w.length);
	return submit(s, &ring, sqe);
}

static int step_uring_listen(struct sock *s, char **a)
{
	struct io_uring ring;
	struct io_uring_sqe *sqe;
	int error = io_uring_queue_init(4, &ring, 0);

	(void)a;
	if (error)
		return error;
	sqe = io_uring_get_sqe(&ring);
	io_uring_prep_rw(URING_LISTEN, sqe, s->fd, NULL, 5, 0);
	return submit(s, &ring, sqe);
}

/* A socket's command, from Linux 6.7 on: liburing 2.3 and its header don't know it yet. */
static int step_uring_option(struct sock *s, char **a) /* LEVEL NAME HEX */
{
	unsigned char value[512];
	struct io_uring ring;
	struct io_uring_sqe *sqe;
	unsigned words[2] = { (unsigned)number(a[0]), (unsigned)number(a[1]) };
	uint64_t at = (uintptr_t)value;
	int error = io_uring_queue_init(4, &ring, 0);

	if (error)
		return error;
	sqe = io_uring_get_sqe(&ring);
	io_uring_prep_rw(IORING_OP_URING_CMD, sqe, s->fd, NULL, 0, 3); /* SOCKET_URING_OP_SETSOCKOPT */
	memcpy((char *)sqe + 16, words, sizeof(words));                /* level, optname */
	sqe->file_index = (unsigned)unhex(a[2], value, sizeof(value)); /* optlen */
	memcpy((char *)sqe + 48, &at, sizeof(at));                     /* optval */
	return submit(s, &ring, sqe);
}

static const struct step {
	const char *name;
	int args;
	int (*run)(struct sock *s, char **args);
} steps[] = {
	{ "accept", 0, step_accept },
	{ "async", 0, step_async },
	{ "bind", 1, step_bind },
	{ "connect", 1, step_connect },
	{ "control", 4, step_control },
	{ "echo", 1, step_echo },
	{ "fastopen", 1, step_fastopen },
	{ "get", 0, step_get },
	{ "listen", 0, step_listen },
	{ "more", 1, step_more },
	{ "name", 0, step_name },
	{ "nonblock", 0, step_nonblock },
	{ "opath", 1, step_opath },
	{ "option", 3, step_option },
	{ "pass", 0, step_pass },
	{ "patience", 1, step_patience },
	{ "peer", 0, step_peer },
	{ "put", 1, step_put },
	{ "reply", 0, step_reply },
	{ "self", 0, step_self },
	{ "send", 0, step_send },
	{ "sendmmsg", 2, step_sendmmsg },
	{ "sendmsg", 1, step_sendmsg },
	{ "sendto", 1, step_sendto },
	{ "shutdown", 0, step_shutdown },
	{ "sleep", 1, step_sleep },
	{ "try", 0, step_try },
	{ "uring_bind", 1, step_uring_bind },
	{ "uring_connect", 1, step_uring_connect },
	{ "uring_listen", 0, step_uring_listen },
	{ "uring_option", 3, step_uring_option },
	{ "uring_send_zc", 1, step_uring_send_zc },
	{ "uring_sendmsg", 2, step_uring_sendmsg },
};

static const struct step *find_step(const char *name)
{
	size_t i;

	for (i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
		if (!strcmp(steps[i].name, name))
			return &steps[i];
	return NULL;
}

static bool any_bracket(char **words)
{
	for (; *words; words++)
		if (**words == '[')
			return true;
	return false;
}

static int open_sock(struct sock *s, char **words)
{
	const char *kind = words[0];

	if (!strcmp(kind, "stdin"))
		return s->fd = 0;
	if (!strcmp(kind, "received"))
		return answer(s->fd = receive(0));
	s->family = AF_UNIX;
	s->type = !strcmp(kind, "stream") ? SOCK_STREAM : !strcmp(kind, "seqpacket") ? SOCK_SEQPACKET : SOCK_DGRAM;
	if (!strncmp(kind, "tcp", 3) || !strncmp(kind, "udp", 3)) {
		s->family = kind[3] || any_bracket(words) ? AF_INET6 : AF_INET;
		s->type = *kind == 't' ? SOCK_STREAM : SOCK_DGRAM;
	}
	s->fd = socket(s->family, s->type, 0);
	if (s->fd < 0)
		return -errno;
	be_patient(s, 8000);
	return 0;
}

static int op_sock(char **a) /* KIND [STEP [ARG]...]... */
{
	struct sock s = { .fd = -1, .opath = -1, .patience = 8000 };
	int error = open_sock(&s, a);
	const struct step *step;

	for (a++; !error && *a; a += 1 + step->args) {
		bool forgiven = s.forgiven;

		step = find_step(*a);
		if (!step) {
			fprintf(stderr, "act: no step %s\n", *a);
			return -EINVAL;
		}
		*text = '\0';
		s.forgiven = false;
		error = step->run(&s, a + 1);
		if (forgiven)
			error = 0;
	}
	if (s.fd > 0)
		close(s.fd);
	if (s.opath >= 0)
		close(s.opath);
	return error;
}

static int op_ns_sock(char **a) /* the same in a user and network namespace of its own */
{
	return unshare(CLONE_NEWUSER | CLONE_NEWNET) ? -errno : op_sock(a);
}

static int op_ns_socket(char **a) /* FAMILY TYPE PROTOCOL */
{
	return unshare(CLONE_NEWUSER | CLONE_NEWNET) ? -errno : op_socket(a);
}

static int op_uring_socket(char **a) /* FAMILY TYPE PROTOCOL */
{
	struct io_uring ring;
	int fd, error = io_uring_queue_init(4, &ring, 0);

	if (error)
		return error;
	io_uring_prep_socket(io_uring_get_sqe(&ring), number(a[0]), number(a[1]), number(a[2]), 0);
	fd = ring_wait(&ring);
	io_uring_queue_exit(&ring);
	return fd < 0 ? fd : done(fd);
}

static int op_ifaddrs(char **a) /* says how many addresses there are */
{
	struct ifaddrs *list, *one;
	int n = 0;

	(void)a;
	if (getifaddrs(&list))
		return -errno;
	for (one = list; one; one = one->ifa_next)
		n += one->ifa_addr && (one->ifa_addr->sa_family == AF_INET || one->ifa_addr->sa_family == AF_INET6);
	freeifaddrs(list);
	snprintf(text, sizeof(text), "%d", n);
	return 0;
}

static int op_lookup(char **a) /* NAME: says its addresses */
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *list, *one;
	int error = getaddrinfo(a[0], NULL, &hints, &list);
	size_t used = 0;

	if (error)
		return error_of_lookup(error);
	for (one = list; one && used < sizeof(text) - 64; one = one->ai_next) {
		char host[64];

		getnameinfo(one->ai_addr, one->ai_addrlen, host, sizeof(host), NULL, 0, NI_NUMERICHOST);
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s", used ? " " : "", host);
	}
	freeaddrinfo(list);
	return 0;
}

struct askers {
	unsigned char query[512];
	size_t length;
	struct where resolver;
	long rounds, answered, not ;
};

static bool ask(const struct askers *askers, int fd, uint16_t id)
{
	struct pollfd wait = { .fd = fd, .events = POLLIN };
	unsigned char message[65536];

	memcpy(message, askers->query, askers->length);
	memcpy(message, &id, sizeof(id));
	if (send(fd, message, askers->length, 0) < 0 || poll(&wait, 1, 8000) != 1)
		return false;
	return recv(fd, message, sizeof(message), 0) > 12 && !memcmp(message, &id, sizeof(id)) && !(message[3] & 15);
}

static void *asker(void *data)
{
	struct askers *askers = data;
	long i;

	for (i = 0; i < askers->rounds; i++) {
		int fd = socket(AF_INET, SOCK_DGRAM, 0);
		bool answered = !connect(fd, &askers->resolver.any, askers->resolver.length) &&
				ask(askers, fd, (uint16_t)(i * 7 + fd));

		__atomic_add_fetch(answered ? &askers->answered : &askers->not, 1, __ATOMIC_RELAXED);
		close(fd);
	}
	return NULL;
}

static int op_askers(char **a) /* QUERY ROUNDS THREADS: the resolver is asked by many at once */
{
	struct askers askers = { .rounds = number(a[1]) };
	int threads = number(a[2]), error = dns_where(&askers.resolver), i;
	pthread_t ids[64];

	askers.length = unhex(a[0], askers.query, sizeof(askers.query));
	if (error)
		return error;
	for (i = 0; i < threads && i < 64; i++)
		if (pthread_create(&ids[i], NULL, asker, &askers))
			return -EAGAIN;
	while (i--)
		pthread_join(ids[i], NULL);
	snprintf(text, sizeof(text), "%ld answered, %ld not", askers.answered, askers.not );
	return 0;
}

struct senders {
	struct where granted, refused;
	long rounds, right, wrong;
};

static void *sender(void *data)
{
	struct senders *senders = data;
	long i;

	for (i = 0; i < senders->rounds; i++) {
		int fd = socket(AF_INET, SOCK_DGRAM, 0);
		bool right = sendto(fd, "x", 1, 0, &senders->granted.any, senders->granted.length) == 1;

		right = right && sendto(fd, "x", 1, 0, &senders->refused.any, senders->refused.length) < 0 &&
			errno == EACCES;
		__atomic_add_fetch(right ? &senders->right : &senders->wrong, 1, __ATOMIC_RELAXED);
		close(fd);
	}
	return NULL;
}

static int op_senders(char **a) /* GRANTED REFUSED ROUNDS THREADS: datagrams to both by many at once */
{
	struct senders senders = { .rounds = number(a[2]) };
	int threads = number(a[3]), error = parse_where(&senders.granted, a[0], NULL), i;
	pthread_t ids[64];

	if (!error)
		error = parse_where(&senders.refused, a[1], NULL);
	if (error)
		return error;
	for (i = 0; i < threads && i < 64; i++)
		if (pthread_create(&ids[i], NULL, sender, &senders))
			return -EAGAIN;
	while (i--)
		pthread_join(ids[i], NULL);
	snprintf(text, sizeof(text), "%ld right, %ld wrong", senders.right, senders.wrong);
	return 0;
}

static const struct op {
	const char *name;
	int args; /* -1: any number, but at least one */
	int (*run)(char **args);
} ops[] = {
	{ "askers", 3, op_askers },
	{ "bind_unix", 1, op_bind_unix },
	{ "chase", 3, op_chase },
	{ "chmod", 2, op_chmod },
	{ "chown", 1, op_chown },
	{ "chroot_read", 2, op_chroot_read },
	{ "clone_into", 1, op_clone_into },
	{ "create", 1, op_create },
	{ "crowd", 4, op_crowd },
	{ "cwd", 0, op_cwd },
	{ "env", 1, op_env },
	{ "exchange", 2, op_exchange },
	{ "exec", 1, op_exec },
	{ "exec_copy", 2, op_exec_copy },
	{ "exec_with", 2, op_exec_with },
	{ "fallocate", 1, op_fallocate },
	{ "fanotify", 1, op_fanotify },
	{ "fchmod", 1, op_fchmod },
	{ "fchown", 1, op_fchown },
	{ "fds", 0, op_fds },
	{ "fexec", 1, op_fexec },
	{ "fexec_memfd", 1, op_fexec_memfd },
	{ "fsetxattr", 1, op_fsetxattr },
	{ "ftruncate", 1, op_ftruncate },
	{ "futimens", 1, op_futimens },
	{ "groups", 0, op_groups },
	{ "handle", 2, op_handle },
	{ "ifaddrs", 0, op_ifaddrs },
	{ "kill", 2, op_kill },
	{ "lchown", 1, op_lchown },
	{ "link", 2, op_link },
	{ "link_read", 2, op_link_read },
	{ "list", 1, op_list },
	{ "lookup", 1, op_lookup },
	{ "mkdir", 1, op_mkdir },
	{ "mknod", 4, op_mknod },
	{ "mmap_anonymous_exec", 0, op_mmap_anonymous_exec },
	{ "mmap_exec", 1, op_mmap_exec },
	{ "mmap_exec_shared", 1, op_mmap_exec_shared },
	{ "mmap_implied_exec", 1, op_mmap_implied_exec },
	{ "mmap_memfd_exec", 0, op_mmap_memfd_exec },
	{ "mprotect_exec", 1, op_mprotect_exec },
	{ "mprotect_exec_written", 1, op_mprotect_exec_written },
	{ "mprotect_implied_exec", 1, op_mprotect_implied_exec },
	{ "nest", 2, op_nest },
	{ "noreplace", 2, op_noreplace },
	{ "ns_bind_read", 2, op_ns_bind_read },
	{ "ns_overlay_read", 3, op_ns_overlay_read },
	{ "ns_sock", -1, op_ns_sock },
	{ "ns_socket", 3, op_ns_socket },
	{ "opath", 1, op_opath },
	{ "open", 2, op_open },
	{ "openat2", 3, op_openat2 },
	{ "ptrace", 1, op_ptrace },
	{ "pump", 3, op_pump },
	{ "raise", 1, op_raise },
	{ "read", 1, op_read },
	{ "receive", 0, op_receive },
	{ "receive_below", 2, op_receive_below },
	{ "receive_reopen", 1, op_receive_reopen },
	{ "removeacl", 1, op_removeacl },
	{ "removexattr", 2, op_removexattr },
	{ "rename", 2, op_rename },
	{ "reopen", 3, op_reopen },
	{ "rmdir", 1, op_rmdir },
	{ "senders", 4, op_senders },
	{ "setacl", 1, op_setacl },
	{ "setflags", 1, op_setflags },
	{ "setproject", 1, op_setproject },
	{ "setxattr", 2, op_setxattr },
	{ "shuffle", 2, op_shuffle },
	{ "sleep", 1, op_sleep },
	{ "sock", -1, op_sock },
	{ "socket", 3, op_socket },
	{ "spread", 2, op_spread },
	{ "status", 1, op_status },
	{ "symlink", 2, op_symlink },
	{ "tmpfile", 1, op_tmpfile },
	{ "tmpfile_link", 2, op_tmpfile_link },
	{ "truncate", 1, op_truncate },
	{ "type", 0, op_type },
	{ "unlink", 1, op_unlink },
	{ "uring_open", 3, op_uring_open },
	{ "uring_personality", 1, op_uring_personality },
	{ "uring_rename", 2, op_uring_rename },
	{ "uring_setxattr", 1, op_uring_setxattr },
	{ "uring_socket", 3, op_uring_socket },
	{ "uring_sqpoll", 0, op_uring_sqpoll },
	{ "uring_unlink", 1, op_uring_unlink },
	{ "utimens", 1, op_utimens },
	{ "vmread", 1, op_vmread },
	{ "watch", 1, op_watch },
	{ "whiteout", 2, op_whiteout },
	{ "write", 1, op_write },
};

static const struct op *find(const char *name)
{
	size_t i;

	for (i = 0; i < sizeof(ops) / sizeof(ops[0]); i++)
		if (!strcmp(ops[i].name, name))
			return &ops[i];
	return NULL;
}

static void say(int result)
{
	char *byte;

	for (byte = text; *byte; byte++)
		if (*byte == '\n')
			*byte = ' ';
	if (result < 0)
		printf("%d %s\n", (int)getpid(), strerrorname_np(-result) ? strerrorname_np(-result) : "?");
	else if (*text)
		printf("%d ok %s\n", (int)getpid(), text);
	else
		printf("%d ok\n", (int)getpid());
	fflush(stdout);
}

/* @return 0, or -1 if there is no such operation. */
static int act(char **words, int n)
{
	const struct op *op = find(words[0]);
	int status;
	pid_t pid;

	if (!op || (op->args >= 0 ? op->args != n - 1 : n < 2)) {
		fprintf(stderr, "act: no operation %s with %d arguments\n", words[0], n - 1);
		return -1;
	}
	*text = '\0';
	if (!alone) {
		say(op->run(words + 1));
		return 0;
	}
	pid = fork();
	if (!pid) {
		say(op->run(words + 1));
		_exit(0);
	}
	if (pid < 0)
		return -1;
	waitpid(pid, &status, 0);
	if (WIFSIGNALED(status)) {
		printf("%d signal %d\n", (int)pid, WTERMSIG(status));
		fflush(stdout);
	}
	return 0;
}

static int act_line(char *line)
{
	char *words[64] = { 0 }, *save = NULL, *word;
	int n = 0;

	line[strcspn(line, "\n")] = '\0';
	for (word = strtok_r(line, "\t", &save); word && n < 63; word = strtok_r(NULL, "\t", &save))
		words[n++] = word;
	return n ? act(words, n) : 0;
}

static int act_lines(void)
{
	char *line = NULL;
	size_t size = 0;

	while (getline(&line, &size, stdin) > 0)
		if (act_line(line))
			return 2;
	return 0;
}

/* @return the index behind the operation that starts at @first. */
static int next(int argc, char **argv, int first)
{
	while (first < argc && strcmp(argv[first], ",") != 0)
		first++;
	return first;
}

int main(int argc, char **argv)
{
	int first, end;

	if (argc == 2 && !strcmp(argv[1], "-"))
		return act_lines();
	alone = true;
	for (first = 1; first < argc; first = end + 1) {
		end = next(argc, argv, first);
		if (end == first) {
			fputs("act: an empty operation\n", stderr);
			return 2;
		}
		argv[end] = NULL;
		/* Where the process itself goes, all that follow go with it. */
		if (!strcmp(argv[first], "cd") && end == first + 2) {
			if (chdir(argv[first + 1])) {
				perror("act: chdir");
				return 2;
			}
			continue;
		}
		if (act(&argv[first], end - first))
			return 2;
	}
	return 0;
}
