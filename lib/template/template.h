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

/* In whose manner tools are described to the model, and called by it. */
enum tool_form { TOOLS_NONE, TOOLS_QWEN, TOOLS_LLAMA3 };

/*
 * One row of slot_table.c. Slots are text with {content}, {bos} and {eos}; the latter two become the
 * tokenizer's ids. Of the markers, those that the tokenizer has as tokens become ids wherever they
 * stand in a slot; the same text inside data stays text.
 */
// clang-format off
struct template {
	// clang-format on
	const char *name;
	const char *prefix; /* before everything else; may hold {bos}; NULL: nothing */
	const char *system, *user, *assistant;
	const char *header; /* user's and observation's end that opens the answer; NULL: none */
	const char *observation; /* a tool's answer; NULL: as user */
	const char *default_system; /* NULL: none */
	const char *stop_words[4]; /* ends with NULL; the first ends a turn */
	const char *markers[10]; /* ends with NULL */
	bool replace_eos; /* the first stop word takes the place of the tokenizer's eos */
	bool fused_system; /* the system slot's text stands inside the first user slot */
	enum tool_form tools;
	bool thinks; /* an answer may begin with <think>, a thought, </think> and an empty line */
};

/* "true", "false", "null"; NULL is true. */
enum thinking thinking_of(const char *name);
/* "cut", "drop", "error". */
enum truncation truncation_of(const char *name);
/* NULL with the nearest name in err. */
const struct template *template_find(const char *name, struct err *err);
/* The name of a template from the text of the model's own; NULL: it has none, or a strange one. */
const char *template_guess(const struct token *tok);
/* "qwen, smollm2, ..." for messages. */
const char *template_names(void);

/* LLaMA-Factory's enable_thinking. true: answers without a thought are trained to begin with an empty
 * one. false: thoughts are taken out, and an empty one ends the question. null: they stay, and an
 * empty one ends the question where the answer has none. */
enum thinking { THINKING_TRUE, THINKING_FALSE, THINKING_NULL };

/* What happens to an example that is longer than cutoff_len. */
enum truncation { TRUNCATION_CUT, TRUNCATION_DROP, TRUNCATION_ERROR };

/* How examples are cut and what is trained (LLaMA-Factory's keys of the same name). */
struct encode_settings {
	const struct template *template;
	const char *system; /* default_system; NULL: the template's own, "": none */
	uint32_t cutoff_len;
	enum truncation truncation;
	bool train_on_prompt, mask_history;
	enum thinking thinking; /* for templates that think */
	bool preserve_thinking; /* thoughts of earlier answers stay, also where they are not trained */
};

struct encode_counts {
	uint64_t truncated, tokens_lost; /* examples that lost something, and how much they lost */
	uint64_t dropped; /* examples that were too long */
	uint64_t bad; /* records that were left out: kto_tag says that the answer is bad */
};

/*
 * How many tokens of a source and a target fit into cutoff: LLaMA-Factory's infer_seqlen. Which
 * tokens go is another matter; see encode_record.
 */
void encode_lengths(uint32_t source, uint32_t target, uint32_t cutoff, uint32_t *s, uint32_t *t);

/*
 * An example's ids and spans, appended to *ids and *spans (the caller empties them between
 * examples; *e points into them). Every piece (system, user, assistant) is tokenised by itself, so
 * ids equal LLaMA-Factory's as long as the data holds no special-token text, which stays text here.
 *
 * What is too long is cut to encode_lengths, but not at the end: a source loses the middle of the
 * user's text, then its beginning, never the assistant header; a target loses the end of its text,
 * never the end of turn. Turns for which that leaves no room are dropped, later ones first (earlier
 * ones with mask_history). *counts (may be NULL) is added to. An example of which nothing would be
 * trained is an error. Returns 0, -1, or with TRUNCATION_DROP 1: the example is too long, and not there.
 */
int encode_record(const struct encode_settings *s, const struct token *tok, const struct record *r,
		  struct ids *ids, struct buf *spans, struct example *e,
		  struct encode_counts *counts, struct err *err);

/* The ids of a conversation so far with the assistant header at its end: what ft-chat feeds. A system
 * message may stand first (an empty one counts as none); a user's or a tool's must be the last. */
int encode_chat(const struct encode_settings *s, const struct token *tok,
		const struct message *messages, size_t n, struct ids *ids, struct err *err);
/* Ids that end an answer: the stop words' and the tokenizer's eos. */
void template_stops(const struct template *t, const struct token *tok, struct ids *stops);
/*
 * A Jinja chat template in transformers' manner: every answer has the assistant header before it, the end
 * has one when add_generation_prompt is true. It renders what encode_chat feeds when the settings'
 * system prompt is `system` (NULL: the template's own) and add_generation_prompt is true. Templates
 * without a header render the same whether it is or not. A later system message stands where it is
 * or, where the template has no form for that, raises an exception; so does an unknown role. Where the
 * template thinks, earlier thoughts are left out, and the variable enable_thinking stands over `thinking`.
 */
void template_jinja(const struct template *t, const char *system, enum thinking thinking,
		    struct buf *out);
/* The same for Ollama's TEMPLATE: of a conversation that ends in a question it renders what encode_chat
 * feeds, but for a bos at the beginning where the tokenizer adds one: Ollama does, too; and earlier
 * thoughts stay. */
void template_ollama(const struct template *t, const struct token *tok, enum thinking thinking,
		     struct buf *out);

#endif
