"""The steps of `scripts/benchmark --linear` in PyTorch, on its own threads: torch_steps.py STEP OUT, in the family's
folder. Tensor by tensor, as a user would write it; results go to OUT as safetensors, bfloat16. Prints the seconds,
without those that it takes to import PyTorch."""

import sys
import time

import torch
from safetensors import safe_open
from safetensors.torch import save_file


def is_layer_matrix(name, tensor):
    return tensor.ndim == 2 and "layers." in name


def svd(base, tuned, _):
    """Factors of rank 64 of each task vector: `torch.svd_lowrank` with ten more columns and two iterations."""
    result = {}
    for name in base.keys():
        old = base.get_tensor(name)
        if not is_layer_matrix(name, old):
            continue
        delta = tuned.get_tensor(name).float() - old.float()
        u, s, v = torch.svd_lowrank(delta, q=74, niter=2)
        root = s[:64].sqrt()
        result[name.replace("weight", "lora_b")] = (u[:, :64] * root).bfloat16().contiguous()
        result[name.replace("weight", "lora_a")] = (v[:, :64] * root).T.bfloat16().contiguous()
    return result


def low_rank(base, _, __):
    """A product of rank 16 on each matrix of the layers."""
    result = {}
    with safe_open("factors/model.safetensors", "pt") as factors:
        keys = set(factors.keys())
        for name in base.keys():
            weight = base.get_tensor(name)
            if name.replace("weight", "lora_a") in keys:
                a = factors.get_tensor(name.replace("weight", "lora_a")).float()
                b = factors.get_tensor(name.replace("weight", "lora_b")).float()
                weight = torch.addmm(weight.float(), b, a, alpha=2).bfloat16()
            result[name] = weight
    return result


def linear(_, first, second):
    return {
        name: (0.6 * first.get_tensor(name).float() + 0.4 * second.get_tensor(name).float()).bfloat16()
        for name in first.keys()
    }


def merged(base, first, second, merge_matrix):
    result = {}
    for name in base.keys():
        old = base.get_tensor(name).float()
        vectors = [model.get_tensor(name).float() - old for model in (first, second)]
        delta = merge_matrix(vectors) if is_layer_matrix(name, old) else (vectors[0] + vectors[1]) / 2
        result[name] = (old + delta).bfloat16()
    return result


def iso_c(base, first, second):
    """All singular values of the sum made their mean."""

    def merge(vectors):
        u, s, vt = torch.linalg.svd(vectors[0] + vectors[1], full_matrices=False)
        return (u * s.mean()) @ vt

    return merged(base, first, second, merge)


def tsv_m(base, first, second):
    """Half of the singular triples of each side by side, made orthogonal."""

    def polar(matrix):
        u, _, vt = torch.linalg.svd(matrix, full_matrices=False)
        return u @ vt

    def merge(vectors):
        count = min(vectors[0].shape) // 2
        triples = [torch.linalg.svd(vector, full_matrices=False) for vector in vectors]
        u = torch.cat([u[:, :count] for u, _, _ in triples], 1)
        s = torch.cat([s[:count] for _, s, _ in triples])
        vt = torch.cat([vt[:count] for _, _, vt in triples])
        return (polar(u) * s) @ polar(vt)

    return merged(base, first, second, merge)


def cabs(base, first, second):
    """Two of every four elements of each task vector, the first's before the second's."""

    def rows(tensor):
        return tensor.abs().reshape(-1, 4)

    result = {}
    for name in base.keys():
        old = base.get_tensor(name).float()
        vectors = [model.get_tensor(name).float() - old for model in (first, second)]
        mask = torch.zeros_like(rows(old))
        mask.scatter_(1, rows(vectors[0]).topk(2, 1).indices, 1)
        delta = 0.6 * vectors[0] * mask.reshape(old.shape)
        delta += 0.4 * vectors[1] * (1 - mask).reshape(old.shape)
        result[name] = (old + delta).bfloat16()
    return result


def main():
    step, out = sys.argv[1:]
    start = time.perf_counter()
    with torch.inference_mode():
        models = [safe_open(f"{name}/model.safetensors", "pt") for name in ("base", "math", "code")]
        save_file(globals()[step](*models), out)
    print(f"{time.perf_counter() - start:.3f}")


main()
