#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The trainer is killed (SIGKILL) at calls to the system spread over the run: opening, steps, logs, the
# files of checkpoints, fsync, rename, removal of old ones. What goes on from the newest checkpoint, or
# anew where there is none, ends with the bytes of a run that was never killed. POINTS= says at how many
# calls (default: 12); POINTS=200 is the long form.
. "$(dirname "$0")/lib.sh"

MODEL=$ROOT/tests/golden/hf_tiny/qwen2
POINTS=${POINTS:-12}
GOMP_SPINCOUNT=1000 # or the tool would start itself once more
export GOMP_SPINCOUNT
echo '{"ids":[5,6,7,8,9,10,11,12],"prompt_len":3}
{"ids":[20,21,22,23,24],"prompt_len":2}
{"ids":[30,31,32,33,34,35],"prompt_len":1}' | ds-tokenize --from-ids -o "$T/sft.tok.zst" 2>/dev/null

run()
{
	ft-sft "$T/sft.tok.zst" "model_name_or_path=$MODEL" "output_dir=$T/run" lora_rank=2 learning_rate=1e-2 \
		per_device_train_batch_size=1 gradient_accumulation_steps=1 max_steps=6 save_steps=1 \
		save_total_limit=2 logging_steps=1 plot_loss=true lora_dropout=0.2 "$@" >"$T/out" 2>"$T/err"
}

# newest: the checkpoint of the largest step.
newest()
{
	find "$T/run" -maxdepth 1 -name 'checkpoint-*' ! -name '*.tmp.*' ! -name '*.old.*' 2>/dev/null |
		sed 's/.*checkpoint-//' | sort -n | tail -n 1
}

ANEKDOT_FAULT=count run
ok $? "a run that nobody kills"
calls=$(sed -n 's/^io://p' "$T/err")
[ "$calls" -gt 100 ]
ok $? "makes $calls calls"
cp "$T/run/adapter_model.safetensors" "$T/want"

killed=0 resumed=0 anew=0 wrong=''
for i in $(seq 1 "$POINTS"); do
	n=$((1 + (calls - 1) * (i - 1) / (POINTS > 1 ? POINTS - 1 : 1)))
	rm -rf "$T/run"
	code=0
	# In a shell of its own, which says what it died of, to nobody.
	(ANEKDOT_FAULT=kill:$n run) 2>/dev/null || code=$?
	[ $code = 137 ] && killed=$((killed + 1))
	step=$(newest)
	if [ -n "$step" ]; then
		resumed=$((resumed + 1))
		run overwrite_output_dir=true "resume_from_checkpoint=$T/run/checkpoint-$step"
	else
		anew=$((anew + 1))
		run overwrite_output_dir=true
	fi || wrong="$wrong $n ($(tail -n 1 "$T/err"))"
	cmp -s "$T/want" "$T/run/adapter_model.safetensors" || wrong="$wrong $n (other bytes)"
done
is "$killed" "$POINTS" "killed at $POINTS calls"
is "$wrong" '' "what goes on has the same bytes: $resumed from a checkpoint, $anew anew"
finish
