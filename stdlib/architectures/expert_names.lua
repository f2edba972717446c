--- The names that transformers 5 gives to tensors of experts in memory, where checkpoints have one tensor for each
--- expert: mergekit 0.1.5 works on those, and configs written for it filter by them.
--
-- Each rule is a Lua pattern of a checkpoint's name and what it becomes; the first that matches counts.

return {
  -- Mixtral
  { "%.block_sparse_moe%.experts%.%d+%.w[13]%.weight$", ".mlp.experts.gate_up_proj" },
  { "%.block_sparse_moe%.experts%.%d+%.w2%.weight$", ".mlp.experts.down_proj" },
  { "%.block_sparse_moe%.gate%.weight$", ".mlp.gate.weight" },
  -- Qwen2-MoE, Qwen3-MoE, DeepSeek, GLM4-MoE, OLMoE and others
  { "%.experts%.%d+%.gate_proj%.weight$", ".experts.gate_up_proj" },
  { "%.experts%.%d+%.up_proj%.weight$", ".experts.gate_up_proj" },
  { "%.experts%.%d+%.down_proj%.weight$", ".experts.down_proj" },
}
