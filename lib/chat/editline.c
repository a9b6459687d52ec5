/* SPDX-License-Identifier: Apache-2.0 */
#include "chat/editline.h"

#ifdef HAVE_EDIT

#include "base/sys.h"
#include "base/utf8.h"
#include "chat/compose.h"

#include <histedit.h>
#include <langinfo.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct editline {
	EditLine *el;
	HistoryW *history;
	FILE *to; /* standard error, buffered: a key's redrawing is one write */
	const char *prompt;
	struct await *await;
	bool interrupted; /* the wait for the last key was */
	struct buf line;
};

/* Characters of text by libedit are the C library's: the locale has to know UTF-8. Only LC_CTYPE:
 * numbers stay as they are written everywhere. */
static bool set_utf8(void)
{
	return (setlocale(LC_CTYPE, "") && !strcmp(nl_langinfo(CODESET), "UTF-8")) ||
	       (setlocale(LC_CTYPE, "C.UTF-8") && !strcmp(nl_langinfo(CODESET), "UTF-8"));
}

static char *show_prompt(EditLine *el)
{
	struct editline *e = NULL;

	el_get(el, EL_CLIENTDATA, &e);
	return (char *)e->prompt;
}

/* One character: 1, 0 at the end, -1 an error or a SIGINT. Bytes that are none are passed over. */
static int get_key(EditLine *el, wchar_t *c)
{
	struct editline *e = NULL;
	mbstate_t state = { 0 };
	size_t used = 0;
	char byte;

	el_get(el, EL_CLIENTDATA, &e);
	do {
		ssize_t got;

		e->interrupted = !await_input(e->await, STDIN_FILENO);
		if (e->interrupted)
			return -1;
		got = sys_read(STDIN_FILENO, &byte, 1);
		if (got <= 0)
			return (int)got;
		if (used == (size_t)-1)
			state = (mbstate_t){ 0 };
		used = mbrtowc(c, &byte, 1, &state);
	} while (used == (size_t)-1 || used == (size_t)-2);
	return 1;
}

static void on_terminal(void *arg, enum await_event event)
{
	struct editline *e = arg;

	if (event == AWAIT_RESIZED) {
		el_resize(e->el);
		return;
	}
	el_set(e->el, EL_PREP_TERM, event == AWAIT_BACK);
	if (event == AWAIT_BACK)
		el_set(e->el, EL_REFRESH);
	fflush(e->to);
}

/* Pasted text while it comes. */
struct wide {
	wchar_t *v;
	size_t n, cap;
};

static void wide_push(struct wide *w, wchar_t c)
{
	if (w->n + 1 >= w->cap) {
		w->cap = w->cap ? 2 * w->cap : 256;
		w->v = mem_grow(w->v, w->cap, sizeof(*w->v));
	}
	w->v[w->n++] = c;
	w->v[w->n] = 0;
}

static bool ends_with(const struct wide *w, const char *end)
{
	size_t n = strlen(end);

	if (w->n < n)
		return false;
	for (size_t i = 0; i < n; i++)
		if (w->v[w->n - n + i] != (wchar_t)(unsigned char)end[i])
			return false;
	return true;
}

/* Bound to the mark that a terminal puts before what is pasted: takes all up to the mark after it as
 * text, in which line feeds send nothing and keys do nothing. */
static unsigned char take_pasted(EditLine *el, int key)
{
	struct wide text = { 0 };
	wchar_t c = 0;
	bool cr = false, inserted;

	(void)key;
	wide_push(&text, ' ');
	text.n = 0;
	while (!ends_with(&text, PASTE_END)) {
		if (el_wgetc(el, &c) != 1) {
			mem_free(text.v);
			return CC_EOF;
		}
		if (c == '\n' && cr) /* CR LF is one line feed */
			c = 0;
		cr = c == '\r';
		if (c)
			wide_push(&text, cr ? L'\n' : c);
	}
	text.n -= strlen(PASTE_END);
	text.v[text.n] = 0;
	inserted = !text.n || el_winsertstr(el, text.v) == 0;
	mem_free(text.v);
	return inserted ? CC_REFRESH : CC_ERROR;
}

struct editline *editline_open(struct await *a)
{
	struct editline *e;
	HistEventW event;
	int fd = set_utf8() ? dup(STDERR_FILENO) : -1;
	FILE *to = fd < 0 ? NULL : fdopen(fd, "w");

	if (!to)
		return NULL;
	e = mem_new(1, sizeof(*e));
	e->to = to;
	e->await = a;
	e->el = el_init("ft-chat", stdin, to, to);
	if (!e->el) {
		editline_close(e);
		return NULL;
	}
	e->history = history_winit();
	history_w(e->history, &event, H_SETSIZE, 2000);
	el_set(e->el, EL_CLIENTDATA, e);
	el_set(e->el, EL_PROMPT, show_prompt);
	el_set(e->el, EL_EDITOR, "emacs");
	el_set(e->el, EL_GETCFN, get_key);
	el_wset(e->el, EL_HIST, history_w, e->history);
	a->terminal = on_terminal;
	a->arg = e;
	el_source(e->el, NULL); /* ~/.editrc: people have their own keys */
	el_set(e->el, EL_ADDFN, "take-pasted", "Take pasted text as it is", take_pasted);
	el_set(e->el, EL_BIND, "\\e[200~", "take-pasted", NULL);
	return e;
}

void editline_close(struct editline *e)
{
	if (!e)
		return;
	if (e->el)
		el_end(e->el);
	if (e->history)
		history_wend(e->history);
	fclose(e->to);
	buf_free(&e->line);
	mem_free(e);
}

enum lines_result editline_next(struct editline *e, const char *prompt, char **line, size_t *n)
{
	const wchar_t *wide;
	int count = 0;

	e->prompt = prompt;
	e->interrupted = false;
	el_set(e->el, EL_PREP_TERM, 1); /* before the prompt: who sees it may type */
	wide = el_wgets(e->el, &count);
	if (e->interrupted)
		return LINES_SIGNAL;
	if (!wide)
		return LINES_END;
	buf_reset(&e->line);
	buf_reserve(&e->line, 4 * (size_t)count + 1);
	for (int i = 0; i < count; i++)
		e->line.n += utf8_put(e->line.p + e->line.n, (uint32_t)wide[i]);
	e->line.n -= e->line.n && e->line.p[e->line.n - 1] == '\n';
	e->line.p[e->line.n] = 0;
	*line = e->line.p;
	*n = e->line.n;
	return LINES_ONE;
}

void editline_remember(struct editline *e, const char *text)
{
	wchar_t *wide = mem_new(strlen(text) + 1, sizeof(*wide));
	HistEventW event;
	size_t n = 0;

	if (utf8_valid(text, strlen(text)) == strlen(text)) {
		while (*text)
			wide[n++] = (wchar_t)utf8_next(&text);
		history_w(e->history, &event, H_ENTER, wide);
	}
	mem_free(wide);
}

#else

struct editline *editline_open(struct await *a)
{
	(void)a;
	return NULL;
}

void editline_close(struct editline *e)
{
	(void)e;
}

enum lines_result editline_next(struct editline *e, const char *prompt, char **line, size_t *n)
{
	(void)e;
	(void)prompt;
	(void)line;
	(void)n;
	return LINES_END;
}

void editline_remember(struct editline *e, const char *text)
{
	(void)e;
	(void)text;
}

#endif
