--- A GGUF file as a model of Hugging Face's kind: names, shapes, config.json and tokenizer.
--
-- What an architecture is called and stored as is said by stdlib/gguf_architectures/NAME.lua, by the name in
-- `general.architecture`.

local core = require "mergekit.core"
local tokenizer = require "mergekit.gguf.tokenizer"

local M = {}

--- The names of the architectures that are read.
M.architectures = { "llama", "qwen2", "qwen3", "qwen2moe", "qwen3moe", "gemma", "gemma2", "gemma3", "phi3" }

--- A file, as an architecture's table sees it.
local File = {}
File.__index = File

function File:fail(words, ...) core.fail(("'%s': %s"):format(self.name, words:format(...))) end

function File:warn(words) warn(("'%s': %s"):format(self.name, words)) end

--- A value of the architecture's own, such as block_count.
function File:get(key)
  local value = core.gguf_value(self.model, self.architecture .. "." .. key)
  -- Some keys may have a value for each layer; alike they are one.
  if type(value) == "table" and #value > 0 then
    for _, other in ipairs(value) do
      if other ~= value[1] then self:fail("%s.%s differs between layers, which is not read", self.architecture, key) end
    end
    return value[1]
  end
  return value
end

function File:need(key)
  local value = self:get(key)
  if value == nil then self:fail("has no %s.%s, which its config.json is made of", self.architecture, key) end
  return value
end

function File:value(key) return core.gguf_value(self.model, key) end
function File:token(id) return core.gguf_token(self.model, id) end
function File:has(name) return self.model:has(name) end
function File:tensor(name) return self.model:tensor(name) end

function File:shape(name)
  if not self:has(name) then self:fail("has no tensor '%s'", name) end
  return (self.model:specification(name))
end

local function open(model)
  local file = setmetatable({ model = model, name = model.name }, File)
  local kind = core.gguf_value(model, "general.type")
  if kind ~= nil and kind ~= "model" then file:fail("holds no model, but general.type is '%s'", tostring(kind)) end
  local name = core.gguf_value(model, "general.architecture")
  if type(name) ~= "string" then file:fail("has no general.architecture, which says what its tensors are") end
  file.architecture = name
  for _, known in ipairs(M.architectures) do
    if known == name then
      file.table = require("gguf_architectures." .. name)
      return file
    end
  end
  core.fail {
    ("'%s': the architecture '%s' is not read; expected one of %s"):format(
      file.name, name, table.concat(M.architectures, ", ")),
    suggestion = core.nearest(name, M.architectures),
  }
end

-- MARK: Tensors

--- Rows of which pairs lie side by side, with the first of each pair before all second ones, by head: the reverse of
-- `LlamaModel.permute` of llama.cpp's converter.
local function unpaired(tensor, heads)
  local shape = tensor.shape
  local rows, columns = shape[1], tensor.numel // shape[1]
  return tensor:reshape(heads, rows // heads // 2, 2, columns):transpose(2, 3):reshape(shape)
end

--- The names of an expert that a tensor of all experts holds; nil for every other tensor.
local function expert_parts(t, part)
  if not t.experts then return nil end
  if part == "ffn_gate_up_exps" then return { t.experts.ffn_gate_exps, t.experts.ffn_up_exps } end
  return t.experts[part] and { t.experts[part] }
end

--- What the model has of a tensor of the file: a list of { name, shape, build }.
local function parts_of(file, name)
  local t = file.table
  local shape = file:shape(name)
  local module, kind = name:match("^(.*)%.([^.]+)$")
  local layer, part = (module or name):match("^blk%.(%d+)%.(.+)$")
  local number, rest
  if part then number, rest = part:match("^(ffn_%a+)%.(%d+)$"), part:match("^ffn_%a+%.(%d+)$") end

  local function whole(own, build, own_shape)
    return { { name = own .. "." .. kind, shape = own_shape or shape, build = build } }
  end

  if not layer then
    for _, dropped in ipairs(t.dropped or {}) do
      if module == dropped then return {} end
    end
    local own = t.top[module]
    if own == nil then return nil end
    local offset = t.norm_offset and module == "output_norm" and t.norm_offset
    return whole(own, offset and function(tensor) return tensor - offset end or nil)
  end

  local prefix = ("model.layers.%s."):format(layer)
  local experts = expert_parts(t, part)
  if experts then
    local list, one = {}, { table.unpack(shape, 2) }
    -- Gate and up may be one tensor, the gate's rows first.
    one[1] = one[1] // #experts
    for index = 1, shape[1] do
      for place, own in ipairs(experts) do
        list[#list + 1] = {
          name = prefix .. own:gsub("{expert}", tostring(index - 1)) .. "." .. kind, shape = one,
          build = function(tensor)
            return tensor:narrow(1, index, 1):narrow(2, (place - 1) * one[1] + 1, one[1]):reshape(one)
          end,
        }
      end
    end
    return list
  end
  -- Files of before 2024 have a tensor for each expert.
  local single = number and (t.experts or {})[number .. "_exps"]
  if single then return whole(prefix .. single:gsub("{expert}", rest)) end

  local own = t.layer[part]
  if own == nil then return nil end
  if t.norm_offset and part:match "norm$" then
    return whole(prefix .. own, function(tensor) return tensor - t.norm_offset end)
  end
  if t.rows and t.rows[part] and #shape == 1 then
    local matrix = { 1, shape[1] }
    return whole(prefix .. own, function(tensor) return tensor:reshape(matrix) end, matrix)
  end
  local heads = (t.rotary_pairs or {})[part]
  if heads then
    local count = file:get(heads) or file:need "attention.head_count"
    if shape[1] % (2 * count) ~= 0 then
      file:fail("tensor '%s' has %d rows, which are no pairs of %d heads", name, shape[1], count)
    end
    return whole(prefix .. own, function(tensor) return unpaired(tensor, count) end)
  end
  return whole(prefix .. own)
end

--- Names in the order of layers, as checkpoints have them.
local function in_order(names)
  local function place(name)
    local layer = name:match "^model%.layers%.(%d+)%."
    if layer then return 1, tonumber(layer) end
    return name:match "embed" and 0 or 2, 0
  end
  table.sort(names, function(a, b)
    local first, layer = place(a)
    local second, other = place(b)
    if first ~= second then return first < second end
    if layer ~= other then return layer < other end
    return a < b
  end)
  return names
end

local function tensors_of(file)
  local names, found = {}, {}
  for _, name in ipairs(file.model:names()) do
    local parts = parts_of(file, name)
    if not parts then
      file:fail("tensor '%s' is none that the architecture '%s' is known to have", name, file.architecture)
    end
    for _, part in ipairs(parts) do
      if found[part.name] then file:fail("two tensors are '%s'", part.name) end
      part.stored = name
      found[part.name] = part
      names[#names + 1] = part.name
    end
  end
  return in_order(names), found
end

-- MARK: Files

--- The dtype that most of the elements have.
local function common_dtype(model)
  local counts, best = {}, nil
  for _, name in ipairs(model:names()) do
    local shape, dtype = model:specification(name)
    local count = 1
    for _, size in ipairs(shape) do count = count * size end
    counts[dtype] = (counts[dtype] or 0) + count
    if not best or counts[dtype] > counts[best] then best = dtype end
  end
  return best
end

--- A token's id, if it is one.
local function special(file, name, size)
  local id = file:value("tokenizer.ggml." .. name .. "_token_id")
  if math.type(id) == "integer" and id >= 0 and id < size then return id end
end

--- A GGUF file's model, with Hugging Face's names.
function M.model(model)
  local file = open(model)
  local names, found = tensors_of(file)
  local config = file.table.config(file)
  local ids = {
    bos = special(file, "bos", config.vocab_size), eos = special(file, "eos", config.vocab_size),
    pad = special(file, "padding", config.vocab_size), unk = special(file, "unknown", config.vocab_size),
  }
  config.bos_token_id, config.eos_token_id, config.pad_token_id = ids.bos, ids.eos, ids.pad
  config.torch_dtype = common_dtype(model)

  local files = tokenizer.files(file, ids, config)
  files["generation_config.json"] = {
    bos_token_id = ids.bos, eos_token_id = ids.eos, pad_token_id = ids.pad,
  }
  return core.define_model {
    label = model.name, names = names, like = model, sources = { model },
    whole_config = config,
    files = core.gguf_files(model, files),
    specify = function(name)
      local part = found[name]
      local _, dtype = model:specification(part.stored)
      return { shape = part.shape, dtype = dtype }
    end,
    build = function(name)
      local part = found[name]
      local tensor = model:tensor(part.stored)
      return part.build and part.build(tensor) or tensor
    end,
  }
end

return M
