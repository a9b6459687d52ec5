/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The library's numbers for the scripts of this folder, which build it themselves (ours.py):
 * logprobs MODEL ADAPTERS DTYPE DEVICE reads JSON lines {"ids": [...]} and prints, a line each,
 * {"logprobs": [...]}: natural log-probabilities of all ids but the first. ADAPTERS is a
 * comma-separated list, or empty; all but the last are merged. DTYPE: float32 or bfloat16.
 */
#include "adapter/adapter.h"
#include "model/pass.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct err err;

static void must(int rc)
{
	if (rc == 0)
		return;
	fprintf(stderr, "logprobs: %s\n", err.msg);
	exit(2);
}

static void score(struct model *m, const struct lora *lora, const uint32_t *ids, int n, float *logp)
{
	struct batch_limits limits = { n, 1, 1, n, n, n };
	struct pass_options o = { .limits = limits };
	struct pass p;
	struct batch b;

	for (int l = 0; lora && l < m->arch.n_layers; l++)
		if (lora->layers[l].width > o.lora_width)
			o.lora_width = lora->layers[l].width;
	must(pass_open(&p, m, &o, &err));
	batch_open(&b, &limits);
	batch_segment(&b, ids, n, -1);
	for (int i = 0; i + 1 < n; i++)
		batch_row(&b, i, ids[i + 1]);
	pass_forward(&p, &b, lora, NULL);
	pass_head(&p, &b, logp, false);
	batch_close(&b);
	pass_close(&p);
}

static void one_line(struct model *m, const struct lora *lora, const char *line)
{
	json_error_t je;
	json_t *root = json_loads(line, 0, &je), *list = json_object_get(root, "ids");
	int n = (int)json_array_size(list);
	uint32_t *ids = mem_new((size_t)n + 1, sizeof(*ids));
	float *logp = mem_new((size_t)n + 1, sizeof(*logp));

	for (int i = 0; i < n; i++) {
		json_int_t id = json_integer_value(json_array_get(list, (size_t)i));

		if (id < 0 || id >= m->arch.vocab)
			must(err_set(&err, "id %lld is none of the model's", (long long)id));
		ids[i] = (uint32_t)id;
	}
	if (n > m->n_positions)
		must(err_set(&err, "%d ids, the model has %d positions", n, m->n_positions));
	if (n > 1)
		score(m, lora, ids, n, logp);
	printf("{\"logprobs\": [");
	for (int i = 0; i + 1 < n; i++)
		printf("%s%.9g", i ? ", " : "", (double)logp[i]);
	printf("]}\n");
	json_decref(root);
	mem_free(ids);
	mem_free(logp);
}

int main(int argc, char **argv)
{
	struct adapter_list all = { 0 }, first;
	struct weight_hook hook;
	struct model_options o = { 0 };
	struct source src;
	struct model m;
	struct lora lora = { 0 };
	struct dev *dev;
	char *line = NULL;
	size_t room = 0;

	if (argc != 5)
		must(err_set(&err, "usage: logprobs MODEL ADAPTERS DTYPE DEVICE"));
	o.act = !strcmp(argv[3], "float32") ? DT_F32 : DT_BF16;
	dev = ops_open(argv[4], 0, &err);
	must(dev ? 0 : -1);
	must(source_open(&src, argv[1], &err));
	if (*argv[2])
		must(adapter_list_open(&all, argv[2], &src.arch, &err));
	first = (struct adapter_list){ all.v, all.n ? all.n - 1 : 0 };
	hook = adapter_list_hook(&first);
	o.hook = first.n ? &hook : NULL;
	must(model_open(&m, dev, &src, &o, &err));
	if (all.n)
		must(adapter_to_lora(&all.v[all.n - 1], &lora, dev, m.act, &err));
	while (getline(&line, &room, stdin) > 0)
		one_line(&m, all.n ? &lora : NULL, line);
	free(line);
	lora_close(&lora);
	model_close(&m);
	adapter_list_close(&all);
	source_close(&src);
	dev->ops->close(dev);
	return 0;
}
