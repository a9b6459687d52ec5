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

# near KEY BOUND LEAST NAME: got and want agree; values below LEAST count as LEAST.
near()
{
	column "$T/got" "$1" >"$T/a"
	column "$T/want" "$1" >"$T/b"
	if worst=$(paste "$T/a" "$T/b" | awk -v bound="$2" -v least="$3" '
		function abs(x) { return x < 0 ? -x : x }
		NF != 2 { bad = 1 }
		{ size = abs($2) > least ? abs($2) : least; d = abs($1 - $2) / size; if (d > worst) worst = d }
		END { print worst + 0; exit bad || NR != 10 || worst > bound }'); then
		ok 0 "$4"
	else
		ok 1 "$4"
	fi
	echo "# largest relative difference $worst"
}

for stage in sft dpo; do
	file=$GOLDEN/parity/$stage.json
	block "$file" records | ds-tokenize --from-ids -o "$T/$stage.tok.zst" 2>/dev/null
	block "$file" steps >"$T/want"
	exits 0 "ft-$stage runs" "ft-$stage" "model_name_or_path=$GOLDEN/hf_tiny/qwen2" \
		"adapter_name_or_path=$GOLDEN/parity/adapter" "output_dir=$T/$stage" \
		per_device_train_batch_size=2 gradient_accumulation_steps=2 max_steps=10 learning_rate=5e-3 \
		weight_decay=0.01 max_grad_norm=0.4 warmup_steps=2 lr_scheduler_type=cosine logging_steps=1 \
		disable_shuffling=true bf16=false "$T/$stage.tok.zst"
	cp "$T/$stage/trainer_log.jsonl" "$T/got"
	near loss 1e-5 0 "$stage: loss of ten steps"
	near lr 1e-7 1e-9 "$stage: learning rate"
	near grad_norm 1e-4 0 "$stage: gradient norm"
	[ $stage = dpo ] || continue
	near accuracy 1e-6 1e-9 "dpo: accuracy"
	# Small differences of sums near 100 in fp32.
	near rewards/chosen 1e-4 0.1 "dpo: reward of the chosen"
	near rewards/rejected 1e-4 0.1 "dpo: reward of the rejected"
	near logps/chosen 1e-5 0 "dpo: log-probability of the chosen"
	near logps/rejected 1e-5 0 "dpo: log-probability of the rejected"
done
finish
