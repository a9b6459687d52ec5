/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What of a record is remembered to compare it with others: hashes of its question and answer, and a
 * MinHash sketch of both in 24 bytes. A shingle is six bytes from where a word or a Chinese character
 * begins, up to some length of the text. Each falls into one bin, which keeps the least of its hashes
 * (one-permutation hashing), so that the share of equal bins estimates the share of shingles that two
 * texts have in common.
 */
#ifndef DATA_SKETCH_H
#define DATA_SKETCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SKETCH_PROMPT = 8, SKETCH_ANSWER = 16, SKETCH_BINS = SKETCH_PROMPT + SKETCH_ANSWER };

struct sketch {
	uint64_t prompt, answer; /* of the exact texts */
	uint32_t length; /* of the answer, in bytes */
	uint32_t numbers; /* of the prompt's digits: 2 + 3 is another question than 2 + 4 */
	uint8_t v[SKETCH_BINS]; /* 0: no shingle fell into this bin */
};

/* Bytes mixed into a hash that stands at h. */
uint64_t sketch_hash(uint64_t h, const char *s, size_t n);
/* The same of letters, digits and Chinese characters alone, in lower case: what is left of a text when
 * case, punctuation and white space are taken away. */
uint64_t sketch_hash_words(const char *s, size_t n);
/* The sketch of a question and an answer, into v, length and numbers of s. */
void sketch_make(struct sketch *s, const char *prompt, size_t n_prompt, const char *answer,
		 size_t n_answer);
/* Whether most of both question and answer is the same. */
bool sketch_near(const struct sketch *a, const struct sketch *b);
bool sketch_near_answer(const struct sketch *a, const struct sketch *b);

#endif
