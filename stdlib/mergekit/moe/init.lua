--- `mk.moe`: a mixture of experts as a lazy model, its experts being the MLPs of dense models and all else the base's.

local core = require "mergekit.core"
local architectures = require "mergekit.moe.architectures"
local checks = require "mergekit.moe.checks"
local gates = require "mergekit.moe.gates"
local methods = require "mergekit.methods.method"
local places = require "mergekit.places"
local tensors = require "mergekit.moe.tensors"

local fields = {
  "base", "experts", "shared_experts", "gates", "dtype", "experts_per_token", "architecture", "allow_all_same", "name",
}
local expert_fields = { 1, "positive_prompts", "negative_prompts", "noise_scale", "residual_scale" }

local fail = places.failing "moe"

local function read_prompts(list, path)
  if list == nil then return {} end
  if type(list) == "string" then fail(path, "expected a list of prompts, got a string") end
  if type(list) ~= "table" then fail(path, "expected a list of prompts, got " .. type(list)) end
  local prompts = {}
  for key, prompt in pairs(list) do
    if math.type(key) ~= "integer" then fail(path, "expected a list of prompts, found the field " .. tostring(key)) end
    if type(prompt) ~= "string" then
      fail(("%s[%d]"):format(path, key), "expected a text, got " .. type(prompt))
    end
    prompts[key] = prompt
  end
  for key in pairs(prompts) do
    if key < 1 or key > #prompts then fail(path, "expected a list of prompts without gaps") end
  end
  return prompts
end

local function read_number(entry, field, path)
  local value = entry[field]
  if value ~= nil and (type(value) ~= "number" or value ~= value or math.abs(value) == math.huge) then
    fail(path .. "." .. field, ("expected a number, got %s"):format(type(value) == "number" and value or type(value)))
  end
  return value
end

--- The experts of a list, each as { model, positive_prompts =, … } or as a model alone.
local function read_experts(list, field)
  if type(list) ~= "table" then
    local found = core.is_model(list) and "a model" or type(list)
    fail(field, ("expected a list of { model, positive_prompts = … }, got %s"):format(found))
  end
  local experts = {}
  for index, entry in ipairs(list) do
    local path = ("%s[%d]"):format(field, index)
    if core.is_model(entry) then entry = { entry } end
    if type(entry) ~= "table" or not core.is_model(entry[1]) then
      fail(path, "expected a model, or { model, positive_prompts = … }")
    end
    methods.check_keys(entry, expert_fields, places("moe", path))
    experts[index] = {
      model = entry[1],
      path = path,
      positive_prompts = read_prompts(entry.positive_prompts, path .. ".positive_prompts"),
      negative_prompts = read_prompts(entry.negative_prompts, path .. ".negative_prompts"),
      noise_scale = read_number(entry, "noise_scale", path),
      residual_scale = read_number(entry, "residual_scale", path),
    }
  end
  for key in pairs(list) do
    if math.type(key) ~= "integer" or not experts[key] then
      fail(field, ("expected a list, found the field %s"):format(tostring(key)))
    end
  end
  return experts
end

local function check_type(spec, field, kind)
  local value = spec[field]
  if value ~= nil and type(value) ~= kind then fail(field, ("expected a %s, got %s"):format(kind, type(value))) end
end

--- The config of a model that has one of a known type.
local function config_of(model, path)
  local config = model.config
  if not config or type(config.model_type) ~= "string" then
    fail(path, ("the config.json of model '%s' has no model_type"):format(model.name))
  end
  return config
end

local function read(spec)
  methods.check_keys(spec, fields, places("moe", ""))
  check_type(spec, "allow_all_same", "boolean")
  check_type(spec, "name", "string")
  if not core.is_model(spec.base) then fail("base", "expected a model, got " .. type(spec.base)) end
  if spec.experts == nil then fail("experts", "expected a list of { model, positive_prompts = … }") end
  local count = spec.experts_per_token
  if count == nil then count = 2 end
  if math.type(count) ~= "integer" or count < 1 then
    fail("experts_per_token", ("expected a count from 1 on, got %s"):format(tostring(count)))
  end
  local config = config_of(spec.base, "base")
  local m = {
    base = spec.base,
    base_config = config,
    hidden_size = config.hidden_size,
    intermediate_size = config.intermediate_size,
    experts = read_experts(spec.experts, "experts"),
    shared_experts = read_experts(spec.shared_experts or {}, "shared_experts"),
    experts_per_token = count,
    mode = gates.read(spec.gates),
    dtype = methods.check_dtype(spec.dtype, places("moe", "dtype")),
    allow_all_same = spec.allow_all_same,
  }
  for _, expert in ipairs(m.experts) do config_of(expert.model, expert.path) end
  for _, expert in ipairs(m.shared_experts) do config_of(expert.model, expert.path) end
  return m
end

-- What the result is stored as: what is asked for, or else what the base's config.json says, as mergekit does.
local function output_dtype(m)
  if m.dtype then return m.dtype end
  local name = m.base_config.torch_dtype or m.base_config.dtype
  if type(name) ~= "string" then return nil end
  return core.dtype_name((name:gsub("^torch%.", "")))
end

--- Makes the model of a mixture of experts.
return function(spec)
  if type(spec) ~= "table" then core.fail("expected a table, got " .. type(spec), places("moe", "")) end
  local m = read(spec)
  checks.counts(m)
  checks.models(m)
  local architecture = architectures.choose(m, spec.architecture)
  tensors.measure(m)
  checks.prompts(m, architecture)
  local dtype = output_dtype(m)
  local list = tensors.place(m, architecture, gates.builder(m, architecture))
  local values, removed = architectures.config(m, architecture)
  local sources = { m.base }
  for _, expert in ipairs(m.experts) do sources[#sources + 1] = expert.model end
  for _, expert in ipairs(m.shared_experts) do sources[#sources + 1] = expert.model end
  return core.define_model {
    label = spec.name or "mixture of experts",
    names = list,
    like = m.base,
    sources = sources,
    dtype = dtype,
    base = m.base,
    methods = { { pretty_name = ("Mixture of Experts (%s)"):format(architecture.name) } },
    config_values = values,
    config_removed = removed,
    specify = function(name) return list.by_name[name].specify() end,
    build = function(name)
      return core.stream(name, list.by_name[name].build)
    end,
  }
end
