#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The plan of a step against the most that was resident: a JSON line a case, off = peak / plan - 1. The
# default base where it is, and random weights in Qwen2.5-0.5B's shape; SFT and DPO, short to long, fp32
# and bf16, with all layers kept and with memory for half of them. CASES=word: those that hold it.
set -eu
cd "$TEST_ROOT"
random=build/bench/qwen2.5-0.5b
T=$(mktemp -d)
trap 'rm -rf "$T"' EXIT
[ -f $random/model.safetensors ] || "$BUILD_DIR/tests/bench/random_model" qwen2.5-0.5b $random

# shard STAGE LENGTH: two examples of random ids.
shard()
{
	awk -v stage="$1" -v n="$2" 'function ids(n, s) {
		for (s = ""; n > 0; n--) s = s (s == "" ? "" : ",") int(1000 + rand() * 40000)
		return "[" s "]"
	}
	BEGIN {
		srand(1)
		for (i = 0; i < 2; i++)
			if (stage == "sft") printf "{\"ids\":%s,\"prompt_len\":%d}\n", ids(n), n / 4
			else printf "{\"prompt\":%s,\"chosen\":%s,\"rejected\":%s}\n", ids(n / 2), ids(n / 2), ids(n / 2)
	}' | "$BIN/ds-tokenize" --from-ids -o "$T/$1-$2.tok.zst" 2>/dev/null
}

# run STAGE MODEL RANK LENGTH TYPE [OPTION...]
run()
{
	name="$1 $(basename "$2") r$3 $4 $5${6:+ $6}"
	case $name in *${CASES:-}*) ;; *) return 0 ;; esac
	stage=$1 model=$2 rank=$3 length=$4 bf16=false
	[ "$5" = fp32 ] || bf16=true
	shift 5
	[ -f "$T/$stage-$length.tok.zst" ] || shard "$stage" "$length"
	"$BIN/ft-$stage" --json --force "$@" "$T/$stage-$length.tok.zst" "model_name_or_path=$model" "stage=$stage" \
		"output_dir=$T/out" overwrite_output_dir=true "lora_rank=$rank" bf16=$bf16 max_steps=1 \
		per_device_train_batch_size=1 gradient_accumulation_steps=1 2>/dev/null |
		sed 's/.*"peak_rss_bytes": *\([0-9]*\), *"plan_bytes": *\([0-9]*\).*/\1 \2/' |
		awk -v name="$name" '{ printf "{\"bench\": \"memory\", \"case\": \"%s\", \"peak_gb\": %.3f, \"plan_gb\": %.3f, \"off\": %.4f}\n",
			name, $1 / 1e9, $2 / 1e9, $1 / $2 - 1 }'
}

for model in models/smollm2-135m-instruct/model.gguf $random; do
	[ -e "$model" ] || continue
	for type in bf16 fp32; do
		for rank in 16 64; do
			run sft "$model" "$rank" 128 $type
			run dpo "$model" "$rank" 128 $type
		done
		run sft "$model" 16 512 $type
		run sft "$model" 64 2048 $type
	done
done
