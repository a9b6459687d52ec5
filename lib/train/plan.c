/* SPDX-License-Identifier: Apache-2.0 */
#include "train/plan.h"

#include "base/mem.h"
#include "base/sysmem.h"
#include "train/trainer.h"

#include <math.h>
#include <stdarg.h>
#include <string.h>

/* Tokens of a micro-batch: enough for the matrix products to run at full speed. */
#define MICRO_TOKENS 1024
/* Of the program once it computes: code of kernels and libraries, and a thread's stack and heap. */
#define PROGRAM_GROWS ((size_t)4 << 20)
#define THREAD_GROWS  ((size_t)1 << 17)

/* What a plan is made for. */
struct wish {
	enum dtype act;
	int micro; /* tokens */
	int clip; /* sequences are cut to so many tokens */
	int least; /* layers to compute again */
	bool recompute, share;
};

/* Tokens that an example takes in a micro-batch of its own; its sequences are left in v. */
static int alone(const struct trainer *t, const struct wish *w, uint32_t example,
		 struct sequence v[2], int *n_v)
{
	int n = t->objective->sequences(&t->v[example], v);
	uint32_t clip = (uint32_t)w->clip;

	for (int i = 0; i < n; i++) {
		v[i].n_head = v[i].n_head < clip ? v[i].n_head : clip;
		v[i].n_tail = v[i].n_tail < clip - v[i].n_head ? v[i].n_tail : clip - v[i].n_head;
	}
	*n_v = n;
	return pack_alone(v, n, w->share && !(t->c->lora_dropout > 0));
}

int plan_positions(const struct trainer *t)
{
	struct sequence v[2];
	uint32_t most = 1;

	for (size_t i = 0; i < t->n_all; i++)
		for (int n = t->objective->sequences(&t->v[i], v), k = 0; k < n; k++)
			most = v[k].n_head + v[k].n_tail > most ? v[k].n_head + v[k].n_tail : most;
	return (int)most;
}

/* Tokens of the longest step, as far as they are below `enough`. */
static int longest_step(const struct trainer *t, const struct wish *w, int enough)
{
	uint32_t *order = mem_new(schedule_order_size(&t->schedule), sizeof(*order));
	long epoch = -1;
	int most = 0;

	for (long step = 0; step < t->schedule.total_steps && most < enough; step++) {
		struct step_window win;
		struct sequence v[2];
		int n = 0, n_v;

		if (epoch != schedule_epoch_of(&t->schedule, step)) {
			epoch = schedule_epoch_of(&t->schedule, step);
			schedule_order(&t->schedule, epoch, order);
		}
		win = schedule_window(&t->schedule, step, order);
		for (uint32_t i = 0; i < win.n && n < enough; i++)
			n += alone(t, w, order[win.first + i], v, &n_v);
		most = n > most ? n : most;
	}
	mem_free(order);
	return most < enough ? most : enough;
}

/* Capacities: the longest example, and as many tokens as a step holds up to the wish's. */
static struct batch_limits find_limits(const struct trainer *t, const struct wish *w, int *longest)
{
	struct batch_limits l = { .max_q = 1 };
	int step;

	for (size_t i = 0; i < t->n_all; i++) {
		struct sequence v[2];
		int n, tokens = alone(t, w, (uint32_t)i, v, &n), rows = 0;

		for (int k = 0; k < n; k++) {
			int length = (int)(v[k].n_head + v[k].n_tail), own = sequence_rows(&v[k]);

			rows += own < length ? own : length;
			l.max_q = length > l.max_q ? length : l.max_q;
		}
		l.tokens = tokens > l.tokens ? tokens : l.tokens;
		l.rows = rows > l.rows ? rows : l.rows;
	}
	*longest = l.tokens;
	step = longest_step(t, w, w->micro);
	l.tokens = step > l.tokens ? step : l.tokens;
	l.segs = l.tokens;
	l.ranges = PACK_DEPTH * l.tokens;
	l.rows = l.rows > l.tokens ? l.rows : l.tokens;
	l.max_k = l.max_q;
	return l;
}

static void add(struct plan *p, const char *group, const char *name, size_t bytes)
{
	if (!bytes)
		return;
	p->rows[p->n++] = (struct plan_row){ group, name, bytes };
	p->total += bytes;
}

static size_t shard_bytes(const struct shard *s)
{
	return s->info.n_tokens * 4 + s->info.n_spans * sizeof(struct span) +
	       s->n * (sizeof(*s->v) + 3 * 4);
}

/* Bytes of the adapter that are there already. */
static size_t lora_now(const struct lora *l)
{
	return l->n * (l->act == DT_F32 ? 4 : 6);
}

static void add_host(struct plan *p, const struct trainer *t)
{
	const struct batch_limits *l = &p->pass.limits;
	size_t rows = (size_t)l->rows, have = shard_bytes(t->shard) + lora_now(&t->lora);
	size_t now = sysmem_resident(), program = now > have ? now - have : 0;

	add(p, "program", "code, libraries, stacks",
	    program + PROGRAM_GROWS + (size_t)t->threads * THREAD_GROWS);
	add(p, "data", "shard", shard_bytes(t->shard));
	if (t->joined)
		add(p, "data", "examples", t->n_all * sizeof(*t->joined));
	add(p, "data", "order and weights",
	    schedule_order_size(&t->schedule) * sizeof(*t->order) +
		    t->shard->n * sizeof(*t->weights));
	if (t->objective->stage == SHARD_DPO)
		add(p, "data", "reference", 2 * t->shard->n * sizeof(*t->reference));
	add(p, "data", "batch", batch_bytes(l));
	add(p, "data", "pack", pack_bytes(l));
	add(p, "data", "rows", rows * (sizeof(*t->placed) + sizeof(*t->logp) + sizeof(*t->coef)));
}

/* Rows of a pass are called "group.name". */
static void add_pass(struct plan *p, const struct pass *pass)
{
	static const char *const groups[] = { "batch", "activations", "scratch", "head",
					      "gradients" };

	for (int i = 0; i < pass->n_plan; i++)
		for (size_t g = 0; g < sizeof(groups) / sizeof(*groups); g++) {
			size_t n = strlen(groups[g]);

			if (!strncmp(pass->plan[i].name, groups[g], n))
				add(p, groups[g], pass->plan[i].name + n + 1, pass->plan[i].bytes);
		}
}

/* All rows for p->pass with activations of type act. */
static void list(struct plan *p, const struct trainer *t, enum dtype act)
{
	struct model_part parts[MODEL_PARTS];
	struct model m = t->model;
	size_t staging, after, n = t->lora.n;
	struct op_limits limits;
	struct pass pass;

	p->n = 0;
	p->total = 0;
	m.act = act;
	add_host(p, t);
	model_parts(&m, true, parts, &staging);
	for (int i = 0; i < MODEL_PARTS; i++)
		add(p, "weights", parts[i].name, parts[i].bytes);
	add(p, "adapter", "parameters", n * sizeof(float));
	if (act != DT_F32)
		add(p, "adapter", "parameters in bf16", n * 2);
	if (t->c->ref_model_adapters)
		add(p, "adapter", "reference", n * (act == DT_F32 ? 4 : 6));
	after = p->total;
	add(p, "optimizer", "gradients", n * sizeof(float));
	add(p, "optimizer", "moments", 2 * n * sizeof(float));
	pass_plan(&pass, &m, &p->pass);
	add_pass(p, &pass);
	limits = pass_op_limits(&pass);
	limits.params = n;
	add(p, "kernels", "scratch", t->dev->ops->scratch_bytes(t->dev, &limits));
	if (staging > p->total - after)
		add(p, "weights", "while they are read", staging - (p->total - after));
}

/* The first of the ways to fit that does; false, with the smallest in p, when none does. */
static bool fit(struct plan *p, const struct trainer *t, struct wish w)
{
	int first = t->lora.first_layer > w.least ? t->lora.first_layer : w.least;
	int last = w.recompute ? t->model.arch.n_layers - 1 : first, longest;

	for (;; w.micro /= 2) {
		p->pass.limits = find_limits(t, &w, &longest);
		for (int n = first; n <= last; n++) {
			p->pass.recompute = n;
			list(p, t, w.act);
			if (p->total <= p->limit)
				return true;
		}
		if (w.micro <= longest)
			return false;
	}
}

static double gb(size_t bytes)
{
	return ceil((double)bytes / 1e7) / 100;
}

static void suggest(struct buf *b, bool fits, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static void suggest(struct buf *b, bool fits, const char *fmt, ...)
{
	char text[64];
	va_list ap;

	if (!fits)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	buf_printf(b, "%s%s", b->n ? ", or " : "", text);
}

/* The longest cutoff of a power of two with which it would fit; 0: none. */
static int cutoff_that_fits(const struct plan *p, const struct trainer *t, struct wish w)
{
	struct plan other = *p;

	for (w.clip = 1; 2 * w.clip < p->pass.limits.max_q;)
		w.clip *= 2;
	for (; w.clip >= 64; w.clip /= 2)
		if (fit(&other, t, w))
			return w.clip;
	return 0;
}

static int refuse(const struct plan *p, const struct trainer *t, const struct wish *w, bool asked,
		  size_t available, struct err *err)
{
	struct plan other = *p;
	struct wish more = *w;
	struct buf b = { 0 };
	int cutoff;

	suggest(&b, asked && p->total <= available, "--memory-limit %.2f", gb(p->total));
	more.recompute = true;
	suggest(&b, !w->recompute && fit(&other, t, more), "disable_gradient_checkpointing: false");
	more.share = true;
	suggest(&b, !w->share && fit(&other, t, more), "share_prefixes: true");
	more = *w;
	more.act = DT_BF16;
	suggest(&b, w->act == DT_F32 && fit(&other, t, more), "bf16: true");
	cutoff = cutoff_that_fits(p, t, *w);
	suggest(&b, cutoff, "cutoff_len: %d", cutoff);
	err_set(err, "a step needs at least %.2f GB, %.2f GB are %s; %s%s", gb(p->total),
		floor((double)p->limit / 1e7) / 100, asked ? "allowed" : "available",
		b.n ? "this would fit: " : "take a smaller model, or a larger machine",
		b.n ? b.p : "");
	buf_free(&b);
	return -1;
}

int plan_make(struct plan *p, const struct trainer *t, const struct trainer_options *o,
	      struct err *err)
{
	size_t available = sysmem_available("") + sysmem_resident();
	bool asked = o->memory_limit_gb > 0;
	struct wish w = { t->model.act,
			  o->micro_tokens ? o->micro_tokens : MICRO_TOKENS,
			  INT32_MAX,
			  o->recompute,
			  !t->c->disable_gradient_checkpointing,
			  t->c->share_prefixes };

	memset(p, 0, sizeof(*p));
	p->limit = asked ? (size_t)(o->memory_limit_gb * 1e9) : available;
	p->n_layers = t->model.arch.n_layers;
	p->pass = (struct pass_options){ .train = true,
					 .dropout = t->c->lora_dropout > 0,
					 .first_layer = t->lora.first_layer };
	lora_widths(&t->lora, &p->pass.lora_width, &p->pass.lora_rows);
	return fit(p, t, w) ? 0 : refuse(p, t, &w, asked, available, err);
}
