/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A template as Jinja text for tokenizer_config.json: without line breaks outside of its strings, so
 * that trim_blocks and lstrip_blocks, on or off, make no difference.
 */
#include "template/slot.h"

#include <string.h>

static void add_quoted(struct buf *out, const char *s, size_t n)
{
	buf_char(out, '\'');
	for (size_t i = 0; i < n; i++) {
		if (s[i] == '\n')
			buf_str(out, "\\n");
		else if (s[i] == '\r') /* Jinja makes every line end of its source a \n */
			buf_str(out, "\\r");
		else if (s[i] == '\'' || s[i] == '\\')
			buf_printf(out, "\\%c", s[i]);
		else
			buf_char(out, s[i]);
	}
	buf_char(out, '\'');
}

/* n bytes of a slot as a sum of strings; content is the Jinja expression for {content}. */
static void add_slot(struct buf *out, const char *slot, size_t n_slot, const char *content)
{
	/* Not every tokenizer has a bos token; the encoder leaves it out then. */
	static const char bos[] = "(bos_token if bos_token is defined and bos_token else '')";
	static const struct template holes_only = { .markers = { NULL } };
	const char *sign = "", *end = slot + n_slot, *q;
	size_t n;

	for (const char *p = slot; p < end; p = q + n) {
		q = slot_next(&holes_only, p, &n);
		if (!q || q >= end) {
			q = end;
			n = 0;
		}
		if (q > p) {
			buf_str(out, sign);
			add_quoted(out, p, (size_t)(q - p));
			sign = " + ";
		}
		if (!n)
			break;
		buf_printf(out, "%s%s", sign,
			   q[1] == 'c'   ? content
			   : q[1] == 'b' ? bos
					 : "eos_token");
		sign = " + ";
	}
}

static void add_branch(struct buf *out, const char *test, const char *slot, size_t n,
		       const char *content)
{
	buf_printf(out, "%s{{ ", test);
	add_slot(out, slot, n, content);
	buf_str(out, " }}");
}

/* A slot without the assistant header that it ends in: Jinja writes that before the answer. */
static void add_question(struct buf *out, const struct template *t, const char *test,
			 const char *slot)
{
	size_t n = strlen(slot), header = t->header ? strlen(t->header) : 0;

	if (header && header <= n && !strcmp(slot + n - header, t->header))
		n -= header;
	add_branch(out, test, slot, n,
		   t->fused_system ? "lead.text + message['content']" : "message['content']");
	if (t->fused_system)
		buf_str(out, "{% set lead.text = '' %}");
}

static void add_answer(struct buf *out, const struct template *t)
{
	struct buf slot = { 0 };

	buf_printf(&slot, "%s%s", t->header ? t->header : "", t->assistant);
	add_branch(out, "{% elif message['role'] == 'assistant' %}", slot.p, slot.n,
		   t->thinks ? "(message['content'].split('</think>') | last).lstrip('\\n')"
			     : "message['content']");
	buf_free(&slot);
}

/* The system prompt: system and turns are set, and with a fused one lead.text is. */
static void add_system(struct buf *out, const struct template *t, const char *text)
{
	const char *after = t->fused_system ? " %}{% endif %}" : " }}{% endif %}";

	buf_str(out, "{% if messages and messages[0]['role'] == 'system' %}"
		     "{% set system = messages[0]['content'] or ");
	add_quoted(out, text, strlen(text));
	buf_str(out, " %}{% set turns = messages[1:] %}{% else %}{% set system = ");
	add_quoted(out, text, strlen(text));
	buf_str(out, " %}{% set turns = messages %}{% endif %}");
	if (t->prefix)
		add_branch(out, "", t->prefix, strlen(t->prefix), "''");
	buf_str(out, t->fused_system ? "{% set lead = namespace(text='') %}"
				       "{% if system %}{% set lead.text = "
				     : "{% if system %}{{ ");
	add_slot(out, t->system, strlen(t->system), "system");
	buf_str(out, after);
}

void template_jinja(const struct template *t, const char *system, enum thinking thinking,
		    struct buf *out)
{
	const char *text = system ? system : t->default_system ? t->default_system : "";
	/* A bare text between two turns would be part of one of them. */
	bool later_system = !t->fused_system && strcmp(t->system, "{content}") != 0;

	add_system(out, t, text);
	buf_str(out, "{% for message in turns %}");
	add_question(out, t, "{% if message['role'] == 'user' %}", t->user);
	add_question(out, t, "{% elif message['role'] == 'tool' %}",
		     t->observation ? t->observation : t->user);
	add_answer(out, t);
	if (later_system)
		add_branch(out, "{% elif message['role'] == 'system' %}", t->system,
			   strlen(t->system), "message['content']");
	buf_printf(
		out,
		"{%% else %%}{{ raise_exception('Template %s has no place for a message of role ' "
		"+ message['role'] + ' here') }}{%% endif %%}{%% endfor %%}",
		t->name);
	if (t->fused_system) /* no question took it up */
		buf_str(out, "{{ lead.text }}");
	if (t->header) {
		buf_str(out, "{% if add_generation_prompt %}");
		add_branch(out, "", t->header, strlen(t->header), "''");
		if (t->thinks)
			buf_printf(out,
				   "{%% if not (enable_thinking if enable_thinking is defined else "
				   "%s) %%}{{ '<think>\\n\\n</think>\\n\\n' }}{%% endif %%}",
				   thinking == THINKING_TRUE ? "true" : "false");
		buf_str(out, "{% endif %}");
	}
}
