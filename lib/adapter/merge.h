/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Adapters into a base, written as a folder: Hugging Face's (config.json, safetensors, tokenizer, chat
 * template), or one with model.gguf; or the adapters alone as adapter.gguf. Beside them a Modelfile
 * for Ollama, a model card and the provenance. One tensor is in memory at a time. Without adapters it
 * is a conversion of the base.
 */
#ifndef ADAPTER_MERGE_H
#define ADAPTER_MERGE_H

#include "adapter/adapter.h"
#include "template/template.h"
#include "token/token.h"

enum merge_format { MERGE_HF, MERGE_GGUF, MERGE_LORA_GGUF };

#define MERGE_MODEL_GGUF   "model.gguf"
#define MERGE_ADAPTER_GGUF "adapter.gguf"

struct merge_job {
	const char *model, *adapters; /* adapters: comma-separated, NULL: none */
	const char *out; /* the folder; one that ft-merge made is replaced */
	const char *tool;
	/* The template whose text goes along, and its system prompt; NULL: the source's own text. */
	const struct template *template;
	const char *system;
	const char *thinking; /* as in struct provenance */
	enum merge_format format;
	enum dtype
		type; /* of matrices; DT_COUNT: F32 for a base in F32 and for adapters, else BF16 */
	bool force; /* adapters that were trained on another base, too */
	uint64_t max_shard_size; /* bytes of tensors in one safetensors file */
};

/* Whether the format can hold a type. */
bool merge_holds(enum merge_format f, enum dtype t);
/* "F32, F16, BF16": for messages. */
const char *merge_types(enum merge_format f);

int merge_write(const struct merge_job *job, struct dev *dev, struct err *err);

/* How far two ways to the same logits are apart, over the tokens of probe texts. */
struct merge_difference {
	int n_tokens;
	double max_abs; /* largest |difference| of a logit */
	double relative; /* |difference| / |logits - their mean|, as vectors */
	double kl; /* largest KL(base + adapter || merged) of a token, nats */
	int same_top; /* tokens whose largest logit agrees */
	double bound; /* of relative: rounding to the type stays below */
};

/* Base with the adapters beside it, and what was written; both in fp32 arithmetic. */
int merge_compare(const struct merge_job *job, struct dev *dev, struct merge_difference *d,
		  struct err *err);

#endif
