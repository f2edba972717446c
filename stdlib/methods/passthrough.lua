--- The one input, or a multiple of it. Layers of several models are stacked by mk.stack.

local mk = require "mergekit"

return mk.method {
  name = "passthrough",
  pretty_name = "Passthrough",
  description = "One model's tensors as they are, or scaled.",
  base = "ignored",
  max_inputs = 1,
  per_input = { scale = { type = "number" } },
  merge = function(t)
    local input = t.inputs[1]
    if input.scale == nil then return input.tensor end
    return input.tensor * input.scale
  end,
}
