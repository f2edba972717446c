-- Abliteration: Arditi et al. 2024, "Refusal in language models is mediated by a single direction",
-- https://arxiv.org/abs/2406.11717. The direction in which the states of two kinds of prompts differ is taken out of every
-- matrix that writes to the residual stream, so that the model cannot go there any more.
--
--   mergekit-lua abliteration.lua OUT

local mk = require "mergekit"

local model = mk.model "models/base"

-- Token ids. With a tokenizer, what a chat template makes of instructions that are refused, and of others:
-- model.tokenizer:encode(text). The paper has 128 of each, and chooses layer and position on further ones.
local refused = { { 1, 5, 9, 3 }, { 1, 7, 12, 30, 4 }, { 1, 8, 8, 21 } }
local others = { { 1, 6, 2, 17 }, { 1, 22, 11, 3 }, { 1, 19, 27, 13, 4 } }

-- What enters the layer after the middle one, at the last position.
local layer = model.num_layers // 2 + 1
local difference = model:hidden_states(refused)[layer]:mean(1) - model:hidden_states(others)[layer]:mean(1)
local row = difference / difference:norm()
local column = row:transpose()

return model:map(function(weight, info)
  -- An embedding has a state in each row; these matrices give one in each column.
  if info.kind == "embedding" then return weight - (weight * row):sum(2) * row end
  if info.name:find("o_proj.weight", 1, true) or info.name:find("down_proj.weight", 1, true) then
    return weight - column * (column * weight):sum(1)
  end
  return weight
end)
