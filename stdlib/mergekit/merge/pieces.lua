--- Tensors outside of the layers that have a part for each of them, one after the other, such as Gemma 3n's
--- `embed_tokens_per_layer`: in a stack each part goes where its layer goes.

local core = require "mergekit.core"
local places = require "architectures.places"

local M = {}

local function dimension_of(name)
  for pattern, dim in pairs(places.per_layer) do
    if name:find(pattern) then return dim end
  end
  return nil
end

--- How much of a source's tensor belongs to each of its layers.
local function length_of(source, name, dim)
  local size = source.model:specification(name)[dim]
  local count = source.module.num_layers
  if size % count ~= 0 then
    core.fail(("tensor '%s' of model '%s': expected a part for each of the %d layers, got a size of %d")
      :format(name, source.label, count, size))
  end
  return size // count
end

--- Gives such tensors of a part's slices a place for each layer: `pieces`, each with `slice`, `layer`, `depth` and `piece`.
-- @param known  the contents of the first slice's model
function M.add(list, part, known)
  for _, which in ipairs { known.before, known.after } do
    for _, tensor in ipairs(which) do
      local place = list.by_name[tensor.name]
      local dim = place and place.slice and place.slice.part == part and dimension_of(tensor.name)
      if dim then
        place.pieces, place.dimension = {}, dim
        local number = 0
        for _, slice in ipairs(part.slices) do
          for offset = 0, slice.count - 1 do
            place.pieces[number + 1] = {
              name = place.name, slice = slice, layer = number, piece = { dimension = dim, offset = offset },
              depth = slice.count > 1 and offset / (slice.count - 1) or 1.0,
            }
            number = number + 1
          end
        end
      end
    end
  end
end

--- The shape that the tensor has in the output.
-- @param shape  that of the first slice's
function M.shape(place, shape)
  local dim = place.dimension
  local length
  for _, piece in ipairs(place.pieces) do
    local slice = piece.slice
    for _, source in ipairs(slice.base and { slice.base, table.unpack(slice.inputs) } or slice.inputs) do
      local own = length_of(source, place.name, dim)
      if own ~= (length or own) then
        core.fail(("tensor '%s': parts of %d and of %d for each layer"):format(place.name, length, own))
      end
      length = own
    end
  end
  local changed = { table.unpack(shape) }
  changed[dim] = length * #place.pieces
  return changed
end

--- The part of a source's tensor that belongs to a piece.
function M.part_of(tensor, source, piece)
  local length = length_of(source, piece.name, piece.piece.dimension)
  return tensor:narrow(piece.piece.dimension, (source.first + piece.piece.offset) * length + 1, length)
end

--- What a piece is like.
function M.specification(place, specified)
  local shape = { table.unpack(specified.shape) }
  shape[place.dimension] = shape[place.dimension] // #place.pieces
  return { shape = shape, dtype = specified.dtype }
end

--- One tensor of all parts.
function M.join(parts, place, specified)
  return core.stack(parts, place.dimension):reshape(specified.shape)
end

return M
