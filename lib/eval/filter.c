/* SPDX-License-Identifier: Apache-2.0 */
#include "eval/filter.h"

#include "base/line.h"

#include <jansson.h>
#include <math.h>
#include <string.h>

/* The message never quotes the line, which may be long. */
static int parse(const char *line, size_t n, struct ids *ids, struct err *err)
{
	json_error_t je;
	json_t *o = json_loadb(line, n, JSON_REJECT_DUPLICATES, &je), *list, *x;
	char *near = o ? NULL : strstr(je.text, " near '");
	size_t i;
	int rc = 0;

	if (near)
		*near = 0;
	if (!o)
		return err_set(err, "column %d: %s", je.column, je.text);
	list = json_object_get(o, "ids");
	if (!json_is_array(list))
		rc = err_set(err, "no \"ids\" that is an array");
	else if (!json_array_size(list))
		rc = err_set(err, "\"ids\" is empty");
	json_array_foreach(list, i, x)
	{
		json_int_t id = json_is_integer(x) ? json_integer_value(x) : -1;

		if (id < 0 || id > UINT32_MAX) {
			rc = err_set(err, "element %zu of \"ids\" is not a token id", i);
			break;
		}
		ids_push(ids, (uint32_t)id);
	}
	json_decref(o);
	return rc;
}

static int answer(struct engine *e, const struct ids *ids, struct buf *text, struct err *err)
{
	float *logp = mem_new(ids->n, sizeof(*logp));
	int rc = engine_logprobs(e, ids->v, ids->n, false, logp, err);

	buf_str(text, "{\"logprobs\":[null");
	for (size_t i = 1; i < ids->n && rc == 0; i++) {
		buf_printf(text, ",%.9g", (double)logp[i]);
		if (!isfinite(logp[i]))
			rc = err_kind(err, ERR_NUMERIC, "the log-probability of element %zu is %g",
				      i, (double)logp[i]);
	}
	buf_str(text, "]}\n");
	mem_free(logp);
	return rc;
}

int eval_filter_logprobs(struct engine *e, FILE *in, struct out *out, struct err *err)
{
	struct ids ids = { 0 };
	struct buf text = { 0 };
	struct line line = { .in = in };
	int rc;

	while ((rc = line_next(&line, err)) > 0) {
		ids.n = 0;
		buf_reset(&text);
		if (parse(line.text.p, line.text.n, &ids, err) < 0 ||
		    answer(e, &ids, &text, err) < 0)
			rc = err_wrap(err, "standard input:%zu", line.number);
		else
			rc = out_write(out, text.p, text.n, err);
		if (rc < 0)
			break;
	}
	line_free(&line);
	ids_free(&ids);
	buf_free(&text);
	return rc;
}
