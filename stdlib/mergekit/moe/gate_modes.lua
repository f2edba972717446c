--- The modes that `gates` of `mk.moe` names: what a gate's rows, one for each expert, are made of. A function of one's
--- own has the same at hand; see `mk.gate_context` in stdlib/meta/mergekit.lua.

local core = require "mergekit.core"

local M = {}

local smallest_norm = 1e-8

local function normalized(row) return row / core.maximum(row:norm(), smallest_norm) end

--- A row for each expert: what `pool` makes of its prompts, less what it makes of those that are not for it,
--- of length 1.
local function rows(g, pool)
  local list = {}
  for index, expert in ipairs(g.experts) do
    local row = pool(expert.positive_prompts)
    if #expert.negative_prompts > 0 then row = row - pool(expert.negative_prompts) end
    list[index] = normalized(row)
  end
  return core.cat(list, 1)
end

local function hidden(pool)
  return function(g)
    return rows(g, function(prompts) return g:hidden(prompts, { pool = pool }):mean(1) end)
  end
end

--- What enters the layer at each prompt's last token, when the base model reads it.
M.hidden = hidden("last")
M.hidden_last = M.hidden

--- The mean of what enters the layer over all tokens of a prompt.
M.hidden_avg = hidden("mean")

--- The sum of the embeddings of all tokens of the prompts, the same for each layer.
function M.cheap_embed(g)
  return rows(g, function(prompts) return normalized(g:embed(prompts, { pool = "sum" }):sum(1)) end)
end

--- Normal, of variance 1.
function M.random(g) return core.randn { g.num_experts, g.hidden_size } end

--- Uniform within ±1/√hidden_size, as PyTorch begins with.
function M.uniform_random(g)
  local bound = math.sqrt(1 / g.hidden_size)
  return core.rand { g.num_experts, g.hidden_size } * (2 * bound) - bound
end

return M
