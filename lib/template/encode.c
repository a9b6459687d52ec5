/* SPDX-License-Identifier: Apache-2.0 */
#include "template/dialog.h"
#include "template/thought.h"

void encode_lengths(uint32_t source, uint32_t target, uint32_t cutoff, uint32_t *s, uint32_t *t)
{
	uint64_t max;

	if ((uint64_t)target * 2 < cutoff)
		max = cutoff;
	else if ((uint64_t)source * 2 < cutoff)
		max = cutoff - source;
	else
		max = (uint64_t)cutoff * target / ((uint64_t)source + target);
	*t = max < target ? (uint32_t)max : target;
	*s = cutoff - *t < source ? cutoff - *t : source;
}

/* Divides cutoff_len among the turns; returns the first index that is kept, n if none. */
static size_t fit_turns(struct dialog *turns, const struct encode_settings *s)
{
	uint32_t used = 0;
	size_t first = turns->n;

	for (size_t i = 0; i < turns->n && used < s->cutoff_len; i++) {
		size_t k = s->mask_history ? turns->n - 1 - i : i;
		struct turn *turn = &turns->v[k];

		encode_lengths((uint32_t)turn->source.ids.n, (uint32_t)turn->target.ids.n,
			       s->cutoff_len - used, &turn->s, &turn->t);
		if (turn->s < side_least_source(&turn->source) ||
		    turn->t < side_least_target(&turn->target))
			break;
		turn->kept = true;
		used += turn->s + turn->t;
		first = k < first ? k : first;
	}
	return first;
}

static void add_span(struct buf *spans, size_t from, size_t begin, size_t end)
{
	struct span span = { (uint32_t)begin, (uint32_t)end };
	struct span *last = spans->n > from ? (struct span *)(spans->p + spans->n) - 1 : NULL;

	if (begin == end)
		return;
	if (last && last->end == span.begin)
		last->end = span.end;
	else
		buf_add(spans, &span, sizeof(span));
}

static void count_lost(struct encode_counts *counts, size_t all, size_t kept)
{
	if (!counts || kept >= all)
		return;
	counts->truncated++;
	counts->tokens_lost += all - kept;
}

static int no_room(const struct encode_settings *s, struct err *err)
{
	return err_set(err, "cutoff_len %u leaves no room for the template and an answer",
		       s->cutoff_len);
}

static int encode_sft(const struct encode_settings *s, const struct token *tok,
		      const struct record *r, struct ids *ids, struct buf *spans, struct example *e,
		      struct encode_counts *counts, struct err *err)
{
	size_t start = ids->n, from = spans->n, all = 0;
	struct dialog turns = { 0 };
	const struct opening o = { &r->system, &r->tools };
	int rc = dialog_encode(&turns, s, tok, &o, r->messages, r->n_messages, err);

	if (rc == 0 && (r->n_messages == 0 || r->n_messages % 2))
		rc = err_set(err, "the last message must be the assistant's");
	if (rc == 0 && fit_turns(&turns, s) == turns.n)
		rc = no_room(s, err);
	for (size_t i = 0; i < turns.n && rc == 0; i++) {
		struct turn *turn = &turns.v[i];
		size_t begin = ids->n - start, middle;

		all += turn->source.ids.n + turn->target.ids.n;
		if (!turn->kept)
			continue;
		side_cut_source(&turn->source, turn->s, ids);
		middle = ids->n - start;
		side_cut_target(&turn->target, turn->t, ids);
		if (!s->mask_history || i + 1 == turns.n)
			add_span(spans, from, s->train_on_prompt ? begin : middle, ids->n - start);
	}
	dialog_free(&turns);
	if (rc < 0)
		return -1;
	count_lost(counts, all, ids->n - start);
	*e = (struct example){ .ids = ids->v + start,
			       .n_ids = (uint32_t)(ids->n - start),
			       .spans = (struct span *)(spans->p + from),
			       .n_spans = (uint32_t)((spans->n - from) / sizeof(struct span)) };
	return 0;
}

/* A candidate; *empty: it has no thought where the settings want one before it. */
static int encode_candidate(struct side *side, const struct encode_settings *s,
			    const struct token *tok, const struct message *m, bool *empty,
			    struct err *err)
{
	struct message bare = *m;
	struct buf room = { 0 };
	int rc = 0;

	if (s->template->thinks && s->thinking == THINKING_FALSE)
		bare = thought_removed(m, &room);
	*empty = s->template->thinks && thought_absent(&bare);
	if (*empty && s->thinking == THINKING_TRUE)
		rc = dialog_thought(side, s->template, tok, err);
	if (rc == 0)
		rc = dialog_target(side, s->template, tok, &bare, err);
	buf_free(&room);
	return rc;
}

/* All turns as one source; what may be cut first is the text of the last user message. */
static void join_turns(const struct dialog *turns, struct side *prompt)
{
	for (size_t i = 0; i < turns->n; i++) {
		const struct turn *turn = &turns->v[i];

		prompt->text.begin = prompt->ids.n + turn->source.text.begin;
		prompt->text.end = prompt->ids.n + turn->source.text.end;
		ids_add(&prompt->ids, turn->source.ids.v, turn->source.ids.n);
		ids_add(&prompt->ids, turn->target.ids.v, turn->target.ids.n);
	}
}

static int fit_pair(const struct encode_settings *s, const struct side *prompt,
		    const struct side *answer, uint32_t kept[2], struct err *err)
{
	size_t a = answer[0].ids.n, b = answer[1].ids.n;

	encode_lengths((uint32_t)prompt->ids.n, (uint32_t)(a > b ? a : b), s->cutoff_len, &kept[0],
		       &kept[1]);
	if (kept[0] < side_least_source(prompt) || kept[1] < side_least_target(&answer[0]) ||
	    kept[1] < side_least_target(&answer[1]))
		return no_room(s, err);
	return 0;
}

static int encode_pair(const struct encode_settings *s, const struct token *tok,
		       const struct record *r, struct ids *ids, struct example *e,
		       struct encode_counts *counts, struct err *err)
{
	size_t start = ids->n, all, begin[3];
	struct side prompt = { 0 }, answer[2] = { { { 0 }, { 0, 0 } }, { { 0 }, { 0, 0 } } };
	struct dialog turns = { 0 };
	uint32_t kept[2];
	const struct opening o = { &r->system, &r->tools };
	bool empty[2] = { false, false };
	int rc = dialog_encode(&turns, s, tok, &o, r->messages, r->n_messages, err);

	if (rc == 0 && r->n_messages % 2 == 0)
		rc = err_set(err, "the last message before the answers must be the user's");
	if (rc == 0)
		rc = encode_candidate(&answer[0], s, tok, &r->chosen, &empty[0], err);
	if (rc == 0)
		rc = encode_candidate(&answer[1], s, tok, &r->rejected, &empty[1], err);
	if (rc == 0)
		join_turns(&turns, &prompt);
	/* The question is one for both: it is the chosen answer's. */
	if (rc == 0 && empty[0] && s->thinking != THINKING_TRUE)
		rc = dialog_thought(&prompt, s->template, tok, err);
	if (rc == 0)
		rc = fit_pair(s, &prompt, answer, kept, err);
	if (rc == 0) {
		all = prompt.ids.n + answer[0].ids.n + answer[1].ids.n;
		side_cut_source(&prompt, kept[0], ids);
		begin[1] = ids->n;
		side_cut_target(&answer[0], kept[1], ids);
		begin[2] = ids->n;
		side_cut_target(&answer[1], kept[1], ids);
		count_lost(counts, all, ids->n - start);
		*e = (struct example){ .ids = ids->v + start,
				       .n_ids = (uint32_t)(ids->n - start),
				       .n_prompt = (uint32_t)(begin[1] - start),
				       .n_chosen = (uint32_t)(begin[2] - begin[1]) };
	}
	dialog_free(&turns);
	ids_free(&prompt.ids);
	ids_free(&answer[0].ids);
	ids_free(&answer[1].ids);
	return rc;
}

static int encode_cut(const struct encode_settings *s, const struct token *tok,
		      const struct record *r, struct ids *ids, struct buf *spans, struct example *e,
		      struct encode_counts *counts, struct err *err)
{
	const char *fault;

	if (r->is_preference ? encode_pair(s, tok, r, ids, e, counts, err) < 0
			     : encode_sft(s, tok, r, ids, spans, e, counts, err) < 0)
		return -1;
	fault = shard_example_fault(e, r->is_preference ? SHARD_DPO : SHARD_SFT, token_count(tok));
	return fault ? err_set(err, "the encoded example: %s", fault) : 0;
}

/* Tokens that must fit into cutoff_len: of a pair the longer one. */
static uint32_t length_of(const struct example *e, bool pair)
{
	uint32_t rejected = e->n_ids - e->n_prompt - e->n_chosen;

	if (!pair)
		return e->n_ids;
	return e->n_prompt + (e->n_chosen > rejected ? e->n_chosen : rejected);
}

int encode_record(const struct encode_settings *s, const struct token *tok, const struct record *r,
		  struct ids *ids, struct buf *spans, struct example *e,
		  struct encode_counts *counts, struct err *err)
{
	struct encode_settings whole = *s;
	uint32_t length;

	if (s->truncation == TRUNCATION_CUT)
		return encode_cut(s, tok, r, ids, spans, e, counts, err);
	whole.cutoff_len = SHARD_IDS_MAX;
	if (encode_cut(&whole, tok, r, ids, spans, e, NULL, err) < 0)
		return -1;
	length = length_of(e, r->is_preference);
	if (length <= s->cutoff_len)
		return 0;
	if (s->truncation == TRUNCATION_ERROR)
		return err_set(err, "%u tokens, and cutoff_len is %u; shorten the record", length,
			       s->cutoff_len);
	if (counts)
		counts->dropped++;
	return 1;
}

int encode_chat(const struct encode_settings *s, const struct token *tok,
		const struct message *messages, size_t n, struct ids *ids, struct err *err)
{
	const struct message *system = n && messages[0].role == ROLE_SYSTEM ? messages : NULL;
	size_t skip = system != NULL;
	struct side all = { 0 };
	struct dialog turns = { 0 };
	const struct opening o = { system, NULL };
	int rc = dialog_encode(&turns, s, tok, &o, messages + skip, n - skip, err);

	if (rc == 0 && (n - skip) % 2 == 0)
		rc = err_set(err, "the last message must be the user's");
	if (rc == 0) {
		join_turns(&turns, &all);
		if (s->template->thinks && s->thinking != THINKING_TRUE)
			rc = dialog_thought(&all, s->template, tok, err);
		ids_add(ids, all.ids.v, all.ids.n);
	}
	ids_free(&all.ids);
	dialog_free(&turns);
	return rc;
}
