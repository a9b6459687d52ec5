/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages as OpenAI's API writes them ({"role", "content"}), and conversations that are longer than
 * the context.
 */
#ifndef CHAT_MESSAGES_H
#define CHAT_MESSAGES_H

#include "chat/engine.h"
#include "data/reader.h"

struct json_t;

const char *role_name(enum role role); /* "user" */
/* Message i of the list under "messages" in the JSON text e; text borrowed from json. *at: where in e
 * the fault is. */
int message_read(struct message *m, const struct json_t *json, size_t i, const struct element *e,
		 size_t *at, struct err *err);

/* A prompt that fits. */
struct fit {
	struct ids ids;
	size_t first; /* message from which on the conversation is in it (its system prompt always) */
	size_t turns; /* whole turns before that one: dropped */
};

/*
 * The ids of m[0..n) (a system message may stand first) with the assistant header. When they leave no
 * room for max_new_tokens, whole turns (a user's message and what follows up to the next) are
 * dropped from the beginning; at most half of the context is kept free. f->ids is appended to;
 * f->first is where to begin trying. A last message that is too long by itself is an error.
 */
int fit_messages(struct fit *f, const struct engine *e, const struct encode_settings *settings,
		 const struct message *m, size_t n, long max_new_tokens, struct err *err);

#endif
