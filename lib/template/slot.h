/* SPDX-License-Identifier: Apache-2.0 */
/* Slots filled and tokenised: the part below encode.c. */
#ifndef TEMPLATE_SLOT_H
#define TEMPLATE_SLOT_H

#include "template/template.h"

#define THINK_OPEN  "<think>"
#define THINK_CLOSE "</think>"

/*
 * What takes the place of {content}: lead (a fused system text; not counted as content) and text, in
 * which a thought at the beginning has the markers <think> and </think>, and each `glue`, which is
 * slot text, its own. Tools, as plain text, take that of {tools}.
 */
struct slot_fill {
	const char *lead, *text, *tools;
	size_t n_lead, n, n_tools;
	size_t n_thought; /* bytes of text up to the end of </think>; 0: none */
	const char *glue; /* NULL: none */
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
/* Where {content}, {tools}, {bos}, {eos} or a marker begins at or after p (NULL: none); its length in *n. */
const char *slot_next(const struct template *t, const char *p, size_t *n);

#endif
