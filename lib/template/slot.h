/* SPDX-License-Identifier: Apache-2.0 */
/* Slots filled and tokenised: the part below encode.c. */
#ifndef TEMPLATE_SLOT_H
#define TEMPLATE_SLOT_H

#include "template/template.h"

/* What takes the place of {content}: lead (a fused system text; not counted as content) and text. */
struct slot_fill {
	const char *lead, *text;
	size_t n_lead, n;
};

/* Positions [begin, end) of ids that hold the text alone: what may be cut. */
struct slot_text {
	size_t begin, end;
};

/* The tokenizer's eos; where it names none, <|endoftext|> as LLaMA-Factory has it; or -1. */
int64_t slot_eos(const struct token *tok);
/* What the tokenizer must have for this template; 0, or -1 with what is missing. */
int slot_check(const struct template *t, const struct token *tok, struct err *err);
/* Append the ids of a filled slot; *where may be NULL. */
int slot_encode(const struct template *t, const struct token *tok, const char *slot,
		const struct slot_fill *fill, struct ids *out, struct slot_text *where,
		struct err *err);
/* Where {content}, {bos}, {eos} or a marker begins at or after p (NULL: none); its length in *n. */
const char *slot_next(const struct template *t, const char *p, size_t *n);

#endif
