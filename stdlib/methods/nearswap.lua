--- NearSwap: interpolates more strongly where two models are nearer to each other; by Alchemonaut, 2024,
--- https://huggingface.co/alchemonaut/QuartetAnemoi-70B-t0.0001

local mk = require "mergekit"

-- Differences below this count as this.
local LEAST_DIFFERENCE = 1e-6

return mk.method {
  name = "nearswap",
  pretty_name = "NearSwap",
  reference = "https://huggingface.co/alchemonaut/QuartetAnemoi-70B-t0.0001",
  description = "Takes the other model's elements where they differ by t or less, and less of them beyond.",
  base = "required",
  max_inputs = 1,
  missing = "passthrough_base_singleton",
  parameters = { t = { required = true, usual = { 0, math.huge } } },
  merge = function(t)
    local a, b = t.base, t.inputs[1].tensor
    local weight = (t.t / (a - b):abs():clamp(LEAST_DIFFERENCE)):clamp(0, 1)
    return weight * b + (1 - weight) * a
  end,
}
