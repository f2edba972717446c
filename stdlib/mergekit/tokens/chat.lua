--- Chat templates of outputs.

local core = require "mergekit.core"
local places = require "mergekit.places"

local M = {}

local names = { "alpaca", "chatml", "exaone", "llama3", "mistral" }

--- The template that most of the models have, the first one's of as many; nil if none has one.
local function most_common(models)
  local counts, best = {}, nil
  for _, model in ipairs(models) do
    local text = model:chat_template()
    text = text and text:match("^%s*(.-)%s*$")
    if text and text ~= "" then counts[text] = (counts[text] or 0) + 1 end
  end
  for _, model in ipairs(models) do
    local text = model:chat_template()
    text = text and text:match("^%s*(.-)%s*$")
    if text and counts[text] and (best == nil or counts[text] > counts[best]) then best = text end
  end
  return best
end

--- The Jinja text of what `chat_template` says: `auto`, a name of a built-in one, or Jinja itself.
--
-- @param given  what was said; nil for nothing
-- @param models  the models of the merge, for `auto`
-- @param fail  fails with a path and words
-- @return the text, or nil to keep what the model's files say
function M.template(given, models, fail)
  if given == nil then return nil end
  if type(given) ~= "string" then fail("chat_template", "expected a name or Jinja text, got " .. type(given)) end
  if given == "auto" then
    local text = most_common(models)
    if not text then places.warn("chat_template", "no model has one, so none is chosen") end
    return text
  end
  for _, name in ipairs(names) do
    if name == given then return require("chat_templates." .. name) end
  end
  -- Jinja that says anything has a brace and is longer than a name (the bounds are mergekit 0.1.5's).
  if #given < 20 or not given:find("{", 1, true) then
    local nearest = core.nearest(given, names)
    fail("chat_template", {
      ("unknown template '%s'"):format(given),
      nearest and "" or (" (expected auto, %s or Jinja text)"):format(table.concat(names, ", ")), suggestion = nearest,
    })
  end
  return given
end

return M
