/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text to token ids and back, as Hugging Face tokenizers does it for byte-level BPE (added tokens,
 * NFC, pre-tokenizer, merges, decoder) and for SentencePiece's BPE over characters, as Llama 2 and
 * Mistral have it (spaces as U+2581, bytes where a character has no token). Built from a tokenizer.json, from a folder that holds one,
 * or from the metadata of a GGUF file. A tokenizer is read-only after it was opened: threads share it.
 */
#ifndef TOKEN_TOKEN_H
#define TOKEN_TOKEN_H

#include "base/err.h"
#include "base/mem.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct token;
struct gguf_meta;

struct token *token_open(const char *path, struct err *err);
void token_close(struct token *t);

enum token_flags {
	TOKEN_PLAIN = 0, /* special-token text in the input is ordinary text: user data */
	TOKEN_SPECIAL = 1, /* added tokens in the input are recognised: templates, --ids */
};

/* Append the ids of text[0..n) (valid UTF-8, or an error with the offset) to *out. No BOS is added. */
int token_encode(const struct token *t, const char *text, size_t n, int flags, struct ids *out,
		 struct err *err);
/* Append the text of v[0..n) to *out; invalid UTF-8 becomes U+FFFD per maximal subpart; ids that
 * are unknown are left out; skip_special leaves out tokens flagged special. */
void token_decode(const struct token *t, const uint32_t *v, size_t n, bool skip_special,
		  struct buf *out);
/* The raw bytes of one token (for streaming); NULL when the id is unknown. */
const char *token_bytes(const struct token *t, uint32_t id, size_t *n);
bool token_is_special(const struct token *t, uint32_t id);
/* Id of an exact token text ("<|im_end|>"); -1: none. */
int64_t token_id(const struct token *t, const char *text);
/* True when a decoded text loses the space at its beginning: the encoder put it there. */
bool token_drops_space(const struct token *t);
/* One more than the largest id. */
uint32_t token_count(const struct token *t);
/* -1 when the source names none. */
int64_t token_bos(const struct token *t);
int64_t token_eos(const struct token *t);
int64_t token_pad(const struct token *t);
/* The chat template text of the source (tokenizer_config.json, chat_template.jinja, GGUF) or NULL. */
const char *token_chat_template(const struct token *t);
/* Hex SHA-256 over what decides the ids (vocabulary, merges, added tokens, pre-tokenizer): the same
 * for a tokenizer.json and a GGUF of the same tokenizer. */
const char *token_hash(const struct token *t);
/* By the source's word, does a text begin with bos? The encoder adds none. */
bool token_adds_bos(const struct token *t);
/* Is a space put before a text? */
bool token_adds_space(const struct token *t);
/* The metadata tokenizer.ggml.* of a GGUF file for a model of vocab rows. eos: what ends an answer
 * (-1: none); chat: chat template text, NULL: none. An error where GGUF has no words for it. */
int token_write_gguf(const struct token *t, uint32_t vocab, int64_t eos, const char *chat,
		     struct gguf_meta *m, struct err *err);
/* tokenizer.json text that Hugging Face tokenizers loads with the same behaviour. */
void token_write_json(const struct token *t, struct buf *out);

#endif
