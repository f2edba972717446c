--- The names that trainers of Stable Diffusion (kohya-ss/sd-scripts) give to modules in their adapters, and those of
--- single-file checkpoints.
--
-- A module's name in an adapter is that of the checkpoint with a beginning of the trainer's and `_` for each `.`. Adapters of
-- U-Nets made with diffusers have its names, which are translated first.

--- The parts of a checkpoint: what their names begin with, and what the trainer's do. `is_open_clip` parts are OpenCLIP text
--- encoders, which adapters know by the names of transformers.
local parts = {
  { "model.diffusion_model.", "lora_unet_" },
  { "cond_stage_model.transformer.", "lora_te_" },
  { "cond_stage_model.model.", "lora_te_", is_open_clip = true },
  { "conditioner.embedders.0.transformer.", "lora_te1_" },
  { "conditioner.embedders.1.model.", "lora_te2_", is_open_clip = true },
  { "text_encoders.clip_l.transformer.", "lora_te1_" },
  { "text_encoders.clip_g.transformer.", "lora_te2_" },
  { "text_encoders.t5xxl.transformer.", "lora_te3_" },
  -- A U-Net or transformer by itself.
  { "", "lora_unet_" },
}

--- Layers of OpenCLIP's text encoder, and what transformers calls them. Of the fused projections each has a third of the rows.
local open_clip = {
  { "attn.out_proj.weight", "self_attn_out_proj" }, { "mlp.c_fc.weight", "mlp_fc1" }, { "mlp.c_proj.weight", "mlp_fc2" },
  { "attn.in_proj_weight", "self_attn_q_proj", third = 0 }, { "attn.in_proj_weight", "self_attn_k_proj", third = 1 },
  { "attn.in_proj_weight", "self_attn_v_proj", third = 2 },
}

--- Parts of a residual block: diffusers' name, and the checkpoint's.
local residual = {
  conv1 = "in_layers_2", conv2 = "out_layers_3", time_emb_proj = "emb_layers_1", conv_shortcut = "skip_connection",
  norm1 = "in_layers_0", norm2 = "out_layers_0",
}

local function at(place, part) return function(block, index, rest)
  if part == 0 then rest = residual[rest] or rest end
  return { ("%s_blocks_%d_%d_%s"):format(place, 3 * block + index + (place == "input" and 1 or 0), part, rest) }
end end

--- Diffusers' names of a U-Net's modules, and what gives the checkpoint's: a list of names that it may be.
local diffusers = {
  { "^down_blocks_(%d+)_attentions_(%d+)_(.+)$", at("input", 1) },
  { "^down_blocks_(%d+)_resnets_(%d+)_(.+)$", at("input", 0) },
  { "^up_blocks_(%d+)_attentions_(%d+)_(.+)$", at("output", 1) },
  { "^up_blocks_(%d+)_resnets_(%d+)_(.+)$", at("output", 0) },
  { "^down_blocks_(%d+)_downsamplers_0_conv$", function(block) return { ("input_blocks_%d_0_op"):format(3 * block + 3) } end },
  { "^up_blocks_(%d+)_upsamplers_0_conv$", function(block)
    -- After attention, where the block has some.
    return { ("output_blocks_%d_2_conv"):format(3 * block + 2), ("output_blocks_%d_1_conv"):format(3 * block + 2) }
  end },
  { "^mid_block_attentions_0_(.+)$", function(rest) return { "middle_block_1_" .. rest } end },
  { "^mid_block_resnets_(%d+)_(.+)$", function(index, rest)
    return { ("middle_block_%d_%s"):format(2 * index, residual[rest] or rest) }
  end },
  { "^time_embedding_linear_([12])$", function(index) return { ("time_embed_%d"):format(2 * index - 2) } end },
  { "^add_embedding_linear_([12])$", function(index) return { ("label_emb_0_%d"):format(2 * index - 2) } end },
  { "^conv_in$", function() return { "input_blocks_0_0" } end },
  { "^conv_out$", function() return { "out_2" } end },
}

return { parts = parts, open_clip = open_clip, diffusers = diffusers }
