/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A shard. An input with zstd's magic is the file as it stands; another one is a header (JSON) and then
 * the records, which are framed here as they must be: a mutation of compressed bytes never gets past
 * the checksum, one of these does.
 */
#include "tests/fuzz/fuzz.h"

#include "base/mem.h"
#include "shard/format.h"
#include "shard/shard.h"

#include <string.h>
#include <zstd.h>

static void add_le32(struct buf *b, uint32_t x)
{
	unsigned char p[4];

	put_le32(p, x);
	buf_add(b, p, sizeof(p));
}

/* Appends content as a frame, and its entry to the table. */
static void add_frame(struct buf *file, struct buf *table, struct part content)
{
	static ZSTD_CCtx *zstd;
	size_t bound = ZSTD_compressBound(content.n), n;

	if (!zstd) {
		zstd = ZSTD_createCCtx();
		ZSTD_CCtx_setParameter(zstd, ZSTD_c_checksumFlag, 1);
	}
	buf_reserve(file, bound);
	n = ZSTD_compress2(zstd, file->p + file->n, bound, content.p, content.n);
	file->n += n;
	add_le32(table, (uint32_t)n);
	add_le32(table, (uint32_t)content.n);
	buf_add(table, file->p + file->n - 4, 4);
}

static void frame(struct buf *file, struct part rest)
{
	struct part header = fuzz_part(&rest);
	struct buf table = { 0 }, text = { 0 };
	uint32_t n = rest.n ? 2 : 1;

	buf_add(&text, header.p, header.n);
	buf_char(&text, '\n');
	add_frame(file, &table, (struct part){ (const uint8_t *)text.p, text.n });
	if (rest.n)
		add_frame(file, &table, rest);
	add_le32(file, SEEK_SKIP_MAGIC);
	add_le32(file, n * SEEK_ENTRY + SEEK_FOOTER);
	buf_add(file, table.p, table.n);
	add_le32(file, n);
	buf_char(file, (char)SEEK_CHECKSUMS);
	add_le32(file, SEEK_MAGIC);
	buf_free(&table);
	buf_free(&text);
}

static void read_all(const struct shard *s)
{
	volatile uint64_t sink = 0;
	uint64_t tokens = 0;

	for (size_t i = 0; i < s->n; i++) {
		const struct example *e = &s->v[i];

		for (uint32_t k = 0; k < e->n_ids; k++)
			sink += e->ids[k];
		for (uint32_t k = 0; k < e->n_spans; k++)
			sink += e->spans[k].end;
		tokens += e->n_ids;
		fuzz_must(!shard_example_fault(e, s->info.stage, s->info.vocab_size),
			  "records keep the rules");
	}
	fuzz_must(s->n == s->info.n_examples && tokens == s->info.n_tokens, "the counts are right");
}

/* What was whole (n records; 0: it was not) is salvaged whole. */
static void salvage(const char *path, size_t n)
{
	struct shard s;
	struct err err = { 0 };
	volatile uint64_t sink = 0;

	if (shard_salvage(&s, path, &err) < 0) {
		fuzz_failed(&err);
		fuzz_must(n == 0, "a whole shard can be salvaged");
	}
	fuzz_must(n == 0 || (s.n == n && s.n_lost == 0 && !s.cut), "and nothing of it is lost");
	for (size_t i = 0; i < s.n; i++)
		for (uint32_t k = 0; k < s.v[i].n_ids; k++)
			sink += s.v[i].ids[k];
	shard_close(&s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t magic[] = { 0x28, 0xB5, 0x2F, 0xFD };
	struct part input = { data, size };
	struct buf file = { 0 };
	struct shard s;
	struct err err = { 0 };
	const char *path;
	size_t n;

	if (size < 4 || memcmp(data, magic, 4)) {
		frame(&file, input);
		input = (struct part){ (const uint8_t *)file.p, file.n };
	}
	path = fuzz_file("x.tok.zst", input);
	if (shard_open(&s, path, &err) < 0)
		fuzz_failed(&err);
	else
		read_all(&s);
	n = s.n;
	shard_close(&s);
	salvage(path, n);
	buf_free(&file);
	return 0;
}
