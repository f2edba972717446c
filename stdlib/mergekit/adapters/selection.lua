--- Which modules a config of PEFT's names: as short as names can be that match these and no others.

local layouts = require "mergekit.adapters.layouts"

local M = {}

--- Names of some modules among all, by `matches(module, key)`: the last part alone where it matches no other.
local function names(wanted, all, matches)
  local is_wanted, by_last, order = {}, {}, {}
  for _, module in ipairs(wanted) do
    is_wanted[module] = true
    local last = layouts.last(module)
    if not by_last[last] then
      by_last[last] = { is_only = true }
      order[#order + 1] = last
    end
    table.insert(by_last[last], module)
  end
  for _, module in ipairs(all) do
    if not is_wanted[module] then
      for last, group in pairs(by_last) do
        if matches(module, last) then group.is_only = false end
      end
    end
  end
  local list = {}
  for _, last in ipairs(order) do
    if by_last[last].is_only then
      list[#list + 1] = last
    else
      for _, module in ipairs(by_last[last]) do list[#list + 1] = module end
    end
  end
  return list
end

--- All modules of a model, those without weights of their own included.
function M.modules(tensors)
  local list, seen = {}, {}
  for _, name in ipairs(tensors) do
    local module = name:match("^(.+)%.[^.]+$")
    while module and not seen[module] do
      seen[module] = true
      list[#list + 1] = module
      module = module:match("^(.+)%.[^.]+$")
    end
  end
  return list
end

--- `target_modules`: a key is a module's name or ends it after a dot.
function M.targets(wanted, all)
  return names(wanted, all, function(module, key) return module == key or module:sub(-#key - 1) == "." .. key end)
end

--- `modules_to_save`: a key ends a module's name, wherever it begins ("norm" ends "input_layernorm" too).
function M.saved(wanted, all)
  return names(wanted, all, function(module, key) return module:sub(-#key) == key end)
end

return M
