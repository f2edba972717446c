"""Makes Tests/Fixtures/gguf/types.*: tensors of every type that is read, of seeded random blocks, and the numbers that
the package gguf makes of them. Needs gguf and numpy: make-gguf-fixtures.py"""

import json
import struct
from pathlib import Path

import gguf
import numpy as np

TARGET = Path(__file__).parent.parent / "Tests/Fixtures/gguf"
Type = gguf.GGMLQuantizationType

# Where the blocks of each type have float16 numbers, which are to be finite.
HALVES = {
    Type.Q4_0: [0], Type.Q4_1: [0, 2], Type.Q5_0: [0], Type.Q5_1: [0, 2], Type.Q8_0: [0], Type.Q2_K: [80, 82],
    Type.Q3_K: [108], Type.Q4_K: [0, 2], Type.Q5_K: [0, 2], Type.Q6_K: [208], Type.IQ4_NL: [0], Type.IQ4_XS: [0],
    Type.MXFP4: [],
}
ROWS, COLUMNS = 3, 512


def blocks(random, kind):
    """Random blocks: every code and every scale, the least and greatest float16 among them."""
    elements, size = gguf.GGML_QUANT_SIZES[kind]
    count = ROWS * COLUMNS // elements
    data = random.integers(0, 256, (count, size), dtype=np.uint8)
    for place in HALVES[kind]:
        halves = (random.standard_normal(count) * 10.0 ** random.integers(-7, 3, count)).astype(np.float16)
        halves[:4] = np.array([0, -0.0, 65504, 6e-8], np.float16)
        data[:, place : place + 2] = halves.view(np.uint8).reshape(count, 2)
    return data.reshape(ROWS, COLUMNS // elements * size)


def write_safetensors(path, tensors):
    header, offset = {}, 0
    tensors = {name: values.astype("<f4") for name, values in tensors.items()}
    for name, values in tensors.items():
        header[name] = {
            "dtype": "F32", "shape": list(values.shape), "data_offsets": [offset, offset + values.nbytes]
        }
        offset += values.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for values in tensors.values():
            file.write(values.tobytes())


def add_metadata(writer):
    writer.add_uint8("test.u8", 200)
    writer.add_int8("test.i8", -3)
    writer.add_uint16("test.u16", 60000)
    writer.add_int16("test.i16", -30000)
    writer.add_uint32("test.u32", 4000000000)
    writer.add_int32("test.i32", -2000000000)
    writer.add_float32("test.f32", 1e-5)
    writer.add_bool("test.bool", True)
    writer.add_string("test.text", "naïve ▁ 文")
    writer.add_uint64("test.u64", 2**63 + 1)
    writer.add_int64("test.i64", -(2**62))
    writer.add_float64("test.f64", 0.1)
    writer.add_array("test.texts", ["", "a", "▁the"])
    writer.add_array("test.integers", [1, -2, 3])
    writer.add_array("test.numbers", [0.5, -1.5])
    writer.add_array("test.booleans", [True, False])


def main():
    random = np.random.default_rng(20)
    TARGET.mkdir(parents=True, exist_ok=True)
    writer = gguf.GGUFWriter(TARGET / "types.gguf", "test")
    add_metadata(writer)
    expected = {}
    for kind in HALVES:
        data = blocks(random, kind)
        writer.add_tensor(kind.name, data, raw_dtype=kind)
        with np.errstate(all="ignore"):
            expected[kind.name] = gguf.dequantize(data, kind)
    numbers = random.standard_normal((2, 3, 4)).astype(np.float32)
    expected["F32"] = numbers
    writer.add_tensor("F32", numbers)
    expected["F16"] = numbers.astype(np.float16)
    writer.add_tensor("F16", expected["F16"])
    rounded = gguf.quantize(numbers, Type.BF16)
    expected["BF16"] = gguf.dequantize(rounded, Type.BF16)
    writer.add_tensor("BF16", rounded, raw_dtype=Type.BF16)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    write_safetensors(TARGET / "types.safetensors", expected)


main()
