extension Program {
  /// A rule that a program breaks.
  package enum Defect: Error, Equatable {
    /// A register that is not there, or is read before anything is written to it.
    case register
    /// An instruction's index into one of the program's lists.
    case list
    /// A map's elements, which are not as many as the program's, or not within what is stored.
    case map
    /// Roots are registers that hold something, or scalars.
    case root
  }

  /// Throws the first `Defect`; `stored` says how many elements a node's result has.
  func verify(stored: (NodeID) -> Int) throws {
    var isWritten = [Bool](repeating: false, count: registerCount)
    func read(_ operand: Operand) throws {
      if operand < 0 {
        guard scalars.indices.contains(Int(~operand)) else { throw Defect.list }
      } else {
        guard isWritten.indices.contains(Int(operand)), isWritten[Int(operand)] else { throw Defect.register }
      }
    }
    for instruction in instructions {
      guard isWellFormed(instruction) else { throw Defect.list }
      var failure: (any Error)?
      forEachRegister(of: instruction) { register in
        do { try read(register) } catch { failure = failure ?? error }
      }
      if let failure { throw failure }
      guard isWritten.indices.contains(Int(instruction.destination)) else { throw Defect.register }
      isWritten[Int(instruction.destination)] = true
    }
    for root in roots {
      do { try read(root) } catch { throw Defect.root }
    }
    guard bitRoots.allSatisfy(roots.indices.contains) else { throw Defect.root }
    try verifyMaps(stored)
    for nested in splices.flatMap(\.pieces) + rankings.map(\.program)
      + rows.map(\.program) + products.flatMap({ [$0.left, $0.right] })
    { try nested.verify(stored: stored) }
  }

  private func verifyMaps(_ stored: (NodeID) -> Int) throws {
    for leaf in leaves {
      let size =
        switch leaf.origin {
        case .stored(let leaf): leaf.count
        case .result(let node), .mask(let node): stored(node)
        }
      guard leaf.map.count == count, leaf.map.isWithin(size) else { throw Defect.map }
    }
    for map in draws.map(\.map) + masks.map(\.map) where map.count != count { throw Defect.map }
  }

  /// Whether what an instruction takes from the program's lists is there.
  private func isWellFormed(_ instruction: Instruction) -> Bool {
    let index = Int(instruction.first)
    switch instruction.code {
    case .load: return leaves.indices.contains(index)
    case .random, .bernoulli: return draws.indices.contains(index)
    case .mask: return masks.indices.contains(index)
    case .splice: return splices.indices.contains(index)
    case .row: return rows.indices.contains(index)
    case .blockRow: return blockRows.indices.contains(index)
    case .product: return products.indices.contains(index)
    case .rank, .belowRankLine: return rankings.indices.contains(index)
    case .fold: return folds.indices.contains(index)
    case .fill: return instruction.first < 0 && scalars.indices.contains(Int(~instruction.first))
    case .convert, .select, .unary, .binary, .pair: return true
    }
  }
}
