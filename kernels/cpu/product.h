/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Our own matrix products, fp32 arithmetic on operands of any element type, in two kinds:
 *
 *	dot.c	A B^T: rows with rows, vectors along the sum; y = x W^T reads W as it is stored
 *	tile.c	A B, A^T B: rows with columns, vectors along the columns; dx = dy W
 *
 * Frozen weights stay in the type of their file (bf16, blocks of GGUF) and are widened a piece at a
 * time, which all rows then share. An element of the result is one sum whose order depends on the
 * element type and the length of the sum alone: not on threads, nor on the rows that stand beside it.
 */
#ifndef KERNELS_CPU_PRODUCT_H
#define KERNELS_CPU_PRODUCT_H

#include "kernels/cpu/cpu.h"

/* B: matrices of as many columns one below the other (q, k, v), each of its own element type. */
#define STACK_PARTS 3

struct stack {
	struct mat part[STACK_PARTS];
	int n;
	int64_t rows, cols;
};

/* C = alpha op(A) op(B) + beta C + bias; A is fp32, bias may be NULL. */
struct product {
	struct mat c, a;
	struct stack b;
	float alpha, beta;
	const float *bias;
	bool ta, tb; /* dot.c: A B^T only */
};

/* What one thread works in, in floats: a widened piece of B, and sums. */
#define ROOM_PIECE 16384
#define ROOM_SUMS  49152
#define ROOM       (ROOM_PIECE + ROOM_SUMS)

static inline struct stack stack_of(struct mat m)
{
	return (struct stack){ { m }, 1, m.rows, m.cols };
}

/* The part that row *i is of; *i becomes its row there. */
static inline const struct mat *stack_part(const struct stack *b, int64_t *i)
{
	const struct mat *m = b->part;

	for (; *i >= m->rows; m++)
		*i -= m->rows;
	return m;
}

/* Elements [j, j + n) of row i, widened; j begins a block of the type. */
void stack_load(float *dst, const struct stack *b, int64_t i, int64_t j, int64_t n);
/* Rows [i0, i0 + m) and columns [j0, j0 + n) of C: what the sums in v (m, ld) come to; v is lost. */
void product_store(const struct product *p, int64_t i0, int64_t m, int64_t j0, int64_t n, float *v,
		   int64_t ld);

/* Which vectors this processor has. */
enum isa product_isa(void);

/* All of it, with as many threads as are worth it; rooms: ROOM floats for each thread. */
void dot_product(const struct product *p, enum isa isa, int threads, float *rooms);
void tile_product(const struct product *p, enum isa isa, int threads, float *rooms);

/* Rows [i0, i1) by columns [j0, j1) of C, for a task: so many rows are worth a thread. */
struct part {
	int64_t rows, cols; /* of one task, the last ones may be smaller */
};
struct part product_split(const struct product *p, int64_t rows, int64_t cols, int threads);

/* Loops that have to be unrolled whole, or the sums do not stay in registers. */
#define STRING(x)        #x
#define EACH(MOST, i, N) _Pragma(STRING(GCC unroll MOST)) for (int i = 0; i < N; i++)
#define STEPS            4

#if defined(__x86_64__)
#define FOR_AVX2   __attribute__((target("avx2,fma")))
#define FOR_AVX512 __attribute__((target("avx512f,avx512dq,fma")))
#endif

/* For what is read soon: n floats. */
static inline void fetch(const float *p, int64_t n)
{
	for (int64_t k = 0; k < n; k += 16)
		__builtin_prefetch(p + k);
}

typedef float vec4 __attribute__((vector_size(16), aligned(4), may_alias));
typedef float vec8 __attribute__((vector_size(32), aligned(4), may_alias));
typedef float vec16 __attribute__((vector_size(64), aligned(4), may_alias));

#endif
