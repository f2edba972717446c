--- The base model of the benchmark: a Llama of random numbers, made of nothing but a config.json.
--
-- mk.define_model makes a model of names and of a function that builds each tensor; `like`, the folder `seed`
-- beside the working directory's other models, has the config.json and no tensor at all. The numbers are spread
-- as in trained models: normal, a scale for each row, and a few outliers.

local mk = require "mergekit"

local seed = mk.model "seed"
local config = seed.config
local hidden, intermediate, vocabulary = config.hidden_size, config.intermediate_size, config.vocab_size
local key_value = hidden // config.num_attention_heads * config.num_key_value_heads

local names, shapes = {}, {}
local function tensor(name, ...)
  names[#names + 1] = name
  shapes[name] = { ... }
end

tensor("model.embed_tokens.weight", vocabulary, hidden)
for layer = 0, config.num_hidden_layers - 1 do
  local prefix = ("model.layers.%d."):format(layer)
  tensor(prefix .. "input_layernorm.weight", hidden)
  tensor(prefix .. "self_attn.q_proj.weight", hidden, hidden)
  tensor(prefix .. "self_attn.k_proj.weight", key_value, hidden)
  tensor(prefix .. "self_attn.v_proj.weight", key_value, hidden)
  tensor(prefix .. "self_attn.o_proj.weight", hidden, hidden)
  tensor(prefix .. "post_attention_layernorm.weight", hidden)
  tensor(prefix .. "mlp.gate_proj.weight", intermediate, hidden)
  tensor(prefix .. "mlp.up_proj.weight", intermediate, hidden)
  tensor(prefix .. "mlp.down_proj.weight", hidden, intermediate)
end
tensor("model.norm.weight", hidden)
tensor("lm_head.weight", vocabulary, hidden)

return mk.define_model {
  label = "a Llama of random numbers",
  names = names, like = seed, sources = { seed }, dtype = "bfloat16",
  specify = function(name) return { shape = shapes[name], dtype = "bfloat16" } end,
  build = function(name)
    local shape = shapes[name]
    if #shape == 1 then return 1 + 0.1 * mk.randn(shape) end
    local scale = mk.exp(0.3 * mk.randn { shape[1], 1 })
    local outliers = 1 + 9 * mk.bernoulli(1e-4, shape)
    return 0.02 * mk.randn(shape) * scale * outliers
  end,
}
