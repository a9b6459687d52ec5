/* SPDX-License-Identifier: Apache-2.0 */
/* Every op in plain loops with double accumulation: the readable definition, and the oracle that
 * the other back ends are checked against. */
#include "kernels/elem.h"

#include "base/mem.h"
#include "base/rng.h"

#include <math.h>
#include <string.h>

struct weight {
	struct mat w;
};

struct ref {
	struct dev dev;
	void *scratch; /* attention's; grown on demand, kept */
	size_t bytes;
};

static void ref_close(struct dev *d)
{
	mem_free(((struct ref *)d)->scratch);
	mem_free(d);
}

static void *scratch(struct dev *d, size_t bytes)
{
	struct ref *r = (struct ref *)d;

	if (r->bytes < bytes) {
		mem_free(r->scratch);
		r->scratch = mem_new(bytes, 1);
		r->bytes = bytes;
	}
	return r->scratch;
}

/* Keys that a query sees and their weights; in the backward pass sums for every element of k and v. */
static size_t ref_scratch_bytes(struct dev *d, const struct op_limits *l)
{
	(void)d;
	return (size_t)l->max_k * (sizeof(int64_t) + sizeof(double)) +
	       (l->backward ? (size_t)(l->rows * l->n_kv_heads * l->head_size) * 2 * sizeof(double)
			    : 0);
}

static int ref_reserve(struct dev *d, const struct op_limits *l, struct err *err)
{
	(void)err;
	scratch(d, ref_scratch_bytes(d, l));
	return 0;
}

static void ref_cast(struct dev *d, struct mat dst, struct mat src)
{
	(void)d;
	for (int64_t i = 0; i < dst.rows; i++)
		for (int64_t j = 0; j < dst.cols; j++)
			elem_set(dst, i, j, elem_get(src, i, j));
}

static void ref_dequant(struct dev *d, struct mat dst, const void *src, enum dtype t)
{
	const struct dtype_info *info = &dtype_info[t];
	const unsigned char *p = src;
	float y[256];

	(void)d;
	for (int64_t k = 0; k < dst.rows * dst.cols;
	     k += info->block_elems, p += info->block_bytes) {
		dequant_run(y, p, t, info->block_elems);
		for (int64_t e = 0; e < info->block_elems; e++)
			elem_set(dst, (k + e) / dst.cols, (k + e) % dst.cols, y[e]);
	}
}

/* Kept widened: the numbers that the parts stand for. */
static struct weight *ref_weight_new(struct dev *d, const struct mat *parts, int n, unsigned use,
				     struct err *err)
{
	struct weight *r = mem_new(1, sizeof(*r));
	int64_t rows = 0, at = 0;

	(void)use;
	for (int i = 0; i < n; i++)
		rows += parts[i].rows;
	r->w = mat_view(host_alloc(d, (size_t)(rows * parts->cols) * sizeof(float), err), DT_F32,
			rows, parts->cols);
	if (!r->w.p) {
		mem_free(r);
		return NULL;
	}
	for (int i = 0; i < n; i++) {
		const char *p = parts[i].p;
		size_t row;

		dtype_bytes(parts[i].t, (uint64_t)parts[i].ld, &row);
		for (int64_t k = 0; k < parts[i].rows; k++, p += row)
			ref_dequant(d, mat_rows(r->w, at++, 1), p, parts[i].t);
	}
	return r;
}

static void ref_weight_free(struct dev *d, struct weight *w)
{
	if (w)
		host_free(d, w->w.p);
	mem_free(w);
}

static size_t ref_weight_bytes(struct dev *d, enum dtype t, int64_t rows, int64_t cols,
			       unsigned use)
{
	(void)d;
	(void)use;
	(void)t;
	return (size_t)(rows * cols) * sizeof(float);
}

/* c = alpha op(a) op(b) + beta c + bias, rounded once. */
static void product(struct mat c, struct mat a, bool ta, struct mat b, bool tb, float alpha,
		    float beta, const float *bias)
{
	int64_t inner = ta ? a.rows : a.cols;

	for (int64_t i = 0; i < c.rows; i++) {
		for (int64_t j = 0; j < c.cols; j++) {
			double sum = 0;

			for (int64_t k = 0; k < inner; k++)
				sum += (double)(ta ? elem_get(a, k, i) : elem_get(a, i, k)) *
				       (tb ? elem_get(b, j, k) : elem_get(b, k, j));
			sum *= alpha;
			if (beta != 0)
				sum += elem_get(c, i, j);
			if (bias)
				sum += bias[j];
			elem_set(c, i, j, (float)sum);
		}
	}
}

static void ref_gemm(struct dev *d, struct mat c, struct mat a, bool ta, struct mat b, bool tb,
		     float alpha, float beta)
{
	(void)d;
	product(c, a, ta, b, tb, alpha, beta, NULL);
}

static void ref_linear(struct dev *d, struct mat y, struct mat x, const struct weight *w,
		       const float *bias, bool add)
{
	(void)d;
	product(y, x, false, w->w, true, 1, add, bias);
}

static void ref_linear_bwd(struct dev *d, struct mat dx, struct mat dy, const struct weight *w)
{
	ref_gemm(d, dx, dy, false, w->w, false, 1, 0);
}

static int ref_steady_rows(struct dev *d, int n)
{
	(void)d;
	return n;
}

static void ref_embed(struct dev *d, struct mat y, struct mat table, const int32_t *ids)
{
	size_t row;

	dtype_bytes(table.t, (uint64_t)table.ld, &row);
	for (int64_t i = 0; i < y.rows; i++)
		ref_dequant(d, mat_rows(y, i, 1), (char *)table.p + (size_t)ids[i] * row, table.t);
}

static void ref_scatter_add(struct dev *d, struct mat y, struct mat x, const int32_t *rows)
{
	(void)d;
	for (int64_t i = 0; i < x.rows; i++)
		for (int64_t j = 0; j < x.cols; j++)
			elem_set(y, rows[i], j, elem_get(y, rows[i], j) + elem_get(x, i, j));
}

static void ref_add(struct dev *d, struct mat y, struct mat x)
{
	(void)d;
	for (int64_t i = 0; i < y.rows; i++)
		for (int64_t j = 0; j < y.cols; j++)
			elem_set(y, i, j, elem_get(y, i, j) + elem_get(x, i, j));
}

static void ref_scale_rows(struct dev *d, struct mat x, const float *coef)
{
	(void)d;
	for (int64_t i = 0; i < x.rows; i++)
		for (int64_t j = 0; j < x.cols; j++)
			elem_set(x, i, j, elem_get(x, i, j) * coef[i]);
}

static void ref_rmsnorm(struct dev *d, struct mat y, float *rstd, struct mat x, int n_heads,
			const float *w, float eps)
{
	int64_t size = x.cols / n_heads;

	(void)d;
	for (int64_t i = 0; i < x.rows * n_heads; i++) {
		int64_t row = i / n_heads, at = i % n_heads * size;
		double sum = 0, r;

		for (int64_t j = 0; j < size; j++)
			sum += (double)elem_get(x, row, at + j) * elem_get(x, row, at + j);
		r = 1 / sqrt(sum / (double)size + eps);
		rstd[i] = (float)r;
		for (int64_t j = 0; j < size; j++)
			elem_set(y, row, at + j, (float)(elem_get(x, row, at + j) * r * w[j]));
	}
}

static void ref_rmsnorm_bwd(struct dev *d, struct mat dx, struct mat dy, struct mat x, int n_heads,
			    const float *rstd, const float *w)
{
	int64_t size = x.cols / n_heads;

	(void)d;
	for (int64_t i = 0; i < x.rows * n_heads; i++) {
		int64_t row = i / n_heads, at = i % n_heads * size;
		double r = rstd[i], mean = 0;

		for (int64_t j = at; j < at + size; j++)
			mean += (double)elem_get(dy, row, j) * w[j - at] * elem_get(x, row, j);
		mean /= (double)size;
		for (int64_t j = at; j < at + size; j++) {
			double g = (double)elem_get(dy, row, j) * w[j - at];
			double v = r * (g - elem_get(x, row, j) * r * r * mean);

			elem_set(dx, row, j, (float)(elem_get(dx, row, j) + v));
		}
	}
}

static void ref_rope(struct dev *d, struct mat x, int n_heads, const int32_t *pos,
		     const float *cos_table, const float *sin_table, bool inverse)
{
	int64_t size = x.cols / n_heads, half = size / 2;

	(void)d;
	for (int64_t t = 0; t < x.rows; t++) {
		for (int64_t k = 0; k < n_heads * half; k++) {
			int64_t ja = k / half * size + k % half, jb = ja + half;
			double c = cos_table[pos[t] * half + k % half];
			double s = sin_table[pos[t] * half + k % half];
			double a = elem_get(x, t, ja), b = elem_get(x, t, jb);

			if (inverse)
				s = -s;
			elem_set(x, t, ja, (float)(a * c - b * s));
			elem_set(x, t, jb, (float)(b * c + a * s));
		}
	}
}

/* The keys that query i of segment s sees: fills rows[], returns how many. */
static int64_t seen(const struct attn_shape *sh, const struct attn_seg *s, int64_t i, int64_t *rows)
{
	int64_t n = 0;

	for (int64_t r = s->range_begin; r < s->range_end; r++) {
		int64_t end = sh->ranges[r].k_end;

		if (r == s->range_end - 1)
			end -= s->q_end - 1 - i;
		for (int64_t k = sh->ranges[r].k_begin; k < end; k++)
			rows[n++] = k;
	}
	if (!sh->window || n <= sh->window)
		return n;
	memmove(rows, rows + n - sh->window, (size_t)sh->window * sizeof(*rows));
	return sh->window;
}

/* p[j] = softmax weight of key rows[j] for query row t of head h; returns the log of the sum. */
static double weights(const struct attn_shape *sh, struct mat q, struct mat k, int64_t t, int64_t h,
		      const int64_t *rows, int64_t n, double *p)
{
	int64_t size = sh->head_size, hk = h / (sh->n_heads / sh->n_kv_heads);
	double max = -INFINITY, sum = 0;

	for (int64_t j = 0; j < n; j++) {
		p[j] = 0;
		for (int64_t e = 0; e < size; e++)
			p[j] += (double)elem_get(q, t, h * size + e) *
				elem_get(k, rows[j], hk * size + e);
		p[j] *= sh->scale;
		max = fmax(max, p[j]);
	}
	for (int64_t j = 0; j < n; j++)
		sum += p[j] = exp(p[j] - max);
	for (int64_t j = 0; j < n; j++)
		p[j] /= sum;
	return max + log(sum);
}

static void ref_attn(struct dev *d, struct mat o, float *lse, struct mat q, struct mat k,
		     struct mat v, const struct attn_shape *sh)
{
	size_t keys = (size_t)sh->max_k;
	double *p = scratch(d, keys * (sizeof(double) + sizeof(int64_t)));
	int64_t *rows = (int64_t *)(void *)(p + keys), size = sh->head_size;

	for (int s = 0; s < sh->n_segs; s++) {
		for (int64_t t = sh->segs[s].q_begin; t < sh->segs[s].q_end; t++) {
			int64_t n = seen(sh, &sh->segs[s], t, rows);

			for (int64_t h = 0; h < sh->n_heads; h++) {
				int64_t hk = h / (sh->n_heads / sh->n_kv_heads);
				double l = weights(sh, q, k, t, h, rows, n, p);

				if (lse)
					lse[h * q.rows + t] = (float)l;
				for (int64_t e = 0; e < size; e++) {
					double sum = 0;

					for (int64_t j = 0; j < n; j++)
						sum += p[j] * elem_get(v, rows[j], hk * size + e);
					elem_set(o, t, h * size + e, (float)sum);
				}
			}
		}
	}
}

/* One query of one head: adds to dq (written), dk, dv (doubles, Tk x K E). */
static void attn_bwd_query(const struct attn_shape *sh, double *dk, double *dv, struct mat dq,
			   struct mat dout, struct mat q, struct mat k, struct mat v, int64_t t,
			   int64_t h, const int64_t *rows, int64_t n, double *p)
{
	int64_t size = sh->head_size, hk = h / (sh->n_heads / sh->n_kv_heads), width = k.cols;
	double delta = 0;

	weights(sh, q, k, t, h, rows, n, p);
	for (int pass = 0; pass < 2; pass++) { /* first delta = sum P dP, then the gradients */
		for (int64_t e = 0; pass && e < size; e++)
			elem_set(dq, t, h * size + e, 0);
		for (int64_t j = 0; j < n; j++) {
			double dp = 0, ds;

			for (int64_t e = 0; e < size; e++)
				dp += (double)elem_get(dout, t, h * size + e) *
				      elem_get(v, rows[j], hk * size + e);
			if (pass == 0) {
				delta += p[j] * dp;
				continue;
			}
			ds = p[j] * (dp - delta) * sh->scale;
			for (int64_t e = 0; e < size; e++) {
				int64_t at = rows[j] * width + hk * size + e;

				dv[at] += p[j] * elem_get(dout, t, h * size + e);
				dk[at] += ds * elem_get(q, t, h * size + e);
				elem_set(dq, t, h * size + e,
					 (float)(elem_get(dq, t, h * size + e) +
						 ds * elem_get(k, rows[j], hk * size + e)));
			}
		}
	}
}

static void ref_attn_bwd(struct dev *d, struct mat dq, struct mat dk, struct mat dv,
			 struct mat dout, struct mat o, struct mat q, struct mat k, struct mat v,
			 const float *lse, const struct attn_shape *sh)
{
	size_t total = (size_t)(k.rows * k.cols), keys = (size_t)sh->max_k;
	double *p = scratch(d, (keys + 2 * total) * sizeof(double) + keys * sizeof(int64_t));
	double *sum_k = p + keys, *sum_v = sum_k + total;
	int64_t *rows = (int64_t *)(void *)(sum_v + total);

	(void)o;
	(void)lse;
	memset(sum_k, 0, 2 * total * sizeof(double));
	for (int s = 0; s < sh->n_segs; s++) {
		for (int64_t t = sh->segs[s].q_begin; t < sh->segs[s].q_end; t++) {
			int64_t n = seen(sh, &sh->segs[s], t, rows);

			for (int64_t h = 0; h < sh->n_heads; h++)
				attn_bwd_query(sh, sum_k, sum_v, dq, dout, q, k, v, t, h, rows, n,
					       p);
		}
	}
	for (int64_t i = 0; i < k.rows; i++) {
		for (int64_t j = 0; j < k.cols; j++) {
			elem_set(dk, i, j, (float)sum_k[i * k.cols + j]);
			elem_set(dv, i, j, (float)sum_v[i * k.cols + j]);
		}
	}
}

static double sigmoid(double x)
{
	return 1 / (1 + exp(-x));
}

static void ref_swiglu(struct dev *d, struct mat y, struct mat gate, struct mat up)
{
	(void)d;
	for (int64_t i = 0; i < y.rows; i++) {
		for (int64_t j = 0; j < y.cols; j++) {
			double g = elem_get(gate, i, j);

			elem_set(y, i, j, (float)(g * sigmoid(g) * elem_get(up, i, j)));
		}
	}
}

static void ref_swiglu_bwd(struct dev *d, struct mat dgate, struct mat dup, struct mat dy,
			   struct mat gate, struct mat up)
{
	(void)d;
	for (int64_t i = 0; i < dy.rows; i++) {
		for (int64_t j = 0; j < dy.cols; j++) {
			double g = elem_get(gate, i, j), u = elem_get(up, i, j), z = sigmoid(g);
			double dyv = elem_get(dy, i, j);

			elem_set(dgate, i, j, (float)(dyv * u * z * (1 + g * (1 - z))));
			elem_set(dup, i, j, (float)(dyv * g * z));
		}
	}
}

static void ref_xent(struct dev *d, float *logp, struct mat dlogits, struct mat logits,
		     const int32_t *targets)
{
	(void)d;
	for (int64_t i = 0; i < logits.rows; i++) {
		double max = -INFINITY, sum = 0, lse;

		for (int64_t j = 0; j < logits.cols; j++)
			max = fmax(max, elem_get(logits, i, j));
		for (int64_t j = 0; j < logits.cols; j++)
			sum += exp(elem_get(logits, i, j) - max);
		lse = max + log(sum);
		logp[i] = (float)(elem_get(logits, i, targets[i]) - lse);
		for (int64_t j = 0; dlogits.p && j < logits.cols; j++)
			elem_set(dlogits, i, j,
				 (float)(exp(elem_get(logits, i, j) - lse) - (j == targets[i])));
	}
}

static void ref_dropout(struct dev *d, struct mat y, struct mat x, float p, uint64_t seed,
			uint32_t stream)
{
	(void)d;
	for (int64_t i = 0; i < x.rows; i++) {
		for (int64_t j = 0; j < x.cols; j++) {
			float u = rng_uniform(seed, stream, (uint64_t)(i * x.cols + j));

			elem_set(y, i, j, u >= p ? elem_get(x, i, j) * (1 / (1 - p)) : 0);
		}
	}
}

static void ref_sumsq(struct dev *d, float *out, const float *g, size_t n)
{
	double sum = 0;

	(void)d;
	for (size_t i = 0; i < n; i++)
		sum += (double)g[i] * g[i];
	*out = (float)sum;
}

static void ref_adamw(struct dev *d, float *p, float *m, float *v, const float *g, size_t n,
		      const struct adamw *h)
{
	(void)d;
	for (size_t i = 0; i < n; i++) {
		double gi = (double)g[i] * h->grad_scale,
		       pi = p[i] * (1 - (double)h->lr * h->weight_decay);

		m[i] = (float)(m[i] + (gi - m[i]) * (1 - (double)h->beta1));
		v[i] = (float)(h->beta2 * (double)v[i] + gi * gi * (1 - (double)h->beta2));
		p[i] = (float)(pi - h->lr / (double)h->correction1 * m[i] /
					    (sqrt(v[i]) / sqrt(h->correction2) + h->eps));
	}
}

struct dev *ref_open(struct err *err)
{
	static const struct ops ops = {
		.name = "ref",
		.alloc = host_alloc,
		.free = host_free,
		.upload = host_upload,
		.download = host_download,
		.copy = host_copy,
		.zero = host_zero,
		.sync = host_sync,
		.close = ref_close,
		.scratch_bytes = ref_scratch_bytes,
		.reserve = ref_reserve,
		.cast = ref_cast,
		.dequant = ref_dequant,
		.weight_new = ref_weight_new,
		.weight_free = ref_weight_free,
		.weight_bytes = ref_weight_bytes,
		.linear = ref_linear,
		.linear_bwd = ref_linear_bwd,
		.gemm = ref_gemm,
		.steady_rows = ref_steady_rows,
		.embed = ref_embed,
		.gather = ref_embed,
		.scatter_add = ref_scatter_add,
		.add = ref_add,
		.scale_rows = ref_scale_rows,
		.rmsnorm = ref_rmsnorm,
		.rmsnorm_bwd = ref_rmsnorm_bwd,
		.rope = ref_rope,
		.attn = ref_attn,
		.attn_bwd = ref_attn_bwd,
		.swiglu = ref_swiglu,
		.swiglu_bwd = ref_swiglu_bwd,
		.xent = ref_xent,
		.dropout = ref_dropout,
		.sumsq = ref_sumsq,
		.adamw = ref_adamw,
	};
	struct ref *r = mem_new(1, sizeof(*r));

	(void)err;
	r->dev.ops = &ops;
	return &r->dev;
}
