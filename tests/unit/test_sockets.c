// SPDX-License-Identifier: Apache-2.0
/* Sockets of this process on the loopback interface, as sock_diag(7) tells of them. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "lib/mounts.h"
#include "lib/sockets.h"
#include "lib/util.h"

static int diag = -1;

static int open_diag(void **state)
{
	(void)state;
	diag = sockets_open();
	return diag < 0 ? -1 : 0;
}

static int close_diag(void **state)
{
	(void)state;
	fd_close(&diag);
	return 0;
}

static struct sockaddr_in address_of(const char *text, uint16_t port)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port) };

	assert_int_equal(inet_pton(AF_INET, text, &address.sin_addr), 1);
	return address;
}

static struct sockaddr_in name_of(int fd)
{
	struct sockaddr_in name = { 0 };
	socklen_t length = sizeof(name);

	assert_int_equal(getsockname(fd, (struct sockaddr *)&name, &length), 0);
	return name;
}

/* A socket of @type at @address, whose port may be 0: then it is told. */
static int open_at(int type, struct sockaddr_in *address)
{
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (const struct sockaddr *)address, sizeof(*address)), 0);
	address->sin_port = name_of(fd).sin_port;
	return fd;
}

static void connect_to(int fd, const struct sockaddr_in *remote)
{
	assert_int_equal(connect(fd, (const struct sockaddr *)remote, sizeof(*remote)), 0);
}

static uint64_t cookie_of(int fd)
{
	uint64_t cookie = 0;
	socklen_t length = sizeof(cookie);

	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &length), 0);
	return cookie;
}

/* The id of this process's cgroup, which is its directory's inode number; 0 if it isn't to be found out. */
static uint64_t own_cgroup(void)
{
	_cleanup_free_ char *text = read_file("/proc/self/cgroup", 1 << 16, NULL), *path = NULL;
	char *line = text ? strstr(text, "0::/") : NULL;
	struct mounts mounts;
	struct obmon_error err;
	struct stat st = { 0 };
	size_t i;

	if (!line || (line > text && line[-1] != '\n') || mounts_load(&mounts, "/proc/self/mountinfo", &err))
		return 0;
	line[strcspn(line, "\n")] = '\0';
	for (i = 0; i < mounts.n && !path; i++)
		if (!strcmp(mounts.items[i].type, "cgroup2") && !strcmp(mounts.items[i].root, "/"))
			path = format("%s%s", mounts.items[i].point, line + strlen("0::"));
	mounts_clear(&mounts);
	return path && !stat(path, &st) ? st.st_ino : 0;
}

static void check_found(int protocol, const struct sockaddr_in *local, const struct sockaddr_in *remote, int fd)
{
	struct socket_owner owner = { 0 };

	if (sockets_find(diag, protocol, local, remote, &owner))
		fail_msg("%s: %s (does this kernel have CONFIG_INET_DIAG and CONFIG_INET_UDP_DIAG?)",
			 protocol == IPPROTO_UDP ? "UDP" : "TCP", strerror(errno));
	assert_int_equal(owner.cookie, cookie_of(fd));
	assert_int_not_equal(owner.cgroup_id, 0);
	if (own_cgroup())
		assert_int_equal(owner.cgroup_id, own_cgroup());
}

static void check_missing(int protocol, const struct sockaddr_in *local, const struct sockaddr_in *remote)
{
	struct socket_owner owner;

	assert_int_equal(sockets_find(diag, protocol, local, remote, &owner), -1);
	assert_int_equal(errno, ENOENT);
}

/* As the resolver's clients do: some connect, some only send. */
static void test_udp(void **state)
{
	struct sockaddr_in server = address_of("127.83.255.254", 0), client = address_of("127.0.0.1", 0),
			   other = client;
	_cleanup_fd_ int served = open_at(SOCK_DGRAM, &server), connected = open_at(SOCK_DGRAM, &client),
			 only_bound = open_at(SOCK_DGRAM, &other);

	(void)state;
	connect_to(connected, &server);
	check_found(IPPROTO_UDP, &client, &server, connected);
	check_found(IPPROTO_UDP, &other, &server, only_bound);
	check_found(IPPROTO_UDP, &server, &client, served);
	assert_int_not_equal(cookie_of(connected), cookie_of(served));
}

/* A socket that is connected elsewhere, or that isn't there any more, is nobody's. */
static void test_no_such_udp(void **state)
{
	struct sockaddr_in server = address_of("127.83.255.254", 0), client = address_of("127.0.0.1", 0),
			   elsewhere = address_of("127.83.255.253", 53);
	_cleanup_fd_ int served = open_at(SOCK_DGRAM, &server), connected = open_at(SOCK_DGRAM, &client);

	(void)state;
	connect_to(connected, &elsewhere);
	check_found(IPPROTO_UDP, &client, &elsewhere, connected);
	check_missing(IPPROTO_UDP, &client, &server);
	check_missing(IPPROTO_UDP, &elsewhere, &client);
	check_missing(IPPROTO_TCP, &client, &elsewhere);
	fd_close(&connected);
	check_missing(IPPROTO_UDP, &client, &elsewhere);
	assert_true(served >= 0);
}

/* Bound to all addresses, as a client is that sends from where the kernel likes. */
static void test_wildcard_udp(void **state)
{
	struct sockaddr_in any = address_of("0.0.0.0", 0), local, remote = address_of("127.83.255.254", 53);
	_cleanup_fd_ int fd = open_at(SOCK_DGRAM, &any);

	(void)state;
	local = address_of("127.0.0.1", ntohs(any.sin_port));
	check_found(IPPROTO_UDP, &local, &remote, fd);
}

/* Of two sockets at one address, it is the one that is connected to the other side. */
static void test_shared_port(void **state)
{
	struct sockaddr_in client = address_of("127.0.0.1", 0), first = address_of("127.83.255.254", 53),
			   second = address_of("127.83.255.253", 53);
	_cleanup_fd_ int a = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0),
			 b = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	const int on = 1;

	(void)state;
	setsockopt(a, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	setsockopt(b, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	assert_int_equal(bind(a, (struct sockaddr *)&client, sizeof(client)), 0);
	client = name_of(a);
	assert_int_equal(bind(b, (struct sockaddr *)&client, sizeof(client)), 0);
	connect_to(a, &first);
	connect_to(b, &second);
	check_found(IPPROTO_UDP, &client, &first, a);
	check_found(IPPROTO_UDP, &client, &second, b);
}

static void test_tcp(void **state)
{
	struct sockaddr_in server = address_of("127.83.255.254", 0), client,
			   elsewhere = address_of("127.83.255.253", 53);
	_cleanup_fd_ int listener = open_at(SOCK_STREAM, &server), fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0),
			 accepted = -1;

	(void)state;
	assert_int_equal(listen(listener, 1), 0);
	connect_to(fd, &server);
	accepted = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	assert_true(accepted >= 0);
	client = name_of(fd);
	check_found(IPPROTO_TCP, &client, &server, fd);
	check_found(IPPROTO_TCP, &server, &client, accepted);
	check_missing(IPPROTO_TCP, &client, &elsewhere);
	check_missing(IPPROTO_UDP, &client, &server);
}

/* A connection that is over has no owner, even while the kernel remembers it. */
static void test_tcp_after_its_end(void **state)
{
	struct sockaddr_in server = address_of("127.83.255.254", 0), client;
	_cleanup_fd_ int listener = open_at(SOCK_STREAM, &server), fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0),
			 accepted = -1;
	struct socket_owner owner;

	(void)state;
	assert_int_equal(listen(listener, 1), 0);
	connect_to(fd, &server);
	accepted = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	client = name_of(fd);
	fd_close(&fd);
	fd_close(&accepted);
	assert_int_equal(sockets_find(diag, IPPROTO_TCP, &client, &server, &owner), -1);
}

/* Many questions by one descriptor, each with its own answer. */
static void test_many(void **state)
{
	struct sockaddr_in server = address_of("127.83.255.254", 53);
	int fds[100], i;

	(void)state;
	for (i = 0; i < 100; i++) {
		struct sockaddr_in client = address_of("127.0.0.1", 0);

		fds[i] = open_at(SOCK_DGRAM, &client);
		connect_to(fds[i], &server);
	}
	for (i = 99; i >= 0; i--) {
		const struct sockaddr_in client = name_of(fds[i]), nobody = address_of("127.83.255.252", 1);

		check_found(IPPROTO_UDP, &client, &server, fds[i]);
		if (i % 10 == 0)
			check_missing(IPPROTO_UDP, &nobody, &server);
	}
	for (i = 0; i < 100; i++)
		close(fds[i]);
}

static void test_not_a_diag_socket(void **state)
{
	const struct sockaddr_in address = address_of("127.0.0.1", 1);
	_cleanup_fd_ int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	struct socket_owner owner;

	(void)state;
	assert_int_equal(sockets_find(-1, IPPROTO_UDP, &address, &address, &owner), -1);
	assert_int_equal(errno, EBADF);
	assert_int_equal(sockets_find(null, IPPROTO_UDP, &address, &address, &owner), -1);
	assert_int_equal(errno, ENOTSOCK);
	/* A protocol that has no such sockets. */
	assert_int_equal(sockets_find(diag, IPPROTO_ICMP, &address, &address, &owner), -1);
}

static void test_closed_on_exec(void **state)
{
	(void)state;
	assert_true(fcntl(diag, F_GETFD) & FD_CLOEXEC);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_udp),
		cmocka_unit_test(test_no_such_udp),
		cmocka_unit_test(test_wildcard_udp),
		cmocka_unit_test(test_shared_port),
		cmocka_unit_test(test_tcp),
		cmocka_unit_test(test_tcp_after_its_end),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_not_a_diag_socket),
		cmocka_unit_test(test_closed_on_exec),
	};

	return cmocka_run_group_tests(tests, open_diag, close_diag);
}
