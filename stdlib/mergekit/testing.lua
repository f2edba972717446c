--- What tests of scripts say: `mk.assert_close`, for files that `mergekit-lua test` runs.

local core = require "mergekit.core"
local method = require "mergekit.methods.method"

local M = {}

local options_known = { "rtol", "atol" }

local function as_tensor(value, which)
  if type(value) == "number" then return core.tensor(value) end
  if core.is_tensor(value) then return value end
  if type(value) == "table" then return core.tensor(value) end
  core.fail(("assert_close: %s: tensor, number or list expected, got %s"):format(which, type(value)))
end

local function tolerance(options, name, default)
  local value = options[name]
  if value == nil then return default end
  if type(value) ~= "number" or not (value >= 0) then
    core.fail(("assert_close: %s: a number from 0 on expected, got %s"):format(name, tostring(value)))
  end
  return value
end

local function same_shape(a, b)
  if #a ~= #b then return false end
  for index, size in ipairs(a) do
    if size ~= b[index] then return false end
  end
  return true
end

--- Fails unless two tensors, numbers or lists have the same shape, and elements that differ by `atol + rtol * |expected|`
--- at most. NaN is close to nothing.
function M.assert_close(actual, expected, options)
  options = options or {}
  if type(options) ~= "table" then
    core.fail("assert_close: a table of options expected, got " .. type(options))
  end
  method.check_keys(options, options_known, "assert_close")
  local rtol, atol = tolerance(options, "rtol", 1e-5), tolerance(options, "atol", 1e-6)
  local a, b = as_tensor(actual, "the first argument"), as_tensor(expected, "the second argument")
  if not same_shape(a.shape, b.shape) then
    core.fail(("assert_close: shape %s, expected %s"):format(tostring(a.shape), tostring(b.shape)))
  end
  if a.numel == 0 then return end
  local difference = (a - b):abs()
  -- Infinities that are equal have no difference.
  local is_close = difference:le(atol + rtol * b:abs()):maximum(a:eq(b))
  local far = a.numel - is_close:sum():item()
  if far == 0 then return end
  core.fail(("assert_close: %d of %d elements differ by more than %g + %g * |expected|; the largest difference is %g")
    :format(far, a.numel, atol, rtol, is_close:where(0, difference):max():item()))
end

return M
