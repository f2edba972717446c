---@meta mergekit
-- The script API for editors: annotations of the Lua language server (https://luals.github.io). Point it
-- here by `"workspace.library": [".../stdlib/meta"]` in .luarc.json. Nothing of this file is run.

--- What a recipe returns: the model that is written to OUT, or models by names, each written to OUT/name in one pass.
---@alias mk.results mk.model|table<string, mk.model>

---@class mergekit
local mk = {}

------------------------------------------------------------------------------------------------
-- Tensors and lazy numbers

--- A dtype by Torch's name (`bfloat16`), safetensors' (`BF16`) or a short one (`bf16`, `half`).
---@alias mk.dtype "float64"|"float32"|"float16"|"bfloat16"|"float8_e4m3fn"|"float8_e5m2"|string

--- Sizes, outermost first.
---@alias mk.shape integer[]

--- A number, a number that is known later, or a tensor; they mix freely in arithmetic.
---@alias mk.operand number|mk.tensor

--- A lazy tensor, or a lazy number (without dimensions). Nothing is read or computed before the model is
--- written, or `:item()` asks. Elements are float32 while they are computed, reductions' results float64.
--- Dimensions count from 1, negative ones from the end.
--- ```lua
--- local delta = math_:tensor "model.norm.weight" - base:tensor "model.norm.weight"
--- local unit = delta / (delta:norm() + 1e-8)          -- the norm is a lazy number: nothing has been read yet
--- print(unit, unit:norm():item())
--- ```
---@class mk.tensor
---@field shape mk.shape
---@field dtype mk.dtype  what it is stored as if nothing else is asked for
---@field numel integer   elements in all
---@field ndim integer    dimensions
---@operator add(mk.operand): mk.tensor
---@operator sub(mk.operand): mk.tensor
---@operator mul(mk.operand): mk.tensor
---@operator div(mk.operand): mk.tensor
---@operator pow(mk.operand): mk.tensor
---@operator mod(mk.operand): mk.tensor
---@operator idiv(mk.operand): mk.tensor
---@operator unm: mk.tensor
local tensor = {}

---@return mk.tensor
function tensor:neg() end
---@return mk.tensor
function tensor:abs() end
---@return mk.tensor
function tensor:sqrt() end
---@return mk.tensor
function tensor:exp() end
--- The natural logarithm.
---@return mk.tensor
function tensor:log() end
---@return mk.tensor
function tensor:sin() end
---@return mk.tensor
function tensor:cos() end
---@return mk.tensor
function tensor:acos() end
---@return mk.tensor
function tensor:tanh() end
--- −1, 0 or 1.
---@return mk.tensor
function tensor:sign() end
---@return mk.tensor
function tensor:floor() end
--- To the nearest whole number, halves to even.
---@return mk.tensor
function tensor:round() end
--- Either bound may be nil.
--- ```lua
--- print(mk.tensor({ -2, 0.5, 3 }):clamp(0, 1):sum():item())          -- 1.5
--- ```
---@param lowest mk.operand?
---@param highest mk.operand?
---@return mk.tensor
function tensor:clamp(lowest, highest) end
---@param other mk.operand
---@return mk.tensor
function tensor:minimum(other) end
---@param other mk.operand
---@return mk.tensor
function tensor:maximum(other) end
--- This one is the condition: `a` where it is not zero, else `b`.
--- ```lua
--- local kept = tensor:abs():gt(0.1):where(tensor, 0)                 -- small elements become zero
--- ```
---@param a mk.operand
---@param b mk.operand
---@return mk.tensor
function tensor:where(a, b) end
--- 1 where equal, else 0.
---@param other mk.operand
---@return mk.tensor
function tensor:eq(other) end
---@param other mk.operand
---@return mk.tensor
function tensor:ne(other) end
---@param other mk.operand
---@return mk.tensor
function tensor:lt(other) end
---@param other mk.operand
---@return mk.tensor
function tensor:le(other) end
---@param other mk.operand
---@return mk.tensor
function tensor:gt(other) end
---@param other mk.operand
---@return mk.tensor
function tensor:ge(other) end
--- Rounds every element as storing would, to nearest even. `"bool"` stores a mask, 1 for what is not zero, and `"uint8"`
--- whole numbers from 0 to 255; `:to("float32")` makes numbers of these again.
---@param dtype mk.dtype
---@return mk.tensor
function tensor:to(dtype) end

--- Without a dimension over all elements, to a lazy number; else that dimension is kept with size 1. Sums
--- are float64.
--- ```lua
--- local matrix = mk.tensor { { 1, 2 }, { 3, 4 } }
--- print(matrix:sum():item(), matrix:sum(1).shape[1])                 -- 10.0  1
--- ```
---@param dim integer?
---@return mk.tensor
function tensor:sum(dim) end
---@param dim integer?
---@return mk.tensor
function tensor:mean(dim) end
--- √Σx².
---@param dim integer?
---@return mk.tensor
function tensor:norm(dim) end
--- NaN if any element is; +∞ of none.
---@param dim integer?
---@return mk.tensor
function tensor:min(dim) end
---@param dim integer?
---@return mk.tensor
function tensor:max(dim) end
--- The variance, over n − correction (default 1).
---@param dim integer?
---@param correction number?
---@return mk.tensor
function tensor:var(dim, correction) end
---@param dim integer?
---@return mk.tensor
function tensor:count_nonzero(dim) end
--- exp(x − max) / Σ exp(x − max).
---@param dim integer?
---@return mk.tensor
function tensor:softmax(dim) end
--- Σ x·y, both of one shape.
---@param other mk.tensor
---@param dim integer?
---@return mk.tensor
function tensor:dot(other, dim) end

--- The k-th largest element, exact. For a list of k it returns a list, found in the same sweep.
--- ```lua
--- local median = tensor:kth_largest(math.ceil(tensor.numel / 2))
--- ```
---@param k integer|mk.tensor
---@return mk.tensor
---@overload fun(self: mk.tensor, k: (integer|mk.tensor)[]): mk.tensor[]
function tensor:kth_largest(k) end
--- 1 for exactly k elements, the largest; among equals those with the lower index. NaN counts as largest.
--- ```lua
--- local largest = tensor * tensor:abs():topk_mask(math.floor(0.2 * tensor.numel))    -- the largest fifth, else zero
--- ```
---@param k integer|mk.tensor  0 to numel
---@return mk.tensor
--- Along a dimension, k of each slice: 2:4 sparsity is `x:reshape(-1, 4):topk_mask(2, 2)`.
---@param dim integer?  with a plain k
---@overload fun(self: mk.tensor, k: (integer|mk.tensor)[]): mk.tensor[]
function tensor:topk_mask(k, dim) end
--- The k-th smallest element, exact.
---@param k integer|mk.tensor
---@return mk.tensor
function tensor:kth_smallest(k) end
--- The element below which a share q of all lies, or of those of each slice along a dimension; between two elements,
--- linearly.
---@param q number  0 to 1
---@param dim integer?
---@return mk.tensor
function tensor:quantile(q, dim) end
--- Sums of the elements up to each, along a dimension.
---@param dim integer
---@return mk.tensor
function tensor:cumsum(dim) end
--- Ascending along a dimension, NaN last.
---@param dim integer
---@return mk.tensor
function tensor:sort(dim) end
--- Where the elements of `sort` come from, from 1; equal elements keep their order.
---@param dim integer
---@return mk.tensor
function tensor:argsort(dim) end
--- The position, from 1, of the largest element along a dimension, or of all; the first among equals.
---@param dim integer?
---@return mk.tensor
function tensor:argmax(dim) end
--- The elements as nested Lua tables, computed now.
---@return number|table
function tensor:list() end
--- Ranks 1…n along a dimension, ascending; equal elements keep their order.
---@param dim integer
---@return mk.tensor
function tensor:rank(dim) end

--- The product of [m, k] and [k, n]; leading dimensions are batches, of both or of one. Transposes are free. A product
--- with k up to 512 is computed where its elements are wanted, and never stored. `a:transpose():matmul(a)` is
--- `mk.gram(a)`, in float64.
---
---     local delta = b:matmul(a) * (alpha / rank)   -- what an adapter adds
---@param other mk.tensor
---@return mk.tensor
function tensor:matmul(other) end
--- u [m, r], s [r] descending and vt [r, n] with tensor = u · diag(s) · vt. The largest element of each row of vt is
--- positive. By the Gram matrix of the smaller side in float64: singular values below 2⁻²⁵ of the largest are lost. A
--- `rank` below half of the size is found by a random sketch and power `iterations` (default 2).
---
---     local u, s, vt = delta:svd { rank = 64 }
---     local again = (u * s):matmul(vt)
---@param options { rank: integer?, iterations: integer? }?
---@return mk.tensor u
---@return mk.tensor s
---@return mk.tensor vt
function tensor:svd(options) end
--- Eigenvalues [n], ascending, and eigenvectors [n, n] in columns, of a symmetric matrix.
---@return mk.tensor values
---@return mk.tensor vectors
function tensor:eigh() end
--- The solution x of (self + ridge · 1) · x = b, for a symmetric positive definite matrix; b is a vector or a matrix.
---@param b mk.tensor
---@param options { ridge: (number|mk.tensor)? }?
---@return mk.tensor
function tensor:solve(b, options) end

--- One size may be −1, which is then worked out.
--- ```lua
--- local rows = mk.zeros({ 4, 6 }):reshape(-1, 3)                     -- [8, 3]
--- ```
---@param shape mk.shape
---@return mk.tensor
---@overload fun(self: mk.tensor, ...: integer): mk.tensor
function tensor:reshape(shape) end
--- Exchanges two dimensions; those of a matrix need not be named.
---@param dim1 integer?
---@param dim2 integer?
---@return mk.tensor
function tensor:transpose(dim1, dim2) end
--- `length` slices of a dimension from `start` on.
--- ```lua
--- local head = mk.rand({ 32, 8 }):narrow(1, 1, 4)                    -- the first four rows
--- ```
---@param dim integer
---@param start integer  from 1
---@param length integer
---@return mk.tensor
function tensor:narrow(dim, start, length) end
--- Slices of a dimension by their indices, in any order.
---@param dim integer
---@param indices integer[]|mk.tensor  from 1; a tensor may be one that is not known yet
---@return mk.tensor
function tensor:index_select(dim, indices) end
---@param dim integer
---@param before integer  slices in front
---@param after integer   slices behind
---@param value number?   default 0
---@return mk.tensor
function tensor:pad(dim, before, after, value) end
--- 1 with the probability that each element says, else 0.
---@return mk.tensor
function tensor:bernoulli() end
--- The number itself: computes it now. Not within a function given to mk.defer.
--- ```lua
--- if tensor:norm():item() > 100 then warn("a large norm") end
--- ```
---@return number
function tensor:item() end

------------------------------------------------------------------------------------------------
-- Functions of tensors

--- Functions of plain numbers return plain numbers.
---@param x mk.operand
---@return mk.tensor
function mk.abs(x) end
mk.neg, mk.sqrt, mk.exp, mk.log, mk.sin, mk.cos = mk.abs, mk.abs, mk.abs, mk.abs, mk.abs, mk.abs
mk.acos, mk.sign, mk.floor, mk.round, mk.tanh = mk.abs, mk.abs, mk.abs, mk.abs, mk.abs

---@param a mk.operand
---@param b mk.operand
---@return mk.tensor
function mk.minimum(a, b) end
mk.maximum, mk.eq, mk.ne, mk.lt, mk.le = mk.minimum, mk.minimum, mk.minimum, mk.minimum, mk.minimum
mk.gt, mk.ge = mk.minimum, mk.minimum

--- `a` where the condition is not zero, else `b`.
---@param condition mk.operand
---@param a mk.operand
---@param b mk.operand
---@return mk.tensor
function mk.where(condition, a, b) end

---@param shape mk.shape
---@param dtype mk.dtype?
---@return mk.tensor
function mk.zeros(shape, dtype) end
---@param shape mk.shape
---@param value number
---@param dtype mk.dtype?
---@return mk.tensor
function mk.full(shape, value, dtype) end
--- From nested lists: `mk.tensor { { 1, 2 }, { 3, 4 } }`.
---@param values number|table
---@param dtype mk.dtype?
---@return mk.tensor
function mk.tensor(values, dtype) end
--- Uniform in [0, 1). Draws depend on the seed, on the tensor that is being made and on how many draws were
--- made for it, on nothing else.
---@param shape mk.shape
---@return mk.tensor
function mk.rand(shape) end
--- Normal, mean 0, variance 1.
---@param shape mk.shape
---@return mk.tensor
function mk.randn(shape) end
--- 1 with probability `p`, else 0.
---@param p mk.operand
---@param shape mk.shape
---@return mk.tensor
function mk.bernoulli(p, shape) end

--- The products of the slices of a dimension of a matrix with each other, in float64: aᵀ · a for the last dimension
--- (the default), a · aᵀ for the first. Accumulated tile by tile.
---@param a mk.tensor
---@param dim integer?
---@return mk.tensor
function mk.gram(a, dim) end
--- Each row's column, from 1, in the assignment of a square matrix with the greatest sum (Jonker and Volgenant 1987).
---@param gain mk.tensor
---@return mk.tensor
function mk.assign(gain) end
--- The identity matrix.
---@param size integer
---@return mk.tensor
function mk.eye(size) end
--- The orthogonal factor of a polar decomposition, u · vt: the nearest matrix with orthonormal columns, or rows.
---@param a mk.tensor
---@return mk.tensor
function mk.polar(a) end
--- The pseudoinverse. Singular values up to `rtol` times the largest count as zero (default: float32's rounding).
---@param a mk.tensor
---@param rtol number?
---@return mk.tensor
function mk.pinv(a, rtol) end
--- (s + ridge)^power of a symmetric matrix without negative eigenvalues.
---@param s mk.tensor
---@param power number
---@param ridge number|mk.tensor?
---@return mk.tensor
function mk.matrix_power(s, power, ridge) end
--- (s + ridge)^-½.
---@param s mk.tensor
---@param ridge number|mk.tensor?
---@return mk.tensor
function mk.inverse_sqrt(s, ridge) end
--- scale · a · b, which is never stored: what an adapter adds to a weight.
---@param a mk.tensor
---@param b mk.tensor
---@param scale number|mk.tensor?
---@return mk.tensor
function mk.low_rank(a, b, scale) end

--- Joins tensors along a dimension (default 1).
---@param tensors mk.tensor[]
---@param dim integer?
---@return mk.tensor
function mk.cat(tensors, dim) end
--- The first tensor's bytes, for any dtype, on condition that all tensors have the same ones; with `may_differ`, others
--- are a warning.
---@param tensors mk.tensor[]
---@param may_differ boolean?
---@return mk.tensor
function mk.identical(tensors, may_differ) end

--- Runs a function on numbers once they are known, and returns lazy numbers: planning needs no data.
--- Without `results` there are eight, of which as many are taken as are wanted.
--- ```lua
--- -- Slerp's factors: the angle is known when the data is read.
--- local a, b = base:tensor "model.norm.weight", math_:tensor "model.norm.weight"
--- local wa, wb = mk.defer({ a:dot(b), a:norm(), b:norm() }, function(dot, na, nb)
---   local angle = math.acos(math.max(-1, math.min(1, dot / (na * nb))))
---   if angle < 1e-4 then return 0.5, 0.5 end
---   return math.sin(angle / 2) / math.sin(angle), math.sin(angle / 2) / math.sin(angle)
--- end, 2)
--- local halfway = wa * a + wb * b
--- ```
---@param numbers mk.operand[]
---@param f fun(...: number): number, ...: number
---@param results integer?
---@return mk.tensor ...
function mk.defer(numbers, f, results) end

--- Runs `f` with random draws numbered anew under `name`; mk.merge does so for each tensor.
---@generic T
---@param name string
---@param f fun(): T
---@return T
function mk.stream(name, f) end

------------------------------------------------------------------------------------------------
-- Models

--- What the headers of safetensors files note, by name; `format` is the program's own.
---@alias mk.metadata table<string, string|number|boolean>

--- What is known of a tensor of a model.
---@class mk.info
---@field name string
---@field shape mk.shape
---@field dtype mk.dtype
---@field layer integer?      from 0; nil outside of layers
---@field num_layers integer  of its module
---@field depth number        0…1 over the layers, 1 if there is one, 0 for embeddings and head
---@field kind "embedding"|"head"|"norm"|"bias"|"weight"
---@field module string       "default" where there is one stack of layers
---@field template string     the name with {layer} for the layer's number

--- A lazy model: a checkpoint of which headers have been read, or what merges made of others. Two are equal
--- (`==`) if they are the same model, not if they hold the same numbers.
---@class mk.model
---@field name string         the reference that opened it
---@field config table?       config.json
---@field num_layers integer
---@field modules { name: string, num_layers: integer, prefix: string? }[]
---@field vocab_size integer?    the rows of the token embedding, by config.json
---@field ties_embeddings boolean     the output layer is the embedding
---@field metadata table<string, string>   what the headers of its files note beside their format
---@field architecture_name string?   the first of config.json's `architectures`
---@field tokenizer mk.tokenizer      what it is saved with; an error if that is none, or one that cannot be read
local model = {}

--- Names in the order in which they are best read.
---@return string[]
function model:names() end
---@param name string
---@return boolean
function model:has(name) end
--- The model's own name of what another checkpoint calls `name`, such as `wte.weight` for
--- `transformer.wte.weight`; nil if it has no such tensor.
---@param name string
---@return string?
function model:resolve(name) end
--- The tokens of its tokenizer; nil if it has none.
---@return mk.vocabulary?
function model:vocabulary() end
--- The chat template of its tokenizer's files, the one called default if there are several.
---@return string?
function model:chat_template() end
--- Runs the model on prompts, which are lists of token ids (from 0), and returns what enters each layer: [1] is the
--- embeddings, [i] what layer i - 1 of the checkpoint gets. Each is a float32 tensor of a row for each prompt, which is
--- the state of the prompt's last position, or the mean over its positions. Prompts do not see one another, and have
--- no padding. Any Llama, Mistral, Qwen2 or Qwen3, of one checkpoint or made of others; runs now, in float32, with one
--- matrix in memory at a time. The same bits for any number of threads; another kind of processor may round otherwise.
--- ```lua
--- local states = m:hidden_states({ m.tokenizer:encode "gravity is" }, { pool = "mean" })
--- print(#states, states[1])                    -- as many as layers; tensor [1, hidden_size] float32
--- ```
---@param prompts integer[][]
---@param options { pool: "last"|"mean"|nil }?   "last" if nothing is said
---@return mk.tensor[]
function model:hidden_states(prompts, options) end
--- The logits of what follows each prompt: a float32 tensor of a row for each prompt over the vocabulary. Otherwise
--- as `hidden_states`.
---@param prompts integer[][]
---@return mk.tensor
function model:next_token_logits(prompts) end
--- A statistic of what enters each linear layer of the layers when the model reads the prompts, over all their
--- positions: a model whose tensors have the names of the weights. `gram` is Σ x·xᵀ, [n, n] for a weight [m, n];
--- `mean_abs` the mean of |x|, [n]; `sum_squares` the sum of x², [n]. Runs now, as `hidden_states`.
---@param prompts integer[][]
---@param options { statistic: "gram"|"mean_abs"|"sum_squares" }
---@return mk.model
function model:inputs(prompts, options) end
---@param name string
---@return mk.tensor
function model:tensor(name) end
--- `for name, tensor in model:tensors() do`
--- ```lua
--- local elements = 0
--- for name, tensor in base:tensors() do elements = elements + tensor.numel end
--- ```
---@return fun(model: mk.model, name: string?): string?, mk.tensor?
---@return mk.model
function model:tensors() end
---@param name string
---@return mk.info
function model:info(name) end
--- The shape and the dtype alone.
---@param name string
---@return integer[]
---@return mk.dtype
function model:specification(name) end
--- Whether another model has the same names as this one.
---@param other mk.model
---@return boolean
function model:has_same_names(other) end
--- Whether the model's files have a tokenizer, of whatever form.
---@return boolean
function model:has_tokenizer() end
--- Whether both models have tokenizers of a form that is not read, in equal files.
---@param other mk.model
---@return boolean
function model:has_same_unread_tokenizer(other) end
--- A model whose tensors are what `f` makes of these; of any shape. `f` may run more than once for a
--- tensor, so it should depend on its arguments only.
--- ```lua
--- return base:map(function(tensor, info)
---   return info.kind == "embedding" and tensor or tensor * 0.5
--- end)
--- ```
---@param f fun(tensor: mk.tensor, info: mk.info): mk.tensor
---@return mk.model
function model:map(f) end
--- The model with an adapter of PEFT's on it: a LoRA or DoRA, whose directory, or file of weights beside its
--- adapter_config.json, is named. Adapters stack: `m:with_lora("a"):with_lora("b", { scale = 0.5 })`.
--- An adapter that is a lazy model itself (mk.adapter) will do, too.
---@param adapter string|mk.model
---@param options { scale: number? }?  multiplies the adapter's own scale
---@return mk.model
function model:with_lora(adapter, options) end
--- Computes the model and writes it now, below OUT or a folder of `--allow-write`. `force` replaces what the run itself has
--- saved there; what was there before, only with `--force`. Python code of the model is not written.
---@param path string
---@param options { dtype: mk.dtype?, shard_size: string|integer?, force: boolean? }?
function model:save(path, options) end

--- Opens a checkpoint: a directory, a file of weights (.safetensors, .gguf, or PyTorch's .bin, .pt, .pth and .ckpt) or
--- an index; relative to the working directory. `base+adapter` puts an adapter on it.
--- ```lua
--- local base = mk.model "models/base"
--- print(base.num_layers, #base:names(), base.config.model_type)
--- ```
---@param reference string
---@return mk.model
function mk.model(reference) end

---@class mk.adapter.spec
---@field from mk.model  the fine-tuned model
---@field base mk.model  what it was made of
---@field rank any  the most singular values of a module: a number, or a setting
---@field distribute_scale boolean?  the singular values' roots in A and in B (true), or all in A
---@field embeddings boolean?  embeddings and head at a low rank, too
---@field save_modules string[]?  modules that are saved as they are
---@field include string[]?  regular expressions of the modules that are wanted
---@field exclude string[]?  and of those that are not
---@field epsilon number?  singular values up to this count as zero
---@field skip_undecomposable boolean?  leaves out what has no low rank
---@field dtype mk.dtype?
---@field name string?

--- An adapter as PEFT writes it: opened by its path, or the one that makes one model of another, cut to a rank. It is saved
--- as adapter_model.safetensors and adapter_config.json, merged with other adapters by mk.merge, or put on a model. Making
--- one reads both models at once, to see what differs.
--- ```lua
--- local adapter = mk.adapter { from = mk.model "models/math", base = base, rank = 4 }
--- local near = base:with_lora(adapter)
--- ```
---@param spec string|mk.adapter.spec
---@return mk.model
function mk.adapter(spec) end

--- For each product of an adapter, the Frobenius norms of the difference of the two models and of what of it the adapter
--- does not say.
---@param spec { adapter: mk.model, from: mk.model, base: mk.model }
---@return { name: string, layer: integer?, rank: integer, change: number, error: number }[]
function mk.adapter_errors(spec) end

---@param value any
---@return boolean
function mk.is_model(value) end
---@param value any
---@return boolean
function mk.is_tensor(value) end

--- A model's tokenizer: text to token ids, which count from 0, and back, as the package `tokenizers` does it.
---@class mk.tokenizer
---@field vocab table<string, integer>  the id of each token, added ones included
---@field size integer                  how many tokens there are
---@field special { bos: string?, eos: string?, unk: string?, pad: string?, cls: string?, sep: string?, mask: string? }
local tokenizer = {}

--- The ids of a text; with `special`, also those of the special tokens that the tokenizer puts around it.
--- ```lua
--- local ids = m.tokenizer:encode("gravity is", { special = true })
--- print(m.tokenizer:decode(ids, { skip_special = true }))            -- gravity is
--- ```
---@param text string
---@param options { special: boolean? }?
---@return integer[]
function tokenizer:encode(text, options) end
--- The text of ids; those that no token has are left out, and with `skip_special` the special tokens too.
---@param ids integer[]
---@param options { skip_special: boolean? }?
---@return string
function tokenizer:decode(ids, options) end
---@param token string
---@return integer?
function tokenizer:token_to_id(token) end
---@param id integer
---@return string?
function tokenizer:id_to_token(id) end

--- A model of one's own making: what mk.merge and mk.stack end in.
---@class mk.model_definition
---@field names string[]
---@field like mk.model           provides config.json, tokenizer and other files
---@field sources mk.model[]      what it is made of
---@field build fun(name: string): mk.tensor
---@field specify (fun(name: string): { shape: mk.shape, dtype: mk.dtype })?  known before it is built
---@field label string?
---@field dtype mk.dtype?         what floating-point tensors are stored as
---@field layers table<string, { [1]: mk.model, [2]: integer, [3]: string? }[]>?  origin of each layer, by module
---@field methods { pretty_name: string, reference: string? }[]?  for the model card
---@field base mk.model?          for the model card
---@field config { vocab_size: integer?, tie_word_embeddings: boolean? }?  what config.json says otherwise than that of `like`
---@field tokenizer mk.vocabulary?  with its files, in the place of that of `like`
---@field config_values table<string, any>?  what config.json says otherwise at its top; a table with elements is an array
---@field whole_config table?       all of config.json, in the place of that of `like`
---@field config_removed string[]?  keys that config.json lacks at its top
---@field chat_template string?   Jinja text in the place of that of `like`
---@field metadata mk.metadata?    noted in the headers of the output's files

--- Makes a model of tensors that a function builds, as mk.merge does.
--- ```lua
--- return mk.define_model {
---   names = base:names(), like = base, sources = { base, math_ },
---   build = function(name) return (base:tensor(name) + math_:tensor(name)) / 2 end,
--- }
--- ```
---@param definition mk.model_definition
---@return mk.model
function mk.define_model(definition) end

------------------------------------------------------------------------------------------------
-- Merging

--- A value that may differ from tensor to tensor: a number, boolean or string; a list of numbers (a
--- gradient over the layers); a list of { filter =, value = } of which the first whose filter is part of
--- the tensor's name counts; or a function. Where the parameter is a tensor, `{ type = "tensor" }`, it is a tensor or
--- a model, which stands for its tensor of the name that is merged (the input's own name for settings of inputs), or for
--- nil if it has none: `{ a, gram = mk.model "grams/a" }`.
---@alias mk.setting number|boolean|string|number[]|mk.model|mk.tensor|mk.filtered[]|fun(info: mk.info): any

---@class mk.filtered
---@field filter string?
---@field value mk.setting

--- A source of a slice, with settings of its own as further fields.
---@class mk.source
---@field [1] mk.model
---@field layers { [1]: integer, [2]: integer }?  the first layer, from 0, and the one after the last; all if nil
---@field [string] mk.setting

--- A run of layers: layer i of all sources goes into layer i of the slice, so all have as many layers.
---@class mk.slice
---@field sources (mk.model|mk.source)[]
---@field base mk.model?    in the place of the merge's; if it is no source, its layers are those of the first source
---@field method string|mk.method|nil  in the place of the merge's
---@field parameters table<string, mk.setting>?

--- What a module of the models is made of: either `models` or `slices`.
---@class mk.module
---@field models (mk.model|table)[]?
---@field slices mk.slice[]?
---@field parameters table<string, mk.setting>?

--- Exactly one of `models`, `slices` and `modules` says what is merged. A parameter's value is looked up in the
--- source (if it is one of inputs), the slice, the module and here, and is else the method's default. What precedes
--- the layers is made as the first slice says, the final norm and the head as the last one says.
---@class mk.merge_definition
---@field method string|mk.method|nil  a built-in, a file ("./mine.lua", or "mine" beside the recipe), or a value
---@field models (mk.model|table)[]?  models, or { model, weight = …, … } with settings of their own
---@field slices mk.slice[]?   runs of layers, one on the other
---@field modules table<string, mk.module>?  by the name of the module; others stay as the base, or the first model, has them
---@field base mk.model?
---@field parameters table<string, mk.setting>?
---@field dtype mk.dtype?      of the result; else each tensor's own
---@field out_dtype mk.dtype?  of the result, before `dtype`; all arithmetic is float32
---@field as_stored boolean|mk.dtype|nil  later merges get each tensor rounded to its dtype, or to this one, as if it
---  had been written and read again
---@field truncate_embeddings boolean?  cuts vocabularies of different sizes to the smallest; token ids must agree
---@field allow_crimes boolean?  models of different architectures are meant
---@field bare "all"|"union"|"intersection"|nil  the models are named tensors and nothing else: every tensor must be in
---  all of them, or those that have it are merged, or those that not all have are left out; there are no layers
---@field tokenizer mk.tokenizer_source|mk.tokenizer_definition|nil  brings the models' embeddings and output layers into the order of one vocabulary
---@field chat_template string?  "auto" for what most models have, "alpaca", "chatml", "exaone", "llama3", "mistral", or Jinja
---@field name string?         what messages call it
---@field metadata mk.metadata?  noted in the headers of the output's files

--- Merges models by a method.
--- ```lua
--- return mk.merge {
---   method = "ties", base = base, dtype = "bfloat16",
---   models = { { math_, weight = 0.5, density = { 0.3, 0.9 } }, { code, weight = 0.5, density = 0.5 } },
---   parameters = { normalize = true },
--- }
--- ```
---@param definition mk.merge_definition
---@return mk.model
function mk.merge(definition) end

--- Whose tokenizer a merge has: that of all models together, the base's (without one, the first model's), a model's, or
--- a vocabulary. The union keeps the base's ids; the others' tokens follow in their order, as added tokens.
---@alias mk.tokenizer_source "union"|"base"|mk.model|mk.vocabulary

---@class mk.tokenizer_definition
---@field source mk.tokenizer_source?  "union" if it is left out
---@field tokens table<string, mk.token_definition>?  by text; those that are not there are added, in the order of their bytes
---@field pad_to_multiple_of integer?  rows up to a multiple of it, which are the mean of the others

--- Where the row of a token comes from in models that lack it; with `force`, in all. Without a source it is the base's
--- row, the only one that there is, or the mean of those that there are.
---@class mk.token_definition
---@field source mk.model|"zero"|{ model: mk.model, token: string? , token_id: integer? }|nil
---@field force boolean?

--- The tokens of a tokenizer, and its files. Ids count from 0.
---@class mk.vocabulary
---@field name string    the model whose files it is like
---@field count integer  of tokens
---@field size integer   the id after the last
local vocabulary = {}

---@param token string
---@return integer?
function vocabulary:token_to_id(token) end
---@param id integer
---@return string?
function vocabulary:id_to_token(id) end
--- All tokens in the order of their ids, and the ids.
---@return string[]
---@return integer[]
function vocabulary:tokens() end
--- For each id from 0 on, at its place in a list, the id of its token in another vocabulary; -1 where that lacks it, -2
--- where no token has the id.
---@param other mk.vocabulary
---@return integer[]
function vocabulary:ids_in(other) end
--- Without the tokens whose ids are not below a limit.
---@param limit integer
---@return mk.vocabulary
function vocabulary:strip(limit) end
--- With further tokens, as added ones.
---@param tokens string[]
---@return mk.vocabulary
function vocabulary:add(tokens) end
--- With the tokens of others, and the texts of added tokens that several have with different settings.
---@param others mk.vocabulary[]
---@return mk.vocabulary
---@return string[]
function vocabulary:union(others) end
--- How many tokens of another it has.
---@param other mk.vocabulary
---@return integer
function vocabulary:shared_count(other) end

---@param value any
---@return boolean
function mk.is_vocabulary(value) end

mk.tokenizer = {}

--- The vocabularies of several models as one, for `tokenizer` of merges of some of them, or of merges of merges:
--- `mk.tokenizer.union { base, a, b, pad_to_multiple_of = 64 }`.
---@param definition { [integer]: mk.model, tokens: table<string, mk.token_definition>?, pad_to_multiple_of: integer? }
---@return mk.tokenizer_definition
function mk.tokenizer.union(definition) end

--- A setting with a value for each block of a model that has several lists of them, such as a diffusion model's
--- `input_blocks`, `middle_block` and `output_blocks`, or `double_blocks` and `single_blocks`. A number counts for all
--- blocks of a list; a list of numbers is a gradient over them, which with as many numbers as blocks gives each its own.
--- `default` is for all other tensors; without it they get the next scope's value.
--- ```lua
--- local weight = mk.block_weights(base, { layers = { 0, 0.2, 0.8, 1 }, default = 0.5 })
--- return mk.merge { method = "linear", models = { { base, weight = 0.5 }, { math_, weight = weight } } }
--- ```
---@param model mk.model  whose names have the lists
---@param values table<string, number | number[]>
---@return fun(info: mk.info): number?
function mk.block_weights(model, values) end

--- Layers of several models, one slice on the other: `mk.stack { { a, layers = { 0, 16 } }, { b, layers = { 8, 24 } } }`.
--- Ranges are from 0, without the last. What precedes the layers is the first slice's model's, the final norm
--- and the head are the last one's. `module` names the stack of layers where a model has several. Of tensors,
--- it makes slices of a new dimension.
--- ```lua
--- return mk.stack { { math_, layers = { 0, 3 } }, { code, layers = { 1, 4 } }, dtype = "bfloat16" }
--- ```
---@param slices { [integer]: { [1]: mk.model, layers: { [1]: integer, [2]: integer }? }, dtype: mk.dtype?, name: string?, module: string? }
---@return mk.model
---@overload fun(tensors: mk.tensor[], dim: integer?): mk.tensor
function mk.stack(slices) end

------------------------------------------------------------------------------------------------
-- Mixtures of experts

--- An expert: a model of which the MLPs are taken. Prompts say what is to be routed to it, and what is not.
---@class mk.expert
---@field [1] mk.model
---@field positive_prompts string[]?
---@field negative_prompts string[]?
---@field noise_scale number?     deviation of the normal noise that is added to its weights
---@field residual_scale number?  what its output is scaled by, in down_proj

---@class mk.moe_definition
---@field base mk.model                     provides all tensors beside the MLPs, config.json, tokenizer and other files
---@field experts (mk.model|mk.expert)[]
---@field shared_experts (mk.model|mk.expert)[]?  run for each token, where the architecture has them
---@field gates "hidden"|"hidden_avg"|"hidden_last"|"cheap_embed"|"random"|"uniform_random"|(fun(g: mk.gate_context): mk.tensor)|nil
---  what routes tokens to experts; default "hidden"
---@field experts_per_token integer?        default 2
---@field architecture string|mk.moe_architecture|nil  the beginning of a name (mixtral, deepseek, qwen, qwen3), a file such
---  as "./mine.lua", or a table; default: Mixtral, or else the first that takes the models
---@field dtype mk.dtype?                   default: what the base's config.json says
---@field allow_all_same boolean?           all experts may be the same model, as the result is trained further
---@field name string?                      what messages call it

--- Makes a mixture of experts of dense models.
--- ```lua
--- return mk.moe {
---   base = base,
---   experts = {
---     { math_, positive_prompts = { "what is the integral of x" } },
---     { code, positive_prompts = { "write a function that sorts a list" } },
---   },
--- }
--- ```
---@param definition mk.moe_definition
---@return mk.model
function mk.moe(definition) end

--- What a function that makes gates gets, once for each layer. It returns a tensor [num_experts, hidden_size]: the router
--- sends a token to the experts whose rows have the largest dot products with what enters the layer's MLP.
---@class mk.gate_context
---@field layer integer        from 0
---@field num_layers integer
---@field experts { model: mk.model, positive_prompts: string[], negative_prompts: string[] }[]  the shared ones, if it is their gate
---@field num_experts integer
---@field is_shared boolean    the gate is that of the shared experts
---@field hidden_size integer
---@field base mk.model
local gate_context = {}

--- What enters the layer when the base reads the prompts, a row for each: at the last token, or the mean of all.
--- A prompt is the bos token and the text. All experts' prompts are read at once, for all layers.
---@param prompts string[]
---@param options { pool: "last"|"mean"|nil }?
---@return mk.tensor
function gate_context:hidden(prompts, options) end
--- The embeddings of the prompts' tokens, a row for each prompt: their mean, or their sum.
---@param prompts string[]
---@param options { pool: "mean"|"sum"|nil }?
---@return mk.tensor
function gate_context:embed(prompts, options) end

--- What an output architecture is, as a file of stdlib/expert_layouts/ says it. Names are templates with {layer} and {expert}, both
--- from 0; the parts of an expert are gate_proj, up_proj and down_proj.
---@class mk.moe_architecture
---@field name string
---@field inputs string[]             model_type of the models that it is made of
---@field shared_experts { [1]: integer, [2]: integer }  least and most
---@field tensors string[]            of the base, in order
---@field optional string[]?          those that the base need not have
---@field zero_biases table<string, string>?  biases that are zeros where the base lacks them, by the weight whose rows they are for
---@field expert table<string, string>
---@field shared_expert table<string, string>?
---@field gate string
---@field shared_gate string?
---@field wants_power_of_two boolean? of the number of experts
---@field refuses (fun(m: mk.moe_facts): string?)?  why models cannot be taken, in words after the name
---@field config fun(m: mk.moe_facts): table<string, any>, string[]?  values for config.json, and keys that it must lack

---@class mk.moe_facts
---@field base_config table
---@field num_experts integer
---@field num_shared_experts integer
---@field experts_per_token integer
---@field hidden_size integer
---@field intermediate_size integer

------------------------------------------------------------------------------------------------
-- Methods

--- Stands for the default of a parameter that must be given.
mk.required = {}

---@class mk.method

--- An input of a method; its own parameters are fields as well.
---@class mk.input
---@field tensor mk.tensor
---@field model mk.model
---@field layer integer?
---@field [string] any

--- What a method gets for each output tensor; the shared parameters are fields as well.
---@class mk.merge_context: mk.info
---@field base mk.tensor?
---@field base_input mk.input?
---@field inputs mk.input[]
---@field [string] any

---@class mk.method_definition
---@field name string
---@field merge fun(t: mk.merge_context): mk.tensor  of the base's shape
---@field pretty_name string?
---@field description string?
---@field reference string?  a paper's address
---@field base "required"|"optional"|"ignored"?  ignored (the default): an input like the others, the last if it
---  is not among the models
---@field parameters table<string, any>?  shared: defaults, mk.required, or { default =, type =, required =, range =,
---  usual = }, where the type is "number", "integer", "boolean", "string" or "tensor"; values outside of `range`,
---  { lowest, highest }, are errors, and outside of `usual` warnings
---@field per_input table<string, any>?   of each input; with { base = true } the base has its own too
---@field min_inputs integer?  beside the base; default 1
---@field max_inputs integer?
---@field missing "copy_extras"|"error"|"passthrough_singleton"|"passthrough_base_singleton"|"base_or_skip"?  what
---  becomes of a tensor that not every input has. It is merged from those that have it, if they are as many as the
---  method takes, and the base is among them if there is one. Else it is copied from the one model that has it, or is
---  the mean of those that do if the base lacks it, with a warning (`copy_extras`, the default); `error` refuses it.
---  `passthrough_singleton` copies what one model alone has in any case, `passthrough_base_singleton` what the base
---  alone has; `base_or_skip` copies the base's or leaves the tensor out if too few inputs have it. Buffers that models
---  compute anew (`rotary_emb.inv_freq`) are always copied.

--- Makes a merge method; a file that returns one is a method by its name.
--- ```lua
--- -- average.lua
--- local mk = require "mergekit"
---
--- return mk.method {
---   name = "average",
---   per_input = { weight = 1.0 },
---   merge = function(t)
---     local sum, total = 0, 0
---     for _, input in ipairs(t.inputs) do
---       sum, total = sum + input.weight * input.tensor, total + input.weight
---     end
---     return sum / total
---   end,
--- }
--- ```
---@param definition mk.method_definition
---@return mk.method
function mk.method(definition) end

------------------------------------------------------------------------------------------------
-- Parts of methods, on lists of tensors
--
-- What the built-in methods do with task vectors, for vectors of one's own: differences of models, or what they are in
-- another basis. All of one shape; the result has it too.
--
--   local vectors = { a:tensor(name) - base:tensor(name), b:tensor(name) - base:tensor(name) }
--   local merged = base:tensor(name) + mk.ties(vectors, { density = 0.3, weights = { 0.6, 0.4 } })

--- A number for all vectors, or a list with one for each.
---@alias mk.vector_setting mk.operand|mk.operand[]

---@class mk.part_options
---@field weights mk.vector_setting?  default 1
---@field normalize boolean?    divides by the sum of the weights, with signs elected by that of those that agree
---@field rescale boolean?      gives what is kept of a vector the L1 norm that it had
---@field lambda number?        scales the result; default 1

--- The weighted sum; `normalize` and `rescale` are false.
---@param vectors mk.tensor[]
---@param options mk.part_options?
---@return mk.tensor
function mk.task_arithmetic(vectors, options) end

---@class mk.sparse_options: mk.part_options
---@field density mk.vector_setting?  the part of a vector that is kept; default 1
---@field elect_signs boolean?  leaves out elements against the sign of the sum

--- Keeps the largest magnitudes, elects signs and averages: `normalize` and `elect_signs` are true, `rescale` is false.
---@param vectors mk.tensor[]
---@param options mk.sparse_options?
---@return mk.tensor
function mk.ties(vectors, options) end

--- Keeps elements at random and sums: `rescale` is true, `normalize` and `elect_signs` are false.
---@param vectors mk.tensor[]
---@param options mk.sparse_options?
---@return mk.tensor
function mk.dare(vectors, options) end

---@class mk.della_options: mk.sparse_options
---@field epsilon mk.vector_setting?  how far from density the probabilities of a row's ranks go; default 0.15

--- Keeps elements at random, large ones sooner, elects signs and averages: `normalize`, `rescale` and `elect_signs` are
--- true.
---@param vectors mk.tensor[]
---@param options mk.della_options?
---@return mk.tensor
function mk.della(vectors, options) end

---@class mk.breadcrumbs_options: mk.sparse_options
---@field gamma mk.vector_setting?  the part of the largest magnitudes that is left out; default 0.01

--- Keeps large magnitudes but for the outliers, and sums: `normalize`, `rescale` and `elect_signs` are false.
---@param vectors mk.tensor[]
---@param options mk.breadcrumbs_options?
---@return mk.tensor
function mk.breadcrumbs(vectors, options) end

--- EMR's vector that stands for all, a mask for each of the elements on whose sign it agrees, and the factor that gives
--- the masked one its L1 norm.
---@param vectors mk.tensor[]
---@return mk.tensor unified
---@return mk.tensor[] masks
---@return mk.tensor[] rescalers  lazy numbers
function mk.emr(vectors) end

--- The sum of matrices with all singular values made their mean.
---@param vectors mk.tensor[]
---@return mk.tensor
function mk.iso_c(vectors) end
--- Iso-C of what matrices have in common and an equal share of what each has beside it; `common` is the part of
--- the former, 0.8.
---@param vectors mk.tensor[]
---@param options { common: number? }?
---@return mk.tensor
function mk.iso_cts(vectors, options) end
--- An equal share of the largest singular triples of each, made orthogonal to each other.
---@param vectors mk.tensor[]
---@return mk.tensor
function mk.tsv_m(vectors) end
--- A matrix of its largest singular values that make up the part `eta` (0.4) of their sum, scaled to have that sum.
---@param vector mk.tensor
---@param options { eta: number? }?
---@return mk.tensor
function mk.star(vector, options) end
--- A matrix with small singular values raised to the one at which the part `beta` (0.01) of their sum is reached.
---@param vector mk.tensor
---@param options { beta: number? }?
---@return mk.tensor
function mk.subspace_boosting(vector, options) end

------------------------------------------------------------------------------------------------
-- For libraries

--- Fails unless two tensors, numbers or nested lists have the same shape, and elements that differ by
--- `atol + rtol * |expected|` at most (1e-6 and 1e-5). For tests, which are functions in a table:
--- `mergekit-lua test FILE` runs those that the file returns.
--- ```lua
--- mk.assert_close(mk.tensor({ 3, 4 }):norm(), 5)
--- mk.assert_close(mk.tensor { 1, 2 } * 2, { 2, 4 }, { rtol = 0, atol = 0 })
--- ```
---@param actual mk.tensor|number|table
---@param expected mk.tensor|number|table
---@param options { rtol: number?, atol: number? }?
function mk.assert_close(actual, expected, options) end
--- Text, or a list of parts in which values of others stand apart, with the name that was likely meant.
---@alias mk.message string|{ suggestion: string?, [integer]: string|{ value: any }|{ model: string }|{ tensor: string }|{ name: string } }
--- Where a value stands in what a function was given, or words that go before the message.
---@alias mk.place string|{ call: string?, path: string }

--- Raises an error at the line of the user's own file.
--- ```lua
--- local ok, e = pcall(mk.fail, { "unknown rule 'lniear'", suggestion = mk.nearest("lniear", { "linear", "cubic" }) })
--- print(e)  -- recipe.lua:1: unknown rule 'lniear' (did you mean 'linear'?)
--- ```
---@param message mk.message
---@param place mk.place?
function mk.fail(message, place) end
--- Says a warning, once.
---@param message mk.message
---@param place mk.place?
function mk.warn(message, place) end
--- The most similar of some names, if one is similar.
---@param name string
---@param names string[]
---@return string?
function mk.nearest(name, names) end
--- The dtype that holds all of some.
---@param dtypes mk.dtype[]
---@return mk.dtype?
function mk.promote(dtypes) end
---@param dtype mk.dtype
---@return boolean
function mk.is_float(dtype) end
--- Torch's name of a dtype that can be computed; others are an error.
---@param dtype mk.dtype
---@return mk.dtype
function mk.dtype_name(dtype) end
--- A function that errors look through to its caller, also when that ends in calling it.
---@param f function
---@return function
function mk.entry(f) end
---@param name string
---@return boolean
function mk.module_exists(name) end
---@return string[]
function mk.method_names() end

return mk
