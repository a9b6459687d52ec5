/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For tests: one allocation or one call to the system fails, so that every way out of every tool can
 * be walked. ANEKDOT_FAULT in the environment says which: "memory:N" the Nth allocation of
 * base/mem.h, "io:N" the Nth call of base/sys.h (EIO), "eintr:N" and "short:N" the Nth read or
 * write, interrupted or of one byte only; "count" fails nothing, and writes how many there were.
 *
 * Or a signal comes at the Nth point, which is a call of base/sys.h or a fault_point() between them:
 * "kill:N" SIGKILL, "term:N" SIGTERM, "int:N" SIGINT, "twice:N" SIGTERM there and SIGINT at the next.
 * "trace" writes a line a point: its number, what it is, and the path where it has one.
 */
#ifndef BASE_FAULT_H
#define BASE_FAULT_H

#include <stdbool.h>

enum fault {
	FAULT_MEMORY,
	FAULT_IO,
	FAULT_EINTR,
	FAULT_SHORT,
	FAULT_KINDS,
};

/* True once ANEKDOT_FAULT was found: otherwise nothing below is asked. */
extern bool fault_wanted;
/* Counts the call; true when it is the one to fail. */
bool fault_counted(enum fault kind);

/* Calls of a kind so far, where fault_wanted. */
long fault_calls(enum fault kind);

/* Counts a point; path may be NULL. */
void fault_signal(const char *what, const char *path);

/* Something between calls to the system that a signal may come at: part of a step, a removal. */
static inline void fault_point(const char *what, const char *path)
{
	if (__builtin_expect(fault_wanted, false))
		fault_signal(what, path);
}

static inline bool fault_due(enum fault kind)
{
	return __builtin_expect(fault_wanted, false) && fault_counted(kind);
}

#endif
