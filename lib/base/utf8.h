/* SPDX-License-Identifier: Apache-2.0 */
/* UTF-8 as Unicode table 3-7 has it: no overlong forms, no surrogates, nothing above U+10FFFF. */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include <stddef.h>
#include <stdint.h>

/* Bytes of the character at s (n bytes left), 0 when it is not valid UTF-8. */
size_t utf8_check(const char *s, size_t n);
/* Offset of the first invalid byte of s[0..n), n when there is none. */
size_t utf8_valid(const char *s, size_t n);
/* Length of the maximal invalid subpart at s (>= 1): what one U+FFFD stands for. */
size_t utf8_bad_length(const char *s, size_t n);
/* Decode a character known to be valid; advances *s. */
static inline uint32_t utf8_next(const char **s)
{
	const unsigned char *p = (const unsigned char *)*s;
	uint32_t c = p[0];

	if (c < 0x80) {
		*s += 1;
		return c;
	}
	if (c < 0xE0) {
		*s += 2;
		return (c & 31) << 6 | (p[1] & 63);
	}
	if (c < 0xF0) {
		*s += 3;
		return (c & 15) << 12 | (uint32_t)(p[1] & 63) << 6 | (p[2] & 63);
	}
	*s += 4;
	return (c & 7) << 18 | (uint32_t)(p[1] & 63) << 12 | (uint32_t)(p[2] & 63) << 6 |
	       (p[3] & 63);
}

/* Write c as UTF-8 into out[4]; returns the length. */
size_t utf8_put(char *out, uint32_t c);

#endif
