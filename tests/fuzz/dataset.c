/* SPDX-License-Identifier: Apache-2.0 */
/* A data set as a bare file (alpaca, sharegpt, openai, preference; array or lines; any encoding): read
 * to its end, checked against every rule, and each finding's place looked up. */
#include "tests/fuzz/fuzz.h"

#include "data/dataset.h"
#include "data/reader.h"

#include <string.h>

static bool one_finding(void *arg, const struct finding *f)
{
	bool *error = arg;

	*error |= rules[f->rule].severity == SEVERITY_ERROR;
	fuzz_must(f->line >= 1 && f->column >= 1, "a finding has a place");
	fuzz_must(!strchr(f->excerpt, '\n'), "an excerpt is a line");
	return true;
}

/* True when ds-validate finds no error. */
static bool validate(const struct dataset *d, const char *path)
{
	struct check_counts n;
	struct err err = { 0 };
	bool error = false;
	struct check *c = check_open(d, false, one_finding, &error);
	struct reader *r = reader_open(path, &err);

	fuzz_must(r && check_file(c, r, &n, &err) == 0, "a regular file can be read");
	fuzz_must(n.valid <= n.records, "valid records are records");
	reader_close(r);
	check_close(c);
	return !error;
}

/* True when it is read to its end. */
static bool read_all(const struct dataset *d)
{
	struct err err = { 0 };
	struct dataset_reader *r = dataset_reader_open(d, &err);
	struct record rec;
	int rc = r ? 1 : -1;

	while (rc == 1) {
		rc = dataset_next(r, &rec, &err);
		if (rc == 1)
			record_free(&rec);
	}
	if (rc < 0)
		fuzz_failed(&err);
	dataset_reader_close(r);
	return rc == 0;
}

static void one(const char *path)
{
	struct dataset d;
	struct err err = { 0 };
	bool fine;

	if (dataset_open(&d, path, "nowhere", &err) < 0) {
		fuzz_failed(&err);
	} else {
		fine = validate(&d, path);
		fuzz_must(read_all(&d) || !fine, "what has no finding can be read");
	}
	dataset_close(&d);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	one(fuzz_file("data.json", (struct part){ data, size }));
	one(fuzz_file("data.csv", (struct part){ data, size }));
	return 0;
}
