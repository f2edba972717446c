--- Whether the models of a slice name the tensors of their layers alike: two that do not share most of them would pass
--- through side by side, and nothing of either would be merged.

local placement = require "mergekit.merge.placement"

local M = {}

-- The part of the elements of a model's layers that may be missing in another that has as much of its own.
local LARGEST_PART = 0.05

local function count_of(shape)
  local count = 1
  for _, size in ipairs(shape) do count = count * size end
  return count
end

--- The sources of a slice, the base first, each once.
local function sources_of(slice)
  local list = { slice.base }
  for _, source in ipairs(slice.inputs) do list[#list + 1] = source end
  return list
end

local function new_table(count)
  local rows = {}
  for a = 1, count do
    rows[a] = {}
    for b = 1, count do rows[a][b] = { elements = 0, tensors = 0 } end
  end
  return rows
end

local function add(entry, elements, name)
  entry.elements, entry.tensors, entry.first = entry.elements + elements, entry.tensors + 1, entry.first or name
end

--- What each source has of the layers' tensors (`[a][a]`), and what of it each other source lacks (`[a][b]`).
local function survey(list, slice, sources)
  local found = new_table(#sources)
  for _, name in ipairs(list) do
    local place = list.by_name[name]
    if place.slice == slice then
      local names, own = {}, nil
      for index, source in ipairs(sources) do
        names[index] = placement.source_name(place, source)
        own = own or names[index] and source.model:info(names[index])
      end
      if own and own.layer then
        local elements = count_of(own.shape)
        for a = 1, #sources do
          if names[a] then add(found[a][a], elements, names[a]) end
          for b = 1, #sources do
            if names[a] and not names[b] then add(found[a][b], elements, names[a]) end
          end
        end
      end
    end
  end
  return found
end

local function words(lacks, has, owner, other)
  return ("%d of %d tensors of the layers of '%s' are missing in '%s', such as '%s'")
    :format(lacks.tensors, has.tensors, owner.label, other.label, lacks.first)
end

local function check_slice(list, slice, fail)
  local sources = sources_of(slice)
  if slice.is_uniform or #sources < 2 then return end
  local found = survey(list, slice, sources)
  local function is_good_part(a, b) return found[a][b].elements > LARGEST_PART * found[a][a].elements end
  for a = 1, #sources do
    for b = a + 1, #sources do
      if is_good_part(a, b) and is_good_part(b, a) then
        fail(slice.path, ("the models' layers are named in two ways, and would stand side by side: %s, and %s "
          .. "(allow_crimes, or --allow-crimes, says that this is meant)"):format(
          words(found[a][b], found[a][a], sources[a], sources[b]),
          words(found[b][a], found[b][b], sources[b], sources[a])))
      end
    end
  end
end

--- Fails if two models of a slice each lack a good part of the other's layers.
-- @param list  as `placement.place` gives it
-- @param fail  fails with a path and words
function M.check(list, parts, fail)
  for _, part in ipairs(parts) do
    if part.whole then check_slice(list, part.whole, fail) end
    for _, slice in ipairs(part.slices or {}) do check_slice(list, slice, fail) end
  end
end

return M
