#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Text to ids: MB/s on one and more threads, and how the time for one endless word grows with its
# length; a JSON line a measure. The text is ANEKDOT_CORPUS, or what test_corpus has, sixteen times.
set -eu
T=$(mktemp -d)
trap 'rm -rf "$T"' EXIT
zstd -dqc "$TEST_ROOT/tests/golden/token/qwen3.tokenizer.json.zst" >"$T/q.json"
if [ -z "${ANEKDOT_CORPUS:-}" ]; then
	for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16; do
		zstd -dqc "$TEST_ROOT/tests/golden/token/mixed.txt.zst"
	done >"$T/text"
fi
bench=$BUILD_DIR/tests/bench/tokenize
"$bench" lines "$T/q.json" "${ANEKDOT_CORPUS:-$T/text}" 3
"$bench" threads "$T/q.json" "${ANEKDOT_CORPUS:-$T/text}" "$(nproc)"
"$bench" words "$T/q.json"
