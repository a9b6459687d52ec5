#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What LLaMA-Factory's users complain about again and again, as far as it concerns data or configuration and
# no other test shows it: tests/complaints.md says which complaint is where.
. "$(dirname "$0")/lib.sh"

zstd -dqc "$ROOT/tests/golden/template/llama3.tokenizer.json.zst" >"$T/llama3.json"
MODEL=$ROOT/tests/golden/hf_tiny/qwen3
cp "$MODEL/tokenizer.json" "$T/q.json"
cd "$T" || exit 1
mkdir -p proj/data
tok() { ds-tokenize -t q.json --template qwen3_nothink -o x.tok.zst "$@"; }
ids() { ds-show --json "$1" | tr -d ' '; }

# 1: a path, a typo, another working directory
echo '{"instruction": "Hello.", "output": "Good evening."}' >proj/data/greet.jsonl
echo '{"greetings": {"file_name": "greet.jsonl"}}' >proj/data/dataset_info.json
printf 'template: qwen3_nothink\ndataset: greetings\n' >proj/sft.yaml
exits 0 "1: a file's path is enough" tok -d proj/data/greet.jsonl
exits 0 "1: the folder of data is looked for beside the configuration, too" ds-tokenize -t q.json -o y.tok.zst proj/sft.yaml
has err "note: data is not here; read from proj/data" "1: and that is said"
exits 0 "1: by ds-validate, too" ds-validate --config proj/sft.yaml greetings
exits 2 "1: a typo" tok dataset=greeting dataset_dir=proj/data
has err 'the nearest name is "greetings"; known names: greetings' "1: has its neighbour, and all names"
has err "$T/proj/data/dataset_info.json" "1: the message has the whole path"

# 3: what has no effect is told
exits 0 "3: an adapter" ft-sft x.tok.zst model_name_or_path="$MODEL" output_dir=a max_steps=1 lora_rank=4
exits 0 "3: trained on with other settings" ft-sft x.tok.zst model_name_or_path="$MODEL" output_dir=b \
	adapter_name_or_path=a lora_rank=16 max_steps=1
has err "lora_rank 16 is ignored: the adapter a has rank 4" "3: says which has no effect"

# 20: few steps
has err "note: 1 optimizer steps teach little" "20: so few steps are noted"
exits 0 "20: enough steps" ft-sft x.tok.zst model_name_or_path="$MODEL" output_dir=c max_steps=20
! grep -q "teach little" err
ok $? "20: are not"

# 4: wrong columns
echo '{"m": {"file_name": "greet.jsonl", "formatting": "sharegpt"},
 "n": {"file_name": "greet.jsonl", "columns": {"prompt": "question", "response": "output"}}}' >proj/data/dataset_info.json
exits 2 "4: the wrong formatting" tok dataset=m dataset_dir=proj/data
has err 'proj/data/greet.jsonl:1:1: no "conversations"; the record has "instruction", "output" [missing-field]' \
	"4: file, line, what was looked for and what is there"
exits 2 "4: a column that is not there" tok dataset=n dataset_dir=proj/data
has err 'no "question"; the record has "instruction", "output"' "4: likewise"

# 5: one type here, another there; lines in a .json file
printf '%s\n' '{"instruction": "a", "output": "b"}' '{"instruction": "a", "output": ["b"]}' >mixed.json
exits 2 "5: an array among strings" tok -d mixed.json
has err 'mixed.json:2:32: "output" is an array, a string is needed [wrong-type]' "5: has its line and column"
head -n 1 mixed.json >lines.json
exits 0 "5: JSON lines in a .json file" tok -d lines.json

# 7: nothing vanishes; the reasons are counted
for i in 1 2 3 4 5 6 7; do
	echo "{\"instruction\": \"a$i\", \"output\": \"b$i\"}"
	echo "{\"instruction\": \"c$i\", \"output\": \"\"}"
done >holes.jsonl
exits 2 "7: a record without an answer stops it" tok -d holes.jsonl
one_line err "7: in one line"
has err 'holes.jsonl:2:33: the answer is empty [empty-output]' "7: with the reason"
exits 1 "7: ds-validate" ds-validate holes.jsonl
has err "7 errors" "7: counts them"

# 8: the wrong stage
echo '{"prompt": "a", "chosen": "b", "rejected": "c"}' >pairs.jsonl
echo '{"p": {"file_name": "'"$T"'/pairs.jsonl", "columns": {"prompt": "prompt", "response": "chosen"}}}' >proj/data/dataset_info.json
exits 0 "8: pairs are known by their keys" tok -d pairs.jsonl
exits 2 "8: an entry that forgets it" tok dataset=p dataset_dir=proj/data stage=dpo
has err 'say "ranking": true in dataset_info.json' "8: is told what to write"

# 9, 10, 18: what is too long
ten='1 2 3 4 5 6 7 8 9 10'
# shellcheck disable=SC2086 # ten words each
long=$(printf 'word %.0s' $ten $ten $ten $ten $ten $ten)
{
	echo '{"instruction": "short", "output": "one"}'
	echo "{\"instruction\": \"$long\", \"output\": \"two\"}"
	echo "{\"instruction\": \"three\", \"output\": \"$long\"}"
} >long.jsonl
exits 0 "9: cut, as by default" tok -d long.jsonl cutoff_len=40
grep -q '3 examples, .* 2 truncated ([0-9]* tokens lost to cutoff_len 40)' err
ok $? "9: it is counted aloud, with the tokens that are lost"
end=$(printf '%s\n' '{"text": "<|im_end|>\n"}' | ds-tokenize --ids -t q.json | tr -dc '0-9,')
header=$(printf '%s\n' '{"text": "<|im_start|>assistant\n"}' | ds-tokenize --ids -t q.json | tr -dc '0-9,')
[ -n "$end" ] && [ -n "$header" ]
ok $? "18: markers are ids"
is "$(ids x.tok.zst | grep -c "$end\],\"spans\"")" 3 "18: all end in the end of turn, which is trained"
is "$(ids x.tok.zst | grep -c "$header,")" 3 "9: all have the assistant header"
exits 0 "9: dropped, as asked for" tok -d long.jsonl cutoff_len=40 truncation=drop
has err "1 examples" "9: what fits stays"
has err "; of 3 records; 2 dropped, for they are longer than cutoff_len 40" "10: records and examples are told apart, with the reason"
exits 2 "9: or an error" tok -d long.jsonl cutoff_len=40 truncation=error
has err "long.jsonl:2:1: " "9: with its place"
has err "tokens, and cutoff_len is 40" "9: and by how much"
exits 2 "9: drop everything" tok -d long.jsonl cutoff_len=10 truncation=drop
has err "of 3 records kto_tag is false in 0, and 3 are longer than cutoff_len 10" "9: is an error"
exits 2 "18: an end of turn that the tokenizer does not have" ds-tokenize -t llama3.json --template qwen -d lines.json -o x.tok.zst
has err "the tokenizer has no token '<|im_end|>', with which template 'qwen' ends a turn" "18: is refused"

# 11: nothing stale: the header names content and settings
exits 0 "11: a set" tok -d long.jsonl max_samples=2
ds-show --header x.tok.zst >one
exits 0 "11: more of it, under the same name" tok -d long.jsonl max_samples=3
has err "3 examples" "11: is read anew"
! ds-show --header x.tok.zst | cmp -s - one
ok $? "11: and the header says so"

# 16, 17: template, system prompt and thinking go with the adapter
printf '%s\n' '{"instruction": "a", "output": "b"}' >think.jsonl
exits 0 "17: a shard without thinking" ds-tokenize -t q.json --template qwen3 --system "You wait." -d think.jsonl \
	enable_thinking=false -o t.tok.zst
has_header() { ds-show --header t.tok.zst | grep -qF "$1"; }
has_header '"enable_thinking": "false"'
ok $? "17: says so"
exits 0 "17: an adapter of it" ft-sft t.tok.zst model_name_or_path="$MODEL" output_dir=t max_steps=1
for line in '"template": "qwen3"' '"system": "You wait."' '"enable_thinking": "false"'; do
	has t/anekdot.json "$line" "16, 17: the adapter has $line"
done
cp -r "$MODEL" instruct
printf '{"chat_template": "{%% for m in messages %%}<|im_start|>{%% endfor %%}"}' >instruct/tokenizer_config.json
exits 0 "17: a model whose own template has no thoughts" ds-tokenize -t instruct --template qwen3 -d think.jsonl -o t.tok.zst
has err "the model has no thoughts; its template is qwen3_nothink" "17: is noticed"

# 19: one bos
exits 0 "19: a tokenizer that has a bos" ds-tokenize -t llama3.json --template llama3 -d lines.json -o x.tok.zst
bos=$(printf '%s\n' '{"text": "<|begin_of_text|>"}' | ds-tokenize --ids -t llama3.json | sed 's/.*\[\([0-9]*\).*/\1/')
is "$(ids x.tok.zst | tr -c '0-9' '\n' | grep -cx "$bos")" 1 "19: stands there once"

# 23: no empty answers through a cut
echo "{\"prompt\": \"$long\", \"chosen\": \"$long\", \"rejected\": \"no\"}" >pair.jsonl
exits 0 "23: a pair that is cut" tok -d pair.jsonl cutoff_len=40
is "$(ids x.tok.zst | grep -c '\[\]')" 0 "23: keeps both answers"
exits 2 "23: one for which there is no room" tok -d pair.jsonl cutoff_len=8
has err "cutoff_len 8 leaves no room for the template and an answer" "23: is an error"

# 27: tokens that would have to be added
for key in resize_vocab=true add_tokens=x add_special_tokens=x; do
	exits 2 "27: $key" ft-sft x.tok.zst model_name_or_path="$MODEL" output_dir=d $key
	has err "would change the result and is not implemented" "27: is refused before anything is read"
done
finish
