/* SPDX-License-Identifier: Apache-2.0 */
/* Adapters as LoRA parameters beside the weights: one, or several whose updates are summed. */
#include "adapter/adapter.h"

#include "base/mem.h"

#include <string.h>

/* The scale that a module of the stack has: the first adapter's that touches it (1 when that is 0, so
 * that the others can be told in its terms). */
static float common_scale(const struct adapter *const *v, size_t n, int layer, int m)
{
	for (size_t i = 0; i < n; i++)
		if (v[i]->rank[layer][m])
			return v[i]->scale[layer][m] != 0 ? v[i]->scale[layer][m] : 1;
	return 0;
}

/* Columns [at, at + r) of B (out, rank) = factor * b (out, r). */
static void put_columns(float *to, int rank, int at, const float *b, int out, int r, float factor)
{
	for (int i = 0; i < out; i++)
		for (int j = 0; j < r; j++)
			to[(size_t)i * (size_t)rank + (size_t)(at + j)] =
				factor * b[(size_t)i * (size_t)r + (size_t)j];
}

static int stack_module(const struct adapter *const *v, size_t n, struct lora *l, int layer,
			enum lora_module m, struct err *err)
{
	int rank = l->layers[layer].rank[m], in = lora_in(l->arch, lora_group_of[m]), at = 0;
	int out = lora_out(l->arch, m), rc = 0;
	float *a = mem_new((size_t)rank * (size_t)in, sizeof(*a));
	float *b = mem_new((size_t)rank * (size_t)out, sizeof(*b));

	for (size_t i = 0; i < n && rc == 0; i++) {
		int r = v[i]->rank[layer][m];
		float factor = v[i]->scale[layer][m] / l->layers[layer].scale[m], *va, *vb;

		if (!r)
			continue;
		rc = adapter_module(v[i], layer, m, &va, &vb, err);
		if (rc < 0)
			break;
		memcpy(a + (size_t)at * (size_t)in, va, (size_t)r * (size_t)in * sizeof(*a));
		put_columns(b, rank, at, vb, out, r, factor);
		at += r;
		mem_free(va);
		mem_free(vb);
	}
	if (rc == 0)
		lora_set(l, layer, m, a, b);
	mem_free(a);
	mem_free(b);
	return rc;
}

int adapters_to_lora(const struct adapter *const *v, size_t n, struct lora *l, struct dev *dev,
		     enum dtype act, struct err *err)
{
	const struct arch *arch = v[0]->arch;
	struct lora_spec spec = { .dropout = v[0]->dropout };
	int rc;

	spec.rank = mem_new((size_t)arch->n_layers, sizeof(*spec.rank));
	spec.scale = mem_new((size_t)arch->n_layers, sizeof(*spec.scale));
	for (int i = 0; i < arch->n_layers; i++) {
		for (int m = 0; m < LORA_MODULES; m++) {
			for (size_t k = 0; k < n; k++)
				spec.rank[i][m] += v[k]->rank[i][m];
			spec.scale[i][m] = common_scale(v, n, i, m);
		}
	}
	rc = lora_open(l, dev, arch, &spec, act, err);
	for (int i = 0; i < arch->n_layers && rc == 0; i++)
		for (int m = 0; m < LORA_MODULES && rc == 0; m++)
			if (spec.rank[i][m])
				rc = stack_module(v, n, l, i, (enum lora_module)m, err);
	if (rc == 0)
		lora_refresh(l);
	else
		lora_close(l);
	mem_free(spec.rank);
	mem_free(spec.scale);
	return rc;
}

int adapter_to_lora(const struct adapter *a, struct lora *l, struct dev *dev, enum dtype act,
		    struct err *err)
{
	return adapters_to_lora(&a, 1, l, dev, act, err);
}
