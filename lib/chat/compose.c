/* SPDX-License-Identifier: Apache-2.0 */
#include "chat/compose.h"

#include <string.h>

static const char fence[] = "\"\"\"";
enum { FENCE = 3 };

static bool begins(const char *s, size_t n, const char *with)
{
	return n >= strlen(with) && !memcmp(s, with, strlen(with));
}

static bool ends_block(const struct buf *b, size_t from)
{
	return b->n >= from + FENCE && !memcmp(b->p + b->n - FENCE, fence, FENCE);
}

/* The line without the marks of pasting; c->pasting is what holds after it. */
static void strip_marks(struct compose *c, const char *line, size_t n, struct buf *out)
{
	for (size_t i = 0; i < n;) {
		if (begins(line + i, n - i, PASTE_BEGIN)) {
			c->pasting = true;
			i += strlen(PASTE_BEGIN);
		} else if (begins(line + i, n - i, PASTE_END)) {
			c->pasting = false;
			i += strlen(PASTE_END);
		} else {
			buf_char(out, line[i++]);
		}
	}
}

/* An odd number of backslashes at the end: the last one asks for more. */
static bool continues(const char *s, size_t n)
{
	size_t k = 0;

	while (k < n && s[n - 1 - k] == '\\')
		k++;
	return k % 2;
}

static bool add(struct compose *c, const char *s, size_t n, bool pasted)
{
	size_t from;

	if (c->more)
		buf_char(&c->text, '\n');
	if (!c->block && !c->more && !pasted && begins(s, n, fence)) {
		c->block = c->literal = true;
		s += FENCE;
		n -= FENCE;
	}
	from = c->text.n;
	buf_add(&c->text, s, n);
	if (c->block && ends_block(&c->text, from)) {
		c->text.n -= FENCE;
		c->block = false;
		/* The fences' own line feeds are not part of it. */
		if (c->text.n && c->text.p[c->text.n - 1] == '\n')
			c->text.n--;
		if (c->text.n && c->text.p[0] == '\n')
			memmove(c->text.p, c->text.p + 1, --c->text.n);
		return true;
	}
	if (!c->block && !pasted && continues(s, n)) {
		c->text.n--;
		c->literal = true;
		return false;
	}
	return !c->block && !c->pasting;
}

bool compose_line(struct compose *c, const char *line, size_t n)
{
	struct buf plain = { 0 };
	bool pasted = c->pasting, several, whole;

	if (c->more && !c->text.p)
		buf_str(&c->text, "");
	strip_marks(c, line, n, &plain);
	several = plain.n && memchr(plain.p, '\n', plain.n);
	pasted = pasted || c->pasting || several;
	c->literal = c->literal || pasted;
	whole = add(c, plain.n ? plain.p : "", plain.n, pasted);
	c->more = !whole;
	buf_free(&plain);
	if (!whole)
		return false;
	while (c->literal && c->text.n && c->text.p[c->text.n - 1] == '\n')
		c->text.n--; /* what was pasted ends with the line that it ended with */
	buf_reserve(&c->text, 1);
	c->text.p[c->text.n] = 0;
	return true;
}

void compose_reset(struct compose *c)
{
	buf_reset(&c->text);
	c->more = c->block = c->pasting = c->literal = false;
}

void compose_close(struct compose *c)
{
	buf_free(&c->text);
}
