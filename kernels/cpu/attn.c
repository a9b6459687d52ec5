/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packed grouped-query attention. A task is a block of queries of one segment and one kv head; its
 * products are small fp32 matrix products on the task's own thread. In the backward pass a task is
 * a segment and a kv head; it keeps its own dk and dv, and these are added up in the order of the
 * segments, so that segments may share keys and threads never meet. Where many share keys, they are
 * taken in waves: what is kept stays a few times dk and dv.
 */
#include "kernels/cpu/cpu.h"

#include "base/mem.h"
#include "kernels/cpu/vec.h"

#include <math.h>
#include <omp.h>

#define QUERIES 64 /* rows of a block */
#define WAVE    4 /* keys of a wave's segments together, in rows of k */

/* One segment's keys: how many, and how many query 0 does not see of the last range. */
struct keys {
	int64_t n, hidden;
};

static struct keys keys_of(const struct attn_shape *s, const struct attn_seg *g)
{
	struct keys k = { 0, g->q_end - g->q_begin - 1 };

	for (int r = g->range_begin; r < g->range_end; r++)
		k.n += s->ranges[r].k_end - s->ranges[r].k_begin;
	return k;
}

/* dst (n, E) = the segment's rows of one kv head of m, widened. */
static void collect(float *dst, struct mat m, int64_t head, const struct attn_shape *s,
		    const struct attn_seg *g)
{
	int64_t size = s->head_size;

	for (int r = g->range_begin; r < g->range_end; r++)
		for (int64_t i = s->ranges[r].k_begin; i < s->ranges[r].k_end; i++, dst += size)
			row_load(dst,
				 (char *)m.p + (size_t)(i * m.ld + head * size) * mat_elem(m.t),
				 m.t, size);
}

static void rows_load(float *dst, struct mat m, int64_t row, int64_t n, int64_t head, int64_t size)
{
	for (int64_t i = 0; i < n; i++)
		row_load(dst + i * size,
			 (char *)m.p + (size_t)((row + i) * m.ld + head * size) * mat_elem(m.t),
			 m.t, size);
}

/* The keys that a query sees, as indices into a block's keys. */
struct sight {
	int64_t begin, end;
};

/* Row of n scores -> exp(x - max) with zeros where it does not see; returns the sum; *max too. */
CLONES static float softmax_row(float *x, struct sight see, int64_t n, float *max_out)
{
	float lane[LANES] = { 0 }, max = x[see.begin], tail = 0;
	int64_t j = 0, seen = see.end - see.begin;

	for (; j < see.begin; j++)
		x[j] = 0;
	x += see.begin;
	n -= see.begin;
	j = 0;

	for (int64_t i = 1; i < seen; i++)
		max = x[i] > max ? x[i] : max;
	for (int64_t i = 0; i < seen; i++)
		x[i] = exp_f32(x[i] - max);
	for (; j + LANES <= seen; j += LANES)
		for (int l = 0; l < LANES; l++)
			lane[l] += x[j + l];
	for (; j < seen; j++)
		tail += x[j];
	for (; j < n; j++)
		x[j] = 0;
	*max_out = max;
	return fold(lane) + tail;
}

CLONES static void scale_store(void *y, enum dtype t, float *x, float c, int64_t n)
{
	for (int64_t j = 0; j < n; j++)
		x[j] *= c;
	store_row(y, t, x, n);
}

/* What a thread needs for one task. */
struct room {
	float *k, *v; /* (max_k, E) */
	float *p, *dp; /* (QUERIES, max_k) */
	float *q, *dout, *o; /* (QUERIES, E) */
};

static size_t room_floats(int64_t max_k, int64_t head_size)
{
	return (size_t)(max_k * (2 * head_size + 2 * QUERIES) + 3 * QUERIES * head_size);
}

static struct room room_at(float *p, const struct attn_shape *s)
{
	struct room r;
	int64_t size = s->head_size, max_k = s->max_k;

	r.k = p;
	r.v = r.k + max_k * size;
	r.p = r.v + max_k * size;
	r.dp = r.p + QUERIES * max_k;
	r.q = r.dp + QUERIES * max_k;
	r.dout = r.q + QUERIES * size;
	r.o = r.dout + QUERIES * size;
	return r;
}

/* A block of n queries from i0 on: its keys are the segment's [begin, begin + n_keys), and query i0
 * + i sees the part of these that sight_of gives. */
struct block {
	int64_t i0, n, begin, n_keys, window, seen_first;
};

static struct block block_of(const struct attn_shape *s, struct keys k, int64_t i0, int64_t n)
{
	struct block b = { i0, n, 0, 0, s->window, k.n - k.hidden + i0 };

	if (s->window && b.seen_first > s->window)
		b.begin = b.seen_first - s->window;
	b.n_keys = b.seen_first + n - 1 - b.begin; /* to the last one that the last query sees */
	return b;
}

static struct sight sight_of(const struct block *b, int64_t i)
{
	struct sight see = { 0, b->seen_first + i - b->begin };

	if (b->window && see.end > b->window)
		see.begin = see.end - b->window;
	return see;
}

/* The queries of block b of segment g, head h; r.k and r.v hold the segment's keys. */
static void fwd_block(const struct cpu *c, const struct room *r, struct mat o, float *lse,
		      struct mat q, const struct attn_shape *s, const struct attn_seg *g,
		      const struct block *b, int64_t h)
{
	int64_t size = s->head_size, t0 = g->q_begin + b->i0, n = b->n, seen = b->n_keys;
	const float *k = r->k + b->begin * size, *v = r->v + b->begin * size;

	rows_load(r->q, q, t0, n, h, size);
	cpu_sgemm(c, false, true, n, seen, size, s->scale, r->q, size, k, size, 0, r->p, seen);
	for (int64_t i = 0; i < n; i++) {
		float max, sum = softmax_row(r->p + i * seen, sight_of(b, i), seen, &max);

		if (lse)
			lse[h * q.rows + t0 + i] = max + logf(sum);
		r->dp[i] = 1 / sum;
	}
	cpu_sgemm(c, false, false, n, size, seen, 1, r->p, seen, v, size, 0, r->o, size);
	for (int64_t i = 0; i < n; i++)
		scale_store((char *)o.p + (size_t)((t0 + i) * o.ld + h * size) * mat_elem(o.t), o.t,
			    r->o + i * size, r->dp[i], size);
}

void cpu_attn(struct dev *d, struct mat o, float *lse, struct mat q, struct mat k, struct mat v,
	      const struct attn_shape *s)
{
	struct cpu *c = (struct cpu *)d;
	size_t each = room_floats(s->max_k, s->head_size);
	float *all = cpu_scratch(c, SCRATCH_ATTN, (size_t)c->threads * each * sizeof(float));
	int group = s->n_heads / s->n_kv_heads;
	int64_t blocks = (s->max_q + QUERIES - 1) / QUERIES;

	cpu_rooms(c);
#pragma omp parallel for collapse(3) schedule(dynamic)                                             \
	num_threads(c->threads) if (q.rows * s->max_k > 256)
	for (int g = 0; g < s->n_segs; g++) {
		for (int64_t b = 0; b < blocks; b++) {
			for (int hk = 0; hk < s->n_kv_heads; hk++) {
				struct room r =
					room_at(all + (size_t)omp_get_thread_num() * each, s);
				const struct attn_seg *seg = &s->segs[g];
				int64_t left = seg->q_end - seg->q_begin - b * QUERIES;
				struct block now;

				if (left <= 0)
					continue;
				now = block_of(s, keys_of(s, seg), b * QUERIES,
					       left < QUERIES ? left : QUERIES);
				collect(r.k, k, hk, s, seg);
				collect(r.v, v, hk, s, seg);
				for (int h = hk * group; h < (hk + 1) * group; h++)
					fwd_block(c, &r, o, lse, q, s, seg, &now, h);
			}
		}
	}
}

/* p = exp(p - lse) where seen, else 0; dp = p (dp - delta) scale. */
CLONES static void bwd_row(float *p, float *dp, float lse, float delta, float scale,
			   struct sight see, int64_t n)
{
	for (int64_t j = 0; j < see.begin; j++)
		p[j] = dp[j] = 0;
	for (int64_t j = see.begin; j < see.end; j++) {
		p[j] = exp_f32(p[j] - lse);
		dp[j] = p[j] * (dp[j] - delta) * scale;
	}
	for (int64_t j = see.end; j < n; j++)
		p[j] = dp[j] = 0;
}

CLONES static float dot(const float *a, const float *b, int64_t n)
{
	float lane[LANES] = { 0 }, tail = 0;
	int64_t j = 0;

	for (; j + LANES <= n; j += LANES)
		for (int l = 0; l < LANES; l++)
			lane[l] += a[j + l] * b[j + l];
	for (; j < n; j++)
		tail += a[j] * b[j];
	return fold(lane) + tail;
}

struct bwd_call {
	struct mat dq, dout, o, q;
	const float *lse;
	const struct attn_shape *s;
};

static void bwd_block(const struct cpu *c, const struct room *r, const struct bwd_call *a,
		      const struct attn_seg *g, const struct block *b, int64_t h, float *dk,
		      float *dv)
{
	const struct attn_shape *s = a->s;
	int64_t size = s->head_size, t0 = g->q_begin + b->i0, n = b->n, seen = b->n_keys,
		at = b->begin * size;

	rows_load(r->q, a->q, t0, n, h, size);
	rows_load(r->dout, a->dout, t0, n, h, size);
	rows_load(r->o, a->o, t0, n, h, size);
	cpu_sgemm(c, false, true, n, seen, size, s->scale, r->q, size, r->k + at, size, 0, r->p,
		  seen);
	cpu_sgemm(c, false, true, n, seen, size, 1, r->dout, size, r->v + at, size, 0, r->dp, seen);
	for (int64_t i = 0; i < n; i++)
		bwd_row(r->p + i * seen, r->dp + i * seen, a->lse[h * a->q.rows + t0 + i],
			dot(r->dout + i * size, r->o + i * size, size), s->scale, sight_of(b, i),
			seen);
	cpu_sgemm(c, true, false, seen, size, n, 1, r->p, seen, r->dout, size, 1, dv + at, size);
	cpu_sgemm(c, true, false, seen, size, n, 1, r->dp, seen, r->q, size, 1, dk + at, size);
	cpu_sgemm(c, false, false, n, size, seen, 1, r->dp, seen, r->k + at, size, 0,
		  (float *)a->dq.p + t0 * a->dq.ld + h * size, a->dq.ld);
}

/* dst (rows of one kv head) += src, in the order of the segment's keys. */
static void spread(struct mat dst, const float *src, int64_t head, const struct attn_shape *s,
		   const struct attn_seg *g)
{
	int64_t size = s->head_size;

	for (int r = g->range_begin; r < g->range_end; r++) {
		for (int64_t i = s->ranges[r].k_begin; i < s->ranges[r].k_end; i++, src += size) {
			float *to = (float *)dst.p + i * dst.ld + head * size;

			for (int64_t e = 0; e < size; e++)
				to[e] += src[e];
		}
	}
}

static void zero_rows(struct mat m)
{
	for (int64_t i = 0; i < m.rows; i++)
		memset((float *)m.p + i * m.ld, 0, (size_t)m.cols * sizeof(float));
}

/* The backward pass of one call: what its tasks share. */
struct bwd {
	const struct cpu *c;
	struct bwd_call call;
	struct mat k, v, dk, dv;
	size_t each; /* floats of a thread's room */
	float *rooms, *sums; /* of the threads; of a wave's tasks */
	size_t *start; /* of a segment's own dk, dv within sums */
};

/* One segment and kv head: its own dk and dv, one behind the other. */
static void bwd_task(const struct bwd *w, int g, int hk)
{
	const struct attn_shape *s = w->call.s;
	struct room r = room_at(w->rooms + (size_t)omp_get_thread_num() * w->each, s);
	const struct attn_seg *seg = &s->segs[g];
	struct keys n = keys_of(s, seg);
	size_t own_floats = (size_t)(n.n * s->head_size);
	float *own = w->sums + w->start[g] + (size_t)hk * 2 * own_floats;
	int64_t queries = seg->q_end - seg->q_begin;
	int group = s->n_heads / s->n_kv_heads;

	memset(own, 0, 2 * own_floats * sizeof(float));
	collect(r.k, w->k, hk, s, seg);
	collect(r.v, w->v, hk, s, seg);
	for (int64_t i = 0; i < queries; i += QUERIES) {
		struct block now = block_of(s, n, i, queries - i < QUERIES ? queries - i : QUERIES);

		for (int h = hk * group; h < (hk + 1) * group; h++)
			bwd_block(w->c, &r, &w->call, seg, &now, h, own, own + own_floats);
	}
}

/* Segments [first, end), then their sums in order. */
static void bwd_wave(const struct bwd *w, int first, int end)
{
	const struct attn_shape *s = w->call.s;

#pragma omp parallel for collapse(2) schedule(dynamic) num_threads(w->c->threads)
	for (int g = first; g < end; g++)
		for (int hk = 0; hk < s->n_kv_heads; hk++)
			bwd_task(w, g, hk);
#pragma omp parallel for
	for (int hk = 0; hk < s->n_kv_heads; hk++) {
		for (int g = first; g < end; g++) {
			size_t n = (size_t)(keys_of(s, &s->segs[g]).n * s->head_size);
			const float *own = w->sums + w->start[g] + (size_t)hk * 2 * n;

			spread(w->dk, own, hk, s, &s->segs[g]);
			spread(w->dv, own + n, hk, s, &s->segs[g]);
		}
	}
}

/* Floats of a wave's sums: one segment always fits. */
static size_t wave_floats(int64_t k_rows, int64_t max_k, int64_t kv_cols)
{
	int64_t rows = WAVE * k_rows > max_k ? WAVE * k_rows : max_k;

	return (size_t)(rows * 2 * kv_cols);
}

/* Bytes of the starts, so that what follows is aligned. */
static size_t starts_bytes(int64_t n_segs)
{
	return ((size_t)n_segs * sizeof(size_t) + 63) / 64 * 64;
}

size_t cpu_attn_scratch(const struct cpu *c, const struct op_limits *l)
{
	size_t floats = (size_t)c->threads * room_floats(l->max_k, l->head_size);

	if (!l->n_heads)
		return 0;
	if (l->backward)
		floats += wave_floats(l->rows, l->max_k, (int64_t)l->n_kv_heads * l->head_size);
	return floats * sizeof(float) + (l->backward ? starts_bytes(l->rows) : 0);
}

void cpu_attn_bwd(struct dev *d, struct mat dq, struct mat dk, struct mat dv, struct mat dout,
		  struct mat o, struct mat q, struct mat k, struct mat v, const float *lse,
		  const struct attn_shape *s)
{
	struct cpu *c = (struct cpu *)d;
	size_t width = 2 * (size_t)k.cols, starts = starts_bytes(s->n_segs), total = 0, room;
	struct bwd w = {
		.c = c, .call = { dq, dout, o, q, lse, s }, .k = k, .v = v, .dk = dk, .dv = dv
	};
	int first = 0;
	char *all;

	for (int g = 0; g < s->n_segs; g++)
		total += (size_t)keys_of(s, &s->segs[g]).n * width;
	room = wave_floats(k.rows, s->max_k, k.cols);
	room = total < room ? total : room;
	w.each = room_floats(s->max_k, s->head_size);
	all = cpu_scratch(c, SCRATCH_ATTN,
			  starts + ((size_t)c->threads * w.each + room) * sizeof(float));
	cpu_rooms(c);
	w.start = (size_t *)(void *)all;
	w.rooms = (float *)(void *)(all + starts);
	w.sums = w.rooms + (size_t)c->threads * w.each;
	zero_rows(dk);
	zero_rows(dv);
	total = 0;
	for (int g = 0; g < s->n_segs; g++) {
		size_t n = (size_t)keys_of(s, &s->segs[g]).n * width;

		if (total + n > room) {
			bwd_wave(&w, first, g);
			first = g;
			total = 0;
		}
		w.start[g] = total;
		total += n;
	}
	bwd_wave(&w, first, s->n_segs);
}
