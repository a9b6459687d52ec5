/* SPDX-License-Identifier: Apache-2.0 */
/* The forward pass, layer by layer. */
#include "model/layer.h"

#include "base/rng.h"

struct layer_view layer_view(const struct pass *p, int layer, int n_tokens, const struct lora *lora)
{
	const struct arch *a = &p->m->arch;
	enum dtype act = p->m->act;
	size_t e = mat_elem(act), t = (size_t)p->o.limits.tokens;
	size_t kept = (size_t)layer_slot(p, layer), input = (size_t)layer_input(p, layer);
	size_t next = (size_t)layer_input(p, layer + 1);
	int q = a->n_heads * a->head_size, kv = a->n_kv_heads * a->head_size, d = a->hidden;
	struct layer_view y = { 0 };

	y.x = mat_view(p->x + input * t * (size_t)d, DT_F32, n_tokens, d);
	y.x_next = mat_view(p->x + next * t * (size_t)d, DT_F32, n_tokens, d);
	y.x_mid = mat_view(p->x_mid + kept * t * (size_t)d, DT_F32, n_tokens, d);
	y.rstd_attn = p->rstd_attn + kept * t;
	y.rstd_ffn = p->rstd_ffn + kept * t;
	if (a->qk_norm) {
		y.rstd_q = p->rstd_qk + kept * t * (size_t)(a->n_heads + a->n_kv_heads);
		y.rstd_k = y.rstd_q + t * (size_t)a->n_heads;
	}
	if (a->qk_norm && p->o.train)
		y.qk = mat_view((char *)p->qk + kept * t * (size_t)(q + kv) * e, act, n_tokens,
				q + kv);
	y.lse = p->lse + kept * t * (size_t)a->n_heads;
	y.qkv = mat_view((char *)p->qkv + kept * t * (size_t)(q + 2 * kv) * e, act, n_tokens,
			 q + 2 * kv);
	y.q = mat_cols(y.qkv, 0, q);
	y.k = mat_cols(y.qkv, q, kv);
	y.v = mat_cols(y.qkv, q + kv, kv);
	y.o = mat_view((char *)p->o_attn + kept * t * (size_t)q * e, act, n_tokens, q);
	y.gate_up = mat_view((char *)p->gate_up + kept * t * 2 * (size_t)a->ffn * e, act, n_tokens,
			     2 * a->ffn);
	y.gate = mat_cols(y.gate_up, 0, a->ffn);
	y.up = mat_cols(y.gate_up, a->ffn, a->ffn);
	y.u = mat_view((char *)p->u + kept * t * (size_t)p->o.lora_width * e, act, n_tokens,
		       lora ? lora->layers[layer].width : 0);
	return y;
}

struct mat layer_u(const struct lora *lora, int layer, enum lora_group g, struct mat u)
{
	const struct lora_layer *y = &lora->layers[layer];

	return mat_cols(u, y->column[g], y->rows[g]);
}

struct mat layer_dropped(const struct pass *p, const struct lora *lora, int layer,
			 enum lora_module m, struct mat x)
{
	struct mat y = mat_view(p->dropped, x.t, x.rows, x.cols);

	if (!layer_drops(p, lora))
		return x;
	p->m->dev->ops->dropout(p->m->dev, y, x, lora->dropout, p->dropout_seed,
				RNG_DROPOUT + (uint32_t)(layer * LORA_MODULES) + (uint32_t)m);
	return y;
}

/* Whether one product makes u of the whole group: the modules share their input and their scale. */
static bool alike(const struct pass *p, const struct lora *lora, int layer, enum lora_group g)
{
	const struct lora_layer *ll = &lora->layers[layer];
	float scale = 0;

	for (int m = lora_group_first[g]; m < (int)lora_group_first[g + 1]; m++) {
		if (ll->rank[m] && scale != 0 && ll->scale[m] != scale)
			return false;
		scale = ll->rank[m] ? ll->scale[m] : scale;
	}
	return !layer_drops(p, lora);
}

/* u = s x A^T of a group. The scale goes in here, where the product is smallest. */
static void make_u(const struct pass *p, const struct lora *lora, int layer, enum lora_group g,
		   struct mat u, struct mat x)
{
	const struct ops *op = p->m->dev->ops;
	const struct lora_layer *ll = &lora->layers[layer];
	struct mat a = lora_a(lora, lora->compute, lora->act, layer, g);
	bool all = alike(p, lora, layer, g);

	for (int m = lora_group_first[g]; m < (int)lora_group_first[g + 1]; m++) {
		struct mat xm;

		if (!ll->rank[m])
			continue;
		if (all) {
			op->gemm(p->m->dev, u, x, false, a, true, ll->scale[m], 0);
			return;
		}
		xm = layer_dropped(p, lora, layer, (enum lora_module)m, x);
		op->gemm(p->m->dev, mat_cols(u, ll->row_of[m], ll->rank[m]), xm, false,
			 mat_rows(a, ll->row_of[m], ll->rank[m]), true, ll->scale[m], 0);
	}
}

/* y[module] += u Bt of a group, unless y.p is NULL; u is kept. */
static void lora_add(const struct pass *p, const struct lora *lora, int layer, enum lora_group g,
		     struct mat y, struct mat x, struct mat u_all)
{
	const struct lora_layer *ll = lora ? &lora->layers[layer] : NULL;
	struct mat u;
	int64_t at = 0;

	if (!ll || !ll->rows[g])
		return;
	u = layer_u(lora, layer, g, u_all);
	make_u(p, lora, layer, g, u, x);
	for (int m = lora_group_first[g]; y.p && m < (int)lora_group_first[g + 1]; m++) {
		struct mat bt = lora_bt(lora, lora->compute, lora->act, layer, (enum lora_module)m);

		if (ll->rank[m])
			p->m->dev->ops->gemm(p->m->dev, mat_cols(y, at, bt.cols),
					     mat_cols(u, ll->row_of[m], ll->rank[m]), false, bt,
					     false, 1, 1);
		at += bt.cols;
	}
}

/* Copies a segment's new keys and values behind its past ones. */
static void cache_store(const struct pass *p, const struct batch *b, const struct kv *kv, int layer,
			struct mat k, struct mat v)
{
	const struct ops *op = p->m->dev->ops;

	for (int s = 0; s < b->n_segs; s++) {
		const struct attn_seg *g = &b->segs[s];
		int n = g->q_end - g->q_begin, at = b->ranges[g->range_end - 1].k_end - n;

		op->cast(p->m->dev, mat_rows(kv->k[layer], at, n), mat_rows(k, g->q_begin, n));
		op->cast(p->m->dev, mat_rows(kv->v[layer], at, n), mat_rows(v, g->q_begin, n));
	}
}

/* In place on q (T, H E)/F and k (T, K E)/F: their norms, where the model has any, and the
 * rotation. */
static void place(const struct pass *p, int layer, const struct layer_view *y, struct mat wide)
{
	const struct model *m = p->m;
	const struct ops *op = m->dev->ops;
	const struct arch *a = &m->arch;
	const struct layer *w = &m->layers[layer];
	struct mat q = mat_cols(wide, 0, y->q.cols), k = mat_cols(wide, y->q.cols, y->k.cols);

	if (a->qk_norm) {
		if (p->o.train)
			op->cast(m->dev, y->qk, mat_cols(wide, 0, y->qk.cols));
		op->rmsnorm(m->dev, q, y->rstd_q, q, a->n_heads, w->q_norm, a->rms_eps);
		op->rmsnorm(m->dev, k, y->rstd_k, k, a->n_kv_heads, w->k_norm, a->rms_eps);
	}
	op->rope(m->dev, q, a->n_heads, p->pos, m->cos_table, m->sin_table, false);
	op->rope(m->dev, k, a->n_kv_heads, p->pos, m->cos_table, m->sin_table, false);
}

static void attention(struct pass *p, const struct batch *b, const struct lora *lora,
		      const struct kv *kv, int layer, const struct layer_view *y)
{
	struct model *m = p->m;
	struct dev *dev = m->dev;
	const struct ops *op = dev->ops;
	const struct arch *a = &m->arch;
	const struct layer *w = &m->layers[layer];
	struct mat h = mat_view(p->h, m->act, b->n_tokens, a->hidden);
	struct mat wide = mat_view(p->wide, DT_F32, b->n_tokens, layer_qkv(a));

	op->rmsnorm(dev, h, y->rstd_attn, y->x, 1, w->attn_norm, a->rms_eps);
	op->linear(dev, wide, h, w->qkv, w->qkv_bias, false);
	lora_add(p, lora, layer, GROUP_QKV, wide, h, y->u);
	place(p, layer, y, wide);
	op->cast(dev, y->qkv, wide);
	if (kv)
		cache_store(p, b, kv, layer, y->k, y->v);
	p->shape.window = arch_window(a, layer);
	op->attn(dev, y->o, y->lse, y->q, kv ? kv->k[layer] : y->k, kv ? kv->v[layer] : y->v,
		 &p->shape);
	op->copy(dev, y->x_mid.p, y->x.p, (size_t)(y->x.rows * y->x.cols) * sizeof(float));
	op->linear(dev, y->x_mid, y->o, w->o, w->o_bias, true);
	lora_add(p, lora, layer, GROUP_O, y->x_mid, y->o, y->u);
}

static void feed_forward(struct pass *p, const struct batch *b, const struct lora *lora, int layer,
			 const struct layer_view *y, bool again)
{
	struct model *m = p->m;
	struct dev *dev = m->dev;
	const struct ops *op = dev->ops;
	const struct arch *a = &m->arch;
	const struct layer *w = &m->layers[layer];
	struct mat h = mat_view(p->h, m->act, b->n_tokens, a->hidden);
	struct mat wide = mat_view(p->wide, DT_F32, b->n_tokens, 2 * a->ffn);
	struct mat act = mat_view(p->act_ffn, m->act, b->n_tokens, a->ffn);

	op->rmsnorm(dev, h, y->rstd_ffn, y->x_mid, 1, w->ffn_norm, a->rms_eps);
	op->linear(dev, wide, h, w->gate_up, w->gate_up_bias, false);
	lora_add(p, lora, layer, GROUP_GATE_UP, wide, h, y->u);
	op->cast(dev, y->gate_up, wide);
	op->swiglu(dev, act, y->gate, y->up);
	if (again) {
		lora_add(p, lora, layer, GROUP_DOWN, (struct mat){ 0 }, act, y->u);
		return;
	}
	op->copy(dev, y->x_next.p, y->x_mid.p, (size_t)(y->x.rows * y->x.cols) * sizeof(float));
	op->linear(dev, y->x_next, act, w->down, w->down_bias, true);
	lora_add(p, lora, layer, GROUP_DOWN, y->x_next, act, y->u);
}

void layer_forward(struct pass *p, const struct batch *b, const struct lora *lora,
		   const struct kv *kv, int layer, bool again)
{
	struct layer_view y = layer_view(p, layer, b->n_tokens, lora);

	attention(p, b, lora, kv, layer, &y);
	feed_forward(p, b, lora, layer, &y, again);
}

static void upload_batch(struct pass *p, const struct batch *b)
{
	struct dev *d = p->m->dev;
	const struct ops *op = d->ops;

	op->upload(d, p->ids, b->ids, (size_t)b->n_tokens * sizeof(*p->ids));
	op->upload(d, p->pos, b->pos, (size_t)b->n_tokens * sizeof(*p->pos));
	op->upload(d, p->segs, b->segs, (size_t)b->n_segs * sizeof(*p->segs));
	op->upload(d, p->ranges, b->ranges, (size_t)b->n_ranges * sizeof(*p->ranges));
	op->upload(d, p->rows, b->rows, (size_t)b->n_rows * sizeof(*p->rows));
	op->upload(d, p->targets, b->targets, (size_t)b->n_rows * sizeof(*p->targets));
	p->shape.n_segs = b->n_segs;
	p->shape.n_ranges = b->n_ranges;
	p->shape.max_q = b->max_q;
	p->shape.max_k = b->max_k;
}

void pass_forward(struct pass *p, const struct batch *b, const struct lora *lora,
		  const struct kv *kv)
{
	struct model *m = p->m;

	upload_batch(p, b);
	m->dev->ops->embed(m->dev, mat_view(p->x, DT_F32, b->n_tokens, m->arch.hidden), m->embed,
			   p->ids);
	for (int l = 0; l < m->arch.n_layers; l++)
		layer_forward(p, b, lora, kv, l, false);
}

/* The final norm of the loss rows, into h_rows. */
static struct mat head_norm(struct pass *p, const struct batch *b)
{
	struct model *m = p->m;
	struct dev *dev = m->dev;
	int d = m->arch.hidden;
	struct layer_view last = layer_view(p, m->arch.n_layers - 1, b->n_tokens, NULL);
	struct mat x = mat_view(p->x_rows, DT_F32, b->n_rows, d);
	struct mat h = mat_view(p->h_rows, m->act, b->n_rows, d);

	dev->ops->gather(dev, x, last.x_next, p->rows);
	dev->ops->rmsnorm(dev, h, p->rstd_head, x, 1, m->norm, m->arch.rms_eps);
	return h;
}

/* Logits of rows [i, i + n) of h. */
static struct mat chunk_logits(struct pass *p, struct mat h, int i, int n)
{
	struct model *m = p->m;
	struct mat logits = mat_view(p->logits, DT_F32, n, m->arch.vocab);

	m->dev->ops->linear(m->dev, logits, mat_rows(h, i, n), m->head, NULL, false);
	return logits;
}

void pass_head(struct pass *p, const struct batch *b, float *logp, bool gradient)
{
	struct model *m = p->m;
	const struct ops *op = m->dev->ops;
	struct mat h = head_norm(p, b);
	int chunk = head_chunk(p->o.limits.rows), n;

	for (int i = 0; i < b->n_rows; i += n) {
		struct mat logits, dlogits;

		n = b->n_rows - i < chunk ? b->n_rows - i : chunk;
		logits = chunk_logits(p, h, i, n);
		dlogits = mat_view(gradient ? p->dlogits : NULL, m->act, n, m->arch.vocab);
		op->xent(m->dev, p->logp + i, dlogits, logits, p->targets + i);
		if (gradient)
			op->linear_bwd(m->dev,
				       mat_rows(mat_view(p->dh_rows, DT_F32, b->n_rows,
							 m->arch.hidden),
						i, n),
				       dlogits, m->head);
	}
	op->download(m->dev, logp, p->logp, (size_t)b->n_rows * sizeof(float));
}

void pass_logits(struct pass *p, const struct batch *b, float *logits)
{
	struct model *m = p->m;
	struct mat h = head_norm(p, b);
	int chunk = head_chunk(p->o.limits.rows), n;

	for (int i = 0; i < b->n_rows; i += n) {
		struct mat one;

		n = b->n_rows - i < chunk ? b->n_rows - i : chunk;
		one = chunk_logits(p, h, i, n);
		m->dev->ops->download(m->dev, logits + (size_t)i * (size_t)m->arch.vocab, one.p,
				      (size_t)n * (size_t)m->arch.vocab * sizeof(float));
	}
}
