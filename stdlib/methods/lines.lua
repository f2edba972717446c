--- LiNeS, layer-increasing network scaling: Wang et al. 2024, "LiNeS: post-training layer scaling prevents forgetting
--- and enhances model merging", https://arxiv.org/abs/2410.17146. The difference from the base is scaled by alpha in
--- the first layer and by alpha + beta in the last, linearly in between, and by alpha outside of the layers.
--
-- For one fine-tune the paper has beta = 1 − alpha and tunes alpha. For the sum of N task vectors it has alpha = 1 / N
-- (for another merge, given here as the one model, times Σ|Σ τ| / Σ|merged − base|) and tunes beta; without beta the
-- last layer is scaled by 1 here.

local mk = require "mergekit"

return mk.method {
  name = "lines",
  pretty_name = "LiNeS",
  reference = "https://arxiv.org/abs/2410.17146",
  description = "Scales the sum of the differences from the base up from the first layer to the last.",
  base = "required",
  parameters = { alpha = { type = "number" }, beta = { type = "number" } },
  per_input = { weight = 1.0 },
  merge = function(t)
    local alpha = t.alpha or 1 / #t.inputs
    local scale = alpha
    if t.layer then
      -- The only layer of a model is its first.
      local position = t.num_layers > 1 and t.layer / (t.num_layers - 1) or 0
      scale = alpha + (t.beta or 1 - alpha) * position
    end
    local sum = 0
    for _, input in ipairs(t.inputs) do sum = sum + (input.tensor - t.base) * input.weight end
    return t.base + sum * scale
  end,
}
