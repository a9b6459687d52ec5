/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a tokenizer is made of, shared by the files of lib/token only. A reader (read_json.c,
 * read_gguf.c) fills it through the functions below; afterwards it is read-only but for
 * `idle`, which is atomic.
 */
#ifndef TOKEN_VOCAB_H
#define TOKEN_VOCAB_H

#include "token/token.h"
#include "token/unicode.h"

#include <jansson.h>

#define TOKEN_NONE          UINT32_MAX
#define TOKEN_MAX_ENTRIES   10000000u /* of a file, all kinds together */
#define TOKEN_ID_BITS       21 /* ids and ranks share 64 bits in the pair table */
#define TOKEN_RANK_BITS     22
#define TOKEN_MAX_ID        ((1u << TOKEN_ID_BITS) - 2)
#define TOKEN_MAX_MERGES    ((1u << TOKEN_RANK_BITS) - 1)
#define TOKEN_MAX_ADDED_LEN 4096u

enum {
	ENTRY_VOCAB = 1, /* in the model's vocabulary */
	ENTRY_RAW = 2, /* its text is not over the byte alphabet: no pretoken can be it */
	ENTRY_ADDED = 4,
	ENTRY_SPECIAL = 8,
	ENTRY_BYTE = 16, /* "<0x0A>": a byte of a character that has no token; in no hash */
};

struct entry {
	uint32_t off, len; /* bytes in pool: what the id decodes to */
	uint8_t flags; /* 0: this id is not used */
};

/* id TOKEN_NONE: empty. The hash stands here so that a miss touches no entry. */
struct slot {
	uint32_t hash, id;
};

struct merge {
	uint32_t left, right;
};

struct added {
	char *text;
	size_t len;
	uint32_t id;
	bool special, single_word, lstrip, rstrip, normalized;
};

/* Trie over bytes: children are a list; 0 ends it (node 0 is the root). */
struct trie_node {
	uint32_t child, next;
	int32_t added; /* index of the added token that ends here, -1: none */
	unsigned char c;
};

struct trie {
	struct trie_node *v;
	size_t n, cap;
	uint32_t first[256]; /* child of the root, 0: none */
};

enum split_kind {
	SPLIT_QWEN2, /* the Qwen2 pattern; digits one by one */
	SPLIT_LLAMA3, /* the same with digits in groups of up to three */
	SPLIT_GPT2, /* ByteLevel's own pattern */
	SPLIT_DIGITS, /* each numeric character alone */
	SPLIT_DIGIT_RUNS, /* runs of numeric characters */
};

struct split_step {
	enum split_kind kind;
};

#define SPLIT_MAX_STEPS 4

/* Where SentencePiece's BPE puts a space in front. */
enum prefix_kind {
	PREFIX_NEVER,
	PREFIX_TEXT, /* of a text, unless one stands there */
	PREFIX_PIECE, /* of every piece between added tokens, unless one stands there */
	PREFIX_ALWAYS, /* of every piece, before normalized added tokens are looked for */
};

/* match.c: a trie. */
struct match {
	uint64_t *v;
	size_t n;
};

/* How the merges make an entry of its own bytes. All that greedy.c asks of an entry lies in one line
 * of the processor's cache. */
struct made {
	uint64_t birth : TOKEN_RANK_BITS; /* rank + 1; 0: it is a single byte */
	uint64_t left : TOKEN_ID_BITS, right : TOKEN_ID_BITS;
	uint32_t prefix; /* the longest other entry that this one begins with; TOKEN_NONE: none */
	uint32_t len; /* 0: they do not make it */
};

struct greedy {
	bool works;
	struct made *made; /* by id */
	struct match match; /* of all entries that are made so */
};

struct token {
	uint8_t *classes; /* UNI_ bits of every code point */
	struct buf pool;
	struct entry *v; /* by id */
	uint32_t n, cap; /* n: largest id + 1 */
	uint32_t n_vocab; /* entries with ENTRY_VOCAB */
	struct slot *slots; /* hash from text to id */
	uint32_t slot_mask;
	uint32_t max_len; /* bytes of the longest entry */
	uint32_t byte_id[256]; /* TOKEN_NONE: no token, the byte is dropped */
	int16_t byte_of[0x144]; /* code point of the byte alphabet to byte, -1: none */
	uint16_t letter_of[256]; /* and back */

	struct merge *merges; /* by rank */
	uint32_t n_merges, merges_cap;
	uint32_t *merged; /* the id that a merge makes, by rank */
	uint64_t *pairs; /* hash from pairs to ranks: left, right, rank; all ones: empty */
	uint32_t pair_mask;
	uint64_t *pair_filter; /* a bit for each hash that has a pair: most look-ups end here */
	uint32_t filter_mask; /* bits - 1 */
	uint32_t *byte_ranks; /* [256][256]: ranks of the pairs of two bytes' tokens */

	struct greedy greedy;

	struct added *added;
	size_t n_added;
	struct trie all; /* every added token */
	struct trie raw, normalized; /* those matched before and after the normaliser */
	uint32_t next_added; /* one more than the largest id of an added token */

	bool nfc, ignore_merges, fuse_unk, prefix_space, trim_offsets;
	uint32_t unk; /* TOKEN_NONE: bytes without a token vanish */
	/* SentencePiece: symbols are characters, entries have spaces for U+2581 */
	bool chars, byte_fallback, split_spaces, drop_space;
	bool replaces_spaces; /* before normalized added tokens are looked for */
	enum prefix_kind prefix;
	struct split_step steps[SPLIT_MAX_STEPS];
	size_t n_steps;
	char *post_processor; /* JSON text for token_write_json; NULL: none */
	char *post_bos; /* what it puts in front of a text; NULL: nothing */
	bool adds_bos; /* by the source's word a text begins with bos; the encoder leaves it to others */

	struct idle *idle; /* encoders between two texts */
	int64_t bos, eos, pad;
	char *chat_template;
	struct hash_text {
		char s[65];
	} hash;
};

/* Text of a file made fit for one line of an error message. */
struct shown {
	char s[280];
};
struct shown token_show(const char *s, size_t n);

/* vocab.c: room for n_vocab entries; NULL never. */
struct token *token_new(size_t n_vocab);
int token_add_vocab(struct token *t, int64_t id, const char *key, size_t n, struct err *err);
/* After the vocabulary. a->id is ignored; *id is the one that Hugging Face tokenizers gives: that of a
 * vocabulary entry of the same text, else the next free one. The text is copied. */
int token_add_added(struct token *t, const struct added *a, uint32_t *id, struct err *err);
int token_add_merge(struct token *t, const char *left, size_t n_left, const char *right,
		    size_t n_right, struct err *err);
/* Instead of merges, for chars: pairs that make a token are merged by its score, largest first.
 * scores (n): by id; entries with merge[id] false take no part. */
int token_add_scores(struct token *t, const float *scores, const bool *merge, size_t n,
		     struct err *err);
/* Last: builds the pair hash, the tries and the content hash. */
int token_finish(struct token *t, struct err *err);
/* Id of a vocabulary key in the byte alphabet's spelling; TOKEN_NONE: none. */
uint32_t token_find_key(const struct token *t, const char *key, size_t n);
/* Id of an entry by the bytes it stands for; raw as ENTRY_RAW. */
uint32_t token_find_bytes(const struct token *t, const char *s, size_t n, bool raw);
/* Append the spelling of entry id, as a key of tokenizer.json. */
void token_key(const struct token *t, uint32_t id, struct buf *out);

static inline uint32_t pair_hash(uint32_t left, uint32_t right)
{
	uint64_t h = ((uint64_t)left << 32 | right) * 0x9E3779B97F4A7C15u;

	return (uint32_t)(h >> 32);
}

/* The rank of a pair; TOKEN_NONE: it is never merged. */
static inline uint32_t token_rank(const struct token *t, uint32_t left, uint32_t right)
{
	uint64_t key = (uint64_t)left << TOKEN_ID_BITS | right;
	uint32_t h = pair_hash(left, right), bit = h & t->filter_mask;

	if (!(t->pair_filter[bit / 64] >> bit % 64 & 1))
		return TOKEN_NONE;
	for (;; h++) {
		uint64_t slot = t->pairs[h & t->pair_mask];

		if (slot >> TOKEN_RANK_BITS == key)
			return (uint32_t)slot & TOKEN_MAX_MERGES;
		if (slot == UINT64_MAX)
			return TOKEN_NONE;
	}
}

/* read_json.c, read_gguf.c, read_folder.c: fill *t (not finished where it says so). */
struct token *token_read_json(const char *path, struct err *err);
struct token *token_read_gguf(const char *path, struct err *err);
/* Template and special tokens of the folder's other files. */
int token_read_folder(struct token *t, const char *dir, struct err *err);
/* Parse a JSON file; NULL with "path:line:column: what". missing_ok: NULL without a message when
 * there is no such file. */
json_t *token_load_json(const char *path, bool missing_ok, struct err *err);

/* Boolean key of o; missing and null are the default. */
int token_json_bool(const json_t *o, const char *key, bool def, bool *v, struct err *err);
/* The type of a component, "" when it has none; the same for a message. */
const char *token_json_type(const json_t *o);
struct shown token_json_shown(const json_t *o);
/* read_spaces.c: is it SentencePiece's BPE, and all but its model and added tokens. */
bool token_json_has_spaces(const json_t *root);
int token_json_read_spaces(struct token *t, const json_t *root, struct err *err);

/* post.c: tokenizer.json's post_processor. */
struct jsonw;
void token_read_post(struct token *t, const json_t *post);
/* When all files were read: the token that is put in front is bos, where none of them names another. */
void token_finish_post(struct token *t);
void token_write_post(const struct token *t, struct jsonw *w);

/* split.c: the pre-tokenizer `pattern` of tokenizer.json; false when unknown. */
bool split_known(const char *pattern, enum split_kind *kind);
const char *split_pattern(enum split_kind kind);
/* Bytes of the first piece of s[0..n), n > 0. */
size_t split_next(const struct token *t, enum split_kind kind, const char *s, size_t n);

/* U+2581, which stands for a space in the keys of SentencePiece's BPE. */
#define METASPACE "\xE2\x96\x81"

/* normalize.c: append s with every U+2581 as a space. */
void token_spaces(const char *s, size_t n, struct buf *out);
/* True when s is in NFC as it stands; else *out is set to its NFC. */
bool normalize_nfc(const uint8_t *classes, const char *s, size_t n, struct buf *out);

/* trie.c */
void trie_add(struct trie *tr, const char *s, size_t n, int32_t added);
/* Leftmost-longest match of s[*at..n): sets *at to its start, returns its index in added (-1: none)
 * and its length. */
int32_t trie_match(const struct trie *tr, const char *s, size_t n, size_t *at, size_t *len);
/* Index of the added token of exactly this text, -1: none. */
int32_t trie_find(const struct trie *tr, const char *s, size_t n);
void trie_free(struct trie *tr);

#define BPE_QUEUE  16
#define CACHED_KEY 32 /* bytes of the longest word that is kept */

/* A word that waits, so that its place in the cache of words has come near when it is looked at. */
struct queued {
	const char *s;
	size_t n;
	struct cached *place; /* NULL: too long for the cache */
	uint64_t key[CACHED_KEY / 8];
};

/* What a thread needs to encode; starts as {0}, then bpe_init. */
struct bpe {
	const struct token *t;
	struct ids *out;
	bool plain; /* never emit an added token */
	struct cached *cache;
	struct queued queue[BPE_QUEUE];
	size_t n_queue;
	struct bpe_symbol *symbols;
	size_t cap;
	uint64_t *heap;
	size_t n_heap, heap_cap;
	bool any_dead; /* greedy.c: places of the word that lead nowhere, a bit each */
	uint64_t *dead;
	size_t dead_cap;
	size_t tries; /* entries looked at, of all words: tests bound the work by it */
};

/* word.c: append the ids of one pretoken, by the next bpe_flush at the latest; until then the text
 * stays. s[0..room) can be read, room >= n. */
void bpe_word(struct bpe *b, const char *s, size_t n, size_t room);
void bpe_flush(struct bpe *b);
void bpe_init(struct bpe *b, const struct token *t);
/* bpe.c: the same by merges alone. */
void bpe_merge(struct bpe *b, const char *s, size_t n);
/* Bytes that long words made it grow to. */
size_t bpe_size(const struct bpe *b);
void bpe_free(struct bpe *b);

/* encoder.c: the encoders of a tokenizer that no thread uses at the moment. */
struct idle *encoder_idle_new(void);
void encoder_idle_free(struct idle *v);

#endif
