--- Runs a function; of an error that it raises, says what for, and at the line of the user's that asked for it.

local core = require "mergekit.core"

-- @param where  words or a place before the message, or a function that fails with the error
-- @param f  the function, of which the first result is given
return function(where, f)
  local ok, result = pcall(f)
  if ok then return result end
  if type(where) == "function" then where(result) end
  core.fail(result, where)
end
