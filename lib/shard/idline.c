/* SPDX-License-Identifier: Apache-2.0 */
#include "shard/idline.h"

#include "base/jsonw.h"

#include <jansson.h>
#include <stdbool.h>

static int add_ids(struct idline *l, const json_t *o, const char *key, uint32_t *n, struct err *err)
{
	const json_t *v = json_object_get(o, key);
	size_t count = json_array_size(v);

	if (!json_is_array(v))
		return err_set(err, "\"%s\" must be an array of ids", key);
	if (count > SHARD_IDS_MAX || l->ids.n + count > SHARD_IDS_MAX)
		return err_set(err, "more than %u ids", SHARD_IDS_MAX);
	for (size_t i = 0; i < count; i++) {
		const json_t *id = json_array_get(v, i);

		if (!json_is_integer(id) || json_integer_value(id) < 0 ||
		    json_integer_value(id) > INT32_MAX)
			return err_set(err, "\"%s\"[%zu]: an id is a whole number from 0 to %d",
				       key, i, INT32_MAX);
		ids_push(&l->ids, (uint32_t)json_integer_value(id));
	}
	*n = (uint32_t)count;
	return 0;
}

static bool position(const json_t *v, uint32_t n, uint32_t *at)
{
	if (!json_is_integer(v) || json_integer_value(v) < 0 || json_integer_value(v) > n)
		return false;
	*at = (uint32_t)json_integer_value(v);
	return true;
}

static int add_spans(struct idline *l, const json_t *spans, uint32_t n, struct err *err)
{
	for (size_t i = 0; i < json_array_size(spans); i++) {
		const json_t *pair = json_array_get(spans, i);
		struct span span;

		if (json_array_size(pair) != 2 ||
		    !position(json_array_get(pair, 0), n, &span.begin) ||
		    !position(json_array_get(pair, 1), n, &span.end))
			return err_set(err, "\"spans\"[%zu] must be [begin, end] within the ids",
				       i);
		buf_add(&l->spans, &span, sizeof(span));
	}
	return 0;
}

static int parse_sft(struct idline *l, const json_t *o, struct err *err)
{
	const json_t *spans = json_object_get(o, "spans");
	const json_t *prompt = json_object_get(o, "prompt_len");
	struct span span = { 0, 0 };
	uint32_t n;

	if (add_ids(l, o, "ids", &n, err) < 0)
		return -1;
	if (json_is_array(spans) && !prompt) {
		if (add_spans(l, spans, n, err) < 0)
			return -1;
	} else {
		if (!position(prompt, n, &span.begin))
			return err_set(err,
				       "\"prompt_len\" must be a number from 0 to the number "
				       "of ids, %u",
				       n);
		span.end = n;
		buf_add(&l->spans, &span, sizeof(span));
	}
	l->stage = SHARD_SFT;
	l->e = (struct example){ .ids = l->ids.v,
				 .n_ids = n,
				 .spans = (struct span *)l->spans.p,
				 .n_spans = (uint32_t)(l->spans.n / sizeof(span)) };
	return 0;
}

static int parse_dpo(struct idline *l, const json_t *o, struct err *err)
{
	uint32_t prompt, chosen, rejected;

	if (add_ids(l, o, "prompt", &prompt, err) < 0 ||
	    add_ids(l, o, "chosen", &chosen, err) < 0 ||
	    add_ids(l, o, "rejected", &rejected, err) < 0)
		return -1;
	l->stage = SHARD_DPO;
	l->e = (struct example){
		.ids = l->ids.v, .n_ids = (uint32_t)l->ids.n, .n_prompt = prompt, .n_chosen = chosen
	};
	return 0;
}

int idline_parse(struct idline *l, const char *text, size_t n, struct err *err)
{
	json_error_t why;
	json_t *o = json_loadb(text, n, JSON_REJECT_DUPLICATES, &why);
	int rc;

	l->ids.n = 0;
	buf_reset(&l->spans);
	if (!o)
		return err_set(err, "column %d: %s", why.column, why.text);
	if (json_object_get(o, "ids"))
		rc = parse_sft(l, o, err);
	else if (json_object_get(o, "prompt"))
		rc = parse_dpo(l, o, err);
	else
		rc = err_set(err, "neither \"ids\" and \"prompt_len\" nor \"prompt\", \"chosen\" "
				  "and \"rejected\" are there");
	json_decref(o);
	return rc;
}

void idline_free(struct idline *l)
{
	ids_free(&l->ids);
	buf_free(&l->spans);
}

static void write_ids(struct jsonw *w, const char *key, const uint32_t *v, size_t n)
{
	jsonw_key(w, key);
	jsonw_open(w, '[');
	for (size_t i = 0; i < n; i++)
		jsonw_int(w, v[i]);
	jsonw_close(w, ']');
}

void idline_write(const struct example *e, enum shard_stage stage, const char *text, size_t n,
		  struct buf *out)
{
	uint32_t answers = e->n_prompt + e->n_chosen;
	struct jsonw w = { .out = out };

	jsonw_open(&w, '{');
	if (stage == SHARD_DPO) {
		write_ids(&w, "prompt", e->ids, e->n_prompt);
		write_ids(&w, "chosen", e->ids + e->n_prompt, e->n_chosen);
		write_ids(&w, "rejected", e->ids + answers, e->n_ids - answers);
	} else {
		write_ids(&w, "ids", e->ids, e->n_ids);
		jsonw_key(&w, "spans");
		jsonw_open(&w, '[');
		for (uint32_t i = 0; i < e->n_spans; i++) {
			jsonw_open(&w, '[');
			jsonw_int(&w, e->spans[i].begin);
			jsonw_int(&w, e->spans[i].end);
			jsonw_close(&w, ']');
		}
		jsonw_close(&w, ']');
	}
	if (text) {
		jsonw_key(&w, "text");
		jsonw_str(&w, text, n);
	}
	jsonw_close(&w, '}');
}
