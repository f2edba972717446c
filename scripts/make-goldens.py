#!/usr/bin/env python3
"""Writes Tests/Fixtures/goldens: run by scripts/make-goldens, which has the packages.

    cases/NAME.yml               configs, written by hand; model paths are relative to the folder of the goldens
    models/NAME/                 tiny seeded models
    expected/NAME.safetensors    what mergekit makes of the config
    expected/NAME.tokens.json    of a config with a tokenizer: the tokens of what it makes, sorted by their bytes; rows of
                                 embeddings and heads are in that order, those of no token follow
    truth/NAME.safetensors       the same in float64, rounded to float32, where mergekit computes in 16 bits

A first line `# options: …` of a case names options of mergekit-yaml. Every config that is computed in
float32 is computed in float64 too: the two must agree, so that no element hangs on the rounding of a sum.
"""

import argparse
import filecmp
import json
import logging
import os
import re
import shutil
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
import tokenizers
import torch
import transformers
import yaml
from mergekit.config import MergeConfiguration
from mergekit.merge import run_merge
from mergekit.options import MergeOptions
from safetensors.torch import load_file, save_file

FOLDER = Path(__file__).resolve().parent.parent / "Tests" / "Fixtures" / "goldens"

# No size is a multiple of another one, of a block or of seven.
HIDDEN, QUERIES, KEYS, INTERMEDIATE, VOCABULARY, LAYERS = 10, 8, 4, 13, 31, 4
SIXTEEN_BITS = (torch.bfloat16, torch.float16)

# How far float32 may be from float64, relative to the largest element; the tests allow 5e-6.
TOLERANCE = 2e-6


# Models

def llama_shapes(layers, vocabulary=VOCABULARY, prefix=""):
    yield f"{prefix}model.embed_tokens.weight", (vocabulary, HIDDEN)
    for layer in range(layers):
        own = f"{prefix}model.layers.{layer}."
        yield own + "input_layernorm.weight", (HIDDEN,)
        yield own + "self_attn.q_proj.weight", (QUERIES, HIDDEN)
        yield own + "self_attn.k_proj.weight", (KEYS, HIDDEN)
        yield own + "self_attn.v_proj.weight", (KEYS, HIDDEN)
        yield own + "self_attn.o_proj.weight", (HIDDEN, QUERIES)
        yield own + "post_attention_layernorm.weight", (HIDDEN,)
        yield own + "mlp.gate_proj.weight", (INTERMEDIATE, HIDDEN)
        yield own + "mlp.up_proj.weight", (INTERMEDIATE, HIDDEN)
        yield own + "mlp.down_proj.weight", (HIDDEN, INTERMEDIATE)
    yield f"{prefix}model.norm.weight", (HIDDEN,)
    yield f"{prefix}lm_head.weight", (vocabulary, HIDDEN)


def granite_shapes(layers, biases):
    """Weights of a Llama, and the biases of q, k and v, which are optional in mergekit's definition."""
    yield from llama_shapes(layers)
    for layer in range(layers):
        for part, rows in (("q", QUERIES), ("k", KEYS), ("v", KEYS)):
            if part in biases:
                yield f"model.layers.{layer}.self_attn.{part}_proj.bias", (rows,)


def vision_shapes(layers, vision_layers):
    """Three modules, of which only two have layers."""
    yield from llama_shapes(layers, prefix="language_model.")
    yield "multi_modal_projector.norm.weight", (6,)
    yield "multi_modal_projector.patch_merger.merging_layer.weight", (6, 24)
    yield "multi_modal_projector.linear_1.weight", (HIDDEN, 6)
    yield "multi_modal_projector.linear_2.weight", (HIDDEN, HIDDEN)
    yield "vision_tower.patch_conv.weight", (6, 3, 2, 2)
    yield "vision_tower.ln_pre.weight", (6,)
    for layer in range(vision_layers):
        own = f"vision_tower.transformer.layers.{layer}."
        for part in ("attention_norm", "ffn_norm"):
            yield f"{own}{part}.weight", (6,)
        for part in ("q", "k", "v", "o"):
            yield f"{own}attention.{part}_proj.weight", (6, 6)
        yield own + "feed_forward.gate_proj.weight", (11, 6)
        yield own + "feed_forward.up_proj.weight", (11, 6)
        yield own + "feed_forward.down_proj.weight", (6, 11)


def llama_config(layers=LAYERS, **others):
    return {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": HIDDEN,
        "intermediate_size": INTERMEDIATE, "num_attention_heads": 2, "num_key_value_heads": 1,
        "head_dim": 4, "num_hidden_layers": layers, "vocab_size": VOCABULARY, "max_position_embeddings": 64,
        "rms_norm_eps": 1e-05, "tie_word_embeddings": False, "torch_dtype": "float32",
    } | others


def granite_config(has_biases):
    return llama_config(
        2, architectures=["GraniteForCausalLM"], model_type="granite", attention_bias=has_biases)


def vision_config():
    return {
        "architectures": ["Mistral3ForConditionalGeneration"], "model_type": "mistral3",
        "image_token_index": 10, "spatial_merge_size": 2, "vision_feature_layer": -1,
        "torch_dtype": "float32",
        "text_config": llama_config(3, architectures=None, model_type="mistral"),
        "vision_config": {
            "model_type": "pixtral", "hidden_size": 6, "intermediate_size": 11, "num_hidden_layers": 2,
            "num_attention_heads": 1, "num_channels": 3, "patch_size": 2, "image_size": 8,
        },
    }


def fresh(shapes, seed):
    """A model of its own: norms near one, all else near zero."""
    source = np.random.Generator(np.random.PCG64(seed))
    tensors = {}
    for name, shape in shapes:
        values = source.standard_normal(shape)
        is_norm = len(shape) == 1 and not name.endswith(".bias")
        tensors[name] = (1 + 0.1 * values if is_norm else 0.3 * values).astype(np.float32)
    return tensors


def tuned(base, seed, scale=0.05, same=(), sparse=()):
    """A fine-tune: the base, and a seeded step from it. Tensors whose names have a word of `same` in them keep
    the base's elements, those of `sparse` keep half of them; no other elements have steps of one size."""
    source = np.random.Generator(np.random.PCG64(seed))
    tensors = {}
    for name, values in base.items():
        has_ties = True
        while has_ties:
            step = (scale * source.standard_normal(values.shape)).astype(np.float32)
            kept = source.random(values.shape) < 0.5
            if any(word in name for word in same):
                step[:] = 0
            elif any(word in name for word in sparse):
                step[kept] = 0
            tensors[name] = values + step
            magnitudes = np.abs((tensors[name] - values)[step != 0])
            has_ties = len(np.unique(magnitudes)) != magnitudes.size or not magnitudes.all()
    return tensors


def without(tensors, *names):
    return {name: values for name, values in tensors.items() if name not in names}


def models():
    """Yields name, config and tensors."""
    nowhere = "layers.3.self_attn.k_proj"  # is the same in base, a, b and c
    base = fresh(llama_shapes(LAYERS), 1)
    family = {
        "base": base,
        "a": tuned(base, 2, same=(nowhere, "layers.1.mlp.gate_proj", "layers.0.input_layernorm")),
        "b": tuned(base, 3, same=(nowhere, "layers.1.mlp.gate_proj", "layers.2.post_attention")),
        "c": tuned(base, 4, same=(nowhere,), sparse=("mlp", "embed_tokens")),
        "d": tuned(base, 5, scale=0.2),
        "far": fresh(llama_shapes(LAYERS), 6),
    }
    family["a-copy"] = family["a"]
    for name, tensors in family.items():
        yield name, llama_config(), tensors
    # A base and its fine-tunes as they are published: in 16 bits.
    for name in ("base", "a", "b", "c"):
        yield name + "-bf16", llama_config(torch_dtype="bfloat16"), {
            key: torch.from_numpy(values).to(torch.bfloat16) for key, values in family[name].items()
        }
    yield "a-f16", llama_config(torch_dtype="float16"), {
        key: values.astype(np.float16) for key, values in family["a"].items()
    }
    yield "deep", llama_config(6), fresh(llama_shapes(6), 7)
    # The head is the embedding.
    for name, seed in (("tied", 8), ("tied-too", 9)):
        yield name, llama_config(tie_word_embeddings=True), without(tuned(base, seed), "lm_head.weight")
    wide = tuned(fresh(llama_shapes(LAYERS, vocabulary=VOCABULARY + 3), 10), 11)
    yield "wide", llama_config(vocab_size=VOCABULARY + 3), wide
    yield "mistral", llama_config(architectures=["MistralForCausalLM"], model_type="mistral"), tuned(base, 12)

    full = fresh(granite_shapes(2, "qkv"), 13)
    for seed, (name, biases) in enumerate(
        (("granite-base", "qk"), ("granite-a", "qv"), ("granite-b", "qv"), ("granite-c", "q")), start=14
    ):
        names = {name for name, _ in granite_shapes(2, biases)}
        tensors = full if name == "granite-base" else tuned(full, seed)
        yield name, granite_config(True), {key: tensors[key] for key in tensors if key in names}

    vision = fresh(vision_shapes(3, 2), 18)
    yield "vision-base", vision_config(), vision
    yield "vision-a", vision_config(), tuned(vision, 19)
    yield "vision-b", vision_config(), tuned(vision, 20)


# Tokenizers

def bpe(tokens, merges):
    """Byte pairs over the letters that the tokens have; Ġ is a space."""
    result = tokenizers.Tokenizer(tokenizers.models.BPE(
        vocab={token: id for id, token in enumerate(tokens)}, merges=[tuple(merge.split("+")) for merge in merges]))
    result.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    result.decoder = tokenizers.decoders.ByteLevel()
    return result


def word_piece(tokens):
    result = tokenizers.Tokenizer(tokenizers.models.WordPiece(
        vocab={token: id for id, token in enumerate(tokens)}, unk_token="[UNK]"))
    result.normalizer = tokenizers.normalizers.BertNormalizer()
    result.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    result.decoder = tokenizers.decoders.WordPiece()
    return result


def unigram(tokens):
    result = tokenizers.Tokenizer(tokenizers.models.Unigram(
        [(token, -float(index)) for index, token in enumerate(tokens)], unk_id=0))
    result.pre_tokenizer = tokenizers.pre_tokenizers.Metaspace()
    result.decoder = tokenizers.decoders.Metaspace()
    return result


def special(*texts):
    return [tokenizers.AddedToken(text, special=True) for text in texts]


def vocabulary_models():
    """Yields name, config, tensors, tokenizer and its config: models whose vocabularies differ."""
    plain = bpe("a b c d Ġ ab cd Ġab abcd".split(), ["a+b", "c+d", "Ġ+ab", "ab+cd"]), special("<s>", "</s>", "<pad>")
    chat = (
        bpe("b a c e Ġ bc ab Ġa abc".split(), ["b+c", "a+b", "Ġ+a", "a+bc"]),
        special("<s>", "</s>", "<|im_start|>", "<|im_end|>") + [tokenizers.AddedToken("word", lstrip=True)])
    code = (
        bpe("Ġ f b a ba ab e fe".split(), ["b+a", "a+b", "f+e"]),
        special("<s>", "</s>") + [tokenizers.AddedToken("<|im_start|>", special=False), "def"])
    words = word_piece("[UNK] the ##e cat s ##s dog".split()), special("[PAD]")
    more_words = word_piece("[UNK] dog the ##r run ##s".split()), special("[MASK]", "[PAD]")
    pieces = unigram("<unk> ▁the ▁ a t e ▁cat".split()), special("<s>")
    more_pieces = unigram("<unk> ▁ ▁dog e a o ▁the g".split()), special("<s>", "</s>")
    kinds = (
        # name, tokenizer, rows beyond the tokens, whether the head is the embedding
        ("v-base", plain, 0, False), ("v-chat", chat, 0, False), ("v-code", code, 0, False),
        ("v-padded", chat, 5, False), ("v-tied", plain, 0, True), ("v-tied-chat", chat, 0, True),
        ("v-words", words, 0, False), ("v-more-words", more_words, 0, False),
        ("v-pieces", pieces, 0, False), ("v-more-pieces", more_pieces, 2, False),
        # The embedding has no row for the last token.
        ("v-short", plain, -1, False),
    )
    for seed, (name, (tokenizer, added), extra, is_tied) in enumerate(kinds, start=30):
        tokenizer = tokenizers.Tokenizer.from_str(tokenizer.to_str())
        tokenizer.add_tokens(added)
        rows = tokenizer.get_vocab_size() + extra
        tensors = fresh(llama_shapes(1, vocabulary=rows), seed)
        settings = {"tokenizer_class": "PreTrainedTokenizerFast", "clean_up_tokenization_spaces": False}
        for key, text in (("bos_token", "<s>"), ("eos_token", "</s>"), ("pad_token", "<pad>")):
            if tokenizer.token_to_id(text) is not None and tokenizer.token_to_id(text) < rows:
                settings[key] = text
        config = llama_config(1, vocab_size=rows, tie_word_embeddings=is_tied)
        yield name, config, without(tensors, "lm_head.weight") if is_tied else tensors, tokenizer, settings


def write_models(folder):
    for name, config, tensors in models():
        target = folder / name
        target.mkdir(parents=True)
        (target / "config.json").write_text(json.dumps(config, indent=2) + "\n")
        save(tensors, target / "model.safetensors")
    for name, config, tensors, tokenizer, settings in vocabulary_models():
        target = folder / name
        target.mkdir(parents=True)
        (target / "config.json").write_text(json.dumps(config, indent=2) + "\n")
        (target / "tokenizer_config.json").write_text(json.dumps(settings, indent=2) + "\n")
        (target / "tokenizer.json").write_text(tokenizer.to_str(pretty=True) + "\n")
        save(tensors, target / "model.safetensors")


def save(tensors, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    stored = {
        name: (torch.from_numpy(values) if isinstance(values, np.ndarray) else values).contiguous()
        for name, values in sorted(tensors.items())
    }
    save_file(stored, path, metadata={"format": "pt"})


# Merges

def options(text):
    match = re.match(r"# options: (.*)\n", text)
    names = match.group(1).split() if match else []
    return MergeOptions(
        quiet=True, copy_tokenizer=False, write_model_card=False,
        **{name.replace("-", "_"): True for name in names})


def by_token(tensors, tokens, vocabulary):
    """Tensors with rows in the order of `tokens`: mergekit numbers new tokens otherwise each time."""
    order = [vocabulary[token] for token in tokens]
    rows = {len(values) for name, values in tensors.items() if "embed_tokens" in name}.pop()
    order += sorted(set(range(rows)) - set(order))
    return {
        name: values[order] if "embed_tokens" in name or "lm_head" in name else values
        for name, values in tensors.items()
    }


def merged(text, **changes):
    """The tensors that mergekit gives for a config with some of its fields replaced, and the tokens if it says
    something of a tokenizer."""
    config = yaml.safe_load(text) | changes
    with tempfile.TemporaryDirectory() as out:
        torch.manual_seed(0)
        run_merge(MergeConfiguration.model_validate(config), out, options(text))
        tensors = {}
        for path in Path(out).glob("*.safetensors"):
            tensors |= load_file(path)
        if not ("tokenizer" in config or "tokenizer_source" in config):
            return tensors, None
        vocabulary = transformers.AutoTokenizer.from_pretrained(out).get_vocab()
    tokens = sorted(vocabulary, key=lambda token: token.encode())
    return by_token(tensors, tokens, vocabulary), tokens


def is_computed_in_16_bits(text):
    """Whether mergekit does: it rounds the inputs to `dtype` first, or computes in the widest dtype of them."""
    config = yaml.safe_load(text)
    if config.get("dtype"):
        return getattr(torch, config["dtype"]) in SIXTEEN_BITS
    return all(name.endswith(("-bf16", "-f16")) for name in re.findall(r"models/([\w-]+)", text))


def largest_error(found, expected):
    """The largest difference of two tensors, relative to the largest element."""
    found, expected = found.double(), expected.double()
    if found.shape != expected.shape or not torch.equal(found.isnan(), expected.isnan()):
        return float("inf")
    scale = expected.abs().max().item()
    difference = (found - expected).abs().max().item()
    return difference / scale if scale else difference


def make(folder):
    """Makes models, expected and truth below a folder that has the cases."""
    write_models(folder / "models")
    os.chdir(folder)
    failures, worst = [], 0.0
    paths = sorted((folder / "cases").glob("*.yml"))
    for path in paths:
        text = path.read_text()
        try:
            result, tokens = merged(text)
            exact, _ = merged(text, dtype="float64", out_dtype="float64")
        except Exception as error:
            failures.append(f"{path.stem}: {type(error).__name__}: {error}")
            continue
        save(result, folder / "expected" / f"{path.stem}.safetensors")
        if tokens:
            text_of_tokens = json.dumps(tokens, ensure_ascii=False, indent=0) + "\n"
            (folder / "expected" / f"{path.stem}.tokens.json").write_text(text_of_tokens)
        if is_computed_in_16_bits(text):
            rounded = {name: values.to(torch.float32) for name, values in exact.items()}
            save(rounded, folder / "truth" / f"{path.stem}.safetensors")
            continue
        if result.keys() != exact.keys():
            failures.append(f"{path.stem}: float64 gives other tensors")
        for name, values in result.items():
            if values.isnan().any():
                failures.append(f"{path.stem}: {name}: NaN")
            if values.dtype == torch.float32:
                error = largest_error(values, exact[name])
                worst = max(worst, error)
                if not error <= TOLERANCE:
                    failures.append(f"{path.stem}: {name}: float32 is {error:.1e} from float64")
    print(f"{len(paths)} cases; float32 is at most {worst:.1e} from float64")
    return failures


# Checking

def files(folder):
    parts = ("models", "expected", "truth")
    return {path.relative_to(folder) for part in parts for path in (folder / part).rglob("*") if path.is_file()}


def compare(made, committed):
    """What differs. Other processors may round sums of mergekit otherwise: its outputs need only be near."""
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
            if {(name, values.dtype) for name, values in new.items()} != {
                (name, values.dtype) for name, values in old.items()
            }:
                failures.append(f"{path}: other tensors")
                continue
            error = max(largest_error(new[name], old[name]) for name in new)
            is_short = any(values.dtype in SIXTEEN_BITS for values in new.values())
            if not error <= (2**-7 if is_short else TOLERANCE):
                failures.append(f"{path}: differs by {error:.1e}")
    print(f"{same} files are the same, byte by byte")
    return failures


def main():
    parser = argparse.ArgumentParser(description="Makes or checks Tests/Fixtures/goldens.")
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
            for part in ("models", "expected", "truth"):
                shutil.rmtree(FOLDER / part, ignore_errors=True)
                shutil.copytree(made / part, FOLDER / part)
    for failure in failures:
        print(failure, file=sys.stderr)
    sys.exit(1 if failures else 0)


main()
