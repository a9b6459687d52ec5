#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Tokens of data a second of SFT and DPO on the default base, with the pipeline's settings: a JSON
# line each. Needs the model (make pipelines/soviet_v3/model); says so and ends well without it.
set -eu
cd "$TEST_ROOT"
model=models/smollm2-135m-instruct/model.gguf
if [ ! -f $model ]; then
	echo '{"bench": "train", "skipped": "no model: make pipelines/soviet_v3/model"}'
	exit 0
fi
T=$(mktemp -d)
trap 'rm -rf "$T"' EXIT
for stage in sft dpo; do
	yaml=pipelines/soviet_v3/$stage.yaml
	"$BIN/ds-tokenize" -t $model -o "$T/$stage.tok.zst" $yaml 2>/dev/null
	set -- $yaml "$T/$stage.tok.zst" "output_dir=$T/$stage" model_name_or_path=$model max_steps=10
	[ $stage = sft ] || set -- "$@" "adapter_name_or_path=$T/sft"
	printf '{"bench": "%s", "result": %s}\n' $stage "$("$BIN/ft-$stage" --json "$@" 2>/dev/null)"
done
