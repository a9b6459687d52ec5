#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Ids and trained spans against those of LLaMA-Factory's own code: tools, thoughts, conversions.
. "$(dirname "$0")/lib.sh"

GOLDEN=$ROOT/tests/golden/template
for tok in qwen llama3; do zstd -dqc "$GOLDEN/$tok.tokenizer.json.zst" >"$T/$tok.json"; done
while read -r this data keys; do
	tok=$T/qwen.json
	case $keys in *llama3*) tok=$T/llama3.json ;; esac
	# shellcheck disable=SC2086 # words
	exits 0 "$this: encoded" ds-tokenize -t "$tok" -o "$T/x.tok.zst" dataset_dir="$GOLDEN" dataset="$data" $keys
	ds-show --json "$T/x.tok.zst" >"$T/got"
	same "$T/got" "$GOLDEN/$this.want" "$this: as LLaMA-Factory has it"
done <"$GOLDEN/cases"
finish
