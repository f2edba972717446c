"""Loads mixtures of experts in transformers and compares them with their dense parts: check-moe.py BINARY."""

import logging
import os
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.utils.logging import disable_progress_bar

BINARY = sys.argv[1]
REPOSITORY = Path(__file__).resolve().parent.parent
FIXTURES = REPOSITORY / "Tests" / "Fixtures" / "moe" / "models"
REAL = REPOSITORY / "models" / "SmolLM2-135M-Instruct"
TOLERANCE = 1e-3

# Input architecture, output architecture, and whether that has a shared expert.
TINY = [
    ("llama", "mixtral", False), ("mistral", "mixtral", False), ("llama", "qwen", True), ("mistral", "qwen", True),
    ("qwen2", "qwen", True), ("qwen3", "qwen3", False),
]

# The experts are the dense model with noise on its MLPs, so that logits depend on where tokens are routed. The gate is
# a function of the script's own.
RECIPE = """
local mk = require "mergekit"
local base = mk.model "{base}"
local function other(name)
  local model = base:map(function(tensor, info)
    if not info.name:find(".mlp.", 1, true) then return tensor end
    -- Draws of their own for each expert.
    return mk.stream(name .. info.name, function() return tensor + {noise} * mk.randn(tensor.shape) end)
  end)
  model:save("{out}/" .. name, {{ dtype = "float32" }})
  return mk.model("{out}/" .. name)
end
local names = {{ "e0", "e1", "e2", "e3" }}
local experts = {{}}
for index, name in ipairs(names) do experts[index] = other(name) end
return mk.moe {{
  base = base, experts = experts, {shared} architecture = "{architecture}", dtype = "float32", experts_per_token = 2,
  gates = function(g)
    return mk.stream("gate" .. g.layer .. tostring(g.is_shared), function()
      return mk.randn {{ g.num_experts, g.hidden_size }}
    end)
  end,
}}
"""

# Any gate will do if all experts are one model.
SAME = """
local mk = require "mergekit"
local base = mk.model "{base}"
return mk.moe {{
  base = base, experts = {{ base, base, base, base }}, {shared} architecture = "{architecture}", dtype = "float32",
  allow_all_same = true, gates = {gates},
}}
"""


def run(recipe, out):
    path = out.parent / f"{out.name}.lua"
    path.write_text(recipe)
    subprocess.run([BINARY, "run", path, out, "--quiet", "--force"], check=True)


def load(path):
    # Other implementations of experts want sizes that are multiples of four.
    return AutoModelForCausalLM.from_pretrained(
        path, dtype=torch.float32, attn_implementation="eager", experts_implementation="eager").eval()


class Mixture(torch.nn.Module):
    """A layer's MLPs as the papers have them: a softmax over all experts, the most likely ones renormalised."""

    def __init__(self, experts, gate, count, shared=None, shared_gate=None):
        super().__init__()
        self.experts, self.gate, self.count = torch.nn.ModuleList(experts), gate, count
        self.shared, self.shared_gate = shared, shared_gate

    def forward(self, x):
        weights, chosen = torch.softmax((x @ self.gate.T).float(), dim=-1).topk(self.count, dim=-1)
        weights = weights / weights.sum(dim=-1, keepdim=True)
        result = torch.zeros_like(x)
        for index, expert in enumerate(self.experts):
            result = result + expert(x) * (weights * (chosen == index)).sum(dim=-1, keepdim=True)
        if self.shared is not None:
            result = result + torch.sigmoid(x @ self.shared_gate.T) * self.shared(x)
        return result


def gate_name(architecture):
    return "block_sparse_moe.gate.weight" if architecture == "mixtral" else "mlp.gate.weight"


def reference(base, out, architecture, has_shared):
    """The dense base with mixtures in the place of its MLPs, made of the dense parts and the gates."""
    model, parts = load(base), [load(out.parent / f"e{index}") for index in range(4)]
    stored = {}
    for file in out.glob("*.safetensors"):
        stored |= load_file(file)
    for index, layer in enumerate(model.model.layers):
        gates = [stored[f"model.layers.{index}.{gate_name(architecture)}"], None]
        if has_shared:
            gates[1] = stored[f"model.layers.{index}.mlp.shared_expert_gate.weight"]
        layer.mlp = Mixture(
            [part.model.layers[index].mlp for part in parts], gates[0], 2,
            layer.mlp if has_shared else None, gates[1])
        # What the recipe draws does not depend on the model, so it is not all zeros or ones.
        assert gates[0].std() > 0.5
    return model


def difference(a, b, ids):
    with torch.no_grad():
        return (a(ids).logits - b(ids).logits).abs().max().item()


def check_differing(base, architecture, has_shared, ids, work, noise):
    out = work / "mixture"
    shared = "shared_experts = { base }," if has_shared else ""
    run(RECIPE.format(base=base, out=work, shared=shared, architecture=architecture, noise=noise), out)
    made = load(out)
    worst = difference(made, reference(base, out, architecture, has_shared), ids)
    moved = difference(made, load(base), ids)
    print(f"  differing experts: logits differ by {worst:.1e} from the reference, {moved:.1e} from the base")
    return worst <= TOLERANCE < moved


def check_same(base, architecture, has_shared, ids, work, gates='"random"'):
    out = work / "same"
    # A shared expert adds to what the others give, so it must add nothing.
    shared = "shared_experts = { { base, residual_scale = 0 } }," if has_shared else ""
    run(SAME.format(base=base, shared=shared, architecture=architecture, gates=gates), out)
    made, dense = load(out), load(base)
    worst = difference(made, dense, ids)
    texts = [model.generate(ids[:1], max_new_tokens=24, do_sample=False, pad_token_id=0) for model in (dense, made)]
    print(f"  equal experts: logits differ by {worst:.1e}; the same text: {torch.equal(*texts)}")
    return worst <= TOLERANCE and torch.equal(*texts)


def check_gates(base, work):
    """The gates of a config beside those of mergekit-moe, which computes in bfloat16."""
    config = work / "config.yml"
    config.write_text(f"""
base_model: {base}
gate_mode: hidden
dtype: float32
experts:
  - source_model: {base}
    positive_prompts: ["What is the integral of x squared?", "Solve for x: 2x + 3 = 7."]
    negative_prompts: ["Once upon a time"]
  - source_model: {base}
    positive_prompts: ["Write a poem about the sea.", "Describe a rainy day in the old town.", "A short story:"]
""")
    option = "--i-understand-this-is-not-useful-without-training"
    subprocess.run([BINARY, config, work / "ours", "--quiet", "--force", option], check=True)
    mergekit = Path(sys.executable).parent / "mergekit-moe"
    subprocess.run(
        [mergekit, config, work / "theirs", "--device", "cpu", option], check=True, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL)
    tensors = []
    for name in ("ours", "theirs"):
        stored = {}
        for file in (work / name).glob("*.safetensors"):
            stored |= load_file(file)
        tensors.append({
            key.replace("block_sparse_moe", "mlp"): value.float() for key, value in stored.items()
            if key.endswith("gate.weight")
        })
    ours, theirs = tensors
    assert ours.keys() == theirs.keys() and ours
    cosines = torch.cat([torch.cosine_similarity(ours[name], theirs[name], dim=-1) for name in ours])
    print(f"  gates: cosine with mergekit-moe's from {cosines.min():.6f} to {cosines.max():.6f}, {len(cosines)} rows")
    return cosines.min().item() > 0.999


def main():
    logging.disable(logging.WARNING)
    warnings.filterwarnings("ignore")
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    disable_progress_bar()
    passed = True
    with tempfile.TemporaryDirectory() as folder:
        for kind, architecture, has_shared in TINY:
            print(f"{kind} -> {architecture}")
            torch.manual_seed(1)
            ids = torch.randint(4, 39, (2, 20))
            work = Path(folder) / f"{kind}-{architecture}"
            work.mkdir()
            base = FIXTURES / f"{kind}-base"
            passed &= check_differing(base, architecture, has_shared, ids, work, 0.3)
            passed &= check_same(base, architecture, has_shared, ids, work)
        if not REAL.exists():
            print(f"{REAL} is not there (scripts/fetch-smollm2), so no real model is checked")
        else:
            ids = AutoTokenizer.from_pretrained(REAL)("The capital of France is", return_tensors="pt").input_ids
            for architecture, has_shared in (("mixtral", False), ("qwen", True)):
                print(f"SmolLM2-135M -> {architecture}")
                work = Path(folder) / f"real-{architecture}"
                work.mkdir()
                passed &= check_differing(REAL, architecture, has_shared, ids, work, 0.02)
                passed &= check_same(REAL, architecture, has_shared, ids, work)
            passed &= check_gates(REAL, work)
    sys.exit(0 if passed else 1)


main()
