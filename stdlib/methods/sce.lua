--- SCE (select, calculate, erase): Wan et al. 2024, "FuseChat: knowledge fusion of chat models",
--- https://arxiv.org/abs/2408.07990

local mk = require "mergekit"
local sums = require "mergekit.methods.sums"
local task_vectors = require "mergekit.methods.task_vectors"

-- Below it, the models' shares are equal; and no sum of shares that agree counts as less.
local LEAST_SHARE = 1e-6

local function rounded_to_float32(number) return (string.unpack("<f", string.pack("<f", number))) end

--- 1 for the elements that differ most between the task vectors: the part `fraction` of those that differ.
local function select_elements(vectors, fraction)
  local n = vectors[1].numel
  if fraction == 0 or #vectors == 1 then return mk.zeros(vectors[1].shape) end
  -- The variance but for a factor. Differences from the first vector keep it zero where all are equal.
  local differences, squares = {}, {}
  for index = 2, #vectors do
    local difference = vectors[index] - vectors[1]
    differences[index - 1], squares[index - 1] = difference, difference * difference
  end
  local sum = sums.of(differences)
  local spread = sums.of(squares) - sum * sum * (1 / #vectors)
  local count = mk.defer({ spread:count_nonzero(), fraction }, function(differing, part)
    -- mergekit 0.1.5 multiplies in float32, which can reach a whole number that the product falls short of.
    local product = rounded_to_float32(rounded_to_float32(differing) * rounded_to_float32(part))
    return math.max(0, math.min(n, math.floor(product)))
  end, 1)
  return spread:topk_mask(count)
end

return mk.method {
  name = "sce",
  pretty_name = "SCE",
  reference = "https://arxiv.org/abs/2408.07990",
  description = "Selects the elements that vary most, weighs models by energy, and erases minority signs.",
  base = "required",
  min_inputs = 0,
  parameters = { int8_mask = false, select_topk = { default = 1.0, usual = { 0, 1 } } },
  merge = function(t)
    if #t.inputs == 0 then return t.base end
    local vectors = {}
    for index, input in ipairs(t.inputs) do vectors[index] = input.tensor - t.base end
    if mk.is_tensor(t.select_topk) or t.select_topk < 1 then
      local fraction = mk.minimum(mk.maximum(t.select_topk, 0), 1)
      local mask = select_elements(vectors, fraction)
      for index, vector in ipairs(vectors) do vectors[index] = vector * mask end
    end

    local energies, total = {}, 0
    for index, vector in ipairs(vectors) do
      energies[index] = (vector * vector):mean()
      total = total + energies[index]
    end
    local is_small = mk.lt(total, LEAST_SHARE)
    local shares = {}
    for index, mask in ipairs(task_vectors.consensus(vectors)) do
      shares[index] = mask * mk.where(is_small, 1 / #vectors, energies[index] / total)
      vectors[index] = vectors[index] * shares[index]
    end
    return t.base + sums.of(vectors) / sums.of(shares):clamp(LEAST_SHARE)
  end,
}
