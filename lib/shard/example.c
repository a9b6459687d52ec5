/* SPDX-License-Identifier: Apache-2.0 */
#include "shard/shard.h"

static const char *spans_fault(const struct example *e)
{
	uint32_t at = 0;

	if (!e->n_spans)
		return "no token is trained";
	for (uint32_t i = 0; i < e->n_spans; i++) {
		if (e->spans[i].begin < at)
			return "spans overlap or are out of order";
		if (e->spans[i].end <= e->spans[i].begin)
			return "a span is empty";
		if (e->spans[i].end > e->n_ids)
			return "a span ends after the last id";
		at = e->spans[i].end;
	}
	/* The first token has nothing before it to be predicted from. */
	return at < 2 ? "no token but the first is trained" : NULL;
}

const char *shard_example_fault(const struct example *e, enum shard_stage stage,
				uint32_t vocab_size)
{
	uint32_t top = 0;

	if (e->n_ids < 2)
		return "fewer than 2 ids";
	if (e->n_ids > SHARD_IDS_MAX)
		return "more than 16777216 ids";
	for (uint32_t i = 0; i < e->n_ids; i++)
		top = e->ids[i] > top ? e->ids[i] : top;
	if (vocab_size && top >= vocab_size)
		return "an id is not in the vocabulary";
	if (stage == SHARD_SFT)
		return spans_fault(e);
	if (!e->n_prompt || !e->n_chosen)
		return "an empty prompt or chosen answer";
	if (e->n_prompt > e->n_ids || e->n_chosen >= e->n_ids - e->n_prompt)
		return "an empty rejected answer";
	return NULL;
}
