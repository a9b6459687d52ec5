/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is computed. A back end is a table of functions over device buffers; `ref` (plain loops,
 * double accumulation) is the definition, `cpu` says how fast.
 *
 * Shapes: B sequences, T packed tokens, D hidden, H query heads, K key/value heads, E head size,
 * F ffn, V vocabulary, L layers, R rank. Gradients have a leading d. All matrices are row-major.
 *
 * Rules. Every pointer in a call is a device pointer (from alloc), except in upload and download.
 * Ops run in order on the device's one stream and return at once; sync waits and reports what went
 * wrong since. Ops do not know layers, LoRA or losses. Results do not depend on the number of
 * threads. Where a parameter says "+=", the op adds to what is there; otherwise it overwrites.
 * Element types: x/F is F32, x/A is the activations' type (F32 or BF16); arithmetic between load
 * and store is in fp32 or wider.
 */
#ifndef KERNELS_OPS_H
#define KERNELS_OPS_H

#include "base/err.h"
#include "format/dtype.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dev; /* a back end's state: threads, stream, scratch */
struct weight; /* a frozen matrix in the back end's own layout */

/* A view of a device buffer: rows x cols, row i begins i * ld elements after p. */
struct mat {
	void *p;
	enum dtype t; /* DT_F32 or DT_BF16; of a frozen matrix any type */
	int64_t rows, cols, ld;
};

/* How tokens see each other (attn). Queries of segment s are rows [q_begin, q_end) of q. Its keys
 * are rows of k in the ranges [range_begin, range_end): every query sees all keys of all but the
 * last of them; the last one is causal and aligned at its end: query i of n sees its keys up to
 * k_end - (n - 1 - i), exclusive of what follows. Training packs sequences with one range each
 * (block-diagonal causal: the ranges are cu_seqlens); an answer that shares its prompt has the
 * prompt's range first; a KV cache has k longer than q. */
struct attn_seg {
	int32_t q_begin, q_end, range_begin, range_end;
};

struct attn_range {
	int32_t k_begin, k_end;
};

struct attn_shape {
	int n_heads, n_kv_heads, head_size; /* H, K, E; query head h reads kv head h / (H/K) */
	float scale; /* 1/sqrt(E) */
	int window; /* of the keys a query would see only this many, the last ones; 0: all */
	const struct attn_seg *segs; /* device */
	const struct attn_range *ranges; /* device */
	int n_segs, n_ranges;
	int max_q, max_k; /* longest segment; most keys of a segment */
};

struct adamw {
	float lr, beta1, beta2, eps, weight_decay;
	float correction1, correction2; /* 1 - beta1^t, 1 - beta2^t, t = 1, 2, ... */
	float grad_scale; /* clipping: min(1, max_norm / (norm + 1e-6)) */
};

/* The largest calls to come: what a back end's scratch follows from. What is 0 does not come. */
struct op_limits {
	enum dtype act; /* of activations */
	bool backward, dropout;
	int64_t rows; /* T: of linear and gemm, of attention's queries and new keys */
	int64_t cols; /* the most columns of an activation: inputs and outputs of linear */
	int64_t head_rows, vocab; /* logits (n, V) that exist at a time */
	int64_t rank; /* the short side of gemm */
	int n_heads, n_kv_heads, head_size;
	int max_q, max_k; /* longest segment, most keys of one */
	size_t params; /* of sumsq */
};

/* LENT: the parts outlive the weight, which need not copy them. */
enum weight_use { WEIGHT_FWD = 1, WEIGHT_BWD = 2, WEIGHT_LENT = 4 };

struct ops {
	const char *name;

	/* Memory: 64-byte aligned, not initialised. alloc: NULL and err when it cannot be had. */
	void *(*alloc)(struct dev *d, size_t bytes, struct err *err);
	void (*free)(struct dev *d, void *p);
	void (*upload)(struct dev *d, void *dst, const void *src_host, size_t bytes);
	void (*download)(struct dev *d, void *dst_host, const void *src, size_t bytes); /* waits */
	void (*copy)(struct dev *d, void *dst, const void *src, size_t bytes);
	void (*zero)(struct dev *d, void *dst, size_t bytes);
	int (*sync)(struct dev *d, struct err *err);
	void (*close)(struct dev *d);
	/* Scratch of the ops themselves. After reserve no op within the limits allocates; without it they
	 * take what they need when they need it. scratch_bytes: what reserve makes of it. */
	size_t (*scratch_bytes)(struct dev *d, const struct op_limits *l);
	int (*reserve)(struct dev *d, const struct op_limits *l, struct err *err);

	/* dst[i] = src[i] in dst's type (round to nearest even). Same shape. */
	void (*cast)(struct dev *d, struct mat dst, struct mat src);
	/* dst (rows, cols) = the numbers that GGUF blocks (or F16, BF16, F32) at src stand for; src
	 * holds rows * cols elements without gaps. formats: ggml's layouts. */
	void (*dequant)(struct dev *d, struct mat dst, const void *src, enum dtype src_type);

	/* Frozen matrices W (N, M), as [out, in]: n parts (at most 3) of as many columns one below the
	 * other, each of a type of its own: F32, BF16, or a block type as its file
	 * holds it (products then take the numbers that the blocks stand for). Products of BF16 with
	 * BF16 are accumulated in fp32. The parts are copied and may be freed, but with WEIGHT_LENT
	 * they stay where they are for as long as the weight. */
	struct weight *(*weight_new)(struct dev *d, const struct mat *parts, int n, unsigned use,
				     struct err *err);
	void (*weight_free)(struct dev *d, struct weight *w);
	size_t (*weight_bytes)(struct dev *d, enum dtype t, int64_t rows, int64_t cols,
			       unsigned use);
	/* y (T, N)/F,A (+)= x (T, M)/A W^T + bias (N)/F; bias may be NULL. */
	void (*linear)(struct dev *d, struct mat y, struct mat x, const struct weight *w,
		       const float *bias, bool add);
	/* dx (T, M)/F,A = dy (T, N)/A W. */
	void (*linear_bwd)(struct dev *d, struct mat dx, struct mat dy, const struct weight *w);

	/* C (M, N)/F,A = alpha op(A) op(B) + beta C; op transposes when asked; A and B of one type;
	 * beta is 0 or 1. The small products of LoRA. */
	void (*gemm)(struct dev *d, struct mat c, struct mat a, bool ta, struct mat b, bool tb,
		     float alpha, float beta);

	/* The least number of rows, n or a few more, with which a row of linear and gemm comes out the
	 * same, to the bit, however many such rows stand beside it. */
	int (*steady_rows)(struct dev *d, int n);

	/* y (T, D)/F = table[ids[t]] (V, D), of any type. */
	void (*embed)(struct dev *d, struct mat y, struct mat table, const int32_t *ids);
	/* y (n, D)/F = x[rows[i]] (T, D)/F. */
	void (*gather)(struct dev *d, struct mat y, struct mat x, const int32_t *rows);
	/* y[rows[i]] (T, D)/F += x[i] (n, D)/F; rows may repeat: added in the order of i. */
	void (*scatter_add)(struct dev *d, struct mat y, struct mat x, const int32_t *rows);
	/* y (T, D)/F += x (T, D)/F,A. */
	void (*add)(struct dev *d, struct mat y, struct mat x);
	/* x[i][:] *= coef[i]. x (T, D)/F. */
	void (*scale_rows)(struct dev *d, struct mat x, const float *coef);

	/* rstd[t] = 1/sqrt(mean_j x[t][j]^2 + eps); y (T, D)/F,A = x/F * rstd * w (D)/F; y may be x.
	 * With n_heads > 1 a row is that many vectors, each with its own mean: x (T, n_heads * E),
	 * rstd (T, n_heads), w (E). */
	void (*rmsnorm)(struct dev *d, struct mat y, float *rstd, struct mat x, int n_heads,
			const float *w, float eps);
	/* With g = dy * w, dx (T, D)/F += rstd * (g - x * rstd^2 * mean_j(g x)). dy/F; heads as in
	 * rmsnorm. */
	void (*rmsnorm_bwd)(struct dev *d, struct mat dx, struct mat dy, struct mat x, int n_heads,
			    const float *rstd, const float *w);

	/* In place on x (T, n_heads * E)/F: for j < E/2, with c, s = cos, sin (P, E/2)/F at row
	 * pos[t]: (a, b) = (x[j], x[j + E/2]) becomes (a c - b s, b c + a s); inverse: s = -s,
	 * which is also the gradient. */
	void (*rope)(struct dev *d, struct mat x, int n_heads, const int32_t *pos,
		     const float *cos_table, const float *sin_table, bool inverse);

	/* o (T, H E)/A = softmax(scale q k^T + mask) v; q (T, H E)/A; k, v (Tk, K E)/A;
	 * lse (H, T)/F = log of the sum of exponents, for attn_bwd (may be NULL). */
	void (*attn)(struct dev *d, struct mat o, float *lse, struct mat q, struct mat k,
		     struct mat v, const struct attn_shape *s);
	/* P = exp(scale q k^T - lse); dP = do v^T; dS = P (dP - rowsum(do o));
	 * dq = scale dS k; dk = scale dS^T q; dv = P^T do. dq, dk, dv/F; rows that no segment
	 * holds are left alone in dq and are 0 in dk, dv. */
	void (*attn_bwd)(struct dev *d, struct mat dq, struct mat dk, struct mat dv,
			 struct mat dout, struct mat o, struct mat q, struct mat k, struct mat v,
			 const float *lse, const struct attn_shape *s);

	/* y (T, F)/A = silu(gate) * up; silu(x) = x / (1 + exp(-x)); gate, up (T, F)/F,A. */
	void (*swiglu)(struct dev *d, struct mat y, struct mat gate, struct mat up);
	/* With z = sigmoid(gate): dgate = dy up z (1 + gate (1 - z)), dup = dy gate z; dgate, dup/A;
	 * dy/F. */
	void (*swiglu_bwd)(struct dev *d, struct mat dgate, struct mat dup, struct mat dy,
			   struct mat gate, struct mat up);

	/* logp[i] = logits[i][targets[i]] - log sum_v exp(logits[i][v]), logits (n, V)/F.
	 * dlogits (n, V)/A, unless its p is NULL: softmax(logits) - onehot(target), the gradient of
	 * -logp[i] for unit weight. What stands in logits afterwards is nobody's business. */
	void (*xent)(struct dev *d, float *logp, struct mat dlogits, struct mat logits,
		     const int32_t *targets);

	/* y = x * keep / (1 - p) where keep[i] is 1 when the counter-based uniform number of
	 * (seed, stream, row * cols + col) is >= p. x, y (T, D)/A; also the gradient. */
	void (*dropout)(struct dev *d, struct mat y, struct mat x, float p, uint64_t seed,
			uint32_t stream);

	/* *out = sum_i g[i]^2 in a fixed order (one float on the device). */
	void (*sumsq)(struct dev *d, float *out, const float *g, size_t n);
	/* torch.optim.AdamW: p *= 1 - lr wd; m, v moving averages of g grad_scale;
	 * p -= lr/correction1 m / (sqrt(v)/sqrt(correction2) + eps). */
	void (*adamw)(struct dev *d, float *p, float *m, float *v, const float *g, size_t n,
		      const struct adamw *h);
};

struct dev {
	const struct ops *ops; /* back ends put their own state behind it */
};

/* name: "ref", "cpu", "plain" (cpu without oneDNN) or "auto" (the fastest there is).
 * threads: 0 = as OpenMP decides. NULL and err when there is no such back end here. */
struct dev *ops_open(const char *name, int threads, struct err *err);
/* What the bits of its results depend on beside the numbers: back end, library, instruction sets. Two
 * machines with the same text compute the same. */
#define OPS_IDENTITY_SIZE 160
void ops_identity(const struct dev *d, char out[OPS_IDENTITY_SIZE]);
/* The names ops_open knows on this machine, for messages and tests; ends with NULL. */
const char *const *ops_names(void);

static inline struct mat mat_view(void *p, enum dtype t, int64_t rows, int64_t cols)
{
	return (struct mat){ p, t, rows, cols, cols };
}

/* Element size of the two activation types. */
static inline size_t mat_elem(enum dtype t)
{
	return t == DT_BF16 ? 2 : 4;
}

/* Columns [c, c + n) and rows [r, r + n) of a matrix. */
static inline struct mat mat_cols(struct mat m, int64_t c, int64_t n)
{
	m.p = (char *)m.p + (size_t)c * mat_elem(m.t);
	m.cols = n;
	return m;
}

static inline struct mat mat_rows(struct mat m, int64_t r, int64_t n)
{
	m.p = (char *)m.p + (size_t)(r * m.ld) * mat_elem(m.t);
	m.rows = n;
	return m;
}

#endif
