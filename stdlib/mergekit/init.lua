--- The script API: `local mk = require "mergekit"`.
--
-- Swift's part (`mergekit.core`: models, tensors, primitives) and the part in Lua, which says what a
-- merge means, as one table. Nothing here is out of a user script's reach.

local core = require "mergekit.core"
local adapters = require "mergekit.adapters"
local method = require "mergekit.methods.method"

core.add_model_method("with_lora", core.entry(adapters.with_lora))

local mk = {}
for name, value in pairs(core) do mk[name] = value end

mk.model = core.entry(adapters.model)
mk.adapter = core.entry(adapters.adapter)
mk.adapter_errors = core.entry(adapters.errors)
mk.method = core.entry(method.define)
mk.required = method.required
mk.merge = core.entry(require("mergekit.merge").merge)
mk.moe = core.entry(require "mergekit.moe")
mk.block_weights = core.entry(require "mergekit.merge.block_weights")

-- What methods do with task vectors, as functions of lists of tensors.
for name, part in pairs(require("mergekit.methods.parts").functions) do mk[name] = part end

for name, f in pairs(require "mergekit.linear_algebra") do mk[name] = core.entry(f) end

mk.assert_close = core.entry(require("mergekit.testing").assert_close)

mk.tokenizer = { union = core.entry(require("mergekit.tokens.tokenizer").union) }

-- `mk.stack` has two meanings, told apart by what is given: tensors become slices of a new dimension,
-- layers of models become a model.
local stack_models = require "mergekit.merge.stack"

mk.stack = core.entry(function(list, dim)
  if type(list) ~= "table" then
    core.fail("stack: expected a list of tensors, or of { model, layers = { first, last } }")
  end
  if type(list[1]) == "table" or core.is_model(list[1]) then return stack_models(list) end
  return core.stack(list, dim)
end)

return setmetatable(mk, { __index = function(_, name)
  local known = {}
  for key in pairs(mk) do known[#known + 1] = key end
  core.fail { ("mergekit has no '%s'"):format(tostring(name)), suggestion = core.nearest(tostring(name), known) }
end })
