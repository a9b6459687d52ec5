/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DPO's reference log-probabilities: two numbers a pair, which no step changes. They are computed once
 * for what decides their bits (data, base, adapters, back end, size of micro-batches ...) and kept in
 * a file whose name holds the hash of all that. A file is used only when it says the same of itself
 * word for word and its checksum is right; otherwise they are computed again. Either way they are the
 * same bits.
 *
 * The file: what decides them, as lines of text, the last one empty; the numbers, F32 little endian,
 * chosen and rejected of each pair in the order of the shard; the SHA-256 of all before it, in hex, and
 * a line feed.
 */
#ifndef TRAIN_REFERENCE_H
#define TRAIN_REFERENCE_H

#include "train/trainer.h"

struct reference_options {
	const char *tool; /* who says where they come from */
	const char *shard; /* its path; "-": standard input */
	const char *base_hash; /* source_hash of the base */
};

/* Fills t->reference: the base, adapter off, or wearing ref_model_adapters. o NULL: computed, nothing
 * said, nothing kept. Ends with ERR_INTERRUPTED when t->stop is set on the way. */
int reference_open(struct trainer *t, const struct reference_options *o, struct err *err);

#endif
