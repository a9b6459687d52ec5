/* SPDX-License-Identifier: Apache-2.0 */
/* Places inside an element's text: of a field, and the line around a byte. */
#include "data/reader.h"

#include "base/utf8.h"

#include <stdio.h>
#include <string.h>

/* Walks valid JSON; every step still looks at the end, so that a mistake here cannot read past it. */
struct walk {
	const char *p;
	size_t i, n;
};

static void skip_space(struct walk *w)
{
	while (w->i < w->n && w->p[w->i] && strchr(" \t\r\n,:", w->p[w->i]))
		w->i++;
}

static void skip_string(struct walk *w)
{
	for (w->i++; w->i < w->n && w->p[w->i] != '"'; w->i++)
		if (w->p[w->i] == '\\')
			w->i++;
	w->i = w->i < w->n ? w->i + 1 : w->n;
}

static void skip_value(struct walk *w)
{
	size_t depth = 0;

	do {
		skip_space(w);
		if (w->i >= w->n)
			return;
		switch (w->p[w->i]) {
		case '"':
			skip_string(w);
			break;
		case '{':
		case '[':
			depth++;
			w->i++;
			break;
		case '}':
		case ']':
			if (depth == 0)
				return;
			depth--;
			w->i++;
			break;
		default:
			while (w->i < w->n && !strchr(" \t\r\n,:]}", w->p[w->i]))
				w->i++;
		}
	} while (depth > 0);
}

/* The value of a member of the object at w->i: *at_key and w->i move to it when it is there. */
static bool enter_member(struct walk *w, const char *key, size_t *at_key)
{
	struct walk t = *w;
	size_t len = strlen(key);

	if (t.i >= t.n || t.p[t.i] != '{')
		return false;
	for (t.i++;;) {
		size_t from;

		skip_space(&t);
		if (t.i >= t.n || t.p[t.i] != '"')
			return false;
		from = t.i;
		skip_string(&t);
		if (t.i - from == len + 2 && !memcmp(t.p + from + 1, key, len)) {
			skip_space(&t);
			*at_key = from;
			w->i = t.i;
			return true;
		}
		skip_value(&t);
	}
}

static bool enter_index(struct walk *w, long index)
{
	struct walk t = *w;

	if (t.i >= t.n || t.p[t.i] != '[')
		return false;
	for (t.i++; index >= 0; index--) {
		skip_space(&t);
		if (t.i >= t.n || t.p[t.i] == ']')
			return false;
		if (index > 0)
			skip_value(&t);
	}
	w->i = t.i;
	return true;
}

size_t element_find(const struct element *e, const char *key, long index, const char *inner,
		    size_t *at_key)
{
	struct walk w = { .p = e->p, .n = e->n };
	size_t unused;

	if (!at_key)
		at_key = &unused;
	skip_space(&w);
	*at_key = w.i;
	if (!key || !enter_member(&w, key, at_key))
		return w.i;
	if (index >= 0) {
		if (!enter_index(&w, index))
			return w.i;
		*at_key = w.i;
	}
	if (inner)
		enter_member(&w, inner, at_key);
	return w.i;
}

size_t element_fault(const struct element *e, int position, const char *text)
{
	size_t at = position < 0 ? 0 : (size_t)position;
	const char *near = strstr(text, " near '");

	if (at > e->n)
		at = e->n;
	if (strstr(text, "newline") || strstr(text, "control character") ||
	    strstr(text, "escape") || strstr(text, "premature") || strstr(text, "end of file"))
		return at;
	if (near) {
		size_t len = strlen(near + 7);

		return len && len - 1 <= at ? at - (len - 1) : at;
	}
	if (at > 0 && e->p[at - 1] == '"') { /* a string too long to be quoted */
		size_t i = at - 1;

		while (i > 0 && (e->p[i - 1] != '"' || (i > 1 && e->p[i - 2] == '\\')))
			i--;
		return i ? i - 1 : at;
	}
	return at;
}

/* Columns a terminal gives a character: enough for a caret to stand right under CJK text. */
static size_t width(uint32_t c)
{
	if ((c >= 0x300 && c < 0x370) || c == 0x200D || (c >= 0xFE00 && c < 0xFE10))
		return 0;
	return (c >= 0x1100 && c < 0x1160) || (c >= 0x2E80 && c < 0xA4D0) ||
			       (c >= 0xAC00 && c < 0xD7A4) || (c >= 0xF900 && c < 0xFB00) ||
			       (c >= 0xFE30 && c < 0xFE70) || (c >= 0xFF00 && c < 0xFF61) ||
			       (c >= 0x1F300 && c < 0x1FAFF) || (c >= 0x20000 && c < 0x40000)
		       ? 2
		       : 1;
}

/* Up to n characters back from `at`, not over a line feed. */
static size_t back(const char *p, size_t at, size_t n)
{
	while (at > 0 && p[at - 1] != '\n' && n > 0) {
		at--;
		while (at > 0 && (p[at] & 0xC0) == 0x80 && p[at - 1] != '\n')
			at--;
		n--;
	}
	return at;
}

size_t element_excerpt(const struct element *e, size_t at, char *out, size_t size)
{
	size_t i, caret = 0, used = 0, n = 0;

	if (at > e->n)
		at = e->n;
	i = back(e->p, at, 40);
	while (i < at && (e->p[i] == ' ' || e->p[i] == '\t'))
		i++;
	for (; i < e->n && e->p[i] != '\n' && used < 96 && n + 5 < size; used++) {
		size_t len = utf8_check(e->p + i, e->n - i);
		const char *s = e->p + i;
		uint32_t c = len ? utf8_next(&s) : 0;
		size_t w = width(c);

		if (e->p[i] == '\r' && (i + 1 == e->n || e->p[i + 1] == '\n'))
			break;
		if (c < 0x20 || (c >= 0x7F && c < 0xA0)) {
			out[n++] = c == '\t' ? ' ' : '?';
			len = len ? len : 1;
		} else {
			memcpy(out + n, e->p + i, len);
			n += len;
		}
		if (i < at)
			caret += w;
		i += len;
	}
	out[n] = 0;
	return caret;
}
