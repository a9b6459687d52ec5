/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What encoding a text needs beside the tokenizer, kept from one text to the next: the cache of words
 * and room that was grown. A thread takes an encoder for a call, and has it for itself.
 */
#ifndef TOKEN_ENCODER_H
#define TOKEN_ENCODER_H

#include "token/vocab.h"

struct encoder {
	const struct token *t;
	bool special;
	const char *text, *begin; /* of the text; of the first piece, normalised; NULL in others */
	struct bpe bpe;
	struct buf nfc, spaced, prefixed;
};

struct encoder *encoder_take(const struct token *t);
void encoder_give_back(struct encoder *e);

#endif
