#!/usr/bin/env python3
"""Writes Tests/Fixtures/linear-algebra: products and decompositions worked out with numpy and scipy in float64.

Needs numpy and scipy (PyPI). Reproducible: the same files come out each time.

    cases.json    matrices by name, {shape, offset}, in groups: the inputs of a case, and what comes out
    data.bin      their elements, float32, little-endian

Singular vectors and eigenvectors are open in their signs, so what is compared is what does not depend on them: values,
projections, polar factors, and a matrix put together again.
"""

import json
import pathlib

import numpy as np
import scipy.linalg

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "Tests" / "Fixtures" / "linear-algebra"
random = np.random.default_rng(18)
data = bytearray()
cases = {}


def put(array):
    array = np.asarray(array, dtype=np.float32)
    place = {"shape": list(array.shape), "offset": len(data)}
    data.extend(np.ascontiguousarray(array).tobytes())
    return place


def case(name, **arrays):
    cases[name] = {key: put(array) for key, array in arrays.items()}


def matrix(*shape):
    """What float32 holds, as float64."""
    return random.standard_normal(shape).astype(np.float32).astype(np.float64)


def spectrum(rows, columns, values):
    """A matrix with given singular values."""
    u = np.linalg.qr(random.standard_normal((rows, len(values))))[0]
    v = np.linalg.qr(random.standard_normal((columns, len(values))))[0]
    return ((u * values) @ v.T).astype(np.float32).astype(np.float64)


def main():
    a, b = matrix(37, 21), matrix(21, 50)
    case("product", a=a, b=b, result=a @ b, left=a.T @ a, right=a @ a.T)
    a, b = matrix(3, 7, 64), matrix(3, 64, 5)
    case("batches", a=a, b=b, result=a @ b, shared=a @ b[0])
    for name, (rows, columns) in {"tall": (40, 12), "wide": (9, 31), "square": (16, 16)}.items():
        a = matrix(rows, columns)
        u, s, vt = np.linalg.svd(a, full_matrices=False)
        case(f"svd {name}", a=a, s=s, polar=scipy.linalg.polar(a)[0] if rows >= columns else u @ vt,
             pinv=np.linalg.pinv(a), rank6=(u[:, :6] * s[:6]) @ vt[:6])
    a = spectrum(80, 60, 100.0 * 0.5 ** np.arange(60))
    u, s, vt = np.linalg.svd(a, full_matrices=False)
    case("svd decaying", a=a, s=s[:8], truncated=(u[:, :8] * s[:8]) @ vt[:8])
    x = matrix(30, 14)
    gram = x.T @ x
    b = matrix(14, 4)
    values, vectors = scipy.linalg.eigh(gram.astype(np.float32))
    case("symmetric", s=gram, values=values, inverse_root=scipy.linalg.inv(scipy.linalg.sqrtm(gram)).real,
         b=b, solution=scipy.linalg.solve(gram.astype(np.float32).astype(np.float64), b, assume_a="pos"),
         ridge=scipy.linalg.solve(gram.astype(np.float32) + 0.5 * np.eye(14), b, assume_a="pos"))
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / "cases.json").write_text(json.dumps(cases, indent=1) + "\n")
    (FOLDER / "data.bin").write_bytes(bytes(data))


main()
