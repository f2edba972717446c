--- Spherical linear interpolation between two models' tensors, seen as vectors: Shoemake 1985,
--- "Animating rotation with quaternion curves", https://en.wikipedia.org/wiki/Slerp

local mk = require "mergekit"

-- Beyond this cosine the vectors are taken as parallel, as mergekit 0.1.5 does.
local PARALLEL = 0.9995
local TINY = 1e-8

return mk.method {
  name = "slerp",
  pretty_name = "SLERP",
  reference = "https://en.wikipedia.org/wiki/Slerp",
  description = "Interpolates along the arc from the base (t = 0) to the other model (t = 1).",
  base = "required",
  min_inputs = 1,
  max_inputs = 1,
  missing = "passthrough_singleton",
  parameters = { t = { required = true, usual = { 0, 1 } } },
  merge = function(t)
    local a, b, fraction = t.base, t.inputs[1].tensor, t.t
    local function length(x)
      local norm = x:norm()
      return mk.where(norm:gt(TINY), norm, 1)
    end
    local cosine = (a:dot(b) / (length(a) * length(b))):clamp(-1, 1)
    local parallel = cosine:abs():gt(PARALLEL)
    local angle = mk.where(parallel, 0, cosine):acos()
    local sine = angle:sin()
    local weight_a = mk.where(parallel, 1 - fraction, ((1 - fraction) * angle):sin() / sine)
    local weight_b = mk.where(parallel, fraction, (fraction * angle):sin() / sine)
    return weight_a * a + weight_b * b
  end,
}
