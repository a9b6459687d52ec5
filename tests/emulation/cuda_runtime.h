/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What kernels/cuda uses of CUDA, for a C++ compiler and the CPU: the .cu sources are compiled with
 * this folder in front of the include path. The threads of a block are fibers of one thread, run
 * warp by warp from one barrier to the next; blocks follow each other. Memory of the "device" is
 * the heap's, so that ASan sees what a kernel reads and writes. What a kernel may not do (barriers
 * that not all threads reach, shuffles that not all lanes take part in) ends the process.
 */
#ifndef TESTS_EMULATION_CUDA_RUNTIME_H
#define TESTS_EMULATION_CUDA_RUNTIME_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define CUDA_EMULATION 1

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)
#define __shared__ static /* one block runs at a time */
#define __restrict__ __restrict

struct uint3 {
	unsigned x, y, z;
};

struct dim3 {
	unsigned x, y, z;
	dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z)
	{
	}
};

struct alignas(8) uint2 {
	unsigned x, y;
};
struct alignas(16) uint4 {
	unsigned x, y, z, w;
};
struct alignas(8) float2 {
	float x, y;
};
struct alignas(16) float4 {
	float x, y, z, w;
};

/* The running thread: */
struct emu_where {
	uint3 thread, block;
	dim3 block_dim, grid_dim;
};
extern emu_where emu_at;
#define threadIdx (emu_at.thread)
#define blockIdx  (emu_at.block)
#define blockDim  (emu_at.block_dim)
#define gridDim   (emu_at.grid_dim)

/* Runs call(arg) in every thread of the grid. */
int emu_launch(dim3 grid, dim3 block, size_t shared, void (*call)(void *), void *arg);
void *emu_shared(void); /* the launch's dynamic shared memory */

#define LAUNCH_KERNEL(KERNEL, GRID, BLOCK, SHARED, STREAM, ...)                                    \
	do {                                                                                       \
		auto emu_call = [&]() { KERNEL(__VA_ARGS__); };                                    \
		(void)(STREAM);                                                                    \
		emu_launch((GRID), (BLOCK), (SHARED),                                              \
			   [](void *emu_arg) { (*(decltype(emu_call) *)emu_arg)(); }, &emu_call);  \
	} while (0)

void emu_syncthreads(void);
int emu_syncthreads_or(int x);
void emu_syncwarp(void);
/* Leaves v (at most 16 bytes) for the other lanes and takes what `from` left. */
void emu_exchange(void *v, size_t bytes, int from);
unsigned emu_ballot(bool x);
/* Every lane gives a pointer; when all did, the last one calls f with the 32 of them. */
void emu_together(void *mine, void (*f)(void **all));
int emu_lane(void);

#define __syncthreads()     emu_syncthreads()
#define __syncthreads_or(X) emu_syncthreads_or(X)
#define __syncwarp(...)     emu_syncwarp()
#define __ballot_sync(M, X) emu_ballot((X) != 0)
#define __any_sync(M, X)    (emu_ballot((X) != 0) != 0)

template <typename T> inline T emu_shuffle(T v, int from)
{
	emu_exchange(&v, sizeof(v), from);
	return v;
}

#define __shfl_sync(M, V, LANE)  emu_shuffle((V), (LANE)&31)
#define __shfl_xor_sync(M, V, X) emu_shuffle((V), emu_lane() ^ (X))
#define __shfl_down_sync(M, V, D)                                                                  \
	emu_shuffle((V), emu_lane() + (D) < 32 ? emu_lane() + (D) : emu_lane())

inline float __uint_as_float(unsigned u)
{
	float f;

	memcpy(&f, &u, 4);
	return f;
}

inline unsigned __float_as_uint(float f)
{
	unsigned u;

	memcpy(&u, &f, 4);
	return u;
}

inline unsigned __umulhi(unsigned a, unsigned b)
{
	return (unsigned)((uint64_t)a * b >> 32);
}

inline float __fmul_rn(float a, float b)
{
	return a * b;
}

inline float __fadd_rn(float a, float b)
{
	return a + b;
}

inline float __fdividef(float a, float b)
{
	return a / b;
}

inline float rsqrtf(float x)
{
	return 1 / sqrtf(x);
}

inline float __expf(float x)
{
	return expf(x);
}

template <typename T> inline T __ldg(const T *p)
{
	return *p;
}

inline int __ffs(int x)
{
	return __builtin_ffs(x);
}

inline int __popc(unsigned x)
{
	return __builtin_popcount(x);
}

template <typename T> inline T min(T a, T b)
{
	return b < a ? b : a;
}

template <typename T> inline T max(T a, T b)
{
	return a < b ? b : a;
}

/* The runtime's calls. */
enum cudaError_t { cudaSuccess, cudaErrorMemoryAllocation = 2, cudaErrorLaunchFailure = 719 };
enum cudaMemcpyKind {
	cudaMemcpyHostToDevice = 1,
	cudaMemcpyDeviceToHost,
	cudaMemcpyDeviceToDevice
};
enum cudaDeviceAttr { cudaDevAttrMaxSharedMemoryPerBlockOptin = 97 };
enum cudaFuncAttribute { cudaFuncAttributeMaxDynamicSharedMemorySize = 8 };
typedef struct emu_stream *cudaStream_t;
enum { cudaStreamNonBlocking = 1 };

struct cudaDeviceProp {
	char name[256];
	int major, minor, multiProcessorCount;
	size_t sharedMemPerBlockOptin, totalGlobalMem;
};

cudaError_t cudaGetDeviceCount(int *n);
cudaError_t cudaSetDevice(int device);
cudaError_t cudaGetDeviceProperties(cudaDeviceProp *p, int device);
cudaError_t cudaDriverGetVersion(int *v);
cudaError_t cudaMalloc(void **p, size_t bytes);
cudaError_t cudaFree(void *p);
cudaError_t cudaMemGetInfo(size_t *free, size_t *total);
cudaError_t cudaMemcpyAsync(void *dst, const void *src, size_t n, cudaMemcpyKind kind,
			    cudaStream_t s);
cudaError_t cudaMemsetAsync(void *dst, int value, size_t n, cudaStream_t s);
cudaError_t cudaStreamCreateWithFlags(cudaStream_t *s, unsigned flags);
cudaError_t cudaStreamDestroy(cudaStream_t s);
cudaError_t cudaStreamSynchronize(cudaStream_t s);
cudaError_t cudaGetLastError(void);
const char *cudaGetErrorString(cudaError_t e);
template <typename F> inline cudaError_t cudaFuncSetAttribute(F *f, cudaFuncAttribute a, int value)
{
	(void)f;
	(void)a;
	(void)value;
	return cudaSuccess;
}

#endif
