/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Nothing is computed below the lowest trained input: the operations of a backward pass are counted
 * through a table of ops of our own, for an adapter on one module of one layer; and its gradient is
 * the one that a pass through the whole model gives.
 */
#include "tests/tap.h"

#include "base/mem.h"
#include "train/reference.h"

static struct err err;

enum { LENGTH = 24, EXAMPLES = 3 };

/* ---- ops that count ---- */

static const struct ops *real;

static struct {
	int linear, attention, ffn, norm, adapter;
} count;

static void count_linear_bwd(struct dev *d, struct mat dx, struct mat dy, const struct weight *w)
{
	count.linear++;
	real->linear_bwd(d, dx, dy, w);
}

static void count_attn_bwd(struct dev *d, struct mat dq, struct mat dk, struct mat dv,
			   struct mat dout, struct mat o, struct mat q, struct mat k, struct mat v,
			   const float *lse, const struct attn_shape *s)
{
	count.attention++;
	real->attn_bwd(d, dq, dk, dv, dout, o, q, k, v, lse, s);
}

static void count_swiglu_bwd(struct dev *d, struct mat dgate, struct mat dup, struct mat dy,
			     struct mat gate, struct mat up)
{
	count.ffn++;
	real->swiglu_bwd(d, dgate, dup, dy, gate, up);
}

static void count_rmsnorm_bwd(struct dev *d, struct mat dx, struct mat dy, struct mat x,
			      int n_heads, const float *rstd, const float *w)
{
	count.norm++;
	real->rmsnorm_bwd(d, dx, dy, x, n_heads, rstd, w);
}

/* Gradients of A, which take the transposed gradient of A x: one a group that is trained. */
static void count_gemm(struct dev *d, struct mat c, struct mat a, bool ta, struct mat b, bool tb,
		       float alpha, float beta)
{
	count.adapter += ta && beta == 1;
	real->gemm(d, c, a, ta, b, tb, alpha, beta);
}

/* ---- the model ---- */

static void make_shard(struct shard *s, bool dpo)
{
	static uint32_t ids[EXAMPLES][LENGTH];
	static struct example v[EXAMPLES];
	static const struct span span = { 5, LENGTH };

	memset(s, 0, sizeof(*s));
	for (uint32_t e = 0; e < EXAMPLES; e++) {
		for (uint32_t i = 0; i < LENGTH; i++)
			ids[e][i] = 1 + (e * 37 + i * 11) % 300;
		v[e] = dpo ? (struct example){ ids[e], LENGTH, NULL, 0, 9, 8 }
			   : (struct example){ ids[e], LENGTH, &span, 1, 0, 0 };
	}
	s->info.stage = dpo ? SHARD_DPO : SHARD_SFT;
	s->v = v;
	s->n = EXAMPLES;
}

static void load_config(struct config *c, const char *model, bool dpo)
{
	char *own = mem_printf("model_name_or_path=%s", golden(model));
	const char *const overrides[] = { own, "lora_rank=4", dpo ? "stage=dpo" : "stage=sft" };
	struct buf problems = { 0 };

	check(config_load(c, dpo ? CONFIG_DPO : CONFIG_SFT, NULL, overrides, 3, &problems, &err) ==
		      0,
	      "configuration");
	buf_free(&problems);
	mem_free(own);
}

/* Adapters on all modules, of which only one is not 0. */
static void fill(struct lora *l, int layer, enum lora_module m, const float *a, const float *b)
{
	lora_init(l, 1);
	lora_set(l, layer, m, a, b);
	lora_refresh(l);
}

/* The adapter becomes one on this module alone. */
static int only(struct trainer *t, int layer, enum lora_module m)
{
	int rank[8][LORA_MODULES] = { { 0 } };
	float scale[8][LORA_MODULES];
	const struct lora_spec spec = { rank, scale, 0 };

	for (int i = 0; i < 8; i++)
		for (int k = 0; k < LORA_MODULES; k++)
			scale[i][k] = t->lora.layers[0].scale[k];
	rank[layer][m] = 4;
	lora_close(&t->lora);
	if (lora_open(&t->lora, t->dev, &t->model.arch, &spec, t->model.act, &err) < 0)
		return -1;
	return lora_train(&t->lora, &err);
}

/* Gradients of A and B of the module, one behind the other, from the heap; *n of them. */
static float *gradient(struct trainer *t, int layer, enum lora_module m, size_t *n)
{
	size_t a = 4 * (size_t)lora_in(t->lora.arch, lora_group_of[m]),
	       b = 4 * (size_t)lora_out(t->lora.arch, m);
	float *g = mem_new(a + b, sizeof(*g));
	struct metrics metrics;

	*n = a + b;
	memset(&count, 0, sizeof(count));
	if (trainer_gradients(t, &metrics, &err) == 0)
		lora_get(&t->lora, t->lora.grad, layer, m, g, g + a);
	return g;
}

/* A backward pass with qk_norm has two more norms an attention. */
static void check_counts(const struct trainer *t, int layer, enum lora_module m, const char *what)
{
	int above = t->model.arch.n_layers - 1 - layer, group = (int)lora_group_of[m];
	int ffn = above + (group <= GROUP_GATE_UP), attention = above + (group == GROUP_QKV);
	/* the head's, as with products; two a layer, and that before the attention where it is gone through */
	int norm = 1 + 2 * above + (group <= GROUP_O) + (t->model.arch.qk_norm ? 2 * attention : 0);

	check(count.linear == 1 + 4 * above + GROUP_DOWN - group && count.attention == attention &&
		      count.ffn == ffn && count.norm == norm,
	      "%s: nothing below it", what);
	note("%d products, %d attentions, %d SwiGLUs, %d norms backward", count.linear,
	     count.attention, count.ffn, count.norm);
	check(count.adapter == 2, "%s: gradients of its A and B, and no other", what);
}

static void test_module(struct trainer *t, int layer, enum lora_module m, const char *name)
{
	size_t n_a = 4 * (size_t)lora_in(t->lora.arch, lora_group_of[m]),
	       n_b = 4 * (size_t)lora_out(t->lora.arch, m), n;
	float *a = mem_new(n_a, sizeof(*a)), *b = mem_new(n_b, sizeof(*b)), *whole, *part;
	char *what = mem_printf("%s, layer %d, %s", name, layer, lora_module_path[m]);
	double off = 0, size = 0;

	for (size_t i = 0; i < n_a; i++)
		a[i] = 0.05f * sinf((float)i * 1.7f);
	for (size_t i = 0; i < n_b; i++)
		b[i] = 0.05f * sinf((float)i * 1.3f);
	fill(&t->lora, layer, m, a, b);
	whole = gradient(t, layer, m, &n);
	if (check(only(t, layer, m) == 0, "%s: an adapter", what)) {
		lora_set(&t->lora, layer, m, a, b);
		lora_refresh(&t->lora);
		part = gradient(t, layer, m, &n);
		for (size_t i = 0; i < n; i++) {
			off += ((double)part[i] - whole[i]) * ((double)part[i] - whole[i]);
			size += (double)whole[i] * whole[i];
		}
		check(size > 1e-12 && sqrt(off / size) < 1e-6, "%s: the gradient of the whole pass",
		      what);
		check_counts(t, layer, m, what);
		mem_free(part);
	}
	mem_free(whole);
	mem_free(what);
	mem_free(a);
	mem_free(b);
}

static void test_model(const char *device, const char *model, bool dpo)
{
	static const enum lora_module modules[] = { LORA_V, LORA_O, LORA_UP, LORA_DOWN };
	const struct trainer_options to = { .device = device };
	char *name = mem_printf("%s of %s on %s", dpo ? "DPO" : "SFT", model, device);
	struct ops counting;
	struct shard shard;

	make_shard(&shard, dpo);
	for (int i = 0; i < 8; i++) {
		struct config c = { 0 };
		struct trainer t;

		load_config(&c, model, dpo);
		if (check(trainer_open(&t, &c, dpo ? &objective_dpo : &objective_sft, &shard, &to,
				       &err) == 0 &&
				  (!dpo || reference_open(&t, NULL, &err) == 0),
			  "%s", name)) {
			real = t.dev->ops;
			counting = *real;
			counting.linear_bwd = count_linear_bwd;
			counting.attn_bwd = count_attn_bwd;
			counting.swiglu_bwd = count_swiglu_bwd;
			counting.rmsnorm_bwd = count_rmsnorm_bwd;
			counting.gemm = count_gemm;
			t.dev->ops = &counting;
			test_module(&t, t.model.arch.n_layers - 1 - i / 4, modules[i % 4], name);
			t.dev->ops = real;
			trainer_close(&t);
		}
		config_close(&c);
	}
	mem_free(name);
}

int main(void)
{
	for (const char *const *d = ops_names(); *d; d++) {
		test_model(*d, "hf_tiny/qwen2", false);
		test_model(*d, "hf_tiny/qwen2", true);
	}
	test_model("plain", "hf_tiny/qwen3_hd32", false);
	return tap_done();
}
