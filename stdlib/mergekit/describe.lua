--- What methods are, in words for `mergekit-lua methods` and as tables for the translator of configs.

local core = require "mergekit.core"
local methods = require "mergekit.methods.method"
local settings = require "mergekit.merge.settings"

local M = {}

local base_words = {
  required = "needs a base model", optional = "takes a base model", ignored = "no base model",
}

local function parameter_text(parameter)
  if parameter.type == "tensor" then
    return ("%s (a model with tensors for it, %s)"):format(parameter.name, parameter.required and "required" or "optional")
  end
  local range = parameter.range and ", " .. settings.range_words(parameter.range)
    or parameter.usual and ", usually " .. settings.range_words(parameter.usual) or ""
  if parameter.required then return parameter.name .. " (required)" .. range end
  if parameter.default == nil then return parameter.name .. " (optional)" .. range end
  return ("%s = %s"):format(parameter.name, tostring(parameter.default)) .. range
end

local function count_text(method)
  local low, high = method.min_inputs, method.max_inputs
  if low == high then return ("%d model%s"):format(low, low == 1 and "" or "s") end
  if high == math.huge then return ("%d or more models"):format(low) end
  return ("%d to %d models"):format(low, high)
end

local function print_method(method)
  print(method.name .. (method.pretty_name ~= method.name and (" (%s)"):format(method.pretty_name) or ""))
  if method.description then print("  " .. method.description) end
  print(("  %s, %s"):format(count_text(method), base_words[method.base]))
  for _, parameter in ipairs(method.parameters) do print("  " .. parameter_text(parameter)) end
  for _, parameter in ipairs(method.per_input) do print("  each model: " .. parameter_text(parameter)) end
  if method.reference then print("  " .. method.reference) end
end

--- Prints one method.
function M.method(name) print_method(methods.resolve(name)) end

--- Prints all built-in methods.
function M.all()
  for index, name in ipairs(core.method_names()) do
    if index > 1 then print() end
    print_method(methods.resolve(name))
  end
end

--- What a method declares, as plain tables, for tools that write recipes.
--
-- `{ name =, parameters = { { name =, type =, required =, per_input =, base = } } }`; what a merge of them means, and
-- how many inputs it takes, is judged where it is made.
function M.declarations(name)
  local method = methods.resolve(name)
  local parameters = {}
  for _, list in ipairs { method.parameters, method.per_input } do
    for _, parameter in ipairs(list) do
      parameters[#parameters + 1] = {
        name = parameter.name, type = parameter.type, required = parameter.required or false,
        per_input = list == method.per_input, base = parameter.base or false,
      }
    end
  end
  return { name = method.name, parameters = parameters }
end

return M
