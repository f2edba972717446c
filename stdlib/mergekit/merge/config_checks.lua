--- What config.json says of the models of a merge that decides what their tensors mean: the output has one model's, and
--- with it the others' tensors would be read otherwise than they were trained.

local keys = require "architectures.meaningful_keys"

local M = {}

--- A value in words: JSON on one line.
local function words(value)
  if value == nil then return "nothing" end
  if type(value) ~= "table" then return tostring(value) end
  local parts = {}
  if #value > 0 then
    for index, entry in ipairs(value) do parts[index] = words(entry) end
    return "[" .. table.concat(parts, ", ") .. "]"
  end
  local names = {}
  for name in pairs(value) do names[#names + 1] = name end
  table.sort(names)
  for index, name in ipairs(names) do parts[index] = name .. ": " .. words(value[name]) end
  return "{" .. table.concat(parts, ", ") .. "}"
end

local function is_equal(a, b)
  if type(a) ~= "table" or type(b) ~= "table" then return a == b end
  for key, value in pairs(a) do
    if not is_equal(value, b[key]) then return false end
  end
  for key in pairs(b) do
    if a[key] == nil then return false end
  end
  return true
end

--- Whether a table holds tables by names alone, as `rope_parameters` of models with several kinds of attention does.
local function is_by_kind(parameters)
  for _, value in pairs(parameters) do
    if type(value) ~= "table" then return false end
  end
  return next(parameters) ~= nil
end

--- The base and the scaling of rotary embeddings, which transformers 5 writes as one object and earlier versions as
--- several keys.
local function with_plain_rope(section, model_type)
  local plain = {}
  for key, value in pairs(section) do plain[key] = value end
  local parameters = section.rope_parameters
  if type(parameters) == "table" and not is_by_kind(parameters) then
    plain.rope_theta = parameters.rope_theta or plain.rope_theta
    plain.partial_rotary_factor = parameters.partial_rotary_factor or plain.partial_rotary_factor
    plain.rope_scaling = parameters
  end
  if type(plain.rope_scaling) == "table" then
    local scaling = {}
    for key, value in pairs(plain.rope_scaling) do
      if key ~= "rope_theta" and key ~= "partial_rotary_factor" then scaling[key == "type" and "rope_type" or key] = value end
    end
    plain.rope_scaling = scaling.rope_type ~= "default" and next(scaling) and scaling or nil
  end
  for key, types in pairs(keys.defaults) do
    if plain[key] == nil then plain[key] = types[section.model_type or model_type] end
  end
  if plain.use_sliding_window == false then plain.sliding_window = nil end
  return plain
end

-- Keys that a config may leave out, or set to null, to say that there is none of it.
local optional = { rope_scaling = true, sliding_window = true }

local function difference(a, b, key)
  local left, right = a[key], b[key]
  if (left == nil or right == nil) and not optional[key] then return nil end
  return not is_equal(left, right) and { key = key, left = left, right = right } or nil
end

-- Objects that describe a part of a model that is not the text's.
local other_parts = { "vision", "audio", "speech", "image" }

local function is_of_other_part(key)
  for _, part in ipairs(other_parts) do
    if key:find(part, 1, true) then return true end
  end
  return false
end

--- Calls a function with the objects of two configs that stand at the same place, and the path of that.
-- @param only_text  whether parts that are not the text's are left out
local function each_section(a, b, only_text, visit, path, depth)
  visit(a, b, path)
  if depth > 3 then return end
  for key, value in pairs(a) do
    if type(value) == "table" and type(b[key]) == "table" and type(key) == "string" and key:find "_config$"
      and not (only_text and is_of_other_part(key)) then
      each_section(value, b[key], only_text, visit, path .. key .. ".", depth + 1)
    end
  end
end

--- The differences of two configs in some keys.
local function differences(a, b, names, only_text)
  local list = {}
  each_section(a, b, only_text, function(left, right, path)
    local plain_left, plain_right = with_plain_rope(left, a.model_type), with_plain_rope(right, b.model_type)
    for _, key in ipairs(names) do
      local found = difference(plain_left, plain_right, key)
      if found then
        found.path = path .. key
        list[#list + 1] = found
      end
    end
  end, "", 0)
  return list
end

local function shown(list, left, right)
  local parts = {}
  for index, entry in ipairs(list) do
    parts[index] = ("%s is %s in '%s', %s in '%s'"):format(
      entry.path, words(entry.left), left, words(entry.right), right)
  end
  return table.concat(parts, "; ")
end

--- Compares the configs of a merge's models with that of the model that gives the files.
--
-- @param sources  the models
-- @param like  the one whose config.json the output gets
-- @param options.only_text  whether the merge makes nothing but the text's layers of several models
-- @param options.allows_crimes  whether numbers of heads may differ
-- @param fail  fails with a path and words
function M.check(sources, like, options, fail)
  local own = like.config
  if type(own) ~= "table" then return end
  for _, model in ipairs(sources) do
    local config = model ~= like and model.config
    if type(config) == "table" then
      local heads = differences(own, config, keys.heads, options.only_text)
      if #heads > 0 then
        local text = ("the configs cut the tensors into heads otherwise: %s"):format(shown(heads, like.name, model.name))
        if not options.allows_crimes then
          fail("", text .. " (allow_crimes, or --allow-crimes, says that this is meant)")
        end
        warn(text)
      end
      local meanings = differences(own, config, keys.meanings, options.only_text)
      if #meanings > 0 then
        warn(("the configs differ in what the tensors mean, and the output has that of '%s': %s"):format(
          like.name, shown(meanings, like.name, model.name)))
      end
    end
  end
end

return M
