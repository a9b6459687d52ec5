/* SPDX-License-Identifier: Apache-2.0 */
/* dataset_info.json, then a data file: the entry "x" read, and the file through its columns. */
#include "tests/fuzz/fuzz.h"

#include "data/dataset.h"
#include "data/reader.h"

static bool one_finding(void *arg, const struct finding *f)
{
	(void)arg;
	fuzz_must(f->rule < RULE_COUNT, "a finding has a rule");
	return true;
}

static void read_all(const struct dataset *d)
{
	struct check *c = check_open(d, false, one_finding, NULL);
	struct err err = { 0 };
	struct dataset_reader *r = dataset_reader_open(d, &err);
	struct reader *file = reader_open(d->path, &err);
	struct check_counts n;
	struct record rec;

	while (r && dataset_next(r, &rec, &err) == 1)
		record_free(&rec);
	if (file)
		check_file(c, file, &n, &err);
	reader_close(file);
	dataset_reader_close(r);
	check_close(c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct part rest = { data, size };
	struct dataset d;
	struct err err = { 0 };

	fuzz_file("dataset_info.json", fuzz_part(&rest));
	fuzz_file("data.json", rest);
	if (dataset_open(&d, "x", fuzz_dir(), &err) < 0)
		fuzz_failed(&err);
	else
		read_all(&d);
	dataset_close(&d);
	return 0;
}
