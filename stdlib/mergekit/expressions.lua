--- The expression of each tensor of a merge: its inputs and parameters, given to its slice's method.

local core = require "mergekit.core"
local methods = require "mergekit.methods.method"
local pieces = require "mergekit.merge.pieces"
local placement = require "mergekit.merge.placement"
local presence = require "mergekit.merge.presence"
local settings = require "mergekit.merge.settings"
local specification = require "mergekit.merge.specification"
local sums = require "mergekit.methods.sums"

-- Of `info`, only the layer may be nil.
local strict_info = methods.strictness("info", { "layer" })

-- The metatables of each method's argument and of its inputs, which may lack the layer and the parameters.
local strict_of = setmetatable({}, { __mode = "k", __index = function(known, method)
  local shared, input = { "layer", "base", "base_input" }, { "layer" }
  for _, parameter in ipairs(method.parameters) do shared[#shared + 1] = parameter.name end
  for _, parameter in ipairs(method.per_input) do input[#input + 1] = parameter.name end
  known[method] = {
    argument = methods.strictness("the method's argument", shared), input = methods.strictness("an input", input),
  }
  return known[method]
end })

--- The tensor of an entry: with its rows in the order of the merge's vocabulary, or cut to those that all inputs have.
-- @param aligned  gives the first by the model, for tensors with a row for each token
local function tensor_of(entry, place, specified, aligned)
  if place.piece then
    local whole = aligned and aligned(entry.source.model) or entry.source.model:tensor(entry.name or place.name)
    return pieces.part_of(whole, entry.source, place)
  end
  if aligned then return aligned(entry.source.model) end
  local tensor = entry.source.model:tensor(entry.name or place.name)
  local rows = specified.is_cut and specified.shape[1]
  if rows and tensor.shape[1] > rows then return tensor:narrow(1, 1, rows) end
  return tensor
end

--- `info` of an output tensor.
local function shared_info(place, found, specified)
  local entry = found.base or found.inputs[1]
  local info = entry.source.model:info(entry.name or place.name)
  info.name, info.dtype = place.name, specified.dtype
  -- Methods and rules get a table of their own.
  if specified.is_cut or place.piece then info.shape = { table.unpack(specified.shape) } end
  if place.slice.bare then info.layer, info.depth = nil, 0 end
  if place.piece then
    info.layer, info.depth, info.num_layers = place.layer, place.depth, place.slice.part.count
  elseif place.offset then
    info.layer, info.depth, info.num_layers = place.layer, place.depth, place.slice.part.count
    info.template = place.template
  end
  return setmetatable(info, strict_info)
end

--- A new table with the fields of an `info`.
local function with_fields(info)
  return {
    name = info.name, shape = info.shape, dtype = info.dtype, kind = info.kind, module = info.module,
    template = info.template, layer = info.layer, num_layers = info.num_layers, depth = info.depth,
  }
end

--- `info` as the rules of one input see it: with the name of the input's tensor. One that stands in for a tied tensor
--- has that one's.
local function input_info(info, entry)
  if not entry.name or entry.is_stand_in or entry.name == info.name then return info end
  local own = with_fields(info)
  own.name = entry.name
  return setmetatable(own, strict_info)
end

local M = {}

--- What gives the expression of the tensor at a place.
-- @param specify  gives a place's shape and dtype
-- @param filter_name  gives a second name that filters see, or nil
-- @param vocabulary  the plan of token_rows, or nil
function M.builder(specify, filter_name, vocabulary)
  --- What `tensor_of` needs for a tensor with a row for each token; nil for others.
  local function reader(place, model, name)
    if place.offset or not vocabulary or not vocabulary:is_vocabulary(model, name) then return nil end
    return vocabulary:reader(place)
  end

  --- An input as methods see it.
  local function input_fields(entry, place, info, specified, aligned, only_base)
    local source, method = entry.source, place.slice.method
    local fields = { tensor = tensor_of(entry, place, specified, aligned), model = source.model, layer = info.layer }
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
  local function argument(place, found, specified, aligned)
    local slice = place.slice
    local method = slice.method
    local strict = strict_of[method]
    local info = shared_info(place, found, specified)
    local alias = filter_name and filter_name(place.name)
    local t = with_fields(info)
    t.inputs = {}
    for _, parameter in ipairs(method.parameters) do
      t[parameter.name] = settings.resolve(parameter, slice.scopes, info, alias, slice)
    end
    if found.base then
      t.base_input = input_fields(found.base, place, info, specified, aligned, true)
      t.base = t.base_input.tensor
    end
    for index, entry in ipairs(found.inputs) do
      t.inputs[index] = setmetatable(input_fields(entry, place, info, specified, aligned), strict.input)
    end
    return setmetatable(t, strict.argument)
  end

  local function merged(place, found, specified, aligned)
    local method = place.slice.method
    local result = method.merge(argument(place, found, specified, aligned))
    if not core.is_tensor(result) then
      core.fail(("method '%s' returned a %s, expected a tensor"):format(method.name, type(result)))
    end
    if not specification.same_shape(result.shape, specified.shape) then
      core.fail(("method '%s' returned a tensor of shape %s, expected %s"):format(
        method.name, specification.shape_text(result.shape), specification.shape_text(specified.shape)))
    end
    return result
  end

  local build

  --- A tensor of the parts that belong to the layers.
  local function joined(place)
    local specified, parts = specify(place.name), {}
    local own = pieces.specification(place, specified)
    for index, piece in ipairs(place.pieces) do parts[index] = build(piece, own) end
    return pieces.join(parts, place, specified)
  end

  function build(place, specified)
    if place.pieces then return joined(place) end
    if place.kept then
      local aligned = reader(place, place.kept, place.name)
      return aligned and aligned(place.kept) or place.kept:tensor(place.name)
    end
    local found = presence.of(place)
    specified = specified or specify(place.name)
    local first = found.base or found.inputs[1]
    local aligned = reader(place, first.source.model, first.name or place.name)
    if found.how == "copy" then return tensor_of(first, place, specified, aligned) end
    if found.how == "mean" and core.is_float(specified.dtype) then
      local tensors = {}
      for index, entry in ipairs(found.inputs) do tensors[index] = tensor_of(entry, place, specified, aligned) end
      return sums.of(tensors) / #tensors
    end
    if not core.is_float(specified.dtype) then
      local copies = {}
      for index, entry in ipairs(presence.entries(found)) do
        copies[index] = tensor_of(entry, place, specified, aligned)
      end
      return core.identical(copies, true)
    end
    return merged(place, found, specified, aligned)
  end

  return build
end

return M
