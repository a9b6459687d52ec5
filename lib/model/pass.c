/* SPDX-License-Identifier: Apache-2.0 */
#include "model/pass.h"

#include "base/mem.h"
#include "model/layer.h"

#include <string.h>

static void add(struct pass *p, const char *name, void *at, size_t n, size_t elem)
{
	p->plan[p->n_plan++] = (struct plan_item){ name, (n ? n : 1) * elem, (void **)at };
}

static size_t max_of(size_t a, size_t b)
{
	return a > b ? a : b;
}

static void plan_batch(struct pass *p)
{
	const struct batch_limits *l = &p->o.limits;

	add(p, "batch.ids", &p->ids, (size_t)l->tokens, 4);
	add(p, "batch.positions", &p->pos, (size_t)l->tokens, 4);
	add(p, "batch.rows", &p->rows, (size_t)l->rows, 4);
	add(p, "batch.targets", &p->targets, (size_t)l->rows, 4);
	add(p, "batch.segments", &p->segs, (size_t)l->segs, sizeof(*p->segs));
	add(p, "batch.ranges", &p->ranges, (size_t)l->ranges, sizeof(*p->ranges));
}

/* What the backward pass reads: slots of a layer each, and every layer's input that it reads. */
static void plan_activations(struct pass *p)
{
	const struct arch *a = &p->m->arch;
	size_t t = (size_t)p->o.limits.tokens, e = mat_elem(p->m->act), d = (size_t)a->hidden;
	size_t layers = (size_t)layer_slots(p), inputs = (size_t)layer_input(p, a->n_layers) + 1;
	size_t q = (size_t)(a->n_heads * a->head_size);

	add(p, "activations.x", &p->x, inputs * t * d, 4);
	add(p, "activations.x_mid", &p->x_mid, layers * t * d, 4);
	add(p, "activations.rstd_attn", &p->rstd_attn, layers * t, 4);
	add(p, "activations.rstd_ffn", &p->rstd_ffn, layers * t, 4);
	add(p, "activations.qkv", &p->qkv, layers * t * (size_t)layer_qkv(a), e);
	if (a->qk_norm && p->o.train)
		add(p, "activations.qk", &p->qk, layers * t * (size_t)layer_qk(a), e);
	if (a->qk_norm)
		add(p, "activations.rstd_qk", &p->rstd_qk,
		    layers * t * (size_t)(a->n_heads + a->n_kv_heads), 4);
	add(p, "activations.attention", &p->o_attn, layers * t * q, e);
	add(p, "activations.lse", &p->lse, layers * t * (size_t)a->n_heads, 4);
	add(p, "activations.gate_up", &p->gate_up, layers * t * 2 * (size_t)a->ffn, e);
	add(p, "activations.lora", &p->u, layers * t * (size_t)p->o.lora_width, e);
}

static void plan_scratch(struct pass *p)
{
	const struct arch *a = &p->m->arch;
	size_t t = (size_t)p->o.limits.tokens, r = (size_t)p->o.limits.rows,
	       e = mat_elem(p->m->act);
	size_t d = (size_t)a->hidden, f = (size_t)a->ffn, q = (size_t)(a->n_heads * a->head_size);
	size_t n_qkv = (size_t)layer_qkv(a), wide = max_of(max_of(n_qkv, 2 * f), max_of(d, q));
	size_t chunk = (size_t)head_chunk(p->o.limits.rows), v = (size_t)a->vocab;

	add(p, "scratch.norm", &p->h, t * d, e);
	add(p, "scratch.swiglu", &p->act_ffn, t * f, e);
	add(p, "scratch.wide", &p->wide, t * wide, 4);
	if (p->o.dropout)
		add(p, "scratch.dropout", &p->dropped, t * max_of(max_of(d, q), f), e);
	add(p, "head.x", &p->x_rows, r * d, 4);
	add(p, "head.rstd", &p->rstd_head, r, 4);
	add(p, "head.norm", &p->h_rows, r * d, e);
	add(p, "head.logits", &p->logits, chunk * v, 4);
	add(p, "head.logp", &p->logp, r, 4);
	if (!p->o.train)
		return;
	add(p, "head.coefficients", &p->coef, r, 4);
	add(p, "head.dlogits", &p->dlogits, chunk * v, e);
	add(p, "head.dnorm", &p->dh_rows, r * d, 4);
	add(p, "head.dx", &p->dx_rows, r * d, 4);
	add(p, "gradients.x", &p->dx, t * d, 4);
	add(p, "gradients.y", &p->dy, t * max_of(d, q), e);
	add(p, "gradients.wide", &p->dwide, t * max_of(2 * f, n_qkv), e);
	add(p, "gradients.attention", &p->dattn, t * max_of(q, d), e);
	if (a->qk_norm) {
		add(p, "gradients.qk", &p->dqk, t * (size_t)layer_qk(a), 4);
		add(p, "scratch.qk", &p->qk_wide, t * (size_t)layer_qk(a), 4);
	}
	add(p, "gradients.lora", &p->du, t * (size_t)p->o.lora_rows, e);
}

void pass_plan(struct pass *p, struct model *m, const struct pass_options *o)
{
	memset(p, 0, sizeof(*p));
	p->m = m;
	p->o = *o;
	if (p->o.recompute < o->first_layer)
		p->o.recompute = o->first_layer;
	plan_batch(p);
	plan_activations(p);
	plan_scratch(p);
}

int pass_open(struct pass *p, struct model *m, const struct pass_options *o, struct err *err)
{
	const struct arch *a = &m->arch;

	pass_plan(p, m, o);
	for (int i = 0; i < p->n_plan; i++) {
		*p->plan[i].at = m->dev->ops->alloc(m->dev, p->plan[i].bytes, err);
		if (!*p->plan[i].at) {
			err_wrap(err, "%s", p->plan[i].name);
			pass_close(p);
			return -1;
		}
		/* Memory that was promised only may be missing in the middle of a step. */
		if (o->train)
			m->dev->ops->zero(m->dev, *p->plan[i].at, p->plan[i].bytes);
	}
	p->shape.n_heads = a->n_heads;
	p->shape.n_kv_heads = a->n_kv_heads;
	p->shape.head_size = a->head_size;
	p->shape.scale = 1 / sqrtf((float)a->head_size);
	p->shape.segs = p->segs;
	p->shape.ranges = p->ranges;
	return 0;
}

void pass_close(struct pass *p)
{
	for (int i = 0; i < p->n_plan; i++)
		p->m->dev->ops->free(p->m->dev, *p->plan[i].at);
	memset(p, 0, sizeof(*p));
}

size_t pass_bytes(const struct pass *p)
{
	size_t sum = 0;

	for (int i = 0; i < p->n_plan; i++)
		sum += p->plan[i].bytes;
	return sum;
}

struct op_limits pass_op_limits(const struct pass *p)
{
	const struct arch *a = &p->m->arch;
	const struct batch_limits *b = &p->o.limits;
	int q = a->n_heads * a->head_size, qkv = layer_qkv(a);
	int cols = a->hidden > 2 * a->ffn ? a->hidden : 2 * a->ffn;

	cols = cols > q ? cols : q;
	return (struct op_limits){ .act = p->m->act,
				   .backward = p->o.train,
				   .dropout = p->o.dropout,
				   .rows = b->tokens,
				   .cols = cols > qkv ? cols : qkv,
				   .head_rows = head_chunk(b->rows),
				   .vocab = a->vocab,
				   .rank = p->o.lora_rows,
				   .n_heads = a->n_heads,
				   .n_kv_heads = a->n_kv_heads,
				   .head_size = a->head_size,
				   .max_q = b->max_q,
				   .max_k = b->max_k };
}

int kv_open(struct kv *kv, const struct model *m, int n_slots, int capacity, struct err *err)
{
	int64_t rows = (int64_t)n_slots * capacity, cols = m->arch.n_kv_heads * m->arch.head_size;
	size_t bytes = (size_t)(rows * cols) * mat_elem(m->act);

	memset(kv, 0, sizeof(*kv));
	kv->dev = m->dev;
	kv->n_layers = m->arch.n_layers;
	kv->n_slots = n_slots;
	kv->capacity = capacity;
	kv->k = mem_new((size_t)kv->n_layers, sizeof(*kv->k));
	kv->v = mem_new((size_t)kv->n_layers, sizeof(*kv->v));
	for (int i = 0; i < kv->n_layers; i++) {
		kv->k[i] = mat_view(m->dev->ops->alloc(m->dev, bytes, err), m->act, rows, cols);
		kv->v[i] = mat_view(kv->k[i].p ? m->dev->ops->alloc(m->dev, bytes, err) : NULL,
				    m->act, rows, cols);
		if (!kv->v[i].p) {
			err_wrap(err, "key/value cache");
			kv_close(kv);
			return -1;
		}
	}
	return 0;
}

void kv_close(struct kv *kv)
{
	for (int i = 0; i < kv->n_layers; i++) {
		kv->dev->ops->free(kv->dev, kv->k[i].p);
		kv->dev->ops->free(kv->dev, kv->v[i].p);
	}
	mem_free(kv->k);
	mem_free(kv->v);
	memset(kv, 0, sizeof(*kv));
}
