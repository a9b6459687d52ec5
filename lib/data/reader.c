/* SPDX-License-Identifier: Apache-2.0 */
#include "data/reader.h"

#include "base/bytes.h"
#include "base/file.h"
#include "base/sys.h"
#include "base/utf8.h"
#include "data/csv.h"
#include "data/encoding.h"
#include "data/scan.h"

#include <stdarg.h>
#include <string.h>

enum { BLOCK = 1 << 20, HEAD = 256 };

enum mode { MODE_START, MODE_ARRAY, MODE_AFTER, MODE_LINES, MODE_CSV, MODE_DONE };

struct reader {
	int fd;
	char *name;
	char *buf;
	size_t pos, n, cap; /* the window: buf[pos..n) is not consumed yet */
	uint64_t base; /* file offset of buf[0] */
	size_t line, column; /* of buf[pos] */
	size_t due; /* bytes of the last element, consumed by the next call */
	enum mode mode;
	bool eof, bom, again, taken;
	bool comma; /* array: a ',' stands before */
	bool cut; /* array: the element before was cut short, a ',' may be inside or behind it */
	bool part; /* the element is the start of one that is too long */
	bool element; /* array: an element stands before */
	bool one_a_line; /* lines: a record ended on the line it began on */
	bool is_csv;
	struct csv csv;
	struct element last;
};

bool reader_is_csv(const char *path)
{
	const char *dot = strrchr(path, '.');

	return dot && !strcmp(dot, ".csv");
}

struct reader *reader_open(const char *path, struct err *err)
{
	struct reader *r;
	struct stat st;
	int fd = STDIN_FILENO;

	if (strcmp(path, "-"))
		fd = sys_open(path, O_RDONLY, 0);
	if (fd < 0) {
		err_sys(err, "%s", path);
		return NULL;
	}
	if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode)) {
		if (fd != STDIN_FILENO)
			close(fd);
		err_set(err, "%s: is a folder, a file is needed", path);
		return NULL;
	}
	r = mem_new(1, sizeof(*r));
	r->fd = fd;
	r->name = mem_strdup(strcmp(path, "-") ? path : "standard input");
	r->line = r->column = 1;
	r->is_csv = reader_is_csv(path);
	return r;
}

void reader_close(struct reader *r)
{
	if (!r)
		return;
	if (r->fd != STDIN_FILENO)
		close(r->fd);
	csv_free(&r->csv);
	mem_free(r->buf);
	mem_free(r->name);
	mem_free(r);
}

/* Read on behind the window: 1 there is more, 0 the end, -1 an error. */
static int fill(struct reader *r, struct err *err)
{
	ssize_t got;

	if (r->eof)
		return 0;
	if (r->cap - r->n < BLOCK) {
		if (r->pos > 0) {
			memmove(r->buf, r->buf + r->pos, r->n - r->pos);
			r->base += r->pos;
			r->n -= r->pos;
			r->pos = 0;
		}
		if (r->cap - r->n < BLOCK) {
			r->cap = r->n + BLOCK > 2 * r->cap ? r->n + BLOCK : 2 * r->cap;
			r->buf = mem_grow(r->buf, r->cap, 1);
		}
	}
	got = fd_read(r->fd, r->buf + r->n, BLOCK, r->name, err);
	if (got < 0)
		return -1;
	r->n += (size_t)got;
	r->eof = got == 0;
	return got > 0;
}

/* Lines and columns of n bytes at p, added to *line and *column. */
static void count(const char *p, size_t n, size_t *line, size_t *column)
{
	const char *nl, *end;

	if (!n) /* p may be NULL */
		return;
	end = p + n;
	while ((nl = memchr(p, '\n', (size_t)(end - p)))) {
		++*line;
		*column = 1;
		p = nl + 1;
	}
	*column += bytes_characters(p, (size_t)(end - p));
}

static void consume(struct reader *r, size_t n)
{
	if (n)
		count(r->buf + r->pos, n, &r->line, &r->column);
	r->pos += n;
}

void element_place(const struct element *e, size_t at, size_t *line, size_t *column)
{
	size_t i = e->n_cells;

	*line = e->line;
	*column = e->column;
	while (i && e->cells[i - 1].at > at)
		i--;
	if (i) {
		*line = e->cells[i - 1].line;
		*column = e->cells[i - 1].column;
	}
	if (e->n_cells)
		return;
	count(e->p, at < e->n ? at : e->n, line, column);
}

void element_keep(struct element *e, struct buf *room)
{
	size_t cells = e->n_cells * sizeof(*e->cells), gap = -e->n % sizeof(size_t);

	buf_reset(room);
	buf_add(room, e->p, e->n);
	buf_add(room, "\0\0\0\0\0\0\0", gap);
	buf_add(room, e->cells, cells);
	e->p = room->p;
	if (e->cells)
		e->cells = (const struct element_cell *)(room->p + e->n + gap);
}

/* The next byte that is not white space, not consumed; 0 at the end, -1 on an error. */
static int next_char(struct reader *r, char *c, struct err *err)
{
	for (;;) {
		size_t i = r->pos;

		while (i < r->n && (r->buf[i] == ' ' || r->buf[i] == '\n' || r->buf[i] == '\r' ||
				    r->buf[i] == '\t'))
			i++;
		consume(r, i - r->pos);
		if (i < r->n) {
			*c = r->buf[i];
			return 1;
		}
		int rc = fill(r, err);

		if (rc <= 0)
			return rc;
	}
}

__attribute__((format(printf, 4, 5))) static void fault(struct element *e, enum rule_id rule,
							size_t at, const char *fmt, ...)
{
	va_list ap;

	if (e->fault[0])
		return;
	e->rule = rule;
	e->fault_at = at;
	va_start(ap, fmt);
	vsnprintf(e->fault, sizeof(e->fault), fmt, ap);
	va_end(ap);
}

/* Where such a record ends, and whether anything is behind it, is not looked for: it may be the
 * whole of a file that is none of ours. */
static int too_long(struct reader *r, struct element *e)
{
	e->p = r->buf + r->pos;
	e->n = HEAD;
	r->part = true;
	fault(e, RULE_JSON_SYNTAX, 0, "a record of more than %d MiB; nothing behind it is read",
	      ELEMENT_BYTES_MAX >> 20);
	r->mode = MODE_DONE;
	return 1;
}

/* Find the end of the array or object at pos. */
static int scan_container(struct reader *r, struct element *e, struct err *err)
{
	struct scan s = { .in_array = r->mode == MODE_ARRAY,
			  .one_a_line = r->mode == MODE_LINES && r->one_a_line };
	bool at_end = false;
	int rc;

	while (!scan_window(&s, r->buf + r->pos, r->n - r->pos)) {
		if (s.i > ELEMENT_BYTES_MAX)
			return too_long(r, e);
		rc = fill(r, err);
		if (rc < 0)
			return -1;
		at_end = rc == 0;
		if (rc == 0)
			break;
	}
	if (s.i > ELEMENT_BYTES_MAX)
		return too_long(r, e);
	e->p = r->buf + r->pos;
	e->n = s.i;
	r->due = s.i;
	if (s.too_deep)
		fault(e, RULE_JSON_SYNTAX, s.deep_at < e->n ? s.deep_at : 0,
		      "nested more than %d levels deep", SCAN_DEPTH_MAX);
	while (!s.done && e->n > 1 && strchr(" \t\r\n", e->p[e->n - 1]))
		e->n--;
	/* Its comma may have been swallowed with it: one fault is enough. */
	r->comma = r->cut = !s.done;
	if (at_end) {
		r->mode = MODE_DONE;
		fault(e, RULE_JSON_SYNTAX, e->n, "the file ends in the middle of a record");
	}
	if (r->mode == MODE_LINES && !r->one_a_line && s.done && !memchr(e->p, '\n', e->n))
		r->one_a_line = true;
	return 1;
}

/* Anything else up to where it could end: a line's end, or in an array the next bracket or comma. */
static int scan_other(struct reader *r, struct element *e, struct err *err)
{
	bool string = r->buf[r->pos] == '"' && r->mode == MODE_ARRAY;
	size_t i = 1;

	for (;; i++) {
		if (i > ELEMENT_BYTES_MAX)
			return too_long(r, e);
		if (r->pos + i == r->n) {
			int rc = fill(r, err);

			if (rc < 0)
				return -1;
			if (rc == 0)
				break;
		}
		char c = r->buf[r->pos + i];

		if (c == '\n' || (string && c == '"' && r->buf[r->pos + i - 1] != '\\')) {
			i += c == '"';
			break;
		}
		if (!string && r->mode == MODE_ARRAY && strchr(",[]{}\" \t\r", c))
			break;
	}
	while (i > 1 && r->buf[r->pos + i - 1] == '\r')
		i--;
	e->p = r->buf + r->pos;
	e->n = i;
	r->due = i;
	return 1;
}

static int scan_element(struct reader *r, struct element *e, char c, struct err *err)
{
	r->comma = r->cut = false;
	r->element = true;
	e->is_record = true;
	if (c == '{' || c == '[')
		return scan_container(r, e, err);
	return scan_other(r, e, err);
}

/* Something wrong between elements; eat bytes of it are consumed. */
static int between(struct reader *r, struct element *e, size_t eat, const char *what)
{
	const char *nl;
	size_t n = r->n - r->pos;

	e->p = r->buf + r->pos;
	nl = n ? memchr(e->p, '\n', n) : NULL;
	e->n = nl ? (size_t)(nl - e->p) : n;
	if (e->n > HEAD)
		e->n = HEAD;
	r->due = eat;
	fault(e, RULE_JSON_SYNTAX, 0, "%s", what);
	return 1;
}

static int next_in_array(struct reader *r, struct element *e, struct err *err)
{
	for (;;) {
		char c;
		int rc = next_char(r, &c, err);

		e->line = r->line;
		e->column = r->column;
		if (rc < 0 || (rc == 0 && r->mode == MODE_AFTER))
			return rc;
		if (rc == 0) {
			r->mode = MODE_DONE;
			return between(r, e, 0, "the file ends before the array is closed by ']'");
		}
		if (r->mode == MODE_AFTER) {
			r->mode = MODE_DONE;
			return between(r, e, 0, "text after the ']' that ends the array");
		}
		if (c == ',') {
			if ((!r->element || r->comma) && !r->cut)
				return between(r, e, 1, "',' without a record before it");
			r->comma = true;
			consume(r, 1);
		} else if (c == ']') {
			r->mode = MODE_AFTER;
			if (r->comma)
				return between(r, e, 1, "',' after the last record");
			consume(r, 1);
		} else if (r->element && !r->comma && c != '}') {
			r->comma = true;
			return between(r, e, 0, "',' missing between two records");
		} else if (c == '}') {
			return between(r, e, 1, "'}' without a '{' before it");
		} else {
			return scan_element(r, e, c, err);
		}
	}
}

static int next_in_lines(struct reader *r, struct element *e, struct err *err)
{
	char c;
	int rc = next_char(r, &c, err);

	if (rc <= 0)
		return rc;
	e->line = r->line;
	e->column = r->column;
	if (c == ',')
		return between(r, e, 1, "',' after a record; JSON lines have none between records");
	return scan_element(r, e, c, err);
}

/* A row; the first one only names the columns. Lines without anything are passed over. */
static int next_in_csv(struct reader *r, struct element *e, struct err *err)
{
	size_t i = 0;
	int rc;

	for (;;) {
		while (r->pos < r->n && strchr("\r\n", r->buf[r->pos]))
			consume(r, 1);
		if (r->pos < r->n)
			break;
		rc = fill(r, err);
		if (rc <= 0)
			return rc;
	}
	e->line = r->line;
	e->column = r->column;
	e->is_record = true;
	r->csv.state = 0;
	while (!csv_end(&r->csv, r->buf + r->pos, r->n - r->pos, &i)) {
		if (i > ELEMENT_BYTES_MAX)
			return too_long(r, e);
		rc = fill(r, err);
		if (rc < 0)
			return -1;
		if (rc == 0)
			break;
	}
	e->p = r->buf + r->pos;
	e->n = i;
	r->due = i;
	if (e->n && e->p[e->n - 1] == '\r')
		e->n--;
	if (utf8_valid(e->p, e->n) < e->n)
		return 1; /* told by check_encoding */
	if (r->csv.n_names) {
		csv_row(&r->csv, e);
		return 1;
	}
	if (csv_names(&r->csv, e) == 0) {
		consume(r, r->due);
		r->due = 0;
		return next_in_csv(r, e, err);
	}
	r->mode = MODE_DONE;
	return 1;
}

/* The first bytes: encoding, byte order mark, array or lines. */
static int start(struct reader *r, struct element *e, struct err *err)
{
	const char *name;
	char c;
	int rc = 1;

	while (r->n < 4 && (rc = fill(r, err)) > 0)
		;
	if (rc < 0)
		return -1;
	name = encoding_utf16((const unsigned char *)r->buf, r->n);
	if (name) {
		fault(e, RULE_ENCODING, 0, "the file is %s", name);
		r->mode = MODE_DONE;
		return 1;
	}
	if (r->n >= 3 && !memcmp(r->buf, "\xEF\xBB\xBF", 3)) {
		r->bom = true;
		r->pos = 3;
	}
	if (r->is_csv) {
		r->mode = MODE_CSV;
		return 2;
	}
	rc = next_char(r, &c, err);
	if (rc <= 0)
		return rc;
	e->line = r->line;
	e->column = r->column;
	r->mode = c == '[' ? MODE_ARRAY : MODE_LINES;
	if (c == '[')
		consume(r, 1);
	if (c == '[' || c == '{')
		return 2;
	rc = scan_other(r, e, err);
	fault(e, RULE_NOT_ARRAY_OF_OBJECTS, 0, "the file is neither a JSON array nor JSON lines");
	r->mode = MODE_DONE;
	return rc;
}

/* An encoding fault goes before all others: they follow from it. */
static void check_encoding(struct reader *r, struct element *e)
{
	size_t at = utf8_valid(e->p, e->n);

	bool cut = r->part || !e->is_record;

	/* A character at the end of an excerpt may be cut; that is not the file's fault. */
	if (at == e->n || (cut && e->n - at < 4))
		return;
	e->fault[0] = 0;
	if (encoding_is_gbk((const unsigned char *)e->p, e->n)) {
		fault(e, RULE_ENCODING, at, "the file is GBK (or GB18030), from byte offset %llu",
		      (unsigned long long)(e->offset + at));
		r->mode = MODE_DONE;
		return;
	}
	fault(e, RULE_ENCODING, at, "invalid UTF-8 sequence (0x%02X) at byte offset %llu",
	      (unsigned char)e->p[at], (unsigned long long)(e->offset + at));
}

int reader_next(struct reader *r, struct element *e, struct err *err)
{
	int rc = 2;

	if (r->again) {
		r->again = false;
		*e = r->last;
		return 1;
	}
	consume(r, r->due);
	r->due = 0;
	*e = (struct element){ .line = r->line, .column = r->column };
	if (r->mode == MODE_DONE)
		return 0;
	if (r->mode == MODE_START)
		rc = start(r, e, err);
	if (rc == 2)
		rc = r->mode == MODE_LINES ? next_in_lines(r, e, err)
		     : r->mode == MODE_CSV ? next_in_csv(r, e, err)
					   : next_in_array(r, e, err);
	if (rc == 0)
		r->mode = MODE_DONE;
	if (rc <= 0)
		return rc;
	e->offset = r->base + r->pos;
	if (e->n)
		check_encoding(r, e);
	r->last = *e;
	return 1;
}

void reader_again(struct reader *r)
{
	r->again = true;
}

bool reader_bom(const struct reader *r)
{
	return r->bom;
}

bool reader_take(struct reader *r)
{
	bool first = !r->taken;

	r->taken = true;
	return first;
}
