/* SPDX-License-Identifier: Apache-2.0 */
/* A pattern becomes a small program; matching follows all of its branches at once. */
#include "adapter/pattern.h"

#include "base/mem.h"

#include <stdint.h>
#include <string.h>

#define MAX_OPS   1000
#define MAX_DEPTH 50

/* Where to go is counted from the op itself, so that pieces can be moved and copied. */
struct pattern_op {
	enum { SET, FORK, START, END, MATCH } kind;
	int x, y; /* FORK: both are tried */
	uint64_t set[2]; /* SET: the characters, a bit each */
};

struct compiler {
	const char *s; /* what is left to read */
	struct pattern *p;
	int depth;
	const char *wrong; /* the first thing that is, or NULL */
};

static void wrong(struct compiler *c, const char *what)
{
	if (!c->wrong)
		c->wrong = what;
}

static bool has(const uint64_t *set, unsigned char ch)
{
	return ch < 128 && set[ch / 64] >> ch % 64 & 1;
}

static void put(uint64_t *set, int from, int to)
{
	for (int ch = from; ch <= to; ch++)
		set[ch / 64] |= (uint64_t)1 << ch % 64;
}

/* Room for n ops before the one at `at`. */
static struct pattern_op *insert(struct compiler *c, int at, int n)
{
	struct pattern *p = c->p;

	if (p->n + n > MAX_OPS) {
		wrong(c, "it is too long");
		return NULL;
	}
	memmove(p->ops + at + n, p->ops + at, (size_t)(p->n - at) * sizeof(*p->ops));
	memset(p->ops + at, 0, (size_t)n * sizeof(*p->ops));
	p->n += n;
	return p->ops + at;
}

static void fork_at(struct compiler *c, int at, int x, int y)
{
	struct pattern_op *o = insert(c, at, 1);

	if (o)
		*o = (struct pattern_op){ .kind = FORK, .x = x, .y = y };
}

static bool is_word(char ch)
{
	return (ch >= '0' && ch <= '9') || (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z');
}

/* \d \w \s or an opposite into the set: -1; or a punctuation mark, which means itself: that. */
static int escape(struct compiler *c, uint64_t *set)
{
	uint64_t some[2] = { 0 };
	char ch = *c->s, lower = (char)(ch | 0x20);

	if (!ch || (is_word(ch) && lower != 'd' && lower != 'w' && lower != 's')) {
		wrong(c, "there is an escape that is not known");
		return 0;
	}
	c->s++;
	if (!is_word(ch))
		return ch;
	if (lower == 's') {
		put(some, '\t', '\r');
		put(some, 0x1c, ' '); /* the separators too, as Python has it */
	} else {
		put(some, '0', '9');
	}
	if (lower == 'w') {
		put(some, 'a', 'z');
		put(some, 'A', 'Z');
		put(some, '_', '_');
	}
	for (int i = 0; i < 2; i++)
		set[i] |= ch == lower ? some[i] : ~some[i];
	return -1;
}

/* As escape, of a character that may have no backslash. */
static int bracket_char(struct compiler *c, uint64_t *set)
{
	if (!*c->s)
		return 0;
	return *c->s == '\\' ? (c->s++, escape(c, set)) : *c->s++;
}

static void bracket(struct compiler *c, uint64_t *set)
{
	bool not = *c->s == '^';

	c->s += not ;
	do {
		int from = bracket_char(c, set), to = from;

		if (*c->s == '-' && c->s[1] && c->s[1] != ']') {
			c->s++;
			to = bracket_char(c, set);
			if (from < 0 || to < from)
				wrong(c, "there is a range without end or beginning");
		}
		if (from > 0)
			put(set, from, to);
	} while (*c->s && *c->s != ']' && !c->wrong);
	if (*c->s != ']')
		wrong(c, "a '[' is not closed");
	c->s += *c->s != 0;
	for (int i = 0; i < 2; i++)
		set[i] = not ? ~set[i] : set[i];
}

static void alternatives(struct compiler *c);

static void group(struct compiler *c)
{
	if (*c->s == '?' && c->s[1] != ':')
		wrong(c, "of groups that begin with '(?' only '(?:' is known");
	else if (*c->s == '?')
		c->s += 2;
	if (++c->depth > MAX_DEPTH)
		wrong(c, "its groups are too deep");
	if (!c->wrong)
		alternatives(c);
	c->depth--;
	if (*c->s != ')')
		wrong(c, "a '(' is not closed");
	else
		c->s++;
}

/* True when it is something that can be repeated. */
static bool atom(struct compiler *c)
{
	char ch = *c->s++;
	int same = ch;
	struct pattern_op *o;

	if (ch == '(') {
		group(c);
		return true;
	}
	if (strchr("*+?{", ch)) {
		wrong(c, "there is nothing to repeat");
		return false;
	}
	if (!(o = insert(c, c->p->n, 1)))
		return false;
	o->kind = ch == '^' ? START : ch == '$' ? END : SET;
	if (ch == '.') {
		put(o->set, 0, 127);
		o->set[0] &= ~((uint64_t)1 << '\n');
	} else if (ch == '[') {
		bracket(c, o->set);
	} else {
		if (ch == '\\')
			same = escape(c, o->set);
		if (same > 0)
			put(o->set, same, same);
	}
	return o->kind == SET;
}

static int count(struct compiler *c, int otherwise)
{
	int n = otherwise;

	for (bool first = true; *c->s >= '0' && *c->s <= '9'; first = false) {
		n = (first ? 0 : n) * 10 + (*c->s++ - '0');
		if (n > MAX_OPS) {
			wrong(c, "it is too long");
			return 0;
		}
	}
	return n;
}

/* The piece from `at` on becomes one that may stand least to most times; most -1: no end. */
static void repeat(struct compiler *c, int at, int least, int most)
{
	int n = c->p->n - at;
	int copies = most < 0 ? (least ? least : 1) : most;
	struct pattern_op piece[MAX_OPS];

	memcpy(piece, c->p->ops + at, (size_t)n * sizeof(*piece));
	c->p->n = at;
	for (int i = 0; i < copies && !c->wrong; i++) {
		struct pattern_op *to;

		if (i >= least)
			fork_at(c, c->p->n, 1, n + 1);
		to = insert(c, c->p->n, n);
		if (to)
			memcpy(to, piece, (size_t)n * sizeof(*piece));
	}
	if (most >= 0 || c->wrong)
		return;
	if (least) {
		fork_at(c, c->p->n, -n, 1);
	} else {
		c->p->ops[at].y = n + 2;
		fork_at(c, c->p->n, -n - 1, -n - 1);
	}
}

static void quantifier(struct compiler *c, int at)
{
	char ch = *c->s;
	int least = ch == '+', most = ch == '?' ? 1 : -1;

	if (!ch || !strchr("*+?{", ch))
		return;
	c->s++;
	if (ch == '{') {
		bool open = *c->s == ',';

		if (!open && !(*c->s >= '0' && *c->s <= '9'))
			wrong(c, "'{' has no count; a brace itself is written \\{");
		least = count(c, 0);
		most = *c->s == ',' ? (c->s++, count(c, -1)) : least;
		if (*c->s++ != '}' || (most >= 0 && most < least)) {
			wrong(c, "'{' has no count; a brace itself is written \\{");
			return;
		}
	}
	c->s += *c->s == '?'; /* lazy or not: the same texts match */
	if (*c->s && strchr("*+?{", *c->s))
		wrong(c, "a repetition is repeated");
	if (!c->wrong)
		repeat(c, at, least, most);
}

static void sequence(struct compiler *c)
{
	while (*c->s && *c->s != '|' && *c->s != ')' && !c->wrong) {
		int at = c->p->n;

		if (atom(c))
			quantifier(c, at);
		else if (*c->s && strchr("*+?{", *c->s))
			wrong(c, "there is nothing to repeat");
	}
}

static void alternatives(struct compiler *c)
{
	int at = c->p->n;

	sequence(c);
	if (*c->s != '|' || c->wrong)
		return;
	c->s++;
	fork_at(c, at, 1, c->p->n - at + 2);
	at = c->p->n;
	alternatives(c);
	fork_at(c, at, c->p->n - at + 1, c->p->n - at + 1);
}

int pattern_compile(struct pattern *p, const char *text, struct err *err)
{
	struct compiler c = { .s = text, .p = p };
	struct pattern_op *end;

	*p = (struct pattern){ .ops = mem_new(MAX_OPS, sizeof(*p->ops)) };
	for (const char *s = text; *s; s++)
		if (*s & 0x80)
			wrong(&c, "it is not ASCII");
	alternatives(&c);
	if (*c.s)
		wrong(&c, "a ')' has no '('");
	end = insert(&c, p->n, 1);
	if (end)
		end->kind = MATCH;
	if (!c.wrong)
		return 0;
	pattern_free(p);
	return err_set(err, "%s", c.wrong);
}

void pattern_free(struct pattern *p)
{
	mem_free(p->ops);
	*p = (struct pattern){ 0 };
}

/* Where the program can be, an op each, without any twice. */
struct places {
	int v[MAX_OPS], n;
	bool seen[MAX_OPS];
};

static void add(struct places *l, int at)
{
	if (l->seen[at])
		return;
	l->seen[at] = true;
	l->v[l->n++] = at;
}

/* Whether an op lets the text at s pass. */
static bool passes(const struct pattern_op *o, const char *s, const char *begin)
{
	return o->kind == SET     ? *s && has(o->set, (unsigned char)*s)
	       : o->kind == START ? s == begin
				  : !*s;
}

bool pattern_matches(const struct pattern *p, const char *s)
{
	struct places now = { 0 }, next;

	add(&now, 0);
	for (const char *begin = s;; s++) {
		memset(&next, 0, sizeof(next));
		for (int i = 0; i < now.n; i++) { /* grows while it is read */
			int at = now.v[i];
			const struct pattern_op *o = &p->ops[at];

			if (o->kind == MATCH)
				return true;
			if (o->kind == FORK) {
				add(&now, at + o->x);
				add(&now, at + o->y);
			} else if (passes(o, s, begin)) {
				add(o->kind == SET ? &next : &now, at + 1);
			}
		}
		if (!*s)
			return false;
		now = next;
	}
}
