/* SPDX-License-Identifier: Apache-2.0 */
#include "train/runlog.h"

#include "base/jsonw.h"
#include "base/tool.h"

#include <jansson.h>
#include <string.h>

static double number(const json_t *o, const char *key)
{
	return json_number_value(json_object_get(o, key));
}

/* One line of the log before: a row, and kept, when the run goes on from it or from after it. */
static void take_back(struct runlog *l, const char *line, size_t n, struct buf *kept)
{
	json_t *o = json_loadb(line, n, 0, NULL);
	long step = (long)json_integer_value(json_object_get(o, "current_steps"));

	bool eval = json_object_get(o, "eval_loss") != NULL;

	if (eval && step <= l->first_step) {
		l->evals = mem_grow(l->evals, l->n_evals + 1, sizeof(*l->evals));
		l->evals[l->n_evals++] = (struct log_row){ .step = step,
							   .epoch = number(o, "epoch"),
							   .loss = number(o, "eval_loss") };
		buf_add(kept, line, n);
		buf_char(kept, '\n');
	} else if (step >= 1 && step <= l->first_step) {
		l->rows = mem_grow(l->rows, l->n_rows + 1, sizeof(*l->rows));
		l->rows[l->n_rows++] = (struct log_row){
			.step = step,
			.epoch = number(o, "epoch"),
			.loss = number(o, "loss"),
			.grad_norm = number(o, "grad_norm"),
			.lr = number(o, "lr"),
			.rewards_chosen = number(o, "rewards/chosen"),
			.rewards_rejected = number(o, "rewards/rejected"),
			.accuracy = number(o, "accuracy"),
			.logps_chosen = number(o, "logps/chosen"),
			.logps_rejected = number(o, "logps/rejected"),
		};
		buf_add(kept, line, n);
		buf_char(kept, '\n');
	}
	json_decref(o);
}

/* The log of the run that goes on, up to its step: what a killed run did after its checkpoint is
 * done again, and its last line may be cut off. */
static int take_back_log(struct runlog *l, const char *path, struct err *err)
{
	struct buf kept = { 0 };
	struct file f;
	int rc;

	if (!file_exists(path))
		return 0;
	if (file_open(&f, path, err) < 0)
		return -1;
	for (size_t at = 0; at < f.n;) {
		const char *line = (const char *)f.p + at, *end = memchr(line, '\n', f.n - at);
		size_t n = end ? (size_t)(end - line) : f.n - at;

		take_back(l, line, n, &kept);
		at += n + 1;
	}
	file_close(&f);
	rc = file_write(path, kept.p, kept.n, err);
	buf_free(&kept);
	return rc;
}

int runlog_open(struct runlog *l, const struct trainer *t, const char *dir, bool append,
		struct err *err)
{
	memset(l, 0, sizeof(*l));
	l->t = t;
	l->log = path_join(dir, "trainer_log.jsonl");
	l->dir = mem_strdup(dir);
	l->interval = config_interval(t->c->logging_steps, t->schedule.total_steps);
	l->started = clock_now();
	l->first_step = t->step;
	return append ? take_back_log(l, l->log, err) : file_write(l->log, "", 0, err);
}

/* "H:MM:SS" as LLaMA-Factory prints times. */
static void clock_text(char out[32], double seconds)
{
	long s = (long)seconds;

	snprintf(out, 32, "%ld:%02ld:%02ld", s / 3600, s / 60 % 60, s % 60);
}

static double seconds_left(const struct runlog *l)
{
	long done = l->t->step - l->first_step;

	return done ? (clock_now() - l->started) / (double)done *
			       (double)(l->t->schedule.total_steps - l->t->step)
		    : 0;
}

static void preference(struct jsonw *w, const struct log_row *r)
{
	jsonw_knum(w, "rewards/chosen", r->rewards_chosen, 9);
	jsonw_knum(w, "rewards/rejected", r->rewards_rejected, 9);
	jsonw_knum(w, "rewards/margins", r->rewards_chosen - r->rewards_rejected, 9);
	jsonw_knum(w, "logps/chosen", r->logps_chosen, 9);
	jsonw_knum(w, "logps/rejected", r->logps_rejected, 9);
}

/* How far it is. */
static void course(struct jsonw *w, const struct runlog *l, const struct log_row *r)
{
	char elapsed[32], left[32];

	clock_text(elapsed, clock_now() - l->started);
	clock_text(left, seconds_left(l));
	jsonw_knum(w, "epoch", r->epoch, 9);
	jsonw_knum(w, "percentage", 100.0 * (double)r->step / (double)l->t->schedule.total_steps,
		   4);
	jsonw_kstr(w, "elapsed_time", elapsed);
	jsonw_kstr(w, "remaining_time", left);
}

static int write_row(struct runlog *l, const struct log_row *r, bool eval, struct err *err)
{
	bool dpo = l->t->objective == &objective_dpo;
	struct buf text = { 0 };
	struct jsonw w = { .out = &text };
	int rc;

	jsonw_open(&w, '{');
	jsonw_kint(&w, "current_steps", r->step);
	jsonw_kint(&w, "total_steps", l->t->schedule.total_steps);
	jsonw_knum(&w, eval ? "eval_loss" : "loss", r->loss, 9);
	if (dpo)
		jsonw_knum(&w, "accuracy", r->accuracy, 9);
	if (!eval)
		jsonw_knum(&w, "lr", r->lr, 9);
	course(&w, l, r);
	if (!eval) {
		jsonw_knum(&w, "grad_norm", r->grad_norm, 9);
		jsonw_kint(&w, "total_tokens", (int64_t)l->n_tokens);
	}
	if (dpo)
		preference(&w, r);
	jsonw_close(&w, '}');
	buf_char(&text, '\n');
	rc = file_append(l->log, text.p, text.n, err);
	buf_free(&text);
	return rc;
}

int runlog_eval(struct runlog *l, double loss, double seconds, struct err *err)
{
	struct log_row *r;

	l->evals = mem_grow(l->evals, l->n_evals + 1, sizeof(*l->evals));
	r = &l->evals[l->n_evals++];
	*r = (struct log_row){ .step = l->t->step,
			       .epoch = schedule_epoch(&l->t->schedule, l->t->step),
			       .loss = loss };
	l->eval_seconds = seconds;
	return write_row(l, r, true, err);
}

static void show(const struct runlog *l, double loss)
{
	double took = clock_now() - l->started;
	char left[32];

	clock_text(left, seconds_left(l));
	progress("%s: step %ld/%ld  loss %.4f  %.0f tokens/s  %s left", l->t->objective->name,
		 l->t->step, l->t->schedule.total_steps, loss,
		 (double)l->n_tokens / (took > 0 ? took : 1), left);
}

/* The interval's means become a row. */
static int close_interval(struct runlog *l, double grad_norm, double lr, struct err *err)
{
	double n = (double)l->n_sum;
	struct log_row *r;

	l->rows = mem_grow(l->rows, l->n_rows + 1, sizeof(*l->rows));
	r = &l->rows[l->n_rows++];
	*r = (struct log_row){
		.step = l->t->step,
		.epoch = schedule_epoch(&l->t->schedule, l->t->step),
		.loss = l->sum.loss / n,
		.grad_norm = grad_norm,
		.lr = lr,
		.rewards_chosen = l->sum.rewards_chosen / n,
		.rewards_rejected = l->sum.rewards_rejected / n,
		.accuracy = l->sum.accuracy / n,
		.logps_chosen = l->sum.logps_chosen / n,
		.logps_rejected = l->sum.logps_rejected / n,
	};
	memset(&l->sum, 0, sizeof(l->sum));
	l->n_sum = 0;
	return write_row(l, r, false, err);
}

int runlog_step(struct runlog *l, const struct metrics *m, double grad_norm, double lr,
		struct err *err)
{
	l->sum.loss += m->loss;
	l->sum.rewards_chosen += m->rewards_chosen;
	l->sum.rewards_rejected += m->rewards_rejected;
	l->sum.accuracy += m->accuracy;
	l->sum.logps_chosen += m->logps_chosen;
	l->sum.logps_rejected += m->logps_rejected;
	l->n_sum++;
	l->total_loss += m->loss;
	l->n_tokens += m->n_tokens;
	l->n_computed += m->n_computed;
	show(l, m->loss);
	if (l->t->step % l->interval && l->t->step != l->t->schedule.total_steps)
		return 0;
	return close_interval(l, grad_norm, lr, err);
}

static int write_named(const struct runlog *l, const char *name, const struct buf *text,
		       struct err *err)
{
	char *path = path_join(l->dir, name);
	int rc = file_write(path, text->p, text->n, err);

	mem_free(path);
	return rc;
}

static void history(struct jsonw *w, const struct runlog *l)
{
	jsonw_key(w, "log_history");
	jsonw_open(w, '[');
	for (size_t i = 0, k = 0; i < l->n_rows || k < l->n_evals;) {
		const struct log_row *r = i < l->n_rows ? &l->rows[i] : NULL;

		if (!r || (k < l->n_evals && l->evals[k].step < r->step)) {
			jsonw_open(w, '{');
			jsonw_knum(w, "epoch", l->evals[k].epoch, 9);
			jsonw_knum(w, "eval_loss", l->evals[k].loss, 9);
			jsonw_kint(w, "step", l->evals[k++].step);
			jsonw_close(w, '}');
			continue;
		}
		i++;
		jsonw_open(w, '{');
		jsonw_knum(w, "epoch", r->epoch, 9);
		jsonw_knum(w, "grad_norm", r->grad_norm, 9);
		jsonw_knum(w, "learning_rate", r->lr, 9);
		jsonw_knum(w, "loss", r->loss, 9);
		if (l->t->objective == &objective_dpo) {
			jsonw_knum(w, "rewards/accuracies", r->accuracy, 9);
			preference(w, r);
		}
		jsonw_kint(w, "step", r->step);
		jsonw_close(w, '}');
	}
	jsonw_close(w, ']');
}

static int write_state(const struct runlog *l, struct err *err)
{
	const struct trainer *t = l->t;
	struct buf text = { 0 };
	struct jsonw w = { .out = &text, .indent = 2 };
	int rc;

	jsonw_open(&w, '{');
	jsonw_knum(&w, "epoch", schedule_epoch(&t->schedule, t->step), 9);
	jsonw_kint(&w, "global_step", t->step);
	history(&w, l);
	jsonw_kint(&w, "logging_steps", l->interval);
	jsonw_kint(&w, "max_steps", t->schedule.total_steps);
	jsonw_kint(&w, "num_input_tokens_seen", (int64_t)l->n_tokens);
	jsonw_knum(&w, "num_train_epochs", t->c->num_train_epochs, 9);
	jsonw_kint(&w, "train_batch_size", (int64_t)t->schedule.batch_size);
	jsonw_close(&w, '}');
	buf_char(&text, '\n');
	rc = write_named(l, "trainer_state.json", &text, err);
	buf_free(&text);
	return rc;
}

static void train_results(struct jsonw *w, const struct runlog *l)
{
	long steps = l->t->step - l->first_step;
	double took = clock_now() - l->started;

	jsonw_kint(w, "num_input_tokens_seen", (int64_t)l->n_tokens);
	jsonw_knum(w, "tokens_per_second", (double)l->n_tokens / took, 6);
	jsonw_knum(w, "train_loss", steps ? l->total_loss / (double)steps : 0, 9);
	jsonw_knum(w, "train_runtime", took, 6);
	jsonw_knum(w, "train_steps_per_second", (double)steps / took, 6);
}

static void eval_results(struct jsonw *w, const struct runlog *l)
{
	size_t n = l->t->n_all - l->t->n, size = (size_t)l->t->c->per_device_eval_batch_size;
	double took = l->eval_seconds > 0 ? l->eval_seconds : 1e-9;

	jsonw_knum(w, "eval_loss", l->evals[l->n_evals - 1].loss, 9);
	jsonw_knum(w, "eval_runtime", took, 6);
	jsonw_knum(w, "eval_samples_per_second", (double)n / took, 6);
	jsonw_knum(w, "eval_steps_per_second", (double)((n + size - 1) / size) / took, 6);
}

static int write_results(const struct runlog *l, const char *name, bool train, bool eval,
			 struct err *err)
{
	struct buf text = { 0 };
	struct jsonw w = { .out = &text, .indent = 4 };
	int rc;

	jsonw_open(&w, '{');
	jsonw_knum(&w, "epoch", schedule_epoch(&l->t->schedule, l->t->step), 9);
	if (eval)
		eval_results(&w, l);
	if (train)
		train_results(&w, l);
	jsonw_close(&w, '}');
	buf_char(&text, '\n');
	rc = write_named(l, name, &text, err);
	buf_free(&text);
	return rc;
}

int runlog_finish(struct runlog *l, bool with_plot, struct err *err)
{
	bool eval = l->n_evals && l->evals[l->n_evals - 1].step == l->t->step;
	struct buf svg = { 0 };
	int rc = write_state(l, err);

	if (rc == 0)
		rc = write_results(l, "train_results.json", true, false, err);
	if (rc == 0 && eval)
		rc = write_results(l, "eval_results.json", false, true, err);
	if (rc == 0)
		rc = write_results(l, "all_results.json", true, eval, err);
	if (rc == 0 && with_plot) {
		char *title = mem_printf("training loss of %s", path_base(l->dir));

		svg_loss(l->rows, l->n_rows, title, &svg);
		rc = write_named(l, "training_loss.svg", &svg, err);
		buf_free(&svg);
		mem_free(title);
	}
	return rc;
}

void runlog_close(struct runlog *l)
{
	progress_end();
	mem_free(l->log);
	mem_free(l->dir);
	mem_free(l->rows);
	mem_free(l->evals);
	memset(l, 0, sizeof(*l));
}
