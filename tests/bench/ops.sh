#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Every op at SmolLM2-135M's shapes: a JSON line a measure.
set -eu
"$BUILD_DIR/tests/ops/check_ops" --bench
