"""Tiny configs and models, made from the defaults of transformers' config classes.

A key's name says what its number is for, and so its small value; what the rules get wrong for a model type is in
`overrides.py`.
"""

import re

import torch
import transformers as tf

from classes import config_name
from overrides import OVERRIDES

LAYERS = 6
VOCABULARY = 120  # of no other tensor's size


def at_most(limit):
    return lambda value: min(value, limit)


# The first rule whose pattern is a key's whole name says its value; a function gets the default.
RULES = [
    (r"(num|n)_(hidden_layers|layers?|blocks?)|depth|n_layers?|(\w+_)?num_(hidden_)?layers"
     r"|(\w+_)?(encoder|decoder)_(num_hidden_)?layers|num_(encoder|decoder)_(hidden_)?layers|(encoder|decoder)_depth"
     r"|num_dit_layers|layers_num|\w+_n_layers?", LAYERS),
    (r"(\w+_)?vocab_size|vocab_size(_\w+)?|num_embeddings", at_most(VOCABULARY)),
    (r"(\w+_)?(key_value|kv)_heads|num_query_groups|multi_query_group_num|\w*num_(key_value|kv)_heads", at_most(2)),
    (r"(\w+_)?n?(um)?_?(attention_|attn_)?heads?|n_heads?", 4),
    (r"(\w*_)?head_dim|d_kv|kv_channels|head_size|attention_head_size|d_head", 8),
    (r"image_size|img_size|input_size", 32),
    (r"patch_size", 8),
    (r"(num|n)_(\w+_)?experts|num_(local|routed)_experts|moe_num_experts", at_most(4)),
    (r"num_experts_per_(tok|token)|moe_topk|top_k|num_selected_experts|moe_k|topk_group|n_group|num_expert_group"
     r"|moe_top_?k|experts_per_token", at_most(2)),
    (r"(\w*_)?(intermediate|ffn|mlp|inner|feedforward)_(size|dim|hidden_size)|d_ff|ffn_hidden_size|n_inner|d_inner|d_ffn"
     r"|\w*intermediate_size(_\w+)?|\w*ffn_dim|\w*feed_forward\w*", at_most(64)),
    (r"(\w*_)?(hidden_size|hidden_dim|embed_dim|embedding_size|embedding_dim|projection_dim|projection_size|d_model|dim"
     r"|width|hidden_channels|decoder_dim|model_dim|n_embd|embed_size|emb_dim|input_dim|output_dim)|hidden_size(_\w+)?"
     r"|\w*hidden_size_\w+", at_most(32)),
    (r"(\w+_)?rank", at_most(8)),
    (r"max_position_embeddings|n_positions|max_(source|target)_positions|n_ctx|(max_)?seq_(length|len)", at_most(64)),
    (r"num_mel_bins", at_most(16)),
    (r"\w*(sliding|attention)_window(_size)?|window_size|local_attention", at_most(8)),
]
RULES = [(re.compile(pattern), value) for pattern, value in RULES]
WIDTHS = re.compile(r"\w*(dim|dims|channels|sizes|widths|filters)")
IDS = re.compile(r"\w*_(token_id|token_index|id|index|idx|ids)|id|index")


def tiny_number(key, value):
    if IDS.fullmatch(key):
        return min(value, VOCABULARY - 1) if "token" in key else value
    for pattern, new in RULES:
        if pattern.fullmatch(key):
            return new(value) if callable(new) else new
    return value


def merged(values, changes):
    for key, change in changes.items():
        if isinstance(change, dict) and isinstance(values.get(key), dict):
            values[key] = merged(values[key], change)
        else:
            values[key] = change
    return values


def tiny_arguments(config):
    """What to construct a config of this one's class with, so that it is small."""
    changed = {}
    for key, value in vars(config).items():
        if key.startswith("_"):
            continue
        if isinstance(value, tf.PretrainedConfig):
            nested = tiny_arguments(value)
            nested = merged(nested, OVERRIDES.get(value.model_type, {}))
            changed[key] = {"model_type": value.model_type, **nested}
        elif isinstance(value, int) and not isinstance(value, bool):
            small = tiny_number(key, value)
            if small != value:
                changed[key] = small
        elif WIDTHS.fullmatch(key) and isinstance(value, (list, tuple)) and value:
            if all(isinstance(entry, int) and entry > 32 for entry in value):
                changed[key] = [32] * len(value)
    return changed


def tiny_config(model_class, model_type):
    config_class = model_class.config_class or getattr(tf, config_name(model_type))
    override = OVERRIDES.get(config_class.model_type, {}) | OVERRIDES.get(model_class.__name__, {})
    try:
        default = config_class()
    except Exception:
        default = config_class(**override)
    return config_class(**merged(tiny_arguments(default), override))


def parameters(model_class, config):
    with torch.device("meta"):
        return sum(p.numel() for p in model_class(config).parameters())
