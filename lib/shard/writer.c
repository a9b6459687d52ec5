/* SPDX-License-Identifier: Apache-2.0 */
#include "shard/shard.h"

#include "base/file.h"
#include "base/jsonw.h"
#include "shard/format.h"

#include <string.h>
#include <unistd.h>
#include <zstd.h>

/* The header holds the counts and stands first, so frames wait in an unnamed file until the end. */
struct shard_writer {
	struct out out;
	struct shard_info info;
	struct arena arena; /* info's strings */
	int frames;
	struct buf raw, packed; /* records of the frame in the making; a compressed frame */
	struct buf table; /* seek table entries of the frames so far, without the header's */
	uint64_t n_bytes; /* decoded size of the records */
	ZSTD_CCtx *zstd;
};

static const char *copy(struct arena *a, const char *s)
{
	return s ? arena_strndup(a, s, strlen(s)) : NULL;
}

static void add_le32(struct buf *b, uint32_t x)
{
	unsigned char p[4];

	put_le32(p, x);
	buf_add(b, p, sizeof(p));
}

struct shard_writer *shard_writer_open(const char *path, const struct shard_info *info,
				       struct err *err)
{
	struct shard_writer *w = mem_new(1, sizeof(*w));

	w->frames = -1;
	w->info = *info;
	w->info.tokenizer_hash = copy(&w->arena, info->tokenizer_hash);
	w->info.template_name = copy(&w->arena, info->template_name);
	w->info.system = copy(&w->arena, info->system);
	w->info.thinking = copy(&w->arena, info->thinking);
	w->info.sources = copy(&w->arena, info->sources);
	w->info.settings = copy(&w->arena, info->settings);
	w->info.n_examples = w->info.n_tokens = w->info.n_trained = w->info.n_spans = 0;
	w->zstd = ZSTD_createCCtx();
	if (out_open(&w->out, path, err) < 0)
		goto fail;
	w->frames = scratch_open(err);
	if (w->frames < 0)
		goto fail;
	if (!w->zstd || ZSTD_isError(ZSTD_CCtx_setParameter(w->zstd, ZSTD_c_checksumFlag, 1))) {
		err_set(err, "zstd: no context");
		goto fail;
	}
	return w;
fail:
	shard_writer_abort(w);
	return NULL;
}

void shard_writer_abort(struct shard_writer *w)
{
	if (!w)
		return;
	out_abort(&w->out);
	if (w->frames >= 0)
		close(w->frames);
	ZSTD_freeCCtx(w->zstd);
	buf_free(&w->raw);
	buf_free(&w->packed);
	buf_free(&w->table);
	arena_free(&w->arena);
	mem_free(w);
}

/* One frame of p[0..n) into w->packed (replaced), its entry onto the end of *table. */
static int compress(struct shard_writer *w, const void *p, size_t n, struct buf *table,
		    struct err *err)
{
	size_t size;

	buf_reset(&w->packed);
	buf_reserve(&w->packed, ZSTD_compressBound(n));
	size = ZSTD_compress2(w->zstd, w->packed.p, w->packed.cap, p, n);
	if (ZSTD_isError(size))
		return err_set(err, "zstd: %s", ZSTD_getErrorName(size));
	w->packed.n = size;
	add_le32(table, (uint32_t)size);
	add_le32(table, (uint32_t)n);
	/* A frame ends with the low half of its content's XXH64: just what the table asks for. */
	buf_add(table, w->packed.p + size - 4, 4);
	return 0;
}

static int flush_frame(struct shard_writer *w, struct err *err)
{
	if (!w->raw.n)
		return 0;
	if (compress(w, w->raw.p, w->raw.n, &w->table, err) < 0)
		return -1;
	if (fd_write(w->frames, w->packed.p, w->packed.n, "temporary file", err) < 0)
		return -1;
	w->n_bytes += w->raw.n;
	buf_reset(&w->raw);
	return 0;
}

static uint64_t count_trained(const struct example *e, enum shard_stage stage)
{
	uint64_t n = 0;

	if (stage == SHARD_DPO)
		return e->n_ids - e->n_prompt;
	for (uint32_t i = 0; i < e->n_spans; i++)
		n += e->spans[i].end - e->spans[i].begin;
	return n;
}

int shard_write(struct shard_writer *w, const struct example *e, struct err *err)
{
	const char *fault = shard_example_fault(e, w->info.stage, w->info.vocab_size);

	if (fault)
		return err_set(err, "%s", fault);
	if (w->info.stage == SHARD_SFT) {
		add_le32(&w->raw, e->n_ids);
		add_le32(&w->raw, e->n_spans);
		for (uint32_t i = 0; i < e->n_spans; i++) {
			add_le32(&w->raw, e->spans[i].begin);
			add_le32(&w->raw, e->spans[i].end);
		}
		w->info.n_spans += e->n_spans;
	} else {
		add_le32(&w->raw, e->n_prompt);
		add_le32(&w->raw, e->n_chosen);
		add_le32(&w->raw, e->n_ids - e->n_prompt - e->n_chosen);
	}
	for (uint32_t i = 0; i < e->n_ids; i++)
		add_le32(&w->raw, e->ids[i]);
	w->info.n_examples++;
	w->info.n_tokens += e->n_ids;
	w->info.n_trained += count_trained(e, w->info.stage);
	return w->raw.n < SHARD_FRAME_TARGET ? 0 : flush_frame(w, err);
}

void shard_writer_sources(struct shard_writer *w, const char *json)
{
	w->info.sources = copy(&w->arena, json);
}

static void header_text(const struct shard_writer *w, struct buf *out)
{
	const struct shard_info *i = &w->info;
	struct jsonw j = { .out = out };

	jsonw_open(&j, '{');
	jsonw_kstr(&j, "format", SHARD_FORMAT);
	jsonw_kint(&j, "version", SHARD_VERSION);
	jsonw_kstr(&j, "stage", i->stage == SHARD_SFT ? "sft" : "dpo");
	jsonw_kstr(&j, "tokenizer", i->tokenizer_hash);
	jsonw_kint(&j, "vocab_size", i->vocab_size);
	jsonw_kstr(&j, "template", i->template_name);
	jsonw_kstr(&j, "system", i->system);
	if (i->thinking)
		jsonw_kstr(&j, "enable_thinking", i->thinking);
	jsonw_key(&j, "sources");
	jsonw_raw(&j, i->sources ? i->sources : "[]");
	jsonw_key(&j, "settings");
	jsonw_raw(&j, i->settings ? i->settings : "{}");
	jsonw_kint(&j, "examples", (int64_t)i->n_examples);
	jsonw_kint(&j, "tokens", (int64_t)i->n_tokens);
	jsonw_kint(&j, "trained", (int64_t)i->n_trained);
	jsonw_kint(&j, "spans", (int64_t)i->n_spans);
	jsonw_close(&j, '}');
	buf_char(out, '\n');
}

static int copy_frames(struct shard_writer *w, struct err *err)
{
	char block[1 << 16];
	ssize_t n;

	if (lseek(w->frames, 0, SEEK_SET) < 0)
		return err_sys(err, "temporary file");
	while ((n = fd_read(w->frames, block, sizeof(block), "temporary file", err)) > 0)
		if (out_write(&w->out, block, (size_t)n, err) < 0)
			return -1;
	return n < 0 ? -1 : 0;
}

static int write_table(struct shard_writer *w, const struct buf *head, struct err *err)
{
	size_t n = head->n + w->table.n;
	struct buf b = { 0 };
	int rc;

	add_le32(&b, SEEK_SKIP_MAGIC);
	add_le32(&b, (uint32_t)(n + SEEK_FOOTER));
	buf_add(&b, head->p, head->n);
	buf_add(&b, w->table.p, w->table.n);
	add_le32(&b, (uint32_t)(n / SEEK_ENTRY));
	buf_char(&b, (char)SEEK_CHECKSUMS);
	add_le32(&b, SEEK_MAGIC);
	rc = out_write(&w->out, b.p, b.n, err);
	buf_free(&b);
	return rc;
}

int shard_writer_close(struct shard_writer *w, struct shard_info *done, struct err *err)
{
	struct buf text = { 0 }, head = { 0 };
	int rc = flush_frame(w, err);

	if (rc == 0) {
		header_text(w, &text);
		if (text.n > SHARD_HEADER_MAX)
			rc = err_set(err, "the header has %zu bytes, more than the limit of %d",
				     text.n, SHARD_HEADER_MAX);
	}
	if (rc == 0)
		rc = compress(w, text.p, text.n, &head, err);
	if (rc == 0)
		rc = out_write(&w->out, w->packed.p, w->packed.n, err);
	if (rc == 0)
		rc = copy_frames(w, err);
	if (rc == 0)
		rc = write_table(w, &head, err);
	if (rc == 0)
		rc = out_commit(&w->out, err);
	if (done) {
		*done = (struct shard_info){ .stage = w->info.stage,
					     .vocab_size = w->info.vocab_size,
					     .n_examples = w->info.n_examples,
					     .n_tokens = w->info.n_tokens,
					     .n_trained = w->info.n_trained,
					     .n_spans = w->info.n_spans };
	}
	buf_free(&text);
	buf_free(&head);
	shard_writer_abort(w);
	return rc;
}
