--- What is wrong with a mixture of experts before its tensors are looked at.

local attempt = require "mergekit.attempt"
local places = require "mergekit.places"

local M = {}

local fail = places.failing "moe"

function M.counts(m)
  if #m.experts == 0 then fail("experts", "expected at least one expert") end
  if #m.experts < m.experts_per_token then
    fail("experts_per_token", ("%d experts are to run for each token, and there %s %d")
      :format(m.experts_per_token, #m.experts == 1 and "is" or "are", #m.experts))
  end
end

local function all_experts(m)
  local list = { table.unpack(m.experts) }
  for _, expert in ipairs(m.shared_experts) do list[#list + 1] = expert end
  return list
end

-- Whether experts differ in what their tensors are made by.
local function is_as_it_is(expert)
  return (expert.noise_scale or 0) == 0 and (expert.residual_scale or 1) == 1
end

--- Models of one type, and not all of them the same one.
function M.models(m)
  for _, expert in ipairs(all_experts(m)) do
    local kind = expert.model.config.model_type
    if kind ~= m.base_config.model_type then
      fail(expert.path, ("model '%s' is of type %s, and the base '%s' of type %s: all must be of one")
        :format(expert.model.name, kind, m.base.name, m.base_config.model_type))
    end
  end
  -- A random gate is for models that are trained further.
  if m.allow_all_same or m.mode.is_random or #m.experts == 1 then return end
  for _, expert in ipairs(m.experts) do
    if expert.model ~= m.experts[1].model or not is_as_it_is(expert) then return end
  end
  fail("experts", ("all are model '%s', so the result computes what that one does, for more memory; "
    .. "to train it further, say so by allow_all_same = true, or "
    .. "--i-understand-this-is-not-useful-without-training"):format(m.experts[1].model.name))
end

local function is_same_list(a, b)
  if #a ~= #b then return false end
  for index, value in ipairs(a) do
    if value ~= b[index] then return false end
  end
  return true
end

--- Prompts where the gates are made of them.
function M.prompts(m, architecture)
  if not m.mode.needs_prompts then return end
  local gated = architecture.shared_gate and all_experts(m) or m.experts
  for _, expert in ipairs(gated) do
    if #expert.positive_prompts == 0 then
      fail(expert.path, ("expected positive_prompts, of which gates '%s' are made"):format(m.mode.name))
    end
  end
  if #m.experts > 1 then
    local first, differs = m.experts[1], false
    for _, expert in ipairs(m.experts) do
      differs = differs or not is_same_list(expert.positive_prompts, first.positive_prompts)
        or not is_same_list(expert.negative_prompts, first.negative_prompts)
    end
    if not differs then
      fail("experts", "the prompts of all are the same, so no gate can tell them apart: expected for each what it is for")
    end
  end
  -- Found now, and not after half of the output is written.
  m.tokenizer = attempt(function(why) fail("base", { ("gates '%s' need its tokenizer: "):format(m.mode.name), why }) end,
    function() return m.base.tokenizer end)
end

return M
