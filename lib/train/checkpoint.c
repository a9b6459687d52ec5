/* SPDX-License-Identifier: Apache-2.0 */
#include "train/checkpoint.h"

#include "base/file.h"
#include "base/jsonw.h"
#include "base/mem.h"
#include "train/manifest.h"

#define MOMENTS "optimizer.safetensors"

const char *const checkpoint_files[] = { "adapter_config.json", "adapter_model.safetensors",
					 "anekdot.json",        MOMENTS,
					 CHECKPOINT_STATE,      NULL };

static int write_moments(const struct trainer *t, const char *dir, struct err *err)
{
	const struct tensor_entry v[] = { { "exp_avg", DT_F32, 1, { t->lora.n } },
					  { "exp_avg_sq", DT_F32, 1, { t->lora.n } } };
	const float *slabs[] = { t->lora.m, t->lora.v };
	char *path = path_join(dir, MOMENTS);
	float *host = mem_new(t->lora.n, sizeof(*host));
	struct st_writer w;
	int rc = st_writer_open(&w, path, v, 2, NULL, err);

	for (int i = 0; rc == 0 && i < 2; i++) {
		t->dev->ops->download(t->dev, host, slabs[i], t->lora.n * sizeof(*host));
		rc = st_writer_put(&w, host, t->lora.n * sizeof(*host), err);
	}
	if (rc == 0)
		rc = st_writer_close(&w, err);
	else
		st_writer_abort(&w);
	mem_free(host);
	mem_free(path);
	return rc;
}

static int write_state(const struct trainer *t, const char *dir, struct err *err)
{
	char *path = path_join(dir, CHECKPOINT_STATE);
	struct buf text = { 0 };
	struct jsonw w = { .out = &text, .indent = 2 };
	int rc;

	jsonw_open(&w, '{');
	jsonw_kint(&w, "global_step", t->step);
	jsonw_kint(&w, "semantics", t->semantics);
	jsonw_kstr(&w, "back_end", t->back_end);
	jsonw_kint(&w, "micro_batch_tokens", t->pass.o.limits.tokens);
	jsonw_close(&w, '}');
	buf_char(&text, '\n');
	rc = file_write(path, text.p, text.n, err);
	buf_free(&text);
	mem_free(path);
	return rc;
}

int checkpoint_save(const struct trainer *t, const char *dir, const struct provenance *p, long keep,
		    struct err *err)
{
	char *path = mem_printf("%s/checkpoint-%ld", dir, t->step);
	struct outdir o;
	int rc = outdir_open(&o, path, err);

	if (rc == 0) {
		rc = write_moments(t, o.tmp, err);
		if (rc == 0)
			rc = write_state(t, o.tmp, err);
		if (rc == 0)
			rc = provenance_write(o.tmp, p, err);
		if (rc == 0)
			rc = adapter_write(o.tmp, &t->lora, t->lora.p, &t->info, err);
		if (rc == 0)
			rc = manifest_write(o.tmp, checkpoint_files, err);
		if (rc == 0)
			rc = outdir_commit(&o, err);
		else
			outdir_abort(&o);
	}
	if (rc == 0 && keep > 0)
		checkpoint_prune(dir, t->step, keep);
	mem_free(path);
	return rc;
}

static int load_moments(struct trainer *t, const char *path, struct err *err)
{
	static const char *const names[] = { "exp_avg", "exp_avg_sq" };
	float *slabs[] = { t->lora.m, t->lora.v };
	char *file = path_join(path, MOMENTS);
	struct tensors v;
	int rc = safetensors_open(&v, file, err);

	for (int i = 0; rc == 0 && i < 2; i++) {
		const struct tensor *one = tensors_find(&v, names[i]);

		if (!one || one->type != DT_F32 || one->bytes != t->lora.n * sizeof(float))
			rc = err_set(err, "%s: '%s' is missing or of another size", file, names[i]);
		else
			t->dev->ops->upload(t->dev, slabs[i], one->data, one->bytes);
	}
	tensors_close(&v);
	mem_free(file);
	return rc;
}

static int load_adapter(struct trainer *t, const char *path, struct err *err)
{
	struct adapter a;
	struct lora l;
	int rc;

	if (adapter_open(&a, path, &t->model.arch, err) < 0)
		return -1;
	rc = adapter_to_lora(&a, &l, t->dev, t->model.act, err);
	if (rc == 0 && l.n != t->lora.n)
		rc = err_set(err, "%s: the adapter has another shape", path);
	else if (rc == 0)
		t->dev->ops->copy(t->dev, t->lora.p, l.p, l.n * sizeof(float));
	if (l.dev)
		lora_close(&l);
	adapter_close(&a);
	lora_refresh(&t->lora);
	return rc;
}

int checkpoint_load(struct trainer *t, const char *path, const struct provenance *now,
		    struct err *err)
{
	long step;

	if (checkpoint_compare(t, path, now, &step, err) < 0)
		return -1;
	if (step < 1 || step >= t->schedule.total_steps)
		return err_set(err,
			       "%s: it stands at step %ld, the run has %ld: nothing is left to do",
			       path, step, t->schedule.total_steps);
	if (load_adapter(t, path, err) < 0 || load_moments(t, path, err) < 0)
		return -1;
	t->step = step;
	return 0;
}
