/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"

#include "base/fault.h"

#include <errno.h>
#include <malloc.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct arena_block {
	struct arena_block *next;
	size_t used, cap;
	_Alignas(16) char data[];
};

static void *must(void *p, size_t n)
{
	if (p)
		return p;
	fprintf(stderr, "%s: out of memory: %zu bytes asked for\n", program_invocation_short_name,
		n);
	exit(2);
}

static size_t product(size_t n, size_t size)
{
	size_t total;

	if (!mul_ok(n, size, &total))
		must(NULL, SIZE_MAX);
	return total ? total : 1;
}

void *mem_new(size_t n, size_t size)
{
	size_t total = product(n, size);

	return must(fault_due(FAULT_MEMORY) ? NULL : calloc(1, total), total);
}

void *mem_grow(void *p, size_t n, size_t size)
{
	size_t total = product(n, size);

	return must(fault_due(FAULT_MEMORY) ? NULL : realloc(p, total), total);
}

void *mem_try(size_t n, size_t size)
{
	return fault_due(FAULT_MEMORY) ? NULL : calloc(n ? n : 1, size ? size : 1);
}

void *mem_aligned(size_t align, size_t size)
{
	size_t rounded;

	if (fault_due(FAULT_MEMORY) || !add_ok(size ? size : 1, align - 1, &rounded))
		return NULL;
	return aligned_alloc(align, rounded / align * align);
}

char *mem_strdup(const char *s)
{
	return mem_strndup(s, strlen(s));
}

char *mem_strndup(const char *s, size_t n)
{
	char *p = mem_new(n + 1, 1);

	memcpy(p, s, n);
	return p;
}

void mem_exact(void)
{
#ifdef M_MMAP_THRESHOLD
	mallopt(M_MMAP_THRESHOLD, 1 << 20); /* glibc's own choice grows with every block freed */
#endif
}

size_t mem_physical(void)
{
	return (size_t)sysconf(_SC_PHYS_PAGES) * (size_t)sysconf(_SC_PAGE_SIZE);
}

static char *vprint(const char *fmt, va_list ap, char *(*alloc)(void *, size_t), void *arg,
		    size_t *len)
{
	va_list again;
	char *p;
	int n;

	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, ap);
	p = alloc(arg, (size_t)n + 1);
	vsnprintf(p, (size_t)n + 1, fmt, again);
	va_end(again);
	*len = (size_t)n;
	return p;
}

static char *from_heap(void *arg, size_t n)
{
	(void)arg;
	return mem_new(n, 1);
}

static char *from_arena(void *arg, size_t n)
{
	return arena_new(arg, n, 1);
}

static char *from_buf(void *arg, size_t n)
{
	struct buf *b = arg;

	buf_reserve(b, n);
	return b->p + b->n;
}

char *mem_printf(const char *fmt, ...)
{
	va_list ap;
	size_t len;
	char *p;

	va_start(ap, fmt);
	p = vprint(fmt, ap, from_heap, NULL, &len);
	va_end(ap);
	return p;
}

void mem_free(void *p)
{
	free(p);
}

void buf_reserve(struct buf *b, size_t extra)
{
	size_t need;

	if (!add_ok(b->n, extra, &need) || !add_ok(need, 1, &need))
		must(NULL, SIZE_MAX);
	if (need <= b->cap)
		return;
	b->cap = need < 2 * b->cap ? 2 * b->cap : need < 64 ? 64 : need;
	b->p = mem_grow(b->p, b->cap, 1);
	b->p[b->n] = 0;
}

void buf_add(struct buf *b, const void *p, size_t n)
{
	buf_reserve(b, n);
	if (n)
		memcpy(b->p + b->n, p, n);
	b->n += n;
	b->p[b->n] = 0;
}

void buf_str(struct buf *b, const char *s)
{
	buf_add(b, s, strlen(s));
}

void buf_char(struct buf *b, char c)
{
	buf_add(b, &c, 1);
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap;
	size_t len;

	va_start(ap, fmt);
	vprint(fmt, ap, from_buf, b, &len);
	va_end(ap);
	b->n += len;
}

void buf_reset(struct buf *b)
{
	b->n = 0;
	if (b->p)
		b->p[0] = 0;
}

void buf_free(struct buf *b)
{
	free(b->p);
	*b = (struct buf){ 0 };
}

void ids_reserve(struct ids *a, size_t extra)
{
	if (a->n + extra <= a->cap)
		return;
	a->cap = a->n + extra < 2 * a->cap ? 2 * a->cap : a->n + extra + 16;
	a->v = mem_grow(a->v, a->cap, sizeof(*a->v));
}

void ids_push(struct ids *a, uint32_t id)
{
	ids_reserve(a, 1);
	a->v[a->n++] = id;
}

void ids_add(struct ids *a, const uint32_t *v, size_t n)
{
	ids_reserve(a, n);
	if (n)
		memcpy(a->v + a->n, v, n * sizeof(*v));
	a->n += n;
}

void ids_free(struct ids *a)
{
	free(a->v);
	*a = (struct ids){ 0 };
}

void *arena_new(struct arena *a, size_t n, size_t size)
{
	size_t total = product(n, size);
	struct arena_block *b = a->head;
	void *p;

	if (!add_ok(total, 15, &total))
		must(NULL, SIZE_MAX);
	total &= ~(size_t)15;
	if (!b || b->cap - b->used < total) {
		size_t cap = total > 65536 ? total : 65536;

		b = mem_new(1, sizeof(*b) + cap);
		b->cap = cap;
		b->next = a->head;
		a->head = b;
	}
	p = b->data + b->used;
	b->used += total;
	return p;
}

char *arena_strndup(struct arena *a, const char *s, size_t n)
{
	char *p = arena_new(a, n + 1, 1);

	memcpy(p, s, n);
	return p;
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
	va_list ap;
	size_t len;
	char *p;

	va_start(ap, fmt);
	p = vprint(fmt, ap, from_arena, a, &len);
	va_end(ap);
	return p;
}

void arena_free(struct arena *a)
{
	while (a->head) {
		struct arena_block *next = a->head->next;

		free(a->head);
		a->head = next;
	}
}
