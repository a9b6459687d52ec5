/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looking through bytes sixteen at a time. All of it is plain C with GCC's vectors; one builtin turns a
 * vector of answers into bits where the processor has it (every x86-64), a loop does elsewhere.
 */
#ifndef BASE_BYTES_H
#define BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

typedef unsigned char bytes16 __attribute__((vector_size(16)));
typedef char bytes16_answer __attribute__((vector_size(16)));

static inline bytes16 bytes_load(const char *p)
{
	bytes16 v;

	memcpy(&v, p, 16);
	return v;
}

/* Bit i: the answer for byte i. */
static inline unsigned bytes_bits(bytes16_answer a)
{
#ifdef __SSE2__
	return (unsigned)__builtin_ia32_pmovmskb128(a);
#else
	unsigned m = 0;

	for (int i = 0; i < 16; i++)
		m |= (unsigned)(a[i] & 1) << i;
	return m;
#endif
}

/* The first of '"', '\\' and the control characters below 0x20 in p[0..n); n when there is none. */
static inline size_t bytes_string_stop(const char *p, size_t n)
{
	size_t i = 0;

	for (; i + 16 <= n; i += 16) {
		bytes16 v = bytes_load(p + i);
		unsigned m = bytes_bits((bytes16_answer)((v == '"') | (v == '\\') | (v < 0x20)));

		if (m)
			return i + (size_t)__builtin_ctz(m);
	}
	while (i < n && p[i] != '"' && p[i] != '\\' && (unsigned char)p[i] >= 0x20)
		i++;
	return i;
}

/* The first control character other than white space (below 0x20, or 0x7F), '<' or '[' in p[0..n); n when
 * there is none. */
static inline size_t bytes_odd(const char *p, size_t n)
{
	size_t i = 0;

	for (; i + 16 <= n; i += 16) {
		bytes16 v = bytes_load(p + i);
		unsigned m = bytes_bits(
			(bytes16_answer)(((v < 0x20) & (v != '\n') & (v != '\t') & (v != '\r')) |
					 (v == 0x7F) | (v == '<') | (v == '[')));

		if (m)
			return i + (size_t)__builtin_ctz(m);
	}
	while (i < n && p[i] != '<' && p[i] != '[' && p[i] != 0x7F &&
	       ((unsigned char)p[i] >= 0x20 || p[i] == '\n' || p[i] == '\t' || p[i] == '\r'))
		i++;
	return i;
}

/* Whether a word of len bytes, at least two, stands in p[0..n). */
static inline bool bytes_hold(const char *p, size_t n, const char *word, size_t len)
{
	size_t i = 0;
	unsigned char first = (unsigned char)word[0], last = (unsigned char)word[len - 1];

	for (; i + 16 + len - 1 <= n; i += 16) {
		unsigned m = bytes_bits((bytes16_answer)((bytes_load(p + i) == first) &
							 (bytes_load(p + i + len - 1) == last)));

		for (; m; m &= m - 1)
			if (!memcmp(p + i + __builtin_ctz(m), word, len))
				return true;
	}
	for (; i + len <= n; i++)
		if (p[i] == word[0] && !memcmp(p + i, word, len))
			return true;
	return false;
}

/* The sum of sixteen bytes. */
static inline size_t bytes_sum(bytes16 v)
{
	size_t sum = 0;

	for (int k = 0; k < 16; k++)
		sum += v[k];
	return sum;
}

/* How many bytes at p[0..n) are ASCII before the first that is not. */
static inline size_t bytes_ascii(const char *p, size_t n)
{
	size_t i = 0;

	for (; i + 16 <= n; i += 16) {
		unsigned m = bytes_bits((bytes16_answer)bytes_load(p + i) < 0);

		if (m)
			return i + (size_t)__builtin_ctz(m);
	}
	while (i < n && (unsigned char)p[i] < 0x80)
		i++;
	return i;
}

/* How many characters begin in p[0..n), as UTF-8 writes them: bytes that do not continue one. */
static inline size_t bytes_characters(const char *p, size_t n)
{
	size_t i = 0, count = 0;

	while (i + 16 <= n) {
		size_t end = n - i > 16 * 255 ? i + 16 * 255 : n;
		bytes16 sum = { 0 };

		for (; i + 16 <= end; i += 16)
			sum -= (bytes16)((bytes16_answer)bytes_load(p + i) > (char)0xBF);
		count += bytes_sum(sum);
	}
	for (; i < n; i++)
		count += (p[i] & 0xC0) != 0x80;
	return count;
}

#endif
