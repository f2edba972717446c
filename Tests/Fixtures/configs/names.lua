-- From names.yml
local mk = require "mergekit"

local Meta_Llama_3_8B = mk.model "org/Meta-Llama-3-8B"
local Meta_Llama_3_8B_2 = mk.model "other/Meta-Llama-3-8B"
local m_7b_v2 = mk.model "/models/7b.v2/"
local math_ = mk.model "math"
local end_ = mk.model "end"
local model = mk.model ".."
local _ber__x__y = mk.model "über \"x\"\\y"
local model_2 = mk.model "org/model@v1.0"

return mk.merge {
  method = "linear",
  models = {
    Meta_Llama_3_8B, Meta_Llama_3_8B_2, m_7b_v2, math_, end_, model, _ber__x__y, model_2,
    Meta_Llama_3_8B,
  },
  parameters = { weight = 1 },
}
