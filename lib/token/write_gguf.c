/* SPDX-License-Identifier: Apache-2.0 */
/* A tokenizer as the metadata tokenizer.ggml.* that llama.cpp reads. */
#include "token/gguf_names.h"

#include "format/gguf_writer.h"

#include <string.h>

/* The pre-tokenizer's name; NULL: GGUF has none for it. */
static const char *pre_name(const struct token *t)
{
	for (size_t i = 0; i < token_n_pres; i++) {
		const struct pre *p = &token_pres[i];

		if (p->nfc == t->nfc && p->ignore_merges == t->ignore_merges &&
		    p->n_steps == t->n_steps && !t->prefix_space &&
		    !memcmp(p->steps, t->steps, t->n_steps * sizeof(*t->steps)))
			return p->name;
	}
	return NULL;
}

/* Index in t->added of each id, -1: no added token. From the heap. */
static int32_t *added_of(const struct token *t)
{
	int32_t *of = mem_new(t->n ? t->n : 1, sizeof(*of));

	memset(of, 0xff, t->n * sizeof(*of));
	for (size_t i = 0; i < t->n_added; i++)
		of[t->added[i].id] = (int32_t)i;
	return of;
}

static void write_tokens(const struct token *t, uint32_t vocab, const int32_t *added,
			 struct gguf_meta *m)
{
	struct buf key = { 0 };

	gguf_meta_array(m, "tokenizer.ggml.tokens", GGUF_STR, vocab);
	for (uint32_t id = 0; id < vocab; id++) {
		const struct added *a = id < t->n && added[id] >= 0 ? &t->added[added[id]] : NULL;

		buf_reset(&key);
		if (a)
			buf_add(&key, a->text, a->len);
		else if (id < t->n && t->v[id].flags)
			token_key(t, id, &key);
		else
			buf_printf(&key, "[PAD%u]", id);
		gguf_elem_str(m, key.p, key.n);
	}
	buf_free(&key);
}

/* llama.cpp's converter takes what looks like a marker for one, whatever its flag says. */
static bool is_marker(const struct added *a)
{
	return a->special ||
	       (a->len > 4 && !memcmp(a->text, "<|", 2) && !memcmp(a->text + a->len - 2, "|>", 2));
}

static int32_t type_of(const struct token *t, uint32_t id, const int32_t *added)
{
	if (id >= t->n || !t->v[id].flags)
		return TYPE_UNUSED;
	if (t->chars && id == t->unk)
		return TYPE_UNKNOWN;
	if (added[id] >= 0)
		return is_marker(&t->added[added[id]]) ? TYPE_CONTROL : TYPE_USER;
	return t->v[id].flags & ENTRY_BYTE ? TYPE_BYTE : TYPE_NORMAL;
}

static int write_merges(const struct token *t, struct gguf_meta *m, struct err *err)
{
	struct buf text = { 0 };
	int rc = 0;

	gguf_meta_array(m, "tokenizer.ggml.merges", GGUF_STR, t->n_merges);
	for (uint32_t i = 0; rc == 0 && i < t->n_merges; i++) {
		size_t left;

		buf_reset(&text);
		token_key(t, t->merges[i].left, &text);
		left = text.n;
		buf_char(&text, ' ');
		token_key(t, t->merges[i].right, &text);
		if (memchr(text.p, ' ', left) || memchr(text.p + left + 1, ' ', text.n - left - 1))
			rc = err_set(err, "merge %u has a space, for which GGUF has no spelling",
				     i);
		gguf_elem_str(m, text.p, text.n);
	}
	buf_free(&text);
	return rc;
}

/* Instead of merges: what the first merge makes has the highest score, what none makes the lowest. */
static void write_scores(const struct token *t, uint32_t vocab, struct gguf_meta *m)
{
	float *scores = mem_new(vocab, sizeof(*scores));

	for (uint32_t id = 0; id < vocab; id++)
		scores[id] = id < t->n && t->v[id].flags & ENTRY_VOCAB ? -(float)t->n_merges : 0;
	for (uint32_t i = t->n_merges; i-- > 0;)
		if (t->merged[i] < vocab)
			scores[t->merged[i]] = -(float)i;
	gguf_meta_array(m, "tokenizer.ggml.scores", GGUF_F32, vocab);
	for (uint32_t id = 0; id < vocab; id++)
		gguf_elem_f32(m, scores[id]);
	mem_free(scores);
}

static void write_special(const struct token *t, int64_t eos, struct gguf_meta *m)
{
	const struct {
		const char *key;
		int64_t id;
	} ids[] = { { "tokenizer.ggml.bos_token_id", t->bos },
		    { "tokenizer.ggml.eos_token_id", eos },
		    { "tokenizer.ggml.padding_token_id", t->pad },
		    { "tokenizer.ggml.unknown_token_id",
		      t->chars && t->unk != TOKEN_NONE ? (int64_t)t->unk : -1 } };

	for (size_t i = 0; i < sizeof(ids) / sizeof(*ids); i++)
		if (ids[i].id >= 0)
			gguf_meta_u32(m, ids[i].key, (uint32_t)ids[i].id);
	gguf_meta_bool(m, "tokenizer.ggml.add_bos_token", t->adds_bos && t->bos >= 0);
	/* llama.cpp's space comes after special tokens, too: where only a text begins with one, it would
	 * stand in every turn of a chat. */
	if (t->chars)
		gguf_meta_bool(m, "tokenizer.ggml.add_space_prefix",
			       t->prefix == PREFIX_PIECE || t->prefix == PREFIX_ALWAYS);
}

int token_write_gguf(const struct token *t, uint32_t vocab, int64_t eos, const char *chat,
		     struct gguf_meta *m, struct err *err)
{
	const char *pre = pre_name(t);
	int32_t *added;
	int rc = 0;

	if (t->n > vocab)
		return err_set(err, "the tokenizer has ids up to %u, the model only %u rows",
			       t->n - 1, vocab);
	if (!t->chars && !pre)
		return err_set(err, "GGUF has no name for the way this tokenizer splits text");
	added = added_of(t);
	gguf_meta_cstr(m, "tokenizer.ggml.model", t->chars ? "llama" : "gpt2");
	gguf_meta_cstr(m, "tokenizer.ggml.pre", t->chars ? "default" : pre);
	write_tokens(t, vocab, added, m);
	gguf_meta_array(m, "tokenizer.ggml.token_type", GGUF_I32, vocab);
	for (uint32_t id = 0; id < vocab; id++)
		gguf_elem_i32(m, type_of(t, id, added));
	if (t->chars)
		write_scores(t, vocab, m);
	else
		rc = write_merges(t, m, err);
	write_special(t, eos, m);
	if (chat)
		gguf_meta_cstr(m, "tokenizer.chat_template", chat);
	mem_free(added);
	return rc;
}
