/* SPDX-License-Identifier: Apache-2.0 */
#include "token/unicode.h"

#include <string.h>

void unicode_expand(uint8_t *table)
{
	memset(table, 0, UNICODE_COUNT);
	for (size_t i = 0; i < unicode_n_ranges; i++) {
		const struct unicode_range *r = &unicode_ranges[i];

		memset(table + r->first, r->bits, r->last - r->first + 1);
	}
}
