--- The ways in which PEFT 0.21 combines adapters (`add_weighted_adapter`), as functions of lists of tensors: of the factors
--- A and B by themselves, or of the products where the name ends in `_svd`.

local core = require "mergekit.core"
local sums = require "mergekit.methods.sums"

local M = {}

--- The elements of the largest magnitude, ⌊density · n⌋ of them.
local function by_magnitude(tensor, density)
  if density >= 1 then return tensor end
  local count = math.floor(density * tensor.numel)
  if count == 0 then return tensor * 0 end
  return tensor * tensor:abs():topk_mask(count)
end

--- Each element with the probability `density`, and then larger by so much.
local function at_random(tensor, density)
  if density >= 1 then return tensor end
  if density == 0 then return tensor * 0 end
  return tensor * core.bernoulli(density, tensor.shape) / density
end

local function pruned(tensors, densities, prune)
  local list = {}
  for index, tensor in ipairs(tensors) do list[index] = prune and prune(tensor, densities[index]) or tensor end
  return list
end

local function weighted(tensors, weights)
  local list = {}
  for index, tensor in ipairs(tensors) do list[index] = tensor * weights[index] end
  return list
end

--- The sum of weighted tensors.
local function arithmetic(prune)
  return function(tensors, weights, densities) return sums.of(weighted(pruned(tensors, densities, prune), weights)) end
end

--- The mean, for each element, of the weighted tensors that have the sign of the majority: that of the sum without
--- weights, or of the more.
local function with_signs(prune)
  return function(tensors, weights, densities, settings)
    local kept = pruned(tensors, densities, prune)
    local signs, votes = {}, {}
    for index, tensor in ipairs(kept) do
      signs[index] = tensor:sign()
      votes[index] = settings.majority_sign == "frequency" and signs[index] or tensor
    end
    local majority = sums.of(votes):ge(0) * 2 - 1
    local parts, counts = {}, {}
    for index, tensor in ipairs(weighted(kept, weights)) do
      counts[index] = signs[index]:eq(majority)
      parts[index] = tensor * counts[index]
    end
    return sums.of(parts) / sums.of(counts):maximum(1)
  end
end

M.of_factors = {
  linear = { combine = arithmetic() },
  ties = { combine = with_signs(by_magnitude), has_density = true, has_signs = true },
  dare_linear = { combine = arithmetic(at_random), has_density = true },
  dare_ties = { combine = with_signs(at_random), has_density = true, has_signs = true },
  magnitude_prune = { combine = arithmetic(by_magnitude), has_density = true },
}

M.of_products = {}
for name, combination in pairs(M.of_factors) do
  if name ~= "linear" then M.of_products[name .. "_svd"] = combination end
end

return M
