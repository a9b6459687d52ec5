/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Malformed safetensors and GGUF files. Each row is a recipe for a file and a part of the message
 * that must refuse it; no message means that the file is good. A recipe is words:
 *   1:N 4:N 8:N  a little-endian number    =text  these bytes    s:text  u64 length and text
 *   z:N p:N x:N  N zero bytes, spaces, 'x'  a:N  zeros up to a multiple of N
 *   ( ... )      what is between, behind its u64 length
 * and ' stands for " so that JSON stays readable here.
 */
#include "tests/tap.h"

#include "base/file.h"
#include "base/mem.h"
#include "format/gguf.h"
#include "format/safetensors.h"

#include <unistd.h>

static char dir[] = "/tmp/anekdot-format-XXXXXX";
static char path[64];

struct row {
	const char *what, *recipe, *msg;
};

static void put_uint(struct buf *b, uint64_t v, int n)
{
	for (int i = 0; i < n; i++)
		buf_char(b, (char)(v >> 8 * i));
}

static void put_text(struct buf *b, const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		buf_char(b, s[i] == '\'' ? '"' : s[i]);
}

static void put_word(struct buf *b, const char *w, size_t n, size_t *open)
{
	uint64_t v = n > 2 ? strtoull(w + 2, NULL, 0) : 0;

	if (*w == '=') {
		put_text(b, w + 1, n - 1);
	} else if (*w == 's') {
		put_uint(b, n - 2, 8);
		put_text(b, w + 2, n - 2);
	} else if (*w == '(') {
		*open = b->n;
		put_uint(b, 0, 8);
	} else if (*w == ')') {
		for (size_t i = 0; i < 8; i++)
			b->p[*open + i] = (char)((b->n - *open - 8) >> 8 * i);
	} else if (*w == 'a') {
		while (b->n % v)
			buf_char(b, 0);
	} else if (*w >= '1' && *w <= '8') {
		put_uint(b, v, *w - '0');
	} else {
		while (v--)
			buf_char(b, *w == 'z' ? 0 : *w == 'p' ? ' ' : 'x');
	}
}

static void assemble(struct buf *b, const char *recipe)
{
	size_t open = 0;

	buf_reset(b);
	buf_reserve(b, 0);
	while (*recipe) {
		size_t n = strcspn(recipe, " ");

		if (n)
			put_word(b, recipe, n, &open);
		recipe += n + (recipe[n] == ' ');
	}
}

/* No fsync: thousands of these are written. */
static void save(const char *name, const void *p, size_t n)
{
	FILE *f = fopen(name, "wb");

	if (!f || fwrite(p, 1, n, f) != n || fclose(f))
		exit(2);
}

/* Touches all that the readers promise to be readable, for the sanitizer's sake. */
static unsigned touch(const struct tensors *t)
{
	unsigned sum = 0;

	for (size_t i = 0; i < t->n; i++)
		for (size_t k = 0; k < t->v[i].bytes; k++)
			sum += t->v[i].data[k];
	return sum;
}

static int open_st(const char *name, struct err *err)
{
	struct tensors t;
	int rc = safetensors_open(&t, name, err);

	if (rc == 0)
		touch(&t);
	tensors_close(&t);
	return rc;
}

static int open_gguf(const char *name, struct err *err)
{
	struct gguf g;
	int rc = gguf_open(&g, name, err);

	if (rc == 0)
		touch(&g.t);
	gguf_close(&g);
	return rc;
}

/* What a file says must not reach the terminal raw. */
static bool printable(const char *s)
{
	while ((unsigned char)*s >= 0x20)
		s++;
	return !*s;
}

typedef int opener(const char *name, struct err *err);

static void run(const char *format, const struct row *row, size_t n, opener *open)
{
	struct buf b = { 0 };

	for (size_t i = 0; i < n; i++) {
		struct err err = { 0 };
		bool ok;
		int rc;

		assemble(&b, row[i].recipe);
		save(path, b.p, b.n);
		rc = open(path, &err);
		ok = row[i].msg ? rc == -1 && strstr(err.msg, row[i].msg) &&
					  !strncmp(err.msg, path, strlen(path))
				: rc == 0;
		ok &= printable(err.msg);
		check(ok, "%s: %s", format, row[i].what);
		if (!ok)
			note("rc %d, message '%s', wanted '%s'", rc, err.msg,
			     row[i].msg ? row[i].msg : "");
	}
	buf_free(&b);
}

/* Cut at every byte: always refused. Every byte changed: never a crash. */
static void run_damage(const char *format, const char *recipe, opener *open)
{
	static const unsigned char masks[] = { 0x01, 0x80, 0xff };
	struct buf b = { 0 };
	size_t accepted = 0;

	assemble(&b, recipe);
	for (size_t n = 0; n < b.n; n++) {
		struct err err = { 0 };

		save(path, b.p, n);
		if (open(path, &err) == 0 || !err.msg[0]) {
			note("%zu bytes accepted", n);
			accepted++;
		}
	}
	check(accepted == 0, "%s: refused when cut at any of %zu bytes", format, b.n);
	for (size_t i = 0; i < 3 * b.n; i++) {
		struct err err = { 0 };

		b.p[i / 3] = (char)(b.p[i / 3] ^ masks[i % 3]);
		save(path, b.p, b.n);
		open(path, &err);
		b.p[i / 3] = (char)(b.p[i / 3] ^ masks[i % 3]);
	}
	check(true, "%s: survives a change of any byte", format);
	buf_free(&b);
}

/* A header of one tensor of 8 bytes, up to its shape or further. */
#define A      "={'a':{'dtype':"
#define A_OFFS ",'data_offsets':[0,8]}} ) z:8"
#define A_F32  A "'F32','shape':"
#define B_AT   ",'b':{'dtype':'F32','shape':[1],'data_offsets':"

static const struct row st_rows[] = {
	{ "one tensor", "( " A_F32 "[2]" A_OFFS, NULL },
	{ "no tensors", "( ={} )", NULL },
	{ "trailing spaces", "( ={} p:6 )", NULL },
	{ "scalar", "( " A_F32 "[],'data_offsets':[0,4]}} ) z:4", NULL },
	{ "zero dimension", "( " A_F32 "[0,7],'data_offsets':[0,0]}} )", NULL },
	{ "five dimensions of a type that is left out", "( " A "'I64','shape':[1,1,1,1,1]" A_OFFS,
	  NULL },
	{ "two 4-bit elements", "( " A "'F4','shape':[2],'data_offsets':[0,1]}} ) z:1", NULL },
	{ "tensors out of order, empty one between",
	  "( " A_F32 "[1],'data_offsets':[4,8]}" B_AT
	  "[0,4]},'c':{'dtype':'F32','shape':[0],'data_offsets':[4,4]}} ) z:8",
	  NULL },
	{ "metadata and escapes",
	  "( ={'__metadata__':{'format':'p\\u0074','\\ud83d\\ude00':'\\n'}} )", NULL },
	{ "empty file", "", "too short" },
	{ "seven bytes", "z:7", "too short" },
	{ "header length 0", "8:0", "begin with '{'" },
	{ "header length 2^63", "8:0x8000000000000000 ={}", "beyond the limit" },
	{ "header length 2^64-1", "8:0xffffffffffffffff ={}", "beyond the limit" },
	{ "header length 100,000,001", "8:100000001 ={}", "beyond the limit" },
	{ "header beyond the end", "8:3 ={}", "beyond the end of the file" },
	{ "Git LFS pointer", "=version p:1 =https://git-lfs.github.com/spec/v1", "git lfs pull" },
	{ "array as header", "( =[] )", "begin with '{'" },
	{ "space before '{'", "( p:1 ={} )", "begin with '{'" },
	{ "text behind '}'", "( ={}x )", "only spaces may follow" },
	{ "second object", "( ={}{} )", "only spaces may follow" },
	{ "NUL behind '}'", "( ={} 1:0 )", "only spaces may follow" },
	{ "line feed behind '}'", "( ={} 1:10 )", "only spaces may follow" },
	{ "invalid UTF-8", "( ={'__metadata__':{'a':' 1:255 ='}} )", "byte 22: invalid UTF-8" },
	{ "header ends early", "( ={'a': )", "'{' is needed" },
	{ "header ends within a string", "( ={'a )", "ends within a string" },
	{ "header ends within an escape", "( ={'a\\ )", "ends within a string" },
	{ "header ends within \\u", "( ={'a\\u00 )", "within a \\u escape" },
	{ "trailing comma", "( " A_F32 "[2],'data_offsets':[0,8]},} ) z:8", "a key in quotes" },
	{ "key without quotes", "( ={a:1} )", "a key in quotes" },
	{ "no colon", "( ={'a'{}} )", "':' is needed" },
	{ "unknown escape", "( ={'\\q':{}} )", "unknown escape" },
	{ "\\u with other than hex", "( ={'\\u00g0':{}} )", "hexadecimal" },
	{ "lone high surrogate", "( ={'\\ud800':{}} )", "lone high surrogate" },
	{ "high surrogate, then no low one", "( ={'\\ud800\\u0041':{}} )", "lone high surrogate" },
	{ "lone low surrogate", "( ={'\\udc00':{}} )", "lone low surrogate" },
	{ "duplicate tensor",
	  "( " A_F32 "[1],'data_offsets':[0,4]},'\\u0061':{'dtype':'F32','shape':[1],"
	  "'data_offsets':[4,8]}} ) z:8",
	  "tensor 'a': duplicate key" },
	{ "duplicate __metadata__", "( ={'__metadata__':{},'__metadata__':{}} )",
	  "duplicate key '__metadata__'" },
	{ "duplicate key of the metadata", "( ={'__metadata__':{'k':'1','b':'2','k':'3'}} )",
	  "duplicate key in __metadata__" },
	{ "duplicate dtype", "( " A "'F32','dtype':'F32','shape':[2]" A_OFFS,
	  "duplicate key 'dtype'" },
	{ "duplicate shape", "( " A_F32 "[2],'shape':[2]" A_OFFS, "duplicate key 'shape'" },
	{ "duplicate data_offsets", "( " A_F32 "[2],'data_offsets':[0,8]" A_OFFS,
	  "duplicate key 'data_offsets'" },
	{ "number in the metadata", "( ={'__metadata__':{'k':1}} )", "strings only" },
	{ "object in the metadata", "( ={'__metadata__':{'k':{}}} )", "strings only" },
	{ "metadata null", "( ={'__metadata__':null} )", "'{' is needed" },
	{ "unknown dtype", "( " A "'F31','shape':[2]" A_OFFS,
	  "tensor 'a': header byte 19: unknown dtype 'F31'" },
	{ "block type of another format", "( " A "'Q8_0','shape':[2]" A_OFFS,
	  "unknown dtype 'Q8_0'" },
	{ "dtype that would move the cursor", "( " A "'\\u001b[2J','shape':[2]" A_OFFS,
	  "unknown dtype" },
	{ "dtype a number", "( " A "7,'shape':[2]" A_OFFS, "'dtype' is a string" },
	{ "no dtype", "( ={'a':{'shape':[2]" A_OFFS, "it has no 'dtype'" },
	{ "no shape", "( " A "'F32'" A_OFFS, "it has no 'shape'" },
	{ "no data_offsets", "( " A_F32 "[2]}} ) z:8", "it has no 'data_offsets'" },
	{ "unknown key of a tensor", "( " A_F32 "[2],'strides':[1]" A_OFFS, "unknown key" },
	{ "entry is a list", "( ={'a':[]} )", "'{' is needed" },
	{ "hole at the start", "( " A_F32 "[1],'data_offsets':[4,8]}} ) z:8",
	  "begins at offset 4 where 0 is due: there is a hole" },
	{ "hole between", "( " A_F32 "[1],'data_offsets':[0,4]}" B_AT "[8,12]}} ) z:12",
	  "tensor 'b': begins at offset 8 where 4 is due: there is a hole" },
	{ "overlap", "( " A_F32 "[2],'data_offsets':[0,8]}" B_AT "[4,8]}} ) z:8",
	  "tensor 'b': begins at offset 4 where 8 is due: it overlaps" },
	{ "two tensors on the same bytes",
	  "( " A_F32 "[1],'data_offsets':[0,4]}" B_AT "[0,4]}} ) z:4", "it overlaps" },
	{ "trailing bytes", "( " A_F32 "[2]" A_OFFS " z:1", "1 trailing bytes" },
	{ "trailing bytes without tensors", "( ={} ) =PK", "2 trailing bytes" },
	{ "data beyond the end", "( " A_F32 "[4],'data_offsets':[0,16]}} ) z:15", "truncated" },
	{ "offsets backwards", "( " A_F32 "[2],'data_offsets':[8,0]}} ) z:8", "run backwards" },
	{ "shape larger than its bytes", "( " A_F32 "[3]" A_OFFS,
	  "need 12 bytes, its data_offsets hold 8" },
	{ "shape smaller than its bytes", "( " A "'BF16','shape':[3]" A_OFFS, "need 6 bytes" },
	{ "shape that overflows", "( " A_F32 "[4294967296,4294967296]" A_OFFS, "overflows" },
	{ "shape that wraps to the right size", "( " A_F32 "[4611686018427387906]" A_OFFS,
	  "overflows" },
	{ "half a byte", "( " A "'F4','shape':[3],'data_offsets':[0,1]}} ) z:1",
	  "12 bits are no whole number of bytes" },
	{ "negative dimension", "( " A_F32 "[-2]" A_OFFS, "negative" },
	{ "fraction as dimension", "( " A_F32 "[2.0]" A_OFFS, "not a fraction" },
	{ "exponent as dimension", "( " A_F32 "[2e0]" A_OFFS, "exponent" },
	{ "leading zero", "( " A_F32 "[02]" A_OFFS, "leading zeros" },
	{ "string as dimension", "( " A_F32 "['2']" A_OFFS, "whole number" },
	{ "nested shape", "( " A_F32 "[[2]]" A_OFFS, "whole number" },
	{ "shape without end", "( " A_F32 "[2 )", "',' or ']'" },
	{ "shape a number", "( " A_F32 "2" A_OFFS, "'[' is needed" },
	{ "offset 2^63", "( " A_F32 "[2],'data_offsets':[0,9223372036854775808]}} ) z:8",
	  "number beyond 2^63-1" },
	{ "offset 2^64+8", "( " A_F32 "[2],'data_offsets':[0,18446744073709551624]}} ) z:8",
	  "number beyond 2^63-1" },
	{ "three offsets", "( " A_F32 "[2],'data_offsets':[0,8,8]}} ) z:8", "too many numbers" },
	{ "one offset", "( " A_F32 "[2],'data_offsets':[0]}} ) z:8", "holds two numbers" },
	{ "five dimensions of F32", "( " A_F32 "[1,1,1,1,2]" A_OFFS, "it has 5 dimensions" },
	{ "65 dimensions",
	  "( " A "'I64','shape':[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,"
	  "1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]" A_OFFS,
	  "too many numbers" },
	{ "name of 512 bytes", "( ={' x:512 =':{'dtype':'U8','shape':[0],'data_offsets':[0,0]}} )",
	  NULL },
	{ "name of 513 bytes", "( ={' x:513 =':{'dtype':'U8','shape':[0],'data_offsets':[0,0]}} )",
	  "longer than 512 bytes" },
	{ "empty name", "( ={'':{}} )", "name is empty" },
	{ "control byte in a name", "( ={' 1:27 ='} )", "control byte in a string" },
	{ "escaped control byte in a name", "( ={'\\u001b[2J':{}} )", "control characters" },
	{ "C1 control in a name", "( ={'\\u009b2J':{}} )", "control characters" },
	{ "NUL in a name", "( ={'a\\u0000b':{}} )", "NUL in a string" },
};

#define HEAD(n_tensors, n_kv) "=GGUF 4:3 8:" n_tensors " 8:" n_kv " "
#define W                     "s:w 4:1 8:8 4:0 8:0 "
#define DATA                  "a:32 z:64"
#define KV(key_type_value)    HEAD("1", "1") key_type_value " " W DATA

static const struct row gguf_rows[] = {
	{ "one tensor", HEAD("1", "0") W DATA, NULL },
	{ "version 2", "=GGUF 4:2 8:1 8:0 " W DATA, NULL },
	{ "keys only", HEAD("0", "1") "s:k 4:4 4:7", NULL },
	{ "bools", KV("s:k 4:9 4:7 8:2 1:0 1:1"), NULL },
	{ "alignment 64", HEAD("1", "1") "s:general.alignment 4:4 4:64 " W "a:64 z:32", NULL },
	{ "alignment 1", HEAD("1", "1") "s:general.alignment 4:4 4:1 " W "z:32", NULL },
	{ "last tensor without its padding", HEAD("1", "0") "s:w 4:1 8:1 4:0 8:0 a:32 z:4", NULL },
	{ "empty file", "", "no GGUF file" },
	{ "three bytes", "=GGU", "no GGUF file" },
	{ "another magic", "=GGML 4:3 8:0 8:0", "no GGUF file" },
	{ "version 1", "=GGUF 4:1 4:0 4:0", "version 1 is not supported" },
	{ "version 4", "=GGUF 4:4 8:0 8:0", "version 4 is not supported" },
	{ "big endian", "=GGUF 4:0x3000000 8:0 8:0", "big-endian" },
	{ "header ends", "=GGUF 4:3 8:0 4:0", "ends within the header" },
	{ "2^61 tensors", HEAD("0x2000000000000000", "0") W DATA, "2305843009213693952 tensors" },
	{ "5 tensors in room for 4", HEAD("5", "0") W "z:99", "5 tensors cannot be" },
	{ "2^61 keys", HEAD("1", "0x2000000000000000") W DATA, "2305843009213693952 keys" },
	{ "2^64-1 keys", HEAD("1", "0xffffffffffffffff") W DATA, "keys cannot be" },
	{ "key of 2^63 bytes", KV("8:0x8000000000000000"), "beyond the end of the file" },
	{ "key one byte too long", HEAD("0", "1") "8:15 =general.alignm",
	  "a key of 15 bytes is beyond" },
	{ "empty key", KV("s: 4:4 4:1"), "key 0 is empty" },
	{ "control byte in a key", KV("( =k 1:10 ) 4:4 4:1"), "control characters" },
	{ "NUL in a key", KV("( =k 1:0 ) 4:4 4:1"), "control characters" },
	{ "key of 65,536 bytes", KV("( x:65536 ) 4:4 4:1"), "too long" },
	{ "duplicate key", HEAD("1", "3") "s:k 4:4 4:1 s:l 4:4 4:1 s:k 4:5 4:1 " W DATA,
	  "duplicate key 'k'" },
	{ "value type 13", KV("s:k 4:13 4:1"), "key 'k': unknown value type 13" },
	{ "value type 2^32-1", KV("s:k 4:0xffffffff 4:1"), "unknown value type 4294967295" },
	{ "value cut", HEAD("0", "1") "s:kk 4:10 4:1", "ends within a value" },
	{ "bool of 2", KV("s:k 4:7 1:2"), "a bool is 0 or 1, not 2" },
	{ "string of 2^63 bytes", KV("s:k 4:8 8:0x8000000000000000"), "beyond the end" },
	{ "string of 2^64-1 bytes", KV("s:k 4:8 8:0xffffffffffffffff"), "beyond the end" },
	{ "array of arrays", KV("s:k 4:9 4:9 8:1 4:4 8:1 4:1"), "array of arrays" },
	{ "array of type 99", KV("s:k 4:9 4:99 8:1 4:1"), "unknown array element type 99" },
	{ "array of 2^62 u32", KV("s:k 4:9 4:4 8:0x4000000000000000"),
	  "array of 4611686018427387904 elements" },
	{ "array of 2^61 u64, size wraps to 0", KV("s:k 4:9 4:10 8:0x2000000000000000"),
	  "beyond the end" },
	{ "array of 2^61 strings", KV("s:k 4:9 4:8 8:0x2000000000000000"), "beyond the end" },
	{ "string of an array beyond the end", KV("s:k 4:9 4:8 8:2 s:a 8:1000"),
	  "a string of 1000 bytes is beyond" },
	{ "array cut", HEAD("0", "1") "s:k 4:9 4:4", "ends within an array" },
	{ "bool array with 2", KV("s:k 4:9 4:7 8:2 1:1 1:2"), "a bool is 0 or 1" },
	{ "alignment 0", KV("s:general.alignment 4:4 4:0"), "general.alignment 0 is no power" },
	{ "alignment 24", KV("s:general.alignment 4:4 4:24"), "general.alignment 24" },
	{ "alignment 2^21", KV("s:general.alignment 4:4 4:0x200000"), "between 1 and 1048576" },
	{ "alignment 2^31", KV("s:general.alignment 4:4 4:0x80000000"), "2147483648" },
	{ "alignment as u64", KV("s:general.alignment 4:10 8:32"), "must be a u32" },
	{ "alignment as string", KV("s:general.alignment 4:8 s:32"), "must be a u32" },
	{ "name of 63 bytes", HEAD("1", "0") "( x:63 ) 4:1 8:8 4:0 8:0 " DATA, NULL },
	{ "name of 64 bytes", HEAD("1", "0") "( x:64 ) 4:1 8:8 4:0 8:0 " DATA, "at most 63" },
	{ "name of 2^63 bytes", HEAD("1", "0") "8:0x8000000000000000 z:64", "a tensor's name of" },
	{ "empty name", HEAD("1", "0") "s: 4:1 8:8 4:0 8:0 " DATA, "name that is empty" },
	{ "control byte in a name", HEAD("1", "0") "( 1:27 =[2J ) 4:1 8:8 4:0 8:0 " DATA,
	  "control characters" },
	{ "duplicate tensor", HEAD("2", "0") W "s:w 4:1 8:8 4:0 8:32 " DATA,
	  "duplicate tensor 'w'" },
	{ "no dimensions", HEAD("1", "0") "s:w 4:0 4:0 8:0 z:64", "tensor 'w': 0 dimensions" },
	{ "five dimensions", HEAD("1", "0") "s:w 4:5 8:1 8:1 8:1 8:1 8:1 4:0 8:0 " DATA,
	  "5 dimensions" },
	{ "2^32-1 dimensions", HEAD("1", "0") "s:w 4:0xffffffff " DATA, "4294967295 dimensions" },
	{ "dimension 0", HEAD("1", "0") "s:w 4:2 8:8 8:0 4:0 8:0 " DATA, "dimension 1 is 0" },
	{ "product overflows",
	  HEAD("1", "0") "s:w 4:2 8:0x40000000001 8:0x40000000001 4:0 8:0 " DATA, "overflows" },
	{ "product is 2^63", HEAD("1", "0") "s:w 4:1 8:0x8000000000000000 4:0 8:0 " DATA,
	  "overflows 63 bits" },
	{ "bytes overflow", HEAD("1", "0") "s:w 4:1 8:0x4000000000000008 4:0 8:0 " DATA,
	  "its size overflows" },
	{ "part of a block", HEAD("1", "0") "s:w 4:1 8:33 4:2 8:0 " DATA,
	  "rows of 33 are no multiple of Q4_0's block of 32" },
	{ "rows of half a block", HEAD("1", "0") "s:w 4:2 8:16 8:2 4:8 8:0 " DATA,
	  "no multiple of Q8_0's block" },
	{ "type Q2_K", HEAD("1", "0") "s:w 4:1 8:256 4:10 8:0 a:32 z:96", "type Q2_K (10)" },
	{ "type 4, long gone", HEAD("1", "0") "s:w 4:1 8:32 4:4 8:0 " DATA,
	  "unknown tensor type 4" },
	{ "type 999", HEAD("1", "0") "s:w 4:1 8:8 4:999 8:0 " DATA, "unknown tensor type 999" },
	{ "type 2^32-1", HEAD("1", "0") "s:w 4:1 8:8 4:0xffffffff 8:0 " DATA,
	  "unknown tensor type 4294967295" },
	{ "offset not at the start", HEAD("1", "0") "s:w 4:1 8:8 4:0 8:32 " DATA,
	  "begins at offset 32, 0 is due" },
	{ "two tensors on the same bytes", HEAD("2", "0") W "s:v 4:1 8:8 4:0 8:0 " DATA,
	  "tensor 'v': its data begins at offset 0, 32 is due" },
	{ "hole", HEAD("2", "0") W "s:v 4:1 8:8 4:0 8:64 " DATA " z:32", "32 is due" },
	{ "offset that is not aligned",
	  HEAD("2", "0") "s:w 4:1 8:1 4:0 8:0 s:v 4:1 8:8 4:0 8:4 " DATA,
	  "begins at offset 4, 32 is due" },
	{ "data beyond the end", HEAD("1", "0") "s:w 4:1 8:17 4:0 8:0 " DATA, "truncated" },
	{ "no data", HEAD("1", "0") "s:w 4:1 8:8 4:0 8:0", "beyond the end of the file" },
	{ "2^60 bytes of data", HEAD("1", "0") "s:w 4:1 8:0x400000000000000 4:0 8:0 " DATA,
	  "beyond the end of the file" },
};

/* One more tensor than is allowed; the file is real, the rule must stop it. */
static void test_too_many(void)
{
	struct buf b = { 0 };
	struct err err = { 0 };

	put_uint(&b, 0, 8);
	buf_char(&b, '{');
	for (int i = 0; i <= 1000000; i++)
		buf_printf(&b, "%s\"%d\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}",
			   i ? "," : "", i);
	buf_char(&b, '}');
	for (int i = 0; i < 8; i++)
		b.p[i] = (char)((b.n - 8) >> 8 * i);
	save(path, b.p, b.n);
	check(open_st(path, &err) == -1 && strstr(err.msg, "more than 1,000,000 tensors"),
	      "safetensors: 1,000,001 tensors");
	buf_free(&b);
}

int main(void)
{
	if (!mkdtemp(dir))
		return 2;
	snprintf(path, sizeof(path), "%s/file", dir);
	run("safetensors", st_rows, sizeof(st_rows) / sizeof(*st_rows), open_st);
	run_damage("safetensors",
		   "( ={'__metadata__':{'format':'pt'},'a':{'dtype':'BF16','shape':[2,2],"
		   "'data_offsets':[0,8]}" B_AT "[8,12]}} p:2 ) z:12",
		   open_st);
	test_too_many();
	run("GGUF", gguf_rows, sizeof(gguf_rows) / sizeof(*gguf_rows), open_gguf);
	run_damage("GGUF",
		   HEAD("2", "5") "s:general.alignment 4:4 4:32 s:s 4:8 s:text s:b 4:7 1:1 "
				  "s:a 4:9 4:8 8:2 s:x s:yz s:n 4:9 4:5 8:2 4:1 4:2 "
				  "s:w 4:2 8:32 8:16 4:2 8:0 s:v 4:1 8:8 4:0 8:288 a:32 z:320",
		   open_gguf);
	remove(path);
	rmdir(dir);
	return tap_done();
}
