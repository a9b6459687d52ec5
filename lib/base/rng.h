/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counter-based random numbers (Philox4x32-10, Salmon et al., SC'11): a value is a function of
 * (seed, stream, index) alone, so there is no state to save and no order to keep.
 */
#ifndef BASE_RNG_H
#define BASE_RNG_H

#include <stdint.h>

/* Streams: what the numbers are for. Combine with an own number: RNG_INIT + tensor. */
enum rng_stream {
	RNG_SHUFFLE = 1u << 24, /* + epoch */
	RNG_INIT = 2u << 24, /* + tensor */
	RNG_DROPOUT = 3u << 24, /* + tensor; index from step and position */
	RNG_SAMPLE = 4u << 24, /* + stream of a batch */
	RNG_MIX = 5u << 24, /* which data set has its turn */
	RNG_PICK = 6u << 24, /* + data set: num_samples of it */
	RNG_HOLD = 7u << 24, /* what is held out for evaluation */
};

uint32_t rng_u32(uint64_t seed, uint32_t stream, uint64_t index);
/* Uniform in [0, 1) with 24 bits (exact in float). */
float rng_uniform(uint64_t seed, uint32_t stream, uint64_t index);
/* order[0..n) = a permutation of 0..n-1. */
void rng_permutation(uint64_t seed, uint32_t stream, uint32_t *order, uint32_t n);

#endif
