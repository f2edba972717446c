--- What `tokenizer` of a merge says: the vocabulary of the result, and where the row of each token comes from. The
--- rules are those of mergekit 0.1.5; what its rows are made of is in token_rows.lua.

local core = require "mergekit.core"
local architectures = require "mergekit.merge.architectures"
local attempt = require "mergekit.attempt"
local methods = require "mergekit.methods.method"
local places = require "mergekit.places"
local token_rows = require "mergekit.tokens.token_rows"

local M = {}

local fields = { "source", "tokens", "pad_to_multiple_of" }
local token_fields = { "source", "force" }
local source_fields = { "model", "token", "token_id" }

-- Vocabularies of which less than this part is shared are hardly meant to be merged.
local least_shared = 0.1

local function quoted(list, count)
  local words = {}
  for index = 1, math.min(#list, count or 3) do words[index] = ("'%s'"):format(list[index]) end
  return table.concat(words, ", ") .. (#list > #words and ", …" or "")
end

local function plural(count, word) return ("%d %s%s"):format(count, word, count == 1 and "" or "s") end

-- Reading

local function check_source(source, fail, path)
  if core.is_model(source) or core.is_vocabulary(source) or source == "union" or source == "base" then return end
  local is_text = type(source) == "string"
  fail(path, {
    ("expected 'union', 'base', a model or a vocabulary, got %s"):format(
      is_text and ("'%s'"):format(source) or type(source)),
    suggestion = is_text and core.nearest(source, { "union", "base" }) or nil,
  })
end

--- Where the row of a token comes from, as { kind = "zero" }, { kind = "model", model = } or { kind = "token", model =,
--- token = or id = }; nil for the usual rules.
local function read_token_source(source, path, fail, name)
  if source == nil then return nil end
  if source == "zero" then return { kind = "zero" } end
  if core.is_model(source) then return { kind = "token", model = source, token = name } end
  if type(source) ~= "table" then
    local found = type(source) == "string" and ("'%s'"):format(source) or type(source)
    fail(path, "expected a model, 'zero' or { model =, token = }, got " .. found)
  end
  methods.check_keys(source, source_fields, places("merge", path))
  if not core.is_model(source.model) then
    fail(path .. ".model", "expected a model, got " .. type(source.model))
  end
  if (source.token == nil) == (source.token_id == nil) then
    fail(path, ("expected either token or token_id, found %s"):format(source.token and "both" or "neither"))
  end
  if source.token ~= nil then
    if type(source.token) ~= "string" then fail(path .. ".token", "expected a string, got " .. type(source.token)) end
    return { kind = "token", model = source.model, token = source.token }
  end
  if math.type(source.token_id) ~= "integer" or source.token_id < 0 then
    fail(path .. ".token_id", "expected a whole number from 0 on, found " .. tostring(source.token_id))
  end
  return { kind = "token", model = source.model, id = source.token_id }
end

--- Reads `tokenizer` strictly, as { source =, tokens = list of { name =, source =, force =, path = }, multiple = }.
local function read(given, fail)
  if type(given) ~= "table" then
    check_source(given, fail, "tokenizer")
    return { source = given, tokens = {} }
  end
  methods.check_keys(given, fields, places("merge", "tokenizer"))
  check_source(given.source or "union", fail, "tokenizer.source")
  local result = { source = given.source or "union", tokens = {} }
  local multiple = given.pad_to_multiple_of
  if multiple ~= nil and (math.type(multiple) ~= "integer" or multiple < 1 or multiple > 1 << 24) then
    fail("tokenizer.pad_to_multiple_of", "expected a whole number from 1 on, got " .. tostring(multiple))
  end
  result.multiple = multiple
  if given.tokens ~= nil and type(given.tokens) ~= "table" then
    fail("tokenizer.tokens", "expected a table of tokens, got " .. type(given.tokens))
  end
  for name, token in pairs(given.tokens or {}) do
    if type(name) ~= "string" or name == "" then
      fail("tokenizer.tokens", ("expected tokens as keys, got %s"):format(name == "" and "''" or tostring(name)))
    end
    local path = "tokenizer.tokens." .. name
    if type(token) ~= "table" then fail(path, "expected { source =, force = }, got " .. type(token)) end
    methods.check_keys(token, token_fields, places("merge", path))
    if token.force ~= nil and type(token.force) ~= "boolean" then
      fail(path .. ".force", "expected a boolean, got " .. type(token.force))
    end
    result.tokens[#result.tokens + 1] = {
      name = name, force = token.force or false, path = path .. ".source",
      source = read_token_source(token.source, path .. ".source", fail, name),
    }
  end
  return result
end

-- Models

--- The vocabulary of a model with the ids that its embedding has rows for.
local function participant(model, fail)
  local rows = architectures.vocabulary_rows(model)
  local limit = model.vocab_size
  if rows and (not limit or limit > rows) then limit = rows end
  local vocabulary = attempt(function(error) fail("tokenizer", error) end, function() return model:vocabulary() end)
  local entry = { model = model, label = model.name, rows = rows, all = vocabulary, vocabulary = vocabulary }
  if vocabulary and limit and vocabulary.size > limit then
    local stripped = vocabulary:strip(limit)
    local texts = vocabulary:tokens()
    local count = vocabulary.count - stripped.count
    places.warn("tokenizer", ("%s of '%s' %s left out, as the embedding has %d rows: %s"):format(
      plural(count, "token"), model.name, count == 1 and "is" or "are", limit,
      quoted({ table.unpack(texts, stripped.count + 1, math.min(#texts, stripped.count + 4)) })))
    entry.vocabulary = stripped
  end
  return entry
end

--- The base first, then the others, each once.
local function participants(models, base, fail)
  local list = { participant(base, fail) }
  if not list[1].vocabulary then
    fail("tokenizer", ("model '%s' has no tokenizer; the base, or without one the first model, must have one")
      :format(base.name))
  end
  for _, model in ipairs(models) do
    if model ~= base then list[#list + 1] = participant(model, fail) end
  end
  for _, entry in ipairs(list) do
    if not entry.vocabulary then
      places.warn("tokenizer", ("model '%s' has no tokenizer, so it is taken to have that of '%s'")
        :format(entry.label, base.name))
      entry.all, entry.vocabulary = list[1].all, list[1].vocabulary
    end
  end
  return list
end

local function vocabularies_of(list)
  local own, seen = {}, {}
  for index, entry in ipairs(list) do
    own[index] = entry.vocabulary
    seen[index] = entry.label
  end
  return own, seen
end

local function warn_of_little_overlap(list)
  local first = list[1].vocabulary
  for index = 2, #list do
    local other = list[index].vocabulary
    local shared = first:shared_count(other)
    if shared < least_shared * math.min(first.count, other.count) then
      places.warn("tokenizer", ("the vocabularies of '%s' and '%s' have %s in common, of %d and %d: their rows have little to "
        .. "do with each other")
        :format(list[1].label, list[index].label, plural(shared, "token"), first.count, other.count))
    end
  end
end

--- Says how many tokens of each model the result's vocabulary lacks: their rows go into nothing.
local function warn_of_cut_rows(list, vocabulary)
  for _, entry in ipairs(list) do
    local count = entry.vocabulary.count - vocabulary:shared_count(entry.vocabulary)
    if count > 0 then
      local names = {}
      for _, token in ipairs(entry.vocabulary:tokens()) do
        if #names < 4 and not vocabulary:token_to_id(token) then names[#names + 1] = token end
      end
      places.warn("tokenizer", ("%s of '%s' %s not in the result's vocabulary, and %s left out: %s"):format(
        plural(count, "token"), entry.label, count == 1 and "is" or "are", count == 1 and "its row is" or "their rows are",
        quoted(names)))
    end
  end
end

local function union_of(vocabularies)
  local union, differing = vocabularies[1]:union({ table.unpack(vocabularies, 2) })
  if #differing > 0 then
    places.warn("tokenizer", ("%s added with different settings, of which the first model's count: %s")
      :format(#differing == 1 and "a token is" or plural(#differing, "token") .. " are", quoted(differing)))
  end
  return union
end

--- The vocabulary that the result gets, without tokens that the config adds.
local function output_vocabulary(source, list, fail)
  if core.is_vocabulary(source) then return source end
  if source == "base" then return list[1].vocabulary end
  if source == "union" then return union_of((vocabularies_of(list))) end
  for _, entry in ipairs(list) do
    if entry.model == source then return entry.vocabulary end
  end
  local entry = participant(source, fail)
  if not entry.vocabulary then fail("tokenizer", ("model '%s' has no tokenizer"):format(source.name)) end
  return entry.vocabulary
end

-- Plans

--- Whether all models have the base's tokenizer, in equal files of a form that is not read, and nothing asks for more
--- than that one: then every token has its row already.
local function keeps_unread(spec, models, base)
  if spec.source ~= "base" or #spec.tokens > 0 or spec.multiple then return false end
  for _, model in ipairs(models) do
    if not base:has_same_unread_tokenizer(model) then return false end
  end
  return true
end

--- What becomes of the vocabulary of a merge; nil if nothing was said of it.
--
-- @param given  "union", "base", a model, a vocabulary, or { source =, tokens =, pad_to_multiple_of = }
-- @param models  the models of the merge
-- @param base  the model whose ids the result keeps; nil for the first
-- @param fail  fails with a path and words
-- @return an object of token_rows, with `vocabulary`, of the result, and `rows`, of its embedding
function M.plan(given, models, base, fail)
  if given == nil then return nil end
  local spec = read(given, fail)
  if keeps_unread(spec, models, base or models[1]) then return nil end
  local list = participants(models, base or models[1], fail)
  warn_of_little_overlap(list)
  local vocabulary = output_vocabulary(spec.source, list, fail)
  local new = {}
  for _, token in ipairs(spec.tokens) do
    if not vocabulary:token_to_id(token.name) then new[#new + 1] = token.name end
  end
  vocabulary = vocabulary:add(new)
  if spec.source ~= "union" then warn_of_cut_rows(list, vocabulary) end
  if vocabulary.size == 0 then fail("tokenizer", "the vocabulary has no tokens") end
  if vocabulary.count < vocabulary.size then
    places.warn("tokenizer", ("the ids of the vocabulary leave gaps: %d of %d have no token; their rows are the mean of the "
      .. "others")
      :format(vocabulary.size - vocabulary.count, vocabulary.size))
  end
  return token_rows.new(vocabulary, list, base, spec, fail)
end

--- A vocabulary with the tokens of several models', for `tokenizer` of mk.merge: `mk.tokenizer.union { base, a, b }`.
-- `tokens` and `pad_to_multiple_of` are as there.
function M.union(given)
  if type(given) ~= "table" then core.fail("tokenizer.union: expected a table, got " .. type(given)) end
  local models, spec = {}, {}
  for key, value in pairs(given) do
    if math.type(key) == "integer" then
      local place = #models + 1
      local model = key == place and value or nil
      if not core.is_model(model) then
        core.fail(("tokenizer.union[%d]: expected a model, got %s"):format(place, type(model)))
      end
      models[place] = model
    elseif key == "tokens" or key == "pad_to_multiple_of" then
      spec[key] = value
    else
      core.fail(methods.unknown("field", key, { "tokens", "pad_to_multiple_of" }), "tokenizer.union")
    end
  end
  if #models == 0 then core.fail("tokenizer.union: expected at least one model") end
  local function fail(_, message) core.fail(message, "tokenizer.union") end
  spec.source = union_of((vocabularies_of(participants(models, models[1], fail))))
  return spec
end

return M
