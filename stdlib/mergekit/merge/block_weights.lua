--- `mk.block_weights`: a setting with a value for each block of models that have several lists of them, such as
--- diffusion models (`input_blocks`, `middle_block` and `output_blocks`; `double_blocks` and `single_blocks`).

local core = require "mergekit.core"
local methods = require "mergekit.methods.method"
local settings = require "mergekit.merge.settings"

--- Where a list stands in a tensor's name as a part of its own, and the number that follows it, or nil.
local function find(name, list)
  local padded = "." .. name .. "."
  local first, last = padded:find("." .. list .. ".", 1, true)
  if not first then return nil end
  return first, math.tointeger(tonumber(padded:match("^(%d+)%.", last + 1)))
end

--- The lists of numbered blocks in a model's names, for messages.
local function lists_of(model)
  local names, seen = {}, {}
  for _, name in ipairs(model:names()) do
    local list = name:match "([%a_]+)%.%d+%."
    if list and not seen[list] then
      seen[list] = true
      names[#names + 1] = list
    end
  end
  return names
end

--- How many blocks a list of a model has; fails if it has no such list.
local function count_blocks(model, list)
  local count, is_known = 0, false
  for _, name in ipairs(model:names()) do
    local first, number = find(name, list)
    if first then
      is_known = true
      if number then count = math.max(count, number + 1) end
    end
  end
  if not is_known then
    core.fail(methods.unknown("list of blocks", list, lists_of(model), (" of model '%s'"):format(model.name)),
      "block_weights")
  end
  return count
end

--- Makes a setting of values by lists of blocks: a number for all blocks of a list, or a gradient over them, which with
--- as many numbers as there are blocks gives each its own. `default` is for all other tensors.
return function(model, values)
  if not core.is_model(model) then core.fail("block_weights: expected a model, got " .. type(model)) end
  if type(values) ~= "table" then
    core.fail("block_weights: expected a table of values by lists of blocks, got " .. type(values))
  end
  local lists = {}
  for list, value in pairs(values) do
    if type(list) ~= "string" then
      core.fail(("block_weights: expected names of lists of blocks, got %s"):format(tostring(list)))
    end
    local where = "block_weights: " .. list
    settings.check(value, where, { type = "number" })
    if type(value) ~= "number" and (type(value) ~= "table" or type(value[1]) ~= "number") then
      core.fail(where .. ": expected a number or a list of numbers")
    end
    if list ~= "default" then
      local count = count_blocks(model, list)
      if type(value) == "table" and count == 0 then
        core.fail(where .. ": expected a number, as its blocks are not numbered")
      end
      lists[#lists + 1] = { name = list, value = value, count = count }
    end
  end
  if type(values.default) == "table" then core.fail "block_weights: default: expected a number" end

  return function(info)
    local place, found, number
    for _, list in ipairs(lists) do
      local first, block = find(info.name, list.name)
      -- The outermost list counts.
      if first and (not place or first < place) then place, found, number = first, list, block end
    end
    if not found then return values.default end
    if type(found.value) == "number" then return found.value end
    local depth = number and found.count > 1 and math.min(1, number / (found.count - 1)) or 0
    return settings.evaluate(found.value, { name = info.name, depth = depth })
  end
end
