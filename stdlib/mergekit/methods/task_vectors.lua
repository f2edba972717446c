--- What the methods on task vectors share. A task vector is the difference of a model from the base; it is
--- made sparse, weighted, and summed with the others, or with those that agree on an element's sign.
--
-- A mask is a tensor of zeros and ones, or 1 where everything is kept, or 0 where nothing is.

local core = require "mergekit.core"
local sums = require "mergekit.methods.sums"

local M = {}

-- Sums below this are not divided by, as in mergekit 0.1.5.
local LEAST_NORM = 1e-7
local LEAST_WEIGHT = 1e-8

--- What `f` gives for some numbers: now if all are known, else lazily.
local function apply(numbers, results, f)
  for _, number in ipairs(numbers) do
    if core.is_tensor(number) then return core.defer(numbers, f, results) end
  end
  return f(table.unpack(numbers))
end

local function truncated(number) return number < 0 and math.ceil(number) or math.floor(number) end

--- The parameter that says which part of a task vector is kept.
M.density = { default = 1.0, usual = { 0, 1 } }

------------------------------------------------------------------------------------------------
-- Masks

--- Keeps the elements of the largest magnitude: ⌊density · n⌋ of them, and one at least.
function M.largest(delta, input)
  local n = delta.numel
  local count = apply({ input.density }, 1, function(density)
    if density >= 1 then return n end
    if density <= 0 then return 0 end
    return math.min(n, math.max(1, math.floor(density * n)))
  end)
  if count == n then return 1 end
  if count == 0 then return 0 end
  return delta:abs():topk_mask(count)
end

--- Keeps a band of magnitudes: the ⌊density · n⌋ largest below the ⌊gamma · n⌋ greatest, which are outliers.
--- Where fewer are left, the band takes from the outliers, so that density holds.
function M.band(delta, input)
  local n = delta.numel
  local below, upto = apply({ input.density, input.gamma }, 2, function(density, gamma)
    if density >= 1 then return 0, n end
    local kept, outliers = truncated(density * n), truncated(gamma * n)
    local below = math.max(0, n - kept - outliers)
    below = math.min(n, below)
    return below, math.min(n, math.max(below, below + kept))
  end)
  if below == 0 and upto == n then return 1 end
  if type(below) == "number" and below == upto then return 0 end
  -- Counted from the smallest on, and equals from the lower index on, as a stable sort has them.
  local ascending = -delta:abs()
  if below == 0 then return ascending:topk_mask(upto) end
  local masks = ascending:topk_mask { below, upto }
  return masks[2] - masks[1]
end

--- Keeps each element with the probability `density`.
function M.random(delta, input)
  local density = input.density
  if not core.is_tensor(density) then
    if density >= 1 then return 1 end
    if density <= 0 then return 0 end
  end
  return core.bernoulli(density, delta.shape)
end

--- Keeps each element with a probability that grows with the rank of its magnitude in its row, from
--- density − epsilon to density + epsilon. A tensor of one dimension is one row.
function M.by_rank(delta, input)
  local lowest, span = apply({ input.density, input.epsilon }, 2, function(density, epsilon)
    if density >= 1 then return 1, 0 end
    if density <= 0 then return 0, 0 end
    local low, high = density - epsilon, density + epsilon
    if not (low > 0 and low < 1 and high > 0 and high < 1) then
      core.fail(("epsilon %s is too large for density %s: density ± epsilon must lie between 0 and 1")
        :format(epsilon, density))
    end
    return low, high - low
  end)
  if span == 0 and (lowest == 0 or lowest == 1) then return lowest end
  local shape = delta.shape
  local dim = math.min(#shape, 2)
  local width = shape[dim] or 1
  -- The only element of a row has no rank to speak of.
  if width <= 1 then return core.bernoulli(lowest + span / 2, shape) end
  local step = span / (width - 1)
  return (delta:abs():rank(dim) * step + (lowest - step)):bernoulli()
end

------------------------------------------------------------------------------------------------
-- Sums

--- For each of some tensors, 1 where an element has the sign of the sum of all, else 0: the election of TIES,
--- Yadav et al. 2023. A zero has no sign, and a sum of zero counts as positive.
function M.consensus(vectors)
  local majority = sums.of(vectors):ge(0) * 2 - 1
  local masks = {}
  for index, vector in ipairs(vectors) do masks[index] = (vector * majority):gt(0) end
  return masks
end

--- For the methods of Reinforced Agent Merging: the task vectors without changes of `t.epsilon` or less, a
--- mask of what is left of each, and how many models change an element.
function M.changes(t)
  local vectors, masks = {}, {}
  for index, input in ipairs(t.inputs) do
    local delta = input.tensor - t.base
    masks[index] = delta:abs():gt(t.epsilon)
    vectors[index] = delta * masks[index]
  end
  return vectors, masks, sums.of(masks)
end

-- A masked task vector, and the factor that gives it back the L1 norm that it had.
local function masked(delta, mask, rescale)
  if mask == 1 then return delta, 1 end
  local kept = delta * mask
  if not rescale then return kept, 1 end
  local magnitude = delta:abs()
  local before, after = magnitude:sum(), magnitude:dot(mask)
  return kept, core.where(after:lt(LEAST_NORM), 1, before / after)
end

--- The weighted sum of masked task vectors; 0 where nothing of them is kept.
-- @param settings  lists `weights` and what the mask asks for, an entry for each vector; `normalize`, `rescale`,
--   `lambda` and `elect_signs`, whether elements against the majority's sign are left out
-- @param mask_of  gives a mask for a vector and its settings; without it all is kept
function M.combine(deltas, settings, mask_of)
  local vectors, weights, factors, total = {}, {}, {}, 0
  for index, delta in ipairs(deltas) do
    total = total + settings.weights[index]
    local mask = mask_of and mask_of(delta, settings.own[index]) or 1
    if mask ~= 0 then
      local kept = #vectors + 1
      vectors[kept], factors[kept] = masked(delta, mask, settings.rescale)
      weights[kept] = settings.weights[index]
    end
  end
  if #vectors == 0 then return 0 end

  if not settings.elect_signs then
    local scale = settings.lambda
    if settings.normalize then scale = scale / core.where(core.lt(core.abs(total), LEAST_WEIGHT), 1, total) end
    for index, vector in ipairs(vectors) do
      vectors[index] = vector * (weights[index] * factors[index] * scale)
    end
    return sums.of(vectors)
  end

  for index, vector in ipairs(vectors) do vectors[index] = vector * (weights[index] * factors[index]) end
  local shares = {}
  for index, mask in ipairs(M.consensus(vectors)) do
    vectors[index], shares[index] = vectors[index] * mask, mask * weights[index]
  end
  local sum = sums.of(vectors)
  if settings.normalize then
    -- Where nothing agrees, and where the weights of what does cancel, the divisor is 1.
    local divisor = sums.of(shares)
    sum = sum / (divisor + divisor:eq(0))
  end
  return sum * settings.lambda
end

--- The task vectors of a method's argument, times the inputs' weights.
function M.weighted(t)
  local vectors = {}
  for index, input in ipairs(t.inputs) do vectors[index] = (input.tensor - t.base) * input.weight end
  return vectors
end

--- The task vectors of a method's argument.
function M.of(t)
  local vectors = {}
  for index, input in ipairs(t.inputs) do vectors[index] = input.tensor - t.base end
  return vectors
end

return M
