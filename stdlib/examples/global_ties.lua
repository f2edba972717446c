-- TIES with one threshold for the whole model, as its authors trim (Yadav et al. 2023, https://arxiv.org/abs/2306.01708):
-- the built-in method keeps the same part of every tensor, this one as much of each as is large beside all others.
--
--   mergekit-lua global_ties.lua OUT

local mk = require "mergekit"

local base, math_, code = mk.model "models/base", mk.model "models/math", mk.model "models/code"
local density = 0.2

--- The magnitude that the part `density` of all elements of a task vector reaches. One number for the whole model, so
--- it is computed now, in a pass over both models.
local function threshold(model)
  local magnitudes = {}
  for name, tensor in base:tensors() do
    magnitudes[#magnitudes + 1] = (model:tensor(name) - tensor):abs():reshape { -1 }
  end
  local all = mk.cat(magnitudes)
  return all:kth_largest(math.max(1, math.floor(density * all.numel))):item()
end

local thresholds = { threshold(math_), threshold(code) }

return mk.merge {
  base = base,
  models = { math_, code },
  method = mk.method {
    name = "global_ties",
    base = "required",
    merge = function(t)
      local vectors = {}
      for index, input in ipairs(t.inputs) do
        local vector = input.tensor - t.base
        vectors[index] = vector * vector:abs():ge(thresholds[index])
      end
      return t.base + mk.ties(vectors)
    end,
  },
}
