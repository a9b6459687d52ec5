/* SPDX-License-Identifier: Apache-2.0 */
/* model.gguf in every type against what llama.cpp's quantiser makes of the same F32 files: each
 * tensor's type and bytes (tests/golden/gguf_out/quantised.txt, made by tests/parity/make_quantised.py). */
#include "tests/tap.h"

#include "adapter/merge.h"
#include "base/file.h"
#include "base/hash.h"
#include "format/gguf.h"
#include "kernels/ops.h"

#include <string.h>

static struct err err;
static char folder[64];

struct row {
	char model[16], asked[8], tensor[64], type[8], hash[20];
};

static bool next_row(FILE *f, struct row *r)
{
	return fscanf(f, "%15s %7s %63s %7s %19s", r->model, r->asked, r->tensor, r->type,
		      r->hash) == 5;
}

static bool write_one(const struct row *r, struct dev *dev, const char *out)
{
	char model[64];
	struct merge_job job = { .out = out, .tool = "ft-merge", .format = MERGE_GGUF };

	snprintf(model, sizeof(model), "gguf/%s.gguf", r->model);
	job.model = golden(model);
	job.type = (enum dtype)dtype_from_name(r->asked);
	return check(merge_write(&job, dev, &err) == 0, "%s in %s%s%s", r->model, r->asked,
		     err.msg[0] ? ": " : "", err.msg);
}

static bool is_same(const struct gguf *g, const struct row *r)
{
	const struct tensor *t = tensors_find(&g->t, r->tensor);

	return t && !strcmp(dtype_info[t->type].name, r->type) &&
	       !strncmp(hash_bytes(t->data, t->bytes).s, r->hash, 16);
}

/* The rows of one file; r is the first of them, and of the next file afterwards. */
static bool compare(FILE *f, struct row *r, struct dev *dev)
{
	struct row first = *r;
	struct gguf g = { 0 };
	char path[128];
	size_t n = 0, same = 0;
	bool more = true, opened;

	snprintf(path, sizeof(path), "%s/" MERGE_MODEL_GGUF, folder);
	opened =
		write_one(r, dev, folder) && check(gguf_open(&g, path, &err) == 0, "is read again");
	for (; more && !strcmp(r->model, first.model) && !strcmp(r->asked, first.asked); n++) {
		same += opened && is_same(&g, r);
		more = next_row(f, r);
	}
	check(opened && same == n && g.t.n == n, "%s, %s: %zu of %zu tensors as llama.cpp's",
	      first.model, first.asked, same, n);
	gguf_close(&g);
	return more;
}

int main(void)
{
	struct dev *dev = ops_open("cpu", 0, &err);
	FILE *f = fopen(golden("gguf_out/quantised.txt"), "r");
	char command[96];
	struct row r;
	bool more;

	strcpy(folder, "/tmp/test_merge.XXXXXX");
	if (!check(dev && f && mkdtemp(folder), "the fixture opens"))
		return tap_done();
	more = next_row(f, &r);
	check(more, "the fixture has rows");
	while (more)
		more = compare(f, &r, dev);
	fclose(f);
	dev->ops->close(dev);
	snprintf(command, sizeof(command), "rm -rf %s", folder);
	check(system(command) == 0, "nothing is left");
	return tap_done();
}
