#!/usr/bin/env python3
"""Writes Tests/Fixtures/numerics: what the numeric kernels are checked against.

Needs numpy and ml_dtypes (PyPI), and a long double of 80 bits or more (Linux on x86-64 or ARM).
Reproducible: the same files come out each time.

    exp log sin cos acos -float.npy    rows (x, f(x)): x is a Float, f(x) a float64
    exp log sin cos acos -double.npy   rows (x, f(x)): f(x) computed in 80 bits, rounded to float64
    pow.npy                            rows (x, y, x to the power y), likewise
    conversions.npy                    rows of codes: F32, F16, BF16, F8_E4M3, F8_E5M2
    random.npy                         rows (uniform, normal) of the stream (seed 12345678901234567890,
                                       "model.layers.0.weight", ordinal 3) from element 4096 on
"""

import math
import pathlib
import struct

import ml_dtypes
import numpy as np

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "Tests" / "Fixtures" / "numerics"
random = np.random.default_rng(2)


def spread(count, smallest, largest):
    """Both signs, magnitudes evenly spread over the exponents."""
    exponents = random.uniform(math.log2(smallest), math.log2(largest), count)
    return np.exp2(exponents) * random.choice([-1.0, 1.0], count)


SPECIAL = [0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 2.0, np.inf, -np.inf, np.nan]
SPECIAL += [np.nextafter(1, 0), np.nextafter(1, 2)]


def inputs(name, low, high):
    """Where the function changes most, over the whole range, and at the edges."""
    if name == "exp":
        edges = [88.72283, 88.72284, -103.97, -103.98, -87.33, -87.34, 709.78, 709.79, -745.1, -745.2]
        return [random.uniform(-110, 92, 300), random.uniform(-760, 715, 120), spread(120, low, 1), edges]
    if name == "log":
        return [np.abs(spread(300, low, high)), random.uniform(0.5, 2, 300), [-low, -high]]
    if name == "acos":
        near_one = 1 - np.abs(spread(60, 1e-7, 1))
        return [random.uniform(-1, 1, 400), spread(60, low, 1), near_one, [1.5, -1.5, high]]
    turns = np.arange(-60, 60) * (math.pi / 2)
    angles = [random.uniform(-10, 10, 150), random.uniform(-1e4, 1e4, 150), spread(120, low, high)]
    return angles + [turns, [1e6, -1e6, 1e22, high]]


def save(name, array):
    np.save(FOLDER / f"{name}.npy", np.ascontiguousarray(array))


def elementary_functions():
    functions = {"exp": np.exp, "log": np.log, "sin": np.sin, "cos": np.cos, "acos": np.arccos}
    for name, function in functions.items():
        ranges = {"float": (2.0**-149, 3.4028234e38), "double": (1e-320, 1.7976931348623157e308)}
        for width, (low, high) in ranges.items():
            x = np.concatenate([SPECIAL, *inputs(name, low, high)])
            if width == "float":
                x = x.astype(np.float32)
            truth = function(x.astype(np.longdouble)).astype(np.float64)
            save(f"{name}-{width}", np.stack([x.astype(np.float64), truth], axis=1))


def powers():
    special = SPECIAL + [3.0, -3.0, 4.0, 2.0**53 + 2, 2.0**53 - 1, -1.5, 1e300, 1e-310]
    grid = [(x, y) for x in special for y in special]
    near = [(x, y) for x, y in zip(random.uniform(0.5, 2, 200), spread(200, 1e-3, 1e3))]
    wide = [(x, y) for x, y in zip(np.abs(spread(200, 1e-300, 1e300)), spread(200, 1e-3, 4))]
    bases = spread(100, 1e-3, 1e3).astype(np.float32).astype(np.float64)
    whole = [(x, float(y)) for x, y in zip(bases, random.integers(-40, 40, 100))]
    # The power is out of range, its inverse is not.
    inverse = [(1e160, -2.0), (-1e107, -3.0), (3e80, -4.0), (1e-105, -3.0)]
    pairs = np.array(grid + near + wide + whole + inverse)
    truth = np.power(pairs[:, 0].astype(np.longdouble), pairs[:, 1].astype(np.longdouble)).astype(np.float64)
    save("pow", np.concatenate([pairs, truth[:, None]], axis=1))


def conversions():
    bits = random.integers(0, 2**32, 500, dtype=np.uint64).astype(np.uint32)
    ranges = [spread(200, 2.0**-26, 70000), spread(200, 2.0**-11, 500), spread(100, 2.0**-18, 60000)]
    edges = [448, 463.9, 464, 464.1, 479, 480, 65504, 65519, 65520, 57344, 61440, -464, -61440]
    narrow = np.concatenate([*ranges, edges, SPECIAL])
    values = np.concatenate([bits.view(np.float32), narrow.astype(np.float32)])
    columns = [values.view(np.uint32), values.astype(np.float16).view(np.uint16),
               values.astype(ml_dtypes.bfloat16).view(np.uint16),
               values.astype(ml_dtypes.float8_e4m3fn).view(np.uint8),
               values.astype(ml_dtypes.float8_e5m2).view(np.uint8)]
    save("conversions", np.stack([column.astype(np.uint32) for column in columns], axis=1))


def siphash(data, key):
    mask = 2**64 - 1
    rotate = lambda word, bits: (word << bits | word >> (64 - bits)) & mask
    v = [key[0] ^ 0x736F6D6570736575, key[1] ^ 0x646F72616E646F6D,
         key[0] ^ 0x6C7967656E657261, key[1] ^ 0x7465646279746573]

    def mix():
        v[0] = (v[0] + v[1]) & mask
        v[1] = rotate(v[1], 13) ^ v[0]
        v[0] = rotate(v[0], 32)
        v[2] = (v[2] + v[3]) & mask
        v[3] = rotate(v[3], 16) ^ v[2]
        v[0] = (v[0] + v[3]) & mask
        v[3] = rotate(v[3], 21) ^ v[0]
        v[2] = (v[2] + v[1]) & mask
        v[1] = rotate(v[1], 17) ^ v[2]
        v[2] = rotate(v[2], 32)

    padded = data + b"\0" * (7 - len(data) % 8) + bytes([len(data) & 255])
    for (word,) in struct.iter_unpack("<Q", padded):
        v[3] ^= word
        mix(), mix()
        v[0] ^= word
    v[2] ^= 0xFF
    mix(), mix(), mix(), mix()
    return v[0] ^ v[1] ^ v[2] ^ v[3]


def philox(counter, key):
    mask = 2**32 - 1
    for _ in range(10):
        a, b = counter[0] * 0xD2511F53, counter[2] * 0xCD9E8D57
        counter = [b >> 32 ^ counter[1] ^ key[0], b & mask, a >> 32 ^ counter[3] ^ key[1], a & mask]
        key = [(key[0] + 0x9E3779B9) & mask, (key[1] + 0xBB67AE85) & mask]
    return counter


def random_stream():
    seed, name, ordinal = 12345678901234567890, "model.layers.0.weight", 3
    stream = siphash(name.encode() + ordinal.to_bytes(8, "little"), struct.unpack("<QQ", b"mergekitPhilox v"))
    rows = []
    for block in range(1024, 1088):
        words = philox([block, 0, stream & 0xFFFFFFFF, stream >> 32], [seed & 0xFFFFFFFF, seed >> 32])
        for first, second in (words[:2], words[2:]):
            radius = math.sqrt(-2 * math.log(((first >> 1) + 0.5) / 2**31))
            angle = 2 * math.pi * (second >> 8) / 2**24
            rows.append(((first >> 8) / 2**24, radius * math.cos(angle)))
            rows.append(((second >> 8) / 2**24, radius * math.sin(angle)))
    save("random", np.array(rows))


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    with np.errstate(all="ignore"):
        elementary_functions()
        powers()
        conversions()
        random_stream()
