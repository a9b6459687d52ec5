/* SPDX-License-Identifier: Apache-2.0 */
/* Attention for fp32 and for head sizes without tiles: a thread has one query, or one key, and its sums in
 * shared memory. */
#include "kernels/cuda/attn.cuh"

#define LANES 32

template <typename T> __device__ __forceinline__ float dot(const T *a, const T *b, int n)
{
	float s[4] = { 0, 0, 0, 0 };
	int e = 0;

	for (; e + 4 <= n; e += 4)
#pragma unroll
		for (int k = 0; k < 4; k++)
			s[k] += load1(a + e + k) * load1(b + e + k);
	for (; e < n; e++)
		s[0] += load1(a + e) * load1(b + e);
	return (s[0] + s[1]) + (s[2] + s[3]);
}

template <typename T>
__global__ void __launch_bounds__(LANES) simple_forward(struct attn_call<T> a, int size)
{
	DYNAMIC_SHARED(float, sums);
	float *sum = sums + threadIdx.x * (size + 1), max = -INFINITY, total = 0;
	int h = blockIdx.x % a.n_heads, i = blockIdx.y * LANES + threadIdx.x, hk = h / a.group;
	struct sight s = sight_of(&a.segs[blockIdx.x / a.n_heads], a.ranges);
	const T *q = a.q.p + (s.q_begin + i) * a.q.ld + h * size;

	if (i >= s.n)
		return;
	for (int e = 0; e < size; e++)
		sum[e] = 0;
	for (int k = first_key(&s, i, a.window); k < s.first + i; k++) {
		int64_t row = key_row(&s, k);
		const T *v = a.v.p + row * a.v.ld + hk * size;
		float x = a.scale * dot(q, a.k.p + row * a.k.ld + hk * size, size), p, keep;

		p = fmaxf(max, x);
		keep = expf(max - p);
		max = p;
		p = expf(x - max);
		total = total * keep + p;
		for (int e = 0; e < size; e++)
			sum[e] = sum[e] * keep + p * load1(v + e);
	}
	for (int e = 0; e < size; e++)
		store1(a.o.p + (s.q_begin + i) * a.o.ld + h * size + e, sum[e] / total);
	if (a.lse)
		a.lse[(int64_t)h * a.q_rows + s.q_begin + i] = max + logf(total);
}

template <typename T>
__global__ void __launch_bounds__(LANES) simple_dq(struct attn_call<T> a, int size)
{
	DYNAMIC_SHARED(float, sums);
	float *sum = sums + threadIdx.x * (size + 1), lse, delta;
	int h = blockIdx.x % a.n_heads, i = blockIdx.y * LANES + threadIdx.x, hk = h / a.group;
	struct sight s = sight_of(&a.segs[blockIdx.x / a.n_heads], a.ranges);
	int64_t t = s.q_begin + i;
	const T *q = a.q.p + t * a.q.ld + h * size, *dout = a.dout.p + t * a.dout.ld + h * size;

	if (i >= s.n)
		return;
	lse = a.lse[(int64_t)h * a.q_rows + t];
	delta = a.delta[(int64_t)h * a.q_rows + t];
	for (int e = 0; e < size; e++)
		sum[e] = 0;
	for (int k = first_key(&s, i, a.window); k < s.first + i; k++) {
		int64_t row = key_row(&s, k);
		const T *key = a.k.p + row * a.k.ld + hk * size;
		float p = expf(a.scale * dot(q, key, size) - lse);
		float ds = p * (dot(dout, a.v.p + row * a.v.ld + hk * size, size) - delta);

		for (int e = 0; e < size; e++)
			sum[e] += ds * load1(key + e);
	}
	for (int e = 0; e < size; e++)
		a.dq.p[t * a.dq.ld + h * size + e] = a.scale * sum[e];
}

/* All queries of a segment that see key row `row`, number k there. */
template <typename T>
__device__ __forceinline__ void simple_key(const struct attn_call<T> &a, int size,
					   const struct sight *s, int64_t row, int k, int hk,
					   float *dk, float *dv)
{
	const T *key = a.k.p + row * a.k.ld + hk * size, *value = a.v.p + row * a.v.ld + hk * size;
	int from = k - s->first + 1 > 0 ? k - s->first + 1 : 0;
	int to =
		a.window && k - s->first + a.window + 1 < s->n ? k - s->first + a.window + 1 : s->n;

	for (int h = hk * a.group; h < (hk + 1) * a.group; h++)
		for (int i = from; i < to; i++) {
			int64_t t = s->q_begin + i;
			const T *q = a.q.p + t * a.q.ld + h * size;
			const T *dout = a.dout.p + t * a.dout.ld + h * size;
			float p = expf(a.scale * dot(q, key, size) -
				       a.lse[(int64_t)h * a.q_rows + t]);
			float ds =
				p * (dot(dout, value, size) - a.delta[(int64_t)h * a.q_rows + t]);

			for (int e = 0; e < size; e++) {
				dv[e] += p * load1(dout + e);
				dk[e] += ds * load1(q + e);
			}
		}
}

template <typename T>
__global__ void __launch_bounds__(LANES) simple_dkv(struct attn_call<T> a, int size)
{
	DYNAMIC_SHARED(float, sums);
	float *dk = sums + threadIdx.x * (size + 1), *dv = dk + LANES * (size + 1);
	int64_t row = (int64_t)blockIdx.x * LANES + threadIdx.x;
	int hk = blockIdx.y;

	if (row >= a.k_rows)
		return;
	for (int e = 0; e < size; e++)
		dk[e] = dv[e] = 0;
	for (int i = 0; i < a.n_segs; i++) {
		struct sight s = sight_of(&a.segs[i], a.ranges);
		int before = 0;

		for (int r = 0; r < s.n_ranges; r++) {
			if (row >= s.r[r].k_begin && row < s.r[r].k_end)
				simple_key(a, size, &s, row, before + (int)row - s.r[r].k_begin, hk,
					   dk, dv);
			before += s.r[r].k_end - s.r[r].k_begin;
		}
	}
	for (int e = 0; e < size; e++) {
		a.dk.p[row * a.dk.ld + hk * size + e] = a.scale * dk[e];
		a.dv.p[row * a.dv.ld + hk * size + e] = dv[e];
	}
}

template <typename T>
static void forward(struct cuda *c, struct mat o, float *lse, struct mat q, struct mat k,
		    struct mat v, const struct attn_shape *s)
{
	struct attn_call<T> a = attn_call_of<T>(q, k, v, s);
	size_t shared = LANES * (s->head_size + 1) * sizeof(float);
	dim3 grid((unsigned)(s->n_segs * s->n_heads), (unsigned)((s->max_q + LANES - 1) / LANES));

	a.o = view_of<T>(o), a.lse = lse;
	LAUNCH(c, "attn", simple_forward<T>, grid, LANES, shared, a, s->head_size);
}

void attn_simple(struct cuda *c, struct mat o, float *lse, struct mat q, struct mat k, struct mat v,
		 const struct attn_shape *s)
{
	q.t == DT_BF16 ? forward<uint16_t>(c, o, lse, q, k, v, s)
		       : forward<float>(c, o, lse, q, k, v, s);
}

template <typename T>
static void backward(struct cuda *c, struct mat dq, struct mat dk, struct mat dv, struct mat dout,
		     struct mat q, struct mat k, struct mat v, const float *lse, const float *delta,
		     const struct attn_shape *s)
{
	struct attn_call<T> a = attn_call_of<T>(q, k, v, s);
	size_t shared = LANES * (s->head_size + 1) * sizeof(float);
	dim3 grid((unsigned)(s->n_segs * s->n_heads), (unsigned)((s->max_q + LANES - 1) / LANES));

	a.dout = view_of<T>(dout), a.lse = (float *)lse, a.delta = (float *)delta;
	a.dq = view_of<float>(dq), a.dk = view_of<float>(dk), a.dv = view_of<float>(dv);
	if (s->n_segs && s->max_q)
		LAUNCH(c, "attn_bwd", simple_dq<T>, grid, LANES, shared, a, s->head_size);
	grid = dim3((unsigned)((k.rows + LANES - 1) / LANES), (unsigned)s->n_kv_heads);
	ALLOW_SHARED(c, simple_dkv<T>, 2 * shared, "attn_bwd");
	LAUNCH(c, "attn_bwd", simple_dkv<T>, grid, LANES, 2 * shared, a, s->head_size);
}

void attn_simple_bwd(struct cuda *c, struct mat dq, struct mat dk, struct mat dv, struct mat dout,
		     struct mat q, struct mat k, struct mat v, const float *lse, const float *delta,
		     const struct attn_shape *s)
{
	if (q.t == DT_BF16)
		backward<uint16_t>(c, dq, dk, dv, dout, q, k, v, lse, delta, s);
	else
		backward<float>(c, dq, dk, dv, dout, q, k, v, lse, delta, s);
}
