--- `mk.merge`: a lazy model whose tensors a method makes of those of other models.

local core = require "mergekit.core"
local methods = require "mergekit.method"
local settings = require "mergekit.settings"

local spec_fields = { "method", "base", "models", "parameters", "dtype", "name" }

local function is_model(value) return core.is_model(value) end

--- The inputs as a list of { model, settings, label }, from entries `model` or `{ model, weight = … }`.
local function read_models(spec, method)
  if type(spec.models) ~= "table" then
    core.fail("merge: models: expected a list of models, got " .. type(spec.models))
  end
  local allowed = {}
  for _, parameter in ipairs(method.per_input) do allowed[#allowed + 1] = parameter.name end
  local entries = {}
  for index, entry in ipairs(spec.models) do
    local where = ("models[%d]"):format(index)
    if is_model(entry) then entry = { entry } end
    if type(entry) ~= "table" or not is_model(entry[1]) then
      local found = type(entry) == "table" and entry[1] or entry
      local hint = type(found) == "string" and (": mk.model %q opens one"):format(found) or ""
      core.fail(("merge: %s: expected a model, or { model, … }%s"):format(where, hint))
    end
    local own = {}
    for key, value in pairs(entry) do
      if key ~= 1 then
        local known = false
        for _, name in ipairs(allowed) do known = known or name == key end
        if not known then
          if #allowed == 0 then
            core.fail(("merge: %s: method '%s' has no parameters of its inputs, got '%s'")
              :format(where, method.name, tostring(key)))
          end
          core.fail(("merge: %s: %s"):format(where, methods.unknown("parameter", key, allowed)))
        end
        settings.check(value, ("merge: %s: %s"):format(where, key))
        own[key] = value
      end
    end
    entries[#entries + 1] = { model = entry[1], settings = own, label = entry[1].name }
  end
  for key in pairs(spec.models) do
    if math.type(key) ~= "integer" then
      core.fail(("merge: models: expected a list, got field '%s'"):format(tostring(key)))
    end
    if key > #entries then core.fail(("merge: models[%d] is nil"):format(#entries + 1)) end
  end
  return entries
end

local function read_parameters(spec, method)
  local allowed = {}
  for _, parameter in ipairs(method.parameters) do allowed[#allowed + 1] = parameter.name end
  for _, parameter in ipairs(method.per_input) do allowed[#allowed + 1] = parameter.name end
  local parameters = spec.parameters or {}
  if type(parameters) ~= "table" then
    core.fail("merge: parameters: expected a table, got " .. type(parameters))
  end
  for key, value in pairs(parameters) do
    local known = false
    for _, name in ipairs(allowed) do known = known or name == key end
    if not known then
      if #allowed == 0 then
        core.fail(("merge: parameters: method '%s' has none, got '%s'"):format(method.name, tostring(key)))
      end
      core.fail("merge: parameters: " .. methods.unknown("parameter", key, allowed))
    end
    settings.check(value, "merge: parameters: " .. key)
  end
  return parameters
end

local function count_words(method)
  local low, high = method.min_inputs, method.max_inputs
  local beside = method.base == "ignored" and "" or " beside the base"
  if low == high then return ("exactly %d model%s%s"):format(low, low == 1 and "" or "s", beside) end
  if high == math.huge then return ("at least %d model%s%s"):format(low, low == 1 and "" or "s", beside) end
  return ("%d to %d models%s"):format(low, high, beside)
end

--- Puts the base apart from the inputs, as the method's policy has it.
local function split_base(spec, method, entries)
  local base = spec.base
  if base ~= nil and not is_model(base) then
    core.fail("merge: base: expected a model, got " .. type(base))
  end
  if method.base == "required" and base == nil then
    core.fail(("merge: method '%s' needs a base model"):format(method.name))
  end
  if base == nil then return nil, entries end
  local base_entry
  local inputs = {}
  for _, entry in ipairs(entries) do
    if entry.model == base and base_entry == nil then base_entry = entry else inputs[#inputs + 1] = entry end
  end
  local is_listed = base_entry ~= nil
  base_entry = base_entry or { model = base, settings = {}, label = base.name }
  if method.base == "ignored" then
    -- An input like the others, the last unless it is listed, and the first to give names and files.
    if not is_listed then entries[#entries + 1] = base_entry end
    return nil, entries, base
  end
  return base_entry, inputs
end

--- Names of all models, the first model's first.
local function all_names(models)
  local names, seen = {}, {}
  for _, model in ipairs(models) do
    for _, name in ipairs(model:names()) do
      if not seen[name] then
        seen[name] = true
        names[#names + 1] = name
      end
    end
  end
  return names
end

local function shape_text(shape) return "[" .. table.concat(shape, ", ") .. "]" end

local function same_shape(a, b)
  if #a ~= #b then return false end
  for index, size in ipairs(a) do
    if size ~= b[index] then return false end
  end
  return true
end

--- Resolves a parameter: the first scope that has a value for the tensor, else the default.
local function resolve(parameter, scopes, info, whose)
  local given
  for _, scope in ipairs(scopes) do
    local setting = scope[parameter.name]
    local value = settings.evaluate(setting, info)
    if value ~= nil then
      local kind = type(value)
      if kind ~= parameter.type and not (parameter.type == "number" and core.is_tensor(value)) then
        core.fail(("%s: expected a %s, got %s '%s'"):format(parameter.name, parameter.type, kind, tostring(value)))
      end
      return value
    end
    given = given or setting
  end
  if not parameter.required then return parameter.default end
  local why = ""
  if type(given) == "function" then
    why = ": its function gave nil"
  elseif given ~= nil then
    why = ": no filter of its setting matches"
  end
  core.fail(("parameter '%s' is required%s%s"):format(parameter.name, whose, why))
end

-- Fields of `info` and of an input that may be nil.
local optional_info = { "layer" }

return function(spec)
  if type(spec) ~= "table" then core.fail("merge: expected a table, got " .. type(spec)) end
  methods.check_keys(spec, spec_fields, "merge")
  if spec.method == nil then core.fail("merge: method: expected a name, a file or a value of mk.method") end
  local method = methods.resolve(spec.method)
  local entries = read_models(spec, method)
  local parameters = read_parameters(spec, method)
  local base, inputs, leader = split_base(spec, method, entries)
  if #inputs < method.min_inputs or #inputs > method.max_inputs then
    core.fail(("merge: method '%s' takes %s, got %d"):format(method.name, count_words(method), #inputs))
  end

  local sources = {}
  if base then sources[1] = base.model end
  if leader then sources[#sources + 1] = leader end
  for _, input in ipairs(inputs) do sources[#sources + 1] = input.model end
  local like = sources[1]

  --- Entries that have a tensor, the base first; fails or gives nil as the method's policy says.
  local function present(name)
    local own_base = base and base.model:has(name) and base or nil
    local own_inputs, lacking = {}, nil
    if base and not own_base then lacking = base end
    for _, input in ipairs(inputs) do
      if input.model:has(name) then own_inputs[#own_inputs + 1] = input else lacking = lacking or input end
    end
    if not lacking then return "merge", own_base, own_inputs end
    local count = #own_inputs + (own_base and 1 or 0)
    local policy = method.missing
    if count == 1 and (policy == "passthrough_singleton" or (policy ~= "error" and own_base)) then
      return "passthrough", own_base or own_inputs[1]
    end
    if policy == "base_or_skip" and #own_inputs < method.min_inputs then return "skip" end
    if policy ~= "error" and #own_inputs >= method.min_inputs and (own_base or base == nil) then
      return "merge", own_base, own_inputs
    end
    core.fail(("tensor '%s' is missing in model '%s', and method '%s' needs it in every model")
      :format(name, lacking.label, method.name))
  end

  local names = {}
  for _, name in ipairs(all_names(sources)) do
    if present(name) ~= "skip" then names[#names + 1] = name end
  end

  --- What is known of the output's tensor, from the models that have it; their shapes must agree.
  local function specify(name)
    local how, own_base, own_inputs = present(name)
    if how == "passthrough" then
      local info = own_base.model:info(name)
      return { shape = info.shape, dtype = info.dtype }
    end
    local first, first_label
    local dtypes = {}
    local function add(entry)
      local info = entry.model:info(name)
      dtypes[#dtypes + 1] = info.dtype
      if not first then
        first, first_label = info, entry.label
      elseif not same_shape(first.shape, info.shape) then
        core.fail(("shapes differ: %s in model '%s', %s in model '%s'")
          :format(shape_text(first.shape), first_label, shape_text(info.shape), entry.label))
      elseif core.is_float(first.dtype) ~= core.is_float(info.dtype)
        or (not core.is_float(info.dtype) and info.dtype ~= first.dtype) then
        core.fail(("dtypes differ: %s in model '%s', %s in model '%s'")
          :format(first.dtype, first_label, info.dtype, entry.label))
      end
    end
    if own_base then add(own_base) end
    for _, input in ipairs(own_inputs) do add(input) end
    local dtype = first.dtype
    if core.is_float(dtype) then dtype = core.promote(dtypes) end
    return { shape = first.shape, dtype = dtype }
  end

  local function shared_info(name, specification)
    for _, model in ipairs(sources) do
      if model:has(name) then
        local info = model:info(name)
        info.shape, info.dtype = specification.shape, specification.dtype
        return methods.strict(info, "info", optional_info)
      end
    end
  end

  local optional_fields = { shared = { "layer", "base", "base_input" }, input = { "layer" } }
  for _, parameter in ipairs(method.parameters) do table.insert(optional_fields.shared, parameter.name) end
  for _, parameter in ipairs(method.per_input) do table.insert(optional_fields.input, parameter.name) end

  --- The expression of one output tensor.
  local function build(name)
    local how, own_base, own_inputs = present(name)
    if how == "passthrough" then return own_base.model:tensor(name) end
    local specification = specify(name)
    if not core.is_float(specification.dtype) then
      local copies = {}
      if own_base then copies[1] = own_base.model:tensor(name) end
      for _, input in ipairs(own_inputs) do copies[#copies + 1] = input.model:tensor(name) end
      return core.identical(copies)
    end
    return core.stream(name, function()
      local info = shared_info(name, specification)
      local t = {}
      for key, value in pairs(info) do t[key] = value end
      for _, parameter in ipairs(method.parameters) do
        t[parameter.name] = resolve(parameter, { parameters }, info, "")
      end
      if own_base then
        t.base = own_base.model:tensor(name)
        t.base_input = { tensor = t.base, model = own_base.model, layer = info.layer }
        for _, parameter in ipairs(method.per_input) do
          if parameter.base then
            t.base_input[parameter.name] = resolve(
              parameter, { own_base.settings, parameters }, info, (" for model '%s'"):format(own_base.label))
          end
        end
      end
      t.inputs = {}
      for index, input in ipairs(own_inputs) do
        local entry = { tensor = input.model:tensor(name), model = input.model, layer = info.layer }
        for _, parameter in ipairs(method.per_input) do
          entry[parameter.name] = resolve(
            parameter, { input.settings, parameters }, info, (" for model '%s'"):format(input.label))
        end
        t.inputs[index] = methods.strict(entry, "an input", optional_fields.input)
      end
      methods.strict(t, "the method's argument", optional_fields.shared)
      local result = method.merge(t)
      if not core.is_tensor(result) then
        core.fail(("method '%s' gave a %s, expected a tensor"):format(method.name, type(result)))
      end
      if not same_shape(result.shape, specification.shape) then
        core.fail(("method '%s' gave a tensor of shape %s, expected %s")
          :format(method.name, shape_text(result.shape), shape_text(specification.shape)))
      end
      return result
    end)
  end

  return core.define_model {
    label = spec.name or ("merge by %s"):format(method.name),
    names = names,
    like = like,
    sources = sources,
    dtype = methods.check_dtype(spec.dtype, "merge"),
    method = { pretty_name = method.pretty_name, reference = method.reference },
    specify = specify,
    build = build,
  }
end
