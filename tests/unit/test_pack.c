/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packing as a token trie: every sequence is found again in the batch, positions, masks and loss rows
 * its own; and a step gives the same loss and gradients however it is divided into micro-batches, shared
 * or not.
 */
#include "tests/tap.h"

#include "base/mem.h"
#include "base/rng.h"
#include "train/reference.h"

static struct err err;

enum { MANY = 40 };

static uint32_t below(uint64_t seed, uint32_t stream, uint32_t index, uint32_t n)
{
	return rng_u32(seed, stream, index) % n;
}

/* Sequences over few ids, many of which begin alike. */
static void make_sequences(uint64_t seed, uint32_t ids[MANY][64], struct span spans[MANY],
			   struct sequence v[MANY])
{
	for (uint32_t s = 0; s < MANY; s++) {
		uint32_t n = 12 + below(seed, 1, s, 50);
		uint32_t from = s ? below(seed, 2, s, s) : 0;
		uint32_t alike = s ? below(seed, 3, s, v[from].n_head + v[from].n_tail) : 0;
		uint32_t head = 2 + below(seed, 4, s, n - 4);

		for (uint32_t i = 0; i < n; i++)
			ids[s][i] =
				(int)i < (int)alike ? ids[from][i] : 1 + below(seed, 100 + s, i, 5);
		spans[s] = (struct span){ head, n };
		v[s] = s % 2 ? (struct sequence){ ids[s], ids[s] + head, head, n - head, NULL, 0 }
			     : (struct sequence){ ids[s], NULL, n, 0, &spans[s], 1 };
	}
}

/* The segment that holds a token. */
static const struct attn_seg *segment_of(const struct batch *b, int token)
{
	for (int s = 0; s < b->n_segs; s++)
		if (token >= b->segs[s].q_begin && token < b->segs[s].q_end)
			return &b->segs[s];
	return NULL;
}

/* Is what the token at `row` sees the beginning of `s`, row itself being its position pos? */
static bool sees(const struct batch *b, int row, const uint32_t *s, uint32_t pos)
{
	const struct attn_seg *seg = segment_of(b, row);
	uint32_t at = 0;

	if (!seg || b->pos[row] != (int32_t)pos)
		return false;
	for (int r = seg->range_begin; r < seg->range_end; r++) {
		int end = b->ranges[r].k_end;

		if (r == seg->range_end - 1)
			end -= seg->q_end - 1 - row;
		for (int k = b->ranges[r].k_begin; k < end; k++, at++)
			if (at > pos || (uint32_t)b->ids[k] != s[at] || b->pos[k] != (int32_t)at)
				return false;
	}
	return at == pos + 1;
}

/* Packs all sequences into as many batches as it takes; how many tokens these have, -1: wrong. */
static int pack_all(const struct sequence *v, uint32_t ids[MANY][64], int tokens, bool share)
{
	struct batch_limits l = { tokens, tokens, PACK_DEPTH * tokens, tokens, tokens, tokens };
	struct batch b;
	struct pack p;
	int sum = 0, first = 0;

	batch_open(&b, &l);
	pack_open(&p, &b);
	p.share = share;
	for (int s = 0; s <= MANY; s++) {
		int row = 0;

		if (s < MANY && pack_add(&p, &v[s], 1))
			continue;
		pack_emit(&p);
		sum += b.n_tokens;
		if (b.n_tokens > tokens || b.n_rows > tokens || b.n_ranges > l.ranges)
			sum = -1;
		for (; first < s && sum >= 0; first++) {
			uint32_t n = v[first].n_head + v[first].n_tail;
			int rows = sequence_rows(&v[first]);

			for (int i = 0; i < rows; i++, row++) {
				uint32_t t = n - (uint32_t)(rows - i);

				if ((uint32_t)b.targets[row] != ids[first][t] ||
				    !sees(&b, b.rows[row], ids[first], t - 1))
					sum = -1;
			}
		}
		if (sum < 0 || s == MANY)
			break;
		pack_add(&p, &v[s], 1);
	}
	pack_close(&p);
	batch_close(&b);
	return sum;
}

static void test_structure(void)
{
	static uint32_t ids[MANY][64];
	struct span spans[MANY];
	struct sequence v[MANY];
	int right = 0, fewer = 0, runs = 0;

	for (uint64_t seed = 1; seed <= 40; seed++) {
		int all = 0, shared, plain;

		make_sequences(seed, ids, spans, v);
		for (int s = 0; s < MANY; s++)
			all += (int)(v[s].n_head + v[s].n_tail);
		for (int tokens = 64; tokens <= 2048; tokens *= 2) {
			shared = pack_all(v, ids, tokens, true);
			plain = pack_all(v, ids, tokens, false);
			right += shared > 0 && plain == all;
			fewer += shared < plain;
			runs++;
		}
	}
	check(right == runs, "every row of %d packings sees its own sequence, and no more", runs);
	check(fewer == runs, "and sharing takes fewer tokens");
	note("%d of %d right, %d smaller", right, runs, fewer);
}

static void test_alone(void)
{
	static const uint32_t a[40] = { 1 }, b[40] = { 2 };
	struct sequence v[2] = { { a, b, 20, 5, NULL, 0 }, { a, b, 20, 9, NULL, 0 } };

	check(pack_alone(v, 1, true) == 25, "one sequence");
	check(pack_alone(v, 2, false) == 54, "two, nothing shared");
	check(pack_alone(v, 2, true) == 29, "of which one is the other's beginning");
	v[1].tail = a + 1;
	check(pack_alone(v, 2, true) == 34, "two that share their prompt");
	v[0].n_head = v[1].n_head = 3;
	check(pack_alone(v, 2, true) == 20, "a short prompt is not worth a segment");
}

/* ---- through the trainer ---- */

enum { EXAMPLES = 12 };

struct data {
	struct shard shard;
	struct example v[EXAMPLES];
	uint32_t ids[EXAMPLES][80];
	struct span spans[EXAMPLES];
};

/* A system prompt that all have, questions that some have, an answer of one's own. */
static void make_data(struct data *d, bool dpo)
{
	memset(d, 0, sizeof(*d));
	for (uint32_t e = 0; e < EXAMPLES; e++) {
		uint32_t question = 20 + below(5, 1, e / 3, 12), n = question,
			 answers = dpo ? 2 : 1;

		for (uint32_t i = 0; i < n; i++)
			d->ids[e][i] = 1 + below(7, i < 20 ? 1 : 2 + e / 3, i, 200);
		for (uint32_t k = 0; k < answers; k++) {
			uint32_t length = 3 + below(9, k, e, 15);

			for (uint32_t i = 0; i < length; i++)
				d->ids[e][n + i] = 1 + below(11 + k, e, i, 200);
			if (!k)
				d->v[e].n_chosen = length;
			n += length;
		}
		d->spans[e] = (struct span){ question, n };
		d->v[e].ids = d->ids[e];
		d->v[e].n_ids = n;
		d->v[e].n_prompt = dpo ? question : 0;
		d->v[e].spans = dpo ? NULL : &d->spans[e];
		d->v[e].n_spans = dpo ? 0 : 1;
	}
	d->shard.info.stage = dpo ? SHARD_DPO : SHARD_SFT;
	d->shard.v = d->v;
	d->shard.n = EXAMPLES;
}

/* One way to compute a step. */
struct way {
	bool share, bf16;
	int micro_tokens;
	int batch; /* examples; the step is as many of them as there are */
};

static void load_config(struct config *c, const char *model, bool dpo, const struct way *way)
{
	char *own = mem_printf("model_name_or_path=%s", golden(model));
	char *batch = mem_printf("per_device_train_batch_size=%d", way->batch);
	char *steps = mem_printf("gradient_accumulation_steps=%d", EXAMPLES / way->batch);
	const char *const overrides[] = { own,
					  batch,
					  steps,
					  way->share ? "share_prefixes=true"
						     : "share_prefixes=false",
					  way->bf16 ? "bf16=true" : "bf16=false",
					  "lora_rank=4",
					  "num_train_epochs=1",
					  "disable_shuffling=true",
					  dpo ? "stage=dpo" : "stage=sft" };
	struct buf problems = { 0 };

	if (config_load(c, dpo ? CONFIG_DPO : CONFIG_SFT, NULL, overrides,
			sizeof(overrides) / sizeof(*overrides), &problems, &err) < 0)
		note("%s", problems.n ? problems.p : err.msg);
	buf_free(&problems);
	mem_free(own);
	mem_free(batch);
	mem_free(steps);
}

struct outcome {
	double loss;
	float *grad;
	size_t n;
	uint64_t computed;
};

/* Loss and gradients of the whole data as one step. */
static bool one_step(const char *device, const char *model, struct data *d, bool dpo,
		     const struct way *way, struct outcome *o)
{
	struct trainer_options to = { .device = device, .micro_tokens = way->micro_tokens };
	struct config c = { 0 };
	struct metrics m;
	struct trainer t;
	bool ok;

	load_config(&c, model, dpo, way);
	ok = trainer_open(&t, &c, dpo ? &objective_dpo : &objective_sft, &d->shard, &to, &err) ==
		     0 &&
	     (!dpo || reference_open(&t, NULL, &err) == 0);
	if (ok) {
		for (size_t i = 0; i < t.lora.n; i++) /* host back ends: it is ours */
			t.lora.p[i] = 0.05f * sinf((float)(i % 1009) * 1.7f);
		lora_refresh(&t.lora);
		ok = trainer_gradients(&t, &m, &err) == 0;
		*o = (struct outcome){ m.loss, mem_new(t.lora.n, sizeof(float)), t.lora.n,
				       m.n_computed };
		memcpy(o->grad, t.lora.grad, t.lora.n * sizeof(float));
		trainer_close(&t);
	}
	config_close(&c);
	return ok;
}

/* How far a loss, and gradients as vectors, may lie from those of the undivided step. In bf16 what is
 * summed in another order is rounded to other numbers of 8 bits. */
static const struct {
	const char *name;
	double loss, grad;
} bounds[] = { { "fp32", 1e-6, 1e-6 }, { "bf16", 1e-3, 2e-2 } };

static void test_steps(const char *device, const char *model, bool dpo, bool bf16)
{
	static const int sizes[] = { 4096, 600, 300, 200, 150, 100, 1 };
	static const int batches[] = { 12, 4, 1 };
	const struct way undivided = { false, bf16, 4096, EXAMPLES };
	struct outcome plain = { 0 }, o;
	double loss = 0, grad = 0, size = 0;
	uint64_t fewest = UINT64_MAX;
	struct data *d = mem_new(1, sizeof(*d));
	/* Of the 42 ways, as many as the back end's speed allows: all sizes and batches with cpu. */
	int stride = !strcmp(device, "ref") ? 13 : bf16 || strcmp(device, "cpu") ? 5 : 3, n = 0;
	bool ok;

	make_data(d, dpo);
	ok = one_step(device, model, d, dpo, &undivided, &plain);
	for (size_t i = 0; ok && i < plain.n; i++)
		size += (double)plain.grad[i] * plain.grad[i];
	for (int i = 0; i < 2 * 7 * 3 && ok; i += stride) {
		const struct way way = { i % 2, bf16, sizes[i / 2 % 7], batches[i / 14] };
		double sum = 0;

		ok = one_step(device, model, d, dpo, &way, &o);
		loss = fmax(loss, fabs(o.loss / plain.loss - 1));
		for (size_t k = 0; ok && k < o.n; k++)
			sum += ((double)o.grad[k] - plain.grad[k]) *
			       ((double)o.grad[k] - plain.grad[k]);
		grad = fmax(grad, sqrt(sum / size));
		fewest = o.computed < fewest ? o.computed : fewest;
		mem_free(o.grad);
		n++;
	}
	mem_free(plain.grad);
	mem_free(d);
	check(ok && size > 1e-8 && loss < bounds[bf16].loss && grad < bounds[bf16].grad,
	      "%s of %s in %s on %s: loss and gradients of %d divisions of a step",
	      dpo ? "DPO" : "SFT", model, bounds[bf16].name, device, n);
	note("off by %.2g and, as vectors, %.2g; %llu tokens computed at least, %llu unshared",
	     loss, grad, (unsigned long long)fewest, (unsigned long long)plain.computed);
	check(ok && fewest * 3 < plain.computed * 2, "a third less is computed, or better");
}

int main(void)
{
	test_structure();
	test_alone();
	for (const char *const *d = ops_names(); *d; d++) {
		for (int bf16 = 0; bf16 < 2; bf16++) {
			test_steps(*d, "hf_tiny/qwen2", false, bf16);
			test_steps(*d, "hf_tiny/qwen2", true, bf16);
			if (!bf16)
				test_steps(*d, "hf_tiny/qwen3_hd32", false, bf16);
		}
	}
	return tap_done();
}
