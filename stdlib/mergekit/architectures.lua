--- What a merge needs to know of architectures beside what is inferred from the tensors' names.

local expert_names = require "architectures.expert_names"

local M = {}

--- Warns if models say that they are of different architectures.
function M.warn_of_mixing(models)
  local first, first_label
  for _, model in ipairs(models) do
    local name = model.architecture_name
    if name and first and name ~= first then
      warn(("models of different architectures: %s in '%s', %s in '%s' (allow_crimes, or --allow-crimes, says that this is meant)")
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

--- Whether a tensor has a row for each token: an embedding, the output layer or its bias.
function M.is_vocabulary(model, name, info)
  if info.layer then return false end
  if info.kind == "embedding" or info.kind == "head" then return true end
  if info.kind ~= "bias" then return false end
  local weight = name:gsub("bias$", "weight")
  return (model:has(weight) and model:info(weight).kind == "head") or name:find("predictions%.bias$") ~= nil
end

--- What config.json must say otherwise than that of the model that gives it: the size of a vocabulary that was cut,
--- and that an output layer of its own is not tied.
--
-- @param places  the tensors of the merge, as placement.place gives them
-- @param specify  gives a tensor's shape and dtype; nil if vocabularies are not cut
function M.config_changes(like, places, specify)
  local changes = {}
  for _, name in ipairs(places) do
    local place = places.by_name[name]
    if place.slice and not place.is_skipped and place.kind then
      if place.kind == "head" and like.ties_embeddings and not like:has(name) then
        changes.tie_word_embeddings = false
      elseif specify and place.kind == "embedding" and like:has(name) then
        local rows = specify(name).shape[1]
        if rows ~= like:info(name).shape[1] then changes.vocab_size = rows end
      end
    end
  end
  return changes
end

return M
