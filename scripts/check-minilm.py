"""Compares the merges of scripts/check-minilm with numpy, in float64: check-minilm.py MODELS."""

import json
import re
import sys
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

MODELS = Path(sys.argv[1])
LAYERS = 6


def load(name):
    return load_file(MODELS / name / "model.safetensors")


def depth(name):
    match = re.search(r"\.layer\.(\d+)\.", name)
    return int(match.group(1)) / (LAYERS - 1) if match else 0.0


def gradient(values, where):
    return np.interp(where, np.linspace(0, 1, len(values)), values)


def slerp(t, a, b):
    norm_a, norm_b = np.linalg.norm(a), np.linalg.norm(b)
    cosine = np.clip(np.sum(a * b) / ((norm_a if norm_a > 1e-8 else 1) * (norm_b if norm_b > 1e-8 else 1)), -1, 1)
    if abs(cosine) > 0.9995:
        return (1 - t) * a + t * b
    angle = np.arccos(cosine)
    return np.sin((1 - t) * angle) / np.sin(angle) * a + np.sin(t * angle) / np.sin(angle) * b


def expected_slerp(name, a, b):
    t = gradient([0.1, 0.9] if "attention" in name else [0.3, 0.5, 0.7], depth(name))
    return slerp(t, a, b)


def expected_custom(name, a, b):
    # The differences are rounded to float32 as the engine rounds them, so that the same elements are chosen.
    delta = (b.astype(np.float32) - a.astype(np.float32)).astype(np.float64)
    flat = np.abs(delta).ravel()
    chosen = np.argsort(-flat, kind="stable")[: (flat.size + 1) // 2]
    kept = np.zeros(flat.size)
    kept[chosen] = delta.ravel()[chosen]
    kept = kept.reshape(delta.shape)
    return a + (0.5 + 0.5 * depth(name)) * np.linalg.norm(delta) / max(np.linalg.norm(kept), 1e-12) * kept


def main():
    base, sibling = load("all-MiniLM-L6-v2"), load("minilm-sibling")
    source = json.loads((MODELS / "all-MiniLM-L6-v2" / "config.json").read_text())
    failed = False
    for name, expected in (("minilm-slerp", expected_slerp), ("minilm-custom", expected_custom)):
        merged, worst, copied = load(name), 0.0, 0
        assert set(merged) == set(base), f"{name}: other tensors than the base"
        assert json.loads((MODELS / name / "config.json").read_text()) == source | {"torch_dtype": "float32"}
        for key, tensor in merged.items():
            a, b = base[key], sibling[key]
            assert tensor.shape == a.shape and tensor.dtype == a.dtype, f"{name}: {key}"
            if not np.issubdtype(a.dtype, np.floating):
                assert np.array_equal(a, tensor), f"{name}: {key}"
                copied += 1
                continue
            worst = max(worst, np.abs(expected(key, a.astype(np.float64), b.astype(np.float64)) - tensor).max(initial=0))
        print(f"{name}: {len(merged)} tensors, {copied} copied, largest error {worst:.2e}")
        failed |= worst > 1e-6
    sys.exit(1 if failed else 0)


main()
