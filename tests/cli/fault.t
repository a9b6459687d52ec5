#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Every tool while one allocation or one call to the system fails (base/fault.h): it says so in a line and
# exits with 2, or it did not matter and all is as without. Nothing is left half or under a temporary
# name. The calls are tried by samples; FULL=1 in the environment tries every one of them.
. "$(dirname "$0")/lib.sh"

SAMPLES=${SAMPLES:-4}
LORA=$ROOT/tests/golden/hf_tiny/qwen2_lora_peft
GOMP_SPINCOUNT=1000 # or tools would start themselves once more
TMPDIR=$T/tmp
export GOMP_SPINCOUNT TMPDIR
mkdir "$T/tmp" "$T/in" "$T/older"

# A model with a tokenizer so small that all allocations of its reader can be tried.
MODEL=$T/in/model
cp -R "$ROOT/tests/golden/hf_tiny/qwen2" "$MODEL"
awk 'BEGIN {
	printf "{\"model\": {\"type\": \"BPE\", \"vocab\": {"
	for (i = 33; i < 127; i++)
		printf "\"\\u%04x\": %d, ", i, i
	printf "\"\\u0120\": 1, \"\\u010a\": 2, \"ll\": 3, \"<|im_start|>\": 4, \"<|im_end|>\": 5}, "
	printf "\"merges\": [\"l l\"]}, \"added_tokens\": [{\"id\": 4, \"content\": \"<|im_start|>\", "
	printf "\"special\": true}, {\"id\": 5, \"content\": \"<|im_end|>\", \"special\": true}], "
	printf "\"pre_tokenizer\": {\"type\": \"ByteLevel\", \"add_prefix_space\": false, \"use_regex\": true}, "
	print "\"decoder\": {\"type\": \"ByteLevel\"}}"
}' >"$MODEL/tokenizer.json"

echo '[{"instruction": "Hello", "input": "", "output": "Good day."},
 {"instruction": "And?", "input": "", "output": "No more.", "history": [["a", "b"]]}]' >"$T/in/d.json"
echo '{"ids":[5,6,7,8,9,10,11,12],"prompt_len":3}
{"ids":[20,21,22,23,24],"prompt_len":2}' >"$T/in/ids"
echo '{"prompt":[5,6,7],"chosen":[8,9,10],"rejected":[11,12]}' >"$T/in/pairs"
echo '{"text": "Hello, World"}' >"$T/in/text"
echo '{"ids": [5, 6, 7, 8]}' >"$T/in/some"
echo '{"prompt": "Hi"}' >"$T/in/asked"
ds-tokenize --from-ids -o "$T/in/sft.tok.zst" <"$T/in/ids" 2>/dev/null
ds-tokenize --from-ids -o "$T/in/dpo.tok.zst" <"$T/in/pairs" 2>/dev/null
echo "model_name_or_path: $MODEL
lora_rank: 1
lora_target: q_proj
per_device_train_batch_size: 1
gradient_accumulation_steps: 1
max_steps: 2
logging_steps: 1
save_steps: 1
output_dir: run" >"$T/in/c.yaml"
# What stands where an output folder will be.
echo '{"tool": "ft-merge"}' >"$T/older/anekdot.json"

# start COMMAND...: it runs in a new folder $T/w, where an older folder "old" stands, with $in on
# standard input.
start()
{
	rm -rf "$T/w"
	mkdir "$T/w"
	cp -R "$T/older" "$T/w/old"
	code=0
	(cd "$T/w" && exec "$@") <"$in" >"$T/out" 2>"$T/err" || code=$?
}

# found TEXT: what is wrong with this call.
found()
{
	wrong="$wrong $kind:$n ($1)"
}

# products FILE...: are those of the run without faults. When it failed they may be missing, but for an
# older one, which stands as it was.
products()
{
	for p in "$@"; do
		if [ $code = 2 ] && { [ "$p" != old ] && [ ! -e "$T/w/$p" ] || diff -r "$T/w/$p" "$T/older"; } >/dev/null 2>&1; then
			continue
		fi
		diff -r "$T/w/$p" "$T/want/$p" >/dev/null 2>&1 || found "$p is missing or another"
	done
}

# judge PRODUCT...: what the command that has run did.
judge()
{
	case $code in
	0) cmp -s "$T/out" "$T/want.out" || found "other output" ;;
	2)
		lines=$(grep -vxFc -f "$T/want.err" "$T/err")
		[ "$lines" = 1 ] || found "$lines lines: $(tail -n 1 "$T/err")"
		;;
	*) found "exit code $code: $(tail -n 1 "$T/err")" ;;
	esac
	products "$@"
	left=$(cd "$T" && find w tmp -name '*.tmp.*' -o -name '*.old.*' -o -path 'tmp/*')
	[ -z "$left" ] || found "left $left"
}

# calls COUNT: which of them fail.
calls()
{
	awk -v n="$1" -v samples="$([ -n "${FULL:-}" ] && echo "$1" || echo "$SAMPLES")" 'BEGIN {
		step = n > samples ? (n - 1) / (samples - 1) : 1
		for (x = 1; x <= n + 1e-6; x += step)
			print int(x + 1e-6)
	}'
}

# faults NAME "PRODUCT..." COMMAND...: the command with each kind of fault.
faults()
{
	name=$1 products=$2
	shift 2
	rm -rf "$T/want"
	start "$@"
	[ $code = 0 ]
	ok $? "$name"
	mv "$T/w" "$T/want"
	mv "$T/out" "$T/want.out"
	{ cat "$T/err" && echo "there is always a line"; } >"$T/want.err"
	export ANEKDOT_FAULT=count
	start "$@"
	tail -n 4 "$T/err" >"$T/counts"
	while IFS=: read -r kind all <&3; do
		wrong='' tried=0
		for n in $(calls "$all"); do
			ANEKDOT_FAULT=$kind:$n
			start "$@"
			# shellcheck disable=SC2086 # words
			judge $products
			case $kind in
			eintr | short) [ $code = 0 ] || found "it mattered" ;;
			esac
			tried=$((tried + 1))
		done
		if [ "$all" = 0 ]; then
			continue
		fi
		[ -z "$wrong" ]
		ok $? "$name: $kind, $tried of $all calls"
		[ -z "$wrong" ] || echo "#$wrong" | cut -c 1-1000
	done 3<"$T/counts"
	unset ANEKDOT_FAULT
}

# full NAME COMMAND...: it writes to a device that is full.
full()
{
	name=$1
	shift
	code=0
	"$@" <"$in" >/dev/full 2>"$T/err" || code=$?
	is "$code:$(grep -c 'No space left' "$T/err")" 2:1 "$name: standard output is full"
}

in=/dev/null
faults ds-validate '' ds-validate "$T/in/d.json"
faults ds-tokenize x.tok.zst ds-tokenize -t "$MODEL" --template chatml -o x.tok.zst -d "$T/in/d.json"
in=$T/in/ids
faults 'ds-tokenize --from-ids' x.tok.zst ds-tokenize --from-ids -o x.tok.zst
in=$T/in/text
faults 'ds-tokenize --ids' ids ds-tokenize --ids -t "$MODEL" -o ids
in=/dev/null
faults ds-show '' ds-show -t "$MODEL" "$T/in/sft.tok.zst"
faults ft-sft 'run/adapter_model.safetensors run/checkpoint-1' ft-sft --threads 1 "$T/in/c.yaml" "$T/in/sft.tok.zst"
mv "$T/want/run" "$T/in/run"
faults 'ft-sft going on' run/adapter_model.safetensors ft-sft --threads 1 "$T/in/c.yaml" "$T/in/sft.tok.zst" \
	"resume_from_checkpoint=$T/in/run/checkpoint-1"
faults ft-dpo 'run/adapter_model.safetensors run/checkpoint-1' ft-dpo --threads 1 "$T/in/c.yaml" "$T/in/dpo.tok.zst" \
	"adapter_name_or_path=$T/in/run" reference_cache=output_dir
(cd "$T/in" && ft-dpo c.yaml dpo.tok.zst adapter_name_or_path=run output_dir=dpo 2>/dev/null)
faults 'ft-dpo with a kept reference' 'run/adapter_model.safetensors run/checkpoint-1' ft-dpo --threads 1 \
	"$T/in/c.yaml" "$T/in/dpo.tok.zst" "adapter_name_or_path=$T/in/run"
faults ft-merge old ft-merge --threads 1 -m "$MODEL" -a "$LORA" --template chatml -o old
faults 'ft-merge in shards' old ft-merge --threads 1 -m "$MODEL" --template chatml -o old --max-shard-size 500KB
faults 'ft-merge -f lora-gguf' lora ft-merge --threads 1 -m "$MODEL" -a "$LORA" --template chatml -o lora -f lora-gguf
faults 'ft-merge -f gguf' gguf ft-merge --threads 1 -m "$MODEL" --template chatml -o gguf -f gguf -t Q8_0
in=$T/in/some
faults 'ft-eval --logprobs' p ft-eval --threads 1 --logprobs -m "$MODEL" -o p
in=/dev/null
faults ft-eval report ft-eval --threads 1 -m "$MODEL" -a "$LORA" --template chatml -d "$T/in/d.json" \
	--max-new-tokens 2 -o report
faults ft-chat '' ft-chat --threads 1 -m "$MODEL" --template chatml --max-new-tokens 2 Hello
in=$T/in/asked
faults 'ft-chat --batch' '' ft-chat --threads 1 -m "$MODEL" --template chatml --max-new-tokens 2 --batch "$T/in/asked"
faults 'ft-chat --json' '' ft-chat --threads 1 -m "$MODEL" --template chatml --max-new-tokens 2 --json

full ft-chat ft-chat --threads 1 -m "$MODEL" --template chatml --max-new-tokens 2 --json
in=$T/in/text
full ds-tokenize ds-tokenize --ids -t "$MODEL"
in=$T/in/some
full ft-eval ft-eval --threads 1 --logprobs -m "$MODEL"
in=/dev/null
full ds-show ds-show "$T/in/sft.tok.zst"
full ds-validate ds-validate --list-rules
full ft-sft ft-sft --plan "$T/in/c.yaml" "$T/in/sft.tok.zst"
finish
