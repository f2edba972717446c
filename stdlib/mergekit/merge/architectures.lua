--- What a merge needs to know of architectures beside what is inferred from the tensors' names.

local expert_names = require "architectures.expert_names"
local places = require "architectures.places"

local M = {}

--- Warns if models say that they are of different architectures.
function M.warn_of_mixing(models)
  local first, first_label
  for _, model in ipairs(models) do
    local name = model.architecture_name
    if name and first and name ~= first then
      warn(("models of different architectures: %s in '%s', %s in '%s' (allow_crimes, or --allow-crimes, says that "
        .. "this is meant)")
        :format(first, first_label, name, model.name))
      return
    end
    if name and not first then first, first_label = name, model.name end
  end
end

--- How filters call tensors beside their own names: mergekit 0.1.5 uses the names of transformers' modules in memory
--- for experts, and configs written for it filter by them.
--
-- @return a function from a name to the other one or nil; or nil if filters see names alone
function M.filter_names(model)
  local has_experts = false
  for _, name in ipairs(model:names()) do
    if name:find(".experts.", 1, true) then
      has_experts = true
      break
    end
  end
  if not has_experts then return nil end
  return function(name)
    for _, rule in ipairs(expert_names) do
      local other, count = name:gsub(rule[1], rule[2])
      if count > 0 then return other end
    end
    return nil
  end
end

local function matches(patterns, name)
  for _, pattern in ipairs(patterns or {}) do
    if name:find(pattern) then return true end
  end
  return false
end

-- What is known of the model types of models, found once.
local own_places = setmetatable({}, { __mode = "k", __index = function(known, model)
  local config = model.config or {}
  local own = places.by_model_type[config.model_type] or {}
  if own.unless and config[own.unless] then own = {} end
  known[model] = own
  return own
end })

--- Whether a tensor outside of the layers follows them: the output layer with all that belongs to it, poolers and
--- classifiers, and the final norm.
function M.follows_layers(model, name, info)
  local lower = name:lower()
  local own = own_places[model]
  if matches(own.after, lower) or matches(own.later, lower) then return true end
  if matches(own.before, lower) then return false end
  if matches(places.after, lower) then return true end
  if matches(places.before, lower) then return false end
  local weight = name:gsub("%.[^.]+$", ".weight")
  local kind = model:has(weight) and model:info(weight).kind or info.kind
  return kind == "head" or kind == "norm"
end

--- Whether a tensor of another module follows the layers, as the model type says.
function M.comes_later(model, name) return matches(own_places[model].later, name:lower()) end

--- Whether a tensor has a row for each token: an embedding, the output layer or its bias.
function M.is_vocabulary(model, name, info)
  if info.layer then return false end
  if info.kind == "embedding" or info.kind == "head" then return true end
  if info.kind ~= "bias" then return false end
  local weight = name:gsub("bias$", "weight")
  return (model:has(weight) and model:info(weight).kind == "head") or name:find("predictions%.bias$") ~= nil
end

--- Whether a tensor has a row for each token of the tokenizer: as `is_vocabulary`, but not the labels of a classifier.
function M.has_token_rows(model, name, info)
  if not M.is_vocabulary(model, name, info) then return false end
  for _, part in ipairs { "classif", "score", "qa_outputs" } do
    if name:find(part, 1, true) then return false end
  end
  return true
end

--- The rows that all of a model's embeddings and output layers have; nil if it has none.
function M.vocabulary_rows(model)
  local rows
  for _, name in ipairs(model:names()) do
    local info = model:info(name)
    if M.has_token_rows(model, name, info) then rows = math.min(rows or info.shape[1], info.shape[1]) end
  end
  return rows
end

--- The embeddings of tokens and the output layers of a source's model, found once.
local function vocabulary(source)
  if not source.vocabulary then
    local found = { embeddings = {}, heads = {} }
    for _, name in ipairs(source.model:names()) do
      local info = source.model:info(name)
      if info.kind == "embedding" then found.embeddings[#found.embeddings + 1] = { name = name, shape = info.shape } end
      if info.kind == "head" then found.heads[#found.heads + 1] = name end
    end
    source.vocabulary = found
  end
  return source.vocabulary
end

--- Whether a name is that of an embedding which encoder and decoder share (T5, BART), whole or for one of them.
local function is_shared_embedding(name)
  return name:find("shared%.weight$") ~= nil or name:find("coder%.embed_tokens%.weight$") ~= nil
end

--- What a tensor may be tied to in models that lack it: { kind =, shape = }, or nil.
--
-- An output layer over the vocabulary, the model's only one, is tied to the embedding, if it is as wide (`fits`);
-- embeddings that encoder and decoder share, to each other. Classifiers are tied to nothing.
function M.tie(source, name, info)
  if info.layer or (info.kind ~= "head" and info.kind ~= "embedding") then return nil end
  if info.kind == "embedding" then
    return is_shared_embedding(name) and { kind = "embedding", shape = info.shape } or nil
  end
  if name:find("classif", 1, true) or name:find("score", 1, true) or name:find("qa_outputs", 1, true) then return nil end
  local known = vocabulary(source)
  if #known.heads ~= 1 then return nil end
  local embedding = known.embeddings[1]
  if embedding and embedding.shape[1] ~= info.shape[1] then return nil end
  return { kind = "head", shape = info.shape, fits = not embedding or embedding.shape[2] == info.shape[2] }
end

--- The tensor of a source that stands for one that it lacks because it is tied, or nil.
-- @param tie  what `tie` gave for the tensor in a model that has it
function M.tied_name(source, tie)
  local known = vocabulary(source)
  if tie.kind == "embedding" then
    for _, embedding in ipairs(known.embeddings) do
      local rows, columns = table.unpack(embedding.shape)
      if is_shared_embedding(embedding.name) and rows == tie.shape[1] and columns == tie.shape[2] then
        return embedding.name
      end
    end
    return nil
  end
  if not source.model.ties_embeddings or #known.heads > 0 then return nil end
  for index, embedding in ipairs(known.embeddings) do
    -- Of several it is not known which, unless they are one.
    if index > 1 and not is_shared_embedding(embedding.name) then return nil end
  end
  local embedding = known.embeddings[1]
  return embedding and embedding.shape[2] == tie.shape[2] and embedding.name or nil
end

--- What config.json must say otherwise than that of the model that gives it: the size of a vocabulary that was cut,
--- and that an output layer of its own is not tied.
--
-- @param names  of the tensors of the merge
-- @param tie_of  gives what a tensor may be tied to
-- @param specify  gives a tensor's shape and dtype; nil if vocabularies are not cut
-- @param rows  of a vocabulary of the merge's own, or nil
function M.config_changes(like, names, tie_of, specify, rows)
  local changes = { vocab_size = rows }
  local ties = like.ties_embeddings
  if not ties and not specify then return changes end
  for _, name in ipairs(names) do
    if not like:has(name) then
      local tie = ties and tie_of(name)
      if tie and tie.kind == "head" then changes.tie_word_embeddings = false end
    elseif specify and not changes.vocab_size then
      local info = like:info(name)
      local count = info.kind == "embedding" and specify(name).shape[1]
      if count and count ~= info.shape[1] then changes.vocab_size = count end
    end
  end
  return changes
end

return M
