-- ExPO, model extrapolation: Zheng et al. 2024, "Model extrapolation expedites alignment",
-- https://arxiv.org/abs/2404.16792. What preference training changed in a model is carried on: the aligned model is the
-- sum of the model before (`models/base` here) and a task vector, of which 1 + alpha is taken. alpha is 0.1 to 0.5 in
-- the paper, found on validation data.
--
--   mergekit-lua expo.lua OUT

local mk = require "mergekit"

local before, aligned = mk.model "models/base", mk.model "models/math"
local alpha = 0.3

return mk.merge { method = "task_arithmetic", base = before, models = { { aligned, weight = 1 + alpha } } }
