/* SPDX-License-Identifier: Apache-2.0 */
/* C = op(A) op(B). B's columns are widened in panels of two vectors; each meets all rows of A. */
#include "kernels/cpu/product.h"

#include "kernels/cpu/vec.h"

#include <omp.h>

#define BLOCK_ROWS 96 /* of A beside which a panel stays in the nearest cache */

/* sums[i][j] += sum_k a[i rs + k ks] b[k ldb + j] for two vectors of columns: k in order, from 0,
 * then what was there. */
typedef void micro_fn(float *sums, int64_t ldsums, int64_t n, const float *a, int64_t rs,
		      int64_t ks, const float *b, int64_t ldb);

#define STEP(VEC, ROWS)                                                                            \
	VEC b0 = *(const VEC *)b, b1 = *(const VEC *)(b + W);                                      \
	EACH(12, i, ROWS)                                                                          \
	{                                                                                          \
		s[i][0] += a[i * rs] * b0;                                                         \
		s[i][1] += a[i * rs] * b1;                                                         \
	}                                                                                          \
	a += ks;                                                                                   \
	b += ldb;

#define MICRO(NAME, TARGET, VEC, ROWS)                                                             \
	TARGET static void NAME(float *sums, int64_t ldsums, int64_t n, const float *a,            \
				int64_t rs, int64_t ks, const float *b, int64_t ldb)               \
	{                                                                                          \
		enum { W = sizeof(VEC) / sizeof(float) };                                          \
		VEC s[ROWS][2];                                                                    \
                                                                                                   \
		EACH(12, i, ROWS) s[i][0] = s[i][1] = (VEC){ 0 };                                  \
		for (; n >= STEPS; n -= STEPS) {                                                   \
			EACH(4, k, STEPS)                                                          \
			{                                                                          \
				STEP(VEC, ROWS)                                                    \
			}                                                                          \
		}                                                                                  \
		for (; n; n--) {                                                                   \
			STEP(VEC, ROWS)                                                            \
		}                                                                                  \
		EACH(12, i, ROWS)                                                                  \
		{                                                                                  \
			*(VEC *)(sums + i * ldsums) += s[i][0];                                    \
			*(VEC *)(sums + i * ldsums + W) += s[i][1];                                \
		}                                                                                  \
	}

MICRO(micro_1, , vec4, 1)
MICRO(micro_2, , vec4, 2)
MICRO(micro_3, , vec4, 3)
MICRO(micro_4, , vec4, 4)
#if defined(__x86_64__)
MICRO(avx2_1, FOR_AVX2, vec8, 1)
MICRO(avx2_2, FOR_AVX2, vec8, 2)
MICRO(avx2_3, FOR_AVX2, vec8, 3)
MICRO(avx2_4, FOR_AVX2, vec8, 4)
MICRO(avx2_5, FOR_AVX2, vec8, 5)
MICRO(avx2_6, FOR_AVX2, vec8, 6)
MICRO(avx512_1, FOR_AVX512, vec16, 1)
MICRO(avx512_2, FOR_AVX512, vec16, 2)
MICRO(avx512_3, FOR_AVX512, vec16, 3)
MICRO(avx512_4, FOR_AVX512, vec16, 4)
MICRO(avx512_5, FOR_AVX512, vec16, 5)
MICRO(avx512_6, FOR_AVX512, vec16, 6)
MICRO(avx512_7, FOR_AVX512, vec16, 7)
MICRO(avx512_8, FOR_AVX512, vec16, 8)
#endif

static const struct vectors {
	int cols, rows; /* of a tile */
	micro_fn *micro[9];
} vectors[] = {
	[ISA_NONE] = { 8, 4, { NULL, micro_1, micro_2, micro_3, micro_4 } },
#if defined(__x86_64__)
	[ISA_AVX2] = { 16, 6, { NULL, avx2_1, avx2_2, avx2_3, avx2_4, avx2_5, avx2_6 } },
	[ISA_AVX512] = { 32,
			 8,
			 { NULL, avx512_1, avx512_2, avx512_3, avx512_4, avx512_5, avx512_6,
			   avx512_7, avx512_8 } },
#endif
};

/* Where op(A)'s elements lie. */
struct strides {
	const float *p;
	int64_t rs, ks;
};

static struct strides strides_of(const struct product *p)
{
	return (struct strides){ p->a.p, p->ta ? 1 : p->a.ld, p->ta ? p->a.ld : 1 };
}

/* A row of n columns into panels of `cols`, `next` floats apart; n is filled up with zeros. */
static inline __attribute__((always_inline)) void spread(float *to, int64_t next, int cols,
							 const void *row, enum dtype t, int64_t n)
{
	int64_t j = 0;

	for (; j + cols <= n; j += cols, to += next)
		for (int q = 0; q < cols; q += 8)
			load_row(to + q, (const char *)row + (size_t)(j + q) * mat_elem(t), t, 8);
	if (j < n) {
		memset(to, 0, (size_t)cols * sizeof(float));
		load_row(to, (const char *)row + (size_t)j * mat_elem(t), t, n - j);
	}
}

/* panels[c][k][...] = rows [k0, k0 + depth) and columns [j0, j0 + n) of B. */
CLONES static void widen(float *panels, const struct product *p, int cols, int64_t k0,
			 int64_t depth, int64_t j0, int64_t n)
{
	int64_t next = depth * cols;
	float row[256];

	for (int64_t k = 0; k < depth; k++, panels += cols) {
		int64_t i = k0 + k;
		const struct mat *m = stack_part(&p->b, &i);
		const char *at = (const char *)m->p + (size_t)(i * m->ld + j0) * mat_elem(m->t);

		if (m->t == DT_F32) {
			spread(panels, next, cols, at, DT_F32, n);
		} else if (m->t == DT_BF16) {
			spread(panels, next, cols, at, DT_BF16, n);
		} else {
			stack_load(row, &p->b, k0 + k, j0, n);
			spread(panels, next, cols, row, DT_F32, n);
		}
	}
}

#define MIX __builtin_shufflevector

/* to[k][j] = from[j][k] for 8 j and n k, a multiple of 8: pairs of elements, then pairs of pairs, then
 * halves change places. */
CLONES static void turn(float *to, int64_t ldto, const float *from, int64_t ldfrom, int64_t n)
{
	for (int64_t k = 0; k < n; k += 8, to += 8 * ldto, from += 8) {
		vec8 a[8], b[8];

		EACH(8, j, 8) a[j] = *(const vec8 *)(from + j * ldfrom);
		EACH(4, j, 4)
		{
			b[2 * j] = MIX(a[2 * j], a[2 * j + 1], 0, 8, 1, 9, 4, 12, 5, 13);
			b[2 * j + 1] = MIX(a[2 * j], a[2 * j + 1], 2, 10, 3, 11, 6, 14, 7, 15);
		}
		EACH(4, j, 4)
		{
			vec8 x = b[j / 2 * 4 + j % 2], y = b[j / 2 * 4 + j % 2 + 2];

			a[2 * j] = MIX(x, y, 0, 1, 8, 9, 4, 5, 12, 13);
			a[2 * j + 1] = MIX(x, y, 2, 3, 10, 11, 6, 7, 14, 15);
		}
		EACH(4, j, 4)
		{
			*(vec8 *)(to + j * ldto) = MIX(a[j], a[j + 4], 0, 1, 2, 3, 8, 9, 10, 11);
			*(vec8 *)(to + (j + 4) * ldto) =
				MIX(a[j], a[j + 4], 4, 5, 6, 7, 12, 13, 14, 15);
		}
	}
}

/* The same of B^T: rows of B become the panels' columns, 8 at a time. */
static void widen_turned(float *panels, const struct product *p, int cols, int64_t k0,
			 int64_t depth, int64_t j0, int64_t n)
{
	float rows[8][256], square[256][8];

	for (int64_t j = 0; j < (n + cols - 1) / cols * cols; j += 8) {
		float *to = panels + j / cols * cols * depth + j % cols;

		for (int64_t r = 0; r < 8; r++) {
			if (j + r < n)
				stack_load(rows[r], &p->b, j0 + j + r, k0, depth);
			else
				memset(rows[r], 0, (size_t)depth * sizeof(float));
		}
		if (depth % 8 == 0) {
			turn(to, cols, rows[0], 256, depth);
			continue;
		}
		turn(square[0], 8, rows[0], 256, (depth + 7) / 8 * 8);
		for (int64_t k = 0; k < depth; k++)
			memcpy(to + k * cols, square[k], sizeof(square[k]));
	}
}

/* sums (m, ld) += rows of A by the panels. */
static void multiply(const struct vectors *v, float *sums, int64_t ld, int64_t m, int64_t depth,
		     struct strides a, const float *panels)
{
	for (int64_t i = 0; i < m; i += v->rows) {
		int64_t rows = m - i < v->rows ? m - i : v->rows, ahead = i + v->rows;

		for (int64_t j = 0; j < ld; j += v->cols) {
			v->micro[rows](sums + i * ld + j, ld, depth, a.p + i * a.rs, a.rs, a.ks,
				       panels + j * depth, v->cols);
			for (int k = 0; k < 2 && a.ks == 1 && ahead < m && ahead < i + 2 * v->rows;
			     k++)
				fetch(a.p + ahead++ * a.rs, depth);
		}
	}
}

/* Rows [i0, i0 + m) by columns [j0, j0 + n) of C. */
static void task(const struct product *p, const struct vectors *v, float *room, int64_t i0,
		 int64_t m, int64_t j0, int64_t n, int64_t most)
{
	int64_t inner = p->tb ? p->b.cols : p->b.rows, ld = (n + v->cols - 1) / v->cols * v->cols;
	int64_t depth = ROOM_PIECE / most;
	struct strides a = strides_of(p);
	float *sums = room + ROOM_PIECE;

	a.p += i0 * a.rs;
	memset(sums, 0, (size_t)(m * ld) * sizeof(*sums));
	for (int64_t k = 0; k < inner; k += depth) {
		int64_t some = inner - k < depth ? inner - k : depth;

		(p->tb ? widen_turned : widen)(room, p, v->cols, k, some, j0, n);
		multiply(v, sums, ld, m, some, (struct strides){ a.p + k * a.ks, a.rs, a.ks },
			 room);
	}
	product_store(p, i0, m, j0, n, sums, ld);
}

void tile_product(const struct product *p, enum isa isa, int threads, float *rooms)
{
	const struct vectors *v = &vectors[isa];
	int64_t m = p->c.rows, n = p->c.cols, cols = 64;
	struct part t;

	for (int i = 0; i < p->b.n && !p->tb; i++) /* a widened piece of a row is whole blocks */
		if (dtype_info[p->b.part[i].t].block_elems > 64)
			cols = 256;
	t = product_split(p, ROOM_SUMS / cols / BLOCK_ROWS * BLOCK_ROWS, cols, threads);
#pragma omp parallel for collapse(2) schedule(dynamic) num_threads(threads) if (threads > 1)
	for (int64_t j = 0; j < n; j += cols)
		for (int64_t i = 0; i < m; i += t.rows)
			task(p, v, rooms + (threads > 1 ? omp_get_thread_num() * ROOM : 0), i,
			     m - i < t.rows ? m - i : t.rows, j, n - j < cols ? n - j : cols, cols);
}
