/* SPDX-License-Identifier: Apache-2.0 */
#include "chat/session.h"

#include "base/mem.h"

#include <string.h>

/* A prompt is fed in pieces of so many tokens: long enough for full speed, short enough to be
 * interrupted. */
#define PIECE 256

/* A pass that is wide enough for the adapters in use. */
static int open_pass(struct session *s, struct err *err)
{
	struct pass_options o = { .limits = s->batch.limits };

	if (s->e->has_lora)
		lora_widths(&s->e->lora, &o.lora_width, &o.lora_rows);
	return pass_open(&s->pass, &s->e->model, &o, err);
}

int session_open(struct session *s, struct engine *e, const struct sampling *sampling,
		 const struct opt_list *stops, struct err *err)
{
	int n = e->model.n_positions < PIECE ? e->model.n_positions : PIECE;
	struct batch_limits limits = { n, 1, 1, 1, n, e->model.n_positions };

	memset(s, 0, sizeof(*s));
	s->e = e;
	s->sampling = sampling;
	s->stops = stops;
	batch_open(&s->batch, &limits);
	s->logits = mem_new((size_t)e->model.arch.vocab, sizeof(*s->logits));
	if (kv_open(&s->kv, &e->model, 1, e->model.n_positions, err) < 0 || open_pass(s, err) < 0) {
		session_close(s);
		return -1;
	}
	return 0;
}

/* Leaves the first n messages. */
static void drop_messages(struct session *s, size_t n)
{
	while (s->n > n)
		mem_free((char *)s->messages[--s->n].text);
	s->first = s->first < n ? s->first : 0; /* what was left out may fit again */
}

void session_clear(struct session *s)
{
	/* The cache serves the next conversation, too: its prefix is the same. */
	drop_messages(s, 0);
}

void session_close(struct session *s)
{
	drop_messages(s, 0);
	mem_free(s->messages);
	mem_free(s->system);
	ids_free(&s->cache);
	batch_close(&s->batch);
	pass_close(&s->pass);
	kv_close(&s->kv);
	mem_free(s->logits);
	sampler_close(&s->sampler);
	memset(s, 0, sizeof(*s));
}

bool session_undo(struct session *s)
{
	size_t n = s->n;

	while (n > 0 && s->messages[n - 1].role != ROLE_USER)
		n--;
	if (!n)
		return false;
	s->first = 0;
	drop_messages(s, n - 1);
	return true;
}

void session_set_system(struct session *s, const char *text)
{
	char *own = text ? mem_strdup(text) : NULL;

	mem_free(s->system);
	s->system = own;
	s->first = 0;
}

const char *session_system(const struct session *s)
{
	const struct encode_settings *settings = &s->e->settings;
	const char *text = s->system          ? s->system
			   : settings->system ? settings->system
					      : settings->template->default_system;

	return text ? text : "";
}

int session_set_adapters(struct session *s, const char *names, struct err *err)
{
	char *before = engine_active_adapters(s->e);
	struct err again;
	int rc = engine_set_adapters(s->e, names, err);

	if (rc == 0) {
		pass_close(&s->pass);
		rc = open_pass(s, err);
		/* What was there a moment ago can be had again; else nothing is left to go on with. */
		if (rc < 0 &&
		    (engine_set_adapters(s->e, before, &again) < 0 || open_pass(s, &again) < 0))
			mem_new(SIZE_MAX, 1);
	}
	s->cache.n = 0; /* keys and values are the adapters' */
	mem_free(before);
	return rc;
}

size_t session_turns(const struct session *s)
{
	size_t n = 0;

	for (size_t i = 0; i < s->n; i++)
		n += s->messages[i].role == ROLE_USER;
	return n;
}

static void add_message(struct session *s, enum role role, const char *text, size_t n)
{
	s->messages = mem_grow(s->messages, s->n + 1, sizeof(*s->messages));
	s->messages[s->n++] = (struct message){ role, mem_strndup(n ? text : "", n), n };
}

/* One pass over ids[0..n), which go into the cache. */
static void feed(struct session *s, const uint32_t *ids, size_t n)
{
	batch_reset(&s->batch);
	batch_cached_segment(&s->batch, ids, (int)n, 0, (int)s->cache.n);
	batch_row(&s->batch, (int)n - 1, 0);
	pass_forward(&s->pass, &s->batch, engine_lora(s->e, false), &s->kv);
	ids_add(&s->cache, ids, n);
}

static int check_prompt(const struct session *s, const struct ids *prompt, struct err *err)
{
	int vocab = s->e->model.arch.vocab;

	for (size_t i = 0; i < prompt->n; i++)
		if (prompt->v[i] >= (uint32_t)vocab)
			return err_set(err,
				       "the tokenizer made id %u, the model's vocabulary ends at "
				       "%d; is it the model's own?",
				       prompt->v[i], vocab - 1);
	return 0;
}

/* Brings the cache to hold the prompt, whose last row is in the pass; false: the listener left. */
static bool feed_prompt(struct session *s, const struct ids *prompt, text_fn fn, void *arg)
{
	size_t same = 0;

	while (same < s->cache.n && same + 1 < prompt->n && s->cache.v[same] == prompt->v[same])
		same++;
	s->cache.n = same;
	s->n_fed = prompt->n - same;
	while (s->cache.n < prompt->n) {
		size_t left = prompt->n - s->cache.n, most = (size_t)s->batch.limits.tokens;

		if (!fn(arg, "", 0))
			return false;
		feed(s, prompt->v + s->cache.n, left < most ? left : most);
	}
	return true;
}

/* Tokens until the answer ends; its text goes to fn and is added to *whole. */
static int generate(struct session *s, const struct ids *prompt, struct buf *whole, text_fn fn,
		    void *arg, enum session_end *end, struct err *err)
{
	struct text text;
	struct buf piece = { 0 };
	struct ids out = { 0 };
	bool more = true, heard = true;
	int rc = 0;

	text_open(&text, s->e->tok, s->stops);
	for (*end = SESSION_STOPPED; more && heard;) {
		struct history h = { prompt->v, out.v, prompt->n, out.n };
		uint32_t id;

		pass_logits(&s->pass, &s->batch, s->logits);
		id = sample_token(&s->sampler, s->logits, (size_t)s->e->model.arch.vocab, &h,
				  s->sampling, s->stream);
		if (id == SAMPLE_BROKEN) {
			rc = err_kind(err, ERR_NUMERIC, "the model's logits are not numbers (NaN)");
			break;
		}
		if (engine_is_stop(s->e, id))
			break;
		ids_push(&out, id);
		buf_reset(&piece);
		more = text_add(&text, id, &piece);
		if (more && prompt->n + out.n >= (size_t)s->e->model.n_positions) {
			*end = SESSION_FULL;
			break;
		}
		if (more && (long)out.n >= s->sampling->max_new_tokens) {
			*end = SESSION_LIMIT;
			break;
		}
		buf_add(whole, piece.p, piece.n);
		heard = fn(arg, piece.p, piece.n);
		buf_reset(&piece);
		if (more && heard)
			feed(s, &id, 1);
	}
	if (!heard)
		*end = SESSION_BROKEN_OFF;
	text_end(&text, &piece);
	buf_add(whole, piece.p, piece.n);
	fn(arg, piece.p, piece.n);
	s->n_answer = out.n;
	text_close(&text);
	buf_free(&piece);
	ids_free(&out);
	return rc;
}

/* The conversation's ids, as far back as they fit. */
static int encode(struct session *s, struct ids *prompt, struct err *err)
{
	struct encode_settings settings = s->e->settings;
	struct fit fit = { .first = s->first };
	size_t before = s->first;

	settings.system = s->system ? s->system : settings.system;
	if (fit_messages(&fit, s->e, &settings, s->messages, s->n, s->sampling->max_new_tokens,
			 err) < 0 ||
	    check_prompt(s, &fit.ids, err) < 0) {
		ids_free(&fit.ids);
		return -1;
	}
	s->n_dropped = 0;
	for (size_t i = before; i < fit.first; i++)
		s->n_dropped += s->messages[i].role == ROLE_USER;
	s->first = fit.first;
	s->n_prompt = fit.ids.n;
	*prompt = fit.ids;
	return 0;
}

/* Answers the last message, a user's; *whole: the answer. */
static int answer(struct session *s, struct buf *whole, text_fn fn, void *arg,
		  enum session_end *end, struct err *err)
{
	struct ids prompt = { 0 };
	int rc = encode(s, &prompt, err);

	s->n_answer = 0;
	*end = SESSION_BROKEN_OFF;
	if (rc == 0 && feed_prompt(s, &prompt, fn, arg))
		rc = generate(s, &prompt, whole, fn, arg, end, err);
	ids_free(&prompt);
	return rc;
}

int session_say(struct session *s, const char *text, size_t n, text_fn fn, void *arg,
		enum session_end *end, struct err *err)
{
	size_t before = s->n, first = s->first;
	struct buf whole = { 0 };
	int rc;

	if (before && s->messages[before - 1].role != ROLE_ASSISTANT)
		return err_set(err, "the last question has no answer yet; /retry asks it again, "
				    "/undo takes it back");
	add_message(s, ROLE_USER, text, n);
	s->stream = 0;
	rc = answer(s, &whole, fn, arg, end, err);
	/* What was broken off before its first word was not said. */
	if (rc < 0 || (*end == SESSION_BROKEN_OFF && !whole.n)) {
		drop_messages(s, before);
		s->first = first;
	} else {
		add_message(s, ROLE_ASSISTANT, whole.p, whole.n);
	}
	buf_free(&whole);
	return rc;
}

int session_again(struct session *s, text_fn fn, void *arg, enum session_end *end, struct err *err)
{
	struct message old = { 0 };
	struct buf whole = { 0 };
	int rc;

	if (!s->n)
		return err_set(err, "nothing was asked yet");
	if (s->messages[s->n - 1].role == ROLE_ASSISTANT)
		old = s->messages[--s->n];
	s->stream++;
	rc = answer(s, &whole, fn, arg, end, err);
	if (rc == 0 && (*end != SESSION_BROKEN_OFF || whole.n)) {
		mem_free((char *)old.text);
		add_message(s, ROLE_ASSISTANT, whole.p, whole.n);
	} else if (old.text) {
		s->messages[s->n++] = old;
	}
	buf_free(&whole);
	return rc;
}

void session_adopt(struct session *s, const struct message *m, size_t n)
{
	drop_messages(s, 0);
	for (size_t i = 0; i < n; i++)
		add_message(s, m[i].role, m[i].text, m[i].n);
}
