--- A fine-tune of the benchmark's base model: the base and a small task vector, another for each `--seed`.
--
-- Changes are about 1e-3 with heavy tails; bfloat16 leaves many of them equal, and some at nothing, as in real
-- fine-tunes: methods that select must part such ties.

local mk = require "mergekit"

return mk.model("base"):map(function(tensor)
  local heavy = mk.exp(0.7 * mk.randn(tensor.shape))
  return tensor + 8e-4 * mk.randn(tensor.shape) * heavy
end)
