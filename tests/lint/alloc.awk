# SPDX-License-Identifier: Apache-2.0
# Memory is had from base/mem.h: malloc and its family stand in lib/base, back ends and tests only.
# free() stands beside calls that hand over memory of their own: json_dumps, realpath. Files are had from
# base/file.h, and where that has no word for it from base/sys.h, whose calls tests can make fail.

FILENAME ~ /^(lib\/base|kernels\/[a-z]+|tests)\// { next }

function file_end(i)
{
	for (i = 1; i <= n && !gives; i++) {
		print frees[i]
		bad = 1
	}
	n = gives = 0
}

FNR == 1 { file_end() }

{
	code = $0
	gsub(/"([^"\\]|\\.)*"/, "\"\"", code)
	sub(/\/\*.*/, "", code)
	if (code ~ /^[ \t]*\*/ && code !~ /=/)
		next
	if (code ~ /(getline|getdelim|json_dumps|realpath|utf8proc_map|utf8proc_NFC|open_memstream)\(/)
		gives = 1
	if (match(code, /(^|[^A-Za-z0-9_>.])(malloc|calloc|realloc|aligned_alloc|posix_memalign|strdup|strndup|asprintf|vasprintf)\(/)) {
		printf "%s:%d: %s: use base/mem.h\n", FILENAME, FNR, substr(code, RSTART, RLENGTH)
		bad = 1
	}
	if (match(code, /(^|[^A-Za-z0-9_>.])(fopen|freopen|tmpfile|open|openat|creat|mmap|getline|getdelim|fread|fgets|read|write|pread|pwrite|mkdir|scandir|json_load_file|json_loadf|json_dump_file|json_dumpf)\(/)) {
		printf "%s:%d: %s: use base/file.h\n", FILENAME, FNR, substr(code, RSTART, RLENGTH)
		bad = 1
	}
	if (code ~ /(^|[^A-Za-z0-9_>.])free\(/)
		frees[++n] = FILENAME ":" FNR ": free(: use base/mem.h"
}

END {
	file_end()
	exit bad
}
