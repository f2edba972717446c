--- Merge methods as values: what `mk.method` makes and `mk.merge` runs.

local core = require "mergekit.core"

local M = {}

--- Stands for the default of a parameter that has none.
M.required = setmetatable({}, { __tostring = function() return "required" end })

local Method = {}
Method.__index = Method
Method.__name = "method"
Method.__tostring = function(self) return ("method '%s'"):format(self.name) end

-- Names that `t`, `input` and `info` have already.
local reserved = {}
for _, name in ipairs {
  "name", "shape", "dtype", "layer", "num_layers", "depth", "kind", "module", "template",
  "base", "base_input", "inputs", "tensor", "model",
} do reserved[name] = true end

local known_fields = {
  "name", "pretty_name", "reference", "description", "base", "parameters", "per_input", "min_inputs",
  "max_inputs", "missing", "merge",
}

local base_policies = { "required", "optional", "ignored" }

-- What becomes of a tensor that not every input has: the policies of mergekit 0.1.5, and what it is without one.
local missing_policies = {
  "copy_extras", "error", "passthrough_singleton", "passthrough_base_singleton", "base_or_skip",
}

-- A tensor has no default; what is given is a tensor, or a model that has one of the name that is merged.
local value_types = { "number", "integer", "boolean", "string", "tensor" }

-- Whether a value is of a parameter's type.
local function is_of_type(value, kind)
  if kind == "integer" then return math.type(value) == "integer" end
  return type(value) == kind
end

local function contains(list, value)
  for _, entry in ipairs(list) do
    if entry == value then return true end
  end
  return false
end

-- What mergekit's YAML calls things that have another name here.
local names_in_yaml = { base_model = "base", merge_method = "method", layer_range = "layers", model = "models" }

--- A message for a value that is none of a list, with the nearest of them.
-- @param whose  words after the name, or nil
function M.unknown(what, name, list, whose)
  local hint = names_in_yaml[name]
  if not (hint and contains(list, hint)) then hint = core.nearest(tostring(name), list) end
  local message = { ("unknown %s '%s'%s"):format(what, tostring(name), whose or ""), suggestion = hint }
  if not hint then message[2] = (" (expected one of %s)"):format(table.concat(list, ", ")) end
  return message
end

--- A metatable that makes reading a field which an object cannot have an error.
-- @param what  what messages call the object
-- @param names  a list of the fields that it may lack
function M.strictness(what, names)
  return { __index = function(object, key)
    if contains(names, key) then return nil end
    local known = {}
    for name in pairs(object) do known[#known + 1] = name end
    for _, name in ipairs(names) do known[#known + 1] = name end
    core.fail { ("%s has no field '%s'"):format(what, tostring(key)), suggestion = core.nearest(tostring(key), known) }
  end }
end

--- Fails unless every key of a table is one of a list.
function M.check_keys(table_, list, where)
  for key in pairs(table_) do
    if not contains(list, key) then core.fail(M.unknown("field", key, list), where) end
  end
end

--- The full name of an output's dtype, nil for none; fails if it is not one that can be computed.
function M.check_dtype(dtype, where)
  if dtype == nil then return nil end
  if type(dtype) ~= "string" then core.fail("expected a name, got " .. type(dtype), where) end
  return core.dtype_name(dtype)
end

-- A parameter is declared by its default, by mk.required, or by a table:
-- { default =, type =, required =, base =, range =, usual = } where no default means that nil is allowed.
--- Fails unless a range is { lowest, highest }, and has the default in it.
local function check_range(where, field, range, default)
  if range == nil then return end
  local low, high = table.unpack(type(range) == "table" and range or {})
  if type(low) ~= "number" or type(high) ~= "number" or low > high or next(range, 2) ~= nil then
    core.fail(("%s: %s: expected { lowest, highest }"):format(where, field))
  end
  if type(default) == "number" and (default < low or default > high) then
    core.fail(("%s: %s: the default %s is outside of it"):format(where, field, default))
  end
end

local function declare(method_name, name, declaration)
  if reserved[name] then
    core.fail(("method '%s': parameter '%s' has a name that the method's argument uses itself"):format(method_name, name))
  end
  if declaration == M.required then return { name = name, required = true, type = "number" } end
  if type(declaration) ~= "table" then
    if not contains(value_types, type(declaration)) then
      core.fail(("method '%s': the default of parameter '%s' is a %s, expected a number, boolean or string")
        :format(method_name, name, type(declaration)))
    end
    return { name = name, default = declaration, type = type(declaration) }
  end
  M.check_keys(declaration, { "default", "type", "required", "base", "range", "usual" },
    ("method '%s': parameter '%s'"):format(method_name, name))
  local default = declaration.default
  local required = declaration.required or default == M.required
  if default == M.required then default = nil end
  local kind = declaration.type or (default ~= nil and type(default)) or "number"
  if not contains(value_types, kind) then
    core.fail(M.unknown("type", kind, value_types), ("method '%s': parameter '%s'"):format(method_name, name))
  end
  if default ~= nil and not is_of_type(default, kind) then
    core.fail(("method '%s': the default of parameter '%s' is a %s, expected a %s")
      :format(method_name, name, type(default), kind == "integer" and "whole number" or kind))
  end
  local where = ("method '%s': parameter '%s'"):format(method_name, name)
  check_range(where, "range", declaration.range, default)
  check_range(where, "usual", declaration.usual, default)
  return {
    name = name, default = default, required = required, type = kind, base = declaration.base or false,
    range = declaration.range, usual = declaration.usual,
  }
end

local function declare_all(method_name, declarations, field)
  if declarations == nil then return {} end
  if type(declarations) ~= "table" then
    core.fail(("method '%s': %s: expected a table, got %s"):format(method_name, field, type(declarations)))
  end
  local list = {}
  for name, declaration in pairs(declarations) do
    if type(name) ~= "string" then
      core.fail(("method '%s': %s: expected names with defaults, got a list"):format(method_name, field))
    end
    list[#list + 1] = declare(method_name, name, declaration)
  end
  return list
end

--- Makes a method. See `stdlib/meta/mergekit.lua` for the fields.
function M.define(definition)
  if type(definition) ~= "table" then core.fail("method: expected a table, got " .. type(definition)) end
  local name = definition.name
  if type(name) ~= "string" or name == "" then core.fail("method: expected a name") end
  local where = ("method '%s'"):format(name)
  M.check_keys(definition, known_fields, where)
  if type(definition.merge) ~= "function" then
    core.fail(("%s: merge: expected a function, got %s"):format(where, type(definition.merge)))
  end
  for _, field in ipairs { "pretty_name", "reference", "description" } do
    local value = definition[field]
    if value ~= nil and type(value) ~= "string" then
      core.fail(("%s: %s: expected a string, got %s"):format(where, field, type(value)))
    end
  end
  local min_inputs, max_inputs = definition.min_inputs or 1, definition.max_inputs or math.huge
  for field, value in pairs { min_inputs = min_inputs, max_inputs = max_inputs } do
    if value ~= math.huge and (math.type(value) ~= "integer" or value < 0) then
      core.fail(("%s: %s: expected a count, got %s"):format(where, field, tostring(value)))
    end
  end
  if min_inputs > max_inputs then
    core.fail(("%s: min_inputs is %s, max_inputs %s"):format(where, min_inputs, max_inputs))
  end
  local base = definition.base or "ignored"
  if not contains(base_policies, base) then
    core.fail(M.unknown("policy", base, base_policies), where .. ": base")
  end
  local missing = definition.missing or "copy_extras"
  if not contains(missing_policies, missing) then
    core.fail(M.unknown("policy", missing, missing_policies), where .. ": missing")
  end
  local parameters = declare_all(name, definition.parameters, "parameters")
  local per_input = declare_all(name, definition.per_input, "per_input")
  for _, shared in ipairs(parameters) do
    for _, own in ipairs(per_input) do
      if shared.name == own.name then
        core.fail(("%s: '%s' is both a shared and a per-input parameter"):format(where, shared.name))
      end
    end
  end
  return setmetatable({
    name = name,
    pretty_name = definition.pretty_name or name,
    reference = definition.reference,
    description = definition.description,
    base = base,
    missing = missing,
    min_inputs = min_inputs,
    max_inputs = max_inputs,
    parameters = parameters,
    per_input = per_input,
    merge = definition.merge,
  }, Method)
end

local function is_method(value) return getmetatable(value) == Method end

-- Runs the file of a module and makes sure that it gives a method.
local function load_file(module, shown)
  local value = require(module)
  if not is_method(value) then
    core.fail(("method file '%s' returned %s, expected what mk.method makes: is there a 'return mk.method{…}'?")
      :format(shown, value == true and "nothing" or "a " .. type(value)))
  end
  return value
end

--- The method that a recipe names: a value of mk.method, the name of a built-in, or a file
--- (`"./mine.lua"`, or `"mine"` for mine.lua beside the recipe).
function M.resolve(method)
  if is_method(method) then return method end
  if type(method) ~= "string" then
    core.fail("method: expected a name, a file or a value of mk.method, got " .. type(method))
  end
  if method:find("%.lua$") or method:find("/", 1, true) then
    local module = method:gsub("^%./", ""):gsub("%.lua$", "")
    return load_file(module, method)
  end
  if core.module_exists("methods/" .. method) then return load_file("methods/" .. method, method) end
  if core.module_exists(method) then return load_file(method, method) end
  core.fail(M.unknown("method", method, core.method_names()))
end

return M
