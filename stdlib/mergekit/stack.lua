--- `mk.stack` of layers: a model whose layers come from several models, one slice after the other.

local core = require "mergekit.core"
local methods = require "mergekit.method"

local function module_of(model, wanted)
  for _, module in ipairs(model.modules) do
    if wanted == nil or module.name == wanted or module.prefix == wanted then return module end
  end
end

--- Names of a model's tensors by layer of one module, and those outside of its layers.
local function sort_names(model, module)
  local layers, loose = {}, {}
  for _, name in ipairs(model:names()) do
    local info = model:info(name)
    if info.module == module.name and info.layer then
      layers[info.layer] = layers[info.layer] or {}
      table.insert(layers[info.layer], { name = name, template = info.template })
    elseif info.module ~= module.name or not info.template:find("{layer}", 1, true) then
      -- Layers that predict further tokens stand after the last one and have no place in a stack.
      loose[#loose + 1] = name
    end
  end
  return layers, loose
end

local function read_slices(list)
  local slices = {}
  for index, entry in ipairs(list) do
    local where = ("stack[%d]"):format(index)
    if core.is_model(entry) then entry = { entry } end
    if type(entry) ~= "table" or not core.is_model(entry[1]) then
      core.fail(where .. ": expected { model, layers = { first, last } }")
    end
    methods.check_keys(entry, { 1, "layers" }, where)
    local model = entry[1]
    local module = module_of(model, list.module)
    if not module then
      core.fail(("%s: model '%s' has no module '%s'"):format(where, model.name, tostring(list.module)))
    end
    if module.num_layers == 0 then core.fail(("%s: model '%s' has no layers"):format(where, model.name)) end
    local range = entry.layers or { 0, module.num_layers }
    local first, last
    if type(range) == "table" and #range == 2 then first, last = range[1], range[2] end
    if math.type(first) ~= "integer" or math.type(last) ~= "integer" then
      core.fail(where .. ": layers: expected { first, last }, the first layer (from 0) and the one after the last")
    end
    if first >= last then
      core.fail(("%s: layers: { %d, %d } holds no layer"):format(where, first, last))
    end
    if first < 0 or last > module.num_layers then
      core.fail(("%s: layers: { %d, %d } is not within the %d layers of model '%s'")
        :format(where, first, last, module.num_layers, model.name))
    end
    slices[#slices + 1] = { model = model, module = module, first = first, last = last }
  end
  if #slices == 0 then core.fail("stack: expected at least one { model, layers = { first, last } }") end
  return slices
end

--- Whether a tensor outside of the layers follows them: the output layer and the final norm, biases included.
local function follows_layers(model, name)
  local weight = name:gsub("%.[^.]+$", ".weight")
  local kind = model:info(model:has(weight) and weight or name).kind
  return kind == "head" or (kind == "norm" and not name:lower():find("embed", 1, true))
end

--- What comes before the layers is the first slice's model's, what follows them the last one's (as in
--- mergekit 0.1.5).
return function(list)
  methods.check_keys(list, (function()
    local keys = { "dtype", "name", "module" }
    for index in ipairs(list) do keys[#keys + 1] = index end
    return keys
  end)(), "stack")
  local slices = read_slices(list)
  local like = slices[1].model
  local sorted = {}
  local function names_of(slice)
    local key = slice.model
    for _, known in ipairs(sorted) do
      if known.model == key then return known.layers, known.loose end
    end
    local layers, loose = sort_names(slice.model, slice.module)
    sorted[#sorted + 1] = { model = key, layers = layers, loose = loose }
    return layers, loose
  end

  local names, origin, layers, sources = {}, {}, {}, {}
  local function add_loose(slice, following)
    local _, loose = names_of(slice)
    for _, name in ipairs(loose) do
      if follows_layers(slice.model, name) == following then
        names[#names + 1] = name
        origin[name] = { model = slice.model, name = name }
      end
    end
  end

  add_loose(slices[1], false)
  local reference
  for _, slice in ipairs(slices) do
    sources[#sources + 1] = slice.model
    local by_layer = names_of(slice)
    for layer = slice.first, slice.last - 1 do
      local number = #layers
      for _, entry in ipairs(by_layer[layer] or {}) do
        local name = entry.template:gsub("{layer}", tostring(number))
        names[#names + 1] = name
        origin[name] = { model = slice.model, name = entry.name }
      end
      reference = reference or slice.module.name
      layers[#layers + 1] = { slice.model, layer, slice.module.name }
    end
  end
  add_loose(slices[#slices], true)

  return core.define_model {
    label = list.name or "stack of layers",
    names = names,
    like = like,
    sources = sources,
    dtype = methods.check_dtype(list.dtype, "stack"),
    layers = { [reference] = layers },
    method = { pretty_name = "Passthrough" },
    specify = function(name)
      local from = origin[name]
      local info = from.model:info(from.name)
      return { shape = info.shape, dtype = info.dtype }
    end,
    build = function(name)
      local from = origin[name]
      return from.model:tensor(from.name)
    end,
  }
end
