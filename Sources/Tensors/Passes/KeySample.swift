/// Keeps the keys of a sample's elements, and says between which keys the k-th largest of all probably lies.
///
/// `@unchecked Sendable`: workers write the keys of their own units.
final class KeySample: KeyCounter, @unchecked Sendable {
  /// Elements that are taken next to each other. Few, because neighbours are alike.
  private static let unitSize = 256
  /// Standard errors from the estimate to either bound.
  private static let deviations = 4.5

  /// The units of a sample of `count` elements: one in 128, within limits.
  static func partition(count: Int) -> Partition {
    let sampled = min(max(count / 128, 1 << 13), 1 << 18)
    return .samples(count: count, size: unitSize, every: count / (sampled / unitSize))
  }

  private let keys: UnsafeMutableBufferPointer<UInt32>

  init(_ partition: Partition) {
    keys = .allocate(capacity: partition.unitCount * Self.unitSize)
    keys.initialize(repeating: 0)
  }

  deinit { keys.deallocate() }

  /// Where the k-th largest of `count` elements probably lies; once all units are done.
  func search(k: Int, of count: Int) -> SelectionSearch {
    var search = SelectionSearch(k: k, of: count)
    let rank = Double(k) / Double(count) * Double(keys.count)
    let nearest = min(max(1, Int(rank.rounded())), keys.count)
    search.guess = key(rank: nearest)
    let margin = Self.deviations * deviation(of: search.guess) + 2
    let (first, last) = (Int((rank - margin).rounded(.down)), Int((rank + margin).rounded(.up)))
    let high = first < 1 ? .max : key(rank: first)
    let low = last > keys.count ? 0 : key(rank: last)
    search.bounds = low...high
    // The bounds and the guess themselves, which may be many, are counted and not kept.
    let within = keys.reduce(0) { $0 + ($1 > low && $1 < high && $1 != search.guess ? 1 : 0) }
    search.countWithin = Int(Double(within) / Double(keys.count) * Double(count))
    return search
  }

  private func key(rank: Int) -> UInt32 {
    withUnsafeTemporaryAllocation(of: UInt32.self, capacity: keys.count) { scratch in
      _ = scratch.update(fromContentsOf: keys)
      return SelectionKey.select(rank: rank, from: scratch.baseAddress!, keys.count)
    }
  }

  /// The standard error of the number of elements in the sample that are not below `key`, from how much
  /// that differs between units, and at least that of independent elements.
  private func deviation(of key: UInt32) -> Double {
    let units = keys.count / Self.unitSize
    let counts = (0..<units).map { unit in
      let start = keys.baseAddress! + unit * Self.unitSize
      return Double(
        SelectionKey.countAbove(key, start, Self.unitSize)
          + SelectionKey.countEqual(key, start, Self.unitSize))
    }
    let mean = counts.reduce(0, +) / Double(units)
    let squares = counts.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
    let part = mean / Double(Self.unitSize)
    return max(squares, part * (1 - part) * Double(keys.count)).squareRoot()
  }

  func makeWorker(index: Int) -> any KeyWorker { Worker(self) }

  private final class Worker: KeyWorker {
    private let sample: KeySample
    private var next = 0

    init(_ sample: KeySample) { self.sample = sample }

    func begin(unit: Int) { next = unit * KeySample.unitSize }

    func consume(_ keys: UnsafePointer<UInt32>, _ count: Int) {
      (sample.keys.baseAddress! + next).update(from: keys, count: count)
      next += count
    }

    func end(unit: Int) {}
  }
}
