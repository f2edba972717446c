--- EMR-Merging: Huang et al. 2024, "EMR-Merging: tuning-free high-performance model merging",
--- https://arxiv.org/abs/2405.17461. One task vector stands for those of all models; each model is it, masked to the
--- elements on whose sign the model agrees, times a rescaler. `task` says which of the models is made of it, counted
--- from 1 without the base; without it the result is the elected vector on the base, a worse model than an average.
--
-- The rescaler is the paper's ratio of L1 norms, of each tensor by itself; the paper has one for the whole model, and
-- the authors' code one of means: `rescaler` gives it. stdlib/examples/emr.lua writes the elected vector once, and of
-- each model a mask and a number.

local mk = require "mergekit"
local task_vectors = require "mergekit.methods.task_vectors"

return mk.method {
  name = "emr",
  pretty_name = "EMR-Merging",
  reference = "https://arxiv.org/abs/2405.17461",
  description = "Makes one of the models again of a task vector that stands for all, a mask and a number.",
  base = "required",
  min_inputs = 2,
  parameters = { task = { type = "integer", range = { 1, math.huge } }, rescaler = { type = "number" } },
  merge = function(t)
    local unified, masks, rescalers = mk.emr(task_vectors.of(t))
    if not t.task then return t.base + unified end
    if not masks[t.task] then
      mk.fail(("task is %d, expected 1 to %d, the number of models beside the base"):format(t.task, #masks))
    end
    return t.base + unified * masks[t.task] * (t.rescaler or rescalers[t.task])
  end,
}
