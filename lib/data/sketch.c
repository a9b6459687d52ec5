/* SPDX-License-Identifier: Apache-2.0 */
#include "data/sketch.h"

#include "base/bytes.h"

#include <string.h>

enum {
	SKETCHED = 320, /* bytes of a text that are looked at */
	BATCH = 16 * 16, /* bytes of it at a time */
	NEAR_PROMPT = 60,
	NEAR_ANSWER = 75, /* per cent of the bins */
	TAKEN = 6, /* shingles that begin in sixteen bytes, at most */
};

static const uint64_t odd1 = 0x9E3779B97F4A7C15u, odd2 = 0xD6E8FEB86659FD93u;

/* Up to eight bytes, zeros behind them. */
static uint64_t word_at(const char *s, size_t n)
{
	uint64_t w = 0;

	memcpy(&w, s, n < 8 ? n : 8);
	return w;
}

static inline uint64_t mix(uint64_t h, uint64_t w)
{
	h = (h ^ w) * odd2;
	return h ^ h >> 32;
}

/* Four lanes, so that no product waits for the one before. */
uint64_t sketch_hash(uint64_t h, const char *s, size_t n)
{
	uint64_t a = h + n * odd1, b = h ^ odd1, c = h ^ odd2, d = ~h, w[4];

	if (n <= 8)
		return mix(mix(a, word_at(s, n)), odd1);
	for (; n >= sizeof(w); s += sizeof(w), n -= sizeof(w)) {
		memcpy(w, s, sizeof(w));
		a = mix(a, w[0]);
		b = mix(b, w[1]);
		c = mix(c, w[2]);
		d = mix(d, w[3]);
	}
	memset(w, 0, sizeof(w));
	memcpy(w, s, n);
	return mix(mix(mix(mix(a ^ w[0], b), c ^ w[1]), d ^ w[2]), w[3]);
}

static bool letter(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c >= 0x80;
}

uint64_t sketch_hash_words(const char *s, size_t n)
{
	char kept[256];
	size_t k = 0;
	uint64_t h = 0;

	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)s[i];

		c += c >= 'A' && c <= 'Z' ? 32 : 0;
		/* Punctuation of Chinese texts: U+3000 to U+303F, U+FF00 to U+FF20, U+2000 to U+206F. */
		if (n - i >= 3 && ((c == 0xE3 && (unsigned char)s[i + 1] == 0x80) ||
				   (c == 0xEF && (unsigned char)s[i + 1] == 0xBC) ||
				   (c == 0xE2 && (unsigned char)s[i + 1] == 0x80))) {
			i += 2;
			continue;
		}
		if (!letter(c))
			continue;
		kept[k++] = (char)c;
		if (k == sizeof(kept)) {
			h = sketch_hash(h, kept, k);
			k = 0;
		}
	}
	return sketch_hash(h, kept, k);
}

/* No branch: whether a hash is the least so far cannot be foretold. */
static inline void add_shingle(uint32_t *least, unsigned shift, uint64_t w)
{
	uint64_t h = (w << 16 | 0x2020202020200000u) * odd1;
	uint32_t x = (uint32_t)(h >> 24) | 1, *bin = &least[h >> shift];

	*bin = x < *bin ? x : *bin;
}

/* Bits where a word or a character of several bytes begins. *before: the byte before was a letter. */
static inline unsigned starts(const char *p, unsigned *before)
{
	bytes16 v = bytes_load(p), low = v | 0x20;
	unsigned words = bytes_bits((bytes16_answer)(((low - 'a') < 26) | ((v - '0') < 10)));
	unsigned first = words & ~(words << 1 | *before);

	*before = words >> 15;
	return first | bytes_bits((bytes16_answer)(v >= 0xC0));
}

/* The places where shingles begin in blocks of sixteen bytes, into at. No branch depends on the text. */
static unsigned places(const char *p, unsigned blocks, unsigned *before, uint16_t *at)
{
	unsigned n = 0;

	for (unsigned i = 0; i < 16 * blocks; i += 16) {
		unsigned m = starts(p + i, before);

		for (int k = 0; k < TAKEN; k++) {
			at[n] = (uint16_t)(i + (unsigned)__builtin_ctz(m | 1u << 16));
			n += m != 0;
			m &= m - 1;
		}
	}
	return n;
}

/* The least hash of each bin into v; a hash shifted right by shift names its bin. */
static inline __attribute__((always_inline)) void fill(uint8_t *v, unsigned bins, unsigned shift,
						       const char *s, size_t n)
{
	uint32_t least[SKETCH_ANSWER];
	uint16_t at[TAKEN * BATCH / 16 + TAKEN];
	unsigned before = 0, found;
	char rest[BATCH + 32];

	memset(least, 0xFF, sizeof(least));
	while (n > 0) {
		size_t part = n < BATCH ? n : BATCH;
		const char *p = s;

		if (n < sizeof(rest)) { /* nothing may be read behind the end */
			memcpy(rest, s, n);
			memset(rest + n, 0, sizeof(rest) - n);
			p = rest;
		}
		found = places(p, (unsigned)((part + 15) / 16), &before, at);
		for (unsigned k = 0; k < found; k++) {
			uint64_t w;

			memcpy(&w, p + at[k], 8);
			add_shingle(least, shift, w);
		}
		s += part;
		n -= part;
	}
	for (unsigned k = 0; k < bins; k++)
		v[k] = least[k] == UINT32_MAX ? 0 : (uint8_t)(1 + (least[k] >> 1) % 255);
}

void sketch_make(struct sketch *s, const char *prompt, size_t n_prompt, const char *answer,
		 size_t n_answer)
{
	uint32_t numbers = 0;

	fill(s->v, SKETCH_PROMPT, 61, prompt, n_prompt < SKETCHED ? n_prompt : SKETCHED);
	fill(s->v + SKETCH_PROMPT, SKETCH_ANSWER, 60, answer,
	     n_answer < SKETCHED ? n_answer : SKETCHED);
	s->length = n_answer < UINT32_MAX ? (uint32_t)n_answer : UINT32_MAX;
	for (size_t i = 0; i < n_prompt; i++)
		if (prompt[i] >= '0' && prompt[i] <= '9')
			numbers = numbers * 31 + (uint32_t)(prompt[i] - '0') + 1;
	s->numbers = numbers;
}

/* Of the bins that either has so many per cent are equal. */
static bool near(const uint8_t *a, const uint8_t *b, size_t bins, size_t percent)
{
	size_t used = 0, equal = 0;

	for (size_t i = 0; i < bins; i++) {
		used += a[i] || b[i];
		equal += a[i] && a[i] == b[i];
	}
	return used && equal * 100 >= used * percent;
}

bool sketch_near_answer(const struct sketch *a, const struct sketch *b)
{
	return a->answer == b->answer ||
	       near(a->v + SKETCH_PROMPT, b->v + SKETCH_PROMPT, SKETCH_ANSWER, NEAR_ANSWER);
}

bool sketch_near(const struct sketch *a, const struct sketch *b)
{
	return a->numbers == b->numbers &&
	       (a->prompt == b->prompt || near(a->v, b->v, SKETCH_PROMPT, NEAR_PROMPT)) &&
	       sketch_near_answer(a, b);
}
