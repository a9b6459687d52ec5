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
		else if (s[i] == '\'' || s[i] == '\\')
			buf_printf(out, "\\%c", s[i]);
		else
			buf_char(out, s[i]);
	}
	buf_char(out, '\'');
}

/* A slot as a sum of strings; content is the Jinja expression for {content}. */
static void add_slot(struct buf *out, const char *slot, const char *content)
{
	static const struct template holes_only = { .markers = { NULL } };
	const char *sign = "", *q;
	size_t n;

	for (const char *p = slot; *p; p = q + n) {
		q = slot_next(&holes_only, p, &n);
		if (!q) {
			q = p + strlen(p);
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
			   : q[1] == 'b' ? "bos_token"
					 : "eos_token");
		sign = " + ";
	}
}

static void add_branch(struct buf *out, const char *test, const char *slot, bool fused)
{
	buf_printf(out, "%s{{ ", test);
	add_slot(out, slot, fused ? "lead.text + message['content']" : "message['content']");
	buf_str(out, " }}");
	if (fused)
		buf_str(out, "{% set lead.text = '' %}");
}

void template_jinja(const struct template *t, const char *system, struct buf *out)
{
	const char *text = system ? system : t->default_system ? t->default_system : "";
	bool fused = t->fused_system;

	buf_str(out, "{% if messages[0]['role'] == 'system' %}"
		     "{% set system = messages[0]['content'] or ");
	add_quoted(out, text, strlen(text));
	buf_str(out, " %}{% set turns = messages[1:] %}{% else %}{% set system = ");
	add_quoted(out, text, strlen(text));
	buf_str(out, " %}{% set turns = messages %}{% endif %}");
	if (t->prefix) {
		buf_str(out, "{{ ");
		add_slot(out, t->prefix, "''");
		buf_str(out, " }}");
	}
	if (fused)
		buf_str(out, "{% set lead = namespace(text='') %}");
	buf_str(out, fused ? "{% if system %}{% set lead.text = " : "{% if system %}{{ ");
	add_slot(out, t->system, "system");
	buf_str(out, fused ? " %}{% endif %}" : " }}{% endif %}");
	buf_str(out, "{% for message in turns %}");
	add_branch(out, "{% if message['role'] == 'user' %}", t->user, fused);
	add_branch(out, "{% elif message['role'] == 'tool' %}",
		   t->observation ? t->observation : t->user, fused);
	add_branch(out, "{% elif message['role'] == 'assistant' %}", t->assistant, false);
	buf_str(out, "{% endif %}{% endfor %}");
}
