--- The architectures of output that `mk.moe` knows, each a file of stdlib/expert_layouts/ or of the user's own.

local core = require "mergekit.core"
local decoder = require "expert_layouts.decoder"
local methods = require "mergekit.methods.method"
local places = require "mergekit.places"

local M = {}

-- In the order in which they are tried, which is mergekit's.
local built_in = { "mixtral", "deepseek", "qwen2", "qwen3" }

local fields = {
  "name", "inputs", "shared_experts", "wants_power_of_two", "tensors", "optional", "zero_biases", "expert",
  "shared_expert", "gate", "shared_gate", "refuses", "config",
}
local types = {
  name = "string", inputs = "table", shared_experts = "table", tensors = "table", expert = "table", gate = "string",
  config = "function",
}
local optional_types = {
  wants_power_of_two = "boolean", optional = "table", zero_biases = "table", shared_expert = "table",
  shared_gate = "string", refuses = "function",
}

local function fail(message) core.fail(message, places("moe", "architecture")) end

--- Fails unless a value is a list of strings.
local function check_list(list, where)
  if type(list) ~= "table" then core.fail(("%s: expected a list of names, got a %s"):format(where, type(list))) end
  for key, name in pairs(list) do
    if math.type(key) ~= "integer" or type(name) ~= "string" then
      core.fail(("%s: expected a list of names, found %s"):format(
        where, math.type(key) ~= "integer" and "the field " .. tostring(key) or "a " .. type(name)))
    end
  end
end

--- Fails unless a value says what an architecture must.
local function checked(value, shown)
  if type(value) ~= "table" then
    fail(("%s returned %s, expected a table as in stdlib/expert_layouts/mixtral.lua"):format(shown, value == true and "nothing" or "a " .. type(value)))
  end
  local where = "moe: architecture " .. (type(value.name) == "string" and ("'%s'"):format(value.name) or shown)
  methods.check_keys(value, fields, where)
  for field, kind in pairs(types) do
    if type(value[field]) ~= kind then
      core.fail(("%s: %s: expected a %s, got %s"):format(where, field, kind, type(value[field])))
    end
  end
  for field, kind in pairs(optional_types) do
    if value[field] ~= nil and type(value[field]) ~= kind then
      core.fail(("%s: %s: expected a %s, got %s"):format(where, field, kind, type(value[field])))
    end
  end
  for _, field in ipairs { "inputs", "tensors", "optional" } do
    check_list(value[field] or {}, ("%s: %s"):format(where, field))
  end
  for bias, weight in pairs(value.zero_biases or {}) do
    if type(bias) ~= "string" or type(weight) ~= "string" then
      core.fail(where .. ": zero_biases: expected names of biases with those of their weights")
    end
  end
  local least, most = table.unpack(value.shared_experts)
  if math.type(least) ~= "integer" or math.type(most) ~= "integer" or least > most then
    core.fail(where .. ": shared_experts: expected { least, most }")
  end
  for _, field in ipairs { "expert", "shared_expert" } do
    local names = value[field] or (field == "shared_expert" and most == 0 and {}) or nil
    if not names then core.fail(("%s: %s: expected names of tensors"):format(where, field)) end
    for part in pairs(decoder.mlp) do
      if value[field] and type(names[part]) ~= "string" then
        core.fail(("%s: %s: expected the name of %s"):format(where, field, part))
      end
      if field == "expert" and not names[part]:find("{expert}", 1, true) then
        core.fail(("%s: expert: '%s', the name of %s, lacks {expert}"):format(where, names[part], part))
      end
    end
  end
  return value
end

local function counted(count, noun) return ("%d %s%s"):format(count, noun, count == 1 and "" or "s") end

local function contains(list, value)
  for _, entry in ipairs(list) do
    if entry == value then return true end
  end
  return false
end

--- What an architecture's own functions get.
local function facts(m)
  return {
    base_config = m.base_config, num_experts = #m.experts, num_shared_experts = #m.shared_experts,
    experts_per_token = m.experts_per_token, hidden_size = m.hidden_size, intermediate_size = m.intermediate_size,
  }
end

--- Why an architecture does not take what is given, in words; nil if it does.
local function objection(m, architecture)
  local kind = m.base_config.model_type
  if not contains(architecture.inputs, kind) then
    return ("is made of %s models, and the base is of type %s"):format(table.concat(architecture.inputs, " or "), kind)
  end
  local least, most = table.unpack(architecture.shared_experts)
  local count = #m.shared_experts
  if count > 0 and most == 0 then return "has no shared experts" end
  if count > most then return ("has at most %s, and there are %d"):format(counted(most, "shared expert"), count) end
  if count < least then
    local few = least == 1 and "a shared expert" or counted(least, "shared expert")
    return ("needs %s, and there %s"):format(few, count == 0 and "is none" or ("are %d"):format(count))
  end
  for _, expert in ipairs(m.shared_experts) do
    local has_prompts = #expert.positive_prompts + #expert.negative_prompts > 0
    if has_prompts and not architecture.shared_gate then
      return ("has no gate for shared experts, and %s has prompts"):format(expert.path)
    end
    if architecture.shared_gate and m.mode.needs_prompts and #expert.positive_prompts == 0 then
      return ("has a gate for the shared expert, and %s has no positive_prompts for it"):format(expert.path)
    end
  end
  return architecture.refuses and architecture.refuses(facts(m))
end

--- The architectures that a name means, by the beginning of theirs; a file's, or a table, is the only one.
local function candidates(given)
  if type(given) == "table" then return { checked(given, "the table") } end
  if given ~= nil and type(given) ~= "string" then
    fail("expected a name, a file or a table, got " .. type(given))
  end
  if given and (given:find("%.lua$") or given:find("/", 1, true)) then
    local module = given:gsub("^%./", ""):gsub("%.lua$", "")
    -- Modules are named by paths below the recipe's folder.
    if module:find("^[./]") or not core.module_exists(module) then
      fail(("there is no file '%s' below the folder of the recipe or config"):format(given))
    end
    return { checked(require(module), given) }
  end
  local list, names = {}, {}
  for _, name in ipairs(built_in) do
    local architecture = checked(require("expert_layouts." .. name), name)
    names[#names + 1] = architecture.name
    local start = architecture.name:sub(1, given and #given or 0):lower()
    if not given or start == given:lower() or name == given:lower() then list[#list + 1] = architecture end
  end
  if #list == 0 then
    local nearest = core.nearest(given, names)
    fail {
      ("there is no '%s'"):format(given), nearest and "" or (" (there are %s)"):format(table.concat(names, ", ")),
      suggestion = nearest,
    }
  end
  return list
end

--- The architecture of the output: Mixtral if that takes what is given, or else the first that does.
function M.choose(m, given)
  local found, reasons = {}, {}
  for _, architecture in ipairs(candidates(given)) do
    local reason = objection(m, architecture)
    if reason then
      reasons[#reasons + 1] = ("%s %s"):format(architecture.name, reason)
    else
      found[#found + 1] = architecture
    end
  end
  if #found == 0 then fail("none takes these models: " .. table.concat(reasons, "; ")) end
  local chosen = found[1]
  if #found > 1 and chosen.name ~= "Mixtral" then
    places.warn("architecture", ("%s and %s take these models; this makes %s"):format(chosen.name, found[2].name, chosen.name))
  end
  local count = #m.experts
  if chosen.wants_power_of_two and count & (count - 1) ~= 0 then
    places.warn("experts", ("%d is no power of two, which old versions of llama.cpp do not run on a GPU"):format(count))
  end
  return chosen
end

--- What the output's config.json says otherwise than the base's: values by their keys, and keys that it lacks.
function M.config(m, architecture)
  local values = decoder.implied_config(m.base_config)
  local own, removed = architecture.config(facts(m))
  local where = ("moe: architecture '%s': config"):format(architecture.name)
  if type(own) ~= "table" then core.fail(("%s: expected a table of values, got %s"):format(where, type(own))) end
  check_list(removed or {}, where .. ": keys to leave out")
  local list = { table.unpack(removed or {}) }
  if not own.auto_map then list[#list + 1] = "auto_map" end
  for _, key in ipairs(list) do values[key] = nil end
  for key, value in pairs(own) do values[key] = value end
  return values, list
end

return M
