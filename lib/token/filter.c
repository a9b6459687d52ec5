/* SPDX-License-Identifier: Apache-2.0 */
#include "token/filter.h"

#include "base/jsonw.h"
#include "base/line.h"
#include "base/relay.h"
#include "token/vocab.h"

#include <string.h>

/* Turns one parsed line into one line of output. */
typedef int line_fn(const struct token *t, const json_t *o, bool skip_special, struct ids *ids,
		    struct buf *out, struct err *err);

static void put_ids(const struct ids *ids, struct buf *out)
{
	buf_str(out, "{\"ids\":[");
	buf_reserve(out, 11 * ids->n + 8);
	for (size_t i = 0; i < ids->n; i++) {
		char digits[10];
		uint32_t x = ids->v[i];
		size_t k = sizeof(digits);

		do
			digits[--k] = (char)('0' + x % 10);
		while (x /= 10);
		if (i)
			out->p[out->n++] = ',';
		memcpy(out->p + out->n, digits + k, sizeof(digits) - k);
		out->n += sizeof(digits) - k;
	}
	buf_str(out, "]}\n");
}

static int line_ids(const struct token *t, const json_t *o, bool skip_special, struct ids *ids,
		    struct buf *out, struct err *err)
{
	const json_t *text = json_object_get(o, "text");

	(void)skip_special;
	if (!json_is_string(text))
		return err_set(err, "no \"text\" that is a string");
	if (token_encode(t, json_string_value(text), json_string_length(text), TOKEN_SPECIAL, ids,
			 err) < 0)
		return -1;
	put_ids(ids, out);
	return 0;
}

static int line_decode(const struct token *t, const json_t *o, bool skip_special, struct ids *ids,
		       struct buf *out, struct err *err)
{
	const json_t *list = json_object_get(o, "ids"), *x;
	struct jsonw w = { .out = out };
	struct buf text = { 0 };
	size_t i;

	if (!json_is_array(list))
		return err_set(err, "no \"ids\" that is an array");
	json_array_foreach(list, i, x)
	{
		json_int_t id = json_is_integer(x) ? json_integer_value(x) : -1;

		if (id < 0 || id > UINT32_MAX)
			return err_set(err, "element %zu of \"ids\" is not a token id", i);
		ids_push(ids, (uint32_t)id);
	}
	token_decode(t, ids->v, ids->n, skip_special, &text);
	buf_str(out, "{\"text\":");
	jsonw_str(&w, text.p, text.n);
	buf_str(out, "}\n");
	buf_free(&text);
	return 0;
}

/* One JSON object; the message never quotes the line, which may be long. */
static json_t *parse(const char *line, size_t n, struct err *err)
{
	json_error_t je;
	json_t *o = json_loadb(line, n, JSON_ALLOW_NUL, &je);
	char *near = o ? NULL : strstr(je.text, " near '");

	if (near)
		*near = 0;
	if (!o)
		err_set(err, "column %d: %s", je.column, je.text);
	else if (!json_is_object(o)) {
		err_set(err, "not a JSON object");
		json_decref(o);
		o = NULL;
	}
	return o;
}

struct filter {
	const struct token *t;
	bool skip_special;
	line_fn *fn;
	struct line line;
	struct out *out;
};

struct item {
	struct buf in, text;
	struct ids ids;
	size_t number;
	int rc;
	struct err err;
};

static int fill(void *arg, void *item, size_t *bytes, struct err *err)
{
	struct filter *f = arg;
	struct item *i = item;
	int rc = line_next(&f->line, err);

	if (rc != 1)
		return rc;
	buf_reset(&i->in);
	buf_add(&i->in, f->line.text.p, f->line.text.n);
	i->number = f->line.number;
	*bytes = i->in.n;
	return 1;
}

static void work(void *arg, void *item)
{
	const struct filter *f = arg;
	struct item *i = item;
	json_t *o = parse(i->in.p, i->in.n, &i->err);

	i->ids.n = 0;
	buf_reset(&i->text);
	i->rc = o ? f->fn(f->t, o, f->skip_special, &i->ids, &i->text, &i->err) : -1;
	json_decref(o);
}

static int drain(void *arg, void *item, struct err *err)
{
	const struct filter *f = arg;
	struct item *i = item;

	if (i->rc == 0)
		return out_write(f->out, i->text.p, i->text.n, err);
	*err = i->err;
	return err_wrap(err, "standard input:%zu", i->number);
}

static void release(void *item)
{
	struct item *i = item;

	buf_free(&i->in);
	buf_free(&i->text);
	ids_free(&i->ids);
}

static int filter(struct filter *f, int threads, struct err *err)
{
	struct relay relay = { .arg = f,
			       .size = sizeof(struct item),
			       .threads = threads,
			       .fill = fill,
			       .work = work,
			       .drain = drain,
			       .release = release };
	int rc = relay_run(&relay, err);

	line_free(&f->line);
	return rc;
}

int token_filter_ids(const struct token *t, FILE *in, struct out *out, int threads, struct err *err)
{
	struct filter f = { .t = t, .fn = line_ids, .line = { .in = in }, .out = out };

	return filter(&f, threads, err);
}

int token_filter_decode(const struct token *t, FILE *in, struct out *out, bool skip_special,
			int threads, struct err *err)
{
	struct filter f = { .t = t,
			    .skip_special = skip_special,
			    .fn = line_decode,
			    .line = { .in = in },
			    .out = out };

	return filter(&f, threads, err);
}
