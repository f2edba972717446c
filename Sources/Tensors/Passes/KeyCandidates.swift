import Synchronization

/// Counts the elements above a search's bounds, and keeps the keys within: the k-th largest is one of
/// them. Keys that equal a bound or the guess are only counted; those are the many where elements have few
/// different values.
///
/// `@unchecked Sendable`: workers write their own lists, and the counts of their own units.
final class KeyCandidates: KeyCounter, @unchecked Sendable {
  /// What a sweep has found.
  enum Outcome {
    case found(Selected)
    /// The search must go on, with better bounds.
    case next(SelectionSearch)
  }

  /// Of one unit: elements above the bounds, those of the three keys that are not kept, and where its other
  /// keys lie in a worker's list.
  private struct Unit {
    var above = 0
    var atHigh = 0
    var atGuess = 0
    var atLow = 0
    var others = 0
    var worker = 0
    var start = 0
  }

  private let search: SelectionSearch
  private let partition: Partition
  private let units: UnsafeMutableBufferPointer<Unit>
  private let lists: UnsafeMutableBufferPointer<[UInt32]>
  /// Keys in all lists. Beyond the limit no more are kept.
  private let kept = Atomic<Int>(0)

  init(_ search: SelectionSearch, partition: Partition, threads: Int) {
    self.search = search
    self.partition = partition
    units = .allocate(capacity: partition.unitCount)
    units.initialize(repeating: Unit())
    lists = .allocate(capacity: threads)
    lists.initialize(repeating: [])
  }

  deinit {
    units.deallocate()
    lists.deinitialize()
    lists.deallocate()
  }

  /// The outcome; once all units are done.
  func outcome() -> Outcome {
    let k = search.k
    let total = units.reduce(into: Unit()) { total, unit in
      total.above += unit.above
      total.atHigh += unit.atHigh
      total.atGuess += unit.atGuess
      total.atLow += unit.atLow
      total.others += unit.others
    }
    let within = total.atHigh + total.atGuess + total.atLow + total.others
    var next = search
    if k <= total.above {
      next.bounds = search.bounds.upperBound + 1...(.max)
      next.countWithin = total.above
    } else if k > total.above + within {
      next.bounds = 0...search.bounds.lowerBound - 1
      next.countWithin = .max
    } else if total.others > lists.reduce(0, { $0 + $1.count }) {
      next.countWithin = .max
    } else {
      return .found(selected(total))
    }
    next.guess = next.bounds.lowerBound
    return .next(next)
  }

  /// The k-th largest, which lies within the bounds.
  private func selected(_ total: Unit) -> Selected {
    let key = key(rank: search.k - total.above, total)
    let above =
      othersAbove(key) + (key < search.bounds.upperBound ? total.atHigh : 0)
      + (key < search.guess ? total.atGuess : 0)
    var selected = Selected(
      threshold: SelectionKey.value(key), above: total.above + above,
      equal: units.reduce(0) { $0 + equal(to: key, $1) }, k: search.k, neighbours: neighbours(of: key))
    selected.lastTie = place(ofTie: selected.k - selected.above, key)
    return selected
  }

  /// The key number `rank` from the top of those within the bounds.
  private func key(rank: Int, _ total: Unit) -> UInt32 {
    if rank <= total.atHigh { return search.bounds.upperBound }
    let aboveGuess = othersAbove(search.guess)
    var rank = rank - total.atHigh
    if rank > aboveGuess {
      if rank <= aboveGuess + total.atGuess { return search.guess }
      rank -= total.atGuess
    }
    guard rank <= total.others else { return search.bounds.lowerBound }
    return withUnsafeTemporaryAllocation(of: UInt32.self, capacity: total.others) { scratch in
      var end = 0
      for list in lists { end = scratch[end...].update(fromContentsOf: list) }
      return SelectionKey.select(rank: rank, from: scratch.baseAddress!, total.others)
    }
  }

  /// The nearest kept keys on either side of a key that lies within the bounds. The bounds and the guess may be
  /// keys of elements, and so may be those next to a bound.
  private func neighbours(of key: UInt32) -> ClosedRange<UInt32> {
    let (low, high) = (search.bounds.lowerBound, search.bounds.upperBound)
    var below = key > low ? low : max(key, 1) - 1
    var above = key < high ? high : min(key, .max - 1) + 1
    if search.guess < key { below = max(below, search.guess) }
    if search.guess > key { above = min(above, search.guess) }
    for list in lists {
      for other in list {
        if other < key { below = max(below, other) }
        if other > key { above = min(above, other) }
      }
    }
    return below...above
  }

  /// Kept keys above a key.
  private func othersAbove(_ key: UInt32) -> Int {
    lists.reduce(0) { $0 + SelectionKey.countAbove(key, $1, $1.count) }
  }

  /// Elements of a unit that have this key, which lies within the bounds.
  private func equal(to key: UInt32, _ unit: Unit) -> Int {
    if key == search.bounds.upperBound { return unit.atHigh }
    if key == search.guess { return unit.atGuess }
    if key == search.bounds.lowerBound { return unit.atLow }
    return lists[unit.worker].withUnsafeBufferPointer { keys in
      keys.baseAddress.map { SelectionKey.countEqual(key, $0 + unit.start, unit.others) } ?? 0
    }
  }

  private func place(ofTie number: Int, _ key: UInt32) -> TiePlace? {
    var rest = number
    for (index, unit) in units.enumerated() {
      let count = equal(to: key, unit)
      if rest <= count { return TiePlace(unit: partition.range(ofUnit: index), number: rest) }
      rest -= count
    }
    return nil
  }

  func makeWorker(index: Int) -> any KeyWorker {
    if search.bounds.lowerBound == search.bounds.upperBound { return EqualWorker(self) }
    return Worker(self, index: index)
  }

  private final class Worker: KeyWorker {
    private let candidates: KeyCandidates
    private let search: SelectionSearch
    private let index: Int
    private let buffer = TileBuffer()
    private var unit = Unit()

    init(_ candidates: KeyCandidates, index: Int) {
      self.candidates = candidates
      search = candidates.search
      self.index = index
    }

    func begin(unit: Int) {
      self.unit = Unit(worker: index, start: candidates.lists[index].count)
    }

    func consume(_ keys: UnsafePointer<UInt32>, _ count: Int) {
      let bounds = search.bounds
      unit.above += SelectionKey.countAbove(bounds.upperBound, keys, count)
      let within = buffer.ensure(count * 4).assumingMemoryBound(to: UInt32.self)
      let collected = SelectionKey.collect(bounds, keys, count, into: within)
      let others = keepOthers(within, collected)
      unit.others += others
      let kept = candidates.kept.add(others, ordering: .relaxed).newValue
      guard kept <= SelectionSearch.collectedLimit else { return }
      candidates.lists[index].append(contentsOf: UnsafeBufferPointer(start: within, count: others))
    }

    /// Counts keys that are a bound or the guess, and puts the others first; returns how many these are. Each key is
    /// written, and stays if the next one goes elsewhere: branches would often be mispredicted.
    private func keepOthers(_ keys: UnsafeMutablePointer<UInt32>, _ count: Int) -> Int {
      let (high, guess, low) = (search.bounds.upperBound, search.guess, search.bounds.lowerBound)
      var (atHigh, atGuess, atLow, others) = (0, 0, 0, 0)
      for position in 0..<count {
        let key = keys[position]
        keys[others] = key
        let isHigh = key == high
        let isGuess = !isHigh && key == guess
        let isLow = !isHigh && !isGuess && key == low
        atHigh &+= isHigh ? 1 : 0
        atGuess &+= isGuess ? 1 : 0
        atLow &+= isLow ? 1 : 0
        others &+= isHigh || isGuess || isLow ? 0 : 1
      }
      unit.atHigh += atHigh
      unit.atGuess += atGuess
      unit.atLow += atLow
      return others
    }

    func end(unit: Int) { candidates.units[unit] = self.unit }
  }

  /// Where the bounds are one key, which is counted.
  private final class EqualWorker: KeyWorker {
    private let candidates: KeyCandidates
    private var unit = Unit()

    init(_ candidates: KeyCandidates) { self.candidates = candidates }

    func begin(unit: Int) { self.unit = Unit() }

    func consume(_ keys: UnsafePointer<UInt32>, _ count: Int) {
      let key = candidates.search.bounds.upperBound
      unit.above += SelectionKey.countAbove(key, keys, count)
      unit.atHigh += SelectionKey.countEqual(key, keys, count)
    }

    func end(unit: Int) { candidates.units[unit] = self.unit }
  }
}
