/* SPDX-License-Identifier: Apache-2.0 */
/* The device: its stream, its memory, and what went wrong. */
#include "kernels/cuda/cuda.cuh"

#include "kernels/cuda.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

__attribute__((format(printf, 2, 3))) static int fail(struct err *err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
	va_end(ap);
	err->kind = ERR_INPUT;
	return -1;
}

void cuda_fail(struct cuda *c, const char *op, const char *what)
{
	if (!c->failed[0])
		snprintf(c->failed, sizeof(c->failed), "%s: %s", op, what);
}

void cuda_check(struct cuda *c, cudaError_t e, const char *op)
{
	if (e != cudaSuccess)
		cuda_fail(c, op, cudaGetErrorString(e));
}

/* --- memory --- */

static void *cuda_alloc(struct dev *d, size_t bytes, struct err *err)
{
	void *p = NULL;

	(void)d;
	if (cudaMalloc(&p, bytes ? bytes : 1) == cudaSuccess)
		return p;
	cudaGetLastError(); /* it is told here, not at the next launch */
	fail(err, "out of memory on the device: a buffer of %.1f MB cannot be had",
	     (double)bytes / 1e6);
	return NULL;
}

static void cuda_free(struct dev *d, void *p)
{
	cuda_check(cuda_of(d), cudaFree(p), "free");
}

static void cuda_upload(struct dev *d, void *dst, const void *src, size_t bytes)
{
	struct cuda *c = cuda_of(d);

	cuda_check(c, cudaMemcpyAsync(dst, src, bytes, cudaMemcpyHostToDevice, c->stream),
		   "upload");
}

static void cuda_download(struct dev *d, void *dst, const void *src, size_t bytes)
{
	struct cuda *c = cuda_of(d);

	cuda_check(c, cudaMemcpyAsync(dst, src, bytes, cudaMemcpyDeviceToHost, c->stream),
		   "download");
	cuda_check(c, cudaStreamSynchronize(c->stream), "download, or an op before it");
}

static void cuda_copy(struct dev *d, void *dst, const void *src, size_t bytes)
{
	struct cuda *c = cuda_of(d);

	cuda_check(c, cudaMemcpyAsync(dst, src, bytes, cudaMemcpyDeviceToDevice, c->stream),
		   "copy");
}

static void cuda_zero(struct dev *d, void *dst, size_t bytes)
{
	struct cuda *c = cuda_of(d);

	cuda_check(c, cudaMemsetAsync(dst, 0, bytes, c->stream), "zero");
}

static int cuda_sync(struct dev *d, struct err *err)
{
	struct cuda *c = cuda_of(d);

	cuda_check(c, cudaStreamSynchronize(c->stream), "sync, or an op before it");
	if (!c->failed[0])
		return 0;
	fail(err, "%s: %s", c->device.name, c->failed);
	c->failed[0] = 0;
	return -1;
}

/* --- scratch --- */

void *cuda_scratch(struct cuda *c, enum cuda_scratch which, size_t bytes, const char *op)
{
	struct err err;

	if (c->scratch_bytes[which] < bytes) {
		cudaFree(c->scratch[which]); /* waits for those who use it */
		c->scratch_bytes[which] = 0;
		c->scratch[which] = cuda_alloc(&c->dev, bytes, &err);
		if (!c->scratch[which]) {
			cuda_fail(c, op, "out of memory on the device");
			return NULL;
		}
		c->scratch_bytes[which] = bytes;
	}
	return c->scratch[which];
}

static void sizes(const struct cuda *c, const struct op_limits *l, size_t bytes[SCRATCHES])
{
	size_t sums = cuda_sumsq_scratch(l->params), head = cuda_xent_scratch(l);

	memset(bytes, 0, SCRATCHES * sizeof(*bytes));
	cuda_matmul_scratch(c, l, bytes);
	bytes[SCRATCH_A] = bytes[SCRATCH_A] > sums ? bytes[SCRATCH_A] : sums;
	bytes[SCRATCH_A] = bytes[SCRATCH_A] > head ? bytes[SCRATCH_A] : head;
	bytes[SCRATCH_ATTN] = cuda_attn_scratch(l);
}

static size_t cuda_scratch_bytes(struct dev *d, const struct op_limits *l)
{
	size_t bytes[SCRATCHES], sum = 0;

	sizes(cuda_of(d), l, bytes);
	for (int i = 0; i < SCRATCHES; i++)
		sum += bytes[i];
	return sum;
}

static int cuda_reserve(struct dev *d, const struct op_limits *l, struct err *err)
{
	struct cuda *c = cuda_of(d);
	size_t bytes[SCRATCHES];

	sizes(c, l, bytes);
	for (int i = 0; i < SCRATCHES; i++) {
		/* What the weights that are there need was not asked about. */
		if (i == SCRATCH_W && bytes[i] < c->scratch_bytes[i])
			continue;
		if (c->scratch_bytes[i] == bytes[i])
			continue;
		cudaFree(c->scratch[i]);
		c->scratch[i] = NULL;
		c->scratch_bytes[i] = 0;
		if (bytes[i] && !(c->scratch[i] = cuda_alloc(d, bytes[i], err)))
			return -1;
		c->scratch_bytes[i] = bytes[i];
	}
	return 0;
}

/* --- open and close --- */

static void cuda_close(struct dev *d)
{
	struct cuda *c = cuda_of(d);

	cuda_products_free(c->products);
	for (int i = 0; i < SCRATCHES; i++)
		cudaFree(c->scratch[i]);
	if (c->lt)
		cublasLtDestroy(c->lt);
	if (c->stream)
		cudaStreamDestroy(c->stream);
	free(c);
}

static struct ops table(void)
{
	struct ops o = {};

	o.name = "cuda";
	o.alloc = cuda_alloc;
	o.free = cuda_free;
	o.upload = cuda_upload;
	o.download = cuda_download;
	o.copy = cuda_copy;
	o.zero = cuda_zero;
	o.sync = cuda_sync;
	o.close = cuda_close;
	o.scratch_bytes = cuda_scratch_bytes;
	o.reserve = cuda_reserve;
	o.cast = cuda_cast;
	o.dequant = cuda_dequant;
	o.weight_new = cuda_weight_new;
	o.weight_free = cuda_weight_free;
	o.weight_bytes = cuda_weight_bytes;
	o.linear = cuda_linear;
	o.linear_bwd = cuda_linear_bwd;
	o.gemm = cuda_gemm;
	o.steady_rows = cuda_steady_rows;
	o.embed = cuda_embed;
	o.gather = cuda_embed;
	o.scatter_add = cuda_scatter_add;
	o.add = cuda_add;
	o.scale_rows = cuda_scale_rows;
	o.rmsnorm = cuda_rmsnorm;
	o.rmsnorm_bwd = cuda_rmsnorm_bwd;
	o.rope = cuda_rope;
	o.attn = cuda_attn;
	o.attn_bwd = cuda_attn_bwd;
	o.swiglu = cuda_swiglu;
	o.swiglu_bwd = cuda_swiglu_bwd;
	o.xent = cuda_xent;
	o.dropout = cuda_dropout;
	o.sumsq = cuda_sumsq;
	o.adamw = cuda_adamw;
	return o;
}

static const char *open_parts(struct cuda *c)
{
	cudaError_t e = cudaSetDevice(0);

	if (e == cudaSuccess)
		e = cudaGetDeviceProperties(&c->device, 0);
	if (e == cudaSuccess && c->device.major < 8)
		return "the device is older than compute capability 8.0";
	if (e == cudaSuccess)
		e = cudaStreamCreateWithFlags(&c->stream, cudaStreamNonBlocking);
	if (e != cudaSuccess)
		return cudaGetErrorString(e);
	return cublasLtCreate(&c->lt) == CUBLAS_STATUS_SUCCESS ? NULL : "cuBLASLt does not start";
}

extern "C" __attribute__((visibility("default"))) size_t anekdot_cuda_abi(void)
{
	return CUDA_ABI;
}

extern "C" __attribute__((visibility("default"))) int anekdot_cuda_devices(void)
{
	int n = 0;

	return cudaGetDeviceCount(&n) == cudaSuccess ? n : 0;
}

extern "C" __attribute__((visibility("default"))) struct dev *anekdot_cuda_open(struct err *err)
{
	static struct ops ops = table();
	struct cuda *c = (struct cuda *)calloc(1, sizeof(*c));
	const char *why = c ? open_parts(c) : "out of memory";

	if (why) {
		fail(err, "device cuda: %s", why);
		if (c)
			cuda_close(&c->dev);
		return NULL;
	}
	c->dev.ops = &ops;
	return &c->dev;
}

extern "C" __attribute__((visibility("default"))) void
anekdot_cuda_identity(const struct dev *d, char out[OPS_IDENTITY_SIZE])
{
	const struct cuda *c = (const struct cuda *)d;
	int driver = 0;

	cudaDriverGetVersion(&driver);
	snprintf(out, OPS_IDENTITY_SIZE, "cuda, %.60s sm_%d%d, driver %d.%d, cuBLASLt %zu",
		 c->device.name, c->device.major, c->device.minor, driver / 1000,
		 driver % 1000 / 10, cublasLtGetVersion());
}

extern "C" __attribute__((visibility("default"))) void
anekdot_cuda_memory(const struct dev *d, size_t *free, size_t *total)
{
	(void)d;
	if (cudaMemGetInfo(free, total) != cudaSuccess)
		*free = *total = 0;
}
