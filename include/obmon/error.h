/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file error.h
 * The error object of libobmon: a code that programs branch on and one message that people read.
 *
 * Functions that can fail take a `struct obmon_error *` as their last argument, fill it and return
 * -1 (or NULL). It is plain memory owned by the caller; nothing in it needs freeing.
 */
#ifndef OBMON_ERROR_H
#define OBMON_ERROR_H

/** What went wrong, by what the caller can do about it. The exit status of `obmon` follows from it. */
enum obmon_error_code {
	OBMON_OK = 0,
	OBMON_ERR_CONFIG,     /**< the request is wrong: options, metadata, capability, profile (exit 2) */
	OBMON_ERR_SECURITY,   /**< refused, or ended, for a security reason (exit 5) */
	OBMON_ERR_TIMEOUT,    /**< the run's time was up (exit 124) */
	OBMON_ERR_HOST,       /**< the host lacks something obmon needs: see `obmon doctor` (exit 125) */
	OBMON_ERR_INTERNAL,   /**< a failure of obmon's own (exit 125) */
	OBMON_ERR_CANNOT_RUN, /**< the command was found but cannot be executed (exit 126) */
	OBMON_ERR_NOT_FOUND,  /**< the command was not found (exit 127) */
};

/** Longest message, with its terminating NUL; a longer one is cut at a UTF-8 boundary and ends in "...". */
#define OBMON_ERROR_MESSAGE_MAX 1024

struct obmon_error {
	enum obmon_error_code code;
	int errnum; /**< the errno behind it, 0 where there is none */
	char message[OBMON_ERROR_MESSAGE_MAX];
};

/** Where a piece of configuration was written. `file` is borrowed from its document or NULL (command line). */
struct obmon_location {
	const char *file;
	unsigned line;   /**< 1-based; 0 where lines make no sense */
	unsigned column; /**< 1-based, in bytes; 0 where columns make no sense */
};

/**
 * Fill @err with @code and a formatted message; control bytes in the result are escaped as \xNN.
 * @return -1 always, so that callers can write `return obmon_fail(...)`.
 */
int obmon_fail(struct obmon_error *err, enum obmon_error_code code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/** As obmon_fail(), with `: strerror(errnum)` appended and `errnum` recorded. */
int obmon_fail_errno(struct obmon_error *err, enum obmon_error_code code, int errnum, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/** As obmon_fail() with OBMON_ERR_CONFIG and the message headed by `file:line:column: ` as far as known. */
int obmon_fail_at(struct obmon_error *err, const struct obmon_location *where, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/** The exit status of `obmon` for @code. */
int obmon_exit_status(enum obmon_error_code code);

#endif
