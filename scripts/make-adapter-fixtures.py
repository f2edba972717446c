#!/usr/bin/env python3
"""Makes Tests/Fixtures/adapters with PEFT (0.21.2), PyTorch (2.13.0) and transformers (5.24.0): tiny models, adapters
as PEFT saves them, and what `merge_and_unload` makes of the two in float32.

    python3 scripts/make-adapter-fixtures.py
"""

import json
import pathlib
import shutil
import warnings

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import (
    GPT2Config, GPT2LMHeadModel, GptOssConfig, GptOssForCausalLM, LlamaConfig, LlamaForCausalLM, MixtralConfig,
    MixtralForCausalLM, Qwen3MoeConfig, Qwen3MoeForCausalLM)

warnings.filterwarnings("ignore")
OUT = pathlib.Path(__file__).parent.parent / "Tests" / "Fixtures" / "adapters"


def llama(tied=False):
    torch.manual_seed(3)
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=16, hidden_size=8, intermediate_size=12, num_hidden_layers=2, num_attention_heads=2,
            num_key_value_heads=1, max_position_embeddings=32, tie_word_embeddings=tied, attention_bias=True,
            bos_token_id=None, eos_token_id=None))


def gpt2():
    torch.manual_seed(4)
    return GPT2LMHeadModel(
        GPT2Config(vocab_size=16, n_embd=8, n_layer=2, n_head=2, n_positions=16, bos_token_id=None, eos_token_id=None))


def gpt_oss():
    torch.manual_seed(5)
    return GptOssForCausalLM(
        GptOssConfig(
            vocab_size=16, hidden_size=8, intermediate_size=12, num_hidden_layers=1, num_attention_heads=2,
            num_key_value_heads=1, head_dim=4, num_local_experts=4, num_experts_per_tok=2, max_position_embeddings=32,
            initial_context_length=32, rope_scaling=None, bos_token_id=None, eos_token_id=None, pad_token_id=None))


def experts_apart(kind):
    torch.manual_seed(6)
    options = dict(
        vocab_size=16, hidden_size=8, intermediate_size=12, num_hidden_layers=1, num_attention_heads=2,
        num_key_value_heads=1, head_dim=4, num_experts_per_tok=2, max_position_embeddings=32, bos_token_id=None,
        eos_token_id=None)
    if kind == "mixtral":
        return MixtralForCausalLM(MixtralConfig(num_local_experts=3, **options))
    return Qwen3MoeForCausalLM(Qwen3MoeConfig(num_experts=3, moe_intermediate_size=6, **options))


ADAPTERS = {
    "plain": (llama, dict(r=4, lora_alpha=6, target_modules=["q_proj", "v_proj", "down_proj"])),
    "rslora": (llama, dict(r=4, lora_alpha=6, use_rslora=True, target_modules="all-linear")),
    "patterns": (
        llama,
        dict(
            r=2, lora_alpha=4, target_modules=["q_proj", "up_proj", "o_proj"],
            rank_pattern={"q_proj": 3, r".*layers\.1\.mlp\.up_proj": 5, "proj": 7},
            alpha_pattern={r"layers.0.self_attn.q_proj": 9.0, "up_proj": 1.5})),
    "dora": (llama, dict(r=3, lora_alpha=5, use_dora=True, target_modules=["q_proj", "gate_proj", "embed_tokens"])),
    "embeddings": (
        llama,
        dict(r=3, lora_alpha=6, target_modules=["embed_tokens", "lm_head", "k_proj"], modules_to_save=["norm"])),
    "saved": (llama, dict(r=2, target_modules=["v_proj"], modules_to_save=["lm_head", "embed_tokens"])),
    "bias": (llama, dict(r=2, target_modules=["q_proj", "k_proj"], bias="all")),
    "lora_bias": (llama, dict(r=2, lora_alpha=3, target_modules=["q_proj"], lora_bias=True)),
    "tokens": (llama, dict(r=2, target_modules=["o_proj"], trainable_token_indices={"embed_tokens": [3, 0, 15]})),
    "replication": (llama, dict(r=2, target_modules=["q_proj"], layer_replication=[[0, 2], [0, 1]])),
    "tied": (lambda: llama(tied=True), dict(r=2, target_modules=["embed_tokens", "q_proj"])),
    "gpt2": (gpt2, dict(r=3, lora_alpha=5, target_modules=["c_attn", "c_proj", "c_fc"])),
    "experts": (
        gpt_oss,
        dict(
            r=2, lora_alpha=5, target_modules=["q_proj"],
            target_parameters=["mlp.experts.gate_up_proj", "mlp.experts.down_proj"])),
    "mixtral_experts": (
        lambda: experts_apart("mixtral"),
        dict(r=2, lora_alpha=5, target_parameters=["mlp.experts.gate_up_proj", "mlp.experts.down_proj"])),
    "qwen_experts": (
        lambda: experts_apart("qwen"),
        dict(r=2, lora_alpha=5, target_modules=["q_proj"], target_parameters=["mlp.experts.gate_up_proj"])),
    "gpt2_dora": (gpt2, dict(r=3, use_dora=True, fan_in_fan_out=True, target_modules=["c_attn", "c_proj"])),
}


def randomise(model):
    """Gives every trained part numbers of its own, as PEFT begins with zeros and copies."""
    generator = torch.Generator().manual_seed(9)
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            noise = torch.randn(parameter.shape, generator=generator) * 0.3
            with torch.no_grad():
                parameter.copy_(parameter + noise if "magnitude" in name else noise)


def replicated(model):
    """The weights by which a model with repeated layers computes: these share memory, and merging would add the products
    of all repetitions to one."""
    state = {}
    for key, tensor in model.state_dict().items():
        if "lora_" not in key:
            state[key.removeprefix("base_model.model.").replace(".base_layer.", ".")] = tensor
    for key, module in model.named_modules():
        if hasattr(module, "get_delta_weight"):
            name = key.removeprefix("base_model.model.") + ".weight"
            state[name] = module.base_layer.weight + module.get_delta_weight("default")
    return state


# Ways to combine `plain` and `second`, with the arguments of PEFT's add_weighted_adapter.
COMBINATIONS = {
    "linear": {}, "cat": {}, "svd": dict(svd_rank=3), "ties": dict(density=0.4),
    "ties_frequency": dict(combination_type="ties", density=0.6, majority_sign_method="frequency"),
    "ties_svd": dict(density=0.4, svd_rank=3), "magnitude_prune": dict(density=0.3),
    "magnitude_prune_svd": dict(density=0.3),
}


def combine():
    """What add_weighted_adapter makes of two adapters, on the model."""
    second = get_peft_model(
        llama(), LoraConfig(
            task_type="CAUSAL_LM", r=4, lora_alpha=3, use_rslora=True, target_modules=["q_proj", "up_proj"]))
    randomise(second)
    second.save_pretrained(OUT / "second")
    (OUT / "second" / "README.md").unlink(missing_ok=True)
    for name, options in COMBINATIONS.items():
        model = PeftModel.from_pretrained(llama(), OUT / "plain", adapter_name="plain")
        model.load_adapter(OUT / "second", "second")
        options = {"combination_type": name, **options}
        model.add_weighted_adapter(["plain", "second"], [0.7, -0.4], "both", **options)
        model.set_adapter("both")
        state = model.merge_and_unload(adapter_names=["both"]).state_dict()
        folder = OUT / "combined" / name
        folder.mkdir(parents=True)
        save_file({key: tensor.detach().clone().contiguous() for key, tensor in state.items()}, folder / "merged.safetensors")


def save_base(model, folder):
    if folder.exists():
        return
    model.save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)


def main():
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir(parents=True)
    bases = {"llama": llama, "llama_tied": lambda: llama(tied=True), "gpt2": gpt2, "gpt_oss": gpt_oss,
        "mixtral": lambda: experts_apart("mixtral"), "qwen_moe": lambda: experts_apart("qwen")}
    for name, make in bases.items():
        save_base(make(), OUT / "bases" / name)
    for name, (make, options) in ADAPTERS.items():
        model = get_peft_model(make(), LoraConfig(task_type="CAUSAL_LM", **options))
        randomise(model)
        folder = OUT / name
        model.save_pretrained(folder)
        for extra in ["README.md"]:
            (folder / extra).unlink(missing_ok=True)
        # As a user loads it, and not as it was trained.
        loaded = PeftModel.from_pretrained(make(), folder)
        if name == "replication":
            state = replicated(loaded)
        else:
            merged = loaded.merge_and_unload()
            state = merged.state_dict()
            if merged.config.tie_word_embeddings:
                del state["lm_head.weight"]
            if name in ("mixtral_experts", "qwen_experts"):
                # In memory the experts are fused; checkpoints have them apart.
                merged.save_pretrained(folder / "whole")
                state = load_file(folder / "whole" / "model.safetensors")
                shutil.rmtree(folder / "whole")
        save_file({key: tensor.detach().clone().contiguous() for key, tensor in state.items()}, folder / "merged.safetensors")
    combine()
    # Weights that were saved with the adapter still in them.
    within = OUT / "within"
    within.mkdir()
    model = PeftModel.from_pretrained(llama(), OUT / "plain")
    save_file({key: tensor.contiguous() for key, tensor in model.state_dict().items()}, within / "model.safetensors")
    shutil.copy(OUT / "plain" / "adapter_config.json", within)
    shutil.copy(OUT / "bases" / "llama" / "config.json", within)

    # The same adapter in the forms of other times and tools.
    plain = load_file(OUT / "plain" / "adapter_model.safetensors")
    forms = {
        "as_bin": lambda key: key,
        "without_prefix": lambda key: key.removeprefix("base_model.model."),
        "with_adapter_name": lambda key: key.replace(".weight", ".default.weight"),
    }
    for name, rename in forms.items():
        folder = OUT / name
        folder.mkdir()
        shutil.copy(OUT / "plain" / "adapter_config.json", folder)
        renamed = {rename(key): tensor for key, tensor in plain.items()}
        if name == "as_bin":
            torch.save(renamed, folder / "adapter_model.bin")
        else:
            save_file(renamed, folder / "adapter_model.safetensors")
    for config in OUT.rglob("adapter_config.json"):
        value = json.loads(config.read_text())
        value["base_model_name_or_path"] = None
        # PEFT writes sets in any order.
        for key in ("target_modules", "modules_to_save"):
            if isinstance(value.get(key), list):
                value[key].sort()
        config.write_text(json.dumps(value, indent=2, sort_keys=True) + "\n")


main()
