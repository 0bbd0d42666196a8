/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "meta/source.h"

static const char *file_kind(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFDIR:
		return "a directory";
	case S_IFIFO:
		return "a pipe";
	case S_IFSOCK:
		return "a socket";
	default:
		return "a device";
	}
}

/*
 * O_NONBLOCK, so that opening a FIFO doesn't wait for a writer; it means nothing for the regular files
 * that are left after fstat().
 */
static int open_regular(const char *path, struct obmon_error *err)
{
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	struct stat st;

	if (fd < 0)
		return obmon_fail_errno(err, OBMON_ERR_CONFIG, errno, "%s", path);
	if (fstat(fd, &st) < 0)
		obmon_fail_errno(err, OBMON_ERR_CONFIG, errno, "%s", path);
	else if (!S_ISREG(st.st_mode))
		obmon_fail(err, OBMON_ERR_CONFIG, "%s: is %s, a regular file is needed", path, file_kind(st.st_mode));
	else
		return fd;
	close(fd);
	return -1;
}

/* Read until the end or until @room is full: what fstat() says of the size may be out of date by now. */
static ssize_t read_all(int fd, char *buffer, size_t room)
{
	size_t n = 0;

	while (n < room) {
		ssize_t got = read(fd, buffer + n, room - n);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -1;
		if (got == 0)
			break;
		n += got;
	}
	return (ssize_t)n;
}

static int read_text(struct source *source, int fd, const char *path, size_t most, struct obmon_error *err)
{
	ssize_t n;

	source->text = malloc(most + 1);
	if (!source->text)
		return obmon_fail(err, OBMON_ERR_INTERNAL, "out of memory");
	n = read_all(fd, source->text, most + 1);
	if (n < 0)
		return obmon_fail_errno(err, OBMON_ERR_CONFIG, errno, "%s", path);
	if (n == 0)
		return obmon_fail(err, OBMON_ERR_CONFIG, "%s: is empty", path);
	if ((size_t)n > most)
		return obmon_fail(err, OBMON_ERR_CONFIG, "%s: is longer than %zu bytes", path, most);
	source->length = n;
	source->text[n] = '\0';
	return 0;
}

int source_read(struct source *source, const char *path, size_t most, struct obmon_error *err)
{
	int fd = open_regular(path, err), read;

	*source = (struct source){ 0 };
	if (fd < 0)
		return -1;
	read = read_text(source, fd, path, most, err);
	close(fd);
	if (read < 0)
		source_clear(source);
	return read;
}

void source_clear(struct source *source)
{
	free(source->text);
	*source = (struct source){ 0 };
}
