import CKernels

/// A register's element: Float for tensors, Double for vectors of reductions' results.
///
/// Every loop over elements, and that over a program's steps, is a requirement here, so that it is compiled
/// for the element's own type; the classes that call them are generic and run once for a block.
protocol BlockElement: BinaryFloatingPoint, BitwiseCopyable, Sendable, AccumulableElement {
  /// Runs the steps of a block's program: `ProgramInstance.runSteps` for this element.
  static func run(_ block: Range<Int>, by instance: ProgramInstance<Self>)
  /// Prepares a tile of a splice: `SpliceInstance.prepareRuns` for this element.
  static func prepare(_ tile: Range<Int>, by splice: SpliceInstance<Self>) throws
  static func load(
    from raw: UnsafeRawPointer, dtype: DType, into destination: UnsafeMutablePointer<Self>, count: Int)
  /// Loads bits, the lowest first, as 1 and 0.
  static func loadBits(
    _ words: UnsafePointer<UInt64>, into destination: UnsafeMutablePointer<Self>, count: Int)
  static func store(
    _ source: UnsafePointer<Self>, to raw: UnsafeMutableRawPointer, dtype: DType, count: Int)
  static func round(
    _ source: UnsafePointer<Self>, _ destination: UnsafeMutablePointer<Self>, dtype: DType, count: Int)
  /// Writes the elements as Floats.
  static func storeFloats(
    _ source: UnsafePointer<Self>, to destination: UnsafeMutablePointer<Float>, count: Int)
  static func fill(_ destination: UnsafeMutablePointer<Self>, with value: Self, count: Int)
  static func unary(
    _ operation: UnaryOperation, _ a: UnsafePointer<Self>, _ result: UnsafeMutablePointer<Self>, count: Int)
  static func binary(
    _ operation: BinaryOperation, _ operands: BlockOperands, _ result: UnsafeMutablePointer<Self>, count: Int)
  /// Float32 only.
  static func pair(
    _ first: BinaryOperation, _ end: Program.PairEnd, _ operands: BlockOperands,
    _ result: UnsafeMutablePointer<Self>, count: Int)
  static func select(
    _ condition: UnsafePointer<Self>, _ a: UnsafePointer<Self>, _ b: UnsafePointer<Self>,
    _ result: UnsafeMutablePointer<Self>, count: Int)
  /// 1 for elements greater than the threshold (NaN is greatest), and for those equal to it where
  /// `includesEqual`; else 0.
  static func mask(
    _ x: UnsafePointer<Self>, threshold: Float, includesEqual: Bool, _ result: UnsafeMutablePointer<Self>,
    count: Int)
}

/// The operands of a step, one after the other.
typealias BlockOperands = UnsafePointer<block_operand>

extension block_operand {
  var isScalar: Bool { form == block_scalar }

  /// The elements of a register, or the scalar.
  @inline(__always)
  func pointer<Element>(to type: Element.Type = Element.self) -> UnsafePointer<Element> {
    elements.assumingMemoryBound(to: type)
  }
}

/// The loops of the evaluator. Destinations never overlap sources.
enum BlockKernels {
  @inline(__always)
  static func binary<Element: BlockElement>(
    _ operation: BinaryOperation, _ operands: BlockOperands, _ result: UnsafeMutablePointer<Element>,
    count: Int, minimum: (Element, Element) -> Element,
    maximum: (Element, Element) -> Element, power: (Element, Element) -> Element
  ) {
    switch operation {
    case .add: combine(operands, result, count) { $0 + $1 }
    case .subtract: combine(operands, result, count) { $0 - $1 }
    case .multiply: combine(operands, result, count) { $0 * $1 }
    case .divide: combine(operands, result, count) { $0 / $1 }
    case .power: combine(operands, result, count) { power($0, $1) }
    case .minimum: combine(operands, result, count) { minimum($0, $1) }
    case .maximum: combine(operands, result, count) { maximum($0, $1) }
    case .equal: combine(operands, result, count) { $0 == $1 ? 1 : 0 }
    case .notEqual: combine(operands, result, count) { $0 != $1 ? 1 : 0 }
    case .less: combine(operands, result, count) { $0 < $1 ? 1 : 0 }
    case .lessOrEqual: combine(operands, result, count) { $0 <= $1 ? 1 : 0 }
    case .greater: combine(operands, result, count) { $0 > $1 ? 1 : 0 }
    case .greaterOrEqual: combine(operands, result, count) { $0 >= $1 ? 1 : 0 }
    }
  }

  @inline(__always)
  private static func combine<Element>(
    _ operands: BlockOperands, _ result: UnsafeMutablePointer<Element>, _ count: Int,
    _ function: (Element, Element) -> Element
  ) {
    let (x, y) = (operands[0].pointer(to: Element.self), operands[1].pointer(to: Element.self))
    switch (operands[0].isScalar, operands[1].isScalar) {
    case (false, false): for i in 0..<count { result[i] = function(x[i], y[i]) }
    case (false, true):
      let y = y[0]
      for i in 0..<count { result[i] = function(x[i], y) }
    case (true, false):
      let x = x[0]
      for i in 0..<count { result[i] = function(x, y[i]) }
    case (true, true):
      let value = function(x[0], y[0])
      for i in 0..<count { result[i] = value }
    }
  }

  @inline(__always)
  static func select<Element: BlockElement>(
    _ condition: UnsafePointer<Element>, _ a: UnsafePointer<Element>, _ b: UnsafePointer<Element>,
    _ result: UnsafeMutablePointer<Element>, count: Int
  ) {
    for i in 0..<count { result[i] = condition[i] != 0 ? a[i] : b[i] }
  }

  @inline(__always)
  static func mask<Element: BlockElement>(
    _ x: UnsafePointer<Element>, threshold: Element, includesEqual: Bool,
    _ result: UnsafeMutablePointer<Element>, count: Int
  ) {
    if threshold.isNaN {
      for i in 0..<count { result[i] = includesEqual && x[i] != x[i] ? 1 : 0 }
    } else if includesEqual {
      for i in 0..<count { result[i] = x[i] < threshold ? 0 : 1 }
    } else {
      for i in 0..<count { result[i] = x[i] <= threshold ? 0 : 1 }
    }
  }
}

extension Float: BlockElement {
  static func run(_ block: Range<Int>, by instance: ProgramInstance<Float>) { instance.runSteps(block) }
  static func prepare(_ tile: Range<Int>, by splice: SpliceInstance<Float>) throws {
    try splice.prepareRuns(tile)
  }

  static func load(
    from raw: UnsafeRawPointer, dtype: DType, into destination: UnsafeMutablePointer<Float>, count: Int
  ) {
    Conversion.loadFloats(from: raw, dtype: dtype, into: destination, count: count)
  }

  static func loadBits(
    _ words: UnsafePointer<UInt64>, into destination: UnsafeMutablePointer<Float>, count: Int
  ) {
    bits_load(words, destination, count)
  }

  static func store(
    _ source: UnsafePointer<Float>, to raw: UnsafeMutableRawPointer, dtype: DType, count: Int
  ) {
    Conversion.storeFloats(source, to: raw, dtype: dtype, count: count)
  }

  static func round(
    _ source: UnsafePointer<Float>, _ destination: UnsafeMutablePointer<Float>, dtype: DType, count: Int
  ) {
    Conversion.roundFloats(source, destination, dtype: dtype, count: count)
  }

  static func unary(
    _ operation: UnaryOperation, _ a: UnsafePointer<Float>, _ result: UnsafeMutablePointer<Float>, count: Int
  ) {
    switch operation {
    case .negate: block_negate(a, result, count)
    case .abs: block_abs(a, result, count)
    case .sign: block_sign(a, result, count)
    case .sqrt: ElementaryFunctions.sqrt(a, result, count)
    case .exp: ElementaryFunctions.exp(a, result, count)
    case .log: ElementaryFunctions.log(a, result, count)
    case .sin: ElementaryFunctions.sin(a, result, count)
    case .cos: ElementaryFunctions.cos(a, result, count)
    case .acos: ElementaryFunctions.acos(a, result, count)
    case .floor: ElementaryFunctions.floor(a, result, count)
    case .round: ElementaryFunctions.roundToEven(a, result, count)
    case .tanh: ElementaryFunctions.tanh(a, result, count)
    }
  }

  static func storeFloats(
    _ source: UnsafePointer<Float>, to destination: UnsafeMutablePointer<Float>, count: Int
  ) { destination.update(from: source, count: count) }

  static func fill(_ destination: UnsafeMutablePointer<Float>, with value: Float, count: Int) {
    block_fill(destination, value, count)
  }

  static func binary(
    _ operation: BinaryOperation, _ operands: BlockOperands, _ result: UnsafeMutablePointer<Float>, count: Int
  ) {
    if let operation = operation.block { return block_binary(operation, operands, result, count) }
    let (bases, exponents) = (operands[0].pointer(to: Float.self), operands[1].pointer(to: Float.self))
    if operands[1].isScalar {
      return ElementaryFunctions.power(bases, exponent: exponents[0], result, count)
    }
    let isScalar = operands[0].isScalar
    for i in 0..<count { result[i] = ElementaryFunctions.power(bases[isScalar ? 0 : i], exponents[i]) }
  }

  static func pair(
    _ first: BinaryOperation, _ end: Program.PairEnd, _ operands: BlockOperands,
    _ result: UnsafeMutablePointer<Float>, count: Int
  ) {
    guard let first = first.block else { preconditionFailure("no pair begins with a power") }
    block_pair(first, end.block, operands, result, count)
  }

  static func select(
    _ condition: UnsafePointer<Float>, _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>,
    _ result: UnsafeMutablePointer<Float>, count: Int
  ) {
    block_select(condition, a, b, result, count)
  }

  static func mask(
    _ x: UnsafePointer<Float>, threshold: Float, includesEqual: Bool, _ result: UnsafeMutablePointer<Float>,
    count: Int
  ) {
    block_mask(x, threshold, includesEqual, result, count)
  }
}

extension BinaryOperation {
  /// The operation as `block_binary` knows it.
  fileprivate var block: block_operation? {
    switch self {
    case .add: block_add
    case .subtract: block_subtract
    case .multiply: block_multiply
    case .divide: block_divide
    case .minimum: block_smaller
    case .maximum: block_larger
    case .equal: block_equal
    case .notEqual: block_not_equal
    case .less: block_less
    case .lessOrEqual: block_less_or_equal
    case .greater: block_greater
    case .greaterOrEqual: block_greater_or_equal
    case .power: nil
    }
  }
}

extension Program.PairEnd {
  /// The operation as `block_pair` knows it.
  fileprivate var block: block_operation {
    switch self {
    case .add: block_add
    case .subtract: block_subtract
    case .multiply: block_multiply
    case .less: block_less
    case .lessOrEqual: block_less_or_equal
    case .greater: block_greater
    case .greaterOrEqual: block_greater_or_equal
    case .subtractFrom: block_subtract_from
    case .magnitude: block_magnitude
    }
  }
}

extension Double: BlockElement {
  static func run(_ block: Range<Int>, by instance: ProgramInstance<Double>) { instance.runSteps(block) }
  static func prepare(_ tile: Range<Int>, by splice: SpliceInstance<Double>) throws {
    try splice.prepareRuns(tile)
  }

  static func load(
    from raw: UnsafeRawPointer, dtype: DType, into destination: UnsafeMutablePointer<Double>, count: Int
  ) {
    Conversion.loadDoubles(from: raw, dtype: dtype, into: destination, count: count)
  }

  static func loadBits(
    _ words: UnsafePointer<UInt64>, into destination: UnsafeMutablePointer<Double>, count: Int
  ) {
    for i in 0..<count { destination[i] = Double(words[i / 64] >> UInt64(i % 64) & 1) }
  }

  static func store(
    _ source: UnsafePointer<Double>, to raw: UnsafeMutableRawPointer, dtype: DType, count: Int
  ) {
    Conversion.storeDoubles(source, to: raw, dtype: dtype, count: count)
  }

  static func round(
    _ source: UnsafePointer<Double>, _ destination: UnsafeMutablePointer<Double>, dtype: DType, count: Int
  ) {
    guard let width = dtype.byteWidth else { preconditionFailure("no arithmetic on \(dtype.rawValue)") }
    withUnsafeTemporaryAllocation(byteCount: count * width, alignment: 8) { bytes in
      Conversion.storeDoubles(source, to: bytes.baseAddress!, dtype: dtype, count: count)
      Conversion.loadDoubles(from: bytes.baseAddress!, dtype: dtype, into: destination, count: count)
    }
  }

  static func unary(
    _ operation: UnaryOperation, _ a: UnsafePointer<Double>, _ result: UnsafeMutablePointer<Double>,
    count: Int
  ) {
    for i in 0..<count { result[i] = ScalarMath.apply(operation, a[i]) }
  }

  static func storeFloats(
    _ source: UnsafePointer<Double>, to destination: UnsafeMutablePointer<Float>, count: Int
  ) { for index in 0..<count { destination[index] = Float(source[index]) } }

  static func fill(_ destination: UnsafeMutablePointer<Double>, with value: Double, count: Int) {
    destination.update(repeating: value, count: count)
  }

  static func binary(
    _ operation: BinaryOperation, _ operands: BlockOperands, _ result: UnsafeMutablePointer<Double>,
    count: Int
  ) {
    if operation == .power, operands[1].isScalar {
      let (bases, exponent) = (operands[0].pointer(to: Double.self), operands[1].pointer(to: Double.self)[0])
      return ElementaryFunctions.power(bases, exponent: exponent, result, count)
    }
    BlockKernels.binary(
      operation, operands, result, count: count, minimum: Extrema.minimum, maximum: Extrema.maximum,
      power: ElementaryFunctions.pow)
  }

  static func pair(
    _ first: BinaryOperation, _ end: Program.PairEnd, _ operands: BlockOperands,
    _ result: UnsafeMutablePointer<Double>, count: Int
  ) { preconditionFailure("pairs are of float32") }

  static func select(
    _ condition: UnsafePointer<Double>, _ a: UnsafePointer<Double>, _ b: UnsafePointer<Double>,
    _ result: UnsafeMutablePointer<Double>, count: Int
  ) {
    BlockKernels.select(condition, a, b, result, count: count)
  }

  static func mask(
    _ x: UnsafePointer<Double>, threshold: Float, includesEqual: Bool, _ result: UnsafeMutablePointer<Double>,
    count: Int
  ) {
    BlockKernels.mask(x, threshold: Double(threshold), includesEqual: includesEqual, result, count: count)
  }
}
