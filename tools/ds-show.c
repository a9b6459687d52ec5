/* SPDX-License-Identifier: Apache-2.0 */
/* ds-show: a shard as text; the page is ds-show.1. */
#include "base/tool.h"
#include "shard/idline.h"
#include "shard/shard.h"
#include "token/token.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct args {
	bool header, json, salvage;
	long n;
	const char *tokenizer;
};

static const struct opt opts[] = {
	{ OPT_FLAG, 0, "header", NULL, "print the header alone", offsetof(struct args, header), 0,
	  0 },
	{ OPT_FLAG, 0, "json", NULL, "one JSON object a line, as --from-ids reads it",
	  offsetof(struct args, json), 0, 0 },
	{ OPT_FLAG, 0, "salvage", NULL, "of a damaged shard what is whole",
	  offsetof(struct args, salvage), 0, 0 },
	{ OPT_INT, 'n', "count", "N", "the first N examples", offsetof(struct args, n), 0, 1e9 },
	{ OPT_STR, 't', "tokenizer", "PATH", "decode with this tokenizer (file or folder)",
	  offsetof(struct args, tokenizer), 0, 0 },
	{ .type = OPT_END },
};

static const struct cmd cmd = {
	.name = "ds-show",
	.usage = "[OPTION]... SHARD",
	.summary = "Print a token shard as text, the trained tokens marked.",
	.details =
		"Trained tokens are coloured on a terminal and stand in [[ ]] elsewhere. Without\n"
		"--tokenizer ids are printed. SHARD - is standard input.\n\n"
		"  ds-show --tokenizer models/qwen -n 3 build/sft.tok.zst\n\n"
		"Exit code: 0, or 2 when the shard is damaged or cannot be read.\n",
	.opts = opts,
	.semantics = 1,
};

struct view {
	const struct token *tok; /* NULL: ids */
	const char *on, *off; /* around trained tokens */
	struct buf text;
};

/* Data may hold anything: a terminal gets no control characters from it. */
static void print_safely(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)s[i];

		if ((c < 0x20 && c != '\n' && c != '\t') || c == 0x7f)
			printf("\\x%02x", c);
		else
			putchar(c);
	}
}

static void print_part(struct view *v, const uint32_t *ids, size_t n, bool trained)
{
	if (!n)
		return;
	if (trained)
		fputs(v->on, stdout);
	if (v->tok) {
		buf_reset(&v->text);
		token_decode(v->tok, ids, n, false, &v->text);
		print_safely(v->text.p, v->text.n);
	} else {
		for (size_t i = 0; i < n; i++)
			printf("%s%u", i ? " " : "", ids[i]);
	}
	if (trained)
		fputs(v->off, stdout);
	else if (!v->tok)
		putchar(' ');
}

static void show_sft(struct view *v, const struct example *e)
{
	uint32_t at = 0, trained = 0;

	for (uint32_t i = 0; i < e->n_spans; i++)
		trained += e->spans[i].end - e->spans[i].begin;
	printf("%u tokens, %u trained\n", e->n_ids, trained);
	for (uint32_t i = 0; i < e->n_spans; i++) {
		const struct span *s = &e->spans[i];

		print_part(v, e->ids + at, s->begin - at, false);
		print_part(v, e->ids + s->begin, s->end - s->begin, true);
		if (!v->tok && s->end < e->n_ids)
			putchar(' ');
		at = s->end;
	}
	print_part(v, e->ids + at, e->n_ids - at, false);
	putchar('\n');
}

static void show_dpo(struct view *v, const struct example *e)
{
	const uint32_t *chosen = e->ids + e->n_prompt, *rejected = chosen + e->n_chosen;
	uint32_t n_rejected = e->n_ids - e->n_prompt - e->n_chosen;

	printf("prompt %u, chosen %u, rejected %u tokens\n", e->n_prompt, e->n_chosen, n_rejected);
	print_part(v, e->ids, e->n_prompt, false);
	fputs("\n--- chosen\n", stdout);
	print_part(v, chosen, e->n_chosen, true);
	fputs("\n--- rejected\n", stdout);
	print_part(v, rejected, n_rejected, true);
	putchar('\n');
}

static void show_json(struct view *v, const struct example *e, enum shard_stage stage)
{
	struct buf line = { 0 };

	buf_reset(&v->text);
	if (v->tok)
		token_decode(v->tok, e->ids, e->n_ids, false, &v->text);
	idline_write(e, stage, v->tok ? v->text.p : NULL, v->text.n, &line);
	puts(line.p);
	buf_free(&line);
}

static void show(const struct args *args, const struct shard *s, struct view *v)
{
	size_t n = args->n >= 0 && (size_t)args->n < s->n ? (size_t)args->n : s->n;

	if (args->header || !args->json)
		fputs(s->header, stdout);
	for (size_t i = 0; i < n && !args->header && !ferror(stdout); i++) {
		if (args->json) {
			show_json(v, &s->v[i], s->info.stage);
			continue;
		}
		printf("\n=== %zu: ", i + 1);
		if (s->info.stage == SHARD_DPO)
			show_dpo(v, &s->v[i]);
		else
			show_sft(v, &s->v[i]);
	}
}

static int run(const struct args *args, const char *path, struct err *err)
{
	bool colour = isatty(STDOUT_FILENO);
	struct view v = { .on = colour ? "\033[32m" : "[[", .off = colour ? "\033[0m" : "]]" };
	struct token *tok = NULL;
	struct shard s;

	if ((args->salvage ? shard_salvage : shard_open)(&s, path, err) < 0)
		return -1;
	if (s.n_lost || s.cut)
		tool_note("%s: %zu examples are whole; %u frames are damaged%s", path, s.n,
			  s.n_lost, s.cut ? ", and the file does not end as it was written" : "");
	if (args->tokenizer) {
		tok = token_open(args->tokenizer, err);
		if (!tok) {
			shard_close(&s);
			return -1;
		}
		if (s.info.tokenizer_hash && strcmp(s.info.tokenizer_hash, token_hash(tok)))
			tool_note("%s was made with another tokenizer than %s", path,
				  args->tokenizer);
	}
	v.tok = tok;
	show(args, &s, &v);
	buf_free(&v.text);
	token_close(tok);
	shard_close(&s);
	return 0;
}

int main(int argc, char **argv)
{
	struct args args = { .n = -1 };
	struct err err = { 0 };
	int n;

	tool_start();
	n = opt_parse(&cmd, &args, argc, argv);
	if (n != 1)
		opt_misuse(&cmd, n ? "one shard at a time" : "which shard?");
	if (run(&args, argv[0], &err) < 0)
		return tool_fail(&cmd, &err);
	return tool_done(&cmd, 0);
}
