/* SPDX-License-Identifier: Apache-2.0 */
/* The numbers of shard.5, for writer.c and reader.c alone. */
#ifndef SHARD_FORMAT_H
#define SHARD_FORMAT_H

#include <stdint.h>

enum {
	SHARD_VERSION = 1,
	SHARD_FRAME_TARGET = 256 << 10, /* a frame is closed when its records reach this */
	SHARD_HEADER_MAX = 16 << 20,
	/* zstd's seekable format */
	SEEK_ENTRY = 12, /* compressed size, decompressed size, checksum */
	SEEK_FOOTER = 9, /* number of frames, descriptor, magic */
	SEEK_CHECKSUMS = 0x80, /* descriptor: entries carry checksums */
};

#define SHARD_FORMAT    "anekdot-shard"
#define SEEK_SKIP_MAGIC 0x184D2A5Eu
#define SEEK_MAGIC      0x8F92EAB1u

static inline uint32_t get_le32(const unsigned char *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static inline void put_le32(unsigned char *p, uint32_t x)
{
	for (int i = 0; i < 4; i++)
		p[i] = (unsigned char)(x >> 8 * i);
}

#endif
