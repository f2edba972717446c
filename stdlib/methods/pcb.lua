--- PCB-Merging: Du et al. 2024, "Parameter competition balancing for model merging",
--- https://arxiv.org/abs/2410.02396. An element's score is how large it is within its own task vector times how far it
--- agrees with the sum of all; the part `density` of the highest scores is kept, as weights of an average.
--
-- Where paper and authors' code differ, this is the code: it scores by exp(N·norm(|τ|)²)·tanh(τ·Σ τ) where the paper
-- has softmaxes, scores are taken relative to the lowest one that is kept, and the ten-thousandth at both ends of the
-- magnitudes is clamped. The code ranks over the whole model, this over each tensor.

local mk = require "mergekit"
local sums = require "mergekit.methods.sums"

-- The part of the magnitudes that is clamped at each end.
local EXTREMES = 0.0001
local LEAST_WEIGHT = 1e-12

--- Elements scaled to 0…1 between two of them; 0 where these are equal.
local function normalized(x, low, high)
  return mk.where(high:gt(low), (x:clamp(low, high) - low) / (high - low), 0)
end

return mk.method {
  name = "pcb",
  pretty_name = "PCB-Merging",
  reference = "https://arxiv.org/abs/2410.02396",
  description = "Averages differences from the base by scores of size and agreement, and drops low ones.",
  base = "required",
  min_inputs = 2,
  parameters = { density = { default = 0.1, range = { 0, 1 } }, lambda = 1.0 },
  merge = function(t)
    local n, count = t.base.numel, #t.inputs
    if n == 0 then return t.base end
    local vectors = {}
    for index, input in ipairs(t.inputs) do vectors[index] = input.tensor - t.base end
    local sum = sums.of(vectors)
    -- As which of the largest an element counts, by its place among all, from the smallest on and from 0.
    local function among_largest(place) return n - math.max(0, math.min(n - 1, math.floor(place))) end
    local function threshold_of(density) return among_largest(n * (1 - density)) end
    local threshold = mk.is_tensor(t.density) and mk.defer({ t.density }, threshold_of, 1) or threshold_of(t.density)
    local lowest, highest = among_largest(n * EXTREMES), among_largest(n * (1 - EXTREMES) - 1)
    local shares = {}
    for index, vector in ipairs(vectors) do
      local low, high = table.unpack(vector:abs():kth_largest { lowest, highest })
      local magnitude = vector:abs():clamp(low, high)
      local strength = normalized(magnitude, low, high)
      local score = (strength * strength * count):exp() * (vector * sum):tanh()
      shares[index] = normalized(score, score:kth_largest(threshold), score:max())
      vectors[index] = vector:sign() * magnitude * shares[index]
    end
    return t.base + sums.of(vectors) / sums.of(shares):clamp(LEAST_WEIGHT) * t.lambda
  end,
}
