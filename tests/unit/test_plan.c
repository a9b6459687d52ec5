/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The memory plan: what is asked for is what it says, nothing is asked for after it, the number of
 * layers that are computed again changes no bit, and what memory there is to have.
 */
#include "tests/random_model.h"
#include "tests/tap.h"

#include "base/fault.h"
#include "base/sysmem.h"
#include "train/trainer.h"

#include <malloc.h>

#define VOCAB 300
#define STEPS 3

static struct err err;
static char dir[] = "/tmp/anekdot-test-XXXXXX";

/* Sixteen examples that begin alike, of 20 to 50 tokens. */
static void make_shard(struct shard *s, bool dpo)
{
	memset(s, 0, sizeof(*s));
	s->info.stage = dpo ? SHARD_DPO : SHARD_SFT;
	s->v = mem_new(16, sizeof(*s->v));
	for (uint32_t i = 0; i < 16; i++) {
		struct example *e = &s->v[s->n++];
		uint32_t n = 20 + i * 2, *ids = arena_new(&s->arena, n, sizeof(*ids));
		struct span *span = arena_new(&s->arena, 1, sizeof(*span));

		for (uint32_t k = 0; k < n; k++)
			ids[k] = k < 10 ? k : (k * 7 + i * 31) % VOCAB;
		*span = (struct span){ 12, n };
		*e = (struct example){ .ids = ids, .n_ids = n };
		if (dpo) {
			e->n_prompt = 12;
			e->n_chosen = 4;
		} else {
			e->spans = span;
			e->n_spans = 1;
		}
		s->info.n_tokens += n;
		s->info.n_spans += e->n_spans;
	}
}

static void free_shard(struct shard *s)
{
	arena_free(&s->arena);
	mem_free(s->v);
}

static void load(struct config *c, bool dpo, bool bf16, const char *more)
{
	char *model = mem_printf("model_name_or_path=%s", dir);
	const char *const overrides[] = { model,
					  dpo ? "stage=dpo" : "stage=sft",
					  bf16 ? "bf16=true" : "bf16=false",
					  "lora_rank=4",
					  "per_device_train_batch_size=2",
					  "gradient_accumulation_steps=2",
					  "learning_rate=0.01",
					  "max_steps=9",
					  more };
	struct buf problems = { 0 };

	if (config_load(c, dpo ? CONFIG_DPO : CONFIG_SFT, NULL, overrides,
			sizeof(overrides) / sizeof(*overrides), &problems, &err) < 0)
		note("%s", problems.n ? problems.p : err.msg);
	buf_free(&problems);
	mem_free(model);
}

struct run {
	struct config c;
	struct shard s;
	struct trainer t;
};

static bool open_run(struct run *r, bool dpo, bool bf16, const char *more,
		     const struct trainer_options *o)
{
	memset(r, 0, sizeof(*r));
	make_shard(&r->s, dpo);
	load(&r->c, dpo, bf16, more);
	if (trainer_open(&r->t, &r->c, dpo ? &objective_dpo : &objective_sft, &r->s, o, &err) < 0)
		return check(false, "%s: %s", o->device, err.msg);
	if (dpo && !r->t.reference)
		r->t.reference = mem_new(2 * r->s.n, sizeof(*r->t.reference));
	return true;
}

static void close_run(struct run *r)
{
	trainer_close(&r->t);
	config_close(&r->c);
	free_shard(&r->s);
}

static void steps(struct run *r, int n)
{
	struct metrics m;
	double norm, lr;

	for (int i = 0; i < n; i++)
		if (trainer_step(&r->t, &m, &norm, &lr, &err) < 0)
			check(false, "step: %s", err.msg);
}

/* The adapter after some steps, with `again` layers computed again. */
static float *trained(const char *device, bool bf16, const char *more, int again, size_t *n)
{
	struct trainer_options o = { .device = device, .recompute = again, .micro_tokens = 64 };
	struct run r;
	float *p;

	if (!open_run(&r, false, bf16, more, &o))
		return NULL;
	check(r.t.plan.pass.recompute == again, "%s: %d layers are computed again", device, again);
	steps(&r, STEPS);
	*n = r.t.lora.n;
	p = mem_new(*n, sizeof(*p));
	memcpy(p, r.t.lora.p, *n * sizeof(*p)); /* host back ends: it is ours */
	close_run(&r);
	return p;
}

static void test_recompute(const char *device, bool bf16, const char *more)
{
	size_t n = 0, other = 0;
	float *want = trained(device, bf16, more, 0, &n);

	for (int again = 2; again <= 4; again += 2) {
		float *got = trained(device, bf16, more, again, &other);

		check(want && got && n == other && !memcmp(want, got, n * sizeof(*got)),
		      "%s, %s, %s: the same bits with %d of 5 layers computed again", device,
		      bf16 ? "bf16" : "fp32", more, again);
		mem_free(got);
	}
	mem_free(want);
}

/* An adapter on the topmost layers only: what lies below is not kept, and the gradient is the same. */
static void test_lowest(const char *device)
{
	struct trainer_options o = { .device = device };
	struct pass_options po;
	struct run r;
	struct metrics m;
	float *want;
	size_t kept, n;

	if (!open_run(&r, false, false, "lora_dropout=0", &o))
		return;
	r.t.lora.first_layer = 3; /* gradients of those below are not asked for */
	trainer_gradients(&r.t, &m, &err);
	n = r.t.lora.n;
	want = mem_new(n, sizeof(*want));
	memcpy(want, r.t.lora.grad, n * sizeof(*want));
	kept = pass_bytes(&r.t.pass);
	po = r.t.pass.o;
	pass_close(&r.t.pass);
	po.first_layer = 3;
	check(pass_open(&r.t.pass, &r.t.model, &po, &err) == 0, "%s: a pass from layer 3 on",
	      device);
	check(r.t.pass.o.recompute == 3 && pass_bytes(&r.t.pass) < kept,
	      "%s: it keeps less than one from the first layer on", device);
	trainer_gradients(&r.t, &m, &err);
	check(!memcmp(want, r.t.lora.grad, n * sizeof(*want)), "%s: and has the same gradients",
	      device);
	mem_free(want);
	close_run(&r);
}

/* No op within the plan and no step asks for memory. */
static void test_quiet(const char *device, bool dpo, bool bf16)
{
	struct trainer_options o = { .device = device, .recompute = 1 };
	struct run r;
	long before;

	if (!open_run(&r, dpo, bf16, "lora_dropout=0.1", &o))
		return;
	fault_wanted = true; /* counts */
	before = fault_calls(FAULT_MEMORY);
	steps(&r, 1 + STEPS);
	check(fault_calls(FAULT_MEMORY) == before, "%s, %s, %s: %ld allocations in %d steps",
	      device, dpo ? "dpo" : "sft", bf16 ? "bf16" : "fp32",
	      fault_calls(FAULT_MEMORY) - before, 1 + STEPS);
	fault_wanted = false;
	close_run(&r);
}

static size_t group_bytes(const struct plan *p, const char *group)
{
	size_t sum = 0;

	for (int i = 0; i < p->n; i++)
		sum += strcmp(p->rows[i].group, group) ? 0 : p->rows[i].bytes;
	return sum;
}

static size_t heap(void)
{
	return mallinfo2().uordblks + mallinfo2().hblkhd;
}

/* What oneDNN keeps of its own for the shapes of its bf16 products: 1.9 MB were seen. */
#define LIBRARY 2500000

/* The heap grows by what the plan says of everything but the program: the back end's own state. */
static void test_sum(const char *device, bool bf16)
{
	struct trainer_options o = { .device = device };
	size_t grown = heap(), own, want, sum = 0;
	struct dev *d = ops_open(device, 0, &err);
	struct run r;

	own = heap() - grown;
	d->ops->close(d);
	grown = heap();
	if (!open_run(&r, false, bf16, "lora_dropout=0", &o))
		return;
	steps(&r, 1);
	grown = heap() - grown - own;
	for (int i = 0; i < r.t.plan.n; i++)
		sum += r.t.plan.rows[i].bytes;
	check(sum == r.t.plan.total, "%s: the rows of the plan are its total", device);
	want = sum - group_bytes(&r.t.plan, "program");
	note("%s, %s: plan %.3f MB, heap %.3f MB", device, bf16 ? "bf16" : "fp32",
	     (double)want / 1e6, (double)grown / 1e6);
#ifndef __SANITIZE_ADDRESS__
	/* Beside it: configuration and shard, whose arena has blocks of 64 kB. */
	check(grown > want - want / 50 &&
		      grown < want + want / 50 + 100000 +
				      (bf16 && !strcmp(device, "cpu") ? LIBRARY : 0),
	      "%s: and what the heap grew by", device);
#endif
	close_run(&r);
}

/* A refusal says what would fit, and that does. */
static void test_refusal(void)
{
	struct trainer_options o = { .device = "ref", .plan_only = true };
	struct run r;
	double limit;

	if (!open_run(&r, false, false, "lora_dropout=0", &o))
		return;
	limit = (double)r.t.plan.total * 0.5 / 1e9;
	close_run(&r);
	o.memory_limit_gb = limit * 1e-3;
	memset(&r, 0, sizeof(r));
	make_shard(&r.s, false);
	load(&r.c, false, false, "lora_dropout=0");
	check(trainer_open(&r.t, &r.c, &objective_sft, &r.s, &o, &err) < 0, "a limit of nothing");
	check(strstr(err.msg, "needs at least") && strstr(err.msg, "GB are allowed"),
	      "is refused with figures");
	check(strstr(err.msg, "--memory-limit ") != NULL, "and with what would fit");
	note("%s", err.msg);
	if (strstr(err.msg, "--memory-limit "))
		o.memory_limit_gb = strtod(strstr(err.msg, "--memory-limit ") + 15, NULL);
	check(trainer_open(&r.t, &r.c, &objective_sft, &r.s, &o, &err) == 0, "which does");
	close_run(&r);
}

static void put(const char *root, const char *name, const char *text)
{
	char *path = mem_printf("%s/%s", root, name), *folder = path_dir(path);

	if (dir_make(folder, &err) < 0 || file_write(path, text, strlen(text), &err) < 0)
		note("%s", err.msg);
	mem_free(folder);
	mem_free(path);
}

static void test_available(void)
{
	char *root = mem_printf("%s/machine", dir);

	put(root, "proc/meminfo", "MemTotal: 9000 kB\nMemFree:  1 kB\nMemAvailable:   8000 kB\n");
	check(sysmem_available(root) == 8000 * 1024, "what the machine has to give");
	put(root, "proc/self/cgroup", "3:cpu:/\n0::/a/b\n");
	put(root, "sys/fs/cgroup/a/b/memory.max", "max\n");
	put(root, "sys/fs/cgroup/a/memory.max", "5000000\n");
	put(root, "sys/fs/cgroup/a/memory.current", "3000000\n");
	put(root, "sys/fs/cgroup/a/memory.stat", "anon 7\ninactive_file 1000000\n");
	check(sysmem_available(root) == 3000000,
	      "what a group above leaves, its cache not counted");
	put(root, "proc/self/cgroup", "4:memory:/x\n0::/\n");
	put(root, "sys/fs/cgroup/memory/memory.limit_in_bytes", "2000000\n");
	put(root, "sys/fs/cgroup/memory/memory.usage_in_bytes", "500000\n");
	check(sysmem_available(root) == 1500000,
	      "version 1, and a path that is another's: the mount is asked");
	put(root, "sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
	check(sysmem_available(root) == 8000 * 1024, "no limit is none");
	check(sysmem_resident() > 0 && sysmem_peak() >= sysmem_resident() / 2, "and what is had");
	mem_free(root);
}

int main(void)
{
	struct arch a = random_arch("qwen2", 64, 96, 5, 4, 2, 16, VOCAB);

	if (!mkdtemp(dir) || random_model(dir, &a, &err) < 0)
		check(false, "a model: %s", err.msg);
	for (const char *const *d = ops_names(); *d; d++) {
		test_recompute(*d, false, "lora_dropout=0");
		test_recompute(*d, true, "lora_dropout=0.2");
		test_lowest(*d);
		test_sum(*d, true);
		test_sum(*d, false);
		test_quiet(*d, false, true);
		test_quiet(*d, false, false);
		test_quiet(*d, true, true);
	}
	test_refusal();
	test_available();
	dir_remove(dir);
	return tap_done();
}
