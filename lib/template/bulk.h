/* SPDX-License-Identifier: Apache-2.0 */
/* Data sets into a shard, on several threads. */
#ifndef TEMPLATE_BULK_H
#define TEMPLATE_BULK_H

#include "data/mix.h"
#include "template/template.h"

struct bulk {
	const struct encode_settings *settings;
	const struct token *tok;
	struct mix *mix;
	struct shard_writer *writer;
	struct shard_writer *held; /* for what is held out; NULL: that goes nowhere */
	struct encode_counts *counts; /* added to */
	int threads;
};

/* Append the examples of the mix, in order, but for answers that are bad by kto_tag; *n_held counts those that are held out. Bytes and the first
 * error are the same for any number of threads; memory is bounded by the longest records. */
int bulk_encode(const struct bulk *b, const struct dataset *sets, uint64_t *n_held,
		struct err *err);

#endif
