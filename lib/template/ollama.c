/* SPDX-License-Identifier: Apache-2.0 */
/* A template in the language of Go's text/template, with Ollama's variables. */
#include "template/slot.h"
#include "template/thought.h"

#include <string.h>

struct writer {
	const struct template *t;
	const struct token *tok;
	struct buf *out;
	bool counts; /* a bos token before every turn: $more says whether this is a later one */
};

/* Go reads {{ as the beginning of an action. */
static void literal(struct buf *out, const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (s[i] == '{' && i + 1 < n && s[i + 1] == '{')
			buf_str(out, "{{ \"{\" }}");
		else
			buf_char(out, s[i]);
	}
}

static void special(struct writer *w, int64_t id)
{
	size_t n = 0;
	const char *s = id < 0 ? NULL : token_bytes(w->tok, (uint32_t)id, &n);

	if (s)
		literal(w->out, s, n);
}

/* Ollama puts bos before the text where the tokenizer wants it; the template writes the others. */
static void bos(struct writer *w)
{
	if (!token_adds_bos(w->tok)) {
		special(w, token_bos(w->tok));
	} else if (w->counts) {
		buf_str(w->out, "{{ if $more }}");
		special(w, token_bos(w->tok));
		buf_str(w->out, "{{ end }}{{ $more = true }}");
	}
}

static void slot(struct writer *w, const char *text, const char *content)
{
	static const struct template holes_only = { .markers = { NULL } };
	const char *q;
	size_t n;

	for (const char *p = text; *p; p = q + n) {
		q = slot_next(&holes_only, p, &n);
		if (!q) {
			literal(w->out, p, strlen(p));
			break;
		}
		literal(w->out, p, (size_t)(q - p));
		if (q[1] == 'c')
			buf_str(w->out, content);
		else if (q[1] == 'b')
			bos(w);
		else
			special(w, slot_eos(w->tok));
	}
}

/* A fused system prompt stands inside the first question. */
static void question(struct writer *w, const char *text)
{
	struct buf lead = { 0 };
	struct writer inner = { w->t, w->tok, &lead, false };

	if (w->t->fused_system) {
		buf_str(&lead, "{{ if $system }}");
		slot(&inner, w->t->system, "{{ $system }}");
		buf_str(&lead, "{{ $system = \"\" }}{{ end }}");
	}
	buf_str(&lead, "{{ .Content }}");
	slot(w, text, lead.p);
	buf_free(&lead);
}

/* Where the model is not to think, the last question ends in an empty thought. */
static void no_thought(struct buf *out, bool on)
{
	if (on)
		buf_str(out, "{{ if eq (len (slice $.Messages $i)) 1 }}" THOUGHT_EMPTY "{{ end }}");
}

void template_ollama(const struct template *t, const struct token *tok, enum thinking thinking,
		     struct buf *out)
{
	bool empty = t->thinks && thinking != THINKING_TRUE;
	struct writer w = { t, tok, out, strstr(t->user, "{bos}") != NULL };

	if (w.counts)
		buf_str(out, "{{ $more := false }}");
	if (t->prefix)
		slot(&w, t->prefix, "");
	if (t->fused_system) {
		buf_str(out, "{{ $system := .System }}");
	} else {
		buf_str(out, "{{ if .System }}");
		slot(&w, t->system, "{{ .System }}");
		buf_str(out, "{{ end }}");
	}
	buf_printf(out, "{{ range %s.Messages }}{{ if eq .Role \"user\" }}",
		   empty ? "$i, $_ := " : "");
	question(&w, t->user);
	no_thought(out, empty);
	buf_str(out, "{{ else if eq .Role \"tool\" }}");
	question(&w, t->observation ? t->observation : t->user);
	no_thought(out, empty);
	buf_str(out, "{{ else if eq .Role \"assistant\" }}");
	slot(&w, t->assistant, "{{ .Content }}");
	buf_str(out, "{{ end }}{{ end }}");
}
