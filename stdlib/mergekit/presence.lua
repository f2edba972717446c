--- Which sources have a tensor for a place of the output, and what becomes of tensors that only some of them have.

local core = require "mergekit.core"
local placement = require "mergekit.placement"

local M = {}

--- The sources that have a tensor for a place: how the tensor comes about, the base and the inputs, each as
--- { source, name }.
--
-- `how` is "merge", "copy" (the one that is there passes through) or "skip", as the policies of mergekit 0.1.5
-- have it.
function M.of(place)
  local slice = place.slice
  local method = slice.method
  local base, inputs, lacking = nil, {}, nil
  local function entry(source)
    local name = place.is_everywhere and place.name or placement.source_name(place, source)
    if name then return { source = source, name = name } end
    lacking = lacking or source
    return nil
  end
  if slice.base then base = entry(slice.base) end
  for _, source in ipairs(slice.inputs) do inputs[#inputs + 1] = entry(source) end
  if not lacking then
    if place.is_everywhere == nil then
      -- Most tensors have one name in all models, which is then looked up once.
      place.is_everywhere = not base or base.name == place.name
      for _, input in ipairs(inputs) do place.is_everywhere = place.is_everywhere and input.name == place.name end
    end
    return "merge", base, inputs
  end
  local count = #inputs + (base and 1 or 0)
  local policy = method.missing
  if count == 1 and (policy == "passthrough_singleton" or (policy == "passthrough_base_singleton" and base)) then
    return "copy", base, inputs, lacking
  end
  if policy == "base_or_skip" and #inputs < method.min_inputs then
    if base and count == 1 then return "copy", base, inputs, lacking end
    return "skip", base, inputs, lacking
  end
  if (slice.base and not base) or #inputs < method.min_inputs then
    core.fail(("tensor '%s' is missing in model '%s', and method '%s' needs it there")
      :format(place.name, lacking.label, method.name))
  end
  return "merge", base, inputs, lacking
end

--- The base, if there is one, and the inputs as one list.
function M.entries(base, inputs)
  local list = { base }
  for _, entry in ipairs(inputs) do list[#list + 1] = entry end
  return list
end

--- Says which tensors are made without some of the models, and marks those that are left out: `is_skipped`.
function M.warn_of_missing(list)
  local counts, order = {}, {}
  for _, name in ipairs(list) do
    local place = list.by_name[name]
    if place.slice then
      local how, _, _, lacking = M.of(place)
      if how == "skip" then place.is_skipped = true end
      if lacking then
        local key = how .. lacking.label
        if not counts[key] then
          counts[key] = { count = 0, label = lacking.label, how = how, first = name }
          order[#order + 1] = counts[key]
        end
        counts[key].count = counts[key].count + 1
      end
    end
  end
  local outcome = {
    merge = "made of the other models' alone", copy = "taken from the one model that has %s", skip = "left out",
  }
  for _, entry in ipairs(order) do
    local many = entry.count > 1
    warn(("%d tensor%s %s missing in model '%s' and %s %s, such as '%s'"):format(
      entry.count, many and "s" or "", many and "are" or "is", entry.label, many and "are" or "is",
      outcome[entry.how]:format(many and "them" or "it"), entry.first))
  end
end

return M
