--- How far a model with an adapter on it is from the model that the adapter was made of.

local core = require "mergekit.core"
local keys = require "mergekit.adapters.keys"
local method = require "mergekit.methods.method"

--- For each module that has a product, in the adapter's order, { name =, layer =, rank =, change =, error = }: the
--- Frobenius norms of the difference of the two models, and of what of it the adapter does not say.
return function(spec, with_lora)
  method.check_keys(spec, { "adapter", "from", "base" }, "adapter_errors")
  for _, field in ipairs { "adapter", "from", "base" } do
    if not core.is_model(spec[field]) then
      core.fail(("adapter_errors: %s: expected a model, got %s"):format(field, type(spec[field])))
    end
  end
  local adapter, from, base = spec.adapter, spec.from, spec.base
  local adapted = with_lora(base, adapter)
  local modules, rows = keys.read(adapter).modules, {}
  for index, module in ipairs(modules) do
    local factor = module.a or module.embedding_a
    local name = factor and base:resolve(module.name .. ".weight")
    local own = name and from:resolve(name)
    if own then
      local wanted = from:tensor(own)
      rows[#rows + 1] = {
        name = module.name, layer = base:info(name).layer, rank = adapter:specification(factor)[1],
        change = (wanted - base:tensor(name)):norm():item(), error = (wanted - adapted:tensor(name)):norm():item(),
      }
    end
    core.progress("measuring the error", index, #modules)
  end
  return rows
end
