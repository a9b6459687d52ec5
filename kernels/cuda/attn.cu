/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attention with tensor cores: a block has 64 MT queries of one head, each of its four warps 16 MT of them.
 * It goes through the keys a tile of KEYS at a time with a running maximum and sum; while it multiplies
 * one tile, the next is on its way to shared memory. KEYS is as large as the registers allow.
 */
#include "kernels/cuda/attn.cuh"
#include "kernels/cuda/mma.cuh"

/* Keys [k0, k0 + KEYS) of a segment; zeros where there are none. */
template <int E, int KEYS>
__device__ __forceinline__ void load_keys(uint16_t *tile, view<uint16_t> m, const struct sight *s,
					  int k0)
{
	const int pieces = E / 8;
	int piece = threadIdx.x % pieces;

#pragma unroll
	for (int row = threadIdx.x / pieces; row < KEYS; row += TILE_THREADS / pieces) {
		bool there = k0 + row < s->keys;
		int64_t at = there ? key_row(s, k0 + row) : 0;

		copy16(tile_at<E>(tile, row, piece), m.p + at * m.ld + piece * 8, there);
	}
}

/* Scores of a warp's 16 queries from q0 on with keys from k0 on: those that are not seen become -inf. */
template <int KEYS>
__device__ __forceinline__ void mask(float (*s)[4], const struct sight *see, int q0, int k0,
				     int window, int lane)
{
#pragma unroll
	for (int j = 0; j < KEYS / 8; j++)
#pragma unroll
		for (int r = 0; r < 4; r++) {
			int i = q0 + lane / 4 + r / 2 * 8, k = k0 + 8 * j + lane % 4 * 2 + r % 2;
			int end = see->first + i;

			if (k >= end || k >= see->keys || (window && k < end - window))
				s[j][r] = -INFINITY;
		}
}

/* Sums and maxima of rows g and g + 8 of a warp's results. */
struct running {
	float max[2], sum[2];
};

/* s becomes weights; what was summed with an older maximum is scaled down. */
template <int E, int KEYS>
__device__ __forceinline__ void soften(float (*s)[4], float (*o)[4], struct running *w, float scale)
{
#pragma unroll
	for (int half = 0; half < 2; half++) {
		float m = w->max[half], keep, sum = 0, base;

#pragma unroll
		for (int j = 0; j < KEYS / 8; j++)
			m = fmaxf(m, fmaxf(s[j][2 * half], s[j][2 * half + 1]));
		m = fmaxf(m, __shfl_xor_sync(FULL, m, 1));
		m = fmaxf(m, __shfl_xor_sync(FULL, m, 2));
		base = m == -INFINITY ? 0 : m * scale; /* nothing seen yet */
		keep = exp2f(w->max[half] * scale - base);
		w->max[half] = m;
#pragma unroll
		for (int j = 0; j < KEYS / 8; j++)
#pragma unroll
			for (int r = 2 * half; r < 2 * half + 2; r++) {
				s[j][r] = exp2f(s[j][r] * scale - base);
				sum += s[j][r];
			}
		w->sum[half] = w->sum[half] * keep + sum;
#pragma unroll
		for (int p = 0; p < E / 8; p++) {
			o[p][2 * half] *= keep;
			o[p][2 * half + 1] *= keep;
		}
	}
}

template <int E>
__device__ __forceinline__ void finish(const struct attn_call<uint16_t> &a, float (*o)[4],
				       struct running *w, const struct sight *see, int q0, int h,
				       int lane)
{
#pragma unroll
	for (int half = 0; half < 2; half++) {
		int i = q0 + lane / 4 + half * 8;
		int64_t t = see->q_begin + i;
		float sum = w->sum[half], by;

		sum += __shfl_xor_sync(FULL, sum, 1);
		sum += __shfl_xor_sync(FULL, sum, 2);
		if (i >= see->n)
			continue;
		by = 1 / sum;
#pragma unroll
		for (int p = 0; p < E / 8; p++)
			*(unsigned *)(a.o.p + t * a.o.ld + h * E + 8 * p + lane % 4 * 2) =
				bf16_pack(o[p][2 * half] * by, o[p][2 * half + 1] * by);
		if (a.lse && lane % 4 == 0)
			a.lse[(int64_t)h * a.q_rows + t] = w->max[half] * a.scale + logf(sum);
	}
}

template <int E, int MT, int KEYS>
__global__ void __launch_bounds__(TILE_THREADS) attn_tiled(struct attn_call<uint16_t> a)
{
	DYNAMIC_SHARED(uint16_t, shared);
	uint16_t *qs = shared, *ks = qs + 64 * MT * E, *vs = ks + KEYS * E;
	int h = blockIdx.x % a.n_heads, q0 = (int)(gridDim.y - 1 - blockIdx.y) * 64 * MT,
	    lane = threadIdx.x % 32;
	int w0 = threadIdx.x / 32 * 16 * MT; /* the warp's first query in the block */
	struct sight see = sight_of(&a.segs[blockIdx.x / a.n_heads], a.ranges);
	int last = q0 + 64 * MT < see.n ? q0 + 64 * MT : see.n, end = see.first + last - 1, k0;
	float o[MT][E / 8][4] = {}, scale = a.scale * LOG2E;
	struct running w[MT];
	const int pieces = E / 8;

	if (q0 >= see.n)
		return;
	a.k.p += h / a.group * E;
	a.v.p += h / a.group * E;
	for (int row = threadIdx.x / pieces; row < 64 * MT; row += TILE_THREADS / pieces)
		copy16(tile_at<E>(qs, row, threadIdx.x % pieces),
		       a.q.p + (see.q_begin + (q0 + row < see.n ? q0 + row : 0)) * a.q.ld + h * E +
			       threadIdx.x % pieces * 8,
		       q0 + row < see.n);
	k0 = first_key(&see, q0, a.window) / KEYS * KEYS;
	load_keys<E, KEYS>(ks, a.k, &see, k0);
	copies_end();
#pragma unroll
	for (int m = 0; m < MT; m++)
		w[m] = { { -INFINITY, -INFINITY }, { 0, 0 } };
	for (; k0 < end; k0 += KEYS) {
		float s[MT][KEYS / 8][4] = {};
		bool whole = k0 + KEYS <= see.first + q0 && (!a.window || k0 >= end - a.window);

		copies_wait<0>(); /* the keys */
		__syncthreads();
		load_keys<E, KEYS>(vs, a.v, &see, k0);
		copies_end();
#pragma unroll
		for (int p = 0; p < E / 8; p += 2) {
			unsigned left[MT][4], b[4];

#pragma unroll
			for (int m = 0; m < MT; m++)
				left_side<E>(left[m], qs, w0 + 16 * m, p, lane);
#pragma unroll
			for (int j = 0; j < KEYS / 8; j += 2) {
				right_rows<E>(b, ks, 8 * j, p, lane);
#pragma unroll
				for (int m = 0; m < MT; m++) {
					mma(s[m][j], left[m], b);
					mma(s[m][j + 1], left[m], b + 2);
				}
			}
		}
		copies_wait<0>(); /* the values; and all warps are through with the keys */
		__syncthreads();
		if (k0 + KEYS < end)
			load_keys<E, KEYS>(ks, a.k, &see, k0 + KEYS);
		copies_end();
#pragma unroll
		for (int m = 0; m < MT; m++) {
			if (!whole)
				mask<KEYS>(s[m], &see, q0 + w0 + 16 * m, k0, a.window, lane);
			soften<E, KEYS>(s[m], o[m], &w[m], scale);
		}
#pragma unroll
		for (int k = 0; k < KEYS / 8; k += 2) {
			unsigned left[MT][4], b[4];

#pragma unroll
			for (int m = 0; m < MT; m++)
				as_left(left[m], s[m] + k);
#pragma unroll
			for (int p = 0; p < E / 8; p += 2) {
				right_cols<E>(b, vs, 8 * k, p, lane);
#pragma unroll
				for (int m = 0; m < MT; m++) {
					mma(o[m][p], left[m], b);
					mma(o[m][p + 1], left[m], b + 2);
				}
			}
		}
	}
	copies_wait<0>();
#pragma unroll
	for (int m = 0; m < MT; m++)
		finish<E>(a, o[m], &w[m], &see, q0 + w0 + 16 * m, h, lane);
}

template <int E, int MT, int KEYS>
static void tiled(struct cuda *c, const struct attn_call<uint16_t> &a, const struct attn_shape *s)
{
	size_t bytes = (64 * MT + 2 * KEYS) * E * sizeof(uint16_t);
	dim3 grid((unsigned)(s->n_segs * s->n_heads),
		  (unsigned)((s->max_q + 64 * MT - 1) / (64 * MT)));

	ALLOW_SHARED(c, (attn_tiled<E, MT, KEYS>), bytes, "attn");
	LAUNCH(c, "attn", (attn_tiled<E, MT, KEYS>), grid, TILE_THREADS, bytes, a);
}

void cuda_attn(struct dev *d, struct mat o, float *lse, struct mat q, struct mat k, struct mat v,
	       const struct attn_shape *s)
{
	struct cuda *c = cuda_of(d);
	struct attn_call<uint16_t> a = attn_call_of<uint16_t>(q, k, v, s);
	bool pairs = (uintptr_t)o.p % 4 == 0 && o.ld % 2 == 0;

	if (!s->n_segs || !s->max_q)
		return;
	if (s->head_size > 256 || s->max_q > 65535 * 32) {
		cuda_fail(c, "attn", "a head size or a segment that it has no kernel for");
		return;
	}
	if (!attn_tiles(q, k, v, s->head_size) || !pairs) {
		attn_simple(c, o, lse, q, k, v, s);
		return;
	}
	a.o = view_of<uint16_t>(o), a.lse = lse;
	if (s->head_size == 64)
		s->max_q > 64 ? tiled<64, 2, 64>(c, a, s) : tiled<64, 1, 64>(c, a, s);
	else
		s->max_q > 64 ? tiled<128, 2, 32>(c, a, s) : tiled<128, 1, 64>(c, a, s);
}
