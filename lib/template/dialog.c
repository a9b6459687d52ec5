/* SPDX-License-Identifier: Apache-2.0 */
#include "template/dialog.h"

#include "template/pyjson.h"

#include <jansson.h>
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

static int encode_source(struct side *side, const struct encode_settings *s,
			 const struct token *tok, const struct message *system,
			 const struct message *m, struct err *err)
{
	const struct template *t = s->template;
	const char *slot = m->role == ROLE_OBSERVATION && t->observation ? t->observation : t->user;
	struct slot_fill fill = { .text = m->text, .n = m->n };
	struct buf lead = { 0 };
	int rc = 0;

	if (system) {
		struct slot_fill text = system_text(s, system);

		if (t->prefix)
			rc = slot_encode(t, tok, t->prefix, &fill, &side->ids, NULL, err);
		if (t->fused_system)
			fuse_system(t, &text, &lead);
		else if (text.n && rc == 0)
			rc = slot_encode(t, tok, t->system, &text, &side->ids, NULL, err);
	}
	fill.lead = lead.p;
	fill.n_lead = lead.n;
	if (rc == 0)
		rc = slot_encode(t, tok, slot, &fill, &side->ids, &side->text, err);
	buf_free(&lead);
	return rc;
}

static int encode_call(struct side *side, const struct template *t, const struct token *tok,
		       const json_t *call, const char *after, struct err *err)
{
	const json_t *name = json_object_get(call, "name");
	const json_t *arguments = json_object_get(call, "arguments");
	struct buf slot = { 0 }, text = { 0 };
	struct slot_fill fill;
	int rc;

	if (!json_is_string(name) || !arguments)
		return err_set(err, "a function call needs \"name\" and \"arguments\"");
	buf_str(&text, "{\"name\": ");
	pyjson_dump(name, &text);
	buf_str(&text, ", \"arguments\": ");
	pyjson_dump(arguments, &text);
	buf_char(&text, '}');
	buf_printf(&slot, "<tool_call>\n{content}\n</tool_call>%s", after);
	fill = (struct slot_fill){ .text = text.p, .n = text.n };
	rc = slot_encode(t, tok, slot.p, &fill, &side->ids, &side->text, err);
	buf_free(&slot);
	buf_free(&text);
	return rc;
}

static int encode_function(struct side *side, const struct template *t, const struct token *tok,
			   const struct message *m, struct err *err)
{
	const char *end = strstr(t->assistant, "{content}") + strlen("{content}");
	json_error_t why;
	json_t *calls;
	int rc = 0;
	size_t n;

	if (!t->tool_calls)
		return err_set(err, "template '%s' has no form for function calls", t->name);
	calls = json_loadb(m->text, m->n, JSON_REJECT_DUPLICATES, &why);
	if (!calls)
		return err_set(err, "a function message must be JSON: %s", why.text);
	n = json_is_array(calls) ? json_array_size(calls) : 1;
	for (size_t i = 0; i < n && rc == 0; i++)
		rc = encode_call(side, t, tok,
				 json_is_array(calls) ? json_array_get(calls, i) : calls,
				 i + 1 < n ? "\n" : end, err);
	if (n == 0)
		rc = err_set(err, "a function message without calls");
	json_decref(calls);
	return rc;
}

int dialog_target(struct side *side, const struct template *t, const struct token *tok,
		  const struct message *m, struct err *err)
{
	struct slot_fill fill = { .text = m->text, .n = m->n };

	if (m->role == ROLE_FUNCTION)
		return encode_function(side, t, tok, m, err);
	return slot_encode(t, tok, t->assistant, &fill, &side->ids, &side->text, err);
}

int dialog_encode(struct dialog *turns, const struct encode_settings *s, const struct token *tok,
		  const struct message *system, const struct message *messages, size_t n,
		  struct err *err)
{
	static const struct message none = { ROLE_SYSTEM, NULL, 0 };
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
			rc = encode_source(&turn->source, s, tok,
					   i        ? NULL
					   : system ? system
						    : &none,
					   m, err);
		else
			rc = dialog_target(&turn->target, s->template, tok, m, err);
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
