/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For tests: one allocation or one call to the system fails, so that every way out of every tool can
 * be walked. ANEKDOT_FAULT in the environment says which: "memory:N" the Nth allocation of
 * base/mem.h, "io:N" the Nth call of base/sys.h (EIO), "kill:N" likewise, and it is the process's last
 * (SIGKILL), "eintr:N" and "short:N" the Nth read or
 * write, interrupted or of one byte only; "count" fails nothing, and writes how many there were.
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

static inline bool fault_due(enum fault kind)
{
	return __builtin_expect(fault_wanted, false) && fault_counted(kind);
}

#endif
