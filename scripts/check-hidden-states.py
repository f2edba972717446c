"""Compares `m:hidden_states` and `m:next_token_logits` with transformers in float32.

check-hidden-states.py BINARY MODEL
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

PROMPTS = [
    "The capital of France is",
    "The quick brown fox jumps over the lazy dog.",
    "def fibonacci(n):\n    if n < 2:\n        return n\n",
    "Solve for x: 3x + 7 = 22.",
    "Photosynthesis is the process by which plants",
    "Once upon a time, in a village by the sea,",
    "SELECT name, COUNT(*) FROM users GROUP BY",
    "<|im_start|>user\nWhat is 12 times 12?<|im_end|>\n<|im_start|>assistant\n",
    "El gato duerme en la silla.",
    "In 1969, Apollo 11 landed on the",
    "The derivative of sin(x) is",
    "Dear Sir or Madam, I am writing to",
    "for (int i = 0; i < 10; ++i) {",
    "Water boils at 100 degrees",
    "To be, or not to be, that is the",
    "日本の首都は",
    "import numpy as np\nx = np.zeros((3, 4))\nprint(x",
    "The mitochondria are the powerhouse of the",
    "A",
    "Roses are red, violets are blue, sugar is sweet, and",
]

RECIPE = """
local mk = require "mergekit"
local m = mk.model({model!r})
local tensors, names, shapes = {{}}, {{}}, {{}}
local function add(name, tensor)
  tensors[name] = tensor
  names[#names + 1] = name
end
for i, states in ipairs(m:hidden_states({prefixes}, {{ pool = "last" }})) do add("last." .. i, states) end
for i, states in ipairs(m:hidden_states({prompts}, {{ pool = "mean" }})) do add("mean." .. i, states) end
add("logits", m:next_token_logits({prompts}))
return mk.define_model {{
  label = "states", like = m, sources = {{ m }}, names = names,
  build = function(name) return tensors[name] end,
}}
"""


def lua(lists):
    return "{ " + ", ".join("{ " + ", ".join(map(str, ids)) + " }" for ids in lists) + " }"


def error(found, expected):
    return ((found - expected).norm() / expected.norm()).item()


def main():
    binary, path = sys.argv[1:]
    tokenizer = AutoTokenizer.from_pretrained(path)
    model = AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32, attn_implementation="eager").eval()
    ids = [tokenizer(prompt)["input_ids"] for prompt in PROMPTS]
    # The last state of each beginning is every position's state.
    prefixes = [prompt[:end] for prompt in ids for end in range(1, len(prompt) + 1)]
    with tempfile.TemporaryDirectory() as folder:
        recipe = Path(folder, "states.lua")
        recipe.write_text(RECIPE.format(model=path, prefixes=lua(prefixes), prompts=lua(ids)))
        subprocess.run([binary, recipe, f"{folder}/out", "--quiet"], check=True)
        found = load_file(f"{folder}/out/model.safetensors")

    layers = model.config.num_hidden_layers
    states, means, logits = [[] for _ in range(layers)], [[] for _ in range(layers)], []
    for prompt in ids:
        with torch.no_grad():
            result = model(torch.tensor([prompt]), output_hidden_states=True, use_cache=False)
        for layer in range(layers):
            states[layer].append(result.hidden_states[layer][0])
            means[layer].append(result.hidden_states[layer][0].mean(0))
        logits.append(result.logits[0, -1])

    worst = 0.0
    for layer in range(layers):
        last, expected = found[f"last.{layer + 1}"], torch.cat(states[layer])
        row = max(error(a, b) for a, b in zip(last, expected))
        mean = max(error(a, b) for a, b in zip(found[f"mean.{layer + 1}"], means[layer]))
        print(f"layer {layer:2}: relative error of all {error(last, expected):.1e}, of the worst position "
              f"{row:.1e}, of the worst mean {mean:.1e}")
        worst = max(worst, row, mean)
    of_logits = max(error(a, b) for a, b in zip(found["logits"], logits))
    same = sum(a.argmax() == b.argmax() for a, b in zip(found["logits"], logits))
    following = tokenizer.decode(found["logits"][0].argmax().item())
    print(f"{len(ids)} prompts, {len(prefixes)} positions: worst relative error of a state {worst:.1e}, "
          f"of logits {of_logits:.1e}; {same} next tokens agree")
    print(f"{PROMPTS[0]!r} is followed by {following!r}")
    if worst >= 1e-4 or same != len(ids) or following != " Paris":
        sys.exit("more than 1e-4, or another next token")


main()
