/* SPDX-License-Identifier: Apache-2.0 */
/* A conversation that /load takes; and the same bytes as what was typed in earlier conversations. */
#include "tests/fuzz/fuzz.h"

#include "base/file.h"
#include "chat/line_history.h"
#include "chat/transcript.h"

#include <stdlib.h>
#include <string.h>

static void typed_before(struct part input)
{
	char *folder = path_join(fuzz_dir(), "anekdot");
	struct line_history r;
	struct err err = { 0 };

	setenv("XDG_STATE_HOME", fuzz_dir(), 1);
	fuzz_must(dir_make(folder, &err) == 0, err.msg);
	mem_free(folder);
	fuzz_file("anekdot/history", input);
	if (line_history_open(&r, &err) < 0)
		fuzz_failed(&err);
	for (size_t i = 0; i < r.n; i++)
		fuzz_must(strlen(r.v[i]) > 0, "what was typed is something");
	line_history_close(&r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct part input = { data, size };
	struct transcript t;
	struct err err = { 0 };
	int rc = transcript_read(&t, fuzz_file("talk.json", input), &sampling_default, &err);

	if (rc < 0)
		fuzz_failed(&err);
	for (size_t i = 0; rc == 0 && i < t.n; i++)
		fuzz_must(t.messages[i].role == (i % 2 ? ROLE_ASSISTANT : ROLE_USER),
			  "user and assistant take turns");
	transcript_close(&t);
	typed_before(input);
	return 0;
}
