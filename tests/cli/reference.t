#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Reference log-probabilities of ft-dpo: computed once for (data, base, reference), kept by hash, verified
# before use; the adapter has the same bytes whether they were computed or read.
. "$(dirname "$0")/lib.sh"

GOMP_SPINCOUNT=1000 # or the tool would start itself once more
export GOMP_SPINCOUNT
cd "$T" || exit 1
cp -R "$ROOT/tests/golden/hf_tiny/qwen2" model && chmod -R u+w model
pairs()
{
	awk -v seed="$1" 'BEGIN {
		for (i = 0; i < 90; i++) {
			printf "{\"prompt\":[5,6,7,%d,%d],\"chosen\":[8", 10 + i, 20 + seed
			for (k = 0; k < i % 7; k++)
				printf ",%d", 30 + i + k
			printf "],\"rejected\":[11,%d]}\n", 12 + i
		}
	}' | ds-tokenize --from-ids 2>/dev/null
}
pairs 1 >dpo.tok.zst
echo '{"ids":[5,6,7,8,9,10,11,12],"prompt_len":3}' | ds-tokenize --from-ids -o sft.tok.zst 2>/dev/null
echo 'model_name_or_path: model
lora_rank: 2
per_device_train_batch_size: 8
gradient_accumulation_steps: 1
learning_rate: 1.0e-2
max_steps: 4
save_steps: 2' >c.yaml
ft-sft c.yaml sft.tok.zst output_dir=a seed=1 2>/dev/null
ft-sft c.yaml sft.tok.zst output_dir=b seed=2 2>/dev/null
dpo() { ft-dpo c.yaml dpo.tok.zst "$@"; }
kept() { find . -name '*reference-*' ! -path './none/*' | sort; }

exits 0 "without a file" dpo output_dir=none reference_cache=no
is "$(grep 'log-probabilities' err)" "ft-dpo: reference log-probabilities: computed" "computed"
is "$(kept)" '' "nothing is kept"
exits 0 "beside the shard" dpo output_dir=one
file=$(kept)
is "$(grep 'log-probabilities' err)" "ft-dpo: reference log-probabilities: computed, kept in ${file#./}" "computed and kept"
is "$(basename "$file" | sed 's/[0-9a-f]\{16\}$/HASH/')" dpo.tok.zst.reference-HASH "by hash"
same none/adapter_model.safetensors one/adapter_model.safetensors "the same bytes"
exits 0 "the second time" dpo output_dir=two
is "$(grep 'log-probabilities' err)" "ft-dpo: reference log-probabilities: read from ${file#./}" "read"
same none/adapter_model.safetensors two/adapter_model.safetensors "the same bytes"

# The file: text, an empty line, two floats a pair, a hash.
text=$(sed -n '1,/^$/p' "$file" | wc -c)
is "$(wc -c <"$file")" $((text + 90 * 8 + 65)) "its size"
is "$(tail -c 65 "$file")" "$(head -c $((text + 90 * 8)) "$file" | sha256sum | cut -d ' ' -f 1)" "its hash"
is "$(head -n 1 "$file")" "anekdot reference log-probabilities 1" "its first line"

# reads|computes NAME [SETTING]...
reads()
{
	what=$1
	shift
	exits 0 "$what" dpo "output_dir=x" overwrite_output_dir=true "$@"
	is "$(grep -c ': read from' err):$(kept | wc -l | tr -d ' ')" "1:$n_kept" "$what: reads"
}
computes()
{
	what=$1
	shift
	exits 0 "$what" dpo "output_dir=x" overwrite_output_dir=true "$@"
	n_kept=$((n_kept + 1))
	is "$(grep -c ': computed, kept in' err):$(kept | wc -l | tr -d ' ')" "1:$n_kept" "$what: computes, and keeps beside the others"
}
n_kept=1
reads "one thread" --threads 1
reads "three threads" --threads 3
reads "another beta and rate" pref_beta=0.3 learning_rate=1e-3
reads "another rank" lora_rank=3
cp -R model moved
reads "the base elsewhere" model_name_or_path=moved
reads "the policy an adapter, the reference the base" adapter_name_or_path=a
reads "the policy another adapter" adapter_name_or_path=b
computes "the reference an adapter" adapter_name_or_path=a ref_model_adapters=a
reads "the same again" adapter_name_or_path=a ref_model_adapters=a
computes "the reference another adapter" adapter_name_or_path=a ref_model_adapters=b
computes "the adapter merged" adapter_name_or_path=a create_new_adapter=true
computes "in bf16" bf16=true
computes "on another back end" --device ref
computes "nothing shared" share_prefixes=false
computes "other micro-batches" per_device_train_batch_size=2
perl -e 'open F, "+<", "moved/model.safetensors"; seek F, -1, 2; print F "\0"'
computes "another base" model_name_or_path=moved
pairs 2 >other && mv dpo.tok.zst first && mv other dpo.tok.zst
computes "other data"
mv first dpo.tok.zst
reads "the first data"

# What is no such file is computed again, with one note, and the file is whole afterwards.
cp "$file" good
size=$(wc -c <good)
# spoilt HOW: the file is not used.
spoilt()
{
	exits 0 "$1" dpo output_dir=x overwrite_output_dir=true
	is "$(grep -c '^note: .*computed again' err):$(grep -c ': computed, kept' err)" 1:1 "$1: one note, and computed again"
	same none/adapter_model.safetensors x/adapter_model.safetensors "$1: the same bytes"
	same good "$file" "$1: and whole again"
}
for at in 0 30 $((text - 1)) $((text + 2)) $((size - 66)) $((size - 65)) $((size - 1)); do
	perl -e 'open F, "+<", $ARGV[0]; seek F, $ARGV[1], 0; read F, $c, 1; seek F, $ARGV[1], 0; print F $c ^ "\1"' "$file" "$at"
	spoilt "another bit in byte $at"
done
for n in 0 1 $((text + 8)) $((size - 1)); do
	head -c "$n" good >"$file"
	spoilt "cut after $n bytes"
done
echo >>"$file"
spoilt "something behind it"
cp "$(kept | grep -v "$file" | head -n 1)" "$file"
spoilt "another's file under its name"

# Where it cannot be kept beside the shard.
mkdir pipe
(cd pipe && ft-dpo ../c.yaml - model_name_or_path=../model output_dir=out <../dpo.tok.zst 2>err)
is "$(find pipe -name '*reference-*' | sed 's/-.*//')" pipe/out/reference "a shard from standard input: in output_dir"
same none/adapter_model.safetensors pipe/out/adapter_model.safetensors "the same bytes"
long=$(printf '%0240d' 0)
cp dpo.tok.zst "$long"
exits 0 "a name that becomes too long" ft-dpo c.yaml "$long" output_dir=long
has err "computed, kept in long/reference-" "in output_dir"
exits 0 "the second time" ft-dpo c.yaml "$long" output_dir=long overwrite_output_dir=true
has err "read from long/reference-" "read from there"
rm "$file"
exits 0 "reference_cache=output_dir" dpo output_dir=here reference_cache=output_dir
has err "computed, kept in here/reference-" "in output_dir"
[ ! -e "$file" ]
ok $? "and not beside the shard"
at=$(ANEKDOT_FAULT=trace dpo output_dir=t reference_cache=output_dir 2>&1 >/dev/null |
	awk '$1 == "point" && $3 !~ /^(forward|backward|update|remove)$/ { n++ } / open t.reference-.*tmp/ { print n }')
rm -rf t
exits 0 "nowhere" env "ANEKDOT_FAULT=io:$at" ft-dpo c.yaml dpo.tok.zst output_dir=t reference_cache=output_dir
has err "computed, not kept: t/reference-" "it is said, and trained all the same"
same none/adapter_model.safetensors t/adapter_model.safetensors "the same bytes"

# Going on does not compute them again; nor does one that was stopped while it computed leave half of them.
at=$(ANEKDOT_FAULT=trace dpo output_dir=tt 2>&1 >/dev/null | awk '/ update / && ++n == 3 { print $2 }')
rm -f "$file"
exits 75 "stopped in the third step" env "ANEKDOT_FAULT=term:$at" ft-dpo c.yaml dpo.tok.zst output_dir=r
has err "computed, kept in" "it had computed"
exits 0 "going on" dpo output_dir=r
has err "going on from r/checkpoint-3" "from the third step"
has err "read from ${file#./}" "reads"
same none/adapter_model.safetensors r/adapter_model.safetensors "the same bytes"
rm -f "$file"
at=$(ANEKDOT_FAULT=trace dpo output_dir=tu reference_cache=no 2>&1 >/dev/null | awk '/ forward / { print $2; exit }')
exits 75 "stopped in the first micro-batch of the reference" env "ANEKDOT_FAULT=term:$at" ft-dpo c.yaml dpo.tok.zst output_dir=s
is "$(tail -n 1 err)" "ft-dpo: interrupted before the first step; start it again" "says what to do"
[ ! -e "$file" ] && [ ! -e s/adapter_model.safetensors ]
ok $? "keeps nothing"

# The base is read for its hash once.
ANEKDOT_FAULT=trace dpo output_dir=u 2>points >/dev/null
is "$(grep -c 'open .*model/model.safetensors' points)" 2 "the base is read twice: its weights, its hash"
exits 0 "--plan computes nothing" ft-dpo --plan c.yaml dpo.tok.zst reference_cache=output_dir
is "$(cat err)" '' "and says nothing"
finish
