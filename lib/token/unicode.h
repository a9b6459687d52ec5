/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Code-point classes as Hugging Face tokenizers 0.22 sees them: \p{L}, \p{N} and \s of Unicode 16,
 * Rust's is_numeric, \w of its regex crate, and what NFC with Unicode 9 tables has to look at.
 */
#ifndef TOKEN_UNICODE_H
#define TOKEN_UNICODE_H

#include <stddef.h>
#include <stdint.h>

enum {
	UNI_L = 1,
	UNI_N = 2,
	UNI_S = 4,
	UNI_NUMERIC = 8,
	UNI_WORD = 16,
	UNI_NFC_SLOW = 32, /* combining class not 0, or NFC_Quick_Check not Yes */
	UNI_NFC_UNKNOWN = 64, /* younger than the NFC tables: takes no part in normalisation */
};

/* Disjoint and ascending; code points in no range have no class. */
struct unicode_range {
	uint32_t first, last;
	uint8_t bits;
};

extern const struct unicode_range unicode_ranges[];
extern const size_t unicode_n_ranges;

#define UNICODE_COUNT 0x110000u

/* Write the class bits of all UNICODE_COUNT code points to table. */
void unicode_expand(uint8_t *table);

#endif
