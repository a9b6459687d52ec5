/* SPDX-License-Identifier: Apache-2.0 */
#include "base/jsonfile.h"

#include "base/file.h"

#include <jansson.h>

json_t *json_file_object(const char *path, struct err *err)
{
	json_error_t je;
	json_t *root;
	struct file f;

	if (file_open(&f, path, err) < 0)
		return NULL;
	root = json_loadb((const char *)f.p, f.n, JSON_REJECT_DUPLICATES, &je);
	file_close(&f);
	if (json_is_object(root))
		return root;
	if (root)
		err_set(err, "%s:1:1: an object is needed", path);
	else
		err_set(err, "%s:%d:%d: %s", path, je.line, je.column, je.text);
	json_decref(root);
	return NULL;
}
