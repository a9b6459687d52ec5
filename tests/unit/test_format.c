/* SPDX-License-Identifier: Apache-2.0 */
/* Types, the golden model files and the writer; folders stand in test_format_folder.c, hostile
 * files in test_format_hostile.c. */
#include "tests/tap.h"

#include "base/file.h"
#include "base/mem.h"
#include "format/gguf.h"
#include "format/safetensors.h"

#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[] = "/tmp/anekdot-format-XXXXXX";

static const char *scratch(const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

static uint32_t float_bits(float f)
{
	uint32_t u;

	memcpy(&u, &f, sizeof(u));
	return u;
}

static float bits_float(uint32_t u)
{
	float f;

	memcpy(&f, &u, sizeof(f));
	return f;
}

/* Between each half and the next: what lies below the middle goes down, above it up, the middle
 * itself to the even one. Beyond the largest the next would be 2^16. */
static void test_f16(void)
{
	int wrong = 0;

	for (uint32_t h = 0; h <= 0xffff; h++) {
		float f = f16_to_f32((uint16_t)h);
		bool nan = (h & 0x7fff) > 0x7c00;

		wrong += nan ? !isnan(f) || (f32_to_f16(f) & 0x7fff) <= 0x7c00 : f32_to_f16(f) != h;
	}
	check(wrong == 0, "every half goes to float and back");
	wrong = 0;
	for (uint32_t h = 0; h < 0x7c00; h++) {
		float next = h == 0x7bff ? 65536.0f : f16_to_f32((uint16_t)(h + 1));
		float mid = (f16_to_f32((uint16_t)h) + next) / 2;
		uint32_t even = h & 1 ? h + 1 : h;

		wrong += f32_to_f16(mid) != even || f32_to_f16(-mid) != (even | 0x8000);
		wrong += f32_to_f16(nextafterf(mid, 0)) != h;
		wrong += f32_to_f16(nextafterf(mid, INFINITY)) != h + 1;
	}
	check(wrong == 0, "floats round to the nearest half, ties to even, denormals too");
	check(f16_to_f32(1) == 0x1p-24f && f16_to_f32(0x3555) == 0x1.554p-2f &&
		      f32_to_f16(65504) == 0x7bff && f32_to_f16(1e30f) == 0x7c00 &&
		      f32_to_f16(-INFINITY) == 0xfc00 && float_bits(f16_to_f32(0x8000)) == 1u << 31,
	      "known halves");
	check(f32_to_bf16(bits_float(0x3f808000)) == 0x3f80 &&
		      f32_to_bf16(bits_float(0x3f818000)) == 0x3f82 &&
		      f32_to_bf16(bits_float(0x3f808001)) == 0x3f81 &&
		      f32_to_bf16(bits_float(0x7f7fffff)) == 0x7f80 &&
		      f32_to_bf16(bits_float(0x7f800001)) == 0x7fc0 && bf16_to_f32(0xc040) == -3,
	      "bfloat16 rounds ties to even and keeps NaN");
}

static void test_golden_halves(void)
{
	struct file in, f16, bf16, deq;
	struct err err = { 0 };
	int wrong = 0;

	if (!check(file_open(&in, golden("quant/input.f32"), &err) == 0 &&
			   file_open(&f16, golden("quant/f16.bin"), &err) == 0 &&
			   file_open(&bf16, golden("quant/bf16.bin"), &err) == 0 &&
			   file_open(&deq, golden("quant/f16.deq.f32"), &err) == 0,
		   "golden halves are there %s", err.msg))
		return;
	for (size_t i = 0; i < in.n / 4; i++) {
		uint16_t h, b;
		float x, d;

		memcpy(&x, in.p + 4 * i, 4);
		memcpy(&d, deq.p + 4 * i, 4);
		memcpy(&h, f16.p + 2 * i, 2);
		memcpy(&b, bf16.p + 2 * i, 2);
		wrong += f32_to_f16(x) != h || f32_to_bf16(x) != b || f16_to_f32(h) != d;
	}
	check(in.n == 57344 && wrong == 0, "halves as llama.cpp has them");
	file_close(&in);
	file_close(&f16);
	file_close(&bf16);
	file_close(&deq);
}

static void test_dtype(void)
{
	static const struct {
		enum dtype type;
		const char *name;
		uint32_t ggml;
	} rows[] = {
		{ DT_F32, "F32", 0 },    { DT_F16, "F16", 1 },    { DT_BF16, "BF16", 30 },
		{ DT_Q4_0, "Q4_0", 2 },  { DT_Q4_1, "Q4_1", 3 },  { DT_Q5_0, "Q5_0", 6 },
		{ DT_Q5_1, "Q5_1", 7 },  { DT_Q8_0, "Q8_0", 8 },  { DT_Q4_K, "Q4_K", 12 },
		{ DT_Q5_K, "Q5_K", 13 }, { DT_Q6_K, "Q6_K", 14 }, { DT_I32, "I32", 26 },
	};
	static const char *const files[DT_COUNT] = {
		[DT_Q4_0] = "q4_0", [DT_Q4_1] = "q4_1", [DT_Q5_0] = "q5_0", [DT_Q5_1] = "q5_1",
		[DT_Q8_0] = "q8_0", [DT_Q4_K] = "q4_K", [DT_Q5_K] = "q5_K", [DT_Q6_K] = "q6_K",
		[DT_F16] = "f16",   [DT_BF16] = "bf16",
	};
	bool names = true, sizes = true;
	size_t n;

	for (size_t i = 0; i < DT_COUNT; i++) {
		names &= dtype_from_name(rows[i].name) == (int)rows[i].type &&
			 dtype_from_ggml(rows[i].ggml) == (int)rows[i].type;
		if (files[i]) {
			char path[32];
			struct stat st;

			snprintf(path, sizeof(path), "quant/%s.bin", files[i]);
			sizes &= stat(golden(path), &st) == 0 &&
				 dtype_bytes((enum dtype)i, 56 * 256, &n) &&
				 n == (size_t)st.st_size;
		}
	}
	check(names, "every type is found by name and by number");
	check(sizes, "block sizes are those of llama.cpp's files");
	check(dtype_from_name("F64") == -1 && dtype_from_ggml(4) == -1 &&
		      dtype_from_ggml(UINT32_MAX) == -1,
	      "unknown types are -1");
	check(!dtype_bytes(DT_Q4_0, 33, &n) && !dtype_bytes(DT_F32, UINT64_MAX / 2, &n) &&
		      dtype_bytes(DT_F32, 0, &n) && n == 0,
	      "part of a block and overflow are refused");
}

static bool same_shape(const struct tensor *a, const struct tensor *b)
{
	return a && b && a->type == b->type && a->n_dims == b->n_dims &&
	       !memcmp(a->dims, b->dims, sizeof(a->dims)) && a->bytes == b->bytes;
}

static bool same_tensor(const struct tensor *a, const struct tensor *b)
{
	return same_shape(a, b) && !memcmp(a->data, b->data, a->bytes);
}

/* The name a Hugging Face folder has for a GGUF tensor. */
static const char *hf_name(const char *name)
{
	static const char *const map[][2] = {
		{ "attn_norm.", "input_layernorm." }, { "ffn_norm.", "post_attention_layernorm." },
		{ "attn_q.", "self_attn.q_proj." },   { "attn_k.", "self_attn.k_proj." },
		{ "attn_v.", "self_attn.v_proj." },   { "attn_output.", "self_attn.o_proj." },
		{ "ffn_gate.", "mlp.gate_proj." },    { "ffn_up.", "mlp.up_proj." },
		{ "ffn_down.", "mlp.down_proj." },
	};
	static char out[128];
	int layer, used;

	if (!strcmp(name, "token_embd.weight"))
		return "model.embed_tokens.weight";
	if (!strcmp(name, "output_norm.weight"))
		return "model.norm.weight";
	if (!strcmp(name, "output.weight"))
		return "lm_head.weight";
	if (sscanf(name, "blk.%d.%n", &layer, &used) != 1)
		return name;
	for (size_t i = 0; i < sizeof(map) / sizeof(*map); i++) {
		size_t n = strlen(map[i][0]);

		if (!strncmp(name + used, map[i][0], n))
			snprintf(out, sizeof(out), "model.layers.%d.%s%s", layer, map[i][1],
				 name + used + n);
	}
	return out;
}

/* The same weights as GGUF and as a folder; llama's q and k have their rows in another order. */
static void test_same_weights(const char *gguf, const char *folder, bool permuted)
{
	struct err err = { 0 };
	struct tensors t;
	struct gguf g;
	size_t same = 0;

	check(gguf_is(golden(gguf)) && gguf_open(&g, golden(gguf), &err) == 0, "%s opens %s", gguf,
	      err.msg);
	check(safetensors_open_dir(&t, golden(folder), &err) == 0, "%s opens %s", folder, err.msg);
	for (size_t i = 0; i < g.t.n; i++) {
		const struct tensor *a = &g.t.v[i], *b = tensors_find(&t, hf_name(a->name));
		bool moved = permuted && (strstr(a->name, "attn_q.") || strstr(a->name, "attn_k."));

		same += moved ? same_shape(a, b) && !same_tensor(a, b) : same_tensor(a, b);
	}
	check(g.t.n == t.n && same == t.n, "%s: %zu of %zu tensors are those of %s", gguf, same,
	      t.n, folder);
	check(!tensors_find(&t, "nobody") && !gguf_is(golden("hf_tiny/qwen2/config.json")) &&
		      !gguf_is("/nonexistent"),
	      "what is not there is not found");
	tensors_close(&t);
	gguf_close(&g);
}

static void test_metadata(void)
{
	struct err err = { 0 };
	const struct gguf_value *v;
	const unsigned char *cursor;
	const char *s = "";
	size_t n = 0;
	struct gguf g;
	int64_t i = 0;
	double x = 0;
	bool b = true;

	check(gguf_open(&g, golden("gguf/qwen2_nobias.gguf"), &err) == 0, "nobias opens %s",
	      err.msg);
	check(gguf_get_str(&g, "general.architecture", &s, &n) && n == 5 && !memcmp(s, "qwen2", 5),
	      "a string");
	check(gguf_get_int(&g, "qwen2.embedding_length", &i) && i == 64, "an integer");
	check(gguf_get_num(&g, "qwen2.attention.layer_norm_rms_epsilon", &x) &&
		      x == (double)1e-6f && gguf_get_num(&g, "qwen2.block_count", &x) && x == 2,
	      "a number, and an integer as number");
	check(!gguf_get_int(&g, "general.architecture", &i) && !gguf_get_int(&g, "nobody", &i) &&
		      !gguf_get_str(&g, "qwen2.block_count", &s, &n) &&
		      !gguf_get_num(&g, "general.architecture", &x) &&
		      !gguf_get_bool(&g, "qwen2.block_count", &b),
	      "another type or no such key is false");
	v = gguf_get(&g, "tokenizer.ggml.tokens");
	if (check(v && v->type == GGUF_ARR && v->elem == GGUF_STR && v->count == 3759,
		  "an array of strings")) {
		cursor = v->p;
		for (uint64_t k = 0; k < v->count; k++)
			gguf_next_str(&cursor, &s, &n);
		check(n > 0 && gguf_arr_i32(v, 0) == 0, "is walked to its end");
	}
	v = gguf_get(&g, "tokenizer.ggml.token_type");
	check(v && v->elem == GGUF_I32 && gguf_arr_i32(v, 0) == 1 && gguf_arr_i32(v, v->count) == 0,
	      "an array of integers");
	gguf_close(&g);
}

static void test_integer_types(void)
{
	/* All bits but the lowest, in every width; then a u64 of 2^63, a bool, a double. */
	static const int types[] = { GGUF_U8,  GGUF_I8,  GGUF_U16, GGUF_I16,
				     GGUF_U32, GGUF_I32, GGUF_I64 };
	static const int sizes[] = { 1, 1, 2, 2, 4, 4, 8 };
	static const int64_t want[] = { 254, -2, 65534, -2, 4294967294, -2, -2 };
	struct buf b = { 0 };
	struct err err = { 0 };
	struct gguf g;
	int64_t i = 0;
	double x = 0;
	bool yes = false, ok = true;

	buf_add(&b, "GGUF\3\0\0\0\0\0\0\0\0\0\0\0\12\0\0\0\0\0\0\0", 24);
	for (int k = 0; k < 7; k++) {
		buf_add(&b, "\1\0\0\0\0\0\0", 8);
		buf_printf(&b, "%c%c%c%c%c", 'a' + k, types[k], 0, 0, 0);
		buf_add(&b, "\xfe\xff\xff\xff\xff\xff\xff\xff", (size_t)sizes[k]);
	}
	buf_add(&b, "\1\0\0\0\0\0\0\0x\12\0\0\0\0\0\0\0\0\0\0\x80", 21);
	buf_add(&b, "\1\0\0\0\0\0\0\0y\7\0\0\0\1", 14);
	buf_add(&b, "\1\0\0\0\0\0\0\0z\14\0\0\0\0\0\0\0\0\0\4\xc0", 21);
	file_write(scratch("ints.gguf"), b.p, b.n, &err);
	if (!check(gguf_open(&g, scratch("ints.gguf"), &err) == 0, "all types open %s", err.msg))
		return;
	for (int k = 0; k < 7; k++) {
		char key[2] = { (char)('a' + k), 0 };

		ok &= gguf_get_int(&g, key, &i) && i == want[k];
	}
	check(ok, "integers of every width and sign");
	check(!gguf_get_int(&g, "x", &i), "2^63 does not fit an int64_t");
	check(gguf_get_bool(&g, "y", &yes) && yes, "a bool");
	check(gguf_get_num(&g, "z", &x) && x == -2.5, "a double");
	gguf_close(&g);
	buf_free(&b);
}

/* Two tensors in pieces; pairs of metadata. */
static void test_writer(void)
{
	static const struct tensor_entry entries[] = {
		{ "b", DT_F32, 2, { 2, 3 } },
		{ "a\"\xC3\xA9", DT_BF16, 1, { 3 } },
		{ "s", DT_I32, 0, { 0 } },
		{ "e", DT_F16, 2, { 0, 4 } },
	};
	static const char *const metadata[] = { "base", "x\ny", NULL };
	static const char text[] = "0123456789abcdefghijklmnABCDEFWXYZ";
	const char *path = scratch("w.safetensors");
	struct err err = { 0 };
	struct st_writer w;
	struct tensors t;
	const struct tensor *a, *b;

	check(st_writer_open(&w, path, entries, 4, metadata, &err) == 0 &&
		      st_writer_put(&w, text, 10, &err) == 0 &&
		      st_writer_put(&w, text + 10, 24, &err) == 0 && !file_exists(path),
	      "tensors are given in pieces %s", err.msg);
	check(st_writer_close(&w, &err) == 0 && safetensors_open(&t, path, &err) == 0 && t.n == 4,
	      "written and read again %s", err.msg);
	a = tensors_find(&t, "a\"\xC3\xA9");
	b = tensors_find(&t, "b");
	check(a && b && !memcmp(b->data, text, 24) && !memcmp(a->data, text + 24, 6) &&
		      b->dims[0] == 2 && b->dims[1] == 3 && a->type == DT_BF16 &&
		      tensors_find(&t, "s")->n_dims == 0 && tensors_find(&t, "e")->bytes == 0,
	      "the same tensors in the order given");
	check((size_t)(b->data - t.files[0].p) % 8 == 0 &&
		      memmem(t.files[0].p, t.files[0].n, "\"format\": \"pt\"", 14) &&
		      memmem(t.files[0].p, t.files[0].n, "\"base\": \"x\\ny\"", 14),
	      "data is aligned, metadata is there");
	tensors_close(&t);
	remove(path);
}

static void test_writer_refuses(void)
{
	static const struct {
		const char *what, *msg;
		struct tensor_entry v[2];
		size_t n;
		const char *metadata[5];
	} rows[] = {
		{ "a name twice",
		  "declared twice",
		  { { "a", DT_F32, 0, { 0 } }, { "a", DT_F32, 0, { 0 } } },
		  2,
		  { 0 } },
		{ "a block type", "no type Q4_0", { { "a", DT_Q4_0, 1, { 32 } } }, 1, { 0 } },
		{ "an empty name", "forbids", { { "", DT_F32, 1, { 1 } } }, 1, { 0 } },
		{ "the metadata's name",
		  "forbids",
		  { { "__metadata__", DT_F32, 1, { 1 } } },
		  1,
		  { 0 } },
		{ "five dimensions",
		  "5 dimensions",
		  { { "a", DT_F32, 5, { 1, 1, 1, 1 } } },
		  1,
		  { 0 } },
		{ "an overflowing shape",
		  "overflows",
		  { { "a", DT_F32, 2, { 1ull << 32, 1ull << 32 } } },
		  1,
		  { 0 } },
		{ "an overflowing size",
		  "overflows",
		  { { "a", DT_F32, 1, { 1ull << 62 } } },
		  1,
		  { 0 } },
		{ "metadata 'format'",
		  "'format' stands twice",
		  { { "a", DT_F32, 0, { 0 } } },
		  1,
		  { "format", "tf" } },
		{ "a metadata key twice",
		  "'k' stands twice",
		  { { "a", DT_F32, 0, { 0 } } },
		  1,
		  { "k", "1", "k", "2" } },
	};
	const char *path = scratch("w.safetensors");
	struct err err = { 0 };
	struct st_writer w;

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		err = (struct err){ 0 };
		check(st_writer_open(&w, path, rows[i].v, rows[i].n, rows[i].metadata, &err) ==
				      -1 &&
			      strstr(err.msg, rows[i].msg),
		      "writer refuses %s", rows[i].what);
	}
	st_writer_open(&w, path, rows[8].v, 1, NULL, &err);
	check(st_writer_put(&w, "12345", 5, &err) == -1 && strstr(err.msg, "only 4 were declared"),
	      "writer refuses more bytes than declared");
	check(st_writer_close(&w, &err) == -1 && strstr(err.msg, "4 declared bytes were not given"),
	      "and fewer");
	st_writer_abort(&w);
	check(!file_exists(path) && rmdir(dir) == -1 && remove(scratch("ints.gguf")) == 0 &&
		      rmdir(dir) == 0,
	      "and leaves nothing behind");
}

int main(void)
{
	if (!mkdtemp(dir))
		return 2;
	test_f16();
	test_golden_halves();
	test_dtype();
	test_same_weights("gguf/qwen2.gguf", "hf_tiny/qwen2", false);
	test_same_weights("gguf/llama.gguf", "hf_tiny/llama", true);
	test_metadata();
	test_integer_types();
	test_writer();
	test_writer_refuses();
	return tap_done();
}
