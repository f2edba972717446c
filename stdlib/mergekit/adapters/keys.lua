--- What the tensors of an adapter are, by their names: parts of modules, and tensors in the place of the model's.

local core = require "mergekit.core"

local M = {}

--- The fields of a module's parts.
local fields = {
  lora_A = "a", lora_B = "b", lora_embedding_A = "embedding_a", lora_embedding_B = "embedding_b",
  lora_magnitude_vector = "magnitude",
}

--- The name within the model, without what PEFT's own modules add around it.
local function plain(key)
  local name = key:gsub("^base_model%.model%.", "")
  -- Older versions keep the adapter's name in what they save.
  name = name:gsub("%.modules_to_save%.[^.]+%.([^.]+)$", ".%1")
  return (name:gsub("%.modules_to_save%.([^.]+)$", ".%1"))
end

--- Sorts the tensors of an adapter.
--
-- `modules` are tables { name =, a =, b =, … } with the names of the tensors, in the adapter's order; `replaced` the
-- adapter's names by those of the model's tensors.
function M.read(adapter)
  local modules, by_name, replaced, order = {}, {}, {}, {}
  local function module_of(name)
    if not by_name[name] then
      by_name[name] = { name = name }
      modules[#modules + 1] = by_name[name]
    end
    return by_name[name]
  end
  for _, key in ipairs(adapter:names()) do
    local name = plain(key)
    local module, part, rest = name:match("^(.+)%.(lora_[%a_]+)(.*)$")
    local with_tokens = name:match("^(.+)%.token_adapter%.trainable_tokens_delta")
    if module then
      local field = fields[part]
      if not field then
        core.fail(("adapter '%s': tensor '%s' is no part of a LoRA"):format(adapter.name, key))
      end
      if rest:match("%.bias$") then field = field .. "_bias" end
      module_of(module)[field] = key
    elseif with_tokens then
      module_of(with_tokens).tokens = key
    elseif not name:match("%.original_module%.") then
      local own = name:gsub("%.base_layer%.([^.]+)$", ".%1")
      replaced[own] = key
      order[#order + 1] = own
    end
  end
  return { modules = modules, replaced = replaced, order = order }
end

return M
