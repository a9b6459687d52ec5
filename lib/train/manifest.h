/* SPDX-License-Identifier: Apache-2.0 */
/* SHA256SUMS in a folder: what its files have to be, in the form that `sha256sum -c` reads. */
#ifndef TRAIN_MANIFEST_H
#define TRAIN_MANIFEST_H

#include "base/err.h"

#define MANIFEST "SHA256SUMS"

/* Hashes the named files (the list ends with NULL) and writes it. */
int manifest_write(const char *dir, const char *const *names, struct err *err);
/* It is there and names all of these, and whatever it names is what it says; files that it does not
 * name do not matter. */
int manifest_verify(const char *dir, const char *const *names, struct err *err);

#endif
