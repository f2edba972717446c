--- Runs a function; of an error that it raises, says what for, and at the line of the user's that asked for it.

local core = require "mergekit.core"

-- @param before  words before the message, or a function that fails with it
-- @param f  the function, of which the first result is given
return function(before, f)
  local ok, result = pcall(f)
  if ok then return result end
  local message = tostring(result):gsub("^[^\n]-:%d+: ", "", 1)
  if type(before) == "function" then before(message) end
  core.fail(before .. message)
end
