--- Settings: values of parameters that may differ from tensor to tensor.
--
-- A setting is a number, boolean or string; a list of numbers (a gradient over the layers); a list of
-- { filter =, value = } tried in order; or a function of `info`. Their meaning is mergekit's (0.1.5).

local core = require "mergekit.core"

local M = {}

local function is_plain(value)
  local kind = type(value)
  return kind == "number" or kind == "boolean" or kind == "string"
end

--- What a list of plain values gives at a depth: numbers are interpolated linearly, others picked.
local function gradient(values, depth)
  local last = #values - 1
  for _, value in ipairs(values) do
    if type(value) ~= "number" then return values[depth * last // 1 + 1] end
  end
  local scaled = depth * last
  local lower = scaled // 1
  local upper = math.min(last, lower + 1)
  local part = scaled - lower
  return (1 - part) * values[lower // 1 + 1] + part * values[upper // 1 + 1]
end

--- Fails if a setting has a form that no setting has, at the place where it was written.
-- @param where  words that name the setting, such as "models[2]: weight"
function M.check(setting, where)
  if setting == nil or is_plain(setting) or type(setting) == "function" or core.is_tensor(setting) then return end
  if type(setting) ~= "table" then
    core.fail(("%s: expected a number, a list or a function, got %s"):format(where, type(setting)))
  end
  if setting.value ~= nil or setting.filter ~= nil then
    for key in pairs(setting) do
      if key ~= "value" and key ~= "filter" then
        core.fail(("%s: unknown field '%s' (expected filter and value)"):format(where, tostring(key)))
      end
    end
    if setting.value == nil then core.fail(where .. ": a filter without a value") end
    if setting.filter ~= nil and type(setting.filter) ~= "string" then
      core.fail(("%s: filter: expected a string, got %s"):format(where, type(setting.filter)))
    end
    return M.check(setting.value, where)
  end
  for key in pairs(setting) do
    if math.type(key) ~= "integer" then
      core.fail(("%s: unknown field '%s' (expected a list, or filter and value)"):format(where, tostring(key)))
    end
  end
  if #setting == 0 then core.fail(where .. ": an empty list") end
  local kind = type(setting[1]) == "table" and "table" or type(setting[1])
  for index, entry in ipairs(setting) do
    if type(entry) == "table" then
      if entry.value == nil then
        core.fail(("%s[%d]: expected { filter =, value = }"):format(where, index))
      end
      M.check(entry, ("%s[%d]"):format(where, index))
    elseif not is_plain(entry) then
      core.fail(("%s[%d]: expected a number, got %s"):format(where, index, type(entry)))
    end
    if type(entry) ~= kind then
      core.fail(("%s: a list of numbers, or of filters, is not mixed (%s and %s)"):format(where, kind, type(entry)))
    end
  end
end

--- The value of a setting for one tensor, or nil if no filter matches.
-- @param info  what is known of the tensor: `name` for filters, `depth` for gradients
function M.evaluate(setting, info)
  if setting == nil or is_plain(setting) then return setting end
  if type(setting) == "function" then
    local value = setting(info)
    if type(value) == "table" then
      M.check(value, "the function's value")
      return M.evaluate(value, info)
    end
    return value
  end
  if core.is_tensor(setting) then return setting end
  if setting.value ~= nil then setting = { setting } end
  if type(setting[1]) ~= "table" then return gradient(setting, info.depth) end
  for _, case in ipairs(setting) do
    if case.filter == nil or case.filter == "*" or info.name:find(case.filter, 1, true) then
      return M.evaluate(case.value, info)
    end
  end
  return nil
end

return M
