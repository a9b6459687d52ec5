/* SPDX-License-Identifier: Apache-2.0 */
#include "adapter/lora_gguf.h"

#include "base/mem.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* "blk.3.attn_q.weight.lora_a" -> PEFT's name; what is none of ours keeps its own, to be refused. */
static void peft_name(const char *name, char *out, size_t n)
{
	char weight[160], ours[160];
	int layer, used = 0;

	snprintf(out, n, "%s", name);
	if (sscanf(name, "blk.%d.%n", &layer, &used) != 1 || !used)
		return;
	for (int m = 0; m < LORA_MODULES; m++) {
		size_t len;

		snprintf(weight, sizeof(weight), "model.layers.%d.%s.weight", layer,
			 lora_module_path[m]);
		source_gguf_name(weight, ours, sizeof(ours));
		len = strlen(ours);
		if (strncmp(name, ours, len))
			continue;
		if (!strcmp(name + len, ".lora_a") || !strcmp(name + len, ".lora_b"))
			snprintf(out, n, "base_model.model.model.layers.%d.%s.lora_%c.weight",
				 layer, lora_module_path[m], name[len + 6] == 'a' ? 'A' : 'B');
	}
}

static int check_kind(const struct adapter *a, const struct gguf *g, struct err *err)
{
	const char *s;
	size_t n;

	if (!gguf_get_str(g, "general.type", &s, &n) || n != 7 || memcmp(s, "adapter", 7) ||
	    !gguf_get_str(g, "adapter.type", &s, &n) || n != 4 || memcmp(s, "lora", 4))
		return err_set(err, "%s: is a GGUF file, but no LoRA adapter", a->path);
	if (!gguf_get_str(g, "general.architecture", &s, &n) ||
	    n != strlen(arch_gguf_name(a->arch)) || memcmp(s, arch_gguf_name(a->arch), n))
		return err_set(err, "%s: made for another model family than %s", a->path,
			       arch_gguf_name(a->arch));
	return 0;
}

int lora_gguf_read(struct adapter *a, struct err *err)
{
	struct gguf g;
	double alpha = 0;
	int rc;

	if (gguf_open(&g, a->path, err) < 0)
		return -1;
	rc = check_kind(a, &g, err);
	if (gguf_get_num(&g, "adapter.lora.alpha", &alpha) && !(fabs(alpha) <= 1e6) && rc == 0)
		rc = err_set(err, "%s: adapter.lora.alpha is out of range", a->path);
	a->tensors = g.t;
	g.t = (struct tensors){ 0 };
	gguf_close(&g);
	if (rc == 0 && tensors_rename(&a->tensors, peft_name, err) < 0)
		rc = err_wrap(err, "%s", a->path);
	for (size_t i = 0; i < a->tensors.n && !a->r; i++) /* the first A says the rank */
		if (strstr(a->tensors.v[i].name, ".lora_A.") && a->tensors.v[i].dims[0] <= 65536)
			a->r = (int)a->tensors.v[i].dims[0];
	a->alpha = alpha != 0 ? alpha : a->r; /* no alpha: a scale of 1 */
	a->permuted = arch_gguf_permutes(a->arch);
	return rc;
}
