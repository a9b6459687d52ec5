#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# ft-sft and ft-dpo step by step against transformers' Trainer and TRL's DPOTrainer on PEFT models: the
# values of tests/golden/parity, made by tests/parity/train_in_peft.py. fp32, a tiny model.
. "$(dirname "$0")/lib.sh"

GOLDEN=$ROOT/tests/golden

# block FILE KEY: the lines of a list that stands a line an element.
block() { sed -n "/^\"$2\": \[/,/^]/p" "$1" | sed '1d;$d;s/,$//'; }

# column FILE KEY: the numbers of one key, a line each.
column() { sed -n "s|.*\"$2\": \([-0-9.e+]*\).*|\1|p" "$1"; }

# near KEY BOUND LEAST NAME: ten steps of got and want agree; values below LEAST count as LEAST.
near()
{
	column "$T/got" "$1" >"$T/a"
	column "$T/want" "$1" >"$T/b"
	numbers 10 "$2" "$3" "$4"
}

# numbers COUNT BOUND LEAST NAME: the files a and b, a number a line, agree.
numbers()
{
	if worst=$(paste "$T/a" "$T/b" | awk -v count="$1" -v bound="$2" -v least="$3" '
		function abs(x) { return x < 0 ? -x : x }
		NF != 2 { bad = 1 }
		{ size = abs($2) > least ? abs($2) : least; d = abs($1 - $2) / size; if (d > worst) worst = d }
		END { print worst + 0; exit bad || NR != count || worst > bound }'); then
		ok 0 "$4"
	else
		ok 1 "$4"
	fi
	echo "# largest relative difference $worst"
}

# logprobs: the numbers of the lists, a line each.
logprobs() { sed 's/.*"logprobs": *\[\([^]]*\)\].*/\1/' | tr -d ' ' | tr ',' '\n' | grep -v null; }

# run STAGE NAME MODEL ADAPTER COUNT: ten steps, and COUNT log-probabilities with what was trained.
run()
{
	stage=$1 made=$2 file=$GOLDEN/parity/$2.json model=$GOLDEN/$3
	block "$file" records | ds-tokenize --from-ids -o "$T/$made.tok.zst" 2>/dev/null
	block "$file" steps >"$T/want"
	exits 0 "$made: ft-$stage runs" "ft-$stage" "model_name_or_path=$model" \
		"adapter_name_or_path=$GOLDEN/parity/$4" "output_dir=$T/$made" \
		per_device_train_batch_size=2 gradient_accumulation_steps=2 max_steps=10 learning_rate=5e-3 \
		weight_decay=0.01 max_grad_norm=0.4 warmup_steps=2 lr_scheduler_type=cosine logging_steps=1 \
		disable_shuffling=true bf16=false "$T/$made.tok.zst"
	cp "$T/$made/trainer_log.jsonl" "$T/got"
	near loss 1e-5 0 "$made: loss of ten steps"
	near lr 1e-7 1e-9 "$made: learning rate"
	near grad_norm 1e-4 0 "$made: gradient norm"
	block "$file" records | head -3 | # the prompt and what was chosen as one list
		sed 's/, "prompt_len".*/}/; s/"prompt"/"ids"/; s/\], "chosen": \[/, /; s/, "rejected".*/}/' |
		ft-eval --logprobs -m "$model" -a "$T/$made" --dtype float32 | logprobs >"$T/a"
	block "$file" last | logprobs >"$T/b"
	numbers "$5" 1e-5 1 "$made: $5 log-probabilities with the last adapter"
}

run sft sft hf_tiny/qwen2 adapter 43
run sft sft_qwen3 families/qwen3_biases_yarn adapter_qwen3 70
run dpo dpo hf_tiny/qwen2 adapter 36
near accuracy 1e-6 1e-9 "dpo: accuracy"
# Small differences of sums near 100 in fp32.
near rewards/chosen 1e-4 0.1 "dpo: reward of the chosen"
near rewards/rejected 1e-4 0.1 "dpo: reward of the rejected"
near logps/chosen 1e-5 0 "dpo: log-probability of the chosen"
near logps/rejected 1e-5 0 "dpo: log-probability of the rejected"
finish
