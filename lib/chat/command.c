/* SPDX-License-Identifier: Apache-2.0 */
/* What a person can tell ft-chat beside talking: one table, from which /help is made. */
#include "base/file.h"
#include "base/nearest.h"
#include "base/tool.h"
#include "chat/harmless.h"
#include "chat/setting.h"
#include "chat/talk.h"
#include "chat/transcript.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct command {
	const char *name, *arg, *help; /* help NULL: another name of one that has it */
	int (*run)(struct talk *t, const char *arg, struct err *err);
};

/* Text from files and models, which is not to be trusted with the terminal. */
static void say(const char *text)
{
	harmless_print(stderr, text, strlen(text));
}

/* "~/x" as shells have it; from the heap. */
static char *file_name(const char *arg)
{
	const char *home = getenv("HOME");

	return arg[0] == '~' && arg[1] == '/' && home ? path_join(home, arg + 2) : mem_strdup(arg);
}

static int run_system(struct talk *t, const char *arg, struct err *err)
{
	const char *now = session_system(&t->s);
	size_t turns = session_turns(&t->s);

	(void)err;
	if (!*arg) {
		say(*now ? now : "(no system prompt)");
		fputc('\n', stderr);
		return 0;
	}
	session_set_system(&t->s, strcmp(arg, "\"\"") != 0 ? arg : "");
	fprintf(stderr, strcmp(arg, "\"\"") != 0 ? "(a new system prompt" : "(no system prompt");
	if (turns)
		fprintf(stderr, "; the %zu turn%s so far stay%s; /reset begins anew", turns,
			turns == 1 ? "" : "s", turns == 1 ? "s" : "");
	fputs(")\n", stderr);
	return 0;
}

static void show_setting(const struct talk *t, const struct setting *k)
{
	fprintf(stderr, "  %-20s %-8.16g  %.16g to %.16g: %s\n", k->name,
		setting_get(k, &t->sampling), k->min, k->max, k->help);
}

static void show_stops(const struct talk *t)
{
	fprintf(stderr, "  %-20s", "stop");
	for (size_t i = 0; i < t->stops.n; i++) {
		fputs(" \"", stderr);
		say(t->stops.v[i]);
		fputc('"', stderr);
	}
	fputs(t->stops.n ? "\n" : " none: text that ends an answer\n", stderr);
}

static int set_stop(struct talk *t, const char *text)
{
	struct opt_list one = { &text, strcmp(text, "\"\"") != 0 };

	talk_set_stops(t, &one);
	show_stops(t);
	return 0;
}

static int run_set(struct talk *t, const char *arg, struct err *err)
{
	size_t n = strcspn(arg, " \t="), skip = strspn(arg + n, " \t=");
	const char *value = arg + n + skip;
	const struct setting *k;
	char name[48];

	if (!*arg) {
		for (size_t i = 0; i < n_settings; i++)
			show_setting(t, &settings[i]);
		show_stops(t);
		return 0;
	}
	snprintf(name, sizeof(name), "%.*s", n < sizeof(name) ? (int)n : 47, arg);
	for (char *c = name; *c; c++)
		*c = *c == '-' ? '_' : *c;
	if (!strcmp(name, "stop")) {
		if (*value)
			return set_stop(t, value);
		show_stops(t);
		return 0;
	}
	k = setting_find(name);
	if (!k)
		return err_set(err, "there is no setting '%s'%s", name, setting_hint(name));
	if (*value && setting_parse(k, &t->sampling, value, err) < 0)
		return -1;
	show_setting(t, k);
	return 0;
}

static int run_save(struct talk *t, const char *arg, struct err *err)
{
	char *path = file_name(arg);
	int rc = *arg ? transcript_save(&t->s, t->model, path, err)
		      : err_set(err, "/save needs the name of a file");

	if (rc == 0)
		fprintf(stderr, "(%zu turns saved in %s)\n", session_turns(&t->s), path);
	mem_free(path);
	return rc;
}

static bool same_file(const char *a, const char *b)
{
	char *x = realpath(a, NULL), *y = realpath(b, NULL);
	bool same = !strcmp(x ? x : a, y ? y : b);

	free(x);
	free(y);
	return same;
}

static void tell_loaded(const struct talk *t, const struct transcript *from)
{
	const char *template = t->s.e->settings.template->name;
	size_t turns = session_turns(&t->s);

	fprintf(stderr, "(%zu turn%s loaded", turns, turns == 1 ? "" : "s");
	if (from->model && !same_file(from->model, t->model)) {
		fputs("; it was held with the model ", stderr);
		say(from->model);
	}
	if (from->template && strcmp(from->template, template) != 0) {
		fputs("; it was held with the template ", stderr);
		say(from->template);
	}
	if (from->n % 2)
		fputs("; the last question has no answer yet: /retry", stderr);
	fputs(")\n", stderr);
}

static int run_load(struct talk *t, const char *arg, struct err *err)
{
	char *path = file_name(arg);
	struct transcript from = { 0 };
	int rc = *arg ? transcript_read(&from, path, &t->sampling, err)
		      : err_set(err, "/load needs the name of a file");

	/* The adapters first: they may not be there, and then nothing is to change. */
	if (rc == 0 && from.has_adapters && session_set_adapters(&t->s, from.adapters.p, err) < 0)
		rc = err_wrap(err, "%s", path);
	if (rc == 0) {
		t->sampling = from.sampling;
		if (from.has_stops)
			talk_set_stops(t, &from.stops);
		session_set_system(&t->s, from.system);
		session_adopt(&t->s, from.messages, from.n);
		tell_loaded(t, &from);
	}
	transcript_close(&from);
	mem_free(path);
	return rc;
}

static void show_adapters(const struct engine *e)
{
	for (size_t i = 0; i < e->n_loaded; i++) {
		fprintf(stderr, "  %-3s ", e->loaded[i].on ? "on" : "off");
		say(e->loaded[i].adapter.path);
		fputc('\n', stderr);
	}
	if (!e->n_loaded)
		fputs("  none; /adapter PATH puts one on\n", stderr);
}

/* What else than numbers an adapter was trained with; people who compare want to know. */
static void note_training(const struct engine *e, const char *path)
{
	struct provenance p = { 0 };
	struct err err;

	if (provenance_read(&p, path, &err) == 1 && p.template_name &&
	    strcmp(p.template_name, e->settings.template->name) != 0) {
		fprintf(stderr, "note: ");
		say(path);
		fputs(" was trained with the template ", stderr);
		say(p.template_name);
		fprintf(stderr, "; %s is in use\n", e->settings.template->name);
	}
	provenance_close(&p);
}

static int run_adapter(struct talk *t, const char *arg, struct err *err)
{
	struct engine *e = t->s.e;
	size_t before = e->n_loaded;
	bool on = !strcmp(arg, "on"), off = !strcmp(arg, "off");
	char *path = file_name(arg);
	int rc = 0;

	if (on && !*t->active)
		rc = err_set(err, "there is no adapter; /adapter PATH puts one on");
	else if (*arg)
		rc = session_set_adapters(&t->s, on ? t->active : off ? "" : path, err);
	mem_free(path);
	if (rc < 0)
		return -1;
	if (*arg && !off) {
		mem_free(t->active);
		t->active = engine_active_adapters(e);
	}
	show_adapters(e);
	for (size_t i = before; i < e->n_loaded; i++)
		note_training(e, e->loaded[i].adapter.path);
	return 0;
}

static int run_retry(struct talk *t, const char *arg, struct err *err)
{
	(void)arg;
	return talk_answer(t, NULL, 0, true, err);
}

static int run_undo(struct talk *t, const char *arg, struct err *err)
{
	size_t left;

	(void)arg;
	if (!session_undo(&t->s))
		return err_set(err, "nothing was asked yet");
	left = session_turns(&t->s);
	fprintf(stderr, "(taken back; %zu turn%s left)\n", left, left == 1 ? "" : "s");
	return 0;
}

static int run_reset(struct talk *t, const char *arg, struct err *err)
{
	(void)arg;
	(void)err;
	session_clear(&t->s);
	fputs("(a new conversation)\n", stderr);
	return 0;
}

static int run_quit(struct talk *t, const char *arg, struct err *err)
{
	(void)arg;
	(void)err;
	t->leave = true;
	return 0;
}

static int run_help(struct talk *t, const char *arg, struct err *err);

static const struct command commands[] = {
	{ "system", "[TEXT]", "show or set the system prompt; \"\": none; the turns so far stay",
	  run_system },
	{ "set", "[NAME [VALUE]]", "show or change how answers are drawn, their length, stops",
	  run_set },
	{ "adapter", "[on|off|NAME[,NAME]]", "show or change the adapters; a path brings a new one",
	  run_adapter },
	{ "retry", NULL, "answer the last question again", run_retry },
	{ "undo", NULL, "take the last question and its answer back", run_undo },
	{ "reset", NULL, "begin a new conversation (also: clear)", run_reset },
	{ "save", "FILE", "keep the conversation, with settings and adapters", run_save },
	{ "load", "FILE", "go on with one that was kept", run_load },
	{ "help", NULL, "this list", run_help },
	{ "quit", NULL, "leave (also: exit, Ctrl-D)", run_quit },
	{ "clear", NULL, NULL, run_reset },
	{ "exit", NULL, NULL, run_quit },
	{ "?", NULL, NULL, run_help },
};
#define N_COMMANDS (sizeof(commands) / sizeof(*commands))

static int run_help(struct talk *t, const char *arg, struct err *err)
{
	(void)t;
	(void)arg;
	(void)err;
	for (size_t i = 0; i < N_COMMANDS; i++) {
		const struct command *c = &commands[i];
		char head[48];

		snprintf(head, sizeof(head), "/%s %s", c->name, c->arg ? c->arg : "");
		if (c->help)
			fprintf(stderr, "  %-30s %s\n", head, c->help);
	}
	fputs("A line that ends in \\ goes on; \"\"\" opens and closes a text of several lines; "
	      "//\n"
	      "at the beginning sends a slash; Ctrl-C stops an answer.\n",
	      stderr);
	return 0;
}

static int unknown(const char *name, struct err *err)
{
	struct nearest near = { .name = name };

	for (size_t i = 0; i < N_COMMANDS; i++)
		nearest_try(&near, commands[i].name);
	if (near.best)
		return err_set(err, "there is no command /%s; did you mean /%s?", name, near.best);
	return err_set(err,
		       "there is no command /%.40s; /help lists them, // at the beginning sends a "
		       "slash",
		       name);
}

int command_run(struct talk *t, const char *line, struct err *err)
{
	size_t n = strcspn(++line, " \t"), end = strlen(line);
	char *name = mem_strndup(line, n), *arg;
	int rc = 0;

	n += strspn(line + n, " \t");
	while (end > n && (line[end - 1] == ' ' || line[end - 1] == '\t'))
		end--;
	arg = mem_strndup(line + n, end - n);
	for (size_t i = 0; i < N_COMMANDS; i++) {
		const struct command *c = &commands[i];

		if (strcmp(c->name, name) != 0)
			continue;
		if (*arg && !c->arg && c->help)
			rc = err_set(err, "/%s takes nothing behind it", name);
		else
			rc = c->run(t, arg, err);
		mem_free(name);
		mem_free(arg);
		return rc;
	}
	rc = unknown(name, err);
	mem_free(name);
	mem_free(arg);
	return rc;
}
