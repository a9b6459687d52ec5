/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A conversation as a file: {"messages": [{"role", "content"}...]} as OpenAI's API has it, the system
 * prompt first, and what else is needed to go on with it: "settings" (setting.h), "stop", "adapters",
 * and, for people, "model" and "template".
 */
#ifndef CHAT_TRANSCRIPT_H
#define CHAT_TRANSCRIPT_H

#include "chat/session.h"

/* Whole or not at all. model: its path. */
int transcript_save(const struct session *s, const char *model, const char *path, struct err *err);

/* A file that was read and found sound. */
struct transcript {
	struct json_t *root; /* owns the text of what follows */
	struct message *messages; /* user and assistant in turn; the last may be the user's */
	size_t n;
	const char *system; /* NULL: the file has none */
	struct sampling sampling;
	struct opt_list stops;
	bool has_stops, has_adapters;
	struct buf adapters; /* comma-separated, as for engine_set_adapters */
	const char *model, *template; /* NULL: the file does not say */
};

/* now: the settings that hold where the file says nothing. A fault as FILE:LINE:COLUMN.
 * transcript_close in any case. */
int transcript_read(struct transcript *t, const char *path, const struct sampling *now,
		    struct err *err);
void transcript_close(struct transcript *t);

#endif
