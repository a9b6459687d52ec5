#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The CUDA back end's operations against the reference: on the device where there is one and make CUDA=1 built for
# it, else its sources as tests/emulation runs them on the CPU.
: "${BIN:?the folder of the tools}"
if ! [ -e "$BIN/../lib/libanekdot-cuda.so" ] || ! [ -e /dev/nvidia0 ]; then
	ANEKDOT_CUDA=$BIN/../tests/lib/libanekdot-cuda.so
	export ANEKDOT_CUDA
fi
exec "$BIN/../tests/ops/check_ops" --device=cuda
