--- Activation-informed merging: Nobari et al. 2025, "Activation-informed merging of large language models",
--- https://arxiv.org/abs/2502.02421. A merge is drawn back to the base where the base's activations are large: an input
--- channel of mean magnitude a keeps the part 1 − (1 − omega)·a / max(a) of its change.
--
-- The model is itself a merge, by any method. `activations` is a model of the base's mean |x| of each input channel,
-- [n] for a weight [m, n], under the weight's name; tensors without any stay as they are, as embeddings do in the
-- authors' code. The paper has omega = 0.4.

local mk = require "mergekit"

return mk.method {
  name = "aim",
  pretty_name = "Activation-Informed Merging",
  reference = "https://arxiv.org/abs/2502.02421",
  description = "Draws a merge back to the base in the input channels that the base uses most.",
  base = "required",
  max_inputs = 1,
  parameters = { omega = { default = 0.4, range = { 0, 1 } } },
  -- Of the base, under the base's own names.
  per_input = { activations = { type = "tensor", base = true } },
  merge = function(t)
    local model, activations = t.inputs[1].tensor, t.base_input.activations
    if not activations then return model end
    local width = t.shape[#t.shape]
    if activations.numel ~= width then
      mk.fail(("activations have %d elements, the tensor %s input channels"):format(activations.numel, tostring(width)))
    end
    local shape = {}
    for dim = 1, #t.shape do shape[dim] = dim == #t.shape and width or 1 end
    local magnitude = activations:reshape(shape):abs()
    local greatest = magnitude:max()
    local importance = mk.where(greatest:gt(0), magnitude / greatest, 0)
    return t.base + (model - t.base) * (1 - importance * (1 - t.omega))
  end,
}
