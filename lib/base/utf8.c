/* SPDX-License-Identifier: Apache-2.0 */
#include "base/utf8.h"

#include "base/bytes.h"

/* Bytes that a lead byte asks for, and the range its second byte must be in. */
static size_t lead(unsigned char c, unsigned char *lo, unsigned char *hi)
{
	*lo = c == 0xE0 ? 0xA0 : c == 0xF0 ? 0x90 : 0x80;
	*hi = c == 0xED ? 0x9F : c == 0xF4 ? 0x8F : 0xBF;
	return c < 0x80 ? 1 : c < 0xC2 ? 0 : c < 0xE0 ? 2 : c < 0xF0 ? 3 : c < 0xF5 ? 4 : 0;
}

/* How many bytes at s follow the rules, up to a whole character; *want: how many that would be. */
static size_t good(const char *s, size_t n, size_t *want)
{
	unsigned char lo, hi;
	size_t i;

	*want = lead((unsigned char)s[0], &lo, &hi);
	if (*want == 0)
		return 0;
	for (i = 1; i < *want && i < n; i++) {
		unsigned char c = (unsigned char)s[i];

		if (c < lo || c > hi)
			break;
		lo = 0x80;
		hi = 0xBF;
	}
	return i;
}

size_t utf8_check(const char *s, size_t n)
{
	size_t want;

	return n && good(s, n, &want) == want ? want : 0;
}

/* Bytes of the character at s when it is one of three bytes, as most of Chinese is; else 0. */
static size_t three(const char *s)
{
	const unsigned char *p = (const unsigned char *)s;

	if ((p[0] & 0xF0) != 0xE0 || (p[1] & 0xC0) != 0x80 || (p[2] & 0xC0) != 0x80)
		return 0;
	return p[0] == 0xE0 && p[1] < 0xA0 ? 0 : p[0] == 0xED && p[1] > 0x9F ? 0 : 3;
}

/* How many of the bytes at s are characters of three bytes that need no closer look, five at a time. */
static size_t threes(const char *s, size_t n)
{
	const unsigned char l = 0xF0, c = 0xC0, e = 0xE0, o = 0x80;
	const bytes16 mask = { l, c, c, l, c, c, l, c, c, l, c, c, l, c, c, 0 };
	const bytes16 want = { e, o, o, e, o, o, e, o, o, e, o, o, e, o, o, 0 };
	size_t i = 0;

	for (; i + 16 <= n; i += 15) {
		bytes16 v = bytes_load(s + i);
		bytes16_answer bad =
			(bytes16_answer)(((v & mask) != want) | (v == 0xE0) | (v == 0xED));

		if (bytes_bits(bad) & 0x7FFF)
			break;
	}
	return i;
}

size_t utf8_valid(const char *s, size_t n)
{
	size_t i = 0;

	while (i < n) {
		size_t len;

		if (!(s[i] & 0x80)) {
			i += bytes_ascii(s + i, n - i);
			continue;
		}
		len = threes(s + i, n - i);
		if (len) {
			i += len;
			continue;
		}
		len = n - i >= 3 ? three(s + i) : 0;
		if (!len)
			len = utf8_check(s + i, n - i);
		if (!len)
			return i;
		i += len;
	}
	return n;
}

size_t utf8_bad_length(const char *s, size_t n)
{
	size_t want, i = good(s, n, &want);

	return i ? i : 1;
}

size_t utf8_put(char *out, uint32_t c)
{
	if (c < 0x80) {
		out[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		out[0] = (char)(0xC0 | c >> 6);
		out[1] = (char)(0x80 | (c & 63));
		return 2;
	}
	if (c < 0x10000) {
		out[0] = (char)(0xE0 | c >> 12);
		out[1] = (char)(0x80 | (c >> 6 & 63));
		out[2] = (char)(0x80 | (c & 63));
		return 3;
	}
	out[0] = (char)(0xF0 | c >> 18);
	out[1] = (char)(0x80 | (c >> 12 & 63));
	out[2] = (char)(0x80 | (c >> 6 & 63));
	out[3] = (char)(0x80 | (c & 63));
	return 4;
}
