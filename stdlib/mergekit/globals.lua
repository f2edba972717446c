--- Makes reading a variable that is not defined an error: a misspelt model would be a nil that drops out of a
--- list unseen.

local core = require "mergekit.core"

local absent = {
  io = true, os = true, debug = true, package = true, load = true, loadstring = true, loadfile = true, dofile = true,
}

return function(globals)
  setmetatable(globals, { __index = function(_, name)
    if absent[name] then
      core.fail(("'%s' is not available in the sandbox: recipes run without files, processes and code from text"):format(name))
    end
    local known = {}
    for key in pairs(globals) do known[#known + 1] = tostring(key) end
    core.fail {
      ("variable '%s' is not defined"):format(tostring(name)), suggestion = core.nearest(tostring(name), known),
    }
  end })
end
