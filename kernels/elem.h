/* SPDX-License-Identifier: Apache-2.0 */
/* Reading and writing one element of a matrix, whatever its type: for the back ends that run on
 * the host. */
#ifndef KERNELS_ELEM_H
#define KERNELS_ELEM_H

#include "kernels/ops.h"

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

#endif
