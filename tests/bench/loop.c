// SPDX-License-Identifier: Apache-2.0
/*
 * loop: times one operation, many times over, in batches, and prints nanoseconds an operation as
 *
 *   MEDIAN LOW HIGH MEAN WORK
 *
 * of the batches: LOW and HIGH are what a tenth of them is below and above; WORK is the mean of what children
 * (and theirs, where they were waited for) spent on a processor. In a VM whose clock counts instructions,
 * these are instructions, and time that was waited through.
 *
 * Linked statically, so that it needs no more than itself wherever it is confined.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* The first batches fill caches, and don't count; with -f they do. */
#define WARM_UP 2
#define BATCHES_MAX 1000

static const char usage[] =
	"usage: loop [-b BATCHES] [-n OPERATIONS] [-s STATUS] [-f] [-w] WHAT\n"
	"  open PATH        open PATH for reading and close it\n"
	"  refused PATH     open PATH, which must fail with EACCES\n"
	"  exec CMD [ARG].. fork, execve and wait; CMD must exit with STATUS (0)\n"
	"  wait             nothing\n"
	"These take the ADDRESS and PORT of a socket of this host:\n"
	"  connect          connect(2) of one UDP socket\n"
	"  dial             make a TCP socket, connect and close it\n"
	"  sendto, send     a datagram by an unconnected, a connected socket\n"
	"  connect-refused, dial-refused\n"
	"                   connect(2) of one UDP socket, one TCP socket, which must fail with EACCES\n"
	"dial, sendto and send listen at ADDRESS themselves, and take between batches what has come in.\n"
	"-f times the first operations too, which are not warmed up.\n"
	"-w tells \"ready\" and waits for a line of standard input before and another after.\n";

static struct {
	int batches, operations, status, warm_up;
	bool wait;
	const char *what;
	char **argv;
} options = { .batches = 40, .operations = 100, .warm_up = WARM_UP };

static void die(const char *what)
{
	fprintf(stderr, "loop: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void op_open(void)
{
	int fd = open(options.argv[0], O_RDONLY);

	if (fd < 0)
		die(options.argv[0]);
	close(fd);
}

static void op_refused(void)
{
	int fd = open(options.argv[0], O_RDONLY);

	if (fd >= 0)
		errno = 0;
	if (errno != EACCES)
		die("that should have been refused");
}

static void op_exec(void)
{
	pid_t pid = fork();
	int status;

	if (pid < 0)
		die("fork");
	if (pid == 0) {
		execv(options.argv[0], options.argv);
		_exit(127);
	}
	if (waitpid(pid, &status, 0) != pid)
		die("waitpid");
	errno = 0;
	if (!WIFEXITED(status) || WEXITSTATUS(status) != options.status) {
		fprintf(stderr, "loop: %s: wait status 0x%x\n", options.argv[0], (unsigned)status);
		exit(1);
	}
}

/* The destination, the socket that goes there, and the one that is there. */
static struct sockaddr_storage there;
static socklen_t there_size;
static int sender, receiver;

static void find_there(void)
{
	struct sockaddr_in *in = (struct sockaddr_in *)&there;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&there;
	uint16_t port = htons((uint16_t)atoi(options.argv[1]));

	if (inet_pton(AF_INET, options.argv[0], &in->sin_addr) == 1) {
		in->sin_family = AF_INET;
		in->sin_port = port;
		there_size = sizeof(*in);
	} else if (inet_pton(AF_INET6, options.argv[0], &in6->sin6_addr) == 1) {
		in6->sin6_family = AF_INET6;
		in6->sin6_port = port;
		there_size = sizeof(*in6);
	} else {
		errno = EINVAL;
		die(options.argv[0]);
	}
}

static int make_socket(int type)
{
	int fd = socket(there.ss_family, type, 0);

	if (fd < 0)
		die("socket");
	return fd;
}

static int reach(int fd)
{
	return connect(fd, (const struct sockaddr *)&there, there_size);
}

static void prepare_udp(void)
{
	find_there();
	sender = make_socket(SOCK_DGRAM);
}

static void prepare_tcp(void)
{
	find_there();
	sender = make_socket(SOCK_STREAM);
}

static void receive(int type)
{
	const int on = 1;

	find_there();
	receiver = make_socket(type | SOCK_NONBLOCK);
	if (setsockopt(receiver, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) ||
	    bind(receiver, (const struct sockaddr *)&there, there_size) ||
	    (type == SOCK_STREAM && listen(receiver, options.operations)))
		die("the socket to reach");
}

static void prepare_dial(void)
{
	receive(SOCK_STREAM);
}

static void prepare_sendto(void)
{
	receive(SOCK_DGRAM);
	sender = make_socket(SOCK_DGRAM);
}

static void prepare_send(void)
{
	prepare_sendto();
	if (reach(sender))
		die("connect");
}

static void op_connect(void)
{
	if (reach(sender))
		die("connect");
}

static void op_connect_refused(void)
{
	if (!reach(sender))
		errno = 0;
	if (errno != EACCES)
		die("that should have been refused");
}

/* Closed by a reset, or else thousands of sockets would wait in TIME_WAIT, and make it harder to find a free port. */
static void op_dial(void)
{
	const struct linger reset = { .l_onoff = 1 };
	int fd = make_socket(SOCK_STREAM);

	if (reach(fd) || setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)))
		die("connect");
	close(fd);
}

static const char datagram[64];

static void op_sendto(void)
{
	const struct sockaddr *to = (const struct sockaddr *)&there;

	if (sendto(sender, datagram, sizeof(datagram), 0, to, there_size) != sizeof(datagram))
		die("sendto");
}

static void op_send(void)
{
	if (send(sender, datagram, sizeof(datagram), 0) != sizeof(datagram))
		die("send");
}

/* What a batch has sent must all be here, so that each operation was a whole one, and is gone before the next. */
static void all_came(int n)
{
	if (n == options.operations)
		return;
	fprintf(stderr, "loop: %d of %d have come\n", n, options.operations);
	exit(1);
}

static void accept_all(void)
{
	int fd, n = 0;

	while ((fd = accept(receiver, NULL, NULL)) >= 0) {
		close(fd);
		n++;
	}
	all_came(n);
}

static void receive_all(void)
{
	char taken[sizeof(datagram)];
	int n = 0;

	while (recv(receiver, taken, sizeof(taken), 0) == sizeof(taken))
		n++;
	all_came(n);
}

/* @prepare is called once, @settle after each batch; neither is timed. */
static const struct operation {
	const char *name;
	int arguments;
	void (*run)(void);
	void (*prepare)(void);
	void (*settle)(void);
} operations[] = {
	{ "open", 1, op_open, NULL, NULL },
	{ "refused", 1, op_refused, NULL, NULL },
	{ "exec", 1, op_exec, NULL, NULL },
	{ "wait", 0, NULL, NULL, NULL },
	{ "connect", 2, op_connect, prepare_udp, NULL },
	{ "connect-refused", 2, op_connect_refused, prepare_udp, NULL },
	{ "dial", 2, op_dial, prepare_dial, accept_all },
	{ "dial-refused", 2, op_connect_refused, prepare_tcp, NULL },
	{ "sendto", 2, op_sendto, prepare_sendto, receive_all },
	{ "send", 2, op_send, prepare_send, receive_all },
};

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

static double seconds(struct timeval tv)
{
	return (double)tv.tv_sec + (double)tv.tv_usec / 1e6;
}

/* Nanoseconds that children have spent on a processor. */
static double worked(void)
{
	struct rusage usage;

	getrusage(RUSAGE_CHILDREN, &usage);
	return (seconds(usage.ru_utime) + seconds(usage.ru_stime)) * 1e9;
}

static double batch(void (*run)(void))
{
	double begin = now();
	int i;

	for (i = 0; i < options.operations; i++)
		run();
	return (now() - begin) / options.operations;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void measure(const struct operation *operation)
{
	static double times[BATCHES_MAX];
	int n = options.batches, i;
	double sum = 0, work = 0;

	for (i = -options.warm_up; i < n; i++) {
		double before = worked(), time = batch(operation->run);

		if (operation->settle)
			operation->settle();
		if (i < 0)
			continue;
		times[i] = time;
		sum += time;
		work += (worked() - before) / options.operations;
	}
	qsort(times, (size_t)n, sizeof(*times), compare);
	printf("%.0f %.0f %.0f %.0f %.0f\n", times[n / 2], times[n / 10], times[n - 1 - n / 10], sum / n, work / n);
	fflush(stdout);
}

static void await_line(void)
{
	char byte;
	ssize_t n;

	do
		n = read(0, &byte, 1);
	while (n == 1 && byte != '\n');
}

static void misused(void)
{
	fputs(usage, stderr);
	exit(2);
}

static void parse(int argc, char **argv)
{
	int option;

	while ((option = getopt(argc, argv, "+b:n:s:fw")) != -1) {
		if (option == 'b')
			options.batches = atoi(optarg);
		else if (option == 'n')
			options.operations = atoi(optarg);
		else if (option == 's')
			options.status = atoi(optarg);
		else if (option == 'f')
			options.warm_up = 0;
		else if (option == 'w')
			options.wait = true;
		else
			misused();
	}
	if (optind >= argc || options.operations < 1 || options.batches < 1 || options.batches > BATCHES_MAX)
		misused();
	options.what = argv[optind];
	options.argv = argv + optind + 1;
}

static const struct operation *find_operation(int arguments)
{
	size_t i;

	for (i = 0; i < sizeof(operations) / sizeof(*operations); i++)
		if (!strcmp(operations[i].name, options.what) && arguments >= operations[i].arguments)
			return &operations[i];
	misused();
	return NULL;
}

int main(int argc, char **argv)
{
	const struct operation *operation;

	parse(argc, argv);
	operation = find_operation(argc - optind - 1);
	if (operation->prepare)
		operation->prepare();
	if (options.wait) {
		puts("ready");
		fflush(stdout);
		await_line();
	}
	if (operation->run)
		measure(operation);
	if (options.wait)
		await_line();
	return 0;
}
