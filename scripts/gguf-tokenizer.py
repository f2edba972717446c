"""Rebuilds the tokenizer.json of SmolLM2 from the metadata of a GGUF file: its vocabulary, merges and control tokens,
with the pre-tokenizer that llama.cpp calls `smollm`."""

import sys

import gguf
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

source, target = sys.argv[1:]
fields = gguf.GGUFReader(source).fields
texts = lambda key: [bytes(fields[key].parts[i]).decode("utf-8") for i in fields[key].data]
assert str(bytes(fields["tokenizer.ggml.pre"].parts[-1]), "utf-8") == "smollm"
tokens = texts("tokenizer.ggml.tokens")
kinds = [
    int(fields["tokenizer.ggml.token_type"].parts[i][0]) for i in fields["tokenizer.ggml.token_type"].data
]
merges = [tuple(merge.split(" ")) for merge in texts("tokenizer.ggml.merges")]
tokenizer = Tokenizer(models.BPE(vocab={token: i for i, token in enumerate(tokens)}, merges=merges))
tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
    [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
)
tokenizer.decoder = decoders.ByteLevel()
CONTROL = 3
tokenizer.add_special_tokens(
    [
        AddedToken(token, special=True, normalized=False)
        for token, kind in zip(tokens, kinds)
        if kind == CONTROL
    ]
)
tokenizer.save(target)
