-- Git Re-Basin: Ainsworth et al. 2022, "Git re-basin: merging models modulo permutation symmetries",
-- https://arxiv.org/abs/2209.04836. The units of an MLP can stand in any order; before two models are averaged, those of
-- the second are put into the order in which they are most alike the first one's, by weight matching.
--
-- Models of one base have their units in one order: this is for models that were trained apart. The paper, and its
-- code, have permutations of MLPs, of VGG and of ResNets, and none of attention: heads, and the residual stream that
-- all layers share, stay as they are here.
--
--   mergekit-lua rebasin.lua OUT

local mk = require "mergekit"

local first, second = mk.model "models/math", mk.model "models/code"

local function parts(model, layer)
  local function weight(part) return model:tensor(("model.layers.%d.mlp.%s.weight"):format(layer, part)) end
  return weight "gate_proj", weight "up_proj", weight "down_proj"
end

--- For each unit of the first model's MLP, the one of the second's that goes with it.
local function order(layer)
  local gate, up, down = parts(first, layer)
  local other_gate, other_up, other_down = parts(second, layer)
  return mk.assign(
    gate:matmul(other_gate:transpose()) + up:matmul(other_up:transpose()) + down:transpose():matmul(other_down))
end

local aligned = second:map(function(tensor, info)
  if not info.name:find("mlp", 1, true) then return tensor end
  return tensor:index_select(info.name:find("down_proj", 1, true) and 2 or 1, order(info.layer))
end)

return mk.merge {
  method = "linear", models = { { first, weight = 0.5 }, { aligned, weight = 0.5 } }, dtype = "bfloat16",
}
