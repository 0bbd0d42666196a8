// SPDX-License-Identifier: Apache-2.0
#include "run/command.h"

#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <libelf.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/util.h"
#include "obmon/abi/dfa.h"
#include "run/rules.h"

/* As much of a file as the kernel looks at to tell what it is (BINPRM_BUF_SIZE, since Linux 5.1). */
#define HEADER_BYTES 256

/* Append the file @path, relative to @workspace, which the command owns from now on. */
static struct command_file *append(struct command *command, char *path, const char *workspace, struct obmon_error *err)
{
	struct command_file *file;
	struct stat st;

	if (path && *path != '/') { /* the kernel will look from the working directory on */
		char *absolute = format("%s/%s", workspace, path);

		free(path);
		path = absolute;
	}
	if (!path || command->n == COMMAND_FILES_MAX) {
		obmon_fail(err, OBMON_ERR_CANNOT_RUN, "%s: too many interpreters, one for the other",
			   path ? path : "CMD");
		free(path);
		return NULL;
	}
	file = &command->files[command->n++];
	*file = (struct command_file){ .path = path, .rights = OBMON_RIGHT_BIT(OBMON_RIGHT_EXEC) };
	file->fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (file->fd < 0 || fstat(file->fd, &st)) {
		obmon_fail_errno(err, errno == ENOENT || errno == ENOTDIR ? OBMON_ERR_NOT_FOUND : OBMON_ERR_CANNOT_RUN,
				 errno, "cannot open the command %s", path);
		return NULL;
	}
	if (!S_ISREG(st.st_mode)) {
		obmon_fail(err, OBMON_ERR_CANNOT_RUN, "%s is not a regular file and cannot be run", path);
		return NULL;
	}
	if (!(st.st_mode & 0111)) {
		obmon_fail(err, OBMON_ERR_CANNOT_RUN, "%s is not executable (chmod +x, or run its interpreter)", path);
		return NULL;
	}
	return file;
}

/* The interpreter on the first line of a script, as fs/binfmt_script.c reads it. Caller frees; NULL if none. */
static char *script_interpreter(const char *header, size_t length)
{
	const char *start = header + 2, *end = header + length, *stop;

	if (length < 2 || header[0] != '#' || header[1] != '!')
		return NULL;
	while (start < end && (*start == ' ' || *start == '\t'))
		start++;
	for (stop = start; stop < end && *stop && !strchr(" \t\n", *stop); stop++)
		;
	if (stop == header + HEADER_BYTES) /* cut: the kernel doesn't run such a script (ENOEXEC) either */
		return NULL;
	return stop > start ? strndup(start, (size_t)(stop - start)) : NULL;
}

/* The loader that an ELF binary names (PT_INTERP). Caller frees; NULL for a static one, or no ELF at all. */
static char *elf_loader(int fd)
{
	char path[4096] = "";
	GElf_Phdr header;
	size_t n, i;
	Elf *elf;

	elf_version(EV_CURRENT);
	elf = elf_begin(fd, ELF_C_READ, NULL);
	if (!elf)
		return NULL;
	if (elf_kind(elf) == ELF_K_ELF && !elf_getphdrnum(elf, &n))
		for (i = 0; i < n; i++)
			if (gelf_getphdr(elf, (int)i, &header) && header.p_type == PT_INTERP &&
			    header.p_filesz < sizeof(path) &&
			    pread(fd, path, header.p_filesz, (off_t)header.p_offset) == (ssize_t)header.p_filesz)
				break;
	elf_end(elf);
	return *path ? strdup(path) : NULL;
}

/* Follow from the last file of @command to what runs it. @return 1 if there was something, 0 if not, -1. */
static int follow(struct command *command, const char *workspace, struct obmon_error *err)
{
	struct command_file *last = &command->files[command->n - 1];
	char header[HEADER_BYTES], *next;
	ssize_t n = pread(last->fd, header, sizeof(header), 0);

	if (n < 0)
		return obmon_fail_errno(err, OBMON_ERR_CANNOT_RUN, errno, "cannot read %s", last->path);
	next = script_interpreter(header, (size_t)n);
	if (next)
		last->rights |= OBMON_RIGHT_BIT(OBMON_RIGHT_READ);
	else
		next = elf_loader(last->fd);
	if (!next)
		return 0;
	return append(command, next, workspace, err) ? 1 : -1;
}

int command_resolve(struct command *command, const char *name, const char *workspace, const char *search_path,
		    struct obmon_error *err)
{
	char *path;
	int more = 1;

	memset(command, 0, sizeof(*command));
	if (!*name)
		return obmon_fail(err, OBMON_ERR_NOT_FOUND, "the command is an empty string");
	if (strchr(name, '/'))
		path = strdup(name);
	else
		path = find_in_path(name, search_path);
	if (!path)
		return obmon_fail(err, OBMON_ERR_NOT_FOUND, "the command %s is not in the run's PATH (%s)", name,
				  search_path);
	if (!append(command, path, workspace, err))
		more = -1;
	/* A loader is the end: the kernel doesn't load a loader for it. */
	while (more > 0 &&
	       !(command->n > 1 && !(command->files[command->n - 2].rights & OBMON_RIGHT_BIT(OBMON_RIGHT_READ))))
		more = follow(command, workspace, err);
	if (more < 0)
		command_clear(command);
	return more < 0 ? -1 : 0;
}

void command_clear(struct command *command)
{
	size_t i;

	for (i = 0; i < command->n; i++) {
		free(command->files[i].path);
		fd_close(&command->files[i].fd);
	}
	command->n = 0;
}
