import CKernels

/// A worker's copy of a launched program: its registers, and the bytes of the tile it is at.
///
/// `prepare` reads a tile (a range of the iteration space); `run` then computes a block within it.
final class ProgramInstance<Element: BlockElement> {
  /// An instruction with its registers found: what the loop over a block's instructions needs, without
  /// references that would be counted.
  private struct Step {
    var code: Program.Code
    var result: UnsafeMutablePointer<Element>
    /// Three, of which the code says how many it has.
    var operands: UnsafeMutablePointer<block_operand>
    var dtype: DType
    /// `first` as it stands in the instruction.
    var index: Int
  }

  /// An operand that is stored elements of a leaf, whose place is another for each block.
  private struct StoredOperand {
    var operand: UnsafeMutablePointer<block_operand>
    var leaf: Int
  }

  /// What a leaf has of the prepared tile.
  private struct LeafTile {
    var dtype: DType
    var width: Int
    /// As `LaunchedProgram.Leaf.run`; 0 if every element is read.
    var run: Int
    var bytes: UnsafeMutableRawPointer
    /// What a mask is read from, bit by bit; else `nil`.
    var mask: MaskLeaf?
  }

  private struct MaskLeaf {
    var mask: Unmanaged<BitMask>
    /// Where the iteration space begins in it.
    var start: Int
    /// A word for each 64 elements of a block.
    var scratch: UnsafeMutablePointer<UInt64>

    /// The bits of a block's elements.
    func bits(_ block: Range<Int>) -> UnsafePointer<UInt64> {
      mask._withUnsafeGuaranteedRef {
        $0.bits(start: start + block.lowerBound, count: block.count, scratch: scratch)
      }
    }
  }

  /// Random numbers at consecutive places of their stream. Shared arrays are not read for each block: counting
  /// references to them would go back and forth between the processors.
  private struct LinearDraw {
    var distribution: Distribution
    var stream: RandomStream
    /// Of the iteration space's first element.
    var offset: Int
  }

  /// What `LaunchedProgram.Mask` says of consecutive elements.
  private struct LinearMask {
    var threshold: Float
    var cut: Int
    var offset: Int
  }

  private let program: LaunchedProgram
  private let blockSize: Int
  /// Blocks and tiles are widened to multiples of this, so that they hold whole rows.
  private let alignment: Int
  /// How many elements the last block was widened by at its start.
  private var margin = 0
  /// Elements of a register: those of a widened block, and a word of bits at least.
  private let registerSize: Int
  /// Of scalars, one element each.
  private let scalars: UnsafeMutablePointer<Element>
  private let registers: UnsafeMutablePointer<Element>
  private let steps: UnsafeMutableBufferPointer<Step>
  private let operands: UnsafeMutablePointer<block_operand>
  private let storedOperands: UnsafeMutableBufferPointer<StoredOperand>
  private let roots: UnsafeMutableBufferPointer<block_operand>
  /// By their number in the program; `nil` where a map gives the places.
  private let draws: UnsafeMutableBufferPointer<LinearDraw?>
  private let masks: UnsafeMutableBufferPointer<LinearMask?>
  private let leafBytes: [TileBuffer]
  private let leafTiles: UnsafeMutableBufferPointer<LeafTile>
  private let splices: [SpliceInstance<Element>]
  private let rankings: [RankInstance<Element>]
  private let rows: [RowInstance<Element>]
  private let blockRows: [RowKernel]
  private let products: [ProductInstance<Element>]
  private let scratch = TileBuffer()
  private var tile = 0..<0

  /// Bytes that the registers of one block may take: within an L1 cache beside the tiles' lines.
  private static var registerBytes: Int { 32_768 }

  /// Elements of a block: as many as let all registers stay in the L1 cache.
  static func blockSize(of program: LaunchedProgram) -> Int {
    let fitting = registerBytes / (max(1, program.registerCount) * MemoryLayout<Element>.stride)
    let size = max(256, min(2048, fitting / 64 * 64))
    return max(program.alignment, size / program.alignment * program.alignment)
  }

  init(_ program: LaunchedProgram, blockSize: Int) {
    self.program = program
    self.blockSize = blockSize
    alignment = program.alignment
    let registerSize =
      alignment == 1 ? max(blockSize, 16) : (blockSize + 2 * alignment + 15) / 16 * 16
    self.registerSize = registerSize
    scalars = .allocate(capacity: max(1, program.scalars.count))
    for (index, value) in program.scalars.enumerated() { scalars[index] = Element(value) }
    // Every instruction writes its register before another reads it. Vectors that lie across two lines of the
    // cache would make the loops half as slow again.
    registers = UnsafeMutableRawPointer.allocate(
      byteCount: (program.registerCount + 1) * registerSize * MemoryLayout<Element>.stride, alignment: 64
    ).assumingMemoryBound(to: Element.self)
    let leafBytes = program.leaves.map { _ in TileBuffer() }
    self.leafBytes = leafBytes
    leafTiles = .allocate(capacity: program.leaves.count)
    _ = leafTiles.initialize(
      from: zip(program.leaves, leafBytes).map { leaf, bytes in
        LeafTile(
          dtype: leaf.dtype, width: leaf.width, run: leaf.run ?? 0, bytes: bytes.pointer,
          mask: leaf.mask.map {
            MaskLeaf(
              mask: .passUnretained($0), start: leaf.map.offset,
              scratch: .allocate(capacity: (registerSize + 63) / 64))
          })
      })
    let (registers, scalars) = (registers, scalars)
    func operand(_ operand: Program.Operand) -> block_operand {
      operand >= 0
        ? block_operand(elements: registers + Int(operand) * registerSize, form: block_vector)
        : block_operand(elements: scalars + Int(~operand), form: block_scalar)
    }
    let operands = UnsafeMutablePointer<block_operand>.allocate(
      capacity: 3 * max(1, program.instructions.count))
    operands.initialize(repeating: operand(0), count: 3 * program.instructions.count)
    self.operands = operands
    var storedOperands: [StoredOperand] = []
    steps = .allocate(capacity: program.instructions.count)
    _ = steps.initialize(
      from: program.instructions.enumerated().map { position, instruction in
        let step = Step(
          code: instruction.code, result: registers + Int(instruction.destination) * registerSize,
          operands: operands + 3 * position, dtype: instruction.dtype, index: Int(instruction.first))
        let given = [instruction.first, instruction.second, instruction.third]
        let used: Range<Int> =
          switch instruction.code {
          case .load, .random, .splice, .rank, .row, .product, .fold: 0..<0
          case .fill, .unary, .convert: 0..<1
          case .mask, .bernoulli, .belowRankLine, .blockRow: 1..<2
          case .binary, .pair(_, .magnitude): 0..<2
          case .pair, .select: 0..<3
          }
        for number in used {
          if instruction.stored & 1 << UInt8(number) == 0 {
            step.operands[number] = operand(given[number])
            if instruction.bits & 1 << UInt8(number) != 0 { step.operands[number].form = block_bits }
          } else {
            let isMask = program.leaves[Int(given[number])].mask != nil
            step.operands[number].form = isMask ? block_bits : block_bf16
            storedOperands.append(
              StoredOperand(operand: step.operands + number, leaf: Int(given[number])))
          }
        }
        return step
      })
    self.storedOperands = .allocate(capacity: storedOperands.count)
    _ = self.storedOperands.initialize(from: storedOperands)
    roots = .allocate(capacity: program.roots.count)
    _ = roots.initialize(
      from: program.roots.enumerated().map { position, root in
        var root = operand(root)
        if program.bitRoots.contains(position) { root.form = block_bits }
        return root
      })
    draws = .allocate(capacity: program.draws.count)
    _ = draws.initialize(
      from: program.draws.map {
        $0.map.isLinear
          ? LinearDraw(distribution: $0.distribution, stream: $0.stream, offset: $0.map.offset) : nil
      })
    masks = .allocate(capacity: program.masks.count)
    _ = masks.initialize(
      from: program.masks.map {
        $0.map.isLinear ? LinearMask(threshold: $0.threshold, cut: $0.cut, offset: $0.map.offset) : nil
      })
    splices = program.splices.map { SpliceInstance($0, blockSize: registerSize) }
    rankings = program.rankings.map { RankInstance($0, blockSize: blockSize) }
    rows = program.rows.map { RowInstance($0, blockSize: blockSize) }
    blockRows = program.blockRows.map { RowKernel($0.function, length: $0.length) }
    products = program.products.map { ProductInstance($0, blockSize: blockSize) }
  }

  deinit {
    steps.deallocate()
    operands.deallocate()
    storedOperands.deallocate()
    for leaf in leafTiles { leaf.mask?.scratch.deallocate() }
    roots.deallocate()
    draws.deallocate()
    masks.deallocate()
    leafTiles.deallocate()
    UnsafeMutableRawPointer(registers).deallocate()
    scalars.deallocate()
  }

  // MARK: Tiles

  /// Reads what the elements of `tile` need, but for what lies in the tile of `outer`, which stays as it is
  /// until this one's next.
  func prepare(_ tile: Range<Int>, beside outer: ProgramInstance? = nil) throws {
    let tile = widened(tile)
    self.tile = tile
    for (index, leaf) in program.leaves.enumerated() where leafTiles[index].mask == nil {
      if let bytes = outer?.bytes(of: leaf, tile) {
        leafTiles[index].bytes = bytes
        continue
      }
      let run = leafTiles[index].run
      if run > 0 {
        try readRuns(leaf, run, tile, into: leafBytes[index])
      } else {
        try read(leaf, tile, into: leafBytes[index].ensure(tile.count * leaf.width))
      }
      leafTiles[index].bytes = leafBytes[index].pointer
    }
    for splice in splices { try splice.prepare(tile) }
    for ranking in rankings { try ranking.prepare(tile, beside: self) }
    for row in rows { try row.prepare(tile) }
    for product in products { try product.prepare(tile) }
  }

  /// Where the elements of another program's leaf at the positions of `range` lie, if the tile has them.
  private func bytes(of leaf: LaunchedProgram.Leaf, _ range: Range<Int>) -> UnsafeMutableRawPointer? {
    guard leaf.map.isLinear else { return nil }
    for (own, held) in zip(program.leaves, leafTiles)
    where own.source === leaf.source && own.dtype == leaf.dtype && own.map.isLinear && held.mask == nil {
      let first = range.lowerBound + leaf.map.offset - own.map.offset
      if first >= tile.lowerBound, first + range.count <= tile.upperBound {
        return held.bytes + (first - tile.lowerBound) * own.width
      }
    }
    return nil
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
    try evaluatePrepared(range, body)
  }

  /// Runs a range within the prepared tile, and hands over the first root block by block.
  func evaluatePrepared(
    _ range: Range<Int>, _ body: (UnsafePointer<Element>, Range<Int>) throws -> Void
  ) rethrows {
    for start in stride(from: range.lowerBound, to: range.upperBound, by: blockSize) {
      let block = start..<min(start + blockSize, range.upperBound)
      run(block)
      try body(root(0, count: block.count), block)
    }
  }

  // MARK: Blocks

  /// A range with the rest of the rows that it touches.
  @inline(__always)
  private func widened(_ range: Range<Int>) -> Range<Int> {
    guard alignment > 1, !range.isEmpty else { return range }
    let start = range.lowerBound / alignment * alignment
    return start..<min(program.count, (range.upperBound + alignment - 1) / alignment * alignment)
  }

  @inline(__always)
  private func register(_ index: Int32) -> UnsafeMutablePointer<Element> {
    registers + Int(index) * registerSize
  }

  /// The block of a root after `run`. A scalar root is spread over the spare register.
  func root(_ index: Int, count: Int) -> UnsafePointer<Element> {
    let root = roots[index]
    guard root.isScalar else { return root.pointer() + margin }
    let spare = registers + program.registerCount * registerSize
    Element.fill(spare, with: root.pointer()[0], count: count)
    return UnsafePointer(spare)
  }

  /// The block of a root after `run`, if it is bits, the first one lowest.
  func bits(ofRoot index: Int) -> UnsafePointer<UInt64>? {
    roots[index].form == block_bits ? roots[index].elements.assumingMemoryBound(to: UInt64.self) : nil
  }

  /// Computes the elements of `block`, which lies within the prepared tile.
  func run(_ block: Range<Int>) { Element.run(block, by: self) }

  /// `run`, to be compiled for the element's own type: generic code would look up how to copy each step.
  @inline(__always)
  func runSteps(_ asked: Range<Int>) {
    let block = widened(asked)
    margin = asked.lowerBound - block.lowerBound
    let count = block.count
    let inTile = block.lowerBound - tile.lowerBound
    for stored in storedOperands {
      let leaf = leafTiles.baseAddress.unsafelyUnwrapped + stored.leaf
      stored.operand.pointee.elements =
        if let mask = leaf.pointee.mask {
          UnsafeRawPointer(mask.bits(block))
        } else {
          UnsafeRawPointer(leaf.pointee.bytes + inTile * 2)
        }
    }
    // By address: a copy of each step would cost as much as the call that it makes.
    for index in steps.indices {
      let step = steps.baseAddress.unsafelyUnwrapped + index
      let (result, operands) = (step.pointee.result, step.pointee.operands)
      switch step.pointee.code {
      case .load:
        let leaf = leafTiles[step.pointee.index]
        if let mask = leaf.mask {
          Element.loadBits(mask.bits(block), into: result, count: count)
        } else if leaf.run > 0 {
          spread(leaf, block, into: result)
        } else {
          Element.load(from: leaf.bytes + inTile * leaf.width, dtype: leaf.dtype, into: result, count: count)
        }
      case .fill:
        Element.fill(result, with: operands[0].pointer()[0], count: count)
      case .unary(let operation):
        Element.unary(operation, operands[0].pointer(), result, count: count)
      case .binary(let operation):
        Element.binary(operation, operands, result, count: count)
      case .pair(let first, let end):
        Element.pair(first, end, operands, result, count: count)
      case .select:
        Element.select(
          operands[0].pointer(), operands[1].pointer(), operands[2].pointer(), result, count: count)
      case .convert:
        Element.round(operands[0].pointer(), result, dtype: step.pointee.dtype, count: count)
      case .random:
        draw(step.pointee.index, block, result)
      case .bernoulli:
        compareDraw(step.pointee.index, Float(operands[1].pointer(to: Element.self)[0]), block, result)
      case .mask:
        mask(step.pointee.index, operands[1].pointer(), block, result)
      case .splice:
        splices[step.pointee.index].run(block, into: result)
      case .row:
        rows[step.pointee.index].run(block, into: result)
      case .blockRow:
        let source = UnsafeRawPointer(operands[1].pointer(to: Element.self)).assumingMemoryBound(
          to: Float.self)
        let target = UnsafeMutableRawPointer(result).assumingMemoryBound(to: Float.self)
        blockRows[step.pointee.index].apply(source, count: count, into: target)
      case .product:
        products[step.pointee.index].run(block, into: result)
      case .rank:
        rankings[step.pointee.index].run(block, into: result)
      case .belowRankLine:
        compareWithRanks(step.pointee.index, operands[1].pointer(), block, result)
      case .fold:
        fold(program.folds[step.pointee.index], into: result, count: count)
      }
    }
  }

  /// Repeats one element over each run, or the part of it that lies in the block.
  private func spread(_ leaf: LeafTile, _ block: Range<Int>, into result: UnsafeMutablePointer<Element>) {
    let run = leaf.run
    let firstRead = tile.lowerBound / run
    var position = block.lowerBound
    while position < block.upperBound {
      let index = position / run
      let count = min((index + 1) * run, block.upperBound) - position
      let target = result + (position - block.lowerBound)
      Element.load(
        from: leaf.bytes + (index - firstRead) * leaf.width, dtype: leaf.dtype, into: target, count: 1)
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

  /// Draws are float32, in programs of float32.
  private func draw(_ index: Int, _ block: Range<Int>, _ result: UnsafeMutablePointer<Element>) {
    let result = UnsafeMutableRawPointer(result).assumingMemoryBound(to: Float.self)
    if let draw = draws[index] {
      let start = draw.offset + block.lowerBound
      switch draw.distribution {
      case .uniform: draw.stream.fillUniform(result, start: start, count: block.count)
      case .normal: draw.stream.fillNormal(result, start: start, count: block.count)
      }
      return
    }
    let draw = program.draws[index]
    for (i, index) in block.enumerated() {
      let element = draw.map(index)
      result[i] =
        draw.distribution == .uniform ? draw.stream.uniform(at: element) : draw.stream.normal(at: element)
    }
  }

  /// Bits of a linear uniform draw, in the place of a register's floats.
  private func compareDraw(
    _ index: Int, _ bound: Float, _ block: Range<Int>, _ result: UnsafeMutablePointer<Element>
  ) {
    guard let draw = draws[index] else { preconditionFailure("only linear draws are compared as bits") }
    let words = UnsafeMutableRawPointer(result).assumingMemoryBound(to: UInt64.self)
    draw.stream.fillBits(words, below: bound, start: draw.offset + block.lowerBound, count: block.count)
  }

  /// Bits of floats, in the place of a register's floats.
  private func compareWithRanks(
    _ index: Int, _ numbers: UnsafePointer<Element>, _ block: Range<Int>,
    _ result: UnsafeMutablePointer<Element>
  ) {
    rankings[index].compare(
      UnsafeRawPointer(numbers).assumingMemoryBound(to: Float.self), block,
      into: UnsafeMutableRawPointer(result).assumingMemoryBound(to: UInt64.self))
  }

  /// Elements equal to the threshold count up to the cut.
  private func mask(
    _ index: Int, _ input: UnsafePointer<Element>, _ block: Range<Int>,
    _ result: UnsafeMutablePointer<Element>
  ) {
    guard let mask = masks[index] else {
      let mask = program.masks[index]
      for (i, index) in block.enumerated() {
        Element.mask(
          input + i, threshold: mask.threshold, includesEqual: mask.map(index) < mask.cut, result + i,
          count: 1)
      }
      return
    }
    let (cut, overflow) = mask.cut.subtractingReportingOverflow(mask.offset + block.lowerBound)
    let included = overflow ? block.count : min(max(cut, 0), block.count)
    Element.mask(input, threshold: mask.threshold, includesEqual: true, result, count: included)
    Element.mask(
      input + included, threshold: mask.threshold, includesEqual: false, result + included,
      count: block.count - included)
  }
}
