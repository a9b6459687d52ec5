/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/tap.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/mem.h"
#include "shard/shard.h"

#include <unistd.h>
#include <zstd.h>

static char dir[] = "/tmp/anekdot-test-XXXXXX";

static char *scratch(const char *name)
{
	return path_join(dir, name);
}

static uint32_t *some_ids(size_t n, uint32_t vocab)
{
	uint32_t *v = mem_new(n, sizeof(*v));

	for (size_t i = 0; i < n; i++)
		v[i] = (uint32_t)(i * 2654435761u + 12345u) % vocab;
	return v;
}

static const struct shard_info sft = { .stage = SHARD_SFT,
				       .tokenizer_hash = "abc",
				       .vocab_size = 1000,
				       .template_name = "qwen",
				       .system = "Be \"brief\"\n你好",
				       .sources = "[{\"file\": \"a.json\", \"records\": 3}]",
				       .settings = "{\"cutoff_len\": 2048}" };
static const struct shard_info dpo = { .stage = SHARD_DPO, .vocab_size = 1000 };

/* n examples of growing length; the writer's verdict. */
static int write_shard(const char *path, const struct shard_info *info, uint32_t n, uint32_t len,
		       struct err *err)
{
	struct shard_writer *w = shard_writer_open(path, info, err);
	uint32_t *ids = some_ids(len + n, 1000);
	int rc = w ? 0 : -1;

	for (uint32_t i = 0; i < n && rc == 0; i++) {
		struct span spans[2] = { { 1, 2 }, { 3, len + i } };
		struct example e = { .ids = ids, .n_ids = len + i, .spans = spans, .n_spans = 2 };

		if (info->stage == SHARD_DPO)
			e = (struct example){
				.ids = ids, .n_ids = len + i, .n_prompt = 2, .n_chosen = 1 + i
			};
		rc = shard_write(w, &e, err);
	}
	mem_free(ids);
	return rc == 0 ? shard_writer_close(w, NULL, err) : -1;
}

static void test_round_trip(void)
{
	char *path = scratch("sft.tok.zst"), *path2 = scratch("dpo.tok.zst");
	uint32_t *ids = some_ids(100000, 1000);
	struct err err = { 0 };
	struct shard s;
	uint64_t total = 0;
	bool same = true;

	check(write_shard(path, &sft, 300, 1000, &err) == 0, "300 examples are written");
	check(shard_open(&s, path, &err) == 0, "and read: %s", err.msg);
	check(s.n == 300 && s.info.n_examples == 300 && s.info.n_spans == 600, "all are there");
	for (size_t i = 0; i < s.n; i++) {
		const struct example *e = &s.v[i];

		total += e->n_ids;
		same = same && e->n_ids == 1000 + i && e->n_spans == 2 && e->spans[0].end == 2 &&
		       e->spans[1].begin == 3 && e->spans[1].end == e->n_ids &&
		       !memcmp(e->ids, ids, e->n_ids * 4);
	}
	check(same, "ids and spans are the same");
	check(s.info.n_tokens == total && s.info.n_trained == total - 600, "tokens are counted");
	check_str(s.info.system, sft.system, "system prompt");
	check_str(s.info.template_name, "qwen", "template");
	check_str(s.info.sources, sft.sources, "sources");
	check_str(s.info.settings, sft.settings, "settings");
	check(strlen(s.header) && s.header[strlen(s.header) - 1] == '\n' &&
		      strchr(s.header, '\n')[1] == 0,
	      "the header ends with its newline");
	check(!strncmp(s.header, "{\"format\": \"anekdot-shard\", \"version\": 1", 39),
	      "the header begins with format and version");
	shard_close(&s);
	check(write_shard(path2, &dpo, 3, 10, &err) == 0 && shard_open(&s, path2, &err) == 0,
	      "a preference shard");
	check(s.v[2].n_ids == 12 && s.v[2].n_prompt == 2 && s.v[2].n_chosen == 3 &&
		      !s.v[2].n_spans && !s.info.system && s.info.n_trained == 27,
	      "its parts are the same");
	shard_close(&s);
	check(write_shard(path, &sft, 0, 10, &err) == 0 && shard_open(&s, path, &err) == 0 &&
		      s.n == 0,
	      "an empty shard");
	shard_close(&s);
	mem_free(ids);
	mem_free(path);
	mem_free(path2);
}

/* What zstd itself makes of the file is what the hash is of. */
static void test_content(void)
{
	char *path = scratch("c.tok.zst"), *out = scratch("c.raw"), *cmd;
	struct err err = { 0 };
	struct file f;
	struct shard s;
	struct buf raw = { 0 };
	size_t at = 0;

	check(write_shard(path, &sft, 200, 2000, &err) == 0 && shard_open(&s, path, &err) == 0,
	      "a shard of several frames");
	file_open(&f, path, &err);
	while (at < f.n) {
		size_t n = ZSTD_findFrameCompressedSize(f.p + at, f.n - at);
		unsigned long long size = ZSTD_getFrameContentSize(f.p + at, f.n - at);

		if (ZSTD_isError(n) || ZSTD_isError((size_t)size))
			break;
		buf_reserve(&raw, (size_t)size);
		raw.n += ZSTD_decompress(raw.p + raw.n, (size_t)size, f.p + at, n);
		at += n;
	}
	check(at == f.n, "plain zstd reads it to the end");
	check_str(s.hash, hash_bytes(raw.p, raw.n).s, "the hash is of the decoded content");
	cmd = mem_printf("cat %s | cmp - %s", path, path);
	check(write_shard(out, &sft, 200, 2000, &err) == 0, "written again");
	mem_free(cmd);
	cmd = mem_printf("cmp -s %s %s", path, out);
	check(system(cmd) == 0, "the same input makes the same bytes");
	mem_free(cmd);
	buf_free(&raw);
	file_close(&f);
	shard_close(&s);
	mem_free(path);
	mem_free(out);
}

static bool opens(const char *path, const void *p, size_t n, struct shard *s, struct err *err)
{
	FILE *f = fopen(path, "wb"); /* not file_write: thousands of fsyncs take their time */

	if (!f || fwrite(p, 1, n, f) != n || fclose(f))
		return err_sys(err, "%s", path) == 0;
	return shard_open(s, path, err) == 0;
}

/* Every bit flipped, every length cut, a byte appended: refused, or the same content. */
static void test_damage(const struct shard_info *info, const char *name)
{
	char *path = scratch("good.tok.zst"), *bad = scratch("bad.tok.zst");
	size_t passed = 0, harmless = 0, cut = 0, unnamed = 0, table = 8 + 2 * 12 + 9, in_table = 0;
	struct err err = { 0 };
	struct shard s;
	struct file f;
	unsigned char *p;
	char hash[65];

	write_shard(path, info, 3, 8, &err);
	check(shard_open(&s, path, &err) == 0, "%s: a small shard", name);
	memcpy(hash, s.hash, sizeof(hash));
	shard_close(&s);
	file_open(&f, path, &err);
	p = mem_new(f.n + 1, 1);
	memcpy(p, f.p, f.n);
	for (size_t bit = 0; bit < f.n * 8; bit++) {
		p[bit / 8] ^= (unsigned char)(1 << bit % 8);
		if (opens(bad, p, f.n, &s, &err)) {
			harmless += !strcmp(hash, s.hash);
			in_table += bit / 8 >= f.n - table;
			passed++;
		} else {
			unnamed += !strstr(err.msg, "bad.tok.zst: ");
		}
		shard_close(&s);
		p[bit / 8] ^= (unsigned char)(1 << bit % 8);
	}
	check(passed == harmless, "%s: a flipped bit never changes the content", name);
	note("%zu of %zu flipped bits left the content as it was", harmless, f.n * 8);
	check(harmless < 16 && !in_table, "%s: and none in the seek table passes", name);
	check(!unnamed, "%s: every refusal names the file", name);
	for (size_t n = 0; n < f.n; n++) {
		cut += !opens(bad, p, n, &s, &err);
		shard_close(&s);
	}
	check(cut == f.n, "%s: cut anywhere, it is refused", name);
	check(!opens(bad, p, f.n + 1, &s, &err), "%s: a byte more is refused", name);
	memmove(p + f.n - table + 1, p + f.n - table, table);
	check(!opens(bad, p, f.n + 1, &s, &err) && strstr(err.msg, "are there"),
	      "%s: a byte between frames and table is refused", name);
	mem_free(p);
	file_close(&f);
	mem_free(path);
	mem_free(bad);
}

static void put32(struct buf *b, uint32_t x)
{
	for (int i = 0; i < 4; i++)
		buf_char(b, (char)(x >> 8 * i));
}

/* A well-formed shard around any header and records: what a hostile writer can make. */
static void forge(struct buf *out, const char *header, const uint32_t *v, size_t n)
{
	const void *part[2] = { header, v };
	size_t size[2] = { strlen(header), n * 4 };
	struct buf table = { 0 };
	ZSTD_CCtx *c = ZSTD_createCCtx();

	buf_reset(out);
	ZSTD_CCtx_setParameter(c, ZSTD_c_checksumFlag, 1);
	for (int i = 0; i < (n ? 2 : 1); i++) {
		size_t bound = ZSTD_compressBound(size[i]), k;

		buf_reserve(out, bound);
		k = ZSTD_compress2(c, out->p + out->n, bound, part[i], size[i]);
		out->n += k;
		put32(&table, (uint32_t)k);
		put32(&table, (uint32_t)size[i]);
		buf_add(&table, out->p + out->n - 4, 4);
	}
	put32(out, 0x184D2A5E);
	put32(out, (uint32_t)table.n + 9);
	buf_add(out, table.p, table.n);
	put32(out, (uint32_t)table.n / 12);
	buf_char(out, (char)0x80);
	put32(out, 0x8F92EAB1);
	buf_free(&table);
	ZSTD_freeCCtx(c);
}

#define HEAD(stage, vocab, counts)                                                                 \
	"{\"format\":\"anekdot-shard\",\"version\":1,\"stage\":\"" stage                           \
	"\",\"tokenizer\":null,\"vocab_size\":" vocab ",\"template\":null,\"system\":null,"        \
	"\"sources\":[],\"settings\":{}," counts "}\n"
#define COUNTS(e, t, r, s) "\"examples\":" e ",\"tokens\":" t ",\"trained\":" r ",\"spans\":" s

/* Headers of every length modulo 8 end where they should. */
static void test_header_end(void)
{
	char *path = scratch("h.tok.zst");
	int good = 0;

	for (int i = 0; i < 16; i++) {
		char system[17] = "aaaaaaaaaaaaaaaa";
		struct shard_info info = sft;
		struct err err = { 0 };
		struct shard s;

		system[i] = 0;
		info.system = system;
		write_shard(path, &info, 1, 8, &err);
		good += shard_open(&s, path, &err) == 0 && strchr(s.header, '\n')[1] == 0;
		shard_close(&s);
	}
	check(good == 16, "headers of any length end with a 0");
	mem_free(path);
}

static void test_hostile(void)
{
	static const struct {
		const char *header, *want;
		uint32_t v[12];
		size_t n;
	} cases[] = {
		{ HEAD("sft", "9", COUNTS("1", "2", "1", "1")), NULL, { 2, 1, 1, 2, 7, 8 }, 6 },
		{ HEAD("sft", "8", COUNTS("1", "2", "1", "1")),
		  "not in the vocabulary",
		  { 2, 1, 1, 2, 7, 8 },
		  6 },
		{ HEAD("sft", "9", COUNTS("1", "2", "1", "1")),
		  "ends after the last",
		  { 2, 1, 1, 3, 7, 8 },
		  6 },
		{ HEAD("sft", "9", COUNTS("1", "2", "1", "1")),
		  "is empty",
		  { 2, 1, 2, 2, 7, 8 },
		  6 },
		{ HEAD("sft", "9", COUNTS("1", "2", "1", "1")),
		  "but the first",
		  { 2, 1, 0, 1, 7, 8 },
		  6 },
		{ HEAD("sft", "9", COUNTS("1", "4", "2", "2")),
		  "out of order",
		  { 4, 2, 2, 3, 1, 2, 1, 1, 1, 1 },
		  10 },
		{ HEAD("sft", "9", COUNTS("1", "4", "0", "0")),
		  "no token is trained",
		  { 4, 0, 1, 1, 1, 1 },
		  6 },
		{ HEAD("sft", "9", COUNTS("1", "1", "1", "1")),
		  "fewer than 2",
		  { 1, 1, 0, 1, 7 },
		  5 },
		{ HEAD("sft", "9", COUNTS("1", "2", "1", "1")),
		  "over the end",
		  { 3, 1, 1, 2, 7, 8 },
		  6 },
		{ HEAD("sft", "9", COUNTS("1", "2", "1", "1")),
		  "over the end",
		  { 0xFFFFFFFF, 1, 1, 2, 7, 8 },
		  6 },
		{ HEAD("sft", "9", COUNTS("1", "2", "1", "1")),
		  "over the end",
		  { 0xFFFFFFFF, 0xFFFFFFFF, 1, 2, 7, 8 },
		  6 },
		{ HEAD("sft", "9", COUNTS("1", "2", "2", "1")),
		  "not those of the records",
		  { 2, 1, 1, 2, 7, 8 },
		  6 },
		{ HEAD("sft", "9", COUNTS("2", "2", "1", "1")),
		  "counts make",
		  { 2, 1, 1, 2, 7, 8 },
		  6 },
		{ HEAD("sft", "9", COUNTS("4294967295", "4294967295", "1", "1")),
		  "counts make",
		  { 2, 1, 1, 2, 7, 8 },
		  6 },
		{ HEAD("sft", "9", COUNTS("-1", "2", "1", "1")),
		  "'examples'",
		  { 2, 1, 1, 2, 7, 8 },
		  6 },
		{ HEAD("sft", "9", COUNTS("1", "1e3", "1", "1")),
		  "'tokens'",
		  { 2, 1, 1, 2, 7, 8 },
		  6 },
		{ HEAD("sft", "9", COUNTS("1", "99999999999999999999", "1", "1")),
		  "header: ",
		  { 2, 1, 1, 2, 7, 8 },
		  6 },
		{ HEAD("pt", "9", COUNTS("1", "2", "1", "1")), "'stage'", { 2, 1, 1, 2, 7, 8 }, 6 },
		{ "{\"format\":\"x\"}\n", "'format'", { 0 }, 0 },
		{ "{\"format\":\"anekdot-shard\",\"version\":2}\n", "version 2", { 0 }, 0 },
		{ "[]\n", "no object", { 0 }, 0 },
		{ "{\"format\":1,\"format\":2}\n", "header: ", { 0 }, 0 },
		{ "{}", "newline", { 0 }, 0 },
		{ HEAD("dpo", "9", COUNTS("1", "3", "2", "0")), NULL, { 1, 1, 1, 5, 6, 7 }, 6 },
		{ HEAD("dpo", "9", COUNTS("1", "3", "2", "0")),
		  "empty prompt",
		  { 0, 2, 1, 5, 6, 7 },
		  6 },
		{ HEAD("dpo", "9", COUNTS("1", "3", "2", "0")),
		  "empty rejected",
		  { 1, 2, 0, 5, 6, 7 },
		  6 },
		{ HEAD("dpo", "9", COUNTS("1", "3", "2", "0")),
		  "over the end",
		  { 0xFFFFFFFF, 0xFFFFFFFF, 5, 5, 6, 7 },
		  6 },
	};
	char *path = scratch("forged.tok.zst");
	struct buf b = { 0 };

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct err err = { 0 };
		struct shard s;
		bool ok;

		forge(&b, cases[i].header, cases[i].v, cases[i].n);
		ok = opens(path, b.p, b.n, &s, &err);
		check(cases[i].want ? !ok && strstr(err.msg, cases[i].want) : ok, "case %zu: %s", i,
		      ok ? "opens" : strstr(err.msg, "forged"));
		shard_close(&s);
	}
	buf_free(&b);
	mem_free(path);
}

/* What is left of a shard of several frames, whole, cut at every place, and with a byte changed. */
static void test_salvage(void)
{
	static uint32_t ids[1000];
	struct shard_info info = { .stage = SHARD_SFT };
	struct span span = { 1, 1000 };
	struct example e = { ids, 1000, &span, 1, 0, 0 };
	struct shard_writer *w;
	struct shard whole, s;
	struct err err = { 0 };
	struct file f;
	size_t before = 0, wrong = 0, step;
	char *path = scratch("good.tok.zst"), *bad = scratch("bad.tok.zst"), *p;

	w = shard_writer_open(path, &info, &err);
	for (uint32_t i = 0; i < 300; i++) { /* 1.2 MB: five frames */
		for (uint32_t k = 0; k < 1000; k++)
			ids[k] = i * 7919 + k * k;
		shard_write(w, &e, &err);
	}
	shard_writer_close(w, NULL, &err);
	shard_open(&whole, path, &err);
	check(shard_salvage(&s, path, &err) == 0 && s.n == 300 && !s.n_lost && !s.cut &&
		      !strcmp(s.hash, whole.hash) && s.info.n_tokens == 300000 &&
		      s.info.n_trained == whole.info.n_trained,
	      "salvage of a whole shard: all of it");
	shard_close(&s);
	file_open(&f, path, &err);
	p = mem_new(f.n, 1);
	memcpy(p, f.p, f.n);
	step = f.n / 97;
	for (size_t n = 0; n < f.n; n += step) {
		bool opened;

		opens(bad, (unsigned char *)p, n, &s, &err);
		shard_close(&s);
		opened = shard_salvage(&s, bad, &err) == 0;
		if (opened)
			wrong += s.n < before || !s.cut || s.n_lost ||
				 (s.n && memcmp(s.v[s.n - 1].ids, whole.v[s.n - 1].ids, 4000));
		before = opened ? s.n : before;
		shard_close(&s);
	}
	check(!wrong && before >= 200, "cut: the whole frames before the cut");
	p[f.n / 2] ^= 0x10;
	opens(bad, (unsigned char *)p, f.n, &s, &err);
	check(shard_salvage(&s, bad, &err) == 0 && s.n_lost == 1 && !s.cut && s.n > 200 &&
		      s.n < 300 && s.info.n_examples == s.n &&
		      !memcmp(s.v[s.n - 1].ids, whole.v[299].ids, 4000),
	      "a changed byte: one frame is lost, those behind it are not");
	shard_close(&s);
	shard_close(&whole);
	file_close(&f);
	mem_free(p);
	mem_free(path);
	mem_free(bad);
}

static void test_writer_refuses(void)
{
	uint32_t ids[3] = { 1, 2, 1000 };
	struct span span = { 1, 2 };
	char *path = scratch("w.tok.zst");
	struct err err = { 0 };
	struct shard_writer *w = shard_writer_open(path, &sft, &err);
	struct shard_info done;

	check(shard_write(w, &(struct example){ ids, 3, &span, 1, 0, 0 }, &err) < 0 &&
		      strstr(err.msg, "vocabulary"),
	      "the writer refuses an id outside the vocabulary");
	check(shard_write(w, &(struct example){ ids, 2, &span, 0, 0, 0 }, &err) < 0,
	      "and an example with nothing to train");
	check(shard_write(w, &(struct example){ ids, 2, &span, 1, 0, 0 }, &err) == 0 &&
		      shard_writer_close(w, &done, &err) == 0 && done.n_examples == 1,
	      "and goes on with the next");
	w = shard_writer_open(path, &sft, &err);
	shard_writer_abort(w);
	mem_free(path);
	check(shard_writer_open("/nonexistent/x.tok.zst", &sft, &err) == NULL, "no such folder");
}

int main(void)
{
	char *cmd;

	if (!mkdtemp(dir))
		return 1;
	test_round_trip();
	test_content();
	test_damage(&sft, "sft");
	test_damage(&dpo, "dpo");
	test_header_end();
	test_hostile();
	test_salvage();
	test_writer_refuses();
	cmd = mem_printf("rm -rf %s", dir);
	(void)!system(cmd);
	mem_free(cmd);
	return tap_done();
}
