// Who owns what builders make. Within a scope new references are the scope's, which releases them at its end; so
// a builder composes others as a formula does, and releases nothing by hand, however it ends.

extension ExpressionGraph {
  /// Runs a builder and releases what it made, but for the node that it returns, which the caller owns.
  ///
  ///     try graph.scope { try unary(.sqrt, reduce(.squares, input, operation: "norm")) }
  ///
  /// A script's code must not run within: what it keeps would be released with the rest.
  package func scope(_ build: () throws -> NodeID) throws -> NodeID {
    try scope { try [build()] }[0]
  }

  /// The same for several results.
  package func scope(_ build: () throws -> [NodeID]) throws -> [NodeID] {
    let outer = temporaries.count
    openScopes += 1
    defer { openScopes -= 1 }
    do {
      let results = try build()
      results.forEach(retain)
      releaseTemporaries(to: outer)
      if openScopes > 1 { temporaries += results }
      return results
    } catch {
      releaseTemporaries(to: outer)
      throw error
    }
  }

  private func releaseTemporaries(to count: Int) {
    while temporaries.count > count { release(temporaries.removeLast()) }
  }

  /// A node that exists, with a reference more, as if it were new.
  func another(_ node: NodeID) -> NodeID {
    retain(node)
    return owned(node)
  }

  /// Leaves a new reference to the scope, or to the caller if none is open.
  func owned(_ node: NodeID) -> NodeID {
    if openScopes > 0 { temporaries.append(node) }
    return node
  }
}

// MARK: - Formulas

/// A node in a formula, which lives as long as the scope that it is used in.
struct Term {
  let graph: ExpressionGraph
  let node: NodeID

  static func + (a: Term, b: Term) throws -> Term { try a.combined(.add, b) }
  static func - (a: Term, b: Term) throws -> Term { try a.combined(.subtract, b) }
  static func * (a: Term, b: Term) throws -> Term { try a.combined(.multiply, b) }
  static func / (a: Term, b: Term) throws -> Term { try a.combined(.divide, b) }
  static func / (a: Term, b: Double) throws -> Term { try a / a.graph.number(b) }

  private func combined(_ operation: BinaryOperation, _ other: Term) throws -> Term {
    Term(graph: graph, node: try graph.binary(operation, node, other.node))
  }
}

extension ExpressionGraph {
  /// Runs a formula over a node and releases all but its result, which the caller owns.
  ///
  ///     try formula(input) { x in try (x - mean(x)) / number(2) }
  func formula(_ input: NodeID, _ build: (Term) throws -> Term) throws -> NodeID {
    try scope { try build(Term(graph: self, node: input)).node }
  }

  /// A number in a formula.
  func number(_ value: Double) throws -> Term { Term(graph: self, node: try constant(value)) }
}
