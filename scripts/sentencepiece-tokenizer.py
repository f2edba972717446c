"""Makes a tokenizer.json of a SentencePiece model of unigrams, in the way in which transformers makes those of T5 and
XLM-RoBERTa: the model's table of replacements, Metaspace, Unigram, and special tokens around the text."""

import sys

from sentencepiece import sentencepiece_model_pb2
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

source, target = sys.argv[1:]
proto = sentencepiece_model_pb2.ModelProto()
with open(source, "rb") as file:
    proto.ParseFromString(file.read())
UNIGRAM, NORMAL, BYTE = 1, 1, 6
spec = proto.trainer_spec
assert spec.model_type == UNIGRAM
pieces = [(piece.piece, piece.score) for piece in proto.pieces]
tokenizer = Tokenizer(models.Unigram(pieces, spec.unk_id, spec.byte_fallback))
tokenizer.normalizer = normalizers.Sequence(
    [
        normalizers.Precompiled(proto.normalizer_spec.precompiled_charsmap),
        normalizers.Replace(Regex(" {2,}"), "▁"),
    ]
)
scheme = "always" if proto.normalizer_spec.add_dummy_prefix else "never"
tokenizer.pre_tokenizer = pre_tokenizers.Metaspace("▁", prepend_scheme=scheme)
metaspace = decoders.Metaspace("▁", prepend_scheme=scheme)
tokenizer.decoder = (
    decoders.Sequence([decoders.ByteFallback(), metaspace]) if spec.byte_fallback else metaspace
)
around = [(pieces[id][0], id) for id in (spec.bos_id, spec.eos_id)]
tokenizer.post_processor = processors.TemplateProcessing(
    single=f"{around[0][0]} $A {around[1][0]}", special_tokens=around
)
tokenizer.add_special_tokens(
    [
        AddedToken(piece.piece, special=True, normalized=False)
        for piece in proto.pieces
        if piece.type not in (NORMAL, BYTE)
    ]
)
tokenizer.save(target)
