--- NuSLERP, of mergekit: spherical linear interpolation (Shoemake 1985, "Animating rotation with quaternion
--- curves", https://en.wikipedia.org/wiki/Slerp) of two models or of their differences from a base, as whole
--- tensors or by rows or columns

local mk = require "mergekit"

local LEAST_LENGTH = 1e-7
local LEAST_WEIGHT = 1e-6
-- Squared sines below this are zero in float32, in which mergekit 0.1.5 asks for vectors of one line.
local LEAST_SQUARED_SINE = 2 ^ -25

return mk.method {
  name = "nuslerp",
  pretty_name = "NuSLERP",
  reference = "https://en.wikipedia.org/wiki/Slerp",
  description = "Interpolates along the arc between two models, by their weights.",
  base = "optional",
  min_inputs = 2,
  max_inputs = 2,
  missing = "passthrough_singleton",
  parameters = { nuslerp_row_wise = false, nuslerp_flatten = true },
  per_input = { weight = mk.required },
  merge = function(t)
    local first, second = t.inputs[1], t.inputs[2]
    local total = first.weight + second.weight
    local part = mk.where(mk.lt(mk.abs(total), LEAST_WEIGHT), 0.5, second.weight / total)
    local a, b = first.tensor, second.tensor
    if t.base then a, b = a - t.base, b - t.base end

    -- `nuslerp_row_wise` takes vectors along the first dimension, as in mergekit 0.1.5.
    local dim
    if not t.nuslerp_flatten and #t.shape > 0 then dim = t.nuslerp_row_wise and 1 or -1 end
    local cosine = a:dot(b, dim) / (a:norm(dim):clamp(LEAST_LENGTH) * b:norm(dim):clamp(LEAST_LENGTH))
    cosine = cosine:clamp(-1, 1)
    local is_line = (1 - cosine * cosine):le(LEAST_SQUARED_SINE)
    local angle = mk.where(is_line, 0, cosine):acos()
    local sine = angle:sin()
    local weight_a = mk.where(is_line, 1 - part, ((1 - part) * angle):sin() / sine)
    local weight_b = mk.where(is_line, part, (part * angle):sin() / sine)
    local result = weight_a * a + weight_b * b
    return t.base and t.base + result or result
  end,
}
