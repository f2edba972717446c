--- Words about methods, for `mergekit-lua methods`.

local core = require "mergekit.core"
local methods = require "mergekit.method"

local M = {}

local base_words = {
  required = "needs a base model", optional = "takes a base model", ignored = "no base model",
}

local function parameter_text(parameter)
  if parameter.required then return parameter.name .. " (required)" end
  if parameter.default == nil then return parameter.name .. " (optional)" end
  return ("%s = %s"):format(parameter.name, tostring(parameter.default))
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

return M
