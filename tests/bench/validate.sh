#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# ds-validate over a generated file: MB a second of processor time and the most that was resident, from
# the file and through a pipe; a JSON line each. SIZE=10G: how large (M or G; default 300M).
set -eu
T=$(mktemp -d)
trap 'rm -rf "$T"' EXIT
size=${SIZE:-300M}
case $size in
*G) bytes=${size%G}000000000 ;;
*M) bytes=${size%M}000000 ;;
*) bytes=$size ;;
esac
bench=$BUILD_DIR/tests/bench/validate
"$bench" make "$bytes" >"$T/records.jsonl"

# line CASE: what `validate run` says, as JSON.
line()
{
	awk -v name="$1" -v bytes="$(wc -c <"$T/records.jsonl")" '{ printf "{\"bench\": \"validate\", \"case\": \"%s\", \"bytes\": %.0f, \"mb_per_cpu_s\": %.0f, \"mb_per_s\": %.0f, \"peak_mb\": %.1f}\n",
		name, bytes, bytes / 1e6 / $1, bytes / 1e6 / $2, $3 / 1e6 }'
}

"$bench" run "$BIN/ds-validate" "$T/records.jsonl" 2>"$T/err" | line file
# shellcheck disable=SC2002 # a pipe is what is measured
cat "$T/records.jsonl" | "$bench" run "$BIN/ds-validate" - 2>>"$T/err" | line pipe
[ "$(grep -c ' 0 errors, 0 warnings' "$T/err")" = 2 ] || {
	cat "$T/err" >&2
	exit 1
}
