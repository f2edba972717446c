#!/usr/bin/env python3
"""Makes Tests/Fixtures/pickles with PyTorch (2.13.0): files that `torch.save` writes, and the same tensors as
safetensors, by which the tests know what is in them.

    python3 scripts/make-pickle-fixtures.py
"""

import collections
import pathlib
import warnings

import torch
from safetensors.torch import save_file

OUT = pathlib.Path(__file__).parent.parent / "Tests" / "Fixtures" / "pickles"
warnings.filterwarnings("ignore")


def tensors():
    torch.manual_seed(7)
    made = {}
    dtypes = [
        torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.int16,
        torch.int8, torch.uint8, torch.uint16, torch.uint32, torch.uint64, torch.bool, torch.complex64,
        torch.float8_e4m3fn, torch.float8_e5m2,
    ]
    for dtype in dtypes:
        name = str(dtype).removeprefix("torch.")
        if dtype.is_floating_point or dtype.is_complex:
            made[name] = torch.randn(3, 4).to(dtype)
        else:
            made[name] = torch.randint(0, 2 if dtype == torch.bool else 100, (3, 4)).to(dtype)
    base = torch.arange(60, dtype=torch.float32).reshape(3, 4, 5)
    made["whole"] = base
    made["transposed"] = base.permute(2, 0, 1)
    made["sliced"] = base[1:, ::2, 1:4]
    made["row"] = base[1, 2]
    made["expanded"] = base[0, 0].expand(3, 5)
    made["tied"] = made["whole"]
    made["number"] = torch.tensor(2.5)
    made["empty"] = torch.zeros(0, 7)
    made["parameter"] = torch.nn.Parameter(torch.ones(2, 2))
    made["on_a_view"] = torch.randn(8, 8, dtype=torch.float64).t()[2:5]
    made["bytes_on_a_view"] = torch.arange(12, dtype=torch.uint8).reshape(3, 4).t()
    return made


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    made = tensors()
    plain = {name: tensor.detach().clone().contiguous() for name, tensor in made.items()}
    save_file(plain, OUT / "expected.safetensors")

    ordered = collections.OrderedDict(made)
    ordered._metadata = collections.OrderedDict([("", {"version": 1})])
    torch.save(made, OUT / "dict.bin")
    torch.save(ordered, OUT / "ordered.pt")
    for protocol in (3, 4, 5):
        torch.save(made, OUT / f"protocol{protocol}.pth", pickle_protocol=protocol)

    small = {"a": torch.tensor([1.0, 2.0]), "b": torch.tensor([3, 4])}
    torch.save({"state_dict": small, "epoch": 3, "lr": 0.5, "done": True, "note": None}, OUT / "state_dict.ckpt")
    torch.save({"step": 2**40, "model": {"module": small}}, OUT / "nested.ckpt")
    torch.save({"args": {"lr": 1.0}, "best": [1, 2]}, OUT / "no-tensors.pt")
    torch.save([torch.ones(2)], OUT / "list.pt")
    torch.save(torch.ones(2), OUT / "tensor.pt")

    torch.save(small, OUT / "legacy.bin", _use_new_zipfile_serialization=False)
    torch.save(torch.nn.Linear(2, 2), OUT / "module.pt")
    torch.save({"s": torch.eye(3).to_sparse()}, OUT / "sparse.pt")
    torch.save({"q": torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.qint8)}, OUT / "quantised.pt")
    torch.save({"c": torch.zeros(2, dtype=torch.complex128)}, OUT / "complex128.pt")
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), OUT / "script.pt")

    shards = OUT / "sharded"
    shards.mkdir(exist_ok=True)
    torch.save({"a": small["a"]}, shards / "pytorch_model-00001-of-00002.bin")
    torch.save({"b": small["b"]}, shards / "pytorch_model-00002-of-00002.bin")
    (shards / "pytorch_model.bin.index.json").write_text(
        '{"metadata": {"total_size": 24}, "weight_map": {"a": "pytorch_model-00001-of-00002.bin", '
        '"b": "pytorch_model-00002-of-00002.bin"}}\n')

    make_parts()


def make_parts():
    """Two models as Meta publishes them, in two parts each: of Llama 2, whose embedding is split by columns, and of
    Llama 3, whose embedding is split by rows (fairscale's layers in llama/model.py)."""
    torch.manual_seed(3)
    for version, embedding in (("llama2", 1), ("llama3", 0)):
        folder = OUT / version
        folder.mkdir(exist_ok=True)
        split = {
            "tok_embeddings": embedding, "output": 0, "wq": 0, "wk": 0, "wv": 0, "wo": 1, "w1": 0, "w2": 1, "w3": 0,
        }
        whole = {"tok_embeddings.weight": torch.randn(6, 8), "norm.weight": torch.randn(8), "rope.freqs": torch.randn(1)}
        for name, shape in {
            "attention.wq": (8, 8), "attention.wk": (4, 8), "attention.wv": (4, 8), "attention.wo": (8, 8),
            "feed_forward.w1": (12, 8), "feed_forward.w2": (8, 12), "feed_forward.w3": (12, 8),
            "attention_norm": (8,), "ffn_norm": (8,),
        }.items():
            whole[f"layers.0.{name}.weight"] = torch.randn(*shape)
        whole["output.weight"] = torch.randn(6, 8)
        whole = {name: tensor.to(torch.bfloat16) for name, tensor in whole.items()}
        for part in range(2):
            torch.save({
                name: tensor.chunk(2, split[name.split(".")[-2]])[part].contiguous() if tensor.ndim == 2 else tensor
                for name, tensor in whole.items()
            }, folder / f"consolidated.0{part}.pth")
        save_file(whole, folder / "whole.expected")
        (folder / "params.json").write_text('{"dim": 8, "n_layers": 1, "n_heads": 4, "n_kv_heads": 2, "vocab_size": -1}\n')


main()
