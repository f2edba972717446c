--- What the decoders of GGUF have in common: names of tensors, and keys of config.json.
--
-- Names are those of gguf-py's tensor_mapping.py, metadata that of docs/gguf.md of ggml.

local M = {}

--- Modules outside of layers, by their names in GGUF.
M.top = { token_embd = "model.embed_tokens", output_norm = "model.norm", output = "lm_head" }

--- Modules of a layer, below model.layers.N.
M.layer = {
  attn_norm = "input_layernorm",
  attn_q = "self_attn.q_proj",
  attn_k = "self_attn.k_proj",
  attn_v = "self_attn.v_proj",
  attn_output = "self_attn.o_proj",
  ffn_norm = "post_attention_layernorm",
  ffn_gate = "mlp.gate_proj",
  ffn_up = "mlp.up_proj",
  ffn_down = "mlp.down_proj",
}

--- A table with the entries of others over its own; `false` takes one away.
function M.with(base, changes)
  local result = {}
  for key, value in pairs(base) do result[key] = value end
  for key, value in pairs(changes) do result[key] = value or nil end
  return result
end

--- Experts under names with {expert}, as files on the hub have them.
function M.experts(gate, up, down)
  return { ffn_gate_exps = gate, ffn_up_exps = up, ffn_down_exps = down }
end

M.routed = M.experts("mlp.experts.{expert}.gate_proj", "mlp.experts.{expert}.up_proj", "mlp.experts.{expert}.down_proj")

--- How rotary positions are stretched, as config.json says it; nil if they are not.
function M.rope_scaling(file)
  local kind = file:get "rope.scaling.type"
  if kind ~= "linear" and kind ~= "yarn" then return nil end
  return {
    rope_type = kind, type = kind, factor = file:get "rope.scaling.factor",
    original_max_position_embeddings = kind == "yarn" and file:get "rope.scaling.original_context_length" or nil,
  }
end

--- The keys that every decoder's config.json has.
function M.config(file, class, model_type)
  local heads = file:need "attention.head_count"
  local hidden = file:need "embedding_length"
  return {
    architectures = { class },
    model_type = model_type,
    hidden_size = hidden,
    num_hidden_layers = file:need "block_count",
    intermediate_size = file:need "feed_forward_length",
    num_attention_heads = heads,
    num_key_value_heads = file:get "attention.head_count_kv" or heads,
    head_dim = file:get "attention.key_length" or hidden // heads,
    hidden_act = "silu",
    max_position_embeddings = file:need "context_length",
    rms_norm_eps = file:need "attention.layer_norm_rms_epsilon",
    rope_theta = file:get "rope.freq_base" or 10000.0,
    rope_scaling = M.rope_scaling(file),
    tie_word_embeddings = not file:has "output.weight",
    vocab_size = file:shape("token_embd.weight")[1],
    attention_dropout = 0.0,
    initializer_range = 0.02,
    use_cache = true,
  }
end

return M
