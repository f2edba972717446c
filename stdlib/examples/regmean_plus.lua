-- RegMean++: Nguyen et al. 2025, "RegMean++: enhancing effectiveness and generalization of regression mean for model
-- merging", https://arxiv.org/abs/2508.03121. As `regmean`, but what enters a layer comes from the merged layers
-- before it and not from each model's own: a merge is measured while it is half made.
--
-- For each layer, every model reads its prompts once more, with the merged tensors in the place of its own below that
-- layer; so models of L layers are run L times each. Prompts are lists of token ids; model.tokenizer:encode makes them
-- of texts. A few dozen tokens are a demonstration; real ones have as many positions as matrices have columns or more.
--
--   mergekit-lua regmean_plus.lua OUT

local mk = require "mergekit"

local models = { mk.model "models/math", mk.model "models/code" }
local prompts = {
  { { 3, 1, 4, 15, 9, 2, 6, 5, 30, 8 }, { 27, 18, 28, 4, 5, 9, 0, 4, 5 } },
  { { 1, 6, 18, 0, 3, 9, 8, 8, 7, 4, 9 }, { 14, 14, 2, 13, 5, 6, 2, 3 } },
}

-- By model, what is known of the inputs of its layers so far.
local grams = {}
for index in ipairs(models) do grams[index] = {} end

local inputs = {}
for index, model in ipairs(models) do
  inputs[index] = { model, gram = function(t) return grams[index][t.name] end }
end
local merged = mk.merge {
  method = "regmean", models = inputs, parameters = { reduction = 0.9, ridge = 0.01 }, dtype = "bfloat16",
}

-- Held here, a merged tensor is computed once for all runs that it takes part in, and for the output.
local made = {}
local function make(is_ready)
  for name, tensor in merged:tensors() do
    if not made[name] and is_ready(name) then made[name] = tensor end
  end
end

local function layer_of(name) return tonumber(name:match "layers%.(%d+)%.") end

make(function(name) return name:find("embed", 1, true) ~= nil end)
for layer = 0, merged.num_layers - 1 do
  for index, model in ipairs(models) do
    local half_made = model:map(function(tensor, info) return made[info.name] or tensor end)
    local seen = half_made:inputs(prompts[index], { statistic = "gram" })
    for name, gram in seen:tensors() do
      if layer_of(name) == layer then grams[index][name] = gram end
    end
  end
  make(function(name) return layer_of(name) == layer end)
end
return merged
