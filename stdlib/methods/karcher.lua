--- The Karcher mean: the point of a sphere whose mean squared distance along it from the models' directions
--- is least (Karcher 1977, "Riemannian center of mass and mollifier smoothing"); for models
--- https://arxiv.org/abs/2603.04972

local mk = require "mergekit"
local gram_of = require "mergekit.methods.gram"
local sums = require "mergekit.methods.sums"

-- Nearer than this to the opposite of the mean, the way from the mean to a direction is not known.
local LEAST_TO_OPPOSITE = 1e-6

--- Products of each direction with a combination of all, and the length of the combination.
local function project(gram, combination)
  local products, square = {}, 0
  for i, row in ipairs(gram) do
    local product = 0
    for j, factor in ipairs(combination) do product = product + row[j] * factor end
    products[i], square = product, square + product * combination[i]
  end
  return products, math.sqrt(square < 0 and 0 or square)
end

local function scaled(combination, factor)
  local result = {}
  for i, value in ipairs(combination) do result[i] = value * factor end
  return result
end

--- The mean of unit vectors as a combination of them, by gradient descent; all that it needs are the cosines
--- between them.
local function mean_direction(cosines, max_iter, tol)
  local count = #cosines
  local mean = {}
  for i = 1, count do mean[i] = 1 / count end
  local _, length = project(cosines, mean)
  if length < tol then
    mean = scaled(mean, 0)
    mean[1] = 1
  else
    mean = scaled(mean, 1 / length)
  end

  for _ = 1, max_iter do
    local products = project(cosines, mean)
    local tangent, along = {}, 0
    for i = 1, count do
      local cosine = math.max(-1, math.min(1, products[i]))
      local angle = math.acos(cosine)
      local factor = 0
      if angle >= tol and math.pi - angle > LEAST_TO_OPPOSITE then
        factor = angle / math.sin(angle) / count
      end
      tangent[i], along = factor, along + factor * cosine
    end
    for i = 1, count do tangent[i] = tangent[i] - along * mean[i] end
    local _, step = project(cosines, tangent)
    if step < tol then break end
    for i = 1, count do mean[i] = math.cos(step) * mean[i] + math.sin(step) / step * tangent[i] end
    _, length = project(cosines, mean)
    if length > tol then mean = scaled(mean, 1 / length) end
  end
  return mean
end

--- The factors by which the inputs enter the mean, whose length is the mean of theirs.
local function coefficients(gram, max_iter, tol)
  local lengths, valid, average = {}, {}, 0
  for i = 1, #gram do
    lengths[i] = math.sqrt(gram[i][i])
    average = average + lengths[i] / #gram
    if lengths[i] > tol then valid[#valid + 1] = i end
  end
  local factors = {}
  for i = 1, #gram do factors[i] = 0 end
  if #valid == 0 then return table.unpack(factors) end
  local cosines = {}
  for a, i in ipairs(valid) do
    cosines[a] = {}
    for b, j in ipairs(valid) do cosines[a][b] = gram[i][j] / (lengths[i] * lengths[j]) end
  end
  for a, factor in ipairs(mean_direction(cosines, max_iter, tol)) do
    factors[valid[a]] = factor * average / lengths[valid[a]]
  end
  return table.unpack(factors)
end

return mk.method {
  name = "karcher",
  pretty_name = "Karcher Mean",
  reference = "https://arxiv.org/abs/2603.04972",
  description = "The mean of the models' directions on the sphere, with the mean of their lengths.",
  base = "ignored",
  parameters = { max_iter = { default = 10, type = "integer", usual = { 0, math.huge } },
    tol = { default = 1e-5, usual = { 0, math.huge } } },
  merge = function(t)
    if #t.inputs == 1 then return t.inputs[1].tensor end
    local tensors = {}
    for index, input in ipairs(t.inputs) do tensors[index] = input.tensor end
    local factors = { gram_of(tensors, { t.tol }, #tensors, function(gram, numbers)
      return coefficients(gram, t.max_iter, numbers[1])
    end) }
    for index, tensor in ipairs(tensors) do tensors[index] = tensor * factors[index] end
    return sums.of(tensors)
  end,
}
