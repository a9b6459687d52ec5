/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of a tokenizer.json around SentencePiece's BPE: where spaces are put and taken away. */
#include "token/vocab.h"

#include <string.h>

static bool is_text(const json_t *o, const char *key, const char *want)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s && !strcmp(s, want);
}

/* SentencePiece before tokenizers had Metaspace: null, or a sequence of Prepend and Replace. */
static int read_spaces_normalizer(struct token *t, const json_t *o, struct err *err)
{
	const json_t *list = json_object_get(o, "normalizers");
	size_t n = json_is_array(list) ? json_array_size(list) : 1;

	if (!o || json_is_null(o))
		return 0;
	for (size_t i = 0; i < n; i++) {
		const json_t *x = json_is_array(list) ? json_array_get(list, i) : o;
		const json_t *pattern = json_object_get(x, "pattern");

		if (!strcmp(token_json_type(x), "Prepend") && is_text(x, "prepend", METASPACE))
			t->prefix = PREFIX_ALWAYS;
		else if (!strcmp(token_json_type(x), "Replace") &&
			 is_text(pattern, "String", " ") && is_text(x, "content", METASPACE))
			t->replaces_spaces = true;
		else
			return err_set(err,
				       "normalizer \"%s\" is not supported; beside byte_fallback "
				       "Prepend and Replace of a space are",
				       token_json_shown(x).s);
	}
	return 0;
}

static int read_metaspace(struct token *t, const json_t *o, struct err *err)
{
	bool old;

	if (token_json_bool(o, "add_prefix_space", true, &old, err) < 0 ||
	    token_json_bool(o, "split", true, &t->split_spaces, err) < 0)
		return err_wrap(err, "pre_tokenizer Metaspace");
	if (!is_text(o, "replacement", METASPACE))
		return err_set(err, "pre_tokenizer Metaspace: the replacement is not U+2581");
	if (is_text(o, "prepend_scheme", "first"))
		t->prefix = PREFIX_TEXT;
	else if (is_text(o, "prepend_scheme", "never") ||
		 (!json_object_get(o, "prepend_scheme") && !old))
		t->prefix = PREFIX_NEVER;
	else
		t->prefix = PREFIX_PIECE;
	return 0;
}

/* What a decoder's step does for SentencePiece; Replace, ByteFallback and Fuse are what is done
 * anyway. */
static int read_spaces_decoder(struct token *t, const json_t *o, struct err *err)
{
	const json_t *list = json_object_get(o, "decoders");
	size_t n = json_is_array(list) ? json_array_size(list) : 1;

	for (size_t i = 0; i < n; i++) {
		const json_t *x = json_is_array(list) ? json_array_get(list, i) : o;
		const char *type = token_json_type(x);

		if (!strcmp(type, "Strip") && is_text(x, "content", " ") &&
		    json_integer_value(json_object_get(x, "start")) == 1 &&
		    json_integer_value(json_object_get(x, "stop")) == 0)
			t->drop_space = true;
		else if (!strcmp(type, "Metaspace"))
			t->drop_space = t->prefix != PREFIX_NEVER;
		else if (strcmp(type, "Replace") && strcmp(type, "ByteFallback") &&
			 strcmp(type, "Fuse"))
			return err_set(err, "decoder \"%s\" is not supported at this place",
				       token_json_shown(x).s);
	}
	return 0;
}

/* SentencePiece's BPE: no pre-tokenizer, or Metaspace. One of the two has to see to the spaces, and one
 * only puts one in front. */
int token_json_read_spaces(struct token *t, const json_t *root, struct err *err)
{
	const json_t *pre = json_object_get(root, "pre_tokenizer");

	t->chars = true;
	if (read_spaces_normalizer(t, json_object_get(root, "normalizer"), err) < 0)
		return -1;
	if (json_is_object(pre) && t->prefix == PREFIX_ALWAYS)
		return err_set(err, "pre_tokenizer beside normalizer \"Prepend\" is not supported");
	if ((json_is_object(pre) && read_metaspace(t, pre, err) < 0) ||
	    read_spaces_decoder(t, json_object_get(root, "decoder"), err) < 0)
		return -1;
	if (!json_is_object(pre) && !t->replaces_spaces)
		return err_set(err, "neither normalizer \"Replace\" nor pre_tokenizer "
				    "\"Metaspace\" makes U+2581 of a space");
	return 0;
}

bool token_json_has_spaces(const json_t *root)
{
	const json_t *pre = json_object_get(root, "pre_tokenizer");

	if (json_is_object(pre))
		return !strcmp(token_json_type(pre), "Metaspace");
	return strcmp(token_json_type(json_object_get(root, "decoder")), "ByteLevel") != 0;
}
