"""Compares mergekit-lua's reading of PyTorch's files with PyTorch's own; see scripts/check-pickles."""

import argparse
import collections
import pathlib
import statistics
import tempfile

import torch
from safetensors.torch import load_file, save_file

from measuring import apart, measure, run

DTYPES = [
    torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.int16, torch.int8,
    torch.uint8, torch.bool, torch.float8_e4m3fn, torch.float8_e5m2, torch.uint16, torch.uint32, torch.uint64,
]


def random_tensor(generator):
    """A tensor of some dtype, shape and strides."""
    dtype = DTYPES[torch.randint(len(DTYPES), (1,), generator=generator).item()]
    rank = torch.randint(0, 5, (1,), generator=generator).item()
    shape = [torch.randint(0, 9, (1,), generator=generator).item() for _ in range(rank)]
    base = torch.randint(0, 100, shape, generator=generator).to(dtype)
    if rank > 1 and torch.rand(1, generator=generator) < 0.5:
        base = base.permute(*torch.randperm(rank, generator=generator).tolist())
    if rank > 0 and shape and base.shape[0] > 2 and torch.rand(1, generator=generator) < 0.5:
        base = base[1::2]
    return base


def raw(tensor):
    """The bytes of a tensor's elements in row-major order."""
    plain = torch.empty(tensor.numel(), dtype=tensor.dtype)
    plain.copy_(tensor.detach().reshape(-1))
    return plain.view(torch.uint8)


def check(tool, folder, saved, expected):
    out = folder / "converted" / "out"
    out.parent.mkdir(exist_ok=True)
    run(tool, "convert", saved, out)
    found = {}
    for file in out.glob("*.safetensors"):
        found.update(load_file(file))
    assert set(found) == set(expected), set(found) ^ set(expected)
    for name, tensor in expected.items():
        assert found[name].dtype == tensor.dtype and found[name].shape == tensor.shape, name
        assert torch.equal(raw(found[name]), raw(tensor)), name


def check_random(tool, folder):
    for seed in range(40):
        generator = torch.Generator().manual_seed(seed)
        tensors = {f"t.{index}": random_tensor(generator) for index in range(30)}
        tensors["tied"] = tensors["t.0"]
        state = collections.OrderedDict(tensors) if seed % 2 else tensors
        wrapped = [state, {"state_dict": state, "step": seed}, {"model": {"module": state}}][seed % 3]
        saved = folder / f"m{seed}.{['bin', 'pt', 'ckpt'][seed % 3]}"
        torch.save(wrapped, saved, pickle_protocol=2 + seed % 4)
        check(tool, folder, saved, tensors)
    print("40 files of 31 tensors: every byte is PyTorch's")


def write_large(folder, gigabytes):
    rows = int(gigabytes * 1e9 / 2 / 4096 / 32)
    for index in range(2):
        tensors = {f"layers.{i}.weight": torch.randn(rows, 4096).to(torch.bfloat16) for i in range(32)}
        for form in ("bin", "safetensors"):
            place = folder / f"{form}{index}"
            place.mkdir()
            if form == "bin":
                torch.save(tensors, place / "pytorch_model.bin")
            else:
                save_file(tensors, place / "model.safetensors")


def check_speed(tool, folder, gigabytes):
    apart(write_large, folder, gigabytes)
    times, most = {"safetensors": [], "bin": []}, 0.0
    # In turn, so that what else the machine does meets both; the first round warms the page cache and does not count.
    for form in ("safetensors", "bin") * 6:
        recipe = folder / "recipe.lua"
        recipe.write_text(
            f'local mk = require "mergekit"\nreturn mk.merge {{ method = "linear", models = {{ '
            f'{{ mk.model "{folder}/{form}0", weight = 0.5 }}, {{ mk.model "{folder}/{form}1", weight = 0.5 }} }} }}\n')
        seconds, memory = measure([tool, recipe, folder / "merged", "--quiet", "--force"])
        times[form].append(seconds)
        most = max(most, memory)
    plain, pickled = (statistics.median(times[form][1:]) for form in ("safetensors", "bin"))
    print(
        f"linear of two models of {gigabytes} GB: {plain:.2f} s as safetensors, {pickled:.2f} s as .bin, "
        f"{pickled / plain:.2f} x; medians of 5, {most:.0f} MB at most")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("tool")
    parser.add_argument("--gigabytes", type=float, default=0)
    arguments = parser.parse_args()
    tool = str(pathlib.Path(arguments.tool).resolve())
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        check_random(tool, folder)
        if arguments.gigabytes:
            check_speed(tool, folder, arguments.gigabytes)


if __name__ == "__main__":
    main()
