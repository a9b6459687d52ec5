/* SPDX-License-Identifier: Apache-2.0 */
#include "chat/edit.h"

#include "base/tool.h"
#include "chat/compose.h"
#include "chat/editline.h"
#include "chat/line_history.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct edit {
	struct await await;
	struct editline *editor; /* NULL: plain lines */
	struct lines in;
	struct line_history history;
	bool marks; /* the terminal is asked to mark what is pasted */
};

static bool can_be_written_to(void)
{
	const char *term = getenv("TERM");

	return isatty(STDIN_FILENO) && isatty(STDERR_FILENO) && term && *term &&
	       strcmp(term, "dumb") != 0;
}

struct edit *edit_open(volatile sig_atomic_t *interrupted)
{
	struct edit *e = mem_new(1, sizeof(*e));
	struct err err = { 0 };

	e->in.fd = STDIN_FILENO;
	e->await.interrupted = interrupted;
	e->in.await = &e->await;
	e->marks = can_be_written_to();
	if (line_history_open(&e->history, &err) < 0)
		tool_note("what is typed will not be remembered: %s", err.msg);
	e->editor = e->marks ? editline_open(&e->await) : NULL;
	for (size_t i = 0; e->editor && i < e->history.n; i++)
		editline_remember(e->editor, e->history.v[i]);
	return e;
}

void edit_close(struct edit *e)
{
	if (!e)
		return;
	editline_close(e->editor);
	lines_close(&e->in);
	line_history_close(&e->history);
	mem_free(e);
}

enum lines_result edit_next(struct edit *e, const char *prompt, char **line, size_t *n,
			    struct err *err)
{
	enum lines_result r;

	await_begin(&e->await);
	if (e->marks)
		fputs("\033[?2004h", stderr);
	if (e->editor) {
		r = editline_next(e->editor, prompt, line, n);
	} else {
		fputs(prompt, stderr);
		r = lines_next(&e->in, true, line, n, err);
	}
	if (e->marks)
		fputs("\033[?2004l", stderr);
	await_end(&e->await);
	return r;
}

void edit_remember(struct edit *e, const char *text, size_t n)
{
	size_t before = e->history.n;

	line_history_add(&e->history, text, n);
	if (e->editor && e->history.n > before)
		editline_remember(e->editor, e->history.v[before]);
}
