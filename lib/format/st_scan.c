/* SPDX-License-Identifier: Apache-2.0 */
#include "format/st_scan.h"

#include "base/utf8.h"

#include <string.h>

int st_scan_fault(struct st_scan *s, const char *what)
{
	return err_set(s->err, "header byte %zu: %s", s->at, what);
}

static int peek(struct st_scan *s)
{
	while (s->at < s->n && memchr(" \t\n\r", s->p[s->at], 4))
		s->at++;
	return s->at < s->n ? s->p[s->at] : -1;
}

static int expect(struct st_scan *s, char c, const char *what)
{
	if (peek(s) != c)
		return st_scan_fault(s, what);
	s->at++;
	return 0;
}

static int hex4(struct st_scan *s, uint32_t *c)
{
	*c = 0;
	if (s->n - s->at < 4)
		return st_scan_fault(s, "the header ends within a \\u escape");
	for (int i = 0; i < 4; i++) {
		unsigned char d = s->p[s->at++];

		if (d >= '0' && d <= '9')
			*c = *c << 4 | (uint32_t)(d - '0');
		else if ((d | 0x20) >= 'a' && (d | 0x20) <= 'f')
			*c = *c << 4 | (uint32_t)((d | 0x20) - 'a' + 10);
		else
			return st_scan_fault(s, "four hexadecimal digits are needed after \\u");
	}
	return 0;
}

/* What follows "\u": one code unit, or two that make a pair. */
static int unicode_escape(struct st_scan *s)
{
	uint32_t c, low;
	char out[4];

	if (hex4(s, &c) < 0)
		return -1;
	if (c >= 0xDC00 && c < 0xE000)
		return st_scan_fault(s, "lone low surrogate in a string");
	if (c >= 0xD800 && c < 0xDC00) {
		if (s->n - s->at < 2 || s->p[s->at] != '\\' || s->p[s->at + 1] != 'u')
			return st_scan_fault(s, "lone high surrogate in a string");
		s->at += 2;
		if (hex4(s, &low) < 0)
			return -1;
		if (low < 0xDC00 || low >= 0xE000)
			return st_scan_fault(s, "lone high surrogate in a string");
		c = 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00);
	}
	if (c == 0)
		return st_scan_fault(s, "NUL in a string");
	buf_add(&s->text, out, utf8_put(out, c));
	return 0;
}

static int escape(struct st_scan *s)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	const char *at;
	char c;

	if (s->at == s->n)
		return st_scan_fault(s, "the header ends within a string");
	c = (char)s->p[s->at++];
	if (c == 'u')
		return unicode_escape(s);
	at = c ? strchr(from, c) : NULL;
	if (!at)
		return st_scan_fault(s, "unknown escape in a string");
	buf_char(&s->text, to[at - from]);
	return 0;
}

/* Decodes into s->text. The bytes are known to be valid UTF-8. */
int st_scan_string(struct st_scan *s, const char *what)
{
	if (expect(s, '"', what) < 0)
		return -1;
	buf_reset(&s->text);
	buf_reserve(&s->text, 0);
	while (s->at < s->n) {
		unsigned char c = s->p[s->at];

		if (c < 0x20)
			return st_scan_fault(s, "control byte in a string");
		s->at++;
		if (c == '"')
			return 0;
		if (c != '\\')
			buf_char(&s->text, (char)c);
		else if (escape(s) < 0)
			return -1;
	}
	return st_scan_fault(s, "the header ends within a string");
}

static int integer(struct st_scan *s, uint64_t *v)
{
	int c = peek(s);
	size_t start = s->at;

	*v = 0;
	if (c == '-')
		return st_scan_fault(s, "negative number where a size is due");
	if (c < '0' || c > '9')
		return st_scan_fault(s, "a whole number is needed here");
	for (; s->at < s->n && (c = s->p[s->at]) >= '0' && c <= '9'; s->at++)
		if (__builtin_mul_overflow(*v, 10, v) ||
		    __builtin_add_overflow(*v, (uint64_t)(c - '0'), v) || *v > INT64_MAX)
			return st_scan_fault(s, "number beyond 2^63-1");
	if (s->at < s->n && memchr(".eE", s->p[s->at], 3))
		return st_scan_fault(s,
				     "a whole number is needed here, not a fraction or exponent");
	if (s->p[start] == '0' && s->at - start > 1)
		return st_scan_fault(s, "number with leading zeros");
	return 0;
}

/* "[1, 2]": at most max of them. */
int st_scan_integers(struct st_scan *s, uint64_t *v, size_t max, size_t *n)
{
	*n = 0;
	if (expect(s, '[', "'[' is needed here") < 0)
		return -1;
	if (peek(s) == ']') {
		s->at++;
		return 0;
	}
	for (;;) {
		if (*n == max)
			return st_scan_fault(s, "too many numbers in the list");
		if (integer(s, &v[(*n)++]) < 0)
			return -1;
		if (peek(s) != ',')
			return expect(s, ']', "',' or ']' is needed here");
		s->at++;
	}
}

/* "{key: value, ...}": one() is called behind each colon with the key in s->text. */
int st_scan_members(struct st_scan *s, int (*one)(struct st_scan *s, void *arg), void *arg)
{
	if (expect(s, '{', "'{' is needed here") < 0)
		return -1;
	if (peek(s) == '}') {
		s->at++;
		return 0;
	}
	for (;;) {
		if (st_scan_string(s, "a key in quotes is needed here") < 0 ||
		    expect(s, ':', "':' is needed here") < 0 || one(s, arg) < 0)
			return -1;
		if (peek(s) != ',')
			return expect(s, '}', "',' or '}' is needed here");
		s->at++;
	}
}
