#!/usr/bin/env python3
"""Writes Tests/Fixtures/moe: run by scripts/make-moe-goldens, which has the packages.

    cases/NAME.yml               configs, written by hand; model paths are relative to the folder of the goldens
    models/NAME/                 tiny seeded models; the bases have a tokenizer
    expected/NAME.safetensors    what mergekit-moe makes of the config
    expected/NAME.json           its config.json

mergekit 0.1.5 writes the experts of Mixtral and Qwen3-MoE as transformers 5 has them in memory, all of a layer in one
tensor. Here they have the names of published checkpoints, with a tensor for each expert.
"""

import argparse
import filecmp
import json
import logging
import os
import shutil
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
import torch
import yaml
from mergekit.moe.config import MoEMergeConfig
from mergekit.options import MergeOptions
from mergekit.scripts.moe import build
from safetensors.torch import load_file, save_file
from tokenizers import AddedToken, Tokenizer, decoders, models as token_models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

FOLDER = Path(__file__).resolve().parent.parent / "Tests" / "Fixtures" / "moe"

HIDDEN, HEADS, KEY_HEADS, HEAD, INTERMEDIATE, LAYERS = 8, 2, 1, 4, 11, 2
LETTERS = "abcdefghijklmnopqrstuvwxyz.,?"
MERGES = [("t", "h"), ("th", "e"), ("Ġ", "the"), ("i", "n"), ("o", "n"), ("Ġ", "a")]


# Models

def vocabulary():
    tokens = ["<unk>", "<s>", "</s>", "Ġ", *LETTERS, *("".join(pair) for pair in MERGES)]
    return {token: index for index, token in enumerate(tokens)}


def write_tokenizer(folder, has_bos):
    """Byte-level BPE of few letters. Without `has_bos` there is no token before a text, as in Qwen's."""
    tokenizer = Tokenizer(token_models.BPE(vocab=vocabulary(), merges=MERGES, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(token, special=True) for token in ("<unk>", "<s>", "</s>")])
    names = {"bos_token": "<s>"} if has_bos else {}
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="<unk>", eos_token="</s>", **names).save_pretrained(folder)


def shapes(kind):
    rows = len(vocabulary())
    yield "model.embed_tokens.weight", (rows, HIDDEN)
    for layer in range(LAYERS):
        own = f"model.layers.{layer}."
        yield own + "input_layernorm.weight", (HIDDEN,)
        for part, heads in (("q", HEADS), ("k", KEY_HEADS), ("v", KEY_HEADS)):
            yield f"{own}self_attn.{part}_proj.weight", (heads * HEAD, HIDDEN)
            if kind == "qwen2":
                yield f"{own}self_attn.{part}_proj.bias", (heads * HEAD,)
        if kind == "qwen3":
            yield own + "self_attn.q_norm.weight", (HEAD,)
            yield own + "self_attn.k_norm.weight", (HEAD,)
        yield own + "self_attn.o_proj.weight", (HIDDEN, HEADS * HEAD)
        yield own + "post_attention_layernorm.weight", (HIDDEN,)
        yield own + "mlp.gate_proj.weight", (INTERMEDIATE, HIDDEN)
        yield own + "mlp.up_proj.weight", (INTERMEDIATE, HIDDEN)
        yield own + "mlp.down_proj.weight", (HIDDEN, INTERMEDIATE)
    yield "model.norm.weight", (HIDDEN,)
    yield "lm_head.weight", (rows, HIDDEN)


CLASSES = {
    "llama": "LlamaForCausalLM", "mistral": "MistralForCausalLM", "qwen2": "Qwen2ForCausalLM",
    "qwen3": "Qwen3ForCausalLM",
}


def config(kind):
    values = {
        "architectures": [CLASSES[kind]], "model_type": kind, "hidden_size": HIDDEN,
        "intermediate_size": INTERMEDIATE, "num_attention_heads": HEADS, "num_key_value_heads": KEY_HEADS,
        "num_hidden_layers": LAYERS, "vocab_size": len(vocabulary()), "max_position_embeddings": 64,
        "rms_norm_eps": 1e-05, "rope_theta": 10000.0, "hidden_act": "silu", "tie_word_embeddings": False,
        "torch_dtype": "float32",
    }
    if kind in ("llama", "mistral"):
        values |= {"bos_token_id": 1, "eos_token_id": 2}
    if kind == "mistral":
        values |= {"sliding_window": 32}
    if kind == "qwen3":
        values |= {"head_dim": HEAD, "attention_bias": False}
    return values


def fresh(kind, seed):
    """A model of its own: norms near one, all else near zero."""
    source = np.random.Generator(np.random.PCG64(seed))
    tensors = {}
    for name, shape in shapes(kind):
        values = source.standard_normal(shape)
        tensors[name] = (1 + 0.1 * values if name.endswith("norm.weight") else 0.3 * values).astype(np.float32)
    return tensors


def write_models(folder):
    for seed, kind in enumerate(CLASSES):
        for offset, name in enumerate(("base", "a", "b")):
            target = folder / f"{kind}-{name}"
            target.mkdir(parents=True)
            (target / "config.json").write_text(json.dumps(config(kind), indent=2) + "\n")
            tensors = fresh(kind, 10 * seed + offset)
            save({key: torch.from_numpy(value) for key, value in tensors.items()}, target / "model.safetensors")
            if name == "base":
                write_tokenizer(target, has_bos=kind in ("llama", "mistral"))


def save(tensors, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: values.contiguous() for name, values in sorted(tensors.items())}, path, metadata={"format": "pt"})


# Mixtures

def published(tensors, model_type):
    """One tensor for each expert, where there is one for all of a layer."""
    result = {}
    for name, values in tensors.items():
        if model_type == "mixtral":
            name = name.replace(".mlp.", ".block_sparse_moe.")
        if name.endswith(".experts.gate_up_proj"):
            names = ("w1", "w3") if model_type == "mixtral" else ("gate_proj", "up_proj")
            for expert, both in enumerate(values):
                for part, half in zip(names, both.chunk(2)):
                    result[name.replace("gate_up_proj", f"{expert}.{part}.weight")] = half
        elif name.endswith(".experts.down_proj"):
            part = "w2" if model_type == "mixtral" else "down_proj"
            for expert, down in enumerate(values):
                result[name.replace("down_proj", f"{expert}.{part}.weight")] = down
        else:
            result[name] = values
    return result


def make(folder):
    """Makes models and expected below a folder that has the cases."""
    write_models(folder / "models")
    os.chdir(folder)
    failures = []
    for path in sorted((folder / "cases").glob("*.yml")):
        with tempfile.TemporaryDirectory() as out:
            torch.manual_seed(0)
            try:
                read = MoEMergeConfig.model_validate(yaml.safe_load(path.read_text()))
                build(read, out, MergeOptions(copy_tokenizer=False, quiet=True), device="cpu", allow_all_same=True)
            except (Exception, SystemExit) as error:
                failures.append(f"{path.stem}: {type(error).__name__}: {error}")
                continue
            tensors = {}
            for file in Path(out).glob("*.safetensors"):
                tensors |= load_file(file)
            made = json.loads((Path(out) / "config.json").read_text())
            save(published(tensors, made["model_type"]), folder / "expected" / f"{path.stem}.safetensors")
            made.pop("transformers_version", None)
            (folder / "expected" / f"{path.stem}.json").write_text(json.dumps(made, indent=2, sort_keys=True) + "\n")
    return failures


# Checking

def compare(made, committed):
    """What differs. Other processors may round sums otherwise: mixtures need only be near."""
    def files(folder):
        return {path.relative_to(folder) for part in ("models", "expected") for path in (folder / part).rglob("*.*")}

    failures, same = [], 0
    for path in sorted(files(made) | files(committed)):
        if not (made / path).exists() or not (committed / path).exists():
            failures.append(f"{path}: only in {'the goldens' if (committed / path).exists() else 'the new files'}")
        elif filecmp.cmp(made / path, committed / path, shallow=False):
            same += 1
        elif path.suffix != ".safetensors" or path.parts[0] == "models":
            failures.append(f"{path}: differs")
        else:
            new, old = load_file(made / path), load_file(committed / path)
            if new.keys() != old.keys() or any(new[name].shape != old[name].shape for name in new):
                failures.append(f"{path}: other tensors")
            elif any(not torch.allclose(new[name], old[name], rtol=0.02, atol=1e-6) for name in new):
                failures.append(f"{path}: other values")
    print(f"{same} files are the same, byte by byte")
    return failures


def main():
    parser = argparse.ArgumentParser(description="Makes or checks Tests/Fixtures/moe.")
    parser.add_argument("--check", action="store_true", help="compare with the files that are there")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    logging.disable(logging.WARNING)
    warnings.filterwarnings("ignore")

    with tempfile.TemporaryDirectory() as work:
        made = Path(work).resolve()
        shutil.copytree(FOLDER / "cases", made / "cases")
        failures = make(made)
        os.chdir(FOLDER)
        if arguments.check:
            failures += compare(made, FOLDER)
        elif not failures:
            for part in ("models", "expected"):
                shutil.rmtree(FOLDER / part, ignore_errors=True)
                shutil.copytree(made / part, FOLDER / part)
    for failure in failures:
        print(failure, file=sys.stderr)
    sys.exit(1 if failures else 0)


main()
