/* SPDX-License-Identifier: Apache-2.0 */
/*
 * llama.cpp stores q and k of the llama family for interleaved rotation: within a head of E rows,
 * its row 2j + p is torch's row p * E/2 + j.
 */
#ifndef MODEL_PERMUTE_H
#define MODEL_PERMUTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* rows of row_bytes, from torch's order to llama.cpp's or back; dst and src do not overlap. */
void rope_permute(void *dst, const void *src, int64_t rows, size_t row_bytes, int n_heads,
		  bool to_gguf);

#endif
