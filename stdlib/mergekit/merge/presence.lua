--- Which sources have a tensor for a place of the output, and what becomes of tensors that only some of them have.

local core = require "mergekit.core"
local placement = require "mergekit.merge.placement"
local recomputed_buffers = require "architectures.recomputed_buffers"

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

--- Whether a tensor is one that models compute anew when they are loaded.
local function is_recomputed(place, entry)
  for _, rule in ipairs(recomputed_buffers) do
    if place.name:find(rule[1]) then
      local least = rule[2]
      return not least or #entry.source.model:specification(entry.name) >= least
    end
  end
  return false
end

local function fail_of_missing(place, found)
  core.fail(("tensor '%s' is missing in model '%s', and method '%s' needs it there")
    :format(place.name, found.lacking.label, place.slice.method.name))
end

--- What becomes of a tensor that some of the sources lack.
local function outcome(place, found)
  local slice = place.slice
  local policy = slice.method.missing
  if is_recomputed(place, found.base or found.inputs[1]) then
    found.is_expected = true
    return "copy"
  end
  local count = #found.inputs + (found.base and 1 or 0)
  local has_too_few = #found.inputs < slice.method.min_inputs
  if count == 1 and (policy == "passthrough_singleton" or (policy == "passthrough_base_singleton" and found.base)) then
    return "copy"
  end
  if policy == "base_or_skip" and count < slice.method.min_inputs + (slice.base and 1 or 0) then
    return found.base and count == 1 and "copy" or "skip"
  end
  local lacks_base = slice.base and not found.base
  if not has_too_few and not lacks_base then return "merge" end
  if policy == "error" then fail_of_missing(place, found) end
  if count == 1 then return "copy" end
  -- Without the base there are no differences from it, and nothing tells these models apart.
  if lacks_base then return "mean" end
  fail_of_missing(place, found)
end

local function find(place)
  local slice = place.slice
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
  else
    found.how = outcome(place, found)
  end
  return found
end

--- What there is for a place: `how`, `base` and `inputs`, and `lacking`, the first source without the tensor.
--
-- `how` is "merge", "copy" (the first tensor that is there passes through), "skip", or "mean" (the base lacks what several
-- models have). `is_expected` says that nobody needs to hear of it. `base` and `inputs` are entries { source =, name = };
-- an entry without a name has the place's.
function M.of(place)
  if place.slice.is_uniform then return everywhere(place.slice) end
  if not place.presence then place.presence = find(place) end
  return place.presence
end

local outcomes = {
  merge = "made of the other models' alone", copy = "taken from the one model that has %s", skip = "left out",
  mean = "the mean of the models that have %s",
}

--- Says which tensors are made without some of the models.
function M.warn_of_missing(list)
  local counts, order = {}, {}
  for _, name in ipairs(list) do
    local place = list.by_name[name]
    local found = place.slice and M.of(place)
    if found and found.lacking and not found.is_expected then
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
