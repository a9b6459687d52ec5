/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sequences into a micro-batch as a token trie: what several have at their beginning (a system
 * prompt, the prompt of a preference pair) stands there once, as a segment that the rest of each
 * sees. Positions and masks are those of the sequences by themselves, so the numbers are, too.
 */
#ifndef TRAIN_PACK_H
#define TRAIN_PACK_H

#include "model/batch.h"
#include "shard/shard.h"

/* A beginning shorter than this is not worth a segment of its own. */
#define PACK_MIN_SHARED 8
/* Segments above one another; key ranges of one are as many. */
#define PACK_DEPTH 8

/* Ids of two pieces end to end (borrowed), and which of them are trained. */
struct sequence {
	const uint32_t *head, *tail;
	uint32_t n_head, n_tail;
	const struct span *spans; /* NULL: the tail is trained whole */
	uint32_t n_spans;
};

/* Tokens whose prediction is trained; the first of a sequence is predicted by nothing. */
int sequence_rows(const struct sequence *s);

struct pack {
	struct batch *batch; /* borrowed; its limits are the pack's */
	bool share; /* off: every sequence stands by itself */
	struct pack_node *nodes; /* [0] is the root, which holds no token */
	int n_nodes;
	struct pack_sequence *seqs;
	int n_seqs;
	int n_tokens, n_rows; /* of what is in it */
	uint32_t *ids; /* of one segment */
};

size_t pack_bytes(const struct batch_limits *l); /* what it takes */
void pack_open(struct pack *p, struct batch *b);
void pack_close(struct pack *p); /* fine on {0} */
/* Adds sequences that belong together; false, and nothing is changed, when they do not fit beside
 * what is there. */
bool pack_add(struct pack *p, const struct sequence *v, int n);
/* The tokens that one or two sequences take by themselves. */
int pack_alone(const struct sequence *v, int n, bool share);
/* Fills the batch (its loss rows in the order of the sequences and of their tokens), and is empty. */
void pack_emit(struct pack *p);

#endif
