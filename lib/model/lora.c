/* SPDX-License-Identifier: Apache-2.0 */
#include "model/lora.h"

#include "base/mem.h"
#include "base/rng.h"

#include <math.h>
#include <string.h>

const char *const lora_module_path[LORA_MODULES] = {
	"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj",
	"mlp.gate_proj",    "mlp.up_proj",      "mlp.down_proj",
};

const enum lora_group lora_group_of[LORA_MODULES] = {
	GROUP_QKV, GROUP_QKV, GROUP_QKV, GROUP_O, GROUP_GATE_UP, GROUP_GATE_UP, GROUP_DOWN,
};

const enum lora_module lora_group_first[LORA_GROUPS + 1] = {
	LORA_Q, LORA_O, LORA_GATE, LORA_DOWN, LORA_MODULES,
};

int lora_module_find(const char *name, size_t n)
{
	for (int m = 0; m < LORA_MODULES; m++) {
		const char *last = strchr(lora_module_path[m], '.') + 1;

		if (strlen(last) == n && !memcmp(last, name, n))
			return m;
	}
	return -1;
}

int lora_in(const struct arch *a, enum lora_group g)
{
	return g == GROUP_O ? a->n_heads * a->head_size : g == GROUP_DOWN ? a->ffn : a->hidden;
}

int lora_out(const struct arch *a, enum lora_module m)
{
	switch (m) {
	case LORA_Q:
		return a->n_heads * a->head_size;
	case LORA_K:
	case LORA_V:
		return a->n_kv_heads * a->head_size;
	case LORA_GATE:
	case LORA_UP:
		return a->ffn;
	default:
		return a->hidden;
	}
}

/* Offsets of one layer, beginning at *n. */
static void lay_out(struct lora_layer *y, const struct arch *arch, size_t *n)
{
	for (int g = 0; g < LORA_GROUPS; g++) {
		y->column[g] = y->width;
		for (int m = lora_group_first[g]; m < (int)lora_group_first[g + 1]; m++) {
			y->row_of[m] = y->rows[g];
			y->rows[g] += y->rank[m];
		}
		y->width += y->rows[g];
		y->a[g] = *n;
		*n += (size_t)y->rows[g] * (size_t)lora_in(arch, (enum lora_group)g);
	}
	for (int m = 0; m < LORA_MODULES; m++) {
		y->bt[m] = *n;
		*n += (size_t)y->rank[m] * (size_t)lora_out(arch, (enum lora_module)m);
	}
}

int lora_open(struct lora *l, struct dev *dev, const struct arch *arch,
	      const struct lora_spec *spec, enum dtype act, struct err *err)
{
	memset(l, 0, sizeof(*l));
	l->dev = dev;
	l->arch = arch;
	l->act = act;
	l->dropout = spec->dropout;
	l->layers = mem_new((size_t)arch->n_layers, sizeof(*l->layers));
	l->first_layer = -1;
	for (int i = 0; i < arch->n_layers; i++) {
		struct lora_layer *y = &l->layers[i];

		memcpy(y->rank, spec->rank[i], sizeof(y->rank));
		memcpy(y->scale, spec->scale[i], sizeof(y->scale));
		lay_out(y, arch, &l->n);
		for (int g = LORA_GROUPS - 1; g >= 0 && y->width; g--)
			if (y->rows[g] && (l->first_layer < 0 || l->first_layer == i)) {
				l->first_layer = i;
				l->first_group = (enum lora_group)g;
			}
	}
	if (l->first_layer < 0) {
		lora_close(l);
		return err_set(err, "the adapter attaches to no module of this model");
	}
	l->n = (l->n + 4095) / 4096 * 4096; /* whole rows for lora_refresh; the rest stays 0 */
	l->p = dev->ops->alloc(dev, l->n * sizeof(float), err);
	if (l->p)
		dev->ops->zero(dev, l->p, l->n * sizeof(float));
	l->compute = act == DT_F32 || !l->p ? (void *)l->p : dev->ops->alloc(dev, l->n * 2, err);
	if (l->compute)
		return 0;
	lora_close(l);
	return -1;
}

void lora_close(struct lora *l)
{
	if (l->dev) {
		if (l->compute != (void *)l->p)
			l->dev->ops->free(l->dev, l->compute);
		l->dev->ops->free(l->dev, l->p);
		l->dev->ops->free(l->dev, l->grad);
		l->dev->ops->free(l->dev, l->m);
		l->dev->ops->free(l->dev, l->v);
	}
	mem_free(l->layers);
	memset(l, 0, sizeof(*l));
}

int lora_train(struct lora *l, struct err *err)
{
	float **slabs[] = { &l->grad, &l->m, &l->v };

	for (int i = 0; i < 3; i++) {
		if (!*slabs[i])
			*slabs[i] = l->dev->ops->alloc(l->dev, l->n * sizeof(float), err);
		if (!*slabs[i])
			return -1;
		l->dev->ops->zero(l->dev, *slabs[i], l->n * sizeof(float));
	}
	return 0;
}

void lora_init(struct lora *l, uint64_t seed)
{
	for (int i = 0; i < l->arch->n_layers; i++) {
		for (int m = 0; m < LORA_MODULES; m++) {
			size_t in = (size_t)lora_in(l->arch, lora_group_of[m]);
			size_t out = (size_t)lora_out(l->arch, (enum lora_module)m);
			size_t r = (size_t)l->layers[i].rank[m];
			float *a = mem_new(r * in, sizeof(*a)), *b = mem_new(r * out, sizeof(*b));
			float bound = 1 / sqrtf((float)in);

			for (size_t j = 0; j < r * in; j++)
				a[j] = bound *
				       (2 * rng_uniform(seed,
							RNG_INIT + (uint32_t)(i * LORA_MODULES + m),
							j) -
					1);
			if (r)
				lora_set(l, i, (enum lora_module)m, a, b);
			mem_free(a);
			mem_free(b);
		}
	}
	lora_refresh(l);
}

void lora_refresh(struct lora *l)
{
	int64_t n = (int64_t)l->n;

	if (l->compute != (void *)l->p)
		l->dev->ops->cast(l->dev,
				  (struct mat){ l->compute, l->act, (n + 4095) / 4096, 4096, 4096 },
				  (struct mat){ l->p, DT_F32, (n + 4095) / 4096, 4096, 4096 });
}

struct mat lora_a(const struct lora *l, void *slab, enum dtype t, int layer, enum lora_group g)
{
	const struct lora_layer *y = &l->layers[layer];

	return mat_view((char *)slab + y->a[g] * mat_elem(t), t, y->rows[g], lora_in(l->arch, g));
}

struct mat lora_bt(const struct lora *l, void *slab, enum dtype t, int layer, enum lora_module m)
{
	const struct lora_layer *y = &l->layers[layer];

	return mat_view((char *)slab + y->bt[m] * mat_elem(t), t, y->rank[m], lora_out(l->arch, m));
}

/* The module's own rows of its group's A. */
static struct mat own_a(const struct lora *l, const float *slab, int layer, enum lora_module m)
{
	const struct lora_layer *y = &l->layers[layer];

	return mat_rows(lora_a(l, (void *)slab, DT_F32, layer, lora_group_of[m]), y->row_of[m],
			y->rank[m]);
}

void lora_get(const struct lora *l, const float *from, int layer, enum lora_module m, float *a,
	      float *b)
{
	struct mat da = own_a(l, from, layer, m);
	struct mat db = lora_bt(l, (void *)from, DT_F32, layer, m);
	float *bt = mem_new((size_t)(db.rows * db.cols), sizeof(*bt));

	l->dev->ops->download(l->dev, a, da.p, (size_t)(da.rows * da.cols) * sizeof(float));
	l->dev->ops->download(l->dev, bt, db.p, (size_t)(db.rows * db.cols) * sizeof(float));
	for (int64_t i = 0; i < db.rows; i++)
		for (int64_t j = 0; j < db.cols; j++)
			b[j * db.rows + i] = bt[i * db.cols + j];
	mem_free(bt);
}

void lora_set(struct lora *l, int layer, enum lora_module m, const float *a, const float *b)
{
	struct mat da = own_a(l, l->p, layer, m), db = lora_bt(l, l->p, DT_F32, layer, m);
	float *bt = mem_new((size_t)(db.rows * db.cols), sizeof(*bt));

	for (int64_t i = 0; i < db.rows; i++)
		for (int64_t j = 0; j < db.cols; j++)
			bt[i * db.cols + j] = b[j * db.rows + i];
	l->dev->ops->upload(l->dev, da.p, a, (size_t)(da.rows * da.cols) * sizeof(float));
	l->dev->ops->upload(l->dev, db.p, bt, (size_t)(db.rows * db.cols) * sizeof(float));
	mem_free(bt);
}

void lora_widths(const struct lora *l, int *width, int *rows)
{
	*width = *rows = 0;
	for (int i = 0; i < l->arch->n_layers; i++) {
		const struct lora_layer *y = &l->layers[i];

		*width = y->width > *width ? y->width : *width;
		for (int g = 0; g < LORA_GROUPS; g++)
			*rows = y->rows[g] > *rows ? y->rows[g] : *rows;
	}
}
