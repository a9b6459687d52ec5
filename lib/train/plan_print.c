/* SPDX-License-Identifier: Apache-2.0 */
#include "base/jsonw.h"
#include "train/plan.h"

#include <string.h>

/* Bytes of the group that row i is the first of; 0: another is. */
static size_t group_sum(const struct plan *p, int i)
{
	size_t sum = 0;

	for (int k = 0; k < p->n; k++) {
		bool same = !strcmp(p->rows[k].group, p->rows[i].group);

		if (same && k < i)
			return 0;
		sum += same ? p->rows[k].bytes : 0;
	}
	return sum;
}

static void row(FILE *f, const char *name, size_t bytes)
{
	fprintf(f, "%-36s %10.2f MB\n", name, (double)bytes / 1e6);
}

void plan_print(const struct plan *p, FILE *f)
{
	char name[128];
	size_t sum;

	fprintf(f, "micro-batch: %d tokens", p->pass.limits.tokens);
	if (p->pass.recompute > p->pass.first_layer)
		fprintf(f, "; %d of %d layers are computed again", p->pass.recompute, p->n_layers);
	fprintf(f, "\n");
	for (int i = 0; i < p->n; i++) {
		snprintf(name, sizeof(name), "%s.%s", p->rows[i].group, p->rows[i].name);
		row(f, name, p->rows[i].bytes);
	}
	fprintf(f, "\n");
	for (int i = 0; i < p->n; i++)
		if ((sum = group_sum(p, i)))
			row(f, p->rows[i].group, sum);
	row(f, "total", p->total);
	row(f, "limit", p->limit);
}

void plan_print_json(const struct plan *p, FILE *f)
{
	struct buf text = { 0 };
	struct jsonw w = { .out = &text };
	size_t sum;

	jsonw_open(&w, '{');
	jsonw_kint(&w, "micro_batch_tokens", p->pass.limits.tokens);
	jsonw_kint(&w, "layers", p->n_layers);
	jsonw_kint(&w, "layers_recomputed", p->pass.recompute - p->pass.first_layer);
	jsonw_key(&w, "buffers");
	jsonw_open(&w, '[');
	for (int i = 0; i < p->n; i++) {
		jsonw_open(&w, '{');
		jsonw_kstr(&w, "group", p->rows[i].group);
		jsonw_kstr(&w, "name", p->rows[i].name);
		jsonw_kint(&w, "bytes", (int64_t)p->rows[i].bytes);
		jsonw_close(&w, '}');
	}
	jsonw_close(&w, ']');
	jsonw_key(&w, "groups");
	jsonw_open(&w, '{');
	for (int i = 0; i < p->n; i++)
		if ((sum = group_sum(p, i)))
			jsonw_kint(&w, p->rows[i].group, (int64_t)sum);
	jsonw_close(&w, '}');
	jsonw_kint(&w, "total_bytes", (int64_t)p->total);
	jsonw_kint(&w, "limit_bytes", (int64_t)p->limit);
	jsonw_close(&w, '}');
	fprintf(f, "%s\n", text.p);
	buf_free(&text);
}
