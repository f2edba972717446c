-- DUS, depth up-scaling: Kim et al. 2023, "SOLAR 10.7B: scaling large language models with simple yet effective depth
-- up-scaling", https://arxiv.org/abs/2312.15166. Two copies of a model of n layers, one without its last m and one without
-- its first m, stand one on the other; SOLAR has n = 32 and m = 8. The result is to be trained further: as it is, it is
-- worse than the model.
--
--   mergekit-lua dus.lua OUT

local mk = require "mergekit"

local model = mk.model "models/base"
local n = model.num_layers
local m = n // 4

return mk.stack { { model, layers = { 0, n - m } }, { model, layers = { m, n } } }
