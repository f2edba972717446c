--- Arcee Fusion: takes the elements of a model that matter, by how far its rows' softmax lies from the base's
--- (Arcee 2024, https://arcee.ai).

local mk = require "mergekit"

-- Added to probabilities.
local EPSILON = 1e-8

--- x·(1 + x/2·(1 + x/3·(1 + …))), which is exp(x) − 1 without loss for |x| < 1/4.
local function small_exponential(x)
  local sum = 1 + x * (1 / 6)
  for divisor = 5, 2, -1 do sum = 1 + sum * x * (1 / divisor) end
  return x * sum
end

--- x − log(1 + x) without loss for |x| < 1/4: with s = x / (2 + x), log(1 + x) is 2·(s + s³/3 + s⁵/5 + …),
--- and x − 2s is x·s.
local function small_logarithm_gap(x)
  local s = x / (x + 2)
  local square = s * s
  return s * (x - square * ((square * (1 / 7) + 1 / 5) * square + 1 / 3) * 2)
end

--- The Kullback-Leibler divergence of the softmax of each row of `y` from that of `x`, Σ p·log(p/q).
--
-- Fine-tuned rows are so near to each other that these terms are small differences of large ones, and all but
-- noise in float32. As Σp = Σq, Σ p·(v − log(1 + v)) with v = q/p − 1 is the same sum, of terms of one sign.
local function divergence(x, y)
  local greatest_x, greatest_y = x:max(-1), y:max(-1)
  local exp_x, exp_y = (x - greatest_x):exp(), (y - greatest_y):exp()
  local sum_x, sum_y = exp_x:sum(-1), exp_y:sum(-1)
  local p, q = exp_x / sum_x, exp_y / sum_y
  -- log(q/p), from the numbers themselves.
  local ratio = (greatest_x - greatest_y + (sum_x / sum_y):log()) - (x - y)
  local difference = mk.where(ratio:abs():lt(0.25), p * small_exponential(ratio), q - p)
  local weight = p + EPSILON
  local v = difference / weight
  local gap = mk.where(v:abs():lt(0.25), small_logarithm_gap(v), v - ((q + EPSILON) / weight):log())
  return (weight * gap):sum(-1)
end

return mk.method {
  name = "arcee_fusion",
  pretty_name = "Arcee Fusion",
  reference = "https://arcee.ai",
  description = "Takes the most important elements of a model into the base.",
  base = "required",
  max_inputs = 1,
  missing = "passthrough_singleton",
  merge = function(t)
    local n = t.base.numel
    if n == 0 then return t.base end
    local shape = t.shape
    local base, model = t.base, t.inputs[1].tensor
    if #shape == 0 then base, model = base:reshape { 1 }, model:reshape { 1 } end
    local difference = model - base
    local importance = difference:abs() * divergence(model, base)
    local function nth_smallest(index) return n - index end
    local quartiles = importance:kth_largest {
      nth_smallest((n - 1) // 4), nth_smallest((n - 1) // 2), nth_smallest(3 * (n - 1) // 4),
    }
    local threshold = quartiles[2] + 1.5 * (quartiles[3] - quartiles[1])
    local result = base + difference * importance:ge(threshold)
    return #shape == 0 and result:reshape(shape) or result
  end,
}
