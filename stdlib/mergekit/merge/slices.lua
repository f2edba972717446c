--- Reads what `mk.merge` is given as slices: runs of layers, each with the models that it is made of, the
--- method that makes it, and the scopes in which its settings are looked up.
--
-- `models` is one slice that spans the models whole; `slices` cut one module into runs of layers; `modules`
-- say either for each module of its own. Every error names the path of what is wrong, such as
-- `slices[1].sources[2].layers`.

local core = require "mergekit.core"
local methods = require "mergekit.methods.method"
local places = require "mergekit.places"
local settings = require "mergekit.merge.settings"

local M = {}

local is_model = core.is_model

local function join(path, name) return path == "" and name or path .. "." .. name end

--- Fails with the path of what is wrong; `who` gives the place of a path in what the function that was called got.
local function fail(who, path, message) core.fail(message, who(path)) end

--- Fails unless a value is a list without holes and other fields.
local function check_list(who, path, list, what)
  if type(list) ~= "table" then fail(who, path, ("expected %s, got %s"):format(what, type(list))) end
  local count = 0
  for _ in ipairs(list) do count = count + 1 end
  for key in pairs(list) do
    if math.type(key) ~= "integer" or key < 1 then
      fail(who, path, ("expected a list, got field '%s'"):format(tostring(key)))
    end
    if key > count then core.fail(("%s[%d] is nil"):format(tostring(who(path)), count + 1)) end
  end
end

--- The parameters of methods, for a scope that several of them share, and their names.
local function parameters_of(list, only_inputs)
  local names, by_name = {}, {}
  local function add(parameters)
    for _, parameter in ipairs(parameters) do
      if not by_name[parameter.name] then names[#names + 1] = parameter.name end
      by_name[parameter.name] = parameter
    end
  end
  for _, method in ipairs(list) do
    if not only_inputs then add(method.parameters) end
    add(method.per_input)
  end
  return names, by_name
end

local function quoted_names(list)
  local names = {}
  for index, method in ipairs(list) do names[index] = ("'%s'"):format(method.name) end
  return table.concat(names, " and ")
end

--- Reads the settings of one scope, a table of parameters by name, as { path =, settings = }; nil if there are none.
local function read_settings(who, path, given, list, only_inputs, registry)
  if given == nil then return nil end
  if type(given) ~= "table" then fail(who, path, "expected a table, got " .. type(given)) end
  local allowed, by_name = parameters_of(list, only_inputs)
  for key, value in pairs(given) do
    if not by_name[key] then
      if #allowed == 0 then
        fail(who, path, only_inputs
          and ("method %s has no parameters of its inputs, got '%s'"):format(quoted_names(list), tostring(key))
          or ("method %s has none, got '%s'"):format(quoted_names(list), tostring(key)))
      end
      fail(who, path, methods.unknown("parameter", key, allowed))
    end
    settings.check(value, who(join(path, key)), by_name[key])
  end
  if next(given) == nil then return nil end
  local scope = { path = path, settings = given }
  registry[#registry + 1] = scope
  return scope
end

--- Fails for an adapter in the place of a model.
local function check_is_whole(who, path, model)
  if model.is_adapter then
    fail(who, path, ("'%s' is an adapter: 'base+%s' puts it on a model; adapters alone are merged by models"):format(
      model.name, model.name))
  end
end

--- An input: a model, or `{ model, … }` with settings and, within slices, layers.
local function read_source(who, path, entry, method, registry, is_sliced)
  if is_model(entry) then entry = { entry } end
  if type(entry) ~= "table" or not is_model(entry[1]) then
    local found = type(entry) == "table" and entry[1] or entry
    local hint = type(found) == "string" and (": mk.model %q opens one"):format(found) or ""
    fail(who, path, ("expected a model, or { model, … }%s"):format(hint))
  end
  check_is_whole(who, path, entry[1])
  local own = {}
  for key, value in pairs(entry) do
    if key ~= 1 and not (is_sliced and key == "layers") then own[key] = value end
  end
  return {
    model = entry[1], label = entry[1].name, path = path, layers = entry.layers,
    settings = read_settings(who, path, own, { method }, true, registry),
  }
end

local function read_base(who, path, base)
  if base ~= nil and not is_model(base) then fail(who, path, "expected a model, got " .. type(base)) end
  if base ~= nil then check_is_whole(who, path, base) end
  return base
end

local function count_words(method)
  local low, high = method.min_inputs, method.max_inputs
  local beside = method.base == "ignored" and "" or " beside the base"
  if low == high then return ("exactly %d model%s%s"):format(low, low == 1 and "" or "s", beside) end
  if high == math.huge then return ("at least %d model%s%s"):format(low, low == 1 and "" or "s", beside) end
  return ("%d to %d models%s"):format(low, high, beside)
end

--- The name of a parameter that inputs must have, and that no scope around them has; nil if there is none.
local function lacking_setting(method, scopes)
  for _, parameter in ipairs(method.per_input) do
    local found = not parameter.required
    for _, scope in ipairs(scopes) do found = found or scope.settings[parameter.name] ~= nil end
    if not found then return parameter.name end
  end
  return nil
end

--- Puts the base apart from the inputs, as the method's policy has it.
--
-- A base that no source is has the settings of no source. With a method that ignores bases it is one more
-- input, the last, if the models are merged whole, the method can take it, and it has the parameters that inputs must
-- have (mergekit 0.1.5 refuses one without them); else it only gives its files.
local function split_base(who, slice, base, is_whole)
  local method = slice.method
  if method.base == "required" and base == nil then
    fail(who, is_whole and "method" or slice.path, ("method '%s' needs a base model"):format(method.name))
  end
  slice.inputs = slice.sources
  if base ~= nil then
    local entry
    for _, source in ipairs(slice.sources) do
      if source.model == base then
        entry = source
        break
      end
    end
    if method.base ~= "ignored" then
      slice.inputs = {}
      for _, source in ipairs(slice.sources) do
        if source ~= entry then slice.inputs[#slice.inputs + 1] = source end
      end
      slice.base = entry or { model = base, label = base.name, path = join(slice.path, "base"), is_base = true }
    elseif not entry and is_whole and #slice.sources < method.max_inputs then
      local lacking = lacking_setting(method, slice.scopes)
      if lacking then
        places.warn("base", ("model '%s' is no input of '%s', as it has no %s: it provides config.json and the tokenizer")
          :format(base.name, method.name, lacking))
      else
        slice.sources[#slice.sources + 1] = { model = base, label = base.name, path = join(slice.path, "base") }
      end
    end
  end
  local count = #slice.inputs
  if count < method.min_inputs or count > method.max_inputs then
    fail(who, slice.list_path, ("method '%s' takes %s, got %d"):format(method.name, count_words(method), count))
  end
end

--- The scopes that have settings, the innermost first.
local function scopes_of(...)
  local scopes = {}
  for index = 1, select("#", ...) do
    local scope = select(index, ...)
    if scope then scopes[#scopes + 1] = scope end
  end
  return scopes
end

local function finish(who, slice, base, is_whole)
  split_base(who, slice, base, is_whole)
  for _, source in ipairs(slice.sources) do source.scopes = scopes_of(source.settings, table.unpack(slice.scopes)) end
  if slice.base and slice.base.is_base then slice.base.scopes = slice.scopes end
  return slice
end

local function read_models(who, path, prefix, list, context, outer)
  check_list(who, join(path, "models"), list, "a list of models")
  local slice = {
    path = path, list_path = prefix, method = context.method, sources = {}, is_whole = true,
    scopes = scopes_of(table.unpack(outer)),
  }
  for index, entry in ipairs(list) do
    slice.sources[index] = read_source(who, ("%s[%d]"):format(prefix, index), entry, context.method, context.registry)
  end
  return finish(who, slice, context.base, true)
end

--- The module of a model that another model's module goes with.
local function module_of(model, name, is_main)
  local modules = model.modules
  for _, module in ipairs(modules) do
    if module.name == name or module.prefix == name then return module end
  end
  return is_main and modules[1] or nil
end

local function read_layers(who, source, module, is_main)
  local found = module_of(source.model, module.name, is_main)
  if not found then
    fail(who, source.path, ("model '%s' has no module '%s'"):format(source.label, module.name))
  end
  if found.num_layers == 0 then
    -- A module without layers is all of its slice.
    local range = source.layers
    if not module.is_part or (range ~= nil and (type(range) ~= "table" or range[1] ~= 0 or range[2] ~= 0)) then
      fail(who, source.path, ("model '%s' has no layers"):format(source.label))
    end
    source.module, source.first, source.count = found, 0, 0
    return
  end
  local range = source.layers or { 0, found.num_layers }
  local path = join(source.path, "layers")
  local first, last
  if type(range) == "table" and #range == 2 and next(range, 2) == nil then first, last = range[1], range[2] end
  if math.type(first) ~= "integer" or math.type(last) ~= "integer" then
    fail(who, path, "expected { first, last }, the first layer (from 0) and the one after the last")
  end
  if first > last then fail(who, path, { { value = { first, last } }, " holds no layer" }) end
  if first < 0 or last > found.num_layers then
    fail(who, path, {
      { value = { first, last } }, (" is not within the %d layers of model "):format(found.num_layers),
      { model = source.label },
    })
  end
  source.module, source.first, source.count = found, first, last - first
end

local slice_fields = { "sources", "base", "method", "parameters" }

local function read_slice(who, path, entry, context, outer, module, is_main)
  if type(entry) ~= "table" or is_model(entry) then
    fail(who, path, "expected { sources = { { model, layers = { first, last } }, … } }")
  end
  methods.check_keys(entry, slice_fields, who(path))
  local method = context.method
  if entry.method ~= nil then method = methods.resolve(entry.method) end
  if method == nil then fail(who, "method", "expected a name, a file or a value of mk.method") end
  local own = read_settings(who, join(path, "parameters"), entry.parameters, { method }, false, context.registry)
  local list_path = join(path, "sources")
  local slice = {
    path = path, list_path = list_path, method = method, sources = {}, scopes = scopes_of(own, table.unpack(outer)),
  }
  check_list(who, list_path, entry.sources, "a list of { model, layers = { first, last } }")
  if #entry.sources == 0 then fail(who, list_path, "expected at least one { model, layers = { first, last } }") end
  for index, source in ipairs(entry.sources) do
    source = read_source(who, ("%s[%d]"):format(list_path, index), source, method, context.registry, true)
    read_layers(who, source, module, is_main)
    slice.sources[index] = source
    local first = slice.sources[1]
    if source.count ~= first.count then
      fail(who, join(source.path, "layers"), ("%d layer%s, but sources[1] has %d: all sources of a slice have as many")
        :format(source.count, source.count == 1 and "" or "s", first.count))
    end
  end
  finish(who, slice, read_base(who, join(path, "base"), entry.base) or context.base)
  if slice.base and slice.base.is_base then
    slice.base.layers = { slice.sources[1].first, slice.sources[1].first + slice.sources[1].count }
    read_layers(who, slice.base, module, is_main)
  end
  slice.count = slice.sources[1].count
  return slice
end

--- A slice without layers says where the tensors before the layers come from if it is the first, and those after them
--- if it is the last; between others it says nothing.
local function check_emptiness(who, path, slices, module)
  local count = 0
  for index, slice in ipairs(slices) do
    count = count + slice.count
    if slice.count == 0 and index > 1 and index < #slices then
      places.warn(slice.path, "holds no layer, and is neither the first slice nor the last: it has no effect")
    end
  end
  if count == 0 and module.num_layers ~= 0 then fail(who, path, "no slice holds a layer") end
end

local function read_slices(who, path, list, context, outer, module, is_main)
  check_list(who, path, list, "a list of slices")
  if #list == 0 then fail(who, path, "expected at least one slice") end
  local slices = {}
  for index, entry in ipairs(list) do
    slices[index] = read_slice(who, ("%s[%d]"):format(path, index), entry, context, outer, module, is_main)
  end
  check_emptiness(who, path, slices, module)
  return slices
end

--- The first model that a list of slices or of modules names.
local function first_model(spec)
  local function of_list(list)
    local entry = type(list) == "table" and list[1] or nil
    if type(entry) == "table" and type(entry.sources) == "table" then entry = entry.sources[1] end
    if type(entry) == "table" then entry = entry[1] end
    return is_model(entry) and entry or nil
  end
  if spec.models or spec.slices then return of_list(spec.models or spec.slices) end
  for _, module in pairs(spec.modules) do
    if type(module) == "table" then
      local found = of_list(module.models) or of_list(module.slices)
      if found then return found end
    end
  end
end

local module_fields = { "models", "slices", "parameters" }

local function read_module(who, name, entry, context, global, module, is_main)
  local path = "modules." .. name
  if type(entry) ~= "table" then fail(who, path, "expected { models = … } or { slices = … }, got " .. type(entry)) end
  methods.check_keys(entry, module_fields, who(path))
  if (entry.models == nil) == (entry.slices == nil) then fail(who, path, "expected either models or slices") end
  local own = read_settings(who, join(path, "parameters"), entry.parameters, context.methods, false, context.registry)
  local outer = scopes_of(own, global)
  if entry.models then
    if not context.method then fail(who, "method", "expected a name, a file or a value of mk.method") end
    local slice = read_models(who, path, join(path, "models"), entry.models, context, outer)
    return { module = module.name, whole = slice }
  end
  return {
    module = module.name, slices = read_slices(who, join(path, "slices"), entry.slices, context, outer, module, is_main),
  }
end

--- All methods that a merge uses, its own first.
local function all_methods(spec, method)
  local list = { method }
  local function add(slices)
    if type(slices) ~= "table" then return end
    for _, slice in ipairs(slices) do
      if type(slice) == "table" and not is_model(slice) and slice.method ~= nil then
        list[#list + 1] = methods.resolve(slice.method)
      end
    end
  end
  add(spec.slices)
  if type(spec.modules) == "table" then
    for _, module in pairs(spec.modules) do
      if type(module) == "table" then add(module.slices) end
    end
  end
  return list
end

--- Reads `models`, `slices` or `modules` of a merge.
--
-- @param who  a function that gives the place of a path, see mergekit.places
-- @return the parts, in the order of the modules: `{ whole = slice }` for models that are merged whole,
--   `{ module = name, whole = slice }` for one module of them, `{ module = name, slices = { … } }` for runs
--   of layers; the model whose files the output gets; and all scopes of settings as { path =, settings = }. A slice has
--   `method`, `sources`, `base` (a source), `inputs` (the sources beside the base), `scopes`, `path` and, if it is a run
--   of layers, `count`. A source has `model`, `label`, `scopes`, `path` and, in a run of layers, `module` and `first`.
function M.read(spec, who)
  local given = {}
  for _, field in ipairs { "models", "slices", "modules" } do
    if spec[field] ~= nil then given[#given + 1] = field end
  end
  if #given == 0 then fail(who, "", "expected models, slices or modules") end
  if #given > 1 then
    fail(who, "", ("both %s and %s: expected one of models, slices and modules"):format(given[1], given[2]))
  end
  local base = read_base(who, "base", spec.base)
  local method
  if spec.method ~= nil then method = methods.resolve(spec.method) end
  if method == nil and spec.models then fail(who, "method", "expected a name, a file or a value of mk.method") end
  local context = { method = method, base = base, methods = all_methods(spec, method), registry = {} }
  local global = read_settings(who, "parameters", spec.parameters, context.methods, false, context.registry)

  if spec.models then
    local slice = read_models(who, "", "models", spec.models, context, { global })
    return { { whole = slice } }, base or slice.sources[1].model, context.registry
  end

  if type(spec[given[1]]) ~= "table" then
    local expected = spec.slices and "list of slices" or "table of modules"
    fail(who, given[1], ("expected a %s, got %s"):format(expected, type(spec[given[1]])))
  end
  local like = base or first_model(spec)
  if not like then
    -- The readers say what is wrong with what stands in the place of the first model.
    if spec.slices then read_slices(who, "slices", spec.slices, context, { global }, { name = "default" }, true) end
    fail(who, given[1], "expected at least one module with a model")
  end
  local modules = like.modules
  if spec.slices then
    local module = module_of(like, spec.module or modules[1].name)
    if not module then fail(who, "module", ("model '%s' has no module '%s'"):format(like.name, tostring(spec.module))) end
    local slices = read_slices(
      who, "slices", spec.slices, context, { global }, module, module.name == modules[1].name)
    local part = { module = module.name, slices = slices, with_rest = true }
    return { part }, base or slices[1].sources[1].model, context.registry
  end

  local known = {}
  for index, module in ipairs(modules) do known[index] = module.name end
  for name in pairs(spec.modules) do
    if type(name) ~= "string" or not module_of(like, name) then
      fail(who, "modules", methods.unknown("module", name, known, (" of model '%s'"):format(like.name)))
    end
  end
  local parts, kept = {}, {}
  for index, module in ipairs(modules) do
    module.is_part = true
    local entry = spec.modules[module.name] or (module.prefix and spec.modules[module.prefix])
    if entry ~= nil then
      parts[#parts + 1] = read_module(who, module.name, entry, context, global, module, index == 1)
    else
      parts[#parts + 1] = { module = module.name, kept = like }
      kept[#kept + 1] = ("'%s'"):format(module.name)
    end
  end
  if #kept > 0 then
    places.warn("modules", ("%s not named, so %s tensors stay as they are in model '%s'"):format(
      table.concat(kept, ", ") .. (#kept > 1 and " are" or " is"), #kept > 1 and "their" or "its", like.name))
  end
  return parts, like, context.registry
end

return M
