/* SPDX-License-Identifier: Apache-2.0 */
/* A conversation as pairs of source and target ids, before anything is cut. */
#ifndef TEMPLATE_DIALOG_H
#define TEMPLATE_DIALOG_H

#include "template/slot.h"

/* ids with the range of them that is text of the data. */
struct side {
	struct ids ids;
	struct slot_text text;
};

/* source: what is asked, with the assistant header at its end; target: the answer with its end. */
struct turn {
	struct side source, target;
	uint32_t s, t; /* how much of each is kept */
	bool kept;
};

struct dialog {
	struct turn *v;
	size_t n;
};

/* What stands before the first question; either may be NULL, or have text NULL. */
struct opening {
	const struct message *system, *tools;
};

/*
 * Encodes messages (user or observation, assistant or function, in turn; a last user message without
 * answer leaves the last target empty). Thoughts are as the settings say: see encode_record. Free in
 * any case.
 */
int dialog_encode(struct dialog *turns, const struct encode_settings *s, const struct token *tok,
		  const struct opening *o, const struct message *messages, size_t n,
		  struct err *err);
void dialog_free(struct dialog *turns);
/* One answer. */
int dialog_target(struct side *side, const struct template *t, const struct token *tok,
		  const struct message *m, struct err *err);
/* An empty thought, as ids of their own. */
int dialog_thought(struct side *side, const struct template *t, const struct token *tok,
		   struct err *err);
/* Append what is left of a side when n ids are kept; see encode_record. */
void side_cut_source(const struct side *side, size_t n, struct ids *out);
void side_cut_target(const struct side *side, size_t n, struct ids *out);
/* The fewest ids that make sense: the assistant header; the end of turn and one token before. */
size_t side_least_source(const struct side *side);
size_t side_least_target(const struct side *side);

#endif
