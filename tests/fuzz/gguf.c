/* SPDX-License-Identifier: Apache-2.0 */
/* A GGUF file as a model: metadata of every type, the architecture, tensors in torch's order. Every
 * byte that the reader promises is read. */
#include "tests/fuzz/fuzz.h"

#include "model/source.h"

static void read_value(const struct gguf *g, const struct gguf_value *v)
{
	volatile size_t sink = 0;
	const unsigned char *at = v->p;
	int64_t i;
	double x;
	bool b;
	const char *s;
	size_t n;

	fuzz_must(gguf_get(g, v->key) != NULL, "a key is found");
	gguf_get_int(g, v->key, &i);
	gguf_get_num(g, v->key, &x);
	gguf_get_bool(g, v->key, &b);
	if (gguf_get_str(g, v->key, &s, &n) && n)
		sink += (unsigned char)s[n - 1];
	if (v->type != GGUF_ARR)
		return;
	sink += (size_t)gguf_arr_i32(v, 0) + (size_t)gguf_arr_i32(v, v->count);
	for (uint64_t k = 0; v->elem == GGUF_STR && k < v->count; k++) {
		gguf_next_str(&at, &s, &n);
		sink += n ? (unsigned char)s[n - 1] : 0;
	}
	(void)sink;
}

static void read_tensors(const struct tensors *t)
{
	volatile unsigned char sink = 0;

	for (size_t i = 0; i < t->n; i++)
		for (size_t k = 0; k < t->v[i].bytes; k++)
			sink ^= t->v[i].data[k];
	(void)sink;
}

static void as_model(const struct source *s)
{
	const struct arch *a = &s->arch;
	struct source_tensor t;
	struct err err = { 0 };

	if (source_get(s, "model.embed_tokens.weight", a->vocab, a->hidden, &t, &err) < 0)
		fuzz_failed(&err);
	source_tensor_free(&t);
	if (source_get(s, "model.layers.0.self_attn.q_proj.weight", a->n_heads * a->head_size,
		       a->hidden, &t, &err) < 0)
		fuzz_failed(&err);
	source_tensor_free(&t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *path = fuzz_file("model.gguf", (struct part){ data, size });
	struct gguf g;
	struct source s;
	struct err err = { 0 };

	if (gguf_open(&g, path, &err) < 0) {
		fuzz_failed(&err);
		return 0;
	}
	for (size_t i = 0; i < g.n_kv; i++)
		read_value(&g, &g.kv[i]);
	read_tensors(&g.t);
	gguf_close(&g);
	if (source_open(&s, path, &err) < 0) {
		fuzz_failed(&err);
		return 0;
	}
	as_model(&s);
	source_close(&s);
	return 0;
}
