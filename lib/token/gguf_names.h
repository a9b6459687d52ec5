/* SPDX-License-Identifier: Apache-2.0 */
/* How GGUF spells a tokenizer (tokenizer.ggml.*): for its reader and its writer. */
#ifndef TOKEN_GGUF_NAMES_H
#define TOKEN_GGUF_NAMES_H

#include "token/vocab.h"

/* tokenizer.ggml.token_type */
enum {
	TYPE_NORMAL = 1,
	TYPE_UNKNOWN = 2,
	TYPE_CONTROL = 3,
	TYPE_USER = 4,
	TYPE_UNUSED = 5,
	TYPE_BYTE = 6
};

/* A name of tokenizer.ggml.pre, and the tokenizer.json that stands behind it. */
struct pre {
	const char *name;
	bool nfc, ignore_merges, trim_offsets, adds_bos;
	size_t n_steps;
	struct split_step steps[2];
};

extern const struct pre token_pres[];
extern const size_t token_n_pres;

#endif
