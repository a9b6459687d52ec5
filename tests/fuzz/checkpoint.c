/* SPDX-License-Identifier: Apache-2.0 */
/* A checkpoint of a small model that a run goes on from: anekdot.json, trainer_state.json, the log so
 * far, then optimizer.safetensors; the adapter beside them is as it should be. */
#include "tests/fuzz/fuzz.h"

#include "tests/fuzz/tiny.h"

#include "base/file.h"
#include "train/checkpoint.h"
#include "train/runlog.h"

/* As little of a trainer as checkpoints and logs look at. */
static struct trainer *small_trainer(void)
{
	static struct trainer t;
	static struct config c = { .logging_steps = 1 };
	static int rank[2][LORA_MODULES] = { { 1 } };
	static float scale[2][LORA_MODULES] = { { 1 } };
	struct lora_spec spec = { rank, scale, 0 };
	struct adapter_info info = { .base = "base", .r = 1, .alpha = 1 };
	struct err err = { 0 };

	if (t.dev)
		return &t;
	t.c = &c;
	t.dev = tiny_dev();
	t.objective = &objective_sft;
	t.schedule.total_steps = 10;
	t.model.arch = *tiny_arch();
	t.model.act = DT_F32;
	fuzz_must(lora_open(&t.lora, t.dev, &t.model.arch, &spec, DT_F32, &err) == 0 &&
			  lora_train(&t.lora, &err) == 0,
		  err.msg);
	lora_init(&t.lora, 1);
	fuzz_must(adapter_write(fuzz_dir(), &t.lora, t.lora.p, &info, &err) == 0, err.msg);
	return &t;
}

static void read_provenance(void)
{
	struct provenance p;
	struct err err = { 0 };

	if (provenance_read(&p, fuzz_dir(), &err) < 0)
		fuzz_failed(&err);
	provenance_close(&p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct provenance now = { .config = "{\"seed\": 1, \"output_dir\": \"x\"}",
					.base_hash = "b",
					.shard_hash = "s" };
	struct part rest = { data, size };
	struct trainer *t = small_trainer();
	struct runlog l;
	struct err err = { 0 };

	fuzz_file("anekdot.json", fuzz_part(&rest));
	fuzz_file("trainer_state.json", fuzz_part(&rest));
	fuzz_file("trainer_log.jsonl", fuzz_part(&rest));
	fuzz_file("optimizer.safetensors", rest);
	read_provenance();
	t->step = 0;
	if (checkpoint_load(t, fuzz_dir(), &now, &err) < 0) {
		fuzz_failed(&err);
		return 0;
	}
	fuzz_must(t->step >= 1 && t->step < 10, "a run goes on within its steps");
	if (runlog_open(&l, t, fuzz_dir(), true, &err) < 0)
		fuzz_failed(&err);
	for (size_t i = 0; i < l.n_rows; i++)
		fuzz_must(l.rows[i].step <= t->step, "its log ends where it goes on");
	runlog_close(&l);
	return 0;
}
