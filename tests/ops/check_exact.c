/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ops whose answer is known from elsewhere, on every back end, ref too: ggml's blocks bit for bit,
 * AdamW against the formula in double, sums of squares against a sum in long double.
 */
#include "base/file.h"
#include "base/mem.h"
#include "base/rng.h"
#include "kernels/ops.h"
#include "tests/tap.h"

#define ELEMS (56 * 256) /* of the golden blocks */

static struct dev *dev;
static const struct ops *op;

static void *send(const void *p, size_t bytes)
{
	struct err err;
	void *to = op->alloc(dev, bytes, &err);

	if (!to) {
		note("%s", err.msg);
		exit(2);
	}
	op->upload(dev, to, p, bytes);
	return to;
}

static struct file load(const char *type, const char *ext, size_t bytes)
{
	struct file f = { 0 };
	struct err err;
	char name[64];

	snprintf(name, sizeof(name), "quant/%s.%s", type, ext);
	if (file_open(&f, golden(name), &err) < 0) {
		note("%s", err.msg);
		exit(2);
	}
	if (f.n != bytes) {
		note("%s has %zu bytes, not %zu", name, f.n, bytes);
		exit(2);
	}
	return f;
}

/* src as rows of cols elements into a view of type `to` with gaps. True when all bits are right. */
static bool expands(const void *src, enum dtype t, const float *want, enum dtype to, int64_t cols)
{
	int64_t rows = ELEMS / cols, ld = cols + 5;
	size_t bytes = (size_t)(rows * ld) * mat_elem(to);
	unsigned char *host = mem_new(bytes, 1);
	void *p = send(host, bytes);
	struct mat dst = { p, to, rows, cols, ld };
	bool ok = true;

	op->dequant(dev, dst, src, t);
	op->download(dev, host, p, bytes);
	for (int64_t k = 0; ok && k < rows * ld; k++) {
		int64_t i = k / ld, j = k % ld;
		float w = j < cols ? want[i * cols + j] : 0;
		uint16_t h = f32_to_bf16(w);

		ok = to == DT_BF16 ? !memcmp(host + k * 2, &h, 2) : !memcmp(host + k * 4, &w, 4);
		if (!ok)
			note("rows of %lld: element %lld, %lld", (long long)cols, (long long)i,
			     (long long)j);
	}
	op->free(dev, p);
	mem_free(host);
	return ok;
}

static void check_dequant(const char *name, const char *type, enum dtype t)
{
	size_t bytes;
	struct file src, want;
	float *wide = NULL;
	void *p;

	dtype_bytes(t, ELEMS, &bytes);
	src = load(type, t == DT_F32 ? "f32" : "bin", bytes);
	if (t == DT_BF16 || t == DT_F32) { /* these two say what they stand for themselves */
		wide = mem_new(ELEMS, sizeof(float));
		for (size_t i = 0; t == DT_BF16 && i < ELEMS; i++)
			wide[i] = bf16_to_f32((uint16_t)(src.p[2 * i] | src.p[2 * i + 1] << 8));
		if (t == DT_F32)
			memcpy(wide, src.p, bytes);
		want = (struct file){ 0 };
	} else {
		want = load(type, "deq.f32", ELEMS * sizeof(float));
	}
	p = send(src.p, bytes);
	for (int to = 0; to < 2; to++) {
		bool ok = true;

		for (int64_t cols = 256; cols <= 1024; cols *= 2)
			ok = expands(p, t, wide ? wide : (const float *)want.p,
				     to ? DT_BF16 : DT_F32, cols) &&
			     ok;
		check(ok, "dequant %s %s to %s", name, type, to ? "bf16" : "f32");
	}
	op->free(dev, p);
	mem_free(wide);
	file_close(&src);
	file_close(&want);
}

static void check_dequants(const char *name)
{
	static const struct {
		const char *type;
		enum dtype t;
	} all[] = {
		{ "input", DT_F32 }, { "f16", DT_F16 },   { "bf16", DT_BF16 }, { "q4_0", DT_Q4_0 },
		{ "q4_1", DT_Q4_1 }, { "q5_0", DT_Q5_0 }, { "q5_1", DT_Q5_1 }, { "q8_0", DT_Q8_0 },
		{ "q4_K", DT_Q4_K }, { "q5_K", DT_Q5_K }, { "q6_K", DT_Q6_K },
	};

	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
		check_dequant(name, all[i].type, all[i].t);
}

/* torch.optim.AdamW in double. */
static void formula(double *p, double *m, double *v, double g, int t, const struct adamw *h)
{
	double m_hat, v_hat;

	*p *= 1 - (double)h->lr * h->weight_decay;
	*m = h->beta1 * *m + (1 - (double)h->beta1) * g;
	*v = h->beta2 * *v + (1 - (double)h->beta2) * g * g;
	m_hat = *m / (1 - pow(h->beta1, t));
	v_hat = *v / (1 - pow(h->beta2, t));
	*p -= h->lr * m_hat / (sqrt(v_hat) + h->eps);
}

/* Ten steps from zero: some gradients are 0 for good, some tiny, some large. */
static void check_adamw(const char *name)
{
	enum { N = 1000, STEPS = 10 };
	static float g[N], p[N];
	static double want[N], m[N], v[N];
	struct adamw h = { .lr = 1e-3f, .beta1 = 0.9f, .beta2 = 0.999f, .eps = 1e-8f };
	float *dg, *dp, *dm, *dv, zero[N] = { 0 };
	double worst = 0;

	h.weight_decay = 0.1f;
	h.grad_scale = 0.5f;
	memset(m, 0, sizeof(m));
	memset(v, 0, sizeof(v));
	for (uint64_t i = 0; i < N; i++)
		want[i] = p[i] = 2 * rng_uniform(1, 0, i) - 1;
	dp = send(p, sizeof(p));
	dm = send(zero, sizeof(zero));
	dv = send(zero, sizeof(zero));
	dg = send(zero, sizeof(zero));
	for (int t = 1; t <= STEPS; t++) {
		h.correction1 = (float)(1 - pow(h.beta1, t));
		h.correction2 = (float)(1 - pow(h.beta2, t));
		for (uint64_t i = 0; i < N; i++) {
			static const float sizes[] = { 0, 1e-12f, 1e-3f, 1, 1e3f };

			g[i] = (2 * rng_uniform(2, (uint32_t)t, i) - 1) * sizes[i % 5];
			formula(&want[i], &m[i], &v[i], (double)g[i] * h.grad_scale, t, &h);
		}
		op->upload(dev, dg, g, sizeof(g));
		op->adamw(dev, dp, dm, dv, dg, N, &h);
	}
	op->download(dev, p, dp, sizeof(p));
	for (int i = 0; i < N; i++)
		worst = fmax(worst, fabs(p[i] - want[i]));
	/* ten roundings of p <= 1 are 6e-7; lr times ten relative errors of 1e-5 is less */
	check(worst < 1e-6, "adamw %s is the formula", name);
	note("largest error %.2g after %d steps of %g", worst, STEPS, h.lr);
	op->free(dev, dp);
	op->free(dev, dm);
	op->free(dev, dv);
	op->free(dev, dg);
}

/* Large and small by turns, so that fp32 sums would show; twice the same bits. */
static void check_sumsq(const char *name)
{
	static const size_t sizes[] = { 1, 4095, 4096, 4097, 200000 };
	static float g[200000];
	long double sum;
	float out[2], *p, *to;
	bool ok = true, same = true;

	for (size_t i = 0; i < 200000; i++)
		g[i] = (2 * rng_uniform(3, 0, i) - 1) * (i % 1000 ? 1e-2f : 100);
	p = send(g, sizeof(g));
	to = send(out, sizeof(out[0]));
	for (size_t k = 0; k < sizeof(sizes) / sizeof(*sizes); k++) {
		sum = 0;
		for (size_t i = 0; i < sizes[k]; i++)
			sum += (long double)g[i] * g[i];
		for (int twice = 0; twice < 2; twice++) {
			op->sumsq(dev, to, p, sizes[k]);
			op->download(dev, &out[twice], to, sizeof(out[0]));
		}
		ok = ok && fabsl(out[0] - sum) <= 1e-7L * sum;
		same = same && !memcmp(&out[0], &out[1], sizeof(out[0]));
	}
	check(ok, "sumsq %s is a sum in double, rounded once", name);
	check(same, "sumsq %s twice: the same bits", name);
	op->free(dev, p);
	op->free(dev, to);
}

/* A device's scratch is for its own threads, whatever number another device was opened with. */
static void check_two_devices(const char *name)
{
	enum { T = 256, E = 32, SEGS = 4 };
	static float x[T * E], y[2][T * E];
	struct attn_seg seg[SEGS];
	struct attn_range range[SEGS];
	struct attn_shape s = { .n_heads = 1, .n_kv_heads = 1, .head_size = E, .scale = 0.2f };
	struct mat q, o;
	struct dev *other = NULL;
	struct err err;

	for (uint64_t i = 0; i < T * E; i++)
		x[i] = 2 * rng_uniform(4, 0, i) - 1;
	for (int i = 0; i < SEGS; i++) {
		seg[i] = (struct attn_seg){ i * T / SEGS, (i + 1) * T / SEGS, i, i + 1 };
		range[i] = (struct attn_range){ seg[i].q_begin, seg[i].q_end };
	}
	s.n_segs = s.n_ranges = SEGS;
	s.max_q = s.max_k = T / SEGS;
	dev = ops_open(name, 1, &err);
	s.segs = send(seg, sizeof(seg));
	s.ranges = send(range, sizeof(range));
	q = mat_view(send(x, sizeof(x)), DT_F32, T, E);
	o = mat_view(send(x, sizeof(x)), DT_F32, T, E);
	for (int i = 0; i < 2; i++) {
		op->attn(dev, o, NULL, q, q, q, &s);
		op->download(dev, y[i], o.p, sizeof(y[i]));
		if (i == 0)
			other = ops_open(name, 4, &err);
	}
	check(other && !memcmp(y[0], y[1], sizeof(y[0])), "attn %s beside a device of 4 threads",
	      name);
	op->free(dev, (void *)s.segs);
	op->free(dev, (void *)s.ranges);
	op->free(dev, q.p);
	op->free(dev, o.p);
	if (other)
		op->close(other);
	op->close(dev);
}

int main(void)
{
	for (const char *const *name = ops_names(); *name; name++) {
		struct err err;

		dev = ops_open(*name, 0, &err);
		if (!dev) {
			note("%s", err.msg);
			return 2;
		}
		op = dev->ops;
		check_dequants(*name);
		check_adamw(*name);
		check_sumsq(*name);
		op->close(dev);
		check_two_devices(*name);
	}
	return tap_done();
}
