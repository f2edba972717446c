"""A tiny model in memory: made, run, and taken apart into its lists of layers."""

import inspect
import re

import torch
import transformers as tf

from tiny import LAYERS, VOCABULARY, parameters, tiny_config

LARGEST = 12_000_000  # parameters


class CannotMake(Exception):
    """Tiny models of this class cannot be made here."""


def make_pair(name, model_type, folder):
    """Two models of a class with random weights, saved and loaded again: a model is as it loads."""
    model_class = getattr(tf, name)
    try:
        config = tiny_config(model_class, model_type)
        count = parameters(model_class, config)
        if count > LARGEST:
            raise CannotMake(f"{count:,} parameters")
        models = []
        for seed, letter in ((1, "a"), (2, "b")):
            torch.manual_seed(seed)
            model = model_class(tiny_config(model_class, model_type)).eval()
            randomise(model)
            model.save_pretrained(folder / letter)
            models.append(load(model_class, folder / letter))
        return models
    except CannotMake:
        raise
    except Exception as error:
        raise CannotMake(f"{type(error).__name__}: {' '.join(str(error).split())[:160]}") from error


def randomise(model):
    with torch.no_grad():
        for value in model.parameters():
            # What nothing initialises may be any number.
            value.nan_to_num_(0, 0, 0).clamp_(-2, 2)
            # What is initialised with ones or zeros would not show that models were mixed up.
            value.add_(torch.randn_like(value) * 0.02)


def load(model_class, path):
    # Qwen 2.5 Omni's own function wants a file of speakers.
    from_pretrained = tf.PreTrainedModel.from_pretrained.__func__
    model, info = from_pretrained(model_class, path, output_loading_info=True, dtype=torch.float32)
    problems = {key: sorted(map(str, value)) for key, value in info.items() if value and key != "error_msgs"}
    if problems:
        raise ValueError(f"loading: {problems}")
    return model.eval()


# Forward passes


def candidates(model):
    """Inputs that a model may take, the likeliest first."""
    torch.manual_seed(0)
    ids = torch.randint(8, VOCABULARY - 1, (1, 8))
    known = inspect.signature(model.forward).parameters
    size = next((v for c in walk(model.config) for k, v in vars(c).items() if k == "image_size"), 32)
    size = size if isinstance(size, int) else 32
    pixels = torch.randn(1, 3, size, size)
    mels = next((v for c in walk(model.config) for k, v in vars(c).items() if k in ("num_mel_bins", "feature_size")), 80)
    decoder = {"decoder_input_ids": ids[:, :4]} if "decoder_input_ids" in known else {}
    options = []
    if "input_ids" in known:
        options += [{"input_ids": ids, **decoder}, {"input_ids": ids % 30, **decoder}]
        if "bbox" in known:
            options.append({"input_ids": ids, "bbox": torch.zeros(1, 8, 4, dtype=torch.long), **decoder})
        if "pixel_values" in known:
            options.append({"input_ids": ids, "pixel_values": pixels, **decoder})
    if "pixel_values" in known:
        options.append({"pixel_values": pixels, **decoder})
    if "input_values" in known:
        options += [{"input_values": torch.randn(1, 4000), **decoder}, {"input_values": torch.randn(1, 64, mels), **decoder}]
    if "input_features" in known:
        for shape in ((1, mels, 128), (1, 64, mels), (1, mels, 3000), (1, 16, 160)):
            options.append({"input_features": torch.randn(shape), **decoder})
    if "inputs" in known:
        options += [{"inputs": ids}, {"inputs": torch.randn(1, 3, 224, 224)}]
    return options


def walk(config):
    yield config
    for value in vars(config).values():
        if isinstance(value, tf.PretrainedConfig):
            yield from walk(value)


def forward(model, inputs):
    with torch.no_grad():
        return model(**inputs)


def working_inputs(model):
    for inputs in candidates(model):
        try:
            forward(model, inputs)
            return inputs
        except Exception:
            continue
    return None


def call_order(model, inputs):
    """The first and the last call of each module, as numbers; none of those that are not called."""
    calls, hooks, clock = {}, [], [0]

    def note(name):
        def hook(*_):
            clock[0] += 1
            first, _ = calls.get(name, (clock[0], 0))
            calls[name] = (first, clock[0])
        return hook

    for name, module in model.named_modules():
        hooks.append(module.register_forward_pre_hook(note(name)))
    try:
        forward(model, inputs)
    except Exception:
        calls.clear()
    for hook in hooks:
        hook.remove()
    return calls


# Lists of layers


class Stack:
    """Lists of modules that together are one run of layers; most often one list."""

    def __init__(self, lists, count, is_strict):
        self.lists, self.count, self.is_strict = lists, count, is_strict
        self.pattern = re.compile("^(" + "|".join(re.escape(item) for item in lists) + r")\.(\d+)\.")

    def place(self, name):
        """(list, number, rest) of a tensor's or module's name."""
        match = self.pattern.match(name + ".")
        return match and (match[1], int(match[2]), (name + ".")[match.end():-1])


def stacks(model):
    """All outermost lists of modules, parallel ones of equal length as one."""
    found = {}
    for name, module in model.named_modules():
        if not isinstance(module, torch.nn.ModuleList) or len(module) < 2:
            continue
        if any(name.startswith(other + ".") for other in found):
            continue
        if any(not list(entry.parameters()) for entry in module):
            continue
        is_strict = all(list(entry.children()) for entry in module)
        found[name] = (len(module), is_strict)
    groups = {}
    for name, (count, is_strict) in found.items():
        groups.setdefault((name.rpartition(".")[0], count), []).append((name, is_strict))
    return [Stack([n for n, _ in group], count, any(s for _, s in group)) for (_, count), group in groups.items()]


def stored_prefix(model, stack, stored):
    """What stands before the numbers of a stack's layers in the file, where names may be others than in memory."""
    for name, value in model.state_dict().items():
        place = stack.place(name)
        if not place or place[1] != 0 or value.numel() < 2:
            continue
        same = [key for key, other in stored.items() if other.shape == value.shape and torch.equal(other.float(), value.float())]
        for key in same if len(same) == 1 else []:
            for match in re.finditer(r"\.0\.", key):
                prefix = key[:match.start()]
                has = [any(other.startswith(f"{prefix}.{number}.") for other in stored) for number in (stack.count - 1, stack.count)]
                if has == [True, False]:
                    return prefix
    return None


# Parts beside the model's own layers.
OTHERS = re.compile("vision|visual|image|audio|speech|codec|vocoder|vqmodel|depth_dec|mtp|conv_layers|feature_extractor|pos_conv"
                    "|subsampling")


def main_stacks(model, known):
    """The layers that a stack is of: the text's, the decoder's, the ones with most parameters; several if as good."""
    strict = [stack for stack in known if stack.is_strict] or known
    decoder = None
    try:
        decoder = model.get_decoder()
    except Exception:
        pass
    prefix = next((name for name, module in model.named_modules() if module is decoder), "")
    sizes = {id(stack): sum(p.numel() for name, p in model.named_parameters() if stack.place(name)) for stack in strict}

    # What all of them begin with says nothing of any (`unispeech`).
    begins = {stack.lists[0].partition(".")[0] for stack in strict}
    common = len(begins.pop()) + 1 if len(begins) == 1 else 0

    def rank(stack):
        first = stack.lists[0] + "."
        inside = bool(prefix) and first.startswith(prefix + ".")
        is_other = OTHERS.search(first[common:])
        words = re.search(r"language_model|text_model|llm", first[common:])
        return (not is_other, inside, bool(words))
    best = max(map(rank, strict), default=None)
    # Where no name tells, whichever is stacked will do.
    return sorted((s for s in strict if rank(s) == best), key=lambda s: -sizes[id(s)])
