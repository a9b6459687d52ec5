/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A mapped file that another program makes shorter gives SIGBUS where its bytes are read. Then one
 * line names the file, what was in the making is removed, and the process ends with exit code 2.
 */
#ifndef BASE_SIGBUS_H
#define BASE_SIGBUS_H

#include <stddef.h>

/* The mapping p[0..n) of the file called name; n > 0. */
void sigbus_watch(const void *p, size_t n, const char *name);
/* The mapping is no more. */
void sigbus_forget(const void *p);

#endif
