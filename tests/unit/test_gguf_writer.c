/* SPDX-License-Identifier: Apache-2.0 */
/* Writing GGUF: what was written is read again, tokenizers too; what no file can hold is refused; the
 * types of a quantised file. */
#include "tests/unit/token_files.h"

#include "format/gguf_writer.h"
#include "model/arch.h"

static struct err err;

static const struct tensor_entry two[] = { { "a.weight", DT_F32, 2, { 3, 2 } },
					   { "b.weight", DT_Q8_0, 2, { 1, 32 } } };

static void test_round_trip(void)
{
	static const float a[6] = { 1, 2, 3, 4, 5, 6 };
	static const unsigned char b[34] = { 1, 2, 3, [33] = 9 };
	const char *path = scratch_path("two.gguf"), *s = NULL;
	struct gguf_meta meta = { 0 };
	struct gguf_writer w;
	struct gguf g = { 0 };
	bool flag = false, ok;
	double num = 0;
	int64_t n = 0;
	size_t len = 0;

	gguf_meta_u32(&meta, "n", 7);
	gguf_meta_f32(&meta, "x", 0.5f);
	gguf_meta_bool(&meta, "yes", true);
	gguf_meta_cstr(&meta, "s", "text");
	gguf_meta_array(&meta, "list", GGUF_I32, 2);
	gguf_elem_i32(&meta, -1);
	gguf_elem_i32(&meta, 5);
	ok = gguf_writer_open(&w, path, &meta, two, 2, &err) == 0 &&
	     gguf_writer_put(&w, a, 8, &err) == 0 && gguf_writer_put(&w, a + 2, 16, &err) == 0 &&
	     gguf_writer_put(&w, b, 34, &err) == 0 && gguf_writer_close(&w, &err) == 0;
	check(ok, "a file in pieces%s%s", ok ? "" : ": ", err.msg);
	gguf_meta_free(&meta);
	if (!check(gguf_open(&g, path, &err) == 0, "is read"))
		return;
	check(g.n_kv == 5 && gguf_get_int(&g, "n", &n) && n == 7 && gguf_get_num(&g, "x", &num) &&
		      num == 0.5 && gguf_get_bool(&g, "yes", &flag) && flag &&
		      gguf_get_str(&g, "s", &s, &len) && len == 4 && !memcmp(s, "text", 4) &&
		      gguf_arr_i32(gguf_get(&g, "list"), 0) == -1 &&
		      gguf_arr_i32(gguf_get(&g, "list"), 1) == 5,
	      "with its metadata");
	check(g.t.n == 2 && g.t.v[0].dims[0] == 3 && g.t.v[0].dims[1] == 2 &&
		      !memcmp(g.t.v[0].data, a, sizeof(a)) && g.t.v[1].type == DT_Q8_0 &&
		      !memcmp(g.t.v[1].data, b, sizeof(b)) &&
		      (g.t.v[1].data - g.t.v[0].data) % 32 == 0,
	      "and its tensors, each at a multiple of 32");
	gguf_close(&g);
	unlink(path);
}

static void refused(const struct tensor_entry *v, size_t n, const char *why, const char *what)
{
	const char *path = scratch_path("bad.gguf");
	struct gguf_meta meta = { 0 };
	struct gguf_writer w;

	err = (struct err){ 0 };
	check(gguf_writer_open(&w, path, &meta, v, n, &err) < 0 && strstr(err.msg, why),
	      "%s is refused", what);
	note("%s", err.msg);
	check(!file_exists(path), "and leaves nothing");
}

static void test_refused(void)
{
	static char longest[65];
	struct tensor_entry e = { longest, DT_F32, 1, { 4 } };
	struct gguf_meta meta = { 0 };
	struct gguf_writer w;
	const char *path = scratch_path("short.gguf");
	char bytes[64] = { 0 };

	memset(longest, 'x', 64);
	refused(&e, 1, "1 to 63 bytes", "a name of 64 bytes");
	e = (struct tensor_entry){ "q", DT_Q4_K, 2, { 2, 128 } };
	refused(&e, 1, "blocks of type Q4_K", "half a block");
	e = (struct tensor_entry){ "q", DT_F32, 2, { 1ull << 40, 1ull << 40 } };
	refused(&e, 1, "no shape", "a shape beyond 64 bits");
	check(gguf_writer_open(&w, path, &meta, two, 2, &err) == 0 &&
		      gguf_writer_put(&w, bytes, 24, &err) == 0 &&
		      gguf_writer_put(&w, bytes, 35, &err) < 0,
	      "a byte more than a tensor has is refused");
	check(gguf_writer_close(&w, &err) < 0 && strstr(err.msg, "'b.weight' lacks 34 bytes"),
	      "a tensor without its bytes, too");
	check(!file_exists(path), "and no file stands there");
}

/* Every golden tokenizer through a GGUF file: the same ids come out. */
static void through_gguf(const char *name, const char *cases, bool same_hash)
{
	char file[80];
	struct token *t, *back;
	struct gguf_meta meta = { 0 };
	struct gguf_writer w;
	const char *path = scratch_path("t.gguf");
	struct buf text;
	size_t n = 0, same = 0;
	char *p;
	json_t *o;

	snprintf(file, sizeof(file), "%s.tokenizer.json", name);
	t = open_fixture(file);
	if (!t)
		return;
	err = (struct err){ 0 };
	check(token_write_gguf(t, token_count(t) + 3, token_eos(t), "{{ chat }}", &meta, &err) ==
			      0 &&
		      gguf_writer_open(&w, path, &meta, NULL, 0, &err) == 0 &&
		      gguf_writer_close(&w, &err) == 0,
	      "%s as GGUF", name);
	gguf_meta_free(&meta);
	back = token_open(path, &err);
	unlink(path);
	if (!check(back != NULL, "%s is read from it%s%s", name, back ? "" : ": ", err.msg)) {
		token_close(t);
		return;
	}
	check(!same_hash || !strcmp(token_hash(t), token_hash(back)), "%s: the same hash", name);
	check_str(token_chat_template(back), "{{ chat }}", "and the chat template");
	check(!token_adds_bos(t) || token_bos(t) >= 0, "bos is known where texts begin with it");
	check(token_adds_bos(back) == (token_adds_bos(t) && token_bos(t) >= 0), "and bos");
	text = fixture(cases);
	p = text.p;
	while ((o = next_line(&p))) {
		const json_t *s = json_object_get(o, "text");
		struct ids ids = { 0 };

		n++;
		same += token_encode(back, json_string_value(s), json_string_length(s),
				     TOKEN_SPECIAL, &ids, &err) == 0 &&
			same_ids(&ids, json_object_get(o, "ids"));
		ids_free(&ids);
		json_decref(o);
	}
	check(n > 20 && same == n, "%s: ids of %zu of %zu texts", name, same, n);
	buf_free(&text);
	token_close(t);
	token_close(back);
}

static void test_tokenizers(void)
{
	through_gguf("tiny_smollm", "tiny_smollm.public.jsonl", true);
	through_gguf("tiny_llama3", "tiny_llama3.public.jsonl", true);
	through_gguf("tiny_qwen_strmerges", "tiny_qwen_strmerges.public.jsonl", true);
	through_gguf("tiny_llama2", "tiny_llama2.public.jsonl", false);
	through_gguf("qwen3", "qwen3_public.jsonl", true);
}

static void adds_space(const char *name, bool want)
{
	struct token *t = open_fixture(name), *back = NULL;
	struct gguf_meta meta = { 0 };
	struct gguf_writer w;
	const char *path = scratch_path("s.gguf");

	if (t && token_write_gguf(t, token_count(t), -1, NULL, &meta, &err) == 0 &&
	    gguf_writer_open(&w, path, &meta, NULL, 0, &err) == 0 &&
	    gguf_writer_close(&w, &err) == 0)
		back = token_open(path, &err);
	check(back && token_adds_space(t) && token_adds_space(back) == want,
	      "%s: a space in front is %s", name, want ? "kept" : "left to the text");
	gguf_meta_free(&meta);
	token_close(t);
	token_close(back);
	unlink(path);
}

/* llama.cpp would put the space after every special token. */
static void test_spaces(void)
{
	adds_space("tiny_llama2.tokenizer.json", true);
	adds_space("tiny_metaspace.tokenizer.json", true);
	adds_space("tiny_mistral.tokenizer.json", false);
}

/* What GGUF cannot say is refused: a space in front of every text; fewer rows than ids. */
static void test_no_words(void)
{
	struct token *t = open_fixture("tiny_gpt2.tokenizer.json");
	struct gguf_meta meta = { 0 };

	check(t && token_write_gguf(t, token_count(t), -1, NULL, &meta, &err) < 0 &&
		      strstr(err.msg, "no name for the way"),
	      "add_prefix_space is refused");
	check(t && token_write_gguf(t, token_count(t) - 1, -1, NULL, &meta, &err) < 0 &&
		      strstr(err.msg, "rows"),
	      "a model with fewer rows than the tokenizer has ids is refused");
	gguf_meta_free(&meta);
	token_close(t);
}

/* llama-quantize's choices: its Q4_K_M for 28 layers of Qwen2.5-1.5B, and rows of no whole blocks. */
static void test_types(void)
{
	static const struct {
		const char *name;
		int64_t cols;
		enum dtype wanted, want;
		bool tied;
	} rows[] = {
		{ "token_embd.weight", 1536, DT_Q4_K, DT_Q6_K, true },
		{ "token_embd.weight", 3584, DT_Q4_K, DT_Q4_K, false },
		{ "output.weight", 3584, DT_Q4_K, DT_Q6_K, false },
		{ "output.weight", 576, DT_Q4_0, DT_Q8_0, false },
		{ "output.weight", 3584, DT_Q8_0, DT_Q8_0, false },
		{ "blk.0.attn_v.weight", 1536, DT_Q4_K, DT_Q6_K, true },
		{ "blk.3.attn_v.weight", 1536, DT_Q4_K, DT_Q4_K, true },
		{ "blk.5.attn_v.weight", 1536, DT_Q4_K, DT_Q6_K, true },
		{ "blk.24.ffn_down.weight", 8960, DT_Q4_K, DT_Q6_K, true },
		{ "blk.4.ffn_down.weight", 8960, DT_Q4_K, DT_Q4_K, true },
		{ "blk.0.attn_q.weight", 1536, DT_Q4_K, DT_Q4_K, true },
		{ "blk.0.attn_q.weight", 576, DT_Q4_K, DT_Q5_0, true },
		{ "blk.0.attn_v.weight", 576, DT_Q4_K, DT_Q8_0, true },
		{ "blk.0.attn_v.weight", 1536, DT_Q4_0, DT_Q4_0, true },
		{ "token_embd.weight", 576, DT_Q4_K, DT_Q8_0, true },
		{ "token_embd.weight", 1536, DT_Q4_0, DT_Q6_K, true },
		{ "blk.0.attn_q.weight", 40, DT_Q4_0, DT_F16, true },
		{ "blk.0.attn_q.weight", 40, DT_BF16, DT_BF16, true },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct arch a = {
			.n_layers = 28, .n_heads = 12, .n_kv_heads = 2, .tied = rows[i].tied
		};
		enum dtype got = arch_gguf_type(&a, rows[i].name, rows[i].cols, rows[i].wanted);

		check(got == rows[i].want, "%s of %d columns in a %s file: %s", rows[i].name,
		      (int)rows[i].cols, dtype_info[rows[i].wanted].name,
		      dtype_info[rows[i].want].name);
	}
}

int main(void)
{
	scratch_make();
	test_round_trip();
	test_refused();
	test_tokenizers();
	test_spaces();
	test_no_words();
	test_types();
	rmdir(scratch);
	return tap_done();
}
