/* SPDX-License-Identifier: Apache-2.0 */
/* Reading and writing one element of a matrix, whatever its type: for the back ends that run on
 * the host. */
#ifndef KERNELS_ELEM_H
#define KERNELS_ELEM_H

#include "kernels/ops.h"

/* A function compiled for several instruction sets; which one is taken is decided when the program
 * starts. The bits are the same: nothing is contracted. */
#if defined(__x86_64__) && !defined(__SANITIZE_ADDRESS__) && !defined(__clang__)
#define CLONES __attribute__((noinline, target_clones("avx512f", "avx2", "default")))
#else
#define CLONES __attribute__((noinline))
#endif

static inline float elem_get(struct mat m, int64_t i, int64_t j)
{
	if (m.t == DT_BF16)
		return bf16_to_f32(((const uint16_t *)m.p)[i * m.ld + j]);
	return ((const float *)m.p)[i * m.ld + j];
}

static inline void elem_set(struct mat m, int64_t i, int64_t j, float x)
{
	if (m.t == DT_BF16)
		((uint16_t *)m.p)[i * m.ld + j] = f32_to_bf16(x);
	else
		((float *)m.p)[i * m.ld + j] = x;
}

/* The ops that every host back end shares: memory. */
void *host_alloc(struct dev *d, size_t bytes, struct err *err);
void host_free(struct dev *d, void *p);
void host_upload(struct dev *d, void *dst, const void *src, size_t bytes);
void host_download(struct dev *d, void *dst, const void *src, size_t bytes);
void host_copy(struct dev *d, void *dst, const void *src, size_t bytes);
void host_zero(struct dev *d, void *dst, size_t bytes);
int host_sync(struct dev *d, struct err *err);

/* Elements [0, n) of one block-aligned run of src, as floats. The one place that knows ggml's
 * block layouts. */
void dequant_run(float *dst, const unsigned char *src, enum dtype t, int64_t n);

/* Back ends. */
struct dev *ref_open(struct err *err);
struct dev *cpu_open(int threads, bool plain, struct err *err);
void cpu_identity(const struct dev *d, char out[OPS_IDENTITY_SIZE]);

#endif
