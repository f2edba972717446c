--- Checkpoints with one tensor for each matrix of an expert, and the fused parameter that transformers 5 makes of them.

return {
  --- Fused parameter: its parts, one below the other, as checkpoints call them.
  parts = {
    gate_up_proj = { { "gate_proj", "up_proj" }, { "w1", "w3" } },
    down_proj = { { "down_proj" }, { "w2" } },
  },
  --- The module of the experts, and what checkpoints may call it.
  owners = { [".mlp.experts"] = { ".mlp.experts", ".block_sparse_moe.experts" } },
}
