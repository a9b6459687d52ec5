# SPDX-License-Identifier: Apache-2.0
# TAP for shell tests. A test sources this file, calls ok/is/exits/..., and ends with `finish`.
# $BIN: the tools; $ROOT: the repository; $T: a scratch folder of its own, removed at the end.
# shellcheck shell=sh

ROOT=${TEST_ROOT:-$(cd "$(dirname "$0")/../.." && pwd)}
BIN=${BIN:-$ROOT/build/bin}
T=$(mktemp -d)
trap 'rm -rf "$T"' EXIT
PATH=$BIN:$PATH
LC_ALL=C
export PATH LC_ALL
count=0
failures=0

# ok STATUS NAME: one test; STATUS 0 passes.
ok()
{
	count=$((count + 1))
	if [ "$1" -eq 0 ]; then
		echo "ok $count - $2"
	else
		echo "not ok $count - $2"
		failures=$((failures + 1))
	fi
}

# is GOT WANT NAME: equal strings.
is()
{
	if [ "$1" = "$2" ]; then
		ok 0 "$3"
	else
		ok 1 "$3"
		printf '%s\n' "got:  $1" "want: $2" | sed 's/^/# /'
	fi
}

# exits CODE NAME COMMAND...: runs it; output in $T/out and $T/err; passes when the code is CODE.
exits()
{
	want=$1 name=$2
	shift 2
	got=0
	"$@" >"$T/out" 2>"$T/err" </dev/null || got=$?
	if [ "$got" = "$want" ]; then
		ok 0 "$name"
	else
		ok 1 "$name"
		echo "# exit code $got, want $want"
		head -n 5 "$T/err" | sed 's/^/# /'
	fi
}

# same FILE1 FILE2 NAME: equal bytes.
same()
{
	if cmp -s "$1" "$2"; then ok 0 "$3"; else ok 1 "$3"; diff "$1" "$2" | head -n 10 | sed 's/^/# /'; fi
}

# has FILE TEXT NAME: the file holds this fixed string.
has()
{
	if grep -qF -- "$2" "$1"; then ok 0 "$3"; else ok 1 "$3"; head -n 5 "$1" | sed 's/^/# /'; fi
}

# one_line FILE NAME: exactly one line (what an error must be).
one_line()
{
	is "$(wc -l <"$1" | tr -d ' ')" 1 "$2"
}

finish()
{
	echo "1..$count"
	[ "$failures" -eq 0 ]
}
