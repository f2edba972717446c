--- Reinforced Agent Merging Plus, with its factors from each tensor by itself: 2026,
--- https://arxiv.org/abs/2601.13572

local mk = require "mergekit"
local sums = require "mergekit.methods.sums"
local task_vectors = require "mergekit.methods.task_vectors"

return mk.method {
  name = "ramplus_tl",
  pretty_name = "Reinforced Agent Merging Plus (Tensor-Local)",
  reference = "https://arxiv.org/abs/2601.13572",
  description = "Like ram, with what one model alone has made stronger the more of that model is shared.",
  base = "required",
  min_inputs = 0,
  parameters = { r = 0.1, alpha = 0.2, epsilon = { default = 1e-5, usual = { 0, math.huge } } },
  merge = function(t)
    if #t.inputs == 0 then return t.base end
    local vectors, masks, count = task_vectors.changes(t)
    local is_unique = count:le(1)
    local stronger = {}
    for index, vector in ipairs(vectors) do
      local unique_count = (masks[index] * is_unique):sum()
      local shared_count = masks[index]:sum() - unique_count
      local ratio = shared_count / mk.maximum(unique_count, t.epsilon)
      stronger[index] = vector * (1 + t.r * mk.minimum(mk.maximum(ratio, 0), t.alpha))
    end
    return t.base + mk.where(is_unique, sums.of(stronger), sums.of(vectors) / count)
  end,
}
