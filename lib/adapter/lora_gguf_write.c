/* SPDX-License-Identifier: Apache-2.0 */
#include "adapter/lora_gguf.h"

#include "base/mem.h"
#include "format/gguf_writer.h"
#include "format/quantize.h"
#include "model/permute.h"

#include <stdio.h>
#include <string.h>

/* One linear of one layer. */
struct joint {
	int layer;
	enum lora_module module;
	int64_t in, out, rank;
};

struct writing {
	const struct arch *arch;
	struct lora lora; /* the list as one adapter */
	double alpha;
	enum dtype type;
	struct joint *joints;
	struct tensor_entry *entries; /* two a joint: A, B */
	size_t n;
	struct arena arena;
};

static void list_joints(struct writing *w)
{
	const struct arch *a = w->arch;

	w->joints = mem_new((size_t)a->n_layers * LORA_MODULES, sizeof(*w->joints));
	for (int layer = 0; layer < a->n_layers; layer++)
		for (int m = 0; m < LORA_MODULES; m++)
			if (w->lora.layers[layer].rank[m])
				w->joints[w->n++] =
					(struct joint){ layer, (enum lora_module)m,
							lora_in(a, lora_group_of[m]),
							lora_out(a, (enum lora_module)m),
							w->lora.layers[layer].rank[m] };
}

/* What alpha is for a tensor of this rank to be scaled as the adapter wants. */
static double alpha_of(const struct writing *w, const struct joint *j)
{
	return w->lora.layers[j->layer].scale[j->module] * (double)j->rank;
}

static void list_entries(struct writing *w)
{
	w->entries = mem_new(2 * w->n, sizeof(*w->entries));
	for (size_t i = 0; i < w->n; i++) {
		const struct joint *j = &w->joints[i];
		char weight[160], name[160];

		snprintf(weight, sizeof(weight), "model.layers.%d.%s.weight", j->layer,
			 lora_module_path[j->module]);
		source_gguf_name(weight, name, sizeof(name));
		w->entries[2 * i] = (struct tensor_entry){
			arena_printf(&w->arena, "%s.lora_a", name),
			w->type,
			2,
			{ (uint64_t)j->rank, (uint64_t)j->in },
		};
		w->entries[2 * i + 1] = (struct tensor_entry){
			arena_printf(&w->arena, "%s.lora_b", name),
			w->type,
			2,
			{ (uint64_t)j->out, (uint64_t)j->rank },
		};
	}
}

/* A and B of a joint, B with what the file's alpha does not say. */
static void numbers(const struct writing *w, const struct joint *j, float *a, float *b)
{
	double factor = alpha_of(w, j) / w->alpha;

	lora_get(&w->lora, w->lora.p, j->layer, j->module, a, b);
	for (int64_t i = 0; i < j->out * j->rank; i++)
		b[i] = (float)(b[i] * factor);
}

static int put(struct gguf_writer *g, const float *x, size_t n, enum dtype t, struct err *err)
{
	size_t bytes;
	void *out;
	int rc;

	dtype_bytes(t, n, &bytes);
	out = mem_new(bytes, 1);
	quantize(t, x, n, out);
	rc = gguf_writer_put(g, out, bytes, err);
	mem_free(out);
	return rc;
}

static int put_joint(const struct writing *w, struct gguf_writer *g, const struct joint *j,
		     struct err *err)
{
	size_t na = (size_t)(j->rank * j->in), nb = (size_t)(j->out * j->rank);
	float *a = mem_new(na, sizeof(*a)), *b = mem_new(nb, sizeof(*b)), *from = b, *to = NULL;
	int heads = j->module == LORA_Q   ? w->arch->n_heads
		    : j->module == LORA_K ? w->arch->n_kv_heads
					  : 0;
	int rc;

	numbers(w, j, a, b);
	if (heads && arch_gguf_permutes(w->arch)) {
		from = to = mem_new(nb, sizeof(*to));
		rope_permute(to, b, j->out, (size_t)j->rank * sizeof(*b), heads, true);
	}
	rc = put(g, a, na, w->type, err);
	if (rc == 0)
		rc = put(g, from, nb, w->type, err);
	mem_free(a);
	mem_free(b);
	mem_free(to);
	return rc;
}

static int write_file(struct writing *w, const char *path, struct err *err)
{
	struct gguf_meta meta = { 0 };
	struct gguf_writer g = { 0 };
	int rc;

	gguf_meta_cstr(&meta, "general.architecture", arch_gguf_name(w->arch));
	gguf_meta_cstr(&meta, "general.type", "adapter");
	gguf_meta_cstr(&meta, "adapter.type", "lora");
	gguf_meta_f32(&meta, "adapter.lora.alpha", (float)w->alpha);
	rc = gguf_writer_open(&g, path, &meta, w->entries, 2 * w->n, err);
	for (size_t i = 0; rc == 0 && i < w->n; i++)
		rc = put_joint(w, &g, &w->joints[i], err);
	if (rc == 0)
		rc = gguf_writer_close(&g, err);
	gguf_writer_abort(&g);
	gguf_meta_free(&meta);
	return rc;
}

int lora_gguf_write(const char *path, const struct adapter_list *l, struct dev *dev, enum dtype t,
		    struct err *err)
{
	struct writing w = { .arch = l->v[0].arch, .type = t };
	const struct adapter **v = mem_new(l->n, sizeof(*v));
	int rc;

	for (size_t i = 0; i < l->n; i++)
		v[i] = &l->v[i];
	rc = adapters_to_lora(v, l->n, &w.lora, dev, DT_F32, err);
	mem_free(v);
	if (rc < 0)
		return -1;
	list_joints(&w);
	list_entries(&w);
	w.alpha = alpha_of(&w, &w.joints[0]); /* so that the first B stays as it is */
	rc = write_file(&w, path, err);
	lora_close(&w.lora);
	mem_free(w.entries);
	mem_free(w.joints);
	arena_free(&w.arena);
	return rc;
}
