# SPDX-License-Identifier: Apache-2.0
# The layer picture holds, and the lint that says so sees what it should see.
. "$(dirname "$0")/../cli/lib.sh"
cd "$ROOT" || exit 1

lint=$ROOT/tests/lint
files=$(ls lib/*/*.[ch] kernels/*.[ch] kernels/*/*.[ch] tools/*.[ch] tests/*.[ch] tests/*/*.[ch] 2>/dev/null)
# shellcheck disable=SC2086 # names without spaces
set -- $files

for check in layers sizes alloc; do
	awk -v quiet=1 -f "$lint/$check.awk" "$@" >"$T/found"
	ok $? "$check: nothing found in $# files"
	head -n 10 "$T/found" | sed 's/^/# /'
done

# planted FILE CHECK TEXT NAME: the check finds it.
planted()
{
	mkdir -p "$T/tree/$(dirname "$1")"
	printf '%b\n' "$3" >"$T/tree/$1"
	(cd "$T/tree" && awk -f "$lint/$2.awk" "$1") >"$T/out"
	is "$?:$(grep -c "^$1:" "$T/out")" 1:1 "$4"
}

planted lib/base/x.c layers '#include "token/token.h"' 'upwards is found'
planted lib/model/x.c layers '#include "kernels/cpu/cpu.h"' 'a back end in lib is found'
planted kernels/ref/x.c layers '#include "kernels/cpu/cpu.h"' 'a back end in another is found'
planted kernels/cpu/x.c layers '#include "model/model.h"' 'a model in a kernel is found'
planted lib/chat/x.c layers '#include <zstd.h>' 'zstd outside shard and data is found'
planted lib/data/x.c layers '#include <curl/curl.h>' 'an unknown library is found'
planted lib/data/x.c layers '#include "dataset.h"' 'a header without its area is found'
planted lib/data/x.c alloc '\tchar *p = malloc(3);' 'malloc is found'
planted lib/data/x.c alloc '\tf = fopen(path, "rb");' 'a file opened past base/file.h is found'
planted lib/data/x.c alloc '\tfree(p);' 'free of what is ours is found'
planted lib/data/x.c sizes "void f(void)\n{\n$(yes x | head -n 101)\n}" 'a function over the limit is found'
planted lib/data/x.c sizes "$(yes x | head -n 601)" 'a file over the limit is found'

# Two files at a time.
echo '#include <jansson.h>' >"$T/tree/lib/data/x.h"
(cd "$T/tree" && awk -f "$lint/layers.awk" lib/data/x.h) >"$T/out"
is $? 0 'jansson in a header of its area is allowed'
echo '#include "data/x.h"' >"$T/tree/lib/chat/x.c"
(cd "$T/tree" && awk -f "$lint/layers.awk" lib/data/x.h lib/chat/x.c) >"$T/out"
is $? 1 'and found when another area includes that header'
printf '\tp = json_dumps(o, 0);\n\tfree(p);\n' >"$T/tree/lib/data/x.c"
(cd "$T/tree" && awk -f "$lint/alloc.awk" lib/data/x.c) >"$T/out"
is $? 0 'free of what json_dumps gave is allowed'
mkdir -p "$T/tree/lib/shard"
echo '#include "token/token.h"' >"$T/tree/lib/shard/a.c"
mkdir -p "$T/tree/lib/token"
echo '#include "shard/shard.h"' >"$T/tree/lib/token/a.c"
(cd "$T/tree" && awk -f "$lint/layers.awk" lib/shard/a.c lib/token/a.c) >"$T/out"
is $? 1 'two areas of one row that include each other are found'
(cd "$T/tree" && awk -f "$lint/layers.awk" lib/shard/a.c) >"$T/out"
is $? 0 'one of them alone is allowed'
finish
