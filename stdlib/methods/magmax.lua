--- MagMax: Marczak et al. 2024, "MagMax: leveraging model merging for seamless continual learning",
--- https://arxiv.org/abs/2407.06322. Where two task vectors are equally large, the later model's element is taken, as
--- in the authors' code; their scripts scale by 0.5, the paper tunes the factor.

local mk = require "mergekit"

return mk.method {
  name = "magmax",
  pretty_name = "MagMax",
  reference = "https://arxiv.org/abs/2407.06322",
  description = "Takes for each element the difference from the base that is largest in magnitude.",
  base = "required",
  parameters = { lambda = 1.0 },
  per_input = { weight = 1.0 },
  merge = function(t)
    local largest
    for _, input in ipairs(t.inputs) do
      local vector = (input.tensor - t.base) * input.weight
      largest = largest and mk.where(vector:abs():ge(largest:abs()), vector, largest) or vector
    end
    return t.base + largest * t.lambda
  end,
}
