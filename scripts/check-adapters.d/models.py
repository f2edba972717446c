"""Small models of several architectures, and models that differ from them by little."""

import copy
import warnings

import torch
from peft import PeftModel
from transformers import (
    BertConfig, BertForSequenceClassification, GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM, MambaConfig,
    MambaForCausalLM, MixtralConfig, MixtralForCausalLM, T5Config, T5ForConditionalGeneration)

warnings.filterwarnings("ignore")


def llama(**options):
    return LlamaForCausalLM(
        LlamaConfig(
            **{"vocab_size": 200, "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 3,
               "num_attention_heads": 4, "num_key_value_heads": 2, "attention_bias": True, **options}))


def gpt2():
    return GPT2LMHeadModel(GPT2Config(vocab_size=200, n_embd=64, n_layer=2, n_head=2, n_positions=32))


def bert():
    return BertForSequenceClassification(
        BertConfig(
            vocab_size=200, hidden_size=64, num_hidden_layers=2, num_attention_heads=2, intermediate_size=96,
            max_position_embeddings=32))


def t5():
    return T5ForConditionalGeneration(
        T5Config(vocab_size=200, d_model=64, d_kv=16, d_ff=96, num_layers=2, num_heads=4, decoder_start_token_id=0))


def mamba():
    return MambaForCausalLM(MambaConfig(vocab_size=200, hidden_size=64, num_hidden_layers=2, state_size=8))


def mixtral():
    return MixtralForCausalLM(
        MixtralConfig(
            vocab_size=200, hidden_size=64, intermediate_size=96, num_hidden_layers=2, num_attention_heads=4,
            num_key_value_heads=2, num_local_experts=4, num_experts_per_tok=2))


def parts_of(name, parameter):
    if parameter.ndim != 3 or "experts" not in name:
        return [parameter[None]]
    return parameter.chunk(2, 1) if "gate_up" in name else [parameter]


def changed(model, rank, only=None):
    """A model of which every matrix differs by a product of this rank, and every vector by noise."""
    generator = torch.Generator().manual_seed(5)
    tuned = copy.deepcopy(model)
    with torch.no_grad():
        for name, parameter in tuned.named_parameters():
            if only and not only(name):
                continue
            if parameter.ndim == 1 or rank is None:
                parameter += torch.randn(parameter.shape, generator=generator) * 0.01
                continue
            # The parts of fused experts have a rank each.
            for part in parts_of(name, parameter):
                for matrix in part:
                    rows, columns = matrix.shape[0], matrix[0].numel()
                    b, a = torch.randn(rows, rank, generator=generator), torch.randn(rank, columns, generator=generator)
                    matrix += (b @ a * 0.01).reshape(matrix.shape)
    return tuned


def plain(model):
    """The weights of a model by their names, without the second names of shared ones."""
    return {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}


def back(base, adapter):
    return plain(PeftModel.from_pretrained(copy.deepcopy(base), adapter).merge_and_unload())
