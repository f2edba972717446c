--- Factors of rank 16 for every matrix of the layers, as an adapter has them: what low_rank.lua adds.

local mk = require "mergekit"
local base = mk.model "base"
local rank = 16

local names, shapes = {}, {}
for name, tensor in base:tensors() do
  if tensor.ndim == 2 and name:find("layers.", 1, true) then
    for part, shape in pairs { a = { rank, tensor.shape[2] }, b = { tensor.shape[1], rank } } do
      local key = name:gsub("weight$", "lora_" .. part)
      names[#names + 1], shapes[key] = key, shape
    end
  end
end
table.sort(names)

return mk.define_model {
  label = "factors", names = names, like = base, sources = { base }, dtype = "bfloat16",
  specify = function(key) return { shape = shapes[key], dtype = "bfloat16" } end,
  build = function(key) return 0.01 * mk.randn(shapes[key]) end,
}
