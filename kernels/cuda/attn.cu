/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/cuda/cuda.cuh"

size_t cuda_attn_scratch(const struct op_limits *l)
{
	(void)l;
	return 0;
}

void cuda_attn(struct dev *d, struct mat, float *, struct mat, struct mat, struct mat,
	       const struct attn_shape *)
{
	cuda_fail(cuda_of(d), "attn", "not written yet");
}

void cuda_attn_bwd(struct dev *d, struct mat, struct mat, struct mat, struct mat, struct mat,
		   struct mat, struct mat, struct mat, const float *, const struct attn_shape *)
{
	cuda_fail(cuda_of(d), "attn_bwd", "not written yet");
}
