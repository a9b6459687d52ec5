/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One conversation: its messages, and the ids whose keys and values are in the cache. A turn feeds
 * only what is new: where the ids of the whole conversation (encoded as training encodes them) first
 * differ from those in the cache.
 */
#ifndef CHAT_SESSION_H
#define CHAT_SESSION_H

#include "chat/engine.h"
#include "chat/text.h"

enum session_end {
	SESSION_STOPPED, /* by a stop id or a stop string: the answer is whole */
	SESSION_LIMIT, /* max_new_tokens */
	SESSION_FULL, /* no position is left */
	SESSION_BROKEN_OFF, /* the listener wanted no more */
};

struct session {
	struct engine *e; /* borrowed */
	const struct sampling *sampling; /* borrowed */
	const struct opt_list *stops; /* borrowed; NULL: none */
	struct message *messages; /* texts are owned */
	size_t n;
	struct ids cache; /* tokens in slot 0, in order */
	size_t n_fed; /* tokens that the last turn fed before its answer */
	size_t n_answer; /* tokens of the last answer */
	struct kv kv;
	struct pass pass;
	struct batch batch;
	float *logits;
	struct sampler sampler;
};

/* Called with every new piece of an answer, and with n = 0 while nothing is certain; false ends the
 * answer. */
typedef bool (*text_fn)(void *arg, const char *s, size_t n);

int session_open(struct session *s, struct engine *e, const struct sampling *sampling,
		 const struct opt_list *stops, struct err *err);
void session_close(struct session *s); /* fine on {0} */
/* The user says text[0..n); the answer goes to fn and into the conversation. After an error (text
 * that is not UTF-8, no room left) the conversation is as it was before. */
int session_say(struct session *s, const char *text, size_t n, text_fn fn, void *arg,
		enum session_end *end, struct err *err);
/* Begins anew. */
void session_clear(struct session *s);

#endif
