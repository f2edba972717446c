#!/usr/bin/env python3
"""Makes Tests/Fixtures/safetensors with the Python package `safetensors`.

    scripts/make-safetensors-fixtures.py               makes the files anew
    scripts/make-safetensors-fixtures.py --check DIR   checks with that package what the Swift tests wrote to
                                                       DIR (run them with SAFETENSORS_OUTPUT=DIR)

The package is taken from PyPI, into a virtual environment that lasts as long as the run.
"""

import ctypes
import json
import pathlib
import subprocess
import sys
import tempfile

FIXTURES = pathlib.Path(__file__).resolve().parent.parent / "Tests" / "Fixtures" / "safetensors"

# Every dtype of the format: its bits, and the name by which the package writes it, if it can.
DTYPES = {
    "BOOL": (8, "bool"), "F4": (4, "float4_e2m1fn_x2"), "F6_E2M3": (6, None), "F6_E3M2": (6, None),
    "U8": (8, "uint8"), "I8": (8, "int8"), "F8_E5M2": (8, "float8_e5m2"),
    "F8_E4M3": (8, "float8_e4m3fn"), "F8_E8M0": (8, "float8_e8m0fnu"), "I16": (16, "int16"),
    "U16": (16, "uint16"), "F16": (16, "float16"), "BF16": (16, "bfloat16"), "I32": (32, "int32"),
    "U32": (32, "uint32"), "F32": (32, "float32"), "C64": (64, "complex64"), "F64": (64, "float64"),
    "I64": (64, "int64"), "U64": (64, "uint64"),
}
SHAPE = [2, 8]


def pattern(dtype):
    """The bytes of the tensor of SHAPE that has this dtype, and its name for its own."""
    count = 16 * DTYPES[dtype][0] // 8
    return bytes((7 * i + 13 * len(dtype)) % (2 if dtype == "BOOL" else 256) for i in range(count))


def every_dtype():
    import safetensors

    buffers, specs = [], {}
    for dtype, (_, name) in DTYPES.items():
        if name is None:
            continue
        data = pattern(dtype)
        buffers.append(ctypes.create_string_buffer(data, len(data)))
        specs[dtype] = safetensors.TensorSpec(
            dtype=name, shape=[2, 4] if dtype == "F4" else SHAPE,  # the package counts pairs of F4
            data_ptr=ctypes.addressof(buffers[-1]), data_len=len(data))
    return safetensors.serialize(specs, {"note": "ünïcode \" \\ \n"})


def make():
    import numpy
    from safetensors.numpy import save

    (FIXTURES / "sharded").mkdir(parents=True, exist_ok=True)
    (FIXTURES / "every-dtype.safetensors").write_bytes(every_dtype())
    (FIXTURES / "no-tensors.safetensors").write_bytes(save({}))
    (FIXTURES / "values.safetensors").write_bytes(save({
        "matrix": numpy.arange(6, dtype=numpy.float32).reshape(2, 3) / 4,
        "scalar": numpy.array(-1.5, dtype=numpy.float64),
        "nothing": numpy.zeros((0, 3), dtype=numpy.float32),
        "größe/\u0120": numpy.array([1, -2], dtype=numpy.int64),
    }))

    shards = {
        "model-00001-of-00002.safetensors": {
            "embed.weight": numpy.arange(8, dtype=numpy.float32).reshape(4, 2)},
        "model-00002-of-00002.safetensors": {
            "layers.0.weight": numpy.full((2, 2), 0.5, dtype=numpy.float16),
            "head.weight": numpy.arange(8, dtype=numpy.float16).reshape(4, 2)},
    }
    for name, tensors in shards.items():
        (FIXTURES / "sharded" / name).write_bytes(save(tensors, {"format": "pt"}))
    index = {
        "metadata": {"total_size": sum(a.nbytes for t in shards.values() for a in t.values())},
        "weight_map": {tensor: name for name, tensors in shards.items() for tensor in tensors},
    }
    (FIXTURES / "sharded" / "model.safetensors.index.json").write_text(
        json.dumps(index, indent=2, sort_keys=True) + "\n")
    config = {
        "model_type": "tiny", "layer_norm_eps": 1e-05, "rope_theta": 10000.0, "layers": [0, 1],
        "name": "größe"}
    (FIXTURES / "sharded" / "config.json").write_text(
        json.dumps(config, indent=2, ensure_ascii=False) + "\n")


def check(directory):
    """Fails unless the directory holds every dtype, with the pattern, and the index names them all."""
    import safetensors

    index = json.loads((directory / "model.safetensors.index.json").read_text())
    found = {}
    for path in sorted(directory.glob("*.safetensors")):
        with safetensors.safe_open(path, "numpy") as file:
            assert file.metadata() == {"format": "pt", "made-by": "mergekit-lua"}, file.metadata()
        for name, tensor in safetensors.deserialize(path.read_bytes()):
            assert index["weight_map"][name] == path.name, name
            found[name] = (tensor["dtype"], list(tensor["shape"]), bytes(tensor["data"]))
    assert found.keys() == index["weight_map"].keys()
    assert sum(len(data) for _, _, data in found.values()) == index["metadata"]["total_size"]
    assert found.pop("scalar") == ("F32", [], bytes(range(4)))
    assert found.pop("nothing") == ("F32", [0, 3], b"")
    for dtype in DTYPES:
        assert found.pop(dtype) == (dtype, SHAPE, pattern(dtype)), dtype
    assert not found, found.keys()
    print("as expected")


def main():
    try:
        import numpy, safetensors  # noqa: F401, E401
    except ImportError:
        with tempfile.TemporaryDirectory() as directory:
            subprocess.run([sys.executable, "-m", "venv", directory], check=True)
            python = f"{directory}/bin/python"
            subprocess.run([python, "-m", "pip", "install", "-q", "safetensors==0.8.0", "numpy"], check=True)
            sys.exit(subprocess.run([python, *sys.argv]).returncode)
    if sys.argv[1:2] == ["--check"] and len(sys.argv) == 3:
        check(pathlib.Path(sys.argv[2]))
    elif len(sys.argv) == 1:
        make()
    else:
        sys.exit(__doc__)


main()
