/* SPDX-License-Identifier: Apache-2.0 */
/* The runtime's calls: the device is the host. */
#include <cuda_runtime.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct emu_stream {
	int nothing;
};

cudaError_t cudaGetDeviceCount(int *n)
{
	*n = 1;
	return cudaSuccess;
}

cudaError_t cudaSetDevice(int device)
{
	(void)device;
	return cudaSuccess;
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp *p, int device)
{
	(void)device;
	memset(p, 0, sizeof(*p));
	snprintf(p->name, sizeof(p->name), "emulation");
	p->major = 8;
	p->minor = 6;
	p->multiProcessorCount = 2;
	p->sharedMemPerBlockOptin = 99 * 1024;
	return cudaMemGetInfo(&p->totalGlobalMem, &p->totalGlobalMem);
}

cudaError_t cudaDriverGetVersion(int *v)
{
	*v = 0;
	return cudaSuccess;
}

/* Exactly as much as asked for, so that a sanitizer sees the end; 64-byte aligned. */
cudaError_t cudaMalloc(void **p, size_t bytes)
{
	if (posix_memalign(p, 256, bytes ? bytes : 1))
		return cudaErrorMemoryAllocation;
	return cudaSuccess;
}

cudaError_t cudaFree(void *p)
{
	free(p);
	return cudaSuccess;
}

cudaError_t cudaMemGetInfo(size_t *free, size_t *total)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	*free = (size_t)sysconf(_SC_AVPHYS_PAGES) * page;
	*total = (size_t)sysconf(_SC_PHYS_PAGES) * page;
	return cudaSuccess;
}

cudaError_t cudaMemcpyAsync(void *dst, const void *src, size_t n, cudaMemcpyKind kind,
			    cudaStream_t s)
{
	(void)kind;
	(void)s;
	memmove(dst, src, n);
	return cudaSuccess;
}

cudaError_t cudaMemsetAsync(void *dst, int value, size_t n, cudaStream_t s)
{
	(void)s;
	memset(dst, value, n);
	return cudaSuccess;
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t *s, unsigned flags)
{
	(void)flags;
	*s = (cudaStream_t)calloc(1, sizeof(emu_stream));
	return cudaSuccess;
}

cudaError_t cudaStreamDestroy(cudaStream_t s)
{
	free(s);
	return cudaSuccess;
}

cudaError_t cudaStreamSynchronize(cudaStream_t s)
{
	(void)s;
	return cudaSuccess;
}

cudaError_t cudaGetLastError(void)
{
	return cudaSuccess;
}

const char *cudaGetErrorString(cudaError_t e)
{
	return e == cudaErrorMemoryAllocation ? "out of memory" : "error";
}
