/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Host memory. Small allocations never return NULL: out of memory ends the process with one line
 * and exit code 2. Sizes that come from a file go through mem_try, after they were checked against
 * what remains of that file. `struct buf` is the one growable array of bytes, `struct arena` the
 * one pool that is freed whole.
 */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

void *mem_new(size_t n, size_t size); /* zeroed, n * size checked */
void *mem_grow(void *p, size_t n, size_t size); /* realloc, n * size checked; tail not zeroed */
void *mem_try(size_t n, size_t size); /* zeroed; NULL when it cannot be had */
void *mem_aligned(size_t align, size_t size); /* uninitialised; NULL when it cannot be had */
char *mem_strdup(const char *s);
char *mem_strndup(const char *s, size_t n);
char *mem_printf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void mem_free(void *p); /* NULL is fine */
/* From now on blocks of a megabyte and more go back to the system when they are freed, whatever was
 * freed before: what a process holds is then what it asked for. */
void mem_exact(void);
size_t mem_physical(void); /* bytes of memory that the machine has */

/* Checked arithmetic: true and *r set when it fits. */
static inline bool mul_ok(size_t a, size_t b, size_t *r)
{
	return !__builtin_mul_overflow(a, b, r);
}

static inline bool add_ok(size_t a, size_t b, size_t *r)
{
	return !__builtin_add_overflow(a, b, r);
}

/* Growable bytes; starts as {0}; after any buf_ call p[n] is 0, so text can be used as a C string. */
struct buf {
	char *p;
	size_t n, cap;
};

void buf_reserve(struct buf *b, size_t extra);
void buf_add(struct buf *b, const void *p, size_t n);
void buf_str(struct buf *b, const char *s);
void buf_char(struct buf *b, char c);
void buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void buf_reset(struct buf *b); /* n = 0, keeps the memory */
void buf_free(struct buf *b);

/* Growable ids (token ids, offsets); starts as {0}. */
struct ids {
	uint32_t *v;
	size_t n, cap;
};

void ids_reserve(struct ids *a, size_t extra);
void ids_push(struct ids *a, uint32_t id);
void ids_add(struct ids *a, const uint32_t *v, size_t n);
void ids_free(struct ids *a);

/* Bump allocator; starts as {0}; everything in it is freed by arena_free. */
struct arena {
	struct arena_block *head;
};

void *arena_new(struct arena *a, size_t n, size_t size); /* zeroed */
char *arena_strndup(struct arena *a, const char *s, size_t n);
char *arena_printf(struct arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void arena_free(struct arena *a);

#endif
