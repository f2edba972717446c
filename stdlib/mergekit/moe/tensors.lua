--- The tensors of a mixture of experts, and what each is made of.

local core = require "mergekit.core"
local decoder = require "expert_layouts.decoder"
local places = require "mergekit.places"

local M = {}

local fail = places.failing "moe"

local function with(template, layer, expert)
  local name = template:gsub("{layer}", tostring(layer))
  return expert and (name:gsub("{expert}", tostring(expert))) or name
end

local function shape_text(shape) return "[" .. table.concat(shape, ", ") .. "]" end

--- The model's own name of a tensor that it must have.
local function own_name(model, name, path)
  local own = model:resolve(name)
  if not own then fail(path, ("model '%s' has no tensor '%s'"):format(model.name, name)) end
  return own
end

--- Notes the sizes of the base's tensors in `m`, and makes sure that each expert has them.
function M.measure(m)
  m.num_layers = m.base.num_layers
  if m.num_layers == 0 then fail("base", ("model '%s' has no layers"):format(m.base.name)) end
  local expected = {}
  for part, template in pairs(decoder.mlp) do
    expected[part] = m.base:info(own_name(m.base, with(template, 0), "base")).shape
  end
  m.intermediate_size, m.hidden_size = expected.gate_proj[1], expected.gate_proj[2]
  for _, list in ipairs { m.experts, m.shared_experts } do
    for _, expert in ipairs(list) do
      local model = expert.model
      if model.num_layers ~= m.num_layers then
        fail(expert.path, ("model '%s' has %d layers, and the base '%s' has %d")
          :format(model.name, model.num_layers, m.base.name, m.num_layers))
      end
      for layer = 0, m.num_layers - 1 do
        for part, template in pairs(decoder.mlp) do
          local name = own_name(model, with(template, layer), expert.path)
          local shape = model:info(name).shape
          if shape_text(shape) ~= shape_text(expected[part]) then
            fail(expert.path, ("'%s' of model '%s' is of shape %s, and the base's of shape %s")
              :format(name, model.name, shape_text(shape), shape_text(expected[part])))
          end
          if not core.is_float(model:info(name).dtype) then
            fail(expert.path, ("'%s' of model '%s' is %s, expected floating-point numbers")
              :format(name, model.name, model:info(name).dtype))
          end
          local bias = model:resolve((with(template, layer):gsub("weight$", "bias")))
          if bias then
            fail(expert.path, ("'%s' of model '%s' has no place in a mixture: expected MLPs without biases")
              :format(bias, model.name))
          end
        end
      end
    end
  end
end

local function copied(model, name)
  return {
    specify = function() return model:info(name) end,
    build = function() return model:tensor(name) end,
  }
end

--- A part of an expert's MLP: its model's, with noise and scaled as the expert says.
local function expert_part(expert, part, layer)
  local model, noise = expert.model, expert.noise_scale or 0
  local scale = part == "down_proj" and expert.residual_scale or 1
  local name = own_name(model, with(decoder.mlp[part], layer), expert.path)
  if noise == 0 and scale == 1 then return copied(model, name) end
  return {
    specify = function() return model:info(name) end,
    build = function()
      local tensor = model:tensor(name)
      if noise ~= 0 then tensor = tensor + noise * core.randn(tensor.shape) end
      return scale == 1 and tensor or scale * tensor
    end,
  }
end

--- Fails if the base has a tensor that the output has no place for.
local function check_nothing_lost(m, architecture, taken)
  for _, name in ipairs(m.base:names()) do
    -- The MLPs are the experts' own; the angles of old checkpoints are computed.
    local is_replaced = name:find("%.mlp%.%a+_proj%.weight$") or name:find("rotary_emb%.inv_freq$")
    if not taken[name] and not is_replaced then
      fail("base", ("%s has no place for tensor '%s' of model '%s'"):format(architecture.name, name, m.base.name))
    end
  end
end

local function set_of(list)
  local set = {}
  for _, value in ipairs(list or {}) do set[value] = true end
  return set
end

--- Places all tensors.
-- @param gate  gives what makes the gate of a layer: gate(layer), gate(layer, true) that of the shared experts
-- @return the names in the order of the layers, with `by_name`: { specify =, build = }
function M.place(m, architecture, gate)
  local list, taken = { by_name = {} }, {}
  local optional = set_of(architecture.optional)
  local function add(name, place)
    list[#list + 1] = name
    list.by_name[name] = place
  end
  local function add_from_base(template, layer)
    local name = with(template, layer)
    local own = m.base:resolve(name)
    local weight = architecture.zero_biases and architecture.zero_biases[template]
    if own then
      taken[own] = true
      add(name, copied(m.base, own))
    elseif weight then
      local like = m.base:info(own_name(m.base, with(weight, layer), "base"))
      local specification = { shape = { like.shape[1] }, dtype = like.dtype }
      add(name, {
        specify = function() return specification end,
        build = function() return core.zeros(specification.shape, specification.dtype) end,
      })
    elseif not optional[template] and not (template == "lm_head.weight" and m.base.ties_embeddings) then
      fail("base", ("model '%s' has no tensor '%s'"):format(m.base.name, name))
    end
  end
  local function add_experts(layer)
    add(with(architecture.gate, layer), gate(layer))
    if architecture.shared_gate then add(with(architecture.shared_gate, layer), gate(layer, true)) end
    for index, expert in ipairs(m.shared_experts) do
      for part, template in pairs(architecture.shared_expert) do
        add(with(template, layer, index - 1), expert_part(expert, part, layer))
      end
    end
    for index, expert in ipairs(m.experts) do
      for part, template in pairs(architecture.expert) do
        add(with(template, layer, index - 1), expert_part(expert, part, layer))
      end
    end
  end

  local of_layers, after = {}, {}
  for _, template in ipairs(architecture.tensors) do
    if template:find("{layer}", 1, true) then
      of_layers[#of_layers + 1] = template
    elseif #of_layers == 0 then
      add_from_base(template)
    else
      after[#after + 1] = template
    end
  end
  for layer = 0, m.num_layers - 1 do
    for _, template in ipairs(of_layers) do add_from_base(template, layer) end
    add_experts(layer)
  end
  for _, template in ipairs(after) do add_from_base(template) end
  check_nothing_lost(m, architecture, taken)
  return list
end

return M
