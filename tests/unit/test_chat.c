/* SPDX-License-Identifier: Apache-2.0 */
/* Answers over the KV cache against whole passes, single ones and llama.cpp's probabilities. */
#include "tests/tap.h"

#include "chat/session.h"

#include <jansson.h>

#define STEPS 12

static struct err err;

static bool open_engine(struct engine *e, const char *device, const char *path,
			const char *adapters, const char *dtype)
{
	struct engine_options o = { .model = golden(path),
				    .adapters = adapters ? golden(adapters) : NULL,
				    .template = "chatml",
				    .device = device,
				    .dtype = dtype };

	if (engine_open(e, &o, true, &err) == 0)
		return true;
	check(false, "%s opens", path);
	note("%s", err.msg);
	return false;
}

/* Logits after ids[0..n) by one pass over all of them. */
static void whole_pass(struct engine *e, const uint32_t *ids, int n, float *logits)
{
	struct pass_options o = { .limits = { n, 1, 1, 1, n, n } };
	struct pass p;
	struct batch b;

	if (e->has_lora)
		lora_widths(&e->lora, &o.lora_width, &o.lora_rows);
	if (pass_open(&p, &e->model, &o, &err) < 0)
		return;
	batch_open(&b, &o.limits);
	batch_segment(&b, ids, n, -1);
	batch_row(&b, n - 1, 0);
	pass_forward(&p, &b, engine_lora(e, false), NULL);
	pass_logits(&p, &b, logits);
	batch_close(&b);
	pass_close(&p);
}

/* The greedy answer by repeated whole passes. */
static void greedy(struct engine *e, const struct answer *a, struct ids *out)
{
	float *logits = mem_new((size_t)e->model.arch.vocab, sizeof(*logits));
	struct sampler w = { 0 };
	struct ids all = { 0 };

	ids_add(&all, a->prompt, a->n_prompt);
	while (out->n < STEPS) {
		uint32_t id;

		whole_pass(e, all.v, (int)all.n, logits);
		id = sample_token(&w, logits, (size_t)e->model.arch.vocab, &(struct history){ 0 },
				  &sampling_default, 0);
		if (engine_is_stop(e, id))
			break;
		ids_push(&all, id);
		ids_push(out, id);
	}
	ids_free(&all);
	sampler_close(&w);
	mem_free(logits);
}

static bool same_ids(const struct ids *a, const struct ids *b)
{
	return a->n == b->n && (!a->n || !memcmp(a->v, b->v, a->n * sizeof(*a->v)));
}

static const uint32_t prompts[7][9] = { { 39, 301, 385, 1879 },
					{ 5, 6, 7 },
					{ 1000, 2, 900, 33, 1, 77, 501, 1200, 8 },
					{ 9 },
					{ 140, 253, 2184, 1802, 140 },
					{ 301, 301, 301, 301, 301, 301 },
					{ 64, 63 } };
static const size_t lengths[7] = { 4, 3, 9, 1, 5, 6, 2 };

#define N (sizeof(lengths) / sizeof(*lengths))

static void set_up(struct answer *v)
{
	for (size_t i = 0; i < N; i++)
		v[i] = (struct answer){ .prompt = prompts[i], .n_prompt = lengths[i] };
}

static void tear_down(struct answer *v)
{
	for (size_t i = 0; i < N; i++)
		ids_free(&v[i].out);
}

static void test_greedy(const char *device, const char *path, const char *adapter)
{
	struct sampling s = sampling_default;
	struct answer v[N], together[N];
	struct engine e;
	bool same = true, alone = true;

	s.max_new_tokens = STEPS;
	if (!open_engine(&e, device, path, adapter, "float32"))
		return;
	set_up(v);
	set_up(together);
	for (size_t i = 0; i < N; i++) {
		struct ids want = { 0 };

		greedy(&e, &v[i], &want);
		if (engine_answer(&e, &v[i], 1, 1, &s, false, NULL, NULL, &err) < 0)
			note("%s", err.msg);
		same = same && same_ids(&v[i].out, &want);
		ids_free(&want);
	}
	check(same, "%s%s on %s: the cache gives what whole passes give", path,
	      adapter ? " with an adapter" : "", device);
	if (engine_answer(&e, together, N, 3, &s, false, NULL, NULL, &err) < 0)
		note("%s", err.msg);
	for (size_t i = 0; i < N; i++)
		alone = alone && same_ids(&v[i].out, &together[i].out) && v[i].out.n;
	check(alone, "%s on %s: seven answers in three streams equal single ones", path, device);
	tear_down(v);
	tear_down(together);
	engine_close(&e);
}

static bool count_to_two(void *arg, size_t i, uint32_t id)
{
	(void)id;
	return ++((size_t *)arg)[i] < 2;
}

static void test_limits(void)
{
	struct sampling s = sampling_default, warm;
	struct answer v[N], w[N];
	size_t heard[N] = { 0 };
	struct engine e;
	bool two = true, same = true;
	uint32_t far[] = { 1u << 30 };
	struct answer bad = { .prompt = far, .n_prompt = 1 }, none = { .prompt = far };

	if (!open_engine(&e, "cpu", "hf_tiny/qwen2", NULL, "float32"))
		return;
	set_up(v);
	engine_answer(&e, v, N, 16, &s, false, count_to_two, heard, &err);
	for (size_t i = 0; i < N; i++)
		two = two && v[i].out.n == 2 && !v[i].stopped;
	check(two, "an answer ends when the listener says so");
	tear_down(v);
	ids_push(&e.stops, 0);
	s.max_new_tokens = 6;
	warm = s;
	warm.temperature = 3;
	warm.seed = 5;
	set_up(v);
	set_up(w);
	for (size_t i = 0; i < N; i++) {
		w[i].sampling = &warm;
		w[i].stream = (uint32_t)i;
	}
	engine_answer(&e, v, N, 2, &warm, false, NULL, NULL, &err);
	engine_answer(&e, w, N, 5, &s, false, NULL, NULL, &err);
	for (size_t i = 0; i < N; i++)
		same = same && same_ids(&v[i].out, &w[i].out);
	check(same, "draws depend on seed and stream, not on what runs beside");
	tear_down(v);
	tear_down(w);
	check(engine_answer(&e, &bad, 1, 1, &s, false, NULL, NULL, &err) < 0 &&
		      strstr(err.msg, "vocabulary"),
	      "an id beyond the vocabulary is refused");
	check(engine_answer(&e, &none, 1, 1, &s, false, NULL, NULL, &err) < 0,
	      "an empty prompt is refused");
	check(engine_answer(&e, NULL, 0, 1, &s, false, NULL, NULL, &err) == 0,
	      "no prompts, no work");
	engine_close(&e);
}

/* The first id that engine_answer gives is a stop id: an empty, whole answer. */
static void test_stop(void)
{
	struct sampling s = sampling_default;
	struct answer a = { .prompt = prompts[0], .n_prompt = lengths[0] };
	struct engine e;
	uint32_t second;

	if (!open_engine(&e, "cpu", "hf_tiny/qwen2", NULL, "float32"))
		return;
	s.max_new_tokens = 4;
	engine_answer(&e, &a, 1, 1, &s, false, NULL, NULL, &err);
	second = a.out.v[1];
	check(a.out.n == 4 && !a.stopped && a.out.v[0] != second, "four tokens, cut");
	a.out.n = 0;
	ids_push(&e.stops, second);
	engine_answer(&e, &a, 1, 1, &s, false, NULL, NULL, &err);
	check(a.out.n == 1 && a.stopped, "a stop id ends the answer and is not part of it");
	ids_free(&a.out);
	engine_close(&e);
}

static void test_logprobs(void)
{
	struct engine e;
	float logp[9], *logits;
	double worst = 0;

	if (!open_engine(&e, "cpu", "hf_tiny/qwen2", NULL, "float32"))
		return;
	logits = mem_new((size_t)e.model.arch.vocab, sizeof(*logits));
	check(engine_logprobs(&e, prompts[2], 9, false, logp, &err) == 0, "logprobs");
	for (int i = 1; i < 9; i++) {
		double sum = 0;

		whole_pass(&e, prompts[2], i, logits);
		for (int k = 0; k < e.model.arch.vocab; k++)
			sum += exp(logits[k]);
		worst = fmax(worst, fabs(logits[prompts[2][i]] - log(sum) - logp[i]));
	}
	check(worst < 1e-4, "they are log-softmax of the logits");
	check(engine_logprobs(&e, prompts[3], 1, false, logp, &err) == 0 && logp[0] == 0,
	      "one id has no predecessor");
	check(engine_logprobs(&e, prompts[3], 0, false, logp, &err) < 0, "no ids are refused");
	mem_free(logits);
	engine_close(&e);
}

/* Feeds llama.cpp's tokens one by one over the cache; the largest relative difference of top-5. */
static double golden_case(struct engine *e, const json_t *c)
{
	const json_t *ids = json_object_get(c, "prompt_ids"), *steps = json_object_get(c, "steps");
	int n = (int)json_array_size(ids), vocab = e->model.arch.vocab;
	int capacity = n + (int)json_array_size(steps);
	struct pass_options o = { .limits = { n, 1, 1, 1, n, capacity } };
	float *logits = mem_new((size_t)vocab, sizeof(*logits));
	uint32_t *next = mem_new((size_t)n, sizeof(*next));
	struct kv kv = { 0 };
	struct pass p;
	struct batch b;
	int past = 0;
	double worst = 0;

	if (e->has_lora)
		lora_widths(&e->lora, &o.lora_width, &o.lora_rows);
	if (kv_open(&kv, &e->model, 1, capacity, &err) < 0 ||
	    pass_open(&p, &e->model, &o, &err) < 0)
		return INFINITY;
	batch_open(&b, &o.limits);
	for (int i = 0; i < n; i++)
		next[i] = (uint32_t)json_integer_value(json_array_get(ids, (size_t)i));
	for (size_t s = 0; s < json_array_size(steps); s++) {
		const json_t *step = json_array_get(steps, s), *top = json_object_get(step, "top5");
		double sum = 0;

		batch_reset(&b);
		batch_cached_segment(&b, next, n, 0, past);
		batch_row(&b, n - 1, 0);
		pass_forward(&p, &b, engine_lora(e, false), &kv);
		pass_logits(&p, &b, logits);
		for (int k = 0; k < vocab; k++)
			sum += exp(logits[k]);
		for (size_t k = 0; k < json_array_size(top); k++) {
			const json_t *pair = json_array_get(top, k);
			double want = json_number_value(json_array_get(pair, 1));

			worst = fmax(worst,
				     fabs(exp(logits[json_integer_value(json_array_get(pair, 0))]) /
						  sum / want -
					  1));
		}
		past += n;
		n = 1;
		next[0] = (uint32_t)json_integer_value(json_object_get(step, "token"));
	}
	batch_close(&b);
	pass_close(&p);
	kv_close(&kv);
	mem_free(logits);
	mem_free(next);
	return worst;
}

static const char *text_or(const json_t *v)
{
	return json_is_string(v) ? json_string_value(v) : "";
}

/* lora: an adapter of llama.cpp's, or NULL. */
static void test_golden(const char *name, const char *lora)
{
	FILE *f = fopen(golden("gguf/greedy_golden.jsonl"), "r");
	char path[64], adapter[64], line[8192];
	struct engine e;
	double worst = 0;
	int n = 0;

	snprintf(path, sizeof(path), "gguf/%s.gguf", name);
	snprintf(adapter, sizeof(adapter), "gguf/%s.gguf", lora ? lora : "");
	if (!open_engine(&e, "auto", path, lora ? adapter : NULL, "float32"))
		return;
	while (f && fgets(line, sizeof(line), f)) {
		json_t *c = json_loads(line, 0, NULL);

		if (c && !strcmp(json_string_value(json_object_get(c, "model")), name) &&
		    (lora ? !strcmp(text_or(json_object_get(c, "lora")), lora)
			  : json_is_null(json_object_get(c, "lora")))) {
			worst = fmax(worst, golden_case(&e, c));
			n++;
		}
		json_decref(c);
	}
	/* llama.cpp's cache is F16. */
	check(n && worst < 0.01, "%s%s%s: probabilities as llama.cpp has them", path,
	      lora ? " with " : "", lora ? lora : "");
	note("largest relative difference %.2g over %d prompts", worst, n);
	if (f)
		fclose(f);
	engine_close(&e);
}

struct heard {
	struct buf text;
	size_t left; /* pieces until it wants no more */
};

static bool hear(void *arg, const char *s, size_t n)
{
	struct heard *h = arg;

	buf_add(&h->text, s, n);
	return !n || (h->left && --h->left);
}

static const char *say(struct session *s, const char *text, struct heard *h, enum session_end *end)
{
	buf_reset(&h->text);
	if (session_say(s, text, strlen(text), hear, h, end, &err) < 0)
		return NULL;
	return h->text.p;
}

static void test_session(void)
{
	struct sampling s = sampling_default;
	struct heard h = { .left = 1000000 };
	struct message m[3] = { { ROLE_USER, "Hello world", 11 },
				{ ROLE_ASSISTANT, NULL, 0 },
				{ ROLE_USER, "again", 5 } };
	struct session talk;
	struct engine e;
	struct ids ids = { 0 };
	struct answer a = { 0 };
	struct buf want = { 0 };
	enum session_end end;
	char *first, big[4000];

	if (!open_engine(&e, "cpu", "hf_tiny/qwen2", NULL, "float32"))
		return;
	s.max_new_tokens = STEPS;
	if (!check(session_open(&talk, &e, &s, NULL, &err) == 0, "a session opens"))
		return;
	first = mem_strdup(say(&talk, "Hello world", &h, &end));
	check(*first && end == SESSION_LIMIT && talk.n == 2, "it answers");
	say(&talk, "again", &h, &end);
	m[1].text = first;
	m[1].n = strlen(first);
	encode_chat(&e.settings, e.tok, m, 3, &ids, &err);
	check(talk.n == 4 && talk.n_fed > 0 && talk.n_fed < ids.n,
	      "a second turn feeds what is new");
	note("%zu of %zu tokens", talk.n_fed, ids.n);
	a.prompt = ids.v;
	a.n_prompt = ids.n;
	engine_answer(&e, &a, 1, 1, &s, false, NULL, NULL, &err);
	token_decode(e.tok, a.out.v, a.out.n, true, &want);
	check_str(h.text.p, want.p, "and answers as if all had been fed anew");
	session_clear(&talk);
	check_str(say(&talk, "Hello world", &h, &end), first, "cleared, it answers as at first");
	h.left = 2;
	say(&talk, "more", &h, &end);
	check(end == SESSION_BROKEN_OFF && talk.n == 4 && talk.n_answer < STEPS,
	      "an answer can be broken off; what was said stays");
	h.left = 1000000;
	memset(big, 'a', sizeof(big));
	for (size_t i = 0; i < sizeof(big); i += 2)
		big[i] = 'q';
	big[sizeof(big) - 1] = 0;
	check(!say(&talk, big, &h, &end) && strstr(err.msg, "shorten it") && talk.n == 4,
	      "too long a turn is refused and not said");
	check(!say(&talk, "\xff", &h, &end) && talk.n == 4, "so is what is not UTF-8");
	note("%s", err.msg);
	mem_free(first);
	ids_free(&ids);
	ids_free(&a.out);
	buf_free(&want);
	buf_free(&h.text);
	session_close(&talk);
	engine_close(&e);
}

/* The answer of a session to a prompt of several pieces, and that of one pass over all of it. */
static void check_pieces(struct session *talk, struct engine *e, struct heard *h)
{
	char text[450];
	struct message m = { ROLE_USER, text, sizeof(text) - 1 };
	struct ids ids = { 0 };
	struct answer a = { 0 };
	struct buf want = { 0 };
	enum session_end end;

	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = (char)('!' + i * 31 % 90);
	text[sizeof(text) - 1] = 0;
	encode_chat(&e->settings, e->tok, &m, 1, &ids, &err);
	a.prompt = ids.v;
	a.n_prompt = ids.n;
	engine_answer(e, &a, 1, 1, talk->sampling, false, NULL, NULL, &err);
	token_decode(e->tok, a.out.v, a.out.n, true, &want);
	check(ids.n > 300 && a.out.n == STEPS, "a long prompt");
	note("%zu tokens", ids.n);
	check_str(say(talk, text, h, &end), want.p, "fed in pieces, answered as one");
	session_clear(talk);
	ids_free(&ids);
	ids_free(&a.out);
	buf_free(&want);
}

/* Long prompts go in pieces, and an answer ends where the positions end. */
static void test_full(void)
{
	struct sampling s = sampling_default;
	struct heard h = { .left = 1000000 };
	struct session talk;
	struct engine e;
	enum session_end end;

	if (!open_engine(&e, "cpu", "hf_tiny/qwen2", NULL, "float32"))
		return;
	if (session_open(&talk, &e, &s, NULL, &err) == 0) {
		s.max_new_tokens = 100000;
		say(&talk, "Hello", &h, &end);
		check(end == SESSION_FULL &&
			      talk.n_fed + talk.n_answer == (size_t)e.model.n_positions,
		      "an answer ends where the positions end");
		note("%zu + %zu of %d", talk.n_fed, talk.n_answer, e.model.n_positions);
		session_clear(&talk);
		s.max_new_tokens = STEPS;
		check_pieces(&talk, &e, &h);
	}
	buf_free(&h.text);
	session_close(&talk);
	engine_close(&e);
}

int main(void)
{
	test_greedy("ref", "hf_tiny/qwen2", NULL);
	test_greedy("cpu", "hf_tiny/qwen2", NULL);
	test_greedy("cpu", "hf_tiny/llama", NULL);
	test_greedy("cpu", "gguf/llama.gguf", NULL);
	test_greedy("cpu", "hf_tiny/qwen2", "hf_tiny/qwen2_lora_peft");
	test_limits();
	test_stop();
	test_logprobs();
	test_golden("qwen2", NULL);
	test_golden("qwen2", "lora_qwen2");
	test_golden("qwen2_nobias", NULL);
	test_golden("llama", NULL);
	test_session();
	test_full();
	return tap_done();
}
