/* SPDX-License-Identifier: Apache-2.0 */
#include "model/permute.h"

#include <string.h>

void rope_permute(void *dst, const void *src, int64_t rows, size_t row_bytes, int n_heads,
		  bool to_gguf)
{
	int64_t size = rows / n_heads, half = size / 2;

	for (int64_t r = 0; r < n_heads * size; r++) {
		int64_t i = r % size,
			other = r - i + i % half * 2 + i / half; /* of torch's row r */
		int64_t from = to_gguf ? r : other, to = to_gguf ? other : r;

		memcpy((char *)dst + (size_t)to * row_bytes,
		       (const char *)src + (size_t)from * row_bytes, row_bytes);
	}
}
