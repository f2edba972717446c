--- What a model changes of another one, module by module, and what becomes of each in an adapter.

local core = require "mergekit.core"
local layouts = require "mergekit.adapters.layouts"
local places = require "mergekit.places"

local M = {}

local function shape_text(shape) return "[" .. table.concat(shape, ", ") .. "]" end

local function same_shape(a, b)
  if #a ~= #b then return false end
  for dim, size in ipairs(a) do
    if b[dim] ~= size then return false end
  end
  return true
end

--- The name of the tensor that `from` has for one of the base's; the embedding for a head that is the embedding.
local function counterpart(from, name, kind)
  local own = from:resolve(name)
  if own or kind ~= "head" or not from.ties_embeddings then return own end
  for _, other in ipairs(from:names()) do
    if from:info(other).kind == "embedding" then return other end
  end
end

--- Up to four names in words.
function M.listed(names)
  local shown = {}
  for index = 1, math.min(4, #names) do shown[index] = ("'%s'"):format(names[index]) end
  return table.concat(shown, ", ") .. (#names > 4 and (" and %d more"):format(#names - 4) or "")
end

--- The tensors that both have, as { name =, own =, module =, parameter =, kind =, shape =, base_shape =, dtype =,
--- layer = }, in the base's order, and after them a head that only `from` has.
local function tensors(from, base)
  local list, lacking, known = {}, {}, {}
  local function add(name, own, base_shape)
    local shape, dtype = from:specification(own)
    local info = base:has(name) and base:info(name) or from:info(own)
    local module, parameter = name:match("^(.+)%.([^.]+)$")
    known[own] = true
    list[#list + 1] = {
      name = name, own = own, module = module or "", parameter = parameter or name, kind = info.kind, info = info,
      shape = shape, base_shape = base_shape, dtype = dtype,
    }
  end
  for _, name in ipairs(base:names()) do
    local base_shape, dtype = base:specification(name)
    if core.is_float(dtype) then
      local kind = base:info(name).kind
      local own = counterpart(from, name, kind)
      if own then add(name, own, base_shape) else lacking[#lacking + 1] = name end
    end
  end
  local added = {}
  for _, own in ipairs(from:names()) do
    local _, dtype = from:specification(own)
    if not known[own] and core.is_float(dtype) and not base:resolve(own) then
      if base.ties_embeddings and own:match("lm_head%.weight$") then
        add(own, own, nil)
      else
        added[#added + 1] = own
      end
    end
  end
  if #lacking >= #list then
    core.fail(("adapter: model '%s' lacks %d of the %d tensors of '%s': they are of different architectures")
      :format(from.name, #lacking, #lacking + #list, base.name))
  end
  if #lacking > 0 then
    warn(("adapter: model '%s' lacks %s of '%s': the adapter leaves them as they are"):format(
      from.name, M.listed(lacking), base.name))
  end
  if #added > 0 then
    warn(("adapter: model '%s' has %s, which '%s' lacks and no adapter can add: left out"):format(
      from.name, M.listed(added), base.name))
  end
  return list
end

--- Fails for tensors of another shape, unless they have a row for each token.
local function check_shapes(from, base, list)
  for _, entry in ipairs(list) do
    local shape, other = entry.shape, entry.base_shape
    if other and not same_shape(shape, other) then
      local is_vocabulary = (entry.kind == "embedding" or entry.kind == "head") and #shape == #other
      for dim = 2, #shape do is_vocabulary = is_vocabulary and shape[dim] == other[dim] end
      if not is_vocabulary then
        core.fail(("adapter: '%s' has the shape %s in model '%s' and %s in '%s': they are of different architectures")
          :format(entry.name, shape_text(shape), from.name, shape_text(other), base.name))
      end
      entry.is_resized = true
    end
  end
end

--- Measures which tensors differ, so that an adapter says nothing of those that do not.
local function measure(from, base, list)
  for index, entry in ipairs(list) do
    if not entry.base_shape or entry.is_resized then
      entry.is_changed = true
    else
      local change = (from:tensor(entry.own) - base:tensor(entry.name)):norm():item()
      if change ~= change or change == math.huge then
        core.fail(("adapter: '%s' differs by numbers that are not finite"):format(entry.name))
      end
      entry.is_changed = change > 0
    end
    core.progress("comparing the models", index, #list)
  end
end

--- The modules of a list of tensors, in its order: { name =, weight =, bias =, others = { … }, form = }.
local function modules_of(list, base)
  local modules, by_name = {}, {}
  local model_type = (base.config or {}).model_type
  for _, entry in ipairs(list) do
    local module = by_name[entry.module]
    if not module then
      module = { name = entry.module, others = {}, tensors = {} }
      by_name[entry.module] = module
      modules[#modules + 1] = module
    end
    module.tensors[#module.tensors + 1] = entry
    module.is_changed = module.is_changed or entry.is_changed
    if entry.parameter == "weight" then
      module.weight = entry
      module.form = layouts.form(model_type, module.name, entry.kind, entry.shape)
      module.is_vocabulary = module.form == "table" or entry.kind == "head"
      if entry.is_resized or not entry.base_shape then module.is_whole = true end
    elseif entry.parameter == "bias" then
      module.bias = entry
    else
      module.others[#module.others + 1] = entry
    end
  end
  return modules
end

local function is_listed(list, module)
  for _, name in ipairs(list or {}) do
    if name == module or name == layouts.last(module) then return true end
  end
  return false
end

local function matches_any(patterns, module)
  for _, pattern in ipairs(patterns or {}) do
    if core.matches(pattern, module) then return true end
  end
  return false
end

--- Whether a module chooses among experts that are stored apart: transformers 5 fuses these, and PEFT's conversion of such
--- an adapter knows one rank for all.
local function is_router(module, modules)
  local last = layouts.last(module.name)
  if last ~= "gate" and last ~= "router" then return false end
  local owner = module.name:sub(1, -#last - 1) .. "experts."
  for _, other in ipairs(modules) do
    if (other.name .. "."):sub(1, #owner) == owner then return true end
  end
  return false
end

--- What becomes of a module: "product", "whole" (at full rank), "excluded" or "skipped".
local function outcome(module, spec, modules, is_shared)
  local is_excluded = matches_any(spec.exclude, module.name)
  local is_included = not spec.include or #spec.include == 0 or matches_any(spec.include, module.name)
  if is_listed(spec.save_modules, module.name) then return "whole" end
  local is_shared_table = is_shared and module.weight and module.weight.kind == "embedding"
  if module.is_vocabulary and (not spec.embeddings or module.is_whole or is_shared_table) then
    return is_excluded and "excluded" or "whole"
  end
  if is_excluded or not is_included then return "excluded" end
  if module.form then
    module.is_padded = is_router(module, modules)
    return "product"
  end
  return spec.skip_undecomposable and "skipped" or "whole"
end

--- A module that is saved whole is saved with the modules in it; one that has parameters of its own beside modules in it
--- would take these along, so that its parameters are left out unless it is asked for.
local function settle_nested(modules, spec)
  for _, module in ipairs(modules) do
    if module.outcome == "whole" and module.name ~= "" then
      local start = module.name .. "."
      local is_asked = is_listed(spec.save_modules, module.name)
      for _, other in ipairs(modules) do
        if other.name:sub(1, #start) == start then
          if is_asked then
            other.outcome, other.is_within, module.is_changed = "whole", true, module.is_changed or other.is_changed
          else
            module.outcome = "skipped"
          end
        end
      end
    elseif module.name == "" and module.outcome == "whole" then
      module.outcome = "skipped"
    end
  end
end

--- The modules of two models, each with its `outcome`.
-- @param is_shared  whether further modules are the base's embedding
function M.find(from, base, spec, is_shared)
  local list = tensors(from, base)
  check_shapes(from, base, list)
  measure(from, base, list)
  local modules = modules_of(list, base)
  local is_any = false
  for _, module in ipairs(modules) do
    module.outcome = outcome(module, spec, modules, is_shared)
    is_any = is_any or module.is_changed
  end
  settle_nested(modules, spec)
  for _, name in ipairs(spec.save_modules or {}) do
    local found = {}
    for _, module in ipairs(modules) do
      if is_listed({ name }, module.name) then found = nil break end
      found[#found + 1] = layouts.last(module.name)
    end
    if found then
      core.fail({ ("model '%s' has no module '%s'"):format(base.name, name), suggestion = core.nearest(name, found) },
        places("adapter", "save_modules"))
    end
  end
  if not is_any then
    core.fail(("adapter: models '%s' and '%s' are the same: there is nothing to extract"):format(from.name, base.name))
  end
  return modules
end

return M
