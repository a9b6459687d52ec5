/* SPDX-License-Identifier: Apache-2.0 */
#include "base/jsonw.h"

#include "base/utf8.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void line(struct jsonw *w)
{
	if (!w->indent)
		return;
	buf_char(w->out, '\n');
	for (int i = 0; i < w->indent * w->depth; i++)
		buf_char(w->out, ' ');
}

static void before(struct jsonw *w)
{
	if (w->more)
		buf_str(w->out, w->indent ? "," : ", ");
	if (w->more || (w->depth && w->out->n && strchr("{[", w->out->p[w->out->n - 1])))
		line(w);
	w->more = true;
}

/* A value: after a key there is no comma and no new line. */
static void value(struct jsonw *w)
{
	size_t n = w->out->n;

	if (n >= 2 && !w->more && !memcmp(w->out->p + n - 2, ": ", 2))
		w->more = true;
	else
		before(w);
}

void jsonw_open(struct jsonw *w, char bracket)
{
	value(w);
	buf_char(w->out, bracket);
	w->depth++;
	w->more = false;
}

void jsonw_close(struct jsonw *w, char bracket)
{
	w->depth--;
	if (w->more)
		line(w);
	buf_char(w->out, bracket);
	w->more = true;
}

static void quoted(struct buf *b, const char *s, size_t n)
{
	buf_char(b, '"');
	for (size_t i = 0; i < n;) {
		unsigned char c = (unsigned char)s[i];
		size_t len = utf8_check(s + i, n - i);

		if (len == 0) {
			buf_str(b, "\xEF\xBF\xBD");
			i += utf8_bad_length(s + i, n - i);
			continue;
		}
		if (c == '"' || c == '\\')
			buf_printf(b, "\\%c", c);
		else if (c == '\n')
			buf_str(b, "\\n");
		else if (c == '\t')
			buf_str(b, "\\t");
		else if (c == '\r')
			buf_str(b, "\\r");
		else if (c < 0x20 || c == 0x7f)
			buf_printf(b, "\\u%04x", c);
		else
			buf_add(b, s + i, len);
		i += len;
	}
	buf_char(b, '"');
}

void jsonw_key(struct jsonw *w, const char *key)
{
	before(w);
	quoted(w->out, key, strlen(key));
	buf_str(w->out, ": ");
	w->more = false;
}

void jsonw_str(struct jsonw *w, const char *s, size_t n)
{
	value(w);
	quoted(w->out, s, n);
}

void jsonw_num(struct jsonw *w, double x, int digits)
{
	if (!isfinite(x)) {
		jsonw_null(w);
		return;
	}
	value(w);
	buf_printf(w->out, "%.*g", digits, x);
}

void jsonw_float(struct jsonw *w, float x)
{
	char text[32];
	int digits = 0;

	do
		snprintf(text, sizeof(text), "%.*g", ++digits, (double)x);
	while (digits < 9 && strtof(text, NULL) != x);
	jsonw_num(w, (double)x, digits);
}

void jsonw_int(struct jsonw *w, int64_t x)
{
	value(w);
	buf_printf(w->out, "%lld", (long long)x);
}

void jsonw_bool(struct jsonw *w, bool x)
{
	value(w);
	buf_str(w->out, x ? "true" : "false");
}

void jsonw_null(struct jsonw *w)
{
	value(w);
	buf_str(w->out, "null");
}

void jsonw_raw(struct jsonw *w, const char *json)
{
	value(w);
	buf_str(w->out, json);
}

void jsonw_kstr(struct jsonw *w, const char *key, const char *s)
{
	jsonw_key(w, key);
	if (s)
		jsonw_str(w, s, strlen(s));
	else
		jsonw_null(w);
}

void jsonw_knum(struct jsonw *w, const char *key, double x, int digits)
{
	jsonw_key(w, key);
	jsonw_num(w, x, digits);
}

void jsonw_kint(struct jsonw *w, const char *key, int64_t x)
{
	jsonw_key(w, key);
	jsonw_int(w, x);
}

void jsonw_kbool(struct jsonw *w, const char *key, bool x)
{
	jsonw_key(w, key);
	jsonw_bool(w, x);
}
