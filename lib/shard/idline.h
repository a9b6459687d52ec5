/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Examples as JSON lines, ready tokenised: what `ds-tokenize --from-ids` reads and `ds-show --json`
 * prints. {"ids": [...], "prompt_len": n} is trained from n to the end, {"ids", "spans": [[b, e],
 * ...]} on these spans, {"prompt", "chosen", "rejected"} is a preference record.
 */
#ifndef SHARD_IDLINE_H
#define SHARD_IDLINE_H

#include "shard/shard.h"

/* One example and the room it lives in; starts as {0}. */
struct idline {
	struct example e;
	enum shard_stage stage;
	struct ids ids;
	struct buf spans;
};

/* Parse one line into *l (replaced). Other keys are ignored. Ids are below 2^31. */
int idline_parse(struct idline *l, const char *text, size_t n, struct err *err);
void idline_free(struct idline *l);
/* The example as such an object, with "text" last when text is not NULL; no newline. */
void idline_write(const struct example *e, enum shard_stage stage, const char *text, size_t n,
		  struct buf *out);

#endif
