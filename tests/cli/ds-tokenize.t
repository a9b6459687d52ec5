# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
. "$(dirname "$0")/lib.sh"

zstd -dqc "$ROOT/tests/golden/token/qwen3.tokenizer.json.zst" >"$T/q.json"
zh=$ROOT/data/soviet/zh
cd "$T" || exit 1

exits 0 "an SFT set" ds-tokenize -t q.json --template qwen -d "$zh/sft_complete_v3.json" -o a.tok.zst
one_line err "one line at the end"
has err "60 examples" "which counts"
exits 0 "through a pipe" ds-tokenize -t q.json --template qwen -d "$zh/sft_complete_v3.json"
same out a.tok.zst "the same bytes"
exits 0 "zstd opens it" zstd -dqc a.tok.zst
is "$(head -c 40 out)" '{"format": "anekdot-shard", "version": 1' "and finds the header first"

cat >c.yaml <<EOF
model_name_or_path: q.json
dataset: $zh/sft_complete_v3.json
template: qwen
cutoff_len: 4096
EOF
exits 0 "from a configuration" ds-tokenize c.yaml cutoff_len=2048 -o b.tok.zst
same a.tok.zst b.tok.zst "makes the same"
exits 2 "an unknown key" ds-tokenize c.yaml cutof_len=2048 -o x.tok.zst
has err cutoff_len "names the nearest"
exits 0 "preference data" ds-tokenize -t q.json --template qwen -d "$zh/dpo_soviet_jokes.json" -o d.tok.zst
ds-show --header d.tok.zst >h
has h '"stage": "dpo"' "makes a dpo shard by itself"
exits 2 "preference data for sft" ds-tokenize -t q.json --stage sft --template qwen -d "$zh/dpo_soviet_jokes.json"
exits 0 "a short cutoff" ds-tokenize -t q.json --cutoff-len 60 --template qwen -d "$zh/sft_complete_v3.json" -o s.tok.zst
has err "lost to cutoff_len 60" "is counted aloud"
exits 2 "too short a cutoff" ds-tokenize -t q.json --cutoff-len 6 --template qwen -d "$zh/sft_complete_v3.json" -o x.tok.zst
has err "sft_complete_v3.json:2:3: cutoff_len 6" "names file, line and column"
is "$(ls x.tok.zst* 2>/dev/null)" "" "and leaves nothing"

# threads: the same bytes, and of several faults the first
i=0
{
	echo '['
	while [ $((i += 1)) -lt 3000 ]; do
		echo "{\"instruction\": \"n$i?\", \"input\": \"\", \"output\": \"$i is $((i * i % 97))\"},"
	done
	echo '{"instruction": "end", "input": "", "output": "."}]'
} >many.json
exits 0 "one thread" ds-tokenize --threads 1 -t q.json --template qwen -d many.json -o t1.tok.zst
has err "3000 examples" "3,000 records"
for n in 2 3 7; do
	exits 0 "$n threads" ds-tokenize --threads $n -t q.json --template qwen -d many.json -o "t$n.tok.zst"
	same "t$n.tok.zst" t1.tok.zst "$n threads, the same bytes"
done
exits 0 "max_samples" ds-tokenize --threads 3 -t q.json --template qwen -d many.json max_samples=700 -o m.tok.zst
has err "700 examples" "which are counted"
sed -e '1402s/"output": "[^"]*"/"output": ""/' -e '1403s/{/[/' -e '2900s/"output"/output/' many.json >faults.json
for n in 1 3; do
	exits 2 "three faults, $n threads" ds-tokenize --threads $n -t q.json --template qwen -d faults.json -o x.tok.zst
	has err "faults.json:1402:" "the first one is told"
	is "$(ls x.tok.zst* 2>/dev/null)" "" "and nothing is left"
done
sed -e '1d' -e 's/,$//' -e 's/]$//' -e 's/"instruction"/"text"/' many.json >many.jsonl
ds-tokenize --ids --threads 1 -t q.json <many.jsonl >i1
is "$(grep -c ids i1)" 3000 "--ids, one thread"
ds-tokenize --ids --threads 3 -t q.json <many.jsonl | cmp -s - i1
is "$?" 0 "--ids, three threads"
sed -e '1700s/.*/{"txt": 1}/' -e '1702s/.*/{/' many.jsonl >faults.jsonl
got=0
ds-tokenize --ids --threads 3 -t q.json <faults.jsonl >out 2>err || got=$?
is "$got $(cat err)" '2 ds-tokenize: standard input:1700: no "text" that is a string' "of two bad lines the first is told"

# a filter's input
feed()
{
	printf '%s\n' "$1" >in
	shift
	got=0
	"$@" <in >out 2>err || got=$?
}
feed '{"text":"hello <|im_end|>"}' ds-tokenize --ids -t q.json
is "$(cat out)" '{"ids":[14990,220,151645]}' "--ids"
feed '{"ids":[14990,220,151645]}' ds-tokenize --decode --skip-special -t q.json
is "$(cat out)" '{"text":"hello "}' "--decode --skip-special"
feed '{"messages":[{"role":"user","content":"hi"}],"add_generation_prompt":true}' ds-tokenize --chat --template qwen3
is "$(cat out)" '{"text": "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n"}' "--chat"
zstd -dqc "$ROOT/tests/golden/chat/chat_golden.jsonl.zst" | grep ids_qwen3 >golden
sed 's/.*"ids_qwen3": *\(\[[0-9, ]*\]\).*/{"ids":\1}/; s/, /,/g' golden >want
ds-tokenize --ids -t q.json <golden >got
same got want "ids of 108 conversations are those of Hugging Face"
feed '{"messages":[]}' ds-tokenize --chat --template qwen3
is "$got $(cat err)" '2 ds-tokenize: standard input:1: "messages" must be an array and not empty' "--chat refuses"

feed '{"ids":[5,6,7],"prompt_len":1}' ds-tokenize --from-ids -o f.tok.zst
is "$(ds-show --json f.tok.zst)" '{"ids": [5, 6, 7], "spans": [[1, 3]]}' "--from-ids, SFT"
feed '{"prompt":[1,2],"chosen":[3],"rejected":[4,5]}' ds-tokenize --from-ids -o f.tok.zst
is "$(ds-show --json f.tok.zst)" '{"prompt": [1, 2], "chosen": [3], "rejected": [4, 5]}' "--from-ids, preference"
ds-show --json a.tok.zst | ds-tokenize --from-ids -o g.tok.zst 2>/dev/null
ds-show --json a.tok.zst >j1
ds-show --json g.tok.zst >j2
same j1 j2 "ds-show --json and --from-ids are each other's reverse"

refused()
{
	# shellcheck disable=SC2086 # the third argument is options, or none
	feed "$1" ds-tokenize --from-ids -o x.tok.zst $3
	is "$got" 2 "refused: $1"
	has err "standard input:1: " "with its line"
	has err "$2" "and why: $2"
}
refused '{"ids":[5,6,7],"prompt_len":3}' "span is empty"
refused '{"ids":[5,6,7],"prompt_len":4}' '"prompt_len"'
refused '{"ids":[5,6,7],"prompt_len":-1}' '"prompt_len"'
refused '{"ids":[5,-6,7],"prompt_len":1}' '"ids"[1]'
refused '{"ids":[5,2147483648],"prompt_len":1}' '"ids"[1]'
refused '{"ids":[5,1.5],"prompt_len":1}' '"ids"[1]'
refused '{"ids":[5],"prompt_len":0}' "fewer than 2"
refused '{"ids":"x","prompt_len":0}' "array"
refused '{"prompt":[1],"chosen":[3],"rejected":[]}' "empty rejected"
refused '{"prompt":[1],"chosen":[3]}' '"rejected"'
refused '{}' "neither"
refused '{' "column"
refused '[]' "neither"
refused '{"ids":[5,999999],"prompt_len":1}' "vocabulary" "-t q.json"
is "$(ls x.tok.zst* 2>/dev/null)" "" "nothing is left behind"
exits 2 "no records" ds-tokenize --from-ids -o x.tok.zst
echo '[]' >empty.json
exits 2 "an empty data set" ds-tokenize -t q.json --template qwen -d empty.json -o x.tok.zst
has err "empty.json: no records" "says so"
exits 2 "two filters" ds-tokenize --ids --decode -t q.json
exits 2 "no template" ds-tokenize -t q.json -d "$zh/sft_complete_v3.json"
exits 2 "an unknown template" ds-tokenize -t q.json --template qwen2 -d "$zh/sft_complete_v3.json"
has err "'qwen'" "names the nearest"

finish
