/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every op of every back end against ref, and the same bytes for 1, 2 and 3 threads.
 *
 *	check_ops [--op=PART] [--device=NAME] [--seed=N]
 *						TAP: one line an op, back end and element type
 *	check_ops --bench [--op=PART]		JSON: one line an op and back end, times at the
 *						shapes of SmolLM2-135M
 */
#include "tests/ops/cases_attn.h"
#include "tests/ops/cases_matmul.h"
#include "tests/ops/cases_rows.h"

#include <unistd.h>

#define CASES 256

/* The instrumented loops are ten times slower: there two numbers of threads have to do. */
#ifdef __SANITIZE_ADDRESS__
static const int thread_counts[] = { 1, 3 };
#else
static const int thread_counts[] = { 1, 2, 3 };
#endif
#define COUNTS (int)(sizeof(thread_counts) / sizeof(*thread_counts))

enum types { F32 = 1, BF16 = 2, BOTH = 3 };

static const struct op {
	const char *name;
	void (*run)(struct rig *r);
	bool (*shapes)(int i, int64_t *s);
	enum types types;
	bool f_or_a; /* has a parameter of type F,A */
	float amp; /* of extreme inputs */
} all_ops[] = {
	{ "copy", case_copy, shapes_rows, F32, false, 1 },
	{ "zero", case_zero, shapes_rows, F32, false, 1 },
	{ "cast", case_cast, shapes_rows, BOTH, true, 1 },
	{ "embed", case_embed, shapes_rows, BOTH, false, 64 },
	{ "gather", case_gather, shapes_rows, F32, false, 64 },
	{ "scatter_add", case_scatter_add, shapes_rows, F32, false, 64 },
	{ "add", case_add, shapes_rows, BOTH, false, 64 },
	{ "scale_rows", case_scale_rows, shapes_rows, F32, false, 64 },
	{ "linear", case_linear, shapes_linear, BOTH, true, 64 },
	{ "linear_bwd", case_linear_bwd, shapes_linear, BOTH, true, 64 },
	{ "gemm", case_gemm, shapes_gemm, BOTH, true, 64 },
	{ "rmsnorm", case_rmsnorm, shapes_rows, BOTH, true, 64 },
	{ "rmsnorm_bwd", case_rmsnorm_bwd, shapes_rows, F32, false, 16 },
	{ "rmsnorm_heads", case_rmsnorm_heads, shapes_heads, F32, false, 16 },
	{ "rmsnorm_heads_bwd", case_rmsnorm_heads_bwd, shapes_heads, F32, false, 16 },
	{ "rope", case_rope, shapes_rope, F32, false, 64 },
	{ "attn", case_attn, shapes_attn, BOTH, false, 4 },
	{ "attn_bwd", case_attn_bwd, shapes_attn, BOTH, false, 4 },
	{ "swiglu", case_swiglu, shapes_rows, BOTH, true, 100 },
	{ "swiglu_bwd", case_swiglu_bwd, shapes_rows, BOTH, true, 100 },
	{ "xent", case_xent, shapes_xent, BOTH, false, 64 },
	{ "dropout", case_dropout, shapes_rows, BOTH, false, 64 },
	{ "sumsq", case_sumsq, shapes_flat, F32, false, 64 },
	{ "adamw", case_adamw, shapes_flat, F32, false, 64 },
};

static const struct {
	const char *op;
	int64_t s[6];
	const char *shape;
} bench[] = {
	{ "embed", { 512, 576, 49152 }, "T=512 D=576 V=49152" },
	{ "gather", { 512, 576 }, "n=512 D=576" },
	{ "scatter_add", { 512, 576 }, "n=512 D=576" },
	{ "add", { 512, 576 }, "T=512 D=576" },
	{ "scale_rows", { 512, 576 }, "T=512 D=576" },
	{ "cast", { 512, 1536 }, "T=512 F=1536" },
	{ "linear", { 512, 576, 576 }, "T=512 N=576 M=576" },
	{ "linear", { 512, 1536, 576 }, "T=512 N=1536 M=576" },
	{ "linear", { 512, 960, 576, BIAS }, "T=512 N=960 M=576 bias" },
	{ "linear", { 512, 576, 1536, ADD }, "T=512 N=576 M=1536 add" },
	{ "linear", { 128, 49152, 576 }, "T=128 N=49152 M=576" },
	{ "linear", { 1, 1536, 576 }, "T=1 N=1536 M=576" },
	{ "linear_bwd", { 512, 1536, 576 }, "T=512 N=1536 M=576" },
	{ "linear_bwd", { 128, 49152, 576 }, "T=128 N=49152 M=576" },
	{ "gemm", { 512, 16, 576, TB }, "M=512 N=16 K=576 tb" },
	{ "gemm", { 512, 1536, 16, TB | BETA }, "M=512 N=1536 K=16 tb beta" },
	{ "gemm", { 16, 576, 512, TA | BETA }, "M=16 N=576 K=512 ta beta" },
	{ "rmsnorm", { 512, 576 }, "T=512 D=576" },
	{ "rmsnorm_bwd", { 512, 576 }, "T=512 D=576" },
	{ "rope", { 512, 9, 64, 0 }, "T=512 H=9 E=64" },
	{ "attn", { SINGLE, 512, 9, 3, 64 }, "T=512 H=9 K=3 E=64" },
	{ "attn", { PACKED, 0, 9, 3, 64 }, "T=325 in 6 H=9 K=3 E=64" },
	{ "attn", { CACHE, 512, 9, 3, 64 }, "T=75 Tk=691 H=9 K=3 E=64" },
	{ "attn_bwd", { SINGLE, 512, 9, 3, 64 }, "T=512 H=9 K=3 E=64" },
	{ "attn_bwd", { PACKED, 0, 9, 3, 64 }, "T=325 in 6 H=9 K=3 E=64" },
	{ "swiglu", { 512, 1536 }, "T=512 F=1536" },
	{ "swiglu_bwd", { 512, 1536 }, "T=512 F=1536" },
	{ "xent", { 128, 49152, 0 }, "n=128 V=49152" },
	{ "dropout", { 512, 576 }, "T=512 D=576" },
	{ "sumsq", { 4884480 }, "n=4884480" },
	{ "adamw", { 4884480 }, "n=4884480" },
};

/* One op and type: ref's answers, for all back ends. */
struct group {
	const struct op *op;
	enum dtype t;
	uint64_t seed;
	struct rig *ref; /* CASES of them */
};

static const char *type_name(enum dtype t)
{
	return t == DT_BF16 ? "bf16" : "f32";
}

static struct dev *open_dev(const char *name, int threads)
{
	struct err err;
	struct dev *d = ops_open(name, threads, &err);

	if (!d) {
		note("%s", err.msg);
		exit(2);
	}
	return d;
}

/* Case i of a group: a shape, dense or strided and extreme, F or A. False behind the last. */
static bool rig_set(struct rig *r, const struct group *g, struct dev *d, int i, int64_t *s)
{
	int outs = g->op->f_or_a && (g->t == DT_BF16 || !strcmp(g->op->name, "cast")) ? 2 : 1;

	*r = (struct rig){ .d = d, .ops = d->ops, .t = g->t, .s = s };
	r->wide = i % outs;
	r->extreme = i / outs % 2;
	r->amp = r->extreme ? g->op->amp : 1;
	r->state = g->seed + (uint64_t)i * 0x51ed2701;
	memset(s, 0, 6 * sizeof(*s));
	return i < CASES * 4 && g->op->shapes(i / outs / 2, s);
}

static void describe(char *to, size_t n, const struct rig *r, const char *name, int threads)
{
	snprintf(to, n, "%s, %d threads, shape %lld %lld %lld %lld %lld%s%s", name, threads,
		 (long long)r->s[0], (long long)r->s[1], (long long)r->s[2], (long long)r->s[3],
		 (long long)r->s[4], r->extreme ? ", strided, extreme" : "",
		 r->wide ? ", fp32 for F,A" : "");
}

static bool threads_only(const struct op *op, const int64_t *s)
{
	return (op->shapes == shapes_linear || op->shapes == shapes_gemm) && s[4];
}

/* --device=NAME: only this back end. */
static const char *only;

static bool wanted(const char *name)
{
	return strcmp(name, "ref") && (!only || !strcmp(name, only));
}

/* The back ends of this machine; with --device=NAME that one, listed or not. */
static const char *const *names(void)
{
	static const char *one[2];

	one[0] = only;
	return only ? one : ops_names();
}

/* All cases on one back end with so many threads; first: the answers of the first such run. */
static void run_backend(struct verdict *v, const struct group *g, const char *name, int threads,
			struct rig *first, bool is_first)
{
	const struct tolerance *tol = tolerance_of(g->op->name, name);
	struct dev *d = open_dev(name, threads);
	int64_t s[6];
	struct rig r;
	char where[300];

	for (int i = 0; rig_set(&r, g, d, i, s); i++) {
		if (threads_only(g->op, s) && (r.extreme || r.wide))
			continue;
		describe(where, sizeof(where), &r, name, threads);
		g->op->run(&r);
		if (rig_collect(&r))
			verdict_bad(v, "%s: sync failed", where);
		judge(v, &r, g->ref[i].n ? &g->ref[i] : NULL, tol, where);
		if (is_first) {
			first[i] = r;
			continue;
		}
		judge_same(v, &r, &first[i], where);
		rig_free(&r);
	}
	d->ops->close(d);
}

/* Host back ends must not depend on the number of threads; others must repeat themselves. */
static void check_backend(const struct group *g, const char *name)
{
	bool host = !strcmp(name, "cpu") || !strcmp(name, "plain");
	struct rig *first = mem_new(CASES * 4, sizeof(*first));
	struct verdict v = { 0 };

	for (int run = 0; run < (host ? COUNTS : 2); run++)
		run_backend(&v, g, name, host ? thread_counts[run] : 0, first, run == 0);
	for (int i = 0; i < CASES * 4; i++)
		rig_free(&first[i]);
	mem_free(first);
	check(!v.bad, "%s %s %s", g->op->name, name, type_name(g->t));
	if (v.bad)
		note("%d of %d: %s", v.bad, v.cases, v.first);
	else
		note("%d calls, largest error %.2g, %.0f %% of its bound", v.cases, v.worst,
		     100 * v.share);
}

static void check_op(const struct op *op, enum dtype t, uint64_t seed)
{
	struct group g = { op, t, seed, mem_new(CASES * 4, sizeof(struct rig)) };
	struct dev *d = open_dev("ref", 0);
	int64_t s[6];
	struct rig r;

	for (int i = 0; rig_set(&r, &g, d, i, s); i++) {
		if (threads_only(op, s))
			continue;
		op->run(&r);
		rig_collect(&r);
		g.ref[i] = r;
	}
	d->ops->close(d);
	for (const char *const *name = names(); *name; name++)
		if (wanted(*name))
			check_backend(&g, *name);
	for (int i = 0; i < CASES * 4; i++)
		rig_free(&g.ref[i]);
	mem_free(g.ref);
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void bench_one(const struct op *op, size_t i, const char *name, enum dtype t)
{
	struct dev *d = open_dev(name, 0);
	struct rig r = { .d = d, .ops = d->ops, .t = t, .s = bench[i].s, .amp = 1, .bench = true };
	double median;

	op->run(&r);
	rig_collect(&r);
	qsort(r.seconds, BENCH_RUNS, sizeof(double), by_size);
	median = r.seconds[BENCH_RUNS / 2];
	printf("{\"op\": \"%s\", \"backend\": \"%s\", \"dtype\": \"%s\", \"shape\": \"%s\", "
	       "\"ms\": %.4g, \"%s\": %.4g}\n",
	       op->name, name, type_name(t), bench[i].shape, median * 1e3,
	       r.flops > 0 ? "gflops" : "gbps",
	       (r.flops > 0 ? r.flops : r.bytes_moved) / median / 1e9);
	fflush(stdout);
	rig_free(&r);
	d->ops->close(d);
}

static const struct op *op_named(const char *name)
{
	for (size_t i = 0; i < sizeof(all_ops) / sizeof(*all_ops); i++)
		if (!strcmp(all_ops[i].name, name))
			return &all_ops[i];
	return NULL;
}

static int run_bench(const char *pattern)
{
	for (size_t i = 0; i < sizeof(bench) / sizeof(*bench); i++) {
		const struct op *op = op_named(bench[i].op);

		if (!strstr(op->name, pattern))
			continue;
		for (const char *const *name = names(); *name; name++)
			for (int t = 0; wanted(*name) && t < 2; t++)
				if (op->types & (t ? BF16 : F32))
					bench_one(op, i, *name, t ? DT_BF16 : DT_F32);
	}
	return 0;
}

/* Three threads on two busy cores: OpenMP's threads must not spin while they wait for one that does
 * not run (five times the time). The library reads the variable before main: start again. */
static void wait_asleep(char **argv)
{
	if (!getenv("OMP_WAIT_POLICY") && !setenv("OMP_WAIT_POLICY", "passive", 1))
		execv("/proc/self/exe", argv);
}

int main(int argc, char **argv)
{
	const char *pattern = "";
	uint64_t seed = 20250101;
	bool timing = false;

	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--bench")) {
			timing = true;
		} else if (!strncmp(argv[i], "--op=", 5)) {
			pattern = argv[i] + 5;
		} else if (!strncmp(argv[i], "--seed=", 7)) {
			seed = strtoull(argv[i] + 7, NULL, 0);
		} else if (!strncmp(argv[i], "--device=", 9)) {
			only = argv[i] + 9;
		} else {
			fprintf(stderr, "usage: check_ops [--bench] [--op=PART] [--device=NAME] "
					"[--seed=N]\n");
			return 2;
		}
	}
	if (timing)
		return run_bench(pattern);
	wait_asleep(argv);
	note("seed %llu", (unsigned long long)seed);
	for (size_t i = 0; i < sizeof(all_ops) / sizeof(*all_ops); i++) {
		if (!strstr(all_ops[i].name, pattern))
			continue;
		if (all_ops[i].types & F32)
			check_op(&all_ops[i], DT_F32, seed);
		if (all_ops[i].types & BF16)
			check_op(&all_ops[i], DT_BF16, seed);
	}
	return tap_done();
}
