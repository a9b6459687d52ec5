/* SPDX-License-Identifier: Apache-2.0 */
/* A conversation with a person: the session, and what commands may change. Private to repl.c,
 * command.c. */
#ifndef CHAT_TALK_H
#define CHAT_TALK_H

#include "chat/edit.h"
#include "chat/session.h"

struct talk {
	struct session s; /* its sampling and stops are these: */
	struct sampling sampling;
	struct opt_list stops; /* texts are owned */
	const char *model; /* borrowed: its path */
	char *active; /* the adapters that /adapter on puts on again */
	bool leave;
};

/* Answers what is asked last on standard output; again: /retry. Why it is not whole, and what was left
 * out of the conversation, goes to standard error. */
int talk_answer(struct talk *t, const char *text, size_t n, bool again, struct err *err);

/* One line that begins with a slash. An error is a message for the person; the talk goes on. */
int command_run(struct talk *t, const char *line, struct err *err);
/* Texts are copied. */
void talk_set_stops(struct talk *t, const struct opt_list *stops);

#endif
