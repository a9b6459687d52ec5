/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The backward pass of attention with tensor cores. delta = rowsum(do o) first. Then one kernel has tiles
 * of keys and goes through the queries that see them (dk, dv), and one has tiles of queries and goes
 * through their keys (dq): scores are made twice, and every sum stays in registers, in one order.
 */
#include "kernels/cuda/attn.cuh"
#include "kernels/cuda/mma.cuh"

#define ROWS 64 /* keys or queries of a tile */

/* A warp sums one head of one row. */
template <typename T>
__global__ void __launch_bounds__(256) attn_delta(struct attn_call<T> a, int size)
{
	int64_t i = (int64_t)blockIdx.x * 8 + threadIdx.x / 32, t = i / a.n_heads;
	int h = (int)(i % a.n_heads), lane = threadIdx.x % 32;
	float sum = 0;

	if (t >= a.q_rows)
		return;
	for (int e = lane; e < size; e += 32)
		sum += load1(a.dout.p + t * a.dout.ld + h * size + e) *
		       load1(a.o.p + t * a.o.ld + h * size + e);
	sum = warp_sum(sum);
	if (lane == 0)
		a.delta[(int64_t)h * a.q_rows + t] = sum;
}

template <int E, typename F>
__device__ __forceinline__ void load_rows(uint16_t *tile, view<uint16_t> m, int col, F row_of)
{
	const int pieces = E / 8;
	int piece = threadIdx.x % pieces;

#pragma unroll
	for (int row = threadIdx.x / pieces; row < ROWS; row += TILE_THREADS / pieces) {
		int64_t at = row_of(row); /* below 0: none */

		copy16(tile_at<E>(tile, row, piece),
		       m.p + (at < 0 ? 0 : at) * m.ld + col + piece * 8, at >= 0);
	}
}

/* Floats of a (H, T) array for queries from t on; of the n that are there. */
__device__ __forceinline__ void load_floats(float *to, const float *from, int n)
{
	if (threadIdx.x < ROWS)
		to[threadIdx.x] = (int)threadIdx.x < n ? from[threadIdx.x] : 0;
}

/* Which queries a tile of keys meets next: those of a segment that sees it by one of its ranges, head by
 * head. */
struct meeting {
	struct sight see;
	int seg, range, before; /* before: keys of the segment in front of the range */
	int h, q0, q_begin,
		q_end; /* the head in the group; a tile of queries from q0 on, of these */
};

/* The next range that holds a row in [k0, k0 + ROWS); false: there is none. */
__device__ __forceinline__ bool next_range(const struct attn_call<uint16_t> &a, struct meeting *m,
					   int k0)
{
	for (;; m->range++) {
		int begin, end, from, to;

		while (m->range >= m->see.n_ranges) {
			if (++m->seg >= a.n_segs)
				return false;
			m->see = sight_of(&a.segs[m->seg], a.ranges);
			m->range = m->before = 0;
		}
		begin = m->see.r[m->range].k_begin, end = m->see.r[m->range].k_end;
		from = begin > k0 ? begin : k0;
		to = end < k0 + ROWS ? end : k0 + ROWS;
		if (from < to) {
			int first = m->before + from - begin - m->see.first + 1;
			int last = m->before + to - 1 - begin - m->see.first + a.window + 1;

			m->q_begin = first > 0 ? first : 0;
			m->q_end = a.window && last < m->see.n ? last : m->see.n;
			m->h = 0;
			m->q0 = m->q_begin;
			if (m->q_begin < m->q_end)
				return true;
		}
		m->before += end - begin;
	}
}

__device__ __forceinline__ bool next_meeting(const struct attn_call<uint16_t> &a, struct meeting *m,
					     int k0)
{
	m->q0 += ROWS;
	if (m->q0 < m->q_end)
		return true;
	m->q0 = m->q_begin;
	if (++m->h < a.group)
		return true;
	m->before += m->see.r[m->range].k_end - m->see.r[m->range].k_begin;
	m->range++;
	return next_range(a, m, k0);
}

template <int E> struct dkv_shared {
	uint16_t k[ROWS * E], v[ROWS * E], q[2][ROWS * E], dout[2][ROWS * E];
	float lse[2][ROWS], delta[2][ROWS];
};

template <int E>
__device__ __forceinline__ void load_queries(const struct attn_call<uint16_t> &a,
					     struct dkv_shared<E> *sh, int at,
					     const struct meeting *m, int hk)
{
	int h = hk * a.group + m->h, n = m->q_end - m->q0;
	int64_t t = m->see.q_begin + m->q0, first = (int64_t)h * a.q_rows + t;
	auto row_of = [=](int row) { return row < n ? t + row : -1; };

	load_rows<E>(sh->q[at], a.q, h * E, row_of);
	load_rows<E>(sh->dout[at], a.dout, h * E, row_of);
	load_floats(sh->lse[at], a.lse + first, n);
	load_floats(sh->delta[at], a.delta + first, n);
}

/* s (keys, queries) of a warp's 16 keys and N queries from the tile's query `from` on: scores become weights,
 * p (dout v) becomes dS. */
template <int N>
__device__ __forceinline__ void
weigh(const struct attn_call<uint16_t> &a, float (*s)[4], float (*dp)[4], int from,
      const float *lse, const float *delta, const struct meeting *m, int key, int lane)
{
	const struct attn_range *r = &m->see.r[m->range];
	int n = m->q_end - m->q0;

#pragma unroll
	for (int half = 0; half < 2; half++) {
		int row = key + lane / 4 + half * 8, number = m->before + row - r->k_begin;
		bool there = row >= r->k_begin && row < r->k_end;

#pragma unroll
		for (int j = 0; j < N / 8; j++)
#pragma unroll
			for (int x = 0; x < 2; x++) {
				int col = from + 8 * j + lane % 4 * 2 + x,
				    end = m->see.first + m->q0 + col;
				float *p = &s[j][2 * half + x], *ds = &dp[j][2 * half + x];

				if (there && col < n && number < end &&
				    (!a.window || number >= end - a.window))
					*p = exp2f((*p * a.scale - lse[col]) * LOG2E);
				else
					*p = 0;
				*ds = *p * (*ds - delta[col]);
			}
	}
}

template <int E>
__device__ __forceinline__ void store_sums(view<float> m, float (*d)[4], int row0, int rows,
					   int col, float by, int lane)
{
#pragma unroll
	for (int half = 0; half < 2; half++) {
		int row = row0 + lane / 4 + half * 8;
		float *p = m.p + row * m.ld + col + lane % 4 * 2;

		if (row >= rows)
			continue;
#pragma unroll
		for (int j = 0; j < E / 8; j++) {
			if (m.vec) {
				*(float2 *)(p + 8 * j) = { d[j][2 * half] * by,
							   d[j][2 * half + 1] * by };
				continue;
			}
			p[8 * j] = d[j][2 * half] * by;
			p[8 * j + 1] = d[j][2 * half + 1] * by;
		}
	}
}

template <int E>
__global__ void __launch_bounds__(TILE_THREADS) attn_dkv(struct attn_call<uint16_t> a)
{
	DYNAMIC_SHARED(struct dkv_shared<E>, sh);
	const int N = E == 64 ? 64 : 32; /* queries at a time: as many as the registers allow */
	int k0 = blockIdx.y * ROWS, hk = blockIdx.x, lane = threadIdx.x % 32,
	    w0 = threadIdx.x / 32 * 16, at = 0;
	float dk[E / 8][4] = {}, dv[E / 8][4] = {};
	auto row_of = [=](int row) { return k0 + row < a.k_rows ? (int64_t)k0 + row : -1; };
	struct meeting m = {}, next;
	bool more;

	m.seg = -1;
	load_rows<E>(sh->k, a.k, hk * E, row_of);
	load_rows<E>(sh->v, a.v, hk * E, row_of);
	more = next_range(a, &m, k0);
	if (more)
		load_queries(a, sh, 0, &m, hk);
	copies_end();
	for (; more; m = next, at ^= 1) {
		next = m;
		more = next_meeting(a, &next, k0);
		if (more)
			load_queries(a, sh, at ^ 1, &next, hk);
		copies_end();
		copies_wait<1>();
		__syncthreads();
#pragma unroll 1
		for (int from = 0; from < ROWS; from += N) {
			float s[N / 8][4] = {}, dp[N / 8][4] = {};

			rows_by_rows<E, N / 8>(s, sh->k, w0, sh->q[at], from, lane);
			rows_by_rows<E, N / 8>(dp, sh->v, w0, sh->dout[at], from, lane);
			weigh<N>(a, s, dp, from, sh->lse[at], sh->delta[at], &m, k0 + w0, lane);
			weights_by_rows<E, N / 8>(dv, s, sh->dout[at] + from * E, lane);
			weights_by_rows<E, N / 8>(dk, dp, sh->q[at] + from * E, lane);
		}
		__syncthreads(); /* its place is the one after next's */
	}
	copies_wait<0>();
	store_sums<E>(a.dk, dk, k0 + w0, a.k_rows, hk * E, a.scale, lane);
	store_sums<E>(a.dv, dv, k0 + w0, a.k_rows, hk * E, 1, lane);
}

template <int E> struct dq_shared {
	uint16_t q[ROWS * E], dout[ROWS * E], k[2][ROWS * E], v[2][ROWS * E];
};

/* s (queries, keys) of a warp's 16 queries. */
__device__ __forceinline__ void weigh_keys(const struct attn_call<uint16_t> &a, float (*s)[4],
					   float (*dp)[4], const float lse[2], const float delta[2],
					   const struct sight *see, int q0, int k0, int lane)
{
#pragma unroll
	for (int half = 0; half < 2; half++) {
		int i = q0 + lane / 4 + half * 8, end = see->first + i;

#pragma unroll
		for (int j = 0; j < ROWS / 8; j++)
#pragma unroll
			for (int x = 0; x < 2; x++) {
				int k = k0 + 8 * j + lane % 4 * 2 + x;
				float p = s[j][2 * half + x], *ds = &dp[j][2 * half + x];

				if (i < see->n && k < end && (!a.window || k >= end - a.window))
					p = exp2f((p * a.scale - lse[half]) * LOG2E);
				else
					p = 0;
				*ds = p * (*ds - delta[half]);
			}
	}
}

template <int E>
__global__ void __launch_bounds__(TILE_THREADS) attn_dq(struct attn_call<uint16_t> a)
{
	DYNAMIC_SHARED(struct dq_shared<E>, sh);
	int h = blockIdx.x % a.n_heads, q0 = (int)(gridDim.y - 1 - blockIdx.y) * ROWS,
	    lane = threadIdx.x % 32;
	int w0 = threadIdx.x / 32 * 16, hk = h / a.group, at = 0, k0, end;
	struct sight see = sight_of(&a.segs[blockIdx.x / a.n_heads], a.ranges);
	float dq[E / 8][4] = {}, lse[2] = {}, delta[2] = {};
	auto query = [=](int row) {
		return q0 + row < see.n ? (int64_t)see.q_begin + q0 + row : -1;
	};

	if (q0 >= see.n)
		return;
	end = see.first + (q0 + ROWS < see.n ? q0 + ROWS : see.n) - 1;
	k0 = first_key(&see, q0, a.window) / ROWS * ROWS;
	auto load = [&](int to, int from) {
		auto key = [&](int row) {
			return from + row < see.keys ? (int64_t)key_row(&see, from + row) : -1;
		};

		load_rows<E>(sh->k[to], a.k, hk * E, key);
		load_rows<E>(sh->v[to], a.v, hk * E, key);
	};
	load_rows<E>(sh->q, a.q, h * E, query);
	load_rows<E>(sh->dout, a.dout, h * E, query);
	load(0, k0);
	copies_end();
	for (int half = 0; half < 2; half++) {
		int i = q0 + w0 + lane / 4 + half * 8;

		if (i < see.n) {
			lse[half] = a.lse[(int64_t)h * a.q_rows + see.q_begin + i];
			delta[half] = a.delta[(int64_t)h * a.q_rows + see.q_begin + i];
		}
	}
	for (; k0 < end; k0 += ROWS, at ^= 1) {
		float s[ROWS / 8][4] = {}, dp[ROWS / 8][4] = {};

		if (k0 + ROWS < end)
			load(at ^ 1, k0 + ROWS);
		copies_end();
		copies_wait<1>();
		__syncthreads();
		rows_by_rows<E, ROWS / 8>(s, sh->q, w0, sh->k[at], 0, lane);
		rows_by_rows<E, ROWS / 8>(dp, sh->dout, w0, sh->v[at], 0, lane);
		weigh_keys(a, s, dp, lse, delta, &see, q0 + w0, k0, lane);
		weights_by_rows<E, ROWS / 8>(dq, dp, sh->k[at], lane);
		__syncthreads();
	}
	copies_wait<0>();
	a.dq.p += (int64_t)see.q_begin * a.dq.ld;
	store_sums<E>(a.dq, dq, q0 + w0, see.n, h * E, a.scale, lane);
}

/* Pairs of floats are aligned. */
static view<float> pairs_of(struct mat m)
{
	view<float> v = view_of<float>(m);

	v.vec = (uintptr_t)m.p % 8 == 0 && m.ld % 2 == 0;
	return v;
}

template <int E>
static void tiled(struct cuda *c, const struct attn_call<uint16_t> &a, const struct attn_shape *s)
{
	dim3 queries((unsigned)(s->n_segs * s->n_heads), (unsigned)((s->max_q + ROWS - 1) / ROWS));
	dim3 keys((unsigned)s->n_kv_heads, (unsigned)((a.k_rows + ROWS - 1) / ROWS));

	ALLOW_SHARED(c, attn_dkv<E>, sizeof(struct dkv_shared<E>), "attn_bwd");
	ALLOW_SHARED(c, attn_dq<E>, sizeof(struct dq_shared<E>), "attn_bwd");
	LAUNCH(c, "attn_bwd", attn_dkv<E>, keys, TILE_THREADS, sizeof(struct dkv_shared<E>), a);
	if (s->n_segs && s->max_q)
		LAUNCH(c, "attn_bwd", attn_dq<E>, queries, TILE_THREADS,
		       sizeof(struct dq_shared<E>), a);
}

size_t cuda_attn_scratch(const struct op_limits *l)
{
	return l->backward ? (size_t)(l->rows * l->n_heads) * sizeof(float) : 0;
}

template <typename T>
static void delta_of(struct cuda *c, float *delta, struct mat dout, struct mat o, struct mat q,
		     struct mat k, struct mat v, const struct attn_shape *s)
{
	struct attn_call<T> a = attn_call_of<T>(q, k, v, s);

	a.o = view_of<T>(o), a.dout = view_of<T>(dout), a.delta = delta;
	LAUNCH(c, "attn_bwd", attn_delta<T>, (unsigned)((q.rows * s->n_heads + 7) / 8), 256, 0, a,
	       s->head_size);
}

void cuda_attn_bwd(struct dev *d, struct mat dq, struct mat dk, struct mat dv, struct mat dout,
		   struct mat o, struct mat q, struct mat k, struct mat v, const float *lse,
		   const struct attn_shape *s)
{
	struct cuda *c = cuda_of(d);
	struct attn_call<uint16_t> a = attn_call_of<uint16_t>(q, k, v, s);
	float *delta =
		(float *)cuda_scratch(c, SCRATCH_ATTN,
				      (size_t)(q.rows * s->n_heads) * sizeof(float), "attn_bwd");

	if (!delta || !q.rows || !k.rows)
		return;
	if (s->head_size > 256) {
		cuda_fail(c, "attn_bwd", "a head size that it has no kernel for");
		return;
	}
	if (q.t == DT_BF16)
		delta_of<uint16_t>(c, delta, dout, o, q, k, v, s);
	else
		delta_of<float>(c, delta, dout, o, q, k, v, s);
	if (!attn_tiles(q, k, v, s->head_size) || !view_of<uint16_t>(dout).vec) {
		attn_simple_bwd(c, dq, dk, dv, dout, q, k, v, lse, delta, s);
		return;
	}
	a.dout = view_of<uint16_t>(dout), a.lse = (float *)lse, a.delta = delta;
	a.dq = pairs_of(dq), a.dk = pairs_of(dk), a.dv = pairs_of(dv);
	s->head_size == 64 ? tiled<64>(c, a, s) : tiled<128>(c, a, s);
}
