--- Which tensors a merge has, and which tensor of each source goes into each.

local architectures = require "mergekit.merge.architectures"
local bare = require "mergekit.merge.bare"
local borrowing = require "mergekit.merge.borrowing"
local pieces = require "mergekit.merge.pieces"

local M = {}

-- Where the layer's number stands in a template.
local LAYER = "{layer}"

local function with_layer(template, layer) return (template:gsub(LAYER, tostring(layer), 1)) end

--- The name that a template gives for a layer.
M.with_layer = with_layer

--- The name that a model has for what another calls `name`, or nil.
local function own_name(model, name)
  if model:has(name) then return name end
  return model:resolve(name)
end
M.own_name = own_name

--- What the tensor at a place may be tied to in models that lack it, or nil.
function M.tie(place)
  if place.tie == nil then
    place.tie = false
    local slice = place.slice
    for _, source in ipairs(slice.base and { slice.base, table.unpack(slice.inputs) } or slice.inputs) do
      local own = own_name(source.model, place.name)
      if own then
        place.tie = architectures.tie(source, own, source.model:info(own)) or false
        break
      end
    end
  end
  return place.tie or nil
end

--- The name of a source's tensor that goes into the output tensor at a place, or nil.
function M.source_name(place, source)
  if place.offset then return own_name(source.model, with_layer(place.template, source.first + place.offset)) end
  if place.slice.bare then return source.model:has(place.name) and place.name or nil end
  local name = own_name(source.model, place.name)
  if name then return name end
  local tie = M.tie(place)
  return tie and architectures.tied_name(source, tie)
end

--- Whether a source's tensor is another one, which stands in because it is tied.
function M.is_stand_in(place, source, name)
  return name ~= place.name and own_name(source.model, place.name) ~= name
end

--- The name that filters know an input's tensor by: the output's, with the layer's number of the input.
function M.filter_name(place, source)
  if place.offset then return with_layer(place.template, source.first + place.offset) end
  return place.name
end

--- The sources of a slice in the order in which they name tensors: the model that gives the files, the base,
--- then the others.
local function naming_order(slice, like)
  local list = {}
  for _, source in ipairs(slice.sources) do
    if source.model == like then list[1] = source end
  end
  if slice.base and list[1] ~= slice.base then list[#list + 1] = slice.base end
  for _, source in ipairs(slice.sources) do
    if source ~= list[1] and source ~= slice.base then list[#list + 1] = source end
  end
  return list
end

local function add(list, place)
  if list.by_name[place.name] then return end
  list.by_name[place.name] = place
  list[#list + 1] = place.name
end

--- Adds tensors that have the same name in the output, each under the name of the model that gives the files, or of
--- the first source that has it.
--
-- @param names_of  gives the names of a source's tensors that belong here
local function add_named(list, slice, like, names_of)
  local sources = naming_order(slice, like)
  if slice.is_uniform then sources = { sources[1] } end
  for index, source in ipairs(sources) do
    for _, own in ipairs(names_of(source)) do
      local name = source.model ~= like and own_name(like, own) or nil
      for before = 1, index - 1 do name = name or own_name(sources[before].model, own) end
      name = name or own
      if not list.by_name[name] then add(list, { name = name, slice = slice }) end
    end
  end
end

--- The tensors of the layers of one module of a model, as templates by layer, and the names of all others.
local function contents(cache, model, module)
  for _, known in ipairs(cache) do
    if known.model == model and known.module == module.name then return known end
  end
  local found = { model = model, module = module.name, layers = {}, before = {}, after = {} }
  local is_shared = {}
  for _, other in ipairs(model.modules) do
    is_shared[other.name] = other.num_layers == 0 and other.name ~= "multi_modal_projector"
  end
  for _, name in ipairs(model:names()) do
    local info = model:info(name)
    if info.module ~= module.name then
      -- What several modules share may follow the layers: a head of its own. What connects modules precedes the
      -- layers, but in some model types, such as transducers.
      local follows = is_shared[info.module] and architectures.follows_layers(model, name, info)
        or architectures.comes_later(model, name)
      table.insert(follows and found.after or found.before, { name = name, module = info.module })
    elseif info.layer then
      found.layers[info.layer] = found.layers[info.layer] or {}
      table.insert(found.layers[info.layer], info.template)
    elseif not info.template:find(LAYER, 1, true) then
      -- Layers that predict further tokens stand after the last one and have no place in a stack.
      table.insert(
        architectures.follows_layers(model, name, info) and found.after or found.before,
        { name = name, module = info.module })
    end
  end
  cache[#cache + 1] = found
  return found
end

--- A template of a source's in the spelling of the model that gives the files.
local function spelt_like(like, module, source, layer, template)
  local own = with_layer(template, layer)
  local sample = own_name(like, with_layer(template, math.min(layer, module.num_layers - 1)))
  local spelt = sample and like:info(sample).template
  if not spelt and source.module.prefix and module.prefix then
    spelt = module.prefix .. template:sub(#source.module.prefix + 1)
  end
  -- Only if the way back is known.
  return spelt and own_name(source.model, with_layer(spelt, layer)) == own and spelt or template
end

--- Adds the layers of a slice, numbered from `number` on.
local function add_layers(list, cache, slice, like, module, number)
  local sources = naming_order(slice, like)
  for offset = 0, slice.count - 1 do
    local depth = slice.count > 1 and offset / (slice.count - 1) or 1.0
    for index, source in ipairs(sources) do
      local layer = source.first + offset
      local known = contents(cache, source.model, source.module)
      known.borrowed = known.borrowed or borrowing.of(known.layers)
      for _, template in ipairs(known.layers[layer] or {}) do
        if known.borrowed.holders[template] then goto continue end
        local is_known = false
        for before = 1, index - 1 do
          local other = sources[before]
          is_known = is_known or own_name(other.model, with_layer(template, other.first + offset)) ~= nil
        end
        if not is_known then
          if source.model ~= like then template = spelt_like(like, module, source, layer, template) end
          add(list, {
            name = with_layer(template, number + offset), template = template, slice = slice, offset = offset,
            layer = number + offset, depth = depth,
          })
        end
        ::continue::
      end
      for template, holder in borrowing.wanted(known, layer, number + offset, list.borrowers, source.model) do
        add(list, {
          name = with_layer(template, number + offset), template = template, slice = slice,
          offset = holder - source.first, layer = number + offset, depth = depth,
        })
      end
    end
  end
end

--- Adds runs of layers of one module, and what stands around them: what comes before the layers is made as the
--- first slice says, what follows them as the last one says (as mergekit 0.1.5 does).
local function add_slices(list, part, like)
  local cache = {}
  local function loose(which)
    return function(source)
      local names = {}
      for _, tensor in ipairs(contents(cache, source.model, source.module)[which]) do
        if part.with_rest or tensor.module == source.module.name then names[#names + 1] = tensor.name end
      end
      return names
    end
  end
  local module
  for _, candidate in ipairs(like.modules) do
    if candidate.name == part.module then module = candidate end
  end
  add_named(list, part.slices[1], like, loose("before"))
  part.count = 0
  for _, slice in ipairs(part.slices) do
    slice.part = part
    add_layers(list, cache, slice, like, module, part.count)
    part.count = part.count + slice.count
  end
  add_named(list, part.slices[#part.slices], like, loose("after"))
  local first = part.slices[1].inputs[1] or part.slices[1].base
  pieces.add(list, part, contents(cache, first.model, first.module))
end

local function names_of_module(model, module)
  local names = model:names()
  if not module then return names end
  local found = {}
  for _, name in ipairs(names) do
    if model:info(name).module == module then found[#found + 1] = name end
  end
  return found
end

--- Models that are merged whole must have the same number of layers.
local function check_layer_counts(part, fail)
  local counts = {}
  local function check(source)
    for _, module in ipairs(source.model.modules) do
      local first = counts[module.name]
      if first and first.count ~= module.num_layers then
        fail(part.whole.path, ("%d layers in model '%s', %d in model '%s': slices say which go together")
          :format(first.count, first.label, module.num_layers, source.label))
      end
      if part.module == nil or module.name == part.module then
        counts[module.name] = first or { count = module.num_layers, label = source.label }
      end
    end
  end
  if part.whole.base then check(part.whole.base) end
  for _, source in ipairs(part.whole.inputs) do check(source) end
end

--- Whether the model that gives the files and all sources of a slice have the same names: then each source has every
--- tensor under the output's own name.
local function is_uniform(slice, like)
  local has_like = slice.base ~= nil and slice.base.model == like
  if slice.base and not like:has_same_names(slice.base.model) then return false end
  for _, source in ipairs(slice.inputs) do
    has_like = has_like or source.model == like
    if not like:has_same_names(source.model) then return false end
  end
  return has_like
end

--- Places the tensors of the parts that `slices.read` gives.
--
-- @param like  the model that gives the files
-- @param fail  fails with a path and words
-- @return the names in order, with `by_name`: a place has `name`; `slice`, or `kept`, a model whose tensor stays as it
--   is; in runs of layers `layer`, `depth`, `template` and `offset`, from 0, too
function M.place(parts, like, fail)
  local list = { by_name = {}, borrowers = {} }
  for _, part in ipairs(parts) do
    if part.kept then
      for _, name in ipairs(names_of_module(part.kept, part.module)) do add(list, { name = name, kept = part.kept }) end
    elseif part.slices then
      add_slices(list, part, like)
    elseif part.whole.bare then
      for _, name in ipairs(bare.names(part.whole)) do add(list, { name = name, slice = part.whole }) end
    else
      check_layer_counts(part, fail)
      part.whole.is_uniform = part.module == nil and is_uniform(part.whole, like)
      add_named(list, part.whole, like, function(source) return names_of_module(source.model, part.module) end)
    end
  end
  return list
end

--- A function that calls another with all names that filters see, those of the output and of the inputs, until it
--- gives true.
-- @param filter_name  gives a second name that filters see, or nil
function M.each_name(list, filter_name)
  return function(is_done)
    local function try(name)
      local alias = filter_name and filter_name(name)
      return is_done(name) or (alias ~= nil and is_done(alias))
    end
    for _, name in ipairs(list) do
      if try(name) then return end
      local place = list.by_name[name]
      for _, entry in ipairs(place.presence and place.presence.inputs or {}) do
        if entry.name and (try(entry.name) or try(M.filter_name(place, entry.source))) then return end
      end
    end
  end
end

return M
