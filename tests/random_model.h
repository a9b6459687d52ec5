/* SPDX-License-Identifier: Apache-2.0 */
/* Models of a shape, with random weights: what a test or a bench needs where numbers mean nothing. */
#ifndef TESTS_RANDOM_MODEL_H
#define TESTS_RANDOM_MODEL_H

#include "base/file.h"
#include "model/entries.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* hidden, ffn, layers, heads, key heads, head size, vocabulary. */
static struct arch random_arch(const char *type, int d, int f, int l, int h, int k, int e, int v)
{
	struct arch a = { .hidden = d,
			  .ffn = f,
			  .n_layers = l,
			  .n_heads = h,
			  .n_kv_heads = k,
			  .head_size = e,
			  .vocab = v,
			  .max_positions = 8192,
			  .rms_eps = 1e-6f,
			  .rope = { .theta = 1e6 },
			  .tied = true,
			  .qkv_bias = !strcmp(type, "qwen2"),
			  .dtype = DT_BF16,
			  .bos = -1,
			  .eos = 0,
			  .pad = -1 };

	snprintf(a.model_type, sizeof(a.model_type), "%s", type);
	return a;
}

/* n numbers of one tensor: norms are 1, the rest uniform, of the size that training leaves. */
static int random_tensor(struct st_writer *w, const struct tensor_entry *t, uint64_t *state,
			 struct err *err)
{
	uint64_t n = 0, cols = t->dims[t->n_dims - 1];
	bool norm = strstr(t->name, "norm") != NULL;
	uint16_t piece[4096];
	int rc = 0;

	tensor_entry_count(t, &n);
	while (n && rc == 0) {
		size_t some = n < 4096 ? (size_t)n : 4096;

		for (size_t i = 0; i < some; i++) {
			*state = *state * 6364136223846793005u + 1442695040888963407u;
			piece[i] = f32_to_bf16(norm ? 1.0f
						    : ((float)(*state >> 40) / 8388608.0f - 1) /
							       sqrtf((float)cols));
		}
		rc = st_writer_put(w, piece, some * sizeof(*piece), err);
		n -= some;
	}
	return rc;
}

/* A folder that stands: config.json and model.safetensors in bf16. */
__attribute__((unused)) static int random_model(const char *dir, const struct arch *a,
						struct err *err)
{
	char *config = path_join(dir, "config.json"),
	     *weights = path_join(dir, "model.safetensors");
	struct buf text = { 0 };
	struct entries e = { 0 };
	struct st_writer w;
	uint64_t state = 1;
	int rc;

	arch_write_json(a, DT_BF16, &text);
	entries_list(&e, a, DT_BF16);
	rc = file_write(config, text.p, text.n, err);
	if (rc == 0)
		rc = st_writer_open(&w, weights, e.v, e.n, NULL, err);
	for (size_t i = 0; rc == 0 && i < e.n; i++)
		if ((rc = random_tensor(&w, &e.v[i], &state, err)) < 0)
			st_writer_abort(&w);
	if (rc == 0)
		rc = st_writer_close(&w, err);
	entries_free(&e);
	buf_free(&text);
	mem_free(config);
	mem_free(weights);
	return rc;
}

#endif
