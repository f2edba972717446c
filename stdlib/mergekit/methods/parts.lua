--- What methods do with task vectors, as functions of plain lists of tensors: `mk.ties(vectors, { density = 0.3 })`.
--- Any tensors of one shape can be the vectors, in whatever basis they are; the built-in methods of these names are
--- the same functions, on the differences of models from their base.

local core = require "mergekit.core"
local emr = require "mergekit.methods.emr"
local matrices = require "mergekit.methods.matrices"
local methods = require "mergekit.methods.method"
local specification = require "mergekit.merge.specification"
local task_vectors = require "mergekit.methods.task_vectors"

-- Settings of each vector, one for all or a list, with their defaults; and settings of the whole.
local own_defaults = { weights = 1, density = 1, epsilon = 0.15, gamma = 0.01 }

-- The mask of each family, the settings that it asks for, and the defaults of those of the whole.
local families = {
  task_arithmetic = { own = {}, shared = { normalize = false, rescale = false } },
  ties = {
    mask = task_vectors.largest, own = { "density" },
    shared = { normalize = true, rescale = false, elect_signs = true },
  },
  dare = {
    mask = task_vectors.random, own = { "density" },
    shared = { normalize = false, rescale = true, elect_signs = false },
  },
  della = {
    mask = task_vectors.by_rank, own = { "density", "epsilon" },
    shared = { normalize = true, rescale = true, elect_signs = true },
  },
  breadcrumbs = {
    mask = task_vectors.band, own = { "density", "gamma" },
    shared = { normalize = false, rescale = false, elect_signs = false },
  },
}

local M = {}

--- The parameter that says which part of a task vector is kept.
M.density = task_vectors.density

local function is_number(value) return type(value) == "number" or core.is_tensor(value) end

--- One value for each vector, of a setting that is one value or a list of them.
local function for_each_vector(where, value, count)
  local list = {}
  if is_number(value) then
    for index = 1, count do list[index] = value end
    return list
  end
  if type(value) ~= "table" then
    core.fail(("%s: expected a number or a list of numbers, got %s"):format(where, type(value)))
  end
  if #value ~= count then core.fail(("%s: %d values for %d vectors"):format(where, #value, count)) end
  for index, entry in ipairs(value) do
    if not is_number(entry) then
      core.fail(("%s[%d]: expected a number, got %s"):format(where, index, type(entry)))
    end
    list[index] = entry
  end
  return list
end

--- Fails unless these are tensors of one shape, one at least.
function M.check_vectors(name, vectors)
  if type(vectors) ~= "table" or #vectors == 0 then
    core.fail(("%s: expected a list of tensors, got %s"):format(
      name, type(vectors) == "table" and "an empty table" or type(vectors)))
  end
  for index, vector in ipairs(vectors) do
    if not core.is_tensor(vector) then
      core.fail(("%s: vectors[%d]: expected a tensor, got %s"):format(name, index, type(vector)))
    end
    if not specification.same_shape(vector.shape, vectors[1].shape) then
      core.fail(("%s: vectors[%d] has shape %s, the first one %s"):format(
        name, index, specification.shape_text(vector.shape), specification.shape_text(vectors[1].shape)))
    end
  end
end

--- Checks the settings of one of these functions, and puts the defaults where none are given.
-- @param own  names of settings with a value for each vector
-- @param shared  defaults of settings of the whole, by name
function M.read_settings(name, vectors, given, own, shared)
  given = given or {}
  if type(given) ~= "table" then core.fail(("%s: expected a table of settings, got %s"):format(name, type(given))) end
  local names = { table.unpack(own) }
  for key in pairs(shared) do names[#names + 1] = key end
  methods.check_keys(given, names, name)
  local settings = {}
  for key, default in pairs(shared) do
    settings[key] = given[key]
    if settings[key] == nil then settings[key] = default end
    local kind = type(default)
    local is_right = kind == "number" and is_number(settings[key]) or type(settings[key]) == kind
    if not is_right then
      core.fail(("%s: %s: expected a %s, got %s"):format(name, key, kind, type(settings[key])))
    end
  end
  for _, key in ipairs(own) do
    local value = given[key]
    if value == nil then value = own_defaults[key] end
    settings[key] = for_each_vector(("%s: %s"):format(name, key), value, #vectors)
  end
  return settings
end

--- The settings of a family's mask for each vector.
local function own_settings(family, settings, count)
  local list = {}
  for index = 1, count do
    list[index] = {}
    for _, key in ipairs(family.own) do list[index][key] = settings[key][index] end
  end
  return list
end

--- A function of task vectors, as scripts see it: checked, and a tensor whatever is kept.
local function published(name, family)
  local own = { "weights", table.unpack(family.own) }
  local shared = { lambda = 1.0 }
  for key, default in pairs(family.shared) do shared[key] = default end
  return core.entry(function(vectors, given)
    M.check_vectors(name, vectors)
    local settings = M.read_settings(name, vectors, given, own, shared)
    settings.own = own_settings(family, settings, #vectors)
    local sum = task_vectors.combine(vectors, settings, family.mask)
    return sum == 0 and core.zeros(vectors[1].shape) or sum
  end)
end

--- The functions by name.
M.functions = {}
for name, family in pairs(families) do M.functions[name] = published(name, family) end
M.functions.emr = core.entry(function(vectors)
  M.check_vectors("emr", vectors)
  return emr(vectors)
end)

--- Fails unless these are matrices of one shape.
local function check_matrices(name, vectors)
  M.check_vectors(name, vectors)
  if vectors[1].ndim ~= 2 then
    core.fail(("%s: expected matrices, got shape %s"):format(name, specification.shape_text(vectors[1].shape)))
  end
end

for name, shared in pairs { iso_c = {}, tsv_m = {}, iso_cts = { common = 0.8 } } do
  M.functions[name] = core.entry(function(vectors, given)
    check_matrices(name, vectors)
    return matrices[name](vectors, M.read_settings(name, vectors, given, {}, shared))
  end)
end

for name, shared in pairs { star = { eta = 0.4 }, subspace_boosting = { beta = 0.01 } } do
  M.functions[name] = core.entry(function(vector, given)
    check_matrices(name, { vector })
    return matrices[name](vector, M.read_settings(name, { vector }, given, {}, shared))
  end)
end

-- What is made of a few matrices in another basis, by the names that `combine` knows.
local combinations = {
  task_arithmetic = "task_arithmetic", ties = "ties", dare = "dare", dare_ties = "dare", della = "della",
  breadcrumbs = "breadcrumbs", tsv_m = "tsv_m", iso_c = "iso_c",
}

--- The function of task vectors that the parameter `combine` of a method names, with the weights and densities of its
--- inputs.
function M.combination(t)
  local name = combinations[t.combine]
  if not name then
    local names = {}
    for known in pairs(combinations) do names[#names + 1] = known end
    core.fail(methods.unknown("method", t.combine, names), "combine")
  end
  local weights, densities = {}, {}
  for index, input in ipairs(t.inputs) do weights[index], densities[index] = input.weight, input.density end
  if name == "tsv_m" or name == "iso_c" then
    return function(vectors)
      local weighted = {}
      for index, vector in ipairs(vectors) do weighted[index] = vector * weights[index] end
      return M.functions[name](weighted)
    end
  end
  local settings = { weights = weights, density = name ~= "task_arithmetic" and densities or nil }
  if t.combine == "dare_ties" then settings.elect_signs = true end
  return function(vectors) return M.functions[name](vectors, settings) end
end

--- The base plus what a family makes of the task vectors of a method's argument. `int8_mask` would choose how masks are
--- held in memory, and none is held.
-- @param elect_signs  whether elements against the majority's sign are left out; nil as the family has it
function M.merge(t, name, elect_signs)
  local family = families[name]
  if elect_signs == nil then elect_signs = family.shared.elect_signs end
  local settings = {
    normalize = t.normalize, rescale = t.rescale, lambda = t.lambda, elect_signs = elect_signs, weights = {}, own = {},
  }
  for index, input in ipairs(t.inputs) do settings.weights[index], settings.own[index] = input.weight, input end
  local sum = task_vectors.combine(task_vectors.of(t), settings, family.mask)
  return sum == 0 and t.base or t.base + sum
end

return M
