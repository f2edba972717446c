#!/usr/bin/env python3
"""Writes Tests/Fixtures/methods: what the methods that mergekit lacks make of tiny models, worked out with numpy.

Needs numpy. Reproducible: the same files come out each time. Each method is written down here from its paper, with
full sorts and LAPACK, apart from how stdlib/methods has it.

    models/NAME.safetensors     a base, three fine-tunes, and what some methods need beside: Fisher information, Gram
                                matrices of what enters the weights, mean magnitudes of activations
    expected/CASE.safetensors   the merge
    cases.json                  each case's name, its method and the fields of mk.merge in Lua, where models are
                                variables by name

Task vectors are float32, as they are in a merge; all else is float64 and rounded once. --check writes nothing, and
fails if a file differs by more than rounding.
"""

import json
import struct
import sys
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).resolve().parent.parent / "Tests" / "Fixtures" / "methods"
HIDDEN, KEYS, INNER, LAYERS, VOCABULARY = 8, 4, 12, 3, 10
CHECKS = "--check" in sys.argv[1:]

# ---------------------------------------------------------------------------------------------------------------------
# Models


def shapes():
    yield "model.embed_tokens.weight", (VOCABULARY, HIDDEN)
    for layer in range(LAYERS):
        prefix = f"model.layers.{layer}."
        yield prefix + "input_layernorm.weight", (HIDDEN,)
        yield prefix + "self_attn.q_proj.weight", (HIDDEN, HIDDEN)
        yield prefix + "self_attn.k_proj.weight", (KEYS, HIDDEN)
        yield prefix + "mlp.up_proj.weight", (INNER, HIDDEN)
        yield prefix + "mlp.down_proj.weight", (HIDDEN, INNER)
    yield "model.norm.weight", (HIDDEN,)
    yield "lm_head.weight", (VOCABULARY, HIDDEN)


SHAPES = dict(shapes())


def layer_of(name):
    return int(name.split(".")[2]) if ".layers." in name else None


def is_matrix(name):
    """A weight that multiplies activations within the layers: what matrix methods are for."""
    return name.endswith("_proj.weight")


def generator(seed):
    return np.random.Generator(np.random.PCG64(seed))


def make_models():
    source = generator(1)
    base = {name: source.standard_normal(shape) * 0.3 + (1 if len(shape) == 1 else 0) for name, shape in SHAPES.items()}
    models = {"base": base}
    for seed, name in enumerate("abc"):
        source = generator(10 + seed)
        models[name] = {key: value + 0.05 * (1 + seed / 2) * source.standard_normal(value.shape)
                        for key, value in base.items()}
    for seed, name in enumerate("abc"):
        source = generator(20 + seed)
        models["fisher_" + name] = {key: source.standard_normal(shape) ** 2 * 1e-3 for key, shape in SHAPES.items()
                                    if key != "lm_head.weight"}
        source = generator(30 + seed)
        models["gram_" + name] = {}
        for key, shape in SHAPES.items():
            if is_matrix(key):
                inputs = source.standard_normal((40, shape[1])) * (1 + np.arange(shape[1]) / 4)
                models["gram_" + name][key] = inputs.T @ inputs
    source = generator(40)
    models["activations"] = {key: np.abs(source.standard_normal(shape[-1])) for key, shape in SHAPES.items()
                             if key != "model.embed_tokens.weight"}
    return {name: {key: value.astype(np.float32) for key, value in model.items()} for name, model in models.items()}


MODELS = make_models()
INPUTS = "abc"


def vectors_of(name, inputs=INPUTS):
    """The task vectors of a tensor, rounded to float32."""
    base = MODELS["base"][name]
    return [(MODELS[model][name] - base).astype(np.float64) for model in inputs]


# ---------------------------------------------------------------------------------------------------------------------
# Files


def save(path, tensors):
    header, offset = {}, 0
    for name, tensor in tensors.items():
        header[name] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": [offset, offset + tensor.nbytes]}
        offset += tensor.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(t.tobytes() for t in tensors.values()))


def load(path):
    data = path.read_bytes()
    size = struct.unpack("<Q", data[:8])[0]
    tensors = {}
    for name, entry in json.loads(data[8:8 + size]).items():
        first, last = entry["data_offsets"]
        tensors[name] = np.frombuffer(data[8 + size + first:8 + size + last], np.float32).reshape(entry["shape"])
    return tensors


def put(path, tensors):
    tensors = {name: np.asarray(tensor).astype(np.float32) for name, tensor in tensors.items()}
    if not CHECKS:
        path.parent.mkdir(parents=True, exist_ok=True)
        return save(path, tensors)
    found = load(path)
    assert found.keys() == tensors.keys(), path
    for name, tensor in tensors.items():
        error = np.abs(found[name].astype(np.float64) - tensor).max()
        assert error <= 1e-6 * np.abs(tensor).max(), f"{path.name}: {name} differs by {error}"


CASES = []


def case(name, method, fields, merge):
    """Notes a case. `merge(name)` gives a tensor; `fields` are those of mk.merge beside the method."""
    put(FOLDER / "expected" / f"{name}.safetensors", {key: merge(key) for key in SHAPES})
    CASES.append({"name": name, "method": method, "fields": fields})


def on_base(change):
    """The base plus a change of each tensor."""
    return lambda name: MODELS["base"][name].astype(np.float64) + change(name)


PLAIN = "base = base, models = { a, b, c }"
WEIGHTS = {"a": 0.7, "b": 0.4, "c": 0.9}
WEIGHTED = "base = base, models = { { a, weight = 0.7 }, { b, weight = 0.4 }, { c, weight = 0.9 } }"


def weighted(name):
    return [WEIGHTS[model] * vector for model, vector in zip(INPUTS, vectors_of(name))]


# ---------------------------------------------------------------------------------------------------------------------
# Methods on elements


def magmax(vectors):
    stacked = np.stack(vectors)
    # The last of the largest.
    index = len(vectors) - 1 - np.abs(stacked[::-1]).argmax(0)
    return np.take_along_axis(stacked, index[None], 0)[0]


case("magmax", "magmax", PLAIN, on_base(lambda name: magmax(vectors_of(name))))
case("magmax-weights", "magmax", WEIGHTED + ", parameters = { lambda = 0.5 }",
     on_base(lambda name: 0.5 * magmax(weighted(name))))


def trimmed(vector, density):
    """TIES: the largest magnitudes."""
    count = max(1, int(density * vector.size))
    order = np.argsort(-np.abs(vector).ravel(), kind="stable")[:count]
    mask = np.zeros(vector.size)
    mask[order] = 1
    return vector * mask.reshape(vector.shape)


def elected_sum(vectors):
    """TIES: the sum of what has the sign of the sum of all."""
    sign = np.where(sum(vectors) >= 0, 1, -1)
    return sum(np.where(vector * sign > 0, vector, 0) for vector in vectors)


def consensus(vectors, merged, mask_lambda, k):
    votes = sum((np.abs(vector) >= mask_lambda * np.abs(merged - vector)).astype(int) for vector in vectors)
    return np.where(votes >= k, merged, 0)


case("consensus_ta", "consensus_ta", PLAIN,
     on_base(lambda name: consensus(vectors_of(name), sum(vectors_of(name)), 0.4, 2)))
case("consensus_ta-all", "consensus_ta", PLAIN + ", parameters = { k = 3, lambda = 0.3, mask_lambda = 0.2 }",
     on_base(lambda name: 0.3 * consensus(vectors_of(name), sum(vectors_of(name)), 0.2, 3)))
case("consensus_ta-ties", "consensus_ta", PLAIN + ", parameters = { elect_signs = true, density = 0.4 }",
     on_base(lambda name: consensus(
         vectors_of(name), elected_sum([trimmed(v, 0.4) for v in vectors_of(name)]), 0.4, 2)))


def balanced(vectors, counts, m):
    """CABS, element by element."""
    taken = np.zeros(vectors[0].size, bool)
    result = []
    for vector, n in zip(vectors, counts):
        flat = vector.ravel()
        mask = np.zeros(flat.size, bool)
        for start in range(0, flat.size, m):
            block = range(start, min(start + m, flat.size))
            mask[sorted(block, key=lambda i: (taken[i], -abs(flat[i]), i))[:n]] = True
        taken |= mask
        result.append((flat * mask).reshape(vector.shape))
    return result


case("cabs", "cabs", PLAIN + ", parameters = { n = 2, m = 8 }",
     on_base(lambda name: sum(balanced(vectors_of(name), [2, 2, 2], 8))))
case("cabs-overlap", "cabs",
     "base = base, models = { { a, weight = 0.7, n = 3 }, { b, weight = 0.4, n = 1 }, { c, weight = 0.9, n = 2 } }, "
     "parameters = { m = 5 }",
     on_base(lambda name: sum(
         WEIGHTS[model] * v for model, v in zip(INPUTS, balanced(vectors_of(name), [3, 1, 2], 5)))))
case("cabs-default", "cabs", PLAIN, on_base(lambda name: sum(balanced(vectors_of(name), [64] * 3, 256))))


def competition(vectors, ratio):
    """PCB-Merging, after the authors' formulas on a vector of all elements."""
    checks = np.stack([vector.ravel() for vector in vectors])
    count, size = checks.shape

    def limited(x, low, high):
        ordered = np.sort(x, axis=1)
        low, high = int(size * low), int(size * (1 - high) - 1)
        return np.clip(x, ordered[:, [low]], ordered[:, [high]])

    def scaled(x):
        low, high = x.min(1, keepdims=True), x.max(1, keepdims=True)
        # Where all are equal, none counts.
        return np.where(high > low, (x - low) / np.where(high > low, high - low, 1), 0)

    magnitude = limited(np.abs(checks), 0.0001, 0.0001)
    score = np.exp(count * scaled(magnitude) ** 2) * np.tanh(checks * checks.sum(0))
    share = scaled(limited(score, 1 - ratio, 0))
    merged = (np.sign(checks) * magnitude * share).sum(0) / np.maximum(share.sum(0), 1e-12)
    return merged.reshape(vectors[0].shape)


case("pcb", "pcb", PLAIN, on_base(lambda name: competition(vectors_of(name), 0.1)))
case("pcb-dense", "pcb", PLAIN + ", parameters = { density = 0.6, lambda = 1.2 }",
     on_base(lambda name: 1.2 * competition(vectors_of(name), 0.6)))


def fisher(name, weights):
    total, divisor = 0, 0
    for model in INPUTS:
        information = MODELS["fisher_" + model].get(name, np.ones(1)).astype(np.float64)
        factor = weights[model] * (np.maximum(information, 1e-6) if name != "lm_head.weight" else information)
        total, divisor = total + factor * MODELS[model][name].astype(np.float64), divisor + factor
    return total / divisor


case("fisher", "fisher",
     "models = { { a, fisher = fisher_a }, { b, fisher = fisher_b }, { c, fisher = fisher_c } }",
     lambda name: fisher(name, {"a": 1, "b": 1, "c": 1}))
case("fisher-weights", "fisher",
     "models = { { a, fisher = fisher_a, weight = 0.7 }, { b, fisher = function() return fisher_b end, weight = 0.4 }, "
     "{ c, fisher = { { value = fisher_c } }, weight = 0.9 } }",
     lambda name: fisher(name, WEIGHTS))


def scaled_by_layer(name, alpha, beta):
    layer = layer_of(name)
    return alpha if layer is None else alpha + beta * layer / (LAYERS - 1)


case("lines", "lines", PLAIN, on_base(lambda name: sum(vectors_of(name)) * scaled_by_layer(name, 1 / 3, 2 / 3)))
case("lines-one", "lines", "base = base, models = { b }, parameters = { alpha = 0.2 }",
     on_base(lambda name: vectors_of(name, "b")[0] * scaled_by_layer(name, 0.2, 0.8)))
case("lines-beta", "lines", WEIGHTED + ", parameters = { alpha = 0.4, beta = -0.1 }",
     on_base(lambda name: sum(weighted(name)) * scaled_by_layer(name, 0.4, -0.1)))


def informed(name, omega):
    change = vectors_of(name, "b")[0]
    if name not in MODELS["activations"]:
        return change
    importance = MODELS["activations"][name].astype(np.float64)
    return change * (1 - importance / importance.max() * (1 - omega))


case("aim", "aim", "base = base, models = { b }, parameters = { activations = activations }",
     on_base(lambda name: informed(name, 0.4)))
case("aim-omega", "aim", "base = base, models = { b, { base, activations = activations } }, parameters = { omega = 0.1 }",
     on_base(lambda name: informed(name, 0.1)))


def elected(vectors):
    sign = np.sign(sum(vectors))
    largest = np.max([np.where(vector * sign > 0, np.abs(vector), 0) for vector in vectors], axis=0)
    return largest * sign


def modulated(vectors, task, rescaler=None):
    unified = elected(vectors)
    kept = np.where(vectors[task] * unified > 0, unified, 0)
    return kept * (np.abs(vectors[task]).sum() / np.abs(kept).sum() if rescaler is None else rescaler)


case("emr", "emr", PLAIN, on_base(lambda name: elected(vectors_of(name))))
case("emr-second", "emr", PLAIN + ", parameters = { task = 2 }", on_base(lambda name: modulated(vectors_of(name), 1)))
case("emr-rescaler", "emr", PLAIN + ", parameters = { task = 3, rescaler = 0.8 }",
     on_base(lambda name: modulated(vectors_of(name), 2, 0.8)))

# ---------------------------------------------------------------------------------------------------------------------
# Methods on matrices


def on_matrices(merge, other, lam=1.0, all_matrices=False):
    """The base plus what `merge` makes of the task vectors of a matrix, and `other` of what is none."""
    def change(name):
        vectors = vectors_of(name)
        takes = is_matrix(name) or (all_matrices and len(SHAPES[name]) == 2)
        return lam * (merge if takes else other)(vectors)
    return on_base(change)


def mean(vectors):
    return sum(vectors) / len(vectors)


def svd(matrix):
    return np.linalg.svd(matrix, full_matrices=False)


def polar(matrix):
    u, _, vt = svd(matrix)
    return u @ vt


def isotropic(vectors):
    u, s, vt = svd(sum(vectors))
    return u @ vt * s.mean()


case("iso_c", "iso_c", PLAIN, on_matrices(isotropic, mean))
case("iso_c-all", "iso_c", PLAIN + ", parameters = { lambda = 0.6, all_matrices = true }",
     on_matrices(isotropic, mean, 0.6, True))


def task_singular(vectors):
    count = min(vectors[0].shape) // len(vectors)
    parts = [svd(vector) for vector in vectors]
    u = np.hstack([u[:, :count] for u, _, _ in parts])
    s = np.hstack([s[:count] for _, s, _ in parts])
    vt = np.vstack([vt[:count] for _, _, vt in parts])
    return polar(u) @ np.diag(s) @ polar(vt)


case("tsv_m", "tsv_m", PLAIN, on_matrices(task_singular, mean))


def common_and_specific(vectors, common):
    tasks, size = len(vectors), min(vectors[0].shape)
    own = round((size - int(size * common)) / tasks)
    rest = size - own * tasks
    u, s, vt = svd(sum(vectors))
    us, ss, vts = [u[:, :rest]], [s[:rest]], [vt[:rest]]
    for vector in vectors:
        a, b, c = svd(vector - us[0] @ us[0].T @ vector)
        us, ss, vts = us + [a[:, :own]], ss + [b[:own]], vts + [c[:own]]
    return polar(np.hstack(us)) @ polar(np.vstack(vts)) * np.hstack(ss).mean()


case("iso_cts", "iso_cts", PLAIN + ", parameters = { common = 0.6 }",
     on_matrices(lambda vectors: common_and_specific(vectors, 0.6), mean))
case("iso_cts-default", "iso_cts", PLAIN, on_matrices(lambda vectors: common_and_specific(vectors, 0.8), mean))


def truncated(vector, eta):
    u, s, vt = svd(vector)
    count = int(np.searchsorted(np.cumsum(s), s.sum() * eta)) + 1
    kept = s[:count] * (s.sum() / s[:count].sum())
    return u[:, :count] @ np.diag(kept) @ vt[:count]


case("star", "star", PLAIN, on_matrices(lambda vectors: mean([truncated(v, 0.4) for v in vectors]), mean))
case("star-eta", "star", PLAIN + ", parameters = { eta = 0.75, lambda = 1.1 }",
     on_matrices(lambda vectors: mean([truncated(v, 0.75) for v in vectors]), mean, 1.1))


def boosted(matrix, beta):
    u, s, vt = svd(matrix)
    cutoff = int(np.argmax(np.cumsum(s) / s.sum() >= beta))
    return u @ np.diag(np.maximum(s, s[cutoff])) @ vt


case("subspace_boosting", "subspace_boosting", PLAIN, on_matrices(lambda v: boosted(sum(v), 0.01), sum))
case("subspace_boosting-beta", "subspace_boosting", PLAIN + ", parameters = { beta = 0.6 }",
     on_matrices(lambda v: boosted(sum(v), 0.6), sum))


def regression_mean(name, weights, reduction):
    if not is_matrix(name):
        return sum(weights[m] * MODELS[m][name].astype(np.float64) for m in INPUTS) / sum(weights.values())
    gram, product = 0, 0
    for model in INPUTS:
        own = MODELS["gram_" + model][name].astype(np.float64) * weights[model]
        own = reduction * own + (1 - reduction) * np.diag(np.diag(own))
        gram, product = gram + own, product + MODELS[model][name].astype(np.float64) @ own
    return product @ np.linalg.inv(gram)


GRAMS = "models = { { a, gram = gram_a }, { b, gram = gram_b }, { c, gram = gram_c } }"
case("regmean", "regmean", GRAMS, lambda name: regression_mean(name, {"a": 1, "b": 1, "c": 1}, 0.9))
case("regmean-weights", "regmean",
     "models = { { a, gram = gram_a, weight = 0.7 }, { b, gram = gram_b, weight = 0.4 }, "
     "{ c, gram = gram_c, weight = 0.9 } }, parameters = { reduction = 1 }",
     lambda name: regression_mean(name, WEIGHTS, 1))


def interference_solved(vectors, rank=None, time=None):
    c = sum(v.T @ v / (v ** 2).sum() for v in vectors)
    d = sum(v @ v.T @ v / (v ** 2).sum() for v in vectors)
    values, q = np.linalg.eigh(c)
    values, q = values[::-1], q[:, ::-1]
    if rank is None:
        root = np.sqrt(np.maximum(values, 0))
        rank = int(root.sum() ** 2 / values.clip(0).sum())
    inverse = np.zeros_like(values)
    inverse[:rank] = 1 / values[:rank]
    if time is not None:
        inverse *= 1 - np.exp(-time * values)
    start = sum(vectors)
    return start + (d - start @ c) @ q @ np.diag(inverse) @ q.T


case("swudi", "swudi", PLAIN, on_matrices(interference_solved, mean))
case("swudi-rank", "swudi", PLAIN + ", parameters = { rank = 4, time = 3, lambda = 0.9 }",
     on_matrices(lambda v: interference_solved(v, 4, 3), mean, 0.9))
case("swudi-part", "swudi", PLAIN + ", parameters = { rank = 0.5 }",
     on_matrices(lambda v: interference_solved(v, v[0].shape[1] // 2), mean))


def averaged(vectors):
    """TIES: elected signs, and the mean of what agrees."""
    sign = np.where(sum(vectors) >= 0, 1, -1)
    agrees = [vector * sign > 0 for vector in vectors]
    count = sum(mask.astype(int) for mask in agrees)
    return sum(np.where(mask, vector, 0) for mask, vector in zip(agrees, vectors)) / np.maximum(count, 1)


def tied(vectors, density):
    return averaged([trimmed(vector, density) for vector in vectors])


def knotted(vectors, combine):
    width = vectors[0].shape[1]
    u, s, vt = svd(np.hstack(vectors))
    shares = [np.diag(s) @ vt[:, i * width:(i + 1) * width] for i in range(len(vectors))]
    return u @ combine(shares)


case("knots", "knots", PLAIN, on_matrices(lambda v: knotted(v, averaged), averaged))
case("knots-density", "knots", PLAIN + ", parameters = { density = 0.5, lambda = 0.7 }",
     on_matrices(lambda v: knotted(v, lambda x: tied(x, 0.5)), lambda v: tied(v, 0.5), 0.7))
case("knots-sum", "knots", PLAIN + ", parameters = { combine = 'task_arithmetic' }", on_matrices(sum, sum))


def in_core(vectors, rank, combine):
    factors = []
    for vector in vectors:
        u, s, vt = svd(vector)
        root = np.diag(np.sqrt(s[:rank]))
        factors.append((u[:, :rank] @ root, root @ vt[:rank]))
    left = svd(np.hstack([b for b, _ in factors]))[0]
    right = svd(np.vstack([a for _, a in factors]))[2]
    return left @ combine([left.T @ vector @ right.T for vector in vectors]) @ right


case("core_space", "core_space", PLAIN + ", parameters = { rank = 1 }",
     on_matrices(lambda v: in_core(v, 1, task_singular), mean))
case("core_space-ties", "core_space", PLAIN + ", parameters = { rank = 2, combine = 'ties', density = 0.6 }",
     on_matrices(lambda v: in_core(v, 2, lambda x: tied(x, 0.6)), mean))
case("core_space-iso_c", "core_space", PLAIN + ", parameters = { rank = 1, combine = 'iso_c', lambda = 0.8 }",
     on_matrices(lambda v: in_core(v, 1, isotropic), mean, 0.8))

# ---------------------------------------------------------------------------------------------------------------------

for name, model in MODELS.items():
    put(FOLDER / "models" / f"{name}.safetensors", model)
text = json.dumps(CASES, indent=1) + "\n"
if CHECKS:
    assert (FOLDER / "cases.json").read_text() == text, "cases.json differs"
    print(f"{len(CASES)} cases are as they were")
else:
    (FOLDER / "cases.json").write_text(text)
    print(f"{len(CASES)} cases")
