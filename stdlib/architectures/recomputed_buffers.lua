--- Tensors that models compute anew when they are loaded, and that some versions of transformers saved all the same:
--- rotary frequencies, position numbers, causal masks.
--
-- Each entry is a Lua pattern of the name's end, and the least number of dimensions where the name alone does not tell
-- (a bias of attention is a vector, a causal mask is not).

return {
  { "rotary_emb%.inv_freq$" },
  { "rotary_emb%.original_inv_freq$" },
  { "rotary_emb%.cos_cached$" },
  { "rotary_emb%.sin_cached$" },
  { "position_ids$" },
  { "masked_bias$" },
  { "attn%.bias$", 3 },
  { "attention%.bias$", 3 },
  { "relative_position_index$" },
}
