--- How modules of models hold their weights, as PEFT sees them: linear layers, Conv1D, convolutions, tables of rows.

local base_prefixes = require "architectures.base_prefixes"
local shared_tables = require "architectures.shared_tables"
local table_modules = require "architectures.table_modules"

local M = {}

--- Types of models whose layers are Conv1D, with weights of [in, out].
local conv1d = { gpt2 = true, ["openai-gpt"] = true, imagegpt = true, decision_transformer = true, clvp_decoder = true }

--- Types of models with layers whose matrices PEFT changes by no products, as they are used beside their modules.
local mamba = { mamba = true, mamba2 = true, falcon_mamba = true, falcon_h1 = true, nemotron_h = true }

--- The last part of a name.
function M.last(name) return name:match("[^.]+$") or name end

--- Whether the weight of a layer of a model of this type is that of a Conv1D.
function M.is_conv1d(model_type, module) return conv1d[model_type] == true and not module:match("lm_head$") end

--- Whether a module looks up rows of its weight.
function M.is_table(kind, module)
  if kind == "embedding" then return true end
  if kind ~= "weight" then return false end
  for _, pattern in ipairs(table_modules) do
    if M.last(module):match(pattern) then return true end
  end
  return false
end

--- What a LoRA of a module's weight is: "table", "linear", "conv1d" or "convolution"; nil if there is none.
function M.form(model_type, module, kind, shape)
  if kind == "norm" or kind == "bias" or mamba[model_type] and M.last(module) == "out_proj" then return nil end
  if #shape == 2 then
    if M.is_table(kind, module) then return "table" end
    return M.is_conv1d(model_type, module) and "conv1d" or "linear"
  end
  -- Of a convolution by channels PEFT makes another form.
  if #shape >= 3 and #shape <= 5 and (shape[2] > 1 or shape[1] == 1) then return "convolution" end
  return nil
end

--- What PEFT's names of a model's modules begin with, where its checkpoint leaves it out: "transformer." or "".
function M.missing_prefix(model)
  local config = model.config or {}
  local prefix = base_prefixes[config.model_type]
  local architecture = model.architecture_name or ""
  if not prefix or architecture:match("Model$") and not architecture:match("LMHeadModel$") then return "" end
  prefix = prefix .. "."
  for _, name in ipairs(model:names()) do
    if name:sub(1, #prefix) == prefix then return "" end
  end
  return prefix
end

--- Modules that a model has in memory alone, whose weight is its token embedding's.
function M.sharing_modules(model)
  local list = {}
  local own = shared_tables[(model.config or {}).model_type]
  for _, name in ipairs(own or {}) do
    if not model:has(name .. ".weight") then list[#list + 1] = name end
  end
  if model.ties_embeddings and not model:has("lm_head.weight") and (own or M.task_type(model) == "CAUSAL_LM") then
    list[#list + 1] = "lm_head"
  end
  return list
end

--- What PEFT calls the kind of task of a model; nil if it has no name for it.
function M.task_type(model)
  local architecture = model.architecture_name or ""
  for _, entry in ipairs {
    { "ForCausalLM$", "CAUSAL_LM" }, { "LMHeadModel$", "CAUSAL_LM" }, { "ForSequenceClassification$", "SEQ_CLS" },
    { "ForTokenClassification$", "TOKEN_CLS" }, { "ForQuestionAnswering$", "QUESTION_ANS" },
  } do
    if architecture:match(entry[1]) then return entry[2] end
  end
  return nil
end

return M
