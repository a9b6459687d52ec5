/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers for many prompts: a pass holds one token of every running stream and, where there is
 * room, whole new prompts, so that all of them share one read of the weights. Tokens without meaning,
 * in a slot of their own, fill a pass up to a steady number of rows: an answer's bits do not depend on
 * what runs beside it.
 */
#include "chat/engine.h"

#include "base/mem.h"
#include "base/tool.h"

#include <string.h>

#define PASS_TOKENS 1024 /* new prompts join a pass up to so many tokens */
#define BALLAST     8 /* tokens without meaning, at most: three to fill up rows, then tokens */

struct stream {
	struct answer *a; /* NULL: free */
	size_t index;
	uint32_t last; /* the token that is fed next */
	int n_past; /* tokens in the cache */
};

struct generation {
	struct engine *e;
	const struct sampling *s;
	struct sampler sampler;
	struct answer *v;
	size_t n, next; /* answers; the next to begin */
	struct stream *streams;
	int n_streams;
	struct kv kv;
	struct pass pass;
	struct batch batch;
	struct stream **of_row; /* whose logits row i of the pass is */
	float *logits;
	token_fn fn;
	void *arg;
};

static long room_for(const struct generation *g, const struct answer *a)
{
	long left = g->e->model.n_positions - (long)a->n_prompt;
	long most = (a->sampling ? a->sampling : g->s)->max_new_tokens;

	return left < most ? left : most;
}

static int check_prompts(const struct generation *g, int *longest, int *capacity, struct err *err)
{
	*longest = *capacity = 1;
	for (size_t i = 0; i < g->n; i++) {
		const struct answer *a = &g->v[i];
		long whole = (long)a->n_prompt + room_for(g, a);

		if (a->n_prompt < 1 || a->n_prompt >= (size_t)g->e->model.n_positions)
			return err_set(err,
				       "the conversation has %zu tokens, the model has room for %d",
				       a->n_prompt, g->e->model.n_positions - 1);
		for (size_t k = 0; k < a->n_prompt; k++)
			if (a->prompt[k] >= (uint32_t)g->e->model.arch.vocab)
				return err_set(
					err,
					"the tokenizer made id %u, the model's vocabulary ends at "
					"%d; is it the model's own?",
					a->prompt[k], g->e->model.arch.vocab - 1);
		*longest = (int)a->n_prompt > *longest ? (int)a->n_prompt : *longest;
		*capacity = whole > *capacity ? (int)whole : *capacity;
	}
	return 0;
}

static int open_buffers(struct generation *g, int streams, struct err *err)
{
	struct pass_options o = { 0 };
	int longest, capacity, s;

	if (check_prompts(g, &longest, &capacity, err) < 0)
		return -1;
	s = (size_t)streams > g->n ? (int)g->n : streams;
	g->n_streams = s;
	o.limits.tokens =
		BALLAST + s + (longest > PASS_TOKENS || g->n == 1 ? longest : PASS_TOKENS);
	o.limits.segs = o.limits.ranges = s + 1;
	o.limits.rows = s + BALLAST;
	o.limits.max_q = longest > BALLAST ? longest : BALLAST;
	o.limits.max_k = capacity = capacity > BALLAST ? capacity : BALLAST;
	if (g->e->has_lora)
		lora_widths(&g->e->lora, &o.lora_width, &o.lora_rows);
	if (kv_open(&g->kv, &g->e->model, s + 1, capacity, err) < 0 ||
	    pass_open(&g->pass, &g->e->model, &o, err) < 0)
		return -1;
	batch_open(&g->batch, &o.limits);
	g->streams = mem_new((size_t)s, sizeof(*g->streams));
	g->of_row = mem_new((size_t)s, sizeof(*g->of_row));
	g->logits =
		mem_try((size_t)(s + BALLAST) * (size_t)g->e->model.arch.vocab, sizeof(*g->logits));
	return g->logits ? 0 : err_set(err, "out of memory: logits of %d streams", s);
}

static void feed(struct generation *g, struct stream *st, const uint32_t *ids, int n)
{
	int slot = (int)(st - g->streams);
	int seg = batch_cached_segment(&g->batch, ids, n, slot * g->kv.capacity, st->n_past);

	g->of_row[g->batch.n_rows] = st;
	batch_row(&g->batch, g->batch.segs[seg].q_end - 1, 0);
	st->n_past += n;
}

/* Fills up the pass, and the rows whose logits are wanted: those go to nobody. */
static void add_ballast(struct generation *g)
{
	static const uint32_t ids[BALLAST];
	const struct ops *op = g->e->dev->ops;
	struct batch *b = &g->batch;
	int first = b->n_tokens, rows = op->steady_rows(g->e->dev, b->n_rows) - b->n_rows;
	int n = op->steady_rows(g->e->dev, b->n_tokens) - b->n_tokens;

	while (n < rows) /* a wanted row is a token's */
		n = op->steady_rows(g->e->dev, first + n + 1) - first;
	if (g->e->model.n_positions < BALLAST)
		return;
	if (n)
		batch_cached_segment(b, ids, n, g->n_streams * g->kv.capacity, 0);
	for (int i = 0; i < rows; i++)
		batch_row(b, first + i, 0);
}

/* The running streams' last tokens, then new prompts for the free streams. */
static void fill(struct generation *g)
{
	batch_reset(&g->batch);
	for (int i = 0; i < g->n_streams; i++)
		if (g->streams[i].a)
			feed(g, &g->streams[i], &g->streams[i].last, 1);
	for (int i = 0; i < g->n_streams && g->next < g->n; i++) {
		struct stream *st = &g->streams[i];
		struct answer *a = &g->v[g->next];

		if (st->a)
			continue;
		if (g->batch.n_tokens + (int)a->n_prompt > g->batch.limits.tokens - BALLAST)
			break;
		*st = (struct stream){ .a = a, .index = g->next++ };
		a->began = clock_now();
		feed(g, st, a->prompt, (int)a->n_prompt);
	}
}

/* The stream's next token; the stream becomes free when its answer ends. */
static int take(struct generation *g, struct stream *st, float *logits, struct err *err)
{
	struct answer *a = st->a;
	struct history h = { a->prompt, a->out.v, a->n_prompt, a->out.n };
	uint32_t id = sample_token(&g->sampler, logits, (size_t)g->e->model.arch.vocab, &h,
				   a->sampling ? a->sampling : g->s,
				   a->sampling ? a->stream : (uint32_t)st->index);

	if (id == SAMPLE_BROKEN)
		return err_kind(err, ERR_NUMERIC,
				"answer %zu: the model's logits are not numbers (NaN) at token %zu",
				st->index + 1, a->out.n + 1);
	a->answer_seconds = clock_now() - a->began - a->prompt_seconds;
	if (!a->out.n) {
		a->prompt_seconds = a->answer_seconds;
		a->answer_seconds = 0;
	}
	a->stopped = engine_is_stop(g->e, id);
	if (!a->stopped) {
		ids_push(&a->out, id);
		st->last = id;
		if ((!g->fn || g->fn(g->arg, st->index, id)) && (long)a->out.n < room_for(g, a))
			return 0;
	}
	a->done = true;
	st->a = NULL;
	return 0;
}

int engine_answer(struct engine *e, struct answer *v, size_t n, int streams,
		  const struct sampling *s, bool lora_off, token_fn fn, void *arg, struct err *err)
{
	struct generation g = { .e = e, .s = s, .v = v, .n = n, .fn = fn, .arg = arg };
	int rc = n ? open_buffers(&g, streams, err) : 0;

	while (rc == 0 && n) {
		int taken;

		fill(&g);
		if (!g.batch.n_tokens)
			break;
		taken = g.batch.n_rows;
		add_ballast(&g);
		pass_forward(&g.pass, &g.batch, engine_lora(e, lora_off), &g.kv);
		pass_logits(&g.pass, &g.batch, g.logits);
		for (int r = 0; rc == 0 && r < taken; r++)
			rc = take(&g, g.of_row[r],
				  g.logits + (size_t)r * (size_t)e->model.arch.vocab, err);
		if (n > 1)
			progress("answers: %zu of %zu begun", g.next, n);
	}
	progress_end();
	batch_close(&g.batch);
	pass_close(&g.pass);
	kv_close(&g.kv);
	mem_free(g.streams);
	mem_free(g.of_row);
	mem_free(g.logits);
	sampler_close(&g.sampler);
	return rc;
}
