/* SPDX-License-Identifier: Apache-2.0 */
#include "chat/text.h"

#include "base/utf8.h"

#include <string.h>

void text_open(struct text *t, const struct token *tok, const struct opt_list *stops)
{
	*t = (struct text){ .tok = tok, .stops = stops };
}

void text_close(struct text *t)
{
	buf_free(&t->raw);
	*t = (struct text){ 0 };
}

/* Where the first stop string begins, or the end. What was handed out held the beginning of none. */
static size_t find_stop(const struct text *t)
{
	size_t at = t->raw.n;

	for (size_t i = 0; t->stops && i < t->stops->n; i++) {
		const char *stop = t->stops->v[i], *from = t->raw.p + t->given;
		const char *hit = memmem(from, t->raw.n - t->given, stop, strlen(stop));

		if (hit && (size_t)(hit - t->raw.p) < at)
			at = (size_t)(hit - t->raw.p);
	}
	return at;
}

/* Length of the longest end that begins a stop string. */
static size_t held(const struct text *t)
{
	size_t longest = 0, left = t->raw.n - t->given;

	for (size_t i = 0; t->stops && i < t->stops->n; i++) {
		const char *stop = t->stops->v[i];
		size_t n = strlen(stop) - 1;

		for (n = n < left ? n : left; n > longest; n--)
			if (!memcmp(t->raw.p + t->raw.n - n, stop, n))
				longest = n;
	}
	return longest;
}

/* Hands out raw[given..end); unless `all`, a character that is cut off at the end stays. */
static void give(struct text *t, size_t end, bool all, struct buf *out)
{
	while (t->given < end) {
		const char *p = t->raw.p + t->given;
		size_t left = end - t->given, n = utf8_check(p, left);

		if (n) {
			buf_add(out, p, n);
		} else {
			n = utf8_bad_length(p, left);
			if (n == left && !all)
				return;
			buf_str(out, "\xef\xbf\xbd");
		}
		t->given += n;
	}
}

bool text_add(struct text *t, uint32_t id, struct buf *out)
{
	size_t n, stop;
	const char *bytes = token_bytes(t->tok, id, &n);

	if (t->stopped)
		return false;
	if (!bytes || token_is_special(t->tok, id))
		return true;
	buf_add(&t->raw, bytes, n);
	stop = find_stop(t);
	t->stopped = stop < t->raw.n;
	give(t, t->stopped ? stop : t->raw.n - held(t), t->stopped, out);
	return !t->stopped;
}

void text_end(struct text *t, struct buf *out)
{
	if (!t->stopped)
		give(t, t->raw.n, true, out);
}
