/* SPDX-License-Identifier: Apache-2.0 */
#include "chat/repl.h"

#include "base/tool.h"
#include "chat/compose.h"
#include "chat/harmless.h"
#include "chat/lines.h"
#include "chat/talk.h"

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

static bool show(void *arg, const char *s, size_t n)
{
	bool terminal = *(const bool *)arg;

	if (n && terminal)
		harmless_print(stdout, s, n);
	else if (n)
		fwrite(s, 1, n, stdout);
	if (n)
		fflush(stdout);
	return !interrupted && !ferror(stdout);
}

/* Why an answer is not whole, and what was left out, for people. */
static void note_end(const struct session *s, enum session_end end)
{
	if (s->n_dropped)
		tool_note(
			"the conversation no longer fits into %ld positions: the oldest %zu turn%s "
			"left out of it",
			s->e->n_positions, s->n_dropped, s->n_dropped == 1 ? " was" : "s were");
	if (end == SESSION_LIMIT)
		tool_note("the answer was cut at --max-new-tokens %ld",
			  s->sampling->max_new_tokens);
	else if (end == SESSION_FULL)
		tool_note("the answer was cut: the %ld positions are used up", s->e->n_positions);
}

int talk_answer(struct talk *t, const char *text, size_t n, bool again, struct err *err)
{
	bool terminal = isatty(STDOUT_FILENO);
	enum session_end end = SESSION_STOPPED;
	int rc = again ? session_again(&t->s, show, &terminal, &end, err)
		       : session_say(&t->s, text, n, show, &terminal, &end, err);

	if (rc == 0) {
		putchar('\n');
		fflush(stdout);
		note_end(&t->s, end);
	}
	return rc;
}

static void free_stops(struct opt_list *stops)
{
	for (size_t i = 0; i < stops->n; i++)
		mem_free((char *)stops->v[i]);
	mem_free(stops->v);
}

void talk_set_stops(struct talk *t, const struct opt_list *stops)
{
	struct opt_list own = { 0 };

	own.v = mem_new((stops ? stops->n : 0) + 1, sizeof(*own.v));
	for (; stops && own.n < stops->n; own.n++)
		own.v[own.n] = mem_strdup(stops->v[own.n]);
	free_stops(&t->stops);
	t->stops = own;
}

static int talk_open(struct talk *t, struct engine *e, const struct request_defaults *d,
		     const char *model, struct err *err)
{
	*t = (struct talk){ .sampling = *d->sampling, .model = model };
	talk_set_stops(t, d->stops);
	t->active = engine_active_adapters(e);
	return session_open(&t->s, e, &t->sampling, &t->stops, err);
}

static void talk_close(struct talk *t)
{
	session_close(&t->s);
	free_stops(&t->stops);
	mem_free(t->active);
}

int repl_once(struct engine *e, const struct request_defaults *d, const char *prompt,
	      struct err *err)
{
	struct talk t;
	int rc = talk_open(&t, e, d, NULL, err);

	if (rc == 0)
		rc = talk_answer(&t, prompt, strlen(prompt), false, err);
	talk_close(&t);
	return rc;
}

int repl_lines(struct engine *e, const struct request_defaults *d, struct err *err)
{
	struct lines in = { .fd = STDIN_FILENO };
	enum lines_result r = LINES_ONE;
	struct talk t;
	char *line;
	size_t n;
	int rc = talk_open(&t, e, d, NULL, err);

	while (rc == 0 && !ferror(stdout)) {
		r = lines_next(&in, true, &line, &n, err);
		if (r == LINES_SIGNAL)
			continue;
		if (r != LINES_ONE)
			break;
		if (n && talk_answer(&t, line, n, false, err) < 0)
			rc = err_wrap(err, "standard input:%zu", in.number);
	}
	lines_close(&in);
	talk_close(&t);
	return r == LINES_ERROR ? -1 : rc;
}

/* What a person said: a message, or a command. */
static void obey(struct talk *t, const struct compose *said)
{
	const char *text = said->text.p;
	size_t n = said->text.n;
	struct err err = { 0 };
	int rc = 0;

	if (!said->literal && (!strcmp(text, "exit") || !strcmp(text, "clear")))
		rc = command_run(t, *text == 'e' ? "/quit" : "/reset", &err);
	else if (!said->literal && text[0] == '/' && text[1] != '/')
		rc = command_run(t, text, &err);
	else if (!said->literal && text[0] == '/')
		rc = talk_answer(t, text + 1, n - 1, false, &err);
	else if (n)
		rc = talk_answer(t, text, n, false, &err);
	if (rc < 0) {
		harmless_print(stderr, err.msg, strlen(err.msg));
		fputc('\n', stderr);
	}
}

/* Lines until the person leaves. */
static enum lines_result converse(struct talk *t, struct edit *edit, struct err *err)
{
	struct compose said = { 0 };
	enum lines_result r = LINES_ONE;
	char *line;
	size_t n;

	while (!t->leave) {
		r = edit_next(edit, said.more ? "... " : "> ", &line, &n, err);
		if (r == LINES_SIGNAL) { /* what was begun is dropped, as in a shell */
			fputs(said.more ? "\n" : "\n(/quit or Ctrl-D leaves)\n", stderr);
			compose_reset(&said);
			continue;
		}
		if (r != LINES_ONE) {
			fputc('\n', stderr);
			break;
		}
		if (!compose_line(&said, line, n))
			continue;
		edit_remember(edit, said.text.p, said.text.n);
		obey(t, &said);
		compose_reset(&said);
	}
	compose_close(&said);
	return r;
}

int repl_terminal(struct engine *e, const struct request_defaults *d, const char *model,
		  struct err *err)
{
	/* Restarted, or a write it falls into fails and standard output is taken for broken. */
	struct sigaction act = { .sa_handler = on_interrupt, .sa_flags = SA_RESTART }, old;
	enum lines_result r = LINES_END;
	struct talk t;
	int rc = talk_open(&t, e, d, model, err);

	if (rc == 0) {
		struct edit *edit = edit_open(&interrupted);

		sigaction(SIGINT, &act, &old);
		r = converse(&t, edit, err);
		sigaction(SIGINT, &old, NULL);
		edit_close(edit);
	}
	talk_close(&t);
	return r == LINES_ERROR ? -1 : rc;
}
