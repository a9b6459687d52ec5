/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Chat templates by name: LLaMA-Factory's slot tables, and examples encoded with them. One code
 * path serves training and chatting, so they cannot disagree.
 */
#ifndef TEMPLATE_TEMPLATE_H
#define TEMPLATE_TEMPLATE_H

#include "data/record.h"
#include "shard/shard.h"
#include "token/token.h"

struct template
{
	const char *name;
	const char *prefix; /* may hold {bos} */
	const char *system, *user, *assistant, *observation; /* {content}, {eos}, {bos} */
	const char *default_system; /* "" : none */
	const char *stop_words[4]; /* ends with NULL */
	bool replace_eos;
	/* ... as the implementation needs */
};

/* NULL with the nearest name in err. */
const struct template *template_find(const char *name, struct err *err);
/* "qwen, smollm2, ..." for messages. */
const char *template_names(void);

/* How examples are cut and what is trained (LLaMA-Factory's keys of the same name). */
struct encode_settings {
	const struct template *template;
	const char *system; /* default_system; NULL: the template's own */
	uint32_t cutoff_len;
	bool train_on_prompt, mask_history;
};

struct encode_counts {
	uint64_t truncated, tokens_lost;
};

/*
 * An example's ids and spans, appended to *ids and *spans (the caller empties them between
 * examples; *e points into them). Text of the data is encoded TOKEN_PLAIN, slots TOKEN_SPECIAL.
 * Truncation keeps the assistant header and the end-of-turn token.
 */
int encode_record(const struct encode_settings *s, const struct token *tok, const struct record *r,
		  struct ids *ids, struct buf *spans, struct example *e,
		  struct encode_counts *counts, struct err *err);

/* The ids of a conversation so far with the assistant header at its end: what ft-chat feeds. */
int encode_chat(const struct encode_settings *s, const struct token *tok,
		const struct message *messages, size_t n, struct ids *ids, struct err *err);
/* Ids that end an answer: the stop words' and the tokenizer's eos. */
void template_stops(const struct template *t, const struct token *tok, struct ids *stops);
/* A Jinja chat template that renders what encode_chat feeds with this system prompt. */
void template_jinja(const struct template *t, const char *system, struct buf *out);

#endif
