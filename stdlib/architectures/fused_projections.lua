--- Projections that some architectures store as one matrix (Phi-3, GLM-4), and others as several, whose rows follow
--- each other in it.
--
-- What is interleaved (GPT-NeoX's query_key_value, InternLM2's wqkv) is not one of these.

return {
  { fused = "qkv_proj", parts = { "q_proj", "k_proj", "v_proj" } },
  { fused = "gate_up_proj", parts = { "gate_proj", "up_proj" } },
}
