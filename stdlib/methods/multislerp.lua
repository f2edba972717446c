--- Multi-SLERP: barycentric interpolation of any number of models on a sphere; Goddard 2025,
--- https://goddard.blog/posts/multislerp-wow-what-a-cool-idea

local mk = require "mergekit"
local gram_of = require "mergekit.methods.gram"
local sums = require "mergekit.methods.sums"

-- What rounding leaves of a mean direction that should vanish, for weights that sum to 1.
local NOISE = 3e-8

--- The factors by which the inputs enter the result.
local function coefficients(gram, weights, eps)
  local count = #gram
  -- The mean of the directions, as factors of the inputs, and its length.
  local mean, longest, average, weight_size = {}, 0, 0, 0
  for i = 1, count do
    local length = math.sqrt(gram[i][i])
    mean[i] = weights[i] / (length + eps)
    longest, average = math.max(longest, length), average + length * weights[i]
    weight_size = weight_size + math.abs(weights[i])
  end
  local square = 0
  for i = 1, count do
    for j = 1, count do square = square + mean[i] * mean[j] * gram[i][j] end
  end
  -- NaN goes on to the result.
  local mean_length = math.sqrt(square < 0 and 0 or square)

  if longest == 0 then return table.unpack(weights) end
  if mean_length < math.max(eps, NOISE * weight_size) then
    if count == 2 then return table.unpack(weights) end
    mk.fail("the models' directions cancel out (as a and -a do, weighted alike): other weights are needed")
  end
  -- In the tangent space at the mean, the directions' weighted sum vanishes: the mean itself is the result.
  -- eps is added to that sum's length.
  local scale = average * math.cos(eps) / mean_length
  for i = 1, count do mean[i] = mean[i] * scale end
  return table.unpack(mean)
end

return mk.method {
  name = "multislerp",
  pretty_name = "Multi-SLERP",
  reference = "https://goddard.blog/posts/multislerp-wow-what-a-cool-idea",
  description = "Interpolates between models on a sphere around the base, or around zero without one.",
  base = "optional",
  parameters = { normalize_weights = true, eps = 1e-8 },
  per_input = { weight = mk.required },
  merge = function(t)
    if #t.inputs == 1 then return t.inputs[1].tensor end
    local total = t.normalize_weights and sums.weights(t.inputs) or 1
    local vectors, numbers = {}, {}
    for index, input in ipairs(t.inputs) do
      vectors[index] = t.base and input.tensor - t.base or input.tensor
      numbers[index] = input.weight / total
    end
    numbers[#numbers + 1] = t.eps
    local factors = { gram_of(vectors, numbers, #vectors, function(gram, known)
      local eps = table.remove(known)
      return coefficients(gram, known, eps)
    end) }
    for index, vector in ipairs(vectors) do vectors[index] = vector * factors[index] end
    local sum = sums.of(vectors)
    return t.base and t.base + sum or sum
  end,
}
