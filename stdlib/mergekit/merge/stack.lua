--- `mk.stack` of layers: a model whose layers come from several models, one slice after the other. It is a merge
--- of slices with one source each, by the method passthrough.

local core = require "mergekit.core"
local methods = require "mergekit.methods.method"
local merge = require "mergekit.merge"

local options = { "dtype", "name", "module" }

--- Stacks `{ model, layers = { first, last } }` and models whole.
return function(list)
  local slices = {}
  for key, entry in pairs(list) do
    if math.type(key) == "integer" then
      local where = ("stack[%d]"):format(key)
      if core.is_model(entry) then entry = { entry } end
      if type(entry) ~= "table" or not core.is_model(entry[1]) then
        core.fail(where .. ": expected { model, layers = { first, last } }")
      end
      methods.check_keys(entry, { 1, "layers" }, where)
      slices[key] = { sources = { entry } }
    elseif key ~= "dtype" and key ~= "name" and key ~= "module" then
      core.fail("stack: " .. methods.unknown("field", key, options))
    end
  end
  if #slices == 0 then core.fail("stack: expected at least one { model, layers = { first, last } }") end
  return merge.run({
    method = "passthrough", slices = slices, dtype = list.dtype, name = list.name or "stack of layers",
    module = list.module,
  }, function(path)
    path = path:gsub("^slices(%[%d+%])%.sources%[1%]", "%1"):gsub("^slices", "")
    return "stack" .. path:gsub("^%a", ": %0")
  end)
end
