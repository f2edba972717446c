--- CABS: Yang et al. 2025, "CABS: conflict-aware and balanced sparsification for enhancing model merging",
--- https://arxiv.org/abs/2503.01874. Of every `m` consecutive elements a task vector keeps its `n` largest, one model
--- after another in their order, and takes those first that no model before it has kept.
--
-- Where fewer than n are left, the rest are the largest of those that are taken: the least overlap, as the paper asks.
-- The authors' code for large models has this for 75 % sparsity of two models alone; its code for small ones drops what is left over
-- of a tensor behind the last m, of which n are kept here.

local mk = require "mergekit"
local sums = require "mergekit.methods.sums"

--- A tensor as rows of m elements, the last one filled up.
local function rows_of(tensor, m, filling)
  local flat = tensor:reshape { tensor.numel }
  local rest = tensor.numel % m
  if rest > 0 then flat = flat:pad(1, 0, m - rest, filling) end
  return flat:reshape { -1, m }
end

--- 1 for the n elements of each row that come first: those of the lowest class, of one class the largest, and among
--- equals those with the lower index.
local function first_of_rows(magnitude, class, n, m)
  local descending = -magnitude
  -- Ranks are 1 to m.
  if class then descending = descending:rank(2) + class * m end
  return descending:rank(2):le(n)
end

return mk.method {
  name = "cabs",
  pretty_name = "CABS",
  reference = "https://arxiv.org/abs/2503.01874",
  description = "Keeps n of every m elements of each difference from the base, without overlap where it can.",
  base = "required",
  parameters = { m = { type = "integer", default = 256, range = { 1, math.huge } } },
  per_input = { weight = 1.0, n = { type = "integer", default = 64, range = { 0, math.huge } } },
  merge = function(t)
    local numel = t.base.numel
    if numel == 0 then return t.base end
    -- What fills up the last row is a class behind all others, and none if nothing does.
    local class = numel % t.m > 0 and rows_of(mk.zeros { numel }, t.m, 2) or nil
    local vectors = {}
    for index, input in ipairs(t.inputs) do
      if input.n > t.m then mk.fail(("n is %d, expected 0 to m, which is %d"):format(input.n, t.m)) end
      local vector = input.tensor - t.base
      local mask = first_of_rows(rows_of(vector:abs(), t.m, 0), class, input.n, t.m)
      class = class and class:maximum(mask) or mask
      vectors[index] = vector * mask:reshape { -1 }:narrow(1, 1, numel):reshape(t.shape) * input.weight
    end
    return t.base + sums.of(vectors)
  end,
}
