/* SPDX-License-Identifier: Apache-2.0 */
/* C = A B^T. A sum runs in as many lanes as the processor's vectors have, and these are folded. */
#include "kernels/cpu/product.h"

#include "kernels/cpu/vec.h"

#include <omp.h>

#define GROUP 4 /* rows of B that one row of A meets at a time */
#define PIECE 32 /* rows of B that are widened at a time, where A has many */
#define DEPTH 512 /* and so many of their columns: a part of the sum that is folded by itself */

/* out[i][j] = or += a[i] b[j] over n columns, for ROWS rows of A and GROUP rows of B. Vectors run along
 * the columns, W lanes; then these are added up as a tree. */
typedef void micro_fn(float *out, int64_t ld, bool add, int64_t n, const float *a, int64_t lda,
		      const float *b, int64_t ldb);

#define STEP(VEC, ROWS)                                                                            \
	VEC x[ROWS];                                                                               \
                                                                                                   \
	EACH(8, i, ROWS) x[i] = *(const VEC *)(a + i * lda);                                       \
	EACH(4, j, GROUP)                                                                          \
	{                                                                                          \
		VEC y = *(const VEC *)(b + j * ldb);                                               \
                                                                                                   \
		EACH(8, i, ROWS) s[i][j] += x[i] * y;                                              \
	}                                                                                          \
	a += W;                                                                                    \
	b += W;

/* The barrier keeps the compiler from spreading the lanes' last steps into the loop. */
#define MICRO(NAME, TARGET, VEC, ROWS)                                                             \
	TARGET static void NAME(float *out, int64_t ld, bool add, int64_t n, const float *a,       \
				int64_t lda, const float *b, int64_t ldb)                          \
	{                                                                                          \
		enum { W = sizeof(VEC) / sizeof(float) };                                          \
		VEC s[ROWS][GROUP];                                                                \
		float lanes[ROWS][GROUP][W];                                                       \
                                                                                                   \
		EACH(8, i, ROWS)                                                                   \
		EACH(4, j, GROUP) s[i][j] = (VEC){ 0 };                                            \
		for (; n >= STEPS * W; n -= STEPS * W) {                                           \
			EACH(4, k, STEPS)                                                          \
			{                                                                          \
				STEP(VEC, ROWS)                                                    \
			}                                                                          \
		}                                                                                  \
		for (; n > 0; n -= W) {                                                            \
			STEP(VEC, ROWS)                                                            \
		}                                                                                  \
		EACH(8, i, ROWS)                                                                   \
		EACH(4, j, GROUP) * (VEC *)lanes[i][j] = s[i][j];                                  \
		__asm__ volatile("" ::: "memory");                                                 \
		EACH(8, i, ROWS)                                                                   \
		{                                                                                  \
			vec4 f[GROUP], *to = (vec4 *)(out + i * ld);                               \
                                                                                                   \
			EACH(4, j, GROUP)                                                          \
			{                                                                          \
				f[j] = *(const vec4 *)lanes[i][j];                                 \
				EACH(4, k, W / 4 - 1)                                              \
				f[j] += *(const vec4 *)(lanes[i][j] + 4 * k + 4);                  \
			}                                                                          \
			f[0] = __builtin_shufflevector(f[0], f[1], 0, 4, 2, 6) +                   \
			       __builtin_shufflevector(f[0], f[1], 1, 5, 3, 7);                    \
			f[2] = __builtin_shufflevector(f[2], f[3], 0, 4, 2, 6) +                   \
			       __builtin_shufflevector(f[2], f[3], 1, 5, 3, 7);                    \
			f[0] = __builtin_shufflevector(f[0], f[2], 0, 1, 4, 5) +                   \
			       __builtin_shufflevector(f[0], f[2], 2, 3, 6, 7);                    \
			if (add)                                                                   \
				f[0] += *to;                                                       \
			*to = f[0];                                                                \
		}                                                                                  \
	}

MICRO(micro_1, , vec4, 1)
MICRO(micro_2, , vec4, 2)
#if defined(__x86_64__)
MICRO(avx2_1, FOR_AVX2, vec8, 1)
MICRO(avx2_2, FOR_AVX2, vec8, 2)
MICRO(avx2_3, FOR_AVX2, vec8, 3)
MICRO(avx512_1, FOR_AVX512, vec16, 1)
MICRO(avx512_2, FOR_AVX512, vec16, 2)
MICRO(avx512_3, FOR_AVX512, vec16, 3)
MICRO(avx512_4, FOR_AVX512, vec16, 4)
MICRO(avx512_5, FOR_AVX512, vec16, 5)
MICRO(avx512_6, FOR_AVX512, vec16, 6)
#endif

/* For each instruction set: lanes, most rows of A, and the loops for so many. */
static const struct vectors {
	int lanes, rows;
	micro_fn *micro[7];
} vectors[] = {
	[ISA_NONE] = { 4, 2, { NULL, micro_1, micro_2 } },
#if defined(__x86_64__)
	[ISA_AVX2] = { 8, 3, { NULL, avx2_1, avx2_2, avx2_3 } },
	[ISA_AVX512] = { 16,
			 6,
			 { NULL, avx512_1, avx512_2, avx512_3, avx512_4, avx512_5, avx512_6 } },
#endif
};

/* out (m, ld) = or += A (m, depth) by a widened piece of B. */
static void multiply(const struct vectors *v, float *out, int64_t ld, int64_t m, int64_t depth,
		     const float *a, int64_t lda, const float *b, bool add)
{
	for (int64_t i = 0; i < m; i += v->rows) {
		int64_t rows = m - i < v->rows ? m - i : v->rows, ahead = i + v->rows;

		for (int64_t j = 0; j < ld; j += GROUP) {
			v->micro[rows](out + i * ld + j, ld, add, depth, a + i * lda, lda,
				       b + j * DEPTH, DEPTH);
			if (ahead < m && ahead < i + 2 * v->rows)
				fetch(a + ahead++ * lda, depth);
		}
	}
}

/* The last columns of A, fewer than a vector has, with zeros behind. */
static void pad(float *to, int lanes, const float *a, int64_t lda, int64_t m, int64_t n)
{
	memset(to, 0, (size_t)(m * lanes) * sizeof(*to));
	for (int64_t i = 0; i < m; i++)
		memcpy(to + i * lanes, a + i * lda, (size_t)n * sizeof(*to));
}

/* Rows [i0, i0 + m) by columns [j0, j0 + n) of C, n at most PIECE. */
static void task(const struct product *p, const struct vectors *v, float *room, int64_t i0,
		 int64_t m, int64_t j0, int64_t n)
{
	int64_t inner = p->b.cols, ld = (n + GROUP - 1) / GROUP * GROUP, lanes = v->lanes;
	const float *a = (const float *)p->a.p + i0 * p->a.ld;
	float *b = room, *out = room + ROOM_PIECE, *rest = out + m * ld;

	memset(b + n * DEPTH, 0, (size_t)(ld - n) * DEPTH * sizeof(*b));
	for (int64_t k = 0, depth; k < inner; k += depth) {
		depth = inner - k < DEPTH ? inner - k : DEPTH;
		if (depth > lanes)
			depth -= depth % lanes;
		for (int64_t j = 0; j < n; j++)
			stack_load(b + j * DEPTH, &p->b, j0 + j, k, depth);
		if (depth >= lanes) {
			multiply(v, out, ld, m, depth, a + k, p->a.ld, b, k > 0);
			continue;
		}
		for (int64_t j = 0; j < n; j++)
			memset(b + j * DEPTH + depth, 0, (size_t)(lanes - depth) * sizeof(*b));
		pad(rest, v->lanes, a + k, p->a.ld, m, depth);
		multiply(v, out, ld, m, lanes, rest, lanes, b, k > 0);
	}
	product_store(p, i0, m, j0, n, out, ld);
}

void dot_product(const struct product *p, enum isa isa, int threads, float *rooms)
{
	const struct vectors *v = &vectors[isa];
	int64_t m = p->c.rows, n = p->c.cols;
	/* A piece that few rows share stays in the nearest cache. */
	int64_t piece = m <= 8 ? GROUP : PIECE;
	struct part t = product_split(p, ROOM_SUMS / (PIECE + 16) / 96 * 96, piece, threads);

#pragma omp parallel for collapse(2) schedule(dynamic) num_threads(threads) if (threads > 1)
	for (int64_t i = 0; i < m; i += t.rows)
		for (int64_t j = 0; j < n; j += t.cols)
			task(p, v, rooms + (threads > 1 ? omp_get_thread_num() * ROOM : 0), i,
			     m - i < t.rows ? m - i : t.rows, j, n - j < t.cols ? n - j : t.cols);
}
