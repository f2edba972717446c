--- The task vector of every matrix of the layers as two factors of rank 64, by a randomised singular value
--- decomposition: what an adapter that is extracted from a fine-tune holds.

local mk = require "mergekit"
local base, tuned = mk.model "base", mk.model "math"
local rank = 64

local names, parts = {}, {}
for name, tensor in tuned:tensors() do
  if tensor.ndim == 2 and name:find("layers.", 1, true) then
    for part, shape in pairs { a = { rank, tensor.shape[2] }, b = { tensor.shape[1], rank } } do
      local key = name:gsub("weight$", "lora_" .. part)
      names[#names + 1] = key
      parts[key] = { name = name, part = part, shape = shape }
    end
  end
end
table.sort(names)

return mk.define_model {
  label = "adapter", names = names, like = base, sources = { base, tuned }, dtype = "bfloat16",
  specify = function(key) return { shape = parts[key].shape, dtype = "bfloat16" } end,
  build = function(key)
    local name = parts[key].name
    local u, s, vt = (tuned:tensor(name) - base:tensor(name)):svd { rank = rank }
    local root = s:sqrt()
    if parts[key].part == "b" then return u * root end
    return vt * root:reshape { rank, 1 }
  end,
}
