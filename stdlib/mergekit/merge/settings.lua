--- Settings: values of parameters that may differ from tensor to tensor.
--
-- A setting is a number, boolean or string; a list of numbers (a gradient over the layers); a list of
-- { filter =, value = } tried in order; or a function of `info`. Their meaning is mergekit's (0.1.5). Where a
-- parameter is a tensor, a model stands for its tensor of the name that is merged, or for none.

local core = require "mergekit.core"
local places = require "mergekit.places"

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

--- A parameter's value in its type, or nil if it is of another.
local function as_type(value, kind)
  if kind == "number" then
    return (type(value) == "number" or core.is_tensor(value)) and value or nil
  elseif kind == "integer" then
    -- A gradient of whole numbers may miss one by the error of its arithmetic.
    local nearest = type(value) == "number" and math.floor(value + 0.5)
    return nearest and math.abs(value - nearest) < 1e-9 and math.tointeger(nearest) or nil
  elseif kind == "tensor" then
    return core.is_tensor(value) and value or nil
  end
  if type(value) == kind then return value end
  return nil
end

--- A bound as messages show it.
local function bound(number) return number == math.floor(number) and ("%.0f"):format(number) or tostring(number) end

--- A range in words.
function M.range_words(range)
  local low, high = table.unpack(range)
  if high == math.huge then return ("%s or more"):format(bound(low)) end
  if low == -math.huge then return ("%s or less"):format(bound(high)) end
  return ("from %s to %s"):format(bound(low), bound(high))
end

local function is_outside(value, range)
  return range and type(value) == "number" and not (value >= range[1] and value <= range[2])
end

--- Fails if a value lies outside of what a parameter may be, and warns if it is outside of what it usually is.
local function check_range(value, parameter, where)
  if is_outside(value, parameter.range) then
    core.fail(("expected a number %s, got %s"):format(M.range_words(parameter.range), tostring(value)), where)
  end
  if is_outside(value, parameter.usual) then
    core.warn(("%s lies outside of what is usual, %s"):format(tostring(value), M.range_words(parameter.usual)), where)
  end
end

--- What a value of a type is called.
local function words(kind)
  if kind == "tensor" then return "a model or a tensor" end
  return kind == "integer" and "an integer" or "a " .. kind
end

--- What a value is, as messages show it.
local function shown(value)
  if core.is_model(value) then return ("model '%s'"):format(value.name) end
  return ("%s '%s'"):format(type(value), tostring(value))
end

--- Fails if a value is not of a parameter's type.
local function check_type(value, kind, where)
  if value ~= value then core.fail("expected a number, got NaN", where) end
  if kind == nil or as_type(value, kind) ~= nil then return end
  core.fail(("expected %s, got %s"):format(words(kind), shown(value)), where)
end

--- Fails if a setting has a form that no setting has, or a value of another type, at the place where it was written.
-- @param where  the place of the setting, such as that of `merge: models[2].weight`, or words for it
-- @param parameter  what the setting is of, with `type`, `range` and `usual`, or nil if that is not known
-- @param depth  how many settings it is within
function M.check(setting, where, parameter, depth)
  depth = depth or 0
  parameter = parameter or {}
  local kind = parameter.type
  if depth > 16 then core.fail("settings within settings, more than 16 deep", where) end
  if setting == nil or type(setting) == "function" or core.is_tensor(setting) then return end
  if core.is_model(setting) then
    if kind ~= nil and kind ~= "tensor" then
      core.fail(("expected %s, got %s"):format(words(kind), shown(setting)), where)
    end
    return
  end
  if is_plain(setting) then
    check_type(setting, kind, where)
    return check_range(setting, parameter, where)
  end
  if type(setting) ~= "table" then
    core.fail(("expected a %s, a list or a function, got %s"):format(kind or "number", type(setting)), where)
  end
  if setting.value ~= nil or setting.filter ~= nil then
    for key in pairs(setting) do
      if key ~= "value" and key ~= "filter" then
        core.fail(("unknown field '%s' (expected filter and value)"):format(tostring(key)), where)
      end
    end
    if setting.value == nil then core.fail("a filter without a value", where) end
    if setting.filter ~= nil and type(setting.filter) ~= "string" then
      core.fail(("filter: expected a string, got %s"):format(type(setting.filter)), where)
    end
    return M.check(setting.value, where, parameter, depth + 1)
  end
  for key in pairs(setting) do
    if math.type(key) ~= "integer" then
      core.fail(("unknown field '%s' (expected a list, or filter and value)"):format(tostring(key)), where)
    end
  end
  local count = 0
  for _ in ipairs(setting) do count = count + 1 end
  for key in pairs(setting) do
    if key < 1 or key > count then core.fail(("%s[%d] is nil"):format(where, count + 1)) end
  end
  if count == 0 then core.fail("an empty list", where) end
  local form = type(setting[1])
  if kind == "tensor" and form ~= "table" then
    core.fail("expected a model or a tensor, or a list of { filter =, value = }, got a list of other things", where)
  end
  for index, entry in ipairs(setting) do
    local here = places.item(where, index)
    if type(entry) == "table" then
      if entry.value == nil then core.fail("expected { filter =, value = }", here) end
      M.check(entry, here, parameter, depth + 1)
    elseif not is_plain(entry) then
      core.fail(("expected a %s, got %s"):format(kind or "number", type(entry)), here)
    elseif type(entry) == form then
      -- A gradient of whole numbers may give one in between, which is checked when it is known.
      check_type(entry, kind == "integer" and "number" or kind, here)
      check_range(entry, parameter, here)
    end
    if type(entry) ~= form then
      core.fail(("a list of numbers, or of filters, is not mixed (%s and %s)"):format(form, type(entry)), where)
    end
  end
end

--- The filters of a setting.
local function filters_of(setting, list)
  if type(setting) ~= "table" then return list end
  if type(setting.filter) == "string" and setting.filter ~= "*" then list[#list + 1] = setting.filter end
  if setting.value ~= nil then return filters_of(setting.value, list) end
  for _, entry in ipairs(setting) do filters_of(entry, list) end
  return list
end

local function matches(filter, name, alias)
  if filter == nil or filter == "*" or name:find(filter, 1, true) then return true end
  return alias ~= nil and alias:find(filter, 1, true) ~= nil
end

--- The value of a setting for one tensor, or nil if no filter matches.
-- @param info  what is known of the tensor: `name` for filters, `depth` for gradients
-- @param alias  another name by which filters know the tensor, or nil
function M.evaluate(setting, info, alias)
  if setting == nil or is_plain(setting) then return setting end
  if type(setting) == "function" then
    local value = setting(info)
    if type(value) == "table" then M.check(value, "the function's value") end
    if type(value) == "table" or core.is_model(value) then return M.evaluate(value, info, alias) end
    return value
  end
  if core.is_model(setting) then
    local name = setting:resolve(info.name)
    return name and setting:tensor(name)
  end
  if core.is_tensor(setting) then return setting end
  if setting.value ~= nil then setting = { setting } end
  if type(setting[1]) ~= "table" then return gradient(setting, info.depth) end
  for _, case in ipairs(setting) do
    if matches(case.filter, info.name, alias) then return M.evaluate(case.value, info, alias) end
  end
  return nil
end

--- The value of a parameter for one tensor: that of the first scope that has one, else the default.
-- @param scopes  a list of { path =, settings = }, the innermost first
-- @param owner  for messages, what the parameter is of: an input with `path` and `label`, or a slice with `path`
function M.resolve(parameter, scopes, info, alias, owner)
  local given
  for _, scope in ipairs(scopes) do
    local setting = scope.settings[parameter.name]
    local value = M.evaluate(setting, info, alias)
    if value ~= nil then
      local typed = as_type(value, parameter.type)
      if typed == nil then
        core.fail(("expected %s, got %s"):format(words(parameter.type), shown(value)),
          places(nil, scope.path .. "." .. parameter.name))
      end
      -- What was written out has been checked where it was.
      if type(setting) == "function" then check_range(typed, parameter, places(nil, scope.path .. "." .. parameter.name)) end
      return typed
    end
    given = given or setting
  end
  if not parameter.required then return parameter.default end
  local why = { "" }
  if type(given) == "function" then
    why = { ": its function returned nil" }
  elseif core.is_model(given) then
    why = { ": model ", { model = given.name }, " has no tensor ", { tensor = info.name } }
  elseif given ~= nil then
    why = { ": no filter of its setting matches" }
  end
  local whose = owner.label and (" for model '%s'"):format(owner.label) or ""
  core.fail({ ("parameter '%s' is required%s"):format(parameter.name, whose), table.unpack(why) }, places(nil, owner.path))
end

--- Warns of filters that match no tensor.
--
-- @param scopes  a list of { path =, settings = }
-- @param names  a function that calls its argument with every name that filters see, as long as that gives false
function M.warn_of_unmatched(scopes, names)
  local open, count = {}, 0
  for _, scope in ipairs(scopes) do
    for parameter, setting in pairs(scope.settings) do
      for _, filter in ipairs(filters_of(setting, {})) do
        open[#open + 1] = { filter = filter, path = scope.path .. "." .. parameter }
        count = count + 1
      end
    end
  end
  if count == 0 then return end
  names(function(name)
    for _, entry in ipairs(open) do
      if not entry.is_matched and name:find(entry.filter, 1, true) then
        entry.is_matched = true
        count = count - 1
      end
    end
    return count == 0
  end)
  for _, entry in ipairs(open) do
    if not entry.is_matched then places.warn(entry.path, ("filter '%s' matches no tensor"):format(entry.filter)) end
  end
end

return M
