/* SPDX-License-Identifier: Apache-2.0 */
#include "chat/repl.h"

#include "base/tool.h"
#include "chat/lines.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Set by Ctrl-C while a terminal is talked with. */
static volatile sig_atomic_t interrupted;

static void on_interrupt(int sig)
{
	interrupted = sig;
}

struct listener {
	bool terminal; /* control characters are made harmless */
	struct buf safe;
};

static bool show(void *arg, const char *s, size_t n)
{
	struct listener *l = arg;

	if (n && l->terminal) {
		buf_reset(&l->safe);
		text_harmless(s, n, &l->safe);
		s = l->safe.p;
		n = l->safe.n;
	}
	if (n) {
		fwrite(s, 1, n, stdout);
		fflush(stdout);
	}
	return !interrupted && !ferror(stdout);
}

/* Why an answer is not whole, for people. */
static void note_end(const struct session *s, enum session_end end)
{
	if (end == SESSION_LIMIT)
		tool_note("the answer was cut at --max-new-tokens %ld",
			  s->sampling->max_new_tokens);
	else if (end == SESSION_FULL)
		tool_note("the answer was cut: the model's %d positions are used up; `clear` "
			  "begins a new conversation",
			  s->e->model.n_positions);
}

static int turn(struct session *s, const char *text, size_t n, struct err *err)
{
	struct listener l = { .terminal = isatty(STDOUT_FILENO) };
	enum session_end end = SESSION_STOPPED;
	int rc = session_say(s, text, n, show, &l, &end, err);

	if (rc == 0) {
		putchar('\n');
		fflush(stdout);
		note_end(s, end);
	}
	buf_free(&l.safe);
	return rc;
}

int repl_once(struct session *s, const char *prompt, struct err *err)
{
	return turn(s, prompt, strlen(prompt), err);
}

int repl_lines(struct session *s, struct err *err)
{
	struct lines in = { .fd = STDIN_FILENO };
	enum lines_result r = LINES_ONE;
	char *line;
	size_t n;
	int rc = 0;

	while (rc == 0 && !ferror(stdout)) {
		r = lines_next(&in, true, &line, &n, err);
		if (r == LINES_SIGNAL)
			continue;
		if (r != LINES_ONE)
			break;
		if (n && turn(s, line, n, err) < 0)
			rc = err_wrap(err, "standard input:%zu", in.number);
	}
	lines_close(&in);
	return r == LINES_ERROR ? -1 : rc;
}

/* False: the person leaves. */
static bool obey(struct session *s, const char *line, size_t n, struct err *err)
{
	if (!strcmp(line, "exit"))
		return false;
	if (!strcmp(line, "clear")) {
		session_clear(s);
		fputs("(a new conversation)\n", stderr);
	} else if (n && turn(s, line, n, err) < 0) {
		fprintf(stderr, "%s\n", err->msg);
	}
	return true;
}

int repl_terminal(struct session *s, struct err *err)
{
	struct sigaction act = { .sa_handler = on_interrupt }, old;
	struct lines in = { .fd = STDIN_FILENO };
	enum lines_result r;
	char *line;
	size_t n;

	sigaction(SIGINT, &act, &old);
	do {
		interrupted = 0;
		fputs("> ", stderr);
		r = lines_next(&in, true, &line, &n, err);
	} while (r == LINES_ONE && obey(s, line, n, err));
	if (r != LINES_ONE)
		fputc('\n', stderr);
	sigaction(SIGINT, &old, NULL);
	lines_close(&in);
	return r == LINES_ERROR ? -1 : 0;
}
