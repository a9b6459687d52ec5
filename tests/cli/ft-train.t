#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# ft-sft, ft-dpo and ft-merge as a user runs them, on tiny models.
. "$(dirname "$0")/lib.sh"

MODEL=$ROOT/tests/golden/hf_tiny/qwen2
cat >"$T/sft.jsonl" <<'EOF'
{"ids":[5,6,7,8,9,10,11,12],"prompt_len":3}
{"ids":[20,21,22,23,24],"prompt_len":2}
{"ids":[30,31,32,33,34,35],"prompt_len":1}
{"ids":[40,41,42,43,44,45,46],"prompt_len":4}
EOF
cat >"$T/dpo.jsonl" <<'EOF'
{"prompt":[5,6,7],"chosen":[8,9,10],"rejected":[11,12]}
{"prompt":[20,21],"chosen":[22],"rejected":[23,24,25]}
EOF
ds-tokenize --from-ids -o "$T/sft.tok.zst" <"$T/sft.jsonl" 2>/dev/null
ds-tokenize --from-ids -o "$T/dpo.tok.zst" <"$T/dpo.jsonl" 2>/dev/null
cat >"$T/c.yaml" <<EOF
model_name_or_path: $MODEL
lora_rank: 4
per_device_train_batch_size: 2
gradient_accumulation_steps: 1
learning_rate: 1.0e-2
num_train_epochs: 4
lr_scheduler_type: cosine
warmup_ratio: 0.1
logging_steps: 1
plot_loss: true
bf16: true
EOF

sft() { ft-sft "$T/c.yaml" "$T/sft.tok.zst" "$@"; }

exits 0 "sft trains" sft "output_dir=$T/a"
for f in adapter_config.json adapter_model.safetensors anekdot.json trainer_log.jsonl trainer_state.json \
	train_results.json all_results.json training_loss.svg; do
	[ -s "$T/a/$f" ]
	ok $? "it leaves $f"
done
is "$(wc -l <"$T/a/trainer_log.jsonl" | tr -d ' ')" 8 "one log line a step"
is "$(find "$T" -name '*.tmp.*' | wc -l | tr -d ' ')" 0 "no temporary file is left"
has "$T/a/adapter_config.json" '"target_modules"' "the adapter's config names its modules"

exits 0 "the same again" sft "output_dir=$T/b"
same "$T/a/adapter_model.safetensors" "$T/b/adapter_model.safetensors" "two runs give the same bytes"
same "$T/a/adapter_config.json" "$T/b/adapter_config.json" "and the same config"
for n in 1 2 3; do
	exits 0 "with $n threads" sft --threads $n "output_dir=$T/t$n"
	same "$T/a/adapter_model.safetensors" "$T/t$n/adapter_model.safetensors" "same bytes with $n threads"
done
exits 0 "with dropout" sft "output_dir=$T/d1" lora_dropout=0.3
exits 0 "with dropout, one thread" sft --threads 1 "output_dir=$T/d2" lora_dropout=0.3
same "$T/d1/adapter_model.safetensors" "$T/d2/adapter_model.safetensors" "dropout draws by counter: same bytes"
! cmp -s "$T/a/adapter_model.safetensors" "$T/d1/adapter_model.safetensors"
ok $? "dropout changes the result"
exits 0 "packing" sft "output_dir=$T/p1" packing=true cutoff_len=16 per_device_train_batch_size=1
has "$T/err" "packing: 2 sequences of at most 15 tokens" "four examples become two sequences"
is "$(wc -l <"$T/p1/trainer_log.jsonl" | tr -d ' ')" 8 "which are what batches are made of"
exits 0 "neat_packing" sft "output_dir=$T/p2" neat_packing=true cutoff_len=16 per_device_train_batch_size=1
same "$T/p1/adapter_model.safetensors" "$T/p2/adapter_model.safetensors" "is the same: sequences never see each other"
loss() { sed -n '1s/.*"loss": *\([0-9.]*\).*/\1/p' "$1/trainer_log.jsonl"; }
sft "output_dir=$T/p3" per_device_train_batch_size=4 bf16=false >/dev/null 2>&1
sft "output_dir=$T/p4" per_device_train_batch_size=4 bf16=false packing=true cutoff_len=32 >/dev/null 2>&1
is "$(loss "$T/p4")" "$(loss "$T/p3")" "all four in a step: the loss is that without packing"
exits 2 "an example that is too long to pack" sft "output_dir=$T/p5" packing=true cutoff_len=8
has "$T/err" "example 0 of the shard has 8 tokens, packing takes at most cutoff_len - 1 = 7" "is told"
exits 2 "packing of pairs" ft-dpo "$T/c.yaml" "$T/dpo.tok.zst" "output_dir=$T/p5" packing=true
has "$T/err" "packing: works in stage sft only" "is refused"
# held-out examples
cat >"$T/val.jsonl" <<'EOF'
{"ids":[5,6,7,8,9,10,11,12],"prompt_len":3}
{"ids":[50,51,52,53,54,55,56,57,58,59,60,61,62,63],"prompt_len":2}
{"ids":[5,6,7,9],"prompt_len":1}
EOF
ds-tokenize --from-ids -o "$T/val.tok.zst" <"$T/val.jsonl" 2>/dev/null
held() { sft --val "$T/val.tok.zst" bf16=false "$@"; }
exits 0 "with held-out examples" held "output_dir=$T/v1" eval_strategy=steps eval_steps=3 per_device_eval_batch_size=2
is "$(sed -n 's/.*"current_steps": *\([0-9]*\).*"eval_loss".*/\1/p' "$T/v1/trainer_log.jsonl" | tr '\n' ' ')" "3 6 8 " \
	"their loss is told every third step, and at the end"
sft "output_dir=$T/v0" bf16=false >/dev/null 2>&1
same "$T/v1/adapter_model.safetensors" "$T/v0/adapter_model.safetensors" "and training is the same"
# By hand: of each batch of two the mean of its tokens, weighted by the examples.
by_hand=$(ft-eval --logprobs -m "$MODEL" -a "$T/v1" --dtype float32 <"$T/val.jsonl" |
	sed 's/.*\[\(.*\)\].*/\1/' | awk -F, '
		BEGIN { first[1] = 3; first[2] = 2; first[3] = 1 }
		{
			for (i = first[NR] + 1; i <= NF; i++) {
				sum[NR > 2] -= $i
				n[NR > 2]++
			}
		}
		END { printf "%.4f", (2 * sum[0] / n[0] + sum[1] / n[1]) / 3 }')
is "$(sed -n 's/.*"eval_loss": *\([0-9.]*\).*/\1/p' "$T/v1/eval_results.json" | xargs printf '%.4f')" "$by_hand" \
	"it is what log-probabilities give by hand"
has "$T/v1/all_results.json" '"eval_loss"' "all_results.json has it"
has "$T/v1/all_results.json" '"train_loss"' "beside the other"
has "$T/v1/trainer_state.json" '"eval_loss"' "trainer_state.json too"
exits 0 "eval_strategy without them" sft "output_dir=$T/v2" eval_strategy=epoch
has "$T/err" "eval_strategy has no effect without --val SHARD" "is noted"
exits 0 "by its old name" held "output_dir=$T/v3" evaluation_strategy=epoch eval_on_start=true
is "$(grep -c eval_loss "$T/v3/trainer_log.jsonl")" 5 "before the first step, and after each of four epochs"
exits 0 "a run with checkpoints" held "output_dir=$T/v5" eval_strategy=steps eval_steps=3 save_steps=6
rm "$T/v5/adapter_model.safetensors"
exits 0 "goes on from the last one" held "output_dir=$T/v5" eval_strategy=steps eval_steps=3 save_steps=6
is "$(sed -n 's/.*"current_steps": *\([0-9]*\).*"eval_loss".*/\1/p' "$T/v5/trainer_log.jsonl" | tr '\n' ' ')" "3 6 8 " \
	"and keeps what was told before"
exits 2 "of pairs" ft-dpo "$T/c.yaml" --val "$T/val.tok.zst" "$T/dpo.tok.zst" "output_dir=$T/v4"
has "$T/err" "examples are held out in stage sft only" "are refused"
exits 2 "a memory limit that nothing fits" sft --memory-limit 0.001 "output_dir=$T/m"
has "$T/err" "GB are allowed; this would fit: --memory-limit" "is refused with what would fit"
[ ! -e "$T/m" ]
ok $? "before anything is written"

ft-sft "$T/c.yaml" - "output_dir=$T/p" <"$T/sft.tok.zst" 2>/dev/null
same "$T/a/adapter_model.safetensors" "$T/p/adapter_model.safetensors" "a shard from standard input"
exits 0 "--plan prints the plan" ft-sft --plan "$T/c.yaml" "$T/sft.tok.zst"
has "$T/out" "activations.qkv" "buffer by buffer"
for row in program. data.shard weights.embedding weights.qkv weights.o weights.gate_up weights.down \
	weights.norms "weights.rotary tables" adapter.parameters optimizer.gradients optimizer.moments kernels.scratch; do
	has "$T/out" "$row" "it names $row"
done
total=$(awk '/^$/ { exit } NR > 1 { sum += $(NF - 1) } END { printf "%.0f\n", sum }' "$T/out")
is "$(awk '/^total/ { printf "%.0f\n", $2 }' "$T/out")" "$total" "and its rows are the total"
exits 0 "--plan --json" ft-sft --plan --json "$T/c.yaml" "$T/sft.tok.zst"
one_line "$T/out" "is one line"
has "$T/out" '"total_bytes"' "with the total"
exits 0 "--json prints a summary" sft --json "output_dir=$T/j"
has "$T/out" '"steps": 8' "as one object"

# Checkpoints: going on gives the same bytes as never stopping.
exits 0 "a run with checkpoints" sft "output_dir=$T/k" save_steps=3
[ -d "$T/k/checkpoint-3" ] && [ -d "$T/k/checkpoint-6" ]
ok $? "checkpoint-3 and checkpoint-6 are there"
exits 0 "going on from step 3" sft "output_dir=$T/l" "resume_from_checkpoint=$T/k/checkpoint-3"
same "$T/a/adapter_model.safetensors" "$T/l/adapter_model.safetensors" "same bytes after going on"
cp -R "$T/k" "$T/k2" && rm "$T/k2/adapter_model.safetensors"
printf '{"current_steps": 9, "lo' >>"$T/k2/trainer_log.jsonl" # as a killed run may leave it
exits 0 "going on in the same folder" sft "output_dir=$T/k2" "resume_from_checkpoint=$T/k2/checkpoint-3"
is "$(sed 's/.*"current_steps": \([0-9]*\),.*/\1/' "$T/k2/trainer_log.jsonl" | tr '\n' ' ')" \
	"1 2 3 4 5 6 7 8 " "leaves a log with every step once"
is "$(grep -c '"step":' "$T/k2/trainer_state.json")" 8 "and a history of all of them"
exits 2 "going on with another learning rate" sft "output_dir=$T/l2" \
	"resume_from_checkpoint=$T/k/checkpoint-3" learning_rate=0.5
has "$T/err" "another learning_rate" "is refused by name"
exits 0 "save_total_limit" sft "output_dir=$T/s" save_steps=2 save_total_limit=1
is "$(find "$T/s" -maxdepth 1 -name 'checkpoint-*' | wc -l | tr -d ' ')" 1 "keeps the newest only"
mkdir -p "$T/s2/checkpoint-900/deep"
: >"$T/s2/checkpoint-1" # a file, which no folder is removed for
exits 0 "save_total_limit beside an older run's checkpoints" ft-sft "$T/c.yaml" "$T/sft.tok.zst" \
	"output_dir=$T/s2" save_steps=2 save_total_limit=1
[ -d "$T/s2/checkpoint-6" ]
ok $? "keeps its own newest"

# A killed trainer leaves nothing under a final name, and is run again.
ft-sft "$T/c.yaml" "$T/sft.tok.zst" "output_dir=$T/x" num_train_epochs=4000 save_strategy=no >/dev/null 2>&1 &
pid=$!
sleep 0.5
kill -9 $pid
wait $pid 2>/dev/null
[ ! -e "$T/x/adapter_model.safetensors" ]
ok $? "a killed run leaves no adapter"
exits 0 "and its folder can be used again" sft "output_dir=$T/x"
exits 2 "a finished folder is not overwritten" sft "output_dir=$T/x"
has "$T/err" "overwrite_output_dir" "unless that is asked for"
cp -R "$T/x" "$T/z"
exits 2 "overwriting with a model that is not there" sft "output_dir=$T/z" overwrite_output_dir=true \
	model_name_or_path=/nonexistent
same "$T/x/adapter_model.safetensors" "$T/z/adapter_model.safetensors" "leaves the older adapter"
exits 0 "an adapter is continued in its own folder" sft "output_dir=$T/z" overwrite_output_dir=true \
	"adapter_name_or_path=$T/z"
ft-sft "$T/c.yaml" "$T/sft.tok.zst" "output_dir=$T/y" num_train_epochs=4000 save_strategy=no >/dev/null 2>"$T/err" &
pid=$!
sleep 0.5
kill -TERM $pid
wait $pid
is $? 75 "SIGTERM: exit code 75"
has "$T/err" "resume_from_checkpoint=" "and how to go on"

exits 0 "dpo trains on the sft adapter" ft-dpo "$T/c.yaml" "$T/dpo.tok.zst" "adapter_name_or_path=$T/a" \
	"output_dir=$T/dpo"
has "$T/err" "reference: the base, adapter off" "it says what the reference is"
exits 0 "dpo with the sft policy as reference" ft-dpo "$T/c.yaml" "$T/dpo.tok.zst" \
	"adapter_name_or_path=$T/a" "ref_model_adapters=$T/a" "output_dir=$T/dpo2"
has "$T/dpo2/trainer_log.jsonl" '"loss": 0.693147' "whose first loss is ln 2"
exits 0 "dpo as a new adapter on the merged policy" ft-dpo "$T/c.yaml" "$T/dpo.tok.zst" \
	"adapter_name_or_path=$T/a" create_new_adapter=true "output_dir=$T/dpo3"
has "$T/dpo3/trainer_log.jsonl" '"loss": 0.693147' "whose first loss is ln 2"

exits 0 "merge" ft-merge -m "$MODEL" -a "$T/a" -o "$T/merged" --check
has "$T/out" "same within rounding" "base + adapter and merged agree"
for f in config.json model.safetensors tokenizer.json tokenizer_config.json generation_config.json; do
	[ -s "$T/merged/$f" ]
	ok $? "the merged folder holds $f"
done
exits 0 "merge two adapters" ft-merge -m "$MODEL" -a "$T/a,$T/dpo3" -o "$T/merged2" --check
# Trained without a system prompt, where the template has one of its own: talked with without it.
echo '[{"instruction":"a","output":"b"}]' >"$T/d.json"
ds-tokenize -t "$MODEL" --template qwen --system '' -d "$T/d.json" -o "$T/d.tok.zst" 2>/dev/null
exits 0 "training without a system prompt" ft-sft "$T/c.yaml" "$T/d.tok.zst" "output_dir=$T/d.run"
exits 0 "and merging that" ft-merge -m "$MODEL" -a "$T/d.run" -o "$T/d.merged"
is "$(grep -c 'You are Qwen' "$T/d.merged/chat_template.jinja")" 0 "puts none into the chat template"
exits 0 "a space in the list of adapters" ft-merge -m "$MODEL" -a "$T/a, $T/d.run" -o "$T/d.merged2"
has "$T/d.merged2/anekdot.json" '"template": "qwen"' "does not lose the template"
exits 2 "merging into the model itself" ft-merge -m "$T/d.merged" -a "$T/a" -o "$T/d.merged/"
has "$T/err" "the model itself" "is refused"

# A model with few positions, and one whose tokenizer knows more than its weights.
cp -R "$MODEL" "$T/short" && chmod -R u+w "$T/short"
sed 's/"max_position_embeddings": *[0-9]*/"max_position_embeddings": 4/' "$MODEL/config.json" >"$T/short/config.json"
exits 2 "an adapter of another base" ft-merge -m "$T/short" -a "$T/a" -o "$T/short.merged"
has "$T/err" "was trained on another base" "is refused"
exits 0 "--check of a model with 4 positions" ft-merge -m "$T/short" -a "$T/a" -o "$T/short.merged" --force --check

# llama.cpp's adapters: the golden one is PEFT's golden one.
echo '{"ids":[39,301,385,1879]}' >"$T/ids"
for a in gguf/lora_qwen2.gguf hf_tiny/qwen2_lora_peft; do
	ft-eval --logprobs -m "$MODEL" -a "$ROOT/tests/golden/$a" --dtype float32 <"$T/ids" >"$T/$(basename $a)"
done
same "$T/lora_qwen2.gguf" "$T/qwen2_lora_peft" "an adapter as GGUF and as PEFT has it: the same numbers"

bad()
{
	name=$1 text=$2
	shift 2
	exits 2 "$name" "$@"
	one_line "$T/err" "$name: one line"
	has "$T/err" "$text" "$name: says what is wrong"
}
bad "no shard" "no shard" ft-sft "$T/c.yaml" "output_dir=$T/n"
bad "a shard that is none" "sft.jsonl" ft-sft "$T/c.yaml" "$T/sft.jsonl" "output_dir=$T/n"
bad "pairs for sft" "preference pairs" ft-sft "$T/c.yaml" "$T/dpo.tok.zst" "output_dir=$T/n"
bad "an unknown key" "lora_rank" ft-sft "$T/c.yaml" "$T/sft.tok.zst" "output_dir=$T/n" lora_rnak=3
bad "no model there" "no such model" ft-sft "$T/c.yaml" "$T/sft.tok.zst" "output_dir=$T/n" \
	model_name_or_path=/nonexistent
bad "an empty name" "is empty" ft-merge -m "$MODEL" -a "" -o "$T/n"
bad "a model given as adapter" "no LoRA adapter" ft-merge -m "$MODEL" -a "$ROOT/tests/golden/gguf/qwen2.gguf" \
	-o "$T/n"
bad "no adapter there" "adapter_config.json" ft-merge -m "$MODEL" -a "$T/none" -o "$T/n"
mkdir "$T/whole"
cp "$T/a/adapter_config.json" "$T/whole/"
sed 's/"F32"/"I32"/g' "$T/a/adapter_model.safetensors" >"$T/whole/adapter_model.safetensors"
bad "an adapter of whole numbers" "I32" ft-merge -m "$MODEL" -a "$T/whole" -o "$T/n"
echo '{"ids":[5,6,400000],"prompt_len":1}' | ds-tokenize --from-ids -o "$T/big.tok.zst" 2>/dev/null
bad "ids beyond the vocabulary" "400000" ft-sft "$T/c.yaml" "$T/big.tok.zst" "output_dir=$T/n"
exits 76 "a learning rate that breaks the numbers" sft "output_dir=$T/nan" learning_rate=1e30 lr_scheduler_type=constant
has "$T/err" "not finite" "stops with what broke"
[ ! -e "$T/nan/adapter_model.safetensors" ]
ok $? "and leaves no adapter"
finish
