/* SPDX-License-Identifier: Apache-2.0 */
#include "base/rng.h"

uint32_t rng_u32(uint64_t seed, uint32_t stream, uint64_t index)
{
	uint32_t c[4] = { (uint32_t)index, (uint32_t)(index >> 32), stream, 0 };
	uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);

	for (int round = 0; round < 10; round++) {
		uint64_t a = (uint64_t)0xD2511F53u * c[0], b = (uint64_t)0xCD9E8D57u * c[2];
		uint32_t n0 = (uint32_t)(b >> 32) ^ c[1] ^ k0, n2 = (uint32_t)(a >> 32) ^ c[3] ^ k1;

		c[0] = n0;
		c[1] = (uint32_t)b;
		c[2] = n2;
		c[3] = (uint32_t)a;
		k0 += 0x9E3779B9u;
		k1 += 0xBB67AE85u;
	}
	return c[0];
}

float rng_uniform(uint64_t seed, uint32_t stream, uint64_t index)
{
	return (float)(rng_u32(seed, stream, index) >> 8) * 0x1p-24f;
}

void rng_permutation(uint64_t seed, uint32_t stream, uint32_t *order, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		order[i] = i;
	for (uint32_t i = n; i > 1; i--) { /* Fisher-Yates; bias below 2^-32 * n */
		uint32_t j = (uint32_t)(((uint64_t)rng_u32(seed, stream, i) * i) >> 32);
		uint32_t t = order[i - 1];

		order[i - 1] = order[j];
		order[j] = t;
	}
}
