import Tensors
import Testing

private typealias Functions = ElementaryFunctions

/// A function in all its forms.
private struct Function: Sendable, CustomTestStringConvertible {
  let name: String
  let ofFloat: @Sendable (Float) -> Float
  let ofDouble: @Sendable (Double) -> Double
  let ofFloats: @Sendable (UnsafePointer<Float>, UnsafeMutablePointer<Float>, Int) -> Void
  let ofDoubles: @Sendable (UnsafePointer<Double>, UnsafeMutablePointer<Double>, Int) -> Void

  var testDescription: String { name }

  static let transcendental = [
    Function(
      name: "exp", ofFloat: { Functions.exp($0) }, ofDouble: { Functions.exp($0) },
      ofFloats: { Functions.exp($0, $1, $2) }, ofDoubles: { Functions.exp($0, $1, $2) }),
    Function(
      name: "log", ofFloat: { Functions.log($0) }, ofDouble: { Functions.log($0) },
      ofFloats: { Functions.log($0, $1, $2) }, ofDoubles: { Functions.log($0, $1, $2) }),
    Function(
      name: "sin", ofFloat: { Functions.sin($0) }, ofDouble: { Functions.sin($0) },
      ofFloats: { Functions.sin($0, $1, $2) }, ofDoubles: { Functions.sin($0, $1, $2) }),
    Function(
      name: "cos", ofFloat: { Functions.cos($0) }, ofDouble: { Functions.cos($0) },
      ofFloats: { Functions.cos($0, $1, $2) }, ofDoubles: { Functions.cos($0, $1, $2) }),
    Function(
      name: "acos", ofFloat: { Functions.acos($0) }, ofDouble: { Functions.acos($0) },
      ofFloats: { Functions.acos($0, $1, $2) }, ofDoubles: { Functions.acos($0, $1, $2) }),
  ]

  static let exact = [
    Function(
      name: "sqrt", ofFloat: { Functions.sqrt($0) }, ofDouble: { Functions.sqrt($0) },
      ofFloats: { Functions.sqrt($0, $1, $2) }, ofDoubles: { Functions.sqrt($0, $1, $2) }),
    Function(
      name: "floor", ofFloat: { Functions.floor($0) }, ofDouble: { Functions.floor($0) },
      ofFloats: { Functions.floor($0, $1, $2) }, ofDoubles: { Functions.floor($0, $1, $2) }),
    Function(
      name: "round", ofFloat: { Functions.roundToEven($0) }, ofDouble: { Functions.roundToEven($0) },
      ofFloats: { Functions.roundToEven($0, $1, $2) }, ofDoubles: { Functions.roundToEven($0, $1, $2) }),
  ]

  static let power = [Float(2), 0.5, -1.7, -3, 21].map { y in
    Function(
      name: "power \(y)", ofFloat: { Functions.power($0, y) }, ofDouble: { Functions.pow($0, Double(y)) },
      ofFloats: { Functions.power($0, exponent: y, $1, $2) },
      ofDoubles: { Functions.power($0, exponent: Double(y), $1, $2) })
  }

  static let all = transcendental + exact + power
}

@Suite struct ElementaryFunctionTests {
  @Test(arguments: Function.transcendental)
  fileprivate func floatErrorIsAtMostTwoUnits(_ function: Function) throws {
    for row in try NumericFixture.rows("\(function.name)-float", of: Double.self) {
      let (result, truth) = (function.ofFloat(Float(row[0])), row[1])
      let nearest = Float(truth)
      if truth.isNaN || nearest.isInfinite || truth == 0 {
        #expect(isSame(result, nearest), "\(function.name)(\(row[0]))")
      } else {
        let unit = Double(max(nearest.magnitude.ulp, .leastNonzeroMagnitude))
        #expect(abs(Double(result) - truth) <= 2 * unit, "\(function.name)(\(row[0])) = \(result)")
      }
    }
  }

  @Test(arguments: Function.transcendental)
  fileprivate func doubleErrorIsAtMostOneUnit(_ function: Function) throws {
    for row in try NumericFixture.rows("\(function.name)-double", of: Double.self) {
      let (result, truth) = (function.ofDouble(row[0]), row[1])
      let isNear = truth.isFinite && truth != 0 && abs(result - truth) <= truth.ulp
      #expect(isNear || isSame(result, truth), "\(function.name)(\(row[0])) = \(result), not \(truth)")
    }
  }

  /// Vector body, scalar rest and the version in place give each element the bits of the single function.
  @Test(arguments: Function.all, [0, 1, 5, 64, 203])
  fileprivate func positionChangesNothing(_ function: Function, _ count: Int) {
    var generator = TestGenerator(state: 11)
    let values = generator.floats(count + 3)
    for shift in 0...3 {
      var result = [Float](repeating: 7, count: count + 1)
      var inPlace = values
      var doubleResult = [Double](repeating: 7, count: count + 1)
      var doubles = values.map(Double.init)
      inPlace.withUnsafeMutableBufferPointer {
        let base = $0.baseAddress! + shift
        function.ofFloats(base, &result, count)
        function.ofFloats(base, base, count)
      }
      doubles.withUnsafeMutableBufferPointer {
        let base = $0.baseAddress! + shift
        function.ofDoubles(base, &doubleResult, count)
        function.ofDoubles(base, base, count)
      }
      #expect(result[count] == 7 && doubleResult[count] == 7)
      for index in 0..<count {
        let single = function.ofFloat(values[shift + index])
        let double = function.ofDouble(Double(values[shift + index]))
        #expect(isSame(result[index], single) && isSame(inPlace[shift + index], single))
        #expect(isSame(doubleResult[index], double) && isSame(doubles[shift + index], double))
      }
    }
  }

  /// Blocks whose elements are all of the usual range have loops of their own, up to the range's ends.
  @Test func usualBlocksHaveTheBitsOfTheSingleFunction() {
    var generator = TestGenerator(state: 12)
    let ends: [Float] = [87, -87, 0, -0.0, 0x1p-149, 0x1p-126, 0x1.fffffep-1, 1]
    let exponents = ends + (0..<300).map { _ in Float.random(in: -87...87, using: &generator) }
    let positive =
      [0x1p-126, .greatestFiniteMagnitude, 0x1.fffffep-1, 1, 0x1.000002p0] as [Float]
      + (0..<300).map { _ in Float(bitPattern: .random(in: 0x0080_0000..<0x7f80_0000, using: &generator)) }
    for (values, outside, single, block) in [
      (exponents, -104.5, Functions.exp, Functions.exp), (positive, 0x1p-127, Functions.log, Functions.log),
    ]
      as [(
        [Float], Float, (Float) -> Float, (UnsafePointer<Float>, UnsafeMutablePointer<Float>, Int) -> Void
      )]
    {
      for values in [values, values + [outside], values.map { $0.nextUp }] {
        var result = [Float](repeating: 0, count: values.count)
        block(values, &result, values.count)
        for (value, result) in zip(values, result) { #expect(isSame(result, single(value)), "of \(value)") }
      }
    }
  }

  @Test func squareRootFloorAndRoundAreExact() {
    var generator = TestGenerator(state: 3)
    let halves = (-20...20).map { Float($0) / 2 }
    let edges: [Float] = [0x1p22 - 0.5, 0x1p22 + 0.5, 0x1p23 - 0.5, 0x1p23 + 1, -0x1p23 + 0.5, 0.49999997]
    for value in generator.floats(2000) + halves + edges {
      #expect(isSame(Functions.sqrt(value), value.squareRoot()))
      #expect(isSame(Functions.floor(value), value.rounded(.down)))
      #expect(isSame(Functions.roundToEven(value), value.rounded(.toNearestOrEven)))
      let wide = Double(value) * (1 + 0x1p-50)
      #expect(isSame(Functions.sqrt(wide), wide.squareRoot()))
      #expect(isSame(Functions.floor(wide), wide.rounded(.down)))
      #expect(isSame(Functions.roundToEven(wide), wide.rounded(.toNearestOrEven)))
    }
  }

  @Test func powIsWithinTwoUnits() throws {
    for row in try NumericFixture.rows("pow", of: Double.self) {
      let (result, truth) = (Functions.pow(row[0], row[1]), row[2])
      let isNear = truth.isFinite && truth != 0 && abs(result - truth) <= 2 * truth.ulp
      #expect(isNear || isSame(result, truth), "\(row[0]) ^ \(row[1]) = \(result), not \(truth)")
    }
  }

  @Test func wholePowersAreExact() {
    for base in 1...200 {
      var power = 1.0
      for exponent in 1...60 {
        power *= Double(base)
        if power > 0x1p53 { break }
        #expect(Functions.pow(Double(base), Double(exponent)) == power)
        #expect(Functions.pow(-Double(base), Double(exponent)) == (exponent % 2 == 0 ? power : -power))
        #expect(Functions.power(Float(base), Float(exponent)) == Float(power))
      }
    }
  }

  @Test func floatPowerIsTheRoundedDoublePower() throws {
    var (bases, exponents, expected): ([Float], [Float], [Float]) = ([], [], [])
    for row in try NumericFixture.rows("pow", of: Double.self) {
      // Only where both are Floats does the fixture's truth apply.
      if row[..<2].allSatisfy({ isSame(Double(Float($0)), $0) }) {
        bases.append(Float(row[0]))
        exponents.append(Float(row[1]))
        expected.append(Float(row[2]))
      }
    }
    #expect(bases.count > 200)
    var results = [Float](repeating: 0, count: bases.count)
    Functions.power(bases, exponents: exponents, &results, bases.count)
    for index in bases.indices {
      #expect(isSame(results[index], expected[index]), "\(bases[index]) ^ \(exponents[index])")
      #expect(isSame(Functions.power(bases[index], exponents[index]), expected[index]))
    }
    var wide = [0.0, 0.0]
    Functions.power([2, 9], exponents: [10, 0.5], &wide, 2)
    #expect(wide == [1024, 3])
  }

  @Test func floatPowerIsNearOverTheRange() {
    var generator = TestGenerator(state: 17)
    for _ in 0..<2000 {
      let base = Float(bitPattern: UInt32.random(in: 1..<0x7f80_0000, using: &generator))
      let exponent = Float.random(in: -3...3, using: &generator)
      let truth = Functions.pow(Double(base), Double(exponent))
      let result = Functions.power(base, exponent)
      let nearest = Float(truth)
      #expect(result == nearest || abs(Double(result) - truth) <= 0.5001 * Double(nearest.ulp))
    }
  }
}
