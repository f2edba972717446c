--- How keys of config.json depend on the layers, where that cannot be seen from their values.
--
-- Of every layer of a stack they say what the config of the layer's source says of it. Keys are looked up in the
-- objects that describe the stacked module; a key whose name has `encoder`, `decoder`, `vision` or `audio` in it
-- belongs to the module of that kind alone.

--- `layer_types` of a model type that makes them by the layer's number where config.json has none.
-- @param period  the key that says every how many layers one attends fully, and what it is where it is missing
local function last_of(period, usual, other)
  return {
    list = "layer_types", period = period, usual = usual, last = "full_attention", other = other or "sliding_attention",
  }
end

local function first_of(period, usual)
  return {
    list = "layer_types", period = period, usual = usual, first = "full_attention", other = "sliding_attention",
  }
end

local function before_windows(usual)
  return {
    list = "layer_types", count = "max_window_layers", usual = usual, before = "full_attention",
    other = "sliding_attention", only_if = "use_sliding_window",
  }
end

local function without_rope(usual)
  return { list = "no_rope_layers", period = "no_rope_layer_interval", usual = usual, last = 0, other = 1 }
end

local exaone4 = last_of("sliding_window_pattern", 4)
exaone4.unless_null = "sliding_window"

local scale_of_residuals = { by_count = true, what = "the scale of residuals" }

return {
  -- Lists with an entry a layer: names, and how other names begin or end.
  lists = {
    "no_rope_layers", "attention_layers", "attn_type_list", "hybrid_layer_pattern", "block_configs", "block_types",
    "moe_layer_freq", "sliding_window", "sliding_window_pattern", "attention_window", "activation_sparsity_pattern",
    "rope_theta", "partial_rotary_factors", "intermediate_size", "moe_intermediate_size", "ffn_multipliers",
    "num_attention_heads", "num_key_value_heads", "num_query_heads", "num_kv_heads", "num_experts",
    "num_local_experts", "num_experts_per_tok", "num_shared_experts", "moe_topk", "swiglu_limits",
    "swiglu_limits_shared", "per_layer_config", "kv_sharing_modes", "sliding_windows", "attn_layers", "block_sizes",
    "block_repeats", "depths", "hidden_sizes",
  },
  list_beginnings = { "layer_", "layers_" },
  list_endings = { "_types", "_per_layer", "_type_list" },

  -- Of these, those that say how many layers there are where no number does.
  counting = { "layers_block_type" },

  -- Lists shorter than the layers that are repeated until they suffice.
  cycles = { "block_types", "_block_types" },

  -- Text with a letter a layer.
  letters = { "hybrid_override_pattern" },

  -- GPT-Neo's `[[["global", "local"], 12]]`: lists of types, each with how often it is repeated.
  repeated = { "attention_types" },

  -- Lists of the numbers of the layers that are of some kind, from 0 or from 1.
  indices = {
    "full_attn_idxs", "mlp_only_layers", "cross_attention_layers", "hybrid_layer_ids", "fullatt_block_indexes",
    "slstm_at", "moe_layer_ids", "moe_layers", "rope_scaling_layers", "window_block_indexes", "window_block_indices",
    "global_attn_indexes", "subsample_layers",
  },
  index_endings = { "_layer_indices" },
  indices_from_one = { "kda_layers", "full_attn_layers", "ple_layer_ids" },

  -- Of these, those whose layers differ by which of them they are: the first of the list, the second and so on.
  ordinals = { "ple_layer_ids" },

  -- Numbers of layers whose outputs go to other parts of the model, one part for each.
  taps = {
    "deepstack_visual_indexes", "vision_feature_layer", "vision_feature_layers", "target_layer_ids",
    "intermediate_hidden_state_indices", "backbone_out_indices",
  },
  -- Likewise, but numbers of stages: of those of `stage_names`, each layer's one, which may begin with a stem.
  stage_taps = { "out_indices" },

  -- Lists with an entry a layer that is the number of a layer.
  references = { "kv_source_layers" },

  -- How many layers are of some kind, from the first on or from the last back.
  first = { "first_k_dense_replace", "num_dense_layers", "max_window_layers", "num_hash_layers" },
  last = { "num_kv_shared_layers" },

  -- The first and the last layer of some kind; -1 is the last of all.
  ranges = { { "moe_layer_start_index", "moe_layer_end_index" } },

  -- Numbers of layers of runs that follow each other and together are all layers.
  runs = { { "n_input_layers", "n_recurrent_layers", "n_output_layers" } },

  -- Every so many layers one is of another kind.
  periods = {
    "sliding_window_pattern", "full_attention_interval", "global_attn_every_n_layers", "no_rope_layer_interval",
    "decoder_sparse_step", "encoder_sparse_step", "attn_layer_period", "expert_layer_period",
    "interleave_moe_layer_step", "moe_layer_freq", "moe_layer_interval", "cross_attention_frequency",
    "n_layers_per_attn_res_block", "cross_layer_interval",
  },

  -- Of these, those by which layers differ in their tensors, so that comparing these shows whether they are right.
  visible = {
    "first_k_dense_replace", "num_dense_layers", "num_hash_layers", "full_attention_interval", "decoder_sparse_step",
    "encoder_sparse_step", "attn_layer_period", "expert_layer_period", "interleave_moe_layer_step", "moe_layer_freq",
    "moe_layer_interval", "cross_attention_frequency", "cross_layer_interval",
  },

  -- Keys that say nothing where a list is written out or made.
  overruled = {
    max_window_layers = { "layer_types" }, sliding_window_pattern = { "layer_types" },
    global_attn_every_n_layers = { "layer_types" }, no_rope_layer_interval = { "no_rope_layers" },
  },
  -- Keys that say nothing unless another one is true.
  needs = { max_window_layers = "use_sliding_window" },

  -- The module that a key is about, where its name does not tell.
  owners = { attention_window = "encoder" },

  -- Numbers that are a multiple of another one.
  multiples = { num_hidden_layers = "num_layers_per_stack" },

  -- Lists that a model type makes by the layer's number where config.json has none.
  made = {
    gemma2 = last_of("sliding_window_pattern", 2), vaultgemma = last_of("sliding_window_pattern", 2),
    gpt_oss = last_of("sliding_window_pattern", 2), gemma3 = last_of("sliding_window_pattern", 6),
    gemma3_text = last_of("sliding_window_pattern", 6), gemma3n_text = last_of("sliding_window_pattern", 5),
    cohere2 = last_of("sliding_window_pattern", 4), olmo3 = last_of("sliding_window_pattern", 4), exaone4 = exaone4,
    afmoe = last_of("global_attn_every_n_layers", 4),
    qwen3_next = last_of("full_attention_interval", 4, "linear_attention"),
    qwen3_5_text = last_of("full_attention_interval", 4, "linear_attention"),
    qwen3_5_moe_text = last_of("full_attention_interval", 4, "linear_attention"),
    modernbert = first_of("global_attn_every_n_layers", 3),
    ["modernbert-decoder"] = first_of("global_attn_every_n_layers", 3), cwm = first_of("sliding_window_pattern", 4),
    smollm3 = without_rope(4), llama4_text = without_rope(4),
    qwen2 = before_windows(28), qwen3 = before_windows(28), qwen2_moe = before_windows(28),
    qwen3_moe = before_windows(28), qwen2_vl_text = before_windows(80), qwen2_5_vl_text = before_windows(80),
    qwen2_vl = before_windows(80), qwen2_5_vl = before_windows(80),
  },

  -- What model types demand of lists: an entry that some layer has, or that the last one has.
  demands = {
    neomme = { list = "layer_types", has = "full_attention" },
    gemma4_text = { list = "layer_types", last = "full_attention" },
    gemma4_unified_text = { list = "layer_types", last = "full_attention" },
  },
  -- Model types whose layers keep their places, and why.
  unmovable = {
    diffusion_gemma_text = "its encoder has the decoder's layers again, each with a scalar of its own",
  },
  -- The number that a decoder's may not exceed, as transformers makes a cache for so many layers.
  at_most = { prophetnet = "num_encoder_layers" },

  -- The key of the number of layers of a stack, by what stands before the layers' numbers, where its name does not tell.
  counts = {
    lxmert = { ["lxmert.encoder.layer"] = "l_layers" },
    cosmos3_omni = { blocks = "vision_config.depth" },
    csm = {
      ["backbone_model.layers"] = "num_hidden_layers",
      ["depth_decoder.model.layers"] = "depth_decoder_config.num_hidden_layers",
    },
  },

  -- Entries of layers that go on with what the layer before them found, which must not be the first.
  followers = { indexer_types = "shared" },

  -- Parts of the names of tensors that layers of some kind share: a stack stores them in the first of these.
  shared = { "shared_transf." },

  -- What a layer does by its number, or by the number of layers, whatever its tensors and config.json are.
  by_number = {
    diffllama = { what = "the weight of the second attention map (lambda_init)" },
    beam = { what = "which residual stream it adds to" },
    funnel = { what = "which positions it attends by" },
    big_bird = { what = "its random blocks of attention" },
    gpt2 = { what = "the scale of its attention", when = "scale_attn_by_inverse_layer_idx" },
    rwkv = { what = "how often hidden states are halved (rescale_every)" },
    minicpm = scale_of_residuals, minicpm3 = scale_of_residuals, esmc = scale_of_residuals,
    neomme = scale_of_residuals,
  },
}
