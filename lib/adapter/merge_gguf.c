/* SPDX-License-Identifier: Apache-2.0 */
/* The merged model, or the adapters alone, as one GGUF file: as llama.cpp's converter and llama-quantize
 * would make it. */
#include "adapter/merge_parts.h"

#include "adapter/lora_gguf.h"
#include "base/file.h"
#include "format/gguf_writer.h"
#include "model/permute.h"

#include <stdio.h>
#include <string.h>

#define ROPE_FREQS "rope_freqs.weight"

/* general.file_type */
static uint32_t file_type(enum dtype t)
{
	switch (t) {
	case DT_F32:
		return 0;
	case DT_F16:
		return 1;
	case DT_Q4_0:
		return 2;
	case DT_Q8_0:
		return 7;
	case DT_Q4_K:
		return 15; /* the mixture Q4_K_M */
	default:
		return 32; /* BF16 */
	}
}

/* How answers are drawn, where the base says so: llama.cpp takes these for its defaults. */
static void write_sampling(const struct merge_sampling *s, struct gguf_meta *meta)
{
	if (!s->known || s->temperature <= 0)
		return;
	gguf_meta_f32(meta, "general.sampling.temp", (float)s->temperature);
	gguf_meta_u32(meta, "general.sampling.top_k", (uint32_t)s->top_k);
	gguf_meta_f32(meta, "general.sampling.top_p", (float)s->top_p);
	gguf_meta_f32(meta, "general.sampling.penalty_repeat", (float)s->repetition_penalty);
}

static int write_meta(struct merge *m, struct gguf_meta *meta, struct err *err)
{
	const struct arch *a = &m->src.arch;

	gguf_meta_cstr(meta, "general.architecture", arch_gguf_name(a));
	gguf_meta_cstr(meta, "general.type", "model");
	gguf_meta_u32(meta, "general.file_type", file_type(m->type));
	gguf_meta_u32(meta, "general.quantization_version", 2);
	write_sampling(&m->sampling, meta);
	if (arch_write_gguf(a, meta, err) < 0)
		return -1;
	return token_write_gguf(m->tok, (uint32_t)a->vocab, m->eos, m->chat.n ? m->chat.p : NULL,
				meta, err);
}

/* Names and types of the file's tensors, beside Hugging Face's names in the same order; the divisors
 * of a Llama 3 rotation at the end. */
static void list_gguf(struct entries *out, const struct entries *hf, const struct arch *a,
		      enum dtype wanted)
{
	float divisors[ROPE_MAX_HEAD / 2];
	char name[160];

	out->v = mem_new(hf->n + 1, sizeof(*out->v));
	for (size_t i = 0; i < hf->n; i++) {
		struct tensor_entry *e = &out->v[out->n++];

		*e = hf->v[i];
		source_gguf_name(e->name, name, sizeof(name));
		e->name = arena_strndup(&out->arena, name, strlen(name));
		e->type = e->n_dims == 2 ? arch_gguf_type(a, name, (int64_t)e->dims[1], wanted)
					 : DT_F32;
	}
	if (rope_divisors(&a->rope, a->head_size, divisors))
		out->v[out->n++] = (struct tensor_entry){
			ROPE_FREQS, DT_F32, 1, { (uint64_t)a->head_size / 2 }
		};
}

/* Rows of q and k in llama.cpp's order. */
static float *permuted(float *x, const struct tensor_entry *e, const struct arch *a)
{
	int64_t rows = (int64_t)e->dims[0];
	size_t row = (e->n_dims == 2 ? (size_t)e->dims[1] : 1) * sizeof(*x);
	int heads = strstr(e->name, "q_proj")   ? a->n_heads
		    : strstr(e->name, "k_proj") ? a->n_kv_heads
						: 0;
	float *to;

	if (!heads || !arch_gguf_permutes(a))
		return x;
	to = mem_new((size_t)rows, row);
	rope_permute(to, x, rows, row, heads, true);
	mem_free(x);
	return to;
}

static int put_tensor(struct gguf_writer *w, struct merge *m, const struct tensor_entry *hf,
		      enum dtype t, struct err *err)
{
	size_t bytes;
	void *out = merge_tensor(m, hf, t, permuted, &bytes, err);
	int rc = out ? gguf_writer_put(w, out, bytes, err) : -1;

	mem_free(out);
	return rc;
}

static int put_all(struct gguf_writer *w, struct merge *m, const struct entries *hf,
		   const struct entries *gguf, struct err *err)
{
	const struct arch *a = &m->src.arch;
	float divisors[ROPE_MAX_HEAD / 2];
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < hf->n; i++)
		rc = put_tensor(w, m, &hf->v[i], gguf->v[i].type, err);
	if (rc == 0 && rope_divisors(&a->rope, a->head_size, divisors))
		rc = gguf_writer_put(w, divisors, (size_t)a->head_size / 2 * sizeof(*divisors),
				     err);
	return rc;
}

int merge_write_gguf(struct merge *m, const char *dir, struct err *err)
{
	char *path = path_join(dir, MERGE_MODEL_GGUF);
	struct entries hf = { 0 }, gguf = { 0 };
	struct gguf_meta meta = { 0 };
	struct gguf_writer w = { 0 };
	int rc = write_meta(m, &meta, err);

	entries_list(&hf, &m->src.arch, DT_F32);
	list_gguf(&gguf, &hf, &m->src.arch, m->type);
	if (rc == 0)
		rc = gguf_writer_open(&w, path, &meta, gguf.v, gguf.n, err);
	if (rc == 0)
		rc = put_all(&w, m, &hf, &gguf, err);
	if (rc == 0)
		rc = gguf_writer_close(&w, err);
	gguf_writer_abort(&w);
	gguf_meta_free(&meta);
	entries_free(&gguf);
	entries_free(&hf);
	mem_free(path);
	return rc;
}

int merge_write_lora(struct merge *m, const char *dir, struct err *err)
{
	char *path = path_join(dir, MERGE_ADAPTER_GGUF);
	int rc = lora_gguf_write(path, &m->adapters, m->dev, m->type, err);

	mem_free(path);
	return rc;
}
