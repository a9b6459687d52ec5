/* SPDX-License-Identifier: Apache-2.0 */
#include "base/sigbus.h"

#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* A mapping, or (n = 0) a temporary name. */
struct thing {
	struct thing *next;
	const char *p;
	size_t n;
	char *name;
};

static struct thing *things;

static const struct thing *mapping_at(const char *p)
{
	for (const struct thing *t = things; t; t = t->next)
		if (t->n && p >= t->p && p < t->p + t->n)
			return t;
	return NULL;
}

/* The signal comes from reading the mapping and not from inside of malloc or stdio, so that they may be
 * used here. */
static void on_sigbus(int sig, siginfo_t *info, void *context)
{
	const struct thing *t = mapping_at(info->si_addr);

	(void)context;
	if (!t) { /* a bug of ours: dies of it when it happens again */
		signal(sig, SIG_DFL);
		return;
	}
	dprintf(STDERR_FILENO,
		"%s: %s: the file became shorter while it was read; start again when nothing "
		"writes to it\n",
		program_invocation_short_name, t->name);
	for (t = things; t; t = t->next)
		if (!t->n)
			dir_remove(t->p);
	_exit(ERR_INPUT);
}

static void add(const void *p, size_t n, char *name)
{
	struct sigaction on = { .sa_sigaction = on_sigbus, .sa_flags = SA_SIGINFO };
	struct thing *t = mem_new(1, sizeof(*t));

	if (!things)
		sigaction(SIGBUS, &on, NULL);
	*t = (struct thing){ things, p, n, name };
	things = t;
}

void sigbus_watch(const void *p, size_t n, const char *name)
{
	add(p, n, err_printable(mem_strdup(name)));
}

void sigbus_remove(const char *tmp)
{
	add(tmp, 0, NULL);
}

void sigbus_forget(const void *p)
{
	for (struct thing **at = &things; *at; at = &(*at)->next) {
		struct thing *t = *at;

		if (t->p != p)
			continue;
		*at = t->next;
		mem_free(t->name);
		mem_free(t);
		return;
	}
}
