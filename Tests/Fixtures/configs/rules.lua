-- From rules.yml
local mk = require "mergekit"

local base = mk.model "base"
local chat = mk.model "chat"

return mk.merge {
  method = "della",
  base = base,
  models = {
    {
      chat,
      weight = function(info) return 0.2 + 0.6 * info.depth end,
      density = {
        {
          filter = "mlp",
          value = function(info)
            return info.kind == 'weight' and info.depth or 1 -- all of the rest
          end,
        },
        { value = 0.5 },
      },
      epsilon = function(info)
        return ({ early = 0.1, late = 0.2 })[
          info.layer < info.num_layers // 2 and "early" or "late"
        ]
      end,
    },
  },
}
