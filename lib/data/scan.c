/* SPDX-License-Identifier: Apache-2.0 */
#include "data/scan.h"

#include "base/bytes.h"

static bool inside_object(const struct scan *s)
{
	return s->depth > 0 && s->depth <= SCAN_DEPTH_MAX && (s->objects >> (s->depth - 1) & 1);
}

static void scan_open(struct scan *s, char c)
{
	uint64_t bit = s->depth < SCAN_DEPTH_MAX ? (uint64_t)1 << s->depth : 0;

	s->objects = c == '{' ? s->objects | bit : s->objects & ~bit;
	s->depth++;
	if (s->depth > SCAN_DEPTH_MAX && !s->too_deep) {
		s->too_deep = true;
		s->deep_at = s->i;
	}
}

/*
 * A closing bracket closes the innermost container of its kind. One that has no partner inside the
 * element belongs to what is around it: the element was cut short. Returns false then.
 */
static bool scan_close(struct scan *s, char c)
{
	if (s->depth <= SCAN_DEPTH_MAX) {
		size_t d = s->depth;

		while (d > 0 && (s->objects >> (d - 1) & 1) != (c == '}'))
			d--;
		if (d == 0)
			return false;
		s->depth = d;
	}
	s->depth--;
	s->done = s->depth == 0;
	return true;
}

/* Bytes outside strings. Returns true when the element ends before this byte. */
static bool scan_plain(struct scan *s, char c)
{
	switch (c) {
	case '"':
		s->string = true;
		break;
	case '{':
		/* Inside an object only a value may open; else a new record begins here. */
		if (inside_object(s) && s->prev != ':')
			return true;
		scan_open(s, c);
		break;
	case '[':
		scan_open(s, c);
		break;
	case ']':
	case '}':
		if (!scan_close(s, c) && s->in_array)
			return true;
		break;
	case '\n':
		return s->one_a_line;
	case ' ':
	case '\t':
	case '\r':
		return false;
	}
	s->prev = c;
	return false;
}

/* Bytes inside a string, up to behind its end or to a line feed. */
static void scan_string(struct scan *s, const char *p, size_t n)
{
	while (s->i < n) {
		char c = p[s->i];

		if (c == '\n') { /* to be looked at again, outside */
			s->string = s->escape = false;
			s->prev = '"';
			return;
		}
		s->i++;
		if (s->escape) {
			s->escape = false;
		} else if (c == '\\') {
			s->escape = true;
			continue;
		} else if (c == '"') {
			s->string = false;
			s->prev = c;
			return;
		}
		s->i += bytes_string_stop(p + s->i, n - s->i);
	}
}

bool scan_window(struct scan *s, const char *p, size_t n)
{
	while (s->i < n) {
		if (s->string) {
			scan_string(s, p, n);
			continue;
		}
		if (scan_plain(s, p[s->i]))
			return true;
		s->i++;
		if (s->done)
			return true;
	}
	return false;
}
