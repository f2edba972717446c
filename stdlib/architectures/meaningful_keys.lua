--- Keys of config.json that change what tensors mean without changing their shapes.

return {
  -- How many heads the rows of a projection are cut into.
  heads = {
    "num_attention_heads", "num_key_value_heads", "head_dim", "n_head", "n_heads", "num_heads", "num_kv_heads",
    "encoder_attention_heads", "decoder_attention_heads", "multi_query", "new_decoder_architecture",
    "linear_num_key_heads", "linear_num_value_heads", "mamba_n_heads", "mamba_num_heads",
  },
  -- What is computed with them.
  meanings = {
    "rope_theta", "rope_scaling", "rope_local_base_freq", "rotary_emb_base", "partial_rotary_factor", "rotary_pct",
    "rotary_dim", "alibi", "position_embedding_type", "relative_attention_max_distance",
    "hidden_act", "hidden_activation", "activation_function", "activation", "ffn_activation", "feed_forward_proj",
    "rms_norm_eps", "layer_norm_eps", "layer_norm_epsilon", "norm_eps", "norm_epsilon", "layernorm_epsilon",
    "sliding_window", "sliding_window_pattern", "attention_window", "attention_chunk_size",
    "query_pre_attn_scalar", "attn_logit_softcapping", "final_logit_softcapping", "attention_multiplier",
    "embedding_multiplier", "residual_multiplier", "logits_scaling", "logit_scale", "scale_embedding", "clip_qkv",
    "parallel_attn", "use_parallel_residual", "do_layer_norm_before", "scale_attn_weights",
    "num_experts_per_tok", "moe_topk", "norm_topk_prob", "routed_scaling_factor", "scoring_func", "topk_method",
    "n_group", "topk_group",
  },
  -- What transformers takes where config.json is silent, for the model types whose old configs are.
  defaults = {
    rope_theta = { llama = 10000.0, mistral = 10000.0, qwen2 = 10000.0, gemma = 10000.0, gemma2 = 10000.0, phi3 = 10000.0 },
  },
}
