/* SPDX-License-Identifier: Apache-2.0 */
/* A tokenizer from the metadata of a GGUF file (tokenizer.ggml.*). */
#include "token/gguf_names.h"

#include "format/gguf.h"

#include <string.h>

const struct pre token_pres[] = {
	{ "qwen2", true, false, false, false, 1, { { SPLIT_QWEN2 } } },
	{ "smollm", false, false, true, false, 2, { { SPLIT_DIGITS }, { SPLIT_GPT2 } } },
	{ "llama-bpe", false, true, true, true, 1, { { SPLIT_LLAMA3 } } },
	{ "gpt-2", false, false, true, false, 1, { { SPLIT_GPT2 } } },
};
const size_t token_n_pres = sizeof(token_pres) / sizeof(*token_pres);

static bool is_text(const char *s, size_t n, const char *want)
{
	return s && n == strlen(want) && !memcmp(s, want, n);
}

static int read_pre(struct token *t, const struct gguf *g, struct err *err)
{
	const char *s = NULL;
	size_t n = 0;

	gguf_get_bool(g, "tokenizer.ggml.add_space_prefix", &t->prefix_space);
	if (!gguf_get_str(g, "tokenizer.ggml.pre", &s, &n))
		return err_set(err,
			       "no tokenizer.ggml.pre: the file does not say how it splits text");
	for (size_t i = 0; i < token_n_pres; i++) {
		const struct pre *p = &token_pres[i];

		if (!is_text(s, n, p->name))
			continue;
		t->nfc = p->nfc;
		t->ignore_merges = p->ignore_merges;
		t->trim_offsets = p->trim_offsets;
		t->adds_bos = p->adds_bos;
		t->n_steps = p->n_steps;
		memcpy(t->steps, p->steps, sizeof(p->steps));
		return 0;
	}
	return err_set(err,
		       "tokenizer.ggml.pre \"%s\" is unknown; known are qwen2, smollm, "
		       "llama-bpe and gpt-2",
		       token_show(s, n).s);
}

static bool is_added(int32_t type)
{
	return type == TYPE_UNKNOWN || type == TYPE_CONTROL || type == TYPE_USER;
}

/* Do the added tokens follow the ordinary ones without a gap? Then they stand outside of the
 * vocabulary as in Qwen's tokenizer.json; else inside, or Hugging Face tokenizers would number
 * them anew. */
static bool added_follow(const struct gguf_value *types)
{
	uint64_t i = 0;

	while (i < types->count && gguf_arr_i32(types, i) != TYPE_UNUSED &&
	       !is_added(gguf_arr_i32(types, i)))
		i++;
	while (i < types->count && is_added(gguf_arr_i32(types, i)))
		i++;
	while (i < types->count && gguf_arr_i32(types, i) == TYPE_UNUSED)
		i++;
	return i == types->count;
}

static int read_tokens(struct token *t, const struct gguf_value *tokens,
		       const struct gguf_value *types, bool added, struct err *err)
{
	const unsigned char *cursor = tokens->p;
	bool outside = !t->chars && added_follow(types);

	for (uint64_t i = 0; i < tokens->count; i++) {
		int32_t type = gguf_arr_i32(types, i);
		struct added a = { 0 };
		uint32_t id;
		const char *s;
		size_t n;

		gguf_next_str(&cursor, &s, &n);
		if (type == TYPE_UNUSED)
			continue;
		if (added && is_added(type)) {
			a.text = (char *)s;
			a.len = n;
			a.special = type != TYPE_USER;
			if (token_add_added(t, &a, &id, err) < 0)
				return -1;
			if (id != i)
				return err_set(err, "token %u stands again as %llu", id,
					       (unsigned long long)i);
		} else if (!added && !(is_added(type) && outside)) {
			if (token_add_vocab(t, (int64_t)i, s, n, err) < 0)
				return -1;
		}
	}
	return 0;
}

static int read_merges(struct token *t, const struct gguf_value *merges, struct err *err)
{
	const unsigned char *cursor = merges->p;

	for (uint64_t i = 0; i < merges->count; i++) {
		const char *s, *gap;
		size_t n;

		gguf_next_str(&cursor, &s, &n);
		gap = n ? memchr(s, ' ', n) : NULL;
		if (!gap || memchr(gap + 1, ' ', n - (size_t)(gap + 1 - s)))
			return err_set(err, "merge %u is not \"a b\"", t->n_merges);
		if (token_add_merge(t, s, (size_t)(gap - s), gap + 1, n - (size_t)(gap + 1 - s),
				    err) < 0)
			return -1;
	}
	return 0;
}

/* An array of the metadata that must be there. */
static const struct gguf_value *array(const struct gguf *g, const char *key, enum gguf_type elem,
				      struct err *err)
{
	const struct gguf_value *v = gguf_get(g, key);

	if (!v || v->type != GGUF_ARR || v->elem != elem) {
		err_set(err, "%s is missing or of another type", key);
		return NULL;
	}
	if (v->count > TOKEN_MAX_ENTRIES) {
		err_set(err, "%s has more than %u entries", key, TOKEN_MAX_ENTRIES);
		return NULL;
	}
	return v;
}

static int64_t read_id(const struct token *t, const struct gguf *g, const char *key)
{
	int64_t id;

	return gguf_get_int(g, key, &id) && id >= 0 && id < t->n && t->v[id].flags ? id : -1;
}

/* What belongs to the model rather than to the ids. */
static void read_rest(struct token *t, const struct gguf *g)
{
	const char *s;
	size_t n;

	t->bos = read_id(t, g, "tokenizer.ggml.bos_token_id");
	t->eos = read_id(t, g, "tokenizer.ggml.eos_token_id");
	t->pad = read_id(t, g, "tokenizer.ggml.padding_token_id");
	gguf_get_bool(g, "tokenizer.ggml.add_bos_token", &t->adds_bos);
	if (gguf_get_str(g, "tokenizer.chat_template", &s, &n))
		t->chat_template = mem_strndup(s, n);
}

/* SentencePiece: llama.cpp's "llama", with a score a token in the place of merges. */
static void spaces(struct token *t, const struct gguf *g)
{
	bool prefix = true;

	gguf_get_bool(g, "tokenizer.ggml.add_space_prefix", &prefix);
	t->chars = t->byte_fallback = t->fuse_unk = t->adds_bos = true;
	t->prefix = prefix ? PREFIX_ALWAYS : PREFIX_NEVER;
	t->replaces_spaces = prefix;
	t->drop_space = prefix;
}

static int read_scores(struct token *t, const struct gguf *g, const struct gguf_value *types,
		       struct err *err)
{
	const struct gguf_value *v = array(g, "tokenizer.ggml.scores", GGUF_F32, err);
	float *scores;
	bool *merge;
	int rc;

	if (!v)
		return -1;
	if (v->count != types->count)
		return err_set(err, "tokenizer.ggml.scores and tokens differ in length");
	scores = mem_new(v->count, sizeof(*scores));
	merge = mem_new(v->count, sizeof(*merge));
	memcpy(scores, v->p, v->count * sizeof(*scores));
	for (uint64_t i = 0; i < v->count; i++) {
		merge[i] = gguf_arr_i32(types, i) == TYPE_NORMAL;
		if (gguf_arr_i32(types, i) == TYPE_UNKNOWN)
			t->unk = (uint32_t)i;
	}
	rc = token_add_scores(t, scores, merge, v->count, err);
	mem_free(scores);
	mem_free(merge);
	return rc;
}

/* Vocabulary, added tokens and merges into the empty *t. */
static int read_parts(struct token *t, const struct gguf *g, const struct gguf_value *tokens,
		      const struct gguf_value *types, struct err *err)
{
	const struct gguf_value *merges = NULL;

	if (!t->chars && (read_pre(t, g, err) < 0 ||
			  !(merges = array(g, "tokenizer.ggml.merges", GGUF_STR, err))))
		return -1;
	if (read_tokens(t, tokens, types, false, err) < 0 ||
	    read_tokens(t, tokens, types, true, err) < 0)
		return -1;
	if (merges ? read_merges(t, merges, err) < 0 : read_scores(t, g, types, err) < 0)
		return -1;
	return token_finish(t, err);
}

static struct token *read_all(const struct gguf *g, struct err *err)
{
	const struct gguf_value *tokens, *types;
	struct token *t;
	const char *s = NULL;
	size_t n = 0;

	if (!gguf_get_str(g, "tokenizer.ggml.model", &s, &n) ||
	    (!is_text(s, n, "gpt2") && !is_text(s, n, "llama"))) {
		err_set(err,
			"tokenizer.ggml.model is \"%s\"; known are gpt2 (byte-level BPE) and "
			"llama (SentencePiece)",
			token_show(s, n).s);
		return NULL;
	}
	if (!(tokens = array(g, "tokenizer.ggml.tokens", GGUF_STR, err)) ||
	    !(types = array(g, "tokenizer.ggml.token_type", GGUF_I32, err)))
		return NULL;
	if (types->count != tokens->count) {
		err_set(err, "tokenizer.ggml.token_type and tokens differ in length");
		return NULL;
	}
	t = token_new(tokens->count);
	if (is_text(s, n, "llama"))
		spaces(t, g);
	if (read_parts(t, g, tokens, types, err) == 0) {
		read_rest(t, g);
		return t;
	}
	token_close(t);
	return NULL;
}

struct token *token_read_gguf(const char *path, struct err *err)
{
	struct gguf g = { 0 };
	struct token *t;

	if (gguf_open(&g, path, err) < 0)
		return NULL;
	t = read_all(&g, err);
	if (!t)
		err_wrap(err, "%s", path);
	gguf_close(&g);
	return t;
}
