--- Which sources have a tensor for a place of the output, and what becomes of tensors that only some of them have.

local core = require "mergekit.core"
local placement = require "mergekit.merge.placement"

local M = {}

--- The base, if there is one, and the inputs as one list.
function M.entries(found)
  if found.entries then return found.entries end
  local list = { found.base }
  for _, entry in ipairs(found.inputs) do list[#list + 1] = entry end
  return list
end

--- The inputs of a slice for the tensors that all of them have under the output's own name, which are most.
local function everywhere(slice)
  if not slice.everywhere then
    local inputs = {}
    for index, source in ipairs(slice.inputs) do inputs[index] = { source = source } end
    slice.everywhere = { how = "merge", base = slice.base and { source = slice.base }, inputs = inputs }
    slice.everywhere.entries = M.entries(slice.everywhere)
  end
  return slice.everywhere
end

local function find(place)
  local slice = place.slice
  local method = slice.method
  local found = { inputs = {} }
  local is_plain = true
  local function entry(source)
    local name = placement.source_name(place, source)
    if not name then
      found.lacking = found.lacking or source
      return nil
    end
    is_plain = is_plain and name == place.name
    return { source = source, name = name, is_stand_in = not place.offset and placement.is_stand_in(place, source, name) }
  end
  if slice.base then found.base = entry(slice.base) end
  for _, source in ipairs(slice.inputs) do found.inputs[#found.inputs + 1] = entry(source) end
  if not found.lacking then
    if is_plain then return everywhere(slice) end
    found.how = "merge"
    return found
  end

  local count = #found.inputs + (found.base and 1 or 0)
  local policy = method.missing
  local has_too_few = #found.inputs < method.min_inputs
  if count == 1 and (policy == "passthrough_singleton" or (policy == "passthrough_base_singleton" and found.base)) then
    found.how = "copy"
  elseif policy == "base_or_skip" and count < method.min_inputs + (slice.base and 1 or 0) then
    found.how = found.base and count == 1 and "copy" or "skip"
  elseif has_too_few or (slice.base and not found.base) then
    core.fail(("tensor '%s' is missing in model '%s', and method '%s' needs it there")
      :format(place.name, found.lacking.label, method.name))
  else
    found.how = "merge"
  end
  return found
end

--- What there is for a place: `how`, `base` and `inputs`, and `lacking`, the first source without the tensor.
--
-- `how` is "merge", "copy" (the one tensor that is there passes through) or "skip", as the policies of mergekit 0.1.5
-- have it. `base` and `inputs` are entries { source =, name = }; an entry without a name has the place's.
function M.of(place)
  if place.slice.is_uniform then return everywhere(place.slice) end
  if not place.presence then place.presence = find(place) end
  return place.presence
end

local outcomes = {
  merge = "made of the other models' alone", copy = "taken from the one model that has %s", skip = "left out",
}

--- Says which tensors are made without some of the models.
function M.warn_of_missing(list)
  local counts, order = {}, {}
  for _, name in ipairs(list) do
    local place = list.by_name[name]
    local found = place.slice and M.of(place)
    if found and found.lacking then
      local key = found.how .. found.lacking.label
      if not counts[key] then
        counts[key] = { count = 0, label = found.lacking.label, how = found.how, first = name }
        order[#order + 1] = counts[key]
      end
      counts[key].count = counts[key].count + 1
    end
  end
  for _, entry in ipairs(order) do
    local many = entry.count > 1
    warn(("%d tensor%s %s missing in model '%s' and %s %s, such as '%s'"):format(
      entry.count, many and "s" or "", many and "are" or "is", entry.label, many and "are" or "is",
      outcomes[entry.how]:format(many and "them" or "it"), entry.first))
  end
end

return M
