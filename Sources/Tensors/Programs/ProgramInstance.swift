/// A worker's copy of a launched program: its registers, and the bytes of the tile it is at.
///
/// `prepare` reads a tile (a range of the iteration space); `run` then computes a block within it.
final class ProgramInstance<Element: BlockElement> {
  private let program: LaunchedProgram
  private let blockSize: Int
  /// Of scalars, one element each.
  private let scalars: UnsafeMutablePointer<Element>
  private let registers: UnsafeMutablePointer<Element>
  private let leafDTypes: [DType]
  private let leafRuns: [Int?]
  private let leafBytes: [TileBuffer]
  private let splices: [SpliceInstance<Element>]
  private let rankings: [RankInstance<Element>]
  private let scratch = TileBuffer()
  private var tile = 0..<0

  /// Bytes that the registers of one block may take: within a level-one cache beside the tiles' lines.
  private static var registerBytes: Int { 24_576 }

  /// Elements of a block: as many as let all registers stay in the level-one cache.
  static func blockSize(of program: LaunchedProgram) -> Int {
    let fitting = registerBytes / (max(1, program.registerCount) * MemoryLayout<Element>.stride)
    return max(256, min(2048, fitting / 64 * 64))
  }

  init(_ program: LaunchedProgram, blockSize: Int) {
    self.program = program
    self.blockSize = blockSize
    scalars = .allocate(capacity: max(1, program.scalars.count))
    for (index, value) in program.scalars.enumerated() { scalars[index] = Element(value) }
    // Every instruction writes its register before another reads it.
    registers = .allocate(capacity: (program.registerCount + 1) * blockSize)
    leafDTypes = program.leaves.map(\.dtype)
    leafRuns = program.leaves.map(\.run)
    leafBytes = program.leaves.map { _ in TileBuffer() }
    splices = program.splices.map { SpliceInstance($0, blockSize: blockSize) }
    rankings = program.rankings.map { RankInstance($0, blockSize: blockSize) }
  }

  deinit {
    registers.deallocate()
    scalars.deallocate()
  }

  // MARK: Tiles

  /// Reads what the elements of `tile` need.
  func prepare(_ tile: Range<Int>) throws {
    self.tile = tile
    for (index, leaf) in program.leaves.enumerated() {
      if let run = leafRuns[index] {
        try readRuns(leaf, run, tile, into: leafBytes[index])
      } else {
        try read(leaf, tile, into: leafBytes[index].ensure(tile.count * leaf.width))
      }
    }
    for splice in splices { try splice.prepare(tile) }
    for ranking in rankings { try ranking.prepare(tile) }
  }

  /// Reads one element for each run that the tile touches.
  private func readRuns(
    _ leaf: LaunchedProgram.Leaf, _ run: Int, _ tile: Range<Int>, into bytes: TileBuffer
  ) throws {
    guard !tile.isEmpty else { return }
    let first = tile.lowerBound / run
    let count = ((tile.upperBound - 1) / run - first + 1) * leaf.width
    let buffer = UnsafeMutableRawBufferPointer(start: bytes.ensure(count), count: count)
    try leaf.source.read(into: buffer, at: (leaf.map.offset + first) * leaf.width)
  }

  private func read(
    _ leaf: LaunchedProgram.Leaf, _ tile: Range<Int>, into bytes: UnsafeMutableRawPointer
  ) throws {
    let width = leaf.width
    if leaf.map.isLinear {
      let buffer = UnsafeMutableRawBufferPointer(start: bytes, count: tile.count * width)
      return try leaf.source.read(into: buffer, at: (leaf.map.offset + tile.lowerBound) * width)
    }
    let reading = StridedRead(source: leaf.source, width: width)
    try leaf.map.forEachBox(in: tile) { start, element, axes in
      try reading.read(element, axes, into: bytes + (start - tile.lowerBound) * width, scratch: scratch)
    }
  }

  /// Prepares and runs a whole range, and hands over the first root block by block.
  func evaluate(_ range: Range<Int>, _ body: (UnsafePointer<Element>, Range<Int>) throws -> Void) throws {
    try prepare(range)
    for start in stride(from: range.lowerBound, to: range.upperBound, by: blockSize) {
      let block = start..<min(start + blockSize, range.upperBound)
      run(block)
      try body(root(0, count: block.count), block)
    }
  }

  // MARK: Blocks

  @inline(__always)
  private func register(_ index: Int32) -> UnsafeMutablePointer<Element> {
    registers + Int(index) * blockSize
  }

  /// The block of a root after `run`. A scalar root is spread over the spare register.
  func root(_ index: Int, count: Int) -> UnsafePointer<Element> {
    let operand = program.roots[index]
    if operand >= 0 { return UnsafePointer(register(operand)) }
    let spare = registers + program.registerCount * blockSize
    Element.fill(spare, with: scalars[Int(~operand)], count: count)
    return UnsafePointer(spare)
  }

  /// Computes the elements of `block`, which lies within the prepared tile.
  func run(_ block: Range<Int>) {
    let count = block.count
    let inTile = block.lowerBound - tile.lowerBound
    for instruction in program.instructions {
      let result = register(instruction.destination)
      switch instruction.code {
      case .load:
        let leaf = Int(instruction.first)
        let dtype = leafDTypes[leaf]
        if let run = leafRuns[leaf] {
          spread(leaf, run, block, into: result)
        } else {
          Element.load(
            from: leafBytes[leaf].pointer + inTile * (dtype.bitWidth / 8), dtype: dtype, into: result,
            count: count)
        }
      case .fill:
        Element.fill(result, with: scalars[Int(~instruction.first)], count: count)
      case .unary(let operation):
        Element.unary(operation, register(instruction.first), result, count: count)
      case .binary(let operation):
        Element.binary(
          operation, operand(instruction.first), operand(instruction.second), result, count: count)
      case .select:
        Element.select(
          register(instruction.first), register(instruction.second), register(instruction.third), result,
          count: count)
      case .convert:
        Element.round(register(instruction.first), result, dtype: instruction.dtype, count: count)
      case .random:
        draw(program.draws[Int(instruction.first)], block, result)
      case .mask:
        mask(program.masks[Int(instruction.first)], register(instruction.second), block, result)
      case .splice:
        splices[Int(instruction.first)].run(block, into: result)
      case .rank:
        rankings[Int(instruction.first)].run(block, into: result)
      case .fold:
        fold(program.folds[Int(instruction.first)], into: result, count: count)
      }
    }
  }

  /// Repeats one element over each run, or the part of it that lies in the block.
  private func spread(
    _ leaf: Int, _ run: Int, _ block: Range<Int>, into result: UnsafeMutablePointer<Element>
  ) {
    let dtype = leafDTypes[leaf]
    let firstRead = tile.lowerBound / run
    var position = block.lowerBound
    while position < block.upperBound {
      let index = position / run
      let count = min((index + 1) * run, block.upperBound) - position
      let bytes = leafBytes[leaf].pointer + (index - firstRead) * (dtype.bitWidth / 8)
      let target = result + (position - block.lowerBound)
      Element.load(from: bytes, dtype: dtype, into: target, count: 1)
      Element.fill(target, with: target[0], count: count)
      position += count
    }
  }

  private func fold(_ fold: Program.Fold, into result: UnsafeMutablePointer<Element>, count: Int) {
    let terms = fold.reduction == .dot ? fold.operands.count / 2 : fold.operands.count
    withUnsafeTemporaryAllocation(of: Double.self, capacity: count) { buffer in
      let columns = buffer.baseAddress!
      columns.initialize(repeating: fold.reduction.neutral, count: count)
      for term in 0..<terms {
        let x = register(fold.operands[term])
        let y = fold.reduction == .dot ? register(fold.operands[terms + term]) : x
        Element.accumulateColumns(fold.reduction, x, y, to: columns, count: count)
      }
      if fold.takesRoot { ElementaryFunctions.sqrt(columns, columns, count) }
      Element.load(from: columns, dtype: .f64, into: result, count: count)
    }
  }

  @inline(__always)
  private func operand(_ operand: Program.Operand) -> BlockOperand<Element> {
    operand >= 0
      ? BlockOperand(pointer: register(operand), isScalar: false)
      : BlockOperand(pointer: scalars + Int(~operand), isScalar: true)
  }

  /// Draws are float32, in programs of float32.
  private func draw(
    _ draw: Program.RandomDraw, _ block: Range<Int>, _ result: UnsafeMutablePointer<Element>
  ) {
    result.withMemoryRebound(to: Float.self, capacity: block.count) { result in
      if draw.map.isLinear {
        let start = draw.map.offset + block.lowerBound
        switch draw.distribution {
        case .uniform: draw.stream.fillUniform(result, start: start, count: block.count)
        case .normal: draw.stream.fillNormal(result, start: start, count: block.count)
        }
        return
      }
      for (i, index) in block.enumerated() {
        let element = draw.map(index)
        result[i] =
          draw.distribution == .uniform ? draw.stream.uniform(at: element) : draw.stream.normal(at: element)
      }
    }
  }

  /// Elements equal to the threshold count up to the cut.
  private func mask(
    _ mask: LaunchedProgram.Mask, _ input: UnsafePointer<Element>, _ block: Range<Int>,
    _ result: UnsafeMutablePointer<Element>
  ) {
    guard mask.map.isLinear else {
      for (i, index) in block.enumerated() {
        Element.mask(
          input + i, threshold: mask.threshold, includesEqual: mask.map(index) < mask.cut, result + i,
          count: 1)
      }
      return
    }
    let (cut, overflow) = mask.cut.subtractingReportingOverflow(mask.map.offset + block.lowerBound)
    let included = overflow ? block.count : min(max(cut, 0), block.count)
    Element.mask(input, threshold: mask.threshold, includesEqual: true, result, count: included)
    Element.mask(
      input + included, threshold: mask.threshold, includesEqual: false, result + included,
      count: block.count - included)
  }
}

/// Bytes of a tile, grown as tiles need it.
final class TileBuffer {
  private(set) var pointer = UnsafeMutableRawPointer.allocate(byteCount: 64, alignment: 64)
  private var capacity = 64

  /// The buffer, with room for `byteCount`; what it held may be gone.
  func ensure(_ byteCount: Int) -> UnsafeMutableRawPointer {
    if byteCount > capacity {
      pointer.deallocate()
      pointer = .allocate(byteCount: byteCount, alignment: 64)
      capacity = byteCount
    }
    return pointer
  }

  deinit { pointer.deallocate() }
}
