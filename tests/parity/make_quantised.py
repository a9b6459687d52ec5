# SPDX-License-Identifier: Apache-2.0
"""Makes tests/golden/gguf_out/quantised.txt: what llama_model_quantize makes of tests/golden/gguf/*.gguf:
a line each tensor: the file, the type that was asked for, the tensor, its type, 16 digits of the SHA-256 of its bytes.

    python tests/parity/make_quantised.py > tests/golden/gguf_out/quantised.txt
Made with llama-cpp-python 0.3.36 (libllama 0.5.0).
"""
import hashlib
import os

import llama_side as side
import ours


def main():
    for name in "llama", "qwen2", "qwen3":
        for kind in "F16", "BF16", "Q8_0", "Q4_0", "Q4_K":
            out = os.path.join(ours.SCRATCH, "out.gguf")
            side.quantise(os.path.join(ours.GOLDEN, "gguf", name + ".gguf"), out, kind)
            for tensor, (of, _, data) in sorted(side.tensors(out).items()):
                print(name, kind, tensor, of, hashlib.sha256(data).hexdigest()[:16])


if __name__ == "__main__":
    main()
