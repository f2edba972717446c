--- Where a value stands in what a function was given: the name of the function, and the key path in its argument.
--
--     places("merge", "models[2].weight")   -- merge: models[2].weight
--
-- `core.fail(message, place)` and `core.warn(message, place)` take it as it is; whoever reads the error looks up the
-- path, and no text.

local core = require "mergekit.core"

local Place = {}
Place.__index = Place

--- As messages show it.
function Place:__tostring()
  local call, path = self.call, self.path
  if not call then return path end
  if path == "" then return call end
  return call .. (path:sub(1, 1) == "[" and "" or ": ") .. path
end

local M = {}

--- An entry of a list at a place, or at one in words.
function M.item(place, index)
  if type(place) == "string" then return ("%s[%d]"):format(place, index) end
  return M.new(place.call, ("%s[%d]"):format(place.path, index))
end

--- A place.
-- @param call  the name of the function, or nil if that goes without saying
-- @param path  the key path in its argument, "" for the whole
function M.new(call, path) return setmetatable({ call = call, path = path }, Place) end

--- A function that fails at paths of what a function was given.
function M.failing(call)
  return function(path, message) core.fail(message, M.new(call, path)) end
end

--- Warns of a value at a path.
function M.warn(path, message) core.warn(message, M.new(nil, path)) end

return setmetatable(M, { __call = function(_, call, path) return M.new(call, path) end })
