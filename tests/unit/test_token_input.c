/* SPDX-License-Identifier: Apache-2.0 */
/* Where tokenizers come from: folders, GGUF metadata, broken files; and the JSON-line filters. */
#include "tests/unit/token_files.h"

#include "token/filter.h"

/* A tokenizer.json of a few tokens; each part can be replaced. */
struct parts {
	const char *vocab, *merges, *added, *normalizer, *pre, *decoder, *extra;
};

static struct buf make_json(struct parts p)
{
	struct buf b = { 0 };

	buf_printf(&b,
		   "{\"added_tokens\": [%s], \"normalizer\": %s, \"pre_tokenizer\": %s, "
		   "\"decoder\": %s, \"model\": {\"type\": \"BPE\", %s\"vocab\": {%s}, "
		   "\"merges\": [%s]}}",
		   p.added ? p.added : "", p.normalizer ? p.normalizer : "null",
		   p.pre ? p.pre : "{\"type\": \"ByteLevel\", \"add_prefix_space\": false}",
		   p.decoder ? p.decoder : "{\"type\": \"ByteLevel\"}", p.extra ? p.extra : "",
		   p.vocab ? p.vocab : "\"a\": 0, \"b\": 1, \"ab\": 2",
		   p.merges ? p.merges : "\"a b\"");
	return b;
}

/* The message with which a file of this text is refused; NULL: it was not. */
static const char *refusal(const char *text, size_t n)
{
	static struct err err;
	const char *path = put("bad.json", text, n);
	struct token *t;

	err = (struct err){ 0 };
	t = token_open(path, &err);
	unlink(path);
	if (!t && (strncmp(err.msg, path, strlen(path)) || strchr(err.msg, '\n')))
		return "(not one line that starts with the path)";
	token_close(t);
	return t ? NULL : err.msg + strlen(path);
}

static void refuses(struct parts p, const char *want, const char *what)
{
	struct buf b = make_json(p);
	const char *msg = refusal(b.p, b.n);

	if (!check(msg && strstr(msg, want), "refused: %s", what))
		note("%s", msg ? msg : "(accepted)");
	buf_free(&b);
}

static void test_broken_parts(void)
{
	refuses((struct parts){ .merges = "\"a q\"" }, "\"q\" is not in",
		"merge of an absent token");
	refuses((struct parts){ .merges = "\"b a\"" }, "\"ba\" is not in",
		"merge without a result");
	refuses((struct parts){ .merges = "\"ab\"" }, "neither", "merge of one part");
	refuses((struct parts){ .merges = "[\"a\", 3]" }, "neither", "merge of a number");
	refuses((struct parts){ .vocab = "\"a\": 0, \"b\": 0" }, "two tokens", "id given twice");
	refuses((struct parts){ .vocab = "\"a\": 0, \"a\": 1" }, "duplicate", "token given twice");
	refuses((struct parts){ .vocab = "\"a\": -1" }, "out of range", "negative id");
	refuses((struct parts){ .vocab = "\"a\": 4294967295" }, "out of range", "huge id");
	refuses((struct parts){ .vocab = "\"a\": 99999999999999999999" },
		":1:", "id beyond 64 bits");
	refuses((struct parts){ .vocab = "\"a\": 1.5" }, "not an integer", "fractional id");
	refuses((struct parts){ .vocab = "\"\": 1" }, "empty", "empty token");
	refuses((struct parts){ .vocab = "\"a\\nb\": \"x\"" }, "a?b", "id that is text");
	refuses((struct parts){ .added = "{\"id\": 3}" }, "without", "added token without text");
	refuses((struct parts){ .added = "{\"id\": -3, \"content\": \"x\"}" }, "out of range",
		"negative id of an added token");
	refuses((struct parts){ .added = "{\"id\": 3, \"content\": \"x\"}, "
					 "{\"id\": 3, \"content\": \"y\"}" },
		"twice", "added id given twice");
	refuses((struct parts){ .added = "{\"id\": 3, \"content\": \"x\", \"special\": 1}" },
		"special", "flag of another type");
	refuses((struct parts){ .normalizer = "{\"type\": \"NFKC\"}" }, "NFKC",
		"another normaliser");
	refuses((struct parts){ .pre = "{\"type\": \"Whitespace\"}" }, "Whitespace",
		"another pre-tokenizer");
	refuses((struct parts){ .pre = "{\"type\": \"Sequence\", \"pretokenizers\": [{\"type\": "
				       "\"Split\", \"pattern\": {\"Regex\": \"(a+)+$\"}, "
				       "\"behavior\": \"Isolated\"}, {\"type\": \"ByteLevel\"}]}" },
		"(a+)+$", "unknown pattern, by its text");
	refuses((struct parts){ .pre = "null" }, "pre_tokenizer", "no pre-tokenizer");
	refuses((struct parts){ .decoder = "{\"type\": \"Fuse\"}" }, "Fuse", "another decoder");
	refuses((struct parts){ .extra = "\"byte_fallback\": true, " }, "byte_fallback",
		"byte fallback");
	refuses((struct parts){ .extra = "\"unk_token\": \"zz\", " }, "unk_token",
		"unknown token that is unknown");
}

static void test_broken_files(void)
{
	static const char *const texts[] = { "",
					     "{",
					     "[]",
					     "{}",
					     "{\"model\": 3}",
					     "null",
					     "{\"model\": {\"type\": \"WordPiece\"}}",
					     "{\"model\": {\"type\": \"BPE\", \"vocab\": []}}" };
	struct buf b = make_json((struct parts){ 0 });
	size_t cut = 0, many = 0;

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		check(refusal(texts[i], strlen(texts[i])) != NULL, "refused: '%s'", texts[i]);
	check(refusal(b.p, b.n) == NULL, "the frame of these cases is good");
	while (cut < b.n && refusal(b.p, cut))
		cut++;
	check(cut == b.n, "refused: every truncation");
	for (size_t i = 0; i < b.n; i++) { /* must not crash, whatever it says */
		char was = b.p[i];

		b.p[i] = (char)(i % 2 ? 0xff : '"');
		many += refusal(b.p, b.n) != NULL;
		b.p[i] = was;
	}
	check(many > b.n / 2, "%zu of %zu changed bytes refused", many, b.n);
	buf_reset(&b);
	buf_str(&b, "{\"model\": {\"merges\": [0");
	for (size_t i = 0; i < 10000001; i++)
		buf_str(&b, ",0");
	buf_str(&b, "]}}");
	check(strstr(refusal(b.p, b.n), "more than") != NULL, "refused: ten million merges");
	buf_free(&b);
}

/* A whole pretoken that is a token, where ignore_merges asks for no merges: but no added token, when
 * the text is a user's. */
static void test_ignore_merges(void)
{
	struct buf b = make_json(
		(struct parts){ .vocab = "\"a\": 0, \"b\": 1, \"aba\": 2, \"bab\": 3",
				.merges = "",
				.added = "{\"id\": 3, \"content\": \"bab\", \"special\": true}",
				.extra = "\"ignore_merges\": true, " });
	struct err err = { 0 };
	struct ids ids = { 0 };
	struct token *t = token_open(put("small.json", b.p, b.n), &err);

	if (check(t != NULL, "a small tokenizer opens %s", err.msg)) {
		token_encode(t, "aba", 3, TOKEN_PLAIN, &ids, &err);
		check(ids.n == 1 && ids.v[0] == 2, "a whole word without merges");
		ids.n = 0;
		token_encode(t, "bab", 3, TOKEN_PLAIN, &ids, &err);
		check(ids.n == 3 && ids.v[0] == 1, "plain text never becomes an added token");
		ids.n = 0;
		token_encode(t, "bab", 3, TOKEN_SPECIAL, &ids, &err);
		check(ids.n == 1 && ids.v[0] == 3, "unless it is looked for");
	}
	unlink(scratch_path("small.json"));
	token_close(t);
	ids_free(&ids);
	buf_free(&b);
}

/* Bytes without a token: dropped, or one unknown token each, or one a run. */
static void test_unknown(void)
{
	static const struct {
		const char *extra;
		uint32_t n;
	} cases[] = { { "", 2 },
		      { "\"unk_token\": \"ab\", ", 4 },
		      { "\"unk_token\": \"ab\", \"fuse_unk\": true, ", 3 } };

	for (size_t i = 0; i < 3; i++) {
		struct buf b = make_json((struct parts){ .merges = "", .extra = cases[i].extra });
		struct err err = { 0 };
		struct ids ids = { 0 };
		struct token *t = token_open(put("small.json", b.p, b.n), &err);

		if (t)
			token_encode(t, "axyb", 4, TOKEN_PLAIN, &ids, &err);
		check(ids.n == cases[i].n && ids.v[0] == 0 && ids.v[ids.n - 1] == 1,
		      "bytes without a token, {%s}", cases[i].extra);
		unlink(scratch_path("small.json"));
		token_close(t);
		ids_free(&ids);
		buf_free(&b);
	}
}

static void put_u32(struct buf *b, uint32_t x)
{
	buf_add(b, &x, 4);
}

static void put_str(struct buf *b, const char *s, size_t n)
{
	uint64_t len = n;

	buf_add(b, &len, 8);
	buf_add(b, s, n);
}

static void put_kv(struct buf *b, const char *key, uint32_t type)
{
	put_str(b, key, strlen(key));
	put_u32(b, type);
}

static void put_array(struct buf *b, const char *key, uint32_t type, uint64_t n)
{
	put_kv(b, key, 9);
	put_u32(b, type);
	buf_add(b, &n, 8);
}

/* The metadata of a GGUF file for a fixture's tokenizer.json; ids without a token are unused. */
static struct buf make_gguf(const char *fixture_name, const char *pre)
{
	struct buf text = fixture(fixture_name), b = { 0 };
	json_t *root = json_loadb(text.p, text.n, 0, NULL), *m, *x;
	json_t *vocab = json_object_get(json_object_get(root, "model"), "vocab");
	json_t *merges = json_object_get(json_object_get(root, "model"), "merges");
	const char *names[4096] = { 0 }, *key;
	int32_t types[4096] = { 0 };
	size_t n = 0, i;

	json_object_foreach(vocab, key, x)
	{
		names[json_integer_value(x)] = key;
		types[json_integer_value(x)] = 1;
	}
	json_array_foreach(json_object_get(root, "added_tokens"), i, x)
	{
		json_int_t id = json_integer_value(json_object_get(x, "id"));

		names[id] = json_string_value(json_object_get(x, "content"));
		types[id] = 3;
	}
	for (i = 0; i < 4096; i++)
		n = names[i] ? i + 1 : n;
	n += 3; /* padding as in Qwen's files */
	buf_add(&b, "GGUF\3\0\0\0\0\0\0\0\0\0\0\0\7\0\0\0\0\0\0\0", 24);
	put_kv(&b, "general.architecture", 8);
	put_str(&b, "llama", 5);
	put_kv(&b, "tokenizer.ggml.model", 8);
	put_str(&b, "gpt2", 4);
	put_kv(&b, "tokenizer.ggml.pre", 8);
	put_str(&b, pre, strlen(pre));
	put_kv(&b, "tokenizer.ggml.eos_token_id", 4);
	put_u32(&b, 2);
	put_array(&b, "tokenizer.ggml.tokens", 8, n);
	for (i = 0; i < n; i++)
		put_str(&b, names[i] ? names[i] : "[PAD]", names[i] ? strlen(names[i]) : 5);
	put_array(&b, "tokenizer.ggml.token_type", 5, n);
	for (i = 0; i < n; i++)
		put_u32(&b, names[i] ? (uint32_t)types[i] : 5);
	put_array(&b, "tokenizer.ggml.merges", 8, json_array_size(merges));
	json_array_foreach(merges, i, m) put_str(&b, json_string_value(m), json_string_length(m));
	while (b.n % 32)
		buf_char(&b, 0);
	json_decref(root);
	buf_free(&text);
	return b;
}

/* The GGUF form of a tokenizer is the tokenizer. */
static void test_gguf(const char *name, const char *pre)
{
	struct buf b = make_gguf(name, pre), out = { 0 };
	struct err err = { 0 };
	struct token *want = open_fixture(name), *again;
	const char *path = put("model.gguf", b.p, b.n);
	struct token *t = token_open(path, &err);

	if (check(t != NULL, "GGUF with pre %s opens %s", pre, err.msg)) {
		check_str(token_hash(t), token_hash(want), "same hash as the tokenizer.json");
		check(token_eos(t) == 2 && token_bos(t) == -1, "eos, and no bos");
		check(token_count(t) == token_count(want), "padding is no token");
		token_write_json(t, &out);
		path = put("tokenizer.json", out.p, out.n);
		again = token_open(path, &err);
		check(again && !strcmp(token_hash(again), token_hash(t)), "written as JSON %s",
		      err.msg);
		token_close(again);
		unlink(path);
	}
	unlink(scratch_path("model.gguf"));
	token_close(t);
	token_close(want);
	buf_free(&out);
	buf_free(&b);
}

static void test_gguf_refused(void)
{
	struct buf b = make_gguf("tiny_smollm.tokenizer.json", "default");
	struct err err = { 0 };
	const char *path = put("model.gguf", b.p, b.n);
	struct token *t = token_open(path, &err);

	check(!t && strstr(err.msg, "\"default\" is unknown"), "unknown pre is refused by name");
	token_close(t);
	unlink(path);
	buf_free(&b);
}

static void test_folder(void)
{
	struct buf b = make_json(
		(struct parts){ .added = "{\"id\": 3, \"content\": \"<e>\", \"special\": true}" });
	const char *config = "{\"eos_token\": {\"content\": \"<e>\"}, \"pad_token\": null, "
			     "\"chat_template\": \"T\"}";
	struct err err = { 0 };
	struct token *t;

	put("tokenizer.json", b.p, b.n);
	put("tokenizer_config.json", config, strlen(config));
	put("config.json", "{\"bos_token_id\": 1, \"eos_token_id\": 2}", 38);
	t = token_open(scratch, &err);
	if (check(t != NULL, "a folder opens %s", err.msg)) {
		check(token_eos(t) == 3 && token_bos(t) == 1 && token_pad(t) == -1,
		      "special tokens, tokenizer_config.json first");
		check_str(token_chat_template(t), "T", "template of tokenizer_config.json");
	}
	token_close(t);
	put("chat_template.jinja", "J", 1);
	t = token_open(scratch, &err);
	check_str(t ? token_chat_template(t) : NULL, "J", "chat_template.jinja goes first");
	token_close(t);
	put("config.json", "{", 1);
	t = token_open(scratch, &err);
	check(!t && strstr(err.msg, "config.json:1:"), "a broken config.json is refused");
	token_close(t);
	unlink(scratch_path("tokenizer.json"));
	unlink(scratch_path("tokenizer_config.json"));
	unlink(scratch_path("config.json"));
	unlink(scratch_path("chat_template.jinja"));
	buf_free(&b);
}

/* What a filter makes of the input; or its message. */
static const char *filtered(const struct token *t, int mode, const char *input)
{
	static struct file f;
	static char got[256];
	static struct err err;
	const char *path = scratch_path("out");
	FILE *in = fmemopen((void *)input, strlen(input), "r");
	struct out out = { 0 };
	int r = out_open(&out, path, &err);

	err = (struct err){ 0 };
	if (!r)
		r = mode ? token_filter_decode(t, in, &out, mode == 2, 2, &err)
			 : token_filter_ids(t, in, &out, 2, &err);
	fclose(in);
	if (r || out_commit(&out, &err)) {
		out_abort(&out);
		return err.msg;
	}
	file_open(&f, path, &err);
	snprintf(got, sizeof(got), "%.*s", (int)f.n, (const char *)f.p);
	file_close(&f);
	unlink(path);
	return got;
}

static void test_filters(void)
{
	struct token *t = open_fixture("tiny_smollm.tokenizer.json");

	if (!t)
		return;
	check_str(filtered(t, 0, "{\"text\": \"\"}\n{\"text\": \"<|im_end|>a\\u0000\"}"),
		  "{\"ids\":[]}\n{\"ids\":[2,68,192]}\n", "ids of JSON lines");
	check_str(filtered(t, 1, "{\"ids\": [2, 68, 999999]}\n{\"ids\": [64, 161]}\n"),
		  "{\"text\":\"<|im_end|>a\"}\n{\"text\":\"]\xEF\xBF\xBD\"}\n", "and back");
	check_str(filtered(t, 2, "{\"ids\": [2, 68]}\n"), "{\"text\":\"a\"}\n",
		  "back without special tokens");
	check_str(filtered(t, 0, "{\"text\": \"a\"}\n{\"txt\": \"a\"}\n"),
		  "standard input:2: no \"text\" that is a string", "a line without text");
	check_str(filtered(t, 1, "{\"ids\": [1, -1]}\n"),
		  "standard input:1: element 1 of \"ids\" is not a token id", "a negative id");
	check(!strncmp(filtered(t, 0, "\n{\"text\": \"a\"}\n"), "standard input:1: column", 24),
	      "an empty line is no object");
	token_close(t);
}

int main(void)
{
	scratch_make();
	test_broken_parts();
	test_broken_files();
	test_ignore_merges();
	test_unknown();
	test_gguf("tiny_smollm.tokenizer.json", "smollm");
	test_gguf("tiny_qwen_strmerges.tokenizer.json", "qwen2");
	test_gguf("tiny_llama3.tokenizer.json", "llama-bpe");
	test_gguf_refused();
	test_folder();
	test_filters();
	rmdir(scratch);
	return tap_done();
}
