# SPDX-License-Identifier: Apache-2.0
# Memory is had from base/mem.h: malloc and its family stand in lib/base, back ends and tests only.

FILENAME ~ /^(lib\/base|kernels\/[a-z]+|tests)\// { next }

{
	code = $0
	gsub(/"([^"\\]|\\.)*"/, "\"\"", code)
	sub(/\/\*.*/, "", code)
	if (code ~ /^[ \t]*\*/ && code !~ /=/)
		next
	if (match(code, /(^|[^A-Za-z0-9_>.])(malloc|calloc|realloc|aligned_alloc|posix_memalign|free|strdup|strndup|asprintf|vasprintf)\(/)) {
		printf "%s:%d: %s: use base/mem.h\n", FILENAME, FNR, substr(code, RSTART, RLENGTH)
		bad = 1
	}
}

END { exit bad }
