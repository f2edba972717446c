--- The expression of each tensor of a merge: its inputs and parameters, given to its slice's method.

local core = require "mergekit.core"
local methods = require "mergekit.method"
local placement = require "mergekit.placement"
local presence = require "mergekit.presence"
local settings = require "mergekit.settings"
local specification = require "mergekit.specification"

-- Fields of `info` that may be nil.
local optional_info = { "layer" }

--- The fields that a method's argument and its inputs may lack.
local function optional_fields(method)
  local shared, input = { "layer", "base", "base_input" }, { "layer" }
  for _, parameter in ipairs(method.parameters) do shared[#shared + 1] = parameter.name end
  for _, parameter in ipairs(method.per_input) do input[#input + 1] = parameter.name end
  return { shared = shared, input = input }
end

--- The tensor of an entry, cut to the rows that all inputs have.
local function tensor_of(entry, place, specified)
  local tensor = entry.source.model:tensor(entry.name or place.name)
  local rows = specified.shape[1]
  if rows and tensor.shape[1] > rows then return tensor:narrow(1, 1, rows) end
  return tensor
end

--- `info` of an output tensor.
local function shared_info(place, found, specified)
  local entry = found.base or found.inputs[1]
  local info = entry.source.model:info(entry.name or place.name)
  info.name, info.shape, info.dtype = place.name, specified.shape, specified.dtype
  if place.offset then
    info.layer, info.depth, info.num_layers = place.layer, place.depth, place.slice.part.count
    info.template = place.template
  end
  return methods.strict(info, "info", optional_info)
end

--- `info` as the rules of one input see it: with the name of the input's tensor. One that stands in for a tied tensor
--- has that one's.
local function input_info(info, entry)
  if not entry.name or entry.is_stand_in or entry.name == info.name then return info end
  local own = {}
  for key, value in pairs(info) do own[key] = value end
  own.name = entry.name
  return methods.strict(own, "info", optional_info)
end

local M = {}

--- What gives the expression of the tensor at a place.
-- @param specify  gives a place's shape and dtype
-- @param filter_name  gives a second name that filters see, or nil
function M.builder(specify, filter_name)
  --- An input as methods see it.
  local function input_fields(entry, place, info, specified, only_base)
    local source, method = entry.source, place.slice.method
    local fields = { tensor = tensor_of(entry, place, specified), model = source.model, layer = info.layer }
    if place.offset then fields.layer = source.first + place.offset end
    local own = input_info(info, entry)
    local alias = filter_name and filter_name(own.name)
    if entry.name and not alias then alias = placement.filter_name(place, source) end
    for _, parameter in ipairs(method.per_input) do
      if parameter.base or not only_base then
        fields[parameter.name] = settings.resolve(parameter, source.scopes, own, alias, source)
      end
    end
    return fields
  end

  --- The argument of a method for one tensor.
  local function argument(place, found, specified)
    local slice = place.slice
    local method = slice.method
    slice.optional_fields = slice.optional_fields or optional_fields(method)
    local info = shared_info(place, found, specified)
    local alias = filter_name and filter_name(place.name)
    local t = { inputs = {} }
    for key, value in pairs(info) do t[key] = value end
    for _, parameter in ipairs(method.parameters) do
      t[parameter.name] = settings.resolve(parameter, slice.scopes, info, alias, slice)
    end
    if found.base then
      t.base_input = input_fields(found.base, place, info, specified, true)
      t.base = t.base_input.tensor
    end
    for index, entry in ipairs(found.inputs) do
      t.inputs[index] = methods.strict(
        input_fields(entry, place, info, specified), "an input", slice.optional_fields.input)
    end
    return methods.strict(t, "the method's argument", slice.optional_fields.shared)
  end

  local function merged(place, found, specified)
    local method = place.slice.method
    local result = method.merge(argument(place, found, specified))
    if not core.is_tensor(result) then
      core.fail(("method '%s' gave a %s, expected a tensor"):format(method.name, type(result)))
    end
    if not specification.same_shape(result.shape, specified.shape) then
      core.fail(("method '%s' gave a tensor of shape %s, expected %s"):format(
        method.name, specification.shape_text(result.shape), specification.shape_text(specified.shape)))
    end
    return result
  end

  return function(place)
    if place.kept then return place.kept:tensor(place.name) end
    local found, specified = presence.of(place), specify(place.name)
    if found.how == "copy" then return tensor_of(found.base or found.inputs[1], place, specified) end
    if not core.is_float(specified.dtype) then
      local copies = {}
      for index, entry in ipairs(presence.entries(found)) do copies[index] = tensor_of(entry, place, specified) end
      return core.identical(copies)
    end
    return core.stream(place.name, function() return merged(place, found, specified) end)
  end
end

return M
