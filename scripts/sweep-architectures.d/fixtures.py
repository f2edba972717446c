"""Makes Tests/Fixtures/architectures: configs and names of telling architectures, and what stacks of them must be.

What is written is what the merge tool did, and only where the sweep finds it right by transformers, or refused.
"""

import argparse
import json
import re
import tempfile
from pathlib import Path

import torch
import transformers

import sweep
from classes import model_classes

TELLING = [
    "LlamaForCausalLM", "Gemma3nForCausalLM", "Gemma4ForCausalLM", "RecurrentGemmaForCausalLM", "Ernie4_5_MoeForCausalLM",
    "KimiLinearForCausalLM", "MistralLarge4ForConditionalGeneration", "DoryForCausalLM", "HrmTextForCausalLM",
    "JambaForCausalLM", "DeepseekV3ForCausalLM", "RwkvForCausalLM", "GPTNeoXJapaneseForCausalLM", "Lfm2ForCausalLM",
    "ModernBertForMaskedLM", "XLMWithLMHeadModel", "PerceiverForMaskedLM", "EsmForMaskedLM", "ElectraForMaskedLM",
    "T5ForConditionalGeneration", "LEDForConditionalGeneration", "NllbMoeForConditionalGeneration",
    "MoonshineForConditionalGeneration", "CohereAsrForConditionalGeneration", "Pix2StructForConditionalGeneration",
    "Blip2ForConditionalGeneration", "IdeficsForVisionText2Text", "PI0ForConditionalGeneration",
    "GraniteSpeechForConditionalGeneration", "T5GemmaForConditionalGeneration", "FunnelForMaskedLM",
    "LxmertForPreTraining", "KyutaiSpeechToTextForConditionalGeneration", "Wav2Vec2ForCTC",
    "FastSpeech2ConformerModel", "NemotronAsrStreamingForRNNT", "Data2VecAudioForCTC",
    "Dinov2ForImageClassification", "Qwen4ExpForCausalLM", "DiffusionGemmaForBlockDiffusion",
    "Zamba2ForCausalLM", "UdopForConditionalGeneration", "CanineForSequenceClassification", "NemotronHForCausalLM",
    "CTRLLMHeadModel", "CsmForConditionalGeneration",
]


def changes(old, new, path=()):
    """What an object says otherwise than another, by dotted paths; null where a key is gone."""
    found = {}
    for key in list(old) + [key for key in new if key not in old]:
        if key in ("dtype", "torch_dtype"):
            continue
        before, after = old.get(key), new.get(key)
        if isinstance(before, dict) and isinstance(after, dict) and not all(k.isdigit() for k in after):
            found |= changes(before, after, (*path, key))
        elif before != after or (key in old) != (key in new):
            found[".".join((*path, key))] = after
    return found


def fixture(name, model_type, folder, binary, options):
    subject = sweep.Subject(name, model_type, folder)
    a, b = sweep.tensors(folder / "a"), sweep.tensors(folder / "b")
    config = json.loads((folder / "a" / "config.json").read_text())
    result = {
        "class": name, "config": config, "stacks": {},
        "tensors": {key: list(value.shape) for key, value in sorted(a.items())},
    }
    moved = {}
    for operation in sweep.STACKS:
        outcome = sweep.merge(binary, options, subject, operation)
        parts = sweep.STACKS[operation](subject.main.count)
        stack = {"layers": [[model, layer] for model, first, last in parts for layer in range(first, last)]}
        result["stacks"][operation] = stack
        if outcome["outcome"] == "refused":
            stack["error"] = outcome["said"].removeprefix("error: ").partition(": ")[2]
            continue
        if outcome["outcome"] not in ("right", "warned"):
            raise ValueError(f"{operation}: {outcome}")
        out = sweep.tensors(folder / "out")
        stack["config"] = changes(config, json.loads((folder / "out" / "config.json").read_text()))
        moved[operation] = sources(out, a, b)
    heads = sorted({head for each in moved.values() for head in prefixes(each)})
    heads = heads or [f"{items}." for items in subject.main.lists]
    result["prefixes"] = heads
    for operation, each in moved.items():
        stack = result["stacks"][operation]
        implied = implied_names(a, heads, stack["layers"])
        stack["added"] = sorted(set(each) - implied)
        stack["removed"] = sorted(implied - set(each))
    return result


def implied_names(names, heads, layers):
    """The names of a stack whose layers have what their sources have."""
    found = set()
    for name in names:
        head = next((h for h in heads if name.startswith(h) and name[len(h):].partition(".")[0].isdigit()), None)
        if head is None:
            found.add(name)
            continue
        own, _, rest = name[len(head):].partition(".")
        found |= {f"{head}{number}.{rest}" for number, (_, layer) in enumerate(layers) if layer == int(own)}
    return found


def sources(out, a, b):
    """For each tensor of a stack the model and the name that it is of; its shape if it is put together."""
    found = {}
    for name, value in sorted(out.items()):
        pattern = re.compile("^" + re.sub(r"\\\.\d+(?=\\\.)", r"\\.\\d+", re.escape(name)) + "$")
        matches = [
            f"{letter}:{key}" for letter, model in (("a", a), ("b", b)) for key, other in model.items()
            if (key == name or pattern.match(key)) and other.shape == value.shape and torch.equal(other, value)
        ]
        found[name] = matches[0] if matches else list(value.shape)
    return found


def prefixes(found):
    """What stands before the numbers of the layers that were moved."""
    seen = set()
    for name, source in found.items():
        if isinstance(source, str) and source[2:] != name:
            new, old = name.split("."), source[2:].split(".")
            index = next(i for i in range(len(new)) if new[i] != old[i])
            seen.add(".".join(new[:index]) + ".")
    return sorted(seen)


def main():
    transformers.utils.logging.disable_progress_bar()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("binary", nargs="?", default=".build/release/mergekit-lua")
    parser.add_argument("--out", type=Path, default=Path("Tests/Fixtures/architectures"))
    parser.add_argument("--only", default="")
    parser.add_argument("--stdlib", help="an edited standard library")
    arguments = parser.parse_args()
    known = {item[0]: item for item in model_classes()}
    only = {word for word in arguments.only.split(",") if word}
    arguments.out.mkdir(parents=True, exist_ok=True)
    for name in TELLING:
        if only and name not in only:
            continue
        options = ["--stdlib", arguments.stdlib] if arguments.stdlib else []
        with tempfile.TemporaryDirectory() as temporary:
            try:
                made = fixture(name, known[name][1], Path(temporary), arguments.binary, options)
            except Exception as error:
                print(f"{name}: {error}", flush=True)
                continue
        lines = [f"{json.dumps(key)}: {json.dumps(value, separators=(',', ':'))}" for key, value in made.items()]
        (arguments.out / f"{name}.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")
        print(name, {key: "error" if "error" in value else "right" for key, value in made["stacks"].items()}, flush=True)


if __name__ == "__main__":
    main()
