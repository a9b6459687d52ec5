/* SPDX-License-Identifier: Apache-2.0 */
#include "template/dialog.h"

#include "template/thought.h"
#include "template/tools.h"

#include <string.h>

/* The system text that holds for a conversation, "" if none: its own, the setting's, the template's. */
static struct slot_fill system_text(const struct encode_settings *s, const struct message *system)
{
	const char *text = s->system ? s->system : s->template->default_system;

	if (system && system->text && system->n)
		return (struct slot_fill){ .text = system->text, .n = system->n };
	return (struct slot_fill){ .text = text ? text : "", .n = text ? strlen(text) : 0 };
}

/* The system slot as plain text, for templates that put it inside the user slot. */
static void fuse_system(const struct template *t, const struct slot_fill *system, struct buf *out)
{
	const char *hole = strstr(t->system, "{content}");

	if (!system->n)
		return;
	buf_add(out, t->system, (size_t)(hole - t->system));
	buf_add(out, system->text, system->n);
	buf_str(out, hole + strlen("{content}"));
}

static int encode_system(struct side *side, const struct encode_settings *s,
			 const struct token *tok, const struct opening *o, struct buf *lead,
			 struct err *err)
{
	const struct template *t = s->template;
	struct slot_fill fill = system_text(s, o->system);
	struct buf slot = { 0 }, tools = { 0 };
	int rc = 0;

	if (o->tools && o->tools->text)
		rc = tools_describe(t, t->system, o->tools, &slot, &tools, err);
	fill.tools = tools.p;
	fill.n_tools = tools.n;
	if (t->prefix && rc == 0)
		rc = slot_encode(t, tok, t->prefix, &fill, &side->ids, NULL, err);
	if (t->fused_system)
		fuse_system(t, &fill, lead);
	else if ((fill.n || tools.n) && rc == 0)
		rc = slot_encode(t, tok, slot.n ? slot.p : t->system, &fill, &side->ids, NULL, err);
	buf_free(&slot);
	buf_free(&tools);
	return rc;
}

static int encode_source(struct side *side, const struct encode_settings *s,
			 const struct token *tok, const struct opening *o, const struct message *m,
			 struct err *err)
{
	const struct template *t = s->template;
	bool result = m->role == ROLE_OBSERVATION && t->observation;
	struct slot_fill fill = { .text = m->text, .n = m->n };
	struct buf lead = { 0 };
	int rc = 0;

	if (o)
		rc = encode_system(side, s, tok, o, &lead, err);
	fill.lead = lead.p;
	fill.n_lead = lead.n;
	fill.glue = result ? tools_glue(t) : NULL;
	if (rc == 0)
		rc = slot_encode(t, tok, result ? t->observation : t->user, &fill, &side->ids,
				 &side->text, err);
	buf_free(&lead);
	return rc;
}

int dialog_thought(struct side *side, const struct template *t, const struct token *tok,
		   struct err *err)
{
	return slot_encode(t, tok, THOUGHT_EMPTY, NULL, &side->ids, NULL, err);
}

int dialog_target(struct side *side, const struct template *t, const struct token *tok,
		  const struct message *m, struct err *err)
{
	struct slot_fill fill = { .text = m->text, .n = m->n };

	if (m->role == ROLE_FUNCTION)
		return tools_call(t, tok, m, &side->ids, &side->text, err);
	fill.n_thought = t->thinks ? thought_length(m->text, m->n) : 0;
	return slot_encode(t, tok, t->assistant, &fill, &side->ids, &side->text, err);
}

/* The i-th of n messages is an answer. Of a whole conversation (n is even) every answer is trained,
 * or with mask_history the last; else all of them are history. */
static int encode_answer(struct turn *turn, const struct encode_settings *s,
			 const struct token *tok, const struct message *m, size_t i, size_t n,
			 struct err *err)
{
	bool whole = n % 2 == 0, last = i + 1 == n;
	bool drops = !s->preserve_thinking && (whole ? s->mask_history : true);
	struct message bare = *m;
	struct buf room = { 0 };
	int rc = 0;

	if (s->template->thinks &&
	    ((whole && s->thinking == THINKING_FALSE) || (drops && !(whole && last))))
		bare = thought_removed(m, &room);
	if (s->template->thinks && whole && (last || !drops) && thought_absent(&bare))
		rc = dialog_thought(s->thinking == THINKING_TRUE ? &turn->target : &turn->source,
				    s->template, tok, err);
	if (rc == 0)
		rc = dialog_target(&turn->target, s->template, tok, &bare, err);
	buf_free(&room);
	return rc;
}

int dialog_encode(struct dialog *turns, const struct encode_settings *s, const struct token *tok,
		  const struct opening *o, const struct message *messages, size_t n,
		  struct err *err)
{
	int rc = slot_check(s->template, tok, err);

	turns->n = (n + 1) / 2;
	turns->v = mem_new(turns->n, sizeof(*turns->v));
	for (size_t i = 0; i < n && rc == 0; i++) {
		const struct message *m = &messages[i];
		struct turn *turn = &turns->v[i / 2];
		bool asks = m->role == ROLE_USER || m->role == ROLE_OBSERVATION;

		if (m->role == ROLE_SYSTEM || asks != (i % 2 == 0))
			return err_set(err,
				       "message %zu: user and assistant must take turns, the user "
				       "first",
				       i + 1);
		if (asks)
			rc = encode_source(&turn->source, s, tok, i ? NULL : o, m, err);
		else
			rc = encode_answer(turn, s, tok, m, i, n, err);
	}
	return rc;
}

void dialog_free(struct dialog *turns)
{
	for (size_t i = 0; i < turns->n; i++) {
		ids_free(&turns->v[i].source.ids);
		ids_free(&turns->v[i].target.ids);
	}
	mem_free(turns->v);
	*turns = (struct dialog){ 0 };
}

size_t side_least_source(const struct side *side)
{
	return side->ids.n - side->text.end;
}

size_t side_least_target(const struct side *side)
{
	size_t end = side->ids.n - side->text.end;

	return end < side->ids.n ? end + 1 : end;
}

void side_cut_source(const struct side *side, size_t n, struct ids *out)
{
	const uint32_t *v = side->ids.v;
	size_t all = side->ids.n, lost = n < all ? all - n : 0;
	size_t text = side->text.end - side->text.begin;

	if (lost <= text) {
		size_t front = side->text.begin + (text - lost + 1) / 2;

		ids_add(out, v, front);
		ids_add(out, v + front + lost, all - front - lost);
	} else {
		ids_add(out, v + lost, all - lost);
	}
}

void side_cut_target(const struct side *side, size_t n, struct ids *out)
{
	size_t all = side->ids.n, end = all - side->text.end;

	if (n >= all) {
		ids_add(out, side->ids.v, all);
	} else {
		ids_add(out, side->ids.v, n > end ? n - end : 0);
		ids_add(out, side->ids.v + side->text.end, end);
	}
}
