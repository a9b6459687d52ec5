/* SPDX-License-Identifier: Apache-2.0 */
/* Who sees whom. The keys of a segment have numbers from 0 on, range after range; query i of n sees those
 * below first + i, first = keys - n + 1, and of these only the last `window`. */
#ifndef KERNELS_CUDA_ATTN_CUH
#define KERNELS_CUDA_ATTN_CUH

#include "kernels/cuda/cuda.cuh"

/* What kernels get of a call. */
template <typename T> struct attn_call {
	view<T> q, k, v, o, dout;
	view<float> dq, dk, dv;
	float *lse, *delta; /* (H, T) */
	const struct attn_seg *segs;
	const struct attn_range *ranges;
	int n_segs, n_heads, n_kv_heads, group, window, q_rows, k_rows;
	float scale;
};

template <typename T>
static inline struct attn_call<T> attn_call_of(struct mat q, struct mat k, struct mat v,
					       const struct attn_shape *s) {
	struct attn_call<T> a = {
	};

	a.q = view_of<T>(q), a.k = view_of<T>(k), a.v = view_of<T>(v);
	a.segs = s->segs, a.ranges = s->ranges, a.n_segs = s->n_segs;
	a.n_heads = s->n_heads, a.n_kv_heads = s->n_kv_heads, a.group = s->n_heads / s->n_kv_heads;
	a.window = s->window, a.scale = s->scale;
	a.q_rows = (int)q.rows, a.k_rows = (int)k.rows;
	return a;
}

/* A segment as its queries see it. */
struct sight {
	const struct attn_range *r;
	int n_ranges, q_begin, n, keys, first;
};

__device__ __forceinline__ struct sight sight_of(const struct attn_seg *seg,
						 const struct attn_range *ranges)
{
	struct sight s = { ranges + seg->range_begin,
			   seg->range_end - seg->range_begin,
			   seg->q_begin,
			   seg->q_end - seg->q_begin,
			   0,
			   0 };

	for (int i = 0; i < s.n_ranges; i++)
		s.keys += s.r[i].k_end - s.r[i].k_begin;
	s.first = s.keys - s.n + 1;
	return s;
}

/* The row of key number i. */
__device__ __forceinline__ int key_row(const struct sight *s, int i)
{
	int k = 0;

	for (; k < s->n_ranges - 1; k++) {
		int length = s->r[k].k_end - s->r[k].k_begin;

		if (i < length)
			break;
		i -= length;
	}
	return s->r[k].k_begin + i;
}

/* The first key that query i sees. */
__device__ __forceinline__ int first_key(const struct sight *s, int i, int window)
{
	int k = s->first + i - window;

	return window && k > 0 ? k : 0;
}

/* attn_simple.cu: any type and head size up to 256, one query or key a thread. */
void attn_simple(struct cuda *c, struct mat o, float *lse, struct mat q, struct mat k, struct mat v,
		 const struct attn_shape *s);
void attn_simple_bwd(struct cuda *c, struct mat dq, struct mat dk, struct mat dv, struct mat dout,
		     struct mat q, struct mat k, struct mat v, const float *lse, const float *delta,
		     const struct attn_shape *s);

/* Whether the kernels with tensor cores take it. */
static inline bool attn_tiles(struct mat q, struct mat k, struct mat v, int size)
{
	return q.t == DT_BF16 && (size == 64 || size == 128) && view_of<uint16_t>(q).vec &&
	       view_of<uint16_t>(k).vec && view_of<uint16_t>(v).vec;
}

#endif
