--- A method as users write their own: twenty operations on elements, a reduction, and a selection.
--
-- Task vectors are averaged, tempered where the models disagree, held within three times their spread, and the
-- larger part is added to the base. The benchmark times it beside the built-in methods; its ideas are only
-- examples.

local mk = require "mergekit"

return mk.method {
  name = "tempered_consensus",
  base = "required",
  parameters = { density = 0.5, lambda = 1.0, sharpness = 100.0 },
  per_input = { weight = 1.0 },
  merge = function(t)
    local mean, agreement, spread = 0, 0, 0
    for _, input in ipairs(t.inputs) do                       -- for each of two models:
      local delta = input.tensor - t.base                     -- one operation
      mean = mean + input.weight * delta                      -- two, but for the first sum
      agreement = agreement + delta:sign()                    -- two
      spread = spread + delta * delta                         -- two
    end
    local tempered = mean * agreement:abs()                   -- two
    tempered = tempered * mk.exp(-t.sharpness * mk.sqrt(spread))          -- four
    local limit = 3 * tempered:norm() / math.sqrt(tempered.numel)         -- the reduction
    local held = tempered:clamp(-limit, limit)                -- one
    local kept = held:abs():topk_mask(math.ceil(t.density * held.numel))  -- one, and the selection
    return t.base + t.lambda * held * kept
  end,
}
