--- Adapters of Stable Diffusion's trainers (kohya-ss/sd-scripts) on single-file checkpoints: W' = W + s·(α/r)·up·down.
--
-- There is no config: a module's tensors are `KEY.lora_down.weight` [r, in], `KEY.lora_up.weight` [out, r] and `KEY.alpha`,
-- which is r where it is missing; those of convolutions have their kernels.

local core = require "mergekit.core"
local names = require "architectures.stable_diffusion"

local M = {}

--- Tensors of other kinds of adapters that these trainers write, and what they are called.
local others = {
  { "hada_", "LoHa" }, { "lokr_", "LoKr" }, { "oft_", "OFT" }, { "dora_scale", "DoRA" }, { "lora_mid", "LoCon (Tucker)" },
  { "on_input", "IA3" }, { "a1", "GLoRA" }, { "a2", "GLoRA" }, { "b1", "GLoRA" }, { "b2", "GLoRA" },
  { "diff", "full differences" }, { "w_norm", "changes of norms" }, { "b_norm", "changes of norms" },
}

local fields = {
  ["lora_down.weight"] = "down", ["lora_up.weight"] = "up", alpha = "alpha",
}

local function fail(adapter, words, ...)
  core.fail(("adapter '%s': %s"):format(adapter.name, words:format(...)))
end

--- Whether an adapter without a config is one of these.
function M.matches(adapter)
  if adapter.config ~= nil then return false end
  for _, name in ipairs(adapter:names()) do
    if name:match("^lora_unet_") or name:match("^lora_te%d?_") then return true end
  end
  return false
end

local function kind_of(part)
  for _, entry in ipairs(others) do
    if part:sub(1, #entry[1]) == entry[1] then return entry[2] end
  end
end

--- The modules of an adapter, in its order: { key =, down =, up =, alpha = }.
local function modules_of(adapter)
  local modules, by_key = {}, {}
  for _, name in ipairs(adapter:names()) do
    local key, part = name:match("^([^.]+)%.(.+)$")
    local field = part and fields[part]
    if not field then
      local kind = part and kind_of(part)
      if kind then fail(adapter, "it is %s ('%s'); of these adapters only LoRA is merged", kind, name) end
      fail(adapter, "tensor '%s' is no part of a LoRA", name)
    end
    if not by_key[key] then
      by_key[key] = { key = key }
      modules[#modules + 1] = by_key[key]
    end
    by_key[key][field] = name
  end
  return modules
end

--- The tensors of a checkpoint by the names that trainers have for them: { name =, third = }.
local function index(model)
  local found = {}
  local function add(key, name, third)
    if not found[key] then found[key] = { name = name, third = third } end
  end
  for _, part in ipairs(names.parts) do
    for _, name in ipairs(model:names()) do
      if name:sub(1, #part[1]) == part[1] then
        local inner = name:sub(#part[1] + 1)
        local layer, rest = inner:match("^transformer%.resblocks%.(%d+)%.(.+)$")
        if part.is_open_clip and layer then
          for _, entry in ipairs(names.open_clip) do
            if entry[1] == rest then
              add(("%stext_model_encoder_layers_%s_%s"):format(part[2], layer, entry[2]), name, entry.third)
            end
          end
        elseif inner:match("%.weight$") then
          add(part[2] .. inner:sub(1, -#".weight" - 1):gsub("%.", "_"), name)
        end
      end
    end
  end
  return found
end

--- Where a module of an adapter is in a checkpoint; nil if nowhere.
local function find(places, key)
  if places[key] then return places[key] end
  local inner = key:match("^lora_unet_(.+)$")
  for _, rule in ipairs(inner and names.diffusers or {}) do
    local captures = { inner:match(rule[1]) }
    if captures[1] then
      for position, capture in ipairs(captures) do captures[position] = math.tointeger(capture) or capture end
      for _, name in ipairs(rule[2](table.unpack(captures))) do
        if places["lora_unet_" .. name] then return places["lora_unet_" .. name] end
      end
    end
  end
end

local function columns_of(shape)
  local columns = 1
  for dim = 2, #shape do columns = columns * shape[dim] end
  return columns
end

local function shape_text(shape) return "[" .. table.concat(shape, ", ") .. "]" end

--- What a module changes: { down =, up =, alpha =, rank =, first =, rows =, all = } of a weight with `all` rows.
local function change_of(model, adapter, module, place)
  for _, field in ipairs { "down", "up" } do
    if not module[field] then fail(adapter, "module '%s' has no lora_%s", module.key, field) end
  end
  local shape = model:specification(place.name)
  local down, up = adapter:specification(module.down), adapter:specification(module.up)
  local rows, first = shape[1], 0
  if place.third then
    rows = shape[1] // 3
    first = place.third * rows
  end
  if down[1] ~= up[2] or columns_of(up) ~= up[2] then
    fail(adapter, "module '%s' has the factors %s and %s, which are no product", module.key, shape_text(up), shape_text(down))
  end
  if up[1] ~= rows or columns_of(down) ~= columns_of(shape) then
    fail(adapter, "module '%s' is made for a weight of [%d, %d], and '%s' of model '%s' has %s; it is another model's adapter",
      module.key, up[1], columns_of(down), place.name, model.name, shape_text(shape))
  end
  if module.alpha and columns_of(adapter:specification(module.alpha)) * (adapter:specification(module.alpha)[1] or 1) ~= 1 then
    fail(adapter, "'%s' has the shape %s, expected a number", module.alpha, shape_text(adapter:specification(module.alpha)))
  end
  return {
    down = module.down, up = module.up, alpha = module.alpha, rank = down[1], first = first, rows = rows, all = shape[1],
  }
end

local function product(adapter, change, scale)
  local up = adapter:tensor(change.up):reshape(change.rows, change.rank)
  local result = up:matmul(adapter:tensor(change.down):reshape(change.rank, -1))
  if change.alpha then
    result = result * (adapter:tensor(change.alpha):sum() * (scale / change.rank))
  elseif scale ~= 1 then
    result = result * scale
  end
  local after = change.all - change.first - change.rows
  return (change.first > 0 or after > 0) and result:pad(1, change.first, after) or result
end

--- A model with an adapter of these on it.
function M.apply(model, adapter, scale, sources)
  local places, changes, missing = index(model), {}, {}
  for _, module in ipairs(modules_of(adapter)) do
    local place = find(places, module.key)
    if place then
      changes[place.name] = changes[place.name] or {}
      table.insert(changes[place.name], change_of(model, adapter, module, place))
    else
      missing[#missing + 1] = module.key
    end
  end
  if #missing > 0 then
    local known = {}
    for key in pairs(places) do known[#known + 1] = key end
    core.fail {
      ("adapter '%s': model '%s' has no module '%s'%s"):format(adapter.name, model.name, missing[1],
        #missing > 1 and (" (and %d more)"):format(#missing - 1) or ""),
      suggestion = core.nearest(missing[1], known),
    }
  end
  return core.define_model {
    label = model.name .. "+" .. adapter.name,
    names = model:names(),
    like = model,
    sources = sources,
    methods = { { pretty_name = "LoRA", reference = "https://arxiv.org/abs/2106.09685" } },
    specify = function(name)
      local shape, dtype = model:specification(name)
      return { shape = shape, dtype = dtype }
    end,
    build = function(name)
      local tensor = model:tensor(name)
      local own = changes[name]
      if not own then return tensor end
      local shape = tensor.shape
      tensor = tensor:reshape(shape[1], -1)
      for _, change in ipairs(own) do tensor = tensor + product(adapter, change, scale) end
      return tensor:reshape(shape)
    end,
  }
end

return M
