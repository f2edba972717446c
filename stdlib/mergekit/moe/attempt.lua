--- Runs a function; of an error that it raises, says what for, and at the line of the user's that asked for the mixture.

local core = require "mergekit.core"

-- @param before  words before the message
-- @param f  the function, of which the first result is given
return function(before, f)
  local ok, result = pcall(f)
  if ok then return result end
  local message = tostring(result):gsub("^[^\n]-:%d+: ", "", 1)
  core.fail(before .. message)
end
