#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Going on from a checkpoint: which one is chosen, what a damaged one does, what may differ and what not;
# the order in which a checkpoint comes to the disk.
. "$(dirname "$0")/lib.sh"

GOMP_SPINCOUNT=1000 # or the tool would start itself once more
export GOMP_SPINCOUNT
cd "$T" || exit 1
cp -R "$ROOT/tests/golden/hf_tiny/qwen2" model && chmod -R u+w model
echo '{"ids":[5,6,7,8,9,10,11,12],"prompt_len":3}
{"ids":[20,21,22,23,24],"prompt_len":2}
{"ids":[30,31,32,33,34,35],"prompt_len":1}' | ds-tokenize --from-ids -o sft.tok.zst 2>/dev/null
echo 'model_name_or_path: model
lora_rank: 2
per_device_train_batch_size: 1
gradient_accumulation_steps: 1
learning_rate: 1.0e-2
max_steps: 6
save_steps: 2
logging_steps: 1' >c.yaml
sft() { ft-sft c.yaml sft.tok.zst "$@"; }
# A run that was stopped after its step 4: two checkpoints, no adapter.
exits 0 "a run" sft output_dir=whole
cp -R whole run && rm run/adapter_model.safetensors
is "$(ls -d run/checkpoint-*)" "run/checkpoint-2
run/checkpoint-4" "has two checkpoints"
exits 0 "sha256sum reads their manifest" sh -c 'cd run/checkpoint-4 && sha256sum -c SHA256SUMS'
is "$(wc -l <"$T/out")" 5 "which names five files"

# goes STEP NAME [SETTING]...: the folder d goes on from there to the same bytes.
goes()
{
	step=$1 what=$2
	shift 2
	exits 0 "$what" sft output_dir=d "$@"
	has err "going on from d/checkpoint-$step: $step of 6 steps are done" "$what: from step $step"
	same whole/adapter_model.safetensors d/adapter_model.safetensors "$what: the same bytes"
}
again() { rm -rf d && cp -R run d; }

again
goes 4 "the same command goes on by itself"
again
goes 4 "resume_from_checkpoint: true" resume_from_checkpoint=true overwrite_output_dir=true
again
goes 2 "a checkpoint that is named" resume_from_checkpoint=d/checkpoint-2 overwrite_output_dir=true
again
exits 0 "resume_from_checkpoint: false" sft output_dir=d resume_from_checkpoint=false
is "$(grep -c 'going on' err)" 0 "starts anew"
again
exits 0 "overwrite_output_dir: true" sft output_dir=d overwrite_output_dir=true
is "$(grep -c 'going on' err)" 0 "starts anew"
rm -rf d
exits 2 "resume_from_checkpoint: true without any" sft output_dir=d resume_from_checkpoint=true
one_line err "is refused in one line"
[ ! -e d ]
ok $? "and leaves nothing"

# ---- damage ----

flip() { perl -e 'open F, "+<", $ARGV[0]; seek F, $ARGV[1], 0; read F, $c, 1; seek F, $ARGV[1], 0; print F $c ^ "\1"' "$1" "$2"; }
size() { wc -c <"$1" | tr -d ' '; }

# refused HOW: the damaged d/checkpoint-4 is refused when named, and passed over when not.
refused()
{
	got=0 wrong=''
	sft output_dir=e resume_from_checkpoint=d/checkpoint-4 >out 2>err || got=$?
	[ "$got:$(wc -l <err | tr -d ' '):$(grep -c '^ft-sft: d/checkpoint-4[:/]' err)" = 2:1:1 ] || wrong="named: $(cat err)"
	got=0
	sft output_dir=d >out 2>err || got=$?
	[ "$got:$(grep -c '^note: d/checkpoint-4[:/].*; it is passed over$' err)" = 0:1 ] || wrong="$wrong, by itself: $(cat err)"
	grep -q 'going on from d/checkpoint-2' err || wrong="$wrong, not from the one before"
	cmp -s whole/adapter_model.safetensors d/adapter_model.safetensors || wrong="$wrong, other bytes"
	is "$wrong" '' "$1: refused by name, passed over otherwise"
}

for f in adapter_config.json adapter_model.safetensors anekdot.json optimizer.safetensors trainer_state.json SHA256SUMS; do
	p=d/checkpoint-4/$f
	again && rm $p
	refused "$f is missing"
	again && : >$p
	refused "$f is empty"
	again && head -c $(($(size run/checkpoint-4/$f) / 2)) run/checkpoint-4/$f >$p
	refused "$f is cut"
	for at in 0 $(($(size run/checkpoint-4/$f) / 2)) $(($(size run/checkpoint-4/$f) - 1)); do
		again && flip $p "$at"
		refused "$f has another bit in byte $at"
	done
	again && rm $p && mkdir $p
	refused "$f is a folder"
done
again && sed -i '/optimizer/d' d/checkpoint-4/SHA256SUMS
refused "a line of SHA256SUMS is missing"
again && (cd d/checkpoint-4 && echo "$(sha256sum ../../c.yaml | cut -c 1-64)  ../../c.yaml" >>SHA256SUMS)
refused "SHA256SUMS names a file elsewhere"
again && rm -r d/checkpoint-4 && : >d/checkpoint-4
refused "a file in its place"
again && echo a note >d/checkpoint-4/NOTES
goes 4 "a file that SHA256SUMS does not name does not matter"
again && mv d/checkpoint-4 d/checkpoint-4.tmp.999999999 && mkdir d/checkpoint-x d/checkpoint-
goes 2 "what is no checkpoint by name is none"
[ ! -e d/checkpoint-4.tmp.999999999 ]
ok $? "what a killed run left in the making is gone"
again && mv d/checkpoint-4 d/checkpoint-4.old.999999999
goes 4 "what it had moved aside is put back"
again && rm d/*/optimizer.safetensors
exits 0 "both are damaged" sft output_dir=d
is "$(grep -c 'passed over' err):$(grep -c 'going on' err)" 2:0 "both are told, and it starts anew"
same whole/adapter_model.safetensors d/adapter_model.safetensors "the same bytes"

# ---- what differs ----

# refuses WHAT COMMAND...: the command, which goes on from run/checkpoint-4, names just that difference.
refuses()
{
	what=$1
	shift
	exits 2 "another $what" "$@" output_dir=e resume_from_checkpoint=run/checkpoint-4
	is "$(sed -n 's/^ft-sft: run.checkpoint-4 was made with another \(.*\); go on with.*/\1/p' err)" "$what" "is named, with both values"
	[ ! -e e ]
	ok $? "and nothing is written"
}
while read -r key old now; do
	what="$key ($old, now $now)"
	[ "$key" != lora_rank ] || what="lora_alpha (4, now 6), $what"
	[ "$key" != seed ] || what="data_seed (42, now 7), $what"
	refuses "$what" sft "$key=$(echo "$now" | tr -d '"')"
done <<'EOF'
learning_rate 0.01 0.02
max_steps 6 7
num_train_epochs 3 4
seed 42 7
bf16 false true
lora_rank 2 3
lora_dropout 0 0.5
lora_target "all" "q_proj"
use_rslora false true
weight_decay 0 0.5
max_grad_norm 1 2
adam_beta1 0.9 0.8
lr_scheduler_type "linear" "cosine"
warmup_steps 0 2
share_prefixes true false
disable_shuffling false true
EOF
echo '{"ids":[9,8,7],"prompt_len":1}' | ds-tokenize --from-ids -o other.tok.zst 2>/dev/null
ft-sft c.yaml other.tok.zst output_dir=f max_steps=1 2>/dev/null
hash() { sed -n "s/.*\"$2\": \"\\(.\\{12\\}\\).*/\\1/p" "$1/anekdot.json"; }
refuses "shard ($(hash run shard_sha256), now $(hash f shard_sha256)), size of micro-batches in tokens (8, now 3)" \
	ft-sft c.yaml other.tok.zst
cp -R model model2 && flip model2/model.safetensors $(($(size model/model.safetensors) - 2))
sft output_dir=g max_steps=1 model_name_or_path=model2 2>/dev/null
refuses "base model ($(hash run base_sha256), now $(hash g base_sha256))" sft model_name_or_path=model2
exits 2 "another back end" sft --device ref output_dir=e resume_from_checkpoint=run/checkpoint-4
has err "back end (" "is named"
has err ", now ref)" "with what it is now"
again && sed -i 's/"semantics": [0-9]*/"semantics": 99/' d/checkpoint-4/trainer_state.json
(cd d/checkpoint-4 && sha256sum ./*.json ./*.safetensors | sed 's,\./,,' >SHA256SUMS)
exits 2 "a checkpoint of another version" sft output_dir=d
is "$(grep -c 'another semantics of the tool (99, now [0-9]*);' err)" 1 "is refused"
has err "overwrite_output_dir: true" "with the way out"
is "$(find d -name '*.tmp.*' | wc -l | tr -d ' '):$(find d -name 'checkpoint-*' | wc -l | tr -d ' ')" 0:2 "and stays as it is"

# An adapter that was started from, and is another one now.
cp -R whole first
exits 0 "a run that started from an adapter" sft output_dir=h adapter_name_or_path=first max_steps=3 save_steps=1
rm h/adapter_model.safetensors
flip first/adapter_model.safetensors $(($(size first/adapter_model.safetensors) - 2))
exits 2 "whose content has changed" sft output_dir=h adapter_name_or_path=first max_steps=3 save_steps=1
has err "content of the adapters it began with (" "is refused"

mv model moved
for setting in --threads=1 --threads=3 logging_steps=4 save_steps=5 save_total_limit=1 plot_loss=true save_strategy=no \
	disable_gradient_checkpointing=true dataset=x template=y cutoff_len=77 optim=adamw_torch_fused; do
	again
	goes 4 "the base elsewhere, and $setting" model_name_or_path=moved "$setting"
done
mv moved model

# ---- the order on disk ----

rm -rf d
ANEKDOT_FAULT=trace sft output_dir=d save_steps=1 save_total_limit=1 2>points >/dev/null
is "$(ls -d d/checkpoint-*)" d/checkpoint-5 "save_total_limit=1 keeps one"
# of checkpoint-3: what was done, as lines "CALL NAME".
sed -n '/mkdir .*checkpoint-3\.tmp/,/remove .*checkpoint-3\.tmp/p' points |
	sed 's/^point [0-9]* //; s/\.tmp\.[0-9]*$/.tmp/; s, .*/\([^/]*\)$, \1,; s/ *$//' | grep -Ev '^(fstat|map|write|mkdir)' >order
is "$(grep -c '^rename' order)" 7 "six files and a folder are renamed"
is "$(awk '/^rename/ { if (before != "close" || sync != "fsync") print } { sync = before; before = $0 }' order)" \
	"rename checkpoint-3" "a file is on disk before it is renamed"
is "$(awk 'renamed && $0 != (++i == 1 ? "open " folder : "fsync") { print renamed, $0 }
	i == 2 { renamed = ""; i = 0 }
	/^rename/ { renamed = $2; folder = $2 ~ /^checkpoint/ ? "d" : "checkpoint-3.tmp" }' order)" '' \
	"and its folder is after it"
is "$(grep '^rename' order | tail -n 2 | tr '\n' ' ')" "rename SHA256SUMS rename checkpoint-3 " "SHA256SUMS is the last file"
awk '{ step = $4; sub(/.*-/, "", step) }
	$3 == "rename" && $4 ~ /\/checkpoint-[0-9]+$/ { renamed = step }
	$3 == "fsync" && renamed { durable = renamed }
	$3 == "remove" && $4 ~ /\/checkpoint-[0-9]+$/ { seen++; if (durable + 0 <= step + 0) bad = 1 }
	END { exit !(seen == 4 && !bad) }' points
ok $? "an older checkpoint is removed when the newer one is on disk, not before"

# Overwriting a checkpoint: the old one stands until the new one does.
rm -rf d
sft output_dir=d 2>/dev/null && rm d/adapter_model.safetensors
ANEKDOT_FAULT=trace sft output_dir=d overwrite_output_dir=true 2>points >/dev/null
is "$(grep -c 'exchange d/checkpoint-.$' points):$(grep -c 'rename d/checkpoint-.$' points)" 2:0 "a checkpoint changes places with an older one"
same run/checkpoint-4/optimizer.safetensors d/checkpoint-4/optimizer.safetensors "which is the same"
finish
