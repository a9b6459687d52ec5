/* SPDX-License-Identifier: Apache-2.0 */
/* A tokenizer as the tokenizer.json that Hugging Face tokenizers loads. */
#include "token/vocab.h"

#include "base/jsonw.h"

#include <string.h>

static void write_added(const struct token *t, struct jsonw *w)
{
	jsonw_key(w, "added_tokens");
	jsonw_open(w, '[');
	for (size_t i = 0; i < t->n_added; i++) {
		const struct added *a = &t->added[i];

		jsonw_open(w, '{');
		jsonw_kint(w, "id", a->id);
		jsonw_key(w, "content");
		jsonw_str(w, a->text, a->len);
		jsonw_kbool(w, "single_word", a->single_word);
		jsonw_kbool(w, "lstrip", a->lstrip);
		jsonw_kbool(w, "rstrip", a->rstrip);
		jsonw_kbool(w, "normalized", a->normalized);
		jsonw_kbool(w, "special", a->special);
		jsonw_close(w, '}');
	}
	jsonw_close(w, ']');
}

static void write_byte_level(struct jsonw *w, bool prefix_space, bool trim_offsets, bool use_regex)
{
	jsonw_open(w, '{');
	jsonw_kstr(w, "type", "ByteLevel");
	jsonw_kbool(w, "add_prefix_space", prefix_space);
	jsonw_kbool(w, "trim_offsets", trim_offsets);
	jsonw_kbool(w, "use_regex", use_regex);
	jsonw_close(w, '}');
}

static void write_step(struct jsonw *w, enum split_kind kind)
{
	jsonw_open(w, '{');
	if (kind == SPLIT_DIGITS || kind == SPLIT_DIGIT_RUNS) {
		jsonw_kstr(w, "type", "Digits");
		jsonw_kbool(w, "individual_digits", kind == SPLIT_DIGITS);
	} else {
		jsonw_kstr(w, "type", "Split");
		jsonw_key(w, "pattern");
		jsonw_open(w, '{');
		jsonw_kstr(w, "Regex", split_pattern(kind));
		jsonw_close(w, '}');
		jsonw_kstr(w, "behavior", "Isolated");
		jsonw_kbool(w, "invert", false);
	}
	jsonw_close(w, '}');
}

/* A GPT-2 step at the end is ByteLevel's own. */
static void write_pre_tokenizer(const struct token *t, struct jsonw *w)
{
	bool own = t->n_steps && t->steps[t->n_steps - 1].kind == SPLIT_GPT2;
	size_t n = t->n_steps - own;

	jsonw_key(w, "pre_tokenizer");
	if (n) {
		jsonw_open(w, '{');
		jsonw_kstr(w, "type", "Sequence");
		jsonw_key(w, "pretokenizers");
		jsonw_open(w, '[');
	}
	for (size_t i = 0; i < n; i++)
		write_step(w, t->steps[i].kind);
	write_byte_level(w, t->prefix_space, t->trim_offsets, own);
	if (n) {
		jsonw_close(w, ']');
		jsonw_close(w, '}');
	}
}

static void write_byte_steps(const struct token *t, struct jsonw *w)
{
	jsonw_key(w, "normalizer");
	if (t->nfc)
		jsonw_raw(w, "{\"type\": \"NFC\"}");
	else
		jsonw_null(w);
	write_pre_tokenizer(t, w);
}

/* SentencePiece: a normaliser, or Metaspace; both where a normaliser does not see to the space in front. */
static void write_spaces(const struct token *t, struct jsonw *w)
{
	static const char *const schemes[] = {
		[PREFIX_NEVER] = "never", [PREFIX_TEXT] = "first", [PREFIX_PIECE] = "always"
	};
	bool prepend = t->prefix == PREFIX_ALWAYS;

	jsonw_key(w, "normalizer");
	if (!t->replaces_spaces) {
		jsonw_null(w);
	} else {
		jsonw_open(w, '{');
		jsonw_kstr(w, "type", "Sequence");
		jsonw_key(w, "normalizers");
		jsonw_open(w, '[');
		if (prepend)
			jsonw_raw(w, "{\"type\": \"Prepend\", \"prepend\": \"" METASPACE "\"}");
		jsonw_raw(w, "{\"type\": \"Replace\", \"pattern\": {\"String\": \" \"}, "
			     "\"content\": \"" METASPACE "\"}");
		jsonw_close(w, ']');
		jsonw_close(w, '}');
	}
	jsonw_key(w, "pre_tokenizer");
	if (prepend) {
		jsonw_null(w);
		return;
	}
	jsonw_open(w, '{');
	jsonw_kstr(w, "type", "Metaspace");
	jsonw_kstr(w, "replacement", METASPACE);
	jsonw_kstr(w, "prepend_scheme", schemes[t->prefix]);
	jsonw_kbool(w, "split", t->split_spaces);
	jsonw_close(w, '}');
}

static void write_decoder(const struct token *t, struct jsonw *w)
{
	jsonw_key(w, "decoder");
	if (!t->chars) {
		write_byte_level(w, true, true, true);
		return;
	}
	jsonw_open(w, '{');
	jsonw_kstr(w, "type", "Sequence");
	jsonw_key(w, "decoders");
	jsonw_open(w, '[');
	jsonw_raw(w, "{\"type\": \"Replace\", \"pattern\": {\"String\": \"" METASPACE
		     "\"}, \"content\": \" \"}");
	jsonw_raw(w, "{\"type\": \"ByteFallback\"}");
	jsonw_raw(w, "{\"type\": \"Fuse\"}");
	if (t->drop_space)
		jsonw_raw(w, "{\"type\": \"Strip\", \"content\": \" \", \"start\": 1, "
			     "\"stop\": 0}");
	jsonw_close(w, ']');
	jsonw_close(w, '}');
}

static void write_key(const struct token *t, struct jsonw *w, uint32_t id, struct buf *key)
{
	buf_reset(key);
	token_key(t, id, key);
	jsonw_str(w, key->p, key->n);
}

static void write_vocab(const struct token *t, struct jsonw *w)
{
	struct buf key = { 0 };

	jsonw_key(w, "vocab");
	jsonw_open(w, '{');
	for (uint32_t id = 0; id < t->n; id++) {
		if (!(t->v[id].flags & ENTRY_VOCAB))
			continue;
		buf_reset(&key);
		token_key(t, id, &key);
		jsonw_kint(w, key.p, id);
	}
	jsonw_close(w, '}');
	jsonw_key(w, "merges");
	jsonw_open(w, '[');
	for (uint32_t i = 0; i < t->n_merges; i++) {
		jsonw_open(w, '[');
		write_key(t, w, t->merges[i].left, &key);
		write_key(t, w, t->merges[i].right, &key);
		jsonw_close(w, ']');
	}
	jsonw_close(w, ']');
	buf_free(&key);
}

static void write_model(const struct token *t, struct jsonw *w)
{
	struct buf key = { 0 };

	jsonw_key(w, "model");
	jsonw_open(w, '{');
	jsonw_kstr(w, "type", "BPE");
	jsonw_kstr(w, "dropout", NULL);
	jsonw_key(w, "unk_token");
	if (t->unk == TOKEN_NONE)
		jsonw_null(w);
	else
		write_key(t, w, t->unk, &key);
	jsonw_kstr(w, "continuing_subword_prefix", NULL);
	jsonw_kstr(w, "end_of_word_suffix", NULL);
	jsonw_kbool(w, "fuse_unk", t->fuse_unk);
	jsonw_kbool(w, "byte_fallback", t->byte_fallback);
	jsonw_kbool(w, "ignore_merges", t->ignore_merges);
	write_vocab(t, w);
	jsonw_close(w, '}');
	buf_free(&key);
}

void token_write_json(const struct token *t, struct buf *out)
{
	struct jsonw w = { .out = out };

	jsonw_open(&w, '{');
	jsonw_kstr(&w, "version", "1.0");
	jsonw_kstr(&w, "truncation", NULL);
	jsonw_kstr(&w, "padding", NULL);
	write_added(t, &w);
	if (t->chars)
		write_spaces(t, &w);
	else
		write_byte_steps(t, &w);
	token_write_post(t, &w);
	write_decoder(t, &w);
	write_model(t, &w);
	jsonw_close(&w, '}');
	buf_char(out, '\n');
}
