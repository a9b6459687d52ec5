/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numbers to the blocks that GGUF files hold; the way back is kernels/quant.c. The same blocks as
 * ggml makes without an importance matrix, to the bit, whatever the number of threads.
 */
#ifndef FORMAT_QUANTIZE_H
#define FORMAT_QUANTIZE_H

#include "format/dtype.h"

/* out = n floats of x as type t (any but I32), n a multiple of the block; dtype_bytes(t, n). */
void quantize(enum dtype t, const float *x, size_t n, void *out);

#endif
