--- Adapters of parameters by themselves (`target_parameters`): the fused weights of experts, which no module holds alone.
--
-- As PEFT 0.21 lays them out: A is [experts · r, in], B is [out, r · experts]. Of two parameters of a module the one that
-- was wrapped first is a `base_layer` deeper. Of checkpoints whose experts are stored apart each tensor gets its part.

local expert_parts = require "architectures.expert_parts"

local M = {}

--- Models whose fused weights are [experts, in, out]; those of all others are [experts, out, in].
local in_first = { gpt_oss = true, llama4 = true, llama4_text = true }

--- The parameters of a module that a config targets, by the names of the model's tensors; what goes up into the
--- experts first.
local function targeted(model, config, owner)
  local up, down = {}, {}
  for _, target in ipairs(config.json.target_parameters) do
    local name = owner .. "." .. target:match("[^.]+$")
    local own = (name == target or name:sub(-#target - 1) == "." .. target) and model:resolve(name)
    if own then table.insert(name:match("down[^.]*$") and down or up, own) end
  end
  for _, name in ipairs(down) do up[#up + 1] = name end
  return up
end

--- How a product fits a parameter: nil if it does not.
local function fit(model, name, rank, a_shape, b_shape)
  local shape = model:specification(name)
  local count = #shape == 3 and shape[1] or nil
  if not count or a_shape[1] ~= count * rank or b_shape[2] ~= count * rank then return nil end
  local out_in = shape[2] == b_shape[1] and shape[3] == a_shape[2]
  local in_out = shape[2] == a_shape[2] and shape[3] == b_shape[1]
  if not out_in and not in_out then return nil end
  local first = in_first[(model.config or {}).model_type]
  return { name = name, shape = shape, count = count, rank = rank, in_first = in_out and (first or not out_in) or false }
end

--- The module that has a module's parameter, and how many wrappers are around that.
local function owner_of(module)
  local owner, depth = module.name, 0
  while owner:match("%.base_layer$") do owner, depth = owner:sub(1, -#".base_layer" - 1), depth + 1 end
  return owner, depth
end

--- The tensors of experts that are stored apart, and together are a fused parameter: lists by expert, from 1; nil if the
--- model has none.
local function stored_apart(model, owner, parameter)
  for ending, others in pairs(expert_parts.owners) do
    if owner:sub(-#ending) == ending then
      for _, other in ipairs(others) do
        for _, parts in ipairs(expert_parts.parts[parameter] or {}) do
          local experts = {}
          local start = owner:sub(1, -#ending - 1) .. other .. "."
          repeat
            local tensors = {}
            for index, part in ipairs(parts) do
              tensors[index] = model:resolve(("%s%d.%s.weight"):format(start, #experts, part))
            end
            if #tensors == #parts then experts[#experts + 1] = tensors end
          until #tensors ~= #parts
          if #experts > 0 then return experts end
        end
      end
    end
  end
end

--- The tensors of experts stored apart that a module's product changes, as { name =, expert =, first =, rows =, rank =,
--- count =, scale = }, rows counting from 1; nil if none fits.
function M.find_apart(model, adapter, config, module)
  if type(config.json.target_parameters) ~= "table" then return nil end
  local owner, depth = owner_of(module)
  local rank = config:rank(owner)
  local a_shape, b_shape = adapter:specification(module.a), adapter:specification(module.b)
  local fitting = {}
  for _, parameter in ipairs { "gate_up_proj", "down_proj" } do
    local name, is_targeted = owner .. "." .. parameter, false
    for _, target in ipairs(config.json.target_parameters) do
      is_targeted = is_targeted or name == target or name:sub(-#target - 1) == "." .. target
    end
    local experts = is_targeted and stored_apart(model, owner, parameter)
    if experts and a_shape[1] == #experts * rank and b_shape[2] == #experts * rank then
      local list, rows, columns = {}, 0, nil
      for expert, tensors in ipairs(experts) do
        rows = 0
        for _, tensor in ipairs(tensors) do
          local shape = model:specification(tensor)
          list[#list + 1] = {
            name = tensor, expert = expert, first = rows + 1, rows = shape[1], rank = rank, count = #experts,
            scale = config:scale(owner),
          }
          rows, columns = rows + shape[1], shape[2]
        end
      end
      if rows == b_shape[1] and columns == a_shape[2] then fitting[#fitting + 1] = list end
    end
  end
  return fitting[math.max(1, #fitting - depth)]
end

--- B·A of a part of one expert.
function M.part(a, b, found)
  a = a:narrow(1, (found.expert - 1) * found.rank + 1, found.rank)
  b = b:reshape(-1, found.rank, found.count):narrow(3, found.expert, 1):reshape(-1, found.rank)
  return b:narrow(1, found.first, found.rows):matmul(a)
end

--- Which parameter a module's product changes, and how; nil if none fits.
function M.find(model, adapter, config, module)
  if type(config.json.target_parameters) ~= "table" then return nil end
  local owner, depth = owner_of(module)
  local rank = config:rank(owner)
  local fitting = {}
  for _, name in ipairs(targeted(model, config, owner)) do
    local found = fit(model, name, rank, adapter:specification(module.a), adapter:specification(module.b))
    if found then fitting[#fitting + 1] = found end
  end
  local found = fitting[math.max(1, #fitting - depth)]
  if found then found.scale = config:scale(owner) end
  return found
end

--- B·A of each expert.
function M.product(a, b, found)
  a = a:reshape(found.count, found.rank, -1)
  -- [rank, out] of each expert.
  b = b:reshape(-1, found.rank, found.count):transpose(1, 3)
  if found.in_first then return a:transpose(2, 3):matmul(b) end
  return b:transpose(2, 3):matmul(a)
end

return M
