/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What tokenizer.json's post-processor puts around a text. Encoding leaves it out, as templates say
 * themselves where bos stands; it is kept for the files that are written.
 */
#include "token/vocab.h"

#include "base/jsonw.h"

#include <stdlib.h>
#include <string.h>

/* The special token that a text begins with, NULL: none. Of a sequence of processors the first that
 * puts one counts. */
static const char *first_special(const json_t *post)
{
	const json_t *one, *first;
	const char *text;
	size_t i;

	json_array_foreach(json_object_get(post, "processors"), i, one)
	{
		if ((text = first_special(one)))
			return text;
	}
	first = json_array_get(json_object_get(post, "single"), 0);
	return json_string_value(json_object_get(json_object_get(first, "SpecialToken"), "id"));
}

void token_read_post(struct token *t, const json_t *post)
{
	char *text = json_is_object(post) ? json_dumps(post, 0) : NULL;
	const char *bos = first_special(post);

	t->adds_bos = bos != NULL;
	t->post_bos = bos ? mem_strdup(bos) : NULL;
	t->post_processor = text ? mem_strdup(text) : NULL;
	free(text);
}

void token_finish_post(struct token *t)
{
	if (t->bos < 0 && t->post_bos)
		t->bos = token_id(t, t->post_bos);
}

static void write_piece(struct jsonw *w, const char *kind, const char *id, size_t n, int type)
{
	jsonw_open(w, '{');
	jsonw_key(w, kind);
	jsonw_open(w, '{');
	jsonw_key(w, "id");
	jsonw_str(w, id, n);
	jsonw_kint(w, "type_id", type);
	jsonw_close(w, '}');
	jsonw_close(w, '}');
}

/* bos before a text, and before both of a pair. */
static void write_bos(struct jsonw *w, const char *bos, size_t n, int64_t id)
{
	jsonw_open(w, '{');
	jsonw_kstr(w, "type", "TemplateProcessing");
	jsonw_key(w, "single");
	jsonw_open(w, '[');
	write_piece(w, "SpecialToken", bos, n, 0);
	write_piece(w, "Sequence", "A", 1, 0);
	jsonw_close(w, ']');
	jsonw_key(w, "pair");
	jsonw_open(w, '[');
	write_piece(w, "SpecialToken", bos, n, 0);
	write_piece(w, "Sequence", "A", 1, 0);
	write_piece(w, "SpecialToken", bos, n, 1);
	write_piece(w, "Sequence", "B", 1, 1);
	jsonw_close(w, ']');
	jsonw_key(w, "special_tokens");
	jsonw_open(w, '{');
	jsonw_key(w, bos);
	jsonw_open(w, '{');
	jsonw_key(w, "id");
	jsonw_str(w, bos, n);
	jsonw_key(w, "ids");
	jsonw_open(w, '[');
	jsonw_int(w, id);
	jsonw_close(w, ']');
	jsonw_key(w, "tokens");
	jsonw_open(w, '[');
	jsonw_str(w, bos, n);
	jsonw_close(w, ']');
	jsonw_close(w, '}');
	jsonw_close(w, '}');
	jsonw_close(w, '}');
}

void token_write_post(const struct token *t, struct jsonw *w)
{
	size_t n = 0;
	const char *bos = t->bos < 0 ? NULL : token_bytes(t, (uint32_t)t->bos, &n);
	char *text = bos ? mem_strndup(bos, n) : NULL;

	jsonw_key(w, "post_processor");
	if (t->post_processor)
		jsonw_raw(w, t->post_processor);
	else if (t->adds_bos && text) /* a GGUF file */
		write_bos(w, text, n, t->bos);
	else
		jsonw_null(w);
	mem_free(text);
}
