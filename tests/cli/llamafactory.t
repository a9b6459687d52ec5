#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# LLaMA-Factory's example files for LoRA SFT, DPO, merge and chat, as they are, on a tiny model that has
# the name they give it.
. "$(dirname "$0")/lib.sh"

EXAMPLES=$ROOT/tests/golden/config
cd "$T" || exit 1
mkdir -p Qwen/Qwen3-4B-Instruct-2507 data
cp "$ROOT"/tests/golden/hf_tiny/qwen3/* Qwen/Qwen3-4B-Instruct-2507
cat >data/dataset_info.json <<'EOF_INFO'
{"identity": {"file_name": "identity.json"},
 "dpo_en_demo": {"file_name": "dpo_en_demo.json", "ranking": true, "formatting": "sharegpt",
  "columns": {"messages": "conversations", "chosen": "chosen", "rejected": "rejected"}}}
EOF_INFO
cat >data/identity.json <<'EOF_SFT'
[{"instruction": "Hello.", "input": "", "output": "Good evening."},
 {"instruction": "Who are you?", "input": "", "output": "A small model."}]
EOF_SFT
cat >data/dpo_en_demo.json <<'EOF_DPO'
[{"conversations": [{"from": "human", "value": "Hello."}],
  "chosen": {"from": "gpt", "value": "Good evening."}, "rejected": {"from": "gpt", "value": "What?"}},
 {"conversations": [{"from": "human", "value": "Who are you?"}],
  "chosen": {"from": "gpt", "value": "A small model."}, "rejected": {"from": "gpt", "value": "Nobody."}}]
EOF_DPO

for stage in sft dpo; do
	exits 0 "ds-tokenize reads the example of $stage" ds-tokenize "$EXAMPLES/qwen3_lora_$stage.yaml" -o $stage.tok.zst
	has err "2 examples" "and its data"
	exits 0 "ft-$stage trains on it" ft-$stage "$EXAMPLES/qwen3_lora_$stage.yaml" $stage.tok.zst
	has err "no effect here: trust_remote_code" "naming once what has no effect"
	[ -s "saves/qwen3-4b/lora/$stage/adapter_model.safetensors" ]
	ok $? "into the folder that it names"
done
# With the lines of evaluation that the example has as comments.
i=0
{
	echo '['
	while [ $((i += 1)) -lt 20 ]; do echo "{\"instruction\": \"Number $i?\", \"output\": \"It is $i.\"},"; done
	echo '{"instruction": "Hello.", "output": "Good evening."}]'
} >data/identity.json
sed -e '/eval_dataset/d' -e '/^### eval/,$s/^# //' "$EXAMPLES/qwen3_lora_sft.yaml" >eval.yaml
grep -q '^val_size: 0.1' eval.yaml && grep -q '^eval_strategy: steps' eval.yaml
ok $? "an example that evaluates"
exits 0 "is tokenised" ds-tokenize eval.yaml -o train.tok.zst --val val.tok.zst
has err "2 more examples are in val.tok.zst" "a tenth is held out"
exits 0 "and trained" ft-sft eval.yaml train.tok.zst --val val.tok.zst output_dir=evaluated eval_steps=3
is "$(grep -c eval_loss evaluated/trainer_log.jsonl)" 3 "with its loss every third of nine steps"
exits 0 "ft-merge reads the example of merging" ft-merge "$EXAMPLES/qwen3_lora_merge.yaml"
[ -s saves/qwen3_sft_merged/model.safetensors ]
ok $? "into the folder that it names"
exits 0 "and takes KEY=VALUE" ft-merge "$EXAMPLES/qwen3_lora_merge.yaml" export_dir=small export_size=0.00002
[ "$(find small -name 'model-*-of-*' | wc -l)" -gt 1 ]
ok $? "export_size is in gigabytes"
exits 0 "and options, which win" ft-merge "$EXAMPLES/qwen3_lora_merge.yaml" -o f16 -t F16 infer_dtype=float32
has f16/config.json '"torch_dtype": "float16"' "over keys"

chat() { ft-chat "$EXAMPLES/qwen3_lora_chat.yaml" max_new_tokens=12 "$@"; }
exits 0 "ft-chat reads the example of talking" chat "Who are you?"
cp out drawn
exits 0 "and again" chat "Who are you?"
same out drawn "draws the same again"
exits 0 "with another seed" chat seed=7 "Who are you?"
! cmp -s out drawn
ok $? "others: it draws, as LLaMA-Factory does"
exits 0 "without drawing" chat do_sample=false "Who are you?"
cp out greedy
exits 0 "by options alone" ft-chat -m Qwen/Qwen3-4B-Instruct-2507 -a saves/qwen3-4b/lora/sft --max-new-tokens 12 "Who are you?"
same out greedy "is what options alone say"
exits 0 "with an option" chat --temperature 0 "Who are you?"
same out greedy "options win"
exits 0 "a training file serves for talking" ft-chat "$EXAMPLES/qwen3_lora_sft.yaml" \
	adapter_name_or_path=saves/qwen3-4b/lora/sft do_sample=false max_new_tokens=12 "Who are you?"
same out greedy "the same"
exits 2 "a wrong key of talking" chat temprature=1 x
has err "did you mean 'temperature'?" "has its neighbour"
exits 2 "float16" chat infer_dtype=float16 x
has err "command line:2:13: infer_dtype: 'float16' is for ft-merge" "is for merging"

# Everything that is wrong at once, before a model is looked for, and at once.
cat >wrong.yaml <<'EOF_WRONG'
model_name_or_path: nowhere
stage: sft
lora_rnak: 8
learning_rate: fast
pref_loss: sigmoyd
lr_scheduler_type: cosin
dataset: identity
template: qwen3_nothink
EOF_WRONG
for tool in "ds-tokenize -o" ft-sft; do
	# shellcheck disable=SC2086 # with its option
	exits 2 "$tool on a file with four slips" $tool x.tok.zst wrong.yaml output_dir=o
	[ "$(grep -c 'wrong.yaml:[0-9]*:[0-9]*: ' err)" -eq 4 ]
	ok $? "tells them all"
done
has err "wrong.yaml:3:1: unknown key 'lora_rnak'; did you mean 'lora_rank'?" "with line, column and the nearest key"
has err "wrong.yaml:6:20: lr_scheduler_type: 'cosin' is none of" "and what a choice is"
n=0 best=1000
while [ $((n += 1)) -le 5 ]; do
	began=$(date +%s%N)
	ft-sft wrong.yaml x.tok.zst output_dir=o 2>/dev/null
	ms=$((($(date +%s%N) - began) / 1000000))
	[ $ms -lt $best ] && best=$ms
done
[ "$best" -lt 50 ]
ok $? "in under 50 ms ($best)"

# --explain
for tool in ds-tokenize ft-sft ft-dpo ft-merge ft-chat; do
	exits 0 "$tool explains" $tool --explain cutoff_len
	is "$(head -n 1 out)" "cutoff_len: a whole number, 8 to 1048576; default 2048" "the row of a key"
done
exits 0 "a key without effect" ft-sft --explain flash_attn
is "$(head -n 1 out)" "flash_attn: accepted, without effect" "is called so"
exits 0 "a key that is missing" ft-sft --explain use_dora
has out "not implemented; only its default is accepted; default false" "too"
exits 2 "a key that is none" ft-sft --explain learning_rat
has err "did you mean 'learning_rate'?" "has its neighbour"
exits 0 "all keys" ft-sft --explain all
for key in lora_rank export_dir temperature pref_beta val_size vllm_ galore_ ppo_epochs; do
	grep -q "^$key" out
	ok $? "among them $key"
done
finish
