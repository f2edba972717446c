--- Shapes and dtypes of a merge's tensors.

local core = require "mergekit.core"
local architectures = require "mergekit.architectures"
local presence = require "mergekit.presence"

local M = {}

--- A shape as messages show it.
function M.shape_text(shape) return "[" .. table.concat(shape, ", ") .. "]" end

function M.same_shape(a, b)
  if #a ~= #b then return false end
  for index, size in ipairs(a) do
    if size ~= b[index] then return false end
  end
  return true
end

--- Whether two shapes differ in the first dimension alone.
local function differ_in_rows(a, b)
  if #a ~= #b or #a == 0 then return false end
  for index = 2, #a do
    if a[index] ~= b[index] then return false end
  end
  return a[1] ~= b[1]
end

local function fail_of_vocabularies(a, a_label, b, b_label)
  core.fail(("the vocabularies differ: %s in model '%s', %s in model '%s': the tokenizer option, which is to align them, "
    .. "cannot do so yet; truncate_embeddings (--unsafe-truncate-embeddings) keeps the rows that both have")
    :format(M.shape_text(a), a_label, M.shape_text(b), b_label))
end

--- The shape and dtype of the tensor at a place, from the models that have it; fails unless they agree.
--
-- @param truncates  whether vocabularies may differ, and are cut to the smallest
function M.of(place, truncates)
  local found = presence.of(place)
  local first, first_label, rows
  local dtypes = {}
  for index, entry in ipairs(presence.entries(found)) do
    local model, label, name = entry.source.model, entry.source.label, entry.name or place.name
    local info = model:info(name)
    dtypes[index] = info.dtype
    if not first then
      first, first_label, rows = info, label, info.shape[1]
    elseif differ_in_rows(first.shape, info.shape) and architectures.is_vocabulary(model, name, info) then
      if not truncates then fail_of_vocabularies(first.shape, first_label, info.shape, label) end
      rows = math.min(rows, info.shape[1])
    elseif not M.same_shape(first.shape, info.shape) then
      core.fail(("shapes differ: %s in model '%s', %s in model '%s'")
        :format(M.shape_text(first.shape), first_label, M.shape_text(info.shape), label))
    elseif core.is_float(first.dtype) ~= core.is_float(info.dtype)
      or (not core.is_float(info.dtype) and info.dtype ~= first.dtype) then
      core.fail(("dtypes differ: %s in model '%s', %s in model '%s'")
        :format(first.dtype, first_label, info.dtype, label))
    end
  end
  local shape = first.shape
  if rows ~= shape[1] then shape = { rows, table.unpack(shape, 2) } end
  local dtype = first.dtype
  if found.how == "merge" and core.is_float(dtype) then dtype = core.promote(dtypes) end
  return { shape = shape, dtype = dtype }
end

return M
