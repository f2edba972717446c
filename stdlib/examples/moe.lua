-- A mixture of experts with a gate of one's own: a row of the gate is the direction in which the expert's MLP departs
-- from the base's, so that tokens which have it go there. Gates of prompts are a mode's name: gates = "hidden".
--
--   mergekit-lua moe.lua OUT

local mk = require "mergekit"

local base, math_, code = mk.model "models/base", mk.model "models/math", mk.model "models/code"

local function gates(g)
  local name = ("model.layers.%d.mlp.gate_proj.weight"):format(g.layer)
  local rows = {}
  for index, expert in ipairs(g.experts) do
    local departure = (expert.model:tensor(name) - g.base:tensor(name)):sum(1)
    rows[index] = departure / (departure:norm() + 1e-8)
  end
  return mk.cat(rows, 1)
end

return mk.moe {
  base = base,
  experts = {
    math_,
    -- Any lazy model can be one: this is a merge.
    mk.merge { method = "slerp", base = base, models = { code }, parameters = { t = 0.7 } },
  },
  gates = gates,
  experts_per_token = 1,
  dtype = "bfloat16",
}
