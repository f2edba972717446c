--- Tensors that one layer holds for others: what the first layer has for all of them, and blocks that layers of some kind
--- share, which are stored in the first of these.
--
-- A stack has them in its own first layer, or in its first layer of that kind, whichever layer of its source that is.

local core = require "mergekit.core"
local places = require "architectures.places"

local M = {}

local function matches(patterns, template)
  for _, pattern in ipairs(patterns) do
    if template:find(pattern) then return true end
  end
  return false
end

--- What the layers of a model hold for each other.
-- @param layers  the templates of each layer, by number
-- @return { holders =, is_shared =, kinds = }: the layer that holds a template, if it is the only one; whether layers of a
--   kind share it; and a text for the kind of each layer
function M.of(layers)
  local found = { holders = {}, is_shared = {}, kinds = {} }
  local counts = {}
  for layer, templates in pairs(layers) do
    local others = {}
    for _, template in ipairs(templates) do
      local is_shared = matches(places.shared, template)
      if is_shared or matches(places.of_first_layer, template) then
        counts[template] = (counts[template] or 0) + 1
        found.holders[template], found.is_shared[template] = layer, is_shared
      end
      if not is_shared then others[#others + 1] = template end
    end
    table.sort(others)
    found.kinds[layer] = table.concat(others, "\n")
  end
  for template, count in pairs(counts) do
    -- Where every layer has its own, none is held for others.
    if count > 1 then found.holders[template] = nil end
  end
  return found
end

--- The templates that a layer of the output has from the layer that holds them, with that layer's number.
-- @param known  the contents of the source's module, with `borrowed`
-- @param layer  the layer of the source
-- @param number  the layer of the output
-- @param borrowers  by kind, which model the shared blocks of the output are of
function M.wanted(known, layer, number, borrowers, model)
  local list = {}
  local kind = known.borrowed.kinds[layer]
  local is_first_of_kind = borrowers[kind] == nil
  for template, holder in pairs(known.borrowed.holders) do
    if not known.borrowed.is_shared[template] then
      if number == 0 then list[#list + 1] = { template, holder } end
    elseif known.borrowed.kinds[holder] == kind then
      if borrowers[kind] ~= nil and borrowers[kind] ~= model then
        core.fail(("layer %d of the output shares '%s' with those before it, and they come from two models: '%s' and '%s'")
          :format(number, template, borrowers[kind].name, model.name))
      end
      borrowers[kind] = model
      if is_first_of_kind then list[#list + 1] = { template, holder } end
    end
  end
  table.sort(list, function(a, b) return a[1] < b[1] end)
  local index = 0
  return function()
    index = index + 1
    if list[index] then return list[index][1], list[index][2] end
  end
end

return M
