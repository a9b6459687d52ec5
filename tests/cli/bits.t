#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The bytes of an adapter do not depend on the number of threads: SFT and DPO, fp32 and bf16, every back end
# on the CPU, activations kept and computed again, with micro-batches large enough for work to be divided.
. "$(dirname "$0")/lib.sh"

GOMP_SPINCOUNT=1000 # or the tool would start itself once more
export GOMP_SPINCOUNT
cd "$T" || exit 1
awk 'BEGIN {
	for (i = 0; i < 30; i++) {
		printf "{\"ids\":[%d", 5 + i
		for (k = 0; k < 30 + i * 7 % 23; k++)
			printf ",%d", 6 + (i * 131 + k * k * 17) % 3000
		print "],\"prompt_len\":4}"
	}
}' >ft-sft.ids
awk 'BEGIN {
	for (i = 0; i < 20; i++) {
		printf "{\"prompt\":[%d,6,7,8],\"chosen\":[%d", 5 + i, 9 + i
		for (k = 0; k < 30 + i * 7 % 23; k++)
			printf ",%d", 6 + (i * 131 + k * k * 17) % 3000
		printf "],\"rejected\":[%d", 10 + i
		for (k = 0; k < 25 + i * 5 % 19; k++)
			printf ",%d", 6 + (i * 137 + k * k * 19) % 3000
		print "]}"
	}
}' >ft-dpo.ids
for tool in ft-sft ft-dpo; do
	ds-tokenize --from-ids -o $tool.tok.zst <$tool.ids 2>/dev/null
	head -n 4 $tool.ids | ds-tokenize --from-ids -o $tool.few.tok.zst 2>/dev/null
done
echo "model_name_or_path: $ROOT/tests/golden/hf_tiny/qwen2
lora_rank: 4
per_device_train_batch_size: 30
gradient_accumulation_steps: 1
learning_rate: 1.0e-2
max_steps: 2
reference_cache: no" >c.yaml

# limit TOOL OPTION...: a memory limit at which micro-batches are as large as without one, and activations are
# computed again; in the middle of such limits, for what the program itself takes is not the same in every run.
limit()
{
	tool=$1
	shift
	"$tool" --plan c.yaml "$tool.$few"tok.zst "$@" >plan 2>/dev/null
	awk '$1 == "total" { for (x = $2; x > $2 / 3; x *= 0.998) print x / 1000 }' plan >limits
	: >fit
	while read -r limit; do
		if "$tool" --plan --memory-limit "$limit" c.yaml "$tool.$few"tok.zst "$@" 2>/dev/null |
			grep -q "^$(head -n 1 plan); .* are computed again"; then
			echo "$limit" >>fit
		elif [ -s fit ]; then
			break
		fi
	done <limits
	[ -s fit ] || echo none
	awk '{ v[NR] = $0 } END { if (NR) print v[int((NR + 1) / 2)] }' fit
}

# threads again|keep NUMBERS NAME TOOL OPTION...: the same bytes with so many threads, of which each has a limit of
# its own for computing again: threads take memory.
threads()
{
	again=$1 numbers=$2 what=$3 tool=$4
	shift 4
	rm -f one
	wrong=''
	for n in $numbers; do
		rm -rf out
		l=1
		[ "$again" != again ] || l=$(limit "$tool" --threads "$n" "$@")
		"$tool" --threads "$n" --memory-limit "$l" c.yaml "$tool.$few"tok.zst output_dir=out "$@" >/dev/null 2>err ||
			wrong="$wrong $n: $(cat err)"
		[ -e one ] || cp out/adapter_model.safetensors one
		cmp -s one out/adapter_model.safetensors || wrong="$wrong $n threads: other bytes"
	done
	is "$wrong" '' "$what"
}

# The reference back end is slow, and has no threads of its own: little of it.
for device in cpu plain ref; do
	if ! ft-sft --device $device --plan c.yaml ft-sft.tok.zst >/dev/null 2>&1; then
		continue
	fi
	few='' all='1 2 3 4' some='1 4'
	[ $device != ref ] || few=few. all='1 4' some=3
	for tool in ft-sft ft-dpo; do
		for bf16 in false true; do
			threads keep "$all" "$tool on $device, bf16 $bf16: $all threads" "$tool" --device "$device" "bf16=$bf16"
			mv one kept
			threads again "$some" "and computed again" "$tool" --device "$device" "bf16=$bf16"
			same kept one "with the bytes of those that were kept"
		done
	done
done
finish
