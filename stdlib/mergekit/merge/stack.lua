--- `mk.stack` of layers: a model whose layers come from several models, one slice after the other. It is a merge
--- of slices with one source each, by the method passthrough.

local core = require "mergekit.core"
local methods = require "mergekit.methods.method"
local merge = require "mergekit.merge"
local places = require "mergekit.places"

local options = { "dtype", "name", "module" }

--- Stacks `{ model, layers = { first, last } }` and models whole.
return function(list)
  local slices = {}
  for key, entry in pairs(list) do
    if math.type(key) == "integer" then
      local where = places("stack", ("[%d]"):format(key))
      if core.is_model(entry) then entry = { entry } end
      if type(entry) ~= "table" or not core.is_model(entry[1]) then
        core.fail("expected { model, layers = { first, last } }", where)
      end
      methods.check_keys(entry, { 1, "layers" }, where)
      slices[key] = { sources = { entry } }
    elseif key ~= "dtype" and key ~= "name" and key ~= "module" then
      core.fail(methods.unknown("field", key, options), places("stack", ""))
    end
  end
  if #slices == 0 then core.fail("expected at least one { model, layers = { first, last } }", places("stack", "")) end
  return merge.run({
    method = "passthrough", slices = slices, dtype = list.dtype, name = list.name or "stack of layers",
    module = list.module,
  }, function(path)
    -- What is wrong with a slice is wrong with its one source.
    path = path:gsub("^slices(%[%d+%])%.sources%[1%]", "%1"):gsub("^slices", "")
    return places("stack", path)
  end)
end
