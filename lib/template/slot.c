/* SPDX-License-Identifier: Apache-2.0 */
#include "template/slot.h"

#include <string.h>

/*
 * LLaMA-Factory tokenises a filled slot as one text in which the tokenizer finds its added tokens.
 * Here only the slot's own markers are looked for; the text between two of them, template and data
 * joined, is one run for the tokenizer. Where the data holds no such token the ids are the same.
 */
struct run {
	struct buf text;
	bool has_content;
	size_t begin, end; /* bytes of the content in text */
};

static size_t match(const struct template *t, const char *p)
{
	static const char *const holes[] = { "{content}", "{bos}", "{eos}" };

	for (int i = 0; i < 3; i++)
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
static void find_content(const struct run *r, const struct token *tok, const struct ids *out,
			 size_t first, struct slot_text *where)
{
	size_t b = first, e = out->n, n = 0;

	while (b < e && n < r->begin)
		n += length_of(tok, out->v[b++]);
	for (n = 0; e > b && n < r->text.n - r->end;)
		n += length_of(tok, out->v[--e]);
	*where = (struct slot_text){ b, e };
}

static int flush(struct run *r, const struct token *tok, struct ids *out, struct slot_text *where,
		 struct err *err)
{
	size_t first = out->n;
	int rc = 0;

	if (r->text.n)
		rc = token_encode(tok, r->text.p, r->text.n, TOKEN_PLAIN, out, err);
	if (rc == 0 && r->has_content && where)
		find_content(r, tok, out, first, where);
	buf_reset(&r->text);
	r->has_content = false;
	return rc;
}

static void fill_in(struct run *r, const struct slot_fill *fill)
{
	buf_add(&r->text, fill->lead, fill->n_lead);
	r->begin = r->text.n;
	buf_add(&r->text, fill->text, fill->n);
	r->end = r->text.n;
	r->has_content = true;
}

int slot_encode(const struct template *t, const struct token *tok, const char *slot,
		const struct slot_fill *fill, struct ids *out, struct slot_text *where,
		struct err *err)
{
	struct run r = { 0 };
	int rc = 0;
	size_t n;

	if (where)
		*where = (struct slot_text){ out->n, out->n };
	for (const char *p = slot, *q; rc == 0 && *p; p = q + n) {
		int64_t id = -1;

		q = slot_next(t, p, &n);
		if (!q) {
			buf_str(&r.text, p);
			break;
		}
		buf_add(&r.text, p, (size_t)(q - p));
		if (!strncmp(q, "{content}", n)) {
			fill_in(&r, fill);
			continue;
		}
		if (!strncmp(q, "{bos}", n) || !strncmp(q, "{eos}", n)) {
			id = q[1] == 'b' ? token_bos(tok) : slot_eos(tok);
		} else {
			char *name = mem_strndup(q, n);

			id = token_id(tok, name);
			mem_free(name);
			if (id < 0)
				buf_add(&r.text, q, n);
		}
		if (id >= 0) {
			rc = flush(&r, tok, out, where, err);
			ids_push(out, (uint32_t)id);
		}
	}
	if (rc == 0)
		rc = flush(&r, tok, out, where, err);
	buf_free(&r.text);
	return rc;
}
