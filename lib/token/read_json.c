/* SPDX-License-Identifier: Apache-2.0 */
/* tokenizer.json. What would change the ids and is not implemented is refused by name. */
#include "token/vocab.h"

#include "base/file.h"

#include <stdlib.h>
#include <string.h>

#define MAX_FILE ((size_t)256 << 20)

/* Entries of all arrays and objects together, from above: one a comma. Checked before parsing, as a
 * parsed entry takes some 100 bytes. */
static bool few_entries(const unsigned char *p, size_t n)
{
	const unsigned char *end = p + n;
	size_t commas = 0;

	while (p < end && (p = memchr(p, ',', (size_t)(end - p)))) {
		p++;
		if (++commas > TOKEN_MAX_ENTRIES)
			return false;
	}
	return true;
}

json_t *token_load_json(const char *path, bool missing_ok, struct err *err)
{
	struct file f = { 0 };
	json_error_t je;
	json_t *root = NULL;
	char *near;

	if (missing_ok && !file_exists(path))
		return NULL;
	if (file_open(&f, path, err) < 0)
		return NULL;
	if (f.n > MAX_FILE) {
		err_set(err, "%s: %zu bytes are too many; at most %zu", path, f.n, MAX_FILE);
	} else if (!few_entries(f.p, f.n)) {
		err_set(err, "%s: more than %u entries", path, TOKEN_MAX_ENTRIES);
	} else {
		root = json_loadb((const char *)f.p, f.n, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL,
				  &je);
		near = root ? NULL : strstr(je.text, " near '"); /* text of the file */
		if (near)
			*near = 0;
		if (!root)
			err_set(err, "%s:%d:%d: %s", path, je.line, je.column, je.text);
	}
	file_close(&f);
	if (root && !json_is_object(root)) {
		json_decref(root);
		err_set(err, "%s: not a JSON object", path);
		return NULL;
	}
	return root;
}

int token_json_bool(const json_t *o, const char *key, bool def, bool *v, struct err *err)
{
	const json_t *x = json_object_get(o, key);

	*v = def;
	if (!x || json_is_null(x))
		return 0;
	if (!json_is_boolean(x))
		return err_set(err, "\"%s\" is not true or false", key);
	*v = json_is_true(x);
	return 0;
}

const char *token_json_type(const json_t *o)
{
	const char *s = json_string_value(json_object_get(o, "type"));

	return s ? s : "";
}

struct shown token_json_shown(const json_t *o)
{
	const char *s = token_json_type(o);

	return token_show(s, strlen(s));
}

static int read_vocab(struct token *t, json_t *vocab, struct err *err)
{
	const char *key;
	json_t *id;

	json_object_foreach(vocab, key, id)
	{
		if (!json_is_integer(id))
			return err_set(err, "model.vocab: the id of \"%s\" is not an integer",
				       token_show(key, strlen(key)).s);
		if (token_add_vocab(t, json_integer_value(id), key, strlen(key), err) < 0)
			return err_wrap(err, "model.vocab");
	}
	return 0;
}

static int read_merge(struct token *t, const json_t *m, struct err *err)
{
	const json_t *a = json_array_get(m, 0), *b = json_array_get(m, 1);
	const char *s = json_string_value(m), *gap;
	size_t n = json_string_length(m);

	if (json_array_size(m) == 2 && json_is_string(a) && json_is_string(b))
		return token_add_merge(t, json_string_value(a), json_string_length(a),
				       json_string_value(b), json_string_length(b), err);
	gap = s ? memchr(s, ' ', n) : NULL;
	if (!gap || memchr(gap + 1, ' ', n - (size_t)(gap + 1 - s)))
		return err_set(err, "merge %u is neither \"a b\" nor [\"a\", \"b\"]", t->n_merges);
	return token_add_merge(t, s, (size_t)(gap - s), gap + 1, n - (size_t)(gap + 1 - s), err);
}

static int refuse_text(const json_t *model, const char *key, struct err *err)
{
	const json_t *x = json_object_get(model, key);

	if (!x || json_is_null(x) || (json_is_string(x) && !json_string_length(x)))
		return 0;
	return err_set(err, "model.%s is not supported", key);
}

static int read_model_flags(struct token *t, const json_t *model, struct err *err)
{
	const json_t *dropout = json_object_get(model, "dropout");
	const json_t *unk = json_object_get(model, "unk_token");

	if (token_json_bool(model, "ignore_merges", false, &t->ignore_merges, err) < 0 ||
	    token_json_bool(model, "fuse_unk", false, &t->fuse_unk, err) < 0)
		return err_wrap(err, "model");
	if (json_is_number(dropout) && json_number_value(dropout) != 0)
		return err_set(err, "model.dropout is not supported");
	if (refuse_text(model, "continuing_subword_prefix", err) < 0 ||
	    refuse_text(model, "end_of_word_suffix", err) < 0)
		return -1;
	if (!unk || json_is_null(unk))
		return 0;
	if (!json_is_string(unk))
		return err_set(err, "model.unk_token is not a string");
	t->unk = token_find_key(t, json_string_value(unk), json_string_length(unk));
	if (t->unk == TOKEN_NONE)
		return err_set(err, "model.unk_token is not in the vocabulary");
	return 0;
}

static int read_model(struct token *t, const json_t *model, struct err *err)
{
	json_t *merges = json_object_get(model, "merges");
	size_t i;
	json_t *m;

	if (token_json_bool(model, "byte_fallback", false, &t->byte_fallback, err) < 0)
		return err_wrap(err, "model");
	if (t->byte_fallback && !t->chars)
		return err_set(err, "model.byte_fallback beside ByteLevel is not supported");
	if (read_vocab(t, json_object_get(model, "vocab"), err) < 0 ||
	    read_model_flags(t, model, err) < 0)
		return -1;
	if (!json_is_array(merges))
		return err_set(err, "model.merges is not an array");
	json_array_foreach(merges, i,
			   m) if (read_merge(t, m, err) < 0) return err_wrap(err, "model.merges");
	return 0;
}

/* null, NFC, or a sequence of nothing else. */
static int read_normalizer(struct token *t, const json_t *o, struct err *err)
{
	const json_t *list, *x;
	size_t i;

	if (!o || json_is_null(o))
		return 0;
	if (!strcmp(token_json_type(o), "NFC")) {
		t->nfc = true;
		return 0;
	}
	list = json_object_get(o, "normalizers");
	if (strcmp(token_json_type(o), "Sequence") || !json_is_array(list))
		return err_set(err, "normalizer \"%s\" is not supported; NFC is",
			       token_json_shown(o).s);
	json_array_foreach(list, i, x)
	{
		if (strcmp(token_json_type(x), "NFC"))
			return err_set(err, "normalizer \"%s\" is not supported; NFC is",
				       token_json_shown(x).s);
		t->nfc = true;
	}
	return 0;
}

static int add_step(struct token *t, enum split_kind kind, struct err *err)
{
	if (t->n_steps == SPLIT_MAX_STEPS)
		return err_set(err, "pre_tokenizer: more than %d steps", SPLIT_MAX_STEPS);
	t->steps[t->n_steps++].kind = kind;
	return 0;
}

static int read_split(struct token *t, const json_t *o, struct err *err)
{
	const json_t *regex = json_object_get(json_object_get(o, "pattern"), "Regex");
	const json_t *behavior = json_object_get(o, "behavior");
	enum split_kind kind;
	bool invert;

	if (token_json_bool(o, "invert", false, &invert, err) < 0)
		return err_wrap(err, "pre_tokenizer Split");
	if (!json_is_string(regex))
		return err_set(err, "pre_tokenizer Split without a regular expression is not "
				    "supported");
	if (invert || !json_is_string(behavior) || strcmp(json_string_value(behavior), "Isolated"))
		return err_set(err, "pre_tokenizer Split is supported as Isolated, not inverted");
	if (strlen(json_string_value(regex)) != json_string_length(regex) ||
	    !split_known(json_string_value(regex), &kind))
		return err_set(err,
			       "pre_tokenizer: unknown pattern '%s'; known are those of GPT-2, "
			       "Qwen2 and Llama 3",
			       token_show(json_string_value(regex), json_string_length(regex)).s);
	return add_step(t, kind, err);
}

static int read_digits(struct token *t, const json_t *o, struct err *err)
{
	bool each;

	if (token_json_bool(o, "individual_digits", false, &each, err) < 0)
		return err_wrap(err, "pre_tokenizer Digits");
	return add_step(t, each ? SPLIT_DIGITS : SPLIT_DIGIT_RUNS, err);
}

/* The last step: from here on texts are bytes. */
static int read_byte_level(struct token *t, const json_t *o, struct err *err)
{
	bool regex, after_gpt2 = t->n_steps && t->steps[t->n_steps - 1].kind == SPLIT_GPT2;

	if (token_json_bool(o, "add_prefix_space", true, &t->prefix_space, err) < 0 ||
	    token_json_bool(o, "trim_offsets", true, &t->trim_offsets, err) < 0 ||
	    token_json_bool(o, "use_regex", true, &regex, err) < 0)
		return err_wrap(err, "pre_tokenizer ByteLevel");
	if (regex)
		return add_step(t, SPLIT_GPT2, err);
	if (after_gpt2 && t->prefix_space)
		return err_set(err,
			       "pre_tokenizer ByteLevel: add_prefix_space after a Split is not "
			       "supported");
	return 0;
}

static int read_pre_tokenizer(struct token *t, json_t *o, struct err *err)
{
	json_t *list = json_object_get(o, "pretokenizers");
	bool sequence = !strcmp(token_json_type(o), "Sequence") && json_is_array(list);
	size_t n = sequence ? json_array_size(list) : 1;

	for (size_t i = 0; i < n; i++) {
		const json_t *x = sequence ? json_array_get(list, i) : o;
		const char *type = token_json_type(x);
		bool last = i + 1 == n;

		if (last != !strcmp(type, "ByteLevel"))
			return err_set(err,
				       "pre_tokenizer \"%s\" at this place is not supported; a "
				       "sequence of Split and Digits with ByteLevel last is",
				       token_json_shown(x).s);
		if (last)
			return read_byte_level(t, x, err);
		if (!strcmp(type, "Split") ? read_split(t, x, err) < 0
		    : !strcmp(type, "Digits")
			    ? read_digits(t, x, err) < 0
			    : err_set(err, "pre_tokenizer \"%s\" is not supported",
				      token_json_shown(x).s) < 0)
			return -1;
	}
	return err_set(err, "pre_tokenizer: an empty sequence");
}

/* The file's id is checked, but as in Hugging Face tokenizers it is the order that decides: see
 * token_add_added. seen: the ids so far. */
static int read_added(struct token *t, const json_t *o, struct ids *seen, struct err *err)
{
	const json_t *text = json_object_get(o, "content"), *id = json_object_get(o, "id");
	struct added a = { 0 };
	uint32_t given;

	if (!json_is_string(text) || !json_is_integer(id))
		return err_set(err, "an entry without \"content\" and \"id\"");
	if (json_integer_value(id) < 0 || json_integer_value(id) >= TOKEN_MAX_ENTRIES)
		return err_set(err, "\"%s\": id %lld is out of range",
			       token_show(json_string_value(text), json_string_length(text)).s,
			       (long long)json_integer_value(id));
	if (token_json_bool(o, "special", false, &a.special, err) < 0 ||
	    token_json_bool(o, "single_word", false, &a.single_word, err) < 0 ||
	    token_json_bool(o, "lstrip", false, &a.lstrip, err) < 0 ||
	    token_json_bool(o, "rstrip", false, &a.rstrip, err) < 0 ||
	    token_json_bool(o, "normalized", false, &a.normalized, err) < 0)
		return -1;
	a.text = (char *)json_string_value(text);
	a.len = json_string_length(text);
	ids_push(seen, (uint32_t)json_integer_value(id));
	return token_add_added(t, &a, &given, err);
}

static int compare_ids(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static int read_added_tokens(struct token *t, const json_t *list, struct err *err)
{
	struct ids seen = { 0 };
	const json_t *x;
	size_t i;
	int r = 0;

	if (!list || json_is_null(list))
		return 0;
	if (!json_is_array(list))
		return err_set(err, "added_tokens is not an array");
	for (i = 0; !r && i < json_array_size(list); i++) {
		x = json_array_get(list, i);
		r = read_added(t, x, &seen, err);
	}
	if (seen.n)
		qsort(seen.v, seen.n, sizeof(*seen.v), compare_ids);
	for (i = 1; !r && i < seen.n; i++)
		if (seen.v[i] == seen.v[i - 1])
			r = err_set(err, "id %u stands twice", seen.v[i]);
	ids_free(&seen);
	return r ? err_wrap(err, "added_tokens") : 0;
}

static int check_decoder(const json_t *o, struct err *err)
{
	const json_t *list = json_object_get(o, "decoders");

	if (!strcmp(token_json_type(o), "Sequence") && json_array_size(list) == 1)
		o = json_array_get(list, 0);
	if (!strcmp(token_json_type(o), "ByteLevel"))
		return 0;
	return err_set(err, "decoder \"%s\" is not supported; ByteLevel is", token_json_shown(o).s);
}

static int read_all(struct token *t, const json_t *root, struct err *err)
{
	if (token_json_has_spaces(root)) {
		if (token_json_read_spaces(t, root, err) < 0)
			return -1;
	} else if (read_normalizer(t, json_object_get(root, "normalizer"), err) < 0 ||
		   read_pre_tokenizer(t, json_object_get(root, "pre_tokenizer"), err) < 0 ||
		   check_decoder(json_object_get(root, "decoder"), err) < 0) {
		return -1;
	}
	if (read_model(t, json_object_get(root, "model"), err) < 0 ||
	    read_added_tokens(t, json_object_get(root, "added_tokens"), err) < 0)
		return -1;
	token_read_post(t, json_object_get(root, "post_processor"));
	return token_finish(t, err);
}

struct token *token_read_json(const char *path, struct err *err)
{
	json_t *root = token_load_json(path, false, err);
	const json_t *model = json_object_get(root, "model");
	const json_t *vocab = json_object_get(model, "vocab");
	struct token *t = NULL;

	if (!root)
		return NULL;
	if (!json_is_object(model))
		err_set(err, "%s: no \"model\": not a tokenizer.json", path);
	else if (*token_json_type(model) && strcmp(token_json_type(model), "BPE"))
		err_set(err, "%s: a model of type \"%s\" is not supported; BPE is", path,
			token_json_shown(model).s);
	else if (!json_is_object(vocab))
		err_set(err, "%s: model.vocab is not an object", path);
	else
		t = token_new(json_object_size(vocab));
	if (t && read_all(t, root, err) < 0) {
		err_wrap(err, "%s", path);
		token_close(t);
		t = NULL;
	}
	json_decref(root);
	return t;
}
