/* SPDX-License-Identifier: Apache-2.0 */
#include "template/chat_filter.h"

#include "base/jsonw.h"
#include "base/line.h"
#include "template/chat_render.h"

static int filter_line(const char *family, const char *in, size_t n, struct buf *text,
		       struct buf *line, struct err *err)
{
	struct jsonw w = { .out = line };

	buf_reset(text);
	buf_reset(line);
	if (chat_render(family, in, n, text, err) < 0)
		return -1;
	jsonw_open(&w, '{');
	jsonw_key(&w, "text");
	jsonw_str(&w, text->p, text->n);
	jsonw_close(&w, '}');
	buf_char(line, '\n');
	return 0;
}

int chat_filter(const char *family, FILE *in, struct out *out, struct err *err)
{
	struct buf text = { 0 }, line = { 0 };
	struct line l = { .in = in };
	int rc;

	while ((rc = line_next(&l, err)) > 0) {
		if (filter_line(family, l.text.p, l.text.n, &text, &line, err) < 0)
			rc = err_wrap(err, "standard input:%zu", l.number);
		else
			rc = out_write(out, line.p, line.n, err);
		if (rc < 0)
			break;
	}
	buf_free(&text);
	buf_free(&line);
	line_free(&l);
	return rc;
}
