--- Merges of checkpoints that are no models with layers, but names and tensors: `bare` of mk.merge.
--
-- As mergekit-pytorch of mergekit 0.1.5 has it: a tensor is that of the same name, spelt alike; gradients give their
-- first value, as there are no layers; tensors of the base alone are left out.

local M = {}

local kinds = { all = true, union = true, intersection = true }

--- Notes in the parts of a merge that it is of bare checkpoints, and how.
function M.mark(parts, spec, fail)
  if spec.bare == nil then return end
  if not kinds[spec.bare] then
    fail("bare", ("expected 'all', 'union' or 'intersection', got '%s'"):format(tostring(spec.bare)))
  end
  local whole = parts[1].whole
  if not whole or parts[2] or parts[1].module then fail("bare", "expected models, and no slices or modules") end
  whole.bare = spec.bare
  whole.fail = fail
end

--- The sources of a slice that name tensors: all but a base that is not among the models.
local function naming(slice)
  local list = {}
  for _, source in ipairs(slice.sources) do
    if source.path ~= "base" then list[#list + 1] = source end
  end
  return list
end

--- Which of the base and the inputs lack a tensor.
local function lacking(slice, name)
  local found = {}
  local function look(source)
    if not source.model:has(name) then found[#found + 1] = source end
  end
  if slice.base then look(slice.base) end
  for _, source in ipairs(slice.inputs) do look(source) end
  return found
end

--- The names of the tensors of a merge of bare checkpoints, in the order of the models.
function M.names(slice)
  local names, seen = {}, {}
  for _, source in ipairs(naming(slice)) do
    for _, name in ipairs(source.model:names()) do
      if not seen[name] then
        seen[name] = true
        local without = lacking(slice, name)
        if #without > 0 and slice.bare == "all" then
          slice.fail("", ("tensor '%s' is missing in model '%s': bare = 'union' (--tensor-union) merges what there is, "
            .. "'intersection' (--tensor-intersection) leaves it out"):format(name, without[1].label))
        end
        if #without == 0 or slice.bare == "union" then names[#names + 1] = name end
      end
    end
  end
  return names
end

return M
