/* SPDX-License-Identifier: Apache-2.0 */
#include "chat/lines.h"

#include "base/line.h"
#include "base/sys.h"

#include <poll.h>
#include <string.h>

static char *line_at(struct lines *l, size_t end, size_t *n)
{
	char *p = l->buf.p + l->at;

	*n = end - l->at;
	l->at = end < l->buf.n ? end + 1 : end;
	if (*n && p[*n - 1] == '\r')
		--*n;
	p[*n] = 0;
	l->number++;
	return p;
}

/* More bytes, or what stands in the way of having them. */
static enum lines_result read_more(struct lines *l, bool wait, struct err *err)
{
	struct pollfd ready = { .fd = l->fd, .events = POLLIN };
	size_t left = l->buf.n - l->at;
	ssize_t got;

	if (left > LINE_BYTES_MAX) {
		err_set(err, "standard input:%zu: the line has more than %zu MiB", l->number + 1,
			LINE_BYTES_MAX >> 20);
		return LINES_ERROR;
	}
	if (!wait && poll(&ready, 1, 0) <= 0)
		return LINES_NONE_YET;
	if (l->await && !await_input(l->await, l->fd))
		return LINES_SIGNAL;
	if (l->at) {
		memmove(l->buf.p, l->buf.p + l->at, left);
		l->buf.n = left;
		l->at = 0;
	}
	buf_reserve(&l->buf, 1 << 16);
	got = sys_read(l->fd, l->buf.p + l->buf.n, 1 << 16);
	if (got < 0 && errno == EINTR)
		return LINES_SIGNAL;
	if (got < 0) {
		err_sys(err, "standard input");
		return LINES_ERROR;
	}
	l->ended = got == 0;
	l->buf.n += (size_t)got;
	l->buf.p[l->buf.n] = 0;
	return LINES_ONE;
}

enum lines_result lines_next(struct lines *l, bool wait, char **line, size_t *n, struct err *err)
{
	size_t searched = l->at;

	for (;;) {
		char *from = l->buf.p ? l->buf.p + searched : NULL;
		char *end = from ? memchr(from, '\n', l->buf.n - searched) : NULL;
		enum lines_result r;

		if (end || (l->ended && l->at < l->buf.n)) {
			*line = line_at(l, end ? (size_t)(end - l->buf.p) : l->buf.n, n);
			return LINES_ONE;
		}
		if (l->ended)
			return LINES_END;
		searched = l->buf.n - l->at; /* read_more moves the rest to the front */
		r = read_more(l, wait, err);
		if (r != LINES_ONE)
			return r;
	}
}

void lines_close(struct lines *l)
{
	buf_free(&l->buf);
}
