/* SPDX-License-Identifier: Apache-2.0 */
/* Leftmost-longest search for added tokens. */
#include "token/vocab.h"

static uint32_t new_node(struct trie *tr, unsigned char c)
{
	if (tr->n == tr->cap) {
		tr->cap = tr->cap ? 2 * tr->cap : 64;
		tr->v = mem_grow(tr->v, tr->cap, sizeof(*tr->v));
	}
	tr->v[tr->n] = (struct trie_node){ .added = -1, .c = c };
	return (uint32_t)tr->n++;
}

static uint32_t child_of(const struct trie *tr, uint32_t node, unsigned char c)
{
	uint32_t i = tr->v[node].child;

	while (i && tr->v[i].c != c)
		i = tr->v[i].next;
	return i;
}

/* Of two tokens with the same text the first one added counts. */
void trie_add(struct trie *tr, const char *s, size_t n, int32_t added)
{
	uint32_t node = 0;

	if (!tr->n)
		new_node(tr, 0);
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)s[i];
		uint32_t next = child_of(tr, node, c);

		if (!next) {
			next = new_node(tr, c);
			tr->v[next].next = tr->v[node].child;
			tr->v[node].child = next;
			if (!node)
				tr->first[c] = next;
		}
		node = next;
	}
	if (tr->v[node].added < 0)
		tr->v[node].added = added;
}

int32_t trie_match(const struct trie *tr, const char *s, size_t n, size_t *at, size_t *len)
{
	for (size_t i = tr->n ? *at : n; i < n; i++) {
		uint32_t node = tr->first[(unsigned char)s[i]];
		int32_t best = -1;

		for (size_t k = i + 1; node; k++) {
			if (tr->v[node].added >= 0) {
				best = tr->v[node].added;
				*len = k - i;
			}
			node = k < n ? child_of(tr, node, (unsigned char)s[k]) : 0;
		}
		if (best >= 0) {
			*at = i;
			return best;
		}
	}
	return -1;
}

int32_t trie_find(const struct trie *tr, const char *s, size_t n)
{
	uint32_t node = 0;

	for (size_t i = 0; i < n; i++) {
		node = tr->n ? child_of(tr, node, (unsigned char)s[i]) : 0;
		if (!node)
			return -1;
	}
	return tr->n ? tr->v[node].added : -1;
}

void trie_free(struct trie *tr)
{
	mem_free(tr->v);
}
