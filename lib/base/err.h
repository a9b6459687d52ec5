/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Errors are values. A function that can fail takes `struct err *err` last and returns 0 or -1
 * (pointer makers: NULL). The callee writes a message fit to print, callers put context in front
 * with err_wrap, main prints it once. The struct lives on the caller's stack; nothing is allocated.
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

enum err_kind {
	ERR_NONE = 0,
	ERR_UNREAD = 1, /* nobody reads standard output any more: a quiet end, exit code 0 */
	ERR_INPUT = 2, /* usage, input, I/O, device: exit code 2 */
	ERR_INTERRUPTED = 75, /* stopped by a signal, resumable */
	ERR_NUMERIC = 76, /* NaN, Inf, diverged */
};

struct err {
	enum err_kind kind;
	char msg[1200];
};

/* Set the message (kind ERR_INPUT) and return -1. */
int err_set(struct err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* As err_set with another kind. */
int err_kind(struct err *err, enum err_kind kind, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* As err_set, and append ": " and the text of errno. */
int err_sys(struct err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Control characters become '?': a message is one line that a terminal shows as it is, whatever names
 * went into it. Returns s. */
char *err_printable(char *s);
/* Put "context: " in front of the message that is there; returns -1. */
int err_wrap(struct err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
