"""Adapters that mergekit-lua extracts: PEFT puts them on the base, and what comes out is compared with the model that
they were made of."""

import copy

import torch
from safetensors.torch import load_file

from measuring import largest_difference, run
from models import back, bert, changed, gpt2, llama, mamba, mixtral, plain, t5

# A maker, what changes, the options, and the rank of what changes.
CASES = {
    "every tensor": (llama, None, [], 8),
    "scale in A": (llama, None, ["--no-distribute-scale"], 8),
    "embeddings at a low rank": (llama, None, ["--embed-lora"], 8),
    "a saved module": (llama, None, ["--save-module", "q_proj", "--save-module", "model.layers.1.mlp.up_proj"], 8),
    "one layer": (llama, lambda name: ".layers.1." in name, [], 8),
    "the last norm": (llama, lambda name: name == "model.norm.weight" or "q_proj" in name, [], 8),
    "tied": (lambda: llama(tie_word_embeddings=True), None, [], 8),
    "tied, at a low rank": (lambda: llama(tie_word_embeddings=True), None, ["--embed-lora"], 8),
    "GPT-2": (gpt2, None, [], 8),
    "GPT-2, at a low rank": (gpt2, None, ["--embed-lora"], 8),
    "BERT": (bert, None, [], 8),
    "T5": (t5, None, [], 8),
    "Mamba": (mamba, lambda name: "A_log" not in name and not name.endswith(".D"), [], 8),
    "Mixtral": (mixtral, None, [], 8),
}


def write(folder, name, make, only=None, rank=8):
    """A model and one that differs from it by products of a rank, on disk and in memory."""
    torch.manual_seed(1)
    base = make().eval()
    tuned = changed(base, rank, only)
    places = [folder / f"{name}-{part}" for part in ("base", "tuned", "adapter")]
    base.save_pretrained(places[0])
    tuned.save_pretrained(places[1])
    return base, tuned, places


def extract(tool, places, rank, *options):
    run(tool, "extract-lora", "--model", places[1], "--base-model", places[0], "--max-rank", rank, *options, places[2])


def check_true_ranks(tool, folder):
    for index, (title, (make, only, options, rank)) in enumerate(CASES.items()):
        base, tuned, places = write(folder, f"case{index}", make, only, rank)
        extract(tool, places, rank, *options)
        distance = largest_difference(back(base, places[2]), plain(tuned))
        print(f"extracted at the true rank, {title}: {distance:.2g} of the largest element, at most")
        assert distance < 1e-5


def check_lower_ranks(tool, folder):
    """What is lost beside what the truncated decomposition loses, for differences of full rank."""
    base, tuned, places = write(folder, "full", lambda: llama(hidden_size=640, intermediate_size=1280), rank=None)
    for rank in (4, 32, 300):
        extract(tool, places, rank)
        factors = load_file(places[2] / "adapter_model.safetensors")
        worst = 0
        for name, tensor in plain(tuned).items():
            key = "base_model.model." + name.removesuffix(".weight")
            if key + ".lora_A.weight" not in factors:
                continue
            change = tensor - plain(base)[name]
            lost = change - factors[key + ".lora_B.weight"] @ factors[key + ".lora_A.weight"]
            least = torch.linalg.svdvals(change)[rank:].norm()
            if least > 1e-4 * change.norm():
                worst = max(worst, (lost.norm() / least - 1).item())
        print(f"extracted at rank {rank} of 640: {100 * worst:.2f} % more is lost than by the truncated decomposition, at most")
        assert worst < 0.01


def check_grown_vocabularies(tool, folder):
    base, tuned, places = write(folder, "grown", llama)
    tuned.resize_token_embeddings(207)
    tuned.save_pretrained(places[1])
    extract(tool, places, 8)
    resized = copy.deepcopy(base)
    resized.resize_token_embeddings(207)
    distance = largest_difference(back(resized, places[2]), plain(tuned))
    print(f"extracted of a grown vocabulary: {distance:.2g} of the largest element, at most")
    assert distance < 1e-5


def check_extraction(tool, folder):
    check_true_ranks(tool, folder)
    check_lower_ranks(tool, folder)
    check_grown_vocabularies(tool, folder)
