"""What a merged model must be, in terms of the two models as transformers holds them in memory."""

import re

import torch

SCALARS = (bool, int, float, str, type(None))
# What a layer says of its place, not of what it is.
OF_ITS_PLACE = {
    "layer_idx", "layer_id", "layer_number", "layer_num", "layer_index", "training", "has_relative_attention_bias",
    "num_hidden_layers", "depth", "cache_key", "seed", "store_full_length_kv", "kv_shared_layer_index",
    "drop_prob",  # of stochastic depth, which training alone knows
}


class Wrong(Exception):
    pass


class Unlike(Wrong):
    """A layer says of itself what its source does not, though its tensors are right."""


# What the first layer has for all of them.
HELD_FOR_OTHERS = ("relative_attention_bias", "rel_attn_embed", "pre_ln")


def require(condition, message, kind=Wrong):
    if not condition:
        raise kind(message)


def equal(left, right):
    return left.shape == right.shape and torch.equal(left, right)


# Linear


def depths(name, stacks, stored):
    """The positions in its stack that a tensor may be merged for."""
    for stack in stacks:
        if place := stack.place(name):
            depth = place[1] / (stack.count - 1)
            if re.search(r"\.\d+\.(?:.*\.)?\d+\.", name):
                return [depth, None]  # which of the lists counts is open
            # In the file it may stand outside of the layers, or some entries are stored under other names (UDOP).
            numbers = {found[1] for found in map(stack.place, stored) if found}
            is_whole = numbers == set(range(stack.count))
            return [depth] if stack.is_strict and is_whole and name in stored else [depth, 0.0]
    if match := re.search(r"\.(\d+)\.", name):
        return [0.0, None]  # an entry of some other list: whatever one weight
    return [0.0]


def check_linear(merged, a, b, stacks, stored):
    states = [model.state_dict() for model in (merged, a, b)]
    require(set(states[0]) == set(states[1]), "other tensors than the inputs")
    aliases = {}
    for name, value in states[0].items():
        aliases.setdefault((value.data_ptr(), value.shape), []).append(name)
    for names in aliases.values():
        errors = []
        value = states[0][names[0]]
        left, right = states[1][names[0]], states[2][names[0]]
        if not value.is_floating_point() or not value.numel():
            continue
        for depth in {depth for name in names for depth in depths(name, stacks, stored)}:
            if depth is None:
                spread = (right - left).double().abs()
                at = spread.argmax()
                if spread.flatten()[at] == 0:
                    continue
                weight = ((value - left).flatten()[at] / (right - left).flatten()[at]).item()
            else:
                weight = 0.1 + 0.8 * depth
            expected = ((1 - weight) * left.double() + weight * right.double()).float()
            errors.append((value.double() - expected.double()).abs().max().item())
        require(not errors or min(errors) <= 2e-6, f"{names[0]} is off by {min(errors or [0]):.2g}")


# Stacks


def traits(model, stack):
    """What the modules of each layer say of themselves."""
    found = {}
    for name, module in model.named_modules(remove_duplicate=False):
        if place := stack.place(name):
            own = {
                key: value for key, value in vars(module).items()
                if isinstance(value, SCALARS) and key not in OF_ITS_PLACE and not key.startswith("_")
            }
            own["class"] = type(module).__name__
            found.setdefault(place[1], {})[(place[0], place[2])] = own
    return found


def check_layers(merged, origins, stack):
    """Every layer has its source's tensors, bit by bit."""
    states = {id(model): model.state_dict() for model, _ in origins}
    numbers = set()
    for name, value in merged.state_dict().items():
        place = stack.place(name)
        if not place:
            continue
        items, number, rest = place
        require(number < len(origins), f"{name} is beyond the layers")
        numbers.add(number)
        model, layer = origins[number]
        state = states[id(model)]
        source = f"{items}.{layer}.{rest}"
        if source in state:
            require(equal(value, state[source]), f"{name} is not its source's {source}")
        else:
            # What one layer has for all of them may go along to another.
            others = [key for key in state if (p := stack.place(key)) and (p[0], p[2]) == (items, rest)]
            copies = [key for _, s in states.items() for key in others if key in s and equal(value, s[key])]
            require(copies, f"{name}: the source has no {source}")
    require(sorted(numbers) == list(range(len(origins))), f"layers {sorted(numbers)}, expected {len(origins)}")


def check_traits(merged, origins, stack, known):
    """What the modules of each layer say of themselves is what its source's do.

    `known` has the traits of the sources as they were loaded, by model: a forward pass may change them.
    """
    own = traits(merged, stack)
    others = known
    for number, (model, layer) in enumerate(origins):
        theirs = others[id(model)][layer]
        for part in own[number]:
            if part not in theirs:
                require(part[1].endswith(HELD_FOR_OTHERS),
                        f"layer {number} has {part[1] or 'parts'} that its source, layer {layer}, has not")
                continue
            for key, value in own[number][part].items():
                expected = theirs[part].get(key)
                require(same(value, expected),
                        f"layer {number}: {part[1]}.{key} is {value}, expected {expected} as in layer {layer}",
                        Unlike)
        missing = [part for part in theirs if part not in own[number]]
        missing = [part for part in missing if not part[1].endswith(HELD_FOR_OTHERS)]
        require(not missing, f"layer {number} lacks {missing[:1]} that its source, layer {layer}, has")


def same(left, right):
    return left == right or (isinstance(left, float) and left != left and right != right)


def check_config(merged, origins, count):
    """Lists with an entry a layer say of each layer what its source says."""
    sections = []
    for model in [merged] + [model for model, _ in origins]:
        try:
            sections.append(model.config.get_text_config(decoder=True))
        except Exception:
            return
    first = vars(sections[1])
    for key, value in first.items():
        if not re.fullmatch(r"\w*(layer|layers|block|blocks|mlp|attention)_types?|no_rope_layers|\w+_pattern", key):
            continue
        if not isinstance(value, (list, tuple)) or len(value) != count:
            continue
        own = getattr(sections[0], key, None)
        want = [getattr(section, key)[layer] for section, (_, layer) in zip(sections[1:], origins)]
        require(own is not None and list(own) == want, f"config {key}: {own}, expected {want}")


def gathered(value, origins, name, stack):
    """Whether a tensor is put together of parts that belong to the layers."""
    for dim, size in enumerate(value.shape):
        if size % len(origins):
            continue
        parts = []
        for model, layer in origins:
            whole = model.state_dict()[name]
            if whole.shape[dim] % stack.count:
                break
            length = whole.shape[dim] // stack.count
            parts.append(whole.narrow(dim, layer * length, length))
        if len(parts) == len(origins) and equal(value, torch.cat(parts, dim)):
            return True
    return False


def check_others(merged, models, stack, order, origins):
    """What stands outside of the layers is the first model's before them and the last one's after them."""
    first, last = models[0].state_dict(), models[1].state_dict()
    layers = [calls for name, calls in order.items() if stack.place(name)]
    begin = min((c[0] for c in layers), default=None)
    end = max((c[1] for c in layers), default=None)
    state = merged.state_dict()
    pointers = {}
    for name, value in state.items():
        pointers.setdefault((value.data_ptr(), value.shape), []).append(name)
    for name, value in state.items():
        if stack.place(name):
            continue
        require(name in first, f"{name} is in neither model")
        is_first, is_last = equal(value, first[name]), equal(value, last[name])
        tied = pointers[(value.data_ptr(), value.shape)]
        own = [n for n in tied if n in first]
        is_first = is_first or any(equal(value, first[n]) for n in own)
        is_last = is_last or any(equal(value, last[n]) for n in own)
        if not is_first and not is_last:
            require(gathered(value, origins, name, stack), f"{name} is of neither model")
            continue
        calls = order.get(name.rpartition(".")[0])
        if not calls or begin is None or len(tied) > 1 or not value.is_floating_point():
            continue
        if calls[1] < begin:
            require(is_first, f"{name} stands before the layers and is not the first model's")
        elif calls[0] > end:
            require(is_last, f"{name} follows the layers and is not the last model's")
