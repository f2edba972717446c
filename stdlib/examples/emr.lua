-- EMR-Merging: Huang et al. 2024, https://arxiv.org/abs/2405.17461. Several fine-tunes in little more room than one: a model
-- that stands for all, and for each of them a mask of a byte an element and a number. Each is made again, when it is wanted,
-- of the model that stands for all:
--
--   local base, unified, mask = mk.model "models/base", mk.model "OUT/unified", mk.model "OUT/math"
--   return base:map(function(tensor, info)
--     local elected, kept = unified:tensor(info.name) - tensor, mask:tensor(info.name):to "float32"
--     return tensor + elected * kept * tonumber(mask.metadata.rescaler)
--   end)
--
--   mergekit-lua emr.lua OUT

local mk = require "mergekit"

local base = mk.model "models/base"
local tuned = { math = mk.model "models/math", code = mk.model "models/code" }
local order = { "math", "code" }

--- The task vectors of a tensor, the one that stands for all, and a mask for each.
local function elected(name)
  local vectors = {}
  for index, key in ipairs(order) do vectors[index] = tuned[key]:tensor(name) - base:tensor(name) end
  return vectors, mk.emr(vectors)
end

--- The factor that gives back a model's change its L1 norm over all tensors. Computed now, as headers come first.
local function rescaler(index)
  local before, kept = 0, 0
  for name in base:tensors() do
    local vectors, unified, masks = elected(name)
    before, kept = before + vectors[index]:abs():sum(), kept + (unified * masks[index]):abs():sum()
  end
  return (before / kept):item()
end

local results = {
  unified = base:map(function(tensor, info) return tensor + select(2, elected(info.name)) end),
}
for index, key in ipairs(order) do
  results[key] = mk.define_model {
    label = "mask of " .. key, names = base:names(), like = base, sources = { base, tuned[key] },
    metadata = { rescaler = rescaler(index) },
    build = function(name) return select(3, elected(name))[index]:to "bool" end,
  }
end
return results
