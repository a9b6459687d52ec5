/* SPDX-License-Identifier: Apache-2.0 */
/* Looking up metadata of a GGUF file that was opened, hence checked. */
#include "format/gguf.h"

#include "format/gguf_load.h"

#include <string.h>

const struct gguf_value *gguf_get(const struct gguf *g, const char *key)
{
	for (size_t i = 0; i < g->n_kv; i++)
		if (!strcmp(g->kv[i].key, key))
			return &g->kv[i];
	return NULL;
}

bool gguf_get_int(const struct gguf *g, const char *key, int64_t *v)
{
	const struct gguf_value *x = gguf_get(g, key);
	uint64_t u;

	if (!x)
		return false;
	switch (x->type) {
	case GGUF_U8:
		*v = x->p[0];
		return true;
	case GGUF_I8:
		*v = (int8_t)x->p[0];
		return true;
	case GGUF_U16:
		*v = load_u16(x->p);
		return true;
	case GGUF_I16:
		*v = (int16_t)load_u16(x->p);
		return true;
	case GGUF_U32:
		*v = load_u32(x->p);
		return true;
	case GGUF_I32:
		*v = (int32_t)load_u32(x->p);
		return true;
	case GGUF_I64:
		*v = (int64_t)load_u64(x->p);
		return true;
	case GGUF_U64:
		u = load_u64(x->p);
		if (u > INT64_MAX)
			return false;
		*v = (int64_t)u;
		return true;
	default:
		return false;
	}
}

bool gguf_get_num(const struct gguf *g, const char *key, double *v)
{
	const struct gguf_value *x = gguf_get(g, key);
	int64_t i;

	if (x && x->type == GGUF_F32) {
		union {
			uint32_t u;
			float f;
		} b = { .u = load_u32(x->p) };

		*v = (double)b.f;
		return true;
	}
	if (x && x->type == GGUF_F64) {
		union {
			uint64_t u;
			double f;
		} b = { .u = load_u64(x->p) };

		*v = b.f;
		return true;
	}
	if (!gguf_get_int(g, key, &i))
		return false;
	*v = (double)i;
	return true;
}

bool gguf_get_bool(const struct gguf *g, const char *key, bool *v)
{
	const struct gguf_value *x = gguf_get(g, key);

	if (!x || x->type != GGUF_BOOL)
		return false;
	*v = x->p[0] != 0;
	return true;
}

bool gguf_get_str(const struct gguf *g, const char *key, const char **s, size_t *n)
{
	const struct gguf_value *x = gguf_get(g, key);

	if (!x || x->type != GGUF_STR)
		return false;
	*s = x->str;
	*n = x->str_len;
	return true;
}

void gguf_next_str(const unsigned char **cursor, const char **s, size_t *n)
{
	*n = (size_t)load_u64(*cursor);
	*s = (const char *)*cursor + 8;
	*cursor += 8 + *n;
}

int32_t gguf_arr_i32(const struct gguf_value *v, uint64_t i)
{
	if (v->type != GGUF_ARR || (v->elem != GGUF_I32 && v->elem != GGUF_U32) || i >= v->count)
		return 0;
	return (int32_t)load_u32(v->p + 4 * i);
}
