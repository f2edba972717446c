#!/usr/bin/env python3
"""Opens a written checkpoint with the Python safetensors package, and compares it with another one.

    check-output.py OUT --like DIR [--dtype bfloat16]

Names, shapes and dtypes must be the same as in DIR; with --dtype, floating-point tensors of OUT have that
one. Needs the package safetensors, and nothing else: no tensor is turned into an array of some framework.
"""

import argparse
import json
import sys
from pathlib import Path

from safetensors import safe_open

FLOATS = {"F64", "F32", "F16", "BF16", "F8_E4M3", "F8_E5M2"}
NAMES = {"float64": "F64", "float32": "F32", "float16": "F16", "bfloat16": "BF16"}


def tensors(folder):
    """Shape and dtype by name, of all files of a checkpoint; the index must name each file's tensors."""
    folder = Path(folder)
    index = folder / "model.safetensors.index.json"
    if index.exists():
        places = json.loads(index.read_text())["weight_map"]
    else:
        places = None
    found = {}
    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(path, framework="np") as file:
            if file.metadata() != {"format": "pt"}:
                sys.exit(f"{path}: metadata is {file.metadata()}")
            for name in file.keys():
                if places is not None and places.pop(name, None) != path.name:
                    sys.exit(f"{path}: {name} is not here by the index")
                part = file.get_slice(name)
                found[name] = (list(part.get_shape()), part.get_dtype())
    if places:
        sys.exit(f"{index}: names tensors that no file has: {sorted(places)[:3]}")
    if not found:
        sys.exit(f"{folder}: no tensors")
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out")
    parser.add_argument("--like", required=True)
    parser.add_argument("--dtype", choices=sorted(NAMES))
    arguments = parser.parse_args()
    expected, found = tensors(arguments.like), tensors(arguments.out)
    if arguments.dtype:
        expected = {
            name: (shape, NAMES[arguments.dtype] if dtype in FLOATS else dtype)
            for name, (shape, dtype) in expected.items()
        }
    for name in sorted(expected.keys() | found.keys()):
        if expected.get(name) != found.get(name):
            sys.exit(f"{name}: expected {expected.get(name)}, found {found.get(name)}")
    print(f"{arguments.out}: {len(found)} tensors, as in {arguments.like}")


if __name__ == "__main__":
    main()
