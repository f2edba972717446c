--- Which model gives config.json and the tokenizer where the one that should has none.

local M = {}

--- The model whose config.json the output gets: the one that gives the files or, if that has none, another that does.
function M.of_config(like, sources)
  if like.config ~= nil then return like end
  for _, model in ipairs(sources) do
    if model.config ~= nil then
      warn(("model '%s' has no config.json: the output gets that of '%s', and its other files"):format(
        like.name, model.name))
      return model
    end
  end
  return like
end

--- The vocabulary that stands in if the model that gives the files has no tokenizer and another does; nil if none is
--- needed, or there is none.
function M.tokenizer(files, sources)
  if files:has_tokenizer() then return nil end
  for _, model in ipairs(sources) do
    if model ~= files and model:has_tokenizer() then
      local can_read, vocabulary = pcall(function() return model:vocabulary() end)
      if can_read and vocabulary then
        warn(("model '%s' has no tokenizer: the output gets that of '%s'"):format(files.name, model.name))
        return vocabulary
      end
      warn(("model '%s' has no tokenizer, and that of '%s' cannot be read: the output has none"):format(
        files.name, model.name))
      return nil
    end
  end
  return nil
end

return M
