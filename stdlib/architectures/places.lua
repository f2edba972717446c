--- Where tensors stand, where neither their kind nor config.json tells.
--
-- A stack makes what precedes its layers as its first slice says, and what follows them as the last one says. Patterns
-- are Lua's, of names in lower case; those of the model type come first, and of the others those of what follows.

local norm_first = { unless = "do_stable_layer_norm", before = { "encoder%.layer_norm" } }

local transducer = { later = { "^decoder%.", "^joint%.", "^encoder_projector%." } }

local speaks = { later = { "speech_decoder_postnet", "^vocoder%." } }

return {
  -- What follows the layers: output layers with all that belongs to them, poolers and classifiers.
  after = {
    "head", "embed_out", "^cls%.", "%.cls%.", "vocab_transform", "vocab_layer_norm", "vocab_projector", "classif",
    "pooler", "score", "qa_outputs", "vision_adapter", "predictions", "lm_loss", "pred_layer", "output_projection",
    "proj_out", "logits_proj", "unembed", "embedding_norm", "decoder_pred", "sequence_summary", "embedding_proj_layer",
    "^decoder%.bias$", "^decoder%.weight$", "^dense%.", "^encoder_projector%.", "^projector%.weight$",
    "^projector%.bias$", "^final_", "quantizer", "^project_", "ctc_proj", "%.upsample%.",
    "hyper_connection_mixer",
  },

  -- What precedes them.
  before = {
    "embed", "patch", "merger", "ln_pre", "layernorm_pre", "norm_pre", "pre_norm", "pre_layrnorm", "conv", "projector",
    "layer_norm_emb", "feature_projection", "feature_extractor", "prenet", "cross_attention", "chars_to_molecules",
    "input_", "subsampl", "per_layer",
  },

  -- What is otherwise, by model type. `later` is what follows the layers and may belong to another module.
  by_model_type = {
    -- Their encoders' norm stands before the layers, unless these have a stable order.
    wav2vec2 = norm_first, hubert = norm_first, wavlm = norm_first, unispeech = norm_first,
    ["unispeech-sat"] = norm_first,
    ["data2vec-audio"] = { before = norm_first.before, later = { "^projector%." } },
    -- What predicts tokens follows the encoder.
    parakeet_tdt = transducer, parakeet_rnnt = transducer, nemotron_asr_streaming = transducer,
    nemotron3_5_asr = transducer, nemotron3_5_transcribe_asr = transducer,
    canine = { later = { "%.projection%.", "final_char" } },
    fastspeech2_conformer = speaks, fastspeech2_conformer_with_hifigan = speaks,
    bigbird_pegasus = { after = { "layernorm_embedding" } },
    perceiver = { after = { "perceiver%.decoder%.", "embedding_decoder" } },
    ctrl = { before = { "^transformer%.w%." } },
    sew = { before = { "^sew%.layer_norm", "^layer_norm", "encoder%.layer_norm" } },
    -- The norm of the relative positions, which all layers use.
    ["deberta-v2"] = { before = { "encoder%.layernorm" } },
    ["sew-d"] = { before = { "^sew_d%.layer_norm", "^layer_norm", "encoder%.layernorm" } },
    layoutlmv3 = { before = { "^layoutlmv3%.layernorm", "^layoutlmv3%.norm", "^layernorm", "^norm" } },
  },

  -- Tensors of the first layer alone that are used for all layers: a stack's first layer has them from the model that
  -- it comes from, and others that come from a first layer leave them out.
  of_first_layer = { "relative_attention_bias", "rel_attn_embed", "%.pre_ln%." },

  -- Tensors that layers of some kind share, which are stored in the first of these: a stack's first layer that needs
  -- them has them, if all such layers come from one model.
  shared = { "%.shared_transf%." },

  -- Tensors outside of the layers that have a part for each of them, one after the other: a dimension, from 1.
  per_layer = {
    ["embed_tokens_per_layer%.weight$"] = 2, ["per_layer_model_projection%.weight$"] = 1,
    ["contact_head%.regression%.weight$"] = 2,
  },
}
