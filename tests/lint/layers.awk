# SPDX-License-Identifier: Apache-2.0
# Who may include whom. Findings as FILE:LINE: text, exit code 1 when there are any.
#
#   tools -> train chat eval -> adapter -> model -> template -> shard token data config -> format -> base
#
# Nothing includes upwards; two areas of one row not each other. lib and tools see of kernels only
# kernels/ops.h, kernels see of lib only base and format, a back end nothing of another. Tests may
# see everything, and nothing may see tests. A third-party header stands in the .c files of its areas,
# and in headers that no other area includes.

BEGIN {
	split("base|format|shard token data config|template|model|adapter|train chat eval", rows, "|")
	for (r in rows) {
		n = split(rows[r], areas, " ")
		for (i = 1; i <= n; i++)
			rank["lib/" areas[i]] = r + 0
	}
	rank["tools"] = 8

	# Header (the part before its first '/' where it has one): where it may be.
	third["jansson.h"] = "lib/[a-z]+ tools tests"
	third["zstd.h"] = third["zstd_errors.h"] = "lib/(shard|data) tests"
	third["yaml.h"] = "lib/config tests"
	third["openssl"] = "lib/base tests"
	third["pcre2.h"] = "lib/adapter"
	third["utf8proc.h"] = "lib/token tests"
	third["histedit.h"] = "lib/chat"
	third["dnnl.h"] = third["oneapi"] = "kernels/cpu"
	third["cuda_runtime.h"] = third["cublasLt.h"] = "kernels/cuda tests"
	third["vector"] = third["sanitizer"] = "tests" # C++, of the emulation
	third["omp.h"] = "kernels(/[a-z]+)? lib/(base|token|train) tests"
	third["immintrin.h"] = "kernels/(cpu|ref) lib/(base|token)"

	n = split("assert complex ctype dirent dlfcn endian errno fcntl fenv float getopt glob iconv inttypes langinfo limits " \
		"locale malloc math poll pthread sched setjmp signal stdalign stdarg stdatomic stdbool stddef " \
		"stdint stdio stdlib stdnoreturn string strings termios time unistd wchar " \
		"sys/file sys/ioctl sys/mman sys/random sys/resource sys/stat sys/time sys/types sys/uio sys/wait", libc, " ")
	for (i = 1; i <= n; i++)
		ours[libc[i] ".h"] = 1
}

# "lib/token" of lib/token/bpe.c, "kernels/cpu" or "kernels", "tools", "tests".
function area(path, part, n)
{
	n = split(path, part, "/")
	if (part[1] == "lib" || (part[1] == "kernels" && n > 2))
		return part[1] "/" part[2]
	return part[1]
}

function finding(text)
{
	printf "%s:%d: %s\n", FILENAME, FNR, text
	bad = 1
}

FNR == 1 {
	from = area(FILENAME)
	if (from ~ /^lib\// && !(from in rank))
		finding("area " from " has no place in tests/lint/layers.awk")
}

/^[ \t]*#[ \t]*include[ \t]*</ {
	header = $0
	sub(/^[^<]*</, "", header)
	sub(/>.*/, "", header)
	if (header in ours)
		next
	library = header
	sub(/\/.*/, "", library)
	if (!(library in third)) {
		finding("<" header "> is in no row of tests/lint/layers.awk")
	} else if (from !~ "^(" alternatives(third[library]) ")$") {
		finding("<" header "> belongs to " third[library] ", not to " from)
	} else if (FILENAME ~ /\.h$/) {
		private[FILENAME] = "<" header ">"
	}
}

function alternatives(s)
{
	gsub(/ /, "|", s)
	return s
}

/^[ \t]*#[ \t]*include[ \t]*"/ {
	header = $0
	sub(/^[^"]*"/, "", header)
	sub(/".*/, "", header)
	if (header !~ /\//) {
		finding("\"" header "\": write the area too, as in \"base/err.h\"")
		next
	}
	path = header ~ /^(kernels|tests|tools|lib)\// ? header : "lib/" header
	to = area(path)
	if (from == "tests" || to == from)
		next
	outside[path] = FILENAME ":" FNR
	if (header ~ /^lib\//) {
		finding("\"" header "\": write it without lib/")
	} else if (to == "tests" || to == "tools") {
		finding(from " includes " to)
	} else if (from ~ /^kernels/) {
		if (to ~ /^lib\// && to !~ /^lib\/(base|format)$/)
			finding("kernels see of lib only base and format, not " to)
		else if (to ~ /^kernels\// && from ~ /^kernels\//)
			finding("back end " from " includes " to)
	} else if (to ~ /^kernels/) {
		if (header != "kernels/ops.h")
			finding(from " sees of kernels only kernels/ops.h, not " header)
	} else if (!(to in rank)) {
		finding("\"" header "\" is in no area")
	} else if (rank[to] > rank[from]) {
		finding(from " includes " to ", which stands above it")
	} else if (rank[to] == rank[from]) {
		if ((to " " from) in edge)
			finding(from " includes " to ", and " edge[to " " from] " includes " from)
		edge[from " " to] = FILENAME ":" FNR
	}
}

END {
	for (path in private) {
		if (path in outside) {
			printf "%s:1: has %s and is included by %s: third-party headers stay in their area\n", path, private[path], outside[path]
			bad = 1
		}
	}
	exit bad
}
