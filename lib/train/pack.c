/* SPDX-License-Identifier: Apache-2.0 */
#include "train/pack.h"

#include "base/mem.h"

#include <string.h>

/* Tokens [begin, end) of sequence `seq`, behind those of its ancestors. */
struct pack_node {
	int parent, child, next; /* child and next: 0 is none */
	int seq;
	uint32_t begin, end;
	int first; /* index in the batch of its first token, once emitted */
};

/* A sequence and the node that holds its last token. */
struct pack_sequence {
	struct sequence s;
	int leaf;
};

/* Each sequence adds a node and splits one at most. */
static size_t most_sequences(const struct batch_limits *l)
{
	return (size_t)l->rows + 2;
}

static size_t most_nodes(const struct batch_limits *l)
{
	return 2 * most_sequences(l) + 1;
}

size_t pack_bytes(const struct batch_limits *l)
{
	return most_sequences(l) * sizeof(struct pack_sequence) +
	       most_nodes(l) * sizeof(struct pack_node) + (size_t)l->tokens * sizeof(uint32_t);
}

void pack_open(struct pack *p, struct batch *b)
{
	memset(p, 0, sizeof(*p));
	p->batch = b;
	p->share = true;
	p->seqs = mem_new(most_sequences(&b->limits), sizeof(*p->seqs));
	p->nodes = mem_new(most_nodes(&b->limits), sizeof(*p->nodes));
	p->n_nodes = 1;
	p->ids = mem_new((size_t)b->limits.tokens, sizeof(*p->ids));
}

void pack_close(struct pack *p)
{
	mem_free(p->nodes);
	mem_free(p->seqs);
	mem_free(p->ids);
	memset(p, 0, sizeof(*p));
}

static uint32_t length(const struct sequence *s)
{
	return s->n_head + s->n_tail;
}

static uint32_t id_at(const struct sequence *s, uint32_t i)
{
	return i < s->n_head ? s->head[i] : s->tail[i - s->n_head];
}

/* Trained positions [begin, end) of span i; false when there is no such span. */
static bool span_at(const struct sequence *s, uint32_t i, struct span *span)
{
	if (i >= (s->spans ? s->n_spans : 1))
		return false;
	*span = s->spans ? s->spans[i] : (struct span){ s->n_head, length(s) };
	span->begin += span->begin == 0;
	return true;
}

int sequence_rows(const struct sequence *s)
{
	struct span span;
	int n = 0;

	for (uint32_t i = 0; span_at(s, i, &span); i++)
		n += (int)(span.end - span.begin);
	return n;
}

/* Equal tokens of both from position `at` on, before `end`. */
static uint32_t equal(const struct sequence *a, const struct sequence *b, uint32_t at, uint32_t end)
{
	uint32_t i = at;

	if (end > length(b))
		end = length(b);
	while (i < end && id_at(a, i) == id_at(b, i))
		i++;
	return i - at;
}

int pack_alone(const struct sequence *v, int n, bool share)
{
	uint32_t sum = length(&v[0]), same;

	if (n == 1)
		return (int)sum;
	same = equal(&v[0], &v[1], 0, length(&v[0]));
	if (!share || (same < PACK_MIN_SHARED && same < sum && same < length(&v[1])))
		same = 0;
	return (int)(sum + length(&v[1]) - same);
}

static int depth(const struct pack *p, int node)
{
	int d = 0;

	for (; node; node = p->nodes[node].parent)
		d++;
	return d;
}

/* Levels of the tree below and with `node`. */
static int height(const struct pack *p, int node)
{
	int most = 0;

	for (int c = p->nodes[node].child; c; c = p->nodes[c].next) {
		int h = height(p, c);

		most = h > most ? h : most;
	}
	return most + 1;
}

static void append_child(struct pack *p, int parent, int node)
{
	int *at = &p->nodes[parent].child;

	while (*at)
		at = &p->nodes[*at].next;
	*at = node;
	p->nodes[node].parent = parent;
	p->nodes[node].next = 0;
}

/* The first n tokens of a node become a node above it; returns that. */
static int split(struct pack *p, int node, uint32_t n)
{
	int upper = p->n_nodes++, parent = p->nodes[node].parent, *at = &p->nodes[parent].child;
	struct pack_node *u = &p->nodes[upper], *lower = &p->nodes[node];

	while (*at != node)
		at = &p->nodes[*at].next;
	*at = upper;
	*u = (struct pack_node){ .parent = parent,
				 .child = node,
				 .next = lower->next,
				 .seq = lower->seq,
				 .begin = lower->begin,
				 .end = lower->begin + n };
	lower->parent = upper;
	lower->next = 0;
	lower->begin += n;
	return upper;
}

/* The child of `node` that has the most tokens in common with s at pos, *n of them; 0: none. */
static int nearest(const struct pack *p, int node, const struct sequence *s, uint32_t pos,
		   uint32_t *n)
{
	int best = 0;

	*n = 0;
	for (int c = p->nodes[node].child; c; c = p->nodes[c].next) {
		const struct pack_node *child = &p->nodes[c];
		uint32_t same = equal(&p->seqs[child->seq].s, s, pos, child->end);

		if (same > *n) {
			*n = same;
			best = c;
		}
	}
	return best;
}

static void new_leaf(struct pack *p, int parent, int seq, uint32_t pos)
{
	int node = p->n_nodes++;

	while (depth(p, parent) >= PACK_DEPTH) { /* tokens stand again rather than deeper */
		pos = p->nodes[parent].begin;
		parent = p->nodes[parent].parent;
	}
	p->nodes[node] =
		(struct pack_node){ .seq = seq, .begin = pos, .end = length(&p->seqs[seq].s) };
	append_child(p, parent, node);
	p->n_tokens += (int)(p->nodes[node].end - pos);
	p->seqs[seq].leaf = node;
}

static void insert(struct pack *p, int seq)
{
	const struct sequence *s = &p->seqs[seq].s;
	uint32_t pos = 0, n;
	int at = 0, child;

	p->n_rows += sequence_rows(s);
	while (p->share && (child = nearest(p, at, s, pos, &n))) {
		const struct pack_node *c = &p->nodes[child];

		if (pos + n == length(s)) { /* it ends within what is there */
			p->seqs[seq].leaf = child;
			return;
		}
		if (pos + n < c->end) {
			if (n < PACK_MIN_SHARED || depth(p, at) + 1 + height(p, child) > PACK_DEPTH)
				break;
			child = split(p, child, n);
		}
		at = child;
		pos += n;
	}
	new_leaf(p, at, seq, pos);
}

static void clear(struct pack *p)
{
	p->nodes[0] = (struct pack_node){ 0 };
	p->n_nodes = 1;
	p->n_tokens = p->n_rows = 0;
}

bool pack_add(struct pack *p, const struct sequence *v, int n)
{
	int before = p->n_seqs, rows = p->n_rows, room = p->batch->limits.rows + 2;

	for (int i = 0; i < n; i++)
		rows += sequence_rows(&v[i]);
	if (rows > p->batch->limits.rows || before + n > room)
		return false;
	for (int i = 0; i < n; i++) {
		p->seqs[p->n_seqs].s = v[i];
		insert(p, p->n_seqs++);
	}
	if (p->n_tokens <= p->batch->limits.tokens)
		return true;
	clear(p); /* once more without them */
	p->n_seqs = before;
	for (int i = 0; i < before; i++)
		insert(p, i);
	return false;
}

/* A node's tokens as a segment behind its parent's, and what is below it. */
static void emit_node(struct pack *p, int node, int parent_segment)
{
	struct pack_node *n = &p->nodes[node];
	int segment;

	for (uint32_t i = n->begin; i < n->end; i++)
		p->ids[i - n->begin] = id_at(&p->seqs[n->seq].s, i);
	segment = batch_segment(p->batch, p->ids, (int)(n->end - n->begin), parent_segment);
	n->first = batch_first(p->batch, segment);
	for (int c = n->child; c; c = p->nodes[c].next)
		emit_node(p, c, segment);
}

/* Where position i of a sequence stands in the batch. */
static int index_of(const struct pack *p, const struct pack_sequence *s, uint32_t i)
{
	int node = s->leaf;

	while (i < p->nodes[node].begin)
		node = p->nodes[node].parent;
	return p->nodes[node].first + (int)(i - p->nodes[node].begin);
}

void pack_emit(struct pack *p)
{
	batch_reset(p->batch);
	for (int c = p->nodes[0].child; c; c = p->nodes[c].next)
		emit_node(p, c, -1);
	for (int k = 0; k < p->n_seqs; k++) {
		const struct pack_sequence *s = &p->seqs[k];
		struct span span;

		for (uint32_t i = 0; span_at(&s->s, i, &span); i++)
			for (uint32_t t = span.begin; t < span.end; t++)
				batch_row(p->batch, index_of(p, s, t - 1), id_at(&s->s, t));
	}
	clear(p);
	p->n_seqs = 0;
}
