/* SPDX-License-Identifier: Apache-2.0 */
#include "train/reference.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/tool.h"
#include "train/step.h"

#include <math.h>
#include <string.h>

#define HEX 64

static void keep(struct trainer *t, struct metrics *m)
{
	(void)m;
	for (int i = 0; i < t->n_placed; i++) {
		const struct placed *p = &t->placed[i];
		double sum[2] = { 0, 0 };

		for (int r = 0; r < p->n_rows; r++)
			sum[r >= (int)t->shard->v[p->example].n_chosen] += t->logp[p->row + r];
		t->reference[2 * (size_t)p->example] = (float)sum[0];
		t->reference[2 * (size_t)p->example + 1] = (float)sum[1];
	}
	progress("reference: pair %u of %zu", t->placed[t->n_placed - 1].example + 1, t->shard->n);
}

static int compute_with(struct trainer *t, const struct lora *lora, struct err *err)
{
	struct metrics m = { 0 };

	for (uint32_t i = 0, n; i < t->shard->n; i += n) {
		uint32_t some[64];

		for (n = 0; n < 64 && i + n < t->shard->n; n++)
			some[n] = i + n;
		step_run(t, some, NULL, n, lora, false, keep, &m);
	}
	progress_end();
	return t->stop && *t->stop ? err_kind(err, ERR_INTERRUPTED,
					      "interrupted before the first step; start it again")
				   : 0;
}

/* The adapter that the reference wears, as parameters. */
static int open_worn(struct trainer *t, const char *path, struct lora *l, struct err *err)
{
	int rc, width, rows;
	struct adapter a;

	if (adapter_open(&a, path, &t->model.arch, err) < 0)
		return -1;
	rc = adapter_to_lora(&a, l, t->dev, t->model.act, err);
	adapter_close(&a);
	if (rc < 0)
		return -1;
	lora_widths(l, &width, &rows);
	if (width <= t->pass.o.lora_width)
		return 0;
	lora_close(l);
	return err_set(err,
		       "ref_model_adapters: %s adapts more than the policy; train an adapter of "
		       "its rank",
		       path);
}

static int compute(struct trainer *t, const char *worn, struct err *err)
{
	struct lora l;
	int rc;

	if (!worn)
		return compute_with(t, NULL, err);
	if (open_worn(t, worn, &l, err) < 0)
		return -1;
	rc = compute_with(t, &l, err);
	lora_close(&l);
	return rc;
}

/* All that decides the numbers, as the text that their file begins with. */
static int describe(const struct trainer *t, const struct reference_options *o, const char *worn,
		    struct buf *b, struct err *err)
{
	const struct batch_limits *l = &t->pass.o.limits;
	struct hash_hex merged, adapter;

	if (adapter_names_hash(&merged, t->merged_names, err) < 0 ||
	    adapter_names_hash(&adapter, worn, err) < 0)
		return -1;
	buf_str(b, "anekdot reference log-probabilities 1\n");
	buf_printf(b, "semantics %d\n", t->semantics);
	buf_printf(b, "shard %s\n", t->shard->hash);
	buf_printf(b, "base %s\n", o->base_hash);
	buf_printf(b, "merged %s\n", *t->merged_names ? merged.s : "none");
	buf_printf(b, "adapter %s\n", worn ? adapter.s : "none");
	buf_printf(b, "back end %s\n", t->back_end);
	buf_printf(b, "products %s\n", t->model.act == DT_F32 ? "fp32" : "bf16");
	buf_printf(b, "micro-batch %d tokens, %d rows, beginnings %s\n", l->tokens, l->rows,
		   t->c->share_prefixes ? "shared" : "not shared");
	buf_printf(b, "pairs %zu\n\n", t->shard->n);
	return 0;
}

/* The content of a file is what it should be: then the numbers are taken. */
static bool take(struct trainer *t, const struct buf *text, const struct file *f)
{
	size_t bytes = 2 * t->shard->n * sizeof(float), all = text->n + bytes;

	if (f->n != all + HEX + 1 || memcmp(f->p, text->p, text->n) ||
	    memcmp(hash_bytes(f->p, all).s, f->p + all, HEX) || f->p[all + HEX] != '\n')
		return false;
	memcpy(t->reference, f->p + text->n, bytes);
	return true;
}

static bool read_kept(struct trainer *t, const struct buf *text, const char *path)
{
	struct err err = { 0 };
	struct file f = { 0 };
	bool ok;

	if (!file_exists(path))
		return false;
	if (file_open(&f, path, &err) < 0) {
		tool_note("%s; it is computed again", err.msg);
		return false;
	}
	ok = take(t, text, &f);
	if (!ok)
		tool_note("%s: is damaged, or no such file of this run; it is computed again",
			  path);
	file_close(&f);
	return ok;
}

static int write_kept(const struct trainer *t, const struct buf *text, const char *path,
		      struct err *err)
{
	struct buf b = { 0 };
	int rc;

	buf_add(&b, text->p, text->n);
	buf_add(&b, t->reference, 2 * t->shard->n * sizeof(float));
	buf_printf(&b, "%s\n", hash_bytes(b.p, b.n).s);
	rc = file_write(path, b.p, b.n, err);
	buf_free(&b);
	return rc;
}

/* Names of the file, the best place first, into path[2] from the heap; NULL: none. */
static void find_places(const struct trainer *t, const struct reference_options *o,
			const struct buf *text, char *path[2])
{
	const char *where = t->c->reference_cache;
	struct hash_hex h = hash_bytes(text->p, text->n);
	char *name = mem_printf("reference-%.16s", h.s);
	int n = 0;

	if (!strcmp(where, "shard") && strcmp(o->shard, "-"))
		path[n++] = mem_printf("%s.%s", o->shard, name);
	if (strcmp(where, "no"))
		path[n++] = path_join(t->c->output_dir, name);
	mem_free(name);
}

static bool all_finite(const struct trainer *t)
{
	for (size_t i = 0; i < 2 * t->shard->n; i++)
		if (!isfinite(t->reference[i]))
			return false;
	return true;
}

/* Says where they are kept now; that they cannot be kept anywhere is no reason to stop. */
static void keep_at(const struct trainer *t, const struct reference_options *o,
		    const struct buf *text, char *const path[2])
{
	struct err err = { 0 };
	int i = 0;

	while (i < 2 && path[i] && write_kept(t, text, path[i], &err) < 0)
		i++;
	if (i < 2 && path[i])
		tool_say(o->tool, "reference log-probabilities: computed, kept in %s", path[i]);
	else
		tool_say(o->tool, "reference log-probabilities: computed%s%s",
			 i ? ", not kept: " : "", i ? err.msg : "");
}

static int read_or_compute(struct trainer *t, const struct reference_options *o, const char *worn,
			   struct err *err)
{
	char *path[2] = { NULL, NULL };
	struct buf text = { 0 };
	int rc = describe(t, o, worn, &text, err), at = 0;

	if (rc == 0)
		find_places(t, o, &text, path);
	while (rc == 0 && at < 2 && path[at] && !read_kept(t, &text, path[at]))
		at++;
	if (rc == 0 && at < 2 && path[at]) {
		tool_say(o->tool, "reference log-probabilities: read from %s", path[at]);
	} else if (rc == 0) {
		rc = compute(t, worn, err);
		if (rc == 0 && all_finite(t)) /* others stop the first step */
			keep_at(t, o, &text, path);
	}
	buf_free(&text);
	mem_free(path[0]);
	mem_free(path[1]);
	return rc;
}

int reference_open(struct trainer *t, const struct reference_options *o, struct err *err)
{
	const char *worn;
	char *merged = adapter_names_split(t->c->ref_model_adapters, &worn);
	int rc = 0;

	if (worn && strcmp(merged, t->merged_names))
		rc = err_set(
			err,
			"ref_model_adapters: the adapters before the last must be those merged "
			"into the policy ('%s'); merge them into a model with ft-merge first",
			t->merged_names);
	mem_free(merged);
	if (rc < 0)
		return -1;
	t->reference = mem_new(2 * t->shard->n, sizeof(*t->reference));
	return o ? read_or_compute(t, o, worn, err) : compute(t, worn, err);
}
