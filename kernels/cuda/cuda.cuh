/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the CUDA back end share. Kernels are queued on one stream; what goes wrong is
 * held, with the name of the op, until sync. Every output element is written by one thread, and every
 * sum has an order that depends on shapes alone: no atomics.
 *
 * Everything here compiles as C++ for the CPU too (tests/emulation), which has threads, warps, shared
 * memory and barriers, but neither asm nor <<<>>>: those are in this header only.
 */
#ifndef KERNELS_CUDA_CUDA_CUH
#define KERNELS_CUDA_CUDA_CUH

extern "C" {
#include "kernels/ops.h"
}

#include <cublasLt.h>
#include <cuda_runtime.h>

#define FULL 0xffffffffu /* all lanes of a warp */

/* Scratch of the ops; WORK is cuBLASLt's. */
enum cuda_scratch { SCRATCH_WORK, SCRATCH_A, SCRATCH_W, SCRATCH_ATTN, SCRATCHES };

#define WORK_BYTES ((size_t)32 << 20)

struct products; /* matmul.cu: algorithms that were chosen */

struct cuda {
	struct dev dev;
	cudaStream_t stream;
	cublasLtHandle_t lt;
	struct products *products;
	char failed[200]; /* what went wrong first since the last sync; "": nothing */
	cudaDeviceProp device;
	void *scratch[SCRATCHES]; /* grown on demand, or reserved */
	size_t scratch_bytes[SCRATCHES];
};

static inline struct cuda *cuda_of(struct dev *d)
{
	return (struct cuda *)d;
}

/* cuda.cu. Holds the error, if it is one. */
void cuda_check(struct cuda *c, cudaError_t e, const char *op);
void cuda_fail(struct cuda *c, const char *op, const char *what);
/* At least `bytes`; NULL (and a held error) when they cannot be had. Old content is lost. */
void *cuda_scratch(struct cuda *c, enum cuda_scratch which, size_t bytes, const char *op);
/* Lets kernel F take so much dynamic shared memory. */
#define ALLOW_SHARED(C, F, BYTES, OP)                                                              \
	cuda_check((C),                                                                            \
		   cudaFuncSetAttribute((F), cudaFuncAttributeMaxDynamicSharedMemorySize,          \
					(int)(BYTES)),                                             \
		   (OP))

/* LAUNCH(c, "op", (kernel<T>), grid, block, shared bytes, arguments...); an empty grid is none. */
#ifdef CUDA_EMULATION
#define LAUNCH(C, OP, KERNEL, GRID, BLOCK, SHARED, ...)                                            \
	do {                                                                                       \
		(void)(OP);                                                                        \
		LAUNCH_KERNEL(KERNEL, GRID, BLOCK, SHARED, (C)->stream, __VA_ARGS__);              \
	} while (0)
#define DYNAMIC_SHARED(T, NAME) T *NAME = (T *)emu_shared()
#else
#define LAUNCH(C, OP, KERNEL, GRID, BLOCK, SHARED, ...)                                            \
	do {                                                                                       \
		KERNEL<<<(GRID), (BLOCK), (SHARED), (C)->stream>>>(__VA_ARGS__);                   \
		cuda_check((C), cudaGetLastError(), (OP));                                         \
	} while (0)
#define DYNAMIC_SHARED(T, NAME)                                                                    \
	extern __shared__ __align__(128) unsigned char dynamic_shared[];                           \
	T *NAME = (T *)dynamic_shared
#endif

#define LOG2E 1.4426950408889634f

/* Rows of elements of type T: what a kernel sees of a struct mat. vec: every row begins at 16 bytes. */
template <typename T> struct view {
	T *p;
	int64_t ld;
	bool vec;
};

template <typename T> static inline view<T> view_of(struct mat m)
{
	return { (T *)m.p, m.ld,
		 (uintptr_t)m.p % 16 == 0 && (m.ld * sizeof(T) % 16 == 0 || m.rows == 1) };
}

/* --- elements --- */

__device__ __forceinline__ float bf16_widen(uint16_t h)
{
	return __uint_as_float((unsigned)h << 16);
}

/* Two floats to nearest-even bf16, the first in the low half. NaN stays NaN. */
__device__ __forceinline__ unsigned bf16_pack(float lo, float hi)
{
#ifdef CUDA_EMULATION
	return f32_to_bf16(lo) | (unsigned)f32_to_bf16(hi) << 16;
#else
	unsigned u;

	asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(u) : "f"(hi), "f"(lo));
	return u;
#endif
}

__device__ __forceinline__ uint16_t bf16_narrow(float x)
{
	return (uint16_t)bf16_pack(x, 0);
}

__device__ __forceinline__ float load1(const float *p)
{
	return *p;
}

__device__ __forceinline__ float load1(const uint16_t *p)
{
	return bf16_widen(*p);
}

__device__ __forceinline__ void store1(float *p, float x)
{
	*p = x;
}

__device__ __forceinline__ void store1(uint16_t *p, float x)
{
	*p = bf16_narrow(x);
}

/* Eight elements from 16-byte aligned memory. */
__device__ __forceinline__ void load8(float v[8], const float *p)
{
	float4 a = ((const float4 *)p)[0], b = ((const float4 *)p)[1];

	v[0] = a.x, v[1] = a.y, v[2] = a.z, v[3] = a.w;
	v[4] = b.x, v[5] = b.y, v[6] = b.z, v[7] = b.w;
}

__device__ __forceinline__ void load8(float v[8], const uint16_t *p)
{
	uint4 a = *(const uint4 *)p;
	unsigned u[4] = { a.x, a.y, a.z, a.w };

#pragma unroll
	for (int i = 0; i < 4; i++) {
		v[2 * i] = __uint_as_float(u[i] << 16);
		v[2 * i + 1] = __uint_as_float(u[i] & 0xffff0000u);
	}
}

__device__ __forceinline__ void store8(float *p, const float v[8])
{
	((float4 *)p)[0] = { v[0], v[1], v[2], v[3] };
	((float4 *)p)[1] = { v[4], v[5], v[6], v[7] };
}

__device__ __forceinline__ void store8(uint16_t *p, const float v[8])
{
	*(uint4 *)p = { bf16_pack(v[0], v[1]), bf16_pack(v[2], v[3]), bf16_pack(v[4], v[5]),
			bf16_pack(v[6], v[7]) };
}

/* n <= 8 elements of row i from column j on; the others are 0. j is a multiple of 8. */
template <typename T>
__device__ __forceinline__ void load(float v[8], view<T> m, int64_t i, int64_t j, int n)
{
	const T *p = m.p + i * m.ld + j;

	if (m.vec && n == 8) {
		load8(v, p);
		return;
	}
#pragma unroll
	for (int k = 0; k < 8; k++)
		v[k] = k < n ? load1(p + k) : 0;
}

template <typename T>
__device__ __forceinline__ void store(view<T> m, int64_t i, int64_t j, int n, const float v[8])
{
	T *p = m.p + i * m.ld + j;

	if (m.vec && n == 8) {
		store8(p, v);
		return;
	}
#pragma unroll
	for (int k = 0; k < 8; k++)
		if (k < n)
			store1(p + k, v[k]);
}

/* --- element by element --- */

#define EACH_THREADS 256

/* f(i, j, n) for every row i and run of n <= 8 columns from j on. */
template <typename F>
__global__ void __launch_bounds__(EACH_THREADS) each(int64_t rows, int64_t cols, F f)
{
	for (int64_t i = blockIdx.y; i < rows; i += gridDim.y)
		for (int64_t j = ((int64_t)blockIdx.x * EACH_THREADS + threadIdx.x) * 8; j < cols;
		     j += (int64_t)gridDim.x * EACH_THREADS * 8)
			f(i, j, cols - j < 8 ? (int)(cols - j) : 8);
}

template <typename F>
static inline void for_each(struct cuda *c, const char *op, int64_t rows, int64_t cols, F f)
{
	int64_t x = (cols + EACH_THREADS * 8 - 1) / (EACH_THREADS * 8);

	if (rows < 1 || cols < 1)
		return;
	LAUNCH(c, op, (each<F>), dim3((unsigned)x, (unsigned)(rows < 65535 ? rows : 65535)),
	       EACH_THREADS, 0, rows, cols, f);
}

/* Matrices without gaps are one row. */
static inline bool dense(struct mat m)
{
	return m.ld == m.cols || m.rows == 1;
}

static inline struct mat flat(struct mat m)
{
	return mat_view(m.p, m.t, 1, m.rows * m.cols);
}

/* --- sums --- */

/* The same sum in every lane. */
__device__ __forceinline__ float warp_sum(float x)
{
#pragma unroll
	for (int m = 16; m; m >>= 1)
		x += __shfl_xor_sync(FULL, x, m);
	return x;
}

__device__ __forceinline__ float warp_max(float x)
{
#pragma unroll
	for (int m = 16; m; m >>= 1)
		x = fmaxf(x, __shfl_xor_sync(FULL, x, m));
	return x;
}

/* --- the ops: ops.h has their contracts --- */

void cuda_matmul_scratch(const struct cuda *c, const struct op_limits *l, size_t bytes[SCRATCHES]);
void cuda_products_free(struct products *p);
/* c = alpha op(a) op(b) + beta c + bias. a and b have one type; no bias for a c in bf16 (the library has
 * none in fp32 there). */
void cuda_product(struct cuda *d, const char *op, struct mat c, struct mat a, bool ta, struct mat b,
		  bool tb, float alpha, float beta, const float *bias);
struct weight *cuda_weight_new(struct dev *d, const struct mat *parts, int n, unsigned use,
			       struct err *err);
void cuda_weight_free(struct dev *d, struct weight *w);
size_t cuda_weight_bytes(struct dev *d, enum dtype t, int64_t rows, int64_t cols, unsigned use);
void cuda_linear(struct dev *d, struct mat y, struct mat x, const struct weight *w,
		 const float *bias, bool add);
void cuda_linear_bwd(struct dev *d, struct mat dx, struct mat dy, const struct weight *w);
void cuda_gemm(struct dev *d, struct mat c, struct mat a, bool ta, struct mat b, bool tb,
	       float alpha, float beta);
int cuda_steady_rows(struct dev *d, int n);

void cuda_cast(struct dev *d, struct mat dst, struct mat src);
void cuda_dequant(struct dev *d, struct mat dst, const void *src, enum dtype t);
void cuda_embed(struct dev *d, struct mat y, struct mat table, const int32_t *ids);
void cuda_scatter_add(struct dev *d, struct mat y, struct mat x, const int32_t *rows);
void cuda_add(struct dev *d, struct mat y, struct mat x);
void cuda_scale_rows(struct dev *d, struct mat x, const float *coef);
void cuda_rmsnorm(struct dev *d, struct mat y, float *rstd, struct mat x, int n_heads,
		  const float *w, float eps);
void cuda_rmsnorm_bwd(struct dev *d, struct mat dx, struct mat dy, struct mat x, int n_heads,
		      const float *rstd, const float *w);
void cuda_rope(struct dev *d, struct mat x, int n_heads, const int32_t *pos, const float *cos_table,
	       const float *sin_table, bool inverse);
size_t cuda_attn_scratch(const struct op_limits *l);
void cuda_attn(struct dev *d, struct mat o, float *lse, struct mat q, struct mat k, struct mat v,
	       const struct attn_shape *s);
void cuda_attn_bwd(struct dev *d, struct mat dq, struct mat dk, struct mat dv, struct mat dout,
		   struct mat o, struct mat q, struct mat k, struct mat v, const float *lse,
		   const struct attn_shape *s);
void cuda_swiglu(struct dev *d, struct mat y, struct mat gate, struct mat up);
void cuda_swiglu_bwd(struct dev *d, struct mat dgate, struct mat dup, struct mat dy,
		     struct mat gate, struct mat up);
size_t cuda_xent_scratch(const struct op_limits *l);
void cuda_xent(struct dev *d, float *logp, struct mat dlogits, struct mat logits,
	       const int32_t *targets);
void cuda_dropout(struct dev *d, struct mat y, struct mat x, float p, uint64_t seed,
		  uint32_t stream);
size_t cuda_sumsq_scratch(size_t n);
void cuda_sumsq(struct dev *d, float *out, const float *g, size_t n);
void cuda_adamw(struct dev *d, float *p, float *m, float *v, const float *g, size_t n,
		const struct adamw *h);

#endif
