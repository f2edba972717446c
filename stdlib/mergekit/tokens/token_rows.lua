--- The rows of embeddings and output layers in the order of another vocabulary.
--
-- A model that has a token gives its own row. The row that the others get is chosen by the rules of mergekit 0.1.5:
-- what the config says of the token; the row of the base, if it has the token, or of the only model that does; else
-- the mean of the rows of those that do. Everything is a lazy gather: no tensor is ever whole in memory.

local core = require "mergekit.core"
local architectures = require "mergekit.merge.architectures"
local attempt = require "mergekit.attempt"
local placement = require "mergekit.merge.placement"
local places = require "mergekit.places"
local presence = require "mergekit.merge.presence"

local Plan = {}
Plan.__index = Plan

-- A row is one number: the place of its model in `entries`, in the bits from this one on, and its own, from 0. There are
-- hundreds of thousands: the loops over them count, and make no tables.
local BITS = 32
local NUMBER = (1 << BITS) - 1
-- Rows of no model.
local ZEROS, MEANS = 0, 1 << 30

local function index_of(list, model)
  for index, entry in ipairs(list) do
    if entry.model == model then return index end
  end
  return nil
end

--- Makes the plan for a vocabulary.
--
-- @param vocabulary  of the result
-- @param entries  the models of the merge: { model =, label =, rows =, all =, vocabulary = }, the first of which gives
--   the tokenizer
-- @param base  the model whose rows count first, or nil
-- @param spec  { tokens = { { name =, force =, source =, path = }, … }, multiple = }
function Plan.new(vocabulary, entries, base, spec, fail)
  local multiple = spec.multiple or 1
  local self = setmetatable({
    vocabulary = vocabulary, rows = (vocabulary.size + multiple - 1) // multiple * multiple, entries = entries,
    base = base, tokens = {}, fail = fail, ids = {}, choices = {}, said = {}, taken = {},
  }, Plan)
  for _, token in ipairs(spec.tokens) do self.tokens[vocabulary:token_to_id(token.name)] = token end
  return self
end

--- Whether a tensor of a model has a row for each token.
function Plan.is_vocabulary(_, model, name) return architectures.has_token_rows(model, name, model:info(name)) end

--- The ids that the result's tokens have in a model, by the result's ids from 1.
function Plan:ids_of(index)
  if not self.ids[index] then self.ids[index] = self.vocabulary:ids_in(self.entries[index].vocabulary) end
  return self.ids[index]
end

-- Choosing

--- The place of a model among the entries; one that is not of the merge is added, to give rows that the config names
--- at a path.
function Plan:entry_of(model, path)
  local index = index_of(self.entries, model)
  if not index then
    index = #self.entries + 1
    self.entries[index] = {
      model = model, label = model.name, rows = architectures.vocabulary_rows(model), is_guest = true,
      all = attempt(function(error) self.fail(path, error) end, function() return model:vocabulary() end),
    }
  end
  return index
end

--- The row that a config names for a token.
function Plan:named_row(token)
  local source = token.source
  if source.kind == "zero" then return ZEROS << BITS end
  local index = self:entry_of(source.model, token.path)
  local entry = self.entries[index]
  local id = source.id
  if not id then
    if not entry.all then self.fail(token.path, ("model '%s' has no tokenizer"):format(entry.label)) end
    id = entry.all:token_to_id(source.token)
    if not id then self.fail(token.path, ("model '%s' has no token '%s'"):format(entry.label, source.token)) end
  end
  if not entry.rows or id >= entry.rows then
    self.fail(token.path, ("%s is not among the %d rows of model '%s'"):format(
      source.id and ("token_id %d"):format(id) or ("the id %d of token '%s'"):format(id, source.token),
      entry.rows or 0, entry.label))
  end
  return index << BITS | id
end

local function warn_of_zeros(self, ids)
  if #ids == 0 then return end
  local names = {}
  for index = 1, math.min(3, #ids) do names[index] = ("'%s'"):format(self.vocabulary:id_to_token(ids[index])) end
  local text = ("%s row in any of the models, so %s of zeros: %s%s"):format(
    #ids == 1 and "a token has no" or ("%d tokens have no"):format(#ids),
    #ids == 1 and "it gets one" or "they get rows",
    table.concat(names, ", "), #ids > 3 and ", …" or "")
  if not self.said[text] then
    self.said[text] = true
    places.warn("tokenizer", text)
  end
end

--- Which row each token has in each of the models at a place.
--
-- @param order  the places of these models in `entries`
-- @param base  the place of the base, if it is one of them
-- @param donates  whether a model, by its place, has a tensor that can give rows here
-- @return { rows = { [place] = list of rows by id from 1 }, means = list of lists of rows, pieces = the models whose
--   rows others take, taken = { [place] = what a model takes beside its own rows } }
function Plan:choose(order, base, donates)
  local key = table.concat(order, ",") .. ":" .. tostring(base)
  if self.choices[key] then return self.choices[key] end
  local choice = { rows = {}, means = {}, pieces = {}, taken = {} }
  local count = #order
  local present, ids, rows, taken = {}, {}, {}, {}
  for position, index in ipairs(order) do
    present[index] = true
    ids[position], rows[position], taken[position] = self:ids_of(index), {}, {}
    choice.rows[index], choice.taken[index] = rows[position], taken[position]
  end
  local base_ids = base and self:ids_of(base)
  local zeros = {}

  --- The row of a token that some of the models have, the first of them at a place in `order`.
  local function row_of_others(place, having, first)
    if having == 1 then return order[first] << BITS | ids[first][place] end
    if base_ids and base_ids[place] >= 0 then return base << BITS | base_ids[place] end
    if having > 1 then
      local mean = {}
      for position = first, count do
        local id = ids[position][place]
        if id >= 0 then mean[#mean + 1] = order[position] << BITS | id end
      end
      choice.means[#choice.means + 1] = mean
      return MEANS << BITS | #choice.means
    end
    for index, entry in ipairs(self.entries) do
      if not present[index] and not entry.is_guest then
        local id = self:ids_of(index)[place]
        if id >= 0 and donates(index) then return index << BITS | id end
      end
    end
    zeros[#zeros + 1] = place - 1
    return ZEROS << BITS
  end

  local used = 0
  for place = 1, #ids[1] do
    if ids[1][place] ~= -2 then
      used = used + 1
      local having, first = 0, nil
      for position = count, 1, -1 do
        if ids[position][place] >= 0 then having, first = having + 1, position end
      end
      local token = self.tokens[place - 1]
      local is_forced = token and token.force
      local other
      if is_forced or having < count then
        if token and token.source then
          other = self:named_row(token)
          self.taken[token] = true
        else
          other = row_of_others(place, having, first)
        end
        local piece = other >> BITS
        if piece ~= ZEROS and piece ~= MEANS then choice.pieces[piece] = true end
      end
      for position = 1, count do
        local own = ids[position][place]
        if own >= 0 and not is_forced then
          rows[position][used] = order[position] << BITS | own
        else
          rows[position][used] = other
          taken[position][other >> BITS] = true
        end
      end
    end
  end
  warn_of_zeros(self, zeros)
  self.choices[key] = choice
  return choice
end

-- Tensors

--- A tensor as a matrix with a row for each token.
local function as_rows(tensor) return tensor.ndim == 1 and tensor:reshape(-1, 1) or tensor end

--- Rows by their numbers from 1; the tensor itself if they are all of it in order, a range if they follow each other.
local function select(tensor, indices)
  local first = indices[1]
  for position = 1, #indices do
    if indices[position] ~= first + position - 1 then return tensor:index_select(1, indices) end
  end
  return tensor:narrow(1, first, #indices)
end

--- The means that the choice asks for, a row each.
local function means_of(choice, order, tensors)
  local sum
  local counts = {}
  for _, index in ipairs(order) do
    local tensor = tensors[index]
    local row_count, width = table.unpack(tensor.shape)
    local indices, has_any = {}, false
    for position, mean in ipairs(choice.means) do
      indices[position] = row_count + 1
      counts[position] = #mean
      for _, row in ipairs(mean) do
        if row >> BITS == index then indices[position], has_any = (row & NUMBER) + 1, true end
      end
    end
    if has_any then
      local part = core.cat({ tensor, core.zeros { 1, width } }, 1):index_select(1, indices)
      sum = sum and sum + part or part
    end
  end
  return sum / core.tensor(counts):reshape(-1, 1)
end

--- The used rows in the order of the ids, and behind the last, or where an id has no token, the mean of them.
local function with_padding(self, used)
  local count = self.vocabulary.count
  if self.rows == count then return used end
  local mean = used:mean(1)
  if count == self.vocabulary.size then
    return core.cat({ used, core.zeros { self.rows - count, used.shape[2] } + mean }, 1)
  end
  local positions, position = {}, 0
  local ids = self:ids_of(1)
  for place = 1, self.rows do
    local has_token = ids[place] and ids[place] ~= -2
    if has_token then position = position + 1 end
    positions[place] = has_token and position or count + 1
  end
  return core.cat({ used, mean }, 1):index_select(1, positions)
end

--- The name and the width of the tensor that a model gives for a place, or nil.
local function tensor_name(model, place)
  if place.kept then return model:has(place.name) and place.name or nil end
  return placement.source_name(place, { model = model })
end

local function width(shape) return shape[2] or 1 end

--- What the models at a place are: their places in `entries`, the names of their tensors, and the base's place.
function Plan:models_at(place)
  if place.kept then
    local index = index_of(self.entries, place.kept)
    return { index }, { [index] = place.name }, nil
  end
  local found = presence.of(place)
  local order, names = {}, {}
  for _, entry in ipairs(presence.entries(found)) do
    local index = index_of(self.entries, entry.source.model)
    if not names[index] then
      order[#order + 1] = index
      names[index] = entry.name or place.name
    end
  end
  local base = place.slice.base and place.slice.base.model or self.base
  base = base and index_of(self.entries, base)
  return order, names, names[base or 0] and base
end

--- The choice for a place; fails for a token that has no row to take.
function Plan:choice_at(place)
  local order, names, base = self:models_at(place)
  local columns = width(self.entries[order[1]].model:info(names[order[1]]).shape)
  local function donor_name(index)
    local model = self.entries[index].model
    local name = names[index] or tensor_name(model, place)
    return name and width(model:info(name).shape) == columns and name or nil
  end
  local choice = self:choose(order, base, function(index) return donor_name(index) ~= nil end)
  for index in pairs(choice.pieces) do
    if not donor_name(index) then
      local path = "tokenizer.tokens"
      for _, token in pairs(self.tokens) do
        if token.source and token.source.model == self.entries[index].model then path = token.path end
      end
      self.fail(path, ("model '%s' has no tensor of %d columns for '%s', and gives no row of it")
        :format(self.entries[index].label, columns, place.name))
    end
  end
  return choice, order, donor_name
end

--- Warns of sources that give no row anywhere.
local function warn_of_unused(self)
  local paths = {}
  for _, token in pairs(self.tokens) do
    if token.source and not self.taken[token] then paths[#paths + 1] = token.path end
  end
  table.sort(paths)
  for _, path in ipairs(paths) do
    places.warn(path, "without effect, as every model has the token; with force its row would take the place of theirs")
  end
end

--- Fails if there is no row for a token in any of the tensors that `placement.place` lists.
function Plan:check(list, names)
  for _, name in ipairs(names) do
    local place = list.by_name[name]
    if not place.offset then
      local order, own = self:models_at(place)
      if self:is_vocabulary(self.entries[order[1]].model, own[order[1]]) then self:choice_at(place) end
    end
  end
  warn_of_unused(self)
end

--- What gives the tensor of each model at a place, by the model.
function Plan:reader(place)
  local choice, order, donor_name = self:choice_at(place)
  local tensors = {}
  for _, index in ipairs(order) do tensors[index] = as_rows(self.entries[index].model:tensor(donor_name(index))) end

  --- The rows of a model below which those stand that it takes of others, and where each of them begins. Each model has
  --- its own: what two gathers share would be materialised on disk, as it is expensive in general.
  local function catalogue(index)
    local list, offsets, count = {}, {}, 0
    local function add(piece, tensor)
      list[#list + 1], offsets[piece] = tensor, count
      count = count + tensor.shape[1]
    end
    add(index, tensors[index])
    for piece in pairs(choice.taken[index]) do
      if piece == ZEROS then
        add(piece, core.zeros { 1, tensors[index].shape[2] })
      elseif piece == MEANS then
        add(piece, means_of(choice, order, tensors))
        offsets[piece] = offsets[piece] - 1
      elseif piece ~= index then
        add(piece, tensors[piece] or as_rows(self.entries[piece].model:tensor(donor_name(piece))))
      end
    end
    return #list == 1 and list[1] or core.cat(list, 1), offsets
  end

  return function(model)
    local index = index_of(self.entries, model)
    local from, offsets = catalogue(index)
    local indices, rows = {}, choice.rows[index]
    for position = 1, #rows do
      local row = rows[position]
      indices[position] = offsets[row >> BITS] + (row & NUMBER) + 1
    end
    local result = with_padding(self, select(from, indices))
    local is_vector = #model:info(donor_name(index)).shape == 1
    return is_vector and result:reshape(-1) or result
  end
end

return Plan
