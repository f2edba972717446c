"""Merges tiny seeded models of many architectures and checks the results: see scripts/check-architectures.

For each architecture, two models of four layers with random weights are saved by transformers, and merged

- linearly, with weights that are a gradient over the layers, and
- as stacks of the first model's first layers and the second one's last layers, with as many layers as before
  and with more.

Each result is loaded with transformers, which must find every tensor and no other, and run forward. The
weights are compared with what they must be in terms of the two models as transformers holds them in memory,
and what the modules of a stacked layer say of themselves (attention types, windows) with the layer's source.
"""

import argparse
import logging
import os
import re
import shutil
import subprocess
import sys
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable

os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch
import transformers as tf
from safetensors import safe_open

warnings.filterwarnings("ignore")
logging.disable(logging.ERROR)

LAYERS = 4
VOCABULARY = 96

# The layers of the first and of the second model in each stack, the last ones exclusive.
STACKS = {"stack": ((0, 2), (1, 3)), "long stack": ((0, 3), (1, 4))}
TITLES = {
    "linear": "linear, gradient", "stack": "layers 0–1, 1–2", "long stack": "layers 0–2, 1–3",
    "mergekit linear": "mergekit: linear", "mergekit long stack": "mergekit: layers 0–2, 1–3",
}


@dataclass
class Stack:
    """A list of layers: how its names begin in memory, and the module that they belong to."""

    pattern: str
    module: str = "default"
    layers: int = LAYERS


@dataclass
class Architecture:
    name: str
    model: str  # a class of transformers
    config: Callable[[], Any]
    stacks: list[Stack]
    inputs: str = "text"
    mergekit_modules: bool = False
    # The module whose layers can be stacked; None where they are not alike.
    stacked: str | None = "default"


def text(config, **changes):
    """A config with the usual small sizes, as far as it has them under these names."""
    sizes = dict(
        vocab_size=VOCABULARY, hidden_size=32, intermediate_size=48, num_hidden_layers=LAYERS,
        num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=64, pad_token_id=0,
        bos_token_id=1, eos_token_id=2,
    )
    return lambda: getattr(tf, config)(**(sizes | changes))


def causal(name, config, model, pattern=r"^model\.layers\.(\d+)\.", **changes):
    return Architecture(name, model, text(config, **changes), [Stack(pattern)])


VISION = dict(
    hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4, image_size=16, patch_size=8)
NESTED = dict(
    vocab_size=VOCABULARY, hidden_size=32, intermediate_size=48, num_hidden_layers=LAYERS, num_attention_heads=4,
    num_key_value_heads=2, head_dim=8, max_position_embeddings=64,
)
SECTIONS = {"rope_type": "default", "type": "default", "mrope_section": [1, 1, 2], "rope_theta": 10000.0}


def qwen_vl(config, vision):
    return lambda: getattr(tf, config)(
        text_config=NESTED | dict(rope_parameters=SECTIONS), vision_config=vision, vision_start_token_id=4,
        vision_end_token_id=5, vision_token_id=6, image_token_id=3, video_token_id=7, tie_word_embeddings=False,
    )


ARCHITECTURES = [
    causal("Llama", "LlamaConfig", "LlamaForCausalLM"),
    causal("Mistral", "MistralConfig", "MistralForCausalLM", sliding_window=8),
    causal("Mixtral", "MixtralConfig", "MixtralForCausalLM", num_local_experts=4),
    causal("Qwen2", "Qwen2Config", "Qwen2ForCausalLM", use_sliding_window=True, sliding_window=8, max_window_layers=2),
    causal("Qwen3", "Qwen3Config", "Qwen3ForCausalLM", head_dim=8),
    causal("Qwen3-MoE", "Qwen3MoeConfig", "Qwen3MoeForCausalLM", head_dim=8, num_experts=4, num_experts_per_tok=2,
           moe_intermediate_size=16, mlp_only_layers=[2], decoder_sparse_step=1),
    causal("Gemma", "GemmaConfig", "GemmaForCausalLM", head_dim=8),
    causal("Gemma 2", "Gemma2Config", "Gemma2ForCausalLM", head_dim=8, sliding_window=8),
    causal("Gemma 3", "Gemma3TextConfig", "Gemma3ForCausalLM", head_dim=8, sliding_window=8,
           layer_types=["sliding_attention", "sliding_attention", "full_attention", "sliding_attention"]),
    causal("Phi", "PhiConfig", "PhiForCausalLM"),
    causal("Phi-3", "Phi3Config", "Phi3ForCausalLM"),
    Architecture(
        "GPT-2", "GPT2LMHeadModel",
        lambda: tf.GPT2Config(vocab_size=VOCABULARY, n_embd=32, n_layer=LAYERS, n_head=4, n_positions=64,
                              bos_token_id=1, eos_token_id=2),
        [Stack(r"^transformer\.h\.(\d+)\.")]),
    causal("GPT-NeoX", "GPTNeoXConfig", "GPTNeoXForCausalLM", pattern=r"^gpt_neox\.layers\.(\d+)\."),
    Architecture(
        "GPT-BigCode", "GPTBigCodeForCausalLM",
        lambda: tf.GPTBigCodeConfig(vocab_size=VOCABULARY, n_embd=32, n_layer=LAYERS, n_head=4, n_positions=64,
                                    bos_token_id=1, eos_token_id=2),
        [Stack(r"^transformer\.h\.(\d+)\.")]),
    causal("StableLM", "StableLmConfig", "StableLmForCausalLM"),
    causal("StarCoder2", "Starcoder2Config", "Starcoder2ForCausalLM"),
    causal("Cohere", "CohereConfig", "CohereForCausalLM"),
    causal("Cohere 2", "Cohere2Config", "Cohere2ForCausalLM", head_dim=8, sliding_window=8,
           layer_types=["sliding_attention", "full_attention", "full_attention", "sliding_attention"]),
    causal("Granite", "GraniteConfig", "GraniteForCausalLM"),
    causal("GLM-4", "Glm4Config", "Glm4ForCausalLM", head_dim=8),
    causal("OLMo 2", "Olmo2Config", "Olmo2ForCausalLM"),
    Architecture(
        "Falcon", "FalconForCausalLM",
        lambda: tf.FalconConfig(vocab_size=VOCABULARY, hidden_size=32, num_hidden_layers=LAYERS,
                                num_attention_heads=4, bos_token_id=1, eos_token_id=2),
        [Stack(r"^transformer\.h\.(\d+)\.")]),
    Architecture(
        "Mamba", "MambaForCausalLM",
        lambda: tf.MambaConfig(vocab_size=VOCABULARY, hidden_size=32, state_size=4, num_hidden_layers=LAYERS,
                               bos_token_id=1, eos_token_id=2, pad_token_id=0),
        [Stack(r"^backbone\.layers\.(\d+)\.")]),
    Architecture("BERT", "BertForMaskedLM", text("BertConfig"), [Stack(r"^bert\.encoder\.layer\.(\d+)\.")]),
    Architecture("RoBERTa", "RobertaForMaskedLM", text("RobertaConfig"),
                 [Stack(r"^roberta\.encoder\.layer\.(\d+)\.")]),
    Architecture(
        "DistilBERT", "DistilBertForMaskedLM",
        lambda: tf.DistilBertConfig(vocab_size=VOCABULARY, dim=32, hidden_dim=48, n_layers=LAYERS, n_heads=4,
                                    max_position_embeddings=64),
        [Stack(r"^distilbert\.transformer\.layer\.(\d+)\.")]),
    Architecture(
        "T5", "T5ForConditionalGeneration",
        lambda: tf.T5Config(vocab_size=VOCABULARY, d_model=32, d_kv=8, d_ff=48, num_layers=LAYERS,
                            num_decoder_layers=LAYERS, num_heads=4, decoder_start_token_id=0),
        [Stack(r"^decoder\.block\.(\d+)\.", "decoder"), Stack(r"^encoder\.block\.(\d+)\.", "encoder")],
        inputs="encoder-decoder", mergekit_modules=True, stacked="decoder"),
    Architecture(
        "Whisper", "WhisperForConditionalGeneration",
        lambda: tf.WhisperConfig(
            vocab_size=VOCABULARY, d_model=32, encoder_layers=LAYERS, decoder_layers=LAYERS,
            encoder_attention_heads=4, decoder_attention_heads=4, encoder_ffn_dim=48, decoder_ffn_dim=48,
            num_mel_bins=8, max_source_positions=16, max_target_positions=32, pad_token_id=0, bos_token_id=1,
            eos_token_id=2, decoder_start_token_id=1),
        [Stack(r"^model\.decoder\.layers\.(\d+)\.", "decoder"),
         Stack(r"^model\.encoder\.layers\.(\d+)\.", "encoder")],
        inputs="audio", mergekit_modules=True, stacked="decoder"),
    causal("LFM2", "Lfm2Config", "Lfm2ForCausalLM", block_auto_adjust_ff_dim=False,
           layer_types=["conv", "full_attention", "conv", "conv"]),
    causal("EXAONE 4", "Exaone4Config", "Exaone4ForCausalLM", sliding_window=8, sliding_window_pattern=3),
    causal("Apertus", "ApertusConfig", "ApertusForCausalLM"),
    causal("Arcee", "ArceeConfig", "ArceeForCausalLM"),
    Architecture(
        "Gemma 3 (vision)", "Gemma3ForConditionalGeneration",
        lambda: tf.Gemma3Config(
            text_config=NESTED | dict(
                sliding_window=8,
                layer_types=["sliding_attention", "full_attention", "full_attention", "sliding_attention"]),
            vision_config=VISION, mm_tokens_per_image=4, image_token_index=3, boi_token_index=4, eoi_token_index=5),
        [Stack(r"^model\.language_model\.layers\.(\d+)\.", "text_decoder"),
         Stack(r"^model\.vision_tower\.(?:vision_model\.)?encoder\.layers\.(\d+)\.", "vision_tower", 2)],
        inputs="image", mergekit_modules=True, stacked="text_decoder"),
    Architecture(
        "Qwen2-VL", "Qwen2VLForConditionalGeneration",
        qwen_vl("Qwen2VLConfig", dict(depth=2, embed_dim=32, hidden_size=32, num_heads=4, mlp_ratio=2)),
        [Stack(r"^model\.language_model\.layers\.(\d+)\.", "text_decoder"),
         Stack(r"^model\.visual\.blocks\.(\d+)\.", "vision_tower", 2)],
        inputs="text", mergekit_modules=True, stacked="text_decoder"),
    Architecture(
        "Qwen2.5-VL", "Qwen2_5_VLForConditionalGeneration",
        qwen_vl("Qwen2_5_VLConfig", dict(depth=2, hidden_size=32, out_hidden_size=32, intermediate_size=48,
                                         num_heads=4, fullatt_block_indexes=[1])),
        [Stack(r"^model\.language_model\.layers\.(\d+)\.", "text_decoder"),
         Stack(r"^model\.visual\.blocks\.(\d+)\.", "vision_tower", 2)],
        inputs="text", mergekit_modules=True, stacked="text_decoder"),
    Architecture(
        "Mistral 3", "Mistral3ForConditionalGeneration",
        lambda: tf.Mistral3Config(
            text_config=NESTED | dict(model_type="mistral"), vision_config=VISION | dict(model_type="pixtral"),
            image_token_index=3, spatial_merge_size=1),
        [Stack(r"^model\.language_model\.layers\.(\d+)\.", "text_decoder"),
         Stack(r"^model\.vision_tower\.transformer\.layers\.(\d+)\.", "vision_tower", 2)],
        inputs="text", mergekit_modules=True, stacked="text_decoder"),
    Architecture(
        "Llava", "LlavaForConditionalGeneration",
        lambda: tf.LlavaConfig(
            text_config=NESTED | dict(model_type="llama"),
            vision_config=VISION | dict(model_type="clip_vision_model", projection_dim=32),
            image_token_index=3),
        [Stack(r"^model\.language_model\.layers\.(\d+)\.", "text_decoder"),
         Stack(r"^model\.vision_tower\.(?:vision_model\.)?encoder\.layers\.(\d+)\.", "vision_tower", 2)],
        inputs="image", mergekit_modules=True, stacked="text_decoder"),
]


# Models


def make_model(architecture, seed, path):
    torch.manual_seed(seed)
    model = getattr(tf, architecture.model)(architecture.config()).eval()
    tied = model.all_tied_weights_keys if hasattr(model, "all_tied_weights_keys") else {}
    with torch.no_grad():
        for name, value in model.named_parameters():
            # What is initialised with ones or zeros would not show that models were mixed up.
            value.add_(torch.randn_like(value) * 0.02)
        for name, value in model.named_buffers():
            if value.is_floating_point() and name in dict(model.state_dict()) and name not in tied:
                value.add_(torch.rand_like(value) * 0.02)
    model.save_pretrained(path)
    return model


def published(path):
    """Names, dtypes and shapes of a checkpoint's tensors."""
    found = {}
    for file in sorted(Path(path).glob("*.safetensors")):
        with safe_open(file, "pt") as handle:
            for name in handle.keys():
                view = handle.get_slice(name)
                found[name] = (view.get_dtype(), tuple(view.get_shape()))
    return found


def load(architecture, path):
    model, info = getattr(tf, architecture.model).from_pretrained(
        path, output_loading_info=True, dtype=torch.float32)
    problems = {key: sorted(map(str, value)) for key, value in info.items() if value}
    require(not problems, f"loading: {problems}")
    return model.eval()


def forward(architecture, model):
    torch.manual_seed(0)
    ids = torch.randint(8, VOCABULARY, (2, 12))
    config = model.config
    with torch.no_grad():
        if architecture.inputs == "encoder-decoder":
            logits = model(input_ids=ids, decoder_input_ids=ids[:, :5]).logits
        elif architecture.inputs == "audio":
            sound = torch.randn(2, config.num_mel_bins, 2 * config.max_source_positions)
            logits = model(input_features=sound, decoder_input_ids=ids[:, :5]).logits
        elif architecture.inputs == "image":
            vision = config.vision_config
            patches = (vision.image_size // vision.patch_size) ** 2
            ids[:, 1 : 1 + patches] = 3
            sizes = (2, 3, vision.image_size, vision.image_size)
            extra = {}
            if "gemma3" in config.model_type:
                extra["token_type_ids"] = (ids == 3).long()
            logits = model(input_ids=ids, pixel_values=torch.randn(sizes), **extra).logits
        else:
            logits = model(input_ids=ids).logits
    require(bool(torch.isfinite(logits).all()), "forward: outputs that are not finite")
    return logits


class Wrong(Exception):
    pass


def require(condition, message):
    if not condition:
        raise Wrong(message)


# Merges


def place(architecture, name):
    """The stack and layer of a name in memory; None outside of layers."""
    for stack in architecture.stacks:
        if match := re.match(stack.pattern, name):
            return stack, int(match[1])
    return None


def recipe(kind, architecture, a, b):
    head = f'local mk = require "mergekit"\nlocal a, b = mk.model "{a}", mk.model "{b}"\n'
    if kind == "linear":
        return head + (
            'return mk.merge { method = "linear", models = { { a, weight = { 0.9, 0.1 } },'
            " { b, weight = { 0.1, 0.9 } } } }\n")
    first, second = STACKS[kind]
    module = "" if architecture.stacked == "default" else f', module = "{architecture.stacked}"'
    return head + (
        f"return mk.stack {{ {{ a, layers = {{ {first[0]}, {first[1]} }} }},"
        f" {{ b, layers = {{ {second[0]}, {second[1]} }} }}{module} }}\n")


def mergekit_config(kind, architecture, a, b):
    if kind == "linear":
        models = "".join(
            f"  - model: {model}\n    parameters:\n      weight: {weight}\n"
            for model, weight in ((a, [0.9, 0.1]), (b, [0.1, 0.9])))
        return f"merge_method: linear\nmodels:\n{models}dtype: float32\n"
    parts = "".join(
        f"  - sources:\n    - model: {model}\n      layer_range: [{first}, {last}]\n"
        for model, (first, last) in zip((a, b), STACKS[kind]))
    return f"merge_method: passthrough\nslices:\n{parts}dtype: float32\n"


def expected_linear(architecture, name, a, b):
    found = place(architecture, name)
    depth = found[1] / (found[0].layers - 1) if found else 0.0
    weight = 0.1 + 0.8 * depth
    if not a.is_floating_point():
        return a
    return ((1 - weight) * a.double() + weight * b.double()).float()


def check_linear(architecture, merged, a, b):
    states = [model.state_dict() for model in (merged, a, b)]
    require(set(states[0]) == set(states[1]), "other tensors than the inputs")
    for name, value in states[0].items():
        expected = expected_linear(architecture, name, states[1][name], states[2][name])
        error = (value.double() - expected.double()).abs().max().item() if value.numel() else 0
        require(error <= 1e-6, f"{name} is off by {error:.2g}")


SCALARS = (bool, int, float, str, type(None))


def traits(model, pattern):
    """What the modules of each layer say of themselves."""
    found = {}
    for name, module in model.named_modules():
        if match := re.match(pattern, name + "."):
            rest = (name + ".")[match.end():]
            own = {
                key: value for key, value in vars(module).items()
                if isinstance(value, SCALARS) and key not in ("layer_idx", "layer_id", "training")
                and not key.startswith("_")
            }
            found.setdefault(int(match[1]), {})[rest] = own
    return found


def check_stack(architecture, kind, merged, a, b):
    stack = next(stack for stack in architecture.stacks if stack.module == architecture.stacked)
    first, second = STACKS[kind]
    origins = [(a, layer) for layer in range(*first)] + [(b, layer) for layer in range(*second)]
    states = {id(model): model.state_dict() for model in (a, b)}
    layers: dict[int, set[str]] = {}
    for name, value in merged.state_dict().items():
        match = re.match(stack.pattern, name)
        if not match:
            require(any(torch.equal(value, state[name]) for state in states.values()), f"{name} is of neither model")
            continue
        number = int(match[1])
        require(number < len(origins), f"{name} is beyond the layers")
        model, layer = origins[number]
        source = name[: match.start(1)] + str(layer) + name[match.end(1):]
        require(source in states[id(model)], f"{name}: the source has no {source}")
        require(torch.equal(value, states[id(model)][source]), f"{name} is not its source's {source}")
        layers.setdefault(number, set()).add(name)
    require(sorted(layers) == list(range(len(origins))), f"layers {sorted(layers)}, expected {len(origins)}")
    own = traits(merged, stack.pattern)
    others = {id(model): traits(model, stack.pattern) for model in (a, b)}
    for number, (model, layer) in enumerate(origins):
        theirs = others[id(model)][layer]
        for part in own[number]:
            # What only the first layer of a stack says of itself belongs to its place.
            require(part in theirs, f"layer {number} has {part or 'parts'} that its source has not")
            for key, value in own[number][part].items():
                expected = theirs[part].get(key)
                require(value == expected, f"layer {number}: {part}{key} is {value}, expected {expected}")
    for section in ("layer_types", "mlp_layer_types"):
        got = getattr(text_config(merged, architecture), section, None)
        if got is not None:
            want = [getattr(text_config(model, architecture), section)[layer] for model, layer in origins]
            require(list(got) == want, f"{section}: {got}, expected {want}")


def text_config(model, architecture):
    return model.config.get_text_config() if architecture.inputs in ("text", "image") else model.config


def run(command):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if done.returncode:
        lines = [line for line in (done.stderr + done.stdout).splitlines() if line.strip()]
        raise Wrong(f"merge: {lines[-1].strip() if lines else 'no message'}")
    return done.stderr


def check(architecture, kind, folder, models, merge):
    out = folder / "out"
    shutil.rmtree(out, ignore_errors=True)
    merge(kind, out)
    merged = load(architecture, out)
    forward(architecture, merged)
    if kind == "linear":
        check_linear(architecture, merged, *models)
    else:
        check_stack(architecture, kind, merged, *models)
    return out


def words(error):
    text = " ".join(str(error).split())
    if not isinstance(error, Wrong):
        text = f"{type(error).__name__}: {text}"
    return text if len(text) <= 140 else text[:139] + "…"


def attempt(body):
    try:
        body()
        return "works"
    except Exception as error:  # transformers raises whatever it meets
        return words(error)


def check_architecture(architecture, folder, options):
    a, b = folder / "a", folder / "b"
    models = [make_model(architecture, 1, a), make_model(architecture, 2, b)]
    # A model is as it loads, not as it was made: some layouts do not survive saving.
    models = [load(architecture, path) for path in (a, b)]
    for model in models:
        forward(architecture, model)

    def ours(kind, out):
        path = folder / "recipe.lua"
        path.write_text(recipe(kind, architecture, a, b))
        extra = ["--stdlib", options.stdlib] if options.stdlib else []
        said = run([options.binary, path, out, "--quiet", *extra])
        if options.verbose and said:
            print(said, file=sys.stderr)
        if kind == "linear":
            require(published(out) == published(a), "the output's names, shapes or dtypes are not those of the input")
        else:
            new = {re.sub(r"\d+", "#", name) for name in published(out)}
            old = {re.sub(r"\d+", "#", name) for path in (a, b) for name in published(path)}
            require(new <= old, f"names that no input has: {sorted(new - old)[:3]}")

    def theirs(kind, out):
        path = folder / "config.yml"
        path.write_text(mergekit_config(kind, architecture, a, b))
        run([options.mergekit, path, out, "--no-copy-tokenizer"])

    kinds = ["linear"] + (["stack", "long stack"] if architecture.stacked else [])
    results = {kind: attempt(lambda: check(architecture, kind, folder, models, ours)) for kind in kinds}
    if options.mergekit:
        mergekit_kinds = [kind for kind in ("linear", "long stack") if kind in kinds]
        if architecture.mergekit_modules:
            mergekit_kinds = ["linear"]  # layers of one module only are another notation there
        results |= {
            f"mergekit {kind}": attempt(lambda: check(architecture, kind, folder, models, theirs)) for kind in mergekit_kinds
        }
    return results


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary", nargs="?", default=".build/release/mergekit-lua")
    parser.add_argument("--only", default="", help="names of architectures, with commas between them")
    parser.add_argument("--mergekit", help="mergekit-yaml of mergekit 0.1.5, to see what it does with the same models")
    parser.add_argument("--stdlib", help="an edited standard library")
    parser.add_argument("--keep", type=Path, help="a folder for models and outputs")
    parser.add_argument("--verbose", action="store_true", help="print what merges say")
    options = parser.parse_args()
    if not Path(options.binary).is_file():
        sys.exit(f"{options.binary} is missing: swift build -c release --product mergekit-lua")
    only = {name.strip().lower() for name in options.only.split(",") if name.strip()}
    chosen = [item for item in ARCHITECTURES if not only or item.name.lower() in only]
    tf.utils.logging.disable_progress_bar()
    columns = ["linear", "stack", "long stack"] + (["mergekit linear", "mergekit long stack"] if options.mergekit else [])
    print("| architecture | class | " + " | ".join(TITLES[column] for column in columns) + " |")
    print("|---" * (len(columns) + 2) + "|", flush=True)
    failures = 0
    for architecture in chosen:
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            if options.keep:
                folder = options.keep / architecture.name.replace(" ", "-")
                folder.mkdir(parents=True, exist_ok=True)
            try:
                results = check_architecture(architecture, folder, options)
            except Exception as error:
                results = {"linear": f"cannot be made: {words(error)}"}
        failures += sum(word != "works" for kind, word in results.items() if not kind.startswith("mergekit"))
        cells = [results.get(column, "—").replace("|", "/").replace(f"{folder}/", "") for column in columns]
        print(f"| {architecture.name} | {architecture.model} | " + " | ".join(cells) + " |", flush=True)
    if failures:
        sys.exit(f"{failures} checks failed")


if __name__ == "__main__":
    main()
