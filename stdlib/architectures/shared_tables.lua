--- Modules whose weight is the token embedding's, so that checkpoints have it once: by model type, where it is others than
--- the head of a model that ties it (`lm_head`).

local of_text_to_text = { "encoder.embed_tokens", "decoder.embed_tokens" }
local of_bart = { "model.encoder.embed_tokens", "model.decoder.embed_tokens" }

return {
  t5 = of_text_to_text, mt5 = of_text_to_text, umt5 = of_text_to_text, longt5 = of_text_to_text,
  switch_transformers = of_text_to_text,
  bart = of_bart, mbart = of_bart, pegasus = of_bart, m2m_100 = of_bart, marian = of_bart, led = of_bart,
}
