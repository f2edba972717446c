"""Merges models with different vocabularies and loads what comes out with transformers: see check-vocabularies.

Of each vocabulary case of Tests/Fixtures/goldens, of models in older forms (vocab.json with merges.txt, vocab.txt), and
of models with the tokenizers of Tests/Fixtures/tokenizers/small and with the real ones that scripts/fetch-tokenizers
puts into models/tokenizers, if it has: AutoTokenizer must have the tokens and ids that tokenizer.json or its older
companions say, the base's ids must be as they were, texts must encode to the ids of the base where no new token is in
them, and new tokens to their own; the model must load with as many rows as config.json says; and lines of the corpus,
and lines with added tokens, must encode to the ids that `m.tokenizer` gives, and decode to its texts.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import tokenizers
import torch
import transformers
import yaml
from safetensors.torch import save_file

ROOT = Path(__file__).resolve().parent.parent
GOLDENS = ROOT / "Tests" / "Fixtures" / "goldens"
SMALL = ROOT / "Tests" / "Fixtures" / "tokenizers" / "small"
CORPUS = [json.loads(line) for line in open(SMALL.parent / "corpus.jsonl", newline="\n", encoding="utf-8")]
TEXTS = ["ab cd abcd", "abba cab", "the cats", "the dog tea", "fab feab", "a <s> b </s>"]


def merge(binary, config, out, *options):
    path = out.with_suffix(".yml")
    path.write_text(yaml.safe_dump(config))
    run = subprocess.run([binary, path, out, "--force", "--quiet", *options], capture_output=True, text=True)
    if run.returncode:
        sys.exit(f"{path.stem}: {run.stderr}")


def tokens_of_files(folder):
    """Token to id, as the files say."""
    folder = Path(folder)
    if (folder / "tokenizer.json").exists():
        return tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json")).get_vocab()
    if (folder / "vocab.json").exists():
        found = json.loads((folder / "vocab.json").read_text())
    else:
        found = {token: id for id, token in enumerate((folder / "vocab.txt").read_text().splitlines())}
    added = folder / "added_tokens.json"
    return found | (json.loads(added.read_text()) if added.exists() else {})


def differences(binary, out, base, counts):
    """What is wrong with an output, in words."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(out)
    vocabulary, files = tokenizer.get_vocab(), tokens_of_files(out)
    if vocabulary != files:
        yield f"transformers has {sorted(set(vocabulary.items()) ^ set(files.items()))} otherwise than the files"
    rows = json.loads((out / "config.json").read_text())["vocab_size"]
    if max(vocabulary.values()) >= rows:
        yield f"the id {max(vocabulary.values())} is beyond the {rows} rows"
    model = transformers.AutoModelForCausalLM.from_pretrained(out)
    if model.get_input_embeddings().weight.shape[0] != rows:
        yield f"the embedding has {model.get_input_embeddings().weight.shape[0]} rows, config.json says {rows}"
    before = transformers.AutoTokenizer.from_pretrained(base)
    ids = set(vocabulary.values())
    known = {token: id for token, id in before.get_vocab().items() if id in ids}
    moved = [token for token, id in known.items() if vocabulary.get(token, id) != id]
    if moved:
        yield f"ids of the base that are not kept: {moved}"
    new = set(vocabulary) - set(before.get_vocab())
    for text in TEXTS:
        ids = tokenizer.encode(text, add_special_tokens=False)
        pieces = tokenizer.convert_ids_to_tokens(ids)
        if not new & set(pieces) and ids != before.encode(text, add_special_tokens=False):
            yield f"{text!r}: {ids}, and {before.encode(text, add_special_tokens=False)} by the base"
    special = {token.content for token in tokenizer.added_tokens_decoder.values() if token.special}
    # Special tokens are found first.
    found = [token for token in sorted(new) if not holds_another(token, special)]
    for token, ids in zip(found, tokenizer(found, add_special_tokens=False)["input_ids"] if found else []):
        if vocabulary[token] not in ids:
            yield f"{token!r} is {ids}, expected {vocabulary[token]}"
    yield from differing_encodings(binary, out, tokenizer, counts)


def holds_another(token, tokens):
    """Whether one of some tokens is a part of a token, shorter than it."""
    return any(
        token[start:end] in tokens
        for start in range(len(token)) for end in range(start + 1, len(token) + 1) if end - start < len(token)
    )


def lua_string(text):
    return '"' + "".join(f"\\x{byte:02x}" for byte in text.encode()) + '"'


def texts_for(tokens):
    """Every eighth line of the corpus, and lines with each token, or with some two thousand of them."""
    texts = CORPUS[::8]
    for index, token in enumerate(tokens[:: 1 + len(tokens) // 2000]):
        line = CORPUS[index % len(CORPUS)]
        texts += [token, f" {token} ", f"x{token}y", f"{token}{token}", f"{line}{token} {line}"]
    return texts


ENCODER = """
local mk = require "mergekit"
local model = mk.model(FOLDER)
local function hex(text) return (text:gsub(".", function(c) return ("%02x"):format(c:byte()) end)) end
local function show(text)
  local known, line = pcall(function()
    local tokenizer = model.tokenizer
    local ids, full = tokenizer:encode(text), tokenizer:encode(text, { special = true })
    return table.concat(ids, ",") .. ";" .. table.concat(full, ",") .. ";" .. hex(tokenizer:decode(ids)) .. ";"
      .. hex(tokenizer:decode(full, { skip_special = true }))
  end)
  print(known and line or "fails: " .. line)
end
TEXTS
return model
"""


def encodings_here(binary, folder, texts):
    """What m.tokenizer makes of texts: ids, ids with special tokens, and what they decode to; or the words of an error."""
    # A function of Lua holds a limited number of constants.
    parts = [texts[start : start + 100] for start in range(0, len(texts), 100)]
    calls = "\n".join("do " + " ".join(f"show {lua_string(text)}" for text in part) + " end" for part in parts)
    recipe = folder.parent / f"{folder.name}-encodings.lua"
    recipe.write_text(ENCODER.replace("FOLDER", lua_string(str(folder))).replace("TEXTS", calls))
    run = subprocess.run(
        [binary, recipe, folder.parent / "unused", "--force", "--quiet"], capture_output=True, text=True)
    if run.returncode:
        sys.exit(f"{recipe}: {run.stderr}")
    found = []
    for line in run.stdout.splitlines():
        if line.startswith("fails"):
            found.append(line)
        elif ";" in line:
            *ids, plain, bare = line.split(";")
            found.append((*([int(id) for id in part.split(",") if id] for part in ids),
                          *(bytes.fromhex(part).decode() for part in (plain, bare))))
    return found


def encodings_there(tokenizer, text):
    """The same of AutoTokenizer."""
    try:
        ids = tokenizer.encode(text, add_special_tokens=False)
        full = tokenizer.encode(text)
    except Exception as error:
        return f"fails: {error}"
    return (ids, full, tokenizer.decode(ids, clean_up_tokenization_spaces=False),
            tokenizer.decode(full, skip_special_tokens=True, clean_up_tokenization_spaces=False))


def differing_encodings(binary, out, tokenizer, counts):
    """Where AutoTokenizer encodes otherwise than m.tokenizer."""
    texts = texts_for(sorted(set(tokenizer.get_added_vocab()) | set(tokenizer.all_special_tokens)))
    here = encodings_here(binary, out, texts)
    assert len(here) == len(texts)
    counts["lines"] += len(texts)
    wrong = 0
    for text, ours in zip(texts, here):
        theirs = encodings_there(tokenizer, text)
        if isinstance(ours, str) and isinstance(theirs, str):
            counts["refused"] += 1
        elif ours != theirs:
            wrong += 1
            if wrong <= 3:
                pairs = [pair for pair in zip(ours, theirs) if pair[0] != pair[1]] if len(ours) == len(theirs) else [(ours, theirs)]
                yield f"{text!r}: {pairs[0][0]!r} here, {pairs[0][1]!r} by AutoTokenizer"
    if wrong:
        yield f"{wrong} of {len(texts)} texts differ"


def llama(folder, rows, seed, width=16):
    config = transformers.LlamaConfig(
        hidden_size=width, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=1,
        vocab_size=rows, tie_word_embeddings=False, torch_dtype="float32", architectures=["LlamaForCausalLM"])
    torch.manual_seed(seed)
    transformers.LlamaForCausalLM(config).save_pretrained(folder)


def older_forms(folder):
    """Two models as GPT-2 and BERT were published."""
    gpt = folder / "gpt"
    llama(gpt, 8, 1)
    (gpt / "vocab.json").write_text(json.dumps({"a": 0, "b": 1, "c": 2, "Ġ": 3, "ab": 4, "Ġab": 5, "<|endoftext|>": 6}))
    (gpt / "merges.txt").write_text("#version: 0.2\na b\nĠ ab\n")
    (gpt / "added_tokens.json").write_text(json.dumps({"<new>": 7}))
    (gpt / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "GPT2Tokenizer"}))
    (gpt / "special_tokens_map.json").write_text(json.dumps({"eos_token": "<|endoftext|>", "unk_token": "<|endoftext|>"}))
    bert = folder / "bert"
    llama(bert, 9, 2)
    (bert / "vocab.txt").write_text("\n".join("[PAD] [UNK] [CLS] [SEP] [MASK] the cat ##s dog".split()) + "\n")
    (bert / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "BertTokenizer"}))
    return gpt, bert


def without_repeats(tokenizer):
    """Training leaves special tokens twice in the lists of unigrams, which a merge refuses."""
    vocabulary, ids = tokenizer["model"]["vocab"], {}
    if isinstance(vocabulary, list):
        for id, entry in enumerate(vocabulary):
            if entry[0] in ids:
                entry[0] = f"<repeat {id}>"
            ids[entry[0]] = id
        for token in tokenizer["added_tokens"]:
            token["id"] = ids.get(token["content"], token["id"])
    return tokenizer


def models_of_tokenizers(folder):
    """A model with each of the small tokenizers, and with each of the real ones that are there."""
    models = []
    for path in sorted(SMALL.glob("*.json")) + sorted((ROOT / "models" / "tokenizers").glob("*/tokenizer.json")):
        model = folder / (path.parent.name if path.name == "tokenizer.json" else path.stem)
        ids = tokenizers.Tokenizer.from_file(str(path)).get_vocab().values()
        llama(model, max(ids) + 1, len(models))
        (model / "tokenizer.json").write_text(json.dumps(without_repeats(json.loads(path.read_text()))))
        (model / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "PreTrainedTokenizerFast"}))
        models.append(model)
    return models


def check(binary, work):
    failures = []
    cases = [
        (path.stem, yaml.safe_load(path.read_text().replace("models/", f"{GOLDENS}/models/")))
        for path in sorted((GOLDENS / "cases").glob("vocabulary-*.yml"))
    ]
    gpt, bert = older_forms(work)
    for first, second in ((gpt, bert), (bert, gpt)):
        cases.append((f"{first.name}-and-{second.name}", {
            "merge_method": "linear", "base_model": str(first), "tokenizer_source": "union",
            "models": [{"model": str(model), "parameters": {"weight": 0.5}} for model in (first, second)],
        }))
    models = models_of_tokenizers(work)
    for first, second in zip(models, models[1:] + models[:1]):
        cases.append((f"{first.name}-and-{second.name}", {
            "merge_method": "linear", "base_model": str(first), "tokenizer_source": "union",
            "models": [{"model": str(model), "parameters": {"weight": 0.5}} for model in (first, second)],
        }))
    counts = {"lines": 0, "refused": 0}
    for name, config in cases:
        out = work / name
        merge(binary, config, out)
        source = config.get("tokenizer", {}).get("source", config.get("tokenizer_source", "union"))
        first = config.get("models") or config["slices"][0]["sources"]
        base = config.get("base_model", first[0]["model"]) if source in ("union", "base") else source
        failures += [f"{name}: {words}" for words in differences(binary, out, base, counts)]
    print(f"{len(cases)} outputs loaded, {counts['lines']} lines encoded by both, of which both refused {counts['refused']}")
    return failures


def large_tokenizer(path, count, seed):
    """Byte pairs with as many merges, of pairs of earlier tokens."""
    source = np.random.Generator(np.random.PCG64(seed))
    letters = sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet())
    vocabulary, merges = {letter: id for id, letter in enumerate(letters)}, []
    tokens = list(letters)
    while len(tokens) < count:
        first, second = (tokens[int(len(tokens) * part ** 3)] for part in source.random(2))
        if len(first + second) <= 16 and first + second not in vocabulary:
            merges.append([first, second])
            vocabulary[first + second] = len(tokens)
            tokens.append(first + second)
    path.write_text(json.dumps({
        "version": "1.0", "truncation": None, "padding": None,
        "added_tokens": [], "normalizer": None,
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True},
        "post_processor": None, "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
        "model": {"type": "BPE", "dropout": None, "unk_token": None, "vocab": vocabulary, "merges": merges},
    }, ensure_ascii=False, indent=2))


def large(binary, work, count=150_000, width=1024):
    """Two models of embedding, head and one layer, with half of their tokens in common or so."""
    for seed, name in enumerate(("a", "b")):
        if (work / name / "tokenizer.json").exists():
            continue
        (work / name).mkdir(parents=True, exist_ok=True)
        large_tokenizer(work / name / "tokenizer.json", count, seed)
        (work / name / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "PreTrainedTokenizerFast"}))
        rows = torch.arange(count * width, dtype=torch.float32).reshape(count, width).mul_(1e-6 * (seed + 1)).to(torch.bfloat16)
        save_file({"model.embed_tokens.weight": rows, "lm_head.weight": rows.clone()}, work / name / "model.safetensors")
        (work / name / "config.json").write_text(json.dumps({
            "architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": count, "hidden_size": width}))
    config = {
        "merge_method": "linear", "models": [
            {"model": str(work / name), "parameters": {"weight": 0.5}} for name in ("a", "b")]}
    for words, extra in (("no tokenizer", {}), ("base", {"tokenizer_source": "base"}), ("union", {"tokenizer_source": "union"})):
        start = time.monotonic()
        merge(binary, config | extra, work / "out")
        print(f"{words}: {time.monotonic() - start:.2f} s, "
              f"{json.loads((work / 'out' / 'config.json').read_text())['vocab_size']} rows")


def main():
    parser = argparse.ArgumentParser(description="Loads merged vocabularies with transformers.")
    parser.add_argument("binary", nargs="?", default=str(ROOT / ".build" / "release" / "mergekit-lua"))
    parser.add_argument("--large", metavar="DIR", help="measure vocabularies of 150,000 tokens, which are made in DIR")
    arguments = parser.parse_args()
    transformers.logging.set_verbosity_error()
    if arguments.large:
        return large(arguments.binary, Path(arguments.large).resolve())
    with tempfile.TemporaryDirectory() as work:
        failures = check(arguments.binary, Path(work))
    for failure in failures:
        print(failure, file=sys.stderr)
    sys.exit(1 if failures else 0)


main()
