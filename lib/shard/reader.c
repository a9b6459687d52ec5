/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A shard is checked from its end: footer, seek table, header, and only then the records, so that
 * every size is known and agreed upon by two places before memory is asked for.
 */
#include "shard/shard.h"

#include "base/file.h"
#include "base/hash.h"
#include "shard/format.h"

#include <endian.h>
#include <jansson.h>
#include <string.h>
#include <zstd.h>
#include <zstd_errors.h>

struct reader {
	struct file file;
	const unsigned char *table; /* n_frames entries */
	uint32_t n_frames;
	uint64_t content; /* decoded size of all record frames */
	ZSTD_DCtx *zstd;
	bool salvage;
	struct buf walked; /* salvage: the table as the frames themselves have it */
};

struct entry {
	size_t packed, size;
	uint32_t checksum;
};

static struct entry entry_at(const struct reader *r, uint32_t i)
{
	const unsigned char *p = r->table + (size_t)i * SEEK_ENTRY;

	return (struct entry){ get_le32(p), get_le32(p + 4), get_le32(p + 8) };
}

static int read_table(struct reader *r, struct err *err)
{
	const unsigned char *end = r->file.p + r->file.n;
	uint64_t table, packed = 0;

	if (r->file.n < 8 + SEEK_ENTRY + SEEK_FOOTER || get_le32(end - 4) != SEEK_MAGIC)
		return err_set(err, "no seek table at the end: the file is cut short, has bytes "
				    "after its end, or is no shard");
	r->n_frames = get_le32(end - SEEK_FOOTER);
	if (end[-5] != SEEK_CHECKSUMS)
		return err_set(err, "seek table: descriptor 0x%02x, 0x80 is needed", end[-5]);
	table = 8 + (uint64_t)r->n_frames * SEEK_ENTRY + SEEK_FOOTER;
	if (r->n_frames == 0 || table > r->file.n || get_le32(end - table) != SEEK_SKIP_MAGIC ||
	    get_le32(end - table + 4) != table - 8)
		return err_set(err, "seek table: %u frames do not fit its size", r->n_frames);
	r->table = end - table + 8;
	for (uint32_t i = 0; i < r->n_frames; i++) {
		struct entry e = entry_at(r, i);

		packed += e.packed;
		if (e.size == 0 || e.size > (i ? SHARD_FRAME_MAX : (size_t)SHARD_HEADER_MAX))
			return err_set(err, "frame %u: %zu bytes decoded are declared", i, e.size);
		if (i)
			r->content += e.size;
	}
	if (packed != r->file.n - table)
		return err_set(err, "seek table: frames of %llu bytes declared, %llu are there",
			       (unsigned long long)packed, (unsigned long long)(r->file.n - table));
	return 0;
}

/* A table of what stands in the file one behind the other, for shard_salvage. */
static int walk_frames(struct shard *s, struct reader *r, struct err *err)
{
	const unsigned char *p = r->file.p;
	size_t left = r->file.n;

	while (left >= 12 && get_le32(p) == ZSTD_MAGICNUMBER) {
		size_t packed = ZSTD_findFrameCompressedSize(p, left);
		unsigned long long size = ZSTD_getFrameContentSize(p, left);
		unsigned char e[SEEK_ENTRY];

		if (ZSTD_isError(packed) || packed < 12 || packed > UINT32_MAX || !size ||
		    size > (r->n_frames ? SHARD_FRAME_MAX : (size_t)SHARD_HEADER_MAX))
			break;
		put_le32(e, (uint32_t)packed);
		put_le32(e + 4, (uint32_t)size);
		memcpy(e + 8, p + packed - 4, 4);
		buf_add(&r->walked, e, sizeof(e));
		r->content += r->n_frames++ ? size : 0;
		p += packed;
		left -= packed;
	}
	s->cut = left < 8 || get_le32(p) != SEEK_SKIP_MAGIC ||
		 left != 8 + (uint64_t)r->n_frames * SEEK_ENTRY + SEEK_FOOTER;
	r->table = (unsigned char *)r->walked.p;
	return r->n_frames ? 0 : err_set(err, "begins with no whole zstd frame: nothing to save");
}

/*
 * Frame i at p, decoded into dst, which holds the declared size. Decoding is in one piece: dst is
 * the window, so a header that asks for a large one costs nothing.
 */
static int decode_frame(struct reader *r, uint32_t i, const unsigned char *p, void *dst,
			struct err *err)
{
	struct entry e = entry_at(r, i);
	size_t n;

	/* An ordinary frame, with checksum and content size, without dictionary, and nothing else. */
	if (e.packed < 12 || get_le32(p) != ZSTD_MAGICNUMBER || (p[4] & 0x1F) != 0x04 ||
	    ZSTD_getFrameContentSize(p, e.packed) != e.size ||
	    ZSTD_findFrameCompressedSize(p, e.packed) != e.packed)
		return err_set(err, "frame %u: is not the frame that the seek table declares", i);
	if (get_le32(p + e.packed - 4) != e.checksum)
		return err_set(err, "frame %u: checksum differs", i);
	n = ZSTD_decompressDCtx(r->zstd, dst, e.size, p, e.packed);
	if (ZSTD_isError(n) && ZSTD_getErrorCode(n) == ZSTD_error_checksum_wrong)
		return err_set(err, "frame %u: checksum differs", i);
	if (ZSTD_isError(n))
		return err_set(err, "frame %u: %s", i, ZSTD_getErrorName(n));
	if (n != e.size)
		return err_set(err, "frame %u: %zu bytes instead of %zu", i, n, e.size);
	return 0;
}

static int get_count(const json_t *o, const char *key, uint64_t max, uint64_t *x, struct err *err)
{
	const json_t *v = json_object_get(o, key);

	if (!json_is_integer(v) || json_integer_value(v) < 0 ||
	    (uint64_t)json_integer_value(v) > max)
		return err_set(err, "header: '%s' is missing or no number in range", key);
	*x = (uint64_t)json_integer_value(v);
	return 0;
}

static int get_text(struct shard *s, const json_t *o, const char *key, const char **text,
		    struct err *err)
{
	const json_t *v = json_object_get(o, key);

	if (json_is_string(v))
		*text = arena_strndup(&s->arena, json_string_value(v), json_string_length(v));
	else if (v && !json_is_null(v))
		return err_set(err, "header: '%s' is no string", key);
	return 0;
}

static int get_json(struct shard *s, const json_t *o, const char *key, json_type type,
		    const char **text, struct err *err)
{
	json_t *v = json_object_get(o, key);
	char *dump;

	if (!v || json_typeof(v) != type)
		return err_set(err, "header: '%s' is missing or of the wrong type", key);
	dump = json_dumps(v, 0);
	*text = arena_strndup(&s->arena, dump ? dump : "", dump ? strlen(dump) : 0);
	free(dump);
	return 0;
}

static int parse_header(struct shard *s, const json_t *o, struct err *err)
{
	const char *format = json_string_value(json_object_get(o, "format"));
	const char *stage = json_string_value(json_object_get(o, "stage"));
	struct shard_info *i = &s->info;
	uint64_t version, vocab;

	if (!format || strcmp(format, SHARD_FORMAT))
		return err_set(err, "header: 'format' is not \"" SHARD_FORMAT "\"");
	if (get_count(o, "version", UINT32_MAX, &version, err) < 0)
		return -1;
	if (version != SHARD_VERSION)
		return err_set(err, "header: version %u; this program reads version %d",
			       (unsigned)version, SHARD_VERSION);
	if (!stage || (strcmp(stage, "sft") && strcmp(stage, "dpo")))
		return err_set(err, "header: 'stage' is neither \"sft\" nor \"dpo\"");
	i->stage = strcmp(stage, "sft") ? SHARD_DPO : SHARD_SFT;
	if (get_count(o, "vocab_size", UINT32_MAX, &vocab, err) < 0 ||
	    get_count(o, "examples", UINT32_MAX, &i->n_examples, err) < 0 ||
	    get_count(o, "tokens", INT64_MAX >> 8, &i->n_tokens, err) < 0 ||
	    get_count(o, "trained", i->n_tokens, &i->n_trained, err) < 0 ||
	    get_count(o, "spans", i->n_tokens, &i->n_spans, err) < 0 ||
	    get_text(s, o, "tokenizer", &i->tokenizer_hash, err) < 0 ||
	    get_text(s, o, "template", &i->template_name, err) < 0 ||
	    get_text(s, o, "system", &i->system, err) < 0 ||
	    get_text(s, o, "enable_thinking", &i->thinking, err) < 0 ||
	    get_json(s, o, "sources", JSON_ARRAY, &i->sources, err) < 0 ||
	    get_json(s, o, "settings", JSON_OBJECT, &i->settings, err) < 0)
		return -1;
	i->vocab_size = (uint32_t)vocab;
	return 0;
}

static int read_header(struct shard *s, struct reader *r, struct buf *text, struct err *err)
{
	struct entry e = entry_at(r, 0);
	json_error_t why;
	json_t *o;
	int rc;

	buf_reserve(text, e.size);
	if (decode_frame(r, 0, r->file.p, text->p, err) < 0)
		return -1;
	text->n = e.size;
	text->p[text->n] = 0;
	if (text->p[text->n - 1] != '\n')
		return err_set(err, "header: does not end with a newline");
	o = json_loadb(text->p, text->n, JSON_REJECT_DUPLICATES, &why);
	if (!o || !json_is_object(o)) {
		json_decref(o);
		return err_set(err, "header: %s", o ? "is no object" : why.text);
	}
	rc = parse_header(s, o, err);
	json_decref(o);
	return rc;
}

/* Where records begin in shard.content: after the header and a 0, aligned. */
static size_t records_at(size_t header)
{
	return (header + 8) & ~(size_t)7;
}

/* The counts say how large the records are; the seek table must agree before room is made. */
static int make_room(struct shard *s, const struct reader *r, const struct buf *text,
		     struct err *err)
{
	struct shard_info *i = &s->info;
	uint64_t want =
		i->n_tokens * 4 +
		(i->stage == SHARD_SFT ? i->n_examples * 8 + i->n_spans * 8 : i->n_examples * 12);
	size_t head = records_at(text->n);

	if (r->salvage)
		i->n_examples = r->content / 16; /* no record is shorter */
	else if (want != r->content || (i->stage == SHARD_DPO && i->n_spans))
		return err_set(err,
			       "header: its counts make %llu bytes of records, the seek table %llu",
			       (unsigned long long)want, (unsigned long long)r->content);
	if (r->content <
	    mem_physical()) { /* else it would be had, and the machine grind to a halt */
		s->content = mem_try(head + r->content + 1, 1);
		s->v = mem_try(i->n_examples, sizeof(*s->v));
	}
	if (!s->content || !s->v)
		return err_set(err, "no memory for %llu bytes of records",
			       (unsigned long long)r->content);
	memcpy(s->content, text->p, text->n);
	return 0;
}

/* The record at v[0..left): its length in words, or 0 with the reason in *fault. */
static size_t read_record(struct example *e, enum shard_stage stage, const uint32_t *v, size_t left,
			  const char **fault)
{
	uint64_t n;

	*fault = "a record runs over the end of the frame";
	if (stage == SHARD_SFT) {
		if (left < 2 || v[1] > v[0])
			return 0;
		n = 2 + (uint64_t)v[1] * 2 + v[0];
		if (n > left)
			return 0;
		*e = (struct example){ .n_ids = v[0],
				       .n_spans = v[1],
				       .spans = (const struct span *)(v + 2),
				       .ids = v + 2 + (size_t)v[1] * 2 };
	} else {
		if (left < 3)
			return 0;
		n = 3 + (uint64_t)v[0] + v[1] + v[2];
		if (n > left)
			return 0;
		*e = (struct example){
			.ids = v + 3, .n_ids = (uint32_t)(n - 3), .n_prompt = v[0], .n_chosen = v[1]
		};
	}
	return (size_t)n;
}

static int read_frame(struct shard *s, uint32_t frame, uint32_t *v, size_t n,
		      struct shard_info *sum, struct err *err)
{
	for (size_t i = 0; i < n; i++)
		v[i] = le32toh(v[i]);
	for (size_t at = 0, k; at < n; at += k) {
		struct example *e = &s->v[s->n];
		const char *fault;

		if (s->n >= s->info.n_examples)
			return err_set(err, "frame %u: more records than the header declares",
				       frame);
		k = read_record(e, s->info.stage, v + at, n - at, &fault);
		if (k)
			fault = shard_example_fault(e, s->info.stage, s->info.vocab_size);
		if (fault)
			return err_set(err, "frame %u: record %zu: %s", frame, s->n + 1, fault);
		sum->n_tokens += e->n_ids;
		sum->n_spans += e->n_spans;
		sum->n_trained += s->info.stage == SHARD_DPO ? e->n_ids - e->n_prompt : 0;
		for (uint32_t i = 0; i < e->n_spans; i++)
			sum->n_trained += e->spans[i].end - e->spans[i].begin;
		s->n++;
	}
	return 0;
}

/* Frame i at p, decoded to `at`, and its records. */
static int take_frame(struct shard *s, struct reader *r, uint32_t i, const unsigned char *p,
		      char *at, struct shard_info *sum, struct err *err)
{
	size_t size = entry_at(r, i).size;

	if (size % 4)
		return err_set(err, "frame %u: %zu bytes are no whole words", i, size);
	if (decode_frame(r, i, p, at, err) < 0)
		return -1;
	return read_frame(s, i, (uint32_t *)at, size / 4, sum, err);
}

static int check_counts(const struct shard *s, const struct shard_info *sum, struct err *err)
{
	const struct shard_info *i = &s->info;

	if (s->n == i->n_examples && sum->n_tokens == i->n_tokens && sum->n_spans == i->n_spans &&
	    sum->n_trained == i->n_trained)
		return 0;
	return err_set(err, "header: its counts are not those of the records");
}

static int read_records(struct shard *s, struct reader *r, size_t head, struct err *err)
{
	const unsigned char *p = r->file.p + entry_at(r, 0).packed;
	char *at = (char *)s->content + records_at(head);
	struct hash *hash = hash_new();
	struct shard_info sum = { 0 };
	int rc = 0;

	hash_add(hash, s->content, head);
	for (uint32_t i = 1; i < r->n_frames && rc == 0; i++) {
		struct shard_info before = sum;
		size_t n = s->n, size = entry_at(r, i).size;

		rc = take_frame(s, r, i, p, at, &sum, err);
		hash_add(hash, at, size);
		if (rc < 0 && r->salvage) {
			sum = before;
			s->n = n;
			s->n_lost++;
			rc = 0;
		}
		p += entry_at(r, i).packed;
		at += size;
	}
	memcpy(s->hash, hash_end(hash).s, sizeof(s->hash));
	if (rc == 0 && !r->salvage)
		return check_counts(s, &sum, err);
	s->info.n_examples = s->n;
	s->info.n_tokens = sum.n_tokens;
	s->info.n_spans = sum.n_spans;
	s->info.n_trained = sum.n_trained;
	return rc;
}

static int read_shard(struct shard *s, const char *path, bool salvage, struct err *err)
{
	struct reader r = { .salvage = salvage };
	struct buf text = { 0 };
	int rc;

	*s = (struct shard){ 0 };
	if (file_open(&r.file, path, err) < 0)
		return -1;
	r.zstd = ZSTD_createDCtx();
	if (!r.zstd)
		rc = err_set(err, "zstd: no context");
	else
		rc = salvage ? walk_frames(s, &r, err) : read_table(&r, err);
	if (rc == 0)
		rc = read_header(s, &r, &text, err);
	if (rc == 0)
		rc = make_room(s, &r, &text, err);
	if (rc == 0) {
		s->header = s->content;
		rc = read_records(s, &r, text.n, err);
	}
	if (rc < 0) {
		err_wrap(err, "%s", strcmp(path, "-") ? path : "standard input");
		shard_close(s);
	}
	buf_free(&text);
	buf_free(&r.walked);
	ZSTD_freeDCtx(r.zstd);
	file_close(&r.file);
	return rc;
}

int shard_open(struct shard *s, const char *path, struct err *err)
{
	return read_shard(s, path, false, err);
}

int shard_salvage(struct shard *s, const char *path, struct err *err)
{
	return read_shard(s, path, true, err);
}

void shard_close(struct shard *s)
{
	mem_free(s->content);
	mem_free(s->v);
	arena_free(&s->arena);
	*s = (struct shard){ 0 };
}
