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

struct mapping {
	struct mapping *next;
	const char *p;
	size_t n;
	char *name;
};

static struct mapping *mappings;

static const struct mapping *mapping_at(const char *p)
{
	for (const struct mapping *m = mappings; m; m = m->next)
		if (p >= m->p && p < m->p + m->n)
			return m;
	return NULL;
}

/* The signal comes from reading the mapping and not from inside of malloc or stdio, so that they may be
 * used here. */
static void on_sigbus(int sig, siginfo_t *info, void *context)
{
	const struct mapping *m = mapping_at(info->si_addr);

	(void)context;
	if (!m) { /* a bug of ours: dies of it when it happens again */
		signal(sig, SIG_DFL);
		return;
	}
	dprintf(STDERR_FILENO,
		"%s: %s: the file became shorter while it was read; start again when nothing "
		"writes to it\n",
		program_invocation_short_name, m->name);
	unfinished_remove();
	_exit(ERR_INPUT);
}

void sigbus_watch(const void *p, size_t n, const char *name)
{
	struct sigaction on = { .sa_sigaction = on_sigbus, .sa_flags = SA_SIGINFO };
	struct mapping *m = mem_new(1, sizeof(*m));

	*m = (struct mapping){ mappings, p, n, err_printable(mem_strdup(name)) };
	if (!mappings)
		sigaction(SIGBUS, &on, NULL);
	mappings = m;
}

void sigbus_forget(const void *p)
{
	for (struct mapping **at = &mappings; *at; at = &(*at)->next) {
		struct mapping *m = *at;

		if (m->p != p)
			continue;
		*at = m->next;
		mem_free(m->name);
		mem_free(m);
		return;
	}
}
