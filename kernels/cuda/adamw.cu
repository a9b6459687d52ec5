/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/cuda/cuda.cuh"

/* A sum is a sum of blocks of this many elements, whatever the device. */
#define BLOCK   4096
#define THREADS 256

__device__ __forceinline__ double warp_sum_double(double x)
{
#pragma unroll
	for (int m = 16; m; m >>= 1)
		x += __shfl_xor_sync(FULL, x, m);
	return x;
}

/* The sum of a block's threads, in thread 0. */
__device__ __forceinline__ double block_sum(double x)
{
	__shared__ double part[THREADS / 32];

	x = warp_sum_double(x);
	if (threadIdx.x % 32 == 0)
		part[threadIdx.x / 32] = x;
	__syncthreads();
	x = 0;
	for (int i = 0; threadIdx.x == 0 && i < THREADS / 32; i++)
		x += part[i];
	return x;
}

__global__ void __launch_bounds__(THREADS)
	sumsq_blocks(double *part, const float *g, int64_t n, bool vec)
{
	int64_t from = (int64_t)blockIdx.x * BLOCK, to = from + BLOCK < n ? from + BLOCK : n;
	double sum = 0;

	for (int64_t i = from + threadIdx.x * 8; i < to; i += THREADS * 8) {
		float v[8];

		load(v, view<float>{ (float *)g, 0, vec }, 0, i, to - i < 8 ? (int)(to - i) : 8);
#pragma unroll
		for (int k = 0; k < 8; k++)
			sum += (double)v[k] * v[k];
	}
	sum = block_sum(sum);
	if (threadIdx.x == 0)
		part[blockIdx.x] = sum;
}

__global__ void __launch_bounds__(THREADS) sumsq_fold(float *out, const double *part, int64_t n)
{
	double sum = 0;

	for (int64_t i = threadIdx.x; i < n; i += THREADS)
		sum += part[i];
	sum = block_sum(sum);
	if (threadIdx.x == 0)
		*out = (float)sum;
}

size_t cuda_sumsq_scratch(size_t n)
{
	return n ? (n + BLOCK - 1) / BLOCK * sizeof(double) : 0;
}

void cuda_sumsq(struct dev *d, float *out, const float *g, size_t n)
{
	struct cuda *c = cuda_of(d);
	int64_t blocks = ((int64_t)n + BLOCK - 1) / BLOCK;
	double *part = (double *)cuda_scratch(c, SCRATCH_A, cuda_sumsq_scratch(n), "sumsq");

	if (n && !part)
		return;
	if (blocks)
		LAUNCH(c, "sumsq", sumsq_blocks, (unsigned)blocks, THREADS, 0, part, g, (int64_t)n,
		       (uintptr_t)g % 16 == 0);
	LAUNCH(c, "sumsq", sumsq_fold, 1, THREADS, 0, out, part, blocks);
}

void cuda_adamw(struct dev *d, float *p, float *m, float *v, const float *g, size_t n,
		const struct adamw *h)
{
	struct mat flat = mat_view(p, DT_F32, 1, (int64_t)n);
	view<float> vp = view_of<float>(flat), vm, vv, vg;
	float decay = 1 - h->lr * h->weight_decay, a1 = 1 - h->beta1, a2 = 1 - h->beta2;
	float beta2 = h->beta2, eps = h->eps, by = h->grad_scale, step = h->lr / h->correction1;
	float root2 = sqrtf(h->correction2);

	flat.p = m, vm = view_of<float>(flat);
	flat.p = v, vv = view_of<float>(flat);
	flat.p = (void *)g, vg = view_of<float>(flat);
	for_each(cuda_of(d), "adamw", 1, (int64_t)n,
		 [=] __device__(int64_t i, int64_t j, int count) {
			 float x[8], mean[8], var[8], grad[8];

			 load(x, vp, i, j, count);
			 load(mean, vm, i, j, count);
			 load(var, vv, i, j, count);
			 load(grad, vg, i, j, count);
#pragma unroll
			 for (int k = 0; k < 8; k++) {
				 float gk = grad[k] * by;

				 mean[k] += (gk - mean[k]) * a1;
				 var[k] = beta2 * var[k] + a2 * gk * gk;
				 x[k] = x[k] * decay -
					step * mean[k] / (sqrtf(var[k]) / root2 + eps);
			 }
			 store(vp, i, j, count, x);
			 store(vm, i, j, count, mean);
			 store(vv, i, j, count, var);
		 });
}
