#!/usr/bin/env python3
"""Writes Tests/Fixtures/primitives: what each primitive gives, worked out with numpy.

Needs numpy and ml_dtypes (PyPI). Reproducible: the same files come out each time.

    cases.json    a list of cases: the operation, its inputs and settings, the result, how exact it is
    data.bin      the elements that the cases point into, little-endian

A tensor is {dtype, shape, offset}; a number among the inputs is {number}. Arithmetic is float32 on what
was stored, reductions are float64; the result is given in the dtype that it is to be stored as.
`ulps` is the number of float32 units in the last place that the result may be off, `error` an absolute
error that it may have; without them it is exact. NaNs are all one. Dimensions count from 0.
"""

import json
import math
import pathlib

import ml_dtypes
import numpy as np

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "Tests" / "Fixtures" / "primitives"
random = np.random.default_rng(7)

DTYPES = {
    "F64": np.float64, "F32": np.float32, "F16": np.float16, "BF16": ml_dtypes.bfloat16,
    "F8_E4M3": ml_dtypes.float8_e4m3fn, "F8_E5M2": ml_dtypes.float8_e5m2,
}
SPECIAL = [0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 1.5, 2.5, -2.5, np.inf, -np.inf, np.nan, 1e-40, -3e-45, 3e38]

data = bytearray()
places = {}
cases = []


def put(array):
    elements = np.ascontiguousarray(array).tobytes()
    if elements not in places:
        places[elements] = len(data)
        data.extend(elements)
    return places[elements]


def tensor(array, dtype):
    stored = np.asarray(array).astype(DTYPES[dtype])
    return {"dtype": dtype, "shape": list(stored.shape), "offset": put(stored)}, stored


def number(value):
    return {"number": value}


def case(name, operation, inputs, result, out="F32", ulps=0, error=0.0, **settings):
    expected, _ = tensor(result, out)
    exactness = ({"ulps": ulps} if ulps else {}) | ({"error": float(f"{error:.3g}")} if error else {})
    cases.append({"name": name, "operation": operation, "inputs": inputs, "result": expected,
                  **exactness, **settings})


def single(stored):
    """What is computed with."""
    return stored.astype(np.float32)


def values(shape, special=True):
    """Numbers of many magnitudes, with special ones in front where there is room."""
    count = math.prod(shape)
    x = random.standard_normal(count) * np.exp2(random.integers(-6, 7, count))
    if special and count > len(SPECIAL):
        x[: len(SPECIAL)] = SPECIAL
        random.shuffle(x)
    return x.reshape(shape)


def sign(x):
    return np.where(x > 0, np.float32(1), np.where(x < 0, np.float32(-1), x))


UNARY = {
    "-": (np.negative, 0), "abs": (np.abs, 0), "sqrt": (np.sqrt, 0), "exp": (np.exp, 2), "log": (np.log, 2),
    "sin": (np.sin, 2), "cos": (np.cos, 2), "acos": (np.arccos, 2), "sign": (sign, 0),
    "floor": (np.floor, 0), "round": (np.rint, 0),
}


def unary():
    for name, (function, ulps) in UNARY.items():
        for dtype in DTYPES:
            for shape in [[2, 17]] if dtype != "F32" else [[], [1], [0], [2, 0, 3], [2, 17]]:
                x, stored = tensor(values(shape), dtype)
                exact = function(single(stored).astype(np.float64)).astype(np.float32)
                case(f"{name} of {dtype} {shape}", name, [x], exact, ulps=ulps)


def minimum(a, b):
    """-0 lies below +0."""
    lower = np.where(a < b, a, np.where(b < a, b, np.where(np.signbit(a), a, b)))
    return np.where(np.isnan(a) | np.isnan(b), np.float32(np.nan), lower)


def maximum(a, b):
    return -minimum(-a, -b)


def power(a, b):
    # Of arrays: for a number 0.5, numpy takes the square root, which differs from pow at -inf and -0.
    a, b = (x.astype(np.float64) for x in np.broadcast_arrays(a, b))
    return np.power(a, b)


BINARY = {
    "+": np.add, "-": np.subtract, "*": np.multiply, "/": np.divide, "minimum": minimum, "maximum": maximum,
    "eq": np.equal, "ne": np.not_equal, "lt": np.less, "le": np.less_equal, "gt": np.greater,
    "ge": np.greater_equal,
    "^": power,
}
SHAPES = [([], []), ([1], [4]), ([0], [1]), ([2, 1, 0], [3, 1]), ([4, 1, 5], [3, 1]), ([5], [4, 5]), ([4, 6], [4, 6])]
PAIRS = [("F32", "F32"), ("F64", "BF16"), ("F16", "F8_E4M3"), ("BF16", "F8_E5M2")]


def binary():
    for name, function in BINARY.items():
        ulps = 1 if name == "^" else 0
        for first, second in SHAPES:
            for left, right in PAIRS if first == [4, 6] else PAIRS[:1]:
                a, stored_a = tensor(values(first), left)
                b, stored_b = tensor(values(second), right)
                result = function(single(stored_a), single(stored_b))
                case(f"{first} {name} {second}, {left} {right}", name, [a, b], result, ulps=ulps)
        for scalar in [0.0, -0.0, 0.1, 0.5, 2.0, -1.0, 3.0, 1.7, math.inf, math.nan]:
            x, stored = tensor(values([20]), "F32")
            label = "nan" if math.isnan(scalar) else "inf" if math.isinf(scalar) else scalar
            wide = np.float32(scalar)
            case(f"tensor {name} {label}", name, [x, number(label)], function(single(stored), wide), ulps=ulps)
            case(f"{label} {name} tensor", name, [number(label), x],
                 function(np.full(20, wide), single(stored)), ulps=ulps)


def choices():
    for first, second, third in [([4, 5], [4, 5], [4, 5]), ([4, 1], [5], []), ([], [3], [1]), ([0], [0], [1])]:
        c, condition = tensor(random.choice([0.0, -0.0, 1.0, np.nan, -2.0], first), "F16")
        a, left = tensor(values(second), "F32")
        b, right = tensor(values(third), "BF16")
        case(f"where {first}", "where", [c, a, b], np.where(single(condition) != 0, single(left), single(right)))
    for low, high in [(-0.5, 0.5), (0.0, 0.0), (1.0, -1.0)]:
        x, stored = tensor(values([40]), "F32")
        bounded = minimum(maximum(single(stored), np.float32(low)), np.float32(high))
        case(f"clamp {low} {high}", "clamp", [x, number(low), number(high)], bounded)


def conversions():
    for source in DTYPES:
        x, stored = tensor(np.concatenate([values([60]), random.uniform(-500, 500, 20)]), source)
        for target in DTYPES:
            rounded = single(stored).astype(DTYPES[target])
            case(f"to {target} from {source}", "to", [x], rounded.astype(np.float32), dtype=target)
            case(f"{source} stored as {target}", "*", [x, number(1.5)], single(stored) * np.float32(1.5), out=target)


def reduced(name, x, y, axis):
    """In float64, the reduced dimension kept."""
    keep = {"axis": axis, "keepdims": axis is not None}
    count = x.size if axis is None else x.shape[axis]
    if name == "sum":
        return x.sum(**keep), np.abs(x).sum(**keep)
    if name == "mean":
        return x.sum(**keep) / np.float64(count), np.abs(x).sum(**keep) / np.float64(max(1, count))
    if name == "norm":
        return np.sqrt((x * x).sum(**keep)), np.sqrt((x * x).sum(**keep))
    if name == "dot":
        return (x * y).sum(**keep), np.abs(x * y).sum(**keep)
    if name == "min":
        return x.min(**keep, initial=np.inf), np.float64(0)
    if name == "max":
        return x.max(**keep, initial=-np.inf), np.float64(0)
    if name == "count_nonzero":
        return (x != 0).sum(**keep).astype(np.float64), np.float64(0)
    centred = x - x.sum(axis=axis, keepdims=True) / np.float64(count)
    freedom = np.float64(count - 1) if count else np.float64(np.nan)
    return (centred * centred).sum(**keep) / freedom, (x * x).sum(**keep)


def softmax(x, axis):
    shifted = np.exp(x - x.max(axis=axis, keepdims=True, initial=-np.inf))
    return shifted / shifted.sum(axis=axis, keepdims=True)


REDUCTIONS = ["sum", "mean", "norm", "dot", "min", "max", "count_nonzero", "var"]


def reductions():
    shapes = [[], [1], [0], [3, 0], [0, 4], [2, 0, 3], [7], [33, 5], [5, 33], [2, 3, 5], [6, 1, 7], [1, 1]]
    for shape in shapes:
        for dtype in ["F32", "BF16"] if len(shape) < 3 else ["F64"]:
            x, stored_x = tensor(values(shape, special=False), dtype)
            y, stored_y = tensor(values(shape, special=False), dtype)
            a, b = (single(stored).astype(np.float64) for stored in (stored_x, stored_y))
            for axis in [None, *range(len(shape))]:
                settings = {} if axis is None else {"dimension": axis}
                label = f"of {dtype} {shape} over {'all' if axis is None else axis}"
                for name in REDUCTIONS:
                    inputs = [x, y] if name == "dot" else [x]
                    result, scale = reduced(name, a, b, axis)
                    # The variance subtracts the mean in float32.
                    relative = 2e-6 if name == "var" else 1e-14
                    error = relative * float(np.max(scale, initial=0))
                    case(f"{name} {label}", name, inputs, result, out="F64", error=error, **settings)
                case(f"softmax {label}", "softmax", [x], softmax(a, axis), error=1e-6, **settings)
    specials = {"nan": [1, np.nan, 3], "inf": [1, np.inf, -3], "both": [np.inf, -np.inf, 1], "zeros": [0, -0.0, -0.0]}
    for label, elements in specials.items():
        x, stored = tensor(np.array(elements), "F16")
        wide = single(stored).astype(np.float64)
        for name in ["sum", "norm", "min", "max", "count_nonzero"]:
            result, _ = reduced(name, wide, wide, None)
            if label == "zeros" and name in ["min", "max"]:
                result = np.float64(-0.0 if name == "min" else 0.0)
            case(f"{name} of {label}", name, [x], result, out="F64")
        case(f"softmax of {label}", "softmax", [x], softmax(wide, None), error=1e-6)


def selections():
    lists = {
        "noise": values([50], special=False), "ties": np.round(values([60], special=False)),
        "equal": np.full(17, -2.5), "special": np.array(SPECIAL * 2), "one": np.array([3.0]),
        "nan": np.full(5, np.nan), "zeros": np.array([0.0, -0.0, -0.0, 0.0, -1.0]),
        "infinite": np.array([np.inf, -np.inf, np.inf, -np.inf, 0]),
        "square": values([6, 7]),
    }
    for label, elements in lists.items():
        x, stored = tensor(elements, "F32")
        flat = single(stored).reshape(-1)
        # NaN counts as the largest; both zeros are equal, and then the lower index comes first.
        key = np.where(np.isnan(flat), np.inf, flat)
        order = sorted(range(flat.size), key=lambda i: (not np.isnan(flat[i]), -key[i], i))
        for k in sorted({0, 1, 2, flat.size // 2, flat.size - 1, flat.size}):
            if not 0 <= k <= flat.size:
                continue
            mask = np.zeros(flat.size, np.float32)
            mask[order[:k]] = 1
            case(f"topk_mask {label} {k}", "topk_mask", [x, number(k)], mask.reshape(stored.shape))
            if k:
                kth = flat[order[k - 1]] + 0.0
                case(f"kth_largest {label} {k}", "kth_largest", [x, number(k)], np.float64(kth), out="F64")


def ranks():
    for shape in [[1], [0], [3, 0], [0, 3], [40], [41], [300], [5, 60], [3, 4, 5]]:
        x, stored = tensor(np.round(values(shape), 1) if shape else values(shape), "F32")
        wide = single(stored) + np.float32(0)
        for axis in range(len(shape)):
            # numpy sorts NaN last, as the engine does.
            order = np.argsort(wide, axis=axis, kind="stable")
            ranks = np.empty(shape, np.float32)
            steps = np.arange(1, shape[axis] + 1, dtype=np.float32)
            steps = steps.reshape([-1 if d == axis else 1 for d in range(len(shape))])
            np.put_along_axis(ranks, order, np.broadcast_to(steps, shape), axis)
            case(f"rank {shape} over {axis}", "rank", [x], ranks, dimension=axis)


def arrangements():
    for dtype in DTYPES:
        x, stored = tensor(values([4, 6, 5]), dtype)
        wide = single(stored)
        case(f"reshape {dtype}", "reshape", [x], wide.reshape(8, 15), sizes=[8, -1])
        case(f"transpose {dtype}", "transpose", [x], np.swapaxes(wide, 0, 2), sizes=[0, 2])
        case(f"narrow {dtype}", "narrow", [x], wide[:, 2:5], dimension=1, sizes=[2, 3])
        case(f"index_select {dtype}", "index_select", [x], wide[:, :, [4, 0, 0, 1, 2]], dimension=2,
             sizes=[4, 0, 0, 1, 2])
        case(f"cat {dtype}", "cat", [x, x], np.concatenate([wide, wide], 1), dimension=1)
        case(f"stack {dtype}", "stack", [x, x], np.stack([wide, wide], 2), dimension=2)
        padded = np.pad(wide, [(0, 0), (0, 0), (2, 1)], constant_values=np.float32(0.1))
        case(f"pad {dtype}", "pad", [x, number(0.1)], padded, dimension=2, sizes=[2, 1])
    x, stored = tensor(values([3, 4]), "F32")
    empty, nothing = tensor(np.zeros([3, 0]), "F32")
    scalar, one = tensor(np.array(1.25), "BF16")
    wide = single(stored)
    case("cat with nothing", "cat", [empty, x, empty], wide, dimension=1)
    case("cat of nothing", "cat", [empty, empty], single(nothing), dimension=1)
    case("index_select of nothing", "index_select", [x], wide[[]], dimension=0, sizes=[])
    case("narrow to nothing", "narrow", [x], wide[:, 4:4], dimension=1, sizes=[4, 0])
    case("transpose of nothing", "transpose", [empty], single(nothing).T, sizes=[0, 1])
    case("reshape of nothing", "reshape", [empty], single(nothing).reshape(0, 7), sizes=[-1, 7])
    case("reshape of a scalar", "reshape", [scalar], single(one).reshape(1, 1), sizes=[1, -1])
    case("reshape to a scalar", "reshape", [tensor(np.array([2.5]), "F32")[0]], np.array(2.5), sizes=[])
    case("stack of scalars", "stack", [scalar, scalar], np.array([1.25, 1.25]), dimension=0)
    case("pad of nothing", "pad", [empty, number(-1.0)], np.full([3, 2], -1.0), dimension=1, sizes=[2, 0])


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    with np.errstate(all="ignore"):
        unary()
        binary()
        choices()
        conversions()
        reductions()
        selections()
        ranks()
        arrangements()
    (FOLDER / "data.bin").write_bytes(data)
    lines = ",\n".join(json.dumps(case, separators=(",", ":"), allow_nan=False) for case in cases)
    (FOLDER / "cases.json").write_text(f"[\n{lines}\n]\n")
