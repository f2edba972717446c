/// The operations on float64 numbers: constants, and reductions' results.
enum ScalarMath {
  static func apply(_ operation: UnaryOperation, _ x: Double) -> Double {
    switch operation {
    case .negate: -x
    case .abs: x.magnitude
    case .sqrt: ElementaryFunctions.sqrt(x)
    case .exp: ElementaryFunctions.exp(x)
    case .log: ElementaryFunctions.log(x)
    case .sin: ElementaryFunctions.sin(x)
    case .cos: ElementaryFunctions.cos(x)
    case .acos: ElementaryFunctions.acos(x)
    case .sign: x > 0 ? 1 : x < 0 ? -1 : x
    case .floor: ElementaryFunctions.floor(x)
    case .round: ElementaryFunctions.roundToEven(x)
    case .tanh: ElementaryFunctions.tanh(x)
    }
  }

  static func apply(_ operation: BinaryOperation, _ a: Double, _ b: Double) -> Double {
    switch operation {
    case .add: a + b
    case .subtract: a - b
    case .multiply: a * b
    case .divide: a / b
    case .power: ElementaryFunctions.pow(a, b)
    case .minimum: Extrema.minimum(a, b)
    case .maximum: Extrema.maximum(a, b)
    case .equal: a == b ? 1 : 0
    case .notEqual: a != b ? 1 : 0
    case .less: a < b ? 1 : 0
    case .lessOrEqual: a <= b ? 1 : 0
    case .greater: a > b ? 1 : 0
    case .greaterOrEqual: a >= b ? 1 : 0
    }
  }
}
