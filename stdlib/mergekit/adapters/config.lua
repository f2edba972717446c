--- What adapter_config.json says of an adapter: its kind, and the rank and scale of each module.
--
-- The keys are those of PEFT 0.21 (https://github.com/huggingface/peft), and mean what they mean there.

local core = require "mergekit.core"

local M = {}
M.__index = M

--- Keys that make another computation of the product, each with what it is called.
local variants = {
  alora_invocation_tokens = "aLoRA, which acts on some tokens of a text only", use_qalora = "QALoRA",
  arrow_config = "Arrow, which chooses among adapters for each token", kasa_config = "KaSA",
  velora_config = "VeLoRA", monteclora_config = "MonteCLoRA", use_bdlora = "BD-LoRA",
}

--- Beginnings of `init_lora_weights` that change the model's own weights when the adapter is loaded.
local residual = { "pissa", "olora", "corda", "loftq", "mica", "lora_ga", "milora" }

local function fail(adapter, words, ...)
  core.fail(("adapter '%s': %s"):format(adapter.name, words:format(...)))
end

--- Fails unless a value is a whole number from 1 on.
local function check_rank(adapter, where, value)
  if math.type(value) ~= "integer" or value < 1 then
    fail(adapter, "adapter_config.json: %s: expected a whole number from 1 on, found %s", where, tostring(value))
  end
end

local function check_patterns(adapter, key, patterns, check)
  if patterns == nil then return end
  if type(patterns) ~= "table" then
    fail(adapter, "adapter_config.json: %s: expected an object, found a %s", key, type(patterns))
  end
  for pattern, value in pairs(patterns) do
    check(adapter, ("%s['%s']"):format(key, pattern), value)
  end
end

local function check_alpha(adapter, where, value)
  if type(value) ~= "number" then
    fail(adapter, "adapter_config.json: %s: expected a number, found a %s", where, type(value))
  end
end

--- Reads the config of an adapter; fails for what is no LoRA, or one that cannot be merged.
function M.read(adapter)
  local config = adapter.config
  if config == nil then
    core.fail(("%s: has no adapter_config.json, which says how its weights are put on a model"):format(adapter.name))
  end
  if type(config) ~= "table" then fail(adapter, "adapter_config.json: expected an object") end
  local kind = config.peft_type
  if kind ~= nil and kind ~= "LORA" then
    fail(adapter, "its type is %s; of PEFT's types only LORA is merged", tostring(kind))
  end
  for key, words in pairs(variants) do
    if config[key] then fail(adapter, "it is %s (%s), and cannot be merged", words, key) end
  end
  local init = config.init_lora_weights
  for _, name in ipairs(residual) do
    if type(init) == "string" and init:lower():sub(1, #name) == name then
      fail(adapter, "it was made by '%s', which changes the weights of its model when PEFT loads it; save it with "
        .. "path_initial_model_for_weight_conversion, which makes a plain LoRA of it", init)
    end
  end
  check_rank(adapter, "r", config.r)
  check_alpha(adapter, "lora_alpha", config.lora_alpha)
  check_patterns(adapter, "rank_pattern", config.rank_pattern, check_rank)
  check_patterns(adapter, "alpha_pattern", config.alpha_pattern, check_alpha)
  return setmetatable({ adapter = adapter, json = config }, M)
end

--- The value of the first pattern that matches the end of a module's name, as PEFT matches it.
--
-- An object of JSON keeps its order.
local function match(patterns, module)
  for pattern, value in pairs(patterns or {}) do
    if core.matches(("^(?:.*\\.)?(?:%s)$"):format(pattern), module) then return value end
  end
end

--- The rank of a module.
function M:rank(module) return match(self.json.rank_pattern, module) or self.json.r end

--- What a module's product is multiplied with.
function M:scale(module)
  local rank = self:rank(module)
  local alpha = match(self.json.alpha_pattern, module) or self.json.lora_alpha
  return alpha / (self.json.use_rslora and math.sqrt(rank) or rank)
end

return M
