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
exits 0 "for packing" ds-tokenize -t q.json --template qwen -d "$zh/sft_complete_v3.json" packing=true cutoff_len=60 -o s.tok.zst
ds-show --header s.tok.zst | grep -q '"cutoff_len": 59'
ok $? "a token is left free, as LLaMA-Factory does"
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

# without a template: the model's own says which
mkdir model
cp q.json model/tokenizer.json
printf '{"chat_template": "{%% if enable_thinking %%}<|im_start|>"}' >model/tokenizer_config.json
exits 0 "no template" ds-tokenize -t model -d "$zh/sft_complete_v3.json" -o g.tok.zst
has err "note: template qwen3, by the model's own chat template" "is told from the model's"
exits 2 "no template anywhere" ds-tokenize -t q.json -d "$zh/sft_complete_v3.json" -o x.tok.zst
has err "no template; give --template or the key template: qwen" "is asked for"

# mixing and holding out
mkdir sets
n=0
while [ $((n += 1)) -le 30 ]; do echo "{\"instruction\": \"q\", \"output\": \"a$n\"}"; done >sets/a.jsonl
sed -n '1,12s/a\([0-9]*\)"}/b\1"}/p' sets/a.jsonl >sets/b.jsonl
echo '{"a": {"file_name": "a.jsonl"}, "b": {"file_name": "b.jsonl"}, "few": {"file_name": "a.jsonl", "num_samples": 5},
 "many": {"file_name": "b.jsonl", "num_samples": 25}}' >sets/dataset_info.json
mix() { ds-tokenize -t q.json --template qwen dataset_dir=sets "$@"; }
answers() { ds-show -t q.json "$1" | sed -n 's/.*\([ab][0-9][0-9]*\).*/\1/p'; }
exits 0 "concat" mix dataset=a,b -o mix.tok.zst
has err " 42 examples" "all of both"
exits 0 "interleave_under" mix dataset=a,b mix_strategy=interleave_under -o mix.tok.zst
has err " 24 examples" "until the first ends"
exits 0 "interleave_over" mix dataset=a,b mix_strategy=interleave_over interleave_probs=0.7,0.3 -o mix.tok.zst
cp mix.tok.zst mix1
exits 0 "again, one thread" mix dataset=a,b mix_strategy=interleave_over interleave_probs=0.7,0.3 --threads 1 -o mix.tok.zst
same mix.tok.zst mix1 "the same bytes"
exits 0 "another seed" mix dataset=a,b mix_strategy=interleave_over interleave_probs=0.7,0.3 seed=1 -o mix.tok.zst
! cmp -s mix.tok.zst mix1
ok $? "another order"
exits 0 "interleave_once" mix dataset=a,b mix_strategy=interleave_once interleave_probs=1,1 -o mix.tok.zst
has err " 42 examples" "each once"
exits 0 "num_samples" mix dataset=few,many -o mix.tok.zst
has err " 30 examples" "fewer and more than there are"
exits 0 "val_size" mix dataset=a,b val_size=0.1 -o mix.tok.zst --val val.tok.zst
has err " 37 examples" "is held out of training"
has err "5 more examples are in val.tok.zst" "rounded up, into a shard of its own"
{ ds-show --json mix.tok.zst; ds-show --json val.tok.zst; } | sort >got
exits 0 "nothing held out" mix dataset=a,b -o all.tok.zst
ds-show --json all.tok.zst | sort >want
same got want "both together are all"
exits 0 "val_size without --val" mix dataset=a,b val_size=5 -o mix.tok.zst
has err "5 more are held out by val_size" "says so"
exits 0 "eval_dataset" mix dataset=a eval_dataset=b -o mix.tok.zst --val val.tok.zst
has err "12 more examples" "goes there whole"
exits 2 "--val with nothing to hold out" mix dataset=a -o x.tok.zst --val y.tok.zst
exits 2 "--val and -o of one name" mix dataset=a val_size=2 -o x.tok.zst --val x.tok.zst
has err "name the same file" "are refused"
exits 2 "val_size that takes all" mix dataset=a val_size=30 -o x.tok.zst --val y.tok.zst
has err "leaves nothing to train on: there are 30 records" "is refused"
is "$(ls x.tok.zst* y.tok.zst* 2>/dev/null)" "" "and leaves nothing"
exits 2 "probabilities of concat" mix dataset=a,b interleave_probs=1,1 -o x.tok.zst
has err "means nothing to mix_strategy concat" "are refused"
exits 2 "too few of them" mix dataset=a,b interleave_probs=1 mix_strategy=interleave_over -o x.tok.zst
has err "1 numbers for 2 data sets" "too"
exits 2 "one of them is none" mix dataset=a,b interleave_probs=1,-x mix_strategy=interleave_over -o x.tok.zst
has err "command line:3:18: interleave_probs: '-x' is not a number above 0" "with its place"
mix dataset=- val_size=2 -o x.tok.zst <sets/a.jsonl 2>err
is "$?" 2 "holding out of standard input"
has err "standard input can be read only once" "is refused"

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
