--- `model:with_lora(adapter)`: a model with an adapter of PEFT's on it, W' = W + s·B·A.
--
-- LoRA: https://arxiv.org/abs/2106.09685; rank-stabilised: https://arxiv.org/abs/2312.03732; DoRA:
-- https://arxiv.org/abs/2402.09353. What PEFT 0.21 makes of an adapter when it merges it decides, in float32.

local core = require "mergekit.core"
local config_of = require("mergekit.adapters.config").read
local experts = require "mergekit.adapters.experts"
local gguf = require "mergekit.gguf"
local keys = require "mergekit.adapters.keys"
local kohya = require "mergekit.adapters.kohya"
local layouts = require "mergekit.adapters.layouts"
local method = require "mergekit.methods.method"

local M = {}

local function fail(adapter, words, ...)
  core.fail(("adapter '%s': %s"):format(adapter.name, words:format(...)))
end

local function shape_text(shape) return "[" .. table.concat(shape, ", ") .. "]" end

--- A model with layers repeated as the adapter was trained on them.
local function replicated(model, adapter, ranges)
  local slices = {}
  for index, range in ipairs(ranges) do
    if type(range) ~= "table" or math.type(range[1]) ~= "integer" or math.type(range[2]) ~= "integer" then
      fail(adapter, "adapter_config.json: layer_replication[%d]: expected two numbers", index - 1)
    end
    slices[index] = { model, layers = { range[1], range[2] } }
  end
  return require "mergekit.merge.stack"(slices)
end

--- The changes of an adapter to a model, by the names of the model's tensors.
local Changes = {}
Changes.__index = Changes

function Changes:of(name)
  if not self.by_name[name] then self.by_name[name] = {} end
  return self.by_name[name]
end

--- Fails as the model lacks a tensor.
function Changes:lacks(name)
  core.fail {
    ("adapter '%s': model "):format(self.adapter.name), { model = self.model.name }, " has no tensor ",
    { tensor = name }, suggestion = core.nearest(name, self.model:names()),
  }
end

--- The model's name of a tensor of a module; the embedding for a head that is the embedding. Fails if there is none.
function Changes:name_of(module, tensor)
  local wanted = module .. "." .. tensor
  local found = self.model:resolve(wanted)
  if found then return found end
  if self.model.ties_embeddings and tensor == "weight" and module:match("lm_head$") then
    for _, name in ipairs(self.model:names()) do
      if self.model:info(name).kind == "embedding" then
        warn(("adapter '%s': model '%s' has no '%s', but its embedding in its place: both change")
          :format(self.adapter.name, self.model.name, wanted))
        return name
      end
    end
  end
  self:lacks(wanted)
end

--- Notes a tensor of the adapter that stands in the place of the model's.
function Changes:replace(own, key)
  local name = self.model:resolve(own)
  local shape = self.adapter:specification(key)
  if not name and self.shares_table[own] then
    -- The same as the embedding, which is replaced, too.
    return
  elseif not name then
    -- The head of a model that has had its embedding's until now.
    if not (self.model.ties_embeddings and own:match("lm_head%.weight$")) then
      self:lacks(own)
    end
    name = own
    self.added[#self.added + 1] = name
  else
    local expected = self.model:specification(name)
    local kind = self.model:info(name).kind
    local has_grown = #shape == 2 and #expected == 2 and shape[2] == expected[2] and shape[1] > expected[1]
    if has_grown and (kind == "embedding" or kind == "head") then
      -- Tokens were added since.
      self.rows = shape[1]
    elseif shape_text(shape) ~= shape_text(expected) then
      fail(self.adapter, "'%s' has the shape %s, and '%s' of model '%s' has %s; it is another model's adapter", key,
        shape_text(shape), name, self.model.name, shape_text(expected))
    end
  end
  self:of(name).replaced = key
end

--- Whether a weight is that of a Conv1D or an embedding, whose product is to be transposed.
function Changes:is_transposed(module, shape, rows, columns)
  if module.embedding_a then return true end
  local fits, fits_transposed = shape[1] == rows and shape[2] == columns, shape[1] == columns and shape[2] == rows
  if fits and fits_transposed then
    local kind = (self.model.config or {}).model_type
    return layouts.is_conv1d(kind, module.name) or kind == nil and self.config.json.fan_in_fan_out == true
  end
  return fits_transposed
end

--- Notes the product of a module.
function Changes:add(module)
  local adapter = self.adapter
  local a, b = module.a or module.embedding_a, module.b or module.embedding_b
  if not a and not b then
    if module.magnitude then fail(adapter, "module '%s' has a magnitude, and no lora_A and lora_B", module.name) end
    return
  end
  if not a or not b then
    fail(adapter, "module '%s' has no %s", module.name, a and "lora_B" or "lora_A")
  end
  local fused = not self.model:resolve(module.name .. ".weight") and experts.find(self.model, adapter, self.config, module)
  if fused then
    self:of(fused.name).experts = { a = a, b = b, scale = self.scale * fused.scale, found = fused }
    return
  end
  local apart = fused == nil and experts.find_apart(self.model, adapter, self.config, module)
  for _, found in ipairs(apart or {}) do
    self:of(found.name).expert = { a = a, b = b, scale = self.scale * found.scale, found = found }
  end
  if apart then return end
  local name = self:name_of(module.name, "weight")
  local shape = self.model:specification(name)
  local a_shape, b_shape = adapter:specification(a), adapter:specification(b)
  local rank = self.config:rank(module.name)
  if a_shape[1] ~= rank then
    fail(adapter, "'%s' has the rank %d, and adapter_config.json says %d", a, a_shape[1], rank)
  end
  if b_shape[2] ~= rank then
    fail(adapter, "'%s' has the shape %s, expected %d columns as the rank is", b, shape_text(b_shape), rank)
  end
  local columns = 1
  for dim = 2, #a_shape do columns = columns * a_shape[dim] end
  -- A convolution's weight as a matrix.
  local matrix = { shape[1], 1 }
  for dim = 2, #shape do matrix[2] = matrix[2] * shape[dim] end
  local transposed = self:is_transposed(module, matrix, b_shape[1], columns)
  local expected = transposed and { columns, b_shape[1] } or { b_shape[1], columns }
  if #shape < 2 or matrix[1] ~= expected[1] or matrix[2] ~= expected[2] then
    fail(adapter, "module '%s' is made for a weight of %s, and '%s' of model '%s' has %s; it is another model's adapter",
      module.name, shape_text(expected), name, self.model.name, shape_text(shape))
  end
  self:of(name).product = {
    a = a, b = b, rank = rank, scale = self.scale * self.config:scale(module.name), transposed = transposed,
    magnitude = module.magnitude, matrix = matrix, shape = shape,
  }
  if module.b_bias then
    local bias = self.model:resolve(module.name .. ".bias")
    if not bias then
      fail(adapter, "'%s' adds to the bias of '%s', which model '%s' lacks", module.b_bias, module.name,
        self.model.name)
    end
    self:of(bias).added_bias = { key = module.b_bias, scale = self.scale * self.config:scale(module.name) }
  end
end

--- Notes the rows of tokens that were trained by themselves.
function Changes:add_tokens(module)
  local indices = self.config.json.trainable_token_indices
  if type(indices) == "table" and #indices == 0 then
    local last = module.name:match("[^.]+$")
    for key, list in pairs(indices) do
      if key == last or module.name:sub(-#key) == key then
        indices = list
        break
      end
    end
  end
  local name = self:name_of(module.name, "weight")
  local shape = self.model:specification(name)
  local rows = self.adapter:specification(module.tokens)
  if type(indices) ~= "table" or #indices ~= rows[1] then
    fail(self.adapter, "'%s' has the rows of %d tokens, and trainable_token_indices names %s", module.tokens, rows[1],
      type(indices) == "table" and #indices or "none")
  end
  local places = {}
  for index, id in ipairs(indices) do
    if math.type(id) ~= "integer" or id < 0 or id >= shape[1] then
      fail(self.adapter, "trainable_token_indices: expected a token from 0 to %d, found %s", shape[1] - 1, tostring(id))
    end
    places[id] = index
  end
  self:of(name).tokens = { key = module.tokens, places = places }
end

--- B·A times the scale, in the shape of the weight.
local function product(adapter, change)
  local a = adapter:tensor(change.a):reshape(change.rank, -1)
  local b = adapter:tensor(change.b):reshape(-1, change.rank)
  if change.transposed then a, b = b:transpose(), a:transpose() end
  return b:matmul(a) * change.scale
end

--- The weight with the product, and with DoRA's magnitude over the norm of the sum by output.
local function with_product(adapter, weight, change)
  local sum = weight:reshape(change.matrix) + product(adapter, change)
  if change.magnitude then
    local dim = change.transposed and 1 or 2
    local norm = sum:norm(dim)
    sum = adapter:tensor(change.magnitude):reshape(norm.shape) / norm * sum
  end
  return sum:reshape(change.shape)
end

--- A table of rows with some in the place of its own.
local function with_rows(adapter, weight, tokens)
  local rows = adapter:tensor(tokens.key)
  local ids = {}
  for id in pairs(tokens.places) do ids[#ids + 1] = id end
  table.sort(ids)
  local parts, next_row = {}, 0
  for _, id in ipairs(ids) do
    if id > next_row then parts[#parts + 1] = weight:narrow(1, next_row + 1, id - next_row) end
    parts[#parts + 1] = rows:narrow(1, tokens.places[id], 1)
    next_row = id + 1
  end
  local count = weight.shape[1]
  if next_row < count then parts[#parts + 1] = weight:narrow(1, next_row + 1, count - next_row) end
  return core.cat(parts, 1)
end

function Changes:build(name)
  local change = self.by_name[name]
  if not change then return self.model:tensor(name) end
  local adapter = self.adapter
  local tensor = change.replaced and adapter:tensor(change.replaced) or self.model:tensor(name)
  if change.product then tensor = with_product(adapter, tensor, change.product) end
  if change.experts then
    local part = change.experts
    tensor = tensor + experts.product(adapter:tensor(part.a), adapter:tensor(part.b), part.found) * part.scale
  end
  if change.expert then
    local part = change.expert
    tensor = tensor + experts.part(adapter:tensor(part.a), adapter:tensor(part.b), part.found) * part.scale
  end
  if change.added_bias then
    tensor = tensor + adapter:tensor(change.added_bias.key) * change.added_bias.scale
  end
  if change.tokens then tensor = with_rows(adapter, tensor, change.tokens) end
  return tensor
end

function Changes:specify(name)
  local shape, dtype
  local replaced = self.by_name[name] and self.by_name[name].replaced
  if replaced then shape, dtype = self.adapter:specification(replaced) end
  if self.model:has(name) then
    local own_shape, own_dtype = self.model:specification(name)
    shape, dtype = shape or own_shape, own_dtype
  end
  return { shape = shape, dtype = dtype }
end

--- A model with the tensors of an adapter on it.
-- @param adapter  has the methods of a model for its tensors, and adapter_config.json as `config`
-- @param sources  what the result is made of
local function apply(model, adapter, scale, sources)
  local config = config_of(adapter)
  if config.json.layer_replication then model = replicated(model, adapter, config.json.layer_replication) end
  local changes = setmetatable(
    { model = model, adapter = adapter, config = config, scale = scale, by_name = {}, added = {} }, Changes)
  local found = keys.read(adapter)
  changes.shares_table = {}
  for _, name in ipairs(layouts.sharing_modules(model)) do
    local is_tied = name ~= "lm_head" or config.json.ensure_weight_tying
    changes.shares_table[name .. ".weight"] = is_tied or nil
  end
  for _, own in ipairs(found.order) do changes:replace(own, found.replaced[own]) end
  for _, module in ipairs(found.modules) do
    changes:add(module)
    if module.tokens then changes:add_tokens(module) end
  end

  local names = model:names()
  for _, name in ipairs(changes.added) do names[#names + 1] = name end
  local config_changes = { vocab_size = changes.rows }
  if #changes.added > 0 then config_changes.tie_word_embeddings = false end
  local is_dora = config.json.use_dora
  return core.define_model {
    label = adapter.name == model.name and model.name or model.name .. "+" .. adapter.name,
    names = names,
    like = model,
    sources = sources,
    methods = { {
      pretty_name = is_dora and "DoRA" or "LoRA",
      reference = is_dora and "https://arxiv.org/abs/2402.09353" or "https://arxiv.org/abs/2106.09685",
    } },
    config = config_changes,
    specify = function(name) return changes:specify(name) end,
    build = function(name) return changes:build(name) end,
  }
end

--- Puts an adapter on a model.
-- @param model  the model
-- @param reference  the adapter's directory, or its file of weights; or a model that is an adapter
-- @param options  { scale = } multiplies the adapter's own scale
function M.with_lora(model, reference, options)
  options = options or {}
  method.check_keys(options, { "scale" }, "with_lora")
  local scale = options.scale == nil and 1 or options.scale
  if type(scale) ~= "number" then core.fail("with_lora: scale: expected a number, got " .. type(scale)) end
  if model.is_adapter then
    core.fail(("with_lora: '%s' is an adapter itself, expected a model"):format(model.name))
  end
  local adapter = reference
  if type(reference) == "string" then
    local parts = core.reference_parts(reference)
    if #parts > 1 then
      for _, part in ipairs(parts) do model = M.with_lora(model, part, options) end
      return model
    end
    adapter = core.adapter(reference)
  elseif not core.is_model(reference) then
    core.fail("with_lora: expected the path of an adapter, got " .. type(reference))
  elseif not reference.is_adapter then
    core.fail(("with_lora: model '%s' is no adapter"):format(reference.name))
  end
  if kohya.matches(adapter) then return kohya.apply(model, adapter, scale, { model, adapter }) end
  return apply(model, adapter, scale, { model, adapter })
end

--- A checkpoint that was saved with an adapter still in it, as a model with that adapter on it.
local function unwrapped(model)
  local config = model.adapter_config
  if not config then
    core.fail(("model '%s' was saved with an adapter still in it (…base_layer.weight), and has no adapter_config.json "
      .. "that says how it is put on; merge it with PEFT (merge_and_unload) first"):format(model.name))
  end
  local own, original, parts = {}, {}, {}
  for _, name in ipairs(model:names()) do
    if name:find(".lora_", 1, true) or name:find(".token_adapter.", 1, true) or name:find(".modules_to_save.", 1, true) then
      parts[#parts + 1] = name
    else
      local plain = name:gsub("^base_model%.model%.", ""):gsub("%.base_layer%.", "."):gsub("%.original_module%.", ".")
      own[#own + 1] = plain
      original[plain] = name
    end
  end
  local base = core.define_model {
    label = model.name, names = own, like = model, sources = { model },
    specify = function(name)
      local shape, dtype = model:specification(original[name])
      return { shape = shape, dtype = dtype }
    end,
    build = function(name) return model:tensor(original[name]) end,
  }
  local adapter = {
    name = model.name, config = config,
    names = function() return parts end,
    specification = function(_, name) return model:specification(name) end,
    tensor = function(_, name) return model:tensor(name) end,
  }
  return apply(base, adapter, 1, { base })
end

--- `mk.adapter`: an adapter that is opened, or one that is made.
function M.adapter(spec)
  if type(spec) == "string" then return core.adapter(spec) end
  if type(spec) ~= "table" or core.is_model(spec) then
    core.fail("adapter: expected a path, or { from =, base =, rank = }, got " .. (core.is_model(spec) and "a model" or type(spec)))
  end
  return require "mergekit.adapters.extract"(spec)
end

--- `mk.adapter_errors`.
function M.errors(spec)
  if type(spec) ~= "table" then core.fail("adapter_errors: expected a table, got " .. type(spec)) end
  return require "mergekit.adapters.errors"(spec, M.with_lora)
end

--- Opens a model by a reference, with the adapters that follow `+` on it.
local opened = {}

local function open(reference)
  local model = core.model(reference)
  if model.is_gguf then return gguf.model(model) end
  return model.holds_adapter and not model.is_adapter and unwrapped(model) or model
end

function M.model(reference)
  if type(reference) ~= "string" then return core.model(reference) end
  if not opened[reference] then
    local parts = core.reference_parts(reference)
    local model = open(#parts == 1 and reference or parts[1])
    for index = 2, #parts do model = M.with_lora(model, parts[index]) end
    opened[reference] = model
  end
  return opened[reference]
end

return M
