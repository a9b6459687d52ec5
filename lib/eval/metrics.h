/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an answer is worth: equality, chrF, repetition, and how much of it stands in other texts.
 * All count Unicode code points, so that Chinese and English are measured alike.
 */
#ifndef EVAL_METRICS_H
#define EVAL_METRICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A text as code points. Starts as {0}. */
struct text {
	uint32_t *c;
	size_t n;
};

/* Invalid UTF-8 becomes U+FFFD. Free with text_free. */
struct text text_of(const char *s, size_t n);
void text_free(struct text *t);
/* Whether more than half of what is not white space is Han, kana, hangul or their punctuation. */
bool text_is_cjk(const struct text *t);

/* Equal but for white space at the end of either. */
bool text_same(const struct text *a, const struct text *b);

#define CHRF_ORDER 6

/* Character n-grams of hypothesis and reference, and those they share, for n = 1..6. */
struct chrf {
	uint64_t hyp[CHRF_ORDER], ref[CHRF_ORDER], match[CHRF_ORDER];
};

/* Add a pair's counts; of a {0} they give the pair's own score, summed those of a corpus. White
 * space (Python's str.split) does not count. */
void chrf_add(struct chrf *sum, const struct text *hyp, const struct text *ref);
/*
 * chrF2 as sacrebleu 2 defines it, in [0, 100]: precision and recall are averaged over the orders
 * that both texts are long enough for, F = 5 P R / (4 P + R).
 */
double chrf_score(const struct chrf *s);

/*
 * Whether the text is stuck: something stands at least four times in a row, over at least 30 code
 * points (15 when it is CJK).
 */
bool text_repeats(const struct text *t);

/* From how many code points on a common run is a quotation: 40, of CJK text 20. */
size_t quote_length(const struct text *t);

/* How much of a text stands in others. */
struct overlap {
	size_t *reach; /* longest common run that ends at each of its code points */
	const struct text *text;
	size_t quote; /* quote_length(text) */
	uint64_t *grams; /* which runs of quote / 2 it holds, hashed */
};

/* text is borrowed. Runs shorter than half a quotation are not looked for. */
void overlap_open(struct overlap *o, const struct text *text);
void overlap_close(struct overlap *o);
/* Compare with another text; returns the longest run of code points they have in common (0: none
 * of half a quotation). */
size_t overlap_add(struct overlap *o, const struct text *other);
/* Share of the text that is covered by quotations from the texts that were added. */
double overlap_share(const struct overlap *o);
/* Whether a common run of this length gives the text away as the other's: it is a quotation, or at
 * least half of the text and half a quotation. */
bool overlap_tells(const struct overlap *o, size_t run);

#endif
