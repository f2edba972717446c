--- What `tokenizer` of a merge says. Vocabularies are not merged yet: they must be the same, and then any choice of them
--- is the same choice.

local core = require "mergekit.core"
local methods = require "mergekit.method"

local M = {}

local fields = { "source", "tokens", "pad_to_multiple_of" }

local function check_source(source, fail)
  if core.is_model(source) or source == "union" or source == "base" then return end
  local found = type(source) == "string" and ("'%s'"):format(source) or type(source)
  fail("tokenizer", ("expected 'union', 'base' or a model, got %s"):format(found))
end

--- Fails unless the models' vocabularies are the same, if a tokenizer was asked for.
--
-- @param given  "union", "base", a model, or { source =, tokens =, pad_to_multiple_of = }; nil for nothing
-- @param models  the models of the merge
-- @param fail  fails with a path and words
function M.check(given, models, fail)
  if given == nil then return end
  if type(given) == "table" then
    methods.check_keys(given, fields, "merge: tokenizer")
    check_source(given.source or "union", fail)
    for _, field in ipairs { "tokens", "pad_to_multiple_of" } do
      if given[field] ~= nil then
        fail("tokenizer." .. field, "tokens of the vocabulary cannot be changed yet: leave it out")
      end
    end
    given = given.source or "union"
  else
    check_source(given, fail)
  end
  local first
  local all = { table.unpack(models) }
  if core.is_model(given) then all[#all + 1] = given end
  for _, model in ipairs(all) do
    if not model:has_vocabulary() then
      warn(("tokenizer: model '%s' has no tokenizer, so its vocabulary is not checked"):format(model.name))
    elseif not first then
      first = model
    else
      local difference = first:vocabulary_difference(model)
      if difference then
        fail("tokenizer", ("the vocabularies differ, and merging vocabularies is not there yet: %s"):format(difference))
      end
    end
  end
end

return M
