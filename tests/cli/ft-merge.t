#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# ft-merge's formats: shards, GGUF in every type, adapters as GGUF, Modelfile, card, licence.
. "$(dirname "$0")/lib.sh"

GOLDEN=$ROOT/tests/golden
cp -r "$GOLDEN/hf_tiny/qwen2" "$T/base"
echo "The licence of the base." >"$T/base/LICENSE"
echo '{"do_sample": true, "temperature": 0.7, "top_k": 20, "top_p": 0.8, "repetition_penalty": 1.05, "eos_token_id": [7]}' \
	>"$T/base/generation_config.json"
BASE=$T/base
LORA=$GOLDEN/hf_tiny/qwen2_lora_peft

logprobs() { echo '{"ids": [5, 6, 7, 8, 9, 10, 11, 12, 13]}' | ft-eval --logprobs --dtype float32 "$@"; }
sums() { (cd "$1" && find . -type f | sort | xargs sha256sum); }

exits 0 "a folder of one file" ft-merge -m "$BASE" -a "$LORA" -o "$T/one" --check
is "$(find "$T/one" -name '*.safetensors*' | wc -l | tr -d ' ')" 1 "holds one"
exits 0 "files of 20 KB" ft-merge -m "$BASE" -a "$LORA" -o "$T/many" --max-shard-size 20KB --check
n=$(find "$T/many" -name 'model-*-of-*.safetensors' | wc -l | tr -d ' ')
last=$(printf %05d "$n")
[ "$n" -gt 2 ] && [ -e "$T/many/model-$last-of-$last.safetensors" ] && [ ! -e "$T/many/model.safetensors" ]
ok $? "are numbered"
has "$T/many/model.safetensors.index.json" '"total_size"' "with an index"
logprobs -m "$T/one" >"$T/a"
logprobs -m "$T/many" >"$T/b"
same "$T/a" "$T/b" "and hold the same"
exits 0 "F16" ft-merge -m "$BASE" -o "$T/f16" -t F16 --check
has "$T/f16/config.json" '"torch_dtype": "float16"' "config.json says so"
same "$T/base/LICENSE" "$T/one/LICENSE" "the licence goes along"

for t in F32 F16 BF16 Q8_0 Q4_0 Q4_K; do
	exits 0 "GGUF in $t" ft-merge -m "$BASE" -a "$LORA" -o "$T/g.$t" -f gguf -t $t --template qwen --check
	exits 0 "is a model for ft-chat" ft-chat -m "$T/g.$t/model.gguf" --max-new-tokens 2 hello
done
exits 0 "the same with one thread" ft-merge -m "$BASE" -a "$LORA" -o "$T/g1" -f gguf -t Q4_K --template qwen --threads 1
same "$T/g.Q4_K/model.gguf" "$T/g1/model.gguf" "gives the same bytes"
exits 0 "fp32 as it is" ft-merge -m "$BASE" -a "$LORA" -o "$T/f32"
logprobs -m "$T/f32" >"$T/a"
logprobs -m "$T/g.F32/model.gguf" >"$T/b"
same "$T/a" "$T/b" "GGUF in F32 and safetensors in F32: the same numbers"
exits 0 "from GGUF back to a folder" ft-merge -m "$T/g.F32/model.gguf" -o "$T/back" -t F32
same "$T/f32/model.safetensors" "$T/back/model.safetensors" "gives the same weights"
exits 0 "a llama from GGUF" ft-merge -m "$GOLDEN/gguf/llama.gguf" -o "$T/l1" -t F32
exits 0 "to GGUF" ft-merge -m "$T/l1" -o "$T/l2" -f gguf -t F32
exits 0 "and back" ft-merge -m "$T/l2/model.gguf" -o "$T/l3" -t F32
same "$T/l1/model.safetensors" "$T/l3/model.safetensors" "its q and k keep their order"

exits 0 "adapters as GGUF" ft-merge -m "$BASE" -a "$LORA" -o "$T/lora" -f lora-gguf --template qwen --check
has "$T/out" "differ by at most 0.0000" "do the same"
exits 0 "two of them as one" ft-merge -m "$BASE" -a "$LORA,$T/lora/adapter.gguf" -o "$T/lora2" -f lora-gguf
logprobs -m "$BASE" -a "$LORA,$T/lora/adapter.gguf" | tr ',' '\n' >"$T/a"
logprobs -m "$BASE" -a "$T/lora2/adapter.gguf" | tr ',' '\n' >"$T/b"
worst=$(paste "$T/a" "$T/b" | tr -d '[]{}":a-z' | awk '{ d = $1 - $2; d = d < 0 ? -d : d; if (d > w) w = d } END { print w + 0 }')
is "$(echo "$worst" | awk '{ print $1 < 1e-5 }')" 1 "add what both add (off by $worst)"
exits 0 "half precision" ft-merge -m "$BASE" -a "$LORA" -o "$T/lora3" -f lora-gguf -t F16 --check

has "$T/lora/Modelfile" 'FROM ../base' "its Modelfile finds the base"
has "$T/lora/Modelfile" 'ADAPTER ./adapter.gguf' "and the adapter"
has "$T/g.F16/Modelfile" 'FROM ./model.gguf' "a GGUF's Modelfile names it"
has "$T/one/Modelfile" 'FROM .' "a folder's is the folder"
has "$T/g.F16/Modelfile" 'PARAMETER stop "<|im_end|>"' "with the stop word"
has "$T/g.F16/Modelfile" 'PARAMETER temperature 0.7' "and the base's way of drawing"
has "$T/g.F16/Modelfile" 'PARAMETER repeat_penalty 1.05' "all of it"
has "$T/g.F16/Modelfile" 'SYSTEM """You are Qwen' "and the system prompt"
grep -aq 'general.sampling.temp' "$T/g.F16/model.gguf" && grep -aq 'general.sampling.penalty_repeat' "$T/g.F16/model.gguf"
ok $? "and so does the GGUF file"
exits 0 "a template without a place for tools" ft-merge -m "$BASE" -o "$T/smol" --template smollm
has "$T/smol/Modelfile" 'eq .Role "tool"' "keeps what a tool says"
mkdir "$T/window" "$T/ramp"
cp "$GOLDEN/hf_tiny/llama/"* "$T/window"
cp "$GOLDEN/hf_tiny/llama/"* "$T/ramp"
sed 's/"model_type": "llama"/"model_type": "mistral", "sliding_window": 12/' "$GOLDEN/hf_tiny/llama/config.json" >"$T/window/config.json"
exits 0 "a sliding window" ft-merge -m "$T/window" -o "$T/windowed" -f gguf
has "$T/windowed/Modelfile" 'PARAMETER num_ctx 12' "ends Ollama's context"
has "$T/one/generation_config.json" '"temperature": 0.7' "generation_config.json keeps it"
has "$T/one/README.md" 'base_model: "' "the card names the base"
has "$T/one/README.md" "$(sed -n 's/.*"base_sha256": "\(.*\)",/\1/p' "$T/one/anekdot.json")" "by its hash"

# A page beside the base makes no other model of it; other weights do.
echo "a page" >"$T/base/README.md"
exits 0 "a base with a page more" ft-merge -m "$BASE" -o "$T/page"
is "$(grep base_sha256 "$T/page/anekdot.json")" "$(grep base_sha256 "$T/one/anekdot.json")" "is the same base"
exits 0 "a base with other weights" ft-merge -m "$T/one" -o "$T/other"
[ "$(grep base_sha256 "$T/other/anekdot.json")" != "$(grep base_sha256 "$T/one/anekdot.json")" ]
ok $? "is another"

refuses()
{
	name=$1 text=$2
	shift 2
	exits 2 "$name" ft-merge "$@"
	has "$T/err" "$text" "says so"
}
refuses "a format that is none" "there are hf, gguf, lora-gguf" -m "$BASE" -o "$T/n" -f ggml
refuses "a type that is none" "F32, F16, BF16, Q8_0, Q4_0, Q4_K" -m "$BASE" -o "$T/n" -f gguf -t Q3_K
refuses "blocks in safetensors" "there are F32, F16, BF16" -m "$BASE" -o "$T/n" -t Q8_0
refuses "a size without a unit" "500MB" -m "$BASE" -o "$T/n" --max-shard-size 5
refuses "no adapter as GGUF" "name one with -a" -m "$BASE" -o "$T/n" -f lora-gguf
sed 's/"model_type": "llama"/"model_type": "llama", "rope_scaling": {"type": "yarn", "factor": 4.0, "beta_fast": 16}/' \
	"$GOLDEN/hf_tiny/llama/config.json" | grep -v '"rope_scaling": null' >"$T/ramp/config.json"
exits 0 "a ramp of its own as a folder" ft-merge -m "$T/ramp" -o "$T/ramped"
refuses "a ramp that llama.cpp has no words for" "beta_fast 32" -m "$T/ramp" -o "$T/n" -f gguf
refuses "the folder of the model" "holds the model itself" -m "$T/g.F16/model.gguf" -o "$T/g.F16" -f gguf
[ ! -e "$T/n" ]
ok $? "nothing was left"
sums "$T/g.Q8_0" >"$T/a"
exits 0 "again into the same folder" ft-merge -m "$BASE" -a "$LORA" -o "$T/g.Q8_0" -f gguf -t Q8_0 --template qwen
sums "$T/g.Q8_0" >"$T/b"
same "$T/a" "$T/b" "gives the same bytes"
is "$(find "$T" -name '*.tmp.*' | wc -l | tr -d ' ')" 0 "no temporary file is left"
finish
