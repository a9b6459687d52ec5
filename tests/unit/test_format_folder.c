/* SPDX-License-Identifier: Apache-2.0 */
/* Hugging Face folders: shards and their index. */
#include "tests/tap.h"

#include "base/file.h"
#include "base/mem.h"
#include "format/safetensors.h"

#include <unistd.h>

static char dir[] = "/tmp/anekdot-folder-XXXXXX";

static const char *scratch(const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

static void test_folders(void)
{
	struct err err = { 0 };
	struct tensors t;
	size_t bytes = 0;

	check(safetensors_open_dir(&t, golden("hf_tiny/qwen3_sharded_bf16"), &err) == 0,
	      "sharded folder opens %s", err.msg);
	for (size_t i = 0; i < t.n; i++)
		bytes += t.v[i].type == DT_BF16 ? t.v[i].bytes : 0;
	check(bytes == 1110528 && t.n_files == 2 && tensors_find(&t, "lm_head.weight"),
	      "its bytes are the index's total_size");
	tensors_close(&t);
	check(safetensors_open(&t, golden("hf_tiny/qwen2_lora_peft/adapter_model.safetensors"),
			       &err) == 0 &&
		      t.n == 8,
	      "a PEFT adapter opens");
	check(tensors_find(&t, "base_model.model.model.layers.0.mlp.down_proj.lora_A.weight")
			      ->dims[1] == 128,
	      "with dims in torch order");
	tensors_close(&t);
	tensors_close(&t);
	check(safetensors_open_dir(&t, golden("hf_tiny/qwen2_lora_peft"), &err) == -1 &&
		      strstr(err.msg, "neither model.safetensors nor model.safetensors.index.json"),
	      "a folder without a model is refused");
}

/* A shard with one float for each letter of names. */
static void write_shard(const char *file, const char *names)
{
	struct tensor_entry v[4] = { 0 };
	char name[4][2] = { 0 };
	struct err err = { 0 };
	struct st_writer w;
	size_t n = strlen(names);

	for (size_t i = 0; i < n; i++) {
		name[i][0] = names[i];
		v[i] = (struct tensor_entry){ name[i], DT_F32, 1, { 1 } };
	}
	if (st_writer_open(&w, scratch(file), v, n, NULL, &err) < 0 ||
	    st_writer_put(&w, "0123456789abcdef", 4 * n, &err) < 0 || st_writer_close(&w, &err) < 0)
		exit(2);
}

/* ' stands for " in the index. A.st holds a, B.st holds b and c, C.st holds a and d. */
static const struct {
	const char *what, *index, *msg;
} rows[] = {
	{ "two shards", "{'weight_map':{'c':'B.st','a':'A.st','b':'B.st'}}", NULL },
	{ "no JSON", "{'weight_map':", "index.json:1:" },
	{ "duplicate key", "{'weight_map':{'a':'A.st','a':'A.st'}}", "duplicate object key" },
	{ "no weight_map", "{'metadata':{}}", "no object 'weight_map'" },
	{ "a list", "['A.st']", "no object 'weight_map'" },
	{ "empty weight_map", "{'weight_map':{}}", "no object 'weight_map'" },
	{ "weight_map a list", "{'weight_map':['A.st']}", "no object 'weight_map'" },
	{ "shard a number", "{'weight_map':{'a':1}}", "tensor 'a' must be a plain file name" },
	{ "path upwards", "{'weight_map':{'a':'../A.st'}}", "must be a plain file name" },
	{ "absolute path", "{'weight_map':{'a':'/etc/passwd'}}", "must be a plain file name" },
	{ "folder within", "{'weight_map':{'a':'x/A.st'}}", "must be a plain file name" },
	{ "parent folder", "{'weight_map':{'a':'..'}}", "must be a plain file name" },
	{ "folder itself", "{'weight_map':{'a':'.'}}", "must be a plain file name" },
	{ "no name", "{'weight_map':{'a':''}}", "must be a plain file name" },
	{ "line feed in a shard", "{'weight_map':{'a':'A.st\\n'}}", "must be a plain file name" },
	{ "control in a tensor name", "{'weight_map':{'\\u001b':'A.st'}}", "control characters" },
	{ "missing shard", "{'weight_map':{'a':'A.st','z':'Z.st'}}", "Z.st: shard is missing" },
	{ "tensor that the index lacks", "{'weight_map':{'a':'A.st','b':'B.st'}}",
	  "B.st: tensor 'c' is not in model.safetensors.index.json" },
	{ "tensor that the shard lacks", "{'weight_map':{'a':'A.st','x':'A.st'}}",
	  "tensor 'x' is not in A.st" },
	{ "tensor in the wrong shard", "{'weight_map':{'a':'A.st','b':'A.st','c':'B.st'}}",
	  "B.st: tensor 'b' should be in A.st" },
	{ "tensor in two shards", "{'weight_map':{'a':'A.st','d':'C.st'}}",
	  "C.st: tensor 'a' stands in another shard too" },
	{ "broken shard", "{'weight_map':{'a':'model.safetensors.index.json'}}", "header length" },
};

static void test_index(void)
{
	write_shard("A.st", "a");
	write_shard("B.st", "bc");
	write_shard("C.st", "ad");
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct err err = { 0 };
		struct tensors t;
		char *text = mem_strdup(rows[i].index);
		bool ok;
		int rc;

		for (char *s = text; *s; s++)
			if (*s == '\'')
				*s = '"';
		file_write(scratch("model.safetensors.index.json"), text, strlen(text), &err);
		mem_free(text);
		rc = safetensors_open_dir(&t, dir, &err);
		ok = rows[i].msg ? rc == -1 && strstr(err.msg, rows[i].msg)
				 : rc == 0 && t.n == 3 && tensors_find(&t, "c")->data[0] == '4';
		check(ok, "index: %s", rows[i].what);
		if (!ok)
			note("rc %d, message '%s'", rc, err.msg);
		tensors_close(&t);
	}
}

/* Sparse: refused by its length, never read. */
static void test_huge_index(void)
{
	struct err err = { 0 };
	struct tensors t;

	check(truncate(scratch("model.safetensors.index.json"), 100000001) == 0 &&
		      safetensors_open_dir(&t, dir, &err) == -1 && strstr(err.msg, "limit"),
	      "index: more than 100,000,000 bytes");
}

static void test_order(void)
{
	struct err err = { 0 };
	struct tensors t;

	write_shard("model.safetensors", "a");
	check(safetensors_open_dir(&t, dir, &err) == 0 && t.n == 1,
	      "model.safetensors goes before the index");
	tensors_close(&t);
	remove(scratch("model.safetensors"));
	remove(scratch("model.safetensors.index.json"));
	file_write(scratch("pytorch_model.bin"), "x", 1, &err);
	check(safetensors_open_dir(&t, dir, &err) == -1 && strstr(err.msg, "is a pickle"),
	      "a pickle is named");
	check(safetensors_open_dir(&t, "/nonexistent", &err) == -1 &&
		      strstr(err.msg, "/nonexistent: No such file"),
	      "a folder that is not there");
}

int main(void)
{
	static const char *const files[] = { "A.st", "B.st", "C.st", "pytorch_model.bin" };

	if (!mkdtemp(dir))
		return 2;
	test_folders();
	test_index();
	test_huge_index();
	test_order();
	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++)
		remove(scratch(files[i]));
	check(rmdir(dir) == 0, "nothing is left over");
	return tap_done();
}
