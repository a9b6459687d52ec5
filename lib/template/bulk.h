/* SPDX-License-Identifier: Apache-2.0 */
/* Data sets into a shard, on several threads. */
#ifndef TEMPLATE_BULK_H
#define TEMPLATE_BULK_H

#include "data/dataset.h"
#include "template/template.h"

struct bulk {
	const struct encode_settings *settings;
	const struct token *tok;
	struct shard_writer *writer;
	struct encode_counts *counts; /* added to */
	size_t most; /* records that are taken; 0: all */
	int threads;
};

/* Append the examples of d, in order, and count its records in *n. Bytes and the first error are the
 * same for any number of threads; memory is bounded by the longest records. */
int bulk_encode(const struct bulk *b, const struct dataset *d, size_t *n, struct err *err);

#endif
