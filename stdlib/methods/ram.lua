--- Reinforced Agent Merging: 2026, https://arxiv.org/abs/2601.13572

local mk = require "mergekit"
local sums = require "mergekit.methods.sums"
local task_vectors = require "mergekit.methods.task_vectors"

return mk.method {
  name = "ram",
  pretty_name = "Reinforced Agent Merging",
  reference = "https://arxiv.org/abs/2601.13572",
  description = "Sums the differences that one model alone has, and averages those that several have.",
  base = "required",
  min_inputs = 0,
  parameters = { epsilon = { default = 1e-5, usual = { 0, math.huge } } },
  merge = function(t)
    if #t.inputs == 0 then return t.base end
    local vectors, _, count = task_vectors.changes(t)
    return t.base + sums.of(vectors) / count:clamp(1)
  end,
}
