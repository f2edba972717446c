-- From experts.yml
local mk = require "mergekit"

local base = mk.model "models/base"
local math_ = mk.model "models/math"
local code = mk.model "org/code@main"

return mk.moe {
  base = base,
  experts = {
    {
      math_,
      positive_prompts = { "What is the integral of x^2?", "A proof by \"induction\":" },
      negative_prompts = { "poem" },
      residual_scale = 5e-1,
    },
    {
      code,
      positive_prompts = {
        [[
def f(x):
  return x
]],
      },
      noise_scale = .01,
    },
  },
  shared_experts = {
    { base, positive_prompts = { "all" } },
  },
  gates = "hidden",
  experts_per_token = 1,
  architecture = "qwen",
  dtype = "bfloat16",
}
