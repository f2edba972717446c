--- Output layers and embeddings that config.json ties to each other, and vocabularies of stacks, whose two ends come
--- from several models.

local architectures = require "mergekit.merge.architectures"
local placement = require "mergekit.merge.placement"
local specification = require "mergekit.merge.specification"
local never_tied = require "architectures.never_tied"
local tied_by_default = require "architectures.tied_by_default"

local M = {}

local text_sections = { "text_config", "llm_config", "language_config" }

--- What config.json says of tying, or nil.
local function said(config)
  if type(config) ~= "table" then return nil end
  if config.tie_word_embeddings ~= nil then return config.tie_word_embeddings end
  for _, key in ipairs(text_sections) do
    local section = config[key]
    if type(section) == "table" and section.tie_word_embeddings ~= nil then return section.tie_word_embeddings end
  end
  return nil
end

--- Whether a source's output layer is its embedding: its config says so or, where that is silent, its class does, or
--- it has no output layer.
local function is_tied(source)
  if source.is_tied == nil then
    local model = source.model
    local config = not model.ties_embeddings and model.config or nil
    source.is_tied = not never_tied[model.architecture_name or ""] and (model.ties_embeddings
      or (type(config) == "table" and said(config) == nil and tied_by_default[config.model_type] or false))
  end
  return source.is_tied
end

local function sources_of(slice)
  local list = { slice.base }
  for _, source in ipairs(slice.inputs) do list[#list + 1] = source end
  return list
end

local function are_all_tied(sources)
  for _, source in ipairs(sources) do
    if not is_tied(source) then return false end
  end
  return true
end

--- Whether a tensor may stand outside of the layers by its name, which is cheaper to tell than what it is.
local function is_loose(name) return not name:find("%.%d+%.") end

local function head_tie(place)
  if not is_loose(place.name) then return nil end
  local tie = place.slice and not place.offset and placement.tie(place)
  return tie and tie.kind == "head" and tie or nil
end

--- The names of a slice's tensors that are output layers over the vocabulary.
-- @param are_tied  only those that may be the embedding
local function heads_of(list, slice, are_tied)
  local names = {}
  for _, name in ipairs(list) do
    local place = list.by_name[name]
    local tie = place.slice == slice and head_tie(place)
    if tie and (tie.fits or not are_tied) then names[#names + 1] = name end
  end
  return names
end

local function remove(list, gone)
  local kept = {}
  for _, name in ipairs(list) do
    if gone[name] then list.by_name[name] = nil else kept[#kept + 1] = name end
  end
  for index = 1, math.max(#list, #kept) do list[index] = kept[index] end
end

local function drop(list, name, source)
  warn(("'%s' of model '%s' is left out: the configs tie the output layer to the embedding"):format(
    name, source.label))
  remove(list, { [name] = true })
end

--- An output layer that only some of the models repeat in their files, and that all of them tie, stays tied.
local function settle_whole(list, slice)
  if slice.is_uniform then return end
  local sources = sources_of(slice)
  for _, name in ipairs(heads_of(list, slice, true)) do
    local having, lacking
    for _, source in ipairs(sources) do
      if placement.own_name(source.model, name) then having = having or source else lacking = true end
    end
    if having and lacking and are_all_tied(sources) then drop(list, name, having) end
  end
end

local function have_same_models(first, last)
  local models = {}
  for _, source in ipairs(first) do models[#models + 1] = source.model end
  for _, source in ipairs(last) do
    local is_known = false
    for _, model in ipairs(models) do is_known = is_known or model == source.model end
    if not is_known then return false end
  end
  return true
end

--- The output layer of one of some models, as { name =, tie = }; nil if none has one over the vocabulary.
local function find_head(sources)
  for _, source in ipairs(sources) do
    for _, name in ipairs(source.model:names()) do
      local info = is_loose(name) and source.model:info(name)
      local tie = info and info.kind == "head" and architectures.tie(source, name, info)
      if tie then return { name = name, tie = tie } end
    end
  end
  return nil
end

--- The upper end of a stack: tied if all of its ends are; else the head of the upper models, or their embedding.
local function settle_stack(list, part, like)
  local first, last = part.slices[1], part.slices[#part.slices]
  local below, above = sources_of(first), sources_of(last)
  local heads = heads_of(list, last, true)
  if #heads > 0 then
    if not (are_all_tied(below) and are_all_tied(above)) or have_same_models(below, above) then return end
    for _, name in ipairs(heads) do drop(list, name, above[1]) end
    return
  end
  if is_tied { model = like } or not is_tied(above[1]) then return end
  local head = find_head { { model = like }, table.unpack(below) }
  if not head or not architectures.tied_name(above[1], head.tie) then return end
  list[#list + 1] = head.name
  list.by_name[head.name] = { name = head.name, slice = last, tie = head.tie }
end

--- The rows of a source's output layer, its own or its embedding's.
local function head_rows(place, source)
  local name = placement.source_name(place, source)
  return name and (source.model:specification(name)), name
end

--- Fails if the two ends of a stack have vocabularies of two sizes, or cuts both to what they have in common.
local function check_ends(list, part, truncates)
  local first, last = part.slices[1], part.slices[#part.slices]
  for _, name in ipairs(heads_of(list, last)) do
    local place = list.by_name[name]
    for _, above in ipairs(sources_of(last)) do
      for _, below in ipairs(sources_of(first)) do
        local upper, lower = head_rows(place, above), head_rows(place, below)
        if upper and lower and upper[1] ~= lower[1] then
          if not truncates then specification.fail_of_vocabularies(lower, below.label, upper, above.label) end
          part.most_rows = math.min(part.most_rows or upper[1], upper[1], lower[1])
        end
      end
    end
  end
  if not part.most_rows then return end
  for _, name in ipairs(list) do
    local place = list.by_name[name]
    if place.slice == first or place.slice == last then place.most_rows = not place.offset and part.most_rows or nil end
  end
end

--- Whether a tied model's output has an output layer that is not its embedding.
local function is_untied(list, like)
  if not is_tied { model = like } then return false end
  for _, name in ipairs(list) do
    local place = list.by_name[name]
    if head_tie(place) and not are_all_tied(sources_of(place.slice)) then return true end
  end
  return false
end

--- Decides which output layers a merge has, and that the ends of its stacks go together.
--
-- @param list  as `placement.place` gives it
-- @param aligns  whether the vocabularies are brought into one order
-- @return whether config.json has to say that the output layer is not tied
function M.settle(list, parts, like, truncates, aligns)
  for _, part in ipairs(parts) do
    if part.whole then settle_whole(list, part.whole) end
    if part.slices then
      settle_stack(list, part, like)
      if not aligns then check_ends(list, part, truncates) end
    end
  end
  return is_untied(list, like)
end

return M
