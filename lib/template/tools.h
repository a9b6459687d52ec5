/* SPDX-License-Identifier: Apache-2.0 */
/* Tools: how a template describes them, and how an answer calls them. LLaMA-Factory's forms. */
#ifndef TEMPLATE_TOOLS_H
#define TEMPLATE_TOOLS_H

#include "template/slot.h"

/*
 * The slot with the description of tools (JSON, an array of functions) behind its {content}: into
 * *slot, with a hole {tools}; what fills that goes into *text. An empty array adds nothing.
 */
int tools_describe(const struct template *t, const char *system, const struct message *tools,
		   struct buf *slot, struct buf *text, struct err *err);
/* The text that stands between two tool results of one message; NULL: it has no meaning. */
const char *tools_glue(const struct template *t);
/* A function message: JSON, {"name", "arguments"} or an array of them; a thought may stand before. */
int tools_call(const struct template *t, const struct token *tok, const struct message *m,
	       struct ids *ids, struct slot_text *where, struct err *err);

#endif
