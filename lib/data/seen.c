/* SPDX-License-Identifier: Apache-2.0 */
#include "data/seen.h"

#include "base/mem.h"

#include <string.h>

enum {
	BAND = 4, /* bins that must be equal at once */
	BANDS = SKETCH_BINS / BAND,
	BY_PROMPT = BANDS,
	BY_ANSWER,
	TABLES,
	INDEX_BITS = 20,
};

_Static_assert(SEEN_MAX == 1 << INDEX_BITS, "an index names a record");

struct entry {
	struct sketch k;
	uint64_t line : 63, told : 1; /* told: that its question has several answers */
};

/* A slot: the hash's upper bits, and the record's index in the lower ones. */
struct seen {
	struct entry *v;
	uint64_t *slots[TABLES];
	uint64_t n;
	uint64_t h[TABLES]; /* of the record that is looked at */
};

struct seen *seen_new(void)
{
	struct seen *s = mem_new(1, sizeof(*s));

	s->v = mem_new(SEEN_MAX, sizeof(*s->v));
	for (int i = 0; i < TABLES; i++)
		s->slots[i] = mem_new(SEEN_MAX, sizeof(**s->slots));
	return s;
}

void seen_free(struct seen *s)
{
	if (!s)
		return;
	mem_free(s->v);
	for (int i = 0; i < TABLES; i++)
		mem_free(s->slots[i]);
	mem_free(s);
}

static uint64_t *slot_of(const struct seen *s, int table, uint64_t h)
{
	return &s->slots[table][h & (SEEN_MAX - 1)];
}

/* The record that a slot names, if it is of this hash; 0 is no slot: hashes are never so. */
static struct entry *find(const struct seen *s, int table, uint64_t h)
{
	uint64_t slot = *slot_of(s, table, h);

	return slot && slot >> INDEX_BITS == h >> INDEX_BITS ? &s->v[slot & (SEEN_MAX - 1)] : NULL;
}

/* The hash of a band; 0 when too little is in it to say anything. */
static uint64_t band(const struct sketch *k, int b)
{
	const uint8_t *v = k->v + b * BAND;
	int used = (v[0] != 0) + (v[1] != 0) + (v[2] != 0) + (v[3] != 0);

	return used < 2 ? 0
			: sketch_hash((uint64_t)b + 1, (const char *)v, BAND) | 1u << INDEX_BITS;
}

static void compare(const struct seen *s, const struct sketch *k, const uint64_t *h,
		    struct seen_like *like)
{
	struct entry *e = find(s, BY_PROMPT, h[BY_PROMPT]);

	if (e && e->k.prompt == k->prompt && e->k.answer == k->answer) {
		like->same = e->line;
	} else if (e && e->k.prompt == k->prompt && !e->told && !sketch_near_answer(&e->k, k)) {
		like->conflict = e->line;
		e->told = 1;
	}
	for (int b = 0; b < BANDS && !like->same && !like->near; b++) {
		e = h[b] ? find(s, b, h[b]) : NULL;
		if (e && sketch_near(&e->k, k))
			like->near = e->line;
	}
	e = find(s, BY_ANSWER, h[BY_ANSWER]);
	like->asked = e && e->k.answer == k->answer && e->k.prompt != k->prompt;
}

void seen_look(struct seen *s, const struct sketch *k)
{
	for (int b = 0; b < BANDS; b++)
		s->h[b] = band(k, b);
	s->h[BY_PROMPT] = k->prompt | 1u << INDEX_BITS;
	s->h[BY_ANSWER] = k->answer | 1u << INDEX_BITS;
	for (int t = 0; t < TABLES; t++)
		__builtin_prefetch(slot_of(s, t, s->h[t]), 1);
}

void seen_add(struct seen *s, const struct sketch *k, uint64_t line, struct seen_like *like)
{
	uint64_t index = s->n++ & (SEEN_MAX - 1);
	const uint64_t *h = s->h;
	const struct entry *same;
	bool told;

	*like = (struct seen_like){ 0 };
	compare(s, k, h, like);
	same = find(s, BY_PROMPT, h[BY_PROMPT]);
	told = same && same->k.prompt == k->prompt && same->told;
	s->v[index] = (struct entry){ *k, line, told };
	for (int t = 0; t < TABLES; t++)
		if (h[t])
			*slot_of(s, t, h[t]) = (h[t] & ~(uint64_t)(SEEN_MAX - 1)) | index;
}
