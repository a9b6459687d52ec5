#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The whole line on a tiny random model: it learns three answers by heart and says them, as an
# adapter and merged; preference training keeps them.
. "$(dirname "$0")/../cli/lib.sh"

MODEL=$ROOT/tests/golden/hf_tiny/qwen2
cd "$T" || exit 1
cat >jokes.json <<'EOF'
[
  {"instruction": "Tell me a joke.", "input": "", "output": "We pretend to work."},
  {"instruction": "Hello!", "input": "", "output": "Hello there, how are you?"},
  {"instruction": "你好", "input": "", "output": "你好！很高兴见到你。"}
]
EOF
cat >pairs.json <<'EOF'
[
  {"prompt": "Tell me a joke.", "chosen": "We pretend to work.", "rejected": "No."},
  {"prompt": "Hello!", "chosen": "Hello there, how are you?", "rejected": "A joke: why?"}
]
EOF
cat >sft.yaml <<EOF
model_name_or_path: $MODEL
stage: sft
finetuning_type: lora
lora_rank: 16
template: qwen
dataset: jokes.json
per_device_train_batch_size: 3
learning_rate: 1.0e-2
num_train_epochs: 150
lr_scheduler_type: cosine
warmup_ratio: 0.05
bf16: true
overwrite_output_dir: true
EOF
sed -e 's/stage: sft/stage: dpo/' -e 's/jokes.json/pairs.json/' -e 's/1.0e-2/1.0e-4/' -e 's/: 150/: 3/' sft.yaml >dpo.yaml

exits 0 "the data is sound" ds-validate --stage sft jokes.json
exits 0 "the pairs are sound" ds-validate --stage dpo pairs.json
exits 0 "tokenize" ds-tokenize -o sft.tok.zst sft.yaml
exits 0 "tokenize the pairs" ds-tokenize -o dpo.tok.zst dpo.yaml
exits 0 "show" ds-show -t "$MODEL" sft.tok.zst
has "$T/out" "We pretend to work." "the shard as text"
exits 0 "sft" ft-sft sft.yaml sft.tok.zst output_dir=sft
exits 0 "it knows them by heart" ft-eval -m "$MODEL" -a sft -d jokes.json --require 'jokes.json:exact>=3'
exits 1 "a gate that is not met" ft-eval -m "$MODEL" --template qwen -d jokes.json --require 'jokes.json:exact>=3'
exits 0 "dpo" ft-dpo dpo.yaml dpo.tok.zst adapter_name_or_path=sft output_dir=dpo
exits 0 "it still knows them, and prefers what it should" ft-eval -m "$MODEL" -a dpo -d jokes.json -d pairs.json \
	--require 'jokes.json:exact>=3' --require 'pairs.json:rewarded>=2'
exits 0 "merge" ft-merge -m "$MODEL" -a dpo -o merged --check
exits 0 "chat with the adapter" ft-chat -m "$MODEL" -a dpo "Tell me a joke."
is "$(cat out)" "We pretend to work." "says the answer"
exits 0 "chat with the merged model" ft-chat -m merged 你好
is "$(cat out)" "你好！很高兴见到你。" "says the answer, template and all"
ds-tokenize sft.yaml 2>/dev/null | ft-sft sft.yaml - output_dir=piped >/dev/null 2>&1
same sft/adapter_model.safetensors piped/adapter_model.safetensors "the same through a pipe: the same bytes"
is "$(find . -name '*.tmp.*' | wc -l | tr -d ' ')" 0 "nothing temporary is left"
finish
