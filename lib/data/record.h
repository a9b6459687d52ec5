/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One example of a data set, whatever its file looked like: messages in order, and for preference
 * data two candidate last answers. This is LLaMA-Factory's conversion of alpaca, sharegpt and
 * openai records.
 */
#ifndef DATA_RECORD_H
#define DATA_RECORD_H

#include "base/mem.h"

enum role { ROLE_SYSTEM, ROLE_USER, ROLE_ASSISTANT, ROLE_OBSERVATION, ROLE_FUNCTION };

/* What a record says of its answer: KTO's tag. */
enum verdict { VERDICT_NONE, VERDICT_GOOD, VERDICT_BAD };

struct message {
	enum role role;
	const char *text;
	size_t n;
};

/* messages: user and assistant in turn. SFT: ends with an assistant message. Preference: ends with
 * a user message; chosen and rejected answer it. system.text NULL: none given. */
struct record {
	struct message system;
	struct message tools; /* JSON: an array of functions; text NULL: none given */
	struct message *messages;
	size_t n_messages;
	enum verdict verdict;
	bool is_preference;
	struct message chosen, rejected;
	struct arena arena; /* owns all the text */
	size_t line, column; /* where the record starts in its file, from 1 */
};

void record_free(struct record *r);

#endif
