--- `mk.adapter { from =, base =, rank = }`: the adapter that makes one model of another, as PEFT loads it.
--
-- The difference of each weight is cut to its largest singular triples, Δ ≈ U·S·Vᵀ, of which A = √S·Vᵀ and B = U·√S
-- (the best of that rank, Eckart and Young 1936). lora_alpha is r, so that the scale is 1.

local changes = require "mergekit.adapters.changes"
local core = require "mergekit.core"
local decompose = require "mergekit.adapters.decompose"
local layouts = require "mergekit.adapters.layouts"
local method = require "mergekit.methods.method"
local selection = require "mergekit.adapters.selection"
local settings = require "mergekit.merge.settings"
local at = require "mergekit.places"

local fields = {
  "from", "base", "rank", "distribute_scale", "embeddings", "save_modules", "include", "exclude", "epsilon",
  "skip_undecomposable", "dtype", "name",
}

--- What the rank of a module's product may be: a setting, like those of methods.
local rank_parameter = { name = "rank", type = "integer", range = { 1, math.huge }, required = true }

local function fail(path, words, ...) core.fail(words:format(...), at("adapter", path)) end

local function check_type(spec, field, kind)
  if spec[field] ~= nil and type(spec[field]) ~= kind then
    fail(field, "expected a %s, got %s", kind, type(spec[field]))
  end
end

local function check_list(spec, field)
  check_type(spec, field, "table")
  for index, value in ipairs(spec[field] or {}) do
    if type(value) ~= "string" then fail(("%s[%d]"):format(field, index), "expected a string, got %s", type(value)) end
    -- A pattern that is none is found here, and not at the first module.
    if field ~= "save_modules" then core.matches(value, "") end
  end
end

local function check(spec)
  method.check_keys(spec, fields, "adapter")
  for _, field in ipairs { "from", "base" } do
    local value = spec[field]
    if not core.is_model(value) then
      local hint = type(value) == "string" and (": mk.model %q opens one"):format(value) or ""
      fail(field, "expected a model, got %s%s", type(value), hint)
    end
    if value.is_adapter then fail(field, "'%s' is an adapter, expected a model", value.name) end
  end
  if spec.rank == nil then fail("rank", "expected a number, the most singular values of a module") end
  settings.check(spec.rank, "adapter: rank", rank_parameter)
  for _, field in ipairs { "distribute_scale", "embeddings", "skip_undecomposable" } do
    check_type(spec, field, "boolean")
  end
  check_type(spec, "epsilon", "number")
  if spec.epsilon and not (spec.epsilon >= 0 and spec.epsilon < math.huge) then
    fail("epsilon", "expected a number from 0 on, got %s", spec.epsilon)
  end
  for _, field in ipairs { "save_modules", "include", "exclude" } do check_list(spec, field) end
  check_type(spec, "name", "string")
end

--- The difference of a module's weights as a matrix of outputs by inputs; of Conv1D and tables, its transpose is.
local function difference(from, base, module)
  local shape = module.weight.shape
  local rows, columns = shape[1], 1
  for dim = 2, #shape do columns = columns * shape[dim] end
  return (from:tensor(module.weight.own) - base:tensor(module.weight.name)):reshape(rows, columns)
end

local function size_of(module)
  local shape = module.weight.shape
  local columns = 1
  for dim = 2, #shape do columns = columns * shape[dim] end
  return math.min(shape[1], columns)
end

--- A and B of a module, with the scale in both or in A alone.
local function factors(from, base, module, spec)
  -- Two power iterations leave 1.1 % more than need be of differences like noise, four less than 1 %.
  local u, s, vt = decompose.truncated(difference(from, base, module), math.min(module.rank, size_of(module)), 4)
  local root = s:sqrt()
  if module.form == "conv1d" or module.form == "table" then u, vt = vt:transpose(), u:transpose() end
  local a, b
  if spec.distribute_scale == false then
    a, b = vt * s:reshape(-1, 1), u
  else
    a, b = vt * root:reshape(-1, 1), u * root
  end
  local missing = module.rank - a.shape[1]
  if missing > 0 then a, b = a:pad(1, 0, missing), b:pad(2, 0, missing) end
  return a, b
end

--- Sets the rank of each product; modules with none are left out.
local function rank(modules, from, base, spec)
  local products, scopes = {}, { { path = "adapter", settings = { rank = spec.rank } } }
  for _, module in ipairs(modules) do
    if module.outcome == "product" and module.weight.is_changed then products[#products + 1] = module end
  end
  local ranked, most = {}, 0
  for index, module in ipairs(products) do
    local asked = settings.resolve(rank_parameter, scopes, module.weight.info, nil, { path = "adapter" })
    module.rank = math.min(asked, size_of(module))
    if spec.epsilon and spec.epsilon > 0 then
      local above = core.stream(module.name, function()
        local _, s = decompose.truncated(difference(from, base, module), module.rank, 4)
        return s:gt(spec.epsilon):sum():item()
      end)
      module.rank = math.tointeger(above)
      core.progress("counting singular values", index, #products)
    end
    if module.rank > 0 then ranked[#ranked + 1] = module end
    most = math.max(most, module.rank)
  end
  for _, module in ipairs(ranked) do
    if module.is_padded then module.rank = most end
  end
  return ranked
end

--- What is written of each module: lists of the modules with products and of those at full rank, and the biases beside
--- products; says what else has changed.
local function sort(modules, spec)
  local whole, biases, dropped = {}, {}, {}
  for _, module in ipairs(modules) do
    local is_asked = module.outcome == "whole"
    if is_asked and (module.is_changed or module.is_within) then
      whole[#whole + 1] = module
    elseif module.outcome == "skipped" and module.is_changed then
      for _, entry in ipairs(module.tensors) do
        if entry.is_changed then dropped[#dropped + 1] = entry.name end
      end
    elseif module.outcome == "product" then
      if module.bias and module.bias.is_changed then
        local list = spec.skip_undecomposable and dropped or biases
        list[#list + 1] = spec.skip_undecomposable and module.bias.name or module
      end
      for _, entry in ipairs(module.others) do
        if entry.is_changed then dropped[#dropped + 1] = entry.name end
      end
    end
  end
  if #dropped > 0 then
    warn(("adapter: left out although changed, as they have no low rank: %s"):format(changes.listed(dropped)))
  end
  return whole, biases
end

--- The tensors of the adapter: names in their order, and by name { shape =, dtype =, module =, part = } or { own = }.
local function plan(products, whole, biases, sharing, prefix)
  local names, places = {}, {}
  local function add(name, place)
    names[#names + 1] = name
    places[name] = place
  end
  local function key(module)
    local is_outside = module.weight and module.weight.kind == "head"
    return "base_model.model." .. (is_outside and "" or prefix) .. module.name
  end
  local is_product = {}
  for _, module in ipairs(products) do
    is_product[module] = true
    local shape, dtype, r = module.weight.shape, module.weight.dtype, module.rank
    local a, b = { r, shape[2] }, { shape[1], r }
    local start, ending = key(module) .. ".lora_", ".weight"
    if module.form == "table" then
      a, b, start, ending = { r, shape[1] }, { shape[2], r }, start .. "embedding_", ""
    elseif module.form == "conv1d" then
      a, b = { r, shape[1] }, { shape[2], r }
    elseif module.form == "convolution" then
      for dim = 3, #shape do a[dim], b[dim] = shape[dim], 1 end
    end
    add(start .. "A" .. ending, { shape = a, dtype = dtype, module = module, part = 1 })
    add(start .. "B" .. ending, { shape = b, dtype = dtype, module = module, part = 2 })
  end
  for _, module in ipairs(biases) do
    local entry = module.bias
    local inner = is_product[module] and ".base_layer.bias" or ".bias"
    add(key(module) .. inner, { shape = entry.shape, dtype = entry.dtype, own = entry.own })
  end
  for _, module in ipairs(whole) do
    for _, entry in ipairs(module.tensors) do
      add(key(module) .. "." .. entry.parameter, { shape = entry.shape, dtype = entry.dtype, own = entry.own })
      if module.form == "table" and entry == module.weight and entry.kind == "embedding" then
        for _, name in ipairs(sharing) do
          add("base_model.model." .. name .. ".weight", { shape = entry.shape, dtype = entry.dtype, own = entry.own })
        end
      end
    end
  end
  return names, places
end

local function module_names(list)
  local names = {}
  for index, module in ipairs(list) do names[index] = module.name end
  return names
end

--- adapter_config.json.
local function config_of(base, products, whole, biases, sharing, prefix)
  local most = 0
  for _, module in ipairs(products) do most = math.max(most, module.rank) end
  local ranks
  for _, module in ipairs(products) do
    if module.rank ~= most then
      ranks = ranks or {}
      ranks[(module.weight.kind == "head" and "" or prefix) .. module.name] = module.rank
    end
  end
  local has_conv1d, saves_embedding = false, false
  for _, module in ipairs(products) do has_conv1d = has_conv1d or module.form == "conv1d" end
  local all, roots = selection.modules(base:names()), {}
  for _, module in ipairs(whole) do
    if not module.is_within then roots[#roots + 1] = module.name end
    saves_embedding = saves_embedding or module.weight ~= nil and module.weight.kind == "embedding"
  end
  local saved = selection.saved(roots, all)
  for _, name in ipairs(saves_embedding and sharing or {}) do saved[#saved + 1] = name end
  return {
    peft_type = "LORA",
    task_type = layouts.task_type(base),
    base_model_name_or_path = base.name,
    r = most,
    lora_alpha = most,
    lora_dropout = 0.0,
    target_modules = selection.targets(module_names(products), all),
    modules_to_save = #saved > 0 and saved or nil,
    rank_pattern = ranks,
    alpha_pattern = ranks,
    bias = #biases > 0 and "all" or "none",
    fan_in_fan_out = has_conv1d,
    use_rslora = false,
    -- The head stays the embedding.
    ensure_weight_tying = saves_embedding and #sharing == 1 and sharing[1] == "lm_head" or nil,
    inference_mode = true,
  }
end

--- The names that no module has.
local function without(list, modules)
  local has = {}
  for _, module in ipairs(modules) do has[module.name] = true end
  local rest = {}
  for _, name in ipairs(list) do
    if not has[name] then rest[#rest + 1] = name end
  end
  return rest
end

--- Makes the adapter of a specification.
return function(spec)
  check(spec)
  local from, base = spec.from, spec.base
  local sharing = layouts.sharing_modules(base)
  if spec.embeddings and #sharing > 0 then
    warn(("adapter: the embedding of '%s' is its head, too, which PEFT changes by a product twice when it merges: it is "
      .. "saved at full rank"):format(base.name))
  end
  local modules = changes.find(from, base, spec, #sharing > 0)
  sharing = without(sharing, modules)
  local products = rank(modules, from, base, spec)
  local whole, biases = sort(modules, spec)
  local is_resized = false
  for _, module in ipairs(whole) do
    is_resized = is_resized or module.weight and module.weight.is_resized and module.form == "table"
  end
  if #products == 0 then
    local names = {}
    for _, list in ipairs { whole, biases } do
      for _, module in ipairs(list) do names[#names + 1] = module.name end
    end
    core.fail(("adapter: nothing that an adapter could say in a low rank differs between '%s' and '%s'%s"):format(
      from.name, base.name, #names > 0 and (", only " .. changes.listed(names)) or ""))
  end
  if #whole > 0 then
    warn(("adapter: saved at full rank (modules_to_save): %s"):format(
      changes.listed(selection.saved(module_names(whole), selection.modules(base:names())))))
  end
  if #biases > 0 then
    warn(("adapter: biases that changed are saved as they are: %s"):format(changes.listed(module_names(biases))))
  end
  if is_resized then
    warn(("adapter: the vocabularies of '%s' and '%s' differ: for PEFT, resize_token_embeddings of the base comes first")
      :format(from.name, base.name))
  end

  local prefix = layouts.missing_prefix(base)
  local names, places = plan(products, whole, biases, sharing, prefix)
  return core.define_model {
    label = spec.name or ("adapter of %s"):format(from.name),
    names = names,
    like = from,
    sources = { from, base },
    base = base,
    dtype = method.check_dtype(spec.dtype, at("adapter", "dtype")),
    methods = { { pretty_name = "truncated singular value decompositions",
      reference = "https://arxiv.org/abs/2106.09685" } },
    adapter_config = config_of(base, products, whole, biases, sharing, prefix),
    specify = function(name) return { shape = places[name].shape, dtype = places[name].dtype } end,
    build = function(name)
      local place = places[name]
      if place.own then return from:tensor(place.own) end
      -- Both factors come from one decomposition, which has one stream of random numbers.
      local a, b = core.stream(place.module.name, function() return factors(from, base, place.module, spec) end)
      return (place.part == 1 and a or b):reshape(place.shape)
    end,
  }
end
