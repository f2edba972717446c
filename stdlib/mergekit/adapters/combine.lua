--- `mk.merge` of adapters alone: an adapter of the model that they are all of, which is not needed.
--
-- linear, cat, svd, ties, ties_svd, dare_linear, dare_ties, magnitude_prune and their like are what PEFT 0.21 makes of
-- adapters by `add_weighted_adapter`. Any other method that has a base merges the products, whose base is zero, and its
-- result is cut to a rank by singular values.

local combinations = require "mergekit.adapters.combinations"
local config_of = require("mergekit.adapters.config").read
local core = require "mergekit.core"
local decompose = require "mergekit.adapters.decompose"
local keys = require "mergekit.adapters.keys"
local method = require "mergekit.methods.method"
local settings = require "mergekit.merge.settings"
local at = require "mergekit.places"

local fields = { "method", "models", "parameters", "dtype", "name" }

local weight_parameter = { name = "weight", type = "number", default = 1.0 }
local density_parameter = { name = "density", type = "number", range = { 0, 1 }, required = true }
local rank_parameter = { name = "rank", type = "integer", range = { 1, math.huge } }
local sign_parameter = { name = "majority_sign", type = "string", default = "total" }

local function fail(path, words, ...) core.fail(words:format(...), at("merge", path)) end

--- How a merge combines: { name =, kind = "cat" | "svd" | "factors" | "products" | "method", own =, shared = }, the last
--- two being parameters.
local function way_of(spec)
  local name = spec.method
  local factors, products = combinations.of_factors[name], combinations.of_products[name]
  local way = { name = name, own = { weight_parameter }, shared = {} }
  local found = factors or products
  if name == "cat" then
    way.kind = "cat"
  elseif name == "svd" then
    way.kind, way.shared = "svd", { rank_parameter }
  elseif found then
    way.kind, way.combine = factors and "factors" or "products", found.combine
    if found.has_density then way.own[2] = density_parameter end
    if found.has_signs then way.shared[1] = sign_parameter end
    if products then way.shared[#way.shared + 1] = rank_parameter end
  else
    local known = { "cat", "svd" }
    for _, list in ipairs { combinations.of_factors, combinations.of_products } do
      for other in pairs(list) do known[#known + 1] = other end
    end
    local nearest = type(name) == "string" and not core.module_exists("methods/" .. name) and core.nearest(name, known)
    if nearest then
      core.fail({ ("no method '%s' of adapters"):format(name), suggestion = nearest }, at("merge", "method"))
    end
    local resolved = method.resolve(name)
    if resolved.base == "ignored" then
      fail("method", "'%s' does not merge adapters: use linear, cat, svd, ties, dare_linear, dare_ties, magnitude_prune, "
        .. "or a method that has a base", resolved.name)
    end
    way.kind, way.method, way.name = "method", resolved, resolved.name
    way.own, way.shared = resolved.per_input, { table.unpack(resolved.parameters) }
    local has_rank = false
    for _, parameter in ipairs(way.shared) do has_rank = has_rank or parameter.name == "rank" end
    if not has_rank then way.shared[#way.shared + 1] = rank_parameter end
  end
  return way
end

--- The settings of a scope, checked.
local function scope_of(path, given, parameters)
  if given == nil then return nil end
  if type(given) ~= "table" then fail(path, "expected a table, got %s", type(given)) end
  local names, by_name = {}, {}
  for _, parameter in ipairs(parameters) do
    names[#names + 1] = parameter.name
    by_name[parameter.name] = parameter
  end
  for key, value in pairs(given) do
    if not by_name[key] then core.fail(method.unknown("parameter", key, names), at("merge", path)) end
    settings.check(value, ("merge: %s.%s"):format(path, key), by_name[key])
  end
  return { path = path, settings = given }
end

--- Fails for what of an adapter cannot be combined with others'.
local function check_adapter(adapter, config, found)
  local name = adapter.name
  local words
  if config.json.use_dora then words = "it is a DoRA, whose magnitudes belong to one model" end
  if config.json.target_parameters and #config.json.target_parameters > 0 then
    words = "it changes parameters by themselves (target_parameters)"
  end
  if config.json.layer_replication then words = "it repeats layers (layer_replication)" end
  for _, module in ipairs(found.modules) do
    if module.tokens then words = "it replaces rows of tokens (trainable_token_indices)" end
    if module.b_bias then words = "its products have biases (lora_bias)" end
    if module.magnitude then words = "it is a DoRA, whose magnitudes belong to one model" end
  end
  for _, own in ipairs(found.order) do
    if not words and not found.replaced[own]:find(".base_layer.", 1, true) then
      words = ("it replaces '%s' (modules_to_save or bias)"):format(own)
    end
  end
  if words then
    core.fail(("merge: adapter '%s' is not combined with others: %s; put each on the model (base+adapter), and merge those")
      :format(name, words))
  end
end

--- The adapters: { adapter =, config =, by_name =, scopes = } each.
local function read(spec, way)
  local shared = { table.unpack(way.shared) }
  for _, parameter in ipairs(way.own) do shared[#shared + 1] = parameter end
  local global = scope_of("parameters", spec.parameters, shared)
  local list, base = {}, nil
  for index, entry in ipairs(spec.models) do
    local path = ("models[%d]"):format(index)
    if core.is_model(entry) then entry = { entry } end
    local adapter = type(entry) == "table" and entry[1]
    if not core.is_model(adapter) then fail(path, "expected an adapter, or { adapter, … }") end
    if not adapter.is_adapter then
      fail(path, "'%s' is a model, and others are adapters: put these on a model (base+adapter), or merge adapters alone",
        adapter.name)
    end
    local own = {}
    for key, value in pairs(entry) do
      if key ~= 1 then own[key] = value end
    end
    local config, found = config_of(adapter), keys.read(adapter)
    check_adapter(adapter, config, found)
    local by_name = {}
    for _, module in ipairs(found.modules) do by_name[module.name] = module end
    local scopes = {}
    scopes[1] = next(own) ~= nil and scope_of(path, own, way.own) or nil
    scopes[#scopes + 1] = global
    list[index] = {
      adapter = adapter, config = config, modules = found.modules, by_name = by_name, scopes = scopes, path = path,
      label = adapter.name,
    }
    local own_base = config.json.base_model_name_or_path
    if base and own_base and own_base ~= base then
      warn(("merge: adapter '%s' names the model '%s', and others '%s'"):format(adapter.name, own_base, base))
    end
    base = base or own_base
  end
  return list, global and { global } or {}
end

local function shape_text(shape) return "[" .. table.concat(shape, ", ") .. "]" end

local function rest(shape)
  local count = 1
  for dim = 2, #shape do count = count * shape[dim] end
  return count
end

--- A module's part of an adapter, whose factors' shapes are checked.
local function part_of(entry, module)
  local adapter = entry.adapter
  local a, b = module.a or module.embedding_a, module.b or module.embedding_b
  if not a or not b then
    core.fail(("adapter '%s': module '%s' has no %s"):format(adapter.name, module.name, a and "lora_B" or "lora_A"))
  end
  local a_shape, dtype = adapter:specification(a)
  local b_shape = adapter:specification(b)
  local rank = entry.config:rank(module.name)
  if a_shape[1] ~= rank or b_shape[2] ~= rank then
    core.fail(("adapter '%s': module '%s' has the factors %s and %s, and adapter_config.json says rank %d"):format(
      adapter.name, module.name, shape_text(a_shape), shape_text(b_shape), rank))
  end
  return {
    entry = entry, a = a, b = b, a_shape = a_shape, b_shape = b_shape, dtype = dtype, rank = rank,
    scale = entry.config:scale(module.name), is_embedding = module.embedding_a ~= nil,
  }
end

--- The modules of all adapters, each with the parts of those that have it.
local function modules_of(list)
  local modules, by_name = {}, {}
  for _, entry in ipairs(list) do
    for _, module in ipairs(entry.modules) do
      local part = part_of(entry, module)
      local known = by_name[module.name]
      if not known then
        known = { name = module.name, parts = {} }
        by_name[module.name] = known
        modules[#modules + 1] = known
      end
      local first = known.parts[1]
      if first and (first.b_shape[1] ~= part.b_shape[1] or rest(first.a_shape) ~= rest(part.a_shape)) then
        core.fail(("merge: module '%s' is one of [%d, %d] in adapter '%s', and of [%d, %d] in '%s': they are of different "
          .. "models"):format(module.name, first.b_shape[1], rest(first.a_shape), first.entry.label, part.b_shape[1],
          rest(part.a_shape), entry.label))
      end
      known.parts[#known.parts + 1] = part
    end
  end
  return modules
end

--- What rules see of a module.
local function info_of(module, part)
  local info = part.entry.adapter:info(part.a)
  info.name, info.kind, info.template = module.name .. ".weight", "weight", nil
  info.shape = { module.parts[1].b_shape[1], rest(module.parts[1].a_shape) }
  return info
end

--- A setting of one adapter for a module.
local function own_setting(parameter, module, part)
  return settings.resolve(parameter, part.entry.scopes, info_of(module, part), nil, part.entry)
end

--- A shared setting for a module, or its default.
local function shared_setting(parameter, module, scopes)
  return settings.resolve(parameter, scopes, info_of(module, module.parts[1]), nil, { path = "" })
end

local function factors(part)
  local adapter = part.entry.adapter
  return adapter:tensor(part.a), adapter:tensor(part.b)
end

--- s·B·A as a matrix.
local function product(part)
  local a, b = factors(part)
  return b:reshape(-1, part.rank):matmul(a:reshape(part.rank, -1)) * part.scale
end

--- A number for each part.
local function values(parameter, module)
  local list = {}
  for index, part in ipairs(module.parts) do list[index] = own_setting(parameter, module, part) end
  return list
end

local builders = {}

--- The factors of all side by side, the scale in A.
function builders.cat(module)
  local as, bs, weights = {}, {}, values(weight_parameter, module)
  for index, part in ipairs(module.parts) do
    local a, b = factors(part)
    as[index], bs[index] = a * (weights[index] * part.scale), b
  end
  return core.cat(as, 1), core.cat(bs, 2)
end

--- The factors combined, each by the root of its weight, whose sign is in A.
function builders.factors(module, way, shared)
  local lists, weights = { {}, {} }, { {}, {} }
  local own = values(weight_parameter, module)
  local densities = way.own[2] and values(density_parameter, module) or {}
  for index, part in ipairs(module.parts) do
    lists[1][index], lists[2][index] = factors(part)
    local weight = own[index] * part.scale
    local root = math.sqrt(math.abs(weight))
    weights[1][index], weights[2][index] = weight >= 0 and root or -root, root
  end
  return way.combine(lists[1], weights[1], densities, shared), way.combine(lists[2], weights[2], densities, shared)
end

--- The largest singular values of a sum, all of them in B.
function builders.svd(module, _, _, rank)
  local as, bs, weights = {}, {}, values(weight_parameter, module)
  for index, part in ipairs(module.parts) do
    local a, b = factors(part)
    as[index] = a:reshape(part.rank, -1) * (weights[index] * part.scale)
    bs[index] = b:reshape(-1, part.rank)
  end
  local u, s, vt = decompose.of_product(core.cat(bs, 2), core.cat(as, 1), rank)
  return vt, u * s
end

--- The largest singular values of products that are combined.
function builders.products(module, way, shared, rank)
  local list, weights = {}, values(weight_parameter, module)
  local densities = way.own[2] and values(density_parameter, module) or {}
  for index, part in ipairs(module.parts) do list[index] = product(part) end
  local u, s, vt = decompose.truncated(way.combine(list, weights, densities, shared), rank, 4)
  return vt, u * s
end

--- The largest singular values of what a method makes of products.
function builders.method(module, way, shared, rank)
  local t = info_of(module, module.parts[1])
  t.dtype, t.template, t.inputs = "float32", t.name, {}
  t.base = core.zeros(t.shape)
  t.base_input = { tensor = t.base }
  for name, value in pairs(shared) do t[name] = value end
  for index, part in ipairs(module.parts) do
    local input = { tensor = product(part), model = part.entry.adapter, layer = t.layer }
    for _, parameter in ipairs(way.own) do input[parameter.name] = own_setting(parameter, module, part) end
    t.inputs[index] = input
  end
  if #t.inputs < way.method.min_inputs then
    core.fail(("merge: method '%s' takes at least %d adapters, and %d has module '%s'"):format(
      way.name, way.method.min_inputs, #t.inputs, module.name))
  end
  local u, s, vt = decompose.truncated(way.method.merge(t), rank, 4)
  return vt, u * s
end

--- The rank of a module of the result.
local function rank_of(module, way, scopes, most)
  local size = math.min(module.parts[1].b_shape[1], rest(module.parts[1].a_shape))
  local sum = 0
  for _, part in ipairs(module.parts) do sum = sum + part.rank end
  if way.kind == "cat" then return sum end
  if way.kind == "factors" then
    local first = module.parts[1]
    for _, part in ipairs(module.parts) do
      if part.rank ~= first.rank then
        core.fail(("merge: method '%s' adds factors, and module '%s' has the rank %d in adapter '%s' and %d in '%s': cat, "
          .. "svd and the methods that end in _svd take any ranks"):format(way.name, module.name, first.rank,
          first.entry.label, part.rank, part.entry.label))
      end
    end
    return first.rank
  end
  local asked = shared_setting(rank_parameter, module, scopes) or most
  return way.kind == "svd" and math.min(asked, size, sum) or math.min(asked, size)
end

local function result_config(list, modules)
  local first = list[1].config.json
  local most, names, ranks, seen = 0, {}, nil, {}
  for _, module in ipairs(modules) do most = math.max(most, module.rank) end
  for _, module in ipairs(modules) do
    if module.rank ~= most then
      ranks = ranks or {}
      ranks[module.name] = module.rank
    end
  end
  -- Where all adapters have the same targets these are the result's, as they are written.
  for _, entry in ipairs(list) do
    local targets = entry.config.json.target_modules
    if type(targets) ~= "table" then names = nil end
    for _, name in ipairs(names and targets or {}) do
      if not seen[name] then
        seen[name] = true
        names[#names + 1] = name
      end
    end
  end
  if not names or #names == 0 then
    names = {}
    for index, module in ipairs(modules) do names[index] = module.name end
  end
  return {
    peft_type = "LORA", task_type = first.task_type, base_model_name_or_path = first.base_model_name_or_path,
    r = most, lora_alpha = most, lora_dropout = 0.0, target_modules = names, rank_pattern = ranks, alpha_pattern = ranks,
    bias = "none", fan_in_fan_out = first.fan_in_fan_out or false, use_rslora = false, inference_mode = true,
  }
end

local M = {}

--- Whether one of the models of a merge is an adapter.
function M.is_of_adapters(spec)
  for _, entry in ipairs(type(spec.models) == "table" and spec.models or {}) do
    local model = type(entry) == "table" and entry[1] or entry
    if core.is_model(model) and model.is_adapter then return true end
  end
  return false
end

--- Makes the adapter of a merge of adapters.
function M.merge(spec)
  if spec.base ~= nil then
    fail("base", "adapters are merged without a base; methods that want one have zero")
  end
  method.check_keys(spec, fields, "merge (of adapters)")
  if spec.method == nil then fail("method", "expected a name, a file or a value of mk.method") end
  local way = way_of(spec)
  local list, scopes = read(spec, way)
  if #list == 1 and way.kind ~= "method" then way = way_of { method = "linear" } end
  local modules = modules_of(list)
  local most = 0
  for _, entry in ipairs(list) do
    most = math.max(most, entry.config.json.r)
    for _, rank in pairs(entry.config.json.rank_pattern or {}) do most = math.max(most, rank) end
  end

  local names, places = {}, {}
  for _, module in ipairs(modules) do
    module.rank = rank_of(module, way, scopes, most)
    local part = module.parts[1]
    local a, b = { table.unpack(part.a_shape) }, { table.unpack(part.b_shape) }
    a[1], b[2] = module.rank, module.rank
    local start = "base_model.model." .. module.name .. (part.is_embedding and ".lora_embedding_" or ".lora_")
    local ending = part.is_embedding and "" or ".weight"
    for index, entry in ipairs { { "A", a }, { "B", b } } do
      local name = start .. entry[1] .. ending
      names[#names + 1] = name
      places[name] = { module = module, part = index, shape = entry[2], dtype = part.dtype }
    end
  end
  local adapters = {}
  for index, entry in ipairs(list) do adapters[index] = entry.adapter end
  local resolved = way.method
  return core.define_model {
    label = spec.name or ("adapters by %s"):format(way.name),
    names = names,
    like = adapters[1],
    sources = adapters,
    dtype = method.check_dtype(spec.dtype, at("merge", "dtype")),
    methods = { {
      pretty_name = resolved and resolved.pretty_name or ("%s of adapters"):format(way.name),
      reference = resolved and resolved.reference or nil,
    } },
    adapter_config = result_config(list, modules),
    specify = function(name) return { shape = places[name].shape, dtype = places[name].dtype } end,
    build = function(name)
      local place = places[name]
      local module = place.module
      local shared = {}
      for _, parameter in ipairs(way.shared) do
        shared[parameter.name] = shared_setting(parameter, module, scopes)
      end
      -- Both factors of a module draw from one stream.
      local a, b = core.stream(module.name, function()
        return builders[way.kind](module, way, shared, module.rank)
      end)
      return (place.part == 1 and a or b):reshape(place.shape)
    end,
  }
end

return M
