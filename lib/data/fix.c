/* SPDX-License-Identifier: Apache-2.0 */
#include "data/fix.h"

#include "base/file.h"
#include "base/utf8.h"
#include "data/encoding.h"
#include "data/reader.h"

#include <iconv.h>
#include <string.h>

/* The bytes from GB18030, which GBK is a part of; -1 when they are not. */
static int from_gbk(const char *p, size_t n, struct buf *out)
{
	iconv_t cd = iconv_open("UTF-8", "GB18030");
	char *in = (char *)p, *to;
	size_t left = n, room = 2 * n, rc;

	if (cd == (iconv_t)-1)
		return -1;
	buf_reserve(out, room);
	to = out->p;
	rc = iconv(cd, &in, &left, &to, &room);
	iconv_close(cd);
	if (rc == (size_t)-1 || left)
		return -1;
	out->n = (size_t)(to - out->p);
	return 0;
}

/* Behind white space. */
static size_t skip(const char *p, size_t n, size_t i)
{
	while (i < n && p[i] && strchr(" \t\r\n", p[i]))
		i++;
	return i;
}

static void rewrite(const char *p, size_t n, struct buf *out, struct fixed *f)
{
	bool string = false;

	for (size_t i = 0; i < n; i++) {
		size_t next = p[i] == ',' && !string ? skip(p, n, i + 1) : n;

		if (string && p[i] == '\\' && i + 1 < n) {
			buf_char(out, p[i++]);
		} else if (p[i] == '"') {
			string = !string;
		} else if (p[i] == '\n') {
			string = false; /* JSON has none inside */
		} else if (!string && p[i] == '\r' && i + 1 < n && p[i + 1] == '\n') {
			f->crlf++;
			continue;
		} else if (next < n && (p[next] == ']' || p[next] == '}')) {
			f->commas++;
			continue;
		}
		buf_char(out, p[i]);
	}
}

int fix_file(const char *from, const char *to, struct fixed *f, struct err *err)
{
	struct buf text = { 0 }, out = { 0 };
	struct file in = { 0 };
	const char *p;
	size_t n, at;
	int rc = 0;

	*f = (struct fixed){ 0 };
	if (file_exists(to))
		return err_set(err, "%s: is there already; name a new file", to);
	if (file_open(&in, from, err) < 0)
		return -1;
	f->bom = in.n >= 3 && !memcmp(in.p, "\xEF\xBB\xBF", 3);
	p = (const char *)in.p + (f->bom ? 3 : 0);
	n = in.n - (f->bom ? 3 : 0);
	at = n ? utf8_valid(p, n) : 0;
	if (at < n) {
		f->gbk = encoding_is_gbk((const unsigned char *)p, n) && from_gbk(p, n, &text) == 0;
		if (!f->gbk)
			rc = err_set(
				err,
				"%s: invalid UTF-8 at byte offset %zu, and no GBK; convert it with "
				"iconv",
				from, at + (f->bom ? 3 : 0));
		p = text.p;
		n = text.n;
	}
	if (rc == 0) {
		if (reader_is_csv(from)) /* the rest are JSON's slips */
			buf_add(&out, p, n);
		else
			rewrite(p, n, &out, f);
		rc = file_write(to, out.p ? out.p : "", out.n, err);
	}
	buf_free(&text);
	buf_free(&out);
	file_close(&in);
	return rc;
}
