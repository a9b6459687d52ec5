/* SPDX-License-Identifier: Apache-2.0 */
/* Blocks to numbers, rows by number, and back. */
#include "kernels/cuda/blocks.cuh"

template <enum dtype T, typename D>
static void dequant(struct cuda *c, struct mat dst, const void *from)
{
	view<D> to = view_of<D>(dst);
	const unsigned char *src = (const unsigned char *)from;
	int64_t cols = dst.cols;

	for_each(c, "dequant", dst.rows, dst.cols, [=] __device__(int64_t i, int64_t j, int n) {
		float v[8];

		expand<T>(v, src, i * cols + j, n);
		store(to, i, j, n, v);
	});
}

void cuda_dequant(struct dev *d, struct mat dst, const void *src, enum dtype t)
{
	struct cuda *c = cuda_of(d);

	if (dense(dst))
		dst = flat(dst);
	switch (t) {
#define CASE(T)                                                                                    \
	case T:                                                                                    \
		dst.t == DT_BF16 ? dequant<T, uint16_t>(c, dst, src)                               \
				 : dequant<T, float>(c, dst, src);                                 \
		break;
		FILE_TYPES(CASE)
#undef CASE
	default:
		cuda_fail(c, "dequant", "a type that it does not know");
	}
}

/* Rows of plain types, 16 bytes at a time where they are aligned. */
template <typename T>
static void pick(struct cuda *c, struct mat y, struct mat table, const int32_t *ids)
{
	view<float> to = view_of<float>(y);
	view<T> from = view_of<T>(table);

	for_each(c, "embed", y.rows, y.cols, [=] __device__(int64_t i, int64_t j, int n) {
		float v[8];

		load(v, from, ids[i], j, n);
		store(to, i, j, n, v);
	});
}

template <enum dtype T>
static void pick_blocks(struct cuda *c, struct mat y, struct mat table, const int32_t *ids)
{
	view<float> to = view_of<float>(y);
	const unsigned char *src = (const unsigned char *)table.p;
	size_t row = type_bytes(T, table.ld);

	for_each(c, "embed", y.rows, y.cols, [=] __device__(int64_t i, int64_t j, int n) {
		float v[8];

		expand<T>(v, src + ids[i] * row, j, n);
		store(to, i, j, n, v);
	});
}

void cuda_embed(struct dev *d, struct mat y, struct mat table, const int32_t *ids)
{
	struct cuda *c = cuda_of(d);

	if (table.t == DT_F32 || table.t == DT_BF16) {
		table.t == DT_F32 ? pick<float>(c, y, table, ids)
				  : pick<uint16_t>(c, y, table, ids);
		return;
	}
	switch (table.t) {
#define CASE(T)                                                                                    \
	case T:                                                                                    \
		pick_blocks<T>(c, y, table, ids);                                                  \
		break;
		FILE_TYPES(CASE)
#undef CASE
	default:
		cuda_fail(c, "embed", "a type that it does not know");
	}
}

/* --- scatter_add --- */

#define THREADS 256

__device__ __forceinline__ void add_row(view<float> y, view<float> x, int64_t to, int64_t from,
					int64_t cols)
{
	for (int64_t j = threadIdx.x * 8; j < cols; j += THREADS * 8) {
		int n = cols - j < 8 ? (int)(cols - j) : 8;
		float a[8], b[8];

		load(a, y, to, j, n);
		load(b, x, from, j, n);
#pragma unroll
		for (int k = 0; k < 8; k++)
			a[k] += b[k];
		store(y, to, j, n, a);
	}
}

/* The block of a row's first appearance adds them all, in order; the others have nothing to do. */
__global__ void __launch_bounds__(THREADS)
	scatter_add(view<float> y, view<float> x, const int32_t *rows, int n, int64_t cols)
{
	__shared__ bool same[THREADS];
	int i = blockIdx.x, t = threadIdx.x, mine = rows[i], before = 0;

	for (int k = t; k < i; k += THREADS)
		before |= rows[k] == mine;
	if (__syncthreads_or(before))
		return;
	add_row(y, x, mine, i, cols);
	for (int k = i + 1; k < n; k += THREADS) {
		bool hit = k + t < n && rows[k + t] == mine;

		if (!__syncthreads_or(hit))
			continue;
		same[t] = hit;
		__syncthreads();
		for (int l = 0; l < THREADS && k + l < n; l++)
			if (same[l])
				add_row(y, x, mine, k + l, cols);
		__syncthreads();
	}
}

void cuda_scatter_add(struct dev *d, struct mat y, struct mat x, const int32_t *rows)
{
	struct cuda *c = cuda_of(d);

	if (x.rows && x.cols)
		LAUNCH(c, "scatter_add", scatter_add, (unsigned)x.rows, THREADS, 0,
		       view_of<float>(y), view_of<float>(x), rows, (int)x.rows, x.cols);
}
