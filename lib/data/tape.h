/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A JSON text as a flat list of its values, in the order of the text: what finds a record's fields and
 * strings without a tree. It takes what jansson takes; what it does not take jansson explains. A
 * value is named by its number; the whole text is value 0, so 0 also says "there is none".
 */
#ifndef DATA_TAPE_H
#define DATA_TAPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum tape_type {
	TAPE_NULL,
	TAPE_FALSE,
	TAPE_TRUE,
	TAPE_NUMBER,
	TAPE_STRING,
	TAPE_ARRAY,
	TAPE_OBJECT,
};

struct tape_value {
	uint32_t at, n; /* its bytes; a string's without the quotes */
	uint32_t next; /* the value behind it and behind all that it holds */
	uint8_t type;
	bool escaped; /* a string with a backslash in it */
};

/* Starts as {0}; may be used again and again. */
struct tape {
	const char *p; /* the text, the caller's */
	struct tape_value *v;
	size_t n, cap;
	bool twice; /* an object has a key twice */
	bool doubt; /* numbers or many keys that only jansson can judge */
	struct tape_block *blocks; /* texts that are not in p as they are */
};

/* False: not JSON (in UTF-8, at most SCAN_DEPTH_MAX levels deep), or more than 4 GiB of it. */
bool tape_read(struct tape *t, const char *p, size_t n);
void tape_free(struct tape *t);
/* Bytes that stand until the next tape_read. */
char *tape_alloc(struct tape *t, size_t n);

static inline enum tape_type tape_type(const struct tape *t, uint32_t value)
{
	return (enum tape_type)t->v[value].type;
}

/* A string's text, not ended by a NUL; it stands until the next tape_read. */
const char *tape_string(struct tape *t, uint32_t value, size_t *n);
bool tape_is(const struct tape *t, uint32_t string, const char *s);
/* Member of an object: the last one of that name; 0 when there is none, or obj is no object. */
uint32_t tape_get(const struct tape *t, uint32_t obj, const char *key);
/* The keys of an object, each name once: from 0 on the next one's number, 0 at the end. The key's
 * value is tape_get's, or k + 1 where no key stands twice. */
uint32_t tape_key(const struct tape *t, uint32_t obj, uint32_t k);
/* Elements of an array: from 0 on the next one's number, 0 at the end. */
uint32_t tape_element(const struct tape *t, uint32_t array, uint32_t value);
/* How many members or elements; 0 for what has none. */
size_t tape_count(const struct tape *t, uint32_t value);

#endif
