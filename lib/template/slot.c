/* SPDX-License-Identifier: Apache-2.0 */
#include "template/slot.h"

#include <string.h>

/*
 * LLaMA-Factory tokenises a filled slot as one text in which the tokenizer finds its added tokens.
 * Here only the slot's own markers are looked for; the text between two of them, template and data
 * joined, is one run for the tokenizer. Where the data holds no such token the ids are the same.
 */
struct run {
	const struct template *t;
	const struct token *tok;
	struct ids *out;
	struct slot_text *where; /* NULL: not asked for */
	bool found; /* where is set, and can only grow */
	struct buf text;
	bool has_content;
	size_t begin, end; /* bytes of the content in text */
};

static size_t match(const struct template *t, const char *p)
{
	static const char *const holes[] = { "{content}", "{bos}", "{eos}", "{tools}" };

	for (int i = 0; i < 4; i++)
		if (!strncmp(p, holes[i], strlen(holes[i])))
			return strlen(holes[i]);
	for (const char *const *m = t->markers; *m; m++)
		if (!strncmp(p, *m, strlen(*m)))
			return strlen(*m);
	return 0;
}

const char *slot_next(const struct template *t, const char *p, size_t *n)
{
	for (; *p; p++) {
		*n = match(t, p);
		if (*n)
			return p;
	}
	return NULL;
}

int64_t slot_eos(const struct token *tok)
{
	return token_eos(tok) >= 0 ? token_eos(tok) : token_id(tok, "<|endoftext|>");
}

int slot_check(const struct template *t, const struct token *tok, struct err *err)
{
	if (t->stop_words[0] && token_id(tok, t->stop_words[0]) < 0)
		return err_set(err,
			       "the tokenizer has no token '%s', with which template '%s' ends a "
			       "turn; take another template",
			       t->stop_words[0], t->name);
	if ((strstr(t->assistant, "{eos}") || strstr(t->user, "{eos}")) && slot_eos(tok) < 0)
		return err_set(err,
			       "the tokenizer names no eos token, with which template '%s' ends a "
			       "turn; take another template",
			       t->name);
	return 0;
}

static size_t length_of(const struct token *tok, uint32_t id)
{
	size_t n = 0;

	return token_bytes(tok, id, &n) ? n : 0;
}

/* The tokens that hold nothing but content: those that reach into the text around it are left out. */
static void find_content(struct run *r, size_t first)
{
	size_t b = first, e = r->out->n, n = 0;

	while (b < e && n < r->begin)
		n += length_of(r->tok, r->out->v[b++]);
	for (n = 0; e > b && n < r->text.n - r->end;)
		n += length_of(r->tok, r->out->v[--e]);
	if (!r->found)
		r->where->begin = b;
	r->where->end = e;
	r->found = true;
}

static int flush(struct run *r, struct err *err)
{
	size_t first = r->out->n;
	int rc = 0;

	if (r->text.n)
		rc = token_encode(r->tok, r->text.p, r->text.n, TOKEN_PLAIN, r->out, err);
	if (rc == 0 && r->has_content && r->where)
		find_content(r, first);
	buf_reset(&r->text);
	r->has_content = false;
	return rc;
}

/* A marker, {bos} or {eos}: an id where the tokenizer has it; else a marker is text. */
static int put_marker(struct run *r, const char *p, size_t n, struct err *err)
{
	int64_t id;
	char *name;
	int rc;

	if (!strncmp(p, "{bos}", n) || !strncmp(p, "{eos}", n)) {
		id = p[1] == 'b' ? token_bos(r->tok) : slot_eos(r->tok);
	} else {
		name = mem_strndup(p, n);
		id = token_id(r->tok, name);
		mem_free(name);
		if (id < 0)
			buf_add(&r->text, p, n);
	}
	if (id < 0)
		return 0;
	rc = flush(r, err);
	ids_push(r->out, (uint32_t)id);
	return rc;
}

static void put_content(struct run *r, const char *text, size_t n)
{
	if (!r->has_content)
		r->begin = r->text.n;
	buf_add(&r->text, text, n);
	r->end = r->text.n;
	r->has_content = true;
}

static int put_slot(struct run *r, const char *slot, const struct slot_fill *fill, struct err *err);

/* "<think>", a thought, "</think>". */
static int put_thought(struct run *r, const char *text, size_t n, struct err *err)
{
	size_t open = strlen(THINK_OPEN), close = strlen(THINK_CLOSE);

	if (put_marker(r, THINK_OPEN, open, err) < 0)
		return -1;
	buf_add(&r->text, text + open, n - open - close);
	return put_marker(r, THINK_CLOSE, close, err);
}

static int put_text(struct run *r, const struct slot_fill *fill, struct err *err)
{
	const char *p = fill->text, *end = p + fill->n, *q;
	size_t glue = fill->glue ? strlen(fill->glue) : 0;

	buf_add(&r->text, fill->lead, fill->n_lead);
	if (fill->n_thought && put_thought(r, p, fill->n_thought, err) < 0)
		return -1;
	p += fill->n_thought;
	while (glue && (q = memmem(p, (size_t)(end - p), fill->glue, glue))) {
		put_content(r, p, (size_t)(q - p));
		if (put_slot(r, fill->glue, NULL, err) < 0)
			return -1;
		p = q + glue;
	}
	put_content(r, p, (size_t)(end - p));
	return 0;
}

static int put_slot(struct run *r, const char *slot, const struct slot_fill *fill, struct err *err)
{
	size_t n;
	int rc = 0;

	for (const char *p = slot, *q; rc == 0 && *p; p = q + n) {
		q = slot_next(r->t, p, &n);
		if (!q) {
			buf_str(&r->text, p);
			break;
		}
		buf_add(&r->text, p, (size_t)(q - p));
		if (!strncmp(q, "{content}", n))
			rc = put_text(r, fill, err);
		else if (!strncmp(q, "{tools}", n))
			buf_add(&r->text, fill->tools, fill->n_tools);
		else
			rc = put_marker(r, q, n, err);
	}
	return rc;
}

int slot_encode(const struct template *t, const struct token *tok, const char *slot,
		const struct slot_fill *fill, struct ids *out, struct slot_text *where,
		struct err *err)
{
	struct run r = { .t = t, .tok = tok, .out = out, .where = where };
	int rc;

	if (where)
		*where = (struct slot_text){ out->n, out->n };
	rc = put_slot(&r, slot, fill, err);
	if (rc == 0)
		rc = flush(&r, err);
	buf_free(&r.text);
	return rc;
}
