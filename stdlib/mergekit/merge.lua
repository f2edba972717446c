--- `mk.merge`: a lazy model whose tensors methods make of those of other models.

local core = require "mergekit.core"
local architectures = require "mergekit.architectures"
local chat = require "mergekit.chat"
local methods = require "mergekit.method"
local placement = require "mergekit.placement"
local presence = require "mergekit.presence"
local settings = require "mergekit.settings"
local slices = require "mergekit.slices"
local specification = require "mergekit.specification"

local fields = {
  "method", "base", "models", "slices", "modules", "parameters", "dtype", "out_dtype", "truncate_embeddings",
  "allow_crimes", "chat_template", "name",
}

-- Fields of `info` and of an input that may be nil.
local optional_info = { "layer" }

--- The fields that a method's argument and its inputs may lack.
local function optional_fields(method)
  local shared, input = { "layer", "base", "base_input" }, { "layer" }
  for _, parameter in ipairs(method.parameters) do shared[#shared + 1] = parameter.name end
  for _, parameter in ipairs(method.per_input) do input[#input + 1] = parameter.name end
  return { shared = shared, input = input }
end

local function sources_of(parts)
  local list = {}
  local function add(model)
    for _, known in ipairs(list) do
      if known == model then return end
    end
    list[#list + 1] = model
  end
  local function add_slice(slice)
    if slice.base then add(slice.base.model) end
    for _, source in ipairs(slice.inputs) do add(source.model) end
  end
  for _, part in ipairs(parts) do
    if part.kept then add(part.kept) end
    if part.whole then add_slice(part.whole) end
    for _, slice in ipairs(part.slices or {}) do add_slice(slice) end
  end
  return list
end

--- Where the layers of each module that is cut come from, for config.json.
local function layer_sources(parts)
  local layers
  for _, part in ipairs(parts) do
    if part.slices then
      local list = {}
      for _, slice in ipairs(part.slices) do
        local source = slice.base or slice.inputs[1]
        for offset = 0, slice.count - 1 do
          list[#list + 1] = { source.model, source.first + offset, source.module.name }
        end
      end
      if #list > 0 then
        layers = layers or {}
        layers[part.module] = list
      end
    end
  end
  return layers
end

--- The methods of all slices, each once.
local function methods_of(parts)
  local list, seen = {}, {}
  local function add(slice)
    if seen[slice.method] then return end
    seen[slice.method] = true
    list[#list + 1] = slice.method
  end
  for _, part in ipairs(parts) do
    if part.whole then add(part.whole) end
    for _, slice in ipairs(part.slices or {}) do add(slice) end
  end
  return list
end

--- Makes the model.
-- @param spec  as `mk.merge` takes it
-- @param who  gives the beginning of a message for the path of a field, "" for the whole
local function merge(spec, who)
  local parts, like, scopes = slices.read(spec, who)
  local function fail(path, words) core.fail(("%s: %s"):format(who(path), words)) end
  local sources = sources_of(parts)
  if not spec.allow_crimes then architectures.warn_of_mixing(sources) end
  local dtype = methods.check_dtype(spec.dtype, who("dtype"))
  dtype = methods.check_dtype(spec.out_dtype, who("out_dtype")) or dtype
  local list = placement.place(parts, like, fail)
  presence.warn_of_missing(list)
  local filter_name = architectures.filter_names(like)
  settings.warn_of_unmatched(scopes, placement.each_name(list, filter_name))
  local names = {}
  for _, name in ipairs(list) do
    if not list.by_name[name].is_skipped then names[#names + 1] = name end
  end
  local used = methods_of(parts)

  -- The plan asks first, then the expression.
  local specifications = {}
  local function specify(name)
    local known = specifications[name]
    if not known then
      local place = list.by_name[name]
      known = place.kept and place.kept:info(name) or specification.of(place, spec.truncate_embeddings)
      specifications[name] = known
    end
    return known
  end

  --- The tensor of an entry, cut to the rows that all inputs have.
  local function tensor_of(entry, specified)
    local tensor = entry.source.model:tensor(entry.name)
    local rows = specified.shape[1]
    if rows and tensor.shape[1] > rows then return tensor:narrow(1, 1, rows) end
    return tensor
  end

  --- `info` of an output tensor.
  local function shared_info(place, base, inputs, specified)
    local entry = base or inputs[1]
    local info = entry.source.model:info(entry.name)
    info.name, info.shape, info.dtype = place.name, specified.shape, specified.dtype
    info.layer, info.depth = place.layer, place.depth
    if place.offset then info.num_layers = place.slice.part.count end
    return methods.strict(info, "info", optional_info)
  end

  --- `info` as the rules of one input see it: with the name of the input's tensor.
  local function input_info(info, entry)
    if entry.name == info.name then return info end
    local own = {}
    for key, value in pairs(info) do own[key] = value end
    own.name = entry.name
    return methods.strict(own, "info", optional_info)
  end

  --- An input as methods see it.
  local function input_fields(entry, tensor, info, method, only_base)
    local source = entry.source
    local offset = list.by_name[info.name].offset
    local layer = info.layer
    if offset then layer = source.first + offset end
    local fields = { tensor = tensor, model = source.model, layer = layer }
    local own = input_info(info, entry)
    local alias = filter_name and filter_name(own.name)
    for _, parameter in ipairs(method.per_input) do
      if parameter.base or not only_base then
        fields[parameter.name] = settings.resolve(parameter, source.scopes, own, alias, source)
      end
    end
    return fields
  end

  --- The expression of one output tensor.
  local function build(name)
    local place = list.by_name[name]
    if place.kept then return place.kept:tensor(name) end
    local how, base, inputs = presence.of(place)
    local specified = specify(name)
    specifications[name] = nil
    if how == "copy" then return tensor_of(base or inputs[1], specified) end
    if not core.is_float(specified.dtype) then
      local copies = {}
      for _, entry in ipairs(presence.entries(base, inputs)) do copies[#copies + 1] = tensor_of(entry, specified) end
      return core.identical(copies)
    end
    local slice = place.slice
    local method = slice.method
    slice.optional_fields = slice.optional_fields or optional_fields(method)
    return core.stream(name, function()
      local info = shared_info(place, base, inputs, specified)
      local alias = filter_name and filter_name(name)
      local t = {}
      for key, value in pairs(info) do t[key] = value end
      for _, parameter in ipairs(method.parameters) do
        t[parameter.name] = settings.resolve(parameter, slice.scopes, info, alias, slice)
      end
      if base then
        t.base = tensor_of(base, specified)
        t.base_input = input_fields(base, t.base, info, method, true)
      end
      t.inputs = {}
      for index, entry in ipairs(inputs) do
        local fields = input_fields(entry, tensor_of(entry, specified), info, method)
        t.inputs[index] = methods.strict(fields, "an input", slice.optional_fields.input)
      end
      methods.strict(t, "the method's argument", slice.optional_fields.shared)
      local result = method.merge(t)
      if not core.is_tensor(result) then
        core.fail(("method '%s' gave a %s, expected a tensor"):format(method.name, type(result)))
      end
      if not specification.same_shape(result.shape, specified.shape) then
        core.fail(("method '%s' gave a tensor of shape %s, expected %s")
          :format(method.name, specification.shape_text(result.shape), specification.shape_text(specified.shape)))
      end
      return result
    end)
  end

  return core.define_model {
    label = spec.name or ("merge by %s"):format(used[1].name),
    names = names,
    like = like,
    sources = sources,
    dtype = dtype,
    layers = layer_sources(parts),
    methods = used,
    base = spec.base,
    config = architectures.config_changes(like, list, spec.truncate_embeddings and specify),
    chat_template = chat.template(spec.chat_template, sources, fail),
    specify = specify,
    build = build,
  }
end

local M = {}

function M.merge(spec)
  if type(spec) ~= "table" then core.fail("merge: expected a table, got " .. type(spec)) end
  methods.check_keys(spec, fields, "merge")
  return merge(spec, function(path) return path == "" and "merge" or "merge: " .. path end)
end

--- Makes the model of a merge for a function that takes its fields in another form.
M.run = merge

return M
