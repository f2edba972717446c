"""Compares the commands that make configs with mergekit's own; see scripts/check-commands."""

import argparse
import os
import pathlib
import random
import shutil
import subprocess
import tempfile

import yaml
import torch
from safetensors.torch import load_file, save_file

from mergekit.architecture.base import ModelArchitecture
from mergekit.config import MergeConfiguration
from mergekit.merge import run_merge
from mergekit.options import MergeOptions
from mergekit.scripts import layershuffle, legacy

# mergekit 0.1.5 asks a model's architecture for its layers, which only those of its modules know.
ModelArchitecture.num_layers = lambda self, config: self.modules["default"].architecture.num_layers(config)


class Bench:
    def __init__(self, tool, models, folder):
        self.tool, self.models, self.folder = tool, models, folder
        self.worst = 0.0

    def ours(self, name, *arguments):
        link = self.folder / name
        if not link.exists():
            link.symlink_to(self.tool)
        return subprocess.run(
            [link, *map(str, arguments)], check=True, capture_output=True, text=True, cwd=self.folder).stdout

    def compare(self, what, tolerance=0.0):
        """The weights in `ours` beside those in `theirs`: the difference over the largest element."""
        ours, theirs = ({k: v for f in (self.folder / side).glob("*.safetensors") for k, v in load_file(f).items()}
                        for side in ("ours", "theirs"))
        assert set(ours) == set(theirs), what
        worst = 0.0
        for name, tensor in theirs.items():
            assert ours[name].dtype == tensor.dtype and ours[name].shape == tensor.shape, (what, name)
            difference = (ours[name].double() - tensor.double()).abs().max().item()
            worst = max(worst, difference / max(tensor.double().abs().max().item(), 1e-30))
        assert worst <= tolerance, (what, worst)
        print(f"{what}: {len(theirs)} tensors, worst difference {worst:.1e} of the largest element")
        for side in ("ours", "theirs"):
            subprocess.run(["rm", "-r", self.folder / side], check=True)


def layers(config):
    """The layers of a stack, one by one. mergekit 0.1.5 means to join those of one model that follow each other."""
    runs = [slice["sources"][0] for slice in config.pop("slices")]
    return config, [(run["model"], layer) for run in runs for layer in range(*run["layer_range"])]


def check_shuffles(bench):
    a, b, c = (str(bench.models / name) for name in ("base", "math", "code"))
    cases = [
        (seed, [a, b, c], weights, full)
        for seed in range(20)
        for weights, full in (([1, 1, 1], False), ([0.7, 0.0, 0.3], False), ([1, 1, 1], True), ([1.0, 0.0, 1.0], True))
    ]
    for seed, models, weights, full in cases:
        options = [o for pair in zip(models, weights) for o in ("-m", pair[0], "-w", str(pair[1]))]
        options += ["--full-random"] * full + ["--dry-run", "--print-yaml"]
        ours = yaml.safe_load(bench.ours("mergekit-layershuffle", "--random-seed", seed, *options))
        random.seed(seed)
        written = bench.folder / "theirs.yml"
        layershuffle.main(["theirs", *options[:-1], "--write-yaml", str(written)], standalone_mode=False)
        assert layers(ours) == layers(yaml.safe_load(written.read_text())), (seed, weights, full)
    print(f"mergekit-layershuffle: {len(cases)} configs have the layers of mergekit's with the same seed")
    options = ["-m", a, "-w", "0.5", "-m", b, "-w", "0.5", "--fp16"]
    bench.ours("mergekit-layershuffle", "ours", *options, "--random-seed", 3)
    random.seed(3)
    layershuffle.main(["theirs", *options], standalone_mode=False)
    bench.compare("mergekit-layershuffle --fp16")


def float32(bench, name):
    """A copy of a model in which no two elements are equally large, so that rounding decides nothing."""
    copy = bench.folder / f"{name}32"
    shutil.copytree(bench.models / name, copy)
    generator = torch.Generator().manual_seed(len(name) + ord(name[0]))
    weights = load_file(copy / "model.safetensors")
    save_file({
        key: tensor.float() + 1e-3 * torch.randn(tensor.shape, generator=generator) for key, tensor in weights.items()
    }, copy / "model.safetensors", metadata={"format": "pt"})
    config = (copy / "config.json").read_text().replace("bfloat16", "float32")
    (copy / "config.json").write_text(config)
    return str(copy)


def check_legacy(bench):
    base, math, code = (float32(bench, name) for name in ("base", "math", "code"))
    two = ["--merge", math, "--merge", code]
    with_base = two + ["--base-model", base]
    for method, options in [
        ("ties", with_base + ["--density", "0.5", "--weight", "0.3", "--weight", "0.7"]),
        ("ties", with_base + ["--density", "0.4", "--density", "0.6", "--weight", "1", "--no-normalize", "--int8-mask"]),
        ("linear", two + ["--weight", "0.3", "--weight", "0.9"]),
        ("linear", two + ["--weight", "0.5", "--no-normalize"]),
        ("task_arithmetic", with_base + ["--weight", "0.3"]),
        ("slerp", ["--merge", math, "--base-model", base, "--weight", "0.25"]),
    ]:
        options = ["--method", method, *options]
        bench.ours("mergekit-legacy", "ours", *options)
        legacy.main(["theirs", *options], standalone_mode=False)
        bench.compare(f"mergekit-legacy {' '.join(o for o in options if '/' not in o)}", tolerance=1e-6)


def check_layer_slices(bench):
    base, math = (str(bench.models / name) for name in ("base", "math"))
    slices = [(base, 0, 3, None), (math, 1, 4, 0.5), (base, 2, 4, -1.25)]
    config = {"layer_slices": [
        {"model": model, "start": start, "end": end, **({} if scale is None else {"scale": scale})}
        for model, start, end, scale in slices]}
    (bench.folder / "layers.yml").write_text(yaml.safe_dump(config))
    bench.ours("bakllama", "layers.yml", "ours")
    # bakllama of 0.1.5 fails, as it puts sources where slices belong; this is what it means.
    theirs = {"merge_method": "passthrough", "slices": [
        {"sources": [{"model": model, "layer_range": [start, end], "parameters": {} if scale is None else {
            "scale": {"filter": "down_proj", "value": scale}}}]}
        for model, start, end, scale in slices]}
    run_merge(MergeConfiguration.model_validate(theirs), str(bench.folder / "theirs"), MergeOptions())
    bench.compare("bakllama")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("tool")
    parser.add_argument("models")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        bench = Bench(pathlib.Path(arguments.tool).resolve(), pathlib.Path(arguments.models).resolve(), pathlib.Path(name))
        os.chdir(name)
        check_shuffles(bench)
        check_legacy(bench)
        check_layer_slices(bench)


if __name__ == "__main__":
    main()
