/* SPDX-License-Identifier: Apache-2.0 */
/* Conversations with people and programs: on a terminal, over a pipe, as JSON lines. */
#ifndef CHAT_REPL_H
#define CHAT_REPL_H

#include "chat/request.h"
#include "chat/session.h"

/* One turn: the answer and a newline on standard output. */
int repl_once(struct engine *e, const struct request_defaults *d, const char *prompt,
	      struct err *err);
/* Every line of standard input is a turn of one conversation. */
int repl_lines(struct engine *e, const struct request_defaults *d, struct err *err);
/* A person at a terminal: commands, Ctrl-C, Ctrl-D. Errors are shown and the talk goes on. model: its
 * path, for conversations that are saved. */
int repl_terminal(struct engine *e, const struct request_defaults *d, const char *model,
		  struct err *err);
/*
 * JSON lines in and out, in order; up to `streams` answers at a time. A line that cannot be answered
 * ends it with an error, after the answers to the lines before.
 */
int repl_json(struct engine *e, const struct request_defaults *d, int streams, struct err *err);

#endif
