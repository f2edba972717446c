#!/usr/bin/env python3
"""Makes the tiny models of the examples and tests, in Tests/Fixtures/models: needs numpy and ml_dtypes.

Three Llama-shaped models of 4 layers: a base and two "fine-tunes" of it. Seeded, so that the files come out
the same every time.
"""

import json
import struct
from pathlib import Path

import ml_dtypes
import numpy as np

HIDDEN, INTERMEDIATE, LAYERS, VOCABULARY = 16, 24, 4, 32
ROOT = Path(__file__).resolve().parent.parent / "Tests" / "Fixtures" / "models"


def shapes():
    yield "model.embed_tokens.weight", (VOCABULARY, HIDDEN)
    for layer in range(LAYERS):
        prefix = f"model.layers.{layer}."
        yield prefix + "input_layernorm.weight", (HIDDEN,)
        for part in ("q_proj", "k_proj", "v_proj", "o_proj"):
            yield prefix + f"self_attn.{part}.weight", (HIDDEN, HIDDEN)
        yield prefix + "post_attention_layernorm.weight", (HIDDEN,)
        yield prefix + "mlp.gate_proj.weight", (INTERMEDIATE, HIDDEN)
        yield prefix + "mlp.up_proj.weight", (INTERMEDIATE, HIDDEN)
        yield prefix + "mlp.down_proj.weight", (HIDDEN, INTERMEDIATE)
    yield "model.norm.weight", (HIDDEN,)
    yield "lm_head.weight", (VOCABULARY, HIDDEN)


def write(path, tensors):
    header, offset = {"__metadata__": {"format": "pt"}}, 0
    for name, tensor in tensors.items():
        size = tensor.nbytes
        header[name] = {"dtype": "BF16", "shape": list(tensor.shape), "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(t.tobytes() for t in tensors.values()))


CONFIG = {
    "architectures": ["LlamaForCausalLM"],
    "bos_token_id": 1,
    "eos_token_id": 2,
    "hidden_act": "silu",
    "hidden_size": HIDDEN,
    "initializer_range": 0.02,
    "intermediate_size": INTERMEDIATE,
    "max_position_embeddings": 128,
    "model_type": "llama",
    "num_attention_heads": 4,
    "num_hidden_layers": LAYERS,
    "num_key_value_heads": 4,
    "rms_norm_eps": 1e-05,
    "rope_theta": 10000.0,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
    "use_cache": True,
    "vocab_size": VOCABULARY,
}


def main():
    base = {}
    source = np.random.Generator(np.random.PCG64(1))
    for name, shape in shapes():
        norm = len(shape) == 1
        base[name] = 1 + 0.1 * source.standard_normal(shape) if norm else source.standard_normal(shape) / 4
    for seed, name in enumerate(("base", "math", "code")):
        source = np.random.Generator(np.random.PCG64(10 + seed))
        folder = ROOT / name
        folder.mkdir(parents=True, exist_ok=True)
        tensors = {
            key: (value + seed * 0.02 * source.standard_normal(value.shape)).astype(ml_dtypes.bfloat16)
            for key, value in base.items()
        }
        write(folder / "model.safetensors", tensors)
        (folder / "config.json").write_text(json.dumps(CONFIG, indent=2) + "\n")
        (folder / "generation_config.json").write_text(
            json.dumps({"bos_token_id": 1, "eos_token_id": 2}, indent=2) + "\n")


if __name__ == "__main__":
    main()
