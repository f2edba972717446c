/// A function with one or more results, which is called once for all of them.
package enum Call {
  /// Of numbers, by the thread that builds expressions.
  case host(DeferredCall)
  /// Of whole matrices, by the workers.
  case kernel(KernelCall)
}

/// A call of a kernel. A class, so that nodes stay small.
package final class KernelCall {
  package let kernel: any Kernel

  package init(_ kernel: any Kernel) { self.kernel = kernel }
}

/// What a call has come to.
package final class CallResults {
  /// One of the results.
  package enum Item {
    case number(Double)
    case elements(StoredLeaf)
  }

  let items: [Item]

  init(_ items: [Item]) { self.items = items }
}

/// A call of the host (a Lua function) on numbers that are known only when sweeps have ended.
package final class DeferredCall {
  /// Runs on the thread that builds expressions. Throws whatever the host's function throws.
  let function: ([Double]) throws -> [Double]
  let outputs: Int

  /// A call of `function` with the inputs' values; results that it leaves out are NaN.
  package init(outputs: Int, function: @escaping ([Double]) throws -> [Double]) {
    self.outputs = outputs
    self.function = function
  }

  /// As many results as there are outputs.
  func callAsFunction(_ inputs: [Double]) throws -> CallResults {
    let results = try function(inputs)
    return CallResults((0..<outputs).map { .number($0 < results.count ? results[$0] : .nan) })
  }
}
