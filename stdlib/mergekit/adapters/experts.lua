--- Adapters of parameters by themselves (`target_parameters`): the fused weights of experts, which no module holds alone.
--
-- As PEFT 0.21 lays them out: A is [experts · r, in], B is [out, r · experts]. Of two parameters of a module the one that
-- was wrapped first is a `base_layer` deeper.

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

--- Which parameter a module's product changes, and how; nil if none fits.
function M.find(model, adapter, config, module)
  if type(config.json.target_parameters) ~= "table" then return nil end
  local owner, depth = module.name, 0
  while owner:match("%.base_layer$") do owner, depth = owner:sub(1, -#".base_layer" - 1), depth + 1 end
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
