#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes tests/golden/rope.json: config.json texts with the rotary frequencies and the factor of cos and
sin that transformers computes for them (modeling_rope_utils), in the spellings of transformers 4 and 5.

    python tests/parity/make_rope.py > tests/golden/rope.json
"""
import json

from transformers import LlamaConfig
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

BASE = {"model_type": "llama", "hidden_size": 256, "intermediate_size": 64, "num_hidden_layers": 1,
        "num_attention_heads": 4, "vocab_size": 8, "max_position_embeddings": 4096}
LLAMA3 = {"rope_type": "llama3", "factor": 32.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
          "original_max_position_embeddings": 8192}
CASES = [
    ("default", {"rope_theta": 10000.0}, 0),
    ("theta", {"rope_theta": 1000000.0, "head_dim": 128}, 0),
    ("linear", {"rope_scaling": {"rope_type": "linear", "factor": 4.0}}, 0),
    ("old key", {"rope_scaling": {"type": "linear", "factor": 2.5}}, 0),
    ("llama3", {"rope_theta": 500000.0, "max_position_embeddings": 131072, "rope_scaling": LLAMA3}, 0),
    ("llama3, factor 8", {"rope_theta": 500000.0, "head_dim": 128, "rope_scaling": {**LLAMA3, "factor": 8.0}}, 0),
    ("dynamic, within", {"rope_scaling": {"rope_type": "dynamic", "factor": 2.0}}, 4096),
    ("dynamic, beyond", {"rope_scaling": {"rope_type": "dynamic", "factor": 2.0}}, 8000),
    ("yarn", {"rope_theta": 1000000.0, "rope_scaling": {"rope_type": "yarn", "factor": 4.0,
                                                        "original_max_position_embeddings": 32768}}, 0),
    ("yarn, no original", {"rope_scaling": {"type": "yarn", "factor": 8.0}}, 0),
    ("yarn, factor given", {"rope_scaling": {"rope_type": "yarn", "factor": 4.0, "attention_factor": 1.25}}, 0),
    ("yarn, mscale", {"rope_scaling": {"rope_type": "yarn", "factor": 40.0, "mscale": 0.707, "mscale_all_dim": 1.0}}, 0),
    ("yarn, betas", {"rope_scaling": {"rope_type": "yarn", "factor": 4.0, "beta_fast": 16, "beta_slow": 2,
                                      "truncate": False}}, 0),
]


def main():
    out = []
    for name, more, n in CASES:
        config = {**BASE, **more}
        c = LlamaConfig(**{k: v for k, v in json.loads(json.dumps(config)).items() if k != "model_type"})
        kind = (c.rope_scaling or {"rope_type": "default"})["rope_type"]
        freq, factor = ROPE_INIT_FUNCTIONS[kind](c, "cpu", seq_len=n or None)
        for spelling in (4, 5):
            text = dict(config)
            if spelling == 5:
                scaling = dict(text.pop("rope_scaling", {}))
                if "type" in scaling:
                    scaling["rope_type"] = scaling.pop("type")
                text["rope_parameters"] = {"rope_type": "default", "rope_theta": text.pop("rope_theta", 10000.0),
                                           **scaling}
                text["dtype"] = "float32"
            out.append({"name": f"{name}, spelling {spelling}", "config": text, "n_positions": n or 4096,
                        "freq": [float(x) for x in freq], "factor": float(factor)})
    print(json.dumps(out, indent=0))


if __name__ == "__main__":
    main()
