/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The backward pass: the mirror of forward.c. Frozen weights get no gradient. For a linear with
 * LoRA, y = x W^T + u Bt with u = s x A^T, and dy given:
 *   du = s dy Bt^T;  dBt += u^T dy;  dA += du^T x;  dx = dy W + du A.
 * du is the gradient of x A^T: s times that of u.
 */
#include "model/layer.h"

/* One group: gradients of its adapters, and dh (T, in)/F = gradient of the input unless dh.p is
 * NULL. x is the group's input, dy (T, out)/A the gradient of its output. */
static void group_bwd(struct pass *p, struct lora *lora, int layer, enum lora_group g,
		      const struct weight *w, struct mat dh, struct mat dy, struct mat x,
		      struct mat u_all)
{
	struct dev *dev = p->m->dev;
	const struct ops *op = dev->ops;
	const struct lora_layer *ll = &lora->layers[layer];
	struct mat u, a, du, da;
	int64_t at = 0;

	if (dh.p)
		op->linear_bwd(dev, dh, dy, w);
	if (!ll->rows[g])
		return;
	u = layer_u(lora, layer, g, u_all);
	du = mat_view(p->du, u.t, u.rows, ll->rows[g]);
	a = lora_a(lora, lora->compute, lora->act, layer, g);
	da = lora_a(lora, lora->grad, DT_F32, layer, g);
	for (int m = lora_group_first[g]; m < (int)lora_group_first[g + 1]; m++) {
		struct mat bt = lora_bt(lora, lora->compute, lora->act, layer, (enum lora_module)m);
		struct mat dbt = lora_bt(lora, lora->grad, DT_F32, layer, (enum lora_module)m);
		struct mat dym = mat_cols(dy, at, bt.cols);

		at += bt.cols;
		if (!ll->rank[m])
			continue;
		op->gemm(dev, mat_cols(du, ll->row_of[m], ll->rank[m]), dym, false, bt, true,
			 ll->scale[m], 0);
		op->gemm(dev, dbt, mat_cols(u, ll->row_of[m], ll->rank[m]), true, dym, false, 1, 1);
	}
	if (!layer_drops(p, lora)) {
		op->gemm(dev, da, du, true, x, false, 1, 1);
		if (dh.p)
			op->gemm(dev, dh, du, false, a, false, 1, 1);
		return;
	}
	for (int m = lora_group_first[g]; m < (int)lora_group_first[g + 1]; m++) {
		struct mat dum = mat_cols(du, ll->row_of[m], ll->rank[m]);
		struct mat am = mat_rows(a, ll->row_of[m], ll->rank[m]), part;

		if (!ll->rank[m])
			continue;
		op->gemm(dev, mat_rows(da, ll->row_of[m], ll->rank[m]), dum, true,
			 layer_dropped(p, lora, layer, (enum lora_module)m, x), false, 1, 1);
		if (!dh.p)
			continue;
		/* The gradient passes the same mask: dh += mask(du A). */
		part = mat_view(p->dropped, x.t, x.rows, x.cols);
		op->gemm(dev, part, dum, false, am, false, 1, 0);
		part = layer_dropped(p, lora, layer, (enum lora_module)m, part);
		op->add(dev, dh, part);
	}
}

/* dx (the gradient of x_next) becomes the gradient of x_mid. */
static void feed_forward_bwd(struct pass *p, const struct batch *b, struct lora *lora, int layer,
			     const struct layer_view *y, bool stop)
{
	struct model *m = p->m;
	struct dev *dev = m->dev;
	const struct ops *op = dev->ops;
	const struct arch *a = &m->arch;
	const struct layer *w = &m->layers[layer];
	int t = b->n_tokens;
	struct mat dx = mat_view(p->dx, DT_F32, t, a->hidden),
		   dy = mat_view(p->dy, m->act, t, a->hidden);
	struct mat act = mat_view(p->act_ffn, m->act, t, a->ffn);
	struct mat dact = mat_view(p->wide, DT_F32, t, a->ffn);
	struct mat dgu = mat_view(p->dwide, m->act, t, 2 * a->ffn);
	struct mat h = mat_view(p->h, m->act, t, a->hidden), none = { 0 };
	struct mat dh = mat_view(p->wide, DT_F32, t, a->hidden);

	op->cast(dev, dy, dx);
	op->swiglu(dev, act, y->gate, y->up);
	group_bwd(p, lora, layer, GROUP_DOWN, w->down,
		  stop && lora->first_group == GROUP_DOWN ? none : dact, dy, act, y->u);
	if (stop && lora->first_group == GROUP_DOWN)
		return;
	op->swiglu_bwd(dev, mat_cols(dgu, 0, a->ffn), mat_cols(dgu, a->ffn, a->ffn), dact, y->gate,
		       y->up);
	op->rmsnorm(dev, h, y->rstd_ffn, y->x_mid, 1, w->ffn_norm, a->rms_eps);
	if (stop && lora->first_group == GROUP_GATE_UP)
		dh = none;
	group_bwd(p, lora, layer, GROUP_GATE_UP, w->gate_up, dh, dgu, h, y->u);
	if (dh.p)
		op->rmsnorm_bwd(dev, dx, dh, y->x_mid, 1, y->rstd_ffn, w->ffn_norm);
}

/* dqkv/F, the gradient of what attention read, becomes the gradient of the product, in `to`/A. */
static void unplace(struct pass *p, int layer, const struct layer_view *y, struct mat dqkv,
		    struct mat to)
{
	const struct model *m = p->m;
	const struct ops *op = m->dev->ops;
	const struct arch *a = &m->arch;
	const struct layer *w = &m->layers[layer];
	int64_t q = y->q.cols, k = y->k.cols, t = dqkv.rows;
	struct mat dq = mat_cols(dqkv, 0, q), dk = mat_cols(dqkv, q, k);
	struct mat x = mat_view(p->qk_wide, DT_F32, t, q + k),
		   dx = mat_view(p->dqk, DT_F32, t, q + k);

	op->rope(m->dev, dq, a->n_heads, p->pos, m->cos_table, m->sin_table, true);
	op->rope(m->dev, dk, a->n_kv_heads, p->pos, m->cos_table, m->sin_table, true);
	if (!a->qk_norm) {
		op->cast(m->dev, to, dqkv);
		return;
	}
	op->cast(m->dev, x, y->qk);
	op->zero(m->dev, dx.p, (size_t)(t * (q + k)) * sizeof(float));
	op->rmsnorm_bwd(m->dev, mat_cols(dx, 0, q), dq, mat_cols(x, 0, q), a->n_heads, y->rstd_q,
			w->q_norm);
	op->rmsnorm_bwd(m->dev, mat_cols(dx, q, k), dk, mat_cols(x, q, k), a->n_kv_heads, y->rstd_k,
			w->k_norm);
	op->cast(m->dev, mat_cols(to, 0, q + k), dx);
	op->cast(m->dev, mat_cols(to, q + k, k), mat_cols(dqkv, q + k, k));
}

/* dx (the gradient of x_mid) becomes the gradient of x. */
static void attention_bwd(struct pass *p, const struct batch *b, struct lora *lora, int layer,
			  const struct layer_view *y, bool stop)
{
	struct model *m = p->m;
	struct dev *dev = m->dev;
	const struct ops *op = dev->ops;
	const struct arch *a = &m->arch;
	const struct layer *w = &m->layers[layer];
	int t = b->n_tokens, q = (int)y->q.cols, kv = (int)y->k.cols;
	struct mat dx = mat_view(p->dx, DT_F32, t, a->hidden),
		   dy = mat_view(p->dy, m->act, t, a->hidden);
	struct mat wide = mat_view(p->wide, DT_F32, t, q), none = { 0 };
	struct mat dout = mat_view(p->dattn, m->act, t, q);
	struct mat dqkv = mat_view(p->wide, DT_F32, t, q + 2 * kv);
	struct mat dqkv_act = mat_view(p->dwide, m->act, t, q + 2 * kv);
	struct mat h = mat_view(p->h, m->act, t, a->hidden);
	struct mat dh = mat_view(p->wide, DT_F32, t, a->hidden);

	op->cast(dev, dy, dx);
	if (stop && lora->first_group == GROUP_O) {
		group_bwd(p, lora, layer, GROUP_O, w->o, none, dy, y->o, y->u);
		return;
	}
	group_bwd(p, lora, layer, GROUP_O, w->o, wide, dy, y->o, y->u);
	op->cast(dev, dout, wide);
	p->shape.window = arch_window(a, layer);
	op->attn_bwd(dev, mat_cols(dqkv, 0, q), mat_cols(dqkv, q, kv), mat_cols(dqkv, q + kv, kv),
		     dout, y->o, y->q, y->k, y->v, y->lse, &p->shape);
	unplace(p, layer, y, dqkv, dqkv_act);
	op->rmsnorm(dev, h, y->rstd_attn, y->x, 1, w->attn_norm, a->rms_eps);
	group_bwd(p, lora, layer, GROUP_QKV, w->qkv, stop ? none : dh, dqkv_act, h, y->u);
	if (!stop)
		op->rmsnorm_bwd(dev, dx, dh, y->x, 1, y->rstd_attn, w->attn_norm);
}

/* From the rows' gradients for unit weight to dx of the last layer's output. */
static void head_bwd(struct pass *p, const struct batch *b, const float *coef)
{
	struct model *m = p->m;
	struct dev *dev = m->dev;
	const struct ops *op = dev->ops;
	int d = m->arch.hidden;
	struct mat dh = mat_view(p->dh_rows, DT_F32, b->n_rows, d);
	struct mat dx_rows = mat_view(p->dx_rows, DT_F32, b->n_rows, d);

	op->upload(dev, p->coef, coef, (size_t)b->n_rows * sizeof(float));
	op->scale_rows(dev, dh, p->coef);
	op->zero(dev, p->dx_rows, (size_t)b->n_rows * (size_t)d * sizeof(float));
	op->rmsnorm_bwd(dev, dx_rows, dh, mat_view(p->x_rows, DT_F32, b->n_rows, d), 1,
			p->rstd_head, m->norm);
	op->zero(dev, p->dx, (size_t)b->n_tokens * (size_t)d * sizeof(float));
	op->scatter_add(dev, mat_view(p->dx, DT_F32, b->n_tokens, d), dx_rows, p->rows);
}

void pass_backward(struct pass *p, const struct batch *b, struct lora *lora, const float *coef)
{
	head_bwd(p, b, coef);
	for (int l = p->m->arch.n_layers - 1; l >= lora->first_layer; l--) {
		struct layer_view y = layer_view(p, l, b->n_tokens, lora);
		bool stop = l == lora->first_layer;

		if (l < p->o.recompute)
			layer_forward(p, b, lora, NULL, l, true);
		feed_forward_bwd(p, b, lora, l, &y, stop);
		if (!stop || lora->first_group <= GROUP_O)
			attention_bwd(p, b, lora, l, &y, stop);
	}
}
