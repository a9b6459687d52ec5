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
static atomic_long points;
static bool traced;

/* What comes at which point. */
static struct {
	const char *name;
	int sig, next; /* next: at the point after; 0: none */
	long at;
} signals[] = {
	{ "kill", SIGKILL, 0, 0 },
	{ "term", SIGTERM, 0, 0 },
	{ "int", SIGINT, 0, 0 },
	{ "twice", SIGTERM, SIGINT, 0 },
};

bool fault_counted(enum fault kind)
{
	return atomic_fetch_add(&calls[kind], 1) + 1 == fails_at[kind];
}

void fault_signal(const char *what, const char *path)
{
	long n = atomic_fetch_add(&points, 1) + 1;

	if (traced)
		fprintf(stderr, "point %ld %s %s\n", n, what, path ? path : "");
	for (size_t i = 0; i < sizeof(signals) / sizeof(*signals); i++) {
		if (signals[i].at == n)
			raise(signals[i].sig);
		if (signals[i].at == n - 1 && signals[i].at && signals[i].next)
			raise(signals[i].next);
	}
}

long fault_calls(enum fault kind)
{
	return atomic_load(&calls[kind]);
}

static void tell(void)
{
	fprintf(stderr, "points:%ld\n", points);
	for (int i = 0; i < FAULT_KINDS; i++)
		fprintf(stderr, "%s:%ld\n", names[i], calls[i]);
}

static bool names_it(const char *wish, const char *colon, const char *name)
{
	return !strncmp(wish, name, (size_t)(colon - wish)) && !name[colon - wish];
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
	traced = !strcmp(wish, "trace");
	for (int i = 0; i < FAULT_KINDS && colon; i++)
		if (names_it(wish, colon, names[i]))
			fails_at[i] = strtol(colon + 1, NULL, 10);
	for (size_t i = 0; i < sizeof(signals) / sizeof(*signals) && colon; i++)
		if (names_it(wish, colon, signals[i].name))
			signals[i].at = strtol(colon + 1, NULL, 10);
}
