/* SPDX-License-Identifier: Apache-2.0 */
/* The back end's own memory: grown when an op asks for more, or reserved once for all that is to come. */
#include "kernels/cpu/product.h"

#include "base/mem.h"

#include <string.h>

void *cpu_scratch(struct cpu *c, enum cpu_scratch which, size_t bytes)
{
	if (c->scratch_bytes[which] < bytes) {
		struct err err;

		mem_free(c->scratch[which]);
		c->scratch[which] = host_alloc(&c->dev, bytes, &err);
		if (!c->scratch[which])
			mem_new(SIZE_MAX, 1); /* ends the process with the usual line */
		c->scratch_bytes[which] = bytes;
	}
	return c->scratch[which];
}

static size_t largest(int64_t a, int64_t b)
{
	return (size_t)(a > b ? a : b);
}

float *cpu_rooms(struct cpu *c)
{
	return cpu_scratch(c, SCRATCH_ROOMS, (size_t)c->threads * ROOM * sizeof(float));
}

/* Where our products take bf16, A's fp32 copy; for the library's, A transposed or without gaps and a
 * skinny result's sums; see matmul.c. */
void cpu_matmul_scratch(const struct cpu *c, const struct op_limits *l, size_t bytes[SCRATCHES])
{
	size_t side = largest(l->rows, l->rank) * (size_t)l->cols;
	size_t head = (size_t)(l->head_rows * (l->backward ? l->vocab : l->cols));

	if (c->library && l->act == DT_BF16) {
		bytes[SCRATCH_B] = (size_t)(l->rows * l->rank) * sizeof(float);
		bytes[SCRATCH_C] = (size_t)(l->rows * l->rank) * mat_elem(DT_BF16);
	} else if (l->act == DT_BF16) {
		bytes[SCRATCH_A] = sizeof(float) * (side > head ? side : head);
	}
	bytes[SCRATCH_ROOMS] = (size_t)c->threads * ROOM * sizeof(float);
}

static void sizes(const struct cpu *c, const struct op_limits *l, size_t bytes[SCRATCHES])
{
	size_t sums = cpu_sumsq_scratch(l->params);

	memset(bytes, 0, SCRATCHES * sizeof(*bytes));
	cpu_matmul_scratch(c, l, bytes);
	bytes[SCRATCH_A] = bytes[SCRATCH_A] > sums ? bytes[SCRATCH_A] : sums;
	bytes[SCRATCH_ATTN] = cpu_attn_scratch(c, l);
}

size_t cpu_scratch_bytes(struct dev *d, const struct op_limits *l)
{
	size_t bytes[SCRATCHES], sum = 0;

	sizes((const struct cpu *)d, l, bytes);
	for (int i = 0; i < SCRATCHES; i++)
		sum += bytes[i];
	return sum;
}

/* What an earlier need left larger than that is given back. */
int cpu_reserve(struct dev *d, const struct op_limits *l, struct err *err)
{
	struct cpu *c = (struct cpu *)d;
	size_t bytes[SCRATCHES];

	sizes(c, l, bytes);
	for (int i = 0; i < SCRATCHES; i++) {
		if (c->scratch_bytes[i] == bytes[i])
			continue;
		mem_free(c->scratch[i]);
		c->scratch[i] = NULL;
		c->scratch_bytes[i] = 0;
		if (bytes[i] && !(c->scratch[i] = host_alloc(d, bytes[i], err)))
			return -1;
		if (bytes[i])
			host_zero(d, c->scratch[i], bytes[i]); /* had, not only promised */
		c->scratch_bytes[i] = bytes[i];
	}
	return 0;
}
