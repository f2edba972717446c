"""Makes a Hugging Face directory of a Llama in GGUF: fetch-smollm2.py FILE.gguf DIRECTORY.

Weights are dequantised and rounded to bfloat16. The tokenizer is rebuilt from the metadata, for vocabularies of
SmolLM's kind: byte-level BPE of GPT-2 with digits apart.
"""

import json
import struct
import sys
from pathlib import Path

import gguf
import numpy as np

LAYER_NAMES = {
    "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
NAMES = {"token_embd.weight": "model.embed_tokens.weight", "output_norm.weight": "model.norm.weight"}


def published_name(name):
    if name in NAMES:
        return NAMES[name]
    _, layer, part, kind = name.split(".")
    return f"model.layers.{layer}.{LAYER_NAMES[part]}.{kind}"


def unpermuted(weights, heads):
    """Rows as they are published: llama.cpp has the two elements that turn together side by side."""
    rows = weights.shape[0] // heads
    return weights.reshape(heads, rows // 2, 2, -1).swapaxes(1, 2).reshape(weights.shape)


def bfloat16(weights):
    """The bytes of float32 numbers rounded to nearest even."""
    bits = np.ascontiguousarray(weights, dtype=np.float32).view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype("<u2").tobytes()


def write_weights(reader, heads, key_heads, path):
    header, blobs, offset = {"__metadata__": {"format": "pt"}}, [], 0
    for tensor in reader.tensors:
        weights = gguf.dequantize(tensor.data, tensor.tensor_type)
        if tensor.name.endswith("attn_q.weight"):
            weights = unpermuted(weights, heads)
        if tensor.name.endswith("attn_k.weight"):
            weights = unpermuted(weights, key_heads)
        blob = bfloat16(weights)
        header[published_name(tensor.name)] = {
            "dtype": "BF16",
            "shape": list(weights.shape),
            "data_offsets": [offset, offset + len(blob)],
        }
        blobs.append(blob)
        offset += len(blob)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for blob in blobs:
            file.write(blob)


def write_json(path, value):
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def tokenizer(tokens, types, merges):
    special = [index for index, kind in enumerate(types) if kind == gguf.TokenType.CONTROL]
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {
                "id": index, "content": tokens[index], "single_word": False, "lstrip": False,
                "rstrip": False, "normalized": False, "special": True,
            }
            for index in special
        ],
        "normalizer": None,
        "pre_tokenizer": {
            "type": "Sequence",
            "pretokenizers": [{"type": "Digits", "individual_digits": True}, byte_level],
        },
        "post_processor": None,
        "decoder": byte_level,
        "model": {
            "type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
            "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
            "vocab": {token: index for index, token in enumerate(tokens)},
            "merges": [merge.split(" ") for merge in merges],
        },
    }


def main():
    reader = gguf.GGUFReader(sys.argv[1])
    target = Path(sys.argv[2])
    target.mkdir(parents=True)
    facts = {key: field.contents() for key, field in reader.fields.items()}
    assert facts["general.architecture"] == "llama" and facts["tokenizer.ggml.pre"] == "smollm"
    heads = facts["llama.attention.head_count"]
    key_heads = facts["llama.attention.head_count_kv"]
    ids = {name: facts[f"tokenizer.ggml.{name}_token_id"] for name in ("bos", "eos", "unknown", "padding")}
    tokens = facts["tokenizer.ggml.tokens"]

    write_weights(reader, heads, key_heads, target / "model.safetensors")
    write_json(target / "config.json", {
        "architectures": ["LlamaForCausalLM"],
        "attention_bias": False,
        "attention_dropout": 0.0,
        "bos_token_id": ids["bos"],
        "eos_token_id": ids["eos"],
        "hidden_act": "silu",
        "hidden_size": facts["llama.embedding_length"],
        "initializer_range": 0.041666666666666664,
        "intermediate_size": facts["llama.feed_forward_length"],
        "max_position_embeddings": facts["llama.context_length"],
        "mlp_bias": False,
        "model_type": "llama",
        "num_attention_heads": heads,
        "num_hidden_layers": facts["llama.block_count"],
        "num_key_value_heads": key_heads,
        "pad_token_id": ids["padding"],
        "rms_norm_eps": float(f"{facts['llama.attention.layer_norm_rms_epsilon']:.6g}"),
        "rope_scaling": None,
        "rope_theta": int(facts["llama.rope.freq_base"]),
        "tie_word_embeddings": not any(tensor.name == "output.weight" for tensor in reader.tensors),
        "torch_dtype": "bfloat16",
        "use_cache": True,
        "vocab_size": facts["llama.vocab_size"],
    })
    write_json(target / "tokenizer.json", tokenizer(
        tokens, facts["tokenizer.ggml.token_type"], facts["tokenizer.ggml.merges"]))
    write_json(target / "tokenizer_config.json", {
        "add_prefix_space": False,
        "bos_token": tokens[ids["bos"]],
        "chat_template": facts["tokenizer.chat_template"],
        "clean_up_tokenization_spaces": False,
        "eos_token": tokens[ids["eos"]],
        "model_max_length": facts["llama.context_length"],
        "pad_token": tokens[ids["padding"]],
        "tokenizer_class": "GPT2Tokenizer",
        "unk_token": tokens[ids["unknown"]],
        "vocab_size": facts["llama.vocab_size"],
    })
    write_json(target / "special_tokens_map.json", {
        "bos_token": tokens[ids["bos"]], "eos_token": tokens[ids["eos"]],
        "pad_token": tokens[ids["padding"]], "unk_token": tokens[ids["unknown"]],
    })
    write_json(target / "generation_config.json", {
        "bos_token_id": ids["bos"], "eos_token_id": ids["eos"], "pad_token_id": ids["padding"],
    })


main()
