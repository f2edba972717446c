--- CABS: Yang et al. 2025, "CABS: conflict-aware and balanced sparsification for enhancing model merging",
--- https://arxiv.org/abs/2503.01874. Of every `m` consecutive elements a task vector keeps its `n` largest, one model
--- after another in their order, and takes those first that no model before it has kept.
--
-- Where fewer than n are left, the rest are the largest of those that are taken: the least overlap, as the paper
-- asks. The authors' code for large models does this for two models that each keep three quarters alone; their code
-- for small ones drops what a tensor has behind the last m, of which n are kept here.

local mk = require "mergekit"
local sums = require "mergekit.methods.sums"
local task_vectors = require "mergekit.methods.task_vectors"

--- Masks for the rows of several tensors, [rows, m]: of each row the n largest that no tensor before has kept, and
--- where these are too few, all of them and the largest others.
local function masks_of_rows(magnitudes, counts)
  local m = magnitudes[1].shape[2]
  local masks, taken, free = {}, nil, m
  for index, magnitude in ipairs(magnitudes) do
    local n = math.min(counts[index], m)
    if n <= free then
      -- No magnitude is below zero.
      masks[index] = (taken and mk.where(taken, -1, magnitude) or magnitude):topk_mask(n, 2)
    else
      masks[index] = (1 - taken) + mk.where(taken, magnitude, -1):topk_mask(n - free, 2)
    end
    taken, free = taken and taken:maximum(masks[index]) or masks[index], math.max(0, free - n)
  end
  return masks
end

--- The sum of what several vectors keep, by rows of m elements; what is left over behind the last is a row of its own.
local function sparse_sum(vectors, counts, weights, m)
  local size = vectors[1].numel
  local full = size // m * m
  local sums_of_parts = {}
  for _, part in ipairs { { 1, full, m }, { full + 1, size - full, size - full } } do
    local start, length, width = table.unpack(part)
    if length > 0 then
      local rows, magnitudes = {}, {}
      for index, vector in ipairs(vectors) do
        rows[index] = vector:reshape({ size }):narrow(1, start, length):reshape { -1, width }
        magnitudes[index] = rows[index]:abs()
      end
      for index, mask in ipairs(masks_of_rows(magnitudes, counts)) do
        rows[index] = rows[index] * mask * weights[index]
      end
      sums_of_parts[#sums_of_parts + 1] = sums.of(rows):reshape { length }
    end
  end
  return (#sums_of_parts == 1 and sums_of_parts[1] or mk.cat(sums_of_parts)):reshape(vectors[1].shape)
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
    if t.base.numel == 0 then return t.base end
    local vectors, counts, weights = task_vectors.of(t), {}, {}
    for index, input in ipairs(t.inputs) do
      if input.n > t.m then mk.fail(("n is %d, expected 0 to m, which is %d"):format(input.n, t.m)) end
      counts[index], weights[index] = input.n, input.weight
    end
    return t.base + sparse_sum(vectors, counts, weights, t.m)
  end,
}
