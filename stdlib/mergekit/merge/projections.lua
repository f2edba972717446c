--- Models that store projections fused where the output's files have them split, or the other way round, as lazy models
--- that have the output's names.

local core = require "mergekit.core"
local fused_projections = require "architectures.fused_projections"
local placement = require "mergekit.merge.placement"

local M = {}

-- What a projection is fused into, and what it is split into.
local by_fused, by_first = {}, {}
for _, entry in ipairs(fused_projections) do
  by_fused[entry.fused], by_first[entry.parts[1]] = entry, entry
end

--- What stands before and after the projection's name in a tensor's, and the name itself; nil if it has no such form.
local function split_name(name) return name:match("^(.*%.)([^.]+)(%.%a+)$") end

--- The shape of a tensor that `like` has at the place of one of another model's, in the same layer if it has that many.
local function shape_in(like, name, info)
  local own = placement.own_name(like, name)
  if not own and info.layer and like.num_layers > 0 then
    local template = name:gsub("%.%d+%.", ".{layer}.", 1)
    own = placement.own_name(like, placement.with_layer(template, math.min(info.layer, like.num_layers - 1)))
  end
  return own and (like:specification(own))
end

--- The rows that each part of a fused tensor has in `like`; nil unless they are all there and make up its rows.
local function rows_of_parts(model, like, name, names)
  local rows, total = {}, 0
  local shape = model:specification(name)
  for index, part in ipairs(names) do
    local found = shape_in(like, part, model:info(name))
    if not found or #found ~= #shape or found[2] ~= shape[2] then return nil end
    rows[index] = found[1]
    total = total + found[1]
  end
  return total == shape[1] and rows or nil
end

local function names_of_parts(before, entry, after)
  local names = {}
  for index, part in ipairs(entry.parts) do names[index] = before .. part .. after end
  return names
end

local function has_all(model, names)
  for _, name in ipairs(names) do
    if not model:has(name) then return false end
  end
  return true
end

--- The names that a model has in the terms of `like`, and what each of those is made of that it has otherwise.
local function translate(model, like)
  local names, made, gone = {}, {}, {}
  for _, name in ipairs(model:names()) do
    local before, projection, after = split_name(name)
    local fused, split = by_fused[projection], by_first[projection]
    local parts = before and (fused or split) and names_of_parts(before, fused or split, after)
    local rows = parts and fused and not shape_in(like, name, model:info(name))
      and rows_of_parts(model, like, name, parts)
    if rows then
      local start = 1
      for index, part in ipairs(parts) do
        names[#names + 1], made[part] = part, { of = name, start = start, rows = rows[index] }
        start = start + rows[index]
      end
    elseif parts and split and not shape_in(like, name, model:info(name))
      and shape_in(like, before .. split.fused .. after, model:info(name)) and has_all(model, parts) then
      names[#names + 1] = before .. split.fused .. after
      made[names[#names]] = { parts = parts }
      for _, part in ipairs(parts) do gone[part] = true end
    else
      names[#names + 1] = name
    end
  end
  local kept = {}
  for _, name in ipairs(names) do
    if not gone[name] then kept[#kept + 1] = name end
  end
  return kept, made
end

local function specification_of(model, name, recipe)
  local shape, dtype = model:specification(recipe and (recipe.of or recipe.parts[1]) or name)
  if not recipe then return { shape = shape, dtype = dtype } end
  local rows = recipe.rows
  if not rows then
    rows = 0
    for _, part in ipairs(recipe.parts) do rows = rows + model:specification(part)[1] end
  end
  return { shape = { rows, table.unpack(shape, 2) }, dtype = dtype }
end

local function tensor_of(model, name, recipe)
  if not recipe then return model:tensor(name) end
  if recipe.of then return model:tensor(recipe.of):narrow(1, recipe.start, recipe.rows) end
  local tensors = {}
  for index, part in ipairs(recipe.parts) do tensors[index] = model:tensor(part) end
  return core.cat(tensors, 1)
end

--- A model with its projections fused or split as `like` has them; the model itself if it has them so.
function M.adapted(model, like)
  if model == like or like:has_same_names(model) then return model end
  local names, made = translate(model, like)
  if next(made) == nil then return model end
  return core.define_model {
    label = model.name, names = names, like = model, sources = { model },
    specify = function(name) return specification_of(model, name, made[name]) end,
    build = function(name) return tensor_of(model, name, made[name]) end,
  }
end

--- Puts adapted models in the place of those of the parts that `slices.read` gives.
-- @return a function that gives the model in the place of another
function M.adapt(parts, like)
  local known = {}
  local function adapted(model)
    for _, entry in ipairs(known) do
      if entry[1] == model then return entry[2] end
    end
    known[#known + 1] = { model, M.adapted(model, like) }
    return known[#known][2]
  end
  local function adapt_slice(slice)
    for _, source in ipairs(slice.sources) do source.model = adapted(source.model) end
    if slice.base then slice.base.model = adapted(slice.base.model) end
  end
  for _, part in ipairs(parts) do
    if part.whole then adapt_slice(part.whole) end
    for _, slice in ipairs(part.slices or {}) do adapt_slice(slice) end
  end
  return adapted
end

return M
