/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The CUDA back end is a shared object of its own, libanekdot-cuda.so, opened at run time: the program
 * needs neither driver nor libraries of CUDA. It stands in ../lib beside the program's folder, or where
 * the environment variable ANEKDOT_CUDA says; ANEKDOT_CUDA= (empty): there is none.
 */
#ifndef KERNELS_CUDA_H
#define KERNELS_CUDA_H

#include "kernels/ops.h"

/* Both sides were compiled with this table. */
#define CUDA_ABI (sizeof(struct ops) * 1000 + sizeof(struct op_limits) * 8 + 1)

/* Is there a device, and the shared object for it? Asked once. */
bool cuda_there(void);
/* NULL, and err in one line, when there is not. */
struct dev *cuda_open(struct err *err);
void cuda_identity(const struct dev *d, char out[OPS_IDENTITY_SIZE]);

#endif
