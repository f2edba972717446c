"""Compares adapters as mergekit-lua puts them on models with PEFT; see scripts/check-adapters."""

import argparse
import pathlib
import sys
import tempfile
import warnings

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file
from transformers import LlamaConfig, LlamaForCausalLM

sys.path.append(str(pathlib.Path(__file__).parent / "check-adapters.d"))
from combination import check_combination
from extraction import check_extraction
from measuring import apart, largest_difference, measure, run

warnings.filterwarnings("ignore")

CASES = {
    "all layers, rank 16": dict(r=16, lora_alpha=32, target_modules="all-linear"),
    "rank-stabilised": dict(r=16, lora_alpha=32, use_rslora=True, target_modules="all-linear"),
    "DoRA": dict(r=8, use_dora=True, target_modules="all-linear"),
    "embeddings and head": dict(r=8, target_modules=["embed_tokens", "lm_head", "q_proj"]),
    "patterns": dict(
        r=4, target_modules=["q_proj", "v_proj"], rank_pattern={"v_proj": 12}, alpha_pattern={r"layers\.0\..*": 3}),
    "biases and saved norms": dict(r=4, target_modules=["q_proj"], bias="all", modules_to_save=["norm"]),
}


def model(hidden=256, layers=4, dtype=torch.float32):
    torch.manual_seed(1)
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=2000, hidden_size=hidden, intermediate_size=2 * hidden, num_hidden_layers=layers,
            num_attention_heads=4, num_key_value_heads=2, tie_word_embeddings=False)).to(dtype)


def train(adapted):
    generator = torch.Generator().manual_seed(2)
    for name, parameter in adapted.named_parameters():
        if parameter.requires_grad:
            with torch.no_grad():
                noise = torch.randn(parameter.shape, generator=generator) * 0.05
                parameter.copy_(parameter + noise if "magnitude" in name else noise)


def compare(tool, folder):
    model().save_pretrained(folder / "base")
    for index, (title, options) in enumerate(CASES.items()):
        adapted = get_peft_model(model(), LoraConfig(task_type="CAUSAL_LM", **options))
        train(adapted)
        adapter = folder / f"adapter{index}"
        adapted.save_pretrained(adapter)
        expected = PeftModel.from_pretrained(model(), adapter).merge_and_unload().state_dict()
        out = folder / "out"
        run(tool, "convert", f"{folder}/base+{adapter}", out)
        furthest = largest_difference(load_file(out / "model.safetensors"), expected)
        print(f"{title}: {furthest:.2g} of the largest element, at most")
        assert furthest < 1e-5


def write_large(folder, hidden, layers):
    for index in range(2):
        model(hidden, layers, torch.bfloat16).save_pretrained(folder / f"large{index}")
    adapted = get_peft_model(
        model(hidden, layers, torch.bfloat16),
        LoraConfig(task_type="CAUSAL_LM", r=16, lora_alpha=32, target_modules="all-linear"))
    train(adapted)
    adapted.save_pretrained(folder / "large-adapter")


def speed(tool, folder, hidden, layers):
    apart(write_large, folder, hidden, layers)
    bytes_ = sum(file.stat().st_size for file in (folder / "large0").glob("*.safetensors"))
    for title, first in (("alone", "large0"), ("with the adapter", "large0+" + str(folder / "large-adapter"))) * 2:
        recipe = folder / "recipe.lua"
        recipe.write_text(
            f'local mk = require "mergekit"\nreturn mk.merge {{ method = "linear", models = {{ '
            f'{{ mk.model "{folder}/{first}", weight = 0.5 }}, {{ mk.model "{folder}/large1", weight = 0.5 }} }} }}\n')
        seconds, memory = measure([tool, recipe, folder / "merged", "--quiet", "--force"])
        print(f"linear of two models of {bytes_ / 1e9:.2f} GB, {title}: {seconds:.2f} s, {memory:.0f} MB")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("tool")
    parser.add_argument("--hidden", type=int, default=2048)
    parser.add_argument("--layers", type=int, default=8)
    parser.add_argument("--no-speed", action="store_true", help="leave out what takes time and disk")
    arguments = parser.parse_args()
    tool = str(pathlib.Path(arguments.tool).resolve())
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        if not arguments.no_speed:
            speed(tool, folder, arguments.hidden, arguments.layers)
        compare(tool, folder)
        check_extraction(tool, folder)
        check_combination(tool, folder)


if __name__ == "__main__":
    main()
