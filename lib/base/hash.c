/* SPDX-License-Identifier: Apache-2.0 */
#include "base/hash.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/sys.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct hash {
	EVP_MD_CTX *ctx;
};

struct hash *hash_new(void)
{
	struct hash *h = mem_new(1, sizeof(*h));

	h->ctx = EVP_MD_CTX_new();
	EVP_DigestInit_ex(h->ctx, EVP_sha256(), NULL);
	return h;
}

void hash_add(struct hash *h, const void *p, size_t n)
{
	EVP_DigestUpdate(h->ctx, p, n);
}

struct hash_hex hash_end(struct hash *h)
{
	unsigned char md[EVP_MAX_MD_SIZE];
	struct hash_hex hex = { "" };
	unsigned n = 0;

	EVP_DigestFinal_ex(h->ctx, md, &n);
	for (unsigned i = 0; i < n && i < 32; i++)
		snprintf(hex.s + 2 * i, 3, "%02x", md[i]);
	EVP_MD_CTX_free(h->ctx);
	mem_free(h);
	return hex;
}

struct hash_hex hash_bytes(const void *p, size_t n)
{
	struct hash *h = hash_new();

	hash_add(h, p, n);
	return hash_end(h);
}

/* Of a file as large as a model no more than this is in memory. */
#define PIECE ((size_t)1 << 22)

static bool not_hidden(const char *name)
{
	return name[0] != '.';
}

int hash_dir(struct hash_hex *hex, const char *path, bool (*counts)(const char *name),
	     struct err *err)
{
	struct hash *h = hash_new();
	struct dirent **names = NULL;
	int n = sys_scandir(path, &names), rc = 0;

	if (n < 0)
		rc = err_sys(err, "%s", path);
	for (int i = 0; i < n; i++) {
		char *p = path_join(path, names[i]->d_name);
		struct hash_hex one;

		if (rc == 0 && counts(names[i]->d_name) && !file_is_dir(p)) {
			rc = hash_path(&one, p, err);
			if (rc == 0) {
				hash_add(h, names[i]->d_name, strlen(names[i]->d_name) + 1);
				hash_add(h, one.s, 64);
			}
		}
		mem_free(p);
		free(names[i]);
	}
	free(names);
	*hex = hash_end(h);
	return rc;
}

int hash_path(struct hash_hex *hex, const char *path, struct err *err)
{
	struct file f;
	struct hash *h;

	if (file_is_dir(path))
		return hash_dir(hex, path, not_hidden, err);
	if (file_open(&f, path, err) < 0)
		return -1;
	h = hash_new();
	for (size_t at = 0, n; at < f.n; at += n) {
		n = f.n - at < PIECE ? f.n - at : PIECE;
		hash_add(h, f.p + at, n);
		file_forget(&f, f.p + at, n);
	}
	*hex = hash_end(h);
	file_close(&f);
	return 0;
}
