--- tokenizer.json and tokenizer_config.json of the metadata of a GGUF file: all that is not the list of tokens itself.
--
-- How texts are cut before merging is said by a name, `tokenizer.ggml.pre`; the expressions are those of the
-- tokenizer.json that each was taken from, as src/llama-vocab.cpp of llama.cpp lists them.

local M = {}

local contractions = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
local llama3 = contractions .. [[|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+]]
local qwen2 = contractions .. [[|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+]]
local upper, lower = "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]", "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]"
local tekken = [=[[^\r\n\p{L}\p{N}]?]=] .. upper .. "*" .. lower .. [=[+|[^\r\n\p{L}\p{N}]?]=] .. upper .. "+" .. lower
  .. [[*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+]]
local gpt4o = [=[[^\r\n\p{L}\p{N}]?]=] .. upper .. "*" .. lower .. "+" .. contractions .. [=[?|[^\r\n\p{L}\p{N}]?]=] .. upper
  .. "+" .. lower .. "*" .. contractions .. [[?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+]]

local function byte_level(uses_expression)
  return { type = "ByteLevel", add_prefix_space = false, trim_offsets = true, use_regex = uses_expression }
end

--- Texts cut at an expression.
local function split(expression)
  return {
    type = "Sequence",
    pretokenizers = {
      { type = "Split", pattern = { Regex = expression }, behavior = "Isolated", invert = false }, byte_level(false),
    },
  }
end

local digits = { type = "Sequence", pretokenizers = { { type = "Digits", individual_digits = true }, byte_level(true) } }

--- The kinds of pre-tokenizers.
local gpt2_kind = { pre_tokenizer = byte_level(true) }
local llama3_kind = { pre_tokenizer = split(llama3), ignore_merges = true, adds_bos = true }
local qwen2_kind = { pre_tokenizer = split(qwen2), normalizer = { type = "NFC" } }
local digits_kind = { pre_tokenizer = digits }
local tekken_kind = { pre_tokenizer = split(tekken), ignore_merges = true, adds_bos = true }

local kinds = {
  ["default"] = gpt2_kind, ["gpt-2"] = gpt2_kind, ["phi-2"] = gpt2_kind, ["olmo"] = gpt2_kind, ["mpt"] = gpt2_kind,
  ["llama-bpe"] = llama3_kind, ["llama3"] = llama3_kind, ["llama-v3"] = llama3_kind,
  ["dbrx"] = { pre_tokenizer = split(llama3) }, ["smaug-bpe"] = { pre_tokenizer = split(llama3) },
  ["qwen2"] = qwen2_kind, ["deepseek-r1-qwen"] = qwen2_kind,
  ["smollm"] = digits_kind, ["starcoder"] = digits_kind, ["refact"] = digits_kind, ["codeshell"] = digits_kind,
  ["command-r"] = digits_kind,
  ["tekken"] = tekken_kind,
  ["gpt-4o"] = { pre_tokenizer = split(gpt4o), ignore_merges = true },
}

--- What puts tokens around texts; nil if nothing does.
local function around(file, ids, adds_bos, adds_eos)
  local bos, eos = adds_bos and ids.bos and file:token(ids.bos), adds_eos and ids.eos and file:token(ids.eos)
  if not bos and not eos then return nil end
  local function template(names, type_id)
    local list = {}
    if bos then list[#list + 1] = { SpecialToken = { id = bos, type_id = type_id } } end
    list[#list + 1] = { Sequence = { id = names, type_id = type_id } }
    if eos then list[#list + 1] = { SpecialToken = { id = eos, type_id = type_id } } end
    return list
  end
  local single, pair = template("A", 0), template("A", 0)
  for _, entry in ipairs(template("B", 1)) do pair[#pair + 1] = entry end
  local special = {}
  if bos then special[bos] = { id = bos, ids = { ids.bos }, tokens = { bos } } end
  if eos then special[eos] = { id = eos, ids = { ids.eos }, tokens = { eos } } end
  return { type = "TemplateProcessing", single = single, pair = pair, special_tokens = special }
end

--- Byte-level BPE, with merges.
local function byte_level_frame(file)
  local name = file:value "tokenizer.ggml.pre" or "default"
  local kind = kinds[name]
  if not kind then
    file:warn(("the pre-tokenizer '%s' is not known, so no tokenizer is made of it"):format(tostring(name)))
    return nil
  end
  return {
    normalizer = kind.normalizer, pre_tokenizer = kind.pre_tokenizer, decoder = byte_level(true),
    model = { type = "BPE", fuse_unk = false, byte_fallback = false, ignore_merges = kind.ignore_merges or false },
  }, kind.adds_bos or false
end

--- SentencePiece, with scores: as transformers turns it into BPE.
local function sentencepiece_frame(file, ids)
  local prefixes = file:value "tokenizer.ggml.add_space_prefix"
  if prefixes == nil then prefixes = true end
  local replace = { type = "Replace", pattern = { String = " " }, content = "▁" }
  local decoders = { { type = "Replace", pattern = { String = "▁" }, content = " " }, { type = "ByteFallback" }, { type = "Fuse" } }
  if prefixes then decoders[4] = { type = "Strip", content = " ", start = 1, stop = 0 } end
  return {
    normalizer = prefixes and { type = "Sequence", normalizers = { { type = "Prepend", prepend = "▁" }, replace } } or replace,
    pre_tokenizer = not prefixes
      and { type = "Split", pattern = { String = " " }, behavior = "MergedWithPrevious", invert = false } or nil,
    decoder = { type = "Sequence", decoders = decoders },
    model = {
      type = "BPE", fuse_unk = true, byte_fallback = true, ignore_merges = false,
      unk_token = ids.unk and file:token(ids.unk) or nil,
    },
  }, true
end

local frames = { gpt2 = byte_level_frame, llama = sentencepiece_frame }

--- The tokenizer's files by their names, as `core.gguf_files` takes them; none if it has no tokenizer that is known.
function M.files(file, ids, config)
  local kind = file:value "tokenizer.ggml.model"
  if kind == nil or kind == "none" or kind == "no_vocab" then return {} end
  local make = frames[kind]
  if not make then
    file:warn(("the tokenizer '%s' is not known, so none is made of it"):format(tostring(kind)))
    return {}
  end
  local frame, adds_bos = make(file, ids)
  if not frame then return {} end
  local function flag(name, otherwise)
    local value = file:value("tokenizer.ggml." .. name)
    if value == nil then return otherwise end
    return value
  end
  local bos, eos = flag("add_bos_token", adds_bos), flag("add_eos_token", false)
  frame.post_processor = around(file, ids, bos, eos)
  local files = {
    tokenizer = frame,
    ["tokenizer_config.json"] = {
      tokenizer_class = "PreTrainedTokenizerFast",
      bos_token = ids.bos and file:token(ids.bos), eos_token = ids.eos and file:token(ids.eos),
      pad_token = ids.pad and file:token(ids.pad), unk_token = ids.unk and file:token(ids.unk),
      add_bos_token = bos, add_eos_token = eos, clean_up_tokenization_spaces = false,
      model_max_length = config.max_position_embeddings,
      chat_template = file:value "tokenizer.chat_template",
    },
  }
  return files
end

return M
