/* SPDX-License-Identifier: Apache-2.0 */
/*
 * NFC as Hugging Face tokenizers has it: with the tables of Unicode 9. Text without a character of
 * UNI_NFC_SLOW is in NFC as it stands; around each run of such characters only the run and the one
 * character before it are worked on. Decomposition and composition are utf8proc's; characters that
 * are younger than the tables stand outside of all runs. Marks are sorted by counting: a text of
 * nothing but combining marks takes linear time.
 */
#include "token/vocab.h"

#include "base/utf8.h"

#include <string.h>
#include <utf8proc.h>

static int ccc(int32_t c)
{
	return utf8proc_get_property(c)->combining_class;
}

/* Canonical ordering of v[0..n), all of class > 0; tmp has room for n. */
static void sort_marks(int32_t *v, int32_t *tmp, size_t n)
{
	size_t start[257] = { 0 };

	for (size_t i = 0; i < n; i++)
		start[ccc(v[i]) + 1]++;
	for (size_t c = 1; c < 257; c++)
		start[c] += start[c - 1];
	for (size_t i = 0; i < n; i++)
		tmp[start[ccc(v[i])]++] = v[i];
	memcpy(v, tmp, n * sizeof(*v));
}

/* NFC of one run, appended to *out. */
static void run_nfc(const char *s, size_t n, struct buf *out)
{
	/* A code point has at most 4 in its full canonical decomposition. */
	int32_t *v = mem_new(2 * (4 * n + 4), sizeof(*v)), *tmp = v + 4 * n + 4;
	const char *end = s + n;
	utf8proc_ssize_t len = 0;

	while (s < end) {
		int32_t c = (int32_t)utf8_next(&s);
		int bound = 0;

		len += utf8proc_decompose_char(c, v + len, 4, UTF8PROC_STABLE | UTF8PROC_DECOMPOSE,
					       &bound);
	}
	for (utf8proc_ssize_t i = 0, k; i < len; i = k + 1) {
		for (k = i; k < len && ccc(v[k]) > 0; k++)
			;
		if (k - i > 1)
			sort_marks(v + i, tmp, (size_t)(k - i));
	}
	len = utf8proc_normalize_utf32(v, len, UTF8PROC_STABLE | UTF8PROC_COMPOSE);
	buf_reserve(out, 4 * (size_t)len);
	for (utf8proc_ssize_t i = 0; i < len; i++)
		out->n += utf8_put(out->p + out->n, (uint32_t)v[i]);
	out->p[out->n] = 0;
	mem_free(v);
}

/* The first character of UNI_NFC_SLOW in s[0..end), end when there is none; *before: the character
 * in front of it that may combine with it (or the same place). */
static const char *find_slow(const uint8_t *classes, const char *s, const char *end,
			     const char **before)
{
	*before = NULL;
	while (s < end) {
		const char *here = s;
		uint64_t word;
		uint8_t bits;

		if (end - s >= 8) {
			memcpy(&word, s, 8);
			if (!(word & 0x8080808080808080u)) {
				s += 8;
				*before = s - 1;
				continue;
			}
		}
		bits = classes[utf8_next(&s)];
		if (bits & UNI_NFC_SLOW) {
			if (!*before)
				*before = here;
			return here;
		}
		*before = bits & UNI_NFC_UNKNOWN ? NULL : here;
	}
	return end;
}

void token_spaces(const char *s, size_t n, struct buf *out)
{
	const char *end = s + n, *p;

	buf_reserve(out, n);
	while ((p = memmem(s, (size_t)(end - s), METASPACE, strlen(METASPACE)))) {
		buf_add(out, s, (size_t)(p - s));
		buf_char(out, ' ');
		s = p + strlen(METASPACE);
	}
	buf_add(out, s, (size_t)(end - s));
}

bool normalize_nfc(const uint8_t *classes, const char *s, size_t n, struct buf *out)
{
	const char *end = s + n, *before, *p = find_slow(classes, s, end, &before);

	if (p == end)
		return true;
	buf_reset(out);
	while (p < end) {
		const char *stop = p, *next = p;

		buf_add(out, s, (size_t)(before - s));
		while (next < end && classes[utf8_next(&next)] & UNI_NFC_SLOW)
			stop = next;
		run_nfc(before, (size_t)(stop - before), out);
		s = stop;
		p = find_slow(classes, s, end, &before);
	}
	buf_add(out, s, (size_t)(end - s));
	return false;
}
