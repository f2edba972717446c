/// Where the k-th largest element is, from histograms of selection keys.
enum Selection {
  /// The high half in which the k-th largest key lies.
  static func coarse(_ totals: [Int], k: Int) -> BarrierResult {
    let (bin, above) = find(totals, k)
    return .coarse(prefix: UInt32(bin), above: above, k: k)
  }

  /// The k-th largest element, given the counts of the low halves within its high half.
  static func fine(_ totals: [Int], prefix: UInt32, above: Int, k: Int) -> BarrierResult {
    let (bin, within) = find(totals, k - above)
    return .selection(
      threshold: SelectionKey.value(prefix << 16 | UInt32(bin)), above: above + within,
      equal: totals[bin], k: k)
  }

  /// The bin that holds the k-th element from the top, and the elements above that bin.
  private static func find(_ totals: [Int], _ k: Int) -> (bin: Int, above: Int) {
    var above = 0
    for bin in stride(from: totals.count - 1, through: 0, by: -1) {
      if above + totals[bin] >= k { return (bin, above) }
      above += totals[bin]
    }
    return (0, above)
  }

  /// The index after the tie number `number` (from 1) of a unit.
  static func position(
    ofTie number: Int, in unit: Range<Int>, _ sink: TieSink, _ root: Int, _ program: LaunchedProgram
  ) throws -> Int {
    var rest = number
    var position = unit.upperBound
    var single = program
    single.roots = [program.roots[root]]
    let instance = ProgramInstance<Float>(single, blockSize: 1024)
    try instance.evaluate(unit) { values, block in
      guard rest > 0 else { return }
      for (i, index) in block.enumerated() where sink.matches(values[i]) {
        rest -= 1
        if rest == 0 {
          position = index + 1
          return
        }
      }
    }
    return position
  }
}
