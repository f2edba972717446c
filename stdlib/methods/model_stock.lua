--- Model Stock: Jang et al. 2024, "Model Stock: all we need is just a few fine-tuned models",
--- https://arxiv.org/abs/2403.19522

local mk = require "mergekit"
local sums = require "mergekit.methods.sums"

-- A product of two lengths counts as this at least, and a denominator below it has no meaning.
local LEAST = 1e-6

return mk.method {
  name = "model_stock",
  pretty_name = "Model Stock",
  reference = "https://arxiv.org/abs/2403.19522",
  description = "Moves from the base towards the models' average by as much as their differences agree.",
  base = "required",
  min_inputs = 2,
  missing = "base_or_skip",
  parameters = { filter_wise = false },
  merge = function(t)
    -- By filters, each row of the last dimension has its own angles.
    local dim = t.filter_wise and #t.shape > 1 and -1 or nil
    local count = #t.inputs
    local deltas, lengths = {}, {}
    for index, input in ipairs(t.inputs) do
      deltas[index] = input.tensor - t.base
      lengths[index] = deltas[index]:norm(dim)
    end
    local cosines = 0
    for i = 1, count do
      for j = i + 1, count do
        local cosine = deltas[i]:dot(deltas[j], dim) / (lengths[i] * lengths[j]):clamp(LEAST)
        cosines = cosines + cosine:clamp(-1, 1)
      end
    end
    local cosine = cosines / (count * (count - 1) / 2)
    local denominator = 1 + (count - 1) * cosine
    -- Differences that cancel say nothing: the base stays.
    local ratio = mk.where(denominator:abs():lt(LEAST), 0, cosine / denominator)
    return t.base + sums.of(deltas) * ratio
  end,
}
