/* SPDX-License-Identifier: Apache-2.0 */
/* Token ids and texts against values made with Hugging Face tokenizers 0.22.2. */
#include "tests/unit/token_files.h"

#include "base/tool.h"
#include "token/vocab.h"

static void test_classes(void)
{
	static const char *const names[] = { "L", "N",        "s",          "is_numeric",
					     "w", "nfc_slow", "nfc_unknown" };
	static uint8_t got[UNICODE_COUNT], want[UNICODE_COUNT];
	FILE *f = fopen(golden("token/unicode_classes.txt"), "r");
	char line[16384];

	while (f && fgets(line, sizeof(line), f)) {
		char *name = strtok(line, "\t"), *r;

		strtok(NULL, "\t");
		for (size_t i = 0; i < 7; i++) {
			if (strcmp(name, names[i]))
				continue;
			while ((r = strtok(NULL, " \n"))) {
				unsigned long a = strtoul(r, &r, 16), b = a;

				if (*r == '-')
					b = strtoul(r + 1, NULL, 16);
				for (; a <= b; a++)
					want[a] |= (uint8_t)(1 << i);
			}
		}
	}
	if (f)
		fclose(f);
	unicode_expand(got);
	check(want['a'] && !memcmp(got, want, sizeof(got)),
	      "class of every code point as in the list");
}

static bool encodes(const struct token *t, const json_t *o, struct ids *ids)
{
	const json_t *text = json_object_get(o, "text");
	struct err err = { 0 };

	ids->n = 0;
	return token_encode(t, json_string_value(text), json_string_length(text), TOKEN_SPECIAL,
			    ids, &err) == 0 &&
	       same_ids(ids, json_object_get(o, "ids"));
}

static bool decodes(const struct token *t, const struct ids *ids, bool skip, const json_t *want)
{
	struct buf b = { 0 };
	bool ok;

	token_decode(t, ids->v, ids->n, skip, &b);
	ok = b.n == json_string_length(want) && !memcmp(b.p, json_string_value(want), b.n);
	buf_free(&b);
	return ok;
}

/* All lines of {"text", "ids"[, "dec", "dec_skip"]}. */
static void run_cases(const struct token *t, char *p, size_t want, const char *name)
{
	size_t n = 0, good = 0, good_dec = 0, n_dec = 0;
	struct ids ids = { 0 };
	json_t *o;

	while ((o = next_line(&p))) {
		bool ok = encodes(t, o, &ids);
		const json_t *dec = json_object_get(o, "dec");

		if (!ok && n == good)
			note("first: '%.200s'", json_string_value(json_object_get(o, "text")));
		good += ok;
		n++;
		if (dec) {
			n_dec++;
			good_dec += decodes(t, &ids, false, dec) &&
				    decodes(t, &ids, true, json_object_get(o, "dec_skip"));
		}
		json_decref(o);
	}
	check(n == want && good == n, "%s: ids of %zu of %zu texts", name, good, want);
	if (n_dec)
		check(good_dec == n, "%s: texts of %zu of %zu decoded", name, good_dec, n);
	ids_free(&ids);
}

static void run_file(const struct token *t, const char *name, size_t want)
{
	struct buf b = fixture(name);

	run_cases(t, b.p, want, name);
	buf_free(&b);
}

/* What token_write_json writes is the same tokenizer. */
static struct token *rewritten(const struct token *t, const char *name)
{
	struct err err = { 0 };
	struct buf b = { 0 };
	struct token *again;
	const char *path;

	token_write_json(t, &b);
	path = put("again.json", b.p, b.n);
	again = token_open(path, &err);
	check(again && !strcmp(token_hash(t), token_hash(again)), "%s written again%s%s", name,
	      *err.msg ? ": " : "", err.msg);
	unlink(path);
	buf_free(&b);
	return again;
}

/* Small tokenizers, each as it stands and written again. edge: cases of contractions, strip flags,
 * normalisation and white space that were made by chance. */
static void test_tiny(const char *name, size_t n, size_t n_edge)
{
	char json[64], cases[64], edge[64];
	struct token *t, *again;

	snprintf(json, sizeof(json), "tiny_%s.tokenizer.json", name);
	snprintf(cases, sizeof(cases), "tiny_%s.public.jsonl", name);
	snprintf(edge, sizeof(edge), "tiny_%s.edge.jsonl", name);
	t = open_fixture(json);
	if (!t)
		return;
	run_file(t, cases, n);
	if (n_edge)
		run_file(t, edge, n_edge);
	again = rewritten(t, json);
	if (again)
		run_file(again, cases, n);
	token_close(again);
	token_close(t);
}

static void test_qwen_decode(const struct token *t)
{
	struct buf b = fixture("qwen3_decode_public.jsonl");
	size_t n = 0, good = 0;
	char *p = b.p;
	json_t *o, *id;

	while ((o = next_line(&p))) {
		struct ids ids = { 0 };
		size_t i;

		json_array_foreach(json_object_get(o, "ids"), i, id)
			ids_push(&ids, (uint32_t)json_integer_value(id));
		good += decodes(t, &ids, json_is_true(json_object_get(o, "skip_special_tokens")),
				json_object_get(o, "text"));
		n++;
		ids_free(&ids);
		json_decref(o);
	}
	check(n == 320 && good == n, "qwen3: %zu of %zu decoded", good, n);
	buf_free(&b);
}

/* Special-token text in user data is text. */
static void test_plain(const struct token *t)
{
	const char *text = "<|im_start|>user<think>";
	struct err err = { 0 };
	struct ids plain = { 0 }, special = { 0 };
	struct buf b = { 0 };
	bool any = false;

	token_encode(t, text, strlen(text), TOKEN_PLAIN, &plain, &err);
	token_encode(t, text, strlen(text), TOKEN_SPECIAL, &special, &err);
	for (size_t i = 0; i < plain.n; i++)
		any |= plain.v[i] >= 151643;
	check(!any && plain.n > 3, "TOKEN_PLAIN gives no added token");
	check(special.n == 3 && special.v[0] == 151644 && special.v[2] == 151667,
	      "TOKEN_SPECIAL recognises them");
	token_decode(t, plain.v, plain.n, true, &b);
	check_str(b.p, text, "the text comes back");
	check(token_is_special(t, 151644) && !token_is_special(t, 151667), "special is a flag");
	check(split_next(t, SPLIT_QWEN2, "'\xC5\xBFm", 4) == 3 &&
		      split_next(t, SPLIT_GPT2, "'\xC5\xBFm", 4) == 1,
	      "a long s is an s to patterns that ignore case");
	check(token_id(t, "<|im_end|>") == 151645 && token_id(t, "<|nothing|>") == -1 &&
		      token_count(t) == 151669,
	      "ids by text");
	plain.n = 0;
	check(token_encode(t, "ab\xff", 3, TOKEN_PLAIN, &plain, &err) == -1 &&
		      strstr(err.msg, "byte 2"),
	      "invalid UTF-8 is refused at its offset");
	ids_free(&plain);
	ids_free(&special);
	buf_free(&b);
}

/* Megabytes without a break: no quadratic step in NFC, the scanner or the merges. */
static void test_long(const struct token *t)
{
	static const struct {
		const char *unit, *name;
	} units[] = { { "a", "letters" },
		      { "\xE4\xBD\xA0\xE5\xA5\xBD", "CJK" },
		      { "\xCC\x81\xCC\xA3", "combining marks out of order" },
		      { "\n ", "white space" },
		      { "<|im", "almost a special token" } };

	for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++) {
		size_t len = strlen(units[i].unit);
		struct err err = { 0 };
		struct ids ids = { 0 };
		struct buf b = { 0 }, back = { 0 };
		double start = clock_now(), s;

		while (b.n < 1 << 20)
			buf_add(&b, units[i].unit, len);
		token_encode(t, b.p, b.n, TOKEN_SPECIAL, &ids, &err);
		s = clock_now() - start;
		token_decode(t, ids.v, ids.n, false, &back);
		check(back.n == b.n && s < 20, "1 MB of %s: %zu ids in %.2f s", units[i].name,
		      ids.n, s);
		ids_free(&ids);
		buf_free(&b);
		buf_free(&back);
	}
}

static void test_qwen(void)
{
	struct token *t = open_fixture("qwen3.tokenizer.json"), *again;

	if (!t)
		return;
	run_file(t, "qwen3_public.jsonl", 602);
	run_file(t, "qwen3_unicode_quirks.jsonl", 70);
	test_qwen_decode(t);
	test_plain(t);
	test_long(t);
	again = rewritten(t, "qwen3");
	if (again)
		run_file(again, "qwen3_public.jsonl", 602);
	token_close(again);
	token_close(t);
}

/* The real model's tokenizer, where the pipeline has fetched it. */
static void test_smollm2(void)
{
	const char *path = "models/smollm2-135m-instruct/model.gguf";
	struct err err = { 0 };
	struct token *t = NULL;
	struct buf b = { 0 };

	if (access(path, R_OK)) {
		printf("ok %d - SmolLM2 # SKIP there is no %s\n", ++tap_count, path);
	} else if ((t = token_open(path, &err))) {
		b = fixture("smollm2_real.jsonl");
		run_cases(t, b.p, 200, "SmolLM2");
		check(token_eos(t) == 2 && token_chat_template(t), "SmolLM2: eos and template");
	} else {
		check(false, "%s", err.msg);
	}
	buf_free(&b);
	token_close(t);
}

int main(void)
{
	scratch_make();
	test_classes();
	test_tiny("added", 143, 200);
	test_tiny("gpt2", 102, 200);
	test_tiny("llama3", 149, 200);
	test_tiny("smollm", 111, 200);
	test_tiny("qwen_strmerges", 109, 200);
	test_tiny("qwen_pairmerges", 110, 0);
	test_tiny("llama2", 332, 0);
	test_tiny("mistral", 332, 0);
	test_tiny("metaspace", 332, 0);
	test_tiny("llama2_flags", 172, 0);
	test_tiny("mistral_flags", 172, 0);
	test_qwen();
	test_smollm2();
	rmdir(scratch);
	return tap_done();
}
