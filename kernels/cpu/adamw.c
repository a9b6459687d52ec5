/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/cpu/cpu.h"

#include "base/mem.h"
#include "kernels/cpu/vec.h"

#include <math.h>

#define BLOCK 4096 /* a sum is a sum of blocks, whatever the number of threads */

CLONES static double block_sumsq(const float *g, int64_t n)
{
	double lane[LANES] = { 0 }, sum = 0;
	int64_t j = 0;

	for (; j + LANES <= n; j += LANES)
		for (int l = 0; l < LANES; l++)
			lane[l] += (double)g[j + l] * g[j + l];
	for (; j < n; j++)
		sum += (double)g[j] * g[j];
	for (int l = 0; l < LANES; l++)
		sum += lane[l];
	return sum;
}

size_t cpu_sumsq_scratch(size_t n)
{
	return n ? ((n + BLOCK - 1) / BLOCK + 1) * sizeof(double) : 0;
}

void cpu_sumsq(struct dev *d, float *out, const float *g, size_t n)
{
	int64_t blocks = ((int64_t)n + BLOCK - 1) / BLOCK;
	double *part = cpu_scratch((struct cpu *)d, SCRATCH_A, cpu_sumsq_scratch(n));
	double sum = 0;

#pragma omp parallel for if (n > PARALLEL_FROM)
	for (int64_t b = 0; b < blocks; b++)
		part[b] = block_sumsq(g + b * BLOCK, (int64_t)n - b * BLOCK < BLOCK
							     ? (int64_t)n - b * BLOCK
							     : BLOCK);
	for (int64_t b = 0; b < blocks; b++)
		sum += part[b];
	*out = (float)sum;
}

CLONES static void update(float *p, float *m, float *v, const float *g, int64_t n,
			  const struct adamw *h, float step, float root2)
{
	float decay = 1 - h->lr * h->weight_decay, a1 = 1 - h->beta1, a2 = 1 - h->beta2;

	for (int64_t i = 0; i < n; i++) {
		float gi = g[i] * h->grad_scale;

		m[i] += (gi - m[i]) * a1;
		v[i] = h->beta2 * v[i] + a2 * gi * gi;
		p[i] = p[i] * decay - step * m[i] / (sqrtf(v[i]) / root2 + h->eps);
	}
}

void cpu_adamw(struct dev *d, float *p, float *m, float *v, const float *g, size_t n,
	       const struct adamw *h)
{
	int64_t blocks = ((int64_t)n + BLOCK - 1) / BLOCK;
	float step = h->lr / h->correction1, root2 = sqrtf(h->correction2);

	(void)d;
#pragma omp parallel for if (n > PARALLEL_FROM)
	for (int64_t b = 0; b < blocks; b++) {
		int64_t i = b * BLOCK, count = (int64_t)n - i < BLOCK ? (int64_t)n - i : BLOCK;

		update(p + i, m + i, v + i, g + i, count, h, step, root2);
	}
}
