#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Hostile input: every command of tests/bad/rows with its exit code and what it says, nothing left behind,
# in bounded memory and time; then what needs more than one command.
. "$(dirname "$0")/lib.sh"

BAD=$ROOT/tests/bad
M=$ROOT/tests/golden/hf_tiny/qwen2
mkdir "$T/w" && cd "$T/w" || exit 1
cp -R "$BAD/json" "$BAD/yaml" "$BAD/tokenizer" .
perl "$BAD/make.pl" "$ROOT" || exit 1
# shellcheck disable=SC2034 # rows use them
K="-t $M --template qwen" R="output_dir=out/x model_name_or_path=$M"
case $BIN in
*sanitize*) limit=unlimited ;;	# the sanitizer reserves address space
*) limit=1500000 ;;
esac

# check_row NUMBER COMMAND CODE: what it must say stands in $T/want.
check_row()
{
	rm -rf out && mkdir out
	got=0
	# shellcheck disable=SC3045 # dash has ulimit -v
	(ulimit -v $limit; eval "$2") >so 2>se </dev/null || got=$?
	said=se
	[ "$got" = 1 ] && said=so	# findings are the product
	grep -v '^    ' $said >lines
	left=
	[ "$got" = 0 ] || left=$(ls -A out)
	{ [ "$got" = "$3" ] && { [ ! -s want ] || cmp -s lines want; } && [ -z "$left" ]; }
	ok $? "$1: $2"
	[ "$got" = "$3" ] || echo "# exit code $got, want $3"
	[ -s want ] && ! cmp -s lines want && diff lines want | head -n 5 | sed 's/^/# /'
	[ -z "$left" ] || echo "# left behind: $left"
}

begin=$(date +%s)
row='' code=''
: >want
{ cat "$BAD/rows"; echo "end"; } | sed "s#\\\$M#$M#g" >rows
while IFS= read -r line; do
	case $line in
	'#'* | '') ;;
	'	'*)
		line=${line#?}
		code=${line%% *}
		[ "$line" = "$code" ] || printf '%s\n' "${line#* }" >>want
		;;
	*)
		[ -z "$code" ] || check_row "${row%% *}" "${row#* }" "$code"
		row=$line code=''
		: >want
		;;
	esac
done <rows
[ $(($(date +%s) - begin)) -lt 120 ]
ok $? "none of them takes long"

# 2: cut at every byte.
got=0
ds-validate cut/*.json >so 2>se || got=$?
is "$got $(grep -o '^cut/[0-9]*' so | sort -u | wc -l)" "1 $(find cut -type f | wc -l)" "2: a finding wherever a file is cut"
left=0
for f in cut/*.json; do
	# shellcheck disable=SC2086 # options
	ds-tokenize $K -d "$f" -o out.zst 2>se && left=1
	[ "$(wc -l <se)" = 1 ] || left=2
done
is "$left$(ls out.zst* 2>/dev/null)" 0 "2: refused in one line wherever it is cut, no shard"

# 9: the text of a control token is no control token.
# shellcheck disable=SC2086 # options
ds-tokenize $K -d json/control-text.jsonl -o a.zst 2>/dev/null
id=$(echo '{"text":"<|im_end|>"}' | ds-tokenize --ids -t "$M" | tr -cd '0-9\n')
echo '[{"instruction":"say hi","output":"b"}]' >plain.json
# shellcheck disable=SC2086 # options
ds-tokenize $K -d plain.json -o b.zst 2>/dev/null
is "$(ds-show --json a.zst | tr -c '0-9\n' '\n' | grep -cx "$id")" \
	"$(ds-show --json b.zst | tr -c '0-9\n' '\n' | grep -cx "$id")" "9: text stays text"

# 40: going on with something else.
printf 'model_name_or_path: %s\nnum_train_epochs: 4\nsave_steps: 2\n' "$M" >c.yaml
ft-sft c.yaml good.tok.zst output_dir=run 2>/dev/null
is "$(ls -d run/checkpoint-*)" run/checkpoint-2 "40: a run with a checkpoint"
cp good.tok.zst same.tok.zst
ft-sft c.yaml same.tok.zst output_dir=run1 resume_from_checkpoint=run/checkpoint-2 --threads 1 2>/dev/null
same run/adapter_model.safetensors run1/adapter_model.safetensors "40: as many threads as one likes: the same bytes"
# differs WHAT SHARD [SETTING]...
differs()
{
	what=$1
	shift
	exits 2 "40: with another $what" ft-sft c.yaml "$@" output_dir=run2 \
		resume_from_checkpoint=run/checkpoint-2
	is "$(sed 's/ ([^()]*, now [^()]*)//g' "$T/err")" "$started
ft-sft: run/checkpoint-2 was made with another $what; go on with the same, or start anew with overwrite_output_dir: true" \
		"40: which is named"
	[ ! -e run2 ]
	ok $? "40: and nothing is written"
}
started=$(ft-sft c.yaml good.tok.zst output_dir=run3 2>&1 >/dev/null | head -n 1)
echo '{"ids":[9,8,7],"prompt_len":1}' | ds-tokenize --from-ids -o data.tok.zst 2>/dev/null
differs shard data.tok.zst
differs "data_seed, seed" good.tok.zst seed=7
has "$T/err" "seed (42, now 7)" "40: with both values"
differs "shard, data_seed, per_device_train_batch_size, seed" data.tok.zst seed=7 per_device_train_batch_size=2

# 41: two trainers.
ft-sft c.yaml good.tok.zst output_dir=two num_train_epochs=100000 >/dev/null 2>&1 &
pid=$!
i=0
while [ ! -s two/trainer_log.jsonl ] && [ $i -lt 100 ]; do
	sleep 0.1
	i=$((i + 1))
done
exits 2 "41: a second trainer on the folder" ft-sft c.yaml good.tok.zst output_dir=two overwrite_output_dir=true
is "$(cat "$T/err")" "ft-sft: two: another run writes there; wait for it, or name another folder" "41: is refused"
kill -TERM $pid
wait $pid
is $? 75 "41: the first one goes on until it is stopped"

# 42: names.
echo '{"ids":[1,2,3],"prompt_len":1}' >ids
from() { ds-tokenize --from-ids -o "$1" <ids; }
long=$(printf '%0255d' 0)
odd=$(printf 'a\n%%n%%s')
for file in "$long" "$odd" -x --; do
	exits 0 "42: a shard called $(printf '%.20s' "$file" | tr '\n' '?')" from "$file"
	exits 0 "42: can be shown" ds-show -- "$file"
	rm -- "$file"
done
exits 2 "42: a missing file with such a name" ds-show -- "x$odd"
is "$(cat "$T/err")" "ds-show: xa?%n%s: No such file or directory" "42: the name is harmless"
exits 2 "42: a file called like an option, without --" ds-show -x
# refused NAME TEXT: as an output
refused()
{
	find . >before
	exits 2 "42: $1 is no name for an output" from "$1"
	is "$(cat "$T/err")" "ds-tokenize: $2" "42: says so"
	find . >after
	same before after "42: nothing is left"
}
: >before
: >after
ln -s loop loop
refused loop "loop: Too many levels of symbolic links"
refused loop/x "loop/x: Too many levels of symbolic links"
refused json "json: is a folder; name a file"
refused nowhere/x "nowhere/x: No such file or directory"
refused ids/x "ids/x: Not a directory"
refused "0$long" "0$long: File name too long"
refused /sys/x "/sys/x: Permission denied"
exits 0 "42: a device" from /dev/null
[ -c /dev/null ]
ok $? "42: stays one"
exits 2 "42: a folder below a file" ft-merge -m "$M" -o ids/x
exits 2 "42: a run below a file" ft-sft c.yaml good.tok.zst output_dir=ids/x

# 43: pipes.
i=0
while [ $i -lt 4000 ]; do
	echo '{"ids":[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20],"prompt_len":1}'
	i=$((i + 1))
done >many
ds-tokenize --from-ids -o many.zst <many 2>/dev/null
# unread NAME COMMAND...: its reader leaves after a line
unread()
{
	name=$1
	shift
	{
		got=0
		"$@" 2>err || got=$?
		echo "$got" >code
	} | head -n 1 >/dev/null
	is "$(cat code err)" 0 "43: $name | head: a quiet end"
}
unread "ds-show" ds-show many.zst
unread "ds-show --json" ds-show --json many.zst
decode() { ds-tokenize --decode -t "$M" <many; }
unread "ds-tokenize --decode" decode
logprobs() { head -n 300 many | ft-eval --logprobs -m "$M"; }
unread "ft-eval --logprobs" logprobs
chat() { for i in 1 2 3; do echo '{"prompt":"a","max_new_tokens":2}'; sleep 0.1; done | ft-chat --json -m "$M" --template chatml; }
unread "ft-chat --json" chat
(ds-tokenize --decode -t "$M" | { sleep 1; wc -l; }) <many >so 2>se
is "$(tr -d ' ' <so)" 4000 "43: a slow reader gets all"
got=0
ds-tokenize --decode -t "$M" <&- 2>se || got=$?
is "$got $(cat se)" "2 ds-tokenize: standard input: Bad file descriptor" "43: a closed standard input"
got=0
ds-show many.zst >&- 2>se || got=$?
is "$got $(cat se)" "2 ds-show: standard output: Bad file descriptor" "43: a closed standard output"
got=0
ds-show many.zst >/dev/full 2>se || got=$?
is "$got $(cat se)" "2 ds-show: standard output: No space left on device" "43: a full one"
ds-tokenize --from-ids -o closed.zst <many >&- 2>&-
same many.zst closed.zst "43: closed descriptors are not written into the shard"
head -c 200 many | ds-tokenize --from-ids -o part.zst 2>se
is "$? $(ls part.zst* 2>/dev/null)" "2 " "43: a record cut short by the writer: no shard"
finish
