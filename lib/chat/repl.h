/* SPDX-License-Identifier: Apache-2.0 */
/* Conversations with people and programs: on a terminal, over a pipe, as JSON lines. */
#ifndef CHAT_REPL_H
#define CHAT_REPL_H

#include "chat/session.h"

/* One turn: the answer and a newline on standard output. */
int repl_once(struct session *s, const char *prompt, struct err *err);
/* Every line of standard input is a turn of one conversation. */
int repl_lines(struct session *s, struct err *err);
/* A person at a terminal: `clear`, `exit`, Ctrl-C, Ctrl-D. Errors are shown and the talk goes on. */
int repl_terminal(struct session *s, struct err *err);
/*
 * JSON lines in and out, in order; up to `streams` answers at a time. A line that cannot be answered
 * ends it with an error, after the answers to the lines before.
 */
int repl_json(struct engine *e, const struct sampling *s, const struct opt_list *stops, int streams,
	      struct err *err);

#endif
