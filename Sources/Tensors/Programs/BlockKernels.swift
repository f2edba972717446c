/// A register's element: Float for tensors, Double for vectors of reductions' results.
protocol BlockElement: BinaryFloatingPoint, BitwiseCopyable, Sendable, AccumulableElement {
  static func load(
    from raw: UnsafeRawPointer, dtype: DType, into destination: UnsafeMutablePointer<Self>, count: Int)
  static func store(
    _ source: UnsafePointer<Self>, to raw: UnsafeMutableRawPointer, dtype: DType, count: Int)
  static func round(
    _ source: UnsafePointer<Self>, _ destination: UnsafeMutablePointer<Self>, dtype: DType, count: Int)
  /// The functions that have loops of their own: sqrt, exp, log, sin, cos, acos, floor, round.
  static func apply(
    _ operation: UnaryOperation, _ source: UnsafePointer<Self>, _ destination: UnsafeMutablePointer<Self>,
    count: Int)
  static func power(_ base: Self, _ exponent: Self) -> Self
}

/// The loops of the evaluator. Destinations never overlap sources.
enum BlockKernels {
  @inline(__always)
  static func minimum<Value: BinaryFloatingPoint>(_ a: Value, _ b: Value) -> Value {
    (a < b || a != a) ? a : b
  }

  @inline(__always)
  static func maximum<Value: BinaryFloatingPoint>(_ a: Value, _ b: Value) -> Value {
    (a > b || a != a) ? a : b
  }

  @inline(__always)
  static func unary<Element: BlockElement>(
    _ operation: UnaryOperation, _ a: UnsafePointer<Element>, _ result: UnsafeMutablePointer<Element>,
    count: Int
  ) {
    switch operation {
    case .negate: for i in 0..<count { result[i] = -a[i] }
    case .abs: for i in 0..<count { result[i] = a[i].magnitude }
    case .sign:
      for i in 0..<count { result[i] = a[i] > 0 ? 1 : (a[i] < 0 ? -1 : a[i]) }
    case .sqrt, .exp, .log, .sin, .cos, .acos, .floor, .round:
      Element.apply(operation, a, result, count: count)
    }
  }

  /// Either operand may be one value for the whole block.
  @inline(__always)
  static func binary<Element: BlockElement>(
    _ operation: BinaryOperation, _ a: Operand<Element>, _ b: Operand<Element>,
    _ result: UnsafeMutablePointer<Element>, count: Int
  ) {
    switch operation {
    case .add: combine(a, b, result, count) { $0 + $1 }
    case .subtract: combine(a, b, result, count) { $0 - $1 }
    case .multiply: combine(a, b, result, count) { $0 * $1 }
    case .divide: combine(a, b, result, count) { $0 / $1 }
    case .power: combine(a, b, result, count) { Element.power($0, $1) }
    case .minimum: combine(a, b, result, count) { minimum($0, $1) }
    case .maximum: combine(a, b, result, count) { maximum($0, $1) }
    case .equal: combine(a, b, result, count) { $0 == $1 ? 1 : 0 }
    case .notEqual: combine(a, b, result, count) { $0 != $1 ? 1 : 0 }
    case .less: combine(a, b, result, count) { $0 < $1 ? 1 : 0 }
    case .lessOrEqual: combine(a, b, result, count) { $0 <= $1 ? 1 : 0 }
    case .greater: combine(a, b, result, count) { $0 > $1 ? 1 : 0 }
    case .greaterOrEqual: combine(a, b, result, count) { $0 >= $1 ? 1 : 0 }
    }
  }

  enum Operand<Element> {
    case block(UnsafePointer<Element>)
    case scalar(Element)
  }

  @inline(__always)
  private static func combine<Element>(
    _ a: Operand<Element>, _ b: Operand<Element>, _ result: UnsafeMutablePointer<Element>, _ count: Int,
    _ function: (Element, Element) -> Element
  ) {
    switch (a, b) {
    case (.block(let a), .block(let b)): for i in 0..<count { result[i] = function(a[i], b[i]) }
    case (.block(let a), .scalar(let b)): for i in 0..<count { result[i] = function(a[i], b) }
    case (.scalar(let a), .block(let b)): for i in 0..<count { result[i] = function(a, b[i]) }
    case (.scalar(let a), .scalar(let b)): for i in 0..<count { result[i] = function(a, b) }
    }
  }

  @inline(__always)
  static func select<Element: BlockElement>(
    _ condition: UnsafePointer<Element>, _ a: UnsafePointer<Element>, _ b: UnsafePointer<Element>,
    _ result: UnsafeMutablePointer<Element>, count: Int
  ) {
    for i in 0..<count { result[i] = condition[i] != 0 ? a[i] : b[i] }
  }
}

extension Float: BlockElement {
  static func load(
    from raw: UnsafeRawPointer, dtype: DType, into destination: UnsafeMutablePointer<Float>, count: Int
  ) {
    Conversion.loadFloats(from: raw, dtype: dtype, into: destination, count: count)
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

  static func apply(
    _ operation: UnaryOperation, _ source: UnsafePointer<Float>, _ destination: UnsafeMutablePointer<Float>,
    count: Int
  ) {
    switch operation {
    case .sqrt: ElementaryFunctions.sqrt(source, destination, count)
    case .exp: ElementaryFunctions.exp(source, destination, count)
    case .log: ElementaryFunctions.log(source, destination, count)
    case .sin: ElementaryFunctions.sin(source, destination, count)
    case .cos: ElementaryFunctions.cos(source, destination, count)
    case .acos: ElementaryFunctions.acos(source, destination, count)
    case .floor: ElementaryFunctions.floor(source, destination, count)
    case .round: ElementaryFunctions.roundToEven(source, destination, count)
    default: preconditionFailure("Not a function with a loop of its own")
    }
  }

  static func power(_ base: Float, _ exponent: Float) -> Float {
    ElementaryFunctions.power(base, exponent)
  }
}

extension Double: BlockElement {
  static func load(
    from raw: UnsafeRawPointer, dtype: DType, into destination: UnsafeMutablePointer<Double>, count: Int
  ) {
    Conversion.loadDoubles(from: raw, dtype: dtype, into: destination, count: count)
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

  static func apply(
    _ operation: UnaryOperation, _ source: UnsafePointer<Double>,
    _ destination: UnsafeMutablePointer<Double>, count: Int
  ) {
    for index in 0..<count { destination[index] = ScalarMath.apply(operation, source[index]) }
  }

  static func power(_ base: Double, _ exponent: Double) -> Double { ElementaryFunctions.pow(base, exponent) }
}
