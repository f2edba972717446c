--- The election, the masks and the rescalers of EMR-Merging: Huang et al. 2024, "EMR-Merging: tuning-free
--- high-performance model merging", https://arxiv.org/abs/2405.17461.

local core = require "mergekit.core"
local sums = require "mergekit.methods.sums"

--- For task vectors: one that stands for all; for each a mask of the elements on whose sign it agrees with that one;
--- and for each the factor that gives the masked one the vector's own L1 norm, a lazy number.
--
-- Where signs cancel exactly, nothing is elected, as in the paper; the authors' code takes the negative side.
return function(vectors)
  local sign, largest, masks, rescalers = sums.of(vectors):sign(), nil, {}, {}
  for index, vector in ipairs(vectors) do
    masks[index] = (vector * sign):gt(0)
    local magnitude = vector:abs() * masks[index]
    largest = largest and largest:maximum(magnitude) or magnitude
  end
  local unified = largest * sign
  for index, vector in ipairs(vectors) do
    local kept = largest:dot(masks[index])
    rescalers[index] = core.where(kept:gt(0), vector:abs():sum() / kept, 1)
  end
  return unified, masks, rescalers
end
