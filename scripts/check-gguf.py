"""Compares what mergekit-lua reads of GGUF files with what transformers and the package gguf read: check-gguf.py FOLDER"""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import gguf
import numpy as np
import torch
import transformers
from safetensors import safe_open

TOOL = os.environ.get("MERGEKIT_LUA", "mergekit-lua").split()
PROMPT = "The capital of France is"
TEXTS = [
    PROMPT, "Hello, world!  Two spaces\n\nand lines\ttabs", "naïve café 文字 🙂 12345 3.14", "def f(x):\n    return x  # ok",
    " leading", "It's 'quoted' and I'll say they're here", "", "ÅÄÖ ﬁ ½", "a" * 50, "<|im_start|>user\nhi<|im_end|>",
]
FILES = {"SmolLM2-135M-Instruct.Q4_1.gguf": "llama", "gemma-3-270m-q4_k_m.gguf": "gemma3"}


def run(*arguments):
    started = time.monotonic()
    result = subprocess.run([*TOOL, *map(str, arguments)], text=True, capture_output=True, check=False)
    if result.returncode:
        sys.exit(f"{' '.join(map(str, arguments))}: {result.stderr}")
    if result.stderr.strip():
        print("   said:", result.stderr.strip())
    return time.monotonic() - started


def stored(directory):
    tensors = {}
    for path in sorted(directory.glob("*.safetensors")):
        with safe_open(path, "pt") as file:
            tensors |= {name: file.get_tensor(name) for name in file.keys()}
    return tensors


def check_storage(path, tensors):
    """Every matrix that is not reordered has the bits of gguf.dequantize."""
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH[FILES[path.name].upper()], 64)
    compared = 0
    by_gguf = {names.get_name(name, try_suffixes=(".weight", ".bias")): name for name in tensors}
    for tensor in gguf.GGUFReader(path).tensors:
        own = by_gguf.get(tensor.name)
        if own is None:
            sys.exit(f"{tensor.name}: none in the output")
        reordered = FILES[path.name] == "llama" and (".attn_q." in tensor.name or ".attn_k." in tensor.name)
        if "norm" in tensor.name or reordered:
            continue
        expected = gguf.dequantize(tensor.data, tensor.tensor_type).astype(np.float32)
        if not np.array_equal(tensors[own].numpy().view(np.uint32), expected.view(np.uint32)):
            sys.exit(f"{tensor.name}: other bits than gguf.dequantize")
        compared += 1
    print(f"   {compared} tensors of the same bits as gguf.dequantize")


def check(path, work):
    print(path.name)
    out = work / path.stem
    seconds = run("convert", path, out, "--quiet")
    tensors = stored(out)
    print(f"   converted in {seconds:.1f} s, {len(tensors)} tensors")
    check_storage(path, tensors)

    reference = transformers.AutoModelForCausalLM.from_pretrained(path.parent, gguf_file=path.name, dtype=torch.float32)
    model = transformers.AutoModelForCausalLM.from_pretrained(out, dtype=torch.float32)
    theirs, own = reference.state_dict(), model.state_dict()
    assert theirs.keys() == own.keys(), theirs.keys() ^ own.keys()
    worst = max((theirs[name] - own[name]).abs().max().item() for name in theirs)
    print(f"   furthest from what transformers reads: {worst:.3g}")

    tokenizer = transformers.AutoTokenizer.from_pretrained(out)
    their_tokenizer = transformers.AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)
    for text in TEXTS:
        ids, expected = tokenizer(text).input_ids, their_tokenizer(text).input_ids
        if ids != expected:
            print(f"   {text!r}: {tokenizer.convert_ids_to_tokens(ids)}, transformers makes {tokenizer.convert_ids_to_tokens(expected)}")
        if tokenizer.decode(ids, skip_special_tokens=True) != text:
            print(f"   {text!r} comes back as {tokenizer.decode(ids, skip_special_tokens=True)!r}")
    return say(model, tokenizer)


def say(model, tokenizer):
    ids = tokenizer(PROMPT, return_tensors="pt").input_ids
    with torch.no_grad():
        logits = model(ids).logits[0, -1]
    word = tokenizer.decode([logits.argmax().item()])
    print(f"   {PROMPT!r} -> {word!r}")
    return word


def merge(path, work):
    """A merge with a seeded sibling, straight from the file."""
    (work / "merge.lua").write_text(f"""
local mk = require "mergekit"
local model = mk.model "{path.resolve()}"
local sibling = model:map(function(x, info)
  if info.kind ~= "weight" then return x end
  return x + 0.02 * x:norm() / math.sqrt(x.numel) * mk.randn(x.shape)
end)
return mk.merge {{ method = "linear", models = {{ {{ model, weight = 0.6 }}, {{ sibling, weight = 0.4 }} }}, dtype = "bfloat16" }}
""")
    out = work / f"{path.stem}-merged"
    seconds = run(work / "merge.lua", out, "--quiet")
    print(f"   merged with a sibling in {seconds:.1f} s")
    return say(
        transformers.AutoModelForCausalLM.from_pretrained(out, dtype=torch.float32),
        transformers.AutoTokenizer.from_pretrained(out))


def main():
    folder = Path(sys.argv[1])
    work = folder / "check"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    words = []
    for name in FILES:
        words += [check(folder / name, work), merge(folder / name, work)]
    shutil.rmtree(work)
    if words != [" Paris"] * 4:
        sys.exit(f"expected ' Paris' each time, found {words}")


main()
