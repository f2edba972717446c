/// What to write here for names that Torch and NumPy have for the same thing.
enum TensorAdvice {
  /// By the name that was asked for; `x` stands for the tensor.
  static func of(_ name: String) -> String? { advice[name] }

  private static let advice: [String: String] = [
    "T": "x:transpose()", "t": "x:transpose()", "permute": "x:transpose(dim1, dim2)",
    "swapaxes": "x:transpose(dim1, dim2)", "view": "x:reshape(sizes)", "flatten": "x:reshape(-1)",
    "ravel": "x:reshape(-1)", "squeeze": "x:reshape(sizes)", "unsqueeze": "x:reshape(sizes)",
    "add": "x + y", "sub": "x - y", "mul": "x * y", "div": "x / y", "pow": "x ^ y", "square": "x ^ 2",
    "rsqrt": "1 / x:sqrt()", "reciprocal": "1 / x", "mm": "x:matmul(y)", "bmm": "x:matmul(y)",
    "size": "x.shape", "dim": "x.ndim", "ndimension": "x.ndim", "nelement": "x.numel",
    "clip": "x:clamp(lowest, highest)", "clamp_min": "x:clamp(lowest)", "clamp_max": "x:clamp(nil, highest)",
    "clamp_": "x:clamp(lowest, highest)", "std": "x:var():sqrt()", "amax": "x:max(dim)", "amin": "x:min(dim)",
    "topk": "x:topk_mask(k), or x:kth_largest(k)", "kthvalue": "x:kth_largest(x.numel - k + 1)",
    "median": "x:quantile(0.5)",
    "astype": "x:to(dtype)", "type": "x:to(dtype)", "float": "x:to \"float32\"", "half": "x:to \"float16\"",
    "bfloat16": "x:to \"bfloat16\"", "double": "x:to \"float64\"", "select": "x:narrow(dim, start, 1)",
    "chunk": "x:narrow(dim, start, length)", "split": "x:narrow(dim, start, length)",
    "gather": "x:index_select(dim, indices)", "take": "x:index_select(dim, indices)",
    "masked_fill": "mask:where(value, x)", "zeros_like": "mk.zeros(x.shape)",
    "ones_like": "mk.full(x.shape, 1)",
    "rand_like": "mk.rand(x.shape)", "randn_like": "mk.randn(x.shape)", "tolist": "x:list()",
    "numpy": "x:list()", "cpu": "x", "cuda": "x", "detach": "x", "clone": "x", "contiguous": "x",
  ]
}
