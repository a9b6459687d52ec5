/* SPDX-License-Identifier: Apache-2.0 */
#include "base/fault.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool fault_wanted;

static const char *const names[FAULT_KINDS] = { "memory", "io", "eintr", "short" };
static atomic_long calls[FAULT_KINDS];
static long fails_at[FAULT_KINDS]; /* 0: never */
static long kills_at; /* of FAULT_IO */

bool fault_counted(enum fault kind)
{
	long n = atomic_fetch_add(&calls[kind], 1) + 1;

	if (kind == FAULT_IO && n == kills_at)
		raise(SIGKILL);
	return n == fails_at[kind];
}

long fault_calls(enum fault kind)
{
	return atomic_load(&calls[kind]);
}

static void tell(void)
{
	for (int i = 0; i < FAULT_KINDS; i++)
		fprintf(stderr, "%s:%ld\n", names[i], calls[i]);
}

/* Before main, so that nothing has to ask later whether it was done. */
__attribute__((constructor)) static void read_wish(void)
{
	const char *wish = getenv("ANEKDOT_FAULT"), *colon = wish ? strchr(wish, ':') : NULL;

	if (!wish)
		return;
	fault_wanted = true;
	if (!strcmp(wish, "count"))
		atexit(tell);
	if (!strncmp(wish, "kill:", 5))
		kills_at = strtol(wish + 5, NULL, 10);
	for (int i = 0; i < FAULT_KINDS && colon; i++)
		if (!strncmp(wish, names[i], (size_t)(colon - wish)) && !names[i][colon - wish])
			fails_at[i] = strtol(colon + 1, NULL, 10);
}
