/* SPDX-License-Identifier: Apache-2.0 */
/* SHA-256 of bytes and files (libcrypto), as lower-case hex: what artefacts name their parents by. */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

struct hash_hex {
	char s[65];
};

struct hash_hex hash_bytes(const void *p, size_t n);
/* A file's content; of a folder: of all its regular files' names and contents, sorted by name. */
int hash_path(struct hash_hex *h, const char *path, struct err *err);
/* Of a folder, those of its files whose names count. */
int hash_dir(struct hash_hex *h, const char *path, bool (*counts)(const char *name),
	     struct err *err);

/* Piece by piece. */
struct hash;
struct hash *hash_new(void);
void hash_add(struct hash *h, const void *p, size_t n);
struct hash_hex hash_end(struct hash *h); /* frees h */

#endif
