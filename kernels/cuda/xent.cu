/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cross entropy. A row is cut into parts of PART columns, a block each: first every part's largest
 * logit and sum, then, when a few rows are through, their gradient, while they are still in the cache.
 */
#include "kernels/cuda/cuda.cuh"

#define THREADS 256
#define PART    16384
#define CACHED  ((int64_t)16 << 20) /* bytes of logits between the two */

struct extent {
	float max, sum; /* of exp(x - max) */
};

__device__ __forceinline__ struct extent join(struct extent a, struct extent b)
{
	float m = fmaxf(a.max, b.max);

	/* An empty one has max = -inf; two of them make no NaN. */
	if (m == -INFINITY)
		return a;
	return { m, a.sum * expf(a.max - m) + b.sum * expf(b.max - m) };
}

/* Of the threads of a block, in thread 0. */
__device__ __forceinline__ struct extent block_join(struct extent e)
{
	__shared__ struct extent part[THREADS / 32];

#pragma unroll
	for (int m = 16; m; m >>= 1)
		e = join(e, { __shfl_xor_sync(FULL, e.max, m), __shfl_xor_sync(FULL, e.sum, m) });
	if (threadIdx.x % 32 == 0)
		part[threadIdx.x / 32] = e;
	__syncthreads();
	for (int i = 1; threadIdx.x == 0 && i < THREADS / 32; i++)
		e = join(e, part[i]);
	return e;
}

__global__ void __launch_bounds__(THREADS)
	xent_parts(struct extent *parts, view<float> x, int64_t cols)
{
	int64_t i = blockIdx.y, from = (int64_t)blockIdx.x * PART,
		to = from + PART < cols ? from + PART : cols;
	struct extent e = { -INFINITY, 0 };

	for (int64_t j = from + threadIdx.x * 8; j < to; j += THREADS * 8) {
		int n = to - j < 8 ? (int)(to - j) : 8;
		float v[8], m = e.max, s = 0;

		load(v, x, i, j, n);
#pragma unroll
		for (int k = 0; k < 8; k++)
			m = k < n ? fmaxf(m, v[k]) : m;
#pragma unroll
		for (int k = 0; k < 8; k++)
			s += k < n ? expf(v[k] - m) : 0;
		e.sum = e.sum * expf(e.max - m) + s;
		e.max = m;
	}
	e = block_join(e);
	if (threadIdx.x == 0)
		parts[i * gridDim.x + blockIdx.x] = e;
}

/* Every block folds its row's parts, in the same order. */
template <typename T>
__global__ void __launch_bounds__(THREADS)
	xent_grad(float *logp, view<T> dx, const struct extent *parts, view<float> x,
		  const int32_t *targets, int64_t cols)
{
	int64_t i = blockIdx.y, from = (int64_t)blockIdx.x * PART,
		to = from + PART < cols ? from + PART : cols;
	struct extent e = parts[i * gridDim.x];
	int target = targets[i];
	float log_sum, inverse;

	for (int p = 1; p < (int)gridDim.x; p++)
		e = join(e, parts[i * gridDim.x + p]);
	log_sum = logf(e.sum);
	inverse = 1 / e.sum;
	if (blockIdx.x == 0 && threadIdx.x == 0)
		logp[i] = x.p[i * x.ld + target] - e.max - log_sum;
	for (int64_t j = from + threadIdx.x * 8; dx.p && j < to; j += THREADS * 8) {
		int n = to - j < 8 ? (int)(to - j) : 8;
		float v[8];

		load(v, x, i, j, n);
#pragma unroll
		for (int k = 0; k < 8; k++)
			v[k] = expf(v[k] - e.max) * inverse - (j + k == target ? 1.0f : 0.0f);
		store(dx, i, j, n, v);
	}
}

static int64_t parts_of(int64_t cols)
{
	return (cols + PART - 1) / PART;
}

size_t cuda_xent_scratch(const struct op_limits *l)
{
	return (size_t)(l->head_rows * parts_of(l->vocab)) * sizeof(struct extent);
}

template <typename T>
static void rows_of(struct cuda *c, float *logp, struct mat dx, struct extent *parts, struct mat x,
		    const int32_t *targets)
{
	dim3 grid((unsigned)parts_of(x.cols), (unsigned)x.rows);

	LAUNCH(c, "xent", xent_parts, grid, THREADS, 0, parts, view_of<float>(x), x.cols);
	LAUNCH(c, "xent", (xent_grad<T>), grid, THREADS, 0, logp, view_of<T>(dx), parts,
	       view_of<float>(x), targets, x.cols);
}

void cuda_xent(struct dev *d, float *logp, struct mat dlogits, struct mat logits,
	       const int32_t *targets)
{
	struct cuda *c = cuda_of(d);
	int64_t parts = parts_of(logits.cols),
		step = CACHED / (logits.cols * (int64_t)sizeof(float)) + 1;
	struct extent *scratch;

	step = step < 32768 ? step : 32768;
	scratch = (struct extent *)cuda_scratch(c, SCRATCH_A,
						(size_t)(logits.rows * parts) * sizeof(*scratch),
						"xent");
	for (int64_t i = 0; scratch && i < logits.rows; i += step) {
		int64_t n = logits.rows - i < step ? logits.rows - i : step;
		struct mat x = mat_rows(logits, i, n), dx = dlogits;

		if (dx.p)
			dx = mat_rows(dlogits, i, n);
		if (dx.t == DT_BF16)
			rows_of<uint16_t>(c, logp + i, dx, scratch + i * parts, x, targets + i);
		else
			rows_of<float>(c, logp + i, dx, scratch + i * parts, x, targets + i);
	}
}
