/// What is known on the way to the k-th largest of some elements.
///
/// A sample says where it probably lies. One sweep counts the elements above those bounds and collects the
/// keys within: their order gives the k-th exactly, or shows that it lies elsewhere. Where too many would be
/// collected, histograms narrow the bounds. The outcome is the same on every way.
struct SelectionSearch {
  /// Keys that are collected at most.
  static let collectedLimit = 1 << 20
  /// Elements that are collected without a look at a sample.
  static let smallCount = 1 << 16

  let k: Int
  /// Where the key lies, or probably lies.
  var bounds: ClosedRange<UInt32> = 0...(.max)
  /// The key that it is most likely to be.
  var guess: UInt32 = 0
  /// Elements of keys within the bounds, as far as known.
  var countWithin: Int

  /// A search of which nothing is known yet.
  init(k: Int, of count: Int) {
    self.k = k
    countWithin = count
  }

  /// Whether the keys within the bounds are few enough to be collected. A single one is only counted.
  var collects: Bool { countWithin <= Self.collectedLimit || bounds.lowerBound == bounds.upperBound }
}

/// The outcome of a search.
struct Selected {
  /// The k-th largest element.
  var threshold: Float
  /// The elements greater than it, and those equal to it.
  var above: Int
  var equal: Int
  var k: Int
  /// No element's key lies between these and the threshold's: the nearest on either side that elements may have,
  /// or its own.
  var neighbours: ClosedRange<UInt32>
  /// The last of the equal elements that belongs to the k largest; `nil` if k is 0.
  var lastTie: TiePlace?

  /// The k-th of which there is none: k is 0.
  static let nothing = Selected(threshold: .nan, above: 0, equal: 0, k: 0, neighbours: 0...(.max))

  /// The outcome for what a chain of operations makes of the elements, if it keeps the threshold apart from the
  /// elements next to it: then the same elements lie above and at the threshold.
  func followed(by chain: MonotoneChain, value: (NodeID) throws -> Double) rethrows -> Selected? {
    if k == 0 { return self }
    let key = SelectionKey.key(threshold)
    let keys = [neighbours.lowerBound, key, neighbours.upperBound]
    guard let results = try chain(keys.map(SelectionKey.value), value: value)?.map(SelectionKey.key),
      results[0] < results[1] || keys[0] == key, results[1] < results[2] || keys[2] == key
    else { return nil }
    var selected = self
    selected.threshold = SelectionKey.value(results[1])
    selected.neighbours = results[0]...results[2]
    return selected
  }
}

/// A place among elements equal to a threshold: number `number` (from 1) in a range of the elements.
struct TiePlace {
  var unit: Range<Int>
  var number: Int

  /// The index after it; computes the range's elements, root `root` of the program.
  func end(threshold: Float, root: Int, of program: LaunchedProgram) throws -> Int {
    let key = SelectionKey.key(threshold)
    var rest = number
    var end = unit.upperBound
    var single = program
    single.roots = [program.roots[root]]
    single.bitRoots = []
    let instance = ProgramInstance<Float>(single, blockSize: 1024)
    try instance.evaluate(unit) { values, block in
      guard rest > 0 else { return }
      for (i, index) in block.enumerated() where SelectionKey.key(values[i]) == key {
        rest -= 1
        if rest == 0 {
          end = index + 1
          return
        }
      }
    }
    return end
  }
}
