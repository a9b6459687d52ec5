/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every tool's main shares: the start (C locale, SIGPIPE), the stop flag, the last line on
 * stderr, the exit code, and closing stdout so that a full disk is noticed.
 */
#ifndef BASE_TOOL_H
#define BASE_TOOL_H

#include "base/err.h"
#include "base/opt.h"

#include <signal.h>
#include <stdbool.h>

/* Call first: SIGPIPE becomes EPIPE, descriptors 0 to 2 are taken even where they were closed, jansson
 * has its memory from base/mem.h. */
void tool_start(void);
/*
 * As tool_start, for tools that compute on several threads. OpenMP's threads wait for each other by
 * spinning; where another program wants the processor too, that wastes most of it (several times
 * slower was measured). The wait is made short, unless the environment says how to wait. OpenMP
 * reads the environment before main, so the program starts itself once more.
 */
void tool_start_threads(char **argv);
/* How many threads a tool takes: as many as were asked for, or (0) as OpenMP has them. */
int tool_threads(long asked);
/* SIGINT and SIGTERM set the flag; a second signal ends the process at once. */
volatile sig_atomic_t *tool_stop_flag(void);
/* Print "name: message" and return the exit code of err->kind. */
int tool_fail(const struct cmd *cmd, const struct err *err);
/* Close stdout; returns 2 with a line when that failed, else code. That nobody reads it any more is no
 * failure. */
int tool_done(const struct cmd *cmd, int code);
/* "who: ..." on stderr. */
void tool_say(const char *who, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* "note: ..." on stderr. */
void tool_note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/*
 * One line on stderr that rewrites itself; nothing at all unless stderr is a terminal.
 * progress_end removes it.
 */
void progress(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void progress_end(void);
/* Seconds of a monotonic clock. */
double clock_now(void);

#endif
