--- Shapes and dtypes of a merge's tensors.

local core = require "mergekit.core"
local architectures = require "mergekit.merge.architectures"
local pieces = require "mergekit.merge.pieces"
local presence = require "mergekit.merge.presence"

local M = {}

--- A shape as messages show it.
function M.shape_text(shape) return "[" .. table.concat(shape, ", ") .. "]" end

function M.same_shape(a, b)
  if #a ~= #b then return false end
  for index = 1, #a do
    if a[index] ~= b[index] then return false end
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

function M.fail_of_vocabularies(a, a_label, b, b_label)
  core.fail(("the vocabularies differ: %s in model '%s', %s in model '%s': set `tokenizer` to align them; "
    .. "truncate_embeddings (--unsafe-truncate-embeddings) keeps the rows that both have")
    :format(M.shape_text(a), a_label, M.shape_text(b), b_label))
end

-- Many tensors are alike: the last few tables that were given are given again.
local recent, oldest = {}, 1

local function shared(shape, dtype, is_cut)
  for _, known in ipairs(recent) do
    if known.dtype == dtype and known.is_cut == is_cut and M.same_shape(known.shape, shape) then return known end
  end
  local specified = { shape = shape, dtype = dtype, is_cut = is_cut }
  recent[oldest] = specified
  oldest = oldest % 8 + 1
  return specified
end

--- The shape and dtype of a tensor that stays as a model has it, but for the order of its vocabulary.
function M.of_kept(place, vocabulary)
  local shape, dtype = place.kept:specification(place.name)
  if vocabulary and vocabulary:is_vocabulary(place.kept, place.name) then
    shape = { vocabulary.rows, table.unpack(shape, 2) }
  end
  return { shape = shape, dtype = dtype }
end

--- Whether the tensors at a place have a row for each token.
local function has_vocabulary(place, found)
  local entry = presence.entries(found)[1]
  local model, name = entry.source.model, entry.name or place.name
  return architectures.has_token_rows(model, name, model:info(name))
end

--- The shape and dtype of the tensor at a place, from the models that have it; fails unless they agree.
--
-- @param truncates  whether vocabularies may differ, and are cut to the smallest
-- @param vocabulary  the plan of token_rows that brings them into one order, or nil
-- @return { shape =, dtype =, is_cut = }, which other tensors may share; `is_cut` says that an input has more rows
function M.of(place, truncates, vocabulary)
  local found = presence.of(place)
  local first, first_dtype, first_label, rows, dtypes, has_token_rows
  local is_cut = false
  for _, entry in ipairs(presence.entries(found)) do
    local model, label, name = entry.source.model, entry.source.label, entry.name or place.name
    local shape, dtype = model:specification(name)
    if not first then
      first, first_dtype, first_label, rows = shape, dtype, label, shape[1]
      has_token_rows = vocabulary and not place.offset and vocabulary:is_vocabulary(model, name)
    elseif not M.same_shape(first, shape) then
      if not (differ_in_rows(first, shape) and architectures.has_token_rows(model, name, model:info(name))) then
        core.fail(("shapes differ: %s in model '%s', %s in model '%s'")
          :format(M.shape_text(first), first_label, M.shape_text(shape), label))
      end
      if not truncates and not has_token_rows then M.fail_of_vocabularies(first, first_label, shape, label) end
      rows, is_cut = math.min(rows, shape[1]), true
    elseif dtype ~= first_dtype and not (core.is_float(dtype) and core.is_float(first_dtype)) then
      core.fail(("dtypes differ: %s in model '%s', %s in model '%s'")
        :format(first_dtype, first_label, dtype, label))
    end
    if dtypes or dtype ~= first_dtype then
      dtypes = dtypes or { first_dtype }
      dtypes[#dtypes + 1] = dtype
    end
  end
  if has_token_rows then
    rows = vocabulary.rows
  elseif place.most_rows and place.most_rows < rows and has_vocabulary(place, found) then
    rows, is_cut = place.most_rows, true
  end
  local shape, dtype = first, first_dtype
  if rows ~= shape[1] then shape = { rows, table.unpack(shape, 2) } end
  if place.pieces then shape = pieces.shape(place, shape) end
  if dtypes and found.how ~= "copy" and core.is_float(dtype) then dtype = core.promote(dtypes) end
  return shared(shape, dtype, is_cut)
end

return M
