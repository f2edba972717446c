"""Merges of adapters by mergekit-lua, beside PEFT's add_weighted_adapter."""

import copy

import torch
from peft import LoraConfig, PeftModel, get_peft_model

from measuring import largest_difference, run
from models import back, gpt2, llama, plain

WAYS = [
    ("linear", {}), ("cat", {}), ("svd", {}), ("svd", {"rank": 3}), ("ties", {"density": 0.4}),
    ("ties", {"density": 0.4, "majority_sign": "frequency"}), ("ties_svd", {"density": 0.4}),
    ("magnitude_prune", {"density": 0.3}), ("magnitude_prune_svd", {"density": 0.3, "rank": 6}),
]
TARGETS = {
    llama: (["q_proj", "v_proj", "up_proj", "embed_tokens"], ["q_proj", "o_proj"]),
    gpt2: (["c_attn", "wte"], ["c_attn", "c_fc"]),
}


def train(model, seed):
    generator = torch.Generator().manual_seed(seed)
    for parameter in model.parameters():
        if parameter.requires_grad:
            with torch.no_grad():
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.1)


def write(folder, make):
    torch.manual_seed(1)
    base = make().eval()
    for index, (targets, alpha) in enumerate(zip(TARGETS[make], (6, 4))):
        adapted = get_peft_model(
            copy.deepcopy(base),
            LoraConfig(task_type="CAUSAL_LM", r=4, lora_alpha=alpha, use_rslora=index == 1, target_modules=targets))
        train(adapted, index)
        adapted.save_pretrained(folder / f"{make.__name__}{index}")
    return base


def by_peft(base, folders, way, options):
    model = PeftModel.from_pretrained(copy.deepcopy(base), folders[0], adapter_name="a")
    model.load_adapter(folders[1], "b")
    options = dict(options)
    model.add_weighted_adapter(
        ["a", "b"], [0.7, -0.4], "both", combination_type=way, svd_rank=options.get("rank"),
        density=options.get("density"), majority_sign_method=options.get("majority_sign", "total"))
    model.set_adapter("both")
    return plain(model.merge_and_unload(adapter_names=["both"]))


def check_combination(tool, folder):
    for make in TARGETS:
        base = write(folder, make)
        folders = [folder / f"{make.__name__}{index}" for index in range(2)]
        for way, options in WAYS:
            expected = by_peft(base, folders, way, options)
            fields = ", ".join(f"{key} = {value!r}" for key, value in options.items())
            recipe = folder / "combine.lua"
            recipe.write_text(
                f'local mk = require "mergekit"\nreturn mk.merge {{ method = "{way}", parameters = {{ {fields} }}, models = {{ '
                f'{{ mk.adapter "{folders[0]}", weight = 0.7 }}, {{ mk.adapter "{folders[1]}", weight = -0.4 }} }} }}\n')
            run(tool, recipe, folder / "both")
            distance = largest_difference(back(base, folder / "both"), expected)
            print(f"combined, {make.__name__}, {way} {fields}: {distance:.2g} of the largest element, at most")
            assert distance < 1e-5
