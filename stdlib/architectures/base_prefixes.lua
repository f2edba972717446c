--- What the modules of a model with a head begin with in transformers, for model types whose checkpoints on the hub leave
--- it out: `h.0.attn.c_attn.weight` is the module `transformer.h.0.attn.c_attn` there.

return {
  bloom = "transformer", gpt2 = "transformer", gpt_neo = "transformer", gptj = "transformer", falcon = "transformer",
  codegen = "transformer", mpt = "transformer", ["openai-gpt"] = "transformer",
  bert = "bert", roberta = "roberta", ["xlm-roberta"] = "roberta", distilbert = "distilbert", electra = "electra",
  gpt_neox = "gpt_neox",
}
