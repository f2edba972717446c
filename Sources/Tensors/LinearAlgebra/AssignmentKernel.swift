/// The assignment of columns to the rows of a square matrix, each once, that has the greatest sum: by shortest
/// augmenting paths (Jonker and Volgenant 1987), row after row. The result is each row's column, from 1 on.
struct AssignmentKernel: Kernel {
  var size: Int

  let name = "assign"
  var results: [ResultForm] { [ResultForm(shape: Shape([size]), precision: .double)] }
  var workingBytes: Int { size * size * 8 }
  var partition: Partition { .linear(count: 1, size: 1) }

  func makeWork(_ inputs: [KernelInput], into results: [any ByteSink]) -> any SweepWork {
    KernelWork { _ in Worker(self, inputs[0], results[0]) }
  }

  private final class Worker: SweepWorker {
    private let kernel: AssignmentKernel
    private let input: KernelInput
    private let result: any ByteSink

    init(_ kernel: AssignmentKernel, _ input: KernelInput, _ result: any ByteSink) {
      self.kernel = kernel
      self.input = input
      self.result = result
    }

    func run(unit: Int, range: Range<Int>) throws {
      let gains = SquareMatrix(kernel.size)
      try input.makeReader().read(0..<kernel.size * kernel.size, into: gains.start)
      try gains.requireFinite(for: kernel.name)
      let columns = Assignment(gains).columns.map(Double.init)
      try columns.withUnsafeBytes { try result.write($0, at: 0) }
    }
  }
}

/// An assignment that grows by a row at a time.
private struct Assignment {
  private let gains: SquareMatrix
  private var rowPotentials: [Double]
  private var columnPotentials: [Double]
  /// The row of each column, or −1.
  private var rows: [Int]

  init(_ gains: SquareMatrix) {
    self.gains = gains
    rowPotentials = Array(repeating: 0, count: gains.size)
    columnPotentials = rowPotentials
    rows = Array(repeating: -1, count: gains.size)
    for row in 0..<gains.size { add(row) }
  }

  /// The column of each row, from 1 on.
  var columns: [Int] {
    var columns = [Int](repeating: 0, count: rows.count)
    for (column, row) in rows.enumerated() { columns[row] = column + 1 }
    return columns
  }

  /// Finds the shortest path from a row to a free column, by Dijkstra's algorithm over reduced costs, and turns it.
  private mutating func add(_ start: Int) {
    let size = gains.size
    var distances = [Double](repeating: .infinity, count: size)
    var previous = [Int](repeating: -1, count: size)
    var isScanned = [Bool](repeating: false, count: size)
    var (row, column, distance) = (start, -1, 0.0)
    var scanned: [Int] = []
    repeat {
      var nearest = -1
      for candidate in 0..<size where !isScanned[candidate] {
        let cost = -gains.start[row * size + candidate] - rowPotentials[row] - columnPotentials[candidate]
        if distance + cost < distances[candidate] {
          distances[candidate] = distance + cost
          previous[candidate] = column
        }
        if nearest < 0 || distances[candidate] < distances[nearest] { nearest = candidate }
      }
      column = nearest
      distance = distances[column]
      isScanned[column] = true
      scanned.append(column)
      row = rows[column]
    } while row >= 0
    rowPotentials[start] += distance
    for other in scanned.dropLast() {
      columnPotentials[other] -= distance - distances[other]
      rowPotentials[rows[other]] += distance - distances[other]
    }
    while column >= 0 {
      let before = previous[column]
      rows[column] = before >= 0 ? rows[before] : start
      column = before
    }
  }
}
