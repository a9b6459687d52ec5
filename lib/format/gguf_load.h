/* SPDX-License-Identifier: Apache-2.0 */
/* Little-endian loads from any address. Private to format/. */
#ifndef FORMAT_GGUF_LOAD_H
#define FORMAT_GGUF_LOAD_H

#include <stdint.h>

static inline uint16_t load_u16(const unsigned char *p)
{
	return (uint16_t)(p[0] | p[1] << 8);
}

static inline uint32_t load_u32(const unsigned char *p)
{
	return (uint32_t)load_u16(p) | (uint32_t)load_u16(p + 2) << 16;
}

static inline uint64_t load_u64(const unsigned char *p)
{
	return (uint64_t)load_u32(p) | (uint64_t)load_u32(p + 4) << 32;
}

#endif
