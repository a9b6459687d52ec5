/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/cpu/product.h"

#include "kernels/cpu/vec.h"

enum isa product_isa(void)
{
#if defined(__x86_64__)
	__builtin_cpu_init();
	if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq"))
		return ISA_AVX512;
	if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
		return ISA_AVX2;
#endif
	return ISA_NONE;
}

void stack_load(float *dst, const struct stack *b, int64_t i, int64_t j, int64_t n)
{
	const struct mat *m = stack_part(b, &i);

	row_widen(dst, *m, i, j, n);
}

static inline __attribute__((always_inline)) void
store(const struct product *p, enum dtype t, char *to, const float *bias, float *v, int64_t n)
{
	float old[256];

	if (p->beta != 0)
		load_row(old, to, t, n);
	for (int64_t j = 0; j < n; j++)
		v[j] *= p->alpha;
	for (int64_t j = 0; p->beta != 0 && j < n; j++)
		v[j] += old[j];
	for (int64_t j = 0; bias && j < n; j++)
		v[j] += bias[j];
	store_row(to, t, v, n);
}

CLONES void product_store(const struct product *p, int64_t i0, int64_t m, int64_t j0, int64_t n,
			  float *v, int64_t ld)
{
	const float *bias = p->bias ? p->bias + j0 : NULL;
	size_t row = (size_t)p->c.ld * mat_elem(p->c.t);
	char *to = (char *)p->c.p + (size_t)(i0 * p->c.ld + j0) * mat_elem(p->c.t);

	if (p->c.t == DT_BF16)
		for (int64_t i = 0; i < m; i++, to += row, v += ld)
			store(p, DT_BF16, to, bias, v, n);
	else
		for (int64_t i = 0; i < m; i++, to += row, v += ld)
			store(p, DT_F32, to, bias, v, n);
}

/* Tasks of at most rows x cols; of fewer rows where there would not be several for each thread. */
struct part product_split(const struct product *p, int64_t rows, int64_t cols, int threads)
{
	int64_t n = p->c.rows, columns = (p->c.cols + cols - 1) / cols;

	while (rows > 96 && (n + rows - 1) / rows * columns < 4 * threads)
		rows /= 2;
	return (struct part){ rows, cols };
}
