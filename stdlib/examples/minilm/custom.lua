-- A method with reductions and a selection of its own: the larger half of what the sibling changed, scaled
-- back to the length of the whole change.

local mk = require "mergekit"

local larger_half = mk.method {
  name = "larger_half",
  base = "required",
  max_inputs = 1,
  parameters = { lambda = 1.0 },
  merge = function(t)
    local delta = t.inputs[1].tensor - t.base
    local kept = delta * delta:abs():topk_mask(math.ceil(t.base.numel / 2))
    local scale = delta:norm() / mk.maximum(kept:norm(), 1e-12)
    return t.base + t.lambda * scale * kept
  end,
}

return mk.merge {
  method = larger_half,
  base = mk.model "models/all-MiniLM-L6-v2",
  models = { mk.model "models/minilm-sibling" },
  parameters = { lambda = function(info) return 0.5 + 0.5 * info.depth end },
}
