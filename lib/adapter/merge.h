/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Adapters into a base, written as a Hugging Face folder: config.json, model.safetensors, the
 * tokenizer, a chat template that renders what was trained, and the provenance. One tensor is in
 * memory at a time. Without adapters it is a conversion of the base.
 */
#ifndef ADAPTER_MERGE_H
#define ADAPTER_MERGE_H

#include "adapter/adapter.h"
#include "template/template.h"
#include "token/token.h"

struct merge_job {
	const char *model, *adapters; /* adapters: comma-separated, NULL: none */
	const char *out; /* the folder; one that ft-merge made is replaced */
	const char *tool;
	/* The template whose text goes along, and its system prompt; NULL: the source's own text. */
	const struct template *template;
	const char *system;
};

int merge_write(const struct merge_job *job, struct dev *dev, struct err *err);

/* How far two ways to the same logits are apart, over the tokens of probe texts. */
struct merge_difference {
	int n_tokens;
	double max_abs; /* largest |difference| of a logit */
	double relative; /* |difference| / |logits - their mean|, as vectors */
	double kl; /* largest KL(base + adapter || merged) of a token, nats */
	int same_top; /* tokens whose largest logit agrees */
};

/* Base with the adapters beside it, and the merged folder; both in fp32 arithmetic. */
int merge_compare(const struct merge_job *job, struct dev *dev, struct merge_difference *d,
		  struct err *err);

#endif
