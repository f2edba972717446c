"""Makes Tests/Fixtures/inference: small random decoders, and what transformers 5 computes with them.

Needs torch, transformers 5 and safetensors: "$(scripts/reference-environment)" scripts/make-inference-fixtures.py

Cases share two sets of weights, which have every tensor that some architecture wants, and differ in their config.
"""

import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import AutoConfig, AutoModelForCausalLM

FIXTURES = Path(__file__).parent.parent / "Tests/Fixtures/inference"
LAYERS, VOCABULARY = 3, 40

# `wide` says its heads' size, which is not hidden_size / heads.
SHAPES = {
    "plain": {"hidden_size": 24, "intermediate_size": 40, "num_attention_heads": 3, "num_key_value_heads": 1},
    "wide": {"hidden_size": 16, "intermediate_size": 24, "num_attention_heads": 4, "num_key_value_heads": 2,
             "head_dim": 8},
}
LLAMA3 = {"factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 32}
YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32}
SHORT = {"max_position_embeddings": 16}

CASES = {
    "llama": ("plain", "llama", {}),
    "llama-tied": ("plain", "llama", {"tie_word_embeddings": True, "rope_theta": 500000.0}),
    "llama-head-size": ("wide", "llama", {}),
    "llama-biases": ("plain", "llama", {"attention_bias": True, "mlp_bias": True}),
    "llama-gelu": ("plain", "llama", {"hidden_act": "gelu"}),
    "llama-gelu-tanh": ("plain", "llama", {"hidden_act": "gelu_pytorch_tanh"}),
    "llama-relu": ("plain", "llama", {"hidden_act": "relu"}),
    "rope-linear": ("plain", "llama", {"rope_scaling": {"type": "linear", "factor": 2.5}}),
    "rope-dynamic": ("plain", "llama", {"rope_scaling": {"type": "dynamic", "factor": 2.0}} | SHORT),
    "rope-llama3": ("plain", "llama", {"rope_scaling": {"rope_type": "llama3"} | LLAMA3}),
    "rope-parameters": ("plain", "llama", {"rope_parameters": {
        "rope_type": "llama3", "rope_theta": 20000.0} | LLAMA3}),
    "rope-yarn": ("plain", "llama", {"rope_scaling": YARN}),
    "rope-yarn-settings": ("plain", "llama", {"rope_scaling": YARN | {
        "beta_fast": 8, "beta_slow": 2, "mscale": 0.7, "mscale_all_dim": 0.3, "truncate": False}}),
    "rope-yarn-attention": ("plain", "llama", {"rope_scaling": YARN | {"attention_factor": 0.8}}),
    "mistral": ("plain", "mistral", {"sliding_window": 5}),
    "mistral-full": ("wide", "mistral", {"sliding_window": None}),
    "qwen2": ("plain", "qwen2", {"use_sliding_window": False, "sliding_window": 4, "max_window_layers": 0}),
    "qwen2-window": ("plain", "qwen2", {
        "use_sliding_window": True, "sliding_window": 4, "max_window_layers": 1}),
    "qwen3": ("wide", "qwen3", {}),
    "qwen3-layer-types": ("wide", "qwen3", {
        "attention_bias": True, "use_sliding_window": True, "sliding_window": 6,
        "layer_types": ["sliding_attention", "full_attention", "sliding_attention"]}),
}


def weights(shape, generator):
    hidden, middle = shape["hidden_size"], shape["intermediate_size"]
    heads, key_heads = shape["num_attention_heads"], shape["num_key_value_heads"]
    head = shape.get("head_dim", hidden // heads)

    def matrix(rows, columns, scale=1.0):
        return torch.randn(rows, columns, generator=generator) * scale / columns**0.5

    def norm(size):
        return 1 + 0.2 * torch.randn(size, generator=generator)

    tensors = {
        "model.embed_tokens.weight": torch.randn(VOCABULARY, hidden, generator=generator),
        "model.norm.weight": norm(hidden),
        "lm_head.weight": matrix(VOCABULARY, hidden),
    }
    for layer in range(LAYERS):
        prefix = f"model.layers.{layer}."
        projections = {
            "self_attn.q_proj": matrix(heads * head, hidden, 2),
            "self_attn.k_proj": matrix(key_heads * head, hidden, 2),
            "self_attn.v_proj": matrix(key_heads * head, hidden),
            "self_attn.o_proj": matrix(hidden, heads * head),
            "mlp.gate_proj": matrix(middle, hidden),
            "mlp.up_proj": matrix(middle, hidden),
            "mlp.down_proj": matrix(hidden, middle),
        }
        for name, weight in projections.items():
            tensors[f"{prefix}{name}.weight"] = weight
            tensors[f"{prefix}{name}.bias"] = 0.5 * torch.randn(len(weight), generator=generator)
        for name, size in {
            "input_layernorm": hidden, "post_attention_layernorm": hidden,
            "self_attn.q_norm": head, "self_attn.k_norm": head,
        }.items():
            tensors[f"{prefix}{name}.weight"] = norm(size)
    return {name: tensor.to(torch.bfloat16) for name, tensor in tensors.items()}


def rounded(tensor):
    return [float(f"{value:.7g}") for value in tensor.flatten().tolist()]


def run(config, tensors, prompts):
    loaded = AutoConfig.for_model(**json.loads(json.dumps(config)))
    model = AutoModelForCausalLM.from_config(loaded, attn_implementation="eager", dtype=torch.float32)
    if loaded.tie_word_embeddings:
        tensors = tensors | {"lm_head.weight": tensors["model.embed_tokens.weight"]}
    model.load_state_dict({name: tensors[name].float() for name in model.state_dict()})
    model.eval()
    last = [[] for _ in range(LAYERS)]
    mean = [[] for _ in range(LAYERS)]
    logits = []
    for prompt in prompts:
        # One at a time: a dynamic scaling looks at the longest.
        with torch.no_grad():
            result = model(torch.tensor([prompt]), output_hidden_states=True, use_cache=False)
        for layer in range(LAYERS):
            state = result.hidden_states[layer][0]
            last[layer] += rounded(state[-1])
            mean[layer] += rounded(state.mean(0))
        logits += rounded(result.logits[0, -1])
    return {"last": last, "mean": mean, "logits": logits}


def inputs(config, tensors, prompts):
    """What enters linear layers, over all positions of all prompts: Gram matrices, and mean magnitudes."""
    loaded = AutoConfig.for_model(**json.loads(json.dumps(config)))
    model = AutoModelForCausalLM.from_config(loaded, attn_implementation="eager", dtype=torch.float32)
    model.load_state_dict({name: tensors[name].float() for name in model.state_dict()})
    model.eval().double()
    seen = {}
    for name, module in model.named_modules():
        if name.endswith(("q_proj", "o_proj", "gate_proj", "down_proj")):
            module.register_forward_pre_hook(
                lambda module, given, name=name: seen.setdefault(f"{name}.weight", []).append(given[0][0]))
    for prompt in prompts:
        with torch.no_grad():
            model(torch.tensor([prompt]), use_cache=False)
    found = {}
    for name, states in seen.items():
        states = torch.cat(states)
        found[f"gram/{name}"] = (states.T @ states).float()
        found[f"mean_abs/{name}"] = states.abs().mean(0).float()
    return found


# Of these cases, what enters linear layers.
INPUTS = ("llama", "qwen3")


def main():
    generator = torch.Generator().manual_seed(20)
    FIXTURES.mkdir(parents=True, exist_ok=True)
    sets = {name: weights(shape, generator) for name, shape in SHAPES.items()}
    for name, tensors in sets.items():
        save_file(tensors, FIXTURES / f"{name}.safetensors", metadata={"format": "pt"})
        (FIXTURES / f"{name}.safetensors").chmod(0o644)
    prompts = [
        torch.randint(VOCABULARY, (length,), generator=generator).tolist() for length in (1, 5, 33)
    ]
    cases, entering = [], {}
    for name, (shape, model_type, settings) in CASES.items():
        config = {
            "model_type": model_type, "vocab_size": VOCABULARY, "num_hidden_layers": LAYERS,
            "rms_norm_eps": 1e-5, "max_position_embeddings": 128, "tie_word_embeddings": False,
            **SHAPES[shape], **settings,
        }
        cases.append({"name": name, "weights": shape, "config": config, **run(config, sets[shape], prompts)})
        if name in INPUTS:
            entering |= {f"{name}/{key}": value for key, value in inputs(config, sets[shape], prompts).items()}
    save_file(entering, FIXTURES / "inputs.safetensors", metadata={"format": "pt"})
    (FIXTURES / "inputs.safetensors").chmod(0o644)
    text = ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases)
    (FIXTURES / "cases.json").write_text(
        f'{{"prompts":{json.dumps(prompts)},"cases":[\n{text}\n]}}\n')


main()
