--- `mk.merge`: a lazy model whose tensors methods make of those of other models.

local core = require "mergekit.core"
local layer_keys = require "architectures.layer_keys"
local architectures = require "mergekit.merge.architectures"
local bare = require "mergekit.merge.bare"
local chat = require "mergekit.tokens.chat"
local combine = require "mergekit.adapters.combine"
local companions = require "mergekit.merge.companions"
local config_checks = require "mergekit.merge.config_checks"
local expressions = require "mergekit.expressions"
local heads = require "mergekit.merge.heads"
local methods = require "mergekit.methods.method"
local naming = require "mergekit.merge.naming"
local placement = require "mergekit.merge.placement"
local places = require "mergekit.places"
local presence = require "mergekit.merge.presence"
local projections = require "mergekit.merge.projections"
local settings = require "mergekit.merge.settings"
local slices = require "mergekit.merge.slices"
local specification = require "mergekit.merge.specification"
local tokenizer = require "mergekit.tokens.tokenizer"

local fields = {
  "method", "base", "models", "slices", "modules", "parameters", "dtype", "out_dtype", "as_stored",
  "truncate_embeddings", "allow_crimes", "tokenizer", "chat_template", "name", "bare", "metadata",
}
local is_field = {}
for _, name in ipairs(fields) do is_field[name] = true end

--- The models that the parts are made of, each once.
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
    local list = {}
    for _, slice in ipairs(part.slices or {}) do
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

local function check_type(who, spec, field, kind)
  local value = spec[field]
  if value ~= nil and type(value) ~= kind then
    core.fail(("expected a %s, got %s"):format(kind, type(value)), who(field))
  end
end

local M = {}

--- Makes the model of a merge, for a function that takes its fields in another form than mk.merge.
-- @param spec  as `mk.merge` takes it
-- @param who  gives the place of a path in what that function was given, "" for the whole
function M.run(spec, who)
  local stored = spec.as_stored
  if type(stored) ~= "string" then
    check_type(who, spec, "as_stored", "boolean")
    stored = nil
  end
  check_type(who, spec, "truncate_embeddings", "boolean")
  check_type(who, spec, "allow_crimes", "boolean")
  check_type(who, spec, "name", "string")
  check_type(who, spec, "metadata", "table")
  local parts, like, scopes = slices.read(spec, who)
  local function fail(path, message) core.fail(message, who(path)) end
  local adapted = projections.adapt(parts, like)
  bare.mark(parts, spec, fail)
  local sources = sources_of(parts)
  if not spec.allow_crimes and not spec.bare then architectures.warn_of_mixing(sources) end
  local vocabulary = tokenizer.plan(spec.tokenizer, sources, spec.base and adapted(spec.base), fail)
  local dtype = methods.check_dtype(spec.dtype, who("dtype"))
  dtype = methods.check_dtype(spec.out_dtype, who("out_dtype")) or dtype
  stored = methods.check_dtype(stored, who("as_stored"))
  local list = placement.place(parts, like, fail)
  config_checks.check(sources, like, { allows_crimes = spec.allow_crimes, only_text = spec.slices ~= nil }, fail)
  if not spec.allow_crimes then naming.check(list, parts, fail) end
  local is_untied = heads.settle(list, parts, like, spec.truncate_embeddings, vocabulary ~= nil)
  presence.warn_of_missing(list)
  local filter_name = architectures.filter_names(like)
  settings.warn_of_unmatched(scopes, placement.each_name(list, filter_name))
  local names = {}
  for _, name in ipairs(list) do
    local place = list.by_name[name]
    if place.kept or presence.of(place).how ~= "skip" then names[#names + 1] = name end
  end
  if vocabulary then vocabulary:check(list, names) end

  -- The plan asks first, then the expression.
  local specifications = {}
  local function specify(name)
    if not specifications[name] then
      local place = list.by_name[name]
      if place.kept then
        specifications[name] = specification.of_kept(place, vocabulary)
      else
        specifications[name] = specification.of(place, spec.truncate_embeddings, vocabulary)
      end
    end
    return specifications[name]
  end
  local files = companions.of_config(like, sources)
  local build = expressions.builder(specify, filter_name, vocabulary)
  local used = methods_of(parts)

  local config = architectures.config_changes(like, names, function(name)
    local place = list.by_name[name]
    return place.slice and not place.offset and placement.tie(place)
  end, spec.truncate_embeddings and specify, vocabulary and vocabulary.rows)
  if is_untied then config.tie_word_embeddings = false end

  return core.define_model {
    label = spec.name or ("merge by %s"):format(used[1].name),
    names = names,
    like = files,
    sources = sources,
    dtype = stored or dtype,
    layers = layer_sources(parts),
    rules = layer_keys,
    any_layers = spec.allow_crimes,
    methods = used,
    base = spec.base,
    config = config,
    tokenizer = vocabulary and vocabulary.vocabulary or companions.tokenizer(files, sources),
    chat_template = chat.template(spec.chat_template, sources, fail),
    metadata = spec.metadata,
    specify = specify,
    build = function(name)
      local result = build(list.by_name[name])
      if spec.as_stored and core.is_float(result.dtype) then
        -- As on disk, where the merge's own dtype rounds before the one that all is stored as.
        if not stored then result = result:to(specify(name).dtype) elseif dtype then result = result:to(dtype) end
      end
      specifications[name] = nil
      return result
    end,
  }
end

--- Fails for a parameter that stands among the fields instead of in `parameters`.
local function check_places_of_parameters(spec)
  local known, method = pcall(methods.resolve, spec.method)
  if not known then return end
  for _, list in ipairs { method.parameters, method.per_input } do
    for _, parameter in ipairs(list) do
      local name = parameter.name
      if spec[name] ~= nil and not is_field[name] then
        core.fail(("unknown field '%s': it is a parameter, write parameters = { %s = … }"):format(name, name),
          places("merge", ""))
      end
    end
  end
end

--- Makes the model of a merge.
function M.merge(spec)
  if type(spec) ~= "table" then core.fail("expected a table, got " .. type(spec), places("merge", "")) end
  if combine.is_of_adapters(spec) then return combine.merge(spec) end
  check_places_of_parameters(spec)
  methods.check_keys(spec, fields, places("merge", ""))
  return M.run(spec, function(path) return places("merge", path) end)
end

return M
