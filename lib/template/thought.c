/* SPDX-License-Identifier: Apache-2.0 */
#include "template/thought.h"

#include "template/slot.h"

#include <string.h>

static const char *find(const char *s, const char *end, const char *what)
{
	return memmem(s, (size_t)(end - s), what, strlen(what));
}

size_t thought_length(const char *s, size_t n)
{
	const char *close;

	if (n < strlen(THINK_OPEN) || memcmp(s, THINK_OPEN, strlen(THINK_OPEN)) != 0)
		return 0;
	close = find(s, s + n, THINK_CLOSE);
	return close ? (size_t)(close - s) + strlen(THINK_CLOSE) : 0;
}

bool thought_absent(const struct message *m)
{
	const char *end = m->text + m->n;

	return !find(m->text, end, THINK_OPEN) && !find(m->text, end, THINK_CLOSE);
}

struct message thought_removed(const struct message *m, struct buf *room)
{
	static const char open[] = THINK_OPEN "\n", close[] = "\n" THINK_CLOSE "\n\n";
	const char *p = m->text, *end = p + m->n, *from, *to;
	struct message left = *m;

	buf_reset(room);
	while ((from = find(p, end, open)) && (to = find(from + strlen(open), end, close))) {
		buf_add(room, p, (size_t)(from - p));
		p = to + strlen(close);
	}
	if (p > m->text) {
		buf_add(room, p, (size_t)(end - p));
		left.text = room->n ? room->p : "";
		left.n = room->n;
	}
	while (left.n && *left.text == '\n') {
		left.text++;
		left.n--;
	}
	return left;
}
