--- The gates of a mixture of experts: what a function that makes them gets, and what is done with what it gives.

local attempt = require "mergekit.attempt"
local core = require "mergekit.core"
local condition = require "mergekit.moe.condition"
local methods = require "mergekit.methods.method"
local modes = require "mergekit.moe.gate_modes"
local places = require "mergekit.places"

local M = {}

local mode_names = { "hidden", "hidden_avg", "hidden_last", "cheap_embed", "random", "uniform_random" }
local random = { random = true, uniform_random = true }

--- What `gates` says: { make = function(g), name =, needs_prompts =, is_random = }.
function M.read(given)
  if type(given) == "function" then return { name = "by a function", make = given } end
  if given == nil then given = "hidden" end
  if type(given) ~= "string" then
    core.fail("expected the name of a mode or a function, got " .. type(given), places("moe", "gates"))
  end
  if not modes[given] then core.fail(methods.unknown("mode", given, mode_names), places("moe", "gates")) end
  return { name = given, make = modes[given], needs_prompts = not random[given], is_random = random[given] }
end

-- The embedding of tokens, by its most common name.
local embedding = "model.embed_tokens.weight"

--- What prompts are in terms of the base model, each computed once for all layers.
local function prompt_reader(m)
  local ids, states, sums = {}, {}, {}

  local function tokens(prompt)
    if not ids[prompt] then
      m.tokenizer = m.tokenizer or m.base.tokenizer
      local text = (m.tokenizer.special.bos or "") .. prompt
      ids[prompt] = m.tokenizer:encode(text, { special = false })
      if #ids[prompt] == 0 then core.fail(("the prompt '%s' has no tokens"):format(prompt), places(nil, "gates")) end
    end
    return ids[prompt]
  end

  -- Reading the prompts of all experts costs hardly more than reading those of one: the weights are read once.
  local function missing_of(prompts, known)
    local wanted, list, of_experts = {}, {}, false
    local function add(prompt)
      if known[prompt] or wanted[prompt] then return end
      wanted[prompt] = true
      list[#list + 1] = prompt
    end
    local experts = {}
    for _, group in ipairs { m.experts, m.shared_experts } do
      for _, expert in ipairs(group) do
        for _, prompt in ipairs(expert.positive_prompts) do experts[#experts + 1] = prompt end
        for _, prompt in ipairs(expert.negative_prompts) do experts[#experts + 1] = prompt end
      end
    end
    local belongs = {}
    for _, prompt in ipairs(experts) do belongs[prompt] = true end
    for _, prompt in ipairs(prompts) do
      of_experts = of_experts or (belongs[prompt] and not known[prompt])
      add(prompt)
    end
    if of_experts then
      for _, prompt in ipairs(experts) do add(prompt) end
    end
    return list
  end

  local reader = {}

  function reader.hidden(prompts, pool, layer)
    states[pool] = states[pool] or {}
    local known = states[pool]
    local missing = missing_of(prompts, known)
    if #missing > 0 then
      local lists = {}
      for index, prompt in ipairs(missing) do lists[index] = tokens(prompt) end
      local layers = attempt(places(nil, "base"), function() return m.base:hidden_states(lists, { pool = pool }) end)
      for index, prompt in ipairs(missing) do known[prompt] = { layers = layers, row = index } end
    end
    local rows = {}
    for index, prompt in ipairs(prompts) do
      local entry = known[prompt]
      rows[index] = entry.layers[layer + 1]:narrow(1, entry.row, 1)
    end
    return core.cat(rows, 1)
  end

  function reader.embed(prompts, pool)
    local rows = {}
    for index, prompt in ipairs(prompts) do
      if not sums[prompt] then
        local name = m.base:resolve(embedding)
        if not name then core.fail(("model '%s' has no tensor '%s'"):format(m.base.name, embedding), places(nil, "base")) end
        local count = m.base:info(name).shape[1]
        local positions = {}
        for position, id in ipairs(tokens(prompt)) do
          if id >= count then
            core.fail(("token %d of the prompt '%s' is %d, expected 0 to %d, the rows of '%s' of model '%s'"):format(
              position, prompt, id, count - 1, name, m.base.name), places(nil, "base"))
          end
          positions[position] = id + 1
        end
        sums[prompt] = m.base:tensor(name):index_select(1, positions):sum(1)
      end
      rows[index] = pool == "sum" and sums[prompt] or sums[prompt] / #tokens(prompt)
    end
    return core.cat(rows, 1)
  end

  return reader
end

local function check_prompts(prompts, where)
  if type(prompts) ~= "table" or #prompts == 0 then core.fail(where .. ": expected a list of at least one prompt") end
  for _, prompt in ipairs(prompts) do
    if type(prompt) ~= "string" then core.fail(("%s: expected texts, found a %s"):format(where, type(prompt))) end
  end
end

local function read_pool(options, default, other, where)
  if options == nil then return default end
  if type(options) ~= "table" then core.fail(("%s: expected { pool = … }, got %s"):format(where, type(options))) end
  methods.check_keys(options, { "pool" }, where)
  local pool = options.pool or default
  if pool ~= default and pool ~= other then
    core.fail(("%s: pool: expected '%s' or '%s', got '%s'"):format(where, default, other, tostring(pool)))
  end
  return pool
end

local strict_expert = methods.strictness("an expert", {})
local strict_context = methods.strictness("the gate function's argument", {})

--- What a function that makes gates gets: see `mk.gate_context` in stdlib/meta/mergekit.lua.
local function context(m, reader, experts, layer, is_shared)
  local list = {}
  for index, expert in ipairs(experts) do
    list[index] = setmetatable({
      model = expert.model, positive_prompts = expert.positive_prompts, negative_prompts = expert.negative_prompts,
    }, strict_expert)
  end
  return setmetatable({
    layer = layer, num_layers = m.num_layers, experts = list, num_experts = #list, hidden_size = m.hidden_size,
    base = m.base, is_shared = is_shared or false,
    hidden = core.entry(function(_, prompts, options)
      check_prompts(prompts, "hidden")
      return reader.hidden(prompts, read_pool(options, "last", "mean", "hidden"), layer)
    end),
    embed = core.entry(function(_, prompts, options)
      check_prompts(prompts, "embed")
      return reader.embed(prompts, read_pool(options, "mean", "sum", "embed"))
    end),
  }, strict_context)
end

--- Words for layers: `layer 3`, `layers 0, 2 and 3`, `all layers`.
local function layers_text(layers, num_layers)
  if #layers == num_layers then return "all layers" end
  if #layers == 1 then return "layer " .. layers[1] end
  return ("layers %s and %d"):format(table.concat(layers, ", ", 1, #layers - 1), layers[#layers])
end

-- Gates that are nearer than this to each other are worth a warning, as in mergekit.
local largest_condition = 5
-- The check takes the cube of the number of experts.
local most_experts_checked = 32

--- What hears of the condition of each layer's gate, and warns once it has heard of all.
local function degeneracy_warner(num_layers, of_prompts)
  local conditions, count, is_done = {}, 0, false
  return function(layer, value)
    if conditions[layer] == nil then count = count + 1 end
    conditions[layer] = value
    if count < num_layers or is_done then return end
    is_done = true
    local bad = {}
    for number = 0, num_layers - 1 do
      if not (conditions[number] <= largest_condition) then bad[#bad + 1] = number end
    end
    if #bad == 0 then return end
    places.warn("gates", ("those of %s hardly differ (condition number above %d)%s, so some experts will be used little"):format(
      layers_text(bad, num_layers), largest_condition, of_prompts and ", as similar prompts make them" or ""))
  end
end

--- Fails if a number that all of a gate's numbers have a part in says that one of them is NaN or infinite: such a model
--- gives NaN for every token.
-- @param value  the condition number, which is infinite for rows that depend on each other, or the sum of the squares
local function check_finite(layer, value)
  if value ~= value then
    core.fail(("layer %d: expected finite numbers, found NaN or infinite ones"):format(layer), places(nil, "gates"))
  end
end

--- What makes the gates: a function of a layer, and of whether the shared experts' gate is meant.
function M.builder(m, architecture)
  local reader = prompt_reader(m)
  local hear = degeneracy_warner(m.num_layers, m.mode.needs_prompts)
  local function rows(layer, is_shared)
    local experts = is_shared and m.shared_experts or m.experts
    local gate = core.stream(("gates of layer %d%s"):format(layer, is_shared and ", shared" or ""), function()
      return m.mode.make(context(m, reader, experts, layer, is_shared))
    end)
    local shape = core.is_tensor(gate) and gate.shape
    if not shape or #shape ~= 2 or shape[1] ~= #experts or shape[2] ~= m.hidden_size then
      core.fail(("layer %d: expected a tensor of shape [%d, %d], got %s"):format(
        layer, #experts, m.hidden_size, shape and "[" .. table.concat(shape, ", ") .. "]" or "a " .. type(gate)),
        places(nil, "gates"))
    end
    return gate
  end

  --- The gate, which waits for the check of all of the layer's.
  local function checked(layer)
    local gate = rows(layer)
    local all = architecture.shared_gate and core.cat({ gate, rows(layer, true) }, 1) or gate
    local seen
    if all.shape[1] > most_experts_checked or all.shape[1] == 1 then
      seen = core.defer({ all:dot(all) }, function(square)
        check_finite(layer, square - square)
        return 1
      end, 1)
    else
      seen = condition(all, function(value)
        check_finite(layer, value)
        hear(layer, value)
      end)
    end
    return core.where(seen, gate, gate)
  end

  local dtype = m.base:info(m.base:resolve(embedding) or m.base:names()[1]).dtype
  return function(layer, is_shared)
    local count = is_shared and #m.shared_experts or #m.experts
    local specification = { shape = { count, m.hidden_size }, dtype = dtype }
    return {
      specify = function() return specification end,
      build = function() return is_shared and rows(layer, true) or checked(layer) end,
    }
  end
end

return M
